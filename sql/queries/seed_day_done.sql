-- Records that the day $1 is loaded, with $2 rows.
INSERT INTO seed_days (day, transaction_count) VALUES ($1, $2)
