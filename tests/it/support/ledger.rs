//! Users and transactions for tests, written in plain SQL through the parent table, as
//! any client may.

use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::Client;
use uuid::Uuid;

/// An instant, from its RFC 3339 text.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A recorded user with a payments account.
#[derive(Clone, Debug)]
pub(crate) struct TestUser {
    pub(crate) user_uuid: Uuid,
    pub(crate) user_id: i64,
    pub(crate) account_id: i64,
}

/// Records a user with a payments account.
pub(crate) async fn add_user(sql: &Client, username: &str) -> TestUser {
    add_known_user(sql, Uuid::new_v4(), username).await
}

/// Records a user of this UUID with a payments account.
pub(crate) async fn add_known_user(sql: &Client, user_uuid: Uuid, username: &str) -> TestUser {
    let row = sql
        .query_one(
            "INSERT INTO users (user_uuid, username, name) VALUES ($1, $2, $2) RETURNING user_id",
            &[&user_uuid, &username],
        )
        .await
        .unwrap();
    let user_id = row.get(0);
    let account_id = add_account(sql, "internal", &user_uuid.to_string()).await;
    track(sql, user_id, account_id).await;
    TestUser { user_uuid, user_id, account_id }
}

/// Records an account.
pub(crate) async fn add_account(sql: &Client, network: &str, address: &str) -> i64 {
    let text = "INSERT INTO accounts (network, address) VALUES ($1, $2) RETURNING account_id";
    sql.query_one(text, &[&network, &address]).await.unwrap().get(0)
}

/// Lets a user track an account.
pub(crate) async fn track(sql: &Client, user_id: i64, account_id: i64) {
    let text = "INSERT INTO user_wallets (user_id, account_id) VALUES ($1, $2)";
    sql.execute(text, &[&user_id, &account_id]).await.unwrap();
}

/// Makes the partitions of these days.
pub(crate) async fn ensure_days(sql: &Client, days: &[&str]) {
    let days: Vec<NaiveDate> = days.iter().map(|day| day.parse().unwrap()).collect();
    sql.query("SELECT ensure_partitions($1, 36500, 100000)", &[&days]).await.unwrap();
}

/// Records a transaction of the seeded asset; the amount is text.
pub(crate) async fn add(sql: &Client, occurred_at: &str, from: i64, to: i64, amount: &str) -> Uuid {
    sql.query_one(
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount) \
         VALUES ($1, $2, $3, 1, $4::text::numeric) RETURNING transaction_id",
        &[&at(occurred_at), &from, &to, &amount],
    )
    .await
    .unwrap()
    .get(0)
}
