-- The transactions in which the wallet of the stream $1 takes part, from the height $2 to the
-- height $3, and the blocks in which their rows are recorded (NULL: they are not). $4 is the
-- network. By the keys of both tables; locks nothing.
SELECT s.reference, c.height, c.block_hash, c.block_index
FROM sync_transactions s
LEFT JOIN chain_transactions c
    ON c.network = $4 AND c.reference = s.reference AND c.is_recorded
WHERE s.stream_id = $1
  AND s.height BETWEEN $2 AND $3
