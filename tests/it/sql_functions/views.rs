//! The views for tools that read tables: they say what the tables have, and are what the documents
//! and the dashboard of business say that they are.

use std::{collections::BTreeSet, fs, path::Path};

use daybook::cluster::ClusterRole;
use serde_json::Value;

use crate::support::{
    cluster::shared,
    ledger::{add, add_account, add_user, ensure_days, track},
    schema::{TestSchema, one},
    service::sql,
};

/// All of them.
pub(super) const VIEWS: [&str; 8] = [
    "asset_details",
    "partition_days",
    "price_details",
    "symbol_details",
    "sync_details",
    "transaction_details",
    "user_details",
    "wallet_details",
];

#[tokio::test]
async fn views_show_days_and_transactions_by_name() {
    let schema = TestSchema::prepared().await;
    ensure_days(&schema.sql, &["2024-05-05", "2024-05-06"]).await;
    let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
    let id = add(&schema.sql, "2024-05-05T12:00:00Z", ann.account_id, bob.account_id, "1.5").await;
    let text = "SELECT format('%s %s %s %s %s %s', transaction_id, asset, amount, sender_network,
            sender_address, receiver_address)
        FROM transaction_details WHERE occurred_at >= '2024-05-05Z'";
    let expected = format!("{id} USD 1.5 internal {} {}", ann.user_uuid, bob.user_uuid);
    assert_eq!(one::<String>(&schema.sql, text).await, expected);
    let days = "SELECT string_agg(format('%s %s %s', day, state, size_bytes > 0), ',' ORDER BY day)
        FROM partition_days WHERE day < '2024-05-07'";
    let expected = "2024-05-05 attached t,2024-05-06 attached t";
    assert_eq!(one::<String>(&schema.sql, days).await, expected);
    one::<Option<chrono::NaiveDate>>(&schema.sql, "SELECT drop_day_before('2024-05-06')").await;
    let expected = "2024-05-05 dropped ,2024-05-06 attached t";
    assert_eq!(one::<String>(&schema.sql, days).await, expected);
}

/// A schema with two users, a bank's account, a price and a token that is synced.
async fn recorded() -> TestSchema {
    let schema = TestSchema::prepared().await;
    let sql = &schema.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    track(sql, bob.user_id, add_account(sql, "bank", "x").await).await;
    add(sql, "2024-05-05T12:00:00Z", ann.account_id, bob.account_id, "1.5").await;
    let rest = "
        SELECT ensure_price_partitions(ARRAY['2024-05-05'::date], 36500, 36500);
        INSERT INTO symbols (name, base, quote) VALUES ('btcusd', 'btc', 'usd');
        INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT symbol_id, '2024-05-05 12:00Z', 60000.5 FROM symbols;
        INSERT INTO assets (code, name, decimals) VALUES ('net:0xc', 'Coin', 18), ('B', 'B', 8);
        INSERT INTO chain_assets (asset_id, network, contract)
        SELECT asset_id, 'net', CASE code WHEN 'B' THEN NULL ELSE '0xc' END
        FROM assets WHERE code <> 'USD';
        INSERT INTO accounts (network, address) VALUES ('net', '0xa');
        INSERT INTO sync_streams (asset_id, account_id, head_height, complete_until,
            transfer_count)
        SELECT b.asset_id, CASE b.code WHEN 'B' THEN a.account_id ELSE 0 END, 7,
            '2024-05-05 13:00Z', 3
        FROM assets b, accounts a WHERE b.code <> 'USD' AND a.network = 'net'";
    sql.batch_execute(rest).await.unwrap();
    schema
}

