-- Loads users.
COPY users (user_uuid, username, name, created_at) FROM STDIN (FORMAT binary)
