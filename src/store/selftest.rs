//! A client from outside, for the selftest: writes users, wallets and transactions in plain
//! SQL through the tables, in txs of every kind. And the end of a scratch schema.
//!
//! It stands for programs that are not Daybook's, so it begins and ends its txs itself.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::SinkExt;
use tokio_postgres::{Client, Row, types::ToSql};
use uuid::Uuid;

use crate::store::{
    Database, StoreError, StoreErrorKind,
    leaf::Leaf,
    statement::{Statement, statement},
};

/// Times that dropping a schema is tried again where others are still at work in it.
const DROP_TRIES: u32 = 5;

/// How much a tx sees of others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Isolation {
    /// What is committed when each statement begins.
    ReadCommitted,
    /// What was committed when the tx first looked.
    RepeatableRead,
    /// The same, and refused where no order of the txs explains what they saw.
    Serializable,
}

/// A transaction as it is written.
#[derive(Clone, Debug)]
pub struct LedgerRow {
    /// Its id.
    pub transaction_id: Uuid,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// From which account.
    pub sender_id: i64,
    /// To which account.
    pub receiver_id: i64,
    /// Of what.
    pub asset_id: i32,
    /// How much, as plain decimal text.
    pub amount: String,
}

/// What the selftest has to know of the server.
#[derive(Clone, Copy, Debug)]
pub struct SelftestFacts {
    /// Today's midnight, UTC.
    pub today_at: DateTime<Utc>,
    /// Txs that may be prepared at once.
    pub prepared_max: i32,
}

/// A connection of a client from outside.
pub struct Outsider {
    client: Client,
    prepared: HashMap<&'static str, tokio_postgres::Statement>,
}

impl Outsider {
    /// Connects. Commits are not waited for until they are on disk: what a crash leaves is
    /// not what a selftest looks at.
    ///
    /// # Errors
    /// If the database does not accept the connection.
    pub async fn connect(database: &Database) -> Result<Self, StoreError> {
        let outsider = Self { client: database.connect().await?, prepared: HashMap::new() };
        outsider.batch("SET synchronous_commit = off").await?;
        Ok(outsider)
    }

