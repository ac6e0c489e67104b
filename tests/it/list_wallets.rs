//! `ListWallets`: order, pages, and what each wallet holds.

use daybook::{
    grpc::pb::v1::{ListWalletsRequest, ListWalletsResponse, User, Wallet},
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};
use tonic::Code;

use crate::{
    invalid_requests::{SOME_UUID, bad_tokens, bad_uuids, fields},
    support::{
        ledger::{add, add_account, ensure_days, track},
        records::{add_wallet, create_user, key, payments, remove_wallet, walk},
        schema::one,
        service::TestService,
    },
};

async fn page(service: &TestService, user: &User, size: i32, token: &str) -> ListWalletsResponse {
    let request = ListWalletsRequest {
        user_uuid: user.user_uuid.clone(),
        page_size: size,
        page_token: token.to_owned(),
    };
    service.ledger().await.list_wallets(request).await.unwrap().into_inner()
}

fn name(wallet: &Wallet) -> String {
    let account = wallet.account.as_ref().unwrap();
    format!("{} {}", account.network, account.address)
}

fn names(page: &ListWalletsResponse) -> Vec<String> {
    page.wallets.iter().map(name).collect()
}

/// Balances as asset, balance, received and sent.
fn balances(wallet: &Wallet) -> Vec<(&str, &str, i64, i64)> {
    let shown = wallet.balances.iter();
    shown.map(|b| (&*b.asset, &*b.balance, b.received_count, b.sent_count)).collect()
}

async fn user_id(service: &TestService, user: &User) -> i64 {
    let text = format!("SELECT user_id FROM users WHERE user_uuid = '{}'", user.user_uuid);
    one(&service.sql, &text).await
}

#[tokio::test]
async fn pages_of_any_size_are_the_whole_by_network_and_address() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let ann = create_user(&mut client, "ann").await;
    let mut expected = vec![format!("internal {}", ann.user_uuid)];
    for (network, address) in [
        ("bank", "b"),
        ("bank", "B"),
        ("bank", "a b"),
        ("bank", "a"),
        ("bank", " a"),
        ("bank", "' --"),
        ("bank", "日本"),
        ("bank-2", "a"),
        ("card", "a"),
        ("ethereum", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"),
    ] {
        add_wallet(&mut client, &ann, &key(network, address)).await.unwrap();
        expected.push(format!("{network} {address}"));
    }
    // A network has no blank, which sorts before all that it may have.
    expected.sort_unstable();
    for size in [1, 2, 3, 10, 11, 12, 1_000, 0] {
        let found = walk(size, async |size, token| {
            let page = page(&service, &ann, size, &token).await;
            (names(&page), page.next_page_token)
        });
        assert_eq!(found.await, expected, "{size}");
    }
}

#[tokio::test]
async fn a_page_goes_on_behind_the_one_before_while_wallets_come_and_go() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let (ann, bob) = (create_user(&mut client, "ann").await, create_user(&mut client, "bob").await);
    let bank = |address: &str| key("bank", address);
    for address in ["b", "d", "f", "h"] {
        add_wallet(&mut client, &ann, &bank(address)).await.unwrap();
    }
    let first = page(&service, &ann, 2, "").await;
    assert_eq!(names(&first), ["bank b", "bank d"]);
    for address in ["a", "c", "e"] {
        add_wallet(&mut client, &ann, &bank(address)).await.unwrap();
    }
    for address in ["d", "f"] {
        remove_wallet(&mut client, &ann, &bank(address)).await.unwrap();
    }
    let second = page(&service, &ann, 2, &first.next_page_token).await;
    assert_eq!(names(&second), ["bank e", "bank h"]);
    let third = page(&service, &ann, 2, &second.next_page_token).await;
    let own = format!("internal {}", ann.user_uuid);
    assert_eq!((names(&third), third.next_page_token.as_str()), (vec![own], ""));
    let request = ListWalletsRequest {
        user_uuid: bob.user_uuid,
        page_size: 2,
        page_token: first.next_page_token,
    };
    assert_eq!(fields(&client.list_wallets(request).await.unwrap_err()), ["page_token"]);
}

