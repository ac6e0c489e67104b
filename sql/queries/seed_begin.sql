-- Records that seeding has begun: $1 users, $2 transactions, $3 first day, $4 days,
-- $5 seed number, $6 whether skewed.
INSERT INTO seed_runs
    (user_count, transaction_count, first_day, day_count, seed_number, is_skewed)
VALUES ($1, $2, $3, $4, $5, $6)
