-- Keeps writers out of the parent while its key and indexes are off. Loaders write into
-- partitions, which this does not lock.
LOCK TABLE ONLY transactions IN SHARE ROW EXCLUSIVE MODE
