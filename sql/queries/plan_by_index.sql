-- Whether the statements of this tx that come next go by indexes alone, in the order of their
-- keys, whatever the planner thinks of tables: $1 true, and false as before. Of this tx only.
SELECT set_config(s.name, CASE WHEN $1::boolean THEN 'off' ELSE 'on' END, true) AS setting
FROM (
    VALUES ('enable_seqscan'), ('enable_bitmapscan'), ('enable_hashjoin'), ('enable_mergejoin'),
        ('enable_sort')
) AS s (name)
