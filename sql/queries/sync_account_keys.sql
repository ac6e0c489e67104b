-- Network and address of the accounts $1, as far as somebody tracks them. By keys.
SELECT a.account_id, a.network, a.address
FROM accounts a
WHERE a.account_id = ANY ($1)
  AND EXISTS (SELECT FROM user_wallets w WHERE w.account_id = a.account_id)
