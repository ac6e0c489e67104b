//! Requests that are wrong: every field that is, and nothing else, is named; what is
//! merely unknown is not found; nothing hostile is a fault of the server.

use daybook::grpc::pb::{
    transactions_service as original,
    v1::{
        AccountKey, AccountPopulation, AllAccounts, BatchSumAmountRequest, BucketUnit, Direction,
        GetBalanceRequest, HistogramRequest, ListUsersRequest, RankMetric, RankRequest,
        SumAmountRequest, SumSeriesRequest, SymbolPopulation, UserPopulation, Window,
        batch_sum_amount_result, get_balance_request, histogram_request,
        rank_request::{Population, StandingOf},
        sum_amount_request::Subject,
        sum_series_request,
    },
};
use prost_types::Timestamp;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    sum_amount::window,
    support::{
        raw::{LIST_USERS, RawClient},
        service::{TestService, new_target, settings},
    },
};

pub(crate) const SOME_UUID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

/// Instants that are none, or that no window may name.
const BAD_INSTANTS: [(i64, i32); 10] = [
    (-62_135_596_801, 0),
    (-62_135_596_801, 999_999_000),
    (253_402_300_800, 0),
    (i64::MAX, 0),
    (i64::MIN, 0),
    (i64::MAX, i32::MAX),
    (0, -1),
    (0, 1_000_000_000),
    (0, i32::MIN),
    (1_700_000_000, 1),
];

/// Fields that the answer names, in its order.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_details_bad_request().expect("it has details");
    for violation in &details.field_violations {
        assert!(!violation.description.is_empty(), "{violation:?}");
        assert!(status.message().contains(&violation.field), "{}", status.message());
    }
    details.field_violations.into_iter().map(|violation| violation.field).collect()
}

pub(crate) fn sum_request() -> SumAmountRequest {
    SumAmountRequest {
        subject: Some(Subject::UserUuid(SOME_UUID.into())),
        asset: String::new(),
        window: window("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"),
        direction: Direction::Sender.into(),
        ..Default::default()
    }
}

pub(crate) fn rank_request() -> RankRequest {
    RankRequest {
        window: window("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"),
        direction: Direction::Sender.into(),
        metric: RankMetric::Sum.into(),
        ..RankRequest::default()
    }
}

fn series_request() -> SumSeriesRequest {
    SumSeriesRequest {
        subject: Some(sum_series_request::Subject::All(AllAccounts {})),
        window: window("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"),
        bucket_unit: BucketUnit::Hour.into(),
        direction: Direction::Sender.into(),
        ..SumSeriesRequest::default()
    }
}

fn histogram_request() -> HistogramRequest {
    HistogramRequest {
        subject: Some(histogram_request::Subject::All(AllAccounts {})),
        window: window("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"),
        direction: Direction::Sender.into(),
        ..HistogramRequest::default()
    }
}

fn original_request() -> original::SumAmountRequest {
    original::SumAmountRequest {
        user_uuid: SOME_UUID.into(),
        timestamp_start_utc: "2024-01-01T00:00:00".into(),
        timestamp_end_utc: "2024-01-02T00:00:00".into(),
        direction: "sender".into(),
    }
}

fn account(network: &str, address: &str) -> Option<Subject> {
    Some(Subject::Account(AccountKey { network: network.into(), address: address.into() }))
}

pub(crate) fn accounts(network: &str) -> Option<Population> {
    Some(Population::Accounts(AccountPopulation { network: network.into() }))
}

/// Windows that are wrong, with the fields that are.
fn bad_windows() -> Vec<(Option<Window>, Vec<&'static str>)> {
    let good = Timestamp { seconds: 1_700_000_000, nanos: 0 };
    let given = |start, end| Some(Window { start, end });
    let mut cases = vec![
        (None, vec!["window"]),
        (given(None, None), vec!["window.start", "window.end"]),
        (given(Some(good), None), vec!["window.end"]),
        (given(None, Some(good)), vec!["window.start"]),
        (given(Some(good), Some(good)), vec!["window.end"]),
        (window("2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z"), vec!["window.end"]),
    ];
    for (seconds, nanos) in BAD_INSTANTS {
        let bad = Timestamp { seconds, nanos };
        cases.push((given(Some(bad), Some(good)), vec!["window.start"]));
        cases.push((given(Some(good), Some(bad)), vec!["window.end"]));
        cases.push((given(Some(bad), Some(bad)), vec!["window.start", "window.end"]));
    }
    cases
}

