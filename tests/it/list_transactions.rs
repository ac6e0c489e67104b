//! `ListTransactions`: every row of a user, an account or an asset, once, in order, from
//! the days that hold it and no other one.

mod absent;
mod limits;
mod walks;

use daybook::grpc::pb::v1::{
    AccountKey, AllAccounts, Direction, ListOrder, ListTransactionsRequest,
    ListTransactionsResponse, ListedTransaction, list_transactions_request::Subject,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    invalid_requests::fields,
    sum_amount::{timestamp, window},
    support::{
        ledger::{TestUser, add_account, add_user, ensure_days, track},
        rows::{NewRow, add_asset},
        service::TestService,
    },
};

pub(crate) fn of_user(user: &TestUser) -> ListTransactionsRequest {
    of(Subject::UserUuid(user.user_uuid.to_string()))
}

fn of_account(network: &str, address: &str) -> ListTransactionsRequest {
    of(Subject::Account(AccountKey { network: network.into(), address: address.into() }))
}

fn of_all(asset: &str) -> ListTransactionsRequest {
    let request = of(Subject::All(AllAccounts {}));
    ListTransactionsRequest { asset: asset.into(), ..request }
}

fn of(subject: Subject) -> ListTransactionsRequest {
    ListTransactionsRequest { subject: Some(subject), ..Default::default() }
}

pub(crate) async fn ask(
    service: &TestService,
    request: ListTransactionsRequest,
) -> Result<ListTransactionsResponse, Status> {
    Ok(service.ledger().await.list_transactions(request).await?.into_inner())
}

/// Every row, page by page; `page_size` rows a page, each page full but the last one.
async fn walk(
    service: &TestService,
    request: &ListTransactionsRequest,
    page_size: usize,
) -> Vec<ListedTransaction> {
    let mut rows = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListTransactionsRequest {
            page_size: i32::try_from(page_size).unwrap(),
            page_token,
            ..request.clone()
        };
        let page = ask(service, request).await.unwrap();
        let count = page.transactions.len();
        rows.extend(page.transactions);
        if page.next_page_token.is_empty() {
            assert!(count <= page_size);
            return rows;
        }
        assert_eq!(count, page_size);
        page_token = page.next_page_token;
    }
}

fn id(row: &ListedTransaction) -> Uuid {
    row.transaction.as_ref().unwrap().transaction_id.parse().unwrap()
}

fn ids(rows: &[ListedTransaction]) -> Vec<Uuid> {
    rows.iter().map(id).collect()
}

fn amounts(rows: &[ListedTransaction]) -> Vec<&str> {
    rows.iter().map(|row| row.transaction.as_ref().unwrap().amount.as_str()).collect()
}

fn balances(rows: &[ListedTransaction]) -> Vec<&str> {
    rows.iter().map(|row| row.running_balance.as_str()).collect()
}

fn oldest(request: ListTransactionsRequest) -> ListTransactionsRequest {
    ListTransactionsRequest { order: ListOrder::OldestFirst.into(), ..request }
}

fn with_direction(
    request: ListTransactionsRequest,
    direction: Direction,
) -> ListTransactionsRequest {
    ListTransactionsRequest { direction: direction.into(), ..request }
}

/// Ann with a payments account and a bank account, and Bob.
struct People {
    ann: TestUser,
    bank: i64,
    bob: TestUser,
}

impl People {
    async fn new(service: &TestService, days: &[&str]) -> Self {
        let sql = &service.sql;
        ensure_days(sql, days).await;
        let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
        let bank = add_account(sql, "bank", "CZ-77").await;
        track(sql, ann.user_id, bank).await;
        Self { ann, bank, bob }
    }
}

