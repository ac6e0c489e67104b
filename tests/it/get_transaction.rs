//! `GetTransaction`: one row by its id, or all rows of a reference with what each account
//! received minus what it sent.

use daybook::{
    grpc::pb::v1::{
        AccountKey, GetTransactionRequest, GetTransactionResponse, NetValue,
        get_transaction_request::Key,
    },
    store::{
        migrate::{self, MIGRATIONS},
        partitions,
    },
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    absent_days::days_of,
    invalid_requests::fields,
    sum_amount::timestamp,
    support::{
        cluster::eventually,
        ledger::{add_account, add_user, ensure_days},
        rows::{NewRow, add_asset},
        schema::{TestSchema, one},
        service::{TestService, new_target, settings},
    },
};

fn by_id(id: impl ToString) -> GetTransactionRequest {
    GetTransactionRequest { key: Some(Key::TransactionId(id.to_string())), ..Default::default() }
}

fn by_reference(reference: &str) -> GetTransactionRequest {
    GetTransactionRequest { key: Some(Key::Reference(reference.into())), ..Default::default() }
}

async fn ask(
    service: &TestService,
    request: GetTransactionRequest,
) -> Result<GetTransactionResponse, Status> {
    Ok(service.ledger().await.get_transaction(request).await?.into_inner())
}

/// Ids of the rows on a page.
fn ids(answer: &GetTransactionResponse) -> Vec<Uuid> {
    answer.transactions.iter().map(|row| row.transaction_id.parse().unwrap()).collect()
}

/// Net values as text: address, asset, received, sent, net.
fn nets(answer: &GetTransactionResponse) -> Vec<String> {
    let text = |value: &NetValue| {
        format!(
            "{} {} {} {} {}",
            value.account.as_ref().unwrap().address,
            value.asset,
            value.received_amount,
            value.sent_amount,
            value.net_amount
        )
    };
    answer.net_values.iter().map(text).collect()
}

#[tokio::test]
async fn a_row_is_found_by_its_id() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    let row = NewRow::new("2024-05-05T10:00:00.5Z", ann.account_id, bob.account_id)
        .of("0.1")
        .referring_to("a");
    let id = NewRow { position: 3, ..row }.add(sql).await;
    NewRow::new("2024-05-05T10:00:00.5Z", ann.account_id, bob.account_id).add(sql).await;
    for written in [id.to_string(), id.simple().to_string(), id.to_string().to_uppercase()] {
        let answer = ask(&service, by_id(written)).await.unwrap();
        assert_eq!((ids(&answer), answer.transaction_count), (vec![id], 1));
        assert!(answer.net_values.is_empty() && answer.next_page_token.is_empty());
        assert!(answer.database_seconds > 0.0);
        let found = &answer.transactions[0];
        assert_eq!((found.position, found.amount.as_str()), (3, "0.10000"));
        assert_eq!(found.occurred_at, Some(timestamp("2024-05-05T10:00:00.5Z")));
        assert_eq!((found.asset.as_str(), found.reference.as_str()), ("USD", "a"));
        let account =
            |uuid: Uuid| AccountKey { network: "internal".into(), address: uuid.to_string() };
        assert_eq!(found.sender, Some(account(ann.user_uuid)));
        assert_eq!(found.receiver, Some(account(bob.user_uuid)));
    }
}

#[tokio::test]
async fn unknown_and_deleted_ids_are_not_found_and_a_moved_row_is() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06"]).await;
    let ann = add_user(sql, "ann").await;
    let status = ask(&service, by_id(Uuid::new_v4())).await.unwrap_err();
    let unknown = (Code::NotFound, "there is no such transaction");
    assert_eq!((status.code(), status.message()), unknown);
    let id = NewRow::new("2024-05-05T10:00:00Z", ann.account_id, ann.account_id).add(sql).await;
    sql.batch_execute("UPDATE transactions SET occurred_at = '2024-05-06T11:00Z'").await.unwrap();
    let answer = ask(&service, by_id(id)).await.unwrap();
    let moved = answer.transactions[0].occurred_at;
    assert_eq!(moved, Some(timestamp("2024-05-06T11:00:00Z")));
    sql.batch_execute("DELETE FROM transactions").await.unwrap();
    let status = ask(&service, by_id(id)).await.unwrap_err();
    let deleted = (Code::NotFound, "there is no such transaction: it was deleted");
    assert_eq!((status.code(), status.message()), deleted);
}

