//! `SyncService`: what is asked for, what is answered, and what a wallet shows meanwhile.

use std::fs;

use daybook::{
    domain::access::Role,
    grpc::pb::v1::{
        AccountKey, AddWalletRequest, GetBalanceRequest, GetSyncJobRequest, ListSyncJobsRequest,
        ListWalletsRequest, SyncJob, SyncJobPriority, SyncJobState, SyncTokenRequest,
        SyncUserWalletsRequest, SyncWalletRequest, TokenKey, WalletSync, WalletSyncState,
        WatchSyncJobRequest, get_balance_request::Subject, sync_job,
    },
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    access::{bearer, token_of},
    support::{
        bitcoin_chain::{Chain, MATURITY, address, script},
        cluster::TestFolder,
        esplora::{Api, EsploraServer, Refusal},
        ledger::{TestUser, add_user},
        service::{TestService, new_target, settings},
    },
};

const NETWORK: &str = "bitcoin-regtest";

/// A chain on which the key 1 was paid once, and a service that syncs it.
struct World {
    chain: Chain,
    server: EsploraServer,
    service: TestService,
    _folder: TestFolder,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut daybook::config::ServeSettings)) -> Self {
        let mut chain = Chain::made();
        chain.mine_empty(0, MATURITY + 2).await;
        let (coin, value, _) = chain.spendable()[0];
        let paid = chain.sign(&[coin], &[(script(1), 150_000), (script(0), value - 151_000)]).await;
        chain.mine(0, vec![paid]).await;
        chain.mine_empty(0, 10).await;
        let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
        let folder = TestFolder::empty();
        let file = folder.path().join("chains.toml");
        let text = format!(
            "[[network]]\nname = \"{NETWORK}\"\n[[network.source]]\nname = \"local\"\n\
             kind = \"esplora\"\nurl = \"{}\"\nper_second = 100000\n",
            server.url()
        );
        fs::write(&file, text).unwrap();
        let mut settings = settings();
        settings.sync.chains_file = Some(file);
        change(&mut settings);
        let service = TestService::start_with(new_target(), settings).await;
        Self { chain, server, service, _folder: folder }
    }

    /// Works until there is nothing left to be done now.
    async fn work(&self) {
        let stop = CancellationToken::new();
        while self.service.sync.work_at_one("test", &stop).await.unwrap() {}
    }

    async fn wallet_sync(&self, user: &TestUser) -> WalletSync {
        let request =
            ListWalletsRequest { user_uuid: user.user_uuid.to_string(), ..Default::default() };
        let wallets = self.service.ledger().await.list_wallets(request).await.unwrap();
        let mut wallets = wallets.into_inner().wallets;
        wallets.retain(|wallet| wallet.account.as_ref().unwrap().network == NETWORK);
        wallets.remove(0).sync.unwrap()
    }

    async fn track(&self, user: &TestUser, key: u8) {
        let request =
            AddWalletRequest { user_uuid: user.user_uuid.to_string(), account: Some(wallet(key)) };
        self.service.ledger().await.add_wallet(request).await.unwrap();
    }

    async fn request(&self, key: u8) -> SyncJob {
        let request = SyncWalletRequest { wallet: Some(wallet(key)) };
        self.service.syncs().await.sync_wallet(request).await.unwrap().into_inner().job.unwrap()
    }
}

fn wallet(key: u8) -> AccountKey {
    AccountKey { network: NETWORK.to_owned(), address: address(key) }
}

fn check_field(status: &Status, field: &str) {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert!(violations.iter().any(|violation| violation.field == field), "{violations:?}");
}

