//! Rows as CSV, in the form that the mapping `daybook` reads. One snapshot, a day at a time.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::{
    domain::{account::AccountKey, user::parse_user_uuid, window::Window},
    files::{error::FileError, sheet::Sheet},
    store::{
        Connection, Database, Reader,
        days::{self, Needs},
        export::{self, ExportFilter, ExportRow},
        partitions,
    },
};

/// Columns of the file.
const HEADER: [&str; 11] = [
    "transaction_id",
    "occurred_at",
    "position",
    "asset",
    "asset_decimals",
    "sender_network",
    "sender_address",
    "receiver_network",
    "receiver_address",
    "amount",
    "reference",
];

/// Which rows are wanted.
#[derive(Clone, Debug)]
pub struct ExportQuestion {
    /// Of when.
    pub window: Window,
    /// Of whom.
    pub subject: ExportSubject,
    /// Of this asset only.
    pub asset_code: Option<String>,
}

/// Whose rows are wanted.
#[derive(Clone, Debug)]
pub enum ExportSubject {
    /// Everybody's.
    Everybody,
    /// Those of the wallets of a user, by UUID or username.
    User(String),
    /// Those of an account.
    Account(AccountKey),
}

/// How far an export is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExportProgress {
    /// Days that are written.
    pub days_done: u64,
    /// Days with a partition in the window.
    pub days_total: u64,
    /// Rows that are written.
    pub rows: u64,
}

impl ExportProgress {
    /// After the day with this place among all, from 0 on.
    pub(super) fn after(place: usize, days: usize, rows: u64) -> Self {
        Self { days_done: place as u64 + 1, days_total: days as u64, rows }
    }
}

/// Writes the rows of a window; returns how many, and the output again. `told` is called after
/// each day. Can be dropped at any moment, however long the output takes.
///
/// # Errors
/// If what is asked for is not there, rows of the window are not at hand, the database fails,
/// or the file cannot be written. Then what was written is no whole export.
pub async fn export<W: Write + Send + 'static>(
    database: &Database,
    question: &ExportQuestion,
    output: W,
    mut told: impl FnMut(ExportProgress),
) -> Result<(u64, W), FileError> {
    let client = database.connect().await?;
    let tx = export::snapshot(&client).await?;
    days::refuse(Reader::Connection(&client), question.window, Needs::Rows).await?;
    let filter = filter(&client, question).await?;
    let windows: Vec<Window> = partitions::list(&client)
        .await?
        .iter()
        .filter_map(|leaf| cut(question.window, leaf.lower_at, leaf.upper_at))
        .collect();
    let mut sheet = Sheet::start(output, HEADER)?;
    for (place, window) in windows.iter().enumerate() {
        let mut found = export::rows(&client, *window, &filter).await?;
        while let Some(row) = found.next().await? {
            push_row(&mut sheet, &row).await?;
        }
        told(ExportProgress::after(place, windows.len(), sheet.count()));
    }
    let written = sheet.finish().await?;
    tx.roll_back().await?;
    Ok(written)
}

async fn filter(client: &Connection, question: &ExportQuestion) -> Result<ExportFilter, FileError> {
    let not_found = |what, name: &str| FileError::NotFound { what, name: name.to_owned() };
    let account_ids = match &question.subject {
        ExportSubject::Everybody => None,
        ExportSubject::User(name) => Some(
            export::wallets(client, parse_user_uuid(name), name)
                .await?
                .ok_or_else(|| not_found("user", name))?,
        ),
        ExportSubject::Account(key) => {
            let found = export::account(client, key).await?;
            Some(vec![found.ok_or_else(|| not_found("account", key.address().as_str()))?])
        }
    };
    let asset_id = match &question.asset_code {
        None => None,
        Some(code) => {
            Some(export::asset(client, code).await?.ok_or_else(|| not_found("asset", code))?)
        }
    };
    Ok(ExportFilter { account_ids, asset_id })
}

/// The part of a window that lies on a day.
pub(super) fn cut(
    window: Window,
    lower_at: DateTime<Utc>,
    upper_at: DateTime<Utc>,
) -> Option<Window> {
    Window::new(window.start().max(lower_at), window.end().min(upper_at))
}

async fn push_row<W: Write + Send + 'static>(
    sheet: &mut Sheet<W>,
    row: &ExportRow,
) -> Result<(), FileError> {
    let at = row.occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let [sender_network, sender_address] = &row.sender;
    let [receiver_network, receiver_address] = &row.receiver;
    let fields = [
        &row.transaction_id.to_string(),
        &at,
        &row.position.to_string(),
        &row.asset_code,
        &row.asset_decimals.to_string(),
        sender_network,
        sender_address,
        receiver_network,
        receiver_address,
        &row.amount.to_string(),
        row.reference.as_deref().unwrap_or_default(),
    ];
    sheet.push(fields).await
}
