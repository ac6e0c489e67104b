//! The roles of the database: what each may do, and which one Daybook uses for what.

use std::{fs, process::Stdio};

use daybook::cluster::{Cluster, ClusterRole};
use rustix::process::Signal;
use tokio_postgres::{Client, config::Host};

use crate::{
    process::{Daybook, free_address, program},
    support::{
        cluster::{TestFolder, connect, eventually},
        ledger::{add_user, ensure_days},
        raw::{LIST_USERS, RawClient},
        schema::{TestSchema, one, refusal},
        service::sql,
    },
};

/// Statements that no role but the owner may run, each for a reason of its own.
const OF_THE_OWNER: [&str; 16] = [
    "CREATE TABLE t (n int)",
    "CREATE TEMPORARY TABLE t (n int)",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE users ADD COLUMN n int",
    "ALTER TABLE transactions DISABLE TRIGGER ALL",
    "DROP TABLE user_wallets",
    "TRUNCATE transactions",
    "TRUNCATE audit_log",
    "CREATE INDEX ON users (name)",
    "INSERT INTO schema_migrations VALUES (99, 'x', 'x')",
    "DELETE FROM transaction_ids",
    "UPDATE absent_days SET is_dropped = true",
    "SELECT * FROM partman.part_config",
    "SET ROLE daybook",
    "SET session_replication_role = replica",
    "SELECT adopt_partitions(1)",
];

#[tokio::test]
async fn the_service_role_writes_rows_and_changes_nothing_else() {
    let schema = TestSchema::prepared().await;
    let ann = add_user(&schema.sql, "ann").await;
    ensure_days(&schema.sql, &["2024-05-05"]).await;
    let service = schema.sql_as(ClusterRole::Service).await;
    for text in OF_THE_OWNER.into_iter().chain([
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "DELETE FROM access_tokens",
        "UPDATE access_tokens SET role = 'admin'",
        "INSERT INTO access_tokens (token_id, name, token_hash, role)
         VALUES (gen_random_uuid(), 'x', sha256('x'), 'admin')",
        "DELETE FROM accounts",
        "UPDATE users SET user_uuid = gen_random_uuid()",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY users TO PROGRAM 'true'",
    ]) {
        assert_eq!(refusal(&service, text).await, "42501", "{text}");
    }
    // It may lock the row of an account, and change nothing in it.
    let renamed = refusal(&service, "UPDATE accounts SET address = gen_random_uuid()").await;
    assert_eq!(renamed, "0A000");
    let leaf: String = one(
        &service,
        "SELECT leaf::text FROM partition_bounds('transactions') WHERE lower_at = '2024-05-05'",
    )
    .await;
    for text in [format!("DROP TABLE {leaf}"), format!("SELECT FROM {leaf}")] {
        assert_eq!(refusal(&service, &text).await, "42501", "{text}");
    }
    let insert = format!(
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         VALUES ('2024-05-05 12:00Z', {0}, {0}, 1, 1)",
        ann.account_id
    );
    service.batch_execute(&insert).await.unwrap();
    service.batch_execute("SELECT ensure_partitions('{2024-05-06}', 36500, 10)").await.unwrap();
}

#[tokio::test]
async fn the_reader_role_sees_the_ledger_and_no_secret_and_writes_nothing() {
    let schema = TestSchema::prepared().await;
    add_user(&schema.sql, "ann").await;
    let reader = schema.sql_as(ClusterRole::Reader).await;
    for table in ["users", "accounts", "user_wallets", "assets", "transactions", "running_totals"] {
        reader.batch_execute(&format!("SELECT * FROM {table}")).await.expect(table);
    }
    let is_read_only: String = one(&reader, "SHOW default_transaction_read_only").await;
    assert_eq!(is_read_only, "on");
    // A setting is the session's to change: rights are not.
    reader.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    for text in OF_THE_OWNER.into_iter().chain([
        "SELECT * FROM access_tokens",
        "SELECT * FROM audit_log",
        "INSERT INTO users (user_uuid, username, name) VALUES (gen_random_uuid(), 'x', 'x')",
        "UPDATE users SET name = 'x'",
        "DELETE FROM user_wallets",
        "INSERT INTO audit_log (principal, action, subject) VALUES ('x', 'x', 'x')",
        "SELECT ensure_partitions('{2024-05-06}', 36500, 10)",
        "SELECT drop_day_before('2024-05-06')",
    ]) {
        assert_eq!(refusal(&reader, text).await, "42501", "{text}");
    }
}