#[tokio::test]
async fn a_reference_shows_its_rows_and_what_they_come_to() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06", "2024-05-07"]).await;
    let mut accounts = Vec::new();
    for address in ["a", "b", "hub", "c"] {
        accounts.push(add_account(sql, "chain", address).await);
    }
    let [a, b, hub, c] = accounts[..] else { unreachable!("four were made") };
    let coin = add_asset(sql, "BTC", 8).await;
    let mut expected = Vec::new();
    for (instant, from, to, amount, asset_id) in [
        ("2024-05-05T10:00:00Z", a, hub, "3", coin),
        ("2024-05-05T10:00:00Z", hub, b, "2.5", coin),
        ("2024-05-05T10:00:00Z", hub, a, "0.49", coin),
        ("2024-05-05T10:00:00Z", hub, c, "0.01", coin),
        // The same reference on another day, in another asset.
        ("2024-05-07T10:00:00Z", c, b, "7", 1),
    ] {
        let row = NewRow::new(instant, from, to).of(amount).referring_to("f4184f");
        let position = i64::try_from(expected.len()).unwrap();
        expected.push(NewRow { asset_id, position, ..row }.add(sql).await);
    }
    // Others: none, another one, and one that only looks alike.
    NewRow::new("2024-05-05T10:00:00Z", a, b).add(sql).await;
    for other in ["f4184", "F4184F", "f4184f "] {
        NewRow::new("2024-05-05T10:00:00Z", a, b).referring_to(other).add(sql).await;
    }
    let answer = ask(&service, by_reference("f4184f")).await.unwrap();
    assert_eq!((ids(&answer), answer.transaction_count), (expected.clone(), 5));
    assert_eq!(answer.next_page_token, "");
    let net_values = [
        "a BTC 0.49000000 3.00000000 -2.51000000",
        "b BTC 2.50000000 0.00000000 2.50000000",
        "b USD 7.00000 0.00000 7.00000",
        "c BTC 0.01000000 0.00000000 0.01000000",
        "c USD 0.00000 7.00000 -7.00000",
        "hub BTC 3.00000000 3.00000000 0.00000000",
    ];
    assert_eq!(nets(&answer), net_values);

    let mut request = GetTransactionRequest { page_size: 2, ..by_reference("f4184f") };
    let mut found = Vec::new();
    for page in 0..3 {
        let answer = ask(&service, request.clone()).await.unwrap();
        found.extend(ids(&answer));
        assert_eq!(answer.transaction_count, 5);
        assert_eq!(nets(&answer).len(), if page == 0 { 6 } else { 0 });
        assert_eq!(answer.next_page_token.is_empty(), page == 2);
        request.page_token = answer.next_page_token;
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_reference_follows_its_rows() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06"]).await;
    let ann = add_user(sql, "ann").await;
    let not_found = async |reference: &str| {
        let status = ask(&service, by_reference(reference)).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, "there is no such reference")
        );
    };
    not_found("one").await;
    let row = NewRow::new("2024-05-05T10:00:00Z", ann.account_id, ann.account_id);
    let id = row.referring_to("one").add(sql).await;
    for (change, reference) in [
        ("occurred_at = '2024-05-06T10:00Z'", "one"),
        ("reference = 'two'", "two"),
        ("occurred_at = '2024-05-05T11:00Z', reference = 'one'", "one"),
        ("amount = 7", "one"),
    ] {
        sql.batch_execute(&format!("UPDATE transactions SET {change}")).await.unwrap();
        let answer = ask(&service, by_reference(reference)).await.unwrap();
        assert_eq!((ids(&answer), answer.transaction_count), (vec![id], 1), "{change}");
        not_found(if reference == "one" { "two" } else { "one" }).await;
    }
    // What a change leaves as it is, is not noted once more.
    let pairs = "SELECT count(*) FROM transaction_references";
    assert_eq!(one::<i64>(sql, pairs).await, 7);
    sql.batch_execute("UPDATE transactions SET reference = NULL").await.unwrap();
    not_found("one").await;
    sql.batch_execute("UPDATE transactions SET reference = 'one'").await.unwrap();
    assert_eq!(ask(&service, by_reference("one")).await.unwrap().transaction_count, 1);
    sql.batch_execute("DELETE FROM transactions").await.unwrap();
    not_found("one").await;
}

