//! What keeps the rpcs from answering keeps the functions from it, with a state that tells why.

use tokio_postgres::Client;
use tonic::Code;

use crate::{
    sum_amount::question,
    support::{
        ledger::{add, add_user, ensure_days},
        schema::{TestSchema, one, state},
        service::TestService,
    },
};

/// The state and the message of a refusal.
async fn refused(sql: &Client, text: &str) -> (String, String) {
    let error = sql.query(text, &[]).await.expect_err(text);
    let message = error.as_db_error().unwrap().message().to_owned();
    (state(&error), message)
}

async fn check_refused(sql: &Client, text: &str, expected: &str, words: &str) {
    let (state, message) = refused(sql, text).await;
    assert_eq!(state, expected, "{text}: {message}");
    assert!(message.contains(words), "{text}: {message}");
}

#[tokio::test]
async fn wrong_arguments_and_unknown_subjects_are_named() {
    let schema = TestSchema::prepared().await;
    let ann = add_user(&schema.sql, "ann").await;
    let (user, nobody) = (ann.user_uuid, uuid::Uuid::new_v4());
    let window = "'2024-05-05Z', '2024-05-06Z'";
    let dated = |window: &str| format!("sum_amount('{user}', {window}, 'sender')");
    let instant = "'2024-05-05Z'";
    for (call, state, words) in [
        (format!("sum_amount('{nobody}', {window}, 'sender')"), "P0002", "no such user"),
        (format!("sum_amount(NULL, {window}, 'sender')"), "P0002", "no such user"),
        (format!("moments('{nobody}', {window}, 'sender')"), "P0002", "no such user"),
        (format!("balance('{nobody}')"), "P0002", "no such user"),
        (format!("sum_series('{nobody}', {window}, 'sender', 'day')"), "P0002", "no such user"),
        (
            format!("sum_amount_of_account('bank', 'x', {window}, 'sender')"),
            "P0002",
            "no such account: bank x",
        ),
        ("balance_of_account('bank', 'x')".to_owned(), "P0002", "no such account"),
        (format!("sum_amount('{user}', {window}, 'sent')"), "22023", "sender or receiver"),
        (format!("sum_amount('{user}', {window}, NULL)"), "22023", "sender or receiver"),
        (format!("rank_users({window}, 'both')"), "22023", "sender or receiver"),
        (format!("sum_amount('{user}', {window}, 'sender', 'XXX')"), "22023", "asset"),
        (format!("balance('{user}', asset => 'usd')"), "22023", "asset"),
        (dated(&format!("{instant}, {instant}")), "22023", "later than window_start"),
        (dated("'2024-05-06Z', '2024-05-05Z'"), "22023", "later than window_start"),
        (dated("'2024-05-05Z', NULL"), "22004", "must be given"),
        (dated("'2024-05-05Z', 'infinity'"), "22023", "years 1 to 9999"),
        (dated("'-infinity', '2024-05-05Z'"), "22023", "years 1 to 9999"),
        (dated("'2024-05-05Z', '10000-01-01Z'"), "22023", "years 1 to 9999"),
        (format!("balance('{user}', '10000-01-01Z')"), "22023", "years 1 to 9999"),
        (format!("balance('{user}', '0001-01-01 BC')"), "22023", "years 1 to 9999"),
        (format!("sum_series_of_all({window}, 'days')"), "22023", "bucket_unit"),
        (format!("sum_series_of_all({window}, 'day', 'Berlin')"), "22023", "time_zone"),
        (format!("sum_series_of_all({window}, 'day', 'CET')"), "22023", "time_zone"),
        (format!("sum_series_of_all({window}, 'day', 'Europe/Nowhere')"), "22023", "time zone"),
        (format!("sum_series_of_all({window}, 'day', bucket_count => 0)"), "22023", "bucket_count"),
        (
            "sum_series_of_all('2024-01-01Z', '2024-02-01Z', 'minute')".to_owned(),
            "22023",
            "more than 10000 buckets",
        ),
        (format!("rank_users({window}, 'sender', 'median')"), "22023", "metric"),
        (format!("rank_users({window}, 'sender', rank_order => 'up')"), "22023", "rank_order"),
        (format!("rank_accounts('Bank', {window}, 'sender')"), "22023", "network"),
    ] {
        check_refused(&schema.sql, &format!("SELECT * FROM {call}"), state, words).await;
    }
    // As many as are served.
    let most =
        "SELECT count(*) FROM sum_series_of_all('2024-05-06Z', '2024-05-12 22:40Z', 'minute')";
    assert_eq!(one::<i64>(&schema.sql, most).await, 10_000);
}

