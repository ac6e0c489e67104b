//! `Rank`: small cases whose answers were worked out by hand.

use daybook::grpc::pb::v1::{
    AccountPopulation, Direction, RankMetric, RankOrder, RankRequest, RankResponse, RankRow,
    rank_request::{Population, StandingOf},
};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    sum_amount::window,
    support::{
        ledger::{TestUser, add, add_account, add_known_user, add_user, ensure_days, track},
        service::{TestService, new_target, settings},
    },
};

/// A row as rank, name (or address), value and count.
type Row<'a> = (i64, &'a str, &'a str, i64);

const DAY: (&str, &str) = ("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z");

const METRICS: [RankMetric; 5] = [
    RankMetric::Sum,
    RankMetric::Count,
    RankMetric::Avg,
    RankMetric::StddevSample,
    RankMetric::StddevPopulation,
];

fn request(metric: RankMetric, order: RankOrder, include_idle: bool) -> RankRequest {
    RankRequest {
        window: window(DAY.0, DAY.1),
        direction: Direction::Sender.into(),
        metric: metric.into(),
        order: order.into(),
        include_idle,
        ..RankRequest::default()
    }
}

async fn ask(service: &TestService, request: RankRequest) -> Result<RankResponse, Status> {
    service.analytics().await.rank(request).await.map(tonic::Response::into_inner)
}

fn row(row: &RankRow) -> Row<'_> {
    let address = row.account.as_ref().map(|account| account.address.as_str());
    (row.rank, address.unwrap_or(&row.username), &row.value, row.transaction_count)
}

fn rows(answer: &RankResponse) -> Vec<Row<'_>> {
    answer.rows.iter().map(row).collect()
}

/// A ledger whose users' UUIDs stand in the reverse order of their names, and an account
/// that nobody tracks to send to.
struct Case {
    service: TestService,
    users: Vec<TestUser>,
    sink: i64,
}

impl Case {
    /// Users with what each sends on the day.
    async fn new(sent: &[(&str, &[&str])]) -> Self {
        let service = TestService::start().await;
        let sql = &service.sql;
        ensure_days(sql, &["2024-05-05"]).await;
        let sink = add_account(sql, "bank", "sink").await;
        let mut users = Vec::new();
        for (place, (name, amounts)) in sent.iter().enumerate() {
            let uuid = Uuid::from_u128(u128::try_from(1_000 - place).unwrap());
            let user = add_known_user(sql, uuid, name).await;
            for (hour, amount) in amounts.iter().enumerate() {
                let at = format!("2024-05-05T{hour:02}:00:00Z");
                add(sql, &at, user.account_id, sink, amount).await;
            }
            users.push(user);
        }
        Self { service, users, sink }
    }

