//! What holds for every SQL client that writes through the parent table: references, amounts,
//! instants, ids that are unique over all time, and who may do what.

use bytes::Bytes;
use daybook::cluster::ClusterRole;
use futures_util::{SinkExt, pin_mut};
use tokio_postgres::Client;

use crate::support::{
    ledger::{add, add_account, ensure_days},
    schema::{TestSchema, one, refusal, state},
};

const FIRST: &str = "11111111-1111-1111-1111-111111111111";
const SECOND: &str = "22222222-2222-2222-2222-222222222222";
const THIRD: &str = "33333333-3333-3333-3333-333333333333";

/// A schema with two accounts and three days.
struct Ledger {
    schema: TestSchema,
    a: i64,
    b: i64,
}

impl Ledger {
    async fn new() -> Self {
        let schema = TestSchema::prepared().await;
        ensure_days(&schema.sql, &["2024-05-05", "2024-05-06", "2024-05-07"]).await;
        let a = add_account(&schema.sql, "bank", "a").await;
        let b = add_account(&schema.sql, "bank", "b").await;
        Self { schema, a, b }
    }

    fn insert(&self, id: &str, instant: &str, amount: &str) -> String {
        insert(id, instant, (self.a, self.b, 1), amount)
    }

    async fn do_all(&self, texts: &[String]) {
        for text in texts {
            let done = self.schema.sql.batch_execute(text).await;
            done.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        }
    }

    /// The register must be what the rows are; returns (ids in use, ids deleted).
    async fn register(&self) -> (i64, i64) {
        let wrong = "SELECT count(*) FROM transactions t
            FULL JOIN (SELECT * FROM transaction_ids WHERE deleted_at IS NULL) i
                USING (transaction_id)
            WHERE (t.occurred_at, transaction_content_hash(t.occurred_at, t.position, t.sender_id,
                t.receiver_id, t.asset_id, t.amount, t.reference))
            IS DISTINCT FROM (i.occurred_at, i.content_hash)";
        let sql = &self.schema.sql;
        assert_eq!(one::<i64>(sql, wrong).await, 0, "ids that are not what their rows are");
        let twice = "SELECT count(*) - count(DISTINCT transaction_id) FROM transactions";
        assert_eq!(one::<i64>(sql, twice).await, 0, "rows with the id of another one");
        let used = one(sql, "SELECT count(*) FROM transactions").await;
        let text = "SELECT count(*) FROM transaction_ids WHERE deleted_at IS NOT NULL";
        (used, one(sql, text).await)
    }
}

fn insert(
    id: &str,
    instant: &str,
    (sender, receiver, asset): (i64, i64, i32),
    amount: &str,
) -> String {
    format!(
        "INSERT INTO transactions
             (transaction_id, occurred_at, sender_id, receiver_id, asset_id, amount)
         VALUES ('{id}', '{instant}', {sender}, {receiver}, {asset}, '{amount}')"
    )
}

/// Copies lines into the parent; says the SQLSTATE if they are refused.
async fn copy(sql: &Client, lines: &str) -> Result<u64, String> {
    let text = "COPY transactions (transaction_id, occurred_at, sender_id, receiver_id, asset_id,
        amount) FROM STDIN (FORMAT csv)";
    let outcome = async {
        let sink = sql.copy_in(text).await?;
        pin_mut!(sink);
        sink.send(Bytes::copy_from_slice(lines.as_bytes())).await?;
        sink.finish().await
    };
    outcome.await.map_err(|error| state(&error))
}

