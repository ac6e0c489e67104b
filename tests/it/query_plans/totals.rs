//! Running totals by their keys alone: no partition is opened, and one question costs the same
//! whatever there is besides.

use chrono::Days;
use daybook::{
    domain::{access::Scope, direction::Direction, window::Window},
    store::{
        Reader,
        statement::Statement,
        sum_amount::{Subject, SumQuery, sum_amounts},
    },
};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{DAY, Param, busy_schema, counted, locked, plan, scanned};
use crate::support::{
    ledger::at,
    schema::{TestSchema, day, one, statement_text},
    service::{new_target, settings},
};

/// Most pages that one question may touch.
const BUFFERS_MAX: i64 = 60;

/// What sessions of the totals' pool are set to, in the words of the pool itself.
fn session_settings() -> String {
    let text = include_str!("../../../src/store/pool.rs");
    let found = text.split("const PLANNED_ONCE: &str = \"").nth(1).unwrap();
    let found = found.split("\";").next().unwrap();
    let found: Vec<_> = found.split_whitespace().filter(|word| *word != "\\").collect();
    assert!(found.len() >= 10 && found.contains(&"plan_cache_mode=force_generic_plan"));
    found.join(" ")
}

/// A session like those that questions are asked on, with the statements of sums prepared.
async fn totals_session(schema: &TestSchema) -> Client {
    let mut config = schema.target.config.clone();
    let path = &schema.target.schema;
    let settings = session_settings();
    config.options(format!("-c search_path={path} -c timezone=UTC -c jit=off {settings}"));
    let client = crate::support::cluster::connect(&config).await;
    for (name, stem) in [
        ("question", "sum_amount"),
        ("lone_0", "sum_amount_wallets_sender"),
        ("lone_1", "sum_amount_wallets_receiver"),
        ("long_question", "sum_amount_full"),
    ] {
        let text = format!("PREPARE {name} AS {}", statement_text(stem));
        client.batch_execute(&text).await.unwrap();
    }
    client
}

/// The first user's.
async fn first_user(sql: &Client) -> String {
    one(sql, "SELECT user_uuid::text FROM users ORDER BY user_id LIMIT 1").await
}

/// The statement for a lone question with the same question.
async fn lone_question(sql: &Client, side: i16, (start, end): (&str, &str)) -> String {
    let user = first_user(sql).await;
    format!("EXECUTE lone_{side} ('{user}', 1, '{start}', '{end}', NULL)")
}

/// The prepared statement with one question about the first user.
async fn question(sql: &Client, side: i16, (start, end): (&str, &str)) -> String {
    let user = first_user(sql).await;
    format!(
        "EXECUTE question ('{{0}}', '{{{user}}}', '{{NULL}}', '{{NULL}}', '{{1}}', '{{{side}}}', \
         '{{{start}}}', '{{{end}}}', '{{NULL}}')"
    )
}

/// The same by the statement for whatever takes more.
async fn full_question(sql: &Client, side: i16, window: (&str, &str)) -> String {
    let text =
        question(sql, side, window).await.replace("EXECUTE question", "EXECUTE long_question");
    format!("{}, false)", text.trim_end_matches(')'))
}

