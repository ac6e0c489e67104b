-- Answers whether the client role has a password. Run by the superuser; parameters: none; one
-- row; locks nothing.
SELECT rolpassword IS NOT NULL AS is_there FROM pg_authid WHERE rolname = 'daybook_client'