#[tokio::test]
async fn rows_without_their_accounts_or_asset_are_refused_for_everybody() {
    let ledger = Ledger::new().await;
    let (a, b) = (ledger.a, ledger.b);
    let client = ledger.schema.sql_as(ClusterRole::Client).await;
    for sql in [&ledger.schema.sql, &client] {
        for (sender, receiver, asset) in [(-1, b, 1), (a, -1, 1), (a, b, -1)] {
            let text = insert(FIRST, "2024-05-05 12:00Z", (sender, receiver, asset), "1");
            assert_eq!(refusal(sql, &text).await, "23503", "{text}");
            let line = format!("{FIRST},2024-05-05 12:00Z,{sender},{receiver},{asset},1\n");
            assert_eq!(copy(sql, &line).await, Err("23503".to_owned()), "{line}");
        }
    }
    assert_eq!(ledger.register().await, (0, 0));
    ledger.do_all(&[ledger.insert(FIRST, "2024-05-05 12:00Z", "1")]).await;
    for (text, expected) in [
        ("UPDATE transactions SET sender_id = -1", "23503"),
        ("UPDATE transactions SET asset_id = -1", "23503"),
    ] {
        assert_eq!(refusal(&ledger.schema.sql, text).await, expected, "{text}");
    }
    assert_eq!(ledger.register().await, (1, 0));
}

/// Whoever reports a refusal says which rule was broken, and no values.
#[tokio::test]
async fn a_broken_reference_is_named() {
    let ledger = Ledger::new().await;
    let (a, b) = (ledger.a, ledger.b);
    for (sender, receiver, asset, rule) in [
        (-1, b, 1, "transactions_sender_id_fkey"),
        (a, -1, 1, "transactions_receiver_id_fkey"),
        (a, b, -1, "transactions_asset_id_fkey"),
    ] {
        let text = insert(FIRST, "2024-05-05 12:00Z", (sender, receiver, asset), "1");
        let error = ledger.schema.sql.batch_execute(&text).await.expect_err(&text);
        let error = error.as_db_error().expect("the server refuses it");
        assert_eq!((error.constraint(), error.table()), (Some(rule), Some("transactions")));
        assert!(!error.message().contains("-1"), "{}", error.message());
    }
}

/// References are looked up and not locked: what was found must stay for all time.
#[tokio::test]
async fn accounts_and_assets_are_never_lost_or_renumbered() {
    let ledger = Ledger::new().await;
    let sql = &ledger.schema.sql;
    let free = add_account(sql, "bank", "without transactions").await;
    for (text, expected) in [
        ("DELETE FROM accounts".to_owned(), "0A000"),
        (format!("DELETE FROM accounts WHERE account_id = {free}"), "0A000"),
        ("DELETE FROM assets WHERE code = 'USD'".to_owned(), "0A000"),
        ("TRUNCATE accounts CASCADE".to_owned(), "0A000"),
        ("TRUNCATE assets CASCADE".to_owned(), "0A000"),
        ("UPDATE accounts SET account_id = 77".to_owned(), "428C9"),
        ("UPDATE assets SET asset_id = 77".to_owned(), "428C9"),
        ("UPDATE accounts SET account_id = DEFAULT".to_owned(), "0A000"),
        ("UPDATE assets SET asset_id = DEFAULT".to_owned(), "0A000"),
        ("UPDATE accounts SET address = address || 'x'".to_owned(), "0A000"),
        ("UPDATE accounts SET network = 'other'".to_owned(), "0A000"),
        ("UPDATE assets SET code = 'EUR'".to_owned(), "0A000"),
        (
            format!(
                "MERGE INTO accounts a USING (VALUES ({free})) AS s (id) ON a.account_id = s.id
                 WHEN MATCHED THEN DELETE"
            ),
            "0A000",
        ),
        (
            "INSERT INTO assets (code, name, decimals) VALUES ('USD', 'x', 2)
             ON CONFLICT (code) DO UPDATE SET code = 'EUR'"
                .to_owned(),
            "0A000",
        ),
    ] {
        assert_eq!(refusal(sql, &text).await, expected, "{text}");
    }
    // What nothing is recorded under may change.
    let name = "UPDATE assets SET name = 'dollar'; UPDATE accounts SET created_at = now()";
    sql.batch_execute(name).await.unwrap();
    assert_eq!(one::<i64>(sql, "SELECT count(*) FROM accounts").await, 3);
    assert_eq!(one::<String>(sql, "SELECT code FROM assets").await, "USD");
}

