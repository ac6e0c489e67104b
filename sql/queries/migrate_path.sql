-- For the tx of a migration: names are looked for in the caller's temporary schema
-- last. Functions that say SET search_path FROM CURRENT keep that; one that runs with
-- its owner's rights would otherwise take a caller's temporary table for its own.
SELECT set_config('search_path', current_setting('search_path') || ', pg_temp', true)
