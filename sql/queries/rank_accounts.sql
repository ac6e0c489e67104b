-- Every account of the network $1, up to $2 of them, as columns. One row. as_of is the instant
-- of the snapshot.
SELECT
    now() AS as_of,
    coalesce(array_agg(m.account_id), '{}') AS account_ids,
    coalesce(array_agg(m.address), '{}') AS addresses
FROM (SELECT account_id, address FROM accounts WHERE network = $1 LIMIT $2) m
