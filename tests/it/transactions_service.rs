//! The original contract, with the differences that it has on purpose.

use daybook::{
    grpc::pb::transactions_service::{SumAmountRequest, SumAmountResponse},
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{
    ledger::{add, add_account, add_known_user, add_user, ensure_days, track},
    service::TestService,
};

async fn ask(
    service: &TestService,
    user_uuid: &str,
    (start, end): (&str, &str),
    direction: &str,
) -> Result<SumAmountResponse, Status> {
    let request = SumAmountRequest {
        user_uuid: user_uuid.to_owned(),
        timestamp_start_utc: start.to_owned(),
        timestamp_end_utc: end.to_owned(),
        direction: direction.to_owned(),
    };
    service.transactions().await.sum_amount(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn instants_in_every_form_mean_the_same_half_open_window() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2023-05-31", "2023-06-01", "2023-06-02"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    for (at, amount) in [
        ("2023-05-31T23:59:59.999999Z", "1"),
        ("2023-06-01T00:00:00Z", "20"),
        ("2023-06-01T12:00:00.5Z", "300"),
        ("2023-06-02T00:00:00Z", "4000.00001"),
    ] {
        add(sql, at, ann.account_id, bob.account_id, amount).await;
    }
    let (ann, bob) = (ann.user_uuid.to_string(), bob.user_uuid.to_string());
    for (start, end, expected) in [
        ("2023-06-01T00:00:00", "2023-06-02T00:00:00", "320.00000"),
        ("2023-06-01", "2023-06-02", "320.00000"),
        ("2023-06-01 00:00", "2023-06-02 00:00:00.000", "320.00000"),
        ("2023-06-01T00:00:00Z", "2023-06-02T00:00:00z", "320.00000"),
        ("2023-06-01T02:00:00+02:00", "2023-06-01T19:00:00-05:00", "320.00000"),
        ("2023-06-01T05:30:00+0530", "2023-06-02T00:00:00+00:00", "320.00000"),
        ("2023-05-31T23:59:59.999999", "2023-06-01T00:00:00.000001", "21.00000"),
        ("2023-06-01T12:00:00.500000", "2023-06-01T12:00:00.500001", "300.00000"),
        ("2023-06-01T00:00:00.000001", "2023-06-01T12:00:00.5", "0.00000"),
        ("2023-06-02", "2023-06-02T00:00:00.000001", "4000.00001"),
        ("0001-01-01", "9999-12-31T23:59:59.999999", "4321.00001"),
    ] {
        let answer = ask(&service, &ann, (start, end), "sender").await.unwrap();
        assert_eq!(answer.sum_amount, expected, "[{start}, {end})");
        assert!(answer.response_time_seconds > 0.0);
        let answer = ask(&service, &bob, (start, end), "receiver").await.unwrap();
        assert_eq!(answer.sum_amount, expected, "[{start}, {end})");
        let answer = ask(&service, &bob, (start, end), "sender").await.unwrap();
        assert_eq!(answer.sum_amount, "0.00000", "[{start}, {end})");
    }
}

#[tokio::test]
async fn users_have_uuids_of_any_version_and_only_unknown_ones_are_not_found() {
    let service = TestService::start().await;
    let day = ("2023-06-01", "2023-06-02");
    for (number, uuid) in [
        "00000000-0000-0000-0000-000000000000",
        "c232ab00-9414-11ec-b3c8-9f6bdeced846",
        "5df41881-3aed-3515-88a7-2f4a814cf09e",
        "919108f7-52d1-4320-9bac-f847db4148a8",
        "2ed6657d-e927-568b-95e1-2665a8aea6a2",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ]
    .into_iter()
    .enumerate()
    {
        let status = ask(&service, uuid, day, "sender").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such user"));
        let known: Uuid = uuid.parse().unwrap();
        add_known_user(&service.sql, known, &format!("user {number}")).await;
        for text in [uuid.to_owned(), uuid.to_uppercase(), known.simple().to_string()] {
            let answer = ask(&service, &text, day, "sender").await.unwrap();
            assert_eq!(answer.sum_amount, "0.00000", "{text}");
        }
    }
}

#[tokio::test]
async fn only_the_payments_account_counts_whatever_else_the_user_tracks() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2023-06-01"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    let bank = add_account(sql, "bank", "CZ-77").await;
    // An address that is the user's UUID on another network is not the payments account.
    let namesake = add_account(sql, "bank", &ann.user_uuid.to_string()).await;
    for account in [bank, namesake, bob.account_id] {
        track(sql, ann.user_id, account).await;
    }
    add(sql, "2023-06-01T10:00:00Z", ann.account_id, bob.account_id, "1").await;
    add(sql, "2023-06-01T10:00:00Z", bank, ann.account_id, "20").await;
    add(sql, "2023-06-01T10:00:00Z", namesake, bank, "300").await;
    add(sql, "2023-06-01T10:00:00Z", ann.account_id, ann.account_id, "4000").await;
    let day = ("2023-06-01", "2023-06-02");
    let ann = ann.user_uuid.to_string();
    for (direction, expected) in [("sender", "4001.00000"), ("receiver", "4020.00000")] {
        let answer = ask(&service, &ann, day, direction).await.unwrap();
        assert_eq!(answer.sum_amount, expected, "{direction}");
    }
    // A user whose payments account was never recorded has moved nothing.
    let bare = Uuid::new_v4();
    let text = "INSERT INTO users (user_uuid, username, name) VALUES ($1, 'bare', 'Bare')";
    sql.execute(text, &[&bare]).await.unwrap();
    let answer = ask(&service, &bare.to_string(), day, "sender").await.unwrap();
    assert_eq!(answer.sum_amount, "0.00000");
}