    /// Begins a tx.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn begin(&self, isolation: Isolation) -> Result<(), StoreError> {
        self.batch(match isolation {
            Isolation::ReadCommitted => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Isolation::RepeatableRead => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Isolation::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        })
        .await
    }

    /// Reads something: a tx that sees one snapshot sees this one from now on.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn look(&mut self) -> Result<(), StoreError> {
        self.rows(statement!("selftest_look"), &[]).await.map(drop)
    }

    /// Commits; a tx that has failed is not taken for committed.
    ///
    /// # Errors
    /// If the tx had failed before, or is refused now.
    pub async fn commit(&self) -> Result<(), StoreError> {
        self.batch("SELECT; COMMIT").await
    }

    /// Gives the tx up.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn roll_back(&self) -> Result<(), StoreError> {
        self.batch("ROLLBACK").await
    }

    /// Marks a place in the tx to go back to.
    ///
    /// # Errors
    /// If the tx has failed.
    pub async fn mark(&self) -> Result<(), StoreError> {
        self.batch("SAVEPOINT mark").await
    }

    /// Undoes what the tx did since its mark.
    ///
    /// # Errors
    /// If there is no mark.
    pub async fn undo(&self) -> Result<(), StoreError> {
        self.batch("ROLLBACK TO mark; RELEASE mark").await
    }

    /// Prepares the tx under a name of plain letters, digits, `_` and `:`. The statement
    /// takes no parameters, so the name goes into its text.
    ///
    /// # Errors
    /// If the tx has failed, or the server prepares none.
    pub async fn prepare(&self, name: &str) -> Result<(), StoreError> {
        self.batch(&format!("SELECT; PREPARE TRANSACTION '{name}'")).await
    }

    /// Commits a prepared tx, or rolls it back.
    ///
    /// # Errors
    /// If there is none of that name.
    pub async fn finish(&self, name: &str, is_committed: bool) -> Result<(), StoreError> {
        let verb = if is_committed { "COMMIT" } else { "ROLLBACK" };
        self.batch(&format!("{verb} PREPARED '{name}'")).await
    }

    /// Inserts rows in one statement; returns how many.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert(&mut self, rows: &[LedgerRow]) -> Result<u64, StoreError> {
        let ids: Vec<_> = rows.iter().map(|row| row.transaction_id).collect();
        let instants: Vec<_> = rows.iter().map(|row| row.occurred_at).collect();
        let senders: Vec<_> = rows.iter().map(|row| row.sender_id).collect();
        let receivers: Vec<_> = rows.iter().map(|row| row.receiver_id).collect();
        let assets: Vec<_> = rows.iter().map(|row| row.asset_id).collect();
        let amounts: Vec<_> = rows.iter().map(|row| row.amount.as_str()).collect();
        let params: [&(dyn ToSql + Sync); 6] =
            [&ids, &instants, &senders, &receivers, &assets, &amounts];
        self.execute(statement!("selftest_insert"), &params).await
    }

    /// Loads rows with COPY; returns how many.
    ///
    /// # Errors
    /// What the database says.
    pub async fn copy(&mut self, rows: &[LedgerRow]) -> Result<u64, StoreError> {
        let statement = statement!("selftest_copy");
        let lines = rows.iter().map(|row| {
            let occurred_at = row.occurred_at.format("%Y-%m-%d %H:%M:%S%.6f+00");
            format!(
                "{}\t{occurred_at}\t{}\t{}\t{}\t{}\n",
                row.transaction_id, row.sender_id, row.receiver_id, row.asset_id, row.amount
            )
        });
        let text: String = lines.collect();
        let outcome = async {
            let sink = self.client.copy_in::<_, Bytes>(statement.text).await?;
            let mut sink = std::pin::pin!(sink);
            sink.send(Bytes::from(text)).await?;
            sink.finish().await
        };
        outcome.await.map_err(|source| StoreError::from_postgres(statement.stem, source))
    }

    /// Corrects one row; returns how many were found.
    ///
    /// # Errors
    /// What the database says.
    pub async fn update(&mut self, from: &LedgerRow, to: &LedgerRow) -> Result<u64, StoreError> {
        let params: [&(dyn ToSql + Sync); 9] = [
            &from.transaction_id,
            &from.occurred_at,
            &from.sender_id,
            &from.asset_id,
            &to.occurred_at,
            &to.sender_id,
            &to.receiver_id,
            &to.asset_id,
            &to.amount,
        ];
        self.execute(statement!("selftest_update"), &params).await
    }

    /// Moves rows in time by so many microseconds; returns how many.
    ///
    /// # Errors
    /// What the database says.
    pub async fn shift(&mut self, rows: &[LedgerRow], micros: i64) -> Result<u64, StoreError> {
        let Some((ids, first, last)) = span(rows) else { return Ok(0) };
        self.execute(statement!("selftest_move"), &[&ids, &first, &last, &micros]).await
    }

    /// Deletes rows; returns how many.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete(&mut self, rows: &[LedgerRow]) -> Result<u64, StoreError> {
        let Some((ids, first, last)) = span(rows) else { return Ok(0) };
        self.execute(statement!("selftest_delete"), &[&ids, &first, &last]).await
    }

    /// Records a user with a payments account that it tracks; returns the keys of both.
    ///
    /// # Errors
    /// What the database says.
    pub async fn add_user(
        &mut self,
        user_uuid: Uuid,
        username: &str,
    ) -> Result<(i64, i64), StoreError> {
        let params: [&(dyn ToSql + Sync); 2] = [&user_uuid, &username];
        let rows = self.rows(statement!("selftest_add_user"), &params).await?;
        Ok(rows.first().map_or((0, 0), |row| (row.get("user_id"), row.get("account_id"))))
    }

    /// Records an account; returns its key.
    ///
    /// # Errors
    /// What the database says.
    pub async fn add_account(&mut self, network: &str, address: &str) -> Result<i64, StoreError> {
        let rows = self.rows(statement!("selftest_add_account"), &[&network, &address]).await?;
        Ok(rows.first().map_or(0, |row| row.get("account_id")))
    }

    /// Records an asset.
    ///
    /// # Errors
    /// What the database says.
    pub async fn add_asset(&mut self, code: &str, decimals: i16) -> Result<(), StoreError> {
        self.execute(statement!("selftest_add_asset"), &[&code, &decimals]).await.map(drop)
    }

    /// Has a user track an account or not; returns how many wallets that made or removed.
    ///
    /// # Errors
    /// What the database says.
    pub async fn track(
        &mut self,
        user_id: i64,
        account_id: i64,
        is_tracked: bool,
    ) -> Result<u64, StoreError> {
        let params: [&(dyn ToSql + Sync); 2] = [&user_id, &account_id];
        if is_tracked {
            self.execute(statement!("selftest_track"), &params).await
        } else {
            self.execute(statement!("selftest_untrack"), &params).await
        }
    }

    /// Takes a day off the table of transactions.
    ///
    /// # Errors
    /// What the database says.
    pub async fn detach(&self, leaf: &Leaf) -> Result<(), StoreError> {
        self.batch(&leaf.put_into(statement!("selftest_detach"))).await
    }

    /// Puts a day back that was detached.
    ///
    /// # Errors
    /// What the database says.
    pub async fn attach(&self, leaf: &Leaf) -> Result<(), StoreError> {
        self.batch(&leaf.put_into(statement!("selftest_attach"))).await
    }

    /// Frees the places of corrections that are gone.
    ///
    /// # Errors
    /// What the database says.
    pub async fn vacuum(&self) -> Result<(), StoreError> {
        statement!("selftest_vacuum").batch(&self.client).await
    }

    /// What the selftest has to know of the server.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn facts(&mut self) -> Result<SelftestFacts, StoreError> {
        let rows = self.rows(statement!("selftest_facts"), &[]).await?;
        Ok(SelftestFacts {
            today_at: rows.first().map_or_else(Utc::now, |row| row.get("today_at")),
            prepared_max: rows.first().map_or(0, |row| row.get("prepared_max")),
        })
    }

    /// Ends the connections of this application name; returns how many there were.
    ///
    /// # Errors
    /// If the role may not.
    pub async fn kill(&mut self, application_name: &str) -> Result<usize, StoreError> {
        Ok(self.rows(statement!("selftest_kill"), &[&application_name]).await?.len())
    }

    async fn batch(&self, text: &str) -> Result<(), StoreError> {
        let outcome = self.client.batch_execute(text).await;
        outcome.map_err(|source| StoreError::from_postgres("selftest", source))
    }

    async fn execute(
        &mut self,
        statement: Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        let prepared = self.prepared(statement).await?;
        let outcome = self.client.execute(&prepared, params).await;
        outcome.map_err(|source| StoreError::from_postgres(statement.stem, source))
    }

    async fn rows(
        &mut self,
        statement: Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let prepared = self.prepared(statement).await?;
        let outcome = self.client.query(&prepared, params).await;
        outcome.map_err(|source| StoreError::from_postgres(statement.stem, source))
    }

    async fn prepared(
        &mut self,
        statement: Statement,
    ) -> Result<tokio_postgres::Statement, StoreError> {
        if let Some(prepared) = self.prepared.get(statement.stem) {
            return Ok(prepared.clone());
        }
        let prepared = self.client.prepare(statement.text).await;
        let prepared =
            prepared.map_err(|source| StoreError::from_postgres(statement.stem, source))?;
        self.prepared.insert(statement.stem, prepared.clone());
        Ok(prepared)
    }
}

