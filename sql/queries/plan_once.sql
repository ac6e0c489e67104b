-- Whether the statements of this tx that come next are planned once for all values ($1 true), or for
-- their values each time, as sessions that scan rows are (false). Of this tx only.
SELECT set_config(
    'plan_cache_mode',
    CASE WHEN $1::boolean THEN 'force_generic_plan' ELSE 'force_custom_plan' END,
    true) AS setting
