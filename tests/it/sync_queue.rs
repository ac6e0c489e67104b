//! The queue of syncing: jobs asked for, taken, held and settled, by workers that come and go.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use daybook::{
    config::{ChainNetwork, ChainSource, ChainsFile, SourceKind},
    domain::{account::AccountKey, job::JobState},
    outbound::source_error::SourceError,
    store::{
        sync_jobs::{self, Again, HeldJob, JobFilter, Priority, Progress},
        sync_streams,
        tx::PooledTx,
    },
    sync::{Sync, SyncPolicy, error::JobError, networks::SyncNetworks, turns::Turns},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

use crate::support::service::TestService;

const NETWORK: &str = "bitcoin-regtest";

const LEASE: Duration = Duration::from_secs(60);

/// A source that is never asked.
fn source(name: &str, per_second: f64, per_day: Option<u32>) -> ChainSource {
    ChainSource {
        name: name.to_owned(),
        kind: SourceKind::Esplora,
        url: "http://127.0.0.1:9/".to_owned(),
        keys: Vec::new(),
        keys_file: None,
        per_second,
        per_day,
        cost: None,
        blocks_max: None,
    }
}

fn networks(sources: Vec<ChainSource>) -> SyncNetworks {
    let name = NETWORK.to_owned();
    let network = ChainNetwork { name, coin: None, finality: None, sources };
    SyncNetworks::of(&ChainsFile { networks: vec![network] }).unwrap()
}

/// What syncs into the database of a service, from nobody.
fn syncer(service: &TestService, sources: Vec<ChainSource>) -> Sync {
    let policy = SyncPolicy { cooldown: Duration::ZERO, ..service.sync.policy() };
    Sync::new(&service.database, service.taking.clone(), networks(sources), policy)
}

/// An address of the test chain, a different one for each number.
fn address(number: u32) -> AccountKey {
    let mut payload = vec![111; 21];
    payload[1..5].copy_from_slice(&number.to_be_bytes());
    let address = bs58_check(&payload);
    AccountKey::canonical(NETWORK, &address).unwrap()
}

/// Base58 with a checksum of two rounds of SHA-256, as Bitcoin's addresses have it.
fn bs58_check(payload: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(Sha256::digest(payload));
    bs58::encode([payload, &digest[..4]].concat()).into_string()
}

async fn streams(sync: &Sync, count: u32) -> Vec<i64> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(sync.wallet_stream(&address(number)).await.unwrap().stream_id);
    }
    ids
}

async fn claim(service: &TestService, worker: &str, lease: Duration) -> Option<HeldJob> {
    sync_jobs::claim(&service.database, worker, lease, &[NETWORK], None).await.unwrap()
}

async fn find(service: &TestService, job_id: Uuid) -> sync_jobs::ListedJob {
    let filter = JobFilter { job_id: Some(job_id), ..JobFilter::default() };
    let mut listed = sync_jobs::list(&service.database, &filter, 2).await.unwrap();
    assert_eq!(listed.len(), 1);
    listed.remove(0)
}

#[tokio::test]
async fn a_hundred_requests_at_once_make_one_job_with_the_highest_priority() {
    let service = TestService::start().await;
    let sync = syncer(&service, vec![source("one", 100.0, None)]);
    let stream = streams(&sync, 1).await[0];
    let requests = (0..100).map(|number| {
        let sync = sync.clone();
        let priorities = [Priority::Periodic, Priority::Stale, Priority::Requested];
        async move { sync.request(stream, priorities[number % 3]).await.unwrap().job.job_id }
    });
    let ids: HashSet<Uuid> = futures_util::future::join_all(requests).await.into_iter().collect();
    assert_eq!(ids.len(), 1);
    let id = *ids.iter().next().unwrap();
    let job = find(&service, id).await;
    assert_eq!((job.state, job.priority), (JobState::Queued, Priority::Requested));
    // While it runs there is no second one either.
    let held = claim(&service, "w", LEASE).await.unwrap();
    assert_eq!(held.job_id, id);
    assert_eq!(sync.request(stream, Priority::Requested).await.unwrap().job.job_id, id);
    assert!(claim(&service, "w", LEASE).await.is_none());
    assert!(sync_jobs::finish(&service.database, held, 7, "done").await.unwrap());
    let over = find(&service, id).await;
    assert_eq!((over.state, over.progress.done), (JobState::Succeeded, 7));
    assert!(over.finished_at.is_some() && over.message.as_deref() == Some("done"));
    // The next one is another one.
    assert_ne!(sync.request(stream, Priority::Periodic).await.unwrap().job.job_id, id);
}

