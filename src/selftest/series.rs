//! Series: a window cut into buckets on the calendar of some time zone. The oracle finds the
//! edges of buckets by looking at the zone's clocks again and again, and adds up rows.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use num_bigint::BigInt;
use rand::RngExt;

use crate::{
    analytics::sum_series::{SeriesQuestion, SeriesSubject},
    domain::{
        access::Scope,
        asset::Asset,
        buckets::{self, BucketSize, BucketUnit},
        direction::Direction,
        window::Window,
    },
    error::{Error, ErrorKind},
    selftest::{
        amount,
        draws::{DAY_MICROS, Draws, Scan},
        further::Besides,
        oracle::{Oracle, Span, Whose},
        questions::{Answering, Drawn, Question, account_key, instant, sum_text, window},
    },
};

/// Buckets of a series, about.
const BUCKETS_AIMED_AT: i64 = 7;

/// A minute in microseconds.
const MINUTE: i64 = 60_000_000;

/// Zones whose days differ: put forward or back by an hour or half of one, at midnight, not at
/// all, far from UTC on both sides.
const ZONES: [&str; 10] = [
    "",
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
];

/// A question for a series, before it is cut into buckets.
#[derive(Clone, Debug)]
pub(super) struct SeriesWanted {
    subject: SeriesSubject,
    asset: Asset,
    window: Window,
    size: BucketSize,
    zone: &'static str,
    directions: Vec<Direction>,
    explain: bool,
    pub(super) verify: bool,
}

/// Whose amounts make a series or a histogram; nobody's are everybody's.
pub(super) fn draw_group(draws: &mut Draws, oracle: &Oracle) -> (Option<Whose>, SeriesSubject) {
    if draws.is(0.25) {
        return (None, SeriesSubject::All);
    }
    match draws.whose(oracle) {
        Whose::User(user) | Whose::Payments(user) => {
            let subject = SeriesSubject::User(oracle.users[user].user_uuid);
            (Some(Whose::User(user)), subject)
        }
        Whose::Account(account) => {
            let subject = SeriesSubject::Account(account_key(oracle, account));
            (Some(Whose::Account(account)), subject)
        }
    }
}

/// Draws a series.
pub(super) fn draw_series(draws: &mut Draws, oracle: &Oracle) -> Drawn {
    let (whose, subject) = draw_group(draws, oracle);
    let place = draws.index(oracle.assets.len());
    let (unit, count, about) = match draws.rng.random_range(0..8) {
        0 => (BucketUnit::Minute, draws.rng.random_range(1..100), MINUTE),
        1 | 2 => (BucketUnit::Hour, draws.rng.random_range(1..30), 60 * MINUTE),
        3 | 4 => (BucketUnit::Day, draws.rng.random_range(1..4), DAY_MICROS),
        5 => (BucketUnit::Week, draws.rng.random_range(1..4), 7 * DAY_MICROS),
        6 => (BucketUnit::Month, draws.rng.random_range(1..5), 30 * DAY_MICROS),
        _ => (BucketUnit::Year, draws.rng.random_range(1..3), 365 * DAY_MICROS),
    };
    let span = match (unit, draws.is(0.3)) {
        // Years, across many changes of clocks.
        (BucketUnit::Week | BucketUnit::Month | BucketUnit::Year, true) => {
            let span = draws.span(oracle);
            let start = span.start.max(draws.today - 2_000 * DAY_MICROS);
            Span { start, end: span.end.min(draws.today + 900 * DAY_MICROS).max(start + 1) }
        }
        _ => {
            let start = draws.instant(oracle);
            let longest = about * i64::from(count) * BUCKETS_AIMED_AT;
            Span { start, end: start + draws.rng.random_range(1..=longest) }
        }
    };
    let zone = ZONES[draws.index(ZONES.len())];
    let edges = edges(span, unit, count, buckets::time_zone(zone).unwrap_or(Tz::UTC));
    let directions = match draws.rng.random_range(0..4) {
        0 => vec![Direction::Sender],
        1 => vec![Direction::Receiver],
        2 => vec![Direction::Sender, Direction::Receiver],
        _ => vec![Direction::Receiver, Direction::Sender],
    };
    let asset = oracle.assets[place].clone();
    let mut lines = Vec::new();
    for &direction in &directions {
        for pair in edges.windows(2) {
            let bucket = Span { start: pair[0], end: pair[1] };
            let amounts = oracle.amounts_of_group(whose, (place, direction), bucket);
            let sum = amount::text(&amounts.iter().sum::<BigInt>(), asset.decimals);
            lines.push(line(instant(bucket.start), (sum, amounts.len())));
        }
    }
    let (explain, verify) = draws.besides();
    let inner = &edges[1..edges.len() - 1];
    let scan = match (verify, inner.iter().any(|edge| edge.rem_euclid(DAY_MICROS) != 0)) {
        (true, _) => Scan::Always,
        (false, true) => Scan::Perhaps,
        (false, false) => Scan::Never,
    };
    let right = draws.right(lines.join("\n"), span, scan);
    let size = BucketSize::new(unit, count).expect("counts that are drawn are allowed");
    let window = window(span);
    let wanted = SeriesWanted { subject, asset, window, size, zone, directions, explain, verify };
    Drawn { question: Question::Series(Box::new(wanted)), right }
}

