//! Workers of syncing as processes of their own, killed and frozen at random: no job is lost, and
//! nothing is recorded twice.
//!
//! `DAYBOOK_SYNC_JOBS=10000 cargo test --test it sync_workers` makes it a long run.

use std::{
    collections::BTreeMap,
    env, fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bitcoin::{Address, Network, OutPoint, ScriptBuf, WPubkeyHash, hashes::Hash};
use daybook::{domain::account::AccountKey, store::sync_jobs::Priority, sync::Sync};
use rand::RngExt;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    import::url,
    support::{
        bitcoin_chain::{Chain, MATURITY},
        cluster::TestFolder,
        esplora::{Api, EsploraServer},
        random::random,
        service::{TestService, new_target, settings},
    },
};

/// Workers, each a process.
const WORKERS: usize = 4;

/// Outputs of a transaction, each to a wallet of its own: so many wallets share one.
const SHARED_BY: usize = 50;

/// Seconds after which a silent worker has lost its job: the fewest that a setting takes.
const LEASE_SECONDS: u64 = 5;

/// Jobs of a short run.
const JOBS: usize = 200;

fn script(number: usize) -> ScriptBuf {
    let mut hash = [0; 20];
    hash[..8].copy_from_slice(&(number as u64).to_be_bytes());
    ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array(hash))
}

fn account(number: usize) -> AccountKey {
    let address = Address::from_script(&script(number), Network::Regtest).unwrap();
    AccountKey::canonical("bitcoin-regtest", &address.to_string()).unwrap()
}

/// What a wallet is paid, in satoshis: a different sum for each.
fn paid(number: usize) -> u64 {
    1_000 + number as u64
}

/// A chain on which each wallet was paid once, together with others.
async fn chain_of(jobs: usize) -> Chain {
    let mut chain = Chain::made();
    let blocks = u32::try_from(jobs.div_ceil(SHARED_BY)).unwrap();
    chain.mine_empty(0, blocks + MATURITY).await;
    let coins: Vec<OutPoint> = chain
        .spendable()
        .into_iter()
        .filter(|(.., key)| *key == 0)
        .map(|(coin, ..)| coin)
        .collect();
    for (numbers, coin) in (0..jobs).collect::<Vec<_>>().chunks(SHARED_BY).zip(coins) {
        let created: Vec<_> =
            numbers.iter().map(|&number| (script(number), paid(number))).collect();
        let transaction = chain.sign(&[coin], &created).await;
        chain.mine(1, vec![transaction]).await;
    }
    chain.mine_empty(1, 10).await;
    chain
}

/// A worker, and until when it is frozen.
struct Worker {
    child: Child,
    thaws_at: Option<Instant>,
}

