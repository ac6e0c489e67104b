//! How Postgres answers the hot statements: only the window's partitions, by the index that was
//! made for it, on the first execution and on the tenth.

mod listing;
mod prices;
mod sql_functions;
mod status;
mod tokens;
mod totals;

use std::sync::OnceLock;

use chrono::{DateTime, Days, Utc};
use daybook::{
    seed::{SeedPlan, seed},
    store::Connection,
};
use tokio_postgres::{Client, types::ToSql};
use uuid::Uuid;

use crate::support::{
    ledger::at,
    schema::{TestSchema, day, one, statement_text},
    service::{new_target, settings},
};

/// Days with rows, each as busy as one of the default seed, and empty ones around them.
const BUSY_DAYS: u32 = 3;
const EMPTY_DAYS: u64 = 12;

/// One day, 2023-01-02.
const DAY: (&str, &str) = ("2023-01-02T00:00:00Z", "2023-01-03T00:00:00Z");

type Param = Box<dyn ToSql + Sync>;

/// The tests of this file read only, so they share a schema.
async fn busy_schema() -> TestSchema {
    static SEEDED: OnceLock<daybook::store::DatabaseTarget> = OnceLock::new();
    static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _making = MAKING.lock().await;
    if let Some(target) = SEEDED.get() {
        return TestSchema::unprepared(target.clone(), settings()).await;
    }
    let schema = TestSchema::prepared_on(new_target(), settings()).await;
    let empty: Vec<_> = (0..EMPTY_DAYS).map(|n| day("2022-12-01") + Days::new(n)).collect();
    schema.ensure(&empty).await;
    let plan = SeedPlan {
        user_count: 2_000,
        transaction_count: 8_200 * u64::from(BUSY_DAYS),
        first_day: day("2023-01-01"),
        day_count: BUSY_DAYS,
        seed_number: 1,
        is_skewed: false,
    };
    seed(&schema.database, Some(plan), 2, &schema.settings.partitions).await.unwrap();
    let _ = SEEDED.set(schema.target.clone());
    schema
}

/// Every hot statement that is indexed by `side`, with its values for a window.
async fn sum_statements(
    sql: &Client,
    side: &str,
    window: (&str, &str),
) -> Vec<(String, Vec<Param>)> {
    let text = "SELECT user_uuid, user_uuid::text FROM users ORDER BY user_id LIMIT 1";
    let row = sql.query_one(text, &[]).await.unwrap();
    let (user, address): (Uuid, String) = (row.get(0), row.get(1));
    let of_user = || -> Vec<Param> { vec![Box::new(user), Box::new(1i32)] };
    let of_account = || -> Vec<Param> {
        vec![Box::new("internal".to_owned()), Box::new(address.clone()), Box::new(1i32)]
    };
    let (start, end) = (at(window.0), at(window.1));
    let edges = || -> Param { Box::new(vec![start, start + (end - start) / 2, end]) };
    let window = || -> Vec<Param> { vec![Box::new(start), Box::new(end)] };
    let limits = || -> Vec<Param> {
        vec![Box::new(1_000_000i64), Box::new(Vec::<String>::new()), Box::new(None::<Uuid>)]
    };
    let joined = |parts: Vec<Vec<Param>>| parts.into_iter().flatten().collect::<Vec<_>>();
    vec![
        (format!("sum_amount_user_{side}"), joined(vec![of_user(), window()])),
        (format!("sum_amount_payments_{side}"), joined(vec![of_user(), window()])),
        (format!("sum_amount_account_{side}"), joined(vec![of_account(), window()])),
        (format!("sum_series_user_{side}"), joined(vec![of_user(), vec![edges()], window()])),
        (format!("sum_series_account_{side}"), joined(vec![of_account(), vec![edges()], window()])),
        (format!("histogram_user_{side}"), joined(vec![of_user(), window(), limits()])),
        (format!("histogram_account_{side}"), joined(vec![of_account(), window(), limits()])),
    ]
}

