-- What is set aside: stored totals that could not be read when corrections were to be folded
-- into them. Corrections that would change them stay where they are, and count in every answer
-- as before; all others are folded. `daybook audit --repair` builds the cells anew and takes
-- the entries away.

CREATE TABLE damaged_totals (
    account_id bigint NOT NULL,
    asset_id   integer NOT NULL,
    direction  smallint NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, asset_id, direction)
);
COMMENT ON TABLE damaged_totals IS
    'Trees of running_totals with a cell that could not be read.';

CREATE TABLE damaged_day_totals (
    asset_id      integer NOT NULL,
    direction     smallint NOT NULL,
    level         smallint NOT NULL,
    span_number   bigint NOT NULL,
    account_group bigint NOT NULL,
    noticed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (asset_id, direction, level, span_number, account_group)
);
COMMENT ON TABLE damaged_day_totals IS 'Cells of day_totals that could not be read.';

-- Corrections that can be folded: none of the three trees and of the cells by day that they
-- change is damaged. Accounts are in groups of 4,096, and a span of level L has 4^L days.
CREATE VIEW foldable_corrections AS
SELECT c.ctid AS place
FROM corrections c
WHERE NOT EXISTS (
        SELECT FROM damaged_totals d
        WHERE d.asset_id = c.asset_id
          AND d.account_id IN (0, CASE d.direction WHEN 0 THEN c.sender_id ELSE c.receiver_id END)
    )
  AND NOT EXISTS (
        SELECT FROM damaged_day_totals d
        WHERE d.asset_id = c.asset_id
          AND d.account_group
              = CASE d.direction WHEN 0 THEN c.sender_id ELSE c.receiver_id END >> 12
          AND d.span_number
              = ((c.occurred_at AT TIME ZONE 'UTC')::date - date '1970-01-01')
                >> 2 * d.level
    );

-- While a seeding is not complete, its days have rows that running totals do not know yet, or
-- the other way round: nothing can be answered that is right. Whoever seeds, every question
-- finds that out in its own snapshot, from the table that it asks anyway which days are absent:
-- the first day that there is stands there for the seeding.
CREATE FUNCTION note_seeding() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM seed_runs WHERE finished_at IS NULL) THEN
        INSERT INTO absent_days (day, is_dropped) VALUES ('0001-01-01', false)
        ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM absent_days WHERE day = '0001-01-01';
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION note_seeding() FROM PUBLIC;
CREATE TRIGGER seed_runs_noted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON seed_runs
    FOR EACH STATEMENT EXECUTE FUNCTION note_seeding();
INSERT INTO absent_days (day, is_dropped)
SELECT '0001-01-01', false FROM seed_runs WHERE finished_at IS NULL;
COMMENT ON TABLE absent_days IS
    'Days whose rows were recorded and are not at hand. Kept by note_days and drop_day_before. '
    'The day 0001-01-01 stands for a seeding that is not complete, and is in every window''s way.';

-- As before, and a seeding is in the way of every window.
CREATE OR REPLACE FUNCTION days_in_the_way(window_start timestamptz, window_end timestamptz)
RETURNS TABLE (day date)
LANGUAGE sql STABLE
AS $$
    SELECT a.day
    FROM absent_days a
    WHERE (NOT a.is_dropped
           AND a.day >= (window_start AT TIME ZONE 'UTC')::date
           AND a.day < window_end AT TIME ZONE 'UTC')
       OR (a.day = (window_start AT TIME ZONE 'UTC')::date
           AND a.day < window_start AT TIME ZONE 'UTC')
       OR (a.day = (window_end AT TIME ZONE 'UTC')::date
           AND a.day < window_end AT TIME ZONE 'UTC')
       OR a.day = '0001-01-01'
    ORDER BY a.day
    LIMIT 10
$$;

CREATE OR REPLACE FUNCTION days_without_rows_at_hand(
    window_start timestamptz, window_end timestamptz
)
RETURNS TABLE (day date)
LANGUAGE sql STABLE
AS $$
    SELECT a.day
    FROM absent_days a
    WHERE (a.day >= (window_start AT TIME ZONE 'UTC')::date
           AND a.day < window_end AT TIME ZONE 'UTC')
       OR a.day = '0001-01-01'
    ORDER BY a.day
    LIMIT 10
$$;
