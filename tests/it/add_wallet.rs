//! `AddWallet`: one address is one wallet, what it moved counts at once, and limits hold.

use daybook::grpc::pb::v1::{
    AccountKey, AddWalletRequest, BucketUnit, Direction, ListWalletsRequest, RankMetric,
    RankRequest, SumSeriesRequest, User, sum_series_request,
};
use futures_util::future::join_all;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    invalid_requests::{SOME_UUID, bad_accounts, bad_uuids, fields},
    sum_amount::{question, window},
    support::{
        ledger::{add, add_account, ensure_days},
        records::{
            LedgerClient, add_wallet, create_user, key, payments, remove_wallet, user_counts,
        },
        schema::one,
        service::{TestService, new_target, settings},
    },
};

/// Addresses as they are recorded, each with other ways to write it.
const ADDRESSES: [(&str, &str, &[&str]); 9] = [
    (
        "ethereum",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        &[
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED",
        ],
    ),
    (
        "bitcoin",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        &["BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"],
    ),
    // The shortest and the longest that there are.
    ("bitcoin", "bc1sw50qgdz25j", &["BC1SW50QGDZ25J"]),
    ("bitcoin", "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y", &[]),
    ("bitcoin", "1111111111111111111114oLvT2", &[]),
    ("bitcoin", "3P14159f73E4gFr7JterCCQh9QjiTjiZrG", &[]),
    (
        "bitcoin-testnet4",
        "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
        &["TB1PQQQQP399ET2XYGDJ5XREQHJJVCMZHXW4AYWXECJDZEW6HYLGVSESF3HN0C"],
    ),
    ("bitcoin-regtest", "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc", &[]),
    ("bank", "CZ65 0800 ' --", &[]),
];

#[tokio::test]
async fn an_address_is_one_wallet_however_it_is_written() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let ann = create_user(&mut client, "ann").await;
    for (network, recorded, others) in ADDRESSES {
        let first = add_wallet(&mut client, &ann, &key(network, recorded)).await.unwrap();
        assert_eq!(first.account, Some(key(network, recorded)));
        for other in others {
            let again = add_wallet(&mut client, &ann, &key(network, other)).await.unwrap();
            assert_eq!(again, first, "{other}");
        }
    }
    let count: i64 = one(&service.sql, "SELECT count(*) FROM accounts").await;
    assert_eq!(count, i64::try_from(ADDRESSES.len()).unwrap() + 1);
}

#[tokio::test]
async fn adding_a_wallet_again_is_answered_the_same() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let (ann, bob) = (create_user(&mut client, "ann").await, create_user(&mut client, "bob").await);
    let bank = key("bank", "a");
    let first = add_wallet(&mut client, &ann, &bank).await.unwrap();
    assert_eq!(add_wallet(&mut client, &ann, &bank).await.unwrap(), first);
    // Nothing of the account is written again.
    let version = "SELECT ctid::text FROM accounts WHERE address = 'a'";
    let before: String = one(&service.sql, version).await;
    add_wallet(&mut client, &bob, &bank).await.unwrap();
    assert_eq!(one::<String>(&service.sql, version).await, before);
    // Whose own it is may add it, and has it already.
    let own = add_wallet(&mut client, &ann, &payments(&ann)).await.unwrap();
    assert_eq!(own.account, Some(payments(&ann)));
    assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM user_wallets").await, 4);
}

/// What each rpc counts for a user as the sender.
async fn sent(service: &TestService, user: &User) -> Vec<i64> {
    let (start, end) = ("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z");
    let (mut analytics, mut ledger) = (service.analytics().await, service.ledger().await);
    let (direction, window) = (Direction::Sender.into(), window(start, end));
    let sum = question(user.user_uuid.parse().unwrap(), Direction::Sender, start, end);
    let sum = analytics.sum_amount(sum).await.unwrap().into_inner().transaction_count;
    let series = SumSeriesRequest {
        subject: Some(sum_series_request::Subject::UserUuid(user.user_uuid.clone())),
        window,
        direction,
        bucket_unit: BucketUnit::Day.into(),
        ..SumSeriesRequest::default()
    };
    let series = analytics.sum_series(series).await.unwrap().into_inner();
    let metric = RankMetric::Count.into();
    let rank = RankRequest { window, direction, metric, include_idle: true, ..Default::default() };
    let rank = analytics.rank(rank).await.unwrap().into_inner().rows;
    let rank = rank.iter().find(|row| row.user_uuid == user.user_uuid).unwrap();
    vec![
        sum,
        series.series[0].buckets[0].transaction_count,
        rank.transaction_count,
        user_counts(&mut ledger, user).await.1,
    ]
}

