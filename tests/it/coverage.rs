//! Questions about accounts whose rows are synced: answered where all rows are there, refused where
//! some may be missing, and answered with a word about it where that is allowed.

use daybook::grpc::pb::v1::{
    AccountKey, AccountPopulation, BatchSumAmountRequest, BucketUnit, Coverage,
    DeleteTransactionRequest, Direction, GetBalanceRequest, HistogramRequest, NewTransaction,
    RankMetric, RankRequest, RecordTransactionRequest, SumAmountRequest, SumSeriesRequest,
    UserPopulation, Window, batch_sum_amount_result::Outcome, get_balance_request,
    histogram_request, rank_request::Population, sum_amount_request, sum_series_request,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    sum_amount::timestamp,
    support::{
        ledger::{TestUser, add_user, ensure_days},
        service::TestService,
    },
};

const NETWORK: &str = "bitcoin-regtest";

/// Synced whole up to noon.
const SYNCED: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/// Only seen in transactions of others.
const SEEN: &str = "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc";

/// In its first scan.
const SCANNED: &str = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn";

fn account(address: &str) -> AccountKey {
    AccountKey { network: NETWORK.to_owned(), address: address.to_owned() }
}

fn window(start: &str, end: &str) -> Window {
    Window { start: Some(timestamp(start)), end: Some(timestamp(end)) }
}

fn morning() -> Window {
    window("2024-05-05T00:00:00Z", "2024-05-05T12:00:00Z")
}

fn day() -> Window {
    window("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z")
}

/// Rows of a made-up asset: three accounts on a chain, of which one is synced up to noon and one is
/// in its first scan; two users, one of whom tracks the former, the other one both.
async fn ledger() -> (TestService, TestUser, TestUser) {
    let service = TestService::start().await;
    let (whole, partly) =
        (add_user(&service.sql, "whole").await, add_user(&service.sql, "partly").await);
    ensure_days(&service.sql, &["2024-05-05"]).await;
    service
        .sql
        .batch_execute(&format!(
            "INSERT INTO assets (code, name, decimals) VALUES ('BTC-R', 'coin', 8);
             INSERT INTO accounts (network, address)
             VALUES ('{NETWORK}', '{SYNCED}'), ('{NETWORK}', '{SEEN}'), ('{NETWORK}', '{SCANNED}'),
                 ('{NETWORK}', 'hub');
             INSERT INTO chain_assets (asset_id, network)
             SELECT asset_id, '{NETWORK}' FROM assets WHERE code = 'BTC-R';
             INSERT INTO sync_streams (asset_id, account_id, complete_until)
             SELECT c.asset_id, a.account_id,
                 CASE WHEN a.address = '{SYNCED}' THEN timestamptz '2024-05-05T12:00:00Z' END
             FROM chain_assets c, accounts a WHERE a.address IN ('{SYNCED}', '{SCANNED}');
             INSERT INTO transactions (occurred_at, asset_id, sender_id, receiver_id, amount)
             SELECT '2024-05-05T10:00:00Z', c.asset_id, h.account_id, a.account_id, 3
             FROM chain_assets c, accounts h, accounts a
             WHERE h.address = 'hub' AND a.network = '{NETWORK}' AND a.address <> 'hub';
             INSERT INTO user_wallets (user_id, account_id)
             SELECT u.user_id, a.account_id FROM users u, accounts a
             WHERE (u.username = 'whole' AND a.address = '{SYNCED}')
                OR (u.username = 'partly' AND a.address IN ('{SYNCED}', '{SCANNED}'))"
        ))
        .await
        .unwrap();
    // Until it is known that the asset is synced.
    tokio::time::sleep(daybook::store::coverage::NOTICED_WITHIN).await;
    (service, whole, partly)
}

fn question(subject: sum_amount_request::Subject, window: Window) -> SumAmountRequest {
    SumAmountRequest {
        subject: Some(subject),
        asset: "BTC-R".to_owned(),
        window: Some(window),
        direction: Direction::Receiver.into(),
        ..Default::default()
    }
}

/// Refused, with what there is.
fn check_refused(status: &Status, subject: &str, words: &str) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let failure = status.get_details_precondition_failure().unwrap();
    let violation = &failure.violations[0];
    assert_eq!(
        (violation.r#type.as_str(), violation.subject.as_str()),
        ("COVERAGE_INCOMPLETE", subject)
    );
    assert!(violation.description.contains(words), "{}", violation.description);
}

