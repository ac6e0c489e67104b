-- Forgets in which transactions from the height $2 to the height $3 the wallet of the stream $1
-- takes part. By the key; locks the rows.
DELETE FROM sync_transactions s
WHERE s.stream_id = $1
  AND s.height BETWEEN $2 AND $3
