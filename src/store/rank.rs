//! The exact moments of every member of a population in a window: from totals by day and
//! the rows of the days that the window cuts, or, to verify them, from all of its rows.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{account::Network, direction::Direction, metric::Moments, window::Window},
    store::{
        StoreError, day_sums::DaySums, numeric::Numeric, pool::Reader,
        session::Snapshot as Session, statement::statement,
    },
};

/// What moved in a window, per member, as of one snapshot.
#[derive(Debug)]
pub struct Snapshot<M> {
    /// Every member of the population, idle ones too, in no order.
    pub members: Vec<(M, Moments)>,
    /// The database's clock at the snapshot.
    pub as_of: DateTime<Utc>,
    /// What it was made of; nothing for what was scanned.
    pub made: MadeOf,
    /// Whether there are as many members as are measured at most, or more; then none was.
    pub is_cut: bool,
}

impl<M> Snapshot<M> {
    fn empty() -> Self {
        let made = MadeOf::default();
        Self { members: Vec::new(), as_of: DateTime::default(), made, is_cut: false }
    }

    /// Of a population that is too large.
    fn cut() -> Self {
        Self { is_cut: true, ..Self::empty() }
    }
}

/// What a measurement from running totals was made of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MadeOf {
    /// Day cells.
    pub cells: u64,
    /// Corrections.
    pub corrections: i64,
    /// Rows.
    pub rows: i64,
    /// Days of which rows were read.
    pub partitions: i64,
    /// Rows before this instant are all sealed; asked for, and `None` if all rows are.
    pub sealed_until: Option<DateTime<Utc>>,
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
    /// A population with so many members is too large to be measured.
    pub members_max: i64,
    /// Whether it is wanted until when everything is sealed.
    pub with_sealed_until: bool,
}

impl Measure {
    /// Whether so many members are too many. Found out before anything is read of them.
    fn cuts(&self, members: usize) -> bool {
        i64::try_from(members).is_ok_and(|members| members >= self.members_max)
    }
}

/// Measures every user, from running totals.
///
/// # Errors
/// If the database cannot answer.
pub async fn rank_users(
    session: &Session,
    measure: Measure,
) -> Result<Snapshot<RankedUser>, StoreError> {
    let Some(users) = read_users(session, &measure).await? else { return Ok(Snapshot::empty()) };
    measure_users(session, &users, measure).await
}

/// Measures every user twice, from running totals: as senders and as receivers, in this order.
/// The direction of `measure` means nothing.
///
/// # Errors
/// If the database cannot answer.
pub async fn rank_users_on_both_sides(
    session: &Session,
    measure: Measure,
) -> Result<[Snapshot<RankedUser>; 2], StoreError> {
    let Some(users) = read_users(session, &measure).await? else {
        return Ok([Snapshot::empty(), Snapshot::empty()]);
    };
    let on = |direction| Measure { direction, ..measure };
    let (sent, received) = tokio::try_join!(
        measure_users(session, &users, on(Direction::Sender)),
        measure_users(session, &users, on(Direction::Receiver)),
    )?;
    Ok([sent, received])
}

async fn read_users(
    session: &Session,
    measure: &Measure,
) -> Result<Option<UserColumns>, StoreError> {
    let rows = session.rows(statement!("rank_users"), &[&measure.members_max]).await?;
    Ok(rows.first().map(UserColumns::read))
}

async fn measure_users(
    session: &Session,
    users: &UserColumns,
    measure: Measure,
) -> Result<Snapshot<RankedUser>, StoreError> {
    if measure.cuts(users.user_ids.len()) {
        return Ok(Snapshot::cut());
    }
    let sums = DaySums::read(session, &measure).await?;
    let (moments, made) = sums.of_owners(users.user_ids.len(), &users.wallets())?;
    let names = users.user_uuids.iter().zip(&users.usernames);
    let members = names.map(|(user_uuid, username)| RankedUser {
        user_uuid: *user_uuid,
        username: username.clone(),
    });
    let members = members.zip(moments).collect();
    Ok(Snapshot { members, as_of: users.as_of, made, is_cut: false })
}

