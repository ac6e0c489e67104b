//! The exact moments of every member of a population in a window, from the rows.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{account::Network, direction::Direction, metric::Moments, window::Window},
    store::{Database, StoreError, numeric::Numeric, session::Answer, statement::statement},
};

/// What moved in a window, per member, as of one snapshot.
#[derive(Debug)]
pub struct Snapshot<M> {
    /// Every member of the population, idle ones too, in no order.
    pub members: Vec<(M, Moments)>,
    /// The database's clock at the snapshot.
    pub as_of: DateTime<Utc>,
}

/// A user as a ranking shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RankedUser {
    /// The user's UUID.
    pub user_uuid: Uuid,
    /// The user's username.
    pub username: String,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Asset that is counted.
    pub asset_id: i32,
    /// When.
    pub window: Window,
    /// Which side the member is on.
    pub direction: Direction,
    /// Whether sums of squares are wanted; else they are zero.
    pub needs_squares: bool,
    /// Most members that are measured.
    pub members_max: i64,
}

/// Measures every user.
///
/// # Errors
/// If the database cannot answer.
pub async fn rank_users(
    database: &Database,
    measure: Measure,
) -> Result<Answer<Snapshot<RankedUser>>, StoreError> {
    let statement = match measure.direction {
        Direction::Sender => statement!("rank_users_sender"),
        Direction::Receiver => statement!("rank_users_receiver"),
    };
    let (start, end) = (measure.window.start(), measure.window.end());
    let params = [
        &measure.asset_id as _,
        &start as _,
        &end as _,
        &measure.needs_squares as _,
        &measure.members_max as _,
    ];
    let answer = database.read(statement, &params).await?;
    Ok(answer.map(|rows| {
        snapshot(&rows, |row| {
            let user_uuid = row.get::<_, Option<Uuid>>("user_uuid")?;
            Some(RankedUser { user_uuid, username: row.get("username") })
        })
    }))
}

/// Measures every account of a network; members are addresses.
///
/// # Errors
/// If the database cannot answer.
pub async fn rank_accounts(
    database: &Database,
    measure: Measure,
    network: &Network,
) -> Result<Answer<Snapshot<String>>, StoreError> {
    let statement = match measure.direction {
        Direction::Sender => statement!("rank_accounts_sender"),
        Direction::Receiver => statement!("rank_accounts_receiver"),
    };
    let (start, end, network) = (measure.window.start(), measure.window.end(), network.as_str());
    let params = [
        &measure.asset_id as _,
        &start as _,
        &end as _,
        &measure.needs_squares as _,
        &network as _,
        &measure.members_max as _,
    ];
    let answer = database.read(statement, &params).await?;
    Ok(answer.map(|rows| snapshot(&rows, |row| row.get::<_, Option<String>>("address"))))
}

fn snapshot<M>(rows: &[Row], member: impl Fn(&Row) -> Option<M>) -> Snapshot<M> {
    let as_of = rows.first().map_or_else(DateTime::default, |row| row.get("as_of"));
    let members = rows.iter().filter_map(|row| Some((member(row)?, moments(row)))).collect();
    Snapshot { members, as_of }
}

fn moments(row: &Row) -> Moments {
    Moments {
        count: row.get("transaction_count"),
        sum: row.get::<_, Numeric>("sum_amount").0,
        sum_of_squares: row.get::<_, Numeric>("sum_of_squares").0,
    }
}