/// Whether the schema of this database is there.
///
/// # Errors
/// If the database cannot answer.
pub async fn has_schema(database: &Database) -> Result<bool, StoreError> {
    let mut outsider = Outsider::connect(database).await?;
    let rows = outsider.rows(statement!("selftest_schema"), &[]).await?;
    Ok(rows.first().is_some_and(|row| row.get::<_, Option<String>>("schema").is_some()))
}

/// Drops the schema of this database with all that is in it, and what pg_partman knows of
/// it. Prepared txs whose names begin with `prepared_prefix` are rolled back, and
/// connections of this role that are still at work in the schema are ended.
///
/// # Errors
/// What the database says.
pub async fn drop_schema(database: &Database, prepared_prefix: &str) -> Result<(), StoreError> {
    let mut outsider = Outsider::connect(database).await?;
    for row in outsider.rows(statement!("selftest_prepared"), &[&prepared_prefix]).await? {
        outsider.finish(row.get("gid"), false).await?;
    }
    let mut tries = 0;
    loop {
        outsider.rows(statement!("selftest_let_go"), &[]).await?;
        match statement!("selftest_drop").batch(&outsider.client).await {
            // A statement that was on its way came between.
            Err(error) if error.kind() == StoreErrorKind::Conflict && tries < DROP_TRIES => {
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Ids, first and last instant.
fn span(rows: &[LedgerRow]) -> Option<(Vec<Uuid>, DateTime<Utc>, DateTime<Utc>)> {
    let ids = rows.iter().map(|row| row.transaction_id).collect();
    let first = rows.iter().map(|row| row.occurred_at).min()?;
    let last = rows.iter().map(|row| row.occurred_at).max()?;
    Some((ids, first, last))
}
