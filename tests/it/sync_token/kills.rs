//! A worker of its own that is killed where it happens to be, while the chain changes.

use std::{fs, process::Stdio, time::Duration};

use daybook::config::SourceKind;
use rand::RngExt;
use tempfile::TempDir;

use crate::{
    import::url,
    process::program,
    support::{anvil::Anvil, random::random},
    sync_token::{
        reorgs::{CHANGES, Chain},
        world::{World, file_text, networks},
    },
};

/// Changes of the chain, each with kills on the way.
fn rounds() -> u32 {
    let given = std::env::var("DAYBOOK_TEST_KILLS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(4)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_loses_and_doubles_nothing() {
    let Some(anvil) = Anvil::start("kills of a worker").await else { return };
    let mut chain = Chain::new(anvil, random()).await;
    let sources = [("one", SourceKind::Rpc, &chain.anvil.url[..])];
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("chains.toml");
    fs::write(&path, file_text(64, &sources)).unwrap();
    let world = World::new(networks(&sources), &chain.token, (0, None)).await;
    let mut unfinished = 0;
    for _ in 0..rounds() {
        let depth = chain.random.random_range(1..=60);
        let change = CHANGES[chain.random.random_range(0..3)];
        chain.change(depth, change).await;
        world.request().await;
        for _ in 0..3 {
            let mut command = program(env!("CARGO_BIN_EXE_daybook"));
            command.args(["work", "--sync-workers", "1", "--partition-days-ahead", "2"]);
            command.args(["--sync-interval-seconds", "0", "--scheduler", "ticker"]);
            command.arg("--chains-file").arg(&path);
            command.arg("--database-url").arg(url(&world.schema.target.config));
            command.args(["--schema", &world.schema.target.schema]);
            let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut worker = silent.spawn().unwrap();
            // As soon as it has taken the job, or a little later.
            while world.jobs().await.iter().any(|(state, _)| state == "queued") {
                assert!(worker.try_wait().unwrap().is_none(), "the worker has ended");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let micros = chain.random.random_range(0..60_000);
            tokio::time::sleep(Duration::from_micros(micros)).await;
            worker.kill().unwrap();
            worker.wait().unwrap();
            if world.jobs().await.is_empty() {
                break;
            }
            unfinished += 1;
            let expire = "UPDATE sync_jobs SET state = 'queued', lease_until = NULL,
                          lease_token = NULL, run_at = now()";
            world.schema.sql.batch_execute(expire).await.unwrap();
        }
        while world.work().await {}
        assert_eq!(world.jobs().await, []);
        world.check(&chain.anvil, &chain.token, chain.height().await).await;
    }
    assert!(unfinished > 0, "no kill came before the end");
    world.check_balances(&chain.anvil, &chain.token).await;
}
