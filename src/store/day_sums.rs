//! Sums of all accounts in a window: cells of whole days, corrections in them, and the rows
//! of the parts of days at the edges.

mod nets;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::{
    domain::{
        direction::Direction,
        metric::Moments,
        running_total::{
            cell::{self, CellHead},
            damage::Damaged,
            day_cells::{DaySpan, MICROS_PER_DAY, WindowParts, cover, day_of, take_apart},
            rows::{DayCellKey, direction_number},
            sums::{ScaledSums, Sums},
        },
        window::Window,
    },
    store::{
        StoreError,
        instant::Micros,
        numeric::Numeric,
        rank::{MadeOf, Measure},
        sealing,
        session::Snapshot,
        statement::statement,
    },
};

pub(crate) use nets::nets;

/// What was read for a window.
pub(crate) struct DaySums {
    cells: Vec<Row>,
    others: Vec<(i64, ScaledSums)>,
    measure: Measure,
    made: MadeOf,
}

impl DaySums {
    /// Reads what a window is made of.
    pub(crate) async fn read(session: &Snapshot, measure: &Measure) -> Result<Self, StoreError> {
        let parts = parts_of(measure.window);
        let edges = futures_util::future::try_join_all(
            parts.added.iter().chain(&parts.taken).map(|edge| read_edge(session, measure, edge)),
        );
        let (cells, corrections, edges, sealed_until) = tokio::try_join!(
            read_cells(session, measure, &parts),
            read_corrections(session, measure, &parts),
            edges,
            read_sealed_until(session, measure),
        )?;
        let parts_of_days = parts.added.iter().chain(&parts.taken);
        let cut_days: BTreeSet<_> = parts_of_days.map(|part| day_of(part.start)).collect();
        let mut made = MadeOf {
            cells: cells.len() as u64,
            partitions: i64::try_from(cut_days.len()).unwrap_or(i64::MAX),
            sealed_until,
            ..MadeOf::default()
        };
        let mut others = Vec::new();
        for row in &corrections {
            made.corrections += row.get::<_, i64>("correction_count");
            others.push((row.get("account_id"), sums_of(row)));
        }
        for (place, rows) in edges.iter().enumerate() {
            for row in rows {
                made.rows += row.get::<_, i64>("transaction_count");
                let mut sums = sums_of(row);
                if place >= parts.added.len() {
                    sums.sums = sums.sums.negated();
                }
                others.push((row.get("account_id"), sums));
            }
        }
        Ok(Self { cells, others, measure: *measure, made })
    }

    /// The moments of owners, of whom there are so many: `accounts` has their accounts,
    /// ascending, each with its owner's place; an account may have several owners.
    pub(crate) fn of_owners(
        &self,
        owner_count: usize,
        accounts: &[(i64, usize)],
    ) -> Result<(Vec<Moments>, MadeOf), StoreError> {
        let scale = self.scale()?;
        let mut owners = vec![Sums::ZERO; owner_count];
        let mut add = |from: usize, account_id: i64, sums: &Sums| {
            let rest = &accounts[from..];
            // Both sides ascend, so the next one is nearly always close by.
            let skipped = rest.iter().take_while(|(own, _)| *own < account_id).count();
            for (_, owner) in rest[skipped..].iter().take_while(|(own, _)| *own == account_id) {
                owners[*owner].add(sums);
            }
            from + skipped
        };
        let first_place = |account_id: i64| accounts.partition_point(|(own, _)| *own < account_id);
        for row in &self.cells {
            let mut from = None;
            let _: CellHead = cell::visit(row.get("cell"), |own_scale, part| {
                let place = from.unwrap_or_else(|| first_place(part.key));
                from = Some(match scale - own_scale {
                    0 => add(place, part.key, &part.sums),
                    digits => add(place, part.key, &part.sums.shifted(digits)),
                });
                true
            })
            .map_err(|_| self.damaged(row))?;
        }
        for (account_id, sums) in &self.others {
            let shifted = sums.sums.shifted(scale - sums.scale);
            add(first_place(*account_id), *account_id, &shifted);
        }
        let to_moments = |sums: Sums| {
            let sums = if self.measure.needs_squares { sums } else { sums.without_squares() };
            sums.to_moments(scale)
        };
        Ok((owners.into_iter().map(to_moments).collect(), self.made))
    }

