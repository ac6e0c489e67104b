-- Makes the database `daybook`, owned by the role of that name. Cannot run in a tx, and knows no
-- IF NOT EXISTS: run only after cluster_bootstrap_database_exists.sql said no.
-- Parameters: none; locks template0 against change.
CREATE DATABASE daybook OWNER daybook TEMPLATE template0