/// The plan of a check is kept by the session: it must be right for what comes later, too.
#[tokio::test]
async fn references_are_checked_whatever_was_checked_before() {
    let ledger = Ledger::new().await;
    let sql = &ledger.schema.sql;
    sql.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    ledger.do_all(&[ledger.insert(FIRST, "2024-05-05 12:00Z", "1")]).await;
    let many = "INSERT INTO accounts (network, address)
        SELECT 'bank', n::text FROM generate_series(1, 3000) n";
    sql.batch_execute(many).await.unwrap();
    let rows = |shift: i64| {
        format!(
            "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
             SELECT '2024-05-06 12:00Z', account_id, account_id + {shift}, 1, 1 FROM accounts"
        )
    };
    sql.batch_execute(&rows(0)).await.unwrap();
    assert_eq!(refusal(sql, &rows(1)).await, "23503");
    assert_eq!(ledger.register().await, (3_003, 0));
}

/// An account that is not committed is there for its own tx alone.
#[tokio::test]
async fn an_account_of_an_open_tx_counts_for_that_tx_alone() {
    let ledger = Ledger::new().await;
    let other = ledger.schema.more_sql().await;
    let begin = "BEGIN; SAVEPOINT before;
        INSERT INTO accounts (network, address) VALUES ('bank', 'c')";
    other.batch_execute(begin).await.unwrap();
    let new: i64 = one(&other, "SELECT max(account_id) FROM accounts").await;
    let text = insert(FIRST, "2024-05-05 12:00Z", (ledger.a, new, 1), "1");
    assert_eq!(refusal(&ledger.schema.sql, &text).await, "23503");
    other.batch_execute(&text).await.unwrap();
    other.batch_execute("ROLLBACK TO before").await.unwrap();
    assert_eq!(refusal(&other, &text).await, "23503");
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(ledger.register().await, (0, 0));
}

#[tokio::test]
async fn amounts_and_instants_that_are_none_are_refused() {
    let ledger = Ledger::new().await;
    let sql = &ledger.schema.sql;
    for amount in ["NaN", "Infinity", "-Infinity", "-0.00001", "-1e100"] {
        let text = ledger.insert(FIRST, "2024-05-05 12:00Z", amount);
        assert_eq!(refusal(sql, &text).await, "23514", "{amount}");
        let line = format!("{FIRST},2024-05-05 12:00Z,{},{},1,{amount}\n", ledger.a, ledger.b);
        assert_eq!(copy(sql, &line).await, Err("23514".to_owned()), "{amount}");
    }
    for instant in ["infinity", "-infinity", "2031-01-01 00:00Z", "1999-12-31 23:59Z"] {
        let text = ledger.insert(FIRST, instant, "1");
        assert_eq!(refusal(sql, &text).await, "23514", "{instant}");
    }
    // Not even where a day reaches to the end of time.
    let endless = "CREATE TABLE endless PARTITION OF transactions
        FOR VALUES FROM ('2100-01-01 00:00Z') TO (MAXVALUE)";
    sql.batch_execute(endless).await.unwrap();
    let text = ledger.insert(FIRST, "infinity", "1");
    assert_eq!(refusal(sql, &text).await, "23514");
    for (column, value) in
        [("reference", "''".to_owned()), ("reference", format!("'{}'", "x".repeat(257)))]
    {
        let id = "gen_random_uuid()";
        let text = format!(
            "INSERT INTO transactions
                 (transaction_id, occurred_at, sender_id, receiver_id, asset_id, amount, {column})
             VALUES ({id}, '2024-05-05 12:00Z', {}, {}, 1, 1, {value})",
            ledger.a, ledger.b
        );
        assert_eq!(refusal(sql, &text).await, "23514", "{column} = {value}");
    }
    assert_eq!(ledger.register().await, (0, 0));
    let huge = format!("{}.{}", "9".repeat(90), "9".repeat(40));
    for (id, amount) in [(FIRST, "0"), (SECOND, huge.as_str()), (THIRD, "1e-77")] {
        ledger.do_all(&[ledger.insert(id, "2024-05-05 12:00Z", amount)]).await;
    }
    assert_eq!(ledger.register().await, (3, 0));
}

