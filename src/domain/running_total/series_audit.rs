//! Holding one series against its rows as both come along in order of time: whatever the number
//! of rows, no more is kept than one cell a level and what is known of a day. Pure.

use std::{collections::BTreeMap, iter::Peekable, ops::Range, vec};

use super::{
    audit::Finding,
    cell::{Cell, Part},
    day_cells::day_of,
    rows::{ALL_ACCOUNTS, SeriesKey},
    sums::ScaledSums,
};

/// What of a series is held against what.
#[derive(Debug)]
enum Scope {
    /// All of it, and the rows.
    Whole,
    /// Cells against each other alone.
    Cells,
    /// Leaves against rows alone, from an instant (inside) to another one (outside).
    Leaves(Range<i64>),
}

const MISSING_BELOW: &str = "a cell above knows one that is missing";
const NOT_ITS_OWN: &str = "a cell holds what belongs to another one";

/// A cell of a series, or a row.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A stored cell.
    Cell {
        /// Its level; leaves are 0.
        level: usize,
        /// Where it is stored to begin: `i64::MIN` for the first of a level.
        start: i64,
        /// What it holds; `None` if it cannot be read.
        cell: Option<Cell>,
    },
    /// What a row adds, or what a correction that is not folded in takes away.
    Row {
        /// When.
        instant: i64,
        /// What it adds.
        sums: ScaledSums,
    },
}

/// An audit of one series. It is given every entry in order of time; of those at one instant
/// first the cells, the highest level first, then the rows.
#[derive(Debug)]
pub struct SeriesAudit {
    scope: Scope,
    levels: Vec<Level>,
    /// Rows of one instant that are not held against the leaf yet.
    row: Option<(i64, ScaledSums)>,
    /// Days that are not over.
    days: BTreeMap<i64, Day>,
    differing: Vec<Finding>,
    /// The first contradiction between cells.
    contradiction: Option<&'static str>,
    /// Why nothing can be said of the series beyond this.
    broken: Option<&'static str>,
}

/// The last cell of a level.
#[derive(Debug)]
struct Level {
    count: usize,
    scale: u32,
    /// Its parts of which the rows, or the cells below, have not come yet.
    parts: Peekable<vec::IntoIter<Part>>,
}

#[derive(Debug)]
struct Day {
    stored: ScaledSums,
    rows: ScaledSums,
    is_differing: bool,
}

impl Level {
    fn next_before(&mut self, key: i64) -> Option<(i64, ScaledSums)> {
        let part = self.parts.next_if(|part| part.key < key)?;
        Some((part.key, ScaledSums { scale: self.scale, sums: part.sums }))
    }

    fn next_at(&mut self, key: i64) -> Option<ScaledSums> {
        let part = self.parts.next_if(|part| part.key == key)?;
        Some(ScaledSums { scale: self.scale, sums: part.sums })
    }

    /// Whether there were any.
    fn skip_before(&mut self, key: i64) -> bool {
        let is_any = self.next_before(key).is_some();
        while self.next_before(key).is_some() {}
        is_any
    }
}

impl SeriesAudit {
    /// Begins with nothing seen. The rows of all accounts together are too many to come as one
    /// series: see [`SeriesAudit::of_leaves`].
    #[must_use]
    pub fn new(key: SeriesKey) -> Self {
        Self::within(if key.account_id == ALL_ACCOUNTS { Scope::Cells } else { Scope::Whole })
    }

    /// Begins to hold the leaves of a part of a series against its rows: it is given the leaves
    /// that reach into the part, and the rows in it.
    #[must_use]
    pub fn of_leaves(instants: Range<i64>) -> Self {
        Self::within(Scope::Leaves(instants))
    }

    fn within(scope: Scope) -> Self {
        Self {
            scope,
            levels: Vec::new(),
            row: None,
            days: BTreeMap::new(),
            differing: Vec::new(),
            contradiction: None,
            broken: None,
        }
    }

