-- Makes a place for the references $2 of the network $1 where there is none, as of transactions
-- whose rows are not recorded. $3 to $6 are heights, times, hashes of blocks and fees, one each. By
-- the key, in the order of references, so that two writers never wait for each other in a circle;
-- waits for whoever makes the same place.
INSERT INTO chain_transactions (network, reference, height, mined_at, block_hash, fee, is_recorded)
SELECT $1, l.reference, l.height, l.mined_at, l.block_hash, l.fee, false
FROM unnest($2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[]::numeric[])
    AS l (reference, height, mined_at, block_hash, fee)
ORDER BY l.reference
ON CONFLICT DO NOTHING
