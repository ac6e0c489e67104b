//! Rows of transactions with everything that one can have, written in plain SQL through the
//! parent table.

use chrono::{DateTime, Utc};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::ledger::at;

/// A row that is about to be recorded: 1 of the seeded asset, unless said otherwise.
#[derive(Clone, Debug)]
pub(crate) struct NewRow {
    pub(crate) transaction_id: Uuid,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) position: i64,
    pub(crate) sender_id: i64,
    pub(crate) receiver_id: i64,
    pub(crate) asset_id: i32,
    pub(crate) amount: String,
    pub(crate) reference: Option<String>,
}

impl NewRow {
    /// One between two accounts.
    pub(crate) fn new(occurred_at: &str, sender_id: i64, receiver_id: i64) -> Self {
        Self {
            transaction_id: Uuid::new_v4(),
            occurred_at: at(occurred_at),
            position: 0,
            sender_id,
            receiver_id,
            asset_id: 1,
            amount: "1".to_owned(),
            reference: None,
        }
    }

    /// The same with another amount.
    pub(crate) fn of(self, amount: &str) -> Self {
        Self { amount: amount.to_owned(), ..self }
    }

    /// The same with a reference.
    pub(crate) fn referring_to(self, reference: &str) -> Self {
        Self { reference: Some(reference.to_owned()), ..self }
    }

    /// Records it; returns its id.
    pub(crate) async fn add(&self, sql: &Client) -> Uuid {
        sql.execute(
            "INSERT INTO transactions (transaction_id, occurred_at, position, sender_id,
                 receiver_id, asset_id, amount, reference)
             VALUES ($1, $2, $3, $4, $5, $6, $7::text::numeric, $8)",
            &[
                &self.transaction_id,
                &self.occurred_at,
                &self.position,
                &self.sender_id,
                &self.receiver_id,
                &self.asset_id,
                &self.amount,
                &self.reference,
            ],
        )
        .await
        .unwrap_or_else(|error| panic!("{self:?}: {error:?}"));
        self.transaction_id
    }
}

/// Records an asset.
pub(crate) async fn add_asset(sql: &Client, code: &str, decimals: i16) -> i32 {
    let text = "INSERT INTO assets (code, name, decimals) VALUES ($1, $1, $2) RETURNING asset_id";
    sql.query_one(text, &[&code, &decimals]).await.unwrap().get(0)
}