async fn explained(client: &Client, text: &str) -> Vec<String> {
    let text = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) {text}");
    client.query(&text, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Pages that a statement touches, once all of them are at hand.
async fn buffers(client: &Client, text: &str) -> i64 {
    explained(client, text).await;
    let lines = explained(client, text).await;
    let line = lines.iter().find(|line| line.contains("Buffers:"));
    let line = line.unwrap_or_else(|| panic!("{lines:#?}"));
    counted(line, "hit=") + counted(line, "read=")
}

/// Nothing is read as a whole, and cells and corrections are found by their indexes.
fn check_by_key(lines: &[String], side: &str) {
    let has = |word: &str| lines.iter().any(|line| line.contains(word));
    assert!(!has("Seq Scan"), "{lines:#?}");
    assert!(!has("Bitmap"), "{lines:#?}");
    for index in [
        "running_totals_pkey",
        &format!("corrections_{side}_id_asset_id_occurred_at_idx"),
        "users_user_uuid_key",
    ] {
        assert!(has(index), "{index} is not used: {lines:#?}");
    }
    assert!(!has("transactions"), "{lines:#?}");
}

const SIDES: [(i16, &str); 2] = [(0, "sender"), (1, "receiver")];

/// A month that begins and ends inside of days.
const CUT: (&str, &str) = ("2022-12-05T07:08:09Z", "2023-01-02T13:14:15.678901Z");

#[tokio::test]
async fn a_sum_is_found_by_key_also_when_corrections_came_behind_its_plan() {
    let schema = TestSchema::prepared_on(new_target(), settings()).await;
    crate::seed::seed_into(&schema, &crate::seed::plan(20_000, 3)).await;
    let client = totals_session(&schema).await;
    for (number, side) in SIDES {
        let lone = lone_question(&schema.sql, number, CUT).await;
        for text in [question(&schema.sql, number, CUT).await, lone] {
            for _ in 0..7 {
                client.batch_execute(&text).await.unwrap();
            }
            check_by_key(&explained(&client, &text).await, side);
            assert!(buffers(&client, &text).await <= BUFFERS_MAX);
        }
    }
    // Of others; a few of the account itself.
    let many = "INSERT INTO corrections
            (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
        SELECT timestamptz '2023-01-01' + n * interval '1 second', 1000 + n % 500, 2000 + n % 500,
            1, 1, n
        FROM generate_series(1, 20000) AS n;
        INSERT INTO corrections (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
        SELECT timestamptz '2023-01-01' + n * interval '1 second', a.account_id, a.account_id, 1,
            1, n
        FROM generate_series(1, 5) AS n, (SELECT min(account_id) AS account_id FROM accounts) a";
    schema.sql.batch_execute(many).await.unwrap();
    for is_analysed in [false, true] {
        if is_analysed {
            schema.sql.batch_execute("ANALYZE corrections").await.unwrap();
        }
        let fresh = totals_session(&schema).await;
        for client in [&client, &fresh] {
            for (number, side) in SIDES {
                let lone = lone_question(&schema.sql, number, CUT).await;
                for text in [question(&schema.sql, number, CUT).await, lone] {
                    let lines = explained(client, &text).await;
                    check_by_key(&lines, side);
                    let found = buffers(client, &text).await;
                    assert!(found <= BUFFERS_MAX, "{found} buffers: {lines:#?}");
                }
            }
        }
    }
}

/// Leaves an emptied table of corrections whose index by `side` is the higher one, which
/// makes the other one look cheaper to the planner.
async fn leave_uneven_indexes(sql: &Client, side: &str) {
    let other = if side == "sender" { "receiver" } else { "sender" };
    let text = format!(
        "ALTER TABLE corrections SET (autovacuum_enabled = off);
        INSERT INTO corrections
            ({other}_id, {side}_id, occurred_at, asset_id, row_count, amount)
        SELECT 77, n, timestamptz '2022-12-05', 1, 1, 0 FROM generate_series(1, 150000) AS n;
        DELETE FROM corrections WHERE ctid < (SELECT max(ctid) FROM corrections)"
    );
    sql.batch_execute(&text).await.unwrap();
    sql.batch_execute("VACUUM (INDEX_CLEANUP off) corrections").await.unwrap();
}

/// Corrections of several other accounts and a few of the first user's, in pages that are there.
const CORRECTIONS_COME: &str = "INSERT INTO corrections
        (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
    SELECT timestamptz '2022-12-20' + n * interval '1 second', 50000 + n % 7, 60000 + n % 7, 1, 1, n
    FROM generate_series(1, 20000) AS n;
    INSERT INTO corrections (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
    SELECT timestamptz '2022-12-20' + n * interval '1 second', w.account_id, w.account_id, 1, 1, n
    FROM generate_series(1, 5) AS n,
        (SELECT account_id FROM user_wallets ORDER BY user_id, account_id LIMIT 1) w";

/// Sums and series of the first user find their corrections by the index of their side.
async fn check_own_index(schema: &TestSchema, (number, side): (i16, &str), state: &str) {
    let client = totals_session(schema).await;
    for text in [
        lone_question(&schema.sql, number, CUT).await,
        question(&schema.sql, number, CUT).await,
        full_question(&schema.sql, number, CUT).await,
    ] {
        check_by_key(&explained(&client, &text).await, side);
        let found = buffers(&client, &text).await;
        assert!(found <= BUFFERS_MAX, "{state}: {found} buffers: {text}");
    }
    let user: Uuid = first_user(&schema.sql).await.parse().unwrap();
    let params: Vec<Param> = vec![
        Box::new(0i16),
        Box::new(user),
        Box::new(None::<String>),
        Box::new(None::<String>),
        Box::new(1i32),
        Box::new(vec![number]),
        Box::new(vec![at(CUT.0), at(CUT.1)]),
        Box::new(None::<Uuid>),
    ];
    let session = schema.connect().await;
    let text = statement_text("sum_series_corrections");
    let lines = plan(&session, "COSTS off", &text, &params).await;
    let index = format!("corrections_{side}_id_asset_id_occurred_at_idx");
    assert!(lines.iter().any(|line| line.contains(&index)), "{state}: {lines:#?}");
    check_snapshot(schema, user, (number, side), state).await;
}

/// Sums that are asked in a snapshot, beside rows, on a session that plans for values.
async fn check_snapshot(schema: &TestSchema, user: Uuid, (number, side): (i16, &str), state: &str) {
    let snapshot = schema.database.snapshot().await.unwrap();
    let query = SumQuery {
        subject: Subject::User(user),
        asset_id: 1,
        window: Window::new(at(CUT.0), at(CUT.1)).unwrap(),
        direction: [Direction::Sender, Direction::Receiver][usize::try_from(number).unwrap()],
        scope: Scope::Everybody,
    };
    let both = [query.clone(), query];
    for (queries, with_sealed_until) in [(&both[..1], false), (&both, false)] {
        sum_amounts(Reader::Snapshot(&snapshot), queries, with_sealed_until).await.unwrap();
    }
    let scans = Statement {
        stem: "scans",
        text: "SELECT n.name, pg_stat_get_xact_numscans(n.name::regclass) AS scans
            FROM unnest($1::text[]) AS n (name) ORDER BY n.name",
    };
    let index = |side: &str| format!("corrections_{side}_id_asset_id_occurred_at_idx");
    let names = vec!["corrections".to_owned(), index("receiver"), index("sender")];
    let rows = snapshot.rows(scans, &[&names]).await.unwrap();
    for row in rows {
        let (name, found): (String, i64) = (row.get(0), row.get(1));
        let expected = if name == index(side) { 2 } else { 0 };
        assert_eq!(found.min(2), expected, "{state}: scans of {name}");
    }
    snapshot.end().await.unwrap();
}

#[tokio::test]
async fn corrections_are_found_by_their_own_index_when_the_other_one_looks_cheaper() {
    for of_side in SIDES {
        let schema = TestSchema::prepared_on(new_target(), settings()).await;
        crate::seed::seed_into(&schema, &crate::seed::plan(20_000, 3)).await;
        leave_uneven_indexes(&schema.sql, of_side.1).await;
        // What makes the planner go wrong: nothing seems to be there, and it does not grow.
        let text =
            "SELECT (reltuples / relpages)::real FROM pg_class WHERE oid = 'corrections'::regclass";
        assert!(one::<f32>(&schema.sql, text).await < 0.01);
        check_own_index(&schema, of_side, "emptied and vacuumed").await;
        schema.sql.batch_execute(CORRECTIONS_COME).await.unwrap();
        assert!(one::<f32>(&schema.sql, text).await < 0.01);
        check_own_index(&schema, of_side, "others came").await;
        schema.sql.batch_execute("ANALYZE corrections").await.unwrap();
        check_own_index(&schema, of_side, "analysed").await;
        schema.sql.batch_execute("DELETE FROM corrections; ANALYZE corrections").await.unwrap();
        check_own_index(&schema, of_side, "emptied and analysed").await;
        schema.sql.batch_execute("VACUUM (ANALYZE) corrections").await.unwrap();
        schema.sql.batch_execute(CORRECTIONS_COME).await.unwrap();
        check_own_index(&schema, of_side, "emptied, vacuumed and filled again").await;
    }
}

#[tokio::test]
async fn a_sum_locks_no_partition_and_costs_the_same_with_a_hundred() {
    let schema = TestSchema::prepared_on(new_target(), settings()).await;
    crate::seed::seed_into(&schema, &crate::seed::plan(20_000, 3)).await;
    let client = totals_session(&schema).await;
    let mut few = Vec::new();
    for (number, _) in SIDES {
        let text = question(&schema.sql, number, CUT).await;
        few.push(buffers(&client, &text).await);
        client.batch_execute("BEGIN").await.unwrap();
        client.batch_execute(&text).await.unwrap();
        assert_eq!(locked(&client).await, Vec::<String>::new());
        let parent = "SELECT count(*) FROM pg_locks
            WHERE pid = pg_backend_pid() AND relation = 'transactions'::regclass";
        assert_eq!(one::<i64>(&client, parent).await, 0);
        client.batch_execute("COMMIT").await.unwrap();
    }
    let more: Vec<_> = (0..95).map(|n| day("2022-09-01") + Days::new(n)).collect();
    schema.ensure(&more).await;
    assert!(schema.days().await.len() >= 100);
    let fresh = totals_session(&schema).await;
    for ((number, side), few) in SIDES.into_iter().zip(few) {
        let text = question(&schema.sql, number, CUT).await;
        for client in [&client, &fresh] {
            let many = buffers(client, &text).await;
            assert!(many <= BUFFERS_MAX, "{side}: {many} buffers");
            assert!(5 * (many - few).abs() <= few, "{side}: {few} buffers, then {many}");
        }
    }
}

#[tokio::test]
async fn the_edges_of_a_ranking_read_one_partition() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let leaf = schema.leaf(day("2023-01-02")).await;
    let hours = ("2023-01-02T00:00:00Z", "2023-01-02T07:08:09Z");
    for (_, side) in SIDES {
        for (start, end) in [DAY, hours] {
            let params: Vec<Param> =
                vec![Box::new(1i32), Box::new(at(start)), Box::new(at(end)), Box::new(true)];
            let text = statement_text(&format!("rank_edge_{side}"));
            let lines = plan(&client, "COSTS off", &text, &params).await;
            assert_eq!(scanned(&lines), [leaf.as_str()], "{lines:#?}");
        }
    }
}

#[tokio::test]
async fn days_of_a_ranking_are_found_by_key() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let first = "SELECT span_number FROM day_totals WHERE level = 0 ORDER BY 1 LIMIT 1";
    let first: i64 = one(&client, first).await;
    let params: Vec<Param> = vec![
        Box::new(1i32),
        Box::new(0i16),
        Box::new(vec![0i16, 0, 1]),
        Box::new(vec![first, first + 1, first.div_euclid(4)]),
    ];
    let text = statement_text("rank_day_totals");
    let lines = plan(&client, "ANALYZE, COSTS off, TIMING off, SUMMARY off", &text, &params).await;
    let is_by_key = |line: &String| line.contains("day_totals_pkey");
    assert!(lines.iter().any(is_by_key), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("Seq Scan on day_totals")), "{lines:#?}");
}

#[tokio::test]
async fn sealing_finds_cells_by_their_key() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    // As many series as a seal of some hundred corrections has.
    let text = "SELECT array_agg(account_id) FROM
        (SELECT account_id FROM accounts ORDER BY account_id LIMIT 300) AS first";
    let accounts: Vec<i64> = one(&client, text).await;
    let count = accounts.len();
    let (assets, directions) = (vec![1i32; count], vec![0i16; count]);
    let (first, last) = (vec![at(DAY.0); count], vec![at(DAY.1); count]);
    let series = || -> Vec<Param> {
        vec![Box::new(accounts.clone()), Box::new(assets.clone()), Box::new(directions.clone())]
    };
    let with = |more: Vec<Param>| series().into_iter().chain(more).collect::<Vec<_>>();
    let numbers: Vec<i64> = (0..20i64).map(|n| 19_350 + n).collect();
    let by_day: Vec<Param> = vec![
        Box::new(vec![1i32; 20]),
        Box::new(vec![0i16; 20]),
        Box::new(vec![0i16; 20]),
        Box::new(numbers),
        Box::new(vec![0i64; 20]),
    ];
    let cells = "running_totals";
    for (stem, table, params) in [
        ("seal_heights", cells, series()),
        ("seal_cells_at", cells, with(vec![Box::new(first.clone()), Box::new(0i16)])),
        ("seal_cells_at", cells, with(vec![Box::new(first.clone()), Box::new(1i16)])),
        ("seal_cells_between", cells, with(vec![Box::new(first.clone()), Box::new(last)])),
        ("seal_day_cells", "day_totals", by_day),
    ] {
        let options = "ANALYZE, COSTS off, TIMING off, SUMMARY off";
        let lines = plan(&client, options, &statement_text(stem), &params).await;
        let has = |word: &str| lines.iter().any(|line| line.contains(word));
        assert!(has(&format!("{table}_pkey")), "{stem}: {lines:#?}");
        assert!(!has(&format!("Seq Scan on {table}")), "{stem}: {lines:#?}");
    }
}

#[tokio::test]
async fn assets_of_accounts_are_found_by_keys_alone() {
    let schema = TestSchema::prepared_on(new_target(), settings()).await;
    crate::seed::seed_into(&schema, &crate::seed::plan(20_000, 3)).await;
    let many = "INSERT INTO corrections
            (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
        SELECT timestamptz '2023-01-01' + n * interval '1 second', n % 50, 2000 + n % 500, 1, 1, n
        FROM generate_series(1, 20000) AS n";
    let accounts = "SELECT array_agg(account_id) FROM accounts";
    let accounts: Vec<i64> = one(&schema.sql, accounts).await;
    for has_corrections in [false, true] {
        if has_corrections {
            schema.sql.batch_execute(many).await.unwrap();
        }
        let client = schema.connect().await;
        let params: Vec<Param> = vec![Box::new(accounts.clone()), Box::new(1_001i32)];
        let options = "ANALYZE, COSTS off, TIMING off, SUMMARY off";
        let text = statement_text("account_assets");
        let lines = plan(&client, options, &text, &params).await;
        let has = |word: &str| lines.iter().any(|line| line.contains(word));
        assert!(has("running_totals_pkey"), "{lines:#?}");
        assert!(!has("Seq Scan on running_totals"), "{lines:#?}");
        assert!(!has_corrections || !has("Seq Scan on corrections"), "{lines:#?}");
        assert!(!has("transactions"), "{lines:#?}");
    }
}
