-- Statistics of the whole, from a sample of all partitions.
ANALYZE transactions
