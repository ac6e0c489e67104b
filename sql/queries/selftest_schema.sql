-- The schema that the session's search_path names: null where it is not there.
SELECT current_schema()::text AS schema
