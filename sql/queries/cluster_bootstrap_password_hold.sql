-- Holds a password for cluster_bootstrap_password_set.sql in the same tx, because ALTER ROLE
-- takes no parameters. $1: the password; one row without meaning; locks nothing.
SELECT set_config('daybook.client_password', $1::text, true)
