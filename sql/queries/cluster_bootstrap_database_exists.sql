-- Answers whether the database `daybook` is there. A kill in the midst of CREATE DATABASE leaves
-- no row, so that a row means a whole database. Parameters: none; one row; locks nothing.
SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = 'daybook') AS is_there