#[tokio::test]
async fn rows_on_absent_days_are_refused_by_name() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06"]).await;
    let ann = add_user(sql, "ann").await;
    let row = |day: &str| NewRow::new(&format!("{day}T10:00:00Z"), ann.account_id, ann.account_id);
    let here = row("2024-05-05").referring_to("both").add(sql).await;
    let gone = row("2024-05-06").referring_to("both").add(sql).await;
    row("2024-05-05").referring_to("here").add(sql).await;
    let text = "SELECT leaf::text FROM partition_bounds('transactions')
        WHERE lower_at = '2024-05-06Z'";
    let leaf: String = one(sql, text).await;
    let text = format!("ALTER TABLE transactions DETACH PARTITION {leaf}");
    sql.batch_execute(&text).await.unwrap();
    // By id at once, whether anybody has noticed it by now or not.
    let expected = [("DAY_DETACHED".to_owned(), "2024-05-06".to_owned())];
    let status = ask(&service, by_id(gone)).await.unwrap_err();
    assert_eq!(days_of(&status), expected);
    eventually("the day is missed", async || {
        !sql.query("SELECT FROM absent_days", &[]).await.unwrap().is_empty()
    })
    .await;
    for request in [by_id(gone), by_reference("both")] {
        assert_eq!(days_of(&ask(&service, request).await.unwrap_err()), expected);
    }
    assert_eq!(ids(&ask(&service, by_id(here)).await.unwrap()), [here]);
    assert_eq!(ask(&service, by_reference("here")).await.unwrap().transaction_count, 1);
}

#[tokio::test]
async fn deleted_rows_of_a_reference_neither_count_nor_stand_in_the_way() {
    let mut settings = settings();
    settings.server.reference_rows_max = 2;
    let service = TestService::start_with(new_target(), settings).await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06"]).await;
    let ann = add_user(sql, "ann").await;
    let row = |at: &str| NewRow::new(at, ann.account_id, ann.account_id).referring_to("one");
    let left = row("2024-05-05T10:00:00Z").add(sql).await;
    // Two at the instant of the one that is left, and others at instants of their own.
    for at in ["05T10:00:00Z", "05T10:00:00Z", "05T11:00:00Z", "06T10:00:00Z"] {
        let id = row(&format!("2024-05-{at}")).add(sql).await;
        let text = "DELETE FROM transactions WHERE transaction_id = $1";
        sql.execute(text, &[&id]).await.unwrap();
    }
    assert_eq!(ids(&ask(&service, by_reference("one")).await.unwrap()), [left]);
    let ann_to_ann = NewRow::new("2024-05-06T12:00:00Z", ann.account_id, ann.account_id);
    ann_to_ann.referring_to("other").add(sql).await;
    let text = "SELECT leaf::text FROM partition_bounds('transactions')
        WHERE lower_at = '2024-05-06Z'";
    let leaf: String = one(sql, text).await;
    sql.batch_execute(&format!("ALTER TABLE transactions DETACH PARTITION {leaf}")).await.unwrap();
    eventually("the day is missed", async || {
        !sql.query("SELECT FROM absent_days", &[]).await.unwrap().is_empty()
    })
    .await;
    assert_eq!(ids(&ask(&service, by_reference("one")).await.unwrap()), [left]);
}

