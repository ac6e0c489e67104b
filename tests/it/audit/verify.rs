//! `verify`: answers say themselves whether the rows agree.

use daybook::grpc::pb::v1::{
    AllAccounts, BucketUnit, Direction, GetBalanceRequest, RankMetric, RankRequest,
    SumAmountRequest, SumSeriesRequest, Verification, get_balance_request, sum_amount_request,
    sum_series_request,
};
use tonic::{Code, Status};

use super::{ledger, swell};
use crate::{
    sum_amount::window,
    support::totals::{ALL_TIME, Totals},
};

/// Questions that verify themselves, and how many rows they scan.
const NAMES: [&str; 6] =
    ["SumAmount", "SumSeries of a", "SumSeries of all", "Rank", "GetBalance", "Rank of accounts"];

/// Asks everything about the first user's sent amounts; answers in the order of the names.
async fn ask(totals: &Totals, verify: bool) -> Vec<Result<Option<Verification>, Status>> {
    let user = totals.users[0].user_uuid.to_string();
    let days = window("2024-05-05T00:00:00Z", "2024-05-08T00:00:00Z");
    let sum = SumAmountRequest {
        subject: Some(sum_amount_request::Subject::UserUuid(user.clone())),
        window: window(ALL_TIME.0, ALL_TIME.1),
        direction: Direction::Sender.into(),
        verify,
        ..SumAmountRequest::default()
    };
    let series = SumSeriesRequest {
        subject: Some(sum_series_request::Subject::UserUuid(user.clone())),
        window: days,
        bucket_unit: BucketUnit::Hour.into(),
        direction: Direction::Sender.into(),
        verify,
        ..SumSeriesRequest::default()
    };
    let all = sum_series_request::Subject::All(AllAccounts::default());
    let series_of_all = SumSeriesRequest { subject: Some(all), ..series.clone() };
    let rank = RankRequest {
        window: days,
        direction: Direction::Sender.into(),
        metric: RankMetric::StddevSample.into(),
        verify,
        ..RankRequest::default()
    };
    let accounts = daybook::grpc::pb::v1::rank_request::Population::Accounts(
        daybook::grpc::pb::v1::AccountPopulation { network: "internal".into() },
    );
    let rank_accounts = RankRequest { population: Some(accounts), ..rank.clone() };
    let balance = GetBalanceRequest {
        subject: Some(get_balance_request::Subject::UserUuid(user)),
        verify,
        ..GetBalanceRequest::default()
    };
    let mut analytics = totals.analytics();
    vec![
        analytics.sum_amount(sum).await.map(|answer| answer.into_inner().verification),
        analytics.sum_series(series).await.map(|answer| answer.into_inner().verification),
        analytics.sum_series(series_of_all).await.map(|answer| answer.into_inner().verification),
        analytics.rank(rank).await.map(|answer| answer.into_inner().verification),
        totals.ledger().get_balance(balance).await.map(|answer| answer.into_inner().verification),
        analytics.rank(rank_accounts).await.map(|answer| answer.into_inner().verification),
    ]
}

async fn check(totals: &Totals, what: &str, differing: &[&str]) {
    for (name, answer) in NAMES.into_iter().zip(ask(totals, true).await) {
        let answer = answer.unwrap_or_else(|status| panic!("{what}: {name}: {status:?}"));
        let found = answer.unwrap_or_else(|| panic!("{what}: {name} says nothing"));
        assert!(found.rows_scanned > 500, "{what}: {name}: {found:?}");
        assert_eq!(found.agrees, !differing.contains(&name), "{what}: {name}: {found:?}");
        assert_eq!(found.agrees, found.difference.is_empty(), "{what}: {name}: {found:?}");
        let has_words = found.agrees || found.difference.split(' ').count() > 5;
        assert!(has_words, "{what}: {name}: {found:?}");
    }
    // Nobody who does not ask is told.
    for answer in ask(totals, false).await {
        assert_eq!(answer.unwrap(), None, "{what}");
    }
}

#[tokio::test]
async fn answers_say_whether_the_rows_agree() {
    let totals = ledger().await;
    check(&totals, "as they are", &[]).await;
    totals.seal().await;
    check(&totals, "sealed", &[]).await;
    let by_tree = ["SumAmount", "SumSeries of a", "GetBalance"];
    let leaf = "account_id = {a} AND direction = 0 AND level = 0 ORDER BY start_at DESC";
    let days = "direction = 0 AND level = 1";
    let everybodys = "account_id = 0 AND level = 0";
    for (what, table, condition, differing) in [
        ("a changed leaf", "running_totals", leaf, &by_tree[..]),
        ("a changed span of days", "day_totals", days, &["Rank", "Rank of accounts"]),
        ("a changed leaf of all", "running_totals", everybodys, &["SumSeries of all"]),
    ] {
        let kept = format!("CREATE TABLE kept AS SELECT * FROM {table}");
        totals.run(&kept).await;
        if table == "day_totals" {
            // Whichever of the levels these days are made of.
            let text = "UPDATE day_totals d SET cell = k.cell FROM day_totals k
                WHERE d.direction = 0 AND k.direction = 1 AND d.level = k.level
                  AND d.span_number = k.span_number AND d.account_group = k.account_group";
            totals.run(text).await;
        } else {
            totals.change_cell(table, condition, swell).await;
        }
        check(&totals, what, differing).await;
        let back = format!(
            "DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept;
            DROP TABLE kept"
        );
        totals.run(&back).await;
        check(&totals, "put back", &[]).await;
    }
}

#[tokio::test]
async fn a_broken_cell_is_an_internal_error_that_tells_nothing() {
    let totals = ledger().await;
    let secret = "\\x01736563726574".to_owned();
    for (table, broken) in [
        ("running_totals", &["SumAmount", "SumSeries of a", "SumSeries of all", "GetBalance"][..]),
        ("day_totals", &["Rank", "Rank of accounts"]),
    ] {
        totals.run(&format!("CREATE TABLE kept AS SELECT * FROM {table}")).await;
        totals.run(&format!("UPDATE {table} SET cell = '{secret}'")).await;
        for verify in [false, true] {
            for (name, answer) in NAMES.into_iter().zip(ask(&totals, verify).await) {
                let Err(status) = answer else {
                    assert!(!broken.contains(&name), "{table}: {name} is answered");
                    continue;
                };
                assert!(broken.contains(&name), "{table}: {name}: {status:?}");
                assert_eq!(status.code(), Code::Internal, "{name}: {status:?}");
                let told = format!("{status:?}").to_lowercase();
                for word in ["secret", "cell", "running_totals", "day_totals", "select", "audit"] {
                    assert!(!told.contains(word), "{name} tells of {word}: {told}");
                }
            }
        }
        let back = format!(
            "DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept;
            DROP TABLE kept"
        );
        totals.run(&back).await;
    }
    check(&totals, "put back", &[]).await;
}
