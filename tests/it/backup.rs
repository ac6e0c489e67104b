//! Backups are worth what comes back: dumped, or copied as files beside a running server, the
//! ledger answers as it did.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use daybook::{
    analytics::{
        Analytics,
        sum_amount::{Subject, SumQuestion},
    },
    cluster::{Cluster, ClusterRole},
    domain::{access::Scope, direction::Direction, window::Window},
    store::{Database, DatabaseTarget},
    upkeep::audit::audit,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use tokio_postgres::config::Host;
use uuid::Uuid;

use crate::{
    seed::{plan, seed_into},
    support::{
        cluster::{TestFolder, connect, eventually},
        ledger::at,
        random::random,
        schema::{TestSchema, one},
        service::{TestService, settings},
    },
};

/// Questions that are asked before and after.
const QUESTIONS: usize = 1_000;

/// More rows, late ones too, that are in no cell yet: they are in corrections alone.
const MORE: &str = "INSERT INTO transactions (transaction_id, occurred_at, position, sender_id,
        receiver_id, asset_id, amount)
    SELECT gen_random_uuid(), timestamptz '2023-01-01 00:00Z' + n * interval '97 seconds', n,
        1 + n % 30, 1 + (n + 7) % 30, 1, n
    FROM generate_series(1, 2500) AS n";

fn target(cluster: &Cluster) -> DatabaseTarget {
    DatabaseTarget::plain(cluster.connection(ClusterRole::Owner), "daybook".to_owned())
}

