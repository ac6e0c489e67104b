//! Rows of small files under small mappings.

use chrono::SecondsFormat;

use super::*;
use crate::files::{mapping, records::RecordReader};

/// A signed amount on an own account: the least that a mapping can say.
const LEAST: &str = r#"
    name = "giro"
    network = "bank"
    [time]
    text = "{day}"
    format = "YYYY-MM-DD"
    [amount]
    text = "{amount}"
    [asset]
    code = "EUR"
    [own]
    address = "me"
    [partner]
    address = ["{partner}", "cash"]
"#;

/// The rows of a file, or why each is none.
fn read(mapping: &str, text: &str) -> Vec<Result<FileRow, String>> {
    let mapping = Mapping::parse(mapping).unwrap_or_else(|error| panic!("{error}"));
    let mut records = RecordReader::new(text.as_bytes(), mapping.file.dialect);
    let mut next = || records.read().expect("memory can be read");
    let text_of = |field| String::from_utf8(field).expect("UTF-8");
    let header = next().expect("a header").expect("whole");
    let header = header.fields.into_iter().map(text_of).collect();
    let mut reader = mapping.bind(&Header::Names(header)).expect("the columns are there");
    let mut rows = Vec::new();
    while let Some(found) = next() {
        rows.push(match found {
            Ok(record) => reader.read(&record).map_err(|error| match error {
                RowError::Rejected(reason) => reason,
                RowError::TooManyLines => panic!("few lines"),
            }),
            Err(broken) => {
                reader.pass_over();
                Err(broken.reason.to_owned())
            }
        });
    }
    rows
}

/// A row in words.
fn words(row: &FileRow) -> String {
    let row = &row.transaction;
    let account =
        |key: &AccountKey| format!("{}/{}", key.network().as_str(), key.address().as_str());
    let at = row.occurred_at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let reference = row.reference.as_deref().map_or(String::new(), |text| format!(" {text}"));
    format!(
        "{at}#{} {} {} {} -> {}{reference}",
        row.position,
        row.amount,
        row.asset_code,
        account(&row.sender),
        account(&row.receiver)
    )
}

fn check(mapping: &str, text: &str, expected: &[&str]) {
    let found: Vec<String> = read(mapping, text)
        .iter()
        .map(|row| row.as_ref().map_or_else(|reason| format!("!{reason}"), words))
        .collect();
    assert_eq!(found, expected);
}

/// The least mapping with something in the place of something.
fn with(from: &str, to: &str) -> String {
    assert!(LEAST.contains(from), "{from}");
    LEAST.replace(from, to)
}

#[test]
fn the_sign_is_the_direction() {
    let file = "day,amount,partner\n2024-01-01,5,ann\n2024-01-01,-5.50,\n2024-01-02,0,\n";
    check(
        LEAST,
        file,
        &[
            "2024-01-01T00:00:00Z#0 5 EUR bank/ann -> bank/me",
            "2024-01-01T00:00:00Z#1 5.5 EUR bank/me -> bank/cash",
            "!the amount must be greater than zero",
        ],
    );
    let sent = with("[asset]", "positive = \"sent\"\n[asset]");
    check(
        &sent,
        "day,amount,partner\n2024-01-01,5,a\n",
        &["2024-01-01T00:00:00Z#0 5 EUR bank/me -> bank/a"],
    );
}

#[test]
fn a_credit_and_a_debit_exclude_each_other() {
    let mapping =
        with("text = \"{amount}\"", "credit = \"{in}\"\ndebit = \"{out}\"\ndecimal = \",\"");
    check(
        &mapping,
        "day,in,out,partner\n2024-01-01,\"1,5\",,a\n2024-01-01,\"0,00\",2,a\n2024-01-01,1,2,a\n\
         2024-01-01,,,a\n2024-01-01,,-2,a\n2024-01-01,x,,a\n",
        &[
            "2024-01-01T00:00:00Z#0 1.5 EUR bank/a -> bank/me",
            "2024-01-01T00:00:00Z#1 2 EUR bank/me -> bank/a",
            "!both a credit and a debit",
            "!neither a credit nor a debit",
            "!the amount is negative, and the direction told otherwise",
            "!the credit \"x\" is no number in the format of the mapping",
        ],
    );
}

