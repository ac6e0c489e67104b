//! Holds every stored running total against the rows, and every cell of prices against the ticks,
//! and repairs what differs.
//!
//! The work is cut into units (some accounts, some days), each compared in one snapshot of
//! its own, several side by side. What is stored and what it must come from come out of one
//! statement, in one order, and are compared as they come: an audit holds a few cells and what is
//! known of a day or of a group of accounts, however many rows there are. Of prices it holds some
//! hundred cells and the ticks of a unit.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::Range,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, NaiveDate};
use futures_util::TryStreamExt;
use tokio::task::JoinSet;

use crate::{
    domain::{
        direction::Direction,
        price::audit::PriceFinding,
        running_total::{
            audit::{Expected, Finding, agrees, expect},
            cell::Cell,
            damage::Damaged,
            day_cells::{DaySpan, LEVELS, MICROS_PER_DAY},
            rows::{ALL_ACCOUNTS, DayCellKey, SeriesKey, direction_number},
            series_audit::SeriesAudit,
        },
    },
    store::{
        Connection, Database,
        audit::{self as steps, AuditSpan, DayEntry, MissingReference},
        audit_prices::{self as prices, WrongCell},
        damage,
        repair_prices::{noted_as_broken, rebuild_prices},
    },
    upkeep::UpkeepError,
};

/// Accounts in a unit.
const UNIT_ACCOUNTS: usize = 50;

/// Days with a partition in a unit.
const UNIT_DAYS: usize = 16;

/// Days in the longest span that has cells of prices.
const SPAN_DAYS_MAX: i64 = 729;

/// All days that a question can reach, counted from the Unix epoch: years 1 to 9999.
const EVERY_DAY: Range<i64> = -719_162..2_932_897;

/// Something that does not agree with the rows.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there are few of them, and nearly all are series")]
pub enum Difference {
    /// An account's tree.
    Series(SeriesKey, Finding),
    /// A cell of a single day over all accounts.
    Day {
        /// The asset.
        asset_id: i32,
        /// The side.
        direction: Direction,
        /// The day, counted from the Unix epoch.
        day: i64,
    },
    /// Cells of several days that are not the sums of the cells below.
    Spans {
        /// Their level.
        level: u8,
        /// How many.
        count: usize,
    },
    /// Transactions name an account or an asset that is not there. No repair can help.
    Reference(MissingReference),
    /// A cell of prices.
    Price(WrongCell),
    /// Ticks name a symbol that is not there. No repair can help.
    PriceReference(MissingReference),
}

impl Difference {
    /// Whether a repair builds it anew.
    #[must_use]
    pub fn is_repairable(&self) -> bool {
        match self {
            Self::Series(..) | Self::Day { .. } | Self::Spans { .. } => true,
            Self::Reference(_) | Self::PriceReference(_) => false,
            Self::Price(cell) => cell.is_repairable,
        }
    }
}

/// What an audit compares at a time.
#[derive(Clone, Debug)]
enum Unit {
    Accounts(i64, i64, Direction),
    AllAccounts(i32, Range<i64>),
    Days(i32, Direction, Range<i64>),
    References(Range<i64>),
    Spans(u8),
    PriceDay(i64),
    PriceSpans(Range<i64>),
}