    async fn check(&self, request: RankRequest, expected: &[Row<'_>]) -> RankResponse {
        let answer = ask(&self.service, request.clone()).await.unwrap();
        assert_eq!(rows(&answer), expected, "{request:?}");
        answer
    }
}

const SMALL: [(&str, &[&str]); 5] =
    [("ann", &["1", "2", "3"]), ("bob", &["5"]), ("cy", &["4", "2"]), ("dee", &[]), ("eve", &[])];

#[tokio::test]
async fn every_metric_ranks_from_the_top_and_from_the_bottom() {
    let case = Case::new(&SMALL).await;
    let root = "0.816496580927726033";
    let two = "1.414213562373095049";
    let (one, zero) = ("1.00000", "0.00000");
    // Idle members: eve comes before dee, for her UUID is smaller.
    let expected: [(RankMetric, [Vec<Row<'_>>; 2]); 5] = [
        (
            RankMetric::Sum,
            [
                vec![(1, "cy", "6.00000", 2), (1, "ann", "6.00000", 3), (3, "bob", "5.00000", 1)],
                vec![(1, "bob", "5.00000", 1), (2, "cy", "6.00000", 2), (2, "ann", "6.00000", 3)],
            ],
        ),
        (
            RankMetric::Count,
            [
                vec![(1, "ann", "3", 3), (2, "cy", "2", 2), (3, "bob", "1", 1)],
                vec![(1, "bob", "1", 1), (2, "cy", "2", 2), (3, "ann", "3", 3)],
            ],
        ),
        (
            RankMetric::Avg,
            [
                vec![(1, "bob", "5.00000", 1), (2, "cy", "3.00000", 2), (3, "ann", "2.00000", 3)],
                vec![(1, "ann", "2.00000", 3), (2, "cy", "3.00000", 2), (3, "bob", "5.00000", 1)],
            ],
        ),
        (
            RankMetric::StddevSample,
            [
                vec![(1, "cy", two, 2), (2, "ann", one, 3), (3, "bob", "", 1)],
                vec![(1, "ann", one, 3), (2, "cy", two, 2), (3, "bob", "", 1)],
            ],
        ),
        (
            RankMetric::StddevPopulation,
            [
                vec![(1, "cy", one, 2), (2, "ann", root, 3), (3, "bob", zero, 1)],
                vec![(1, "bob", zero, 1), (2, "ann", root, 3), (3, "cy", one, 2)],
            ],
        ),
    ];
    for (metric, [top, bottom]) in expected {
        let answer = case.check(request(metric, RankOrder::Top, false), &top).await;
        assert_eq!((answer.population_size, answer.next_page_token.as_str()), (3, ""));
        assert_eq!((answer.asset.as_str(), answer.window), ("USD", window(DAY.0, DAY.1)));
        case.check(request(metric, RankOrder::Unspecified, false), &top).await;
        case.check(request(metric, RankOrder::Bottom, false), &bottom).await;
    }
}

#[tokio::test]
async fn idle_members_are_ranked_on_request_and_undefined_values_come_last() {
    let case = Case::new(&SMALL).await;
    let idle = |metric, order| request(metric, order, true);
    let (zero, one, two) = ("0.00000", "1.00000", "1.414213562373095049");
    for (request, last_three) in [
        (
            idle(RankMetric::Sum, RankOrder::Top),
            [(3, "bob", "5.00000", 1), (4, "eve", zero, 0), (4, "dee", zero, 0)],
        ),
        (
            idle(RankMetric::Sum, RankOrder::Bottom),
            [(3, "bob", "5.00000", 1), (4, "cy", "6.00000", 2), (4, "ann", "6.00000", 3)],
        ),
        (
            idle(RankMetric::Count, RankOrder::Top),
            [(3, "bob", "1", 1), (4, "eve", "0", 0), (4, "dee", "0", 0)],
        ),
        (
            idle(RankMetric::Avg, RankOrder::Bottom),
            [(3, "bob", "5.00000", 1), (4, "eve", "", 0), (4, "dee", "", 0)],
        ),
        (
            idle(RankMetric::StddevSample, RankOrder::Bottom),
            [(3, "eve", "", 0), (3, "dee", "", 0), (3, "bob", "", 1)],
        ),
        (
            idle(RankMetric::StddevPopulation, RankOrder::Top),
            [(3, "bob", zero, 1), (4, "eve", "", 0), (4, "dee", "", 0)],
        ),
    ] {
        let answer = ask(&case.service, request.clone()).await.unwrap();
        assert_eq!(rows(&answer)[2..], last_three, "{request:?}");
        assert_eq!(answer.population_size, 5);
    }
    let all = [(1, "ann", one, 3), (2, "cy", two, 2), (3, "eve", "", 0), (3, "dee", "", 0)];
    let request = idle(RankMetric::StddevSample, RankOrder::Bottom);
    case.check(request, &[&all[..], &[(3, "bob", "", 1)]].concat()).await;
}

#[tokio::test]
async fn equal_values_share_a_rank_in_the_order_of_their_uuids() {
    let sent: [(&str, &[&str]); 4] =
        [("d", &["7"]), ("c", &["10", "10"]), ("b", &["20.00000"]), ("a", &["15", "15"])];
    let case = Case::new(&sent).await;
    let expected = [
        (1, "a", "30.00000", 2),
        (2, "b", "20.00000", 1),
        (2, "c", "20.00000", 2),
        (4, "d", "7.00000", 1),
    ];
    let answer = case.check(request(RankMetric::Sum, RankOrder::Top, false), &expected).await;
    let uuids: Vec<_> = answer.rows.iter().map(|row| row.user_uuid.clone()).collect();
    let of = |place: usize| case.users[place].user_uuid.to_string();
    assert_eq!(uuids, [of(3), of(2), of(1), of(0)]);
    let bottom = request(RankMetric::Sum, RankOrder::Bottom, false);
    let order = [expected[3], expected[1], expected[2], expected[0]];
    let ranks = [1, 2, 2, 4];
    let expected: Vec<_> = order.iter().zip(ranks).map(|(r, rank)| (rank, r.1, r.2, r.3)).collect();
    case.check(bottom, &expected).await;
}

#[tokio::test]
async fn the_standing_of_a_member_is_told_wherever_it_is() {
    let case = Case::new(&SMALL).await;
    let top = request(RankMetric::Sum, RankOrder::Top, false);
    for (place, include_idle, metric, expected) in [
        (2, false, RankMetric::Sum, (1, "cy", "6.00000", 2)),
        (1, false, RankMetric::Sum, (3, "bob", "5.00000", 1)),
        (3, false, RankMetric::Sum, (0, "dee", "0.00000", 0)),
        (3, true, RankMetric::Sum, (4, "dee", "0.00000", 0)),
        (3, false, RankMetric::Count, (0, "dee", "0", 0)),
        (4, false, RankMetric::Avg, (0, "eve", "", 0)),
        (4, true, RankMetric::Avg, (4, "eve", "", 0)),
        (1, false, RankMetric::StddevSample, (3, "bob", "", 1)),
        (4, true, RankMetric::StddevPopulation, (4, "eve", "", 0)),
    ] {
        let uuid = case.users[place].user_uuid;
        for text in [uuid.to_string(), uuid.simple().to_string().to_uppercase()] {
            let request = RankRequest {
                standing_of: Some(StandingOf::StandingUserUuid(text)),
                page_size: 1,
                include_idle,
                metric: metric.into(),
                ..top.clone()
            };
            let answer = ask(&case.service, request.clone()).await.unwrap();
            let standing = answer.standing.expect("it was asked for");
            assert_eq!(row(&standing), expected, "{request:?}");
            assert_eq!(standing.user_uuid, uuid.to_string());
            assert_eq!(answer.rows.len(), 1);
        }
    }
    assert!(ask(&case.service, top.clone()).await.unwrap().standing.is_none());
    let standing_of = Some(StandingOf::StandingUserUuid(Uuid::new_v4().to_string()));
    let status = ask(&case.service, RankRequest { standing_of, ..top }).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such user"));
}

#[tokio::test]
async fn accounts_of_a_network_are_ranked_by_address() {
    let case = Case::new(&[("ann", &["1"]), ("bob", &[])]).await;
    let sql = &case.service.sql;
    let network = |name: &str| AccountPopulation { network: name.to_owned() };
    for (address, amount) in [("b", "5"), ("B", "5"), ("a", "5"), ("é", "9"), ("idle", "")] {
        let account = add_account(sql, "card", address).await;
        if !amount.is_empty() {
            add(sql, "2024-05-05T09:00:00Z", account, case.sink, amount).await;
        }
    }
    let of = |name: &str, include_idle| RankRequest {
        population: Some(Population::Accounts(network(name))),
        ..request(RankMetric::Sum, RankOrder::Top, include_idle)
    };
    let five = "5.00000";
    let expected =
        [(1, "é", "9.00000", 1), (2, "B", five, 1), (2, "a", five, 1), (2, "b", five, 1)];
    let answer = case.check(of("card", false), &expected).await;
    let shown = answer.rows[0].account.clone().unwrap();
    assert_eq!((shown.network.as_str(), answer.rows[0].user_uuid.as_str()), ("card", ""));
    assert_eq!(answer.population_size, 4);
    let with_idle = [&expected[..], &[(5, "idle", "0.00000", 0)]].concat();
    case.check(of("card", true), &with_idle).await;
    case.check(of("bank", false), &[]).await;
    let answer = case.check(of("nowhere", true), &[]).await;
    assert_eq!((answer.population_size, answer.next_page_token.as_str()), (0, ""));

    let receiver = Direction::Receiver.into();
    let sums = RankRequest { direction: receiver, ..of("bank", false) };
    case.check(sums, &[(1, "sink", "25.00000", 5)]).await;
    let ann = case.users[0].user_uuid.to_string();
    case.check(of("internal", false), &[(1, &ann, "1.00000", 1)]).await;

    for (address, include_idle, expected) in [
        ("b", false, (2, "b", five, 1)),
        ("idle", false, (0, "idle", "0.00000", 0)),
        ("idle", true, (5, "idle", "0.00000", 0)),
    ] {
        let standing_of = Some(StandingOf::StandingAddress(address.to_owned()));
        let request = RankRequest { standing_of, page_size: 1, ..of("card", include_idle) };
        let answer = ask(&case.service, request).await.unwrap();
        assert_eq!(row(answer.standing.as_ref().unwrap()), expected);
    }
    // The address is there, but on another network.
    let standing_of = Some(StandingOf::StandingAddress("sink".to_owned()));
    let status = ask(&case.service, RankRequest { standing_of, ..of("card", true) }).await;
    let status = status.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such account"));
}

#[tokio::test]
async fn a_user_is_ranked_by_all_wallets_and_a_shared_wallet_counts_for_each() {
    let case = Case::new(&[("ann", &["1"]), ("bob", &["2"]), ("cy", &[])]).await;
    let sql = &case.service.sql;
    let shared = add_account(sql, "bank", "shared").await;
    let own = add_account(sql, "bank", "own").await;
    let [ann, bob, cy] = &case.users[..] else { panic!("three users") };
    for (user, account) in [(ann, shared), (bob, shared), (bob, own), (cy, own)] {
        track(sql, user.user_id, account).await;
    }
    add(sql, "2024-05-05T05:00:00Z", shared, case.sink, "10").await;
    add(sql, "2024-05-05T06:00:00Z", own, case.sink, "100").await;
    // Between two wallets of bob: once on each side.
    add(sql, "2024-05-05T07:00:00Z", own, bob.account_id, "1000").await;
    let sent = request(RankMetric::Sum, RankOrder::Top, false);
    let expected =
        [(1, "bob", "1112.00000", 4), (2, "cy", "1100.00000", 2), (3, "ann", "11.00000", 2)];
    case.check(sent.clone(), &expected).await;
    let received = RankRequest { direction: Direction::Receiver.into(), ..sent };
    case.check(received, &[(1, "bob", "1000.00000", 1)]).await;
    let spread = request(RankMetric::StddevPopulation, RankOrder::Top, false);
    let expected = [
        (1, "cy", "450.00000", 2),
        // The root of 1,010,104 / 4 - 278^2.
        (2, "bob", "418.619158663336859944", 4),
        (3, "ann", "4.50000", 2),
    ];
    case.check(spread, &expected).await;
}

#[tokio::test]
async fn pages_of_any_size_concatenate_to_the_whole() {
    let sent: Vec<(String, Vec<&str>)> = (0..9)
        .map(|n| (format!("user {n}"), ["1", "5", "5", "0.00001"][..n % 5].to_vec()))
        .collect();
    let sent: Vec<(&str, &[&str])> = sent.iter().map(|(n, s)| (n.as_str(), &s[..])).collect();
    let case = Case::new(&sent).await;
    let mut client = case.service.analytics().await;
    for metric in METRICS {
        for (order, include_idle) in [
            (RankOrder::Top, true),
            (RankOrder::Top, false),
            (RankOrder::Bottom, true),
            (RankOrder::Bottom, false),
        ] {
            let whole = request(metric, order, include_idle);
            let expected = client.rank(whole.clone()).await.unwrap().into_inner();
            assert_eq!(expected.population_size, if include_idle { 9 } else { 7 });
            for page_size in [1, 2, 3, 9] {
                let (mut found, mut page_token) = (Vec::new(), String::new());
                loop {
                    let request = RankRequest { page_size, page_token, ..whole.clone() };
                    let page = client.rank(request).await.unwrap().into_inner();
                    assert_eq!(page.population_size, expected.population_size);
                    found.extend(page.rows);
                    page_token = page.next_page_token;
                    if page_token.is_empty() {
                        break;
                    }
                    assert_eq!(found.len() % usize::try_from(page_size).unwrap(), 0);
                }
                assert_eq!(found, expected.rows, "{metric:?} {order:?} {page_size}");
            }
        }
    }
}

#[tokio::test]
async fn a_later_page_goes_on_behind_the_last_row_while_rows_change() {
    let sent: [(&str, &[&str]); 5] =
        [("a", &["50"]), ("b", &["40"]), ("c", &["30"]), ("d", &["20"]), ("e", &["10"])];
    let case = Case::new(&sent).await;
    let first = RankRequest { page_size: 2, ..request(RankMetric::Sum, RankOrder::Top, false) };
    let expected = [(1, "a", "50.00000", 1), (2, "b", "40.00000", 1)];
    let answer = case.check(first.clone(), &expected).await;
    let next = RankRequest { page_token: answer.next_page_token, ..first };
    // The row that the page ended with goes, one comes before it, one moves up behind it.
    let sql = &case.service.sql;
    sql.batch_execute("DELETE FROM transactions WHERE amount = 40").await.unwrap();
    let ids = [&case.users[4], &case.users[3]].map(|user| user.account_id);
    add(sql, "2024-05-05T11:00:00Z", ids[0], case.sink, "35").await;
    add(sql, "2024-05-05T11:00:00Z", ids[1], case.sink, "15").await;
    let expected = [(3, "d", "35.00000", 2), (4, "c", "30.00000", 1)];
    let answer = case.check(next.clone(), &expected).await;
    assert_eq!((answer.population_size, answer.next_page_token.as_str()), (4, ""));
    // All that is left stands before the place: the page is empty, and the last.
    sql.batch_execute("DELETE FROM transactions WHERE amount < 36").await.unwrap();
    let answer = case.check(next, &[]).await;
    assert_eq!((answer.population_size, answer.next_page_token.as_str()), (1, ""));
}

#[tokio::test]
async fn a_page_holds_up_to_ten_thousand_rows() {
    let case = Case::new(&[("zoe", &["1"])]).await;
    let insert = "INSERT INTO users (user_uuid, username, name) \
                  SELECT gen_random_uuid(), 'u' || n, 'n' FROM generate_series(1, 10004) n";
    case.service.sql.batch_execute(insert).await.unwrap();
    let all = request(RankMetric::Sum, RankOrder::Top, true);
    let full = RankRequest { page_size: 10_000, ..all.clone() };
    let answer = ask(&case.service, full.clone()).await.unwrap();
    assert_eq!((answer.rows.len(), answer.population_size), (10_000, 10_005));
    assert_eq!(row(&answer.rows[0]), (1, "zoe", "1.00000", 1));
    assert!(answer.rows[1..].iter().all(|row| row.rank == 2 && row.value == "0.00000"));
    let rest = RankRequest { page_token: answer.next_page_token.clone(), ..full };
    let rest = ask(&case.service, rest).await.unwrap();
    assert_eq!((rest.rows.len(), rest.next_page_token.as_str()), (5, ""));
    let mut uuids: Vec<_> =
        answer.rows[1..].iter().chain(&rest.rows).map(|row| &row.user_uuid).collect();
    assert!(uuids.is_sorted(), "ties stand in the order of their UUIDs");
    uuids.dedup();
    assert_eq!(uuids.len(), 10_004);
    assert_eq!(ask(&case.service, all).await.unwrap().rows.len(), 100);
}

#[tokio::test]
async fn a_page_ends_before_its_answer_is_too_large_and_the_next_one_goes_on() {
    let mut settings = settings();
    settings.server.response_bytes_max = 65_536;
    let service = TestService::start_with(new_target(), settings).await;
    let insert = "INSERT INTO accounts (network, address) \
                  SELECT 'bank', repeat('x', 240) || n FROM generate_series(1001, 1900) n";
    service.sql.batch_execute(insert).await.unwrap();
    let bank = Population::Accounts(AccountPopulation { network: "bank".into() });
    let mut page = RankRequest {
        population: Some(bank),
        page_size: 10_000,
        ..request(RankMetric::Sum, RankOrder::Top, true)
    };
    let (mut addresses, mut pages) = (Vec::new(), 0);
    loop {
        let answer = ask(&service, page.clone()).await.unwrap();
        assert_eq!(answer.population_size, 900);
        addresses.extend(answer.rows.into_iter().map(|row| row.account.unwrap().address));
        pages += 1;
        page.page_token = answer.next_page_token;
        if page.page_token.is_empty() {
            break;
        }
    }
    assert!(pages > 3, "{pages} pages");
    assert!(addresses.is_sorted());
    addresses.dedup();
    assert_eq!(addresses.len(), 900);
}

#[tokio::test]
async fn a_population_beyond_the_limit_is_refused() {
    let mut settings = settings();
    settings.server.rank_population_max = 2;
    let service = TestService::start_with(new_target(), settings).await;
    for (name, is_too_many) in [("ann", false), ("bob", false), ("cid", true)] {
        add_user(&service.sql, name).await;
        let answer = ask(&service, request(RankMetric::Sum, RankOrder::Top, false)).await;
        let found = answer.map_or_else(
            |status| (status.code(), status.get_details_retry_info().is_some()),
            |_| (Code::Ok, false),
        );
        // A time to come back at would be a lie.
        let expected = if is_too_many { Code::ResourceExhausted } else { Code::Ok };
        assert_eq!(found, (expected, false), "{name}");
    }
}

#[tokio::test]
async fn deviations_of_huge_amounts_that_differ_little_do_not_cancel() {
    let huge = ["1000000000000000", "1000000000000001", "1000000000000002"];
    let fine = ["1000000000000000.00001", "1000000000000000.00002", "1000000000000000.00003"];
    let case = Case::new(&[("fine", &fine), ("huge", &huge)]).await;
    let top = |metric| request(metric, RankOrder::Top, false);
    for (metric, of_huge, of_fine) in [
        (RankMetric::StddevSample, "1.00000", "0.00001"),
        (RankMetric::StddevPopulation, "0.816496580927726033", "0.000008164965809277"),
        (RankMetric::Avg, "1000000000000001.00000", "1000000000000000.00002"),
        (RankMetric::Sum, "3000000000000003.00000", "3000000000000000.00006"),
    ] {
        case.check(top(metric), &[(1, "huge", of_huge, 3), (2, "fine", of_fine, 3)]).await;
    }
}

#[tokio::test]
async fn the_instant_of_the_snapshot_is_the_databases_own_now() {
    let case = Case::new(&SMALL).await;
    let clock = || async {
        let text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        case.service.sql.query_one(text, &[]).await.unwrap().get::<_, i64>(0)
    };
    let before = clock().await;
    let sum = request(RankMetric::Sum, RankOrder::Top, false);
    let answer = ask(&case.service, sum.clone()).await.unwrap();
    let empty = Population::Accounts(AccountPopulation { network: "nowhere".into() });
    let of_nobody = ask(&case.service, RankRequest { population: Some(empty), ..sum }).await;
    let after = clock().await;
    for answer in [answer, of_nobody.unwrap()] {
        let at = answer.as_of.unwrap();
        let micros = at.seconds * 1_000_000 + i64::from(at.nanos / 1_000);
        assert!((before..=after).contains(&micros), "{before} {micros} {after}");
        assert!(answer.database_seconds > 0.0);
    }
}
