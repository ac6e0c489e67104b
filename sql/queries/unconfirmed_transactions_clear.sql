-- Forgets the unconfirmed transactions of the wallet of the stream $1. By the key; locks the rows.
DELETE FROM unconfirmed_transactions u
WHERE u.stream_id = $1