/// Texts that are no UUID.
pub(crate) fn bad_uuids() -> Vec<String> {
    let long = "a".repeat(1_000_000);
    [
        "",
        " ",
        "1",
        "nobody",
        "67e55044-10b1-426f-9247-bb680e5fe0c",
        &SOME_UUID[1..],
        "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
        "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8",
        "67e55044-10b1-426f-9247-bb680e5fe0cg",
        "67e5504410b1-426f-9247-bb680e5fe0c8",
        "67e55044-10b1-426f-9247-bb680e5fe0\0",
        "' OR 1=1 --",
        "\u{202e}67e55044",
        "日本語日本語日本語日本語",
        &long,
    ]
    .map(str::to_owned)
    .to_vec()
}

#[tokio::test]
async fn a_sum_names_every_field_that_is_wrong() {
    let service = TestService::start().await;
    let mut client = service.analytics().await;
    let mut cases: Vec<(SumAmountRequest, Vec<&str>)> = Vec::new();
    for (window, fields) in bad_windows() {
        cases.push((SumAmountRequest { window, ..sum_request() }, fields));
    }
    for uuid in bad_uuids() {
        let subject = Some(Subject::UserUuid(uuid));
        cases.push((SumAmountRequest { subject, ..sum_request() }, vec!["user_uuid"]));
    }
    let long = "x".repeat(1_000_000);
    for (subject, fields) in [
        (None, vec!["user_uuid"]),
        (account("", ""), vec!["account.network", "account.address"]),
        (account("Bank", "a"), vec!["account.network"]),
        (account("a\0b", "a"), vec!["account.network"]),
        (account("bank'--", "a"), vec!["account.network"]),
        (account("\u{202e}knab", "a"), vec!["account.network"]),
        (account(&"x".repeat(65), "a"), vec!["account.network"]),
        (account(&long, "a"), vec!["account.network"]),
        (account("bank", ""), vec!["account.address"]),
        (account("bank", "a\0b"), vec!["account.address"]),
        (account("bank", "a\nb"), vec!["account.address"]),
        (account("bank", &"x".repeat(257)), vec!["account.address"]),
        (account("bank", &long), vec!["account.address"]),
    ] {
        cases.push((SumAmountRequest { subject, ..sum_request() }, fields));
    }
    for direction in [0, 3, 99, -1, i32::MAX, i32::MIN] {
        cases.push((SumAmountRequest { direction, ..sum_request() }, vec!["direction"]));
    }
    for asset in ["XYZ", "usd", "USD ", "U\0SD", "'; DROP TABLE assets; --", "\u{202e}DSU", &long] {
        let asset = asset.to_owned();
        cases.push((SumAmountRequest { asset, ..sum_request() }, vec!["asset"]));
    }
    let all = ["account.network", "account.address", "window.start", "window.end", "direction"];
    let everything = SumAmountRequest {
        subject: account("", ""),
        asset: "nothing".into(),
        window: Some(Window { start: None, end: None }),
        direction: 99,
        ..Default::default()
    };
    cases.push((everything, [&all[..], &["asset"]].concat()));
    cases.push((SumAmountRequest::default(), vec!["user_uuid", "window", "direction"]));
    for (request, expected) in cases {
        let status = client.sum_amount(request.clone()).await.unwrap_err();
        let shown: String = format!("{request:?}").chars().take(300).collect();
        assert_eq!(fields(&status), expected, "{shown}");
    }
}