#[tokio::test]
async fn what_was_synced_a_moment_ago_is_answered_with_the_last_job() {
    let service = TestService::start().await;
    let sync = syncer(&service, vec![source("one", 100.0, None)]);
    let patient = SyncPolicy { cooldown: Duration::from_secs(600), ..sync.policy() };
    let patient =
        Sync::new(&service.database, service.taking.clone(), sync.networks().clone(), patient);
    let stream = streams(&sync, 1).await[0];
    let first = patient.request(stream, Priority::Requested).await.unwrap();
    assert!(!first.is_cooling_down);
    let held = claim(&service, "w", LEASE).await.unwrap();
    sync_jobs::finish(&service.database, held, 0, "").await.unwrap();
    let second = patient.request(stream, Priority::Requested).await.unwrap();
    assert!(second.is_cooling_down);
    assert_eq!(second.job.job_id, first.job.job_id);
    assert_eq!(second.job.state, JobState::Succeeded);
    assert!(!sync.request(stream, Priority::Requested).await.unwrap().is_cooling_down);
}

#[tokio::test]
async fn jobs_are_taken_by_priority_and_each_by_one_worker() {
    let service = TestService::start().await;
    let sync = syncer(&service, vec![source("one", 100.0, None)]);
    let ids = streams(&sync, 30).await;
    let mut expected: BTreeMap<Priority, HashSet<Uuid>> = BTreeMap::new();
    for (place, stream) in ids.iter().enumerate() {
        let priority = [Priority::Periodic, Priority::Requested, Priority::Stale][place % 3];
        let job = sync.request(*stream, priority).await.unwrap().job.job_id;
        expected.entry(priority).or_default().insert(job);
    }
    let taken = futures_util::future::join_all((0..30).map(|_| claim(&service, "w", LEASE))).await;
    let taken: HashSet<Uuid> = taken.into_iter().flatten().map(|job| job.job_id).collect();
    // Whoever passes over a job that is just being taken takes another one, or none for now.
    let mut all = taken.clone();
    let mut order = Vec::new();
    while let Some(job) = claim(&service, "w", LEASE).await {
        assert!(all.insert(job.job_id), "taken twice");
        order.push(find(&service, job.job_id).await.priority);
    }
    assert_eq!(all, expected.into_values().flatten().collect());
    assert!(order.is_sorted());
}

#[tokio::test]
async fn whoever_lost_a_job_writes_nothing_more() {
    let service = TestService::start().await;
    let sync = syncer(&service, vec![source("one", 100.0, None)]);
    let stream = streams(&sync, 1).await[0];
    sync.request(stream, Priority::Requested).await.unwrap();
    let lapsed = Duration::from_millis(1);
    let first = claim(&service, "first", lapsed).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    // Before anybody else takes it, it is still the first one's.
    let progress = Progress { done: 3, of: Some(9), source: Some("one".to_owned()) };
    let held = sync_jobs::beat(&service.database, first, lapsed, &progress).await.unwrap();
    assert_eq!(held, Some(false));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = claim(&service, "second", LEASE).await.unwrap();
    assert_eq!((second.job_id, second.attempts), (first.job_id, 2));
    let held = sync_jobs::beat(&service.database, first, LEASE, &progress).await.unwrap();
    assert_eq!(held, None);
    assert!(!sync_jobs::finish(&service.database, first, 1, "late").await.unwrap());
    assert!(!sync_jobs::park(&service.database, first, "late").await.unwrap());
    let again = Again::After(Duration::ZERO);
    assert!(!sync_jobs::put_off(&service.database, first, again, "late").await.unwrap());
    let tx = PooledTx::begin(&service.database, "test").await.unwrap();
    assert!(!sync_jobs::hold(&tx, first).await.unwrap());
    tx.roll_back().await.unwrap();
    // While a tx holds it nobody takes it, however long it lasts.
    let tx = PooledTx::begin(&service.database, "test").await.unwrap();
    assert!(sync_jobs::hold(&tx, second).await.unwrap());
    service.sql.execute("UPDATE sync_jobs SET lease_until = now() WHERE false", &[]).await.unwrap();
    assert!(claim(&service, "third", LEASE).await.is_none());
    tx.commit().await.unwrap();
    // Holding it is no progress; what is written may be, and then tries begin anew.
    assert_eq!(find(&service, second.job_id).await.attempts, 2);
    for (is_progress, attempts) in [(false, 2), (true, 0)] {
        let tx = PooledTx::begin(&service.database, "test").await.unwrap();
        let mark = sync_streams::Mark { is_progress, ..sync_streams::Mark::UNMOVED };
        sync_streams::mark(&tx, stream, &mark).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(find(&service, second.job_id).await.attempts, attempts);
    }
    // Whoever holds it is told that others wait.
    let other = sync.wallet_stream(&address(1)).await.unwrap().stream_id;
    sync.request(other, Priority::Periodic).await.unwrap();
    let held = sync_jobs::beat(&service.database, second, LEASE, &progress).await.unwrap();
    assert_eq!(held, Some(true));
    assert!(sync_jobs::finish(&service.database, second, 1, "").await.unwrap());
}

