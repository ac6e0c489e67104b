//! The real seeder, killed at any moment and started again, until it is done.

use std::{
    fs,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use daybook::{
    cluster::{ClusterRole, attach},
    seed::SeedPlan,
    store::DatabaseTarget,
};
use rand::RngExt;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio_postgres::Client;

use crate::{
    seed::{check_definitions, check_seeded, digest, plan, seeded},
    support::{
        cluster::{TestFolder, eventually, try_connect},
        random::random,
        schema::TestSchema,
        service::settings,
    },
};

/// Longest time that a whole run may take.
const RUN_MAX: Duration = Duration::from_secs(30);

fn start(folder: &TestFolder, plan: &SeedPlan) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.path().join("log"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_seeder"));
    command.arg("--data-dir").arg(folder.data());
    for (name, value) in [
        ("--seed-users", plan.user_count.to_string()),
        ("--seed-transactions", plan.transaction_count.to_string()),
        ("--seed-from", plan.first_day.to_string()),
        ("--seed-days", plan.day_count.to_string()),
        ("--seed-number", plan.seed_number.to_string()),
        ("--seed-loaders", "2".to_owned()),
        ("--partition-days-ahead", "2".to_owned()),
        ("--scheduler", "ticker".to_owned()),
    ] {
        command.arg(name).arg(value);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.unwrap());
    command.kill_on_drop(true).spawn().unwrap()
}

/// The end of a run, whose log is told if it takes too long.
async fn end(folder: &TestFolder, seeder: &mut Child) -> ExitStatus {
    let ended = tokio::time::timeout(RUN_MAX, seeder.wait()).await;
    ended.unwrap_or_else(|_| panic!("the seeder hangs: {}", log(folder))).unwrap()
}

fn log(folder: &TestFolder) -> String {
    fs::read_to_string(folder.path().join("log")).unwrap()
}

/// A connection to the server that the seeder runs, as soon as it accepts one.
async fn visit(folder: &TestFolder) -> Option<Client> {
    let running = attach(&folder.settings()).await.ok()??;
    try_connect(&running.connection(ClusterRole::Superuser)).await.ok()
}

/// Waits until a question to the seeder's server is answered with yes; says whether that was
/// before the seeder's end.
async fn reached(folder: &TestFolder, seeder: &mut Child, question: &str) -> bool {
    let mut client = None;
    let mut is_reached = false;
    eventually(question, async || {
        if client.as_ref().is_none_or(Client::is_closed) {
            client = visit(folder).await;
        }
        if let Some(client) = &client {
            // Before the migrations there is nothing to ask.
            is_reached = client.query_one(question, &[]).await.is_ok_and(|row| row.get(0));
        }
        is_reached || seeder.try_wait().unwrap().is_some()
    })
    .await;
    is_reached
}

fn days_loaded(at_least: usize) -> String {
    format!("SELECT count(*) >= {at_least} FROM daybook.seed_days")
}

async fn check_done(folder: &TestFolder, plan: &SeedPlan) {
    let cluster = folder.start().await;
    let config = cluster.connection(ClusterRole::Owner);
    let target = DatabaseTarget::plain(config, "daybook".to_owned());
    let schema = TestSchema::unprepared(target, settings()).await;
    check_seeded(&schema, plan).await;
    let undisturbed = seeded(plan, 1).await;
    assert_eq!(digest(&schema).await, digest(&undisturbed).await);
    check_definitions(&schema, &undisturbed).await;
    drop(schema);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_seeder_that_is_killed_again_and_again_fills_the_same_database() {
    let plan = plan(120_000, 24);
    let folder = TestFolder::initialised();
    let mut random = random();

    // At any moment: before the server is up, in the migrations, at work.
    for _ in 0..2 {
        let mut seeder = start(&folder, &plan);
        let moment = Duration::from_millis(random.random_range(0..300));
        let ended = tokio::time::timeout(moment, seeder.wait()).await;
        assert!(ended.is_err(), "the seeder ended before {moment:?}: {}", log(&folder));
        seeder.kill().await.unwrap();
    }
    // As soon as it has begun, and in the midst of its days; the second time with the server.
    let first = random.random_range(1..6);
    let second = random.random_range(first + 1..12);
    let begun = "SELECT count(*) = 1 FROM daybook.seed_runs".to_owned();
    for (point, with_server) in
        [(begun, false), (days_loaded(first), false), (days_loaded(second), true)]
    {
        let mut seeder = start(&folder, &plan);
        assert!(reached(&folder, &mut seeder, &point).await, "{point}: {}", log(&folder));
        if with_server {
            let pid = folder.postmaster().unwrap().cast_signed();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        }
        seeder.kill().await.unwrap();
    }
    // In its last step, where it is held up by a reader of the register.
    let mut seeder = start(&folder, &plan);
    let is_loading = "SELECT count(*) > 0 FROM pg_locks WHERE granted
        AND relation = to_regclass('daybook.transactions') AND mode = 'ShareRowExclusiveLock'";
    assert!(reached(&folder, &mut seeder, is_loading).await, "{}", log(&folder));
    let reader = visit(&folder).await.unwrap();
    let hold = "BEGIN; LOCK TABLE daybook.transaction_ids IN ACCESS SHARE MODE";
    reader.batch_execute(hold).await.unwrap();
    let is_finishing = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted
        AND relation = to_regclass('daybook.transaction_ids') AND mode = 'AccessExclusiveLock'";
    assert!(reached(&folder, &mut seeder, is_finishing).await, "{}", log(&folder));
    seeder.kill().await.unwrap();
    drop(reader);

    let mut seeder = start(&folder, &plan);
    assert!(end(&folder, &mut seeder).await.success(), "{}", log(&folder));
    check_done(&folder, &plan).await;
    // And once more: nothing is left to do.
    let mut seeder = start(&folder, &plan);
    assert!(end(&folder, &mut seeder).await.success(), "{}", log(&folder));
    assert!(log(&folder).contains("the database was seeded before"), "{}", log(&folder));
    assert_eq!(folder.processes(), Vec::<String>::new());
}