#[tokio::test]
async fn a_window_may_be_as_long_as_the_setting_says_and_no_longer() {
    let mut settings = settings();
    settings.server.window_days_max = 31;
    let service = TestService::start_with(new_target(), settings).await;
    let mut client = service.analytics().await;
    for (end, expected) in
        [("2024-02-01T00:00:00Z", vec![]), ("2024-02-01T00:00:00.000001Z", vec!["window.end"])]
    {
        let window = window("2024-01-01T00:00:00Z", end);
        let asked = SumAmountRequest { window, ..sum_request() };
        let outcomes = [
            client.sum_amount(asked).await.err(),
            client.rank(RankRequest { window, ..rank_request() }).await.err(),
            client.sum_series(SumSeriesRequest { window, ..series_request() }).await.err(),
            client.histogram(HistogramRequest { window, ..histogram_request() }).await.err(),
        ];
        // Whoever is asked about is unknown, which is found out behind what is wrong.
        let refused = outcomes.iter().flatten().filter(|status| status.code() != Code::NotFound);
        let named: Vec<_> = refused.map(fields).collect();
        assert_eq!(named.len(), 4 * expected.len(), "{end}: {named:?}");
        assert!(named.iter().all(|named| *named == expected), "{end}: {named:?}");
    }
}

#[tokio::test]
async fn a_ranking_names_every_field_that_is_wrong() {
    let service = TestService::start().await;
    let mut client = service.analytics().await;
    let mut cases: Vec<(RankRequest, Vec<&str>)> = Vec::new();
    for (window, fields) in bad_windows() {
        cases.push((RankRequest { window, ..rank_request() }, fields));
    }
    for number in [0, 99, -1, i32::MAX, i32::MIN] {
        cases.push((RankRequest { direction: number, ..rank_request() }, vec!["direction"]));
        cases.push((RankRequest { metric: number, ..rank_request() }, vec!["metric"]));
    }
    for order in [3, 99, -1, i32::MIN] {
        cases.push((RankRequest { order, ..rank_request() }, vec!["order"]));
    }
    for page_size in [-1, 10_001, i32::MAX, i32::MIN] {
        cases.push((RankRequest { page_size, ..rank_request() }, vec!["page_size"]));
    }
    for network in ["", "Bank", "a\0b", "x y", &"x".repeat(65), &"x".repeat(1_000_000)] {
        let population = accounts(network);
        cases.push((RankRequest { population, ..rank_request() }, vec!["accounts.network"]));
    }
    for uuid in bad_uuids() {
        let standing_of = Some(StandingOf::StandingUserUuid(uuid));
        cases.push((RankRequest { standing_of, ..rank_request() }, vec!["standing_user_uuid"]));
    }
    let address = |text: &str| Some(StandingOf::StandingAddress(text.to_owned()));
    let uuid = Some(StandingOf::StandingUserUuid(SOME_UUID.into()));
    let users = Some(Population::Users(UserPopulation {}));
    let bank = accounts("bank");
    for (population, standing_of, field) in [
        (None, address("a"), "standing_address"),
        (users, address("a"), "standing_address"),
        (bank.clone(), uuid, "standing_user_uuid"),
        (bank.clone(), address(""), "standing_address"),
        (bank.clone(), address("a\0b"), "standing_address"),
        (bank, address(&"x".repeat(257)), "standing_address"),
    ] {
        cases.push((RankRequest { population, standing_of, ..rank_request() }, vec![field]));
    }
    for page_token in bad_tokens() {
        cases.push((RankRequest { page_token, ..rank_request() }, vec!["page_token"]));
    }
    cases.push((RankRequest::default(), vec!["window", "direction", "metric"]));
    let everything = RankRequest {
        population: accounts(""),
        asset: "nothing".into(),
        window: Some(Window { start: None, end: None }),
        direction: 99,
        metric: 99,
        order: 99,
        include_idle: true,
        page_size: -1,
        page_token: "!".into(),
        standing_of: Some(StandingOf::StandingUserUuid(String::new())),
        ..Default::default()
    };
    let all = "accounts.network page_token standing_user_uuid window.start window.end direction \
               metric order page_size asset";
    cases.push((everything, all.split(' ').filter(|field| !field.is_empty()).collect()));
    for (request, expected) in cases {
        let status = client.rank(request.clone()).await.unwrap_err();
        let shown: String = format!("{request:?}").chars().take(300).collect();
        assert_eq!(fields(&status), expected, "{shown}");
    }
}

