//! Draws what the verifier checks next.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::{
    domain::{
        account::{AccountKey, Network},
        direction::Direction,
        window::Window,
    },
    store::{StoreError, session::Snapshot, statement::statement},
};

/// A part of a stored leaf cell.
#[derive(Clone, Debug)]
pub struct LeafPick {
    /// Number of the account, 0 for all accounts together.
    pub account_id: i64,
    /// The account; `None` for all accounts together.
    pub account: Option<AccountKey>,
    /// Of what.
    pub asset_id: i32,
    /// On which side.
    pub direction: Direction,
    /// The part: all of it lies in the cell, and all of its rows are at hand.
    pub window: Window,
}

/// A day of a network.
#[derive(Clone, Debug)]
pub struct DayPick {
    /// Whose accounts.
    pub network: Network,
    /// Of what.
    pub asset_id: i32,
    /// On which side.
    pub direction: Direction,
    /// The day, whose rows are at hand.
    pub window: Window,
}

/// Draws a part of a leaf cell that reaches so far at most to either side of an instant: of
/// some account's tree, or of that of all accounts. `None` where there is none, or by chance.
///
/// # Errors
/// If the database cannot answer.
pub async fn pick_leaf(
    snapshot: &Snapshot,
    of_all: bool,
    reach: Duration,
) -> Result<Option<LeafPick>, StoreError> {
    let reach = reach.as_secs_f64();
    let rows = snapshot.rows(statement!("verifier_pick"), &[&of_all, &reach]).await?;
    Ok(rows.first().and_then(|row| {
        let account = match row.get::<_, Option<&str>>("network") {
            Some(network) => Some(AccountKey::as_recorded(network, row.get("address"))?),
            None => None,
        };
        Some(LeafPick {
            account_id: row.get("account_id"),
            account,
            asset_id: row.get("asset_id"),
            direction: direction(row),
            window: window(row)?,
        })
    }))
}

/// Draws a day. `None` where there is none, or by chance.
///
/// # Errors
/// If the database cannot answer.
pub async fn pick_day(snapshot: &Snapshot) -> Result<Option<DayPick>, StoreError> {
    let rows = snapshot.rows(statement!("verifier_pick_day"), &[]).await?;
    Ok(rows.first().and_then(|row| {
        Some(DayPick {
            network: Network::parse(row.get("network"))?,
            asset_id: row.get("asset_id"),
            direction: direction(row),
            window: window(row)?,
        })
    }))
}

fn window(row: &Row) -> Option<Window> {
    Window::new(row.get::<_, DateTime<Utc>>("start_at"), row.get("end_at"))
}

fn direction(row: &Row) -> Direction {
    match row.get::<_, i16>("direction") {
        0 => Direction::Sender,
        _ => Direction::Receiver,
    }
}