#[tokio::test]
async fn a_wallet_says_how_it_stands_from_never_to_up_to_date() {
    let world = World::new().await;
    let user = add_user(&world.service.sql, "ann").await;
    world.track(&user, 1).await;
    assert_eq!(world.wallet_sync(&user).await.state(), WalletSyncState::Never);

    let job = world.request(1).await;
    assert_eq!((job.state(), job.priority()), (SyncJobState::Queued, SyncJobPriority::Requested));
    assert_eq!(job.subject, Some(sync_job::Subject::Wallet(wallet(1))));
    let sync = world.wallet_sync(&user).await;
    assert_eq!((sync.state(), &sync.job_id), (WalletSyncState::Queued, &job.job_id));
    // Nobody is told half of it.
    let question = GetBalanceRequest {
        subject: Some(Subject::Account(wallet(1))),
        asset: "BTC-REGTEST".to_owned(),
        ..Default::default()
    };
    let mut ledger = world.service.ledger().await;
    // Until it is known that the asset is synced.
    tokio::time::sleep(daybook::store::coverage::NOTICED_WITHIN).await;
    let refused = ledger.get_balance(question.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);

    let request = WatchSyncJobRequest { job_id: job.job_id.clone() };
    let mut client = world.service.syncs().await;
    let mut watched = client.watch_sync_job(request).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap().job.unwrap();
    assert_eq!(first.state(), SyncJobState::Queued);
    world.work().await;
    let mut last = first;
    while let Some(response) = watched.message().await.unwrap() {
        last = response.job.unwrap();
    }
    assert_eq!(last.state(), SyncJobState::Succeeded);
    assert_eq!(last.head_height, Some(i64::from(world.chain.height())));
    assert!(last.complete_until.is_some() && last.finished_at.is_some());

    let sync = world.wallet_sync(&user).await;
    assert_eq!((sync.state(), sync.job_id.as_str()), (WalletSyncState::UpToDate, ""));
    assert_eq!(sync.complete_until, last.complete_until);
    let balance = ledger.get_balance(question).await.unwrap().into_inner();
    assert_eq!(balance.balance, "0.00150000");
    assert!(balance.coverage.unwrap().is_complete);
}

#[tokio::test]
async fn a_request_finds_the_job_that_is_there_and_a_moment_later_the_last_one() {
    let world = World::new().await;
    let user = add_user(&world.service.sql, "ann").await;
    world.track(&user, 1).await;
    world.track(&user, 2).await;
    let first = world.request(1).await;
    assert_eq!(world.request(1).await.job_id, first.job_id);
    let mut client = world.service.syncs().await;
    let all = SyncUserWalletsRequest { user_uuid: user.user_uuid.to_string() };
    let jobs = client.sync_user_wallets(all.clone()).await.unwrap().into_inner().jobs;
    // The user's payments account is no wallet that is synced.
    assert_eq!(jobs.len(), 2);
    assert!(jobs.iter().any(|job| job.job_id == first.job_id));
    world.work().await;
    let again = SyncWalletRequest { wallet: Some(wallet(1)) };
    let again = client.sync_wallet(again).await.unwrap().into_inner();
    assert!(again.is_cooling_down);
    let job = again.job.unwrap();
    assert_eq!(
        (job.job_id.as_str(), job.state()),
        (first.job_id.as_str(), SyncJobState::Succeeded)
    );
    assert_eq!(client.sync_user_wallets(all).await.unwrap().into_inner().jobs.len(), 2);
    // All jobs, page by page, those asked for last first.
    let (mut listed, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListSyncJobsRequest { page_size: 1, page_token, ..Default::default() };
        let page = client.list_sync_jobs(request).await.unwrap().into_inner();
        listed.extend(page.jobs);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1].job_id, first.job_id);
    let queued = SyncJobState::Queued.into();
    let request = ListSyncJobsRequest { state: queued, ..Default::default() };
    assert!(client.list_sync_jobs(request).await.unwrap().into_inner().jobs.is_empty());
}

#[tokio::test]
async fn a_job_that_fails_says_why_and_what_is_parked_begins_anew_when_asked() {
    let world = World::with(|settings| settings.sync.sync_attempts_max = 1).await;
    let user = add_user(&world.service.sql, "ann").await;
    world.track(&user, 1).await;
    let job = world.request(1).await;
    let body = "<html>502</html>";
    world.server.refuse("/", 1, Refusal::Status(502, vec![("content-type", "text/html")], body));
    world.work().await;
    let mut client = world.service.syncs().await;
    let get = GetSyncJobRequest { job_id: job.job_id.clone() };
    let found = client.get_sync_job(get.clone()).await.unwrap().into_inner().job.unwrap();
    // A source that fails is left alone, and a job without a source waits for one: no try is lost.
    assert!([SyncJobState::Queued, SyncJobState::Parked].contains(&found.state()), "{found:?}");
    assert!(!found.message.is_empty());
    assert!(!found.message.contains("127.0.0.1"), "{}", found.message);
    let sync = world.wallet_sync(&user).await;
    assert_eq!(sync.message, found.message);
    // Asked again, when the source may be.
    let statement = "UPDATE sync_sources SET blocked_until = 'epoch', next_at = 'epoch'";
    world.service.sql.execute(statement, &[]).await.unwrap();
    world.service.sql.execute("UPDATE sync_jobs SET run_at = now()", &[]).await.unwrap();
    assert_eq!(world.request(1).await.job_id, job.job_id);
    world.work().await;
    let found = client.get_sync_job(get).await.unwrap().into_inner().job.unwrap();
    assert_eq!(found.state(), SyncJobState::Succeeded, "{found:?}");
}