/// Accounts that are wrong, with the fields that are.
pub(crate) fn bad_accounts() -> Vec<(AccountKey, Vec<&'static str>)> {
    let key = |network: &str, address: &str| AccountKey {
        network: network.to_owned(),
        address: address.to_owned(),
    };
    vec![
        (key("", ""), vec!["account.network", "account.address"]),
        (key("Bank", "a"), vec!["account.network"]),
        (key(&"x".repeat(65), "a"), vec!["account.network"]),
        (key("bank", "a\0b"), vec!["account.address"]),
        (key("bank", &"x".repeat(257)), vec!["account.address"]),
    ]
}

#[tokio::test]
async fn a_series_names_every_field_that_is_wrong() {
    let service = TestService::start().await;
    let mut client = service.analytics().await;
    let mut cases: Vec<(SumSeriesRequest, Vec<&str>)> = Vec::new();
    for (window, fields) in bad_windows() {
        cases.push((SumSeriesRequest { window, ..series_request() }, fields));
    }
    for uuid in bad_uuids() {
        let subject = Some(sum_series_request::Subject::UserUuid(uuid));
        cases.push((SumSeriesRequest { subject, ..series_request() }, vec!["user_uuid"]));
    }
    for (account, fields) in bad_accounts() {
        let subject = Some(sum_series_request::Subject::Account(account));
        cases.push((SumSeriesRequest { subject, ..series_request() }, fields));
    }
    for bucket_unit in [0, 7, 99, -1, i32::MAX, i32::MIN] {
        cases.push((SumSeriesRequest { bucket_unit, ..series_request() }, vec!["bucket_unit"]));
    }
    for bucket_count in [-1, 10_001, i32::MAX, i32::MIN] {
        cases.push((SumSeriesRequest { bucket_count, ..series_request() }, vec!["bucket_count"]));
    }
    for zone in ["utc", "Berlin", "CEST", "+01:00", "Europe/Berlin\0", &"x".repeat(1_000_000)] {
        let time_zone = zone.to_owned();
        cases.push((SumSeriesRequest { time_zone, ..series_request() }, vec!["time_zone"]));
    }
    for (direction, split_by_direction) in [(0, false), (3, false), (3, true), (-1, true)] {
        let request = SumSeriesRequest { direction, split_by_direction, ..series_request() };
        cases.push((request, vec!["direction"]));
    }
    for asset in ["XYZ", "U\0SD", &"x".repeat(1_000_000)] {
        let asset = asset.to_owned();
        cases.push((SumSeriesRequest { asset, ..series_request() }, vec!["asset"]));
    }
    let none = SumSeriesRequest::default();
    cases.push((none, vec!["user_uuid", "window", "bucket_unit", "direction"]));
    let everything = SumSeriesRequest {
        subject: None,
        asset: "nothing".into(),
        window: Some(Window::default()),
        bucket_unit: 99,
        bucket_count: -1,
        time_zone: "Mars".into(),
        direction: 99,
        ..SumSeriesRequest::default()
    };
    let all =
        "user_uuid window.start window.end bucket_unit bucket_count time_zone direction asset";
    cases.push((everything, all.split(' ').collect()));
    for (request, expected) in cases {
        let status = client.sum_series(request.clone()).await.unwrap_err();
        let shown: String = format!("{request:?}").chars().take(300).collect();
        assert_eq!(fields(&status), expected, "{shown}");
    }
}

#[tokio::test]
async fn a_series_of_too_many_buckets_says_how_many_there_would_be() {
    let service = TestService::start().await;
    let mut client = service.analytics().await;
    let all_time = window("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z");
    for (window, unit, zone, count) in [
        (all_time, BucketUnit::Minute, "America/St_Johns", "5258964960"),
        (all_time, BucketUnit::Day, "Pacific/Apia", "3652060"),
        (window("2024-01-01T00:00:00Z", "2024-01-07T22:41:00Z"), BucketUnit::Minute, "", "10001"),
    ] {
        let time_zone = zone.to_owned();
        let bucket_unit = unit.into();
        let request = SumSeriesRequest { window, bucket_unit, time_zone, ..series_request() };
        let status = client.sum_series(request).await.unwrap_err();
        assert_eq!(fields(&status), ["bucket_unit"]);
        assert!(status.message().contains(count), "{count}: {}", status.message());
    }
}

