-- Drops the oldest day of prices that lies more than $1 days before today, and returns it;
-- is_dropped is false where some of it has to be folded first. No row if there is none. Locks
-- prices against everybody for the moment; gives up after half a second.
SELECT oldest_day, is_dropped
FROM drop_price_day_before((now() AT TIME ZONE 'UTC')::date - $1::integer)
