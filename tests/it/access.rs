//! Who may ask what: every rpc with every role, tokens of all kinds, and paths that are none.

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use bytes::Bytes;
use daybook::{
    access::{NewToken, RecordedToken, create_token},
    config::{AuthMode, ServerSettings},
    domain::access::{Role, Token},
    grpc::{
        pb::{
            DESCRIPTORS,
            v1::{
                AccountKey, AddWalletRequest, CreateAssetRequest, CreateUserRequest,
                DeleteTransactionRequest, DeleteUserRequest, RecordingStart, RemoveWalletRequest,
                ledger_service_client::LedgerServiceClient, record_transactions_request::Message,
            },
        },
        policy::{POLICIES, is_stream},
    },
};
use http::request::Builder;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use rand::RngExt;
use rustix::process::Signal;
use tonic::{Code, Status, metadata::MetadataValue, transport::Endpoint};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    import::{Said, run, url},
    process::{Daybook, free_address, program},
    support::{
        cluster::{TestFolder, eventually},
        http::{connect_stream, grpc_web, json, unframed},
        ledger::{add_user, ensure_days},
        raw::{LIST_USERS, RawClient},
        rows::NewRow,
        schema::{TestSchema, one},
        service::{TestService, new_target, settings},
        upload::{Upload, row},
    },
};

/// Who may call what: r reader, i ingester, u user, a admin, and * whoever asks. Written down here
/// once more, so that a change of the policy is a change of two files.
const EXPECTED: [(&str, &str); 49] = [
    ("/daybook.v1.AnalyticsService/BatchSumAmount", "rua"),
    ("/daybook.v1.AnalyticsService/Histogram", "rua"),
    ("/daybook.v1.AnalyticsService/Rank", "ra"),
    ("/daybook.v1.AnalyticsService/SumAmount", "rua"),
    ("/daybook.v1.AnalyticsService/SumSeries", "rua"),
    ("/daybook.v1.AnalyticsService/WatchOverview", "ra"),
    ("/daybook.v1.IngestService/RecordPrices", "ia"),
    ("/daybook.v1.IngestService/RecordTransaction", "ia"),
    ("/daybook.v1.IngestService/RecordTransactions", "ia"),
    ("/daybook.v1.LedgerService/AddWallet", "ua"),
    ("/daybook.v1.LedgerService/CreateAsset", "a"),
    ("/daybook.v1.LedgerService/CreateUser", "a"),
    ("/daybook.v1.LedgerService/DeleteTransaction", "a"),
    ("/daybook.v1.LedgerService/DeleteUser", "a"),
    ("/daybook.v1.LedgerService/GetBalance", "rua"),
    ("/daybook.v1.LedgerService/GetTransaction", "riua"),
    ("/daybook.v1.LedgerService/GetUser", "riua"),
    ("/daybook.v1.LedgerService/ListAccounts", "ria"),
    ("/daybook.v1.LedgerService/ListAssets", "riua"),
    ("/daybook.v1.LedgerService/ListTransactions", "rua"),
    ("/daybook.v1.LedgerService/ListUsers", "rua"),
    ("/daybook.v1.LedgerService/ListWalletUsers", "ra"),
    ("/daybook.v1.LedgerService/ListWallets", "rua"),
    ("/daybook.v1.LedgerService/RemoveWallet", "ua"),
    ("/daybook.v1.PriceService/CreateAlertRule", "ua"),
    ("/daybook.v1.PriceService/DeleteAlertRule", "ua"),
    ("/daybook.v1.PriceService/ListAlertDeliveries", "rua"),
    ("/daybook.v1.PriceService/ListAlertRules", "rua"),
    ("/daybook.v1.PriceService/ListPrices", "riua"),
    ("/daybook.v1.PriceService/ListSymbols", "riua"),
    ("/daybook.v1.PriceService/RankSymbols", "riua"),
    ("/daybook.v1.PriceService/RetryAlertDelivery", "ua"),
    ("/daybook.v1.PriceService/UpdateAlertRule", "ua"),
    ("/daybook.v1.PriceService/WatchAlerts", "rua"),
    ("/daybook.v1.StatusService/GetStatus", "ria"),
    ("/daybook.v1.SyncService/GetSyncJob", "riua"),
    ("/daybook.v1.SyncService/ListSyncJobs", "ria"),
    ("/daybook.v1.SyncService/SyncToken", "ia"),
    ("/daybook.v1.SyncService/SyncUserWallets", "ua"),
    ("/daybook.v1.SyncService/SyncWallet", "ua"),
    ("/daybook.v1.SyncService/WatchSyncJob", "riua"),
    ("/daybook.v1.TokenService/GetToken", "riua"),
    ("/daybook.v1.TokenService/ListHolders", "ra"),
    ("/daybook.v1.TokenService/ListTransfers", "ra"),
    ("/grpc.health.v1.Health/Check", "*"),
    ("/grpc.health.v1.Health/Watch", "*"),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "*"),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "*"),
    ("/transactions_service.Transactions/SumAmount", "rua"),
];

