//! Days that rows are written to: which have a partition, which get one, and which do not.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Mutex, PoisonError},
};

use chrono::{Days as DayCount, NaiveDate};

use crate::{
    config::PartitionSettings,
    domain::refusal::{Fault, RefusalReason},
    error::Error,
    store::{
        Database, StoreErrorKind, partitions, record_prices,
        record_transactions::{DayState, DayStates, day_states},
    },
};

/// Which days may have partitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct DayLimits {
    back_max: u32,
    ahead_max: u32,
    count_max: u32,
    retention: Option<u32>,
}

impl DayLimits {
    pub(super) fn new(settings: &PartitionSettings) -> Self {
        Self {
            back_max: settings.partition_days_back_max,
            ahead_max: u32::from(settings.partition_days_ahead),
            count_max: settings.partition_count_max,
            retention: (settings.retention_days > 0).then_some(settings.retention_days),
        }
    }

    /// Those of prices, which have a retention of their own.
    pub(super) fn of_prices(settings: &PartitionSettings) -> Self {
        let days = settings.price_retention_days;
        Self { retention: (days > 0).then_some(days), ..Self::new(settings) }
    }

    /// First and last day that rows are taken for.
    fn range(&self, today: NaiveDate) -> (NaiveDate, NaiveDate) {
        let back = self.retention.map_or(self.back_max, |days| days.min(self.back_max));
        let first = today.checked_sub_days(DayCount::new(u64::from(back)));
        let last = today.checked_add_days(DayCount::new(u64::from(self.ahead_max)));
        (first.unwrap_or(NaiveDate::MIN), last.unwrap_or(NaiveDate::MAX))
    }
}

/// What table's days.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DayTable {
    Transactions,
    Prices,
}

impl DayTable {
    /// The field of a row that says its day.
    fn field(self) -> &'static str {
        match self {
            Self::Transactions => "occurred_at",
            Self::Prices => "ticked_at",
        }
    }
}

/// Days, as far as they are known to have a partition.
pub(super) struct Days {
    table: DayTable,
    database: Database,
    limits: DayLimits,
    present: Mutex<HashSet<NaiveDate>>,
}

/// What is to be done so that rows can be written to days.
#[derive(Debug, Default)]
pub(super) struct DayPlan {
    /// Days that lack a partition and may get one, earliest first.
    pub(super) missing: Vec<NaiveDate>,
    /// What is wrong with days that rows cannot be written to.
    pub(super) faults: BTreeMap<NaiveDate, Fault>,
}

impl Days {
    pub(super) fn new(table: DayTable, database: Database, limits: DayLimits) -> Self {
        Self { table, database, limits, present: Mutex::default() }
    }

