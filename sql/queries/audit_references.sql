-- Accounts and assets that transactions from $1 (inside) to $2 (outside) name and that are not
-- there: column and number, how many rows, and the first of them. Rows that came by way of the
-- parent were checked; others were not.
-- Counts on: the partitions being chosen when the statement is planned; few different accounts
-- among many rows, of which each is looked up once.
SELECT n.named_by, n.id, n.row_count, n.first_at
FROM (
    SELECT 'sender_id' AS named_by, t.sender_id AS id,
        count(*) AS row_count, min(t.occurred_at) AS first_at
    FROM transactions t
    WHERE t.occurred_at >= $1 AND t.occurred_at < $2
    GROUP BY t.sender_id
    UNION ALL
    SELECT 'receiver_id', t.receiver_id, count(*), min(t.occurred_at)
    FROM transactions t
    WHERE t.occurred_at >= $1 AND t.occurred_at < $2
    GROUP BY t.receiver_id
) n
WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.account_id = n.id)
UNION ALL
SELECT 'asset_id', n.asset_id, n.row_count, n.first_at
FROM (
    SELECT t.asset_id, count(*) AS row_count, min(t.occurred_at) AS first_at
    FROM transactions t
    WHERE t.occurred_at >= $1 AND t.occurred_at < $2
    GROUP BY t.asset_id
) n
WHERE NOT EXISTS (SELECT FROM assets a WHERE a.asset_id = n.asset_id)
