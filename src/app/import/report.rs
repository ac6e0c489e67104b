//! What `daybook import` says: what became of the lines, what would, and how far it is.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use chrono::SecondsFormat;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    domain::{account::AccountKey, price::tick::NewPrice},
    files::{
        dry_run::DryRun, import::ImportOutcome, price_rows::PriceRow, rejects::RejectFile,
        rows::FileRow, source::Rejected,
    },
};

/// Time between two plain lines about progress.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Writes words to standard output.
pub(super) fn tell(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// What became of a file; `has_replaced` if rows could have taken the place of others.
pub(super) fn describe(outcome: ImportOutcome, has_replaced: bool, rejects: &RejectFile) -> String {
    let ImportOutcome { recorded, already_present, replaced, rejected } = outcome;
    let replaced = if has_replaced { format!("{replaced} replaced, ") } else { String::new() };
    let mut text = format!(
        "{recorded} rows recorded, {already_present} already present, {replaced}{rejected} lines \
         rejected\n"
    );
    if rejected > 0 {
        let _ = writeln!(text, "the rejected lines are in {}", rejects.path().display());
    }
    text
}

/// What an import would do.
pub(super) fn describe_dry_run<Row>(
    found: &DryRun<Row>,
    describe_row: impl Fn(&Row) -> String,
) -> String {
    let mut text = String::new();
    for row in &found.first_rows {
        let _ = writeln!(text, "{}", describe_row(row));
    }
    let shown = found.first_rows.len() as u64;
    if found.row_count > shown {
        let _ = writeln!(text, "... and {} more rows", found.row_count - shown);
    }
    for Rejected { line, reason, .. } in &found.first_rejected {
        let _ = writeln!(text, "line {line} would be rejected: {reason}");
    }
    let shown = found.first_rejected.len() as u64;
    if found.rejected_count > shown {
        let _ = writeln!(text, "... and {} more", found.rejected_count - shown);
    }
    let _ = writeln!(
        text,
        "{} rows could be recorded, {} lines would be rejected; nothing was recorded",
        found.row_count, found.rejected_count
    );
    text
}

/// A transaction.
pub(super) fn describe_transaction(row: &FileRow) -> String {
    let account =
        |key: &AccountKey| format!("{}:{}", key.network().as_str(), key.address().as_str());
    let transaction = &row.transaction;
    let id = transaction.transaction_id.map_or_else(String::new, |id| id.to_string());
    let reference = transaction.reference.as_ref();
    format!(
        "line {}: {} #{} {} {} from {} to {}{}, id {id}",
        row.line,
        transaction.occurred_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        transaction.position,
        transaction.amount,
        transaction.asset_code,
        account(&transaction.sender),
        account(&transaction.receiver),
        reference.map_or_else(String::new, |reference| format!(", reference {reference:?}")),
    )
}

/// A price.
pub(super) fn describe_price(row: &PriceRow) -> String {
    let NewPrice { symbol, ticked_at, price } = &row.price;
    let at = ticked_at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    format!("line {}: {at} {symbol} {price}", row.line)
}

/// How far an import is: a bar on a terminal, plain lines elsewhere.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    shown_at: Instant,
}

impl Progress {
    pub(super) fn new(bytes_total: Option<u64>) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let (bar, template) = match bytes_total {
                Some(total) => (ProgressBar::new(total), "  import {wide_bar} {msg}, {eta} left"),
                None => (ProgressBar::no_length(), "  import {spinner} {bytes}, {msg}"),
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, shown_at: Instant::now() }
    }

    pub(super) fn show(&mut self, outcome: ImportOutcome, bytes: u64) {
        let ImportOutcome { recorded, already_present, replaced, rejected } = outcome;
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            let replaced =
                if replaced > 0 { format!("{replaced} replaced, ") } else { String::new() };
            bar.set_message(format!(
                "{recorded} recorded, {already_present} present, {replaced}{rejected} rejected"
            ));
        } else if self.shown_at.elapsed() >= LINE_INTERVAL {
            self.shown_at = Instant::now();
            tracing::info!(recorded, already_present, replaced, rejected, "importing");
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