    /// Says which of these days are to be made, and what is wrong with others; makes nothing.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn plan(&self, days: BTreeSet<NaiveDate>) -> Result<DayPlan, Error> {
        let unknown: Vec<NaiveDate> = {
            let present = self.present();
            days.into_iter().filter(|day| !present.contains(day)).collect()
        };
        if unknown.is_empty() {
            return Ok(DayPlan::default());
        }
        let states = match self.table {
            DayTable::Transactions => day_states(&self.database, &unknown).await?,
            DayTable::Prices => record_prices::day_states(&self.database, &unknown).await?,
        };
        let Some(states) = states else {
            return Ok(DayPlan::default());
        };
        let is_there = |state: &&DayState| state.has_partition && state.absent.is_none();
        self.present().extend(states.days.iter().filter(is_there).map(|state| state.day));
        let (mut missing, faults) = sort_out(&states, self.limits, self.table.field());
        missing.sort_unstable();
        Ok(DayPlan { missing, faults })
    }

    /// The first day that may get a partition, as of today.
    pub(super) fn first(&self, today: NaiveDate) -> NaiveDate {
        self.limits.range(today).0
    }

    /// Forgets which days there are: one of them is gone.
    pub(super) fn forget(&self) {
        self.present().clear();
    }

    /// Makes partitions; what stands in their way is told, and is somebody else's to remove.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn make(&self, days: &[NaiveDate]) -> Result<Option<Fault>, Error> {
        let client = self.database.connect().await?;
        let limits = (self.limits.back_max, self.limits.count_max);
        let made = match self.table {
            DayTable::Transactions => partitions::ensure(&client, days, limits.0, limits.1).await,
            DayTable::Prices => partitions::ensure_prices(&client, days, limits.0, limits.1).await,
        };
        match made {
            Ok(made) => {
                tracing::info!(made, first = %days[0], "made partitions for rows that came");
                self.present().extend(days);
                Ok(None)
            }
            Err(error) if error.kind() == StoreErrorKind::Unexpected => {
                tracing::warn!(%error, "cannot make partitions for rows that came");
                Ok(Some(Fault {
                    reason: RefusalReason::DayAbsent,
                    field: self.table.field(),
                    message:
                        "is on a day whose partition cannot be made; the server's log says why"
                            .to_owned(),
                }))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn present(&self) -> std::sync::MutexGuard<'_, HashSet<NaiveDate>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Days to be made, and days that rows are refused for.
fn sort_out(
    states: &DayStates,
    limits: DayLimits,
    field: &'static str,
) -> (Vec<NaiveDate>, BTreeMap<NaiveDate, Fault>) {
    let (first, last) = limits.range(states.today);
    let mut missing = Vec::new();
    let mut faults = BTreeMap::new();
    for &DayState { day, has_partition, absent } in &states.days {
        if let Some(is_dropped) = absent {
            let how = if is_dropped { "dropped by retention" } else { "detached or dropped" };
            let message = format!("is on {day}, whose rows were {how}");
            faults.insert(day, Fault { reason: RefusalReason::DayAbsent, field, message });
        } else if has_partition {
            // Rows of days that are there are taken, wherever they lie.
        } else if day < first || day > last {
            let message = format!("must be on a day from {first} to {last}, UTC");
            faults.insert(day, Fault { reason: RefusalReason::DayOutOfRange, field, message });
        } else {
            missing.push(day);
        }
    }
    let room = i64::from(limits.count_max).saturating_sub(states.partition_count).max(0);
    if i64::try_from(missing.len()).is_ok_and(|count| count <= room) {
        return (missing, faults);
    }
    let message = format!(
        "is on one of {} days from {} to {} that have no partition yet; at most {room} more may \
         get one",
        missing.len(),
        missing[0],
        missing[missing.len() - 1]
    );
    let reason = RefusalReason::DayOutOfRange;
    for day in missing.drain(..) {
        faults.insert(day, Fault { reason, field, message: message.clone() });
    }
    (missing, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn limits(count_max: u32, retention: Option<u32>) -> DayLimits {
        DayLimits { back_max: 365, ahead_max: 30, count_max, retention }
    }

    fn states(days: &[(&str, bool, Option<bool>)]) -> DayStates {
        let state = |&(text, has_partition, absent): &(&str, bool, Option<bool>)| DayState {
            day: day(text),
            has_partition,
            absent,
        };
        DayStates {
            days: days.iter().map(state).collect(),
            today: day("2026-03-01"),
            partition_count: 8,
        }
    }

    #[test]
    fn days_within_the_range_are_made_and_others_refused() {
        let states = states(&[
            ("2025-02-28", false, None),
            ("2025-03-01", false, None),
            ("2026-03-31", false, None),
            ("2026-04-01", false, None),
            ("2020-01-01", true, None),
            ("2026-02-01", false, Some(true)),
            ("2026-02-02", true, Some(false)),
        ]);
        let (missing, faults) = sort_out(&states, limits(10, None), "occurred_at");
        assert_eq!(missing, [day("2025-03-01"), day("2026-03-31")]);
        let reasons: Vec<_> =
            faults.iter().map(|(day, fault)| (day.to_string(), fault.reason)).collect();
        assert_eq!(
            reasons,
            [
                ("2025-02-28".to_owned(), RefusalReason::DayOutOfRange),
                ("2026-02-01".to_owned(), RefusalReason::DayAbsent),
                ("2026-02-02".to_owned(), RefusalReason::DayAbsent),
                ("2026-04-01".to_owned(), RefusalReason::DayOutOfRange),
            ]
        );
        let fault = &faults[&day("2026-04-01")];
        assert_eq!(fault.message, "must be on a day from 2025-03-01 to 2026-03-31, UTC");
    }

    #[test]
    fn rows_that_retention_would_drop_are_not_taken() {
        let states = states(&[("2026-02-20", false, None), ("2026-02-19", false, None)]);
        let (missing, faults) = sort_out(&states, limits(10, Some(9)), "occurred_at");
        assert_eq!(missing, [day("2026-02-20")]);
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn more_days_than_there_is_room_for_are_all_refused() {
        let states = states(&[("2026-02-20", false, None), ("2026-02-22", false, None)]);
        assert_eq!(sort_out(&states, limits(10, None), "occurred_at").0.len(), 2);
        let (missing, faults) = sort_out(&states, limits(9, None), "occurred_at");
        assert!(missing.is_empty());
        assert!(faults.values().all(|fault| fault.message.contains("2026-02-20 to 2026-02-22")));
        assert_eq!(faults.len(), 2);
    }
}
