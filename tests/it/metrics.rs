//! What is counted: documents, dashboards and alarms name what there is, and gauges show what the
//! database knows. That a Prometheus reads all of it is for `tests/e2e/metrics.py`.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use daybook::{
    store::{
        days,
        gather_metrics::{gather_metrics, sync_jobs},
    },
    telemetry::metrics::{
        DatabaseGauges, SyncGauges,
        families::{FAMILIES, Family, Kind},
    },
    upkeep::gather_metrics::Gatherer,
};

use crate::support::{
    ledger::{add, add_user},
    schema::{TestSchema, day},
};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What looks like the name of a metric of ours in a text.
fn names(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c: char| !is_name(c));
    let ours = words
        .filter(|word| ["daybook_", "grpc_server_"].iter().any(|prefix| word.starts_with(prefix)));
    ours.map(str::to_owned).collect()
}

/// Names of the series that a family has.
fn series(family: &Family) -> Vec<String> {
    match family.kind {
        Kind::Counter | Kind::Gauge => vec![family.name.to_owned()],
        Kind::Histogram => {
            ["bucket", "sum", "count"].map(|part| format!("{}_{part}", family.name)).to_vec()
        }
    }
}

#[test]
fn dashboards_and_alarms_ask_for_what_there_is() {
    let known: BTreeSet<String> = FAMILIES.iter().flat_map(series).collect();
    for (path, least) in [
        ("docker/grafana/provisioning/dashboards/daybook-service.json", 40),
        ("docker/prometheus/alerts_test.yml", 20),
    ] {
        let asked = names(&read(path));
        assert!(asked.len() >= least, "{path}: {asked:?}");
        assert_eq!(asked.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "{path}");
    }
    // In questions alone: what to do is said with names of settings and roles too.
    let rules = read("docker/prometheus/alerts.yml");
    let questions = rules.lines().filter(|line| line.trim_start().starts_with("expr:"));
    let asked: BTreeSet<String> = questions.flat_map(names).collect();
    assert!(asked.len() >= 20, "{asked:?}");
    assert_eq!(asked.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_table_of_metrics_is_that_of_the_code() {
    let kind = |kind| match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let text = read("docs/metrics.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let found: Vec<Vec<String>> =
        rows.map(|row| row.split('|').map(|cell| cell.trim().replace('`', "")).collect()).collect();
    let ours = found.iter().filter(|row| !row[1].starts_with("process_"));
    let found: Vec<_> = ours.map(|row| [&row[1], &row[2], &row[3]].map(String::clone)).collect();
    let expected: Vec<_> = FAMILIES
        .iter()
        .map(|family| {
            [family.name.to_owned(), kind(family.kind).to_owned(), family.labels.join(", ")]
        })
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn gauges_show_what_the_database_knows() {
    let schema = TestSchema::prepared().await;
    let client = schema.connect().await;
    let quiet = DatabaseGauges { partitions: 3, partitions_ahead: 3, ..Default::default() };
    assert_eq!(gather_metrics(&client).await.unwrap(), quiet);
    let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
    for text in ["2024-05-05", "2024-05-06", "2024-05-07"] {
        schema.ensure(&[day(text)]).await;
        add(&schema.sql, &format!("{text}T12:00:00Z"), ann.account_id, bob.account_id, "1").await;
    }
    schema.sql.batch_execute("SELECT drop_day_before('2024-05-06')").await.unwrap();
    schema.drop_day(day("2024-05-07")).await;
    days::note(&client).await.unwrap();
    let found = gather_metrics(&client).await.unwrap();
    let a_year = 365.0 * 86_400.0;
    assert!(found.sealed_age_seconds > a_year, "{found:?}");
    let expected = DatabaseGauges {
        corrections_waiting: 3,
        sealed_age_seconds: found.sealed_age_seconds,
        partitions: 4,
        days_detached: 1,
        days_dropped: 1,
        ..quiet
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn jobs_are_shown_of_the_networks_that_the_settings_name() {
    let schema = TestSchema::prepared().await;
    let jobs = "
        INSERT INTO assets (code, name, decimals) VALUES ('aaa', 'aaa', 8), ('bbb', 'bbb', 18);
        INSERT INTO chain_assets (asset_id, network)
        SELECT asset_id, CASE code WHEN 'aaa' THEN 'bitcoin' ELSE 'ethereum' END
        FROM assets WHERE code IN ('aaa', 'bbb');
        INSERT INTO sync_streams (asset_id, account_id)
        SELECT asset_id, account_id FROM chain_assets, generate_series(1, 3) AS account_id;
        INSERT INTO sync_jobs (job_id, stream_id, network, state, priority, run_at)
        SELECT gen_random_uuid(), stream_id, network,
            (ARRAY['queued', 'running', 'parked'])[account_id],
            0, now() - interval '10 minutes'
        FROM sync_streams JOIN chain_assets USING (asset_id)";
    schema.sql.batch_execute(jobs).await.unwrap();
    let networks = ["bitcoin".to_owned(), "bitcoin-regtest".to_owned()];
    let mut found = sync_jobs(&schema.connect().await, &networks).await.unwrap();
    found.sort_by(|one, other| one.network.cmp(&other.network));
    let age = found[0].oldest_age_seconds;
    assert!((600.0..700.0).contains(&age), "{age}");
    let [bitcoin, regtest] = networks;
    let busy =
        SyncGauges { network: bitcoin, queued: 1, running: 1, parked: 1, oldest_age_seconds: age };
    assert_eq!(found, [busy, SyncGauges { network: regtest, ..Default::default() }]);
}

#[tokio::test]
async fn a_gathering_that_takes_too_long_fails_and_the_next_one_succeeds() {
    let schema = TestSchema::prepared().await;
    let mut gatherer = Gatherer::new(schema.database.clone(), Vec::new());
    let patience = Duration::from_millis(200);
    let lock = "BEGIN; LOCK TABLE corrections IN ACCESS EXCLUSIVE MODE";
    schema.sql.batch_execute(lock).await.unwrap();
    gatherer.gather(patience).await.unwrap_err();
    schema.sql.batch_execute("ROLLBACK").await.unwrap();
    gatherer.gather(Duration::from_secs(20)).await.unwrap();
}