#[tokio::test]
async fn a_sum_is_answered_where_all_rows_are_there_and_else_only_if_that_is_allowed() {
    let (service, whole, partly) = ledger().await;
    let mut client = service.analytics().await;
    let own = |address| sum_amount_request::Subject::Account(account(address));
    let user = |user: &TestUser| sum_amount_request::Subject::UserUuid(user.user_uuid.to_string());
    let named = |address: &str| format!("{NETWORK} {address}");
    let noon = Some(timestamp("2024-05-05T12:00:00Z"));
    for (subject, window, expected) in [
        (own(SYNCED), morning(), Ok(noon)),
        (user(&whole), morning(), Ok(noon)),
        (own(SYNCED), day(), Err((named(SYNCED), "before 2024-05-05T12:00:00Z"))),
        (own(SEEN), morning(), Err((named(SEEN), "never synced whole"))),
        (own(SCANNED), morning(), Err((named(SCANNED), "never synced whole"))),
        (own("hub"), morning(), Err((named("hub"), "never synced whole"))),
        (user(&partly), morning(), Err((partly.user_uuid.to_string(), "never synced whole"))),
    ] {
        let question = question(subject, window);
        let strict = client.sum_amount(question.clone()).await;
        match &expected {
            Ok(until) => {
                let said = strict.unwrap().into_inner().coverage.unwrap();
                let expected =
                    Coverage { complete_from: None, complete_until: *until, is_complete: true };
                assert_eq!(said, expected);
            }
            Err((subject, words)) => check_refused(&strict.unwrap_err(), subject, words),
        }
        let partial = SumAmountRequest { allow_partial: true, ..question.clone() };
        let answer = client.sum_amount(partial.clone()).await.unwrap().into_inner();
        assert_eq!(answer.coverage.unwrap().is_complete, expected.is_ok());
        let batch = BatchSumAmountRequest {
            questions: vec![question.clone(), partial],
            ..Default::default()
        };
        let results = client.batch_sum_amount(batch).await.unwrap().into_inner().results;
        let outcomes: Vec<_> = results.into_iter().map(|result| result.outcome.unwrap()).collect();
        match (&outcomes[0], &expected) {
            (Outcome::Answer(first), Ok(_)) => assert!(first.coverage.unwrap().is_complete),
            (Outcome::Error(error), Err(_)) => {
                assert_eq!(error.code, Code::FailedPrecondition as i32);
            }
            (outcome, expected) => panic!("{outcome:?} {expected:?}"),
        }
        let Outcome::Answer(second) = &outcomes[1] else { panic!("{:?}", outcomes[1]) };
        assert_eq!(second.sum_amount, answer.sum_amount);
    }
    // What is not synced is what it always was.
    let mut dollars = question(user(&partly), day());
    dollars.asset = String::new();
    assert_eq!(client.sum_amount(dollars).await.unwrap().into_inner().coverage, None);
}

#[tokio::test]
async fn series_and_histograms_are_held_to_the_same() {
    let (service, ..) = ledger().await;
    let mut client = service.analytics().await;
    for (window, is_complete) in [(morning(), true), (day(), false)] {
        let series = SumSeriesRequest {
            subject: Some(sum_series_request::Subject::Account(account(SYNCED))),
            asset: "BTC-R".to_owned(),
            window: Some(window),
            bucket_unit: BucketUnit::Hour.into(),
            direction: Direction::Receiver.into(),
            ..Default::default()
        };
        let histogram = HistogramRequest {
            subject: Some(histogram_request::Subject::Account(account(SYNCED))),
            asset: "BTC-R".to_owned(),
            window: Some(window),
            direction: Direction::Receiver.into(),
            ..Default::default()
        };
        let answers = (
            client.sum_series(series.clone()).await.map(|answer| answer.into_inner().coverage),
            client.histogram(histogram.clone()).await.map(|answer| answer.into_inner().coverage),
        );
        if is_complete {
            assert!(answers.0.unwrap().unwrap().is_complete);
            assert!(answers.1.unwrap().unwrap().is_complete);
        } else {
            let subject = format!("{NETWORK} {SYNCED}");
            check_refused(&answers.0.unwrap_err(), &subject, "before 2024-05-05T12:00:00Z");
            check_refused(&answers.1.unwrap_err(), &subject, "before 2024-05-05T12:00:00Z");
            let series = SumSeriesRequest { allow_partial: true, ..series };
            let series = client.sum_series(series).await.unwrap().into_inner();
            assert!(!series.coverage.unwrap().is_complete);
            let histogram = HistogramRequest { allow_partial: true, ..histogram };
            let histogram = client.histogram(histogram).await.unwrap().into_inner();
            assert!(!histogram.coverage.unwrap().is_complete);
        }
    }
}

