-- The seeding of this database, if there was one.
SELECT user_count, transaction_count, first_day, day_count, seed_number, is_skewed,
       finished_at IS NOT NULL AS is_finished
FROM seed_runs
