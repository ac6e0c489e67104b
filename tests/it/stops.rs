//! The commands that come and go: what they do, and a stop signal while they start.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Child, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    process::{program, stop_signals},
    support::cluster::{TestFolder, eventually},
};

/// A running program. Killed when dropped, if it still runs.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a command on a folder, stops it as soon as something else works there, and returns
/// its end.
async fn stopped(folder: &TestFolder, path: &str, arguments: &[&str], signal: Signal) -> Output {
    let mut command = program(path);
    command.args(arguments).arg("--data-dir").arg(folder.data());
    // From elsewhere: what is found in the folder is not the program itself by its place.
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    let mut running = Running(Some(child));
    eventually("Postgres is being started", async || folder.processes().len() > 1).await;
    kill_process(pid, signal).unwrap();
    eventually("it has ended", async || running.0.as_mut().unwrap().try_wait().unwrap().is_some())
        .await;
    running.0.take().unwrap().wait_with_output().unwrap()
}

#[tokio::test]
async fn a_stop_signal_while_a_command_starts_leaves_nothing_running() {
    let (daybook, seeder) = (env!("CARGO_BIN_EXE_daybook"), env!("CARGO_BIN_EXE_seeder"));
    let small: &[&str] = &["--seed-users", "5", "--seed-transactions", "300", "--seed-days", "3"];
    let cases: [(&str, &[&str], &str); 3] = [
        (daybook, &["migrate"], "daybook: stopped before the schema was up to date"),
        (daybook, &["psql"], "daybook: stopped before the private Postgres accepted connections"),
        (seeder, small, "seeder: stopped before the seeding was complete"),
    ];
    for (path, arguments, expected) in cases {
        for signal in stop_signals() {
            // Once in the midst of initdb, once while the server of whole data starts.
            for folder in [TestFolder::empty(), TestFolder::initialised()] {
                let output = stopped(&folder, path, arguments, signal).await;
                let words = String::from_utf8_lossy(&output.stderr);
                let what = format!("{path} {arguments:?} {signal:?}: {:?}: {words}", output.status);
                assert_eq!(output.status.code(), Some(1), "{what}");
                assert_eq!(output.status.signal(), None, "{what}");
                let last = words.lines().last().unwrap_or_default();
                assert!(last.starts_with(expected), "{what}");
                eventually("nothing is left", async || folder.processes().is_empty()).await;
            }
        }
    }
}

#[tokio::test]
async fn psql_looks_in_the_schema_it_is_told() {
    let folder = TestFolder::initialised();
    let daybook = |arguments: &[&str]| {
        let mut command = program(env!("CARGO_BIN_EXE_daybook"));
        command.args([arguments[0], "--data-dir"]).arg(folder.data()).args(&arguments[1..]);
        // What the user asks of psql is kept, but for the schema.
        command.env("PGOPTIONS", "-c search_path=pg_catalog -c statement_timeout=4321");
        command.current_dir("/").stdin(Stdio::null()).output().unwrap()
    };
    let migrated = daybook(&["migrate", "--schema", "other", "--partition-days-ahead", "2"]);
    assert!(migrated.status.success(), "{migrated:?}");
    let query = "SELECT current_setting('search_path'), current_setting('statement_timeout'),
        to_regclass('users')";
    for (schema, expected) in [("other", "other|4321ms|users\n"), ("daybook", "daybook|4321ms|\n")]
    {
        let asked = daybook(&["psql", "--schema", schema, "--", "-XAtc", query]);
        assert_eq!(String::from_utf8_lossy(&asked.stdout), expected, "{asked:?}");
    }
    let refused = daybook(&["psql", "--schema", "a b"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--schema must be"), "{refused:?}");
}

#[tokio::test]
async fn days_of_the_past_are_made_on_request_and_refused_by_name() {
    let folder = TestFolder::initialised();
    let daybook = |arguments: &[&str]| {
        let mut command = program(env!("CARGO_BIN_EXE_daybook"));
        command.args([arguments[0], "--data-dir"]).arg(folder.data()).args(&arguments[1..]);
        let output = command.current_dir("/").stdin(Stdio::null()).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_owned(), words)
    };
    for (first, last, expected, word) in [
        ("2001-02-27", "2001-03-02", Some(0), "made=4"),
        ("2001-03-01", "2001-03-03", Some(0), "made=1"),
        ("2001-03-02", "2001-03-01", Some(1), "FROM is the first day"),
        ("1900-01-01", "1900-01-02", Some(1), "--partition-days-back-max"),
        ("1990-01-01", "2026-01-01", Some(1), "--partition-count-max"),
        ("yesterday", "2026-01-01", Some(2), "FROM"),
    ] {
        let (code, _, words) = daybook(&["days", first, last]);
        assert_eq!(code, expected, "{first} {last}: {words}");
        assert!(words.contains(word), "{first} {last}: {words}");
    }
    let count =
        "SELECT count(*) FROM partition_bounds('transactions') WHERE lower_at < '2002-01-01'";
    assert_eq!(daybook(&["psql", "--", "-Atc", count]).1, "5");
}
