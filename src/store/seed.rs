//! What the seeder does to the database, step by step. Every step is a tx, and can
//! be repeated after a kill.

use bytes::BytesMut;
use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    domain::{running_total::rows::RowChange, transaction::SeededTransaction},
    store::{
        StoreError, StoreErrorKind,
        binary_copy::CopyBuffer,
        content_hash::{CONTENT_HASH_BYTES, seeded_content_hash},
        leaf::Leaf,
        sealing::{self, Spread},
        statement::{Statement, statement},
        tx::Tx,
    },
};

/// Bytes of an encoded transaction and of an encoded id, about.
const TRANSACTION_BYTES: usize = 96;
const ID_BYTES: usize = 10 + 16 + 20 + CONTENT_HASH_BYTES;

/// The seeding of a database: its parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeedRun {
    /// Users.
    pub user_count: i64,
    /// Transactions.
    pub transaction_count: i64,
    /// First day with transactions.
    pub first_day: NaiveDate,
    /// Days with transactions.
    pub day_count: i64,
    /// Number that the rows are drawn from.
    pub seed_number: i64,
    /// Whether users and hours are drawn unevenly.
    pub is_skewed: bool,
}

/// A user to be recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewUser {
    /// The user's UUID.
    pub user_uuid: Uuid,
    /// Unique username.
    pub username: String,
    /// Name to show.
    pub name: String,
    /// When the user was recorded.
    pub created_at: DateTime<Utc>,
}

/// Whether no other server seeds this schema. If so the lock is ours, as long as the
/// connection lasts.
///
/// # Errors
/// If the database cannot answer.
pub async fn try_lock(client: &Client) -> Result<bool, StoreError> {
    let rows = statement!("seed_lock").query(client, &[]).await?;
    Ok(rows.first().is_some_and(|row| row.get("is_ours")))
}

/// The seeding that this database had, and whether it is finished.
///
/// # Errors
/// If the database cannot answer.
pub async fn find_run(client: &Client) -> Result<Option<(SeedRun, bool)>, StoreError> {
    let rows = statement!("seed_run").query(client, &[]).await?;
    Ok(rows.first().map(|row| {
        let run = SeedRun {
            user_count: row.get("user_count"),
            transaction_count: row.get("transaction_count"),
            first_day: row.get("first_day"),
            day_count: row.get("day_count"),
            seed_number: row.get("seed_number"),
            is_skewed: row.get("is_skewed"),
        };
        (run, row.get("is_finished"))
    }))
}

/// Begins a seeding with its users and their accounts, if the database is empty;
/// says whether it was.
///
/// # Errors
/// If the database refuses; then nothing was begun.
pub async fn begin(client: &Client, run: &SeedRun, users: &[NewUser]) -> Result<bool, StoreError> {
    let tx = Tx::begin(client, "seed_begin").await?;
    statement!("seed_lock_empty").batch(client).await?;
    let rows = statement!("seed_is_empty").query(client, &[]).await?;
    if !rows.first().is_some_and(|row| row.get("is_empty")) {
        tx.roll_back().await?;
        return Ok(false);
    }
    statement!("seed_restart_ids").batch(client).await?;
    statement!("seed_begin")
        .query(
            client,
            &[
                &run.user_count,
                &run.transaction_count,
                &run.first_day,
                &run.day_count,
                &run.seed_number,
                &run.is_skewed,
            ],
        )
        .await?;
    let mut copy = CopyBuffer::with_capacity(users.len() * 96);
    for user in users {
        copy.row(4);
        copy.uuid(user.user_uuid);
        copy.bytea(user.username.as_bytes());
        copy.bytea(user.name.as_bytes());
        copy.timestamptz(user.created_at);
    }
    let statement = statement!("seed_copy_users");
    copy.send(client, statement.stem, statement.text).await?;
    statement!("seed_make_accounts").batch(client).await?;
    tx.commit().await?;
    Ok(true)
}

/// Payments accounts of these users, in the same order.
///
/// # Errors
/// If the database cannot answer.
pub async fn accounts_of(client: &Client, users: &[Uuid]) -> Result<Vec<i64>, StoreError> {
    let rows = statement!("seed_accounts").query(client, &[&users]).await?;
    Ok(rows.iter().map(|row| row.get("account_id")).collect())
}

/// Takes off indexes and the key of the ids.
///
/// # Errors
/// If the database refuses.
pub async fn strip(client: &Client) -> Result<(), StoreError> {
    let tx = Tx::begin(client, "seed_strip").await?;
    statement!("seed_strip").batch(client).await?;
    tx.commit().await
}

/// Days that are loaded already, with their rows.
///
/// # Errors
/// If the database cannot answer.
pub async fn days_loaded(client: &Client) -> Result<Vec<(NaiveDate, i64)>, StoreError> {
    let rows = statement!("seed_days_loaded").query(client, &[]).await?;
    Ok(rows.iter().map(|row| (row.get("day"), row.get("transaction_count"))).collect())
}

/// Days that are loaded and not in the running totals yet, earliest first.
///
/// # Errors
/// If the database cannot answer.
pub async fn days_unsealed(client: &Client) -> Result<Vec<NaiveDate>, StoreError> {
    let rows = statement!("seed_days_unsealed").query(client, &[]).await?;
    Ok(rows.iter().map(|row| row.get("day")).collect())
}

/// Days that are being folded into the running totals, in one tx.
pub struct DaysSealing<'a> {
    tx: Tx<'a>,
}

