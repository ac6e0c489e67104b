-- Days that are loaded and whose rows are not in the running totals yet.
SELECT day FROM seed_days WHERE NOT is_sealed ORDER BY day
