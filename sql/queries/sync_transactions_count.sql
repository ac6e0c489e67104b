-- In how many transactions up to the height $2 the wallet of the stream $1 takes part. By the key.
SELECT count(DISTINCT s.reference) AS count
FROM sync_transactions s
WHERE s.stream_id = $1
  AND s.height <= $2
