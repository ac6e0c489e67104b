//! A window cut into buckets along the local calendar of a time zone.
//!
//! A local day begins at the first instant at which the zone's clocks show its midnight
//! or later. So where clocks are put forward over midnight, the day begins when they are;
//! where they are put back over it and midnight comes twice, it begins at the first one,
//! and what is shown twice belongs to the day that has begun; a day that was skipped
//! altogether has no bucket. Buckets of days and longer units begin where such days do.
//! Minutes and hours are spans of 60 and 3,600 seconds counted from the start of each
//! local day, the last one of a day ending with it.

use std::str::FromStr;

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::domain::window::Window;

/// Most buckets that a window is cut into.
pub const BUCKETS_MAX: usize = 10_000;

/// Most units that make a bucket.
pub const UNITS_MAX: u32 = 10_000;

/// Days of a calendar that a zone may have skipped: buckets that are counted by dates
/// are refused without a look at the zone only beyond this many too many.
const SKIPPED_MAX: i64 = 16;

/// Furthest that local time is from UTC, in seconds; before standard time it was more
/// than half a day.
const OFFSET_SECONDS_MAX: i64 = 16 * 3_600;

const DAY_SECONDS: i64 = 86_400;

/// What a bucket's length is counted in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum BucketUnit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// From a local midnight to the next one.
    Day,
    /// From Monday to Monday (ISO 8601).
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

/// How long a bucket is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct BucketSize {
    unit: BucketUnit,
    count: u32,
}

impl BucketSize {
    /// So many units; `None` unless they are 1 to [`UNITS_MAX`].
    #[must_use]
    pub fn new(unit: BucketUnit, count: u32) -> Option<Self> {
        (1..=UNITS_MAX).contains(&count).then_some(Self { unit, count })
    }

    /// Seconds of a bucket that is counted in elapsed time.
    fn seconds(self) -> Option<i64> {
        let count = i64::from(self.count);
        match self.unit {
            BucketUnit::Minute => Some(60 * count),
            BucketUnit::Hour => Some(3_600 * count),
            BucketUnit::Day | BucketUnit::Week | BucketUnit::Month | BucketUnit::Year => None,
        }
    }

    /// Number of the bucket of dates that holds a date, counted from 0001-01-01.
    fn number(self, date: NaiveDate) -> i64 {
        let day = i64::from(date.num_days_from_ce()) - 1;
        let year = i64::from(date.year()) - 1;
        let units = match self.unit {
            BucketUnit::Minute | BucketUnit::Hour | BucketUnit::Day => day,
            BucketUnit::Week => day.div_euclid(7),
            BucketUnit::Month => 12 * year + i64::from(date.month0()),
            BucketUnit::Year => year,
        };
        units.div_euclid(i64::from(self.count))
    }

    /// First date of a bucket of dates; `None` beyond the calendar.
    fn first_date(self, number: i64) -> Option<NaiveDate> {
        let units = number.checked_mul(i64::from(self.count))?;
        let (days, months) = match self.unit {
            BucketUnit::Minute | BucketUnit::Hour | BucketUnit::Day => (units, 0),
            BucketUnit::Week => (units.checked_mul(7)?, 0),
            BucketUnit::Month => (0, units),
            BucketUnit::Year => (0, units.checked_mul(12)?),
        };
        if months == 0 {
            return NaiveDate::from_num_days_from_ce_opt(i32::try_from(days + 1).ok()?);
        }
        let year = i32::try_from(months.div_euclid(12) + 1).ok()?;
        let month = u32::try_from(months.rem_euclid(12) + 1).ok()?;
        NaiveDate::from_ymd_opt(year, month, 1)
    }
}

/// The window would be cut into more than [`BUCKETS_MAX`] buckets.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "must be longer, or the window shorter: about {about} buckets would come out, and at most \
     10,000 are served"
)]
pub struct TooManyBuckets {
    /// How many there would be: exact up to days that the zone skipped and hours by which
    /// its days differ.
    pub about: i64,
}

/// The time zone of this IANA name, UTC for no name; `None` if there is none.
#[must_use]
pub fn time_zone(name: &str) -> Option<Tz> {
    if name.is_empty() { Some(Tz::UTC) } else { Tz::from_str(name).ok() }
}