/// Compares everything that is stored with the rows, `jobs` units side by side; returns the
/// differences in a stable order. `on_progress` is told how many units are done, and of how
/// many.
///
/// # Errors
/// If the database does not answer.
pub async fn audit(
    database: &Database,
    jobs: usize,
    on_progress: impl Fn(u64, u64) + Clone + Send + 'static,
) -> Result<Vec<Difference>, UpkeepError> {
    let client = database.connect().await?;
    let mut units = units(&steps::span(&client).await?);
    units.extend(price_units(&prices::days(&client).await?));
    drop(client);
    let unit_count = units.len() as u64;
    let done = Arc::new(AtomicU64::new(0));
    let units = Arc::new(Mutex::new(units));
    let mut running = JoinSet::new();
    for _ in 0..jobs.max(1) {
        let (database, units, done) = (database.clone(), Arc::clone(&units), Arc::clone(&done));
        let on_progress = on_progress.clone();
        running.spawn(async move {
            let client = database.connect().await?;
            let mut found = Vec::new();
            loop {
                let next = units.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(unit) = next else { return Ok::<_, UpkeepError>(found) };
                found.extend(compare(&client, &unit).await?);
                on_progress(done.fetch_add(1, Ordering::Relaxed) + 1, unit_count);
            }
        });
    }
    let mut found = Vec::new();
    while let Some(ended) = running.join_next().await {
        let ended = ended.map_err(|error| UpkeepError::Unfit(format!("the audit failed: {error}")));
        found.extend(ended??);
    }
    // Days that have gone meanwhile too.
    let absent_days = steps::span(&database.connect().await?).await?.absent_days;
    // What is stored of days whose rows are not at hand cannot be held against anything.
    found.retain(|difference| match difference {
        Difference::Series(_, Finding::Day { day, .. }) | Difference::Day { day, .. } => {
            !absent_days.contains(day)
        }
        Difference::Series(_, Finding::Structure(_))
        | Difference::Spans { .. }
        | Difference::Reference(_)
        | Difference::Price(_)
        | Difference::PriceReference(_) => true,
    });
    let client = database.connect().await?;
    add_set_aside(&damage::list(&client).await?, &mut found);
    add_noted(&client, &mut found).await?;
    found.sort_by_cached_key(|difference| format!("{difference:?}"));
    Ok(found)
}

/// Adds the cells of prices that are noted as unreadable and are not among the differences, because
/// they can be read again: a repair takes the notes away.
async fn add_noted(client: &Connection, found: &mut Vec<Difference>) -> Result<(), UpkeepError> {
    let named: BTreeSet<_> = found
        .iter()
        .filter_map(|difference| match difference {
            Difference::Price(cell) => Some(cell.key),
            Difference::Series(..)
            | Difference::Day { .. }
            | Difference::Spans { .. }
            | Difference::Reference(_)
            | Difference::PriceReference(_) => None,
        })
        .collect();
    let noted = noted_as_broken(client).await?.into_iter().filter(|key| !named.contains(key));
    let finding = PriceFinding::Noted;
    found.extend(
        noted.map(|key| Difference::Price(WrongCell { key, finding, is_repairable: true })),
    );
    Ok(())
}

/// Adds what is set aside and is not among the differences, because somebody put the cells in
/// order meanwhile: a repair lets their corrections be folded again.
fn add_set_aside(damaged: &[Damaged], found: &mut Vec<Difference>) {
    for one in damaged {
        let is_found = found.iter().any(|difference| match (one, difference) {
            (Damaged::Series(key), Difference::Series(own, _)) => key == own,
            (Damaged::Day(key), Difference::Day { asset_id, direction, day }) => {
                let own = (*asset_id, direction_number(*direction), DaySpan::of_day(*day));
                (key.asset_id, key.direction, key.span) == own
            }
            (Damaged::Day(key), Difference::Spans { level, .. }) => key.span.level == *level,
            (Damaged::Series(_), _)
            | (
                Damaged::Day(_),
                Difference::Series(..)
                | Difference::Reference(_)
                | Difference::Price(_)
                | Difference::PriceReference(_),
            ) => false,
        });
        if is_found {
            continue;
        }
        found.push(match *one {
            Damaged::Series(key) => Difference::Series(key, Finding::Structure("it is set aside")),
            Damaged::Day(DayCellKey {
                span: DaySpan { level: 0, number },
                asset_id,
                direction,
                ..
            }) => {
                let direction =
                    if direction == 0 { Direction::Sender } else { Direction::Receiver };
                Difference::Day { asset_id, direction, day: number }
            }
            Damaged::Day(key) => Difference::Spans { level: key.span.level, count: 1 },
        });
    }
}

