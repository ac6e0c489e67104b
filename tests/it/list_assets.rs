//! `ListAssets`: by code and by what codes begin with.

use daybook::grpc::pb::v1::{Asset, CreateAssetRequest, ListAssetsRequest};

use crate::{
    invalid_requests::{bad_tokens, fields},
    support::{records::walk, service::TestService},
};

async fn list(service: &TestService, request: ListAssetsRequest) -> (Vec<Asset>, String) {
    let answer = service.ledger().await.list_assets(request).await.unwrap().into_inner();
    (answer.assets, answer.next_page_token)
}

fn codes(assets: &[Asset]) -> Vec<&str> {
    assets.iter().map(|asset| asset.code.as_str()).collect()
}

#[tokio::test]
async fn assets_are_listed_by_prefix_in_pages_of_any_size() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let mut made = Vec::new();
    for code in ["BTC", "btc", "B%", "BT", "日本"] {
        let decimals = Some(8);
        let request = CreateAssetRequest { code: code.to_owned(), name: "n".to_owned(), decimals };
        made.push(client.create_asset(request).await.unwrap().into_inner().asset.unwrap());
    }
    for (prefix, expected) in [
        ("", &["B%", "BT", "BTC", "USD", "btc", "日本"][..]),
        ("B", &["B%", "BT", "BTC"]),
        ("BT", &["BT", "BTC"]),
        ("B%", &["B%"]),
        ("_", &[]),
        ("日", &["日本"]),
    ] {
        for size in [1, 2, 3, 6, 1_000, 0] {
            let found = walk(size, async |page_size, page_token| {
                let code_prefix = prefix.to_owned();
                list(&service, ListAssetsRequest { page_size, page_token, code_prefix }).await
            });
            let found = found.await;
            assert_eq!(codes(&found), expected, "{prefix} {size}");
            for asset in found.iter().filter(|asset| asset.code != "USD") {
                assert!(made.contains(asset), "{asset:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_goes_on_behind_the_one_before_while_assets_come() {
    let service = TestService::start().await;
    let insert =
        "INSERT INTO assets (code, name, decimals) SELECT c, '', 2 FROM unnest($1::text[]) c";
    service.sql.execute(insert, &[&vec!["V", "X"]]).await.unwrap();
    let two = ListAssetsRequest { page_size: 2, ..Default::default() };
    let (first, token) = list(&service, two.clone()).await;
    assert_eq!(codes(&first), ["USD", "V"]);
    service.sql.execute(insert, &[&vec!["A", "U", "W", "Y"]]).await.unwrap();
    let next = ListAssetsRequest { page_token: token, ..two };
    let (second, token) = list(&service, next.clone()).await;
    assert_eq!(codes(&second), ["W", "X"]);
    let (third, token) =
        list(&service, ListAssetsRequest { page_token: token, ..next.clone() }).await;
    assert_eq!((codes(&third), token.as_str()), (vec!["Y"], ""));
    let other = ListAssetsRequest { code_prefix: "U".into(), ..next };
    let status = service.ledger().await.list_assets(other).await.unwrap_err();
    assert_eq!(fields(&status), ["page_token"]);
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let mut cases = Vec::new();
    for prefix in ["a\0", "a\n", &"x".repeat(65), &"x".repeat(500_000)] {
        let code_prefix = prefix.to_owned();
        cases.push((ListAssetsRequest { code_prefix, ..Default::default() }, vec!["code_prefix"]));
    }
    for page_size in [-1, 1_001, i32::MAX, i32::MIN] {
        cases.push((ListAssetsRequest { page_size, ..Default::default() }, vec!["page_size"]));
    }
    for page_token in bad_tokens() {
        cases.push((ListAssetsRequest { page_token, ..Default::default() }, vec!["page_token"]));
    }
    for (request, expected) in cases {
        assert_eq!(fields(&client.list_assets(request).await.unwrap_err()), expected);
    }
}