#[tokio::test]
async fn days_whose_rows_are_not_at_hand_are_named() {
    let schema = TestSchema::prepared().await;
    ensure_days(&schema.sql, &["2024-05-05", "2024-05-06", "2024-05-07"]).await;
    let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
    for day in ["05", "06", "07"] {
        let at = format!("2024-05-{day}T12:00:00Z");
        add(&schema.sql, &at, ann.account_id, bob.account_id, "1").await;
    }
    one::<Option<chrono::NaiveDate>>(&schema.sql, "SELECT drop_day_before('2024-05-06')").await;
    let user = ann.user_uuid;
    let sum = |window: &str| format!("SELECT sum_amount('{user}', {window}, 'sender')::text");
    let rank =
        |window: &str| format!("SELECT sum(value)::text FROM rank_users({window}, 'sender')");
    let series = |window: &str, unit: &str| {
        format!(
            "SELECT sum(sum_amount)::text FROM sum_series('{user}', {window}, 'sender', '{unit}')"
        )
    };
    // Totals know a dropped day; what would need its rows does not.
    let whole = "'2024-05-05Z', '2024-05-08Z'";
    for text in [sum(whole), rank(whole), series(whole, "day")] {
        assert_eq!(one::<String>(&schema.sql, &text).await, "3.00000", "{text}");
    }
    let cut = "'2024-05-05 01:00Z', '2024-05-08Z'";
    let words = "2024-05-05 (dropped)";
    for text in [sum(cut), rank(cut), series(cut, "day"), series(whole, "hour")] {
        check_refused(&schema.sql, &text, "55000", words).await;
    }
    let ever = format!("SELECT balance('{user}')::text, balance('{user}', '2024-05-06Z')");
    assert_eq!(one::<String>(&schema.sql, &ever).await, "-3.00000");
    let inside = format!("SELECT balance('{user}', '2024-05-05 01:00Z')");
    check_refused(&schema.sql, &inside, "55000", words).await;

    // A day that somebody detached is in the way of whatever it lies in, once it is noted.
    let leaf = schema.leaf("2024-05-06".parse().unwrap()).await;
    let detach = format!("ALTER TABLE transactions DETACH PARTITION {leaf}");
    schema.sql.batch_execute(&detach).await.unwrap();
    let next = "'2024-05-07Z', '2024-05-08Z'";
    for text in [rank(next), series(next, "day")] {
        check_refused(&schema.sql, &text, "55000", "ask again").await;
    }
    schema.sql.batch_execute("SELECT note_days()").await.unwrap();
    for text in [sum(whole), rank(whole), series(whole, "day")] {
        check_refused(&schema.sql, &text, "55000", "2024-05-06 (detached)").await;
    }
    for text in [sum(next), rank(next), series(next, "hour")] {
        assert_eq!(one::<String>(&schema.sql, &text).await, "1.00000", "{text}");
    }
    let begin = "INSERT INTO absent_days (day, is_dropped) VALUES ('0001-01-01', false)";
    schema.sql.batch_execute(begin).await.unwrap();
    for text in [sum(next), rank(next), series(next, "day"), inside] {
        check_refused(&schema.sql, &text, "55000", "being seeded").await;
    }
}

