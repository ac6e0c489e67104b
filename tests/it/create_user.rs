//! `CreateUser`: what is recorded, repetition, conflicts, and many at once.

use daybook::grpc::pb::v1::{
    CreateUserRequest, DeleteUserRequest, ListWalletsRequest, get_balance_request::Subject,
};
use futures_util::future::join_all;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    invalid_requests::{SOME_UUID, bad_uuids, fields},
    support::{
        cluster::eventually,
        ledger::{add, add_account, add_user, ensure_days},
        records::{LedgerClient, counts, create_user, new_user, payments, user_counts},
        schema::{one, refusal},
        service::TestService,
    },
};

fn request(username: &str, name: &str, uuid: &str) -> CreateUserRequest {
    CreateUserRequest { user_uuid: uuid.to_owned(), ..new_user(username, name) }
}

async fn rows(service: &TestService) -> (i64, i64, i64) {
    (
        one(&service.sql, "SELECT count(*) FROM users").await,
        one(&service.sql, "SELECT count(*) FROM accounts").await,
        one(&service.sql, "SELECT count(*) FROM user_wallets").await,
    )
}

#[tokio::test]
async fn a_user_is_recorded_with_a_payments_account_that_is_a_wallet() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let (long, wide) = ("x".repeat(128), "日".repeat(256));
    for (place, (username, name, uuid)) in [
        ("ann", "Ann Ä. 'O", ""),
        ("Ann", "", "67E55044-10B1-426F-9247-BB680E5FE0C8"),
        ("' OR 1=1 --", "a  b", "67e5504410b1426f9247bb680e5fe0c9"),
        (&long, &wide, "00000000-0000-0000-0000-000000000000"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = client.create_user(request(username, name, uuid)).await.unwrap();
        let user = answer.into_inner().user.unwrap();
        assert_eq!((user.username.as_str(), user.name.as_str()), (username, name));
        let parsed: Uuid = user.user_uuid.parse().unwrap();
        assert_eq!(parsed.to_string(), user.user_uuid);
        assert!(uuid.is_empty() || uuid.parse::<Uuid>().unwrap() == parsed);
        let now: f64 = one(&service.sql, "SELECT extract(epoch FROM now())::float8").await;
        let created = user.created_at.unwrap().seconds;
        #[allow(clippy::cast_precision_loss, reason = "seconds of this century")]
        let age = now - created as f64;
        assert!((-1.0..60.0).contains(&age), "{age}");

        let uuid = user.user_uuid.clone();
        let list = ListWalletsRequest { user_uuid: uuid, ..ListWalletsRequest::default() };
        let wallets = client.list_wallets(list).await.unwrap().into_inner().wallets;
        let accounts: Vec<_> = wallets.into_iter().filter_map(|wallet| wallet.account).collect();
        assert_eq!(accounts, [payments(&user)]);
        assert_eq!(user_counts(&mut client, &user).await, (0, 0));
        let count = i64::try_from(place).unwrap() + 1;
        assert_eq!(rows(&service).await, (count, count, count));
    }
}

#[tokio::test]
async fn the_same_request_again_is_answered_the_same() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    for (first, again) in [
        (new_user("ann", "Ann"), new_user("ann", "Ann")),
        (request("bob", "", SOME_UUID), request("bob", "", &SOME_UUID.to_uppercase())),
        (request("bob", "", SOME_UUID), request("bob", "", "")),
    ] {
        let first = client.create_user(first).await.unwrap().into_inner();
        let before = rows(&service).await;
        assert_eq!(client.create_user(again).await.unwrap().into_inner(), first);
        assert_eq!(rows(&service).await, before);
    }
}

#[tokio::test]
async fn other_content_is_refused_and_what_differs_is_named() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let other = "00000000-0000-4000-8000-000000000001";
    client.create_user(request("ann", "Ann", SOME_UUID)).await.unwrap();
    client.create_user(request("bob", "Bob", other)).await.unwrap();
    let before = rows(&service).await;
    for (request, expected) in [
        (request("ann", "Anne", ""), "username is recorded with another name"),
        (request("ann", "Anne", SOME_UUID), "username is recorded with another name"),
        (
            request("ann", "Ann", &SOME_UUID.replace('6', "7")),
            "username is recorded with another user_uuid",
        ),
        (request("cid", "Ann", SOME_UUID), "user_uuid is recorded with another username"),
        (
            request("cid", "Cid", SOME_UUID),
            "user_uuid is recorded with another username and another name",
        ),
        (request("ann", "Ann", other), "username and user_uuid are those of two users"),
    ] {
        let status = client.create_user(request.clone()).await.unwrap_err();
        let found = (status.code(), status.message());
        assert_eq!(found, (Code::AlreadyExists, expected), "{request:?}");
    }
    assert_eq!(rows(&service).await, before);
}

/// Sends all of these at the same time, each on a connection of its own.
async fn at_once(
    service: &TestService,
    requests: Vec<CreateUserRequest>,
) -> Vec<Result<String, Status>> {
    let clients: Vec<LedgerClient> = join_all(requests.iter().map(|_| service.ledger())).await;
    let asked = clients.into_iter().zip(requests).map(async |(mut client, request)| {
        let answer = client.create_user(request).await?;
        Ok(answer.into_inner().user.unwrap().user_uuid)
    });
    join_all(asked).await
}

