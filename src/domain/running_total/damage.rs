//! Stored totals that cannot be read, named for the person who runs Daybook.

use std::fmt;

use chrono::DateTime;

use super::{
    day_cells::{GROUP_ACCOUNTS, MICROS_PER_DAY},
    rows::{ALL_ACCOUNTS, DayCellKey, SeriesKey},
};

/// Stored totals of which a cell cannot be read.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Damaged {
    /// The tree of an account, an asset and a direction.
    Series(SeriesKey),
    /// A cell by day.
    Day(DayCellKey),
}

impl fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (asset_id, direction) = match self {
            Self::Series(key) => (key.asset_id, key.direction),
            Self::Day(key) => (key.asset_id, key.direction),
        };
        let side = if direction == 0 { "sender" } else { "receiver" };
        match self {
            Self::Series(SeriesKey { account_id: ALL_ACCOUNTS, .. }) => {
                write!(formatter, "all accounts, asset {asset_id}, {side}")?;
            }
            Self::Series(SeriesKey { account_id, .. }) => {
                write!(formatter, "account {account_id}, asset {asset_id}, {side}")?;
            }
            Self::Day(DayCellKey { span, account_group, .. }) => {
                let first = account_group.saturating_mul(GROUP_ACCOUNTS);
                let days = span.days();
                write!(
                    formatter,
                    "accounts {first} to {}, asset {asset_id}, {side}, {} days from {}",
                    first.saturating_add(GROUP_ACCOUNTS - 1),
                    days.end - days.start,
                    date(days.start)
                )?;
            }
        }
        formatter.write_str(": stored totals cannot be read, run `daybook audit --repair`")
    }
}

impl std::error::Error for Damaged {}

/// A day, counted from the Unix epoch, as a date.
fn date(day: i64) -> String {
    let at = day.checked_mul(MICROS_PER_DAY).and_then(DateTime::from_timestamp_micros);
    at.map_or_else(|| format!("day {day}"), |at| at.date_naive().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::running_total::day_cells::DaySpan;

    #[test]
    fn account_asset_direction_and_days_are_named() {
        let series =
            |account_id| Damaged::Series(SeriesKey { account_id, asset_id: 3, direction: 1 });
        assert!(series(7).to_string().starts_with("account 7, asset 3, receiver: "));
        assert!(series(ALL_ACCOUNTS).to_string().starts_with("all accounts, asset 3, receiver: "));
        let day = Damaged::Day(DayCellKey {
            asset_id: 3,
            direction: 0,
            span: DaySpan { level: 1, number: -1 },
            account_group: 1,
        });
        let named = "accounts 4096 to 8191, asset 3, sender, 4 days from 1969-12-28: ";
        assert!(day.to_string().starts_with(named), "{day}");
    }
}
