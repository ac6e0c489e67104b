//! Folds days that are loaded into the running totals. Their rows are made again: that costs
//! less than to keep them, of which a day may have any number.

use std::sync::Arc;

use chrono::NaiveDate;
use tokio::sync::mpsc;

use crate::{
    domain::running_total::rows::RowChange,
    error::Error,
    seed::rows::{RowMaker, row_change},
    store::{Connection, Database, StoreError, seed::DaysSealing},
};

/// Rows that are folded at a time, about: more of them rewrite a cell less often, and take
/// more memory.
const SEALED_ROWS: usize = 200_000;

/// A day that is loaded.
#[derive(Debug)]
pub(super) struct LoadedDay {
    /// Its place in the plan.
    pub(super) index: u32,
    /// The day.
    pub(super) day: NaiveDate,
    /// Its number of rows.
    pub(super) rows: u64,
}

/// Folds the days that come until no more do.
///
/// # Errors
/// If the database refuses. Days that were not folded are found by the next start.
pub(super) async fn seal_days(
    database: Database,
    maker: Arc<RowMaker>,
    mut days: mpsc::Receiver<LoadedDay>,
) -> Result<(), Error> {
    let client = database.connect().await?;
    let mut gathered = Gathered::default();
    while let Some(next) = days.recv().await {
        if gathered.rows.len() as u64 + next.rows > SEALED_ROWS as u64 {
            gathered.seal(&client).await?;
        }
        gathered.add(&client, &maker, &next).await?;
    }
    gathered.seal(&client).await?;
    Ok(())
}

/// Days that are folded by one tx.
#[derive(Default)]
struct Gathered<'a> {
    days: Vec<NaiveDate>,
    /// Rows of theirs that are not folded yet.
    rows: Vec<RowChange>,
    /// The tx that has folded the others, if there are any.
    sealing: Option<DaysSealing<'a>>,
}

impl<'a> Gathered<'a> {
    /// Adds a day; one with very many rows is folded piece by piece.
    async fn add(
        &mut self,
        client: &'a Connection,
        maker: &RowMaker,
        day: &LoadedDay,
    ) -> Result<(), StoreError> {
        self.days.push(day.day);
        for hour in maker.day(day.index, day.rows) {
            if self.rows.len() + hour.len() > SEALED_ROWS {
                self.fold(client).await?;
            }
            self.rows.extend(hour.iter().map(row_change));
        }
        Ok(())
    }

    async fn fold(&mut self, client: &'a Connection) -> Result<(), StoreError> {
        let sealing = match self.sealing.take() {
            Some(sealing) => sealing,
            None => DaysSealing::begin(client).await?,
        };
        sealing.add(&self.rows).await?;
        self.rows.clear();
        self.sealing = Some(sealing);
        Ok(())
    }

    /// Folds what is left and commits.
    async fn seal(&mut self, client: &'a Connection) -> Result<(), StoreError> {
        if self.days.is_empty() {
            return Ok(());
        }
        self.fold(client).await?;
        if let Some(sealing) = self.sealing.take() {
            sealing.finish(&self.days).await?;
        }
        self.days.clear();
        Ok(())
    }
}