#[tokio::test]
async fn an_id_is_used_once_over_all_days_and_all_time() {
    let ledger = Ledger::new().await;
    let sql = &ledger.schema.sql;
    let (first, other_day) = ("2024-05-05 12:00Z", "2024-05-06 12:00Z");
    ledger.do_all(&[ledger.insert(FIRST, first, "1")]).await;
    for instant in [first, other_day] {
        assert_eq!(refusal(sql, &ledger.insert(FIRST, instant, "1")).await, "23505");
    }
    // Twice in one statement, on two days and on one.
    let (a, b) = (ledger.a, ledger.b);
    for instant in [first, other_day] {
        let lines = format!("{SECOND},{first},{a},{b},1,1\n{SECOND},{instant},{a},{b},1,1\n");
        assert_eq!(copy(sql, &lines).await, Err("23505".to_owned()));
    }
    assert_eq!(ledger.register().await, (1, 0));
    // A deleted id stays known, its day dropped or not.
    ledger.do_all(&["DELETE FROM transactions".to_owned()]).await;
    assert_eq!(ledger.register().await, (0, 1));
    assert_eq!(refusal(sql, &ledger.insert(FIRST, other_day, "1")).await, "23505");
    ledger.schema.drop_day("2024-05-05".parse().unwrap()).await;
    assert_eq!(refusal(sql, &ledger.insert(FIRST, other_day, "1")).await, "23505");
    assert_eq!(ledger.register().await, (0, 1));
}

#[tokio::test]
async fn copies_register_their_ids_and_deletes_mark_them() {
    let ledger = Ledger::new().await;
    let (a, b) = (ledger.a, ledger.b);
    let lines: String = (0..300)
        .map(|n| {
            let (day, hour) = (5 + n % 3, n % 24);
            format!(
                "{n:08}-0000-4000-8000-000000000000,2024-05-0{day} {hour:02}:00Z,{a},{b},1,{n}\n"
            )
        })
        .collect();
    assert_eq!(copy(&ledger.schema.sql, &lines).await, Ok(300));
    assert_eq!(ledger.register().await, (300, 0));
    ledger.do_all(&["DELETE FROM transactions WHERE amount < 100".to_owned()]).await;
    assert_eq!(ledger.register().await, (200, 100));
    // What is rolled back never was.
    let texts = ["BEGIN", "DELETE FROM transactions", "ROLLBACK"].map(str::to_owned);
    ledger.do_all(&texts).await;
    assert_eq!(ledger.register().await, (200, 100));
}

/// A function call for each row would cost more than the rest of recording it.
#[tokio::test]
async fn the_content_hash_is_computed_without_a_call() {
    let ledger = Ledger::new().await;
    let explain = "EXPLAIN VERBOSE SELECT transaction_content_hash(occurred_at, position,
        sender_id, receiver_id, asset_id, amount, reference) FROM transactions";
    let rows = ledger.schema.sql.query(explain, &[]).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("sha256") && !plan.contains("transaction_content_hash"), "{plan}");
}

#[tokio::test]
async fn updates_keep_the_register_what_the_rows_are() {
    let ledger = Ledger::new().await;
    let sql = &ledger.schema.sql;
    ledger
        .do_all(&[
            ledger.insert(FIRST, "2024-05-05 12:00Z", "1"),
            ledger.insert(SECOND, "2024-05-06 12:00Z", "2"),
        ])
        .await;
    for (text, expected) in [
        ("UPDATE transactions SET amount = amount + 1", (2, 0)),
        ("UPDATE transactions SET reference = 'r', position = position + 1", (2, 0)),
        // Rows that move to another day, alone and all at once.
        ("UPDATE transactions SET occurred_at = occurred_at + '1 day' WHERE amount = 3", (2, 0)),
        ("UPDATE transactions SET occurred_at = '2024-05-06 01:00Z'", (2, 0)),
        ("UPDATE transactions SET occurred_at = occurred_at WHERE amount = -1", (2, 0)),
        // Ids that change places.
        (
            "UPDATE transactions SET transaction_id = CASE amount
                 WHEN 2 THEN '22222222-2222-2222-2222-222222222222'::uuid
                 ELSE '11111111-1111-1111-1111-111111111111' END",
            (2, 0),
        ),
        // A new id; the one before stays known.
        (
            "UPDATE transactions SET transaction_id = '33333333-3333-3333-3333-333333333333'
             WHERE amount = 2",
            (2, 1),
        ),
    ] {
        ledger.do_all(&[text.to_owned()]).await;
        assert_eq!(ledger.register().await, expected, "{text}");
    }
    for text in [
        // An id of the past, of another row, and of another row that changes too.
        format!("UPDATE transactions SET transaction_id = '{SECOND}' WHERE amount = 3"),
        format!("UPDATE transactions SET transaction_id = '{THIRD}' WHERE amount = 3"),
        format!("UPDATE transactions SET transaction_id = '{THIRD}'"),
        "UPDATE transactions SET transaction_id = '44444444-4444-4444-4444-444444444444'".into(),
    ] {
        assert_eq!(refusal(sql, &text).await, "23505", "{text}");
        assert_eq!(ledger.register().await, (2, 1), "{text}");
    }
    let outside = "UPDATE transactions SET occurred_at = '2031-01-01 00:00Z'";
    assert_eq!(refusal(sql, outside).await, "23514");
    assert_eq!(ledger.register().await, (2, 1));
}