#[tokio::test]
async fn a_wallet_counts_from_the_next_answer_on_until_it_is_removed() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let mut client = service.ledger().await;
    let (ann, bob) = (create_user(&mut client, "ann").await, create_user(&mut client, "bob").await);
    let own = format!("SELECT account_id FROM accounts WHERE address = '{}'", ann.user_uuid);
    let own = one(sql, &own).await;
    let (bank, sink) = (add_account(sql, "bank", "a").await, add_account(sql, "bank", "b").await);
    add(sql, "2024-05-05T01:00:00Z", own, sink, "1").await;
    for _ in 0..2 {
        add(sql, "2024-05-05T02:00:00Z", bank, sink, "2").await;
    }
    // Between two accounts that one user may track: on both sides.
    add(sql, "2024-05-05T03:00:00Z", bank, own, "3").await;
    let check = async |user: &User, expected: i64| {
        assert_eq!(sent(&service, user).await, [expected; 4], "{}", user.username);
    };
    check(&ann, 1).await;
    check(&bob, 0).await;
    let bank = key("bank", "a");
    for _ in 0..3 {
        add_wallet(&mut client, &ann, &bank).await.unwrap();
        check(&ann, 4).await;
        assert_eq!(user_counts(&mut client, &ann).await, (1, 4));
        add_wallet(&mut client, &bob, &bank).await.unwrap();
        check(&bob, 3).await;
        remove_wallet(&mut client, &ann, &bank).await.unwrap();
        check(&ann, 1).await;
        check(&bob, 3).await;
        remove_wallet(&mut client, &bob, &bank).await.unwrap();
        check(&bob, 0).await;
    }
    assert_eq!(one::<i64>(sql, "SELECT count(*) FROM transactions").await, 4);
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_and_an_unknown_user_is_not_found() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let (ann, bob) = (create_user(&mut client, "ann").await, create_user(&mut client, "bob").await);
    let request = |uuid: &str, account: Option<AccountKey>| AddWalletRequest {
        user_uuid: uuid.to_owned(),
        account,
    };
    let bank = || Some(key("bank", "a"));
    let mut cases: Vec<(AddWalletRequest, Vec<&str>)> = Vec::new();
    cases.extend(bad_uuids().iter().map(|uuid| (request(uuid, bank()), vec!["user_uuid"])));
    for (account, fields) in bad_accounts() {
        cases.push((request(SOME_UUID, Some(account)), fields));
    }
    cases.push((AddWalletRequest::default(), vec!["user_uuid", "account"]));
    for (network, address) in [
        ("bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"),
        ("ethereum", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"),
        ("internal", "nobody"),
        ("internal", SOME_UUID),
        ("internal", &bob.user_uuid),
    ] {
        let request = request(&ann.user_uuid, Some(key(network, address)));
        cases.push((request, vec!["account.address"]));
    }
    for (request, expected) in cases {
        assert_eq!(fields(&client.add_wallet(request).await.unwrap_err()), expected);
    }
    for account in [bank(), Some(key("internal", SOME_UUID))] {
        let status = client.add_wallet(request(SOME_UUID, account)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such user"));
    }
    assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM accounts").await, 2);
}

/// A service with room for five wallets a user, the payments account among them, and for
/// three users a wallet.
async fn narrow() -> TestService {
    let mut settings = settings();
    settings.server.user_wallets_max = 5;
    settings.server.wallet_users_max = 3;
    TestService::start_with(new_target(), settings).await
}

/// Adds wallets at the same time, each on a connection of its own; how many were added.
async fn added_at_once(service: &TestService, wallets: Vec<(User, AccountKey)>) -> usize {
    let clients: Vec<LedgerClient> = join_all(wallets.iter().map(|_| service.ledger())).await;
    let asked = clients.into_iter().zip(wallets).map(async |(mut client, (user, account))| {
        add_wallet(&mut client, &user, &account).await.map(drop)
    });
    let outcomes: Vec<Result<(), Status>> = join_all(asked).await;
    for status in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    }
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}

