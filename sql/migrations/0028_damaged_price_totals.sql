-- Cells of prices that could not be read when they were to be put together anew, and could not be
-- built anew either, because ticks are not at hand: kept so that they are counted where an operator
-- looks. Whoever builds such a cell anew takes its entry away.

CREATE TABLE damaged_price_totals (
    level        smallint NOT NULL,
    span_number  bigint NOT NULL,
    symbol_group integer NOT NULL,
    noticed_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (level, span_number, symbol_group)
);
COMMENT ON TABLE damaged_price_totals IS
    'Cells of price_totals that cannot be read, of all their symbols or of some.';