    /// The largest scale of what was read.
    fn scale(&self) -> Result<u32, StoreError> {
        let mut scale = self.others.iter().map(|(_, sums)| sums.scale).max().unwrap_or(0);
        for row in &self.cells {
            let head = cell::visit(row.get("cell"), |_, _| false);
            let head = head.map_err(|_| self.damaged(row))?;
            scale = scale.max(head.scale);
        }
        Ok(scale)
    }

    /// The error of a cell that cannot be read.
    fn damaged(&self, row: &Row) -> StoreError {
        let level: i16 = row.get("level");
        let key = DayCellKey {
            asset_id: self.measure.asset_id,
            direction: direction_number(self.measure.direction),
            span: DaySpan {
                level: u8::try_from(level).unwrap_or(u8::MAX),
                number: row.get("span_number"),
            },
            account_group: row.get("account_group"),
        };
        StoreError::of_damaged("rank_day_totals", Damaged::Day(key))
    }
}

/// Reads the moments that a statement returns.
pub(super) fn sums_of(row: &Row) -> ScaledSums {
    ScaledSums::from_moments(&Moments {
        count: row.get("transaction_count"),
        sum: row.get::<_, Numeric>("sum_amount").0,
        sum_of_squares: row.get::<_, Numeric>("sum_of_squares").0,
    })
}

async fn read_cells(
    session: &Snapshot,
    measure: &Measure,
    parts: &WindowParts,
) -> Result<Vec<Row>, StoreError> {
    let (levels, numbers) = spans(parts);
    let direction = direction_number(measure.direction);
    session
        .rows(statement!("rank_day_totals"), &[&measure.asset_id, &direction, &levels, &numbers])
        .await
}

/// Levels and numbers of the cells that cover the whole days of a window.
fn spans(parts: &WindowParts) -> (Vec<i16>, Vec<i64>) {
    let spans = cover(parts.days.clone());
    spans.iter().map(|span| (i16::from(span.level), span.number)).unzip()
}

/// How many bytes the cells of a window take, both directions together.
pub(crate) async fn cell_bytes(
    session: &Snapshot,
    asset_id: i32,
    window: Window,
) -> Result<u64, StoreError> {
    let (levels, numbers) = spans(&parts_of(window));
    let statement = statement!("list_holders_bytes");
    let rows = session.rows(statement, &[&asset_id, &levels, &numbers]).await?;
    let bytes = rows.first().map_or(0, |row| row.get::<_, i64>("cell_bytes"));
    Ok(u64::try_from(bytes).unwrap_or(0))
}

fn parts_of(window: Window) -> WindowParts {
    take_apart(&(window.start().timestamp_micros()..window.end().timestamp_micros()))
}

async fn read_corrections(
    session: &Snapshot,
    measure: &Measure,
    parts: &WindowParts,
) -> Result<Vec<Row>, StoreError> {
    let direction = direction_number(measure.direction);
    let instant = |day: i64| Micros(day.saturating_mul(MICROS_PER_DAY));
    let (start, end) = (instant(parts.days.start), instant(parts.days.end));
    session
        .rows(statement!("rank_corrections"), &[&measure.asset_id, &direction, &start, &end])
        .await
}

async fn read_edge(
    session: &Snapshot,
    measure: &Measure,
    edge: &std::ops::Range<i64>,
) -> Result<Vec<Row>, StoreError> {
    let statement = match measure.direction {
        Direction::Sender => statement!("rank_edge_sender"),
        Direction::Receiver => statement!("rank_edge_receiver"),
    };
    let (start, end) = (Micros(edge.start), Micros(edge.end));
    session.rows(statement, &[&measure.asset_id, &start, &end, &measure.needs_squares]).await
}

async fn read_sealed_until(
    session: &Snapshot,
    measure: &Measure,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    match measure.with_sealed_until {
        true => sealing::sealed_until(session).await,
        false => Ok(None),
    }
}
