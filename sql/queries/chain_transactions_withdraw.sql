-- Notes that rows of the references $2 of the network $1 are taken back: recorded anew, they have
-- other ids. By the key; the rows are locked by this tx.
UPDATE chain_transactions c
SET is_recorded = false, generation = c.generation + 1
WHERE c.network = $1
  AND c.reference = ANY ($2::text[])
