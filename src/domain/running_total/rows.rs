//! Rows on their way into running totals, grouped by what they change.

use std::collections::HashMap;

use super::{
    cell::Part,
    day_cells::{DaySpan, day_of, group_of},
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

/// What the rows change in the trees of one side.
#[must_use]
pub fn by_series(rows: &[RowChange], side: Side) -> Vec<(SeriesKey, Changes)> {
    let mut order: Vec<_> = (0..rows.len()).collect();
    order.sort_unstable_by_key(|&place| (side.key(&rows[place]), rows[place].instant));
    let of_one = |a: &usize, b: &usize| side.key(&rows[*a]) == side.key(&rows[*b]);
    order
        .chunk_by(of_one)
        .map(|places| {
            let own = places.iter().map(|&place| &rows[place]);
            (side.key(&rows[places[0]]), changes(own, |row| row.instant))
        })
        .collect()
}

/// What the rows change in the cells of every level by day, for one direction.
#[must_use]
pub fn by_day(rows: &[RowChange], direction: Direction) -> Vec<(DayCellKey, Changes)> {
    let side = Side::Account(direction);
    let place_of = |row: &RowChange| (row.asset_id, day_of(row.instant), side.key(row).account_id);
    let mut order: Vec<_> = (0..rows.len()).collect();
    order.sort_unstable_by_key(|&place| place_of(&rows[place]));
    let mut cells: HashMap<DayCellKey, Changes> = HashMap::new();
    let of_one = |a: &usize, b: &usize| {
        let ((asset_a, day_a, account_a), (asset_b, day_b, account_b)) =
            (place_of(&rows[*a]), place_of(&rows[*b]));
        asset_a == asset_b && day_a == day_b && group_of(account_a) == group_of(account_b)
    };
    for places in order.chunk_by(of_one) {
        let (asset_id, day, first_account) = place_of(&rows[places[0]]);
        let own = places.iter().map(|&place| &rows[place]);
        let of_day = changes(own, |row| side.key(row).account_id);
        for span in DaySpan::of_day(day) {
            let direction = direction_number(direction);
            let account_group = group_of(first_account);
            let key = DayCellKey { asset_id, direction, span, account_group };
            let cell = cells.entry(key).or_default();
            add(cell, &of_day);
        }
    }
    let mut cells: Vec<_> = cells.into_iter().collect();
    cells.sort_unstable_by_key(|(key, _)| *key);
    cells
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