/// How a guest finds the server as a role.
fn url(cluster: &Cluster, role: &str) -> String {
    let config = cluster.connection(ClusterRole::Owner);
    let Some(Host::Unix(folder)) = config.get_hosts().first() else { panic!("a Unix socket") };
    format!("host={} port={} user={role} dbname=daybook", folder.display(), config.get_ports()[0])
}

/// Who is connected as what, but for this session.
async fn sessions(superuser: &Client) -> Vec<String> {
    let text = "SELECT DISTINCT usename::text FROM pg_stat_activity
        WHERE application_name = 'daybook' AND backend_type = 'client backend' ORDER BY 1";
    let rows = superuser.query(text, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Runs a command of Daybook's to its end; whether it went well, and what it said.
fn run(words: &[&str], urls: [Option<&str>; 2], folder: &TestFolder) -> (bool, String) {
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command.args(words).args(["--partition-days-ahead", "2"]).current_dir(folder.path());
    for (flag, url) in ["--database-url", "--owner-database-url"].into_iter().zip(urls) {
        if let Some(url) = url {
            command.args([flag, url]);
        }
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Serves as a guest until the test has looked.
async fn serve(urls: [Option<&str>; 2], folder: &TestFolder) -> Daybook {
    let address = free_address();
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command
        .args(["--seed-users", "5", "--seed-transactions", "300", "--seed-days", "3"])
        .args(["--partition-days-ahead", "2", "--listen", &address.to_string()])
        .current_dir(folder.path());
    for (flag, url) in ["--database-url", "--owner-database-url"].into_iter().zip(urls) {
        if let Some(url) = url {
            command.args([flag, url]);
        }
    }
    Daybook::run(command, address, &folder.path().join("log")).await
}

async fn users(daybook: &Daybook) -> usize {
    let client = RawClient::open(daybook.address).await;
    let request = daybook::grpc::pb::v1::ListUsersRequest { page_size: 100, ..Default::default() };
    let answer = client.call(LIST_USERS, &request, None).await.unwrap();
    assert_eq!(answer.status.code(), tonic::Code::Ok, "{:?}", answer.status);
    let list = <daybook::grpc::pb::v1::ListUsersResponse as prost::Message>::decode(answer.message);
    list.unwrap().users.len()
}

#[tokio::test]
async fn a_private_server_is_asked_as_the_service_role() {
    let folder = TestFolder::initialised();
    let mut daybook = Daybook::start(&folder, &[]).await;
    assert_eq!(users(&daybook).await, 5);
    let attached = daybook::cluster::attach(&folder.settings()).await.unwrap().expect("it runs");
    let superuser = connect(&attached.connection(ClusterRole::Superuser)).await;
    // The owner's connections of the start go by themselves.
    eventually("the owner is gone", async || sessions(&superuser).await == ["daybook_service"])
        .await;
    drop(superuser);
    daybook.signal(Signal::TERM);
    assert_eq!(daybook.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_guest_serves_as_a_role_that_owns_nothing() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let superuser = connect(&cluster.connection(ClusterRole::Superuser)).await;
    // A login of a team's own, which gets what the service may do as a member.
    let login = "CREATE ROLE books_app LOGIN IN ROLE daybook_service;
        CREATE ROLE stranger LOGIN; GRANT CONNECT ON DATABASE daybook TO stranger";
    superuser.batch_execute(login).await.unwrap();
    let [owner, service, stranger] =
        ["daybook", "books_app", "stranger"].map(|role| url(&cluster, role));

    // Nobody has made the schema: this role cannot either.
    let (went_well, said) = run(&["serve"], [Some(&service), None], &folder);
    assert!(!went_well && said.contains("permission denied"), "{said}");
    let (went_well, said) = run(&["migrate"], [Some(&owner), None], &folder);
    assert!(went_well, "{said}");
    let (went_well, said) = run(&["serve"], [Some(&stranger), None], &folder);
    assert!(!went_well && said.contains("is closed to this role"), "{said}");
    let (went_well, said) = run(&["serve"], [Some(&stranger), Some(&owner)], &folder);
    assert!(!went_well && said.contains("closed to the role of --database-url"), "{said}");

    // Alone it serves what is there, and seeds nothing.
    let mut alone = serve([Some(&service), None], &folder).await;
    assert_eq!(users(&alone).await, 0);
    assert_eq!(sessions(&superuser).await, ["books_app"]);
    alone.signal(Signal::TERM);
    assert_eq!(alone.end().await.code(), Some(0));
    let (went_well, said) = run(&["serve", "--scheduler", "cron"], [Some(&service), None], &folder);
    assert!(!went_well && said.contains("--scheduler cron: the role that owns"), "{said}");

    // With the owner's URL beside, everything is done at the start.
    let mut both = serve([Some(&service), Some(&owner)], &folder).await;
    assert_eq!(users(&both).await, 5);
    eventually("the owner is gone", async || sessions(&superuser).await == ["books_app"]).await;
    both.signal(Signal::TERM);
    assert_eq!(both.end().await.code(), Some(0));

    // An older schema is not served, and not touched.
    superuser
        .batch_execute("DELETE FROM daybook.schema_migrations WHERE version >= 15")
        .await
        .unwrap();
    let (went_well, said) = run(&["serve"], [Some(&service), None], &folder);
    assert!(!went_well && said.contains("lacks the migration 0015"), "{said}");
    assert!(said.contains("Run daybook migrate as the role that owns it"), "{said}");
    cluster.stop().await.unwrap();
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_password_on_the_command_line_is_warned_of_and_one_in_the_environment_is_not() {
    let (folder, nowhere) = (TestFolder::empty(), free_address());
    let url = format!("postgres://u:hunter2@{nowhere}/d");
    let run = |is_in_environment| {
        let mut command = program(env!("CARGO_BIN_EXE_daybook"));
        command.args(["migrate", "--database-wait-seconds", "0"]).current_dir(folder.path());
        match is_in_environment {
            true => command.env("DAYBOOK_DATABASE_URL", &url),
            false => command.args(["--database-url", &url]),
        };
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let warned = run(false);
    assert!(warned.contains("--database-url has a password and is on the command line"));
    assert!(!warned.contains("hunter2"), "{warned}");
    let quiet = run(true);
    assert!(!quiet.contains("command line") && !quiet.contains("hunter2"), "{quiet}");
}

#[tokio::test]
async fn the_owners_url_alone_is_refused() {
    let folder = TestFolder::empty();
    let (went_well, said) = run(&["serve"], [None, Some("postgres://u@localhost/d")], &folder);
    assert!(!went_well && said.contains("--database-url"), "{said}");
}

#[tokio::test]
async fn the_reader_connects_by_tcp_with_a_password_of_its_own() {
    let folder = TestFolder::initialised();
    let mut settings = folder.settings();
    let port = free_address().port();
    settings.postgres_port = Some(port);
    let cluster = Cluster::start(&settings).await.unwrap();
    let pgpass = fs::read_to_string(folder.data().join("pgpass")).unwrap();
    let line = pgpass.lines().find(|line| line.contains("daybook_reader")).unwrap();
    let password = line.rsplit(':').next().unwrap();
    assert_eq!(pgpass.matches(password).count(), 2, "one for each name of the host");
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(port).dbname("daybook").user("daybook_reader");
    let reader = sql(config.password(password).clone(), "daybook").await;
    let who: String = one(&reader, "SELECT current_user::text").await;
    assert_eq!(who, "daybook_reader");
    drop(reader);
    let mut service = config.clone();
    assert!(crate::support::cluster::try_connect(service.user("daybook_service")).await.is_err());
    cluster.stop().await.unwrap();
    // A file from before there was a reader is written anew.
    let old: String =
        pgpass.lines().filter(|l| !l.contains("reader")).collect::<Vec<_>>().join("\n");
    fs::write(folder.data().join("pgpass"), old).unwrap();
    let cluster = Cluster::start(&settings).await.unwrap();
    let pgpass = fs::read_to_string(folder.data().join("pgpass")).unwrap();
    let password = pgpass.lines().find(|line| line.contains("daybook_reader")).unwrap();
    let password = password.rsplit(':').next().unwrap();
    connect(config.password(password)).await;
    cluster.stop().await.unwrap();
}
