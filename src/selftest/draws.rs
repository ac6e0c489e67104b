//! What is drawn at random: instants, rows, windows. Edges come often.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;
use rand::{RngExt, rngs::ChaCha12Rng};
use uuid::Uuid;

use crate::{
    domain::direction::Direction,
    selftest::{
        amount,
        oracle::{About, Oracle, OracleRow, Span, Whose},
        questions::{instant, refusal_text},
    },
};

/// A day in microseconds.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// Days back that late rows may lie: five years.
pub(super) const DAYS_BACK_MAX: i64 = 1_826;

/// All time that a question may name.
pub(super) const ALL_TIME: Span =
    Span { start: -62_135_596_800_000_000, end: 253_402_300_799_999_999 };

/// Days that a refusal names at most.
const DAYS_NAMED_MAX: usize = 10;

/// Whether an answer needs all rows of its window, and not only running totals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scan {
    /// Totals do.
    Never,
    /// Totals would do; that rows are asked for is right too.
    Perhaps,
    /// It reads rows.
    Always,
}

/// Draws at random, from one seed.
pub(super) struct Draws {
    pub(super) rng: ChaCha12Rng,
    /// Today's midnight when the selftest began.
    pub(super) today: i64,
    /// Midnights of the days that have partitions, as far as the tx that is drawn for can
    /// know them.
    pub(super) days: BTreeSet<i64>,
    /// Midnights of the days whose rows are not at hand, and whether they were dropped.
    pub(super) absent: BTreeMap<i64, bool>,
    /// The round that is on.
    pub(super) round: u64,
    /// Accounts that the tx which is drawn for can see: the first ones.
    pub(super) accounts_seen: usize,
}

impl Draws {
    pub(super) fn index(&mut self, below: usize) -> usize {
        self.rng.random_range(0..below.max(1))
    }

