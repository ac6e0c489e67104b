//! `ListAccounts`: by network and by what addresses begin with.

use daybook::grpc::pb::v1::{ListAccountsRequest, ListAccountsResponse};

use crate::{
    invalid_requests::{bad_tokens, fields},
    support::{ledger::add_account, records::walk, service::TestService},
};

fn request(network: &str, prefix: &str) -> ListAccountsRequest {
    ListAccountsRequest {
        network: network.to_owned(),
        address_prefix: prefix.to_owned(),
        ..ListAccountsRequest::default()
    }
}

async fn page(service: &TestService, request: ListAccountsRequest) -> ListAccountsResponse {
    service.ledger().await.list_accounts(request).await.unwrap().into_inner()
}

fn addresses(page: &ListAccountsResponse) -> Vec<String> {
    page.accounts.iter().map(|account| account.account.clone().unwrap().address).collect()
}

const ETHER: [&str; 3] = [
    "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
    "0x5bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    "0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359",
];

#[tokio::test]
async fn accounts_are_listed_by_network_and_prefix_in_pages_of_any_size() {
    let service = TestService::start().await;
    let sql = &service.sql;
    for address in ["CZ2", "CZ1", "cz1", "C%", "C_", "日本", "日", "C\\"] {
        add_account(sql, "bank", address).await;
    }
    add_account(sql, "card", "CZ1").await;
    for address in ETHER {
        add_account(sql, "ethereum", address).await;
    }
    let segwit = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
    add_account(sql, "bitcoin", segwit).await;
    add_account(sql, "bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa").await;
    for (network, prefix, expected) in [
        ("bank", "", &["C%", "CZ1", "CZ2", "C\\", "C_", "cz1", "日", "日本"][..]),
        ("bank", "C", &["C%", "CZ1", "CZ2", "C\\", "C_"]),
        ("bank", "CZ", &["CZ1", "CZ2"]),
        ("bank", "cz", &["cz1"]),
        ("bank", "C%", &["C%"]),
        ("bank", "C_", &["C_"]),
        ("bank", "C\\", &["C\\"]),
        ("bank", "日", &["日", "日本"]),
        ("bank", "CZ11", &[]),
        ("card", "", &["CZ1"]),
        ("nowhere", "", &[]),
        ("ethereum", "", &ETHER),
        ("ethereum", "0x5", &ETHER[..2]),
        ("ethereum", "0x5aAeb6053F", &ETHER[..1]),
        ("ethereum", "0xFB", &ETHER[2..]),
        ("bitcoin", "BC1Q", &[segwit]),
        ("bitcoin", "1A", &["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"]),
        ("bitcoin", "1a", &[]),
    ] {
        for size in [1, 2, 3, 1_000, 0] {
            let found = walk(size, async |page_size, page_token| {
                let request =
                    ListAccountsRequest { page_size, page_token, ..request(network, prefix) };
                let page = page(&service, request).await;
                let networks = page.accounts.iter().map(|one| one.account.clone().unwrap().network);
                assert!(networks.into_iter().all(|found| found == network));
                assert!(page.accounts.iter().all(|account| account.created_at.is_some()));
                (addresses(&page), page.next_page_token)
            });
            assert_eq!(found.await, expected, "{network} {prefix} {size}");
        }
    }
}

#[tokio::test]
async fn a_page_goes_on_behind_the_one_before_while_accounts_come() {
    let service = TestService::start().await;
    for address in ["b", "d", "f"] {
        add_account(&service.sql, "bank", address).await;
    }
    let two = ListAccountsRequest { page_size: 2, ..request("bank", "") };
    let first = page(&service, two.clone()).await;
    assert_eq!(addresses(&first), ["b", "d"]);
    for address in ["a", "c", "e", "g"] {
        add_account(&service.sql, "bank", address).await;
    }
    let next = ListAccountsRequest { page_token: first.next_page_token.clone(), ..two };
    assert_eq!(addresses(&page(&service, next.clone()).await), ["e", "f"]);
    let network = "card".to_owned();
    let address_prefix = "b".to_owned();
    for other in [
        ListAccountsRequest { network, ..next.clone() },
        ListAccountsRequest { address_prefix, ..next },
    ] {
        let status = service.ledger().await.list_accounts(other).await.unwrap_err();
        assert_eq!(fields(&status), ["page_token"]);
    }
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let mut cases = Vec::new();
    for network in ["", "Bank", "a\0b", "bank'--", &"x".repeat(65), &"x".repeat(500_000)] {
        cases.push((request(network, ""), vec!["network"]));
    }
    for prefix in ["a\0", "a\n", &"x".repeat(257), &"x".repeat(500_000)] {
        cases.push((request("bank", prefix), vec!["address_prefix"]));
    }
    for page_size in [-1, 1_001, i32::MAX, i32::MIN] {
        let request = ListAccountsRequest { page_size, ..request("bank", "") };
        cases.push((request, vec!["page_size"]));
    }
    for page_token in bad_tokens() {
        let request = ListAccountsRequest { page_token, ..request("bank", "") };
        cases.push((request, vec!["page_token"]));
    }
    for (request, expected) in cases {
        assert_eq!(fields(&client.list_accounts(request).await.unwrap_err()), expected);
    }
}
