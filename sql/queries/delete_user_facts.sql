-- What is known of the UUID $1 besides its user. One row: is_deleted says whether it was a
-- user's who was deleted, account_id is null without a payments account, is_seeding says
-- whether rows are there that no running total counts yet.
SELECT
    EXISTS (SELECT FROM user_uuids WHERE user_uuid = $1 AND deleted_at IS NOT NULL) AS is_deleted,
    (SELECT account_id FROM accounts WHERE network = 'internal' AND address = $1::uuid::text)
        AS account_id,
    EXISTS (SELECT FROM seed_runs WHERE finished_at IS NULL) AS is_seeding