#[tokio::test]
async fn a_row_is_shown_with_all_that_it_has() {
    let service = TestService::start().await;
    let People { ann, bank, bob } = People::new(&service, &["2024-05-05"]).await;
    let row = NewRow::new("2024-05-05T10:00:00.000001Z", bob.account_id, bank)
        .of("12.3456789")
        .referring_to("rent");
    let row = NewRow { position: -7, ..row };
    row.add(&service.sql).await;
    let answer = ask(&service, of_user(&ann)).await.unwrap();
    assert!(answer.database_seconds > 0.0);
    assert_eq!((&answer.explanation, answer.next_page_token.as_str()), (&None, ""));
    let [shown] = &answer.transactions[..] else { panic!("{answer:?}") };
    assert_eq!((shown.is_sender, shown.is_receiver, shown.is_own_transfer), (false, true, false));
    assert_eq!(shown.running_balance, "");
    let shown = shown.transaction.as_ref().unwrap();
    assert_eq!(shown.transaction_id, row.transaction_id.to_string());
    assert_eq!(shown.occurred_at, Some(timestamp("2024-05-05T10:00:00.000001Z")));
    assert_eq!((shown.position, shown.asset.as_str()), (-7, "USD"));
    assert_eq!((shown.amount.as_str(), shown.reference.as_str()), ("12.3456789", "rent"));
    let sender = AccountKey { network: "internal".into(), address: bob.user_uuid.to_string() };
    let receiver = AccountKey { network: "bank".into(), address: "CZ-77".into() };
    assert_eq!((&shown.sender, &shown.receiver), (&Some(sender), &Some(receiver)));
    let text = "SELECT recorded_at FROM transactions";
    let recorded_at: chrono::DateTime<chrono::Utc> =
        service.sql.query_one(text, &[]).await.unwrap().get(0);
    assert_eq!(shown.recorded_at, Some(timestamp(&recorded_at.to_rfc3339())));
    // A list of all has no side; one of the sender has the other one.
    let all = ask(&service, of_all("USD")).await.unwrap().transactions;
    assert_eq!((all[0].is_sender, all[0].is_receiver), (false, false));
    assert_eq!(all[0].transaction.as_ref(), Some(shown));
    let sent = ask(&service, of_user(&bob)).await.unwrap().transactions;
    assert_eq!((sent[0].is_sender, sent[0].is_receiver), (true, false));
}

#[tokio::test]
async fn all_wallets_of_a_user_are_one_list_and_own_transfers_come_once() {
    let service = TestService::start().await;
    let sql = &service.sql;
    let People { ann, bank, bob } = People::new(&service, &["2024-05-05", "2024-05-06"]).await;
    for (day, hour, from, to, amount) in [
        (5, 1, ann.account_id, bob.account_id, "1"),
        (5, 2, bank, ann.account_id, "2"),
        (5, 3, bob.account_id, bank, "3"),
        // From an account to itself.
        (6, 4, bank, bank, "4"),
        (6, 5, bob.account_id, bob.account_id, "5"),
        (6, 6, ann.account_id, bank, "6"),
    ] {
        let instant = format!("2024-05-0{day}T0{hour}:00:00Z");
        NewRow::new(&instant, from, to).of(&format!("{amount}.00001")).add(sql).await;
    }
    let shown = |rows: &[ListedTransaction]| -> Vec<String> {
        let row = |row: &ListedTransaction| {
            let own = if row.is_own_transfer { "=" } else { "" };
            let side = match (row.is_sender, row.is_receiver) {
                (true, false) => "-",
                (false, true) => "+",
                (true, true) => "±",
                (false, false) => "?",
            };
            let amount = &row.transaction.as_ref().unwrap().amount;
            format!("{side}{own}{}", amount.strip_suffix(".00001").unwrap())
        };
        rows.iter().map(row).collect()
    };
    let (sender, receiver) = (Direction::Sender, Direction::Receiver);
    let account = of_account("bank", "CZ-77");
    for (request, expected) in [
        (of_user(&ann), &["±=6", "±=4", "+3", "±=2", "-1"][..]),
        (oldest(of_user(&ann)), &["-1", "±=2", "+3", "±=4", "±=6"]),
        (with_direction(of_user(&ann), sender), &["±=6", "±=4", "±=2", "-1"]),
        (with_direction(of_user(&ann), receiver), &["±=6", "±=4", "+3", "±=2"]),
        (of_user(&bob), &["±=5", "-3", "+1"]),
        (account.clone(), &["+6", "±=4", "+3", "-2"]),
        (with_direction(account.clone(), sender), &["±=4", "-2"]),
        (with_direction(account, receiver), &["+6", "±=4", "+3"]),
        (of_all("USD"), &["?6", "?5", "?4", "?3", "?2", "?1"]),
        (oldest(of_all("USD")), &["?1", "?2", "?3", "?4", "?5", "?6"]),
    ] {
        for page_size in [1, 2, 3, 100] {
            let rows = walk(&service, &request, page_size).await;
            assert_eq!(shown(&rows), expected, "{page_size}: {request:?}");
        }
    }
}

