//! Ids of symbols by their names, kept in memory once found: symbols are never deleted,
//! renumbered or renamed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_postgres::Row;

use crate::{
    domain::price::symbol::SymbolName,
    store::{Database, Snapshot, StoreError, statement::statement},
};

/// Symbols that are kept: bounds the memory. Beyond that all are looked up anew.
const KEPT_MAX: usize = 100_000;

/// The symbols that the database knows.
#[derive(Clone)]
pub struct SymbolIds {
    database: Database,
    kept: Arc<Mutex<HashMap<SymbolName, i32>>>,
}

impl SymbolIds {
    /// The symbols of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, kept: Arc::default() }
    }

    /// The ids of these symbols, those that are recorded.
    ///
    /// # Errors
    /// If not all are in memory and the database cannot be asked.
    pub async fn find(
        &self,
        names: &[&SymbolName],
    ) -> Result<HashMap<SymbolName, i32>, StoreError> {
        let mut found = HashMap::with_capacity(names.len());
        let mut wanted = Vec::new();
        {
            let kept = self.kept();
            for &name in names {
                match kept.get(name) {
                    Some(&id) => drop(found.insert(name.clone(), id)),
                    None => wanted.push(name.as_str()),
                }
            }
        }
        if wanted.is_empty() {
            return Ok(found);
        }
        let answer = self.database.read(statement!("symbols_find"), &[&wanted]).await?;
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        for row in &answer.value {
            let name = SymbolName::recorded(row.get("name"));
            kept.insert(name.clone(), row.get("symbol_id"));
            found.insert(name, row.get("symbol_id"));
        }
        Ok(found)
    }

    /// The ids of these symbols; those that are not recorded are, with so many seconds between two
    /// ticks.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub async fn find_or_create(
        &self,
        names: &[&SymbolName],
        tick_interval_seconds: i32,
    ) -> Result<HashMap<SymbolName, i32>, StoreError> {
        let found = self.find(names).await?;
        let missing = || names.iter().filter(|name| !found.contains_key(**name));
        if missing().next().is_none() {
            return Ok(found);
        }
        let texts: Vec<&str> = missing().map(|name| name.as_str()).collect();
        let halves = || missing().map(|name| name.base_and_quote());
        let bases: Vec<Option<&str>> = halves().map(|both| both.map(|(base, _)| base)).collect();
        let quotes: Vec<Option<&str>> = halves().map(|both| both.map(|(_, quote)| quote)).collect();
        let statement = statement!("symbols_create");
        self.database.read(statement, &[&texts, &bases, &quotes, &tick_interval_seconds]).await?;
        self.find(names).await
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<SymbolName, i32>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A symbol as it is recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SymbolRecord {
    /// What its ticks are recorded under.
    pub symbol_id: i32,
    /// Its name.
    pub name: String,
    /// What is priced, if the name says it.
    pub base: Option<String>,
    /// The currency of its prices, if the name says it.
    pub quote: Option<String>,
    /// Seconds between two ticks, as expected.
    pub tick_interval_seconds: i32,
}

fn record(row: &Row) -> SymbolRecord {
    SymbolRecord {
        symbol_id: row.get("symbol_id"),
        name: row.get("name"),
        base: row.get("base"),
        quote: row.get("quote"),
        tick_interval_seconds: row.get("tick_interval_seconds"),
    }
}

/// Up to `count_max` symbols behind a name, of a quote currency or of all, by name.
///
/// # Errors
/// If the database cannot answer.
pub async fn list(
    session: &Snapshot,
    after: &str,
    quote: Option<&str>,
    count_max: i64,
) -> Result<Vec<SymbolRecord>, StoreError> {
    let statement = statement!("symbols_list");
    let rows = session.rows(statement, &[&after, &quote, &count_max]).await?;
    Ok(rows.iter().map(record).collect())
}

/// The symbols of these names that are recorded, by name.
///
/// # Errors
/// If the database cannot answer.
pub async fn named(
    session: &Snapshot,
    names: &[SymbolName],
) -> Result<Vec<SymbolRecord>, StoreError> {
    let names: Vec<&str> = names.iter().map(SymbolName::as_str).collect();
    let rows = session.rows(statement!("symbols_named"), &[&names]).await?;
    Ok(rows.iter().map(record).collect())
}

/// A symbol as far as rankings need it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RankedSymbol {
    /// What its ticks are recorded under.
    pub symbol_id: i32,
    /// Its name.
    pub name: String,
    /// Seconds between two ticks, as expected.
    pub tick_interval_seconds: i32,
}

/// Up to `count_max` symbols, of a quote currency or of all, in no order.
///
/// # Errors
/// If the database cannot answer.
pub async fn ranked(
    session: &Snapshot,
    quote: Option<&str>,
    count_max: i64,
) -> Result<Vec<RankedSymbol>, StoreError> {
    let rows = session.rows(statement!("symbols_ranked"), &[&quote, &count_max]).await?;
    let Some(row) = rows.first() else { return Ok(Vec::new()) };
    let (ids, names): (Vec<i32>, Vec<String>) = (row.get("symbol_ids"), row.get("names"));
    let intervals: Vec<i32> = row.get("tick_intervals_seconds");
    let ranked = |((symbol_id, name), tick_interval_seconds)| RankedSymbol {
        symbol_id,
        name,
        tick_interval_seconds,
    };
    Ok(ids.into_iter().zip(names).zip(intervals).map(ranked).collect())
}