fn rank_statements(side: &str, window: (&str, &str)) -> Vec<(String, Vec<Param>)> {
    let params = || -> Vec<Param> {
        let (start, end): (DateTime<Utc>, DateTime<Utc>) = (at(window.0), at(window.1));
        vec![Box::new(1i32), Box::new(start), Box::new(end), Box::new(true)]
    };
    let mut accounts = params();
    accounts.push(Box::new("internal".to_owned()));
    let mut users = params();
    for params in [&mut users, &mut accounts] {
        params.push(Box::new(100_000i64));
    }
    vec![(format!("rank_users_{side}"), users), (format!("rank_accounts_{side}"), accounts)]
}

fn borrowed(params: &[Param]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(AsRef::as_ref).collect()
}

/// The plan of a statement for the values at hand, one line a node or detail.
async fn plan(sql: &Client, options: &str, text: &str, params: &[Param]) -> Vec<String> {
    let text = format!("EXPLAIN ({options}) {text}");
    let rows = sql.query(&text, &borrowed(params)).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Partitions that a plan scans.
fn scanned(plan: &[String]) -> Vec<&str> {
    let nodes = plan.iter().filter(|line| line.contains("Scan") && line.contains(" on "));
    let mut leaves: Vec<&str> = nodes
        .filter_map(|line| line.split(" on ").nth(1)?.split_whitespace().next())
        .filter(|name| name.starts_with("transactions_p") && !name.contains("_idx"))
        .collect();
    leaves.sort_unstable();
    leaves.dedup();
    leaves
}

/// Partitions that a tx has locked by running a prepared statement.
async fn locked(client: &Client) -> Vec<String> {
    let text = "SELECT DISTINCT l.relation::regclass::text FROM pg_locks l
        JOIN pg_inherits i ON i.inhrelid = l.relation
        WHERE l.pid = pg_backend_pid() AND i.inhparent = 'transactions'::regclass ORDER BY 1";
    client.query(text, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Scans of partitions that fetched nothing from the table itself. A vacuum may come by other
/// tables any time, and then neither do theirs.
fn unfetched_leaves(plan: &[String]) -> usize {
    let (mut is_of_leaf, mut count) = (false, 0);
    for line in plan {
        if line.contains(" Scan ") {
            is_of_leaf = line.contains("transactions_p");
        }
        count += usize::from(is_of_leaf && line.contains("Heap Fetches: 0"));
    }
    count
}

#[tokio::test]
async fn sums_read_the_windows_days_from_the_covering_index_alone() {
    let schema = busy_schema().await;
    let client: Connection = schema.connect().await;
    let wide = ("2022-12-31T12:00:00Z", "2023-01-02T12:00:00Z");
    for (window, days) in [(DAY, &["2023-01-02"][..]), (wide, &["2023-01-01", "2023-01-02"])] {
        let mut leaves = Vec::new();
        for text in days {
            leaves.push(schema.leaf(day(text)).await);
        }
        for side in ["sender", "receiver"] {
            for (stem, params) in sum_statements(&client, side, window).await {
                let text = statement_text(&stem);
                let options = "ANALYZE, COSTS off, TIMING off, SUMMARY off";
                let lines = plan(&client, options, &text, &params).await;
                assert_eq!(scanned(&lines), leaves, "{stem}: {lines:#?}");
                for leaf in &leaves {
                    let index =
                        format!("Index Only Scan using {leaf}_{side}_id_asset_id_occurred_at");
                    let is_used = lines.iter().any(|line| line.contains(&index));
                    assert!(is_used, "{stem}: {index} is not used: {lines:#?}");
                }
                let condition = format!("Index Cond: (({side}_id = ");
                let is_narrow = |line: &&String| {
                    line.contains(&condition) && line.contains("asset_id = ") && line.contains("<")
                };
                assert_eq!(lines.iter().filter(is_narrow).count(), days.len(), "{lines:#?}");
                assert_eq!(unfetched_leaves(&lines), days.len(), "{stem}: {lines:#?}");
            }
        }
    }
}

#[tokio::test]
async fn everybodys_series_and_histograms_read_the_windows_days_only() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let leaf = schema.leaf(day("2023-01-02")).await;
    let (start, end) = (at(DAY.0), at(DAY.1));
    let edges: Param = Box::new(vec![start, end]);
    let bounds: Param = Box::new(vec!["10.5".to_owned()]);
    let series: Vec<Param> = vec![Box::new(1i32), edges, Box::new(start), Box::new(end)];
    let histogram: Vec<Param> =
        vec![Box::new(1i32), Box::new(start), Box::new(end), Box::new(1_000_000i64), bounds];
    for (stem, params) in [("sum_series_all", series), ("histogram_all", histogram)] {
        let lines = plan(&client, "COSTS off", &statement_text(stem), &params).await;
        assert_eq!(scanned(&lines), [leaf.as_str()], "{stem}: {lines:#?}");
    }
}

#[tokio::test]
async fn a_histogram_stops_reading_at_its_limit() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let (window, no_bounds) = ((at(DAY.0), at(DAY.1)), Vec::<String>::new());
    let params: Vec<Param> = vec![
        Box::new(1i32),
        Box::new(window.0),
        Box::new(window.1),
        Box::new(11i64),
        Box::new(no_bounds),
    ];
    let options = "ANALYZE, COSTS off, TIMING off, SUMMARY off";
    let lines = plan(&client, options, &statement_text("histogram_all"), &params).await;
    let scans: Vec<_> = lines.iter().filter(|line| line.contains(" on transactions_p")).collect();
    assert_eq!(scans.len(), 1, "{lines:#?}");
    assert_eq!(counted(scans[0], "rows="), 11, "{lines:#?}");
}

#[tokio::test]
async fn a_balance_reads_no_later_days() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let user: Uuid = one(&client, "SELECT user_uuid FROM users ORDER BY user_id LIMIT 1").await;
    let address = user.to_string();
    let (until, asset) = (Some(at("2023-01-02T00:00:00Z")), 1i32);
    let of_user: Vec<Param> = vec![Box::new(user), Box::new(asset), Box::new(until)];
    let of_account: Vec<Param> =
        vec![Box::new("internal".to_owned()), Box::new(address), Box::new(asset), Box::new(until)];
    let last = schema.leaf(day("2023-01-01")).await;
    for (stem, params) in [("get_balance_user", of_user), ("get_balance_account", of_account)] {
        let lines = plan(&client, "COSTS off", &statement_text(stem), &params).await;
        // Names of partitions sort as their days do.
        assert_eq!(scanned(&lines).last(), Some(&last.as_str()), "{stem}: {lines:#?}");
        for side in ["sender", "receiver"] {
            let index = format!("Index Only Scan using {last}_{side}_id_asset_id_occurred_at");
            assert!(lines.iter().any(|line| line.contains(&index)), "{stem}: {lines:#?}");
        }
    }
}