#[tokio::test]
async fn a_balance_without_an_instant_is_the_latest_that_is_known() {
    let (service, whole, partly) = ledger().await;
    let mut client = service.ledger().await;
    let own = |address| get_balance_request::Subject::Account(account(address));
    let user = |user: &TestUser| get_balance_request::Subject::UserUuid(user.user_uuid.to_string());
    for (subject, at, is_complete) in [
        (own(SYNCED), None, true),
        (own(SYNCED), Some("2024-05-05T12:00:00Z"), true),
        (own(SYNCED), Some("2024-05-05T12:00:01Z"), false),
        (own(SEEN), None, false),
        (own(SCANNED), None, false),
        (user(&whole), None, true),
        (user(&partly), None, false),
    ] {
        let request = GetBalanceRequest {
            subject: Some(subject.clone()),
            asset: "BTC-R".to_owned(),
            at: at.map(timestamp),
            ..Default::default()
        };
        let strict = client.get_balance(request.clone()).await;
        assert_eq!(strict.is_ok(), is_complete, "{subject:?} {at:?} {strict:?}");
        let partial = GetBalanceRequest { allow_partial: true, ..request };
        let answer = client.get_balance(partial).await.unwrap().into_inner();
        assert_eq!(answer.coverage.unwrap().is_complete, is_complete, "{subject:?} {at:?}");
    }
}

#[tokio::test]
async fn a_ranking_leaves_those_out_of_whom_rows_may_be_missing() {
    let (service, whole, _) = ledger().await;
    let mut client = service.analytics().await;
    let accounts = Population::Accounts(AccountPopulation { network: NETWORK.to_owned() });
    let users = Population::Users(UserPopulation {});
    let whole = whole.user_uuid.to_string();
    for (population, window, members, left_out) in [
        (&accounts, morning(), vec![SYNCED.to_owned()], 2),
        (&accounts, day(), vec![], 3),
        (&users, morning(), vec![whole], 1),
        (&users, day(), vec![], 2),
    ] {
        let request = RankRequest {
            population: Some(population.clone()),
            asset: "BTC-R".to_owned(),
            window: Some(window),
            direction: Direction::Receiver.into(),
            metric: RankMetric::Sum.into(),
            ..Default::default()
        };
        let answer = client.rank(request.clone()).await.unwrap().into_inner();
        let name = |row: daybook::grpc::pb::v1::RankRow| {
            row.account.map_or(row.user_uuid, |account| account.address)
        };
        let found: Vec<_> = answer.rows.into_iter().map(name).collect();
        assert_eq!(found, members);
        assert_eq!((answer.left_out_count, answer.is_partial), (left_out, false));
        let partial = RankRequest { allow_partial: true, ..request };
        let answer = client.rank(partial).await.unwrap().into_inner();
        // The account in which rows of a transaction meet is none that is ranked.
        let everybody = if *population == accounts { 3 } else { 2 };
        assert_eq!(answer.rows.len(), everybody);
        assert_eq!((answer.left_out_count, answer.is_partial), (0, true));
    }
}

#[tokio::test]
async fn rows_of_what_is_synced_are_the_chain_s_alone() {
    let (service, whole, _) = ledger().await;
    let mut ingest = service.ingest().await;
    let row = NewTransaction {
        occurred_at: Some(timestamp("2024-05-05T11:00:00Z")),
        asset: "BTC-R".to_owned(),
        sender: Some(account(SEEN)),
        receiver: Some(account(SYNCED)),
        amount: "1000".to_owned(),
        ..Default::default()
    };
    let request = RecordTransactionRequest { transaction: Some(row), ..Default::default() };
    let refused = ingest.record_transaction(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert!(refused.message().contains("synced from a chain"), "{refused:?}");
    let id: uuid::Uuid = service
        .sql
        .query_one("SELECT transaction_id FROM transactions LIMIT 1", &[])
        .await
        .unwrap()
        .get(0);
    let delete = DeleteTransactionRequest { transaction_id: id.to_string() };
    let refused = service.ledger().await.delete_transaction(delete).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    let question =
        question(sum_amount_request::Subject::UserUuid(whole.user_uuid.to_string()), morning());
    let answer = service.analytics().await.sum_amount(question).await.unwrap().into_inner();
    assert_eq!(answer.sum_amount, "3.00000000");
}