#[tokio::test]
async fn a_window_holds_its_start_and_not_its_end() {
    let service = TestService::start().await;
    let days = ["2024-05-05", "2024-05-06", "2024-05-07"];
    let People { ann, bob, .. } = People::new(&service, &days).await;
    for (instant, amount) in [
        ("2024-05-05T23:59:59.999999Z", "1"),
        ("2024-05-06T00:00:00Z", "2"),
        ("2024-05-06T23:59:59.999999Z", "3"),
        ("2024-05-07T00:00:00Z", "4"),
    ] {
        let row = NewRow::new(instant, ann.account_id, bob.account_id).of(amount);
        row.add(&service.sql).await;
    }
    for (start, end, expected) in [
        ("2024-05-06T00:00:00Z", "2024-05-07T00:00:00Z", &["3.00000", "2.00000"][..]),
        ("2024-05-06T00:00:00.000001Z", "2024-05-06T23:59:59.999999Z", &[]),
        ("2024-05-05T23:59:59.999999Z", "2024-05-06T00:00:00Z", &["1.00000"]),
        ("2024-05-07T00:00:00Z", "2024-05-07T00:00:00.000001Z", &["4.00000"]),
        ("0001-01-01T00:00:00Z", "2024-05-05T00:00:00Z", &[]),
        (
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            &["4.00000", "3.00000", "2.00000", "1.00000"],
        ),
    ] {
        for subject in [of_user(&ann), of_all("USD")] {
            let request = ListTransactionsRequest { window: window(start, end), ..subject };
            let rows = walk(&service, &request, 1).await;
            assert_eq!(amounts(&rows), expected, "{start} {end}");
            let mut rows = walk(&service, &oldest(request), 1).await;
            rows.reverse();
            assert_eq!(amounts(&rows), expected, "{start} {end}");
        }
    }
}

#[tokio::test]
async fn rows_of_one_instant_keep_their_order_across_pages() {
    let service = TestService::start().await;
    let People { ann, bank, bob } = People::new(&service, &["2024-05-05"]).await;
    let mut places = Vec::new();
    for number in 0..40i64 {
        let (from, to) = match number % 3 {
            0 => (ann.account_id, bob.account_id),
            1 => (bob.account_id, bank),
            _ => (bank, ann.account_id),
        };
        let row = NewRow::new("2024-05-05T10:00:00Z", from, to).of(&format!("{}", number + 1));
        let row = NewRow { position: number % 4 - 2, ..row };
        row.add(&service.sql).await;
        places.push((row.position, row.transaction_id));
    }
    places.sort_unstable();
    let expected: Vec<_> = places.iter().map(|(_, id)| *id).collect();
    let backwards: Vec<_> = expected.iter().rev().copied().collect();
    for page_size in [1, 7, 39, 40, 41] {
        for request in [of_user(&ann), of_all("USD")] {
            let rows = walk(&service, &oldest(request.clone()), page_size).await;
            assert_eq!(ids(&rows), expected, "{page_size}");
            assert_eq!(ids(&walk(&service, &request, page_size).await), backwards, "{page_size}");
        }
    }
}