#[tokio::test]
async fn ranks_read_the_windows_days_only() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let leaf = schema.leaf(day("2023-01-02")).await;
    for side in ["sender", "receiver"] {
        for (stem, params) in rank_statements(side, DAY) {
            let lines = plan(&client, "COSTS off", &statement_text(&stem), &params).await;
            assert_eq!(scanned(&lines), [leaf.as_str()], "{stem}: {lines:#?}");
        }
    }
}

/// Right after a load nothing is known of new members, and a join of them with what they
/// moved would be planned as a nested loop. The one join is that with the row of the instant.
#[tokio::test]
async fn ranks_join_nothing_that_grows() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    for side in ["sender", "receiver"] {
        for (stem, params) in rank_statements(side, DAY) {
            let lines = plan(&client, "COSTS off", &statement_text(&stem), &params).await;
            let is_join = |line: &&String| {
                ["Nested Loop", "Hash Join", "Hash Right Join", "Hash Left Join", "Merge"]
                    .iter()
                    .any(|join| line.contains(join))
            };
            assert_eq!(lines.iter().filter(is_join).count(), 1, "{stem}: {lines:#?}");
        }
    }
}

#[tokio::test]
async fn an_hour_of_all_accounts_reads_few_pages_by_brin() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let leaf = schema.leaf(day("2023-01-02")).await;
    let pages = format!("SELECT relpages::bigint FROM pg_class WHERE oid = '{leaf}'::regclass");
    let pages: i64 = one(&client, &pages).await;
    assert!((60..200).contains(&pages), "a day as of the default seed: {pages} pages");
    let hour = ("2023-01-02T13:00:00Z", "2023-01-02T14:00:00Z");
    for side in ["sender", "receiver"] {
        for (stem, params) in rank_statements(side, hour) {
            let options = "ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off";
            let lines = plan(&client, options, &statement_text(&stem), &params).await;
            assert_eq!(scanned(&lines), [leaf.as_str()], "{stem}: {lines:#?}");
            let place = lines.iter().position(|line| line.contains("Bitmap Heap Scan"));
            let place = place.unwrap_or_else(|| panic!("{stem}: no BRIN: {lines:#?}"));
            let brin = lines
                .iter()
                .any(|line| line.contains("Bitmap Index Scan") && line.contains("occurred_at_idx"));
            assert!(brin, "{stem}: {lines:#?}");
            let buffers = lines[place..].iter().find(|line| line.contains("Buffers:")).unwrap();
            let read = counted(buffers, "hit=") + counted(buffers, "read=");
            assert!(read < pages / 4, "{stem}: {read} of {pages} pages: {lines:#?}");
        }
    }
}

