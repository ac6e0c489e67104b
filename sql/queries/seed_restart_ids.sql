-- Numbers users and accounts from 1, whatever was there and rolled back before: the
-- same seed gives the same rows, and with them the same content hashes.
ALTER TABLE users ALTER COLUMN user_id RESTART;
ALTER TABLE accounts ALTER COLUMN account_id RESTART;