#[tokio::test]
async fn a_list_has_all_assets_unless_one_is_named() {
    let service = TestService::start().await;
    let People { ann, bob, .. } = People::new(&service, &["2024-05-05"]).await;
    let euro = add_asset(&service.sql, "EUR", 2).await;
    for (hour, asset_id) in [(1, 1), (2, euro), (3, 1), (4, euro)] {
        let instant = format!("2024-05-05T0{hour}:00:00Z");
        let row = NewRow::new(&instant, ann.account_id, bob.account_id);
        NewRow { asset_id, ..row }.of(&hour.to_string()).add(&service.sql).await;
    }
    let of_asset =
        |request, asset: &str| ListTransactionsRequest { asset: asset.to_owned(), ..request };
    for (request, expected) in [
        (of_user(&ann), &["4.00", "3.00000", "2.00", "1.00000"][..]),
        (of_asset(of_user(&ann), "EUR"), &["4.00", "2.00"]),
        (of_asset(of_user(&ann), "USD"), &["3.00000", "1.00000"]),
        (of_all("EUR"), &["4.00", "2.00"]),
        (of_all("USD"), &["3.00000", "1.00000"]),
    ] {
        let rows = walk(&service, &request, 1).await;
        assert_eq!(amounts(&rows), expected, "{request:?}");
    }
}

#[tokio::test]
async fn a_running_balance_is_the_balance_after_each_row() {
    let service = TestService::start().await;
    let People { ann, bank, bob } = People::new(&service, &["2024-05-05", "2024-05-06"]).await;
    let one_instant = "2024-05-06T00:00:00Z";
    for (place, (instant, from, to, amount)) in [
        ("2024-05-05T10:00:00Z", bob.account_id, bank, "100"),
        (one_instant, bank, bob.account_id, "30.5"),
        // Between two wallets of Ann's.
        (one_instant, bank, ann.account_id, "20"),
        (one_instant, bob.account_id, ann.account_id, "0.00001"),
        (one_instant, bank, bank, "7"),
        ("2024-05-06T10:00:00Z", ann.account_id, bob.account_id, "70"),
    ]
    .into_iter()
    .enumerate()
    {
        let row = NewRow::new(instant, from, to).of(amount);
        let position = i64::try_from(place).unwrap();
        NewRow { position, ..row }.add(&service.sql).await;
    }
    let with_balance = |request| ListTransactionsRequest {
        asset: "USD".into(),
        with_running_balance: true,
        ..request
    };
    let of_ann =
        ["100.00000", "69.50000", "69.50000", "69.50001", "69.50001", "-0.49999"].as_slice();
    let of_bank = &["100.00000", "69.50000", "49.50000", "49.50000"];
    let of_bob = &["-100.00000", "-69.50000", "-69.50001", "0.49999"];
    for (request, expected) in
        [(of_user(&ann), of_ann), (of_account("bank", "CZ-77"), of_bank), (of_user(&bob), of_bob)]
    {
        let request = with_balance(request);
        for page_size in [1, 2, 3, 100] {
            let rows = walk(&service, &oldest(request.clone()), page_size).await;
            assert_eq!(balances(&rows), expected, "{page_size}");
            let mut rows = walk(&service, &request, page_size).await;
            rows.reverse();
            assert_eq!(balances(&rows), expected, "{page_size}");
        }
        // Rows before the window count in its balances too.
        let last = window("2024-05-06T09:00:00Z", "2024-05-07T00:00:00Z");
        let rows =
            walk(&service, &ListTransactionsRequest { window: last, ..request.clone() }, 1).await;
        assert_eq!(balances(&rows), expected[expected.len() - rows.len()..]);
    }
}