/// The edges of the window's buckets: its start, every bucket's start inside, its end.
/// One more than there are buckets, strictly ascending.
///
/// # Errors
/// If there would be more than [`BUCKETS_MAX`]; found out without making them.
pub fn edges(
    window: Window,
    size: BucketSize,
    zone: Tz,
) -> Result<Vec<DateTime<Utc>>, TooManyBuckets> {
    refuse_too_many(window, size, zone)?;
    let mut edges = Edges { window, found: vec![window.start()] };
    match size.seconds() {
        Some(seconds) => edges.add_spans(seconds, zone),
        None => edges.add_dates(size, zone),
    }
    edges.found.push(window.end());
    let count = edges.found.len() - 1;
    if count > BUCKETS_MAX {
        return Err(TooManyBuckets { about: i64::try_from(count).unwrap_or(i64::MAX) });
    }
    Ok(edges.found)
}

/// Refuses what is certainly too much, by arithmetic alone: what passes is few enough to
/// be made and counted.
fn refuse_too_many(window: Window, size: BucketSize, zone: Tz) -> Result<(), TooManyBuckets> {
    let most = i64::try_from(BUCKETS_MAX).unwrap_or(i64::MAX);
    let last = window.end() - Duration::microseconds(1);
    let (first_date, last_date) = (local(window.start(), zone).date(), local(last, zone).date());
    let dates = size.number(last_date) - size.number(first_date) + 1;
    let Some(seconds) = size.seconds() else {
        let is_many = dates > most + SKIPPED_MAX;
        return if is_many { Err(TooManyBuckets { about: dates }) } else { Ok(()) };
    };
    // No bucket is longer than its span, and every day begins one.
    let days = (last_date - first_date).num_days() + 1;
    let span = (window.end() - window.start()).num_seconds();
    if span / seconds <= most && days <= most + SKIPPED_MAX {
        return Ok(());
    }
    let of_a_day = (DAY_SECONDS + seconds - 1) / seconds;
    let about = (span * of_a_day + DAY_SECONDS - 1) / DAY_SECONDS;
    Err(TooManyBuckets { about: about.max(days) })
}

/// Edges that were found, ascending.
struct Edges {
    window: Window,
    found: Vec<DateTime<Utc>>,
}

impl Edges {
    /// Adds an edge if it lies inside the window and behind the one before it: a day that
    /// was skipped begins where the next one does.
    fn add(&mut self, edge: DateTime<Utc>) {
        if edge < self.window.end() && self.found.last().is_none_or(|&last| last < edge) {
            self.found.push(edge);
        }
    }

    /// Adds the starts of buckets of dates.
    fn add_dates(&mut self, size: BucketSize, zone: Tz) {
        // A date that begins inside the window is later than the one at its start.
        let first = size.number(local(self.window.start(), zone).date());
        let dates = (first + 1..).map_while(|number| size.first_date(number));
        for edge in dates.map(|date| start_of_day(date, zone)) {
            if edge >= self.window.end() {
                break;
            }
            self.add(edge);
        }
    }

    /// Adds the starts of buckets of elapsed time, day by day.
    fn add_spans(&mut self, seconds: i64, zone: Tz) {
        let span = Duration::seconds(seconds);
        let mut date = local(self.window.start(), zone).date();
        let mut start = start_of_day(date, zone);
        while let Some(next_date) = date.succ_opt()
            && start < self.window.end()
        {
            let next = start_of_day(next_date, zone);
            let mut edge = start;
            while edge < next {
                self.add(edge);
                edge += span;
            }
            (date, start) = (next_date, next);
        }
    }
}

/// What the zone's clocks show.
fn local(at: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    zone.from_utc_datetime(&at.naive_utc()).naive_local()
}

/// The first instant at which the zone's clocks show the date's midnight or later.
#[must_use]
pub fn start_of_day(date: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = date.and_time(NaiveTime::MIN);
    if let Some(start) = zone.from_local_datetime(&midnight).earliest() {
        return start.to_utc();
    }
    // Clocks are put forward over midnight: search for when, to the second.
    let (mut before, mut after) = (-OFFSET_SECONDS_MAX, OFFSET_SECONDS_MAX);
    let instant = |seconds| midnight.and_utc() + Duration::seconds(seconds);
    while after - before > 1 {
        let middle = i64::midpoint(before, after);
        if local(instant(middle), zone) < midnight {
            before = middle;
        } else {
            after = middle;
        }
    }
    instant(after)
}

#[cfg(test)]
mod tests;
