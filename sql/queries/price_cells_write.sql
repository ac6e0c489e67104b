-- Writes cells with their briefs: $1 levels (smallint[]), $2 span_numbers (bigint[]), $3
-- symbol_groups (integer[]), $4 cells (bytea[]), $5 briefs (bytea[]).
INSERT INTO price_totals AS t (level, span_number, symbol_group, cell, brief)
SELECT w.level, w.span_number, w.symbol_group, w.cell, w.brief
FROM unnest($1::smallint[], $2::bigint[], $3::integer[], $4::bytea[], $5::bytea[])
    AS w (level, span_number, symbol_group, cell, brief)
ON CONFLICT (level, span_number, symbol_group) DO UPDATE
SET cell = excluded.cell, brief = excluded.brief, rewrites = t.rewrites + 1
