-- Days that are loaded already.
SELECT day, transaction_count FROM seed_days
