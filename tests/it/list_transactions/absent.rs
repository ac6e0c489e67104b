//! Days that are not at hand: refused by name where the page would begin with their rows, and
//! nowhere else.

use daybook::{
    domain::{access::Scope, running_total::instants::TimeOrder},
    error::{AbsentDay, ErrorKind},
    grpc::pb::v1::{
        DeleteTransactionRequest, GetTransactionRequest, ListTransactionsRequest,
        get_transaction_request::Key,
    },
    ledger::{
        Ledger,
        list_transactions::{ListQuestion, ListSubject},
    },
};

use tonic::Code;

use super::{People, amounts, ask, of_all, of_user, oldest, walk};
use crate::{
    absent_days::days_of,
    sum_amount::window,
    support::{
        cluster::eventually,
        ledger::{add, add_user, ensure_days},
        rows::NewRow,
        schema::{TestSchema, day},
        service::TestService,
    },
};

const DAYS: [&str; 3] = ["2024-05-05", "2024-05-06", "2024-05-07"];

fn sized(request: &ListTransactionsRequest, page_size: i32) -> ListTransactionsRequest {
    ListTransactionsRequest { page_size, ..request.clone() }
}

#[tokio::test]
async fn a_page_ends_before_an_absent_day_and_one_that_begins_there_is_refused() {
    let service = TestService::start().await;
    let People { ann, bob, .. } = People::new(&service, &DAYS).await;
    for (place, day) in DAYS.iter().enumerate() {
        for hour in [10, 11] {
            let instant = format!("{day}T{hour}:00:00Z");
            let row = NewRow::new(&instant, ann.account_id, bob.account_id);
            row.of(&format!("{place}{hour}")).add(&service.sql).await;
        }
    }
    let text = "SELECT leaf::text FROM partition_bounds('transactions')
        WHERE lower_at = '2024-05-06Z'";
    let leaf: String = service.sql.query_one(text, &[]).await.unwrap().get(0);
    let text = format!("ALTER TABLE transactions DETACH PARTITION {leaf}");
    service.sql.batch_execute(&text).await.unwrap();
    let expected = [("DAY_DETACHED".to_owned(), "2024-05-06".to_owned())];
    for request in [of_user(&ann), of_all("USD")] {
        // At once, whether anybody has noticed it by now or not.
        let page = ask(&service, request.clone()).await.unwrap();
        assert_eq!((page.transactions.len(), page.next_page_token.is_empty()), (2, false));
    }
    eventually("the day is missed", async || {
        let text = "SELECT FROM absent_days";
        !service.sql.query(text, &[]).await.unwrap().is_empty()
    })
    .await;
    for request in [of_user(&ann), of_all("USD")] {
        for (request, newest) in
            [(request.clone(), "211.00000"), (oldest(request.clone()), "10.00000")]
        {
            // Two rows lie in front of the day.
            let page = ask(&service, sized(&request, 1)).await.unwrap();
            assert_eq!(amounts(&page.transactions), [newest]);
            for page_size in [2, 3, 100] {
                let page = ask(&service, sized(&request, page_size)).await.unwrap();
                assert_eq!(page.transactions.len(), 2, "a page of {page_size}");
                let page_token = page.next_page_token;
                assert!(!page_token.is_empty(), "more follows");
                let next = ListTransactionsRequest { page_token, ..request.clone() };
                for page_size in [1, 100] {
                    let status = ask(&service, sized(&next, page_size)).await.unwrap_err();
                    assert_eq!(days_of(&status), expected);
                }
            }
            let on_the_day = ListTransactionsRequest {
                window: window("2024-05-06T00:00:00Z", "2024-05-07T00:00:00Z"),
                ..request
            };
            assert_eq!(days_of(&ask(&service, on_the_day).await.unwrap_err()), expected);
        }
        let beside = ListTransactionsRequest {
            window: window("2024-05-07T00:00:00Z", "2024-05-08T00:00:00Z"),
            ..request
        };
        assert_eq!(walk(&service, &beside, 1).await.len(), 2);
    }
    let text = "ALTER TABLE transactions ATTACH PARTITION {leaf}
        FOR VALUES FROM ('2024-05-06 00:00Z') TO ('2024-05-07 00:00Z')";
    service.sql.batch_execute(&text.replace("{leaf}", &leaf)).await.unwrap();
    eventually("the day is back", async || ask(&service, of_user(&ann)).await.is_ok()).await;
    assert_eq!(walk(&service, &of_user(&ann), 1).await.len(), 6);
}

