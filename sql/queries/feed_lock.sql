-- Whether nobody else takes prices from an exchange for this schema; if so, held until the
-- connection ends.
SELECT pg_try_advisory_lock(hashtext('daybook.price_feed'), hashtext(current_schema())) AS is_ours
