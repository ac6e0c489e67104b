//! What an export reads, in one snapshot on a connection of its own: a slow reader of the file
//! must not run into the time limit of pooled statements.

use std::pin::Pin;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use tokio_postgres::{Client, Row, RowStream, types::ToSql};
use uuid::Uuid;

use crate::{
    domain::{account::AccountKey, decimal::Decimal, window::Window},
    store::{
        StoreError,
        instant::Micros,
        numeric::Numeric,
        statement::{Statement, statement},
        tx::Tx,
    },
};

/// A recorded transaction, with the names of what it refers to.
#[derive(Clone, Debug)]
pub struct ExportRow {
    /// Its id.
    pub transaction_id: Uuid,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// Order among rows of the instant.
    pub position: i64,
    /// How much.
    pub amount: Decimal,
    /// What groups it with others.
    pub reference: Option<String>,
    /// Code of the asset.
    pub asset_code: String,
    /// Decimals of the asset.
    pub asset_decimals: i16,
    /// Network and address of who sent.
    pub sender: [String; 2],
    /// Network and address of who received.
    pub receiver: [String; 2],
}

/// Opens the snapshot of an export; the caller ends it with [`Tx::roll_back`].
///
/// # Errors
/// If the connection is gone.
pub async fn snapshot(client: &Client) -> Result<Tx<'_>, StoreError> {
    Tx::snapshot(client, "export").await
}

/// The key of an account, if it is there.
///
/// # Errors
/// If the database cannot answer.
pub async fn account(client: &Client, key: &AccountKey) -> Result<Option<i64>, StoreError> {
    let (network, address) = (key.network().as_str(), key.address().as_str());
    let rows = statement!("export_account").query(client, &[&network, &address]).await?;
    Ok(rows.first().map(|row| row.get("account_id")))
}

/// The keys of the accounts that a user tracks, if there is the user.
///
/// # Errors
/// If the database cannot answer.
pub async fn wallets(
    client: &Client,
    user_uuid: Option<Uuid>,
    username: &str,
) -> Result<Option<Vec<i64>>, StoreError> {
    let rows = statement!("export_wallets").query(client, &[&user_uuid, &username]).await?;
    Ok(rows.first().map(|row| row.get("account_ids")))
}

/// The key of an asset, if it is there.
///
/// # Errors
/// If the database cannot answer.
pub async fn asset(client: &Client, code: &str) -> Result<Option<i32>, StoreError> {
    let rows = statement!("export_asset").query(client, &[&code]).await?;
    Ok(rows.first().map(|row| row.get("asset_id")))
}

/// Which rows of a window are wanted.
#[derive(Clone, Debug, Default)]
pub struct ExportFilter {
    /// Those of these accounts only.
    pub account_ids: Option<Vec<i64>>,
    /// Those of this asset only.
    pub asset_id: Option<i32>,
}

/// Rows of a window in their order, as they come: few of them are in memory at once.
pub struct ExportRows {
    rows: Pin<Box<RowStream>>,
    stem: &'static str,
}

/// Asks for the rows of a window of at most a day, which are sorted together.
///
/// # Errors
/// If the database cannot answer.
pub async fn rows(
    client: &Client,
    window: Window,
    filter: &ExportFilter,
) -> Result<ExportRows, StoreError> {
    let (start, end) =
        (Micros(window.start().timestamp_micros()), Micros(window.end().timestamp_micros()));
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&start, &end, &filter.asset_id];
    let Statement { stem, text } = match &filter.account_ids {
        None => statement!("export_rows"),
        Some(account_ids) => {
            params.push(account_ids);
            statement!("export_rows_accounts")
        }
    };
    let rows = client
        .query_raw(text, params)
        .await
        .map_err(|source| StoreError::from_postgres(stem, source))?;
    Ok(ExportRows { rows: Box::pin(rows), stem })
}

impl ExportRows {
    /// The next row; `None` after the last one.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn next(&mut self) -> Result<Option<ExportRow>, StoreError> {
        let row = self.rows.try_next().await;
        let row = row.map_err(|source| StoreError::from_postgres(self.stem, source))?;
        Ok(row.as_ref().map(export_row))
    }
}

fn export_row(row: &Row) -> ExportRow {
    let Numeric(amount) = row.get("amount");
    ExportRow {
        transaction_id: row.get("transaction_id"),
        occurred_at: row.get("occurred_at"),
        position: row.get("position"),
        amount,
        reference: row.get("reference"),
        asset_code: row.get("asset_code"),
        asset_decimals: row.get("asset_decimals"),
        sender: [row.get("sender_network"), row.get("sender_address")],
        receiver: [row.get("receiver_network"), row.get("receiver_address")],
    }
}