#[tokio::test]
async fn a_job_that_fails_again_and_again_waits_until_somebody_asks() {
    let service = TestService::start().await;
    let sync = syncer(&service, vec![source("one", 100.0, None)]);
    let stream = streams(&sync, 1).await[0];
    let id = sync.request(stream, Priority::Periodic).await.unwrap().job.job_id;
    let first = Duration::from_millis(40);
    let again = Again::BackOff { first, most: Duration::from_millis(100), attempts_max: 4 };
    let mut waits = Vec::new();
    let mut begun_at = Instant::now();
    for attempt in 1..=4 {
        let held = loop {
            match claim(&service, "w", LEASE).await {
                Some(held) => break held,
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        };
        waits.push(begun_at.elapsed());
        assert_eq!(held.attempts, attempt);
        // Before: however long this takes, the wait begins within it.
        begun_at = Instant::now();
        assert!(sync_jobs::put_off(&service.database, held, again, "no answer").await.unwrap());
    }
    for (wait, least) in waits[1..].iter().zip([40, 80, 100]) {
        assert!(*wait >= Duration::from_millis(least), "{waits:?}");
    }
    let job = find(&service, id).await;
    assert_eq!((job.state, job.message.as_deref()), (JobState::Parked, Some("no answer")));
    // A schedule does not ask for it, a person does.
    sync.request(stream, Priority::Periodic).await.unwrap();
    assert_eq!(find(&service, id).await.state, JobState::Parked);
    assert!(claim(&service, "w", LEASE).await.is_none());
    sync.request(stream, Priority::Requested).await.unwrap();
    assert_eq!(find(&service, id).await.state, JobState::Queued);
    assert_eq!(claim(&service, "w", LEASE).await.unwrap().attempts, 1);
}

#[tokio::test]
async fn all_workers_together_keep_to_the_limit_of_a_source() {
    let service = TestService::start().await;
    let sync = syncer(&service, vec![source("slow", 3.0, None)]);
    let network = sync.networks().get(NETWORK).unwrap();
    let turns = Turns::pick(&service.database, network, |_| true).await.unwrap();
    // A server that counts whoever comes, and eight workers who want ten calls together.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counting = tokio::spawn(async move {
        let mut at = Vec::new();
        while at.len() < 10 {
            let (mut stream, _) = listener.accept().await.unwrap();
            at.push(Instant::now());
            stream.write_all(b"!").await.unwrap();
        }
        at
    });
    let workers = (0..8).map(|worker| {
        let turns = turns.clone();
        async move {
            for _ in 0..if worker < 2 { 2 } else { 1 } {
                let call = async {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    stream.read_u8().await.unwrap();
                    Ok::<_, SourceError>(())
                };
                turns.call(call).await.unwrap();
            }
        }
    });
    futures_util::future::join_all(workers).await;
    let mut at = counting.await.unwrap();
    at.sort_unstable();
    assert_eq!(at.len(), 10);
    for four in at.windows(4) {
        let span = four[3] - four[0];
        assert!(span >= Duration::from_secs(1), "four calls in {span:?}");
    }
}

