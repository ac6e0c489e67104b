//! Rows on their way into running totals, grouped by what they change.

use std::collections::VecDeque;

use super::{
    cell::Part,
    day_cells::{DaySpan, LEVELS, day_of, group_of},
    sums::Sums,
    tree::Changes,
    whole::Whole,
};
use crate::domain::direction::Direction;

/// The account that stands for all accounts together, as senders: each row counts once.
pub const ALL_ACCOUNTS: i64 = 0;

/// A row that came, or one that went.
#[derive(Clone, Debug)]
pub struct RowChange {
    /// When the amount moved: microseconds since the Unix epoch.
    pub instant: i64,
    /// Account that sent.
    pub sender_id: i64,
    /// Account that received.
    pub receiver_id: i64,
    /// What was moved.
    pub asset_id: i32,
    /// 1 for a row that came, -1 for one that went.
    pub count: i16,
    /// Digits behind the point of the amount.
    pub scale: u32,
    /// The amount in units of the last digit.
    pub amount: Whole,
}

/// Whose running totals: an account, an asset, a direction.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SeriesKey {
    /// The account, or [`ALL_ACCOUNTS`].
    pub account_id: i64,
    /// The asset.
    pub asset_id: i32,
    /// The side: see [`direction_number`].
    pub direction: i16,
}

/// A cell of the totals by day.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DayCellKey {
    /// The asset.
    pub asset_id: i32,
    /// The side: see [`direction_number`].
    pub direction: i16,
    /// The days.
    pub span: DaySpan,
    /// The accounts.
    pub account_group: i64,
}

/// Which series of a row is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Its sender's or its receiver's.
    Account(Direction),
    /// That of all accounts.
    All,
}

impl Side {
    /// Every side that a row is counted on.
    pub const EVERY: [Self; 3] =
        [Self::Account(Direction::Sender), Self::Account(Direction::Receiver), Self::All];

    fn key(self, row: &RowChange) -> SeriesKey {
        let (account_id, direction) = match self {
            Self::Account(Direction::Sender) => (row.sender_id, Direction::Sender),
            Self::Account(Direction::Receiver) => (row.receiver_id, Direction::Receiver),
            Self::All => (ALL_ACCOUNTS, Direction::Sender),
        };
        SeriesKey { account_id, asset_id: row.asset_id, direction: direction_number(direction) }
    }
}

/// The number that the database knows a direction by.
#[must_use]
pub fn direction_number(direction: Direction) -> i16 {
    match direction {
        Direction::Sender => 0,
        Direction::Receiver => 1,
    }
}

/// The places of rows by their series on one side and their instants.
#[must_use]
pub fn in_order(rows: &[RowChange], side: Side) -> Vec<usize> {
    let mut order: Vec<_> = (0..rows.len()).collect();
    order.sort_unstable_by_key(|&place| (side.key(&rows[place]), rows[place].instant));
    order
}

/// What some of the rows, by their places [`in_order`], change in the trees of one side.
#[must_use]
pub fn by_series(rows: &[RowChange], places: &[usize], side: Side) -> Vec<(SeriesKey, Changes)> {
    let of_one = |a: &usize, b: &usize| side.key(&rows[*a]) == side.key(&rows[*b]);
    places
        .chunk_by(of_one)
        .map(|places| {
            let own = places.iter().map(|&place| &rows[place]);
            (side.key(&rows[places[0]]), changes(own, |row| row.instant))
        })
        .collect()
}

/// What rows change in the cells by day, for one direction: every cell once, and never more
/// of them in memory than one a level.
#[derive(Debug)]
pub struct ByDay<'a> {
    rows: &'a [RowChange],
    direction: Direction,
    /// Places of rows by asset, group of accounts, day and account.
    order: Vec<usize>,
    /// How many of them are done.
    done: usize,
    /// The span of each level above the days that the last day lies in, and what is known of
    /// its changes.
    open: [Option<(DayCellKey, Changes)>; LEVELS as usize - 1],
    /// Cells of which everything is known.
    ready: VecDeque<(DayCellKey, Changes)>,
}

impl<'a> ByDay<'a> {
    /// What these rows change.
    #[must_use]
    pub fn new(rows: &'a [RowChange], direction: Direction) -> Self {
        let side = Side::Account(direction);
        let mut order: Vec<_> = (0..rows.len()).collect();
        order.sort_unstable_by_key(|&place| {
            let row = &rows[place];
            (day_key(row, direction), side.key(row).account_id)
        });
        let (open, ready) = (Default::default(), VecDeque::new());
        Self { rows, direction, order, done: 0, open, ready }
    }

    /// The next day's changes, while there are days.
    fn day(&mut self) -> Option<(DayCellKey, Changes)> {
        let (rows, direction) = (self.rows, self.direction);
        let rest = &self.order[self.done..];
        let key = day_key(&rows[*rest.first()?], direction);
        let count = rest.partition_point(|&place| day_key(&rows[place], direction) <= key);
        self.done += count;
        let own = rest[..count].iter().map(|&place| &rows[place]);
        let changes = changes(own, |row| Side::Account(direction).key(row).account_id);
        let DayOfGroup { asset_id, account_group, day } = key;
        let span = DaySpan::of_day(day);
        let direction = direction_number(direction);
        Some((DayCellKey { asset_id, direction, span, account_group }, changes))
    }

