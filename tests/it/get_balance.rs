//! `GetBalance`: what was received minus what was sent, before an instant.

use daybook::grpc::pb::v1::{
    AccountKey, GetBalanceRequest, GetBalanceResponse, get_balance_request::Subject,
};
use rand::RngExt;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    sum_amount::timestamp,
    support::{
        ledger::{TestUser, add, add_account, add_user, at, ensure_days, track},
        oracle::{Oracle, OracleRow},
        random::random,
        service::TestService,
    },
};

fn user(user: &TestUser) -> Subject {
    Subject::UserUuid(user.user_uuid.to_string())
}

fn bank(address: &str) -> Subject {
    Subject::Account(AccountKey { network: "bank".into(), address: address.into() })
}

async fn ask(
    service: &TestService,
    subject: Subject,
    at: Option<&str>,
) -> Result<GetBalanceResponse, Status> {
    let at = at.map(timestamp);
    let request = GetBalanceRequest { subject: Some(subject), at, ..Default::default() };
    let answer = service.ledger().await.get_balance(request).await?.into_inner();
    assert_eq!((answer.at, answer.asset.as_str()), (at, "USD"));
    assert_eq!((&answer.explanation, &answer.verification), (&None, &None));
    assert!(answer.database_seconds > 0.0);
    Ok(answer)
}

async fn check(
    service: &TestService,
    subject: Subject,
    at: Option<&str>,
    balance: &str,
    received: (i64, &str),
    sent: (i64, &str),
) {
    let answer = ask(service, subject.clone(), at).await.unwrap();
    assert_eq!(answer.balance, balance, "{subject:?} {at:?}");
    let found = (answer.received_count, answer.received_amount.as_str());
    assert_eq!(found, received, "{subject:?} {at:?}");
    assert_eq!((answer.sent_count, answer.sent_amount.as_str()), sent, "{subject:?} {at:?}");
}

#[tokio::test]
async fn a_balance_is_verified_whether_or_not_it_ends() {
    let service = TestService::start().await;
    let someone = add_user(&service.sql, "someone").await;
    for at in [None, Some("2024-01-01T00:00:00Z")] {
        let request = GetBalanceRequest {
            subject: Some(user(&someone)),
            at: at.map(timestamp),
            verify: true,
            ..Default::default()
        };
        let answer = service.ledger().await.get_balance(request).await.unwrap().into_inner();
        let found = answer.verification.expect("it was asked for");
        assert!(found.agrees, "{at:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_balance_is_what_was_received_minus_what_was_sent_before_an_instant() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    add(sql, "2024-05-05T10:00:00Z", ann.account_id, bob.account_id, "30.5").await;
    add(sql, "2024-05-06T00:00:00Z", bob.account_id, ann.account_id, "20.00001").await;
    add(sql, "2024-05-06T10:00:00.000001Z", bob.account_id, ann.account_id, "50").await;
    let nothing = (0, "0.00000");
    for (at, (balance, opposite), received, sent) in [
        // Before any row, even before any partition.
        (Some("0001-01-01T00:00:00Z"), ("0.00000", "0.00000"), nothing, nothing),
        (Some("2024-05-05T00:00:00Z"), ("0.00000", "0.00000"), nothing, nothing),
        // A row at the instant itself does not count, one just before does.
        (Some("2024-05-05T10:00:00Z"), ("0.00000", "0.00000"), nothing, nothing),
        (Some("2024-05-05T10:00:00.000001Z"), ("-30.50000", "30.50000"), nothing, (1, "30.50000")),
        (Some("2024-05-06T00:00:00Z"), ("-30.50000", "30.50000"), nothing, (1, "30.50000")),
        (
            Some("2024-05-06T10:00:00.000001Z"),
            ("-10.49999", "10.49999"),
            (1, "20.00001"),
            (1, "30.50000"),
        ),
        (
            Some("2024-05-06T10:00:00.000002Z"),
            ("39.50001", "-39.50001"),
            (2, "70.00001"),
            (1, "30.50000"),
        ),
        (
            Some("9999-12-31T23:59:59.999999Z"),
            ("39.50001", "-39.50001"),
            (2, "70.00001"),
            (1, "30.50000"),
        ),
        (None, ("39.50001", "-39.50001"), (2, "70.00001"), (1, "30.50000")),
    ] {
        check(&service, user(&ann), at, balance, received, sent).await;
        check(&service, user(&bob), at, opposite, sent, received).await;
    }
}

#[tokio::test]
async fn all_wallets_of_a_user_count_and_an_account_is_itself() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    let shared = add_account(sql, "bank", "CZ-77").await;
    track(sql, ann.user_id, shared).await;
    add(sql, "2024-05-05T01:00:00Z", bob.account_id, shared, "100").await;
    add(sql, "2024-05-05T02:00:00Z", ann.account_id, bob.account_id, "1").await;
    // Between two wallets of one user: received and sent.
    add(sql, "2024-05-05T03:00:00Z", shared, ann.account_id, "40").await;
    let (received, sent) = ((2, "140.00000"), (2, "41.00000"));
    check(&service, user(&ann), None, "99.00000", received, sent).await;
    let (received, sent) = ((1, "100.00000"), (1, "40.00000"));
    check(&service, bank("CZ-77"), None, "60.00000", received, sent).await;
    let (received, sent) = ((1, "1.00000"), (1, "100.00000"));
    check(&service, user(&bob), None, "-99.00000", received, sent).await;
}

#[tokio::test]
async fn unknown_subjects_are_not_found_and_idle_ones_have_nothing() {
    let service = TestService::start().await;
    let ann = add_user(&service.sql, "ann").await;
    let nothing = (0, "0.00000");
    check(&service, user(&ann), None, "0.00000", nothing, nothing).await;
    let nobody = Subject::UserUuid(Uuid::new_v4().to_string());
    for (subject, message) in
        [(nobody, "there is no such user"), (bank("nobody"), "there is no such account")]
    {
        let status = ask(&service, subject, None).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, message));
    }
}

#[tokio::test]
async fn balances_equal_the_oracles_sums() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06"]).await;
    let users = [add_user(sql, "ann").await, add_user(sql, "bob").await];
    let first = at("2024-05-05T00:00:00Z").timestamp_micros();
    let mut rng = random();
    let mut oracle = Oracle::default();
    let text = |micros| chrono::DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339();
    for _ in 0..100 {
        let micros = first + rng.random_range(0..48) * 3_600_000_000;
        let (sender, receiver) = (rng.random_range(0..2), rng.random_range(0..2));
        let amount: u32 = rng.random_range(0..1_000);
        let (from, to) = (users[sender].account_id, users[receiver].account_id);
        add(sql, &text(micros), from, to, &amount.to_string()).await;
        let units = i128::from(amount) * 100_000;
        oracle.rows.push(OracleRow { micros, sender, receiver, units });
    }
    for _ in 0..100 {
        let member = rng.random_range(0..2);
        let until = first + rng.random_range(-2..50) * 3_600_000_000 + rng.random_range(-1..2);
        let answer = ask(&service, user(&users[member]), Some(&text(until))).await.unwrap();
        let received = (answer.received_count, answer.received_amount);
        assert_eq!(received, oracle.sum(member, false, i64::MIN, until), "{until}");
        let sent = (answer.sent_count, answer.sent_amount);
        assert_eq!(sent, oracle.sum(member, true, i64::MIN, until), "{until}");
    }
}