/// A program of the server's installation, told where a server is.
async fn tool(cluster: &Cluster, name: &str, role: ClusterRole) -> Command {
    let config = cluster.connection(role);
    let superuser = connect(&cluster.connection(ClusterRole::Superuser)).await;
    let folder = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
    let folder: String = one(&superuser, folder).await;
    let Host::Unix(socket) = &config.get_hosts()[0] else { panic!("it has a socket") };
    let mut command = Command::new(PathBuf::from(folder).join(name));
    command.arg("--host").arg(socket).arg("--port").arg(config.get_ports()[0].to_string());
    command.args(["--username", role.name(), "--no-password"]);
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Answers to random questions, the same ones for the same number.
async fn answers(database: &Database, users: &[Uuid], number: u64) -> Vec<(String, i64)> {
    let mut random = ChaCha12Rng::seed_from_u64(number);
    let analytics = Analytics::new(database.clone());
    let asset = analytics.find_asset("").await.unwrap().unwrap();
    let (first, last) = (
        at("2022-12-31T00:00:00Z").timestamp_micros(),
        at("2023-01-05T00:00:00Z").timestamp_micros(),
    );
    let mut answers = Vec::new();
    for _ in 0..QUESTIONS {
        let (one, other) = (random.random_range(first..last), random.random_range(first..last));
        let instant = |micros| chrono::DateTime::from_timestamp_micros(micros).unwrap();
        let question = SumQuestion {
            subject: Subject::User(users[random.random_range(0..users.len())]),
            scope: Scope::Everybody,
            asset: asset.clone(),
            window: Window::new(instant(one.min(other)), instant(one.max(other) + 1)).unwrap(),
            direction: [Direction::Sender, Direction::Receiver][random.random_range(0..2)],
            explain: false,
            verify: false,
        };
        let answer = analytics.sum_amount(&question).await.unwrap();
        answers.push((answer.sum_amount, answer.transaction_count));
    }
    answers
}

/// The restored ledger answers as before, agrees with its rows, and goes on.
async fn check(cluster: &Cluster, users: &[Uuid], number: u64, before: &[(String, i64)]) {
    let service = TestService::start_with(target(cluster), settings()).await;
    assert_eq!(answers(&service.database, users, number).await, before);
    let differences = audit(&service.database, 2, |_, _| {}).await.unwrap();
    assert!(differences.is_empty(), "{differences:?}");
    service.sql.batch_execute(MORE).await.unwrap();
    assert_ne!(answers(&service.database, users, number).await, before);
    let differences = audit(&service.database, 2, |_, _| {}).await.unwrap();
    assert!(differences.is_empty(), "{differences:?}");
    assert!(service.end().await);
}

#[tokio::test]
async fn a_restored_ledger_answers_as_it_did() {
    let number = random().random();
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let schema = TestSchema::prepared_on(target(&cluster), settings()).await;
    seed_into(&schema, &plan(20_000, 3)).await;
    schema.sql.batch_execute(MORE).await.unwrap();
    let waiting: i64 = one(&schema.sql, "SELECT count(*) FROM corrections").await;
    assert!(waiting > 0, "some rows are in corrections alone");
    let users =
        schema.sql.query("SELECT user_uuid FROM users ORDER BY user_id", &[]).await.unwrap();
    let users: Vec<Uuid> = users.iter().map(|row| row.get(0)).collect();
    let before = answers(&schema.database, &users, number).await;
    assert!(before.iter().filter(|(_, count)| *count > 0).count() > QUESTIONS / 2);

    // Dumped, and restored into a server that is new.
    let dump = folder.path().join("daybook.dump");
    let mut pg_dump = tool(&cluster, "pg_dump", ClusterRole::Owner).await;
    pg_dump.args(["--format=custom", "--schema=daybook", "--file"]).arg(&dump);
    run(pg_dump.arg("daybook"));
    let new_folder = TestFolder::initialised();
    let new_cluster = new_folder.start().await;
    let mut pg_restore = tool(&new_cluster, "pg_restore", ClusterRole::Owner).await;
    pg_restore.args(["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]);
    pg_restore.arg("--dbname=daybook");
    run(pg_restore.arg(&dump));
    check(&new_cluster, &users, number, &before).await;
    new_cluster.stop().await.unwrap();

    // Copied as files, with the log of what is written meanwhile.
    let copy = copied(&cluster, &folder).await;
    cluster.stop().await.unwrap();
    let copied = copy.start().await;
    check(&copied, &users, number, &before).await;
    copied.stop().await.unwrap();
}

/// A folder with a copy of what this server has, made while it runs.
async fn copied(cluster: &Cluster, folder: &TestFolder) -> TestFolder {
    let copy = TestFolder::empty();
    let pgdata = copy.data().join("pgdata");
    run(Command::new("cp").arg("-a").arg(folder.data()).arg(copy.data()));
    fs::remove_dir_all(&pgdata).unwrap();
    let mut pg_basebackup = tool(cluster, "pg_basebackup", ClusterRole::Superuser).await;
    pg_basebackup.args(["--wal-method=stream", "--checkpoint=fast", "--pgdata"]);
    run(pg_basebackup.arg(&pgdata));
    give(&pgdata, folder);
    copy
}

/// Gives files to the user that the server of a folder runs as.
fn give(path: &Path, folder: &TestFolder) {
    let owner = fs::metadata(folder.data().join("pgdata")).unwrap();
    run(Command::new("chown").arg("-R").arg(format!("{}:{}", owner.uid(), owner.gid())).arg(path));
}

/// Adds settings to a server that does not run.
fn configure(folder: &TestFolder, settings: &str) {
    let path = folder.data().join("pgdata/postgresql.conf");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n{settings}\n")).unwrap();
}

#[tokio::test]
async fn an_instant_after_the_backup_comes_back_from_the_archive() {
    let number = random().random();
    let folder = TestFolder::initialised();
    let archive = folder.path().join("archive");
    fs::create_dir(&archive).unwrap();
    give(&archive, &folder);
    let archive = archive.display();
    configure(&folder, &format!("archive_mode = on\narchive_command = 'cp %p {archive}/%f'"));
    let cluster = folder.start().await;
    let schema = TestSchema::prepared_on(target(&cluster), settings()).await;
    seed_into(&schema, &plan(20_000, 3)).await;
    let users =
        schema.sql.query("SELECT user_uuid FROM users ORDER BY user_id", &[]).await.unwrap();
    let users: Vec<Uuid> = users.iter().map(|row| row.get(0)).collect();
    let copy = copied(&cluster, &folder).await;

    // What was right until somebody made a mistake.
    schema.sql.batch_execute(MORE).await.unwrap();
    let before = answers(&schema.database, &users, number).await;
    let instant: String = one(&schema.sql, "SELECT clock_timestamp()::text").await;
    schema.sql.batch_execute("DELETE FROM transactions WHERE sender_id < 20").await.unwrap();
    assert_ne!(answers(&schema.database, &users, number).await, before);
    let superuser = connect(&cluster.connection(ClusterRole::Superuser)).await;
    let last: String = one(&superuser, "SELECT pg_walfile_name(pg_switch_wal())").await;
    let archived = "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver";
    eventually("the log is in the archive", async || {
        one::<String>(&superuser, archived).await >= last
    })
    .await;
    drop(superuser);
    cluster.stop().await.unwrap();

    configure(
        &copy,
        &format!(
            "archive_mode = off
             restore_command = 'cp {archive}/%f %p'
             recovery_target_time = '{instant}'
             recovery_target_action = 'promote'
             hot_standby = off"
        ),
    );
    let signal = copy.data().join("pgdata/recovery.signal");
    fs::write(&signal, "").unwrap();
    give(&copy.data().join("pgdata"), &folder);
    let restored = copy.start().await;
    assert!(!signal.exists(), "the recovery has ended");
    check(&restored, &users, number, &before).await;
    restored.stop().await.unwrap();
}
