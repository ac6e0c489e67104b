-- The next rows of the cursor audit_rows: as many as are folded at a time.
FETCH FORWARD 20000 FROM audit_rows
