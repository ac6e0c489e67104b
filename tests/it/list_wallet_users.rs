//! `ListWalletUsers`: order, pages, and users who come and go between them.

use daybook::grpc::pb::v1::{
    AccountKey, DeleteUserRequest, ListWalletUsersRequest, ListWalletUsersResponse,
};
use tonic::Code;

use crate::{
    invalid_requests::{bad_accounts, bad_tokens, fields},
    support::{
        ledger::add_account,
        records::{add_wallet, create_user, key, payments, remove_wallet, walk},
        service::TestService,
    },
};

async fn page(
    service: &TestService,
    account: &AccountKey,
    page_size: i32,
    token: &str,
) -> ListWalletUsersResponse {
    let request = ListWalletUsersRequest {
        account: Some(account.clone()),
        page_size,
        page_token: token.to_owned(),
    };
    service.ledger().await.list_wallet_users(request).await.unwrap().into_inner()
}

fn names(page: &ListWalletUsersResponse) -> Vec<String> {
    page.users.iter().map(|tracking| tracking.user.clone().unwrap().username).collect()
}

#[tokio::test]
async fn pages_of_any_size_are_the_whole_by_username() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let written = key("ethereum", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    let mut expected = vec!["zoë", "Ann", "ann", "ann x", "日本", "' --", "b"];
    for name in &expected {
        let user = create_user(&mut client, name).await;
        let added = add_wallet(&mut client, &user, &written).await.unwrap();
        let alone = page(&service, &payments(&user), 0, "").await;
        assert_eq!(alone.users[0].user.as_ref(), Some(&user));
        let all = page(&service, &written, 0, "").await.users;
        let own = all.into_iter().find(|one| one.user.as_ref() == Some(&user)).unwrap();
        assert_eq!(own.added_at, added.added_at);
    }
    create_user(&mut client, "another").await;
    expected.sort_unstable();
    for size in [1, 2, 6, 7, 8, 1_000, 0] {
        let found = walk(size, async |size, token| {
            let page = page(&service, &written, size, &token).await;
            (names(&page), page.next_page_token)
        });
        assert_eq!(found.await, expected, "{size}");
    }
}

#[tokio::test]
async fn a_page_goes_on_behind_the_one_before_while_users_come_and_go() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let bank = key("bank", "a");
    let mut users = Vec::new();
    for name in ["b", "d", "f", "h", "a", "c", "e"] {
        users.push(create_user(&mut client, name).await);
    }
    for user in &users[..4] {
        add_wallet(&mut client, user, &bank).await.unwrap();
    }
    let first = page(&service, &bank, 2, "").await;
    assert_eq!(names(&first), ["b", "d"]);
    for user in &users[4..] {
        add_wallet(&mut client, user, &bank).await.unwrap();
    }
    remove_wallet(&mut client, &users[1], &bank).await.unwrap();
    let delete = DeleteUserRequest { user_uuid: users[2].user_uuid.clone(), anonymise: false };
    client.delete_user(delete).await.unwrap();
    let second = page(&service, &bank, 2, &first.next_page_token).await;
    assert_eq!(
        (names(&second), second.next_page_token.as_str()),
        (vec!["e".into(), "h".into()], "")
    );
    assert_eq!(names(&page(&service, &bank, 0, "").await), ["a", "b", "c", "e", "h"]);
    let request = ListWalletUsersRequest {
        account: Some(key("bank", "b")),
        page_size: 2,
        page_token: first.next_page_token,
    };
    assert_eq!(fields(&client.list_wallet_users(request).await.unwrap_err()), ["page_token"]);
}

#[tokio::test]
async fn an_account_that_nobody_tracks_has_no_users_and_an_unknown_one_is_not_found() {
    let service = TestService::start().await;
    add_account(&service.sql, "bank", "a").await;
    let nobody = page(&service, &key("bank", "a"), 0, "").await;
    assert_eq!((names(&nobody).len(), nobody.next_page_token.as_str()), (0, ""));
    let account = Some(key("bank", "b"));
    let request = ListWalletUsersRequest { account, ..Default::default() };
    let status = service.ledger().await.list_wallet_users(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such account"));
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let bank = || ListWalletUsersRequest { account: Some(key("bank", "a")), ..Default::default() };
    let mut cases = vec![(ListWalletUsersRequest::default(), vec!["account"])];
    for (account, fields) in bad_accounts() {
        let account = Some(account);
        cases.push((ListWalletUsersRequest { account, ..Default::default() }, fields));
    }
    for page_size in [-1, 1_001, i32::MAX, i32::MIN] {
        cases.push((ListWalletUsersRequest { page_size, ..bank() }, vec!["page_size"]));
    }
    for page_token in bad_tokens() {
        cases.push((ListWalletUsersRequest { page_token, ..bank() }, vec!["page_token"]));
    }
    for (request, expected) in cases {
        assert_eq!(fields(&client.list_wallet_users(request).await.unwrap_err()), expected);
    }
}
