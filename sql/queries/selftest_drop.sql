-- Drops the schema that the session's search_path names, and its row in pg_partman's
-- configuration, which no schema's end takes along. Nothing happens where it is not there.
DO $$
DECLARE
    scratch constant text := current_schema();
    partman text;
BEGIN
    IF scratch IS NULL OR current_setting('search_path') <> scratch THEN
        RETURN;
    END IF;
    SELECT n.nspname INTO partman
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_partman';
    IF partman IS NOT NULL THEN
        EXECUTE format('DELETE FROM %I.part_config WHERE parent_table = ANY ($1)', partman)
            USING ARRAY[scratch || '.transactions', scratch || '.prices'];
    END IF;
    SET LOCAL lock_timeout = '10s';
    EXECUTE format('DROP SCHEMA %I CASCADE', scratch);
END
$$
