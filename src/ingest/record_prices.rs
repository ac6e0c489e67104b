//! Recording a chunk of price ticks: whole or not at all, once.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;

use crate::{
    domain::{
        price::{symbol::SymbolName, tick::NewPrice},
        refusal::{Fault, Refusal, RefusalReason},
    },
    error::{Error, ErrorKind},
    ingest::{
        Ingest,
        days::DayPlan,
        record_transactions::{ATTEMPTS_MAX, Hindrance, hindrance, pause},
    },
    store::record_prices::{self as store, KeyedPrice, PriceFate},
    telemetry::metrics::{self, RowKind},
};

/// How ticks are recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PriceOptions {
    /// Whether a price takes the place of another one of the same symbol and instant.
    pub replace: bool,
    /// Record nothing of a chunk of which a row is refused.
    pub whole_chunks_only: bool,
    /// Seconds between two ticks of symbols that are recorded with these.
    pub tick_interval_seconds: i32,
}

/// What became of a chunk.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PriceOutcome {
    /// Rows that were recorded now.
    pub recorded: usize,
    /// Rows that were there already, with the same price.
    pub already_present: usize,
    /// Rows that took the place of another price.
    pub replaced: usize,
    /// Rows that were refused, in the order of their places.
    pub refused: Vec<Refusal>,
}

/// A chunk at work.
struct Chunk {
    rows: Vec<NewPrice>,
    /// Places of rows that may be recorded.
    candidates: Vec<usize>,
    /// Places of rows that say the same as an earlier one.
    repeated: usize,
    refused: Vec<Refusal>,
}

impl Chunk {
    /// Leaves one candidate for each symbol and instant. A later one that says the same counts as
    /// present, and is refused if it does not: which of both is meant, nobody can know.
    fn new(rows: Vec<NewPrice>) -> Self {
        let mut chunk = Self { rows, candidates: Vec::new(), repeated: 0, refused: Vec::new() };
        let mut first = HashMap::with_capacity(chunk.rows.len());
        for (index, row) in chunk.rows.iter().enumerate() {
            if let Some(fault) = row.fault() {
                chunk.refused.push(Refusal { index, fault });
                continue;
            }
            match *first.entry((&row.symbol, row.ticked_at)).or_insert(&row.price) {
                earlier if std::ptr::eq(earlier, &raw const row.price) => {
                    chunk.candidates.push(index);
                }
                earlier if *earlier == row.price => chunk.repeated += 1,
                _ => {
                    let message = "differs from that of an earlier row of this chunk".to_owned();
                    chunk.refused.push(Refusal { index, fault: other_price(message) });
                }
            }
        }
        chunk
    }

    fn day(&self, place: usize) -> NaiveDate {
        self.rows[place].ticked_at.date_naive()
    }

    /// Refuses candidates that have a fault.
    fn refuse(&mut self, fault: impl Fn(&Self, usize) -> Option<Fault>) {
        let faults: Vec<(usize, Fault)> = self
            .candidates
            .iter()
            .filter_map(|&index| Some((index, fault(self, index)?)))
            .collect();
        let gone: HashSet<usize> = faults.iter().map(|(index, _)| *index).collect();
        self.candidates.retain(|place| !gone.contains(place));
        self.refused.extend(faults.into_iter().map(|(index, fault)| Refusal { index, fault }));
    }

    fn symbols(&self) -> Vec<&SymbolName> {
        let names: HashSet<&SymbolName> =
            self.candidates.iter().map(|&place| &self.rows[place].symbol).collect();
        names.into_iter().collect()
    }

    /// Whether none of its rows is to be recorded, because one is refused.
    fn is_given_up(&self, options: &PriceOptions) -> bool {
        options.whole_chunks_only && !self.refused.is_empty()
    }

    fn finish(mut self, fates: &[PriceFate]) -> PriceOutcome {
        let count = |fate| fates.iter().filter(|&&one| one == fate).count();
        let (recorded, replaced) = (count(PriceFate::Recorded), count(PriceFate::Replaced));
        let is_undone = fates.contains(&PriceFate::Undone);
        let repeated = if is_undone { 0 } else { self.repeated };
        let already_present = count(PriceFate::Present) + repeated;
        for (&index, _) in
            self.candidates.iter().zip(fates).filter(|(_, fate)| **fate == PriceFate::Differs)
        {
            let message = "differs from what is recorded of this symbol at this instant".to_owned();
            self.refused.push(Refusal { index, fault: other_price(message) });
        }
        self.refused.sort_unstable_by_key(|refusal| refusal.index);
        PriceOutcome { recorded, already_present, replaced, refused: self.refused }
    }

