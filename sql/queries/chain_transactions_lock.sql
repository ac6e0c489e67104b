-- Where the references $2 of the network $1 are recorded. By the key; locks the rows, in the order
-- of references, until the tx ends.
SELECT c.reference, c.block_index, c.mined_at, c.block_hash, c.generation, c.is_recorded
FROM chain_transactions c
WHERE c.network = $1
  AND c.reference = ANY ($2::text[])
ORDER BY c.reference
FOR UPDATE