    /// Takes the next entry.
    pub fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Cell { level, start, cell: Some(cell) } if cell.key == start => {
                self.take_cell(level, cell);
            }
            Entry::Cell { .. } => self.broken = self.broken.or(Some("a cell cannot be read")),
            Entry::Row { instant, sums } => match &mut self.row {
                Some((pending, total)) if *pending == instant => total.add(sums.scale, &sums.sums),
                Some(_) | None => {
                    self.settle();
                    self.row = Some((instant, sums));
                }
            },
        }
    }

    /// What does not agree, now that everything has come.
    #[must_use]
    pub fn finish(mut self) -> Vec<Finding> {
        self.settle();
        for level in 0..self.levels.len() {
            self.leave_cell(level, i64::MAX);
            if self.levels[level].count == 0 && !matches!(self.scope, Scope::Leaves(_)) {
                self.contradict("the first cell of a level is missing");
            }
        }
        self.close_days(i64::MAX);
        if let Some(what) = self.broken {
            return vec![Finding::Structure(what)];
        }
        self.contradiction.map(Finding::Structure).into_iter().chain(self.differing).collect()
    }

    fn take_cell(&mut self, level: usize, mut cell: Cell) {
        let keys = || cell.parts.iter().map(|part| part.key);
        if !keys().is_sorted_by(|a, b| a < b) || keys().next().is_some_and(|key| key < cell.key) {
            self.broken = self.broken.or(Some(NOT_ITS_OWN));
        }
        while self.levels.len() <= level {
            let none = Vec::new().into_iter().peekable();
            self.levels.push(Level { count: 0, scale: 0, parts: none });
        }
        self.settle();
        self.leave_cell(level, cell.key);
        self.close_days(day_of(cell.key));
        match &self.scope {
            Scope::Whole | Scope::Cells => self.compare_above(level, &cell),
            Scope::Leaves(instants) => cell.parts.retain(|part| instants.contains(&part.key)),
        }
        let own = &mut self.levels[level];
        own.count += 1;
        own.scale = cell.scale;
        if level > 0 || !matches!(self.scope, Scope::Cells) {
            own.parts = cell.parts.into_iter().peekable();
        }
    }

    /// Holds a cell against what the one above says of it.
    fn compare_above(&mut self, level: usize, cell: &Cell) {
        let is_first = self.levels[level].count == 0;
        if is_first && cell.key != i64::MIN {
            self.contradict("the first cell of a level is missing");
        }
        let Some(above) = self.levels.get_mut(level + 1) else {
            if !is_first {
                self.contradict("the highest level has several cells");
            }
            return;
        };
        if above.skip_before(cell.key) {
            self.contradict(MISSING_BELOW);
        }
        match self.levels[level + 1].next_at(cell.key) {
            None => self.contradict("a cell is missing in the one above"),
            Some(mut difference) => {
                difference.add(cell.scale, &cell.total().negated());
                if !difference.sums.is_zero() {
                    self.contradict("a cell differs from what the one above says");
                }
            }
        }
    }

    /// What belongs to the last cell of a level has all come: the next one begins at `end`.
    fn leave_cell(&mut self, level: usize, end: i64) {
        if level == 0 {
            self.leave_parts(end);
        } else if self.levels[level].skip_before(end) {
            self.contradict(MISSING_BELOW);
        }
        if self.levels[level].parts.peek().is_some() {
            self.broken = self.broken.or(Some(NOT_ITS_OWN));
        }
    }

    /// Rows before `end` have all come: parts of the leaf that are left have none.
    fn leave_parts(&mut self, end: i64) {
        while let Some((instant, stored)) =
            self.levels.first_mut().and_then(|leaf| leaf.next_before(end))
        {
            self.compare(instant, stored, ScaledSums::ZERO);
        }
    }

    /// Holds the rows of an instant against the leaf.
    fn settle(&mut self) {
        let Some((instant, rows)) = self.row.take() else { return };
        self.leave_parts(instant);
        let stored = self.levels.first_mut().and_then(|leaf| leaf.next_at(instant));
        self.compare(instant, stored.unwrap_or(ScaledSums::ZERO), rows);
        self.close_days(day_of(instant));
    }

    fn compare(&mut self, instant: i64, stored: ScaledSums, rows: ScaledSums) {
        let none = || Day { stored: ScaledSums::ZERO, rows: ScaledSums::ZERO, is_differing: false };
        let day = self.days.entry(day_of(instant)).or_insert_with(none);
        day.stored.add(stored.scale, &stored.sums);
        day.rows.add(rows.scale, &rows.sums);
        let mut difference = stored;
        difference.subtract(&rows);
        day.is_differing |= !difference.sums.is_zero();
    }

    /// Nothing more comes of the days before this one.
    fn close_days(&mut self, end: i64) {
        while let Some(first) = self.days.first_entry().filter(|first| *first.key() < end) {
            let (day, Day { stored, rows, is_differing }) = first.remove_entry();
            if is_differing {
                let (stored, rows) = (Box::new(stored), Box::new(rows));
                self.differing.push(Finding::Day { day, stored, rows });
            }
        }
    }

    fn contradict(&mut self, what: &'static str) {
        self.contradiction = self.contradiction.or(Some(what));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::running_total::{
        sums::Sums,
        tree::{Changes, merge_level},
        whole::Whole,
    };

    const KEY: SeriesKey = SeriesKey { account_id: 7, asset_id: 1, direction: 0 };
    const HOUR: i64 = 3_600_000_000;

    /// The levels of the tree of a row an hour, the leaves first.
    fn tree(rows: i64) -> Vec<Vec<Cell>> {
        let part = |row| Part { key: row * HOUR, sums: Sums::of(1, &Whole::Small(5)) };
        let mut changes = Some(Changes { scale: 2, parts: (0..rows).map(part).collect() });
        let mut levels = Vec::new();
        while let Some(own) = changes {
            let merged = merge_level(levels.len().try_into().unwrap(), true, Vec::new(), own);
            levels.push(merged.written);
            changes = merged.above;
        }
        levels
    }

    /// Everything in order, as the database gives it out.
    fn audit(levels: &[Vec<Cell>], rows: i64) -> Vec<Finding> {
        let mut entries = Vec::new();
        for (level, cells) in levels.iter().enumerate() {
            for cell in cells {
                let entry = Entry::Cell { level, start: cell.key, cell: Some(cell.clone()) };
                entries.push(((cell.key, -1 - i64::try_from(level).unwrap()), entry));
            }
        }
        for row in 0..rows {
            let sums = ScaledSums { scale: 2, sums: Sums::of(1, &Whole::Small(5)) };
            entries.push(((row * HOUR, 0), Entry::Row { instant: row * HOUR, sums }));
        }
        entries.sort_by_key(|(place, _)| *place);
        let mut audit = SeriesAudit::new(KEY);
        for (_, entry) in entries {
            audit.take(entry);
            assert!(audit.days.len() <= 2, "days that are over are closed");
        }
        audit.finish()
    }

    proptest! {
        // Trees of three levels have many rows.
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn nothing_differs_in_a_tree_of_its_rows(rows in 0i64..12_000) {
            prop_assert_eq!(audit(&tree(rows), rows), []);
        }

        #[test]
        fn any_cell_that_is_gone_twice_or_changed_is_found(
            rows in 1i64..12_000, level in 0usize..3, place in any::<prop::sample::Index>(),
            harm in 0..4,
        ) {
            let mut levels = tree(rows);
            let level = level % levels.len();
            let place = place.index(levels[level].len());
            let cells = &mut levels[level];
            match harm {
                0 => { cells.remove(place); }
                1 => cells[place].parts[0].sums.count += 1,
                2 => { cells[place].parts.pop(); }
                _ => {
                    let mut more = cells[place].clone();
                    more.key = more.parts.last().map_or(0, |part| part.key + 1);
                    more.parts.iter_mut().for_each(|part| part.key = more.key);
                    more.parts.truncate(1);
                    cells.insert(place + 1, more);
                }
            }
            prop_assert_ne!(audit(&levels, rows), []);
        }

        #[test]
        fn parts_of_the_leaves_differ_where_the_whole_does(
            rows in 1i64..5_000, more in 0i64..50, days in 1i64..40,
        ) {
            let levels = tree(rows);
            let last = rows + more;
            let mut found = Vec::new();
            let mut start = 0;
            while start < last {
                let end = (start + days * 24).min(last + 1);
                let mut audit = SeriesAudit::of_leaves(start * HOUR..end * HOUR);
                let mut entries: Vec<_> = (start..end.min(last)).map(|row| {
                    let sums = ScaledSums { scale: 2, sums: Sums::of(1, &Whole::Small(5)) };
                    ((row * HOUR, 1), Entry::Row { instant: row * HOUR, sums })
                }).collect();
                let first = levels[0].iter().rposition(|leaf| leaf.key <= start * HOUR);
                for cell in &levels[0][first.unwrap_or(0)..] {
                    if cell.key < end * HOUR {
                        let cell = cell.clone();
                        let key = cell.key;
                        let entry = Entry::Cell { level: 0, start: key, cell: Some(cell) };
                        entries.push(((key, 0), entry));
                    }
                }
                entries.sort_by_key(|(place, _)| *place);
                for (_, entry) in entries {
                    audit.take(entry);
                    prop_assert!(audit.days.len() <= 2, "days that are over are closed");
                }
                found.extend(audit.finish());
                start = end;
            }
            prop_assert_eq!(found, audit(&levels, last));
        }

        #[test]
        fn rows_that_are_not_stored_are_found_on_their_day(
            rows in 100i64..5_000, more in 1i64..50,
        ) {
            let found = audit(&tree(rows), rows + more);
            let days: Vec<_> = (rows..rows + more).map(|row| day_of(row * HOUR)).collect();
            let named: Vec<_> = found.iter().map(|finding| match finding {
                Finding::Day { day, .. } => *day,
                Finding::Structure(what) => panic!("{what}"),
            }).collect();
            prop_assert!(named.is_sorted_by(|a, b| a < b));
            prop_assert!(days.iter().all(|day| named.contains(day)));
            prop_assert_eq!(named.first(), days.first());
            prop_assert_eq!(named.last(), days.last());
        }
    }
}