    pub(super) fn is(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    pub(super) fn account(&mut self, oracle: &Oracle) -> usize {
        self.index(oracle.accounts.len().min(self.accounts_seen))
    }

    pub(super) fn direction(&mut self) -> Direction {
        if self.is(0.5) { Direction::Sender } else { Direction::Receiver }
    }

    /// Whether rows of this instant have a partition.
    pub(super) fn has_day(&self, micros: i64) -> bool {
        self.days.contains(&(micros - micros.rem_euclid(DAY_MICROS)))
    }

    /// Midnight of a day with a partition: today, one of the last ones, or a late one.
    pub(super) fn day(&mut self) -> i64 {
        let recent = match self.rng.random_range(0..10) {
            0..=3 => self.today,
            4..=6 => self.today - DAY_MICROS * self.rng.random_range(0..4i64),
            _ => i64::MIN,
        };
        if self.days.contains(&recent) {
            return recent;
        }
        let place = self.index(self.days.len());
        self.days.iter().nth(place).copied().unwrap_or(self.today)
    }

    /// An instant of a day with a partition: on midnight, a microsecond beside it, the
    /// instant of another row, or any.
    pub(super) fn instant(&mut self, oracle: &Oracle) -> i64 {
        let midnight = self.day();
        match self.rng.random_range(0..10) {
            0 => midnight,
            1 => midnight + 1,
            2 => midnight + DAY_MICROS - 1,
            3 if !oracle.rows.is_empty() => {
                let place = self.index(oracle.rows.len());
                let taken = oracle.rows[place].micros;
                if self.has_day(taken) { taken } else { midnight }
            }
            // A crowded millisecond.
            4 => midnight + self.rng.random_range(0..1_000),
            _ => midnight + self.rng.random_range(0..DAY_MICROS),
        }
    }

    pub(super) fn units(&mut self) -> BigInt {
        amount::draw(&mut self.rng)
    }

    pub(super) fn id(&mut self) -> Uuid {
        Uuid::from_u128(self.rng.random())
    }

    /// A new row.
    pub(super) fn row(&mut self, oracle: &Oracle) -> OracleRow {
        OracleRow {
            id: self.id(),
            micros: self.instant(oracle),
            sender: self.account(oracle),
            receiver: self.account(oracle),
            asset: self.index(oracle.assets.len()),
            units: self.units(),
            changed_in: self.round,
        }
    }

    /// How many rows a statement writes: mostly few, at times 200.
    pub(super) fn batch_size(&mut self) -> usize {
        match self.rng.random_range(0..40) {
            0 => self.rng.random_range(1..201),
            1..=5 => self.rng.random_range(1..20),
            _ => self.rng.random_range(1..4),
        }
    }

    /// Whose amounts are asked for.
    pub(super) fn whose(&mut self, oracle: &Oracle) -> Whose {
        match self.rng.random_range(0..5) {
            0 | 1 => Whose::User(self.index(oracle.users.len())),
            2 => Whose::Payments(self.index(oracle.users.len())),
            _ => Whose::Account(self.index(oracle.accounts.len())),
        }
    }

    /// Whose amounts, of what, on which side.
    pub(super) fn about(&mut self, oracle: &Oracle) -> About {
        About {
            whose: self.whose(oracle),
            asset: self.index(oracle.assets.len()),
            direction: self.direction(),
        }
    }

    /// A window: a microsecond, around midnight, whole days, years, all time, empty ones.
    pub(super) fn span(&mut self, oracle: &Oracle) -> Span {
        let midnight = match self.absent.len() {
            count @ 1.. if self.is(0.05) => {
                let place = self.index(count);
                self.absent.keys().nth(place).copied().unwrap_or(self.today)
            }
            _ => self.day(),
        };
        let row = match oracle.rows.len() {
            0 => midnight,
            count => oracle.rows[self.index(count)].micros,
        };
        let years = DAY_MICROS * DAYS_BACK_MAX;
        let (start, end) = match self.rng.random_range(0..20) {
            0 => (row, row + 1),
            1 => (row - 1, row),
            2 => (row + 1, row + 1 + self.rng.random_range(1..1_000)),
            3 | 4 => (midnight, midnight + DAY_MICROS),
            5 | 6 => (midnight, midnight + DAY_MICROS * self.rng.random_range(2..40i64)),
            7 => (midnight - 1, midnight + 1),
            8 => (midnight, midnight + 1),
            9 => (midnight - DAY_MICROS / 2, midnight + DAY_MICROS / 2),
            10 => (midnight - 1, midnight + DAY_MICROS + 1),
            11 => (self.today - years, self.today + DAY_MICROS),
            12 => (ALL_TIME.start, ALL_TIME.end),
            13 => (ALL_TIME.start, row),
            14 => (row, ALL_TIME.end),
            // Nothing lies there.
            15 => (self.today - 3 * years, self.today - 2 * years),
            16 => (self.today + 40 * DAY_MICROS, self.today + 41 * DAY_MICROS),
            _ => (self.instant(oracle), self.instant(oracle)),
        };
        Span { start: start.min(end), end: if start == end { end + 1 } else { start.max(end) } }
    }

    /// Whether an answer is to be explained, and whether it is to be verified.
    pub(super) fn besides(&mut self) -> (bool, bool) {
        (self.is(0.15), self.is(0.15))
    }

    /// What is right for a question about a window: its answer, or that it is refused for
    /// days whose rows are not at hand.
    pub(super) fn right(&self, answer: String, span: Span, scan: Scan) -> Vec<String> {
        let (totals, rows) = (self.refusal(span, false), self.refusal(span, true));
        let answer = match (&totals, scan) {
            (None, Scan::Never | Scan::Perhaps) => Some(answer),
            (None, Scan::Always) if rows.is_none() => Some(answer),
            (None, Scan::Always) | (Some(_), _) => None,
        };
        let rows = rows.filter(|_| scan != Scan::Never);
        [answer, totals, rows].into_iter().flatten().collect()
    }

    /// How a question is refused that needs what running totals need, or all rows: detached
    /// days keep everything from being answered, dropped ones what cuts them.
    pub(super) fn refusal(&self, span: Span, needs_rows: bool) -> Option<String> {
        let is_in_the_way = |(day, is_dropped): &(&i64, &bool)| {
            let cuts = |at: i64| **day < at && at < **day + DAY_MICROS;
            let meets = span.meets(Span { start: **day, end: **day + DAY_MICROS });
            if needs_rows || !**is_dropped { meets } else { cuts(span.start) || cuts(span.end) }
        };
        let found = self.absent.iter().filter(is_in_the_way).take(DAYS_NAMED_MAX);
        let days: Vec<_> =
            found.map(|(day, is_dropped)| (instant(*day).date_naive(), *is_dropped)).collect();
        (!days.is_empty()).then(|| refusal_text(days))
    }
}
