-- Has the user $1 (user_id) track the account $2, unless the user tracks $3 accounts, or $4
-- users track it. Both are locked, so that nobody adds to them between the count and the row.
-- One row always: added_at, null if a limit was in the way; has_room_for_wallet tells which; is_new
-- if it was not tracked before.
WITH known AS (
    SELECT added_at FROM user_wallets WHERE user_id = $1 AND account_id = $2
),
room AS (
    SELECT
        (SELECT count(*) FROM (SELECT FROM user_wallets WHERE user_id = $1 LIMIT $3) w) < $3
            AS for_wallet,
        (SELECT count(*) FROM (SELECT FROM user_wallets WHERE account_id = $2 LIMIT $4) u) < $4
            AS for_user
),
added AS (
    INSERT INTO user_wallets (user_id, account_id)
    SELECT $1, $2
    FROM room
    WHERE for_wallet AND for_user AND NOT EXISTS (SELECT FROM known)
    RETURNING added_at
)
SELECT
    coalesce((SELECT added_at FROM known), (SELECT added_at FROM added)) AS added_at,
    EXISTS (SELECT FROM added) AS is_new,
    (SELECT for_wallet FROM room) AS has_room_for_wallet
