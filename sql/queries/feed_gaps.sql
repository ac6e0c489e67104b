-- Minutes that lack a tick, of the symbols $1 (text[]), whether they are recorded or not: those that
-- close from $2 up to and with $3 (timestamptz, whole minutes), as spans of minutes that follow each
-- other. Reads the ticks of each symbol in that time by the primary key.
WITH asked AS (
    SELECT w.name, s.symbol_id
    FROM unnest($1::text[]) AS w (name)
    LEFT JOIN symbols s ON s.name = w.name
), edges AS (
    SELECT a.name, p.ticked_at
    FROM asked a
    JOIN prices p ON p.symbol_id = a.symbol_id
    WHERE p.ticked_at >= $2 AND p.ticked_at <= $3
        AND p.ticked_at = date_trunc('minute', p.ticked_at)
    UNION ALL
    SELECT a.name, e.at
    FROM asked a, (VALUES ($2 - interval '1 minute'), ($3 + interval '1 minute')) AS e (at)
), steps AS (
    SELECT e.name, e.ticked_at,
        lead(e.ticked_at) OVER (PARTITION BY e.name ORDER BY e.ticked_at) AS next_at
    FROM edges e
)
SELECT s.name, s.ticked_at + interval '1 minute' AS first_at, s.next_at - interval '1 minute' AS last_at
FROM steps s
WHERE s.next_at > s.ticked_at + interval '1 minute'
ORDER BY s.name, s.ticked_at
