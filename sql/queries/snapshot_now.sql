-- The clock of the database at the snapshot.
SELECT now() AS as_of
