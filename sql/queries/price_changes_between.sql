-- Units from $1 to before $2 (bigint) in which ticks were written that are not folded, of all
-- symbols or of $3 (integer[], null for all).
SELECT DISTINCT c.unit_number, c.symbol_id
FROM price_changes c
WHERE c.unit_number >= $1 AND c.unit_number < $2
  AND ($3::integer[] IS NULL OR c.symbol_id = ANY ($3))