#[tokio::test]
async fn unknown_subjects_are_not_found_and_idle_ones_have_no_rows() {
    let service = TestService::start().await;
    let People { ann, .. } = People::new(&service, &["2024-05-05"]).await;
    let nobody = of(Subject::UserUuid(Uuid::new_v4().to_string()));
    for (request, message) in [
        (nobody, "there is no such user"),
        (of_account("bank", "nobody"), "there is no such account"),
    ] {
        let status = ask(&service, request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, message));
    }
    let text = "INSERT INTO users (user_uuid, username, name)
        VALUES ('67e55044-10b1-426f-9247-bb680e5fe0c8', 'nowallets', '')";
    service.sql.batch_execute(text).await.unwrap();
    let without = of(Subject::UserUuid("67e55044-10b1-426f-9247-bb680e5fe0c8".into()));
    for request in [of_user(&ann), of_account("bank", "CZ-77"), without, of_all("USD")] {
        for with_asset in [false, true] {
            let asset = if with_asset { "USD".to_owned() } else { request.asset.clone() };
            let request = ListTransactionsRequest {
                with_running_balance: with_asset && request.subject != of_all("USD").subject,
                explain: true,
                asset,
                ..request.clone()
            };
            for request in [request.clone(), oldest(request)] {
                let answer = ask(&service, request).await.unwrap();
                assert_eq!((answer.transactions, answer.next_page_token), (vec![], String::new()));
                let made = answer.explanation.unwrap();
                assert_eq!((made.partitions_touched, made.raw_rows_read), (0, 0));
            }
        }
    }
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let service = TestService::start().await;
    let ann = add_user(&service.sql, "ann").await;
    let nothing = ListTransactionsRequest::default();
    let all_wrong = ListTransactionsRequest {
        subject: Some(Subject::UserUuid("ann".into())),
        asset: "no\u{7}asset".into(),
        window: window("2024-05-06T00:00:00Z", "2024-05-06T00:00:00Z"),
        direction: 7,
        order: 9,
        page_size: 1_001,
        page_token: "x".into(),
        ..Default::default()
    };
    let all = ["user_uuid", "window.end", "direction", "order", "page_size", "page_token", "asset"];
    let balance = |request| ListTransactionsRequest { with_running_balance: true, ..request };
    let account = AccountKey { network: "Bank".into(), address: String::new() };
    let without_asset = of_all("");
    for (request, expected) in [
        (nothing, &["user_uuid"][..]),
        (all_wrong, &all),
        (of(Subject::Account(account)), &["account.network", "account.address"]),
        (without_asset, &["asset"]),
        (of_all("nothing"), &["asset"]),
        (ListTransactionsRequest { page_size: -1, ..of_user(&ann) }, &["page_size"]),
        (with_direction(of_all("USD"), Direction::Sender), &["direction"]),
        (balance(of_all("USD")), &["with_running_balance"]),
        (balance(of_user(&ann)), &["asset"]),
        (balance(with_direction(of_user(&ann), Direction::Sender)), &["direction", "asset"]),
    ] {
        let status = ask(&service, request.clone()).await.unwrap_err();
        assert_eq!(fields(&status), expected, "{request:?}");
    }
}

#[tokio::test]
async fn a_token_goes_on_in_its_own_list_only() {
    let service = TestService::start().await;
    let People { ann, bob, .. } = People::new(&service, &["2024-05-05"]).await;
    for amount in ["1", "2", "3"] {
        let row = NewRow::new("2024-05-05T10:00:00Z", ann.account_id, bob.account_id);
        row.of(amount).add(&service.sql).await;
    }
    let first = ListTransactionsRequest { page_size: 1, ..of_user(&ann) };
    let page_token = ask(&service, first.clone()).await.unwrap().next_page_token;
    let next = ListTransactionsRequest { page_token, ..first };
    let bigger = ListTransactionsRequest { page_size: 2, ..next.clone() };
    assert_eq!(ask(&service, bigger).await.unwrap().transactions.len(), 2);
    let day = window("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z");
    for changed in [
        ListTransactionsRequest { subject: of_user(&bob).subject, ..next.clone() },
        ListTransactionsRequest { asset: "USD".into(), ..next.clone() },
        ListTransactionsRequest { window: day, ..next.clone() },
        with_direction(next.clone(), Direction::Sender),
        oldest(next.clone()),
    ] {
        let status = ask(&service, changed.clone()).await.unwrap_err();
        assert_eq!(fields(&status), ["page_token"], "{changed:?}");
    }
}
