-- Deletes the row of the transaction id $1, which occurred at $2; one row if it was there, which
-- says whether its asset is synced from a chain. The
-- triggers on transactions mark the id and correct the running totals.
-- Counts on: one partition, known when the statement is planned, and BRIN on occurred_at in it.
-- Waits for whoever else deletes or changes the row.
DELETE FROM transactions t
WHERE t.occurred_at = $2
  AND t.transaction_id = $1
RETURNING EXISTS (SELECT FROM chain_assets c WHERE c.asset_id = t.asset_id) AS is_synced