#[tokio::test]
async fn what_cannot_be_synced_is_refused_with_the_reason() {
    let world = World::new().await;
    let mut client = world.service.syncs().await;
    let wallet_of = |network: &str, address: &str| SyncWalletRequest {
        wallet: Some(AccountKey { network: network.into(), address: address.into() }),
    };
    let none = client.sync_wallet(SyncWalletRequest { wallet: None }).await.unwrap_err();
    check_field(&none, "wallet");
    let wrong = client.sync_wallet(wallet_of(NETWORK, "nobody")).await.unwrap_err();
    check_field(&wrong, "wallet.address");
    for (network, address) in [
        ("bank", "12345"),
        (NETWORK, "hub"),
        ("bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("ethereum", "0xdac17f958d2ee523a2206206994597c13d831ec7"),
    ] {
        let refused = client.sync_wallet(wallet_of(network, address)).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{network} {address}");
        let failure = refused.get_details_precondition_failure().unwrap();
        assert_eq!(failure.violations[0].r#type, "NETWORK_NOT_SYNCED");
    }
    let token = |network: &str, contract: &str, from_block, to_block| SyncTokenRequest {
        token: Some(TokenKey { network: network.into(), contract: contract.into() }),
        from_block: Some(from_block),
        to_block,
    };
    let usdt = "0xdac17f958d2ee523a2206206994597c13d831ec7";
    for (request, field) in [
        (SyncTokenRequest::default(), "token"),
        (token("bank", "x", 0, None), "token.network"),
        (token("ethereum", "0x", 0, None), "token.contract"),
        (token("ethereum", usdt, -1, None), "from_block"),
        (token("ethereum", usdt, 5, Some(4)), "to_block"),
    ] {
        check_field(&client.sync_token(request).await.unwrap_err(), field);
    }
    let refused = client.sync_token(token("ethereum", usdt, 0, None)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    let refused = client.get_sync_job(GetSyncJobRequest { job_id: "x".into() }).await;
    check_field(&refused.unwrap_err(), "job_id");
    let unknown = Uuid::new_v4().to_string();
    let refused = client.get_sync_job(GetSyncJobRequest { job_id: unknown.clone() }).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    let refused = client.watch_sync_job(WatchSyncJobRequest { job_id: unknown.clone() }).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    let refused = client.sync_user_wallets(SyncUserWalletsRequest { user_uuid: unknown }).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_user_s_token_reaches_the_user_s_own_wallets_alone() {
    let world = World::with(|settings| {
        settings.server.auth = daybook::config::AuthMode::On;
    })
    .await;
    let service = &world.service;
    let (token, _) = token_of(service, Role::User).await;
    let statement = "INSERT INTO user_wallets (user_id, account_id)
        SELECT u.user_id, a.account_id FROM users u, accounts a
        WHERE u.username = 'whose' AND a.network = 'bitcoin-regtest' AND a.address = $1";
    for key in [1, 2] {
        let key = daybook::domain::account::AccountKey::canonical(NETWORK, &address(key)).unwrap();
        service.sync.wallet_stream(&key).await.unwrap();
    }
    service.sql.execute(statement, &[&address(1)]).await.unwrap();
    let mut client = service.syncs().await;
    let as_user = |key: u8| {
        let mut request = Request::new(SyncWalletRequest { wallet: Some(wallet(key)) });
        request.metadata_mut().insert("authorization", bearer(&token).parse().unwrap());
        request
    };
    let own = client.sync_wallet(as_user(1)).await.unwrap().into_inner().job.unwrap();
    assert_eq!(client.sync_wallet(as_user(2)).await.unwrap_err().code(), Code::NotFound);
    let key = daybook::domain::account::AccountKey::canonical(NETWORK, &address(2)).unwrap();
    let stream = service.sync.wallet_stream(&key).await.unwrap();
    let priority = daybook::store::sync_jobs::Priority::Requested;
    let foreign = service.sync.request_now(stream.stream_id, priority).await.unwrap();
    let get = |job_id: String| {
        let mut request = Request::new(GetSyncJobRequest { job_id });
        request.metadata_mut().insert("authorization", bearer(&token).parse().unwrap());
        request
    };
    assert!(client.get_sync_job(get(own.job_id)).await.is_ok());
    let refused = client.get_sync_job(get(foreign.job_id.to_string())).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}
