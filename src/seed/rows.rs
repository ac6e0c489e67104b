//! The transactions of a day, hour by hour, from random numbers of the day's own.

use chrono::{DateTime, NaiveTime};
use rand::{RngExt, rngs::ChaCha12Rng};
use rust_decimal::Decimal;
use uuid::{Builder, Uuid};

use crate::{
    domain::{
        running_total::{rows::RowChange, whole::Whole},
        transaction::SeededTransaction,
    },
    seed::plan::{SeedPlan, Stream, Weights},
};

/// Decimals of a seeded amount.
const AMOUNT_DECIMALS: u32 = 5;

/// Smallest and largest seeded amount, 10 and 5,000, in units of the last decimal.
const AMOUNT_UNITS: std::ops::RangeInclusive<i64> = 1_000_000..=500_000_000;

const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// What rows of a plan have in common.
#[derive(Debug)]
pub struct RowMaker {
    plan: SeedPlan,
    users: Weights,
    accounts: Vec<i64>,
    asset_id: i32,
}

/// The rows of one day, an hour at a time: not all rows of a day are in memory.
#[derive(Debug)]
pub struct DayRows<'a> {
    maker: &'a RowMaker,
    random: ChaCha12Rng,
    day_start_micros: i64,
    rows_by_hour: std::vec::IntoIter<u64>,
    hour: i64,
}

impl RowMaker {
    /// Rows between these accounts (the users', in their order) in this asset.
    #[must_use]
    pub fn new(plan: SeedPlan, accounts: Vec<i64>, asset_id: i32) -> Self {
        Self { users: plan.users(), plan, accounts, asset_id }
    }

    /// So many rows on the day with this index, ordered by instant.
    #[must_use]
    pub fn day(&self, index: u32, rows: u64) -> DayRows<'_> {
        let mut random = self.plan.random(Stream::Rows(index));
        let rows_by_hour = self.plan.hours().spread(&mut random, rows).into_iter();
        let day_start = self.plan.day(index).and_time(NaiveTime::MIN).and_utc();
        let day_start_micros = day_start.timestamp_micros();
        DayRows { maker: self, random, day_start_micros, rows_by_hour, hour: 0 }
    }
}

/// What a row adds to running totals.
#[must_use]
pub fn row_change(row: &SeededTransaction) -> RowChange {
    RowChange {
        instant: row.occurred_at.timestamp_micros(),
        sender_id: row.sender_id,
        receiver_id: row.receiver_id,
        asset_id: row.asset_id,
        count: 1,
        scale: row.amount.scale(),
        amount: Whole::Small(row.amount.mantissa()),
    }
}

impl Iterator for DayRows<'_> {
    type Item = Vec<SeededTransaction>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows_by_hour.next()?;
        let start = self.day_start_micros + self.hour * MICROS_PER_HOUR;
        self.hour += 1;
        let random = &mut self.random;
        let mut instants: Vec<i64> =
            (0..rows).map(|_| start + random.random_range(0..MICROS_PER_HOUR)).collect();
        instants.sort_unstable();
        Some(instants.into_iter().map(|micros| self.row(micros)).collect())
    }
}

impl DayRows<'_> {
    fn row(&mut self, micros: i64) -> SeededTransaction {
        let random = &mut self.random;
        let sender = self.maker.users.draw(random);
        let receiver = loop {
            let receiver = self.maker.users.draw(random);
            if receiver != sender {
                break receiver;
            }
        };
        let units = random.random_range(AMOUNT_UNITS);
        SeededTransaction {
            occurred_at: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
            position: 0,
            transaction_id: id(random, micros),
            asset_id: self.maker.asset_id,
            sender_id: self.maker.accounts[sender as usize],
            receiver_id: self.maker.accounts[receiver as usize],
            amount: Decimal::new(units, AMOUNT_DECIMALS),
        }
    }
}

/// A UUID of version 7 (RFC 9562, section 5.7): its first bits are the instant, so
/// that ids come in the order of time and their index grows at one end.
fn id(random: &mut ChaCha12Rng, micros: i64) -> Uuid {
    let millis = u64::try_from(micros / 1_000).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &random.random()).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use chrono::NaiveDate;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::seed::people;

    fn maker(is_skewed: bool) -> RowMaker {
        let plan = SeedPlan {
            user_count: 20,
            transaction_count: 5_000,
            first_day: NaiveDate::from_ymd_opt(2023, 1, 1).expect("a day"),
            day_count: 3,
            seed_number: 20_230_101,
            is_skewed,
        };
        RowMaker::new(plan, (1..=20).collect(), 1)
    }

    fn all(maker: &RowMaker) -> Vec<SeededTransaction> {
        let by_day = maker.plan.rows_by_day();
        let days = by_day.into_iter().zip(0..).flat_map(|(rows, day)| maker.day(day, rows));
        days.flatten().collect()
    }

    #[test]
    fn rows_are_as_promised() {
        for is_skewed in [false, true] {
            let rows = all(&maker(is_skewed));
            assert_eq!(rows.len(), 5_000);
            assert!(rows.is_sorted_by_key(|row| row.occurred_at));
            let ids: HashSet<_> = rows.iter().map(|row| row.transaction_id).collect();
            assert_eq!(ids.len(), rows.len());
            for row in &rows {
                assert_ne!(row.sender_id, row.receiver_id);
                assert!(row.amount >= Decimal::TEN && row.amount <= Decimal::from(5_000));
                assert_eq!(row.amount.scale(), 5);
                assert_eq!(row.transaction_id.get_version_num(), 7);
                let day = row.occurred_at.date_naive().to_string();
                assert!(("2023-01-01".."2023-01-04").contains(&&*day), "{day}");
            }
        }
    }

    /// The same number and first day give the same rows, on any machine and with
    /// any version of the libraries below: the digest was taken once and stays.
    #[test]
    fn rows_never_change() {
        let maker = maker(false);
        let mut digest = Sha256::new();
        for user in people::users(&maker.plan) {
            digest.update(format!("{} {} {}\n", user.user_uuid, user.username, user.name));
        }
        for row in all(&maker) {
            digest.update(format!(
                "{} {} {} {} {}\n",
                row.occurred_at.timestamp_micros(),
                row.transaction_id,
                row.sender_id,
                row.receiver_id,
                row.amount
            ));
        }
        let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "e20d80848640a8ab9c151fce3d39bc617b2c79dceb4821a4bf6e115a9011ddc8");
    }
}
