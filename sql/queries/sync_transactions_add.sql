-- Notes that the wallet of the stream $1 takes part in the transactions $2, which are at the
-- heights $3.
INSERT INTO sync_transactions (stream_id, reference, height)
SELECT $1, l.reference, l.height
FROM unnest($2::text[], $3::bigint[]) AS l (reference, height)
