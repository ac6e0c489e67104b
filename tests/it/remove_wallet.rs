//! `RemoveWallet`: what stays, repetition, and what cannot be removed.

use daybook::grpc::pb::v1::{RemoveWalletRequest, User, get_balance_request::Subject};
use tonic::Code;

use crate::{
    invalid_requests::{SOME_UUID, bad_accounts, bad_uuids, fields},
    support::{
        ledger::{add, add_account, ensure_days},
        records::{
            add_wallet, counts, create_user, key, obstacle, payments, remove_wallet, user_counts,
        },
        schema::one,
        service::TestService,
    },
};

#[tokio::test]
async fn the_last_trackers_removal_leaves_the_account_and_its_rows_alone() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let mut client = service.ledger().await;
    let ann = create_user(&mut client, "ann").await;
    let written = key("ethereum", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    let recorded = key("ethereum", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed");
    let account = add_account(sql, "ethereum", &recorded.address).await;
    add(sql, "2024-05-05T01:00:00Z", account, account, "1").await;
    add_wallet(&mut client, &ann, &recorded).await.unwrap();
    assert_eq!(user_counts(&mut client, &ann).await, (1, 1));
    // Written in another way, and twice.
    for _ in 0..2 {
        remove_wallet(&mut client, &ann, &written).await.unwrap();
        assert_eq!(user_counts(&mut client, &ann).await, (0, 0));
    }
    assert_eq!(counts(&mut client, Subject::Account(written)).await, (1, 1));
    assert_eq!(one::<i64>(sql, "SELECT count(*) FROM user_wallets").await, 1);
}

#[tokio::test]
async fn ones_own_payments_account_cannot_be_removed_and_unknown_things_are_not_found() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let ann = create_user(&mut client, "ann").await;
    let status = remove_wallet(&mut client, &ann, &payments(&ann)).await.unwrap_err();
    let expected = ("OWN_PAYMENTS_ACCOUNT".to_owned(), ann.user_uuid.clone());
    assert_eq!(obstacle(&status), expected);
    assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM user_wallets").await, 1);

    let bank = key("bank", "a");
    let nobody = User { user_uuid: SOME_UUID.into(), ..User::default() };
    let status = remove_wallet(&mut client, &ann, &bank).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such account"));
    let status = remove_wallet(&mut client, &nobody, &bank).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such user"));
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let bank = || Some(key("bank", "a"));
    let mut cases = vec![(RemoveWalletRequest::default(), vec!["user_uuid", "account"])];
    for user_uuid in bad_uuids() {
        cases.push((RemoveWalletRequest { user_uuid, account: bank() }, vec!["user_uuid"]));
    }
    for (account, fields) in bad_accounts() {
        let request = RemoveWalletRequest { user_uuid: SOME_UUID.into(), account: Some(account) };
        cases.push((request, fields));
    }
    for (request, expected) in cases {
        assert_eq!(fields(&client.remove_wallet(request).await.unwrap_err()), expected);
    }
}
