-- What the records keep true whoever writes them: a user's UUID names one user for all
-- time, and one address is one account.

CREATE TABLE user_uuids (
    user_uuid  uuid PRIMARY KEY,
    deleted_at timestamptz
);
COMMENT ON TABLE user_uuids IS
    'Every UUID that was ever a user''s. It outlives the user, whose payments account keeps '
    'it as its address: nobody else may come into those transactions by it. Kept by triggers '
    'on users.';

CREATE FUNCTION register_added_users() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO user_uuids (user_uuid) SELECT a.user_uuid FROM added a ORDER BY a.user_uuid;
    RETURN NULL;
END
$$;

CREATE FUNCTION register_removed_users() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE user_uuids i SET deleted_at = now()
    FROM removed r
    WHERE i.user_uuid = r.user_uuid;
    RETURN NULL;
END
$$;

CREATE FUNCTION refuse_changed_user_uuid() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the UUID of a user cannot be changed: it is the address of an account'
        USING ERRCODE = 'feature_not_supported';
END
$$;

REVOKE ALL ON FUNCTION register_added_users() FROM PUBLIC;
REVOKE ALL ON FUNCTION register_removed_users() FROM PUBLIC;

-- From here on no user passes unregistered: who is there already is registered after that.
CREATE TRIGGER users_added AFTER INSERT ON users
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION register_added_users();
CREATE TRIGGER users_removed AFTER DELETE ON users
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION register_removed_users();
CREATE TRIGGER users_uuid_changed BEFORE UPDATE ON users
    FOR EACH ROW WHEN (OLD.user_uuid <> NEW.user_uuid)
    EXECUTE FUNCTION refuse_changed_user_uuid();
INSERT INTO user_uuids (user_uuid) SELECT user_uuid FROM users;

-- Whether an address is written in the one way in which its network's are recorded. Shapes
-- only: whether checksums are right is checked by Daybook, before it records an account.
CREATE FUNCTION is_canonical_address(network text, address text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE network
    WHEN 'internal' THEN
        address ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
    WHEN 'ethereum' THEN
        address ~ '^0x[0-9a-f]{40}$'
    WHEN 'bitcoin' THEN
        address ~ '^([13][1-9A-HJ-NP-Za-km-z]{25,34}|bc1[02-9ac-hj-np-z]{11,71})$'
    WHEN 'bitcoin-regtest' THEN
        address ~ '^([2mn][1-9A-HJ-NP-Za-km-z]{25,34}|bcrt1[02-9ac-hj-np-z]{11,71})$'
    WHEN 'bitcoin-testnet' THEN
        address ~ '^([2mn][1-9A-HJ-NP-Za-km-z]{25,34}|tb1[02-9ac-hj-np-z]{11,71})$'
    WHEN 'bitcoin-testnet4' THEN
        address ~ '^([2mn][1-9A-HJ-NP-Za-km-z]{25,34}|tb1[02-9ac-hj-np-z]{11,71})$'
    WHEN 'bitcoin-signet' THEN
        address ~ '^([2mn][1-9A-HJ-NP-Za-km-z]{25,34}|tb1[02-9ac-hj-np-z]{11,71})$'
    ELSE true
END;

-- Accounts from before keep their number and get the one spelling, where no other account
-- has it. What is left, two spellings of one address or no address at all, is let be.
ALTER TABLE accounts DISABLE TRIGGER accounts_renumbered;
UPDATE accounts a SET address = s.address
FROM (
    SELECT account_id, network, lower(o.address) AS address,
        row_number() OVER (PARTITION BY network, lower(o.address) ORDER BY account_id) AS place
    FROM accounts o
    WHERE NOT is_canonical_address(network, o.address)
      AND is_canonical_address(network, lower(o.address))
) s
WHERE a.account_id = s.account_id
  AND s.place = 1
  AND NOT EXISTS (
      SELECT FROM accounts t WHERE t.network = s.network AND t.address = s.address
  );
ALTER TABLE accounts ENABLE TRIGGER accounts_renumbered;
ALTER TABLE accounts ADD CONSTRAINT accounts_address_is_canonical
    CHECK (is_canonical_address(network, address)) NOT VALID;

ALTER TABLE assets ADD CONSTRAINT assets_code_is_plain
    CHECK (code !~ '[[:cntrl:]]') NOT VALID;
ALTER TABLE assets ADD CONSTRAINT assets_name_is_short
    CHECK (length(name) <= 256) NOT VALID;

-- Where no row from before is in the way, which is nearly everywhere, the rules are whole.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM accounts WHERE NOT is_canonical_address(network, address)) THEN
        ALTER TABLE accounts VALIDATE CONSTRAINT accounts_address_is_canonical;
    END IF;
    IF NOT EXISTS (SELECT FROM assets WHERE code ~ '[[:cntrl:]]') THEN
        ALTER TABLE assets VALIDATE CONSTRAINT assets_code_is_plain;
    END IF;
    IF NOT EXISTS (SELECT FROM assets WHERE length(name) > 256) THEN
        ALTER TABLE assets VALIDATE CONSTRAINT assets_name_is_short;
    END IF;
END
$$;
