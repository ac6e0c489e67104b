//! `DeleteUser`: what goes, what stays, and what is in the way.

use daybook::{
    grpc::pb::v1::{
        AccountPopulation, CreateAssetRequest, DeleteUserRequest, Direction, GetUserRequest,
        ListUsersRequest, ListWalletUsersRequest, RankMetric, RankRequest, User,
        get_balance_request, get_user_request, rank_request::Population,
    },
    upkeep::{
        audit::audit,
        sealing::{SEALED_ROWS_MAX, seal_once},
    },
};
use futures_util::future::join_all;
use tonic::{Code, Status};

use crate::{
    invalid_requests::{SOME_UUID, bad_uuids, fields},
    sum_amount::{question, window},
    support::{
        ledger::{add, add_account, ensure_days},
        records::{
            LedgerClient, add_wallet, counts, create_user, key, obstacle, payments, user_counts,
        },
        schema::one,
        service::TestService,
    },
};

async fn delete(client: &mut LedgerClient, user: &User, anonymise: bool) -> Result<(), Status> {
    let request = DeleteUserRequest { user_uuid: user.user_uuid.clone(), anonymise };
    client.delete_user(request).await.map(drop)
}

async fn account_id(service: &TestService, user: &User) -> i64 {
    let uuid = &user.user_uuid;
    let text = format!("SELECT account_id FROM accounts WHERE address = '{uuid}'");
    one(&service.sql, &text).await
}

/// Usernames, and members of rankings of users and of payments accounts.
async fn listed(service: &TestService) -> (Vec<String>, Vec<String>, Vec<String>) {
    let list = service.ledger().await.list_users(ListUsersRequest::default()).await.unwrap();
    let names = list.into_inner().users.into_iter().map(|user| user.username).collect();
    let rank = RankRequest {
        window: window("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z"),
        direction: Direction::Sender.into(),
        metric: RankMetric::Sum.into(),
        include_idle: true,
        ..RankRequest::default()
    };
    let internal = AccountPopulation { network: "internal".to_owned() };
    let accounts = RankRequest { population: Some(Population::Accounts(internal)), ..rank.clone() };
    let mut client = service.analytics().await;
    let users = client.rank(rank).await.unwrap().into_inner().rows;
    let accounts = client.rank(accounts).await.unwrap().into_inner().rows;
    let address = |row: daybook::grpc::pb::v1::RankRow| row.account.unwrap().address;
    let users = users.into_iter().map(|row| row.username).collect();
    (names, users, accounts.into_iter().map(address).collect())
}

/// Everything that is asked about the user by UUID or username says that there is none.
async fn check_unknown(service: &TestService, user: &User) {
    let by_name = get_user_request::User::Username(user.username.clone());
    let by_uuid = get_user_request::User::UserUuid(user.user_uuid.clone());
    let mut client = service.ledger().await;
    for by in [by_name, by_uuid] {
        let status = client.get_user(GetUserRequest { user: Some(by) }).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
    }
    let uuid = user.user_uuid.parse().unwrap();
    let (start, end) = ("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z");
    let sum = question(uuid, Direction::Sender, start, end);
    let status = service.analytics().await.sum_amount(sum).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such user"));
    let status = add_wallet(&mut client, user, &key("bank", "b")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such user"));
}

#[tokio::test]
async fn a_user_without_transactions_goes_with_what_was_tracked() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let bank = key("bank", "a");
    let (ann, bob) = (create_user(&mut client, "ann").await, create_user(&mut client, "bob").await);
    for user in [&ann, &bob] {
        add_wallet(&mut client, user, &bank).await.unwrap();
    }
    // What another wallet moved is not in the way.
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let account = one(&service.sql, "SELECT account_id FROM accounts WHERE address = 'a'").await;
    let sink = add_account(&service.sql, "bank", "sink").await;
    add(&service.sql, "2024-05-05T01:00:00Z", account, sink, "1").await;
    delete(&mut client, &ann, false).await.unwrap();
    check_unknown(&service, &ann).await;
    let (names, ranked, accounts) = listed(&service).await;
    assert_eq!(
        (names.as_slice(), ranked.as_slice()),
        (&["bob".to_owned()][..], &["bob".to_owned()][..])
    );
    assert!(accounts.contains(&ann.user_uuid), "the account stays: {accounts:?}");
    let list = ListWalletUsersRequest { account: Some(bank), ..Default::default() };
    let users = client.list_wallet_users(list).await.unwrap().into_inner().users;
    let users: Vec<_> = users.into_iter().map(|one| one.user.unwrap()).collect();
    assert_eq!(users, [bob]);
    let subject = get_balance_request::Subject::Account(payments(&ann));
    assert_eq!(counts(&mut client, subject).await, (0, 0));
}