/// Corrections that are set aside count.
#[tokio::test]
async fn what_is_set_aside_is_counted() {
    let schema = TestSchema::prepared().await;
    ensure_days(&schema.sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
    add(&schema.sql, "2024-05-05T12:00:00Z", ann.account_id, bob.account_id, "7.5").await;
    let set_aside = "WITH taken AS (DELETE FROM corrections RETURNING *)
        INSERT INTO set_aside_corrections SELECT * FROM taken";
    schema.sql.batch_execute(set_aside).await.unwrap();
    let user = ann.user_uuid;
    let window = "'2024-05-05Z', '2024-05-06Z'";
    for text in [
        format!("SELECT sum_amount('{user}', {window}, 'sender')::text"),
        format!("SELECT value::text FROM rank_users({window}, 'sender')"),
        format!("SELECT sum_amount::text FROM sum_series('{user}', {window}, 'sender', 'day')"),
        format!("SELECT sum_amount::text FROM sum_series_of_all({window}, 'day')"),
        format!("SELECT (-balance('{user}'))::text"),
    ] {
        assert_eq!(one::<String>(&schema.sql, &text).await, "7.50000", "{text}");
    }
}

#[tokio::test]
async fn a_damaged_total_refuses_what_needs_it_and_nothing_else() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    for hour in 10..20 {
        let at = format!("2024-05-05T{hour}:00:00Z");
        add(sql, &at, ann.account_id, bob.account_id, "1.5").await;
    }
    super::folded(&service).await;
    let damage = "UPDATE running_totals SET cell = substring(cell FOR length(cell) - 1)
            WHERE account_id = (SELECT min(account_id) FROM running_totals WHERE account_id > 0);
        UPDATE day_totals SET cell = '\\x02' || substring(cell FROM 2) WHERE direction = 1";
    sql.batch_execute(damage).await.unwrap();
    let (start, end) = ("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z");
    let ask = question(ann.user_uuid, daybook::grpc::pb::v1::Direction::Sender, start, end);
    let status = service.analytics().await.sum_amount(ask).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    let window = format!("'{start}', '{end}'");
    let (user, other) = (ann.user_uuid, bob.user_uuid);
    let named = format!("account {}, asset 1, sender", ann.account_id);
    for text in [
        format!("SELECT sum_amount('{user}', {window}, 'sender')"),
        format!("SELECT balance('{user}')"),
        format!("SELECT * FROM sum_series('{user}', {window}, 'sender', 'day')"),
    ] {
        check_refused(sql, &text, "XX001", &named).await;
    }
    let rank = format!("SELECT * FROM rank_users({window}, 'receiver')");
    check_refused(sql, &rank, "XX001", "accounts 0 to 4095, asset 1").await;
    for text in [
        format!("SELECT sum_amount('{other}', {window}, 'receiver')::text"),
        format!("SELECT value::text FROM rank_users({window}, 'sender')"),
        format!("SELECT sum_amount::text FROM sum_series_of_all({window}, 'day')"),
        // Up to before the end of what can be read, the answer needs no more.
        format!(
            "SELECT (sum_amount('{user}', '{start}', '2024-05-05 18:30Z', 'sender') + 1.5)::text"
        ),
    ] {
        assert_eq!(one::<String>(sql, &text).await, "15.00000", "{text}");
    }
}

const NETWORK: &str = "bitcoin-regtest";

/// Synced whole up to noon.
const SYNCED: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/// Only seen in transactions of others.
const SEEN: &str = "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc";

/// Accounts on a chain, and two users, of whom one tracks the synced one, the other one both.
async fn synced_schema() -> (TestSchema, [uuid::Uuid; 2]) {
    let schema = TestSchema::prepared().await;
    let (whole, partly) =
        (add_user(&schema.sql, "whole").await, add_user(&schema.sql, "partly").await);
    ensure_days(&schema.sql, &["2024-05-05"]).await;
    let fill = format!(
        "INSERT INTO assets (code, name, decimals) VALUES ('BTC-R', 'coin', 8);
         INSERT INTO accounts (network, address)
         VALUES ('{NETWORK}', '{SYNCED}'), ('{NETWORK}', '{SEEN}'), ('{NETWORK}', 'hub');
         INSERT INTO chain_assets (asset_id, network)
         SELECT asset_id, '{NETWORK}' FROM assets WHERE code = 'BTC-R';
         INSERT INTO sync_streams (asset_id, account_id, complete_until)
         SELECT c.asset_id, a.account_id, '2024-05-05T12:00:00Z'
         FROM chain_assets c, accounts a WHERE a.address = '{SYNCED}';
         INSERT INTO transactions (occurred_at, asset_id, sender_id, receiver_id, amount)
         SELECT '2024-05-05T10:00:00Z', c.asset_id, h.account_id, a.account_id, 3
         FROM chain_assets c, accounts h, accounts a
         WHERE h.address = 'hub' AND a.network = '{NETWORK}' AND a.address <> 'hub';
         INSERT INTO user_wallets (user_id, account_id)
         SELECT u.user_id, a.account_id FROM users u, accounts a
         WHERE (u.username = 'whole' AND a.address = '{SYNCED}')
            OR (u.username = 'partly' AND a.address IN ('{SYNCED}', '{SEEN}'))"
    );
    schema.sql.batch_execute(&fill).await.unwrap();
    (schema, [whole.user_uuid, partly.user_uuid])
}

