//! `SumAmount`: what is counted, and what unknown things are.

use daybook::grpc::pb::v1::{
    AccountKey, Direction, SumAmountRequest, SumAmountResponse, Window, sum_amount_request::Subject,
};
use prost_types::Timestamp;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{
    ledger::{TestUser, add, add_account, add_user, at, ensure_days, track},
    service::TestService,
};

/// A timestamp of the API, from RFC 3339 text.
pub(crate) fn timestamp(text: &str) -> Timestamp {
    let at = at(text);
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap();
    Timestamp { seconds: at.timestamp(), nanos }
}

/// A window of the API, from RFC 3339 texts.
pub(crate) fn window(start: &str, end: &str) -> Option<Window> {
    Some(Window { start: Some(timestamp(start)), end: Some(timestamp(end)) })
}

/// A question about a user in the seeded asset.
pub(crate) fn question(
    user: Uuid,
    direction: Direction,
    start: &str,
    end: &str,
) -> SumAmountRequest {
    SumAmountRequest {
        subject: Some(Subject::UserUuid(user.to_string())),
        asset: String::new(),
        window: window(start, end),
        direction: direction.into(),
        ..Default::default()
    }
}

async fn ask(
    service: &TestService,
    request: SumAmountRequest,
) -> Result<SumAmountResponse, Status> {
    let answer = service.analytics().await.sum_amount(request).await;
    answer.map(tonic::Response::into_inner)
}

async fn check(
    service: &TestService,
    user: &TestUser,
    direction: Direction,
    (start, end): (&str, &str),
    (count, sum): (i64, &str),
) {
    let request = question(user.user_uuid, direction, start, end);
    let answer = ask(service, request).await.unwrap();
    let found = (answer.transaction_count, answer.sum_amount.as_str());
    assert_eq!(found, (count, sum), "{direction:?} [{start}, {end})");
}

#[tokio::test]
async fn windows_are_half_open_to_the_microsecond() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-02-28", "2024-02-29", "2024-03-01"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    add(sql, "2024-02-29T00:00:00Z", ann.account_id, bob.account_id, "10.00001").await;
    add(sql, "2024-02-29T12:00:00.000001Z", ann.account_id, bob.account_id, "0.5").await;
    add(sql, "2024-02-29T23:59:59.999999Z", ann.account_id, bob.account_id, "7").await;
    add(sql, "2024-03-01T00:00:00Z", bob.account_id, ann.account_id, "100").await;
    for (start, end, expected) in [
        ("2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z", (3, "17.50001")),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000001Z", (1, "10.00001")),
        ("2024-02-28T23:59:59.999999Z", "2024-02-29T00:00:00Z", (0, "0.00000")),
        ("2024-02-29T12:00:00.000001Z", "2024-02-29T12:00:00.000002Z", (1, "0.50000")),
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000001Z", (0, "0.00000")),
        ("2024-02-29T00:00:00.000001Z", "2024-02-29T23:59:59.999999Z", (1, "0.50000")),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", (3, "17.50001")),
    ] {
        check(&service, &ann, Direction::Sender, (start, end), expected).await;
        check(&service, &bob, Direction::Receiver, (start, end), expected).await;
    }
    let all = ("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
    check(&service, &bob, Direction::Sender, all, (1, "100.00000")).await;
    check(&service, &ann, Direction::Receiver, all, (1, "100.00000")).await;
}

#[tokio::test]
async fn a_known_user_without_rows_sums_to_zero_and_an_unknown_one_is_not_found() {
    let service = TestService::start().await;
    let ann = add_user(&service.sql, "ann").await;
    let year = ("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
    check(&service, &ann, Direction::Sender, year, (0, "0.00000")).await;
    let unknown = question(Uuid::new_v4(), Direction::Sender, year.0, year.1);
    let status = ask(&service, unknown.clone()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such user"));
    let account = AccountKey { network: "bank".into(), address: "nobody".into() };
    let unknown = SumAmountRequest { subject: Some(Subject::Account(account)), ..unknown };
    let status = ask(&service, unknown).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such account"));
}

#[tokio::test]
async fn a_user_is_all_of_their_wallets_and_an_account_is_itself() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    let shared = add_account(sql, "bank", "CZ-77").await;
    track(sql, ann.user_id, shared).await;
    track(sql, bob.user_id, shared).await;
    add(sql, "2024-05-05T01:00:00Z", ann.account_id, bob.account_id, "1").await;
    add(sql, "2024-05-05T02:00:00Z", shared, bob.account_id, "20").await;
    // Between two wallets of one user: counted once on each side.
    add(sql, "2024-05-05T03:00:00Z", ann.account_id, shared, "300").await;
    let day = ("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z");
    check(&service, &ann, Direction::Sender, day, (3, "321.00000")).await;
    check(&service, &ann, Direction::Receiver, day, (1, "300.00000")).await;
    check(&service, &bob, Direction::Sender, day, (1, "20.00000")).await;
    check(&service, &bob, Direction::Receiver, day, (3, "321.00000")).await;
    for (network, address, sum) in
        [("bank", "CZ-77", "20.00000"), ("internal", &ann.user_uuid.to_string(), "301.00000")]
    {
        let account = AccountKey { network: network.into(), address: address.into() };
        let request = SumAmountRequest {
            subject: Some(Subject::Account(account)),
            ..question(ann.user_uuid, Direction::Sender, day.0, day.1)
        };
        assert_eq!(ask(&service, request).await.unwrap().sum_amount, sum, "{network}");
    }
}

#[tokio::test]
async fn assets_are_never_added_together_and_sums_keep_every_digit() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    let asset: i32 = sql
        .query_one(
            "INSERT INTO assets (code, name, decimals) VALUES ('TOK', 'A token', 18) \
             RETURNING asset_id",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    let huge = "115792089237316195423570985008687907853269984665640564039457.584007913129639935";
    for amount in [huge, huge, "0.000000000000000001"] {
        sql.execute(
            "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount) \
             VALUES ('2024-05-05 10:00Z', $1, $2, $3, $4::text::numeric)",
            &[&ann.account_id, &bob.account_id, &asset, &amount],
        )
        .await
        .unwrap();
    }
    add(sql, "2024-05-05T01:00:00Z", ann.account_id, bob.account_id, "1").await;
    let day = ("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z");
    check(&service, &ann, Direction::Sender, day, (1, "1.00000")).await;
    let request = SumAmountRequest {
        asset: "TOK".into(),
        ..question(ann.user_uuid, Direction::Sender, day.0, day.1)
    };
    let answer = ask(&service, request).await.unwrap();
    let exact = "231584178474632390847141970017375815706539969331281128078915.168015826259279871";
    assert_eq!(answer.sum_amount, exact);
    assert_eq!(answer.transaction_count, 3);
    assert_eq!(answer.asset, "TOK");
    assert_eq!(answer.window, window(day.0, day.1));
    assert!(answer.database_seconds > 0.0);
}
