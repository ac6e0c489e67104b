-- Keeps everybody out of the partition {leaf} until the end of the tx.
LOCK TABLE {leaf} IN ACCESS EXCLUSIVE MODE
