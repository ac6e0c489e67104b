-- Holds passwords for cluster_bootstrap_password_set.sql in the same tx, because ALTER ROLE takes
-- no parameters. $1: that of the client role, $2: that of the reader; one row without meaning;
-- locks nothing.
SELECT
    set_config('daybook.client_password', $1::text, true),
    set_config('daybook.reader_password', $2::text, true)
