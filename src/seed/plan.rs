//! What will be seeded: how many rows on which day.

use chrono::{Datelike, Days, NaiveDate, Weekday};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};

use crate::{config::SeedSettings, store::seed::SeedRun};

/// Most users that can be seeded.
const USERS_MAX: u32 = 10_000_000;

/// Most transactions that can be seeded.
const TRANSACTIONS_MAX: u64 = 10_000_000_000;

/// Most transactions that can be seeded for each day: an hour's are in memory at once.
const DAY_ROWS_MAX: u64 = 10_000_000;

/// Most days that can be seeded.
const DAYS_MAX: u32 = 36_525;

/// Weight of a weekday against a day of the weekend, in skewed data.
const WEEKDAY_WEIGHT: u64 = 5;

/// Weights of the hours of a day in skewed data: business hours.
const BUSINESS_HOURS: [u64; 24] =
    [1, 1, 1, 1, 1, 2, 4, 8, 16, 22, 24, 24, 20, 22, 24, 24, 22, 18, 12, 8, 6, 4, 2, 1];

/// Weights of the hours of a day in even data.
const EVEN_HOURS: [u64; 24] = [1; 24];

/// Streams of random numbers, so that no part of the data depends on how much
/// another one draws.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    /// Users.
    Users,
    /// How many rows each day gets.
    Days,
    /// The rows of the day with this index.
    Rows(u32),
}

/// What is seeded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeedPlan {
    /// Users to make, at least 2.
    pub user_count: u32,
    /// Transactions to make.
    pub transaction_count: u64,
    /// First day with transactions.
    pub first_day: NaiveDate,
    /// Days with transactions, at least 1.
    pub day_count: u32,
    /// Number that everything is drawn from.
    pub seed_number: u64,
    /// Whether users and hours are drawn unevenly.
    pub is_skewed: bool,
}

/// Why a plan cannot be made, in words for the person who set it.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Too few or too many users.
    #[error("--seed-users must be 2 to {USERS_MAX}: a transaction needs two accounts")]
    Users,
    /// No days, or too many.
    #[error("--seed-days must be 1 to {DAYS_MAX}")]
    Days,
    /// Too many transactions, in all or for a day.
    #[error("--seed-transactions must be at most {TRANSACTIONS_MAX}, and {DAY_ROWS_MAX} a day")]
    Transactions,
    /// The first day is out of range.
    #[error("--seed-from must lie between 1970-01-01 and the day before 3000-01-01")]
    FirstDay,
    /// The number does not fit the database.
    #[error("--seed-number must be below 9,223,372,036,854,775,808")]
    Number,
}

impl SeedPlan {
    /// The plan that the settings ask for; without a first day it ends yesterday.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(settings: &SeedSettings, today: NaiveDate) -> Result<Self, PlanError> {
        if !(2..=USERS_MAX).contains(&settings.seed_users) {
            return Err(PlanError::Users);
        }
        if !(1..=DAYS_MAX).contains(&settings.seed_days) {
            return Err(PlanError::Days);
        }
        let day_rows_max = u64::from(settings.seed_days) * DAY_ROWS_MAX;
        if settings.seed_transactions > day_rows_max.min(TRANSACTIONS_MAX) {
            return Err(PlanError::Transactions);
        }
        if i64::try_from(settings.seed_number).is_err() {
            return Err(PlanError::Number);
        }
        let days = Days::new(u64::from(settings.seed_days));
        let first_day = settings
            .seed_from
            .or_else(|| today.checked_sub_days(days))
            .ok_or(PlanError::FirstDay)?;
        let last_day = first_day.checked_add_days(days).ok_or(PlanError::FirstDay)?;
        if first_day.year() < 1970 || last_day.year() >= 3_000 {
            return Err(PlanError::FirstDay);
        }
        Ok(Self {
            user_count: settings.seed_users,
            transaction_count: settings.seed_transactions,
            first_day,
            day_count: settings.seed_days,
            seed_number: settings.seed_number,
            is_skewed: settings.seed_skewed,
        })
    }

    /// The plan of a seeding that was begun.
    #[must_use]
    pub fn of_run(run: &SeedRun) -> Option<Self> {
        Some(Self {
            user_count: u32::try_from(run.user_count).ok()?,
            transaction_count: u64::try_from(run.transaction_count).ok()?,
            first_day: run.first_day,
            day_count: u32::try_from(run.day_count).ok()?,
            seed_number: u64::try_from(run.seed_number).ok()?,
            is_skewed: run.is_skewed,
        })
    }

    /// The plan as the database keeps it.
    #[must_use]
    pub fn to_run(&self) -> SeedRun {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        SeedRun {
            user_count: i64::from(self.user_count),
            transaction_count: signed(self.transaction_count),
            first_day: self.first_day,
            day_count: i64::from(self.day_count),
            seed_number: signed(self.seed_number),
            is_skewed: self.is_skewed,
        }
    }

    /// The day with this index.
    #[must_use]
    pub fn day(&self, index: u32) -> NaiveDate {
        self.first_day.checked_add_days(Days::new(u64::from(index))).unwrap_or(NaiveDate::MAX)
    }

    /// How many rows each day gets: every row falls on a day of its own accord, as
    /// real ones do.
    #[must_use]
    pub fn rows_by_day(&self) -> Vec<u64> {
        let is_weekend = |day: NaiveDate| matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        let weight = |index| match self.is_skewed {
            true if !is_weekend(self.day(index)) => WEEKDAY_WEIGHT,
            _ => 1,
        };
        let weights = Weights::new((0..self.day_count).map(weight));
        weights.spread(&mut self.random(Stream::Days), self.transaction_count)
    }

    /// Weights of the hours of a day.
    pub(crate) fn hours(&self) -> Weights {
        Weights::new(if self.is_skewed { BUSINESS_HOURS } else { EVEN_HOURS }.into_iter())
    }

    /// Weights of the users: equal, or by Zipf's law (the n-th weighs 1/n), in
    /// integers so that every machine draws the same.
    pub(crate) fn users(&self) -> Weights {
        let weight =
            |rank: u32| if self.is_skewed { 1_000_000_000_000 / u64::from(rank) } else { 1 };
        Weights::new((1..=self.user_count).map(weight))
    }

    /// The random numbers of a stream.
    pub(crate) fn random(&self, stream: Stream) -> ChaCha12Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed_number.to_le_bytes());
        let (kind, index) = match stream {
            Stream::Users => (1, 0),
            Stream::Days => (2, 0),
            Stream::Rows(index) => (3, index),
        };
        seed[8] = kind;
        seed[12..16].copy_from_slice(&index.to_le_bytes());
        ChaCha12Rng::from_seed(seed)
    }
}