    /// Nothing of it was recorded.
    fn give_up(self) -> PriceOutcome {
        Self { repeated: 0, candidates: Vec::new(), ..self }.finish(&[])
    }
}

fn other_price(message: String) -> Fault {
    Fault { reason: RefusalReason::OtherContent, field: "price", message }
}

impl Ingest {
    /// Records the ticks of a chunk: all that are not refused, or none. What it says was
    /// recorded is committed.
    ///
    /// # Errors
    /// As for [`Ingest::record`].
    pub async fn record_prices(
        &self,
        rows: Vec<NewPrice>,
        options: &PriceOptions,
    ) -> Result<PriceOutcome, Error> {
        // Closed never.
        let _turn = self.turns.acquire().await;
        let outcome = self.record_price_chunk(rows, options).await?;
        metrics::rows_recorded(RowKind::Prices, outcome.recorded + outcome.replaced);
        metrics::rows_refused(RowKind::Prices, outcome.refused.len());
        Ok(outcome)
    }

    async fn record_price_chunk(
        &self,
        rows: Vec<NewPrice>,
        options: &PriceOptions,
    ) -> Result<PriceOutcome, Error> {
        let mut chunk = Chunk::new(rows);
        self.sort_out_price_days(&mut chunk, options).await?;
        for attempt in 0..ATTEMPTS_MAX {
            if chunk.is_given_up(options) {
                return Ok(chunk.give_up());
            }
            if chunk.candidates.is_empty() {
                return Ok(chunk.finish(&[]));
            }
            let seconds = options.tick_interval_seconds;
            let ids = self.symbols.find_or_create(&chunk.symbols(), seconds).await?;
            let keyed: Vec<KeyedPrice> = chunk
                .candidates
                .iter()
                .map(|&place| &chunk.rows[place])
                .filter_map(|NewPrice { symbol, ticked_at, price }| {
                    let (symbol_id, price) = (*ids.get(symbol)?, price.clone());
                    Some(KeyedPrice { symbol_id, ticked_at: *ticked_at, price })
                })
                .collect();
            if keyed.len() < chunk.candidates.len() {
                // Recorded just now and not found: somebody emptied the table.
                return Err(Error::new(ErrorKind::Aborted));
            }
            let (replace, keep_whole) = (options.replace, options.whole_chunks_only);
            let recording = store::record_prices(&self.database, &keyed, replace, keep_whole);
            let error = match recording.await {
                Ok(fates) => return Ok(chunk.finish(&fates)),
                Err(error) => error,
            };
            match hindrance(&error) {
                Some(Hindrance::MissingDay) => {
                    self.price_days.forget();
                    self.sort_out_price_days(&mut chunk, options).await?;
                }
                // A connection that broke may have taken the rows in.
                Some(Hindrance::Passing) if attempt + 1 < ATTEMPTS_MAX => pause(attempt).await,
                Some(Hindrance::Passing | Hindrance::KnownId) | None => return Err(error.into()),
            }
        }
        Err(Error::new(ErrorKind::Aborted))
    }

    /// Refuses candidates on days that ticks cannot be written to, and has those of the others
    /// made.
    async fn sort_out_price_days(
        &self,
        chunk: &mut Chunk,
        options: &PriceOptions,
    ) -> Result<(), Error> {
        let days = chunk.candidates.iter().map(|&place| chunk.day(place)).collect();
        let DayPlan { missing, faults } = self.price_days.plan(days).await?;
        chunk.refuse(|chunk, place| faults.get(&chunk.day(place)).cloned());
        if missing.is_empty() || chunk.is_given_up(options) {
            return Ok(());
        }
        if let Some(fault) = self.price_days.make(&missing).await? {
            chunk.refuse(|chunk, place| {
                missing.binary_search(&chunk.day(place)).is_ok().then(|| fault.clone())
            });
        }
        Ok(())
    }
}
