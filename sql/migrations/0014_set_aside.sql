-- Corrections of totals that are set aside (damaged_totals, damaged_day_totals) get a table of
-- their own: whoever folds moves them there when coming across them, and never reads them again.
-- They go back when nothing is set aside any more.
--
-- The table inherits: whoever reads corrections reads both, in one snapshot. Only those who fold
-- read ONLY corrections, and the two kinds of statements that answer nearly all sums, where one
-- more index would cost more than anything else in them. What tells these that there is more is
-- the day infinity in absent_days, where they look anyway: it lies in no window.

CREATE TABLE set_aside_corrections () INHERITS (corrections);
CREATE INDEX set_aside_corrections_sender_id_asset_id_occurred_at_idx
    ON set_aside_corrections (sender_id, asset_id, occurred_at);
CREATE INDEX set_aside_corrections_receiver_id_asset_id_occurred_at_idx
    ON set_aside_corrections (receiver_id, asset_id, occurred_at);
COMMENT ON TABLE set_aside_corrections IS
    'Corrections that would change totals which are set aside. They count in every answer.';

CREATE FUNCTION note_set_aside() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM set_aside_corrections) THEN
        INSERT INTO absent_days (day, is_dropped) VALUES ('infinity', true)
        ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM absent_days WHERE day = 'infinity';
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION note_set_aside() FROM PUBLIC;
CREATE TRIGGER set_aside_corrections_noted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON set_aside_corrections
    FOR EACH STATEMENT EXECUTE FUNCTION note_set_aside();
COMMENT ON TABLE absent_days IS
    'Days whose rows were recorded and are not at hand. Kept by note_days and drop_day_before. '
    'The day 0001-01-01 stands for a seeding that is not complete, and is in every window''s way; '
    'the day infinity stands for corrections that are set aside, and is in no window''s way.';

-- As before, of those that are not set aside yet. For servers of the release before, which may run
-- beside; the others take whatever comes and tell it apart.
CREATE OR REPLACE VIEW foldable_corrections AS
SELECT c.ctid AS place
FROM ONLY corrections c
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