/// A UUID of nobody and nothing.
const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

/// What whoever is not known is told, whatever is wrong.
const WANTED: &str = "a token in force is wanted, as `authorization: Bearer dbk_...`";

/// A service that asks for tokens and believes what it knows of them for so long.
async fn guarded(freshness: Duration) -> TestService {
    guarded_with(freshness, |_| {}).await
}

/// The same with settings of the test's own.
async fn guarded_with(
    freshness: Duration,
    change: impl FnOnce(&mut ServerSettings),
) -> TestService {
    let mut settings = settings();
    settings.server.auth = AuthMode::On;
    settings.server.token_lookup_rate_max = 0;
    settings.server.token_freshness_ms = u64::try_from(freshness.as_millis()).unwrap();
    change(&mut settings.server);
    TestService::start_with(new_target(), settings).await
}

/// A token of this role, with its id.
pub(crate) async fn token_of(service: &TestService, role: Role) -> (Token, Uuid) {
    let token = Token::new(rand::rng().random());
    let token_id = Uuid::new_v4();
    let name = role.as_str().to_owned();
    let user_uuid = match role {
        Role::User => Some(add_user(&service.sql, "whose").await.user_uuid),
        Role::Reader | Role::Ingester | Role::Admin => None,
    };
    let (hash, certificate_name, expires_days) = (token.hash(), None, Some(1));
    let new = NewToken { token_id, name, hash, role, user_uuid, certificate_name, expires_days };
    let made = create_token(&service.owner, &new).await.unwrap();
    assert!(matches!(made, RecordedToken::Recorded(_)), "{made:?}");
    (token, token_id)
}

pub(crate) fn bearer(token: &Token) -> String {
    format!("Bearer {}", token.to_text())
}

/// An empty message behind its head.
const EMPTY: Bytes = Bytes::from_static(&[0; 5]);

