-- Users are found by a part of a name, and what dashboards read has views.

-- Letters without their case: ASCII, Latin, Greek and Cyrillic ones, whatever the database's locale
-- is. Texts of ASCII alone, which most are, are not looked up letter by letter.
CREATE FUNCTION folded(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN octet_length(words) = length(words) THEN lower(words COLLATE "C")
        ELSE translate(lower(words COLLATE "C"),
            'ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽĿŁŃŅŇŊ'
            'ŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽͰͲͶͿΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫϏϘϚ'
            'ϜϞϠϢϤϦϨϪϬϮϴϷϹϺϽϾϿЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠ'
            'ѢѤѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬ'
            'ӮӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮ',
            'àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľŀłńņňŋ'
            'ōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷÿźżžͱͳͷϳάέήίόύώαβγδεζηθικλμνξοπρστυφχψωϊϋϗϙϛ'
            'ϝϟϡϣϥϧϩϫϭϯθϸϲϻͻͼͽѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяѡ'
            'ѣѥѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭ'
            'ӯӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯ')
    END
$$;
COMMENT ON FUNCTION folded IS 'A text in lower case, in any locale.';

-- Letters that follow each other on a line, so many of them at least and at most. A text can only
-- be a part of another one whose groups of letters have all of its own. Dear enough for the planner
-- to have an index do without it.
CREATE FUNCTION letter_groups(words text, shortest integer, longest integer) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10000
AS $$
DECLARE
    line  text;
    found text[] := '{}';
BEGIN
    FOREACH line IN ARRAY string_to_array(words, E'\n') LOOP
        FOR size IN shortest..longest LOOP
            FOR place IN 1..length(line) - size + 1 LOOP
                found := found || substr(line, place, size);
            END LOOP;
        END LOOP;
    END LOOP;
    RETURN found;
END
$$;
COMMENT ON FUNCTION letter_groups IS 'Letters that follow each other on a line of a text.';

-- Both are pure, and everybody may call them: entries of the index are made with the rights of
-- whoever writes a user.
CREATE INDEX users_letter_groups_idx ON users
    USING gin (letter_groups(folded(username || E'\n' || name COLLATE "C"), 1, 3));

-- What dashboards and BI tools read, in the words of docs/sql.md and without keys that are
-- Daybook's own. They have the rights of whoever asks, as the views before them.
CREATE VIEW asset_details WITH (security_invoker = true) AS
SELECT a.code AS asset, a.name, a.decimals, c.network, c.contract, a.created_at
FROM assets a
LEFT JOIN chain_assets c ON c.asset_id = a.asset_id;
COMMENT ON VIEW asset_details IS
    'Assets; those that are synced from a chain with its network, and tokens with their contract.';

CREATE VIEW user_details WITH (security_invoker = true) AS
SELECT u.user_uuid, u.username, u.name, u.created_at,
    (SELECT count(*) FROM user_wallets w WHERE w.user_id = u.user_id) AS wallet_count
FROM users u;
COMMENT ON VIEW user_details IS 'Users, and how many accounts each tracks.';

CREATE VIEW wallet_details WITH (security_invoker = true) AS
SELECT u.user_uuid, u.username, a.network, a.address, w.added_at
FROM user_wallets w
JOIN users u ON u.user_id = w.user_id
JOIN accounts a ON a.account_id = w.account_id;
COMMENT ON VIEW wallet_details IS 'Which accounts users track, one row a user and account.';

CREATE VIEW symbol_details WITH (security_invoker = true) AS
SELECT s.name AS symbol, s.base, s.quote, s.tick_interval_seconds, s.created_at
FROM symbols s;
COMMENT ON VIEW symbol_details IS 'Symbols that have, or may have, prices.';

-- Conditions on ticked_at choose partitions as they do on the table, one on the symbol the index.
CREATE VIEW price_details WITH (security_invoker = true) AS
SELECT p.ticked_at, s.name AS symbol, p.price, s.quote, p.recorded_at
FROM prices p
JOIN symbols s ON s.symbol_id = p.symbol_id;
COMMENT ON VIEW price_details IS 'Price ticks with their symbols by name.';

CREATE VIEW sync_details WITH (security_invoker = true) AS
SELECT c.network, c.contract, b.code AS asset, a.address, s.first_height, s.head_height,
    s.final_height, s.complete_from, s.complete_until, s.transfer_count, s.synced_at
FROM sync_streams s
JOIN chain_assets c ON c.asset_id = s.asset_id
JOIN assets b ON b.asset_id = s.asset_id
LEFT JOIN accounts a ON a.account_id = s.account_id;
COMMENT ON VIEW sync_details IS
    'What is synced from chains, and how far: one row a wallet, whose address it has, or a token.';
