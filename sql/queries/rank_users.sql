-- Everybody who is ranked among users, up to $1 of them, as columns: who they are, and which
-- accounts are whose. One row. as_of is the instant of the snapshot.
SELECT
    now() AS as_of,
    u.user_ids,
    u.user_uuids,
    u.usernames,
    w.wallet_user_ids,
    w.wallet_account_ids
FROM (
    SELECT
        coalesce(array_agg(m.user_id), '{}') AS user_ids,
        coalesce(array_agg(m.user_uuid), '{}') AS user_uuids,
        coalesce(array_agg(m.username), '{}') AS usernames
    FROM (SELECT user_id, user_uuid, username FROM users ORDER BY user_id LIMIT $1) m
) u
CROSS JOIN (
    SELECT
        coalesce(array_agg(o.user_id), '{}') AS wallet_user_ids,
        coalesce(array_agg(o.account_id), '{}') AS wallet_account_ids
    FROM user_wallets o
) w