fn units(span: &AuditSpan) -> VecDeque<Unit> {
    let mut units = VecDeque::new();
    for accounts in span.account_ids.chunks(UNIT_ACCOUNTS) {
        if let (Some(first), Some(last)) = (accounts.first(), accounts.last()) {
            for direction in [Direction::Sender, Direction::Receiver] {
                units.push_back(Unit::Accounts(*first, *last, direction));
            }
        }
    }
    for days in day_ranges(&span.days) {
        units.push_back(Unit::References(days.clone()));
        for &asset_id in &span.asset_ids {
            units.push_back(Unit::AllAccounts(asset_id, days.clone()));
            for direction in [Direction::Sender, Direction::Receiver] {
                units.push_back(Unit::Days(asset_id, direction, days.clone()));
            }
        }
    }
    // All accounts' trees above their leaves.
    units.push_back(Unit::Accounts(ALL_ACCOUNTS, ALL_ACCOUNTS, Direction::Sender));
    units.extend((1..LEVELS).map(Unit::Spans));
    units
}

/// What is to be compared of prices, which have ticks or cells on these days.
fn price_units(days: &[i64]) -> VecDeque<Unit> {
    let mut units: VecDeque<_> = days.iter().copied().map(Unit::PriceDay).collect();
    units.extend(day_ranges(days).into_iter().map(|mut range| {
        // The first span of a level may begin before the first day.
        if range.start == EVERY_DAY.start {
            range.start -= SPAN_DAYS_MAX;
        }
        Unit::PriceSpans(range)
    }));
    units
}

/// All days, cut where there are enough with a partition. Where there is none there are no
/// rows, and must be no cells that say otherwise.
fn day_ranges(days: &[i64]) -> Vec<Range<i64>> {
    let mut start = EVERY_DAY.start;
    let mut ranges = Vec::new();
    for days in days.chunks(UNIT_DAYS) {
        let end = days.last().map_or(start, |last| last + 1);
        ranges.push(start..end);
        start = end;
    }
    ranges.push(start..EVERY_DAY.end);
    ranges
}

async fn compare(client: &Connection, unit: &Unit) -> Result<Vec<Difference>, UpkeepError> {
    let snapshot = steps::snapshot(client).await?;
    let found = match unit {
        Unit::Accounts(first, last, direction) => {
            compare_accounts(client, *first, *last, *direction).await?
        }
        Unit::AllAccounts(asset_id, days) => compare_all(client, *asset_id, days).await?,
        Unit::Days(asset_id, direction, days) => {
            compare_days(client, *asset_id, *direction, days).await?
        }
        Unit::References(days) => {
            let missing = steps::missing_references(client, days).await?;
            missing.into_iter().map(Difference::Reference).collect()
        }
        Unit::Spans(level) => compare_spans(client, *level).await?,
        Unit::PriceDay(day) => {
            let missing = prices::missing_symbols(client, *day).await?;
            let wrong = prices::compare_day(client, *day).await?;
            let wrong = wrong.into_iter().map(Difference::Price);
            wrong.chain(missing.into_iter().map(Difference::PriceReference)).collect()
        }
        Unit::PriceSpans(days) => {
            let wrong = prices::compare_spans(client, days).await?;
            wrong.into_iter().map(Difference::Price).collect()
        }
    };
    snapshot.roll_back().await?;
    Ok(found)
}

async fn compare_accounts(
    client: &Connection,
    first: i64,
    last: i64,
    direction: Direction,
) -> Result<Vec<Difference>, UpkeepError> {
    let mut entries = pin!(steps::series(client, first, last, direction).await?);
    let mut found = Vec::new();
    let mut end = |(key, audit): (SeriesKey, SeriesAudit)| {
        found.extend(audit.finish().into_iter().map(|finding| Difference::Series(key, finding)));
    };
    let mut current: Option<(SeriesKey, SeriesAudit)> = None;
    while let Some((key, entry)) = entries.try_next().await? {
        if current.as_ref().is_none_or(|(own, _)| *own != key) {
            let next = (key, SeriesAudit::new(key));
            current.replace(next).map(&mut end);
        }
        if let Some((_, audit)) = &mut current {
            audit.take(entry);
        }
    }
    current.map(end);
    Ok(found)
}