#[test]
fn words_tell_directions_and_stand_for_values() {
    let mapping = with(
        "text = \"{amount}\"",
        "text = \"{amount}\"\ndirection = \"{kind}\"\ncredit_words = [\"C\"]\ndebit_words = \"D\"",
    );
    let mapping =
        format!("{mapping}\n[words.partner]\nATM = \"cash machine\"\n\"\" = \"nobody\"\n");
    check(
        &mapping,
        "day,amount,kind,partner\n2024-01-01,1,C,ATM\n2024-01-01,1,D,\n2024-01-01,1,X,a\n\
         2024-01-01,-1,D,a\n",
        &[
            "2024-01-01T00:00:00Z#0 1 EUR bank/cash machine -> bank/me",
            "2024-01-01T00:00:00Z#1 1 EUR bank/me -> bank/nobody",
            "!the direction \"X\" is neither word",
            "!the amount is negative, and the direction told otherwise",
        ],
    );
}

#[test]
fn each_side_can_have_columns_of_its_own() {
    let mapping = r#"
        name = "ledger"
        reference = ["{hash}", "{note}"]
        position = "{index}"
        [time]
        text = "{date} {clock}"
        format = "DD.MM.YYYY HH:mm"
        zone = "Europe/Prague"
        [amount]
        text = "{amount}"
        [asset]
        code = "{coin}"
        [sender]
        network = "{chain}"
        address = "{from}"
        [receiver]
        network = "bank"
        address = "{to}-{bank}"
        [file]
        empty = ["-"]
    "#;
    check(
        mapping,
        "date,clock,amount,coin,chain,from,to,bank,hash,note,index\n\
         01.07.2024,12:00,1,BTC,card,ann,bob,KB,-,rent,7\n\
         01.07.2024,12:00,-1,BTC,card,ann,bob,KB,ab,,7\n\
         01.07.2024,12:00,1,BTC,card,ann,bob,-,ab,,7\n\
         01.07.2024,12:00,1,BTC,Card,ann,bob,KB,ab,,7\n\
         01.07.2024,12:00,1,BTC,bitcoin,ann,bob,KB,ab,,7\n\
         01.07.2024,12:00,1,BTC,card,ann,bob,KB,ab,,seven\n\
         01.07.2024,,1,BTC,card,ann,bob,KB,ab,,7\n\
         01.07.2024,12:00,1\n",
        &[
            "2024-07-01T10:00:00Z#7 1 BTC card/ann -> bank/bob-KB rent",
            "!the amount is negative",
            "!the address of receiver is missing",
            "!the sender's network must be 1 to 64 lower-case letters, digits or hyphens",
            "!the sender's address must be an address of Bitcoin with its checksum right: base58 \
             (1... or 3...) or segwit (bc1...)",
            "!the position \"seven\" must be a whole number",
            "!the time is missing",
            "!has 3 fields where 11 are wanted",
        ],
    );
}

#[test]
fn positions_count_rows_of_one_instant() {
    let file =
        "day,amount,partner\n2024-01-02,1,a\n2024-01-02,0,a\n2024-01-02,1,b\n2024-01-01,1,c\n";
    let positions = |mapping: &str| -> Vec<i64> {
        read(mapping, file)
            .into_iter()
            .filter_map(Result::ok)
            .map(|row| row.transaction.position)
            .collect()
    };
    // A row that is rejected has its place too.
    assert_eq!(positions(LEAST), [0, 2, 0]);
    assert_eq!(positions(&with("network =", "position = \"newest-first\"\nnetwork =")), [0, -2, 0]);
    assert_eq!(positions(&with("network =", "position = 0\nnetwork =")), [0, 0, 0]);
}

/// The ids of a file's rows.
fn ids(mapping: &str, file: &str) -> Vec<Uuid> {
    read(mapping, file)
        .into_iter()
        .map(|row| row.expect("right").transaction.transaction_id.expect("all have one"))
        .collect()
}

#[test]
fn ids_come_from_the_row_from_a_key_or_from_the_line() {
    let file = "day,amount,partner\n2024-01-01,1,a\n2024-01-01,1,a\n2024-01-01,2,a\n";
    let by_line = ids(LEAST, file);
    assert_ne!(by_line[0], by_line[1]);
    assert_ne!(by_line[0], by_line[2]);
    // Of lines that other lines come between, and of a file that begins later.
    let moved = "day,amount,partner\n2024-01-01,2,a\n2024-01-01,1,a\n2024-01-01,1,a\n";
    let moved = ids(LEAST, moved);
    assert_eq!(moved, [by_line[2], by_line[0], by_line[1]]);
    // A line that is rejected counts too: what is mended later keeps its id.
    let broken = with("format = \"YYYY-MM-DD\"", "format = \"YYYY-MM-DD\"\nzone = \"UTC\"");
    assert_eq!(ids(&broken, file), by_line);

    let by_key = ids(&format!("{LEAST}\n[id]\nkey = [\"{{partner}}\", \"{{amount}}\"]"), file);
    assert_eq!(by_key[0], by_key[1]);
    assert_ne!(by_key[0], by_key[2]);
    // Words may change, and ids must not.
    let worded = format!(
        "{LEAST}\n[id]\nkey = [\"{{partner}}\", \"{{amount}}\"]\n[words.partner]\na = \"b\""
    );
    assert_eq!(ids(&worded, file), by_key);

    let mapping = format!("{LEAST}\n[id]\nuuid = \"{{partner}}\"");
    let uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let rows =
        read(&mapping, &format!("day,amount,partner\n2024-01-01,1,{uuid}\n2024-01-01,1,x\n"));
    let found = rows[0].as_ref().expect("right").transaction.transaction_id;
    assert_eq!(found.expect("it has one").to_string(), uuid);
    assert_eq!(rows[1], Err("the id \"x\" is no UUID".to_owned()));
}