/// Pages that a statement touched, without those of its planning; 0 where none was.
pub(crate) fn executed_pages(plan: &[String]) -> i64 {
    let mut executed = plan.iter().take_while(|line| !line.starts_with("Planning"));
    let line = executed.find(|line| line.contains("Buffers:"));
    line.map_or(0, |line| counted(line, "hit=") + counted(line, "read="))
}

/// The number behind a word of EXPLAIN's, 0 where it is not there.
fn counted(line: &str, word: &str) -> i64 {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    line.split(word).nth(1).map_or(0, |rest| digits(rest).parse().unwrap())
}

#[tokio::test]
async fn the_tenth_execution_locks_no_more_partitions_than_the_first() {
    let schema = busy_schema().await;
    let leaf = schema.leaf(day("2023-01-02")).await;
    let all = schema.days().await.len();
    for side in ["sender", "receiver"] {
        let mut statements = sum_statements(&schema.sql, side, DAY).await;
        statements.extend(rank_statements(side, DAY));
        for (stem, params) in statements {
            // A session with the settings of the pool's.
            let client = schema.connect().await;
            let prepared = client.prepare(&statement_text(&stem)).await.unwrap();
            for _ in 0..9 {
                client.query(&prepared, &borrowed(&params)).await.unwrap();
            }
            client.batch_execute("BEGIN").await.unwrap();
            client.query(&prepared, &borrowed(&params)).await.unwrap();
            assert_eq!(locked(&client).await, [leaf.as_str()], "{stem}");
            client
                .batch_execute("ROLLBACK; SET plan_cache_mode = force_generic_plan")
                .await
                .unwrap();
            // What that setting keeps away, or this test sees nothing.
            client.batch_execute("BEGIN").await.unwrap();
            client.query(&prepared, &borrowed(&params)).await.unwrap();
            assert_eq!(locked(&client).await.len(), all, "{stem}");
        }
    }
}