#[tokio::test]
async fn a_merge_registers_all_it_does() {
    let ledger = Ledger::new().await;
    let (a, b) = (ledger.a, ledger.b);
    ledger
        .do_all(&[
            ledger.insert(FIRST, "2024-05-05 12:00Z", "1"),
            ledger.insert(SECOND, "2024-05-06 12:00Z", "2"),
            format!(
                "MERGE INTO transactions t
             USING (VALUES ('{FIRST}'::uuid), ('{SECOND}'), ('{THIRD}')) AS s (id)
             ON t.transaction_id = s.id
             WHEN MATCHED AND s.id = '{FIRST}' THEN DELETE
             WHEN MATCHED THEN UPDATE SET amount = 20, occurred_at = '2024-05-06 01:00Z'
             WHEN NOT MATCHED THEN
                 INSERT (transaction_id, occurred_at, sender_id, receiver_id, asset_id, amount)
                 VALUES (s.id, '2024-05-07 12:00Z', {a}, {b}, 1, 3)"
            ),
        ])
        .await;
    assert_eq!(ledger.register().await, (2, 1));
    assert_eq!(
        one::<i64>(&ledger.schema.sql, "SELECT sum(amount)::bigint FROM transactions").await,
        23
    );
}

/// Postgres shows such a row to no trigger on changed rows: the register would go wrong in
/// silence.
#[tokio::test]
async fn a_merge_that_moves_a_row_to_another_day_is_refused() {
    let ledger = Ledger::new().await;
    let sql = &ledger.schema.sql;
    ledger
        .do_all(&[
            ledger.insert(FIRST, "2024-05-05 12:00Z", "1"),
            ledger.insert(SECOND, "2024-05-06 12:00Z", "2"),
        ])
        .await;
    let merge = |matched: &str| {
        format!(
            "MERGE INTO transactions t USING (VALUES ('{FIRST}'::uuid), ('{SECOND}')) AS s (id)
             ON t.transaction_id = s.id WHEN MATCHED {matched}"
        )
    };
    let moving = merge("THEN UPDATE SET occurred_at = '2024-05-06 01:00Z'");
    assert_eq!(refusal(sql, &moving).await, "0A000");
    assert_eq!(ledger.register().await, (2, 0));
    // In one tx with others, each of which is counted for itself.
    ledger
        .do_all(&[
            "BEGIN; UPDATE transactions SET amount = 5; SAVEPOINT before".to_owned(),
            merge("AND amount = 5 THEN UPDATE SET amount = 6"),
            "UPDATE transactions SET occurred_at = '2024-05-07 01:00Z'".to_owned(),
        ])
        .await;
    assert_eq!(refusal(sql, &moving).await, "0A000");
    let end = "ROLLBACK TO before; UPDATE transactions SET amount = 7; COMMIT";
    ledger.do_all(&[end.to_owned()]).await;
    assert_eq!(ledger.register().await, (2, 0));
    assert_eq!(one::<i64>(sql, "SELECT sum(amount)::bigint FROM transactions").await, 14);
}