impl Worker {
    fn start(service: &TestService, chains_file: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
        command.env_clear().args(["work", "--sync-workers", "1", "--chains-file", chains_file]);
        command.args(["--sync-lease-seconds", &LEASE_SECONDS.to_string()]);
        command.args(["--sync-interval-seconds", "0", "--log", "warn"]);
        command.args(["--schema", &service.target.schema]);
        command.args(["--partition-days-ahead", "2", "--scheduler", "ticker"]);
        command.arg("--database-url").arg(url(&service.target.config));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        Self { child: command.spawn().unwrap(), thaws_at: None }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn count(service: &TestService, statement: &str) -> i64 {
    service.sql.query_one(statement, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_outlive_workers_that_are_killed_and_frozen() {
    let jobs: usize = env::var("DAYBOOK_SYNC_JOBS").map_or(JOBS, |count| count.parse().unwrap());
    let mut random = random();
    let chain = chain_of(jobs).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    let folder = TestFolder::empty();
    let chains_file = folder.path().join("chains.toml");
    let text = format!(
        "[[network]]\nname = \"bitcoin-regtest\"\n[[network.source]]\nname = \"local\"\n\
         kind = \"esplora\"\nurl = \"{}\"\nper_second = 100000\n",
        server.url()
    );
    fs::write(&chains_file, text).unwrap();
    let mut settings = settings();
    settings.sync.chains_file = Some(chains_file.clone());
    let service = TestService::start_with(new_target(), settings).await;
    queue(&service.sync, jobs).await;

    let chains_file = chains_file.to_str().unwrap().to_owned();
    let start = || Worker::start(&service, &chains_file);
    let mut workers: Vec<Worker> = (0..WORKERS).map(|_| start()).collect();
    let (mut kills, mut freezes) = (0, 0);
    let deadline = Instant::now() + Duration::from_secs(60 + jobs as u64);
    let mut done = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(random.random_range(50..400))).await;
        for worker in &mut workers {
            if worker.thaws_at.is_some_and(|at| at <= Instant::now()) {
                worker.signal(Signal::CONT);
                worker.thaws_at = None;
            }
        }
        done = count(&service, "SELECT count(*) FROM sync_job_history").await.max(done);
        if done == jobs as i64 {
            break;
        }
        assert!(Instant::now() < deadline, "{done} of {jobs} jobs are over");
        let place = random.random_range(0..WORKERS);
        if workers[place].thaws_at.is_some() {
            continue;
        }
        match random.random_range(0..10) {
            0..3 => {
                workers[place] = start();
                kills += 1;
            }
            // Longer than it keeps its job: whoever takes it meanwhile must not be disturbed.
            3 if workers.iter().filter(|worker| worker.thaws_at.is_some()).count() < 2 => {
                workers[place].signal(Signal::STOP);
                let frozen = Duration::from_secs(LEASE_SECONDS + 2);
                workers[place].thaws_at = Some(Instant::now() + frozen);
                freezes += 1;
            }
            _ => {}
        }
    }
    // Those that are frozen wake up when all is over, and find that it is.
    for worker in &workers {
        worker.signal(Signal::CONT);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(workers);
    eprintln!("{jobs} jobs through {kills} kills and {freezes} freezes");
    assert!(kills > 0);

    check(&service, jobs).await;
}

/// Asks for a job of each wallet.
async fn queue(sync: &Sync, jobs: usize) {
    for number in 0..jobs {
        let stream = sync.wallet_stream(&account(number)).await.unwrap();
        sync.request_now(stream.stream_id, Priority::Requested).await.unwrap();
    }
}

/// Each job is over once, and each wallet has what it was paid, once.
async fn check(service: &TestService, jobs: usize) {
    assert_eq!(count(service, "SELECT count(*) FROM sync_jobs").await, 0);
    let statement = "SELECT count(DISTINCT stream_id) FROM sync_job_history
        WHERE outcome = 'succeeded'";
    assert_eq!(count(service, statement).await, jobs as i64);
    let statement = "SELECT count(*) FROM sync_streams WHERE complete_until IS NULL";
    assert_eq!(count(service, statement).await, 0);
    let rows = service
        .sql
        .query(
            "SELECT a.address, sum(t.amount * 100000000)::bigint, count(*)
             FROM transactions t JOIN accounts a ON a.account_id = t.receiver_id
             WHERE a.address LIKE 'bcrt1%' GROUP BY a.address",
            &[],
        )
        .await
        .unwrap();
    let found: BTreeMap<String, (i64, i64)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    for number in 0..jobs {
        let address = account(number).address().as_str().to_owned();
        let expected = (i64::try_from(paid(number)).unwrap(), 1);
        assert_eq!(found.get(&address), Some(&expected), "wallet {number}");
    }
    // What meets in the hub goes out of it again, in every transaction.
    let statement = "SELECT count(*) FROM (
            SELECT t.reference
            FROM transactions t
            JOIN accounts s ON s.account_id = t.sender_id
            JOIN accounts r ON r.account_id = t.receiver_id
            GROUP BY t.reference
            HAVING sum(CASE WHEN s.address = 'hub' THEN -t.amount ELSE 0 END)
                + sum(CASE WHEN r.address = 'hub' THEN t.amount ELSE 0 END) <> 0) unequal";
    assert_eq!(count(service, statement).await, 0);
}
