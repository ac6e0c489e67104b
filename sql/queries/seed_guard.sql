-- Keeps writers out of the parent while its references are off. Loaders write into
-- partitions, which this does not lock.
LOCK TABLE ONLY transactions IN SHARE ROW EXCLUSIVE MODE
