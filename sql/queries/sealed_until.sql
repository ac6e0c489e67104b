-- The earliest instant of a row that is not sealed yet; null if all are. Reads all corrections.
SELECT min(occurred_at) AS sealed_until FROM corrections
