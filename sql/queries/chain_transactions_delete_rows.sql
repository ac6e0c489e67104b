-- Takes back the rows of the asset $1 with the reference $2 at $3. The triggers on transactions
-- mark their ids and correct the running totals. Counts on: one partition, known when the statement
-- is planned, and BRIN on occurred_at in it.
DELETE FROM transactions t
WHERE t.occurred_at = $3
  AND t.asset_id = $1
  AND t.reference = $2
