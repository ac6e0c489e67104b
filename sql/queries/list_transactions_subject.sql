-- The accounts of a subject: $1 user_uuid for a user with all wallets, else null; $2 network and
-- $3 address for an account, else null; $4 the one user whose records may be seen, null for
-- everybody's.
-- One row an account; one with a null for a user without wallets; none for an unknown subject.
SELECT w.account_id
FROM users u
LEFT JOIN user_wallets w USING (user_id)
WHERE u.user_uuid = $1
  AND ($4::uuid IS NULL OR u.user_uuid = $4)
UNION ALL
SELECT a.account_id
FROM accounts a
WHERE a.network = $2
  AND a.address = $3
  AND (
      $4 IS NULL
      OR EXISTS (
          SELECT
          FROM user_wallets o
          JOIN users v USING (user_id)
          WHERE o.account_id = a.account_id AND v.user_uuid = $4
      )
  )
