-- How many pages the file of corrections has, whatever is in them.
SELECT pg_relation_size('corrections') / current_setting('block_size')::bigint AS page_count
