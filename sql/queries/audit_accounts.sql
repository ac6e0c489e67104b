-- Every account that is there or has a tree, ascending; all accounts together (0) are no
-- account. Counts on the primary key of running_totals: one look-up for each tree's account.
WITH RECURSIVE trees AS (
    SELECT min(account_id) AS account_id FROM running_totals WHERE account_id <> 0
    UNION ALL
    SELECT (SELECT min(r.account_id) FROM running_totals r
        WHERE r.account_id > t.account_id AND r.account_id <> 0)
    FROM trees t
    WHERE t.account_id IS NOT NULL
)
SELECT account_id FROM accounts
UNION
SELECT account_id FROM trees WHERE account_id IS NOT NULL
ORDER BY account_id
