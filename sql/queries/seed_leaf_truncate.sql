-- Gives the partition {leaf}, known to be empty, a file made in this tx: rows that
-- are loaded into it may then be written frozen.
TRUNCATE {leaf}