#[test]
fn a_key_without_values_is_none() {
    let mapping = format!("{LEAST}\n[id]\nkey = \"{{partner}}\"");
    let rows = read(&mapping, "day,amount,partner\n2024-01-01,1,\n");
    assert_eq!(rows, [Err("the key columns are empty".to_owned())]);
}

#[test]
fn columns_that_are_not_there_are_named() {
    let mapping = Mapping::parse(LEAST).expect("right");
    for (header, expected) in [
        (
            Header::Names(vec!["day".into(), "sum".into()]),
            "{amount} is no column of the file, whose columns are day, sum",
        ),
        (
            Header::Names(["day", "amount", "amount", "partner"].map(Into::into).to_vec()),
            "{amount} is a column that the file has twice",
        ),
        (Header::Count(3), "{day} must be a number from 1 to 3: the file has no header"),
    ] {
        let error = mapping.bind(&header).err().expect("a column is missing");
        assert_eq!(error.to_string(), expected);
    }
    let numbered =
        LEAST.replace("{day}", "{1}").replace("{amount}", "{2}").replace("{partner}", "{3}");
    assert!(Mapping::parse(&numbered).expect("right").bind(&Header::Count(3)).is_ok());
}

#[test]
fn what_is_wrong_with_a_mapping_is_told_with_its_place() {
    for (from, to, expected) in [
        (
            "name = \"giro\"",
            "nam = \"giro\"",
            "line 2: \"nam = \\\"giro\\\"\": unknown field `nam`",
        ),
        ("name = \"giro\"", "", "line 1: missing field `name`"),
        ("name = \"giro\"", "name = \"\"", "line 2: name is empty"),
        ("name = \"giro\"", "name = true", "line 2: \"name = true\": invalid type: boolean"),
        (
            "[amount]",
            "zon = \"UTC\"\n[amount]",
            "line 7: \"zon = \\\"UTC\\\"\": unknown field `zon`",
        ),
        ("[amount]", "zone = \"Prague\"\n[amount]", "line 7: time.zone must be an IANA name"),
        ("YYYY-MM-DD", "MM-DD", "line 6: time.format does not tell instants"),
        ("{day}", "{day", "line 5: time.text has a brace without its partner"),
        ("[asset]", "decimal = \"1\"\n[asset]", "line 9: amount.decimal must be one character"),
        ("[asset]", "thousands = \".\"\n[asset]", "line 9: amount.thousands is the decimal mark"),
        (
            "[asset]",
            "positive = \"x\"\n[asset]",
            "line 9: amount.positive must be received or sent",
        ),
        ("[asset]", "credit = \"{c}\"\n[asset]", "amount must have text alone"),
        ("[asset]", "direction = \"{c}\"\n[asset]", "line 9: amount.direction needs credit_words"),
        ("[own]", "decimals = 78\n[own]", "line 11: asset.decimals must be 0 to 77"),
        ("[own]", "[sender]", "the mapping needs [own] and [partner], or [sender] and [receiver]"),
        ("network = \"bank\"", "network = \"Bank\"", "line 3: network must be 1 to 64 lower-case"),
        ("network = \"bank\"", "", "own.network is missing"),
        ("network = \"bank\"", "position = \"first\"", "own.network is missing"),
        (
            "name = \"giro\"",
            "name = \"g\"\nposition = \"first\"",
            "line 3: position must be oldest",
        ),
        ("[own]", "[file]\nseparator = \";;\"\n[own]", "line 12: file.separator must be one ASCII"),
        ("[own]", "[file]\nquote = \",\"\n[own]", "line 12: file.quote is the separator too"),
        ("[own]", "[file]\nencoding = \"ebcdic\"\n[own]", "line 12: file.encoding must be utf-8"),
        ("[own]", "[id]\nkey = [\"x\"]\n[own]", "line 12: id.key names no column"),
        ("[own]", "[id]\nuuid = \"{x}\"\nkey = [\"{x}\"]\n[own]", "line 12: id.uuid and id.key"),
        ("[\"{partner}\", \"cash\"]", "[]", "line 14: partner.address is an empty list"),
        ("[own]", "[own", "line 11: \"[own\":"),
    ] {
        let error = Mapping::parse(&with(from, to)).expect_err(to).to_string();
        assert!(error.starts_with(expected), "{from} -> {to}:\n{error}\n{expected}");
    }
}

