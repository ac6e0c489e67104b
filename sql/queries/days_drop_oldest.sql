-- Drops the oldest day that lies more than $1 days before today; null if there is none.
-- Locks transactions against everybody for the moment; gives up after half a second.
SELECT drop_day_before((now() AT TIME ZONE 'UTC')::date - $1::integer) AS dropped_day
