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

-- Every three letters that follow each other on a line: a text can only be a part of another one
-- whose threes have all of its own. Dear enough for the planner to have an index do without it.
CREATE FUNCTION trigrams(words text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 10000
AS $$
    SELECT coalesce(array_agg(DISTINCT three), '{}')
    FROM generate_series(1, length(words) - 2) AS place,
        substr(words COLLATE "C", place, 3) AS three
    WHERE strpos(three, E'\n') = 0
$$;
COMMENT ON FUNCTION trigrams IS 'Every three letters that follow each other on a line of a text.';

-- Both are pure, and everybody may call them: entries of the index are made with the rights of
-- whoever writes a user.
CREATE INDEX users_trigrams_idx ON users
    USING gin (trigrams(folded(username || E'\n' || name COLLATE "C")));
