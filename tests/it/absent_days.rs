//! Days that somebody detached or dropped: noticed soon, refused by name, never taken for
//! days without transactions.

use std::time::{Duration, Instant};

use daybook::{
    analytics::{
        Analytics,
        histogram::HistogramQuestion,
        rank::RankQuestion,
        sum_amount::{Subject, SumQuestion},
        sum_series::SeriesSubject,
    },
    cluster::ClusterRole,
    domain::{access::Scope, metric::Metric, ranking::RankOrder},
    error::{AbsentDay, Error, ErrorKind},
    grpc::pb::{
        transactions_service,
        v1::{
            AccountPopulation, Direction, RankMetric, RankRequest, SumAmountResponse,
            UserPopulation, rank_request::Population,
        },
    },
    store::{
        Connection,
        days::{self, NoticedDay},
        migrate::{self, MIGRATIONS},
        partitions,
    },
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    sum_amount::{question, window},
    support::{
        cluster::eventually,
        ledger::{TestUser, add, add_user, ensure_days},
        schema::{TestSchema, day, one, refusal},
        service::{TestService, new_target, settings},
    },
};

const START: &str = "2024-05-05T00:00:00Z";
const END: &str = "2024-05-08T00:00:00Z";

/// Why a question is refused: for each day its type and name.
pub(crate) fn days_of(status: &Status) -> Vec<(String, String)> {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let details = status.get_error_details();
    let failure = details.precondition_failure().expect("the days are named");
    let days = failure.violations.iter();
    let days: Vec<_> = days.map(|one| (one.r#type.clone(), one.subject.clone())).collect();
    for (_, day) in &days {
        assert!(status.message().contains(day), "{}", status.message());
    }
    days
}

/// What a user has sent in a window.
pub(crate) async fn sent(
    service: &TestService,
    user: &TestUser,
    (start, end): (&str, &str),
) -> Result<SumAmountResponse, Status> {
    let request = question(user.user_uuid, Direction::Sender, start, end);
    Ok(service.analytics().await.sum_amount(request).await?.into_inner())
}

/// Three days, and two users who moved 1 on the first and 20 on the second of them.
async fn with_rows(sql: &tokio_postgres::Client) -> TestUser {
    ensure_days(sql, &["2024-05-05", "2024-05-06", "2024-05-07"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    add(sql, "2024-05-05T12:00:00Z", ann.account_id, bob.account_id, "1").await;
    add(sql, "2024-05-06T12:00:00Z", ann.account_id, bob.account_id, "20").await;
    ann
}

async fn note(client: &Connection) -> Vec<(String, bool)> {
    let noticed = days::note(client).await.unwrap();
    noticed.iter().map(|one| (one.day.to_string(), one.is_absent)).collect()
}

async fn detach(schema: &TestSchema, text: &str) -> String {
    let leaf = schema.leaf(day(text)).await;
    run(schema, &format!("ALTER TABLE transactions DETACH PARTITION {leaf}")).await;
    leaf
}

async fn run(schema: &TestSchema, text: &str) {
    schema.sql.batch_execute(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
}

/// Statement that attaches a table as the day 2024-05-06.
fn attach(leaf: &str) -> String {
    format!(
        "ALTER TABLE transactions ATTACH PARTITION {leaf} \
         FOR VALUES FROM ('2024-05-06 00:00Z') TO ('2024-05-07 00:00Z')"
    )
}

#[tokio::test]
async fn a_detached_day_is_refused_within_two_seconds_and_answered_again_once_attached() {
    let service = TestService::start().await;
    let ann = with_rows(&service.sql).await;
    let all = sent(&service, &ann, (START, END)).await.unwrap();
    assert_eq!((all.sum_amount.as_str(), all.transaction_count), ("21.00000", 2));
    let leaf: String = one(
        &service.sql,
        "SELECT leaf::text FROM partition_bounds('transactions') WHERE lower_at = '2024-05-06Z'",
    )
    .await;
    let text = format!("ALTER TABLE transactions DETACH PARTITION {leaf}");
    service.sql.batch_execute(&text).await.unwrap();
    let detached_at = Instant::now();
    let mut refused = None;
    eventually("the day is missed", async || {
        refused = sent(&service, &ann, (START, END)).await.err();
        refused.is_some()
    })
    .await;
    let took = detached_at.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let expected = [("DAY_DETACHED".to_owned(), "2024-05-06".to_owned())];
    assert_eq!(days_of(&refused.unwrap()), expected);

    // Windows beside it are answered, those that touch it in a microsecond are not.
    for (start, end, is_answered) in [
        (START, "2024-05-06T00:00:00Z", true),
        (START, "2024-05-06T00:00:00.000001Z", false),
        ("2024-05-06T23:59:59.999999Z", END, false),
        ("2024-05-07T00:00:00Z", END, true),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", false),
    ] {
        match sent(&service, &ann, (start, end)).await {
            Ok(_) => assert!(is_answered, "{start} {end}"),
            Err(status) => {
                assert!(!is_answered, "{start} {end}");
                assert_eq!(days_of(&status), expected);
            }
        }
    }
    check_other_rpcs(&service, &ann, &expected).await;
    service.sql.batch_execute(&attach(&leaf)).await.unwrap();
    eventually("the day is back", async || sent(&service, &ann, (START, END)).await.is_ok()).await;
    let again = sent(&service, &ann, (START, END)).await.unwrap();
    assert_eq!((again.sum_amount, again.transaction_count), (all.sum_amount, 2));
}

async fn check_other_rpcs(service: &TestService, ann: &TestUser, expected: &[(String, String)]) {
    let accounts = AccountPopulation { network: "internal".to_owned() };
    for population in [Population::Users(UserPopulation {}), Population::Accounts(accounts)] {
        let request = RankRequest {
            population: Some(population),
            window: window(START, END),
            direction: Direction::Sender.into(),
            metric: RankMetric::Sum.into(),
            ..Default::default()
        };
        let status = service.analytics().await.rank(request).await.unwrap_err();
        assert_eq!(days_of(&status), expected);
    }
    let request = transactions_service::SumAmountRequest {
        user_uuid: ann.user_uuid.to_string(),
        timestamp_start_utc: START.to_owned(),
        timestamp_end_utc: END.to_owned(),
        direction: "sender".to_owned(),
    };
    let status = service.transactions().await.sum_amount(request).await.unwrap_err();
    assert_eq!(days_of(&status), expected);
}

#[tokio::test]
async fn days_without_rows_come_and_go_freely() {
    let schema = TestSchema::prepared().await;
    with_rows(&schema.sql).await;
    let client = schema.connect().await;
    assert_eq!(note(&client).await, []);
    // Never any rows; then all of them deleted.
    detach(&schema, "2024-05-07").await;
    run(&schema, "DELETE FROM transactions WHERE occurred_at >= '2024-05-06Z'").await;
    schema.drop_day(day("2024-05-06")).await;
    assert_eq!(note(&client).await, []);
    assert_eq!(schema.ensure(&[day("2024-05-06")]).await, 1);
    assert_eq!(one::<i64>(&schema.sql, "SELECT count(*) FROM absent_days").await, 0);
}

#[tokio::test]
async fn a_day_dropped_by_hand_is_absent_until_its_rows_are_back() {
    let schema = TestSchema::prepared().await;
    with_rows(&schema.sql).await;
    let client = schema.connect().await;
    run(
        &schema,
        "CREATE TABLE backup AS SELECT t.* FROM transactions t
        WHERE occurred_at >= '2024-05-06Z'",
    )
    .await;
    schema.drop_day(day("2024-05-06")).await;
    // Upkeep is not fooled, whether the watch has seen it or not.
    let error = partitions::ensure(&client, &[day("2024-05-06")], 36_500, 1_000).await.unwrap_err();
    let text = error.server_message().unwrap();
    assert!(text.contains("2024-05-06") && text.contains("detached or dropped"), "{text}");
    assert_eq!(note(&client).await, [("2024-05-06".to_owned(), true)]);
    assert_eq!(note(&client).await, []);

    // An empty day in its place is not the day, also when it comes between two looks.
    run(
        &schema,
        "CREATE TABLE fake PARTITION OF transactions
        FOR VALUES FROM ('2024-05-06 00:00Z') TO ('2024-05-07 00:00Z')",
    )
    .await;
    assert_eq!(note(&client).await, []);
    let absent = "SELECT count(*) FROM absent_days WHERE day = '2024-05-06' AND NOT is_dropped";
    assert_eq!(one::<i64>(&schema.sql, absent).await, 1);
    run(
        &schema,
        "ALTER TABLE transactions DETACH PARTITION fake;
        INSERT INTO fake SELECT b.* FROM backup b",
    )
    .await;
    assert_eq!(note(&client).await, []);
    run(&schema, &attach("fake")).await;
    assert_eq!(note(&client).await, [("2024-05-06".to_owned(), false)]);
    schema.drop_day(day("2024-05-06")).await;
    run(
        &schema,
        "CREATE TABLE fake PARTITION OF transactions
        FOR VALUES FROM ('2024-05-06 00:00Z') TO ('2024-05-07 00:00Z')",
    )
    .await;
    assert_eq!(note(&client).await, [("2024-05-06".to_owned(), true)]);
}

#[tokio::test]
async fn a_day_is_missed_while_it_is_being_detached_concurrently() {
    let schema = TestSchema::prepared().await;
    with_rows(&schema.sql).await;
    let client = schema.connect().await;
    let reader = schema.more_sql().await;
    reader.batch_execute("BEGIN; SELECT count(*) FROM transactions").await.unwrap();
    let leaf = schema.leaf(day("2024-05-06")).await;
    let other = schema.more_sql().await;
    let text = format!("ALTER TABLE transactions DETACH PARTITION {leaf} CONCURRENTLY");
    let detaching = tokio::spawn(async move { other.batch_execute(&text).await });
    let mut noticed = Vec::new();
    eventually("the day is missed", async || {
        noticed = note(&client).await;
        !noticed.is_empty()
    })
    .await;
    assert_eq!(noticed, [("2024-05-06".to_owned(), true)]);
    assert!(!detaching.is_finished(), "it waits for the reader");
    reader.batch_execute("ROLLBACK").await.unwrap();
    detaching.await.unwrap().unwrap();
    assert_eq!(note(&client).await, []);
    run(&schema, &attach(&leaf)).await;
    assert_eq!(note(&client).await, [("2024-05-06".to_owned(), false)]);
}

#[tokio::test]
async fn of_many_servers_that_look_at_once_one_notices() {
    let schema = TestSchema::prepared().await;
    with_rows(&schema.sql).await;
    schema.drop_day(day("2024-05-05")).await;
    detach(&schema, "2024-05-06").await;
    let looks = (0..6).map(async |_| days::note(&schema.connect().await).await.unwrap());
    let noticed: Vec<NoticedDay> =
        futures_util::future::join_all(looks).await.into_iter().flatten().collect();
    let expected = ["2024-05-05", "2024-05-06"];
    assert_eq!(noticed, expected.map(|text| NoticedDay { day: day(text), is_absent: true }));
}

#[tokio::test]
async fn a_start_notices_what_happened_while_no_server_ran() {
    let schema = TestSchema::prepared().await;
    with_rows(&schema.sql).await;
    schema.drop_day(day("2024-05-05")).await;
    crate::support::service::prepare(&schema.database, &schema.settings).await;
    let absent = "SELECT string_agg(day::text, ',') FROM absent_days WHERE NOT is_dropped";
    assert_eq!(one::<String>(&schema.sql, absent).await, "2024-05-05");
}

#[tokio::test]
async fn a_restored_database_has_other_oids_and_the_same_days() {
    let schema = TestSchema::prepared().await;
    with_rows(&schema.sql).await;
    let known = "SELECT string_agg(k::text, ',' ORDER BY day) FROM known_days k";
    let before: String = one(&schema.sql, known).await;
    run(&schema, "UPDATE known_days SET parent = 1, leaf = day - '2000-01-01'").await;
    assert_eq!(note(&schema.connect().await).await, []);
    assert_eq!(one::<String>(&schema.sql, known).await, before);
}

#[tokio::test]
async fn days_that_went_before_there_was_a_record_of_them_are_absent_too() {
    let schema = TestSchema::unprepared(new_target(), settings()).await;
    let client = schema.connect().await;
    migrate::prepare(&client).await.unwrap();
    for migration in MIGRATIONS.iter().filter(|one| one.version < 5) {
        migrate::apply(&client, migration).await.unwrap();
    }
    partitions::adopt(&client, 2).await.unwrap();
    with_rows(&schema.sql).await;
    detach(&schema, "2024-05-06").await;
    detach(&schema, "2024-05-07").await;
    crate::support::service::prepare(&schema.database, &schema.settings).await;
    let absent = "SELECT string_agg(format('%s %s', day, is_dropped), ',') FROM absent_days";
    assert_eq!(one::<String>(&schema.sql, absent).await, "2024-05-06 f");
}

/// What the functions say of a window, with 2024-05-05 dropped and 2024-05-07 detached.
#[tokio::test]
async fn days_are_in_the_way_of_edges_or_of_rows() {
    let schema = TestSchema::prepared().await;
    run(&schema, "INSERT INTO absent_days VALUES ('2024-05-05', true), ('2024-05-07', false)")
        .await;
    for (start, end, in_the_way, not_at_hand) in [
        ("2024-05-05", "2024-05-06", "{}", "{2024-05-05}"),
        ("2024-05-01", "2024-05-07", "{}", "{2024-05-05}"),
        ("2024-05-05 00:00:00.000001", "2024-05-07", "{2024-05-05}", "{2024-05-05}"),
        ("2024-05-01", "2024-05-05 23:59:59.999999", "{2024-05-05}", "{2024-05-05}"),
        ("2024-05-05 01:00", "2024-05-05 02:00", "{2024-05-05}", "{2024-05-05}"),
        ("2024-05-01", "2024-05-05", "{}", "{}"),
        ("2024-05-06", "2024-05-07", "{}", "{}"),
        ("2024-05-06", "2024-05-07 00:00:00.000001", "{2024-05-07}", "{2024-05-07}"),
        ("2024-05-07", "2024-05-08", "{2024-05-07}", "{2024-05-07}"),
        ("2024-05-07 12:00", "2024-05-07 13:00", "{2024-05-07}", "{2024-05-07}"),
        ("2024-05-08", "2024-05-09", "{}", "{}"),
        ("0001-01-01", "9999-12-31 23:59", "{2024-05-07}", "{2024-05-05,2024-05-07}"),
    ] {
        for (function, expected) in
            [("days_in_the_way", in_the_way), ("days_without_rows_at_hand", not_at_hand)]
        {
            // The session's time zone makes no difference.
            let text = format!(
                "SELECT set_config('timezone', 'America/New_York', false) || \
                 ARRAY(SELECT day FROM {function}('{start} UTC', '{end} UTC'))::text"
            );
            let found: String = one(&schema.sql, &text).await;
            assert_eq!(found, format!("America/New_York{expected}"), "{function} {start} {end}");
        }
    }
    run(
        &schema,
        "INSERT INTO absent_days SELECT date '2020-01-01' + n, false
        FROM generate_series(0, 99) n",
    )
    .await;
    let ten = "SELECT count(*) FROM days_in_the_way('2000-01-01 UTC', '2030-01-01 UTC')";
    assert_eq!(one::<i64>(&schema.sql, ten).await, 10);
}

#[tokio::test]
async fn the_client_role_reads_which_days_are_absent_and_decides_none() {
    let schema = TestSchema::prepared().await;
    let client = schema.sql_as(ClusterRole::Client).await;
    for text in [
        "SELECT drop_day_before('2024-01-01')",
        "SELECT note_days()",
        "SELECT lacks_rows('2024-01-01')",
        "INSERT INTO absent_days (day, is_dropped) VALUES ('2024-01-01', true)",
        "DELETE FROM absent_days",
        "UPDATE known_days SET leaf = 1",
    ] {
        assert_eq!(refusal(&client, text).await, "42501", "{text}");
    }
    let readable = "SELECT count(*) FROM days_in_the_way(now(), now() + interval '1 day'),
        days_without_rows_at_hand(now(), now() + interval '1 day'), absent_days";
    assert_eq!(one::<i64>(&client, readable).await, 0);
}

/// Answers that need rows: a histogram, a ranking whose edges cut days, a sum that is verified.
async fn ask_rows(analytics: &Analytics, user: &TestUser) -> Vec<Result<i64, Error>> {
    let direction = daybook::domain::direction::Direction::Sender;
    let asset = analytics.find_asset("").await.unwrap().unwrap();
    let at = |text: &str| text.parse().unwrap();
    let (start, end) = (at("2024-05-05T06:00:00Z"), at("2024-05-07T06:00:00Z"));
    let window = daybook::domain::window::Window::new(start, end).unwrap();
    let histogram = HistogramQuestion {
        subject: SeriesSubject::All,
        scope: Scope::Everybody,
        asset: asset.clone(),
        window,
        direction,
        bounds: Vec::new(),
        rows_max: 100,
    };
    let rank = RankQuestion {
        allow_partial: false,
        asset: asset.clone(),
        window,
        direction,
        metric: Metric::Sum,
        order: RankOrder::Top,
        include_idle: false,
        page_size: 10,
        population_max: 10,
        explain: false,
        verify: false,
    };
    let subject = Subject::User(user.user_uuid);
    let (scope, explain, verify) = (Scope::Everybody, false, true);
    let sum = SumQuestion { subject, scope, asset, window, direction, explain, verify };
    let rank = analytics.rank_users(&rank, None, None).await;
    let places = |places: Vec<daybook::analytics::rank::Place<_>>| -> i64 {
        places.iter().map(|place| place.transaction_count).sum()
    };
    vec![
        analytics.histogram(&histogram).await.map(|answer| answer.transaction_count),
        rank.map(|answer| places(answer.places)),
        analytics.sum_amount(&sum).await.map(|answer| answer.transaction_count),
    ]
}

#[tokio::test]
async fn whatever_reads_rows_notices_a_day_that_went_a_moment_ago() {
    // Nobody watches the days here.
    let schema = TestSchema::prepared().await;
    let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
    for text in ["2024-05-05", "2024-05-06", "2024-05-07"] {
        schema.ensure(&[day(text)]).await;
    }
    for instant in ["2024-05-05T12:00:00Z", "2024-05-06T12:00:00Z", "2024-05-07T01:00:00Z"] {
        add(&schema.sql, instant, ann.account_id, bob.account_id, "1").await;
    }
    let analytics = Analytics::new(schema.database.clone());
    let answered = async || -> Vec<i64> {
        ask_rows(&analytics, &ann).await.into_iter().map(Result::unwrap).collect()
    };
    assert_eq!(answered().await, [3, 3, 3]);
    for text in ["2024-05-05", "2024-05-07"] {
        let leaf = schema.leaf(day(text)).await;
        let detach = format!("ALTER TABLE transactions DETACH PARTITION {leaf}");
        let attach = format!(
            "ALTER TABLE transactions ATTACH PARTITION {leaf}
             FOR VALUES FROM ('{text} 00:00Z') TO ('{text} 00:00Z'::timestamptz + interval '1 day')"
        );
        schema.sql.batch_execute(&detach).await.unwrap();
        let absent = AbsentDay { day: day(text), is_dropped: false };
        for answer in ask_rows(&analytics, &ann).await {
            let refused = answer.expect_err("the day is not there");
            assert_eq!(*refused.kind(), ErrorKind::FailedPrecondition(vec![absent]));
        }
        schema.sql.batch_execute(&attach).await.unwrap();
        assert_eq!(answered().await, [3, 3, 3], "{text} is there again");
    }
}