#[tokio::test]
async fn of_many_at_once_exactly_one_is_recorded_and_each_is_answered_right() {
    let service = TestService::start().await;
    for round in 0..5 {
        let username = format!("same {round}");
        let same = vec![new_user(&username, "n"); 8];
        let answers: Vec<_> =
            at_once(&service, same).await.into_iter().map(Result::unwrap).collect();
        assert!(answers.iter().all(|uuid| *uuid == answers[0]), "{answers:?}");

        let username = format!("other {round}");
        let others = (0..8).map(|name| new_user(&username, &name.to_string())).collect();
        let answers = at_once(&service, others).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");

        let uuid = Uuid::new_v4().to_string();
        let users = (0..8).map(|user| request(&format!("{uuid} {user}"), "n", &uuid)).collect();
        let uuids = at_once(&service, users).await;
        assert_eq!(uuids.iter().filter(|answer| answer.is_ok()).count(), 1, "{uuids:?}");
        for status in answers.into_iter().chain(uuids).filter_map(Result::err) {
            assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
        }
        let count = 3 * (round + 1);
        assert_eq!(rows(&service).await, (count, count, count));
    }
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let long = "x".repeat(500_000);
    let mut cases: Vec<(CreateUserRequest, Vec<&str>)> = Vec::new();
    let odd = [" ", "ann ", "\u{a0}ann", "a\u{202e}nn", "a\u{200b}nn", "\u{feff}ann"];
    for username in ["", "a\0b", "a\tb", "\u{7f}", &"日".repeat(129), &long].iter().chain(&odd) {
        cases.push((request(username, "n", ""), vec!["username"]));
    }
    for name in ["a\0b", "a\nb", "a\u{202e}b", "a\u{200b}b", " ", "a ", &"x".repeat(257), &long] {
        cases.push((request("u", name, ""), vec!["name"]));
    }
    for uuid in bad_uuids().iter().filter(|uuid| !uuid.is_empty()) {
        cases.push((request("u", "n", uuid), vec!["user_uuid"]));
    }
    cases.push((request("", "\n", "?"), vec!["username", "name", "user_uuid"]));
    for (request, expected) in cases {
        let status = client.create_user(request).await.unwrap_err();
        assert_eq!(fields(&status), expected);
    }
    assert_eq!(rows(&service).await, (0, 0, 0));
}

#[tokio::test]
async fn the_uuid_of_a_deleted_user_is_never_given_again_and_the_username_is() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let ann = create_user(&mut client, "ann").await;
    let by_sql = add_user(&service.sql, "bob").await.user_uuid.to_string();
    let delete = DeleteUserRequest { user_uuid: ann.user_uuid.clone(), anonymise: false };
    client.delete_user(delete).await.unwrap();
    service.sql.batch_execute("DELETE FROM users WHERE username = 'bob'").await.unwrap();
    for uuid in [&ann.user_uuid, &by_sql] {
        let status = client.create_user(request("new", "n", uuid)).await.unwrap_err();
        let expected = "user_uuid is that of a user who was deleted";
        assert_eq!((status.code(), status.message()), (Code::AlreadyExists, expected));
        let insert =
            format!("INSERT INTO users (user_uuid, username, name) VALUES ('{uuid}', 'new', 'n')");
        assert_eq!(refusal(&service.sql, &insert).await, "23505");
        let stale = format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT; {insert}");
        assert_eq!(refusal(&service.sql, &stale).await, "23505");
        service.sql.batch_execute("ROLLBACK").await.unwrap();
    }
    let anew = create_user(&mut client, "ann").await;
    assert_ne!(anew.user_uuid, ann.user_uuid);
    let change = format!("UPDATE users SET user_uuid = '{SOME_UUID}'");
    assert_eq!(refusal(&service.sql, &change).await, "0A000");
}

#[tokio::test]
async fn a_payments_account_that_was_there_before_its_user_counts() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let account = add_account(sql, "internal", SOME_UUID).await;
    let bank = add_account(sql, "bank", "a").await;
    add(sql, "2024-05-05T01:00:00Z", account, bank, "1").await;
    let mut client = service.ledger().await;
    let answer = client.create_user(request("ann", "Ann", SOME_UUID)).await.unwrap();
    let ann = answer.into_inner().user.unwrap();
    assert_eq!(user_counts(&mut client, &ann).await, (0, 1));
    assert_eq!(counts(&mut client, Subject::Account(payments(&ann))).await, (0, 1));
}

/// Has every COMMIT that recorded a user wait until a lock of ours is given up.
const HOLD_COMMITS: &str = "SELECT pg_advisory_lock(77);
    CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION hold()";

#[tokio::test]
async fn after_a_connection_that_broke_in_its_commit_the_same_request_is_answered_right() {
    let service = TestService::start().await;
    let sql = &service.sql;
    sql.batch_execute(HOLD_COMMITS).await.unwrap();
    let mut client = service.ledger().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event = 'advisory' AND query LIKE '%COMMIT%'
          AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'users'::regclass)";
    let asked = tokio::spawn(async move { client.create_user(new_user("ann", "Ann")).await });
    eventually("the commit waits", async || one::<i64>(sql, waiting).await == 1).await;
    let kill = waiting.replace("count(*)", "count(pg_terminate_backend(pid))");
    assert_eq!(one::<i64>(sql, &kill).await, 1);
    let status = asked.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    sql.batch_execute("SELECT pg_advisory_unlock(77)").await.unwrap();
    let mut client = service.ledger().await;
    let first = client.create_user(new_user("ann", "Ann")).await.unwrap().into_inner();
    let second = client.create_user(new_user("ann", "Ann")).await.unwrap().into_inner();
    assert_eq!(first, second);
    assert_eq!(rows(&service).await, (1, 1, 1));
}
