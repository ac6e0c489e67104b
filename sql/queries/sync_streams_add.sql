-- Makes the stream of the asset $1 and the account $2 (0: all accounts) from the block $3 to the block
-- $4 (NULL: the head), unless there is one. A stream that is there takes the later end.
-- Waits for whoever makes the same one.
INSERT INTO sync_streams (asset_id, account_id, first_height, last_height, complete_from)
VALUES ($1, $2, $3, $4, CASE WHEN $3::bigint = 0 THEN timestamptz '-infinity' ELSE 'infinity' END)
ON CONFLICT (asset_id, account_id) DO UPDATE
SET last_height = CASE
    WHEN EXCLUDED.last_height IS NULL THEN NULL
    ELSE greatest(sync_streams.last_height, EXCLUDED.last_height) END
WHERE sync_streams.last_height IS NOT NULL