#[tokio::test]
async fn a_balance_of_an_absent_day_is_refused_as_get_balance_does() {
    let service = TestService::start().await;
    let People { ann, bob, .. } = People::new(&service, &DAYS).await;
    for day in DAYS {
        let instant = format!("{day}T10:00:00Z");
        NewRow::new(&instant, ann.account_id, bob.account_id).add(&service.sql).await;
    }
    // Nobody has dropped it: the record alone decides what totals can be trusted.
    let text = "INSERT INTO absent_days (day, is_dropped) VALUES ('2024-05-05', $1)";
    for (is_dropped, is_answered) in [(true, true), (false, false)] {
        service.sql.execute(text, &[&is_dropped]).await.unwrap();
        let request = ListTransactionsRequest {
            asset: "USD".into(),
            with_running_balance: true,
            ..sized(&of_user(&ann), 1)
        };
        match ask(&service, request.clone()).await {
            Ok(page) => {
                assert!(is_answered);
                assert_eq!(page.transactions[0].running_balance, "-3.00000");
            }
            Err(status) => {
                assert!(!is_answered);
                let expected = ("DAY_DETACHED".to_owned(), "2024-05-05".to_owned());
                assert_eq!(days_of(&status), [expected]);
            }
        }
        service.sql.batch_execute("DELETE FROM absent_days").await.unwrap();
    }
}

#[tokio::test]
async fn a_day_that_went_unnoticed_is_named_and_broken_totals_are_a_fault() {
    let schema = TestSchema::prepared().await;
    let sql = &schema.sql;
    ensure_days(sql, &DAYS).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    for day in DAYS {
        add(sql, &format!("{day}T10:00:00Z"), ann.account_id, bob.account_id, "1").await;
    }
    let ledger = Ledger::new(schema.database.clone());
    let question = ListQuestion {
        subject: ListSubject::User(ann.user_uuid),
        scope: Scope::Everybody,
        asset: None,
        window: None,
        direction: None,
        order: TimeOrder::NewestFirst,
        with_running_balance: false,
        page_size: 10,
        after: None,
        series_max: 10,
        explain: false,
    };
    assert_eq!(ledger.list_transactions(&question).await.unwrap().rows.len(), 3);
    // Nobody watches the days of this schema.
    schema.drop_day(day("2024-05-06")).await;
    let page = ledger.list_transactions(&question).await.unwrap();
    assert_eq!((page.rows.len(), page.has_more), (1, true), "it ends before the day");
    let after = page.rows.last().map(|row| row.transaction.place);
    let next = ListQuestion { after, ..question.clone() };
    let error = ledger.list_transactions(&next).await.unwrap_err();
    let absent = AbsentDay { day: day("2024-05-06"), is_dropped: false };
    assert_eq!(error.kind(), &ErrorKind::FailedPrecondition(vec![absent]));
    let page = ListQuestion { page_size: 1, ..question.clone() };
    let page = ledger.list_transactions(&page).await.unwrap();
    assert_eq!((page.rows.len(), page.has_more), (1, true), "its row lies on a day at hand");

    let text = "DELETE FROM corrections WHERE occurred_at < '2024-05-07Z';
        INSERT INTO corrections (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
        SELECT '2024-05-05T11:00Z', sender_id, receiver_id, 1, 1, 1 FROM transactions";
    sql.batch_execute(text).await.unwrap();
    let error = ledger.list_transactions(&question).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Internal);
}

#[tokio::test]
async fn nothing_is_listed_found_or_deleted_while_a_seeding_is_not_complete() {
    let service = TestService::start().await;
    let People { ann, .. } = People::new(&service, &DAYS).await;
    let mut ledger = service.ledger().await;
    // What the trigger on seed_runs writes.
    let text = "INSERT INTO absent_days (day, is_dropped) VALUES ('0001-01-01', false)";
    service.sql.batch_execute(text).await.unwrap();
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8".to_owned();
    let get = |key| GetTransactionRequest { key: Some(key), ..Default::default() };
    let delete = DeleteTransactionRequest { transaction_id: id.clone() };
    for outcome in [
        ledger.list_transactions(of_user(&ann)).await.map(drop),
        ledger.list_transactions(of_all("USD")).await.map(drop),
        ledger.get_transaction(get(Key::TransactionId(id))).await.map(drop),
        ledger.get_transaction(get(Key::Reference("any".into()))).await.map(drop),
        ledger.delete_transaction(delete).await.map(drop),
    ] {
        let status = outcome.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("being seeded"), "{}", status.message());
    }
}
