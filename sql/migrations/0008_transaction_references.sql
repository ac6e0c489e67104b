-- The instants at which each reference has rows: the rows of a reference are found without
-- a look into every day.
--
-- Append-only and without a unique key, so writers never wait for each other here. A pair may
-- be there twice, and stays when its row leaves: the rows themselves are read at these
-- instants, so a pair too many costs a look and nothing else.

CREATE TABLE transaction_references (
    occurred_at timestamptz NOT NULL,
    reference   text COLLATE "C" NOT NULL
);
CREATE INDEX transaction_references_reference_occurred_at_idx ON transaction_references
    (reference, occurred_at);
COMMENT ON TABLE transaction_references IS
    'The instants at which each reference has, or had, rows. Kept by triggers on transactions.';

CREATE FUNCTION note_references_of_added() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO transaction_references (occurred_at, reference)
    SELECT DISTINCT a.occurred_at, a.reference FROM added a WHERE a.reference IS NOT NULL;
    RETURN NULL;
END
$$;

-- Pairs that rows had before the change are there already.
CREATE FUNCTION note_references_of_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO transaction_references (occurred_at, reference)
    SELECT a.occurred_at, a.reference FROM added a WHERE a.reference IS NOT NULL
    EXCEPT
    SELECT r.occurred_at, r.reference FROM removed r;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION note_references_of_added() FROM PUBLIC;
REVOKE ALL ON FUNCTION note_references_of_changed() FROM PUBLIC;

CREATE TRIGGER transactions_added_under_reference AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_references_of_added();
CREATE TRIGGER transactions_changed_under_reference AFTER UPDATE ON transactions
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_references_of_changed();

INSERT INTO transaction_references (occurred_at, reference)
SELECT DISTINCT t.occurred_at, t.reference FROM transactions t WHERE t.reference IS NOT NULL;