/// Asks a series.
pub(super) async fn ask_series(
    answering: &Answering,
    wanted: &SeriesWanted,
) -> Result<String, Error> {
    let SeriesWanted { subject, asset, window, size, zone, directions, explain, verify } = wanted;
    let fault = |text: String| Error::with_source(ErrorKind::Internal, text);
    let zone = buckets::time_zone(zone).ok_or_else(|| fault("no such zone".to_owned()))?;
    let edges = buckets::edges(*window, *size, zone).map_err(|error| fault(error.to_string()))?;
    let question = SeriesQuestion {
        subject: subject.clone(),
        scope: Scope::Everybody,
        asset: asset.clone(),
        edges: edges.clone(),
        directions: directions.clone(),
        explain: *explain,
        verify: *verify,
    };
    let answer = answering.analytics.sum_series(&question).await?;
    let (mut lines, mut total) = (Vec::new(), 0);
    for series in &answer.series {
        if series.len() + 1 != edges.len() {
            return Err(fault(format!("{} sums for {} edges", series.len(), edges.len())));
        }
        for (edge, bucket) in edges.iter().zip(series) {
            total += bucket.transaction_count;
            let count = usize::try_from(bucket.transaction_count).unwrap_or(usize::MAX);
            lines.push(line(*edge, (bucket.sum_amount.clone(), count)));
        }
    }
    let besides = Besides { explanation: answer.explanation, verification: answer.verification };
    besides.check(*explain, *verify, total)?;
    Ok(lines.join("\n"))
}

fn line(start: DateTime<Utc>, sum: (String, usize)) -> String {
    format!("{start}: {}", sum_text(sum))
}

/// The edges of buckets: both ends of the window and what begins inside.
fn edges(span: Span, unit: BucketUnit, count: u32, zone: Tz) -> Vec<i64> {
    let count = i64::from(count);
    let mut found = vec![span.start, span.end];
    let mut date = local(span.start, zone).0.pred_opt().unwrap_or_default();
    let last = local(span.end, zone).0.succ_opt().unwrap_or_default();
    while date <= last {
        let next = date.succ_opt().unwrap_or(date);
        match unit {
            BucketUnit::Minute | BucketUnit::Hour => {
                let length = if unit == BucketUnit::Hour { 60 * MINUTE } else { MINUTE };
                let mut edge = first_shown(date, zone);
                let end = first_shown(next, zone);
                while edge < end {
                    found.push(edge);
                    edge += length * count;
                }
            }
            BucketUnit::Day | BucketUnit::Week | BucketUnit::Month | BucketUnit::Year => {
                let number = |date| units_before(date, unit).div_euclid(count);
                if date.pred_opt().is_none_or(|before| number(before) != number(date)) {
                    found.push(first_shown(date, zone));
                }
            }
        }
        date = next;
    }
    found.retain(|edge| (span.start..=span.end).contains(edge));
    found.sort_unstable();
    found.dedup();
    found
}

/// Whole units between the first day of the year 1, a Monday, and a date.
fn units_before(date: NaiveDate, unit: BucketUnit) -> i64 {
    let (year, month) = (i64::from(date.year()) - 1, i64::from(date.month()) - 1);
    let day = i64::from(date.num_days_from_ce()) - 1;
    match unit {
        BucketUnit::Year => year,
        BucketUnit::Month => 12 * year + month,
        BucketUnit::Week => day / 7,
        BucketUnit::Day | BucketUnit::Hour | BucketUnit::Minute => day,
    }
}

/// The first instant at which the zone's clocks show this date, or a later one. In the years
/// of rows all clocks differ by whole quarters of an hour, and change at them.
fn first_shown(date: NaiveDate, zone: Tz) -> i64 {
    let midnight = date.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
    let quarters = (-16 * 4..=16 * 4).map(|quarter| midnight + 15 * quarter * MINUTE);
    quarters.into_iter().find(|at| local(*at, zone).0 >= date).unwrap_or(midnight)
}

/// What the zone's clocks show.
fn local(micros: i64, zone: Tz) -> (NaiveDate, NaiveTime) {
    let shown = zone.from_utc_datetime(&instant(micros).naive_utc());
    (shown.date_naive(), shown.time())
}