/// Measures every account of a network, from running totals; members are addresses.
///
/// # Errors
/// If the database cannot answer.
pub async fn rank_accounts(
    session: &Session,
    measure: Measure,
    network: &Network,
) -> Result<Snapshot<String>, StoreError> {
    let network = network.as_str();
    let params = [&network as _, &measure.members_max as _];
    let rows = session.rows(statement!("rank_accounts"), &params).await?;
    let Some(row) = rows.first() else { return Ok(Snapshot::empty()) };
    let accounts: Vec<i64> = row.get("account_ids");
    if measure.cuts(accounts.len()) {
        return Ok(Snapshot::cut());
    }
    let sums = DaySums::read(session, &measure).await?;
    let addresses: Vec<String> = row.get("addresses");
    let mut owned: Vec<_> =
        accounts.into_iter().enumerate().map(|(owner, account)| (account, owner)).collect();
    owned.sort_unstable();
    let (moments, made) = sums.of_owners(addresses.len(), &owned)?;
    let members = addresses.into_iter().zip(moments).collect();
    Ok(Snapshot { members, as_of: row.get("as_of"), made, is_cut: false })
}

/// Who is ranked among users, and which accounts are whose.
struct UserColumns {
    as_of: DateTime<Utc>,
    user_ids: Vec<i64>,
    user_uuids: Vec<Uuid>,
    usernames: Vec<String>,
    wallet_user_ids: Vec<i64>,
    wallet_account_ids: Vec<i64>,
}

impl UserColumns {
    fn read(row: &Row) -> Self {
        Self {
            as_of: row.get("as_of"),
            user_ids: row.get("user_ids"),
            user_uuids: row.get("user_uuids"),
            usernames: row.get("usernames"),
            wallet_user_ids: row.get("wallet_user_ids"),
            wallet_account_ids: row.get("wallet_account_ids"),
        }
    }

    /// Accounts with the place of the user who tracks them, accounts ascending.
    fn wallets(&self) -> Vec<(i64, usize)> {
        let owner = |user_id: &i64| self.user_ids.binary_search(user_id).ok();
        let wallets = self.wallet_user_ids.iter().zip(&self.wallet_account_ids);
        let mut wallets: Vec<_> = wallets
            .filter_map(|(user_id, account_id)| Some((*account_id, owner(user_id)?)))
            .collect();
        wallets.sort_unstable();
        wallets
    }
}

/// Measures every user by reading all rows of the window.
///
/// # Errors
/// If the database cannot answer.
pub async fn rank_users_of_rows(
    reader: Reader<'_>,
    measure: Measure,
) -> Result<Snapshot<RankedUser>, StoreError> {
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
    let answer = reader.read(statement, &params).await?;
    Ok(snapshot(&answer.value, |row| {
        let user_uuid = row.get::<_, Option<Uuid>>("user_uuid")?;
        Some(RankedUser { user_uuid, username: row.get("username") })
    }))
}

/// Measures every account of a network by reading all rows of the window.
///
/// # Errors
/// If the database cannot answer.
pub async fn rank_accounts_of_rows(
    reader: Reader<'_>,
    measure: Measure,
    network: &Network,
) -> Result<Snapshot<String>, StoreError> {
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
    let answer = reader.read(statement, &params).await?;
    Ok(snapshot(&answer.value, |row| row.get::<_, Option<String>>("address")))
}

fn snapshot<M>(rows: &[Row], member: impl Fn(&Row) -> Option<M>) -> Snapshot<M> {
    let as_of = rows.first().map_or_else(DateTime::default, |row| row.get("as_of"));
    let members = rows.iter().filter_map(|row| Some((member(row)?, moments(row)))).collect();
    Snapshot { members, as_of, made: MadeOf::default(), is_cut: false }
}

fn moments(row: &Row) -> Moments {
    Moments {
        count: row.get("transaction_count"),
        sum: row.get::<_, Numeric>("sum_amount").0,
        sum_of_squares: row.get::<_, Numeric>("sum_of_squares").0,
    }
}
