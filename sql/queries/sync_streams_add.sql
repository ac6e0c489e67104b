-- Makes the stream of the asset $1 and the account $2 (0: all accounts) from the block $3 to the
-- block $4 (NULL: the head, for good), unless there is one. Where a stream ends that is there,
-- whoever asked last says. Waits for whoever makes the same one.
INSERT INTO sync_streams (asset_id, account_id, first_height, last_height, complete_from)
VALUES ($1, $2, $3, $4, CASE WHEN $3::bigint = 0 THEN timestamptz '-infinity' ELSE 'infinity' END)
ON CONFLICT (asset_id, account_id) DO UPDATE
SET last_height = CASE WHEN EXCLUDED.last_height IS NOT NULL
    THEN greatest(EXCLUDED.last_height, sync_streams.first_height) END
WHERE sync_streams.last_height IS DISTINCT FROM EXCLUDED.last_height