#[tokio::test]
async fn a_histogram_names_every_field_that_is_wrong() {
    let service = TestService::start().await;
    let mut client = service.analytics().await;
    let mut cases: Vec<(HistogramRequest, Vec<&str>)> = Vec::new();
    for (window, fields) in bad_windows() {
        cases.push((HistogramRequest { window, ..histogram_request() }, fields));
    }
    for uuid in bad_uuids() {
        let subject = Some(histogram_request::Subject::UserUuid(uuid));
        cases.push((HistogramRequest { subject, ..histogram_request() }, vec!["user_uuid"]));
    }
    for (account, fields) in bad_accounts() {
        let subject = Some(histogram_request::Subject::Account(account));
        cases.push((HistogramRequest { subject, ..histogram_request() }, fields));
    }
    for direction in [0, 3, -1, i32::MIN] {
        cases.push((HistogramRequest { direction, ..histogram_request() }, vec!["direction"]));
    }
    let many: Vec<_> = (0..1_001).map(|bound| bound.to_string()).collect();
    let long = format!("0.{}", "0".repeat(1_000_000));
    let bounds = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let mut bad_bounds = vec![many, bounds(&["1", "2", "2.0"]), bounds(&["2", "1"])];
    for text in ["", " ", "1e3", "NaN", "Infinity", "1,5", ".5", "+1", "0x1", "1\0", &long] {
        bad_bounds.push(bounds(&[text]));
    }
    for bounds in bad_bounds {
        cases.push((HistogramRequest { bounds, ..histogram_request() }, vec!["bounds"]));
    }
    let asset = "nothing".to_owned();
    cases.push((HistogramRequest { asset, ..histogram_request() }, vec!["asset"]));
    let none = HistogramRequest::default();
    cases.push((none, vec!["user_uuid", "window", "direction"]));
    for (request, expected) in cases {
        let status = client.histogram(request.clone()).await.unwrap_err();
        let shown: String = format!("{request:?}").chars().take(300).collect();
        assert_eq!(fields(&status), expected, "{shown}");
    }
    let bounds = (0..1_000).map(|bound| format!("{bound}.{:0>190}", 1)).collect();
    let request = HistogramRequest { bounds, ..histogram_request() };
    assert_eq!(client.histogram(request).await.unwrap().into_inner().buckets.len(), 1_000);
}

#[tokio::test]
async fn a_balance_names_every_field_that_is_wrong() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let uuid = |uuid: String| Some(get_balance_request::Subject::UserUuid(uuid));
    let good = || GetBalanceRequest { subject: uuid(SOME_UUID.into()), ..Default::default() };
    let mut cases: Vec<(GetBalanceRequest, Vec<&str>)> = Vec::new();
    for (seconds, nanos) in BAD_INSTANTS {
        let at = Some(Timestamp { seconds, nanos });
        cases.push((GetBalanceRequest { at, ..good() }, vec!["at"]));
    }
    for bad in bad_uuids() {
        cases.push((GetBalanceRequest { subject: uuid(bad), ..good() }, vec!["user_uuid"]));
    }
    for (account, fields) in bad_accounts() {
        let subject = Some(get_balance_request::Subject::Account(account));
        cases.push((GetBalanceRequest { subject, ..good() }, fields));
    }
    cases.push((GetBalanceRequest { asset: "nothing".into(), ..good() }, vec!["asset"]));
    let everything = GetBalanceRequest {
        asset: "nothing".into(),
        at: Some(Timestamp { seconds: 0, nanos: 1 }),
        ..GetBalanceRequest::default()
    };
    cases.push((everything, vec!["user_uuid", "at", "asset"]));
    for (request, expected) in cases {
        let status = client.get_balance(request.clone()).await.unwrap_err();
        let shown: String = format!("{request:?}").chars().take(300).collect();
        assert_eq!(fields(&status), expected, "{shown}");
    }
}

