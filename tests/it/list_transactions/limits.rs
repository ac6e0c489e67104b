//! What a page costs, and what it may cost at most: counted, never timed.

use daybook::{
    grpc::pb::v1::{
        Explanation, GetTransactionRequest, ListTransactionsRequest, get_transaction_request::Key,
    },
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};
use tonic::Code;
use tonic_types::StatusExt;

use super::{People, ask, of_all, of_user, oldest, walk};
use crate::support::{
    ledger::{add_account, add_user, ensure_days, track},
    rows::{NewRow, add_asset},
    service::{TestService, new_target, settings},
};

/// Fills an account with rows, one a second, from the midnight of 2024-05-05 on.
async fn fill(service: &TestService, from: i64, to: i64, count: i64) {
    let text = "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        SELECT timestamptz '2024-05-05Z' + n * interval '1 second', $1, $2, 1, 1
        FROM generate_series(0, $3::bigint - 1) AS n";
    service.sql.execute(text, &[&from, &to, &count]).await.unwrap();
}

async fn explained(
    service: &TestService,
    request: ListTransactionsRequest,
) -> (Explanation, String, usize) {
    let request = ListTransactionsRequest { explain: true, ..request };
    let answer = ask(service, request).await.unwrap();
    (answer.explanation.unwrap(), answer.next_page_token, answer.transactions.len())
}

#[tokio::test]
async fn a_late_page_costs_what_the_first_one_costs() {
    let service = TestService::start().await;
    let People { ann, bob, .. } = People::new(&service, &["2024-05-05"]).await;
    fill(&service, ann.account_id, bob.account_id, 10_000).await;
    seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
    for request in [of_user(&ann), oldest(of_user(&ann)), of_all("USD")] {
        let mut request = ListTransactionsRequest { page_size: 100, ..request };
        let mut cells = Vec::new();
        for page in 0..100 {
            let (made, page_token, count) = explained(&service, request.clone()).await;
            assert_eq!((count, made.corrections_read, made.partitions_touched), (100, 0, 1));
            assert!(made.raw_rows_read <= 101, "{made:?}");
            assert_eq!(page_token.is_empty(), page == 99, "page {page}");
            cells.push(made.cells_read);
            request.page_token = page_token;
        }
        let most = cells.iter().max().unwrap();
        assert!(*most <= 8, "{cells:?}");
    }
}

#[tokio::test]
async fn days_without_rows_of_the_subject_are_not_opened() {
    let service = TestService::start().await;
    let days = ["2024-05-05", "2024-05-06", "2024-05-07", "2024-05-08", "2024-05-09"];
    let People { ann, bob, .. } = People::new(&service, &days).await;
    let cid = add_user(&service.sql, "cid").await;
    for (day, from, to) in [
        ("2024-05-05", ann.account_id, bob.account_id),
        ("2024-05-06", cid.account_id, bob.account_id),
        ("2024-05-07", cid.account_id, bob.account_id),
        ("2024-05-09", bob.account_id, ann.account_id),
    ] {
        NewRow::new(&format!("{day}T10:00:00Z"), from, to).add(&service.sql).await;
    }
    for is_sealed in [false, true] {
        if is_sealed {
            seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
        }
        for (request, page_size, expected) in [
            (of_user(&ann), 100, (2, 2)),
            // One row more than the page holds is looked for, and no more.
            (of_user(&cid), 1, (2, 2)),
            (of_user(&bob), 1, (2, 2)),
            (of_user(&bob), 100, (4, 4)),
            (of_all("USD"), 2, (3, 3)),
        ] {
            for request in [request.clone(), oldest(request)] {
                let request = ListTransactionsRequest { page_size, ..request };
                let (made, ..) = explained(&service, request).await;
                assert_eq!((made.partitions_touched, made.raw_rows_read), expected);
                assert_eq!(made.corrections_read == 0, is_sealed, "{made:?}");
                assert_eq!(made.cells_read > 0, is_sealed, "{made:?}");
                assert_eq!(made.sealed_until.is_none(), is_sealed);
            }
        }
    }
}

#[tokio::test]
async fn a_user_of_many_wallets_is_asked_for_in_few_rounds() {
    let service = TestService::start().await;
    let People { ann, bob, .. } = People::new(&service, &["2024-05-05"]).await;
    let text = "WITH added AS (
            INSERT INTO accounts (network, address)
            SELECT 'bank', 'ann-' || n FROM generate_series(1, 300) AS n
            RETURNING account_id
        ), tracked AS (
            INSERT INTO user_wallets (user_id, account_id)
            SELECT $1, account_id FROM added
        )
        SELECT array_agg(account_id) FROM added";
    let wallets: Vec<i64> = service.sql.query_one(text, &[&ann.user_id]).await.unwrap().get(0);
    let text = "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        SELECT timestamptz '2024-05-05Z' + w.place * interval '1 second' + n * interval '1 hour',
            w.account_id, $2, 1, 1
        FROM unnest($1::bigint[]) WITH ORDINALITY AS w (account_id, place)
        CROSS JOIN generate_series(1, 3) AS n";
    service.sql.execute(text, &[&wallets, &bob.account_id]).await.unwrap();
    seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
    for request in [of_user(&ann), oldest(of_user(&ann))] {
        let rows = walk(&service, &request, 300).await;
        assert_eq!(rows.len(), 900);
        let (made, ..) = explained(&service, request).await;
        assert_eq!(made.cells_read, 300, "one leaf a wallet that has any");
    }
}