#[tokio::test]
async fn a_reference_beyond_the_limits_is_refused_or_cut_into_pages() {
    let mut settings = settings();
    settings.server.reference_rows_max = 300;
    settings.server.response_bytes_max = 65_536;
    let service = TestService::start_with(new_target(), settings).await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let (a, b) = (add_account(sql, "bank", "a").await, add_account(sql, "bank", "b").await);
    let text = "INSERT INTO transactions
            (occurred_at, position, sender_id, receiver_id, asset_id, amount, reference)
        SELECT '2024-05-05T10:00Z', n, $1, $2, 1, 1, repeat('r', 200)
        FROM generate_series($3::bigint, $4::bigint) AS n";
    sql.execute(text, &[&a, &b, &1i64, &300i64]).await.unwrap();
    let reference = "r".repeat(200);
    let request = GetTransactionRequest { page_size: 1_000, ..by_reference(&reference) };
    let first = ask(&service, request.clone()).await.unwrap();
    assert!((50..300).contains(&first.transactions.len()), "{}", first.transactions.len());
    assert_eq!(
        nets(&first),
        ["a USD 0.00000 300.00000 -300.00000", "b USD 300.00000 0.00000 300.00000"]
    );
    let mut positions: Vec<_> = first.transactions.iter().map(|row| row.position).collect();
    let mut page_token = first.next_page_token;
    while !page_token.is_empty() {
        let page = GetTransactionRequest { page_token, ..request.clone() };
        let page = ask(&service, page).await.unwrap();
        positions.extend(page.transactions.iter().map(|row| row.position));
        page_token = page.next_page_token;
    }
    assert_eq!(positions, (1..=300).collect::<Vec<_>>());
    sql.execute(text, &[&a, &b, &301i64, &301i64]).await.unwrap();
    let status = ask(&service, request).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("--reference-rows-max"), "{}", status.message());

    // Net values that do not fit are never cut.
    let text = "WITH added AS (
            INSERT INTO accounts (network, address)
            SELECT 'bank', repeat('x', 250) || n FROM generate_series(1, 280) AS n
            RETURNING account_id
        )
        INSERT INTO transactions
            (occurred_at, sender_id, receiver_id, asset_id, amount, reference)
        SELECT '2024-05-05T10:00Z', $1, account_id, 1, 1, 'wide' FROM added";
    sql.execute(text, &[&a]).await.unwrap();
    let status = ask(&service, by_reference("wide")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("--response-bytes-max"), "{}", status.message());
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let service = TestService::start().await;
    let paged =
        |request| GetTransactionRequest { page_size: 1_001, page_token: "x".to_owned(), ..request };
    for (request, expected) in [
        (GetTransactionRequest::default(), &["transaction_id"][..]),
        (by_id("7"), &["transaction_id"]),
        (paged(by_id(Uuid::nil())), &["page_size", "page_token"]),
        (by_reference(""), &["reference"]),
        (by_reference("a\0b"), &["reference"]),
        (paged(by_reference(&"r".repeat(257))), &["reference", "page_size", "page_token"]),
    ] {
        let status = ask(&service, request.clone()).await.unwrap_err();
        assert_eq!(fields(&status), expected, "{request:?}");
    }
}

#[tokio::test]
async fn rows_from_before_references_were_noted_are_found() {
    let schema = TestSchema::unprepared(new_target(), settings()).await;
    let client = schema.connect().await;
    migrate::prepare(&client).await.unwrap();
    for migration in MIGRATIONS.iter().take_while(|one| one.name != "0008_transaction_references") {
        migrate::apply(&client, migration).await.unwrap();
    }
    partitions::adopt(&client, schema.settings.partitions.partition_days_ahead).await.unwrap();
    ensure_days(&schema.sql, &["2024-05-05"]).await;
    let ann = add_user(&schema.sql, "ann").await;
    let row = NewRow::new("2024-05-05T10:00:00Z", ann.account_id, ann.account_id);
    let id = row.referring_to("early").add(&schema.sql).await;
    let service = TestService::start_with(schema.target.clone(), settings()).await;
    assert_eq!(ids(&ask(&service, by_reference("early")).await.unwrap()), [id]);
}

#[tokio::test]
async fn rows_of_a_day_that_was_away_while_references_were_counted_are_found_again() {
    let schema = TestSchema::unprepared(new_target(), settings()).await;
    let (client, sql) = (schema.connect().await, &schema.sql);
    migrate::prepare(&client).await.unwrap();
    for migration in MIGRATIONS.iter().take_while(|one| one.name != "0012_reference_counts") {
        migrate::apply(&client, migration).await.unwrap();
    }
    partitions::adopt(&client, schema.settings.partitions.partition_days_ahead).await.unwrap();
    ensure_days(sql, &["2024-05-05"]).await;
    let ann = add_user(sql, "ann").await;
    let mut added = Vec::new();
    for _ in 0..2 {
        let row = NewRow::new("2024-05-05T10:00:00Z", ann.account_id, ann.account_id);
        added.push(row.referring_to("away").add(sql).await);
    }
    let text = "SELECT leaf::text FROM partition_bounds('transactions')
        WHERE lower_at = '2024-05-05Z'";
    let leaf: String = one(sql, text).await;
    sql.batch_execute(&format!("ALTER TABLE transactions DETACH PARTITION {leaf}")).await.unwrap();
    let service = TestService::start_with(schema.target.clone(), settings()).await;
    let bounds = "FROM ('2024-05-05 00:00:00+00') TO ('2024-05-06 00:00:00+00')";
    let attach = format!("ALTER TABLE transactions ATTACH PARTITION {leaf} FOR VALUES {bounds}");
    sql.batch_execute(&attach).await.unwrap();
    let text = "DELETE FROM transactions WHERE transaction_id = $1";
    sql.execute(text, &[&added[0]]).await.unwrap();
    eventually("the day is back", async || {
        sql.query("SELECT FROM absent_days", &[]).await.unwrap().is_empty()
    })
    .await;
    assert_eq!(ids(&ask(&service, by_reference("away")).await.unwrap()), [added[1]]);
}
