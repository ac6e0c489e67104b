-- Whether a transaction names an account or an asset that is not there: rows that were loaded
-- into partitions passed no trigger. Reads every row once.
SELECT EXISTS (
    SELECT FROM transactions t
    LEFT JOIN accounts sender ON sender.account_id = t.sender_id
    LEFT JOIN accounts receiver ON receiver.account_id = t.receiver_id
    LEFT JOIN assets a ON a.asset_id = t.asset_id
    WHERE sender.account_id IS NULL OR receiver.account_id IS NULL OR a.asset_id IS NULL
) AS is_broken