#[tokio::test]
async fn transactions_of_the_payments_account_are_in_the_way_unless_the_name_alone_shall_go() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06"]).await;
    let mut client = service.ledger().await;
    let asset = CreateAssetRequest { code: "BTC".into(), decimals: Some(8), ..Default::default() };
    client.create_asset(asset).await.unwrap();
    let ann = create_user(&mut client, "ann").await;
    let (own, bank) = (account_id(&service, &ann).await, add_account(sql, "bank", "a").await);
    let refused = async |client: &mut LedgerClient, received: i64, sent: i64| {
        let status = delete(client, &ann, false).await.unwrap_err();
        let expected = ("USER_HAS_TRANSACTIONS".to_owned(), ann.user_uuid.clone());
        assert_eq!(obstacle(&status), expected);
        let counts = format!("received {received} and sent {sent} transactions");
        assert!(status.message().contains(&counts), "{counts}: {}", status.message());
    };
    add(sql, "2024-05-05T01:00:00Z", bank, own, "1").await;
    refused(&mut client, 1, 0).await;
    add(sql, "2024-05-06T01:00:00Z", own, bank, "2").await;
    add(sql, "2024-05-06T02:00:00Z", own, own, "3").await;
    let other = "UPDATE transactions SET asset_id = 2 WHERE amount = 2";
    sql.batch_execute(other).await.unwrap();
    refused(&mut client, 2, 2).await;
    seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
    refused(&mut client, 2, 2).await;
    // As before, and the connection was given back each time.
    assert_eq!(user_counts(&mut client, &ann).await, (2, 1));

    delete(&mut client, &ann, true).await.unwrap();
    check_unknown(&service, &ann).await;
    let subject = get_balance_request::Subject::Account(payments(&ann));
    assert_eq!(counts(&mut client, subject).await, (2, 1));
    let (names, ranked, accounts) = listed(&service).await;
    assert_eq!((names.len(), ranked.len(), accounts), (0, 0, vec![ann.user_uuid.clone()]));
    assert_eq!(one::<i64>(sql, "SELECT count(*) FROM transactions").await, 3);
    assert_eq!(audit(&service.database, 2, |_, _| ()).await.unwrap(), []);
    let left = "SELECT count(*) FROM user_uuids i WHERE to_jsonb(i)::text LIKE '%ann%'";
    assert_eq!(one::<i64>(sql, left).await, 0, "no name is left");
}

#[tokio::test]
async fn transactions_that_went_away_again_are_not_in_the_way() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let mut client = service.ledger().await;
    for (name, seals) in [("ann", [false, false]), ("bob", [true, false]), ("cid", [true, true])] {
        let user = create_user(&mut client, name).await;
        let own = account_id(&service, &user).await;
        add(sql, "2024-05-05T01:00:00Z", own, own, "1").await;
        for (step, seal) in seals.into_iter().enumerate() {
            if step == 1 {
                sql.batch_execute("DELETE FROM transactions").await.unwrap();
            }
            if seal {
                seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
            }
        }
        delete(&mut client, &user, false).await.unwrap();
    }
}

#[tokio::test]
async fn deleting_again_is_fine_and_who_never_was_there_is_not_found() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let ann = create_user(&mut client, "ann").await;
    for anonymise in [false, true, false] {
        delete(&mut client, &ann, anonymise).await.unwrap();
    }
    for anonymise in [false, true] {
        let nobody = User { user_uuid: SOME_UUID.into(), ..User::default() };
        let status = delete(&mut client, &nobody, anonymise).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such user"));
    }
    for uuid in bad_uuids() {
        let request = DeleteUserRequest { user_uuid: uuid, anonymise: true };
        assert_eq!(fields(&client.delete_user(request).await.unwrap_err()), ["user_uuid"]);
    }
}

#[tokio::test]
async fn many_who_delete_and_add_wallets_at_once_are_all_answered_right() {
    let service = TestService::start().await;
    for round in 0..5 {
        let user = create_user(&mut service.ledger().await, &round.to_string()).await;
        let clients = join_all((0..8).map(|_| service.ledger())).await;
        let asked = clients.into_iter().enumerate().map(async |(place, mut client)| {
            if place % 2 == 0 {
                return delete(&mut client, &user, false).await;
            }
            add_wallet(&mut client, &user, &key("bank", &place.to_string())).await.map(drop)
        });
        for (place, outcome) in join_all(asked).await.into_iter().enumerate() {
            match outcome {
                Ok(()) => {}
                Err(status) => {
                    assert_eq!((place % 2, status.code()), (1, Code::NotFound), "{status:?}");
                }
            }
        }
        assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM users").await, 0);
        assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM user_wallets").await, 0);
    }
}

#[tokio::test]
async fn an_unfinished_seeding_is_in_the_way() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let ann = create_user(&mut client, "ann").await;
    let begun = "INSERT INTO seed_runs (user_count, transaction_count, first_day, day_count, \
                 seed_number, is_skewed) VALUES (1, 1, '2024-05-05', 1, 1, false)";
    service.sql.batch_execute(begun).await.unwrap();
    let status = delete(&mut client, &ann, false).await.unwrap_err();
    assert_eq!(obstacle(&status), ("SEEDING_UNFINISHED".to_owned(), ann.user_uuid.clone()));
    let finished = "UPDATE seed_runs SET finished_at = now()";
    service.sql.batch_execute(finished).await.unwrap();
    delete(&mut client, &ann, false).await.unwrap();
}
