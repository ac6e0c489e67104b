-- What floor.sql reads: for each account, asset, direction and day with transactions, how
-- many there were up to the end of that day, their sum and the sum of their squares. A plain
-- table, as anybody would make it. Run once, on the database that is measured.
DROP TABLE IF EXISTS floor_totals;
CREATE TABLE floor_totals (
    account_id     bigint NOT NULL,
    asset_id       integer NOT NULL,
    direction      smallint NOT NULL, -- 1: the account sent, 2: it received
    day            date NOT NULL,
    count          bigint NOT NULL,
    sum            numeric NOT NULL,
    sum_of_squares numeric NOT NULL
);
INSERT INTO floor_totals
SELECT account_id, asset_id, direction, day,
    sum(count) OVER through_day, sum(sum) OVER through_day, sum(sum_of_squares) OVER through_day
FROM (
    SELECT side.account_id, t.asset_id, side.direction,
        (t.occurred_at AT TIME ZONE 'UTC')::date AS day,
        count(*) AS count, sum(t.amount) AS sum, sum(t.amount * t.amount) AS sum_of_squares
    FROM transactions t
    CROSS JOIN LATERAL (VALUES (t.sender_id, 1), (t.receiver_id, 2)) side (account_id, direction)
    GROUP BY side.account_id, t.asset_id, side.direction, day
) daily
WINDOW through_day AS (PARTITION BY account_id, asset_id, direction ORDER BY day)
ORDER BY account_id, asset_id, direction, day;
ALTER TABLE floor_totals ADD PRIMARY KEY (account_id, asset_id, direction, day);
VACUUM (ANALYZE) floor_totals;
