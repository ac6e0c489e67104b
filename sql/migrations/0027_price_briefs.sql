-- Briefs of prices: beside each cell what questions about prices alone need of it, where it is read
-- without a look elsewhere; beside cells of units the ticks themselves, packed, for windows that
-- begin or end inside of them.

ALTER TABLE price_totals
    ADD COLUMN brief bytea,
    ADD COLUMN rewrites bigint NOT NULL DEFAULT 0;
ALTER TABLE price_totals ALTER COLUMN brief SET STORAGE EXTERNAL;
-- Cells, which are longer, are kept elsewhere as before; briefs stay in their rows, whose pages
-- hold one or two.
ALTER TABLE price_totals SET (toast_tuple_target = 8160);
COMMENT ON COLUMN price_totals.brief IS
    'At level 0 the ticks of the unit, packed; above what their prices come to. NULL where the cell '
    'was written by a release that did not know of it.';
COMMENT ON COLUMN price_totals.rewrites IS
    'Counted by whoever writes a brief with its cell: a brief stays no longer than its cell.';

-- A release before this one may fold for a while beside one that knows of briefs.
CREATE FUNCTION forget_brief() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.brief := NULL;
    RETURN NEW;
END
$$;

CREATE TRIGGER price_totals_rewritten BEFORE UPDATE ON price_totals
    FOR EACH ROW
    WHEN (NEW.rewrites = OLD.rewrites)
    EXECUTE FUNCTION forget_brief();