#[tokio::test]
async fn a_wallet_shows_what_it_holds_of_each_asset_it_moved() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06"]).await;
    sql.batch_execute(
        "INSERT INTO assets (code, name, decimals) VALUES ('ZZZ', '', 0), ('BTC', '', 8), \
         ('IDLE', '', 2)",
    )
    .await
    .unwrap();
    let mut client = service.ledger().await;
    let (ann, bob) = (create_user(&mut client, "ann").await, create_user(&mut client, "bob").await);
    let bank = add_account(sql, "bank", "a").await;
    let other = add_account(sql, "bank", "b").await;
    for user in [&ann, &bob] {
        track(sql, user_id(&service, user).await, bank).await;
    }
    add(sql, "2024-05-05T01:00:00Z", bank, other, "1.5").await;
    add(sql, "2024-05-06T01:00:00Z", other, bank, "1").await;
    add(sql, "2024-05-06T02:00:00Z", bank, bank, "7").await;
    let more = format!(
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         SELECT timestamptz '2024-05-05 02:00Z', {bank}, {other}, asset_id, 0.{zeros}1
         FROM assets WHERE code = 'BTC'
         UNION ALL
         SELECT '2024-05-06 03:00Z', {other}, {bank}, asset_id, 1{zeros}
         FROM assets WHERE code = 'ZZZ'",
        zeros = "0".repeat(60)
    );
    sql.batch_execute(&more).await.unwrap();
    let expected = [
        ("BTC", format!("-0.{}1", "0".repeat(60)), 0, 1),
        ("USD", "-0.50000".to_owned(), 2, 2),
        ("ZZZ", format!("1{}", "0".repeat(60)), 1, 0),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(asset, balance, r, s)| (*asset, balance.as_str(), *r, *s)).collect();
    for _ in 0..2 {
        for user in [&ann, &bob] {
            let page = page(&service, user, 0, "").await;
            assert_eq!(names(&page), ["bank a".to_owned(), name(&page.wallets[1])]);
            assert_eq!(balances(&page.wallets[0]), expected);
            assert_eq!(page.wallets[1].account, Some(payments(user)));
            assert_eq!(balances(&page.wallets[1]), []);
            assert!(page.wallets.iter().all(|wallet| wallet.synced_at.is_none()));
            assert!(page.wallets.iter().all(|wallet| !wallet.has_more_balances));
        }
        seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
    }
    // Some rows go, some come, and some stay sealed.
    sql.batch_execute("DELETE FROM transactions WHERE asset_id <> 1").await.unwrap();
    add(sql, "2024-05-05T03:00:00Z", other, bank, "0.25").await;
    for _ in 0..2 {
        let page = page(&service, &ann, 0, "").await;
        assert_eq!(balances(&page.wallets[0]), [("USD", "-0.25000", 3, 2)]);
        seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
    }
}

#[tokio::test]
async fn pages_end_early_where_wallets_hold_very_many_assets() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let ann = create_user(&mut service.ledger().await, "ann").await;
    let fill = "INSERT INTO assets (code, name, decimals)
            SELECT 'T' || to_char(n, 'FM0000'), '', 2 FROM generate_series(1, 1001) n;
        WITH a AS (INSERT INTO accounts (network, address)
            SELECT 'bank', n::text FROM generate_series(1, 4) n RETURNING account_id)
        INSERT INTO user_wallets (user_id, account_id) SELECT user_id, account_id FROM users, a;
        INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        SELECT '2024-05-05 01:00Z', a.account_id, 1, s.asset_id, 3
        FROM accounts a
        JOIN assets s ON s.code LIKE CASE a.address
            WHEN '1' THEN 'T%' WHEN '2' THEN 'T0%' WHEN '3' THEN 'T000%' ELSE '' END";
    sql.batch_execute(fill).await.unwrap();
    let first = page(&service, &ann, 0, "").await;
    // 1,000 of 1,001 and 999 balances; nine more would be too many.
    assert_eq!(names(&first), ["bank 1", "bank 2"]);
    let counts: Vec<_> = first.wallets.iter().map(|wallet| wallet.balances.len()).collect();
    assert_eq!(counts, [1_000, 999]);
    let has_more: Vec<_> = first.wallets.iter().map(|wallet| wallet.has_more_balances).collect();
    assert_eq!(has_more, [true, false]);
    assert_eq!(balances(&first.wallets[0])[999], ("T1000", "-3.00", 0, 1));
    let second = page(&service, &ann, 0, &first.next_page_token).await;
    let counts: Vec<_> = second.wallets.iter().map(|wallet| wallet.balances.len()).collect();
    assert_eq!((counts, second.next_page_token.as_str()), (vec![9, 0, 1_000], ""));
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_and_an_unknown_user_is_not_found() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let good = || ListWalletsRequest { user_uuid: SOME_UUID.into(), ..Default::default() };
    let mut cases = Vec::new();
    for user_uuid in bad_uuids() {
        cases.push((ListWalletsRequest { user_uuid, ..good() }, vec!["user_uuid"]));
    }
    for page_size in [-1, 1_001, i32::MAX, i32::MIN] {
        cases.push((ListWalletsRequest { page_size, ..good() }, vec!["page_size"]));
    }
    for page_token in bad_tokens() {
        cases.push((ListWalletsRequest { page_token, ..good() }, vec!["page_token"]));
    }
    let everything =
        ListWalletsRequest { page_size: -1, page_token: "!".into(), ..Default::default() };
    cases.push((everything, vec!["user_uuid", "page_size", "page_token"]));
    for (request, expected) in cases {
        assert_eq!(fields(&client.list_wallets(request).await.unwrap_err()), expected);
    }
    let status = client.list_wallets(good()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such user"));
}