#[tokio::test]
async fn a_batch_tells_each_question_its_own_fields() {
    let service = TestService::start().await;
    let windows = bad_windows();
    let questions = windows.iter().map(|(window, _)| SumAmountRequest {
        window: *window,
        direction: 99,
        ..sum_request()
    });
    let request = BatchSumAmountRequest { questions: questions.collect(), ..Default::default() };
    let answer = service.analytics().await.batch_sum_amount(request).await.unwrap().into_inner();
    for (result, (window, fields)) in answer.results.into_iter().zip(windows) {
        let Some(batch_sum_amount_result::Outcome::Error(error)) = result.outcome else {
            panic!("{window:?} was answered");
        };
        assert_eq!(error.code, i32::from(Code::InvalidArgument));
        let found: Vec<_> = error.field_violations.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(found, [fields.as_slice(), &["direction"]].concat(), "{window:?}");
    }
}

/// Tokens that nobody was given.
pub(crate) fn bad_tokens() -> Vec<String> {
    let mut tokens =
        ["!", "AAAA", "a b", "\0", "=", "ÄÖÜ", "' OR 1=1 --"].map(str::to_owned).to_vec();
    tokens.push("A".repeat(4_096));
    tokens.push("A".repeat(1_000_000));
    tokens
}

#[tokio::test]
async fn a_list_of_users_names_every_field_that_is_wrong() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let size = |page_size| ListUsersRequest { page_size, ..Default::default() };
    let mut cases = Vec::new();
    for page_size in [-1, 1_001, i32::MAX, i32::MIN] {
        cases.push((size(page_size), vec!["page_size"]));
    }
    for prefix in ["a\0", "a\n", &"x".repeat(129), &"x".repeat(500_000)] {
        let username_prefix = prefix.to_owned();
        let request = ListUsersRequest { username_prefix, ..Default::default() };
        cases.push((request, vec!["username_prefix"]));
    }
    for part in ["a\0", "a\n", &"x".repeat(257), &"x".repeat(500_000)] {
        let request = ListUsersRequest { search: part.to_owned(), ..Default::default() };
        cases.push((request, vec!["search"]));
    }
    for page_token in bad_tokens() {
        cases.push((
            ListUsersRequest { page_size: 0, page_token, ..Default::default() },
            vec!["page_token"],
        ));
    }
    let both = ListUsersRequest { page_size: -1, page_token: "!".into(), ..Default::default() };
    cases.push((both, vec!["page_size", "page_token"]));
    for (request, expected) in cases {
        let status = client.list_users(request.clone()).await.unwrap_err();
        let shown: String = format!("{request:?}").chars().take(300).collect();
        assert_eq!(fields(&status), expected, "{shown}");
    }
}

#[tokio::test]
async fn the_original_sum_names_every_field_that_is_wrong() {
    let service = TestService::start().await;
    let mut client = service.transactions().await;
    let mut cases: Vec<(original::SumAmountRequest, Vec<&str>)> = Vec::new();
    for user_uuid in bad_uuids() {
        cases.push((
            original::SumAmountRequest { user_uuid, ..original_request() },
            vec!["user_uuid"],
        ));
    }
    for text in [
        "",
        "now",
        "2024",
        "2024-13-01",
        "2024-02-30",
        "2024-01-01T24:00:00",
        "2024-01-01T00:60:00",
        "2024-01-01T00:00:60",
        "2024-01-01T00:00:00+25",
        "2024-01-01T00:00:00 UTC",
        "1704067200",
        "0000-01-01",
        "10000-01-01T00:00:00",
        "-0001-01-01",
        "2024-01-01T00:00:00.0000001",
        "0001-01-01T00:00:00+02:00",
        "2024-01-01T00:00:00\0",
        "'; DROP TABLE users; --",
        &"9".repeat(300_000),
    ] {
        let start =
            original::SumAmountRequest { timestamp_start_utc: text.into(), ..original_request() };
        cases.push((start, vec!["timestamp_start_utc"]));
        let end =
            original::SumAmountRequest { timestamp_end_utc: text.into(), ..original_request() };
        cases.push((end, vec!["timestamp_end_utc"]));
    }
    for end in ["2024-01-01T00:00:00", "2023-12-31", "2024-01-01T01:00:00+01:00"] {
        let request =
            original::SumAmountRequest { timestamp_end_utc: end.into(), ..original_request() };
        cases.push((request, vec!["timestamp_end_utc"]));
    }
    for direction in ["", "Sender", "SENDER", "both", "sender ", "1", "receiver\0"] {
        let direction = direction.to_owned();
        cases.push((
            original::SumAmountRequest { direction, ..original_request() },
            vec!["direction"],
        ));
    }
    let all = vec!["user_uuid", "timestamp_start_utc", "timestamp_end_utc", "direction"];
    cases.push((original::SumAmountRequest::default(), all));
    for (request, expected) in cases {
        let status = client.sum_amount(request.clone()).await.unwrap_err();
        let shown: String = format!("{request:?}").chars().take(300).collect();
        assert_eq!(fields(&status), expected, "{shown}");
    }
}

