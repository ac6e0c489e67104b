//! Prices as CSV, in the form that `daybook import --prices` reads without a mapping. One snapshot,
//! a day at a time.

use std::{
    collections::{BTreeSet, HashMap},
    io::Write,
};

use chrono::SecondsFormat;

use crate::{
    domain::{price::symbol::SymbolName, window::Window},
    error::{Error, ErrorKind},
    files::{
        error::FileError,
        export::{ExportProgress, cut},
        sheet::Sheet,
    },
    store::{
        Connection, Database,
        export_prices::{self as store, ExportPrice},
    },
};

/// Columns of the file.
const HEADER: [&str; 3] = ["symbol", "ticked_at", "price"];

/// Which prices are wanted.
#[derive(Clone, Debug)]
pub struct PriceQuestion {
    /// Of when.
    pub window: Window,
    /// Of these symbols only; of all where none is named.
    pub symbols: Vec<SymbolName>,
}

/// Writes the prices of a window; returns how many, and the output again. `told` is called after
/// each day. Can be dropped at any moment, however long the output takes.
///
/// # Errors
/// If a symbol is not there, prices of the window are not at hand, the database fails, or the file
/// cannot be written. Then what was written is no whole export.
pub async fn export_prices<W: Write + Send + 'static>(
    database: &Database,
    question: &PriceQuestion,
    output: W,
    mut told: impl FnMut(ExportProgress),
) -> Result<(u64, W), FileError> {
    let client = database.connect().await?;
    let tx = store::snapshot(&client).await?;
    let absent = store::absent_days(&client, question.window).await?;
    if !absent.is_empty() {
        return Err(Error::new(ErrorKind::FailedPrecondition(absent)).into());
    }
    let symbol_ids = symbol_ids(&client, &question.symbols).await?;
    let windows: Vec<Window> = store::days(&client)
        .await?
        .into_iter()
        .filter_map(|(lower_at, upper_at)| cut(question.window, lower_at, upper_at))
        .collect();
    let mut sheet = Sheet::start(output, HEADER)?;
    let mut names = BTreeSet::new();
    for (place, window) in windows.iter().enumerate() {
        let mut found = store::prices(&client, *window, symbol_ids.as_deref()).await?;
        while let Some(ExportPrice { symbol, ticked_at, price }) = found.next().await? {
            let at = ticked_at.to_rfc3339_opts(SecondsFormat::Micros, true);
            sheet.push([symbol.as_str(), &at, &price.to_string()]).await?;
            if !names.contains(&symbol) {
                tell_other_name(&symbol);
                names.insert(symbol);
            }
        }
        told(ExportProgress::after(place, windows.len(), sheet.count()));
    }
    let written = sheet.finish().await?;
    tx.roll_back().await?;
    Ok(written)
}

/// The keys of symbols that are named; `None` where none is.
async fn symbol_ids(
    client: &Connection,
    names: &[SymbolName],
) -> Result<Option<Vec<i32>>, FileError> {
    if names.is_empty() {
        return Ok(None);
    }
    let found: HashMap<SymbolName, i32> =
        store::symbols(client, names).await?.into_iter().collect();
    let id = |name: &SymbolName| {
        let not_found = || FileError::NotFound { what: "symbol", name: name.to_string() };
        found.get(name).copied().ok_or_else(not_found)
    };
    names.iter().map(id).collect::<Result<_, _>>().map(Some)
}

/// Says it where a name comes back as another one: SQL can write symbols that nobody else can.
fn tell_other_name(symbol: &SymbolName) {
    let read = SymbolName::parse(symbol.as_str());
    if read.as_ref() != Some(symbol) {
        let read = read.map(|read| read.to_string()).unwrap_or_default();
        tracing::warn!(%symbol, read, "an import reads the symbol by its usual name");
    }
}