async fn compare_all(
    client: &Connection,
    asset_id: i32,
    days: &Range<i64>,
) -> Result<Vec<Difference>, UpkeepError> {
    let mut entries = pin!(steps::leaves_of_all(client, asset_id, days).await?);
    let mut audit = SeriesAudit::of_leaves(steps::instants_of(days));
    while let Some((_, entry)) = entries.try_next().await? {
        audit.take(entry);
    }
    let direction = direction_number(Direction::Sender);
    let key = SeriesKey { account_id: ALL_ACCOUNTS, asset_id, direction };
    Ok(audit.finish().into_iter().map(|finding| Difference::Series(key, finding)).collect())
}

async fn compare_days(
    client: &Connection,
    asset_id: i32,
    direction: Direction,
    days: &Range<i64>,
) -> Result<Vec<Difference>, UpkeepError> {
    let mut entries = pin!(steps::days(client, asset_id, direction, days).await?);
    let mut found = BTreeSet::new();
    let mut end = |group: DayGroup| {
        if group.differs() {
            found.insert(group.key.0);
        }
    };
    let mut current: Option<DayGroup> = None;
    while let Some((key, entry)) = entries.try_next().await? {
        if current.as_ref().is_none_or(|own| own.key != key) {
            current.replace(DayGroup::new(key)).map(&mut end);
        }
        match (&mut current, entry) {
            (Some(own), DayEntry::Cell(cell)) => own.stored = Some(cell),
            (Some(own), DayEntry::Account(account_id, sums)) => {
                expect(&mut own.expected, account_id, sums.scale, &sums.sums);
            }
            (None, _) => {}
        }
    }
    current.map(end);
    Ok(found.into_iter().map(|day| Difference::Day { asset_id, direction, day }).collect())
}

/// A group of accounts on one day.
struct DayGroup {
    key: (i64, i64),
    /// The cell, if there is one, and if it can be read.
    stored: Option<Option<Cell>>,
    expected: Expected,
}

impl DayGroup {
    fn new(key: (i64, i64)) -> Self {
        Self { key, stored: None, expected: Expected::new() }
    }

    fn differs(&self) -> bool {
        match &self.stored {
            Some(None) => true,
            Some(Some(cell)) => !agrees(Some(cell), &self.expected),
            None => !agrees(None, &self.expected),
        }
    }
}

async fn compare_spans(client: &Connection, level: u8) -> Result<Vec<Difference>, UpkeepError> {
    let mut spans = pin!(steps::spans(client, level).await?);
    let mut count = 0;
    while let Some(span) = spans.try_next().await? {
        let is_right = span.below.is_some_and(|below| agrees(span.cell.as_ref(), &below));
        count += usize::from(!is_right);
    }
    Ok((count > 0).then_some(Difference::Spans { level, count }).into_iter().collect())
}

/// Builds anew what differs, from the rows and the ticks.
///
/// # Errors
/// If the database refuses; what was repaired before stays so.
pub async fn repair(database: &Database, differences: &[Difference]) -> Result<(), UpkeepError> {
    let client = database.connect().await?;
    let (mut series, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for difference in differences {
        match difference {
            Difference::Series(key, _) => {
                series.insert(*key);
            }
            Difference::Day { asset_id, direction, day } => {
                let days = BTreeSet::from([*day]);
                steps::rebuild_days(&client, *asset_id, *direction, &days).await?;
            }
            Difference::Price(cell) if cell.is_repairable => {
                cells.insert(cell.key);
            }
            Difference::Spans { .. }
            | Difference::Reference(_)
            | Difference::Price(_)
            | Difference::PriceReference(_) => {}
        }
    }
    for key in series {
        steps::rebuild_series(&client, key).await?;
    }
    steps::repair_spans(&client).await?;
    rebuild_prices(&client, &cells).await?;
    Ok(())
}

/// The day, counted from the Unix epoch, as a date.
#[must_use]
pub fn date_of(day: i64) -> Option<NaiveDate> {
    DateTime::from_timestamp_micros(day.checked_mul(MICROS_PER_DAY)?).map(|at| at.date_naive())
}
