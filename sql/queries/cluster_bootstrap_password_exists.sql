-- Answers whether the roles that connect by TCP have passwords. Run by the superuser; parameters:
-- none; one row; locks nothing.
SELECT count(*) FILTER (WHERE rolpassword IS NOT NULL) = 2 AS is_there
FROM pg_authid
WHERE rolname IN ('daybook_client', 'daybook_reader')