#[tokio::test]
async fn nobody_truncates_the_ledger() {
    let ledger = Ledger::new().await;
    ledger.do_all(&[ledger.insert(FIRST, "2024-05-05 12:00Z", "1")]).await;
    for text in ["TRUNCATE transactions", "TRUNCATE accounts CASCADE"] {
        assert_eq!(refusal(&ledger.schema.sql, text).await, "0A000", "{text}");
    }
    assert_eq!(ledger.register().await, (1, 0));
}

#[tokio::test]
async fn the_client_role_writes_through_the_parent_and_nowhere_else() {
    let ledger = Ledger::new().await;
    let client = ledger.schema.sql_as(ClusterRole::Client).await;
    client.batch_execute(&ledger.insert(FIRST, "2024-05-05 12:00Z", "1")).await.unwrap();
    let line = format!("{SECOND},2024-05-06 12:00Z,{},{},1,2\n", ledger.a, ledger.b);
    assert_eq!(copy(&client, &line).await, Ok(1));
    client.batch_execute("UPDATE transactions SET amount = 7 WHERE amount = 2").await.unwrap();
    assert_eq!(ledger.register().await, (2, 0));
    let leaf = ledger.schema.leaf("2024-05-05".parse().unwrap()).await;
    let into_leaf = ledger.insert(THIRD, "2024-05-05 12:00Z", "1");
    for text in [
        into_leaf.replace("INTO transactions", &format!("INTO {leaf}")),
        format!("UPDATE {leaf} SET amount = 0"),
        format!("DELETE FROM {leaf}"),
        format!("TRUNCATE {leaf}"),
        format!("DROP TABLE {leaf}"),
        format!("ALTER TABLE transactions DETACH PARTITION {leaf}"),
        "TRUNCATE transactions".to_owned(),
        "ALTER TABLE transactions DISABLE TRIGGER ALL".to_owned(),
        "SET session_replication_role = replica".to_owned(),
        "INSERT INTO transaction_ids SELECT now(), NULL, gen_random_uuid(), ''".to_owned(),
        "UPDATE transaction_ids SET deleted_at = now()".to_owned(),
        "DELETE FROM transaction_ids".to_owned(),
        "DELETE FROM accounts".to_owned(),
        "UPDATE accounts SET address = 'x'".to_owned(),
        "UPDATE assets SET decimals = 0".to_owned(),
        "UPDATE schema_migrations SET checksum = ''".to_owned(),
        "DELETE FROM seed_runs".to_owned(),
        "CREATE TABLE mine (n integer)".to_owned(),
        "SELECT adopt_partitions(1)".to_owned(),
        "SELECT ensure_partitions(ARRAY[current_date], 0, 1)".to_owned(),
        "SELECT maintain_partitions()".to_owned(),
    ] {
        assert_eq!(refusal(&client, &text).await, "42501", "{text}");
    }
    client.batch_execute("DELETE FROM transactions WHERE amount = 7").await.unwrap();
    assert_eq!(ledger.register().await, (1, 1));
    assert_eq!(one::<i64>(&client, "SELECT count(*) FROM transaction_ids").await, 2);
}

#[tokio::test]
async fn a_client_with_a_search_path_of_its_own_registers_its_ids_too() {
    let ledger = Ledger::new().await;
    let sql = &ledger.schema.sql;
    let parent = format!("{}.transactions", ledger.schema.target.schema);
    let text = ledger
        .insert(FIRST, "2024-05-05 20:00:00-05", "1")
        .replace("INTO transactions", &format!("INTO {parent}"));
    sql.batch_execute("SET search_path = pg_catalog; SET timezone = 'America/New_York'")
        .await
        .unwrap();
    sql.batch_execute(&text).await.unwrap();
    let back = format!("SET search_path = {}; SET timezone = 'UTC'", ledger.schema.target.schema);
    sql.batch_execute(&back).await.unwrap();
    add(sql, "2024-05-06T12:00:00Z", ledger.a, ledger.b, "1").await;
    assert_eq!(ledger.register().await, (2, 0));
    let text = "SELECT to_char(min(occurred_at), 'YYYY-MM-DD HH24') FROM transaction_ids";
    assert_eq!(one::<String>(sql, text).await, "2024-05-06 01");
}
