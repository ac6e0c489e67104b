-- The newest block up to the height $2 that has a transaction in which the wallet of the stream $1
-- takes part, whose rows are recorded there. $3 is the network. By the keys of both tables,
-- backwards; locks nothing.
SELECT s.height, c.block_hash
FROM sync_transactions s
JOIN chain_transactions c
    ON c.network = $3 AND c.reference = s.reference AND c.is_recorded AND c.height = s.height
WHERE s.stream_id = $1
  AND s.height <= $2
ORDER BY s.height DESC
LIMIT 1
