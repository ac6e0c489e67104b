//! Rows as CSV, in the form that the mapping `daybook` reads. One snapshot, a day at a time.
//!
//! They are written on a thread of their own, which may wait as long as it likes for whoever
//! reads them: an export that is given up leaves it behind.

use std::{
    io::{self, Write},
    mem, thread,
};

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::sync::{mpsc, oneshot};

use crate::{
    domain::{account::AccountKey, user::parse_user_uuid, window::Window},
    files::{csv::append_record, error::FileError},
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

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

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
    let mut writer = Writer::start(output)?;
    let mut text = Vec::new();
    append_record(&mut text, HEADER.map(str::as_bytes));
    let mut rows = 0;
    for (place, window) in windows.iter().enumerate() {
        let mut found = export::rows(&client, *window, &filter).await?;
        while let Some(row) = found.next().await? {
            append_row(&mut text, &row);
            rows += 1;
            if text.len() >= BUFFER_BYTES {
                writer.write(mem::take(&mut text)).await?;
            }
        }
        let (days_done, days_total) = (place as u64 + 1, windows.len() as u64);
        told(ExportProgress { days_done, days_total, rows });
    }
    writer.write(text).await?;
    let output = writer.finish().await?;
    tx.roll_back().await?;
    Ok((rows, output))
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
fn cut(window: Window, lower_at: DateTime<Utc>, upper_at: DateTime<Utc>) -> Option<Window> {
    Window::new(window.start().max(lower_at), window.end().min(upper_at))
}

fn append_row(text: &mut Vec<u8>, row: &ExportRow) {
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
    append_record(text, fields.map(str::as_bytes));
}

/// An output, and the thread that writes to it.
struct Writer<W> {
    texts: mpsc::Sender<Vec<u8>>,
    ended: oneshot::Receiver<io::Result<W>>,
}

impl<W: Write + Send + 'static> Writer<W> {
    fn start(output: W) -> Result<Self, FileError> {
        let (texts, coming) = mpsc::channel(1);
        let (end, ended) = oneshot::channel();
        // Not one of the runtime's threads, which waits for them when it ends.
        thread::Builder::new()
            .name("file writer".to_owned())
            .spawn(move || {
                // Nobody waits for it any more where this fails.
                let _ = end.send(write_all(output, coming));
            })
            .map_err(io_error)?;
        Ok(Self { texts, ended })
    }

    async fn write(&mut self, text: Vec<u8>) -> Result<(), FileError> {
        if self.texts.send(text).await.is_ok() {
            return Ok(());
        }
        match (&mut self.ended).await {
            Ok(Err(source)) => Err(io_error(source)),
            Ok(Ok(_)) | Err(_) => Err(io_error(io::ErrorKind::BrokenPipe.into())),
        }
    }

    async fn finish(self) -> Result<W, FileError> {
        drop(self.texts);
        match self.ended.await {
            Ok(output) => output.map_err(io_error),
            Err(_) => Err(io_error(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

fn write_all<W: Write>(mut output: W, mut coming: mpsc::Receiver<Vec<u8>>) -> io::Result<W> {
    while let Some(text) = coming.blocking_recv() {
        output.write_all(&text)?;
    }
    output.flush()?;
    Ok(output)
}

fn io_error(source: io::Error) -> FileError {
    FileError::Io { path: "the output".into(), source }
}