impl<'a> DaysSealing<'a> {
    /// Begins, once nobody else folds.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn begin(client: &'a Client) -> Result<Self, StoreError> {
        let tx = Tx::begin(client, "seed_seal").await?;
        statement!("seed_seal_lock").query(client, &[]).await?;
        Ok(Self { tx })
    }

    /// Folds rows of the days.
    ///
    /// # Errors
    /// If the database refuses; the tx is then lost.
    pub async fn add(&self, rows: &[RowChange]) -> Result<(), StoreError> {
        sealing::fold(self.tx.client(), rows, Spread::Dense).await
    }

    /// Records that all rows of these days were folded, and commits.
    ///
    /// # Errors
    /// If the database refuses; then none of them is.
    pub async fn finish(self, days: &[NaiveDate]) -> Result<(), StoreError> {
        statement!("seed_days_sealed").query(self.tx.client(), &[&days]).await?;
        self.tx.commit().await
    }
}

/// Begins the tx that keeps writers out until [`finish`].
///
/// # Errors
/// If the database refuses.
pub async fn guard(client: &Client) -> Result<Tx<'_>, StoreError> {
    let tx = Tx::begin(client, "seed_guard").await?;
    statement!("seed_guard").batch(client).await?;
    Ok(tx)
}

/// Checks the references of all rows, puts back what [`strip`] took off and records that the
/// seeding is complete.
///
/// # Errors
/// If a row breaks a reference or an id is there twice.
pub async fn finish(guard: Tx<'_>) -> Result<(), StoreError> {
    let references = statement!("seed_references");
    let rows = references.query(guard.client(), &[]).await?;
    if rows.first().is_none_or(|row| row.get("is_broken")) {
        return Err(StoreError::new(StoreErrorKind::Reference, references.stem));
    }
    statement!("seed_finish").batch(guard.client()).await?;
    guard.commit().await
}

/// Rows encoded for loading: for the partition and for the register of ids.
#[derive(Debug)]
pub struct EncodedRows {
    transactions: CopyBuffer,
    ids: CopyBuffer,
}

/// Encodes rows for loading. Pure work, to be done away from the reactor.
#[must_use]
pub fn encode(rows: &[SeededTransaction]) -> EncodedRows {
    let mut transactions = CopyBuffer::with_capacity(rows.len() * TRANSACTION_BYTES);
    let mut ids = CopyBuffer::with_capacity(rows.len() * ID_BYTES);
    let mut scratch = BytesMut::with_capacity(128);
    for row in rows {
        let scale = u16::try_from(row.amount.scale()).expect("a Decimal has at most 28 decimals");
        transactions.row(7);
        transactions.timestamptz(row.occurred_at);
        transactions.bigint(row.position);
        transactions.bigint(row.sender_id);
        transactions.bigint(row.receiver_id);
        transactions.uuid(row.transaction_id);
        transactions.integer(row.asset_id);
        transactions.numeric(row.amount.mantissa(), scale);
        ids.row(3);
        ids.timestamptz(row.occurred_at);
        ids.uuid(row.transaction_id);
        ids.bytea(&seeded_content_hash(row, &mut scratch));
    }
    EncodedRows { transactions, ids }
}

/// A day that is being loaded, in one tx.
pub struct DayLoad<'a> {
    tx: Tx<'a>,
    leaf: &'a Leaf,
    copy: Statement,
    is_fresh: bool,
    row_count: u64,
}

impl<'a> DayLoad<'a> {
    /// Begins to load the day of this partition.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn begin(client: &'a Client, leaf: &'a Leaf) -> Result<Self, StoreError> {
        let tx = Tx::begin(client, "seed_day").await?;
        tx.batch(&leaf.put_into(statement!("seed_leaf_lock"))).await?;
        let is_empty = leaf.put_into(statement!("seed_leaf_is_empty"));
        let row = client
            .query_one(&is_empty, &[])
            .await
            .map_err(|source| StoreError::from_postgres("seed_leaf_is_empty", source))?;
        let is_fresh: bool = row.get("is_empty");
        let copy = if is_fresh {
            tx.batch(&leaf.put_into(statement!("seed_leaf_truncate"))).await?;
            statement!("seed_leaf_copy_frozen")
        } else {
            statement!("seed_leaf_copy")
        };
        Ok(Self { tx, leaf, copy, is_fresh, row_count: 0 })
    }

    /// Loads rows of the day.
    ///
    /// # Errors
    /// If a row is refused; the tx is then lost.
    pub async fn add(&mut self, rows: EncodedRows) -> Result<u64, StoreError> {
        let client = self.tx.client();
        let text = self.leaf.put_into(self.copy);
        let count = rows.transactions.send(client, self.copy.stem, &text).await?;
        let ids = statement!("seed_copy_ids");
        rows.ids.send(client, ids.stem, ids.text).await?;
        self.row_count += count;
        Ok(count)
    }

    /// Builds the day's indexes and commits it.
    ///
    /// # Errors
    /// If the database refuses; then nothing of the day is there.
    pub async fn finish(self, day: NaiveDate) -> Result<(), StoreError> {
        if self.is_fresh {
            self.tx.batch(&self.leaf.put_into(statement!("seed_leaf_index"))).await?;
        }
        let row_count = i64::try_from(self.row_count).unwrap_or(i64::MAX);
        statement!("seed_day_done").query(self.tx.client(), &[&day, &row_count]).await?;
        self.tx.commit().await
    }
}
