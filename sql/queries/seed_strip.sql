-- Takes off what is cheaper to build once than to keep up row by row. seed_finish
-- puts it back; a seeding that was killed in between is finished at the next start,
-- before anything is served. Writers are refused meanwhile, at the parent.
CREATE OR REPLACE TRIGGER transactions_seeding BEFORE INSERT OR UPDATE OR DELETE
    ON transactions FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_seeding();
DROP INDEX IF EXISTS transactions_occurred_at_idx;
DROP INDEX IF EXISTS transactions_sender_id_asset_id_occurred_at_idx;
DROP INDEX IF EXISTS transactions_receiver_id_asset_id_occurred_at_idx;
ALTER TABLE transaction_ids DROP CONSTRAINT IF EXISTS transaction_ids_pkey;