#[tokio::test]
async fn views_show_people_prices_and_syncs_by_name() {
    let schema = recorded().await;
    for (columns, view, expected) in [
        (
            "asset, name, decimals, network, contract",
            "asset_details",
            "(B,B,8,net,) (USD,\"US dollar\",5,,) (net:0xc,Coin,18,net,0xc)",
        ),
        ("username, name, wallet_count", "user_details", "(ann,ann,1) (bob,bob,2)"),
        (
            "username, network, network = 'bank' AND address = 'x'",
            "wallet_details",
            "(ann,internal,f) (bob,bank,t) (bob,internal,f)",
        ),
        ("symbol, base, quote, tick_interval_seconds", "symbol_details", "(btcusd,btc,usd,60)"),
        (
            "symbol, price, quote, ticked_at = '2024-05-05 12:00Z'",
            "price_details",
            "(btcusd,60000.5,usd,t)",
        ),
        (
            "network, contract, asset, address, head_height, transfer_count",
            "sync_details",
            "(net,,B,0xa,7,3) (net,0xc,net:0xc,,7,3)",
        ),
    ] {
        let text = format!(
            "SELECT string_agg(row::text, ' ' ORDER BY row::text COLLATE \"C\")
             FROM (SELECT ROW({columns}) AS row FROM {view}) AS rows"
        );
        assert_eq!(one::<String>(&schema.sql, &text).await, expected, "{view}");
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Names in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Rows of the tables of docs/sql.md that begin with a name, cut into cells.
fn documented() -> Vec<Vec<String>> {
    let text = read("docs/sql.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.split(" | ").map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn the_document_has_every_view_with_its_columns() {
    let schema = TestSchema::prepared().await;
    let text = "SELECT table_name::text, array_agg(column_name::text ORDER BY ordinal_position)
        FROM information_schema.columns
        JOIN information_schema.views USING (table_schema, table_name)
        WHERE table_schema = current_schema
          AND has_table_privilege('daybook_reader', table_name::text, 'SELECT')
        GROUP BY 1 ORDER BY 1";
    let rows = schema.sql.query(text, &[]).await.unwrap();
    let found: Vec<(String, Vec<String>)> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, VIEWS);
    let mut told: Vec<(String, Vec<String>)> = documented()
        .iter()
        .map(|cells| (quoted(&cells[0]).remove(0), quoted(&cells[1])))
        .filter(|(name, _)| VIEWS.contains(&name.as_str()))
        .collect();
    told.sort();
    assert_eq!(told, found);
}

/// Statements of the panels of the dashboard of business, and of its variables.
fn statements(board: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let panels = board["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let variables = board["templating"]["list"].as_array().unwrap();
    let queries = variables.iter().filter(|one| one["type"] == "query");
    let asked = targets.map(|one| text(&one["rawSql"]));
    asked.chain(queries.map(|one| text(&one["query"]))).collect()
}

/// As Grafana's plugin sends it, about a window.
fn expanded(statement: &str, user: &str) -> String {
    let (start, end) = ("'2024-05-01T00:00:00Z'", "'2024-06-01T00:00:00Z'");
    let mut text = statement.to_owned();
    while let Some(at) = text.find("$__timeFilter(") {
        let inside = at + "$__timeFilter(".len();
        let close = inside + text[inside..].find(')').unwrap();
        let column = text[inside..close].to_owned();
        text.replace_range(at..=close, &format!("{column} BETWEEN {start} AND {end}"));
    }
    for (name, value) in [
        ("$__timeFrom()", start),
        ("$__timeTo()", end),
        ("$bucket", "day"),
        ("$user", user),
        ("$asset", "USD"),
        ("$symbol", "btcusd"),
    ] {
        text = text.replace(name, value);
    }
    assert!(!text.contains('$'), "{text}");
    text
}

/// What a statement names of Daybook's schema.
fn named(statement: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let behind = statement.split("daybook.").skip(1);
    behind.map(|rest| rest.split(|c| !is_name(c)).next().unwrap()).collect()
}

#[tokio::test]
async fn the_dashboard_of_business_asks_what_is_documented_and_is_answered() {
    let schema = recorded().await;
    let user: String = one(&schema.sql, "SELECT user_uuid::text FROM users LIMIT 1").await;
    let known: BTreeSet<String> = documented()
        .iter()
        .map(|cells| quoted(&cells[0]).remove(0).split('(').next().unwrap().to_owned())
        .collect();
    let path = "docker/grafana/provisioning/dashboards/daybook-business.json";
    let board: Value = serde_json::from_str(&read(path)).unwrap();
    let statements = statements(&board);
    assert!(statements.len() > 15, "{statements:?}");
    // What it names without the schema is not there.
    let reader = sql(shared().connection(ClusterRole::Reader), "pg_catalog").await;
    for statement in statements {
        let names = named(&statement);
        let strange: Vec<_> = names.iter().filter(|&&name| !known.contains(name)).collect();
        assert!(!names.is_empty() && strange.is_empty(), "{strange:?}: {statement}");
        let text = expanded(&statement, &user);
        let text = text.replace("daybook.", &format!("{}.", schema.target.schema));
        let rows = reader.query(&text, &[]).await;
        let rows = rows.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert!(!rows.is_empty(), "{text}");
    }
}
