//! A wallet with a long history: read in parts, gone on with where it was cut off.

use std::process::{Child, Command, Stdio};

use bitcoin::OutPoint;

use crate::{
    import::url,
    memory::memory_kib,
    process::program,
    support::{
        bitcoin_chain::{Chain, NewBlock, script},
        bitcoin_life::settle,
        cluster::TestFolder,
        esplora::{Api, EsploraServer},
        schema::one,
        wallets::{Wallets, chains_file},
    },
};

/// Most memory of a worker, in KiB, whatever the length of a wallet's history.
const MEMORY_MAX: usize = 150 * 1024;

/// Transactions, unless `DAYBOOK_TEST_LONG_WALLET` says otherwise.
const LENGTH: usize = 6_000;

/// Transactions of a block.
const BLOCK_LENGTH: usize = 100;

pub(crate) fn length() -> usize {
    let given = std::env::var("DAYBOOK_TEST_LONG_WALLET").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(LENGTH)
}

/// A chain in which the key 0 has so many transactions.
pub(crate) async fn long_chain(length: usize) -> Chain {
    let mut chain = Chain::made();
    settle(&mut chain).await;
    let (mut coin, mut value, _) = chain.spendable().into_iter().find(|one| one.2 == 0).unwrap();
    let mut blocks = Vec::new();
    for _ in 0..length.div_ceil(BLOCK_LENGTH) {
        let mut transactions = Vec::new();
        for _ in 0..BLOCK_LENGTH {
            value -= 1_000;
            let created = [(script(0), value), (script(1), 900)];
            let transaction = chain.sign(&[coin], &created).await;
            coin = OutPoint::new(transaction.compute_txid(), 0);
            transactions.push(transaction);
        }
        blocks.push(NewBlock { miner: 3, transactions });
    }
    chain.reorganise(0, blocks).await;
    chain
}

#[tokio::test]
async fn a_long_scan_goes_on_where_it_was_cut_off() {
    let mut chain = long_chain(length()).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::Blockstream)]).await;
    let pages = length() / 25;
    let count = "SELECT count(*) FROM sync_transactions";
    let mut cuts = 0;
    for share in [2, 3] {
        let held = server.hold("/txs/chain", pages / share);
        wallets.request(&[0]).await;
        tokio::select! {
            () = held.asked() => cuts += 1,
            () = wallets.finish() => {}
        }
        held.free();
        let recorded: i64 = one(&wallets.service.sql, count).await;
        assert!(recorded > 0, "nothing was recorded before the cut");
        // Blocks come meanwhile.
        chain.mine_empty(0, 2).await;
    }
    assert_eq!(cuts, 2);
    wallets.sync(&[0]).await;
    wallets.check(&chain, &[0], "a long wallet").await;
    let questions = server.questions();
    let asked = questions.iter().filter(|path| path.contains("/txs/chain")).count();
    // Each cut costs what was read and not written: a batch of 2,000 is 80 pages.
    assert!(asked < pages + 3 * 90, "{asked} pages of {pages}");
    server.questions();
    wallets.sync(&[0]).await;
    assert_eq!(server.questions().len(), 2);
}

/// A worker as a process of its own.
fn worker(wallets: &Wallets, folder: &TestFolder, file: &str) -> Child {
    let path = folder.path().join("chains.toml");
    std::fs::write(&path, file).unwrap();
    let target = &wallets.service.target;
    let mut command: Command = program(env!("CARGO_BIN_EXE_daybook"));
    command.arg("work").arg("--database-url").arg(url(&target.config));
    command.args(["--schema", &target.schema, "--sync-workers", "1"]);
    command.args(["--sync-lease-seconds", "5", "--sync-interval-seconds", "0"]);
    command.args(["--partition-days-ahead", "2", "--scheduler", "ticker"]);
    command.arg("--chains-file").arg(path).current_dir(folder.path());
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

#[tokio::test]
async fn a_killed_worker_s_long_scan_goes_on_in_bounded_memory() {
    let chain = long_chain(length()).await;
    let server = EsploraServer::start(Api::Mempool, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::Mempool)]).await;
    let (folder, file) = (TestFolder::empty(), chains_file(&[(&server, Api::Mempool)]));
    wallets.request(&[0]).await;
    let count = "SELECT count(*) FROM sync_transactions";
    let mut process = worker(&wallets, &folder, &file);
    let third = i64::try_from(length() / 3).unwrap();
    while one::<i64>(&wallets.service.sql, count).await < third {
        let ended = process.try_wait().unwrap();
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(ended, None, "{}", log());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let asked = server.questions().len();
    let mut process = worker(&wallets, &folder, &file);
    let left = "SELECT count(*) FROM sync_jobs";
    let mut most = 0;
    while one::<i64>(&wallets.service.sql, left).await > 0 {
        most = most.max(memory_kib(process.id(), "VmHWM").unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    process.kill().unwrap();
    process.wait().unwrap();
    eprintln!("{} transactions, {most} KiB at most", length());
    assert!(most < MEMORY_MAX, "{most} KiB");
    let asked = asked + server.questions().len();
    // Pages, the order of each block, and what was read and not written before the kill.
    let most = length() / 25 + length() / BLOCK_LENGTH + 300;
    assert!(asked < most, "{asked} questions");
    wallets.check(&chain, &[0], "a killed worker").await;
}

#[tokio::test]
async fn a_scan_by_places_begins_anew_where_the_list_has_moved_too_far() {
    let mut chain = long_chain(LENGTH).await;
    let server = EsploraServer::start(Api::BlockchainInfo, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::BlockchainInfo)]).await;
    let held = server.hold("/rawaddr/", 80);
    wallets.request(&[0]).await;
    tokio::select! {
        () = held.asked() => {}
        () = wallets.finish() => panic!("nothing was held"),
    }
    held.free();
    let recorded: i64 = one(&wallets.service.sql, "SELECT count(*) FROM sync_transactions").await;
    assert!(recorded > 0, "nothing was recorded before the cut");
    chain.mine_empty(0, 120).await;
    wallets.sync(&[0]).await;
    wallets.check(&chain, &[0], "a list that moved").await;
}