#[tokio::test]
async fn a_page_of_a_list_walks_the_index_of_its_order() {
    let schema = TestSchema::prepared_on(new_target(), settings()).await;
    let fill = "INSERT INTO users (user_uuid, username, name)
            SELECT gen_random_uuid(), 'U' || n, 'Someone' FROM generate_series(1, 20000) n;
        INSERT INTO accounts (network, address)
            SELECT 'bank', n::text FROM generate_series(1, 20000) n;
        INSERT INTO assets (code, name, decimals)
            SELECT 'T' || n, '', 2 FROM generate_series(1, 20000) n";
    schema.sql.batch_execute(fill).await.unwrap();
    let client = schema.connect().await;
    check_pages(&client, false).await;
    schema.sql.batch_execute("ANALYZE users, accounts, assets").await.unwrap();
    check_pages(&client, true).await;
}

#[tokio::test]
async fn few_users_are_found_by_a_part_of_a_name_without_the_others() {
    let schema = TestSchema::prepared_on(new_target(), settings()).await;
    let fill = "INSERT INTO users (user_uuid, username, name)
            SELECT gen_random_uuid(), 'u' || md5(n::text), 'Someone ' || md5(n::text)
            FROM generate_series(1, 20000) n;
        ANALYZE users";
    schema.sql.batch_execute(fill).await.unwrap();
    let client = schema.connect().await;
    let part = "c4ca4238a0b9"; // How the hash of 1 begins.
    for (part, found) in
        [(part, "rows=1 "), ("Nobody", "rows=0 "), ("zq", "rows=0 "), ("日", "rows=0 ")]
    {
        let params: Vec<Param> = vec![
            Box::new(String::new()),
            Box::new(11i64),
            Box::new(String::new()),
            Box::new(part.to_owned()),
            Box::new(None::<Uuid>),
        ];
        let options = "ANALYZE, COSTS off, TIMING off, SUMMARY off";
        let lines = plan(&client, options, &statement_text("list_users"), &params).await;
        let scan =
            lines.iter().find(|line| line.contains("Bitmap Index Scan on users_letter_groups"));
        let scan = scan.unwrap_or_else(|| panic!("{lines:#?}"));
        assert!(scan.contains(found), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("Seq Scan")), "{lines:#?}");
    }
}

/// Pages behind a place, and, where the planner knows what is in the tables, of a prefix.
async fn check_pages(client: &Client, is_analysed: bool) {
    let text = |text: &str| -> Param { Box::new(text.to_owned()) };
    let accounts = "accounts_network_address_key";
    let bank = || text("bank");
    let size = || -> Param { Box::new(11i64) };
    let user_page = |after: &str, prefix: &str, part: &str| -> Vec<Param> {
        vec![text(after), size(), text(prefix), text(part), Box::new(None::<Uuid>)]
    };
    let mut cases = vec![
        ("list_users", "users_username_key", user_page("U5", "", "")),
        ("list_accounts", accounts, vec![bank(), text("5"), size(), text("")]),
        ("list_assets", "assets_code_key", vec![text("T5"), size(), text("")]),
    ];
    if is_analysed {
        cases.extend([
            ("list_users", "users_username_key", user_page("", "U777", "")),
            // Everybody's: it is walked, and not gathered and sorted.
            ("list_users", "users_username_key", user_page("", "", "some")),
            ("list_users", "users_username_key", user_page("U5", "", "s")),
            ("list_accounts", accounts, vec![bank(), text(""), size(), text("777")]),
            ("list_assets", "assets_code_key", vec![text(""), size(), text("T777")]),
        ]);
    }
    for (stem, index, params) in cases {
        let options = "ANALYZE, COSTS off, TIMING off, SUMMARY off";
        let lines = plan(client, options, &statement_text(stem), &params).await;
        let scan = lines.iter().find(|line| line.contains(index));
        let scan = scan.unwrap_or_else(|| panic!("{stem}: {lines:#?}"));
        assert!(counted(scan, "rows=") <= 111, "{stem}: {lines:#?}");
        let removed = lines.iter().find(|line| line.contains("Rows Removed"));
        assert_eq!(removed, None, "{stem}: {lines:#?}");
    }
}