    /// Gives out a cell, and adds it to the one above.
    fn give(&mut self, key: DayCellKey, changes: Changes) {
        if let Some(slot) = self.open.get_mut(usize::from(key.span.level)) {
            let above = DayCellKey { span: key.span.above(), ..key };
            match slot {
                Some((open, sums)) if *open == above => add(sums, &changes),
                _ => {
                    if let Some((key, changes)) = slot.replace((above, changes.clone())) {
                        self.give(key, changes);
                    }
                }
            }
        }
        self.ready.push_back((key, changes));
    }
}

impl Iterator for ByDay<'_> {
    type Item = (DayCellKey, Changes);

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            // After the last day what is open is closed, the lowest level first.
            let next = self.day().or_else(|| self.open.iter_mut().find_map(Option::take));
            let (key, changes) = next?;
            self.give(key, changes);
        }
        self.ready.pop_front()
    }
}

/// What the rows of a cell of one day have in common.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct DayOfGroup {
    asset_id: i32,
    account_group: i64,
    day: i64,
}

fn day_key(row: &RowChange, direction: Direction) -> DayOfGroup {
    DayOfGroup {
        asset_id: row.asset_id,
        account_group: group_of(Side::Account(direction).key(row).account_id),
        day: day_of(row.instant),
    }
}

/// Adds changes to others.
fn add(to: &mut Changes, more: &Changes) {
    let mut cell =
        super::cell::Cell { key: 0, scale: to.scale, parts: std::mem::take(&mut to.parts) };
    cell.merge(more.scale, more.parts.iter().cloned(), true);
    *to = Changes { scale: cell.scale, parts: cell.parts };
}

/// Rows in the order of their keys, as changes: one part a key.
fn changes<'a>(
    rows: impl Iterator<Item = &'a RowChange> + Clone,
    key: impl Fn(&RowChange) -> i64,
) -> Changes {
    let scale = rows.clone().map(|row| row.scale).max().unwrap_or(0);
    let mut parts: Vec<Part> = Vec::new();
    for row in rows {
        let sums = Sums::of(i64::from(row.count), &row.amount.shifted(scale - row.scale));
        let key = key(row);
        match parts.last_mut() {
            Some(last) if last.key == key => last.sums.add(&sums),
            _ => parts.push(Part { key, sums }),
        }
    }
    Changes { scale, parts }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::running_total::{day_cells::MICROS_PER_DAY, sums::ScaledSums};

    fn rows() -> impl Strategy<Value = Vec<RowChange>> {
        let accounts = (0i64..3, 4_094i64..4_099);
        let row = (-40i64..40, accounts, 1i32..3, 0u32..3, 1i64..1_000);
        let row = row.prop_map(|(day, (sender_id, receiver_id), asset_id, scale, amount)| {
            let instant = day * MICROS_PER_DAY + amount;
            let (count, amount) = (1, Whole::Small(amount.into()));
            RowChange { instant, sender_id, receiver_id, asset_id, count, scale, amount }
        });
        proptest::collection::vec(row, 0..60)
    }

    fn by_key(changes: &Changes) -> BTreeMap<i64, ScaledSums> {
        let sums = |part: &Part| ScaledSums { scale: changes.scale, sums: part.sums.clone() };
        changes.parts.iter().map(|part| (part.key, sums(part))).collect()
    }

    proptest! {
        #[test]
        fn every_day_cell_comes_once_with_all_its_rows(rows in rows()) {
            for direction in [Direction::Sender, Direction::Receiver] {
                let mut expected: BTreeMap<DayCellKey, BTreeMap<i64, ScaledSums>> = BTreeMap::new();
                for row in &rows {
                    let account = Side::Account(direction).key(row).account_id;
                    let mut span = DaySpan::of_day(day_of(row.instant));
                    while span.level < LEVELS {
                        let key = DayCellKey {
                            asset_id: row.asset_id,
                            direction: direction_number(direction),
                            span,
                            account_group: group_of(account),
                        };
                        let sums = expected.entry(key).or_default();
                        let sums = sums.entry(account).or_insert(ScaledSums::ZERO);
                        sums.add(row.scale, &Sums::of(1, &row.amount));
                        span = span.above();
                    }
                }
                for (key, changes) in ByDay::new(&rows, direction) {
                    prop_assert!(changes.parts.is_sorted_by(|a, b| a.key < b.key));
                    let own = expected.remove(&key);
                    prop_assert!(own.is_some(), "{:?} comes twice, or has no rows", key);
                    let found = by_key(&changes);
                    let own = own.unwrap_or_default();
                    prop_assert!(own.keys().eq(found.keys()));
                    for (account, sums) in own {
                        prop_assert_eq!(found[&account].to_moments(), sums.to_moments());
                    }
                }
                prop_assert!(expected.is_empty());
            }
        }
    }
}
