-- Today's midnight (UTC) by the server's clock, and how many txs may be prepared at once.
SELECT
    date_trunc('day', now(), 'UTC') AS today_at,
    current_setting('max_prepared_transactions')::integer AS prepared_max