/// Things that are drawn by weight.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    /// Sum of the weights up to and including each thing.
    cumulative: Vec<u64>,
    /// Number of things, if all weigh the same: then there is nothing to search.
    even: Option<u32>,
}

impl Weights {
    fn new(weights: impl Iterator<Item = u64>) -> Self {
        let mut total = 0;
        let mut is_even = true;
        let cumulative: Vec<u64> = weights
            .map(|weight| {
                is_even &= weight == 1;
                total += weight;
                total
            })
            .collect();
        let even = u32::try_from(cumulative.len()).ok().filter(|_| is_even);
        Self { cumulative, even }
    }

    /// Draws the index of a thing.
    pub(crate) fn draw(&self, random: &mut ChaCha12Rng) -> u32 {
        if let Some(count) = self.even {
            return random.random_range(0..count);
        }
        let total = self.cumulative.last().copied().unwrap_or(1);
        let drawn = random.random_range(0..total);
        let index = self.cumulative.partition_point(|&upto| upto <= drawn);
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Draws so many times and counts how often each thing came.
    pub(crate) fn spread(&self, random: &mut ChaCha12Rng, draws: u64) -> Vec<u64> {
        let mut counts = vec![0; self.cumulative.len()];
        for _ in 0..draws {
            counts[self.draw(random) as usize] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn plan(is_skewed: bool) -> SeedPlan {
        SeedPlan {
            user_count: 50,
            transaction_count: 10_000,
            first_day: NaiveDate::from_ymd_opt(2023, 1, 1).expect("a day"),
            day_count: 14,
            seed_number: 7,
            is_skewed,
        }
    }

    #[test]
    fn rows_fall_on_every_day_and_none_is_lost() {
        let even = plan(false).rows_by_day();
        assert_eq!(even.iter().sum::<u64>(), 10_000);
        assert!(even.iter().all(|rows| (600..830).contains(rows)), "{even:?}");
        let skewed = plan(true).rows_by_day();
        assert_eq!(skewed.iter().sum::<u64>(), 10_000);
        // 2023-01-01 was a Sunday.
        assert!(skewed[1] > 3 * skewed[0], "{skewed:?}");
    }

    #[test]
    fn zipf_draws_the_first_user_most() {
        let plan = plan(true);
        let counts = plan.users().spread(&mut plan.random(Stream::Rows(0)), 10_000);
        assert!(counts[0] > 2 * counts[2] && counts[2] > 2 * counts[20], "{counts:?}");
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let settings = SeedSettings {
            seed_users: 2_000,
            seed_transactions: 1,
            seed_from: None,
            seed_days: 365,
            seed_number: 1,
            seed_skewed: false,
            seed_loaders: None,
        };
        let today = NaiveDate::from_ymd_opt(2026, 11, 21).expect("a day");
        let plan = SeedPlan::new(&settings, today).expect("the defaults are fine");
        assert_eq!(plan.first_day.to_string(), "2025-11-21");
        assert_eq!(plan.day(364).to_string(), "2026-11-20");
        assert_eq!(SeedPlan::of_run(&plan.to_run()), Some(plan));
        let refused = |change: fn(&mut SeedSettings)| {
            let mut settings = settings.clone();
            change(&mut settings);
            SeedPlan::new(&settings, today).expect_err("out of range")
        };
        assert_eq!(refused(|s| s.seed_users = 1), PlanError::Users);
        assert_eq!(refused(|s| s.seed_days = 0), PlanError::Days);
        assert_eq!(refused(|s| s.seed_number = u64::MAX), PlanError::Number);
        assert_eq!(refused(|s| s.seed_transactions = u64::MAX), PlanError::Transactions);
        assert_eq!(
            refused(|s| s.seed_from = NaiveDate::from_ymd_opt(1969, 1, 1)),
            PlanError::FirstDay
        );
    }
}
