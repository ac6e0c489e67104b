-- Answers whether an extension can be made: whether its files are installed.
-- $1: name of the extension; one row; reads the share folder of Postgres; locks nothing.
SELECT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = $1::text) AS is_there
