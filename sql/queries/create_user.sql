-- Records the user $1 (uuid) with the username $2 and the name $3. No row if the UUID or the
-- username is recorded already: another writer who is about to is waited for. A deleted
-- user's UUID breaks user_uuids_pkey.
INSERT INTO users (user_uuid, username, name)
VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
RETURNING user_id, user_uuid, username, name, created_at
