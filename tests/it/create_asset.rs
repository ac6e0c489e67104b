//! `CreateAsset`: what is recorded, repetition, conflicts, and many at once.

use daybook::grpc::pb::v1::{CreateAssetRequest, GetBalanceRequest, get_balance_request::Subject};
use futures_util::future::join_all;
use tonic::Code;

use crate::{
    invalid_requests::fields,
    support::{
        records::{create_user, key},
        schema::one,
        service::TestService,
    },
};

fn request(code: &str, name: &str, decimals: impl Into<Option<i32>>) -> CreateAssetRequest {
    CreateAssetRequest { code: code.to_owned(), name: name.to_owned(), decimals: decimals.into() }
}

#[tokio::test]
async fn an_asset_is_recorded_and_can_be_asked_for_at_once() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let ann = create_user(&mut client, "ann").await;
    let (long, wide) = ("x".repeat(64), "日".repeat(256));
    for (code, name, decimals, zero) in [
        ("BTC", "Bitcoin", 8, "0.00000000".to_owned()),
        ("btc", "", 0, "0".to_owned()),
        ("' OR 1=1 --", "a  b", 77, format!("0.{}", "0".repeat(77))),
        (&long, &wide, 1, "0.0".to_owned()),
    ] {
        let balance = || GetBalanceRequest {
            subject: Some(Subject::Account(key("internal", &ann.user_uuid))),
            asset: code.to_owned(),
            ..GetBalanceRequest::default()
        };
        assert_eq!(fields(&client.get_balance(balance()).await.unwrap_err()), ["asset"]);
        let first = client.create_asset(request(code, name, decimals)).await.unwrap().into_inner();
        let asset = first.asset.clone().unwrap();
        assert_eq!((&*asset.code, &*asset.name, asset.decimals), (code, name, decimals));
        assert!(asset.created_at.is_some());
        let again = client.create_asset(request(code, name, decimals)).await.unwrap();
        assert_eq!(again.into_inner(), first);
        let answer = client.get_balance(balance()).await.unwrap().into_inner();
        assert_eq!((answer.balance, answer.asset.as_str()), (zero, code));
    }
    assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM assets").await, 5);
}

#[tokio::test]
async fn other_content_is_refused_and_what_differs_is_named() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    for (name, decimals, expected) in [
        ("Dollar", 5, "code is recorded with another name"),
        ("US dollar", 2, "code is recorded with other decimals"),
        ("", 0, "code is recorded with another name and other decimals"),
    ] {
        let status = client.create_asset(request("USD", name, decimals)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::AlreadyExists, expected));
    }
    client.create_asset(request("USD", "US dollar", 5)).await.unwrap();
    assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM assets").await, 1);
}

#[tokio::test]
async fn of_many_at_once_exactly_one_is_recorded_and_each_is_answered_right() {
    let service = TestService::start().await;
    for round in 0..5 {
        let clients = join_all((0..8).map(|_| service.ledger())).await;
        let asked = clients.into_iter().enumerate().map(async |(place, mut client)| {
            let name = (place / 4).to_string();
            let request = request(&round.to_string(), &name, 2);
            client.create_asset(request).await.map(|answer| answer.into_inner().asset.unwrap())
        });
        let answers = join_all(asked).await;
        let recorded: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        assert_eq!(recorded.len(), 4, "{answers:?}");
        assert!(recorded.iter().all(|&asset| asset == recorded[0]), "{answers:?}");
        for status in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert_eq!(status.code(), Code::AlreadyExists);
        }
    }
    assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM assets").await, 6);
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let long = "x".repeat(500_000);
    let mut cases = vec![(CreateAssetRequest::default(), vec!["code", "decimals"])];
    for code in ["", "a\0b", "a\tb", &"日".repeat(65), &long] {
        cases.push((request(code, "n", 2), vec!["code"]));
    }
    for name in ["a\0b", "a\nb", "a\u{202e}b", "a\u{200b}b", " a", &"x".repeat(257), &long] {
        cases.push((request("c", name, 2), vec!["name"]));
    }
    for decimals in [None, Some(-1), Some(78), Some(i32::MAX), Some(i32::MIN)] {
        cases.push((request("c", "n", decimals), vec!["decimals"]));
    }
    for (request, expected) in cases {
        assert_eq!(fields(&client.create_asset(request).await.unwrap_err()), expected);
    }
    assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM assets").await, 1);
}