#[tokio::test]
async fn what_is_well_formed_and_unknown_is_not_found() {
    let service = TestService::start().await;
    let mut client = service.analytics().await;
    let longest = "\u{10348}".repeat(256);
    for address in ["nobody", "a'b\"c", "%", "\u{202e}drow", "'; DROP TABLE accounts; --", &longest]
    {
        let request = SumAmountRequest { subject: account("bank", address), ..sum_request() };
        let status = client.sum_amount(request).await.unwrap_err();
        let found = (status.code(), status.message());
        assert_eq!(found, (Code::NotFound, "there is no such account"), "{address}");
        let standing_of = Some(StandingOf::StandingAddress(address.to_owned()));
        let request = RankRequest { population: accounts("bank"), standing_of, ..rank_request() };
        assert_eq!(client.rank(request).await.unwrap_err().code(), Code::NotFound, "{address}");
    }
    for uuid in [SOME_UUID, "00000000-0000-0000-0000-000000000000", &Uuid::max().to_string()] {
        let subject = Some(Subject::UserUuid(uuid.to_owned()));
        let request = SumAmountRequest { subject, ..sum_request() };
        assert_eq!(client.sum_amount(request).await.unwrap_err().code(), Code::NotFound, "{uuid}");
        let standing_of = Some(StandingOf::StandingUserUuid(uuid.to_owned()));
        let request = RankRequest { standing_of, ..rank_request() };
        let status = client.rank(request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such user"));
        let request = original::SumAmountRequest { user_uuid: uuid.into(), ..original_request() };
        let status = service.transactions().await.sum_amount(request).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{uuid}");
    }
}

#[tokio::test]
async fn symbols_are_not_served_whatever_else_is_asked() {
    let service = TestService::start().await;
    let mut client = service.analytics().await;
    let symbols = Some(Population::Symbols(SymbolPopulation {}));
    for request in [rank_request(), RankRequest::default()] {
        let request = RankRequest { population: symbols.clone(), ..request };
        let status = client.rank(request).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert_eq!(status.message(), "ranking symbols is not served");
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_and_the_connection_lives_on() {
    let service = TestService::start().await;
    let mut client = service.analytics().await;
    let asset = "x".repeat(1_048_576);
    let status = client.sum_amount(SumAmountRequest { asset, ..sum_request() }).await.unwrap_err();
    // The code is tonic's, which has no other for it.
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    let status = client.sum_amount(sum_request()).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_deadline_that_cannot_be_read_is_told_and_not_ignored() {
    let service = TestService::start().await;
    let client = RawClient::open(service.address).await;
    let request = ListUsersRequest::default();
    for header in
        ["", "S", "1", "1s", "-1S", "+1S", "1.5S", "123456789S", "1SS", "one", "1 S", "0x1S"]
    {
        let answer = client.call(LIST_USERS, &request, Some(header)).await.unwrap();
        assert_eq!(fields(&answer.status), ["grpc-timeout"], "{header:?}");
    }
    for header in ["1H", "5M", "10S", "10000m", "99999999u", "99999999H"] {
        let answer = client.call(LIST_USERS, &request, Some(header)).await.unwrap();
        assert_eq!(answer.status.code(), Code::Ok, "{header:?}");
    }
}
