-- Corrections of the accounts from $1 to $2 on the side $3 (0 sender, 1 receiver).
SELECT
    CASE WHEN $3::smallint = 0 THEN sender_id ELSE receiver_id END AS account_id,
    asset_id, occurred_at, row_count, amount
FROM corrections
WHERE CASE WHEN $3 = 0 THEN sender_id ELSE receiver_id END BETWEEN $1 AND $2