#[tokio::test]
async fn it_means_the_seeded_asset_and_keeps_every_digit() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2023-06-01"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    sql.batch_execute("INSERT INTO assets (code, name, decimals) VALUES ('EUR', 'Euro', 2)")
        .await
        .unwrap();
    sql.execute(
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount) \
         VALUES ('2023-06-01 10:00Z', $1, $2, 2, 5)",
        &[&ann.account_id, &bob.account_id],
    )
    .await
    .unwrap();
    for amount in ["99999999999999999999999999999999.99999", "0.00001", "0.0000000001"] {
        add(sql, "2023-06-01T10:00:00Z", ann.account_id, bob.account_id, amount).await;
    }
    let ann = ann.user_uuid.to_string();
    let answer = ask(&service, &ann, ("2023-06-01", "2023-06-02"), "sender").await.unwrap();
    assert_eq!(answer.sum_amount, "100000000000000000000000000000000.0000000001");
}

#[tokio::test]
async fn rows_count_at_once_however_old_they_are_and_sealing_changes_nothing() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2023-06-01", "2023-06-02"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    let user = ann.user_uuid.to_string();
    let two_days = ("2023-06-01", "2023-06-03");
    let late = "UPDATE transactions SET amount = 5 WHERE occurred_at = '2023-06-02 10:00Z'";
    for (at, amount, sum, later) in [
        ("2023-06-02T10:00:00Z", "1", "1.00000", None),
        ("2023-06-01T10:00:00Z", "20", "21.00000", None),
        ("2023-06-01T09:00:00Z", "300", "321.00000", Some((late, "325.00000"))),
    ] {
        add(sql, at, ann.account_id, bob.account_id, amount).await;
        let mut expected = sum;
        assert_eq!(ask(&service, &user, two_days, "sender").await.unwrap().sum_amount, expected);
        if let Some((text, sum)) = later {
            sql.batch_execute(text).await.unwrap();
            expected = sum;
            let answer = ask(&service, &user, two_days, "sender").await.unwrap();
            assert_eq!(answer.sum_amount, expected);
        }
        assert!(seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap() > 0);
        assert_eq!(ask(&service, &user, two_days, "sender").await.unwrap().sum_amount, expected);
    }
}
