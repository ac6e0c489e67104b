-- Makes sure that the source $1 with its key number $2 is known. By the key.
INSERT INTO sync_sources (source, key_number) VALUES ($1, $2) ON CONFLICT DO NOTHING