#[test]
fn assignments_are_a_mapping() {
    let assignments = [
        "name=giro",
        "network=bank",
        "time.text={day}",
        "time.format=YYYY-MM-DD",
        "amount.text={amount}",
        "asset.code=EUR",
        "own.address=me",
        "partner.address=[\"{partner}\", \"cash\"]",
        "file.trim=false",
        "words.partner.ATM=the \"machine\"",
    ];
    let text = mapping::text_of(&assignments.map(str::to_owned));
    check(
        &text,
        "day,amount,partner\n2024-01-01,5,ATM\n2024-01-01,5,\n",
        &[
            "2024-01-01T00:00:00Z#0 5 EUR bank/the \"machine\" -> bank/me",
            "2024-01-01T00:00:00Z#1 5 EUR bank/cash -> bank/me",
        ],
    );
    let wrong = mapping::text_of(&["name=x".to_owned(), "nework=bank".to_owned()]);
    let error = Mapping::parse(&wrong).expect_err("a word is wrong").to_string();
    assert!(error.starts_with("line 2: \"nework = \\\"bank\\\"\": unknown field"), "{error}");
}

#[test]
fn what_daybook_exports_is_read_as_it_is() {
    let file = "transaction_id,occurred_at,position,asset,asset_decimals,sender_network,\
                sender_address,receiver_network,receiver_address,amount,reference\n\
                67e55044-10b1-426f-9247-bb680e5fe0c8,2024-01-01T00:00:00.000001Z,-3,EUR,2,bank, a ,\
                bank,\"b,c\",1.50,\n";
    check(mapping::DAYBOOK, file, &["2024-01-01T00:00:00.000001Z#-3 1.5 EUR bank/ a  -> bank/b,c"]);
}

#[test]
fn a_line_without_an_instant_keeps_its_number_among_lines_of_one() {
    let newest = with("network =", "position = \"newest-first\"\nnetwork =");
    let positions = |mapping: &str, middle: &str| -> Vec<i64> {
        let file = format!(
            "day,amount,partner\n2024-01-01,1,a\n{middle}\n2024-01-01,3,a\n2024-01-02,4,a\n\
             {middle}\n2024-01-03,5,a\n"
        );
        let rows = read(mapping, &file);
        let found = [&rows[0], &rows[2], &rows[3], &rows[5]];
        found.map(|row| row.as_ref().expect("a row").transaction.position).to_vec()
    };
    for (mapping, expected) in [(LEAST, [0, 2, 0, 0]), (newest.as_str(), [0, -2, 0, 0])] {
        // Whole, too few fields, a day that is none, a quote that does not end, and one with
        // something behind it.
        for middle in [
            "2024-01-01,2,a",
            "2024-01-01,2",
            "2024-13-01,2,a",
            "2024-01-01,2,\"a",
            "\"2024-01-01\"x,2,a",
        ] {
            assert_eq!(positions(mapping, middle), expected, "{middle}");
        }
    }
}

/// What docs/import.md says cannot be told.
#[test]
fn a_line_without_an_instant_has_no_number_at_the_edge_of_an_instant() {
    let positions = |first: &str| -> Vec<i64> {
        let file = format!("day,amount,partner\n{first}\n2024-01-01,2,a\n2024-01-01,3,a\n");
        read(LEAST, &file)
            .into_iter()
            .filter_map(Result::ok)
            .map(|row| row.transaction.position)
            .collect()
    };
    assert_eq!(positions("2024-01-01,1,a"), [0, 1, 2]);
    assert_eq!(positions("2024-01-01,1,\"a"), [0, 1]);
    assert_eq!(positions("2024-01-01,1"), [0, 1]);
    // Its instant can be read.
    assert_eq!(positions("2024-01-01,one,a"), [1, 2]);
}

/// A record of several lines whose quoting is broken is as many broken lines.
#[test]
fn each_line_of_a_broken_record_has_a_number() {
    let position = |middle: &str| {
        let file = format!("day,amount,partner\n2024-01-01,1,a\n{middle}\n2024-01-01,3,a\n");
        let rows = read(LEAST, &file);
        rows.last().expect("a row").as_ref().expect("a row").transaction.position
    };
    assert_eq!(position("2024-01-01,2,\"a\nb\""), 2);
    assert_eq!(position("2024-01-01,2,\"a\nb"), 3);
}