#[tokio::test]
async fn limits_hold_however_many_add_at_once() {
    let service = narrow().await;
    let mut client = service.ledger().await;
    for round in 0..5 {
        let user = create_user(&mut client, &format!("one {round}")).await;
        let bank = |place: i32| key("bank", &format!("{round} {place}"));
        let wallets = (0..12).map(|place| (user.clone(), bank(place))).collect();
        assert_eq!(added_at_once(&service, wallets).await, 4);

        let shared = key("bank", &format!("shared {round}"));
        let mut users = Vec::new();
        for place in 0..8 {
            let user = create_user(&mut client, &format!("{round} {place}")).await;
            users.push((user, shared.clone()));
        }
        assert_eq!(added_at_once(&service, users).await, 3);
    }
    let text = "SELECT max(n) FROM (SELECT count(*) AS n FROM user_wallets GROUP BY user_id) m";
    assert_eq!(one::<i64>(&service.sql, text).await, 5);
}

#[tokio::test]
async fn at_a_limit_what_is_there_is_there_and_what_goes_makes_room() {
    let service = narrow().await;
    let mut client = service.ledger().await;
    let ann = create_user(&mut client, "ann").await;
    let wallets: Vec<_> = (0..5).map(|place| key("bank", &place.to_string())).collect();
    for wallet in &wallets[..4] {
        add_wallet(&mut client, &ann, wallet).await.unwrap();
    }
    let status = add_wallet(&mut client, &ann, &wallets[4]).await.unwrap_err();
    let expected = "the user tracks as many accounts as there may be";
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, expected));
    assert!(status.get_details_retry_info().is_none());
    let made = "SELECT count(*) FROM accounts WHERE network = 'bank'";
    assert_eq!(one::<i64>(&service.sql, made).await, 4, "nothing was recorded");
    add_wallet(&mut client, &ann, &wallets[0]).await.unwrap();
    remove_wallet(&mut client, &ann, &wallets[0]).await.unwrap();
    add_wallet(&mut client, &ann, &wallets[4]).await.unwrap();

    for name in ["bob", "cid"] {
        let user = create_user(&mut client, name).await;
        add_wallet(&mut client, &user, &wallets[1]).await.unwrap();
    }
    let dan = create_user(&mut client, "dan").await;
    let status = add_wallet(&mut client, &dan, &wallets[1]).await.unwrap_err();
    let expected = "as many users track the account as there may be";
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, expected));
    add_wallet(&mut client, &ann, &wallets[1]).await.unwrap();
    remove_wallet(&mut client, &ann, &wallets[1]).await.unwrap();
    add_wallet(&mut client, &dan, &wallets[1]).await.unwrap();
}

#[tokio::test]
async fn a_thousand_wallets_fit_unless_told_otherwise() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let ann = create_user(&mut client, "ann").await;
    let fill = "WITH a AS (INSERT INTO accounts (network, address)
            SELECT 'bank', n::text FROM generate_series(1, 998) n RETURNING account_id)
        INSERT INTO user_wallets (user_id, account_id) SELECT user_id, account_id FROM users, a";
    service.sql.batch_execute(fill).await.unwrap();
    add_wallet(&mut client, &ann, &key("bank", "last")).await.unwrap();
    let status = add_wallet(&mut client, &ann, &key("bank", "more")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let list =
        ListWalletsRequest { user_uuid: ann.user_uuid, page_size: 1_000, ..Default::default() };
    let wallets = client.list_wallets(list).await.unwrap().into_inner();
    assert_eq!((wallets.wallets.len(), wallets.next_page_token.as_str()), (1_000, ""));
}