#[tokio::test]
async fn what_a_source_says_is_heeded_by_everybody() {
    let service = TestService::start().await;
    let sources = vec![source("first", 1_000.0, Some(3)), source("second", 1_000.0, None)];
    let sync = syncer(&service, sources);
    let network = sync.networks().get(NETWORK).unwrap();
    let pick = async || Turns::pick(&service.database, network, |_| true).await;
    let name = |turns: &Turns| turns.source.key.source.clone();
    let fails = async |error: SourceError| -> Result<(), SourceError> { Err(error) };
    let first = pick().await.unwrap();
    assert_eq!(name(&first), "first");
    // Its day has three calls.
    for _ in 0..3 {
        while pick().await.unwrap().source.key.source != "first" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        first.call(async { Ok(()) }).await.unwrap();
    }
    let used_up = first.call(async { Ok(()) }).await;
    assert!(matches!(used_up, Err(JobError::NoSource { wait: Some(_) })), "{used_up:?}");
    let second = pick().await.unwrap();
    assert_eq!(name(&second), "second");
    let wait = Some(Duration::from_secs(30));
    let said = second.call(fails(SourceError::RateLimited { wait })).await;
    assert!(matches!(said, Err(JobError::Source(SourceError::RateLimited { .. }))));
    // Nobody asks it now, not even who has picked it before.
    let Err(JobError::NoSource { wait: Some(left) }) = pick().await else { panic!("a source") };
    assert!(left > Duration::from_secs(25) && left <= Duration::from_secs(30), "{left:?}");
    assert!(matches!(
        second.call(async { Ok(()) }).await,
        Err(JobError::NoSource { wait: Some(_) })
    ));
    service
        .sql
        .execute("UPDATE sync_sources SET blocked_until = now(), used_on = 'epoch'", &[])
        .await
        .unwrap();
    // Failures in a row double the wait.
    let mut waits = Vec::new();
    for _ in 0..4 {
        let error = SourceError::Unavailable { why: "away".to_owned(), wait: None };
        let picked = pick().await.unwrap();
        picked.call(fails(error)).await.unwrap_err();
        let row = service
            .sql
            .query_one(
                "SELECT extract(epoch FROM blocked_until - now())::float8 FROM sync_sources
                 WHERE source = 'first'",
                &[],
            )
            .await
            .unwrap();
        waits.push(row.get::<_, f64>(0));
        service
            .sql
            .execute(
                "UPDATE sync_sources SET blocked_until = now(), next_at = 'epoch', used = 0
                 WHERE source = 'first'",
                &[],
            )
            .await
            .unwrap();
    }
    assert!(waits.windows(2).all(|pair| pair[1] > 1.5 * pair[0]), "{waits:?}");
}

#[tokio::test]
async fn wallets_that_are_tracked_and_tokens_come_when_their_time_has_come() {
    let service = TestService::start().await;
    let sync = syncer(&service, vec![source("one", 100.0, None)]);
    let interval = Some(Duration::from_secs(600));
    let policy = SyncPolicy { interval, ..sync.policy() };
    let sync =
        Sync::new(&service.database, service.taking.clone(), sync.networks().clone(), policy);
    for number in 0..3 {
        sync.wallet_stream(&address(number)).await.unwrap();
    }
    service
        .sql
        .batch_execute(
            "INSERT INTO users (user_uuid, username, name)
             VALUES ('67e55044-10b1-426f-9247-bb680e5fe0c8', 'ann', 'Ann');
             INSERT INTO user_wallets (user_id, account_id)
             SELECT user_id, account_id FROM users, accounts
             WHERE network = 'bitcoin-regtest' ORDER BY account_id LIMIT 2",
        )
        .await
        .unwrap();
    sync.request_due().await.unwrap();
    let jobs = sync.list_jobs(None, (None, None), 10).await.unwrap().jobs;
    let addresses: HashSet<_> = jobs.iter().filter_map(|job| job.address.clone()).collect();
    let tracked = [address(0), address(1)].map(|key| key.address().as_str().to_owned());
    assert_eq!(addresses, HashSet::from(tracked));
    assert!(jobs.iter().all(|job| job.priority == Priority::Periodic));
    // Once synced, they are left alone for a while.
    while let Some(held) = claim(&service, "w", LEASE).await {
        sync_jobs::finish(&service.database, held, 0, "").await.unwrap();
    }
    sync.request_due().await.unwrap();
    assert!(claim(&service, "w", LEASE).await.is_none());
    service
        .sql
        .execute("UPDATE sync_streams SET synced_at = now() - interval '601 s'", &[])
        .await
        .unwrap();
    sync.request_due().await.unwrap();
    assert_eq!(
        sync.list_jobs(None, (Some(JobState::Queued), None), 10).await.unwrap().jobs.len(),
        2
    );
    // Nobody tracks the third one, so not even a reader has it synced.
    let third = sync_streams::ensure(
        &service.database,
        (stream_asset(&service).await, account_id(&service, 2).await),
        0,
        None,
    );
    sync.request_stale(&[third.await.unwrap().account_id]).await.unwrap();
    assert_eq!(
        sync.list_jobs(None, (Some(JobState::Queued), None), 10).await.unwrap().jobs.len(),
        2
    );
}

async fn stream_asset(service: &TestService) -> i32 {
    service.sql.query_one("SELECT asset_id FROM chain_assets", &[]).await.unwrap().get(0)
}

async fn account_id(service: &TestService, number: u32) -> i64 {
    let key = address(number);
    let statement = "SELECT account_id FROM accounts WHERE address = $1";
    service.sql.query_one(statement, &[&key.address().as_str()]).await.unwrap().get(0)
}