const MORNING: &str = "'2024-05-05Z', '2024-05-05 12:00Z', 'receiver'";
const DAY: &str = "'2024-05-05Z', '2024-05-06Z', 'receiver'";
const COIN: &str = "asset => 'BTC-R'";

#[tokio::test]
async fn rows_that_were_not_synced_are_missed_unless_that_is_allowed() {
    let (schema, [whole, partly]) = synced_schema().await;
    let sql = &schema.sql;
    for (call, words) in [
        (format!("sum_amount('{whole}', {MORNING}, {COIN}"), ""),
        (format!("sum_amount_of_account('{NETWORK}', '{SYNCED}', {MORNING}, {COIN}"), ""),
        (format!("balance('{whole}', '2024-05-05 12:00Z', {COIN}"), ""),
        (format!("balance('{whole}', {COIN}"), ""),
        (format!("sum_series('{whole}', {MORNING}, 'year', {COIN}"), ""),
        (format!("sum_amount('{whole}', {DAY}, {COIN}"), "to before 2024-05-05T12:00:00"),
        (format!("moments('{whole}', {DAY}, {COIN}"), "to before 2024-05-05T12:00:00"),
        (format!("balance('{whole}', '2024-05-05 12:00:01Z', {COIN}"), "to before"),
        (format!("sum_series('{whole}', {DAY}, 'year', {COIN}"), "to before"),
        (format!("sum_amount('{partly}', {MORNING}, {COIN}"), "never synced whole"),
        (format!("balance('{partly}', {COIN}"), "never synced whole"),
        (
            format!("sum_amount_of_account('{NETWORK}', '{SEEN}', {MORNING}, {COIN}"),
            "never synced whole",
        ),
        (format!("balance_of_account('{NETWORK}', 'hub', {COIN}"), "never synced whole"),
    ] {
        // Whichever column has an amount.
        let column = match call.starts_with("moments") || call.starts_with("sum_series") {
            true => "r.sum_amount",
            false => "r",
        };
        let select = |end: &str| format!("SELECT {column}::text FROM {call}{end} AS r");
        match words {
            "" => {
                assert_eq!(one::<String>(sql, &select(")")).await, "3.00000000", "{call}");
            }
            words => check_refused(sql, &select(")"), "55000", words).await,
        }
        let allowed = one::<String>(sql, &select(", allow_partial => true)")).await;
        assert!(allowed.trim_start_matches('-').starts_with(['3', '6']), "{call}: {allowed}");
    }
}

#[tokio::test]
async fn rankings_leave_members_out_of_whom_rows_may_be_missing() {
    let (schema, _) = synced_schema().await;
    let sql = &schema.sql;
    let ranked = |call: &str| {
        format!("SELECT coalesce(string_agg(r.v, ',' ORDER BY r.v), '') FROM (SELECT {call}) r")
    };
    let users = |window: &str, more: &str| {
        ranked(&format!("username AS v FROM rank_users({window}, {COIN}{more})"))
    };
    let accounts = |window: &str, more: &str| {
        ranked(&format!("address AS v FROM rank_accounts('{NETWORK}', {window}, {COIN}{more})"))
    };
    let partial = ", allow_partial => true";
    for (text, expected) in [
        (users(MORNING, ""), "whole".to_owned()),
        (users(DAY, ""), String::new()),
        (users(DAY, partial), "partly,whole".to_owned()),
        (accounts(MORNING, ""), SYNCED.to_owned()),
        (accounts(DAY, ""), String::new()),
        (accounts(DAY, partial), format!("{SEEN},{SYNCED}")),
        // Those who track nothing of it are ranked, and system accounts never.
        (accounts(&MORNING.replace("receiver", "sender"), partial), String::new()),
    ] {
        assert_eq!(one::<String>(sql, &text).await, expected, "{text}");
    }
}
