-- How many rows of a reference came to an instant and went from it: what is left decides
-- whether the instant has rows, also on days that are not at hand.
--
-- Still append-only, so writers never wait for each other here: what goes is appended too,
-- with a count below zero.

LOCK TABLE transactions IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE transaction_references ADD COLUMN row_count bigint NOT NULL DEFAULT 1;
ALTER TABLE transaction_references ALTER COLUMN row_count DROP DEFAULT;

-- Days at hand are counted. How many rows those of other days have is not known: so many that
-- they are looked for whatever goes, should their day come back.
DELETE FROM transaction_references f
WHERE (f.occurred_at AT TIME ZONE 'UTC')::date IN (
    SELECT (p.lower_at AT TIME ZONE 'UTC')::date FROM partition_bounds('transactions') p);
UPDATE transaction_references SET row_count = 1000000000;
INSERT INTO transaction_references (occurred_at, reference, row_count)
SELECT t.occurred_at, t.reference, count(*)
FROM transactions t
WHERE t.reference IS NOT NULL
GROUP BY t.occurred_at, t.reference;

COMMENT ON TABLE transaction_references IS
    'How many rows of each reference came to an instant (row_count above zero) and went from '
    'it (below zero). Kept by triggers on transactions, appended only.';

CREATE OR REPLACE FUNCTION note_references_of_added() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO transaction_references (occurred_at, reference, row_count)
    SELECT a.occurred_at, a.reference, count(*)
    FROM added a
    WHERE a.reference IS NOT NULL
    GROUP BY a.occurred_at, a.reference;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION note_references_of_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO transaction_references (occurred_at, reference, row_count)
    SELECT c.occurred_at, c.reference, sum(c.row_count)
    FROM (
        SELECT a.occurred_at, a.reference, 1 AS row_count FROM added a
        UNION ALL
        SELECT r.occurred_at, r.reference, -1 FROM removed r
    ) c
    WHERE c.reference IS NOT NULL
    GROUP BY c.occurred_at, c.reference
    HAVING sum(c.row_count) <> 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION note_references_of_removed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO transaction_references (occurred_at, reference, row_count)
    SELECT r.occurred_at, r.reference, -count(*)
    FROM removed r
    WHERE r.reference IS NOT NULL
    GROUP BY r.occurred_at, r.reference;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION note_references_of_removed() FROM PUBLIC;

CREATE TRIGGER transactions_removed_under_reference AFTER DELETE ON transactions
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION note_references_of_removed();
