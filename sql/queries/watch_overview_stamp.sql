-- The clock of the database at the snapshot of this statement, and a stamp of what the snapshot
-- sees: two of the same stamp see the same rows of all tables, because a tx that writes has a number,
-- which a snapshot counts as over or as at work. Null on a standby, where snapshots name no tx at
-- work. The start of the server is part of it: a crash may lose what was seen, and its numbers are
-- given again.
-- Reads no table.
SELECT
    now() AS as_of,
    CASE
        WHEN NOT pg_is_in_recovery()
        THEN pg_postmaster_start_time()::text || ' ' || pg_current_snapshot()::text
    END AS stamp
