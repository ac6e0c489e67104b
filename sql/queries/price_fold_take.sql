-- Takes away up to $1 notes of changed units and returns them, earliest units first: of units that
-- are over, or all ($2 boolean), but none on the days $3 (date[]), whose ticks are not at hand. The
-- caller reads those units and folds them in the same tx.
DELETE FROM price_changes
WHERE ctid = ANY (ARRAY(
    SELECT c.ctid
    FROM price_changes c
    WHERE ($2 OR c.unit_number < price_unit(now()))
      AND date '1970-01-01' + floor(c.unit_number / 360.0)::integer <> ALL ($3::date[])
    ORDER BY c.unit_number, c.symbol_id
    LIMIT $1))
RETURNING unit_number, symbol_id
