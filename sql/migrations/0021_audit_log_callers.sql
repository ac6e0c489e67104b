-- In which role somebody did something, and from which address.

ALTER TABLE audit_log ADD COLUMN role text, ADD COLUMN peer inet;
COMMENT ON COLUMN audit_log.role IS
    'Role of whoever did it; NULL for those of whom nothing is known, and in rows from before this '
    'column.';
COMMENT ON COLUMN audit_log.peer IS
    'Address from which it was asked; NULL for commands on the machine, and likewise. Addresses of '
    'refused callers are in the subject.';
