//! Wallets as syncing sees them: which are due, whose they are, and how it stands with each.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{account::AccountKey, decimal::Decimal, job::JobState},
    store::{
        Database, Reader, StoreError, accounts::account_key, numeric::Numeric,
        statement::statement, sync_jobs::Progress,
    },
};

/// An account that somebody tracks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrackedAccount {
    /// Its key in the database.
    pub account_id: i64,
    /// The account.
    pub account: AccountKey,
}

fn tracked(row: &Row, stem: &'static str) -> Result<TrackedAccount, StoreError> {
    Ok(TrackedAccount { account_id: row.get("account_id"), account: account_key(row, stem)? })
}

/// Wallets on these networks whose time has come, `count_max` at most.
///
/// # Errors
/// If the database cannot answer.
pub async fn due_wallets(
    database: &Database,
    networks: &[&str],
    interval: Duration,
    count_max: i64,
) -> Result<Vec<TrackedAccount>, StoreError> {
    let params = [&networks as _, &interval.as_secs_f64() as _, &count_max as _];
    let answer = database.read(statement!("sync_wallets_due"), &params).await?;
    answer.value.iter().map(|row| tracked(row, "sync_wallets_due")).collect()
}

/// Streams of tokens on these networks whose time has come, `count_max` at most.
///
/// # Errors
/// If the database cannot answer.
pub async fn due_tokens(
    database: &Database,
    networks: &[&str],
    interval: Duration,
    count_max: i64,
) -> Result<Vec<i64>, StoreError> {
    let params = [&networks as _, &interval.as_secs_f64() as _, &count_max as _];
    let answer = database.read(statement!("sync_tokens_due"), &params).await?;
    Ok(answer.value.iter().map(|row| row.get("stream_id")).collect())
}

/// Those of these accounts that somebody tracks.
///
/// # Errors
/// If the database cannot answer.
pub async fn tracked_accounts(
    database: &Database,
    account_ids: &[i64],
) -> Result<Vec<TrackedAccount>, StoreError> {
    let answer = database.read(statement!("sync_account_keys"), &[&account_ids]).await?;
    answer.value.iter().map(|row| tracked(row, "sync_account_keys")).collect()
}

/// A user's wallets on these networks, by network and address; `None` for an unknown user.
///
/// # Errors
/// If the database cannot answer.
pub async fn wallets_of_user(
    database: &Database,
    user_uuid: Uuid,
    networks: &[&str],
) -> Result<Option<Vec<TrackedAccount>>, StoreError> {
    let statement = statement!("sync_wallets_of_user");
    let rows = database.read(statement, &[&user_uuid, &networks]).await?.value;
    if rows.is_empty() {
        return Ok(None);
    }
    let found = rows.iter().filter(|row| row.get::<_, Option<i64>>("account_id").is_some());
    found.map(|row| tracked(row, "sync_wallets_of_user")).collect::<Result<_, _>>().map(Some)
}

/// Whether a user tracks an account.
///
/// # Errors
/// If the database cannot answer.
pub async fn is_tracked(
    database: &Database,
    user_uuid: Uuid,
    account: &AccountKey,
) -> Result<bool, StoreError> {
    let (network, address) = (account.network().as_str(), account.address().as_str());
    let params = [&user_uuid as _, &network as _, &address as _];
    let answer = database.read(statement!("sync_is_tracked"), &params).await?;
    Ok(answer.value.first().is_some_and(|row| row.get("is_tracked")))
}

/// How it stands with a wallet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WalletSync {
    /// Its account.
    pub account_id: i64,
    /// The job that is not over, if there is one: its id, its state, what was said of it.
    pub job: Option<(Uuid, JobState, Option<String>)>,
    /// How far that job has come.
    pub progress: Progress,
    /// When a job last reached the head.
    pub synced_at: Option<DateTime<Utc>>,
    /// Rows from here on are recorded; `None`: from the beginning.
    pub complete_from: Option<DateTime<Utc>>,
    /// Rows before this instant are recorded; `None`: never synced whole.
    pub complete_until: Option<DateTime<Utc>>,
    /// Decimals of the coin.
    pub decimals: u32,
    /// Transactions that were not in a block at the last scan.
    pub unconfirmed_count: i64,
    /// What they would bring.
    pub unconfirmed_received: Decimal,
    /// What they would take.
    pub unconfirmed_sent: Decimal,
}

/// How it stands with the wallets of these accounts: those that were ever asked to be synced.
///
/// # Errors
/// If the database cannot answer.
pub async fn sync_of_accounts(
    reader: Reader<'_>,
    account_ids: &[i64],
) -> Result<Vec<WalletSync>, StoreError> {
    let answer = reader.read(statement!("sync_of_accounts"), &[&account_ids]).await?;
    let sync = |row: &Row| {
        let job: Option<Uuid> = row.get("job_id");
        WalletSync {
            account_id: row.get("account_id"),
            job: job.map(|id| (id, JobState::of(row.get("state")), row.get("message"))),
            progress: Progress {
                done: row.get::<_, Option<i64>>("progress").unwrap_or(0),
                of: row.get("progress_of"),
                source: None,
            },
            synced_at: row.get("synced_at"),
            complete_from: row.get("complete_from"),
            complete_until: row.get("complete_until"),
            decimals: crate::store::assets::decimals(row),
            unconfirmed_count: row.get("unconfirmed_count"),
            unconfirmed_received: row.get::<_, Numeric>("received").0,
            unconfirmed_sent: row.get::<_, Numeric>("sent").0,
        }
    };
    Ok(answer.value.iter().map(sync).collect())
}
