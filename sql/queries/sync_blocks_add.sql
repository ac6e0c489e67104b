-- Records blocks of the stream $1: heights $2, times $3, hashes $4, hashes of the blocks before
-- them $5, how many transfers $6 and other events $7 they have. Those that are there are blocks of
-- the same hash that were asked for again: nothing changes. Locks nothing that others write.
INSERT INTO sync_blocks (
    stream_id, height, mined_at, block_hash, parent_hash, transfer_count, other_count
)
SELECT $1, height, mined_at, block_hash, parent_hash, transfer_count, other_count
FROM unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
    AS added (height, mined_at, block_hash, parent_hash, transfer_count, other_count)
ON CONFLICT (stream_id, height) DO NOTHING