/// A message of -1 in its second field: what an empty one would open a stream for is refused.
const WRONG: Bytes =
    Bytes::from_static(&[0, 0, 0, 0, 11, 16, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);

/// What an empty message, or a wrong one, is answered with.
async fn answered(client: &RawClient, path: &str, authorization: &[&str]) -> (Code, String) {
    let headers: Vec<_> = authorization.iter().map(|value| ("authorization", *value)).collect();
    let message = if path.ends_with("/WatchAlerts") { WRONG } else { EMPTY };
    let answer = client.send_with(path, message, &headers).await.unwrap();
    (answer.status.code(), answer.status.message().to_owned())
}

/// The paths of a set of descriptors.
fn paths(descriptors: &[u8]) -> Vec<String> {
    let mut paths = Vec::new();
    for file in FileDescriptorSet::decode(descriptors).unwrap().file {
        for service in &file.service {
            let path = |name: &str| format!("/{}.{}/{name}", file.package(), service.name());
            paths.extend(service.method.iter().map(|method| path(method.name())));
        }
    }
    paths
}

#[test]
fn every_rpc_has_a_policy_and_every_policy_an_rpc() {
    let mut served: BTreeSet<String> = paths(DESCRIPTORS).into_iter().collect();
    served.extend(paths(tonic_health::pb::FILE_DESCRIPTOR_SET));
    served.extend(paths(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET));
    served.extend(paths(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET));
    let with_policy: BTreeSet<String> = POLICIES.iter().map(|(path, _)| (*path).into()).collect();
    assert_eq!(with_policy, served);
    let expected: BTreeSet<String> = EXPECTED.iter().map(|(path, _)| (*path).into()).collect();
    assert_eq!(expected, served);
}

/// What the same message is answered with in gRPC-Web, as a stream of Connect's, and in JSON.
async fn answered_otherwise(client: &RawClient, path: &str, authorization: &[&str]) -> [Code; 3] {
    let as_caller = |mut call: Builder| {
        for value in authorization {
            call = call.header("authorization", *value);
        }
        call
    };
    let message = if path.ends_with("/WatchAlerts") { WRONG } else { EMPTY };
    let said = client.ask(as_caller(grpc_web(path)), message.clone()).await.unwrap();
    let (_, status) = unframed(&said.headers, said.body);
    let stream = client.ask(as_caller(connect_stream(path)), message).await.unwrap();
    let said = client.ask(as_caller(json(path)), "{}").await.unwrap();
    [status.code(), stream.end(), said.code()]
}

/// Whether calls of it are answered in JSON.
fn is_unary(path: &str) -> bool {
    !is_stream(path) && !path.starts_with("/grpc.reflection")
}

#[tokio::test]
async fn every_role_may_what_the_table_says_and_nothing_else() {
    let service = guarded(Duration::from_secs(60)).await;
    let client = RawClient::open(service.address).await;
    let mut cells = 0;
    for (letter, role) in [
        (None, None),
        (Some('r'), Some(Role::Reader)),
        (Some('i'), Some(Role::Ingester)),
        (Some('u'), Some(Role::User)),
        (Some('a'), Some(Role::Admin)),
    ] {
        let token = match role {
            Some(role) => Some(bearer(&token_of(&service, role).await.0)),
            None => None,
        };
        let authorization: Vec<&str> = token.iter().map(String::as_str).collect();
        for (path, roles) in EXPECTED {
            // It answers until somebody goes away.
            if path.ends_with("/Watch") {
                continue;
            }
            let (code, message) = answered(&client, path, &authorization).await;
            let cell = format!("{path} as {role:?}: {code:?} {message}");
            let is_allowed = roles == "*" || letter.is_some_and(|letter| roles.contains(letter));
            match (is_allowed, role) {
                (true, _) => {
                    let refused = [Code::Unauthenticated, Code::PermissionDenied];
                    assert!(!refused.contains(&code), "{cell}");
                }
                (false, None) => {
                    assert_eq!((code, &*message), (Code::Unauthenticated, WANTED), "{cell}");
                }
                (false, Some(_)) => assert_eq!(code, Code::PermissionDenied, "{cell}"),
            }
            let in_json = if is_unary(path) || !is_allowed { code } else { Code::Unimplemented };
            let found = answered_otherwise(&client, path, &authorization).await;
            assert_eq!(found, [code, code, in_json], "{cell}");
            cells += 1;
        }
    }
    assert_eq!(cells, 5 * (EXPECTED.len() - 1));
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_is_answered_the_same() {
    let service = guarded(Duration::from_secs(60)).await;
    let client = RawClient::open(service.address).await;
    let (token, _) = token_of(&service, Role::Admin).await;
    let right = bearer(&token);
    let (code, _) = answered(&client, LIST_USERS, &[&right]).await;
    assert_eq!(code, Code::Ok);
    let text = token.to_text();
    let unknown = bearer(&Token::new(rand::rng().random()));
    let (expired, expired_id) = token_of(&service, Role::Admin).await;
    let expire = "UPDATE access_tokens SET expires_at = now() WHERE token_id = $1";
    service.sql.execute(expire, &[&expired_id]).await.unwrap();
    let (revoked, revoked_id) = token_of(&service, Role::Admin).await;
    daybook::access::revoke_token(&service.database, revoked_id).await.unwrap();
    let long = format!("Bearer {}", "x".repeat(8_000));
    for wrong in [
        &[][..],
        &[""],
        &["Bearer"],
        &[&text],
        &[&format!("Basic {text}")],
        &[&format!("Bearer {}", text.to_lowercase())],
        &[&format!("Bearer {}", &text[1..])],
        &[&unknown],
        &[&bearer(&expired)],
        &[&bearer(&revoked)],
        &[&right, &right],
        &[&right, &unknown],
        &[&format!("{right}, {right}")],
        &[&long],
    ] {
        let found = answered(&client, LIST_USERS, wrong).await;
        assert_eq!(found, (Code::Unauthenticated, WANTED.to_owned()), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_revoked_or_expired_token_is_refused_when_what_is_known_is_old() {
    let freshness = Duration::from_millis(300);
    let service = guarded(freshness).await;
    let client = RawClient::open(service.address).await;
    for end in [
        "UPDATE access_tokens SET revoked_at = now() WHERE token_id = $1",
        "UPDATE access_tokens SET expires_at = now() WHERE token_id = $1",
    ] {
        let (token, token_id) = token_of(&service, Role::Reader).await;
        let authorization = bearer(&token);
        for _ in 0..20 {
            let (code, _) = answered(&client, LIST_USERS, &[&authorization]).await;
            assert_eq!(code, Code::Ok);
        }
        service.sql.execute(end, &[&token_id]).await.unwrap();
        tokio::time::sleep(freshness).await;
        let (code, _) = answered(&client, LIST_USERS, &[&authorization]).await;
        assert_eq!(code, Code::Unauthenticated);
    }
}

#[tokio::test]
async fn known_tokens_are_not_looked_up_again_and_unknown_ones_are_looked_up_few_at_a_time() {
    let service = guarded(Duration::from_secs(60)).await;
    let client = RawClient::open(service.address).await;
    let (token, _) = token_of(&service, Role::Reader).await;
    let authorization = bearer(&token);
    let read = |authorization: String| {
        let client = &client;
        async move { answered(client, LIST_USERS, &[&authorization]).await.0 }
    };
    assert_eq!(read(authorization.clone()).await, Code::Ok);
    // It is not looked at again: what the table says now is not known yet.
    service.sql.batch_execute("UPDATE access_tokens SET revoked_at = now()").await.unwrap();
    assert_eq!(read(authorization.clone()).await, Code::Ok);
    let unknown: Vec<String> =
        (0..500).map(|_| bearer(&Token::new(rand::rng().random()))).collect();
    let found = futures_util::future::join_all(unknown.into_iter().map(read)).await;
    let refused = found.iter().filter(|code| **code == Code::Unauthenticated).count();
    // Those that found no place are told to come back.
    let busy = found.iter().filter(|code| **code == Code::Unavailable).count();
    assert_eq!(refused + busy, 500, "{found:?}");
    assert!(refused >= 100, "{refused}");
    assert_eq!(read(authorization).await, Code::Ok);
}

/// So many calls at once; how many were answered, and how long the others are to wait at most.
async fn at_once(client: &RawClient, count: usize, authorization: &str) -> (usize, Duration) {
    let headers = [("authorization", authorization)];
    let calls = (0..count).map(|_| client.send_with(LIST_USERS, EMPTY, &headers));
    let (mut answered, mut wait) = (0, Duration::ZERO);
    for answer in futures_util::future::join_all(calls).await {
        let status = answer.unwrap().status;
        if status.code() == Code::Ok {
            answered += 1;
            continue;
        }
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        let told = status.get_error_details().retry_info().unwrap().retry_delay.unwrap();
        wait = wait.max(told);
    }
    (answered, wait)
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back_and_others_are_not() {
    let second = Duration::from_secs(1);
    let service = guarded_with(60 * second, |server| server.token_rate_max = 20).await;
    let client = RawClient::open(service.address).await;
    let (noisy, _) = token_of(&service, Role::Reader).await;
    let (other, _) = token_of(&service, Role::Reader).await;
    // Known first: whoever is looked up is not counted meanwhile.
    assert_eq!(at_once(&client, 1, &bearer(&noisy)).await.0, 1);
    let (answered, wait) = at_once(&client, 60, &bearer(&noisy)).await;
    // Those of a second, and what came back while they were asked.
    assert!((19..40).contains(&answered), "{answered}");
    assert!(wait > Duration::ZERO && wait <= second, "{wait:?}");
    assert_eq!(at_once(&client, 15, &bearer(&other)).await, (15, Duration::ZERO));
    tokio::time::sleep(2 * wait).await;
    assert_eq!(at_once(&client, 1, &bearer(&noisy)).await.0, 1);
}

#[tokio::test]
async fn one_token_has_so_many_calls_at_work_and_others_theirs() {
    let settings = |server: &mut ServerSettings| server.token_concurrency_max = 2;
    let service = guarded_with(Duration::from_secs(60), settings).await;
    let client = RawClient::open(service.address).await;
    let (noisy, other) =
        (token_of(&service, Role::Reader).await.0, token_of(&service, Role::Reader).await.0);
    for known in [&noisy, &other] {
        assert_eq!(at_once(&client, 1, &bearer(known)).await.0, 1);
    }
    // Their statements wait, and so do they.
    service.sql.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let held = async {
        let (answered, wait) = at_once(&client, 20, &bearer(&noisy)).await;
        assert_eq!(answered, 2);
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
    };
    let others = bearer(&other);
    let others = at_once(&client, 2, &others);
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        service.sql.batch_execute("ROLLBACK").await.unwrap();
    };
    let ((), (answered, _), ()) = tokio::join!(held, others, release);
    assert_eq!(answered, 2);
    assert_eq!(at_once(&client, 2, &bearer(&noisy)).await.0, 2);
}

/// Opens a stream that records, with a token.
async fn stream(service: &TestService, token: &Token) -> Result<Upload, Status> {
    let bearer: MetadataValue<_> = bearer(token).parse().unwrap();
    let mut client = service.ingest().await;
    let headers = |request: &mut tonic::Request<()>| {
        request.metadata_mut().insert("authorization", bearer);
    };
    let mut upload = Upload::open_with(&mut client, headers).await?;
    let start = RecordingStart { create_accounts: true, ..Default::default() };
    upload.send(Message::Start(start)).await;
    Ok(upload)
}

#[tokio::test]
async fn a_revoked_token_ends_the_streams_that_it_let_in() {
    let service = guarded(Duration::from_millis(300)).await;
    let (token, token_id) = token_of(&service, Role::Ingester).await;
    let mut upload = stream(&service, &token).await.unwrap();
    upload.chunk(1, &[row(1)]).await;
    assert_eq!(upload.acknowledged().await.recorded_count, 1);
    let revoke = "UPDATE access_tokens SET revoked_at = now() WHERE token_id = $1";
    service.sql.execute(revoke, &[&token_id]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    upload.chunk(2, &[row(2)]).await;
    let ended = upload.failure().await;
    assert_eq!((ended.code(), ended.message()), (Code::Unauthenticated, WANTED));
    assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM transactions").await, 1);
    for change in ["NULL", "now() + interval '1 day'"] {
        let text = format!("UPDATE access_tokens SET revoked_at = {change}");
        let error = service.sql.batch_execute(&text).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "23001", "{change}");
    }
}

#[tokio::test]
async fn streams_count_as_calls_at_work_for_as_long_as_they_last() {
    let settings = |server: &mut ServerSettings| server.token_concurrency_max = 2;
    let service = guarded_with(Duration::from_secs(60), settings).await;
    let noisy = token_of(&service, Role::Ingester).await.0;
    let other = token_of(&service, Role::Ingester).await.0;
    let mut first = stream(&service, &noisy).await.unwrap();
    let _second = stream(&service, &noisy).await.unwrap();
    let refused = stream(&service, &noisy).await.err().expect("a third");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    let _others = stream(&service, &other).await.unwrap();
    first.end(0).await;
    first.summary().await;
    eventually("one has ended", async || stream(&service, &noisy).await.is_ok()).await;
}

#[tokio::test]
async fn an_address_has_limits_of_calls_and_of_guesses() {
    let minute = Duration::from_secs(60);
    let service = guarded_with(minute, |server| {
        server.address_rate_max = 50;
        server.token_lookup_rate_max = 3;
    })
    .await;
    let client = RawClient::open(service.address).await;
    let known = bearer(&token_of(&service, Role::Reader).await.0);
    assert_eq!(at_once(&client, 1, &known).await.0, 1);
    let mut codes = Vec::new();
    for _ in 0..10 {
        let guess = bearer(&Token::new(rand::rng().random()));
        codes.push(answered(&client, LIST_USERS, &[&guess]).await.0);
    }
    let looked_up = codes.iter().filter(|code| **code == Code::Unauthenticated).count();
    assert!((1..10).contains(&looked_up), "{codes:?}");
    let refused = codes.iter().filter(|code| **code == Code::ResourceExhausted).count();
    assert_eq!(looked_up + refused, 10, "{codes:?}");
    // Who is known goes on.
    assert_eq!(at_once(&client, 1, &known).await.0, 1);
    let (answered, _) = at_once(&client, 150, &known).await;
    assert!((30..140).contains(&answered), "{answered}");
}

#[tokio::test]
async fn no_other_way_to_write_a_path_is_served() {
    let service = guarded(Duration::from_secs(60)).await;
    let client = RawClient::open(service.address).await;
    let admin = bearer(&token_of(&service, Role::Admin).await.0);
    let mut variants: BTreeSet<String> = BTreeSet::new();
    for (path, roles) in EXPECTED {
        if roles == "*" {
            continue;
        }
        let (service, method) = path[1..].split_once('/').unwrap();
        variants.extend([
            format!("//{service}/{method}"),
            format!("/{service}//{method}"),
            format!("/{service}/{method}/"),
            format!("/{service}/{method}%20"),
            format!("/{service}%2F{method}"),
            format!("/%{:02x}{}/{method}", service.as_bytes()[0], &service[1..]),
            format!("/{}/{method}", service.to_uppercase()),
            format!("/{service}/{}", method.to_lowercase()),
            format!("/./{service}/{method}"),
            format!("/grpc.health.v1.Health/../{service}/{method}"),
            format!("/{service}/{method};a=b"),
        ]);
    }
    assert!(variants.len() >= 100, "{}", variants.len());
    for path in &variants {
        for authorization in [&[][..], &[&*admin]] {
            let headers: Vec<_> = authorization.iter().map(|one| ("authorization", *one)).collect();
            let message = if path.ends_with("/WatchAlerts") { WRONG } else { EMPTY };
            let answer = client.send_with(path, message, &headers).await.unwrap();
            let code = answer.status.code();
            let refused = [Code::Unauthenticated, Code::Unimplemented];
            assert!(refused.contains(&code) && answer.message.is_empty(), "{path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn without_tokens_asked_for_everybody_is_the_local_admin() {
    let service = TestService::start().await;
    let client = RawClient::open(service.address).await;
    for authorization in [&[][..], &["Bearer nonsense"]] {
        let (code, _) = answered(&client, LIST_USERS, authorization).await;
        assert_eq!(code, Code::Ok);
    }
}

/// What the audit log has: who, as what and from where if that is known, what, to what.
async fn noted(service: &TestService) -> Vec<[String; 3]> {
    let text = "SELECT concat_ws(' ', principal, role, host(peer)), action, subject FROM audit_log
        WHERE action NOT LIKE '%token' ORDER BY entry_id";
    let rows = service.sql.query(text, &[]).await.unwrap();
    rows.iter().map(|row| [row.get(0), row.get(1), row.get(2)]).collect()
}

#[tokio::test]
async fn what_admins_change_is_noted_once_with_who_did_it() {
    let service = guarded(Duration::from_secs(60)).await;
    let (token, token_id) = token_of(&service, Role::Admin).await;
    let by = MetadataValue::try_from(bearer(&token)).unwrap();
    let channel = Endpoint::from_shared(format!("http://{}", service.address)).unwrap();
    let mut client = LedgerServiceClient::with_interceptor(
        channel.connect().await.unwrap(),
        move |mut request: tonic::Request<()>| {
            request.metadata_mut().insert("authorization", by.clone());
            Ok(request)
        },
    );
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let uuid = "00000000-0000-0000-0000-0000000000aa".to_owned();
    let account = Some(AccountKey { network: "bank".to_owned(), address: "a".to_owned() });
    // Each twice: what is done already is not done again, nor noted.
    for _ in 0..2 {
        let user = CreateUserRequest {
            username: "ann".into(),
            user_uuid: uuid.clone(),
            ..Default::default()
        };
        client.create_user(user).await.unwrap();
        let asset =
            CreateAssetRequest { code: "EUR".into(), decimals: Some(2), ..Default::default() };
        client.create_asset(asset).await.unwrap();
        let wallet = AddWalletRequest { user_uuid: uuid.clone(), account: account.clone() };
        client.add_wallet(wallet).await.unwrap();
    }
    let row = NewRow::new("2024-05-05T10:00:00Z", 1, 1).add(&service.sql).await.to_string();
    for _ in 0..2 {
        let wallet = RemoveWalletRequest { user_uuid: uuid.clone(), account: account.clone() };
        client.remove_wallet(wallet).await.unwrap();
        let transaction = DeleteTransactionRequest { transaction_id: row.clone() };
        client.delete_transaction(transaction).await.unwrap();
    }
    for _ in 0..2 {
        let user = DeleteUserRequest { user_uuid: uuid.clone(), anonymise: false };
        client.delete_user(user).await.unwrap();
    }
    let by = format!("admin ({token_id}) admin 127.0.0.1");
    let wallet = format!("{uuid} bank:a");
    let expected = [
        ("create user", &uuid),
        ("create asset", &"EUR".to_owned()),
        ("add wallet", &wallet),
        ("remove wallet", &wallet),
        ("delete transaction", &row),
        ("delete user", &uuid),
    ]
    .map(|(action, subject)| [by.clone(), action.to_owned(), subject.clone()]);
    assert_eq!(noted(&service).await, expected);
}

#[tokio::test]
async fn refused_callers_are_noted_with_where_they_came_from() {
    let service = guarded(Duration::from_secs(60)).await;
    let channel = RawClient::open(service.address).await;
    let (known, _) = token_of(&service, Role::Reader).await;
    let unknown = Token::new(rand::rng().random());
    for secret in [bearer(&unknown), bearer(&unknown), "nonsense".to_owned(), bearer(&known)] {
        answered(&channel, LIST_USERS, &[&secret]).await;
    }
    answered(&channel, LIST_USERS, &[]).await;
    // A role that may not is known, and health is not asked who it is.
    answered(&channel, "/daybook.v1.LedgerService/CreateUser", &[&bearer(&known)]).await;
    for _ in 0..2 {
        service.authenticator.as_ref().unwrap().note_refusals().await.unwrap();
    }
    let expected = [["unknown", "fail authentication", "4 calls from 127.0.0.1"]];
    assert_eq!(noted(&service).await, expected);
}

fn token_command(schema: &TestSchema, folder: &TestFolder, arguments: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command.arg("token").args(arguments).current_dir(folder.path());
    command.arg("--database-url").arg(url(&schema.target.config));
    command.args(["--schema", &schema.target.schema]);
    command.args(["--partition-days-ahead", "2", "--scheduler", "ticker"]);
    command
}

#[tokio::test]
async fn tokens_are_made_shown_once_listed_and_revoked_by_command() {
    let (schema, folder) = (TestSchema::prepared().await, TestFolder::empty());
    let ask = async |arguments: &[&str]| -> Said {
        run(token_command(&schema, &folder, arguments), b"").await
    };
    let made = ask(&["create", "--role", "reader", "--name", "dash", "--expires-days", "9"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let text = made.words.trim();
    let token = Token::parse(text).expect("standard output holds the token alone");
    assert!(!made.log.contains(text), "{made:?}");
    // Nothing that is stored can be sent in its place.
    let rows = schema.sql.simple_query("SELECT t::text FROM access_tokens t").await.unwrap();
    assert!(!format!("{rows:?}").contains(&text[4..20]), "{rows:?}");
    let hash: Vec<u8> = one(&schema.sql, "SELECT token_hash FROM access_tokens").await;
    assert_eq!(hash, token.hash());
    let id: Uuid = one(&schema.sql, "SELECT token_id FROM access_tokens").await;
    let listed = ask(&["list"]).await;
    let is_listed = |state: &str| format!("{id}  reader    {state}");
    assert!(listed.words.contains(&is_listed("valid")), "{listed:?}");
    assert!(listed.words.contains("dash") && !listed.words.contains(text), "{listed:?}");
    for _ in 0..2 {
        assert_eq!(ask(&["revoke", &id.to_string()]).await.code, Some(0));
        assert!(ask(&["list"]).await.words.contains(&is_listed("revoked")));
    }
    let unknown = ask(&["revoke", NOBODY]).await;
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.log.contains("there is no such token"), "{unknown:?}");
    for (arguments, expected) in [
        (&["create", "--role", "root"][..], "must be reader, ingester, user or admin"),
        (&["create", "--role", "admin", "--name", "a\tb"], "--name must be"),
        (&["create", "--role", "admin", "--expires-days", "0"], "--expires-days must be"),
        (&["create", "--role", "user"], "--user must be"),
        (&["create", "--role", "reader", "--user", NOBODY], "--user must be"),
        (&["create", "--role", "user", "--user", NOBODY], "there is no such user"),
        (&["create", "--role", "reader", "--certificate-name", "a b"], "--certificate-name must"),
    ] {
        let said = ask(arguments).await;
        assert!(said.code != Some(0) && said.log.contains(expected), "{said:?}");
    }
    let log = "SELECT string_agg(concat_ws(' ', principal, role, peer) || ': ' || action, ', '
        ORDER BY entry_id) FROM audit_log";
    let expected =
        "local admin: create token, local admin: revoke token, local admin: revoke token";
    assert_eq!(one::<String>(&schema.sql, log).await, expected);
    for change in
        ["UPDATE audit_log SET action = ''", "DELETE FROM audit_log", "TRUNCATE audit_log"]
    {
        let error = schema.sql.batch_execute(change).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "23001", "{change}");
    }
}

/// A message that has this text in each of its first fields, whatever they are.
fn everywhere(text: &str) -> Bytes {
    let mut message = Vec::new();
    for field in 1..16_u8 {
        message.extend([field << 3 | 2, u8::try_from(text.len()).unwrap()]);
        message.extend(text.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), &message].concat().into()
}

#[tokio::test]
async fn no_secret_reaches_the_log() {
    let (schema, folder) = (TestSchema::prepared().await, TestFolder::empty());
    let made = run(token_command(&schema, &folder, &["create", "--role", "admin"]), b"").await;
    let known = made.words.trim().to_owned();
    let unknown = Token::new(rand::rng().random()).to_text();
    let broken = known.replace("dbk_", "dbk_A");
    let (of_the_database, of_a_row) = ("canary_of_the_database", "canary_of_a_row");
    let (address, log) = (free_address(), folder.path().join("log"));
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command.args(["serve", "--auth", "on", "--log", "trace", "--no-seed"]).arg("--database-url");
    command.arg(format!("{} password={of_the_database}", url(&schema.target.config)));
    command.args(["--schema", &schema.target.schema]);
    command.args(["--partition-days-ahead", "2", "--scheduler", "ticker", "--listen"]);
    command.arg(address.to_string()).current_dir(folder.path());
    let mut daybook = Daybook::run(command, address, &log).await;
    let client = RawClient::open(address).await;
    let paths = POLICIES.iter().map(|(path, _)| *path).filter(|path| !path.ends_with("/Watch"));
    for path in paths.chain(["/nowhere", "/nowhere?token=dbk_"]) {
        for secret in [&known, &unknown, &broken] {
            let path = match path.strip_suffix("dbk_") {
                Some(beginning) => format!("{beginning}{secret}"),
                None => path.to_owned(),
            };
            let (bearer, basic) = (format!("Bearer {secret}"), format!("Basic {secret}"));
            for authorization in [&bearer, &basic, secret] {
                let headers = [("authorization", authorization.as_str())];
                // Some of them are no calls at all, and end the stream.
                let _ = client.send_with(&path, everywhere(of_a_row), &headers).await;
            }
        }
    }
    daybook.signal(Signal::TERM);
    assert_eq!(daybook.end().await.code(), Some(0));
    eventually("the log is written", async || {
        fs::read_to_string(&log).unwrap().contains("stopped")
    })
    .await;
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("TRACE"), "the log is whole");
    // Whoever asks is named, and what was asked for.
    for named in ["admin (", "/daybook.v1.LedgerService/AddWallet"] {
        assert!(log.contains(named), "{log}");
    }
    let secrets = [&known, &unknown, &broken].map(|secret| &secret[5..40]);
    for secret in secrets.into_iter().chain([of_the_database, of_a_row]) {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "a secret is in the log");
    }
}
