-- Records that the rows of the days $1 are in the running totals.
UPDATE seed_days SET is_sealed = true WHERE day = ANY ($1)
