-- Notes that rows of the references $2 of the network $1 are recorded, in blocks with the heights
-- $3, at the indexes $4 (NULL: not known), the times $5 and the hashes $6, with the fees $7 and ids
-- of the generations $8. By the key; the rows are locked by this tx.
UPDATE chain_transactions c
SET height = l.height, block_index = l.block_index, mined_at = l.mined_at,
    block_hash = l.block_hash, fee = l.fee, generation = l.generation, is_recorded = true
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[],
        $7::text[]::numeric[], $8::bigint[])
    AS l (reference, height, block_index, mined_at, block_hash, fee, generation)
WHERE c.network = $1
  AND c.reference = l.reference
