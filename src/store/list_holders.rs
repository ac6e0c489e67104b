//! What a list of holders is made of: both sides of an asset's rows up to a block, from running
//! totals, and the addresses of a page.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::{
    domain::{
        decimal::Decimal,
        direction::Direction,
        holders::{Candidates, Nets},
        running_total::sums::ScaledSums,
        window::Window,
    },
    store::{
        Snapshot, StoreError,
        day_sums::{DaySums, cell_bytes, nets, sums_of},
        instant::Micros,
        rank::Measure,
        statement::statement,
    },
};

/// Bytes of stored cells for each account that may be measured, at most: some tens for each span
/// of days that it took part in. What is larger is not read.
const CELL_BYTES_OF_ACCOUNT: u64 = 256;

/// Which rows count.
#[derive(Clone, Copy, Debug)]
pub struct RowSpan {
    /// Of which asset.
    pub asset_id: i32,
    /// Rows of this window count.
    pub window: Window,
    /// Except those of an instant in it with such a position or a later one: rows of later blocks
    /// of the same time.
    pub beyond: Option<(DateTime<Utc>, i64)>,
}

/// What was read of some rows.
pub struct Flows {
    /// What they received and what they sent; `None` where there are no rows.
    sides: Option<(DaySums, DaySums)>,
    /// What accounts received less what they sent in rows of the window that do not count.
    beyond: Vec<(i64, ScaledSums)>,
    accounts_max: u64,
}

impl Flows {
    /// Those of no rows.
    #[must_use]
    pub fn none() -> Self {
        Self { sides: None, beyond: Vec::new(), accounts_max: 0 }
    }

    /// Reads what all accounts received and sent; `None` if that is more than `accounts_max`
    /// accounts can come to.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn read(
        session: &Snapshot,
        span: RowSpan,
        accounts_max: u64,
    ) -> Result<Option<Self>, StoreError> {
        let bytes = cell_bytes(session, span.asset_id, span.window).await?;
        if bytes > accounts_max.saturating_mul(CELL_BYTES_OF_ACCOUNT) {
            return Ok(None);
        }
        let measure = |direction| Measure {
            asset_id: span.asset_id,
            window: span.window,
            direction,
            needs_squares: false,
            members_max: i64::MAX,
            with_sealed_until: false,
        };
        let (receiver, sender) = (measure(Direction::Receiver), measure(Direction::Sender));
        let (received, sent, beyond) = tokio::try_join!(
            DaySums::read(session, &receiver),
            DaySums::read(session, &sender),
            read_beyond(session, span),
        )?;
        Ok(Some(Self { sides: Some((received, sent)), beyond, accounts_max }))
    }

    /// What every account that took part received less what it sent; `None` if these are more
    /// than may be measured. Takes its time where they are many.
    ///
    /// # Errors
    /// If a stored total cannot be read.
    pub fn nets(&self) -> Result<Option<Nets>, StoreError> {
        match &self.sides {
            Some((received, sent)) => nets(received, sent, &self.beyond, self.accounts_max),
            None => Ok(Some(Nets::default())),
        }
    }

    /// What these accounts received less what they sent, in their order. None may come twice.
    ///
    /// # Errors
    /// If a stored total cannot be read.
    pub fn nets_of(&self, account_ids: &[i64]) -> Result<Vec<Decimal>, StoreError> {
        let Some((received, sent)) = &self.sides else {
            return Ok(vec![Decimal::zero(); account_ids.len()]);
        };
        let mut places: Vec<_> =
            account_ids.iter().enumerate().map(|(place, account)| (*account, place)).collect();
        places.sort_unstable();
        let (received, _) = received.of_owners(account_ids.len(), &places)?;
        let (sent, _) = sent.of_owners(account_ids.len(), &places)?;
        let mut nets: Vec<_> = received
            .iter()
            .zip(&sent)
            .map(|(received, sent)| received.sum.minus(&sent.sum))
            .collect();
        for (account_id, sums) in &self.beyond {
            if let Ok(found) = places.binary_search_by_key(account_id, |(account, _)| *account) {
                let net = &mut nets[places[found].1];
                *net = net.minus(&sums.to_moments().sum);
            }
        }
        Ok(nets)
    }
}

async fn read_beyond(
    session: &Snapshot,
    span: RowSpan,
) -> Result<Vec<(i64, ScaledSums)>, StoreError> {
    let Some((instant, position)) = span.beyond else { return Ok(Vec::new()) };
    let instant = Micros(instant.timestamp_micros());
    let params = [&span.asset_id as _, &instant as _, &position as _];
    let rows = session.rows(statement!("list_holders_beyond"), &params).await?;
    Ok(rows.iter().map(|row| (row.get("account_id"), sums_of(row))).collect())
}

/// An account that stands on a page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlacedHolder {
    /// Its key.
    pub account_id: i64,
    /// Its competition rank.
    pub rank: i64,
    /// Its address.
    pub address: String,
}

/// The first `limit` of some accounts by rank, then by address; those that hold as much as the
/// holder whom the page is behind only behind the address `after`.
///
/// # Errors
/// If the database cannot answer.
pub async fn in_order_of_addresses(
    session: &Snapshot,
    candidates: &Candidates,
    after: &str,
    limit: i64,
) -> Result<Vec<PlacedHolder>, StoreError> {
    let Candidates { account_ids, ranks, tied } = candidates;
    let tied_rank = if *tied == 0 { None } else { ranks.first() };
    let params = [account_ids as _, ranks as _, &tied_rank as _, &after as _, &limit as _];
    let rows = session.rows(statement!("list_holders_addresses"), &params).await?;
    let placed = |row: &Row| PlacedHolder {
        account_id: row.get("account_id"),
        rank: row.get("rank"),
        address: row.get("address"),
    };
    Ok(rows.iter().map(placed).collect())
}
