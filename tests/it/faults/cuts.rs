//! Wires that are cut at random bytes: those of the writers, and those to the database.

use daybook::{
    cluster::ClusterRole,
    store::DatabaseTarget,
    upkeep::{
        audit::audit,
        sealing::{SEALED_ROWS_MAX, seal_once},
    },
};
use tokio_postgres::config::Host;
use tokio_util::sync::CancellationToken;

use crate::{
    faults::{ON_THEIR_WAY, WRITERS, campaign::Campaign, size},
    support::{
        cluster::{TestFolder, shared},
        proxy::{Proxy, Reach},
        random::random,
        schema::TestSchema,
        service::{TestService, new_target, settings},
    },
};

/// Cuts of each wire in a usual run.
const CUTS: usize = 40;

/// Cuts that are on their way at once, at most.
const BATCH: usize = 10;

fn cuts() -> usize {
    size("DAYBOOK_FAULT_CUTS", CUTS)
}

/// Cuts wires beneath writers, some at a time, with progress between.
async fn cut_all(proxy: &Proxy, campaign: &Campaign, count: usize) {
    let mut left = count;
    while left > 0 {
        let batch = left.min(BATCH);
        proxy.cut(batch);
        left -= batch;
        while proxy.left() > 0 {
            campaign.progress(1).await;
        }
    }
    assert_eq!(proxy.made(), count);
    campaign.progress(ON_THEIR_WAY).await;
}

/// What came of it, against the rows of a schema and its running totals.
async fn check(campaign: Campaign, service: &TestService, target: &DatabaseTarget, what: &str) {
    let books = campaign.end().await;
    let schema = TestSchema::unprepared(target.clone(), settings()).await;
    books.check(&schema.sql, service.address).await;
    assert_eq!(audit(&schema.database, 2, |_, _| ()).await.unwrap(), []);
    eprintln!("{what}: {books}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_wires_of_clients_lose_no_acknowledged_row_and_double_none() {
    let mut random = random();
    let service = TestService::start().await;
    let reach = Reach { to_server_bits: 17, to_client_bits: 11 };
    let (proxy, address) = Proxy::tcp(service.address, reach, &mut random).await;
    let campaign = Campaign::start(vec![address], WRITERS, &mut random);
    campaign.progress(ON_THEIR_WAY).await;
    cut_all(&proxy, &campaign, cuts()).await;
    let target = service.target.clone();
    check(campaign, &service, &target, &format!("{} cuts of clients' wires", proxy.made())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_wires_to_the_database_lose_no_acknowledged_row_and_double_none() {
    let mut random = random();
    let folder = TestFolder::empty();
    let direct = new_target();
    let Some(Host::Unix(socket)) = direct.config.get_hosts().first() else {
        panic!("the server has a Unix socket")
    };
    let name = format!(".s.PGSQL.{}", direct.config.get_ports()[0]);
    let reach = Reach { to_server_bits: 17, to_client_bits: 15 };
    let proxy = Proxy::unix(&folder.path().join(&name), socket.join(&name), reach, &mut random);
    let mut config = tokio_postgres::Config::new();
    let owner = shared().connection(ClusterRole::Owner);
    config
        .host_path(folder.path())
        .port(owner.get_ports()[0])
        .user(owner.get_user().unwrap())
        .dbname(owner.get_dbname().unwrap());
    let cut_off = DatabaseTarget::plain(config, direct.schema.clone());
    let service = TestService::start_with(cut_off, settings()).await;
    let stop = CancellationToken::new();
    let sealing = tokio::spawn(seal(service.database.clone(), stop.clone()));
    let campaign = Campaign::start(vec![service.address], WRITERS, &mut random);
    campaign.progress(ON_THEIR_WAY).await;
    cut_all(&proxy, &campaign, cuts()).await;
    let what = format!("{} cuts of wires to the database", proxy.made());
    check(campaign, &service, &direct, &what).await;
    stop.cancel();
    sealing.await.unwrap();
}

/// Folds corrections all the while; a cut may end that, too.
async fn seal(database: daybook::store::Database, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = seal_once(&database, SEALED_ROWS_MAX).await {
            tracing::debug!(%error, "a sealing was cut");
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