#[tokio::test]
async fn a_page_ends_before_its_answer_is_too_large() {
    let mut settings = settings();
    settings.server.response_bytes_max = 65_536;
    let service = TestService::start_with(new_target(), settings).await;
    let People { ann, bob, .. } = People::new(&service, &["2024-05-05"]).await;
    for number in 0..400 {
        let row = NewRow::new("2024-05-05T10:00:00Z", ann.account_id, bob.account_id);
        let row = row.referring_to(&format!("{number:0>256}"));
        NewRow { position: number, ..row }.add(&service.sql).await;
    }
    let mut request = ListTransactionsRequest { page_size: 1_000, ..oldest(of_user(&ann)) };
    let (mut positions, mut pages) = (Vec::new(), 0);
    loop {
        let answer = ask(&service, request.clone()).await.unwrap();
        assert!(!answer.transactions.is_empty());
        let position = |row: &super::ListedTransaction| row.transaction.as_ref().unwrap().position;
        positions.extend(answer.transactions.iter().map(position));
        pages += 1;
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!((3..20).contains(&pages), "{pages} pages");
    assert_eq!(positions, (0..400).collect::<Vec<_>>());
}

/// An amount has as many digits as Postgres lets it have.
#[tokio::test]
async fn a_row_that_is_larger_than_an_answer_is_refused_and_ends_no_list_in_silence() {
    let mut settings = settings();
    settings.server.response_bytes_max = 65_536;
    let service = TestService::start_with(new_target(), settings).await;
    let People { ann, bob, .. } = People::new(&service, &["2024-05-05"]).await;
    let digits = "7".repeat(60_000);
    let mut ids = Vec::new();
    for (hour, amount) in [(1, "1"), (2, digits.as_str()), (3, "3")] {
        let instant = format!("2024-05-05T0{hour}:00:00Z");
        let row = NewRow::new(&instant, ann.account_id, bob.account_id).of(amount);
        ids.push(row.referring_to(&format!("of {hour}")).add(&service.sql).await);
    }
    for request in [of_user(&ann), oldest(of_user(&ann)), of_all("USD")] {
        let page = ask(&service, request.clone()).await.unwrap();
        assert_eq!(page.transactions.len(), 1);
        let next = ListTransactionsRequest { page_token: page.next_page_token, ..request };
        let status = ask(&service, next).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        assert!(status.get_details_retry_info().is_none());
        assert!(status.message().contains("--response-bytes-max"), "{}", status.message());
    }
    for key in [Key::Reference("of 2".to_owned()), Key::TransactionId(ids[1].to_string())] {
        let get = GetTransactionRequest { key: Some(key), ..Default::default() };
        let status = service.ledger().await.get_transaction(get).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        assert!(status.message().contains("--response-bytes-max"), "{}", status.message());
    }
    let get = GetTransactionRequest {
        key: Some(Key::TransactionId(ids[2].to_string())),
        ..Default::default()
    };
    service.ledger().await.get_transaction(get).await.unwrap();
}

#[tokio::test]
async fn a_subject_of_too_many_series_is_refused_until_an_asset_is_named() {
    let mut settings = settings();
    settings.server.list_series_max = 4;
    let service = TestService::start_with(new_target(), settings).await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    let assets = [1, add_asset(sql, "EUR", 2).await, add_asset(sql, "JPY", 0).await];
    for (place, asset_id) in assets.into_iter().enumerate() {
        for (from, to) in [(ann.account_id, bob.account_id), (bob.account_id, ann.account_id)] {
            NewRow { asset_id, ..NewRow::new("2024-05-05T10:00:00Z", from, to) }.add(sql).await;
        }
        // Each series both in cells and in corrections.
        seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
        for (from, to) in [(ann.account_id, bob.account_id), (bob.account_id, ann.account_id)] {
            NewRow { asset_id, ..NewRow::new("2024-05-05T10:00:00Z", from, to) }.add(sql).await;
        }
        let outcome = ask(&service, of_user(&ann)).await;
        match outcome {
            Ok(answer) => {
                assert_eq!((answer.transactions.len(), place < 2), (4 * (place + 1), true))
            }
            Err(status) => {
                assert_eq!((status.code(), place), (Code::ResourceExhausted, 2), "{status:?}");
                assert!(status.message().contains("--list-series-max"), "{}", status.message());
            }
        }
    }
    let of_asset = ListTransactionsRequest { asset: "JPY".into(), ..of_user(&ann) };
    assert_eq!(ask(&service, of_asset.clone()).await.unwrap().transactions.len(), 4);
    // Three wallets, two directions.
    for address in ["one", "two"] {
        let wallet = add_account(sql, "bank", address).await;
        track(sql, ann.user_id, wallet).await;
    }
    let status = ask(&service, of_asset).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}
