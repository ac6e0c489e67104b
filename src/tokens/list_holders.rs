//! Who holds a token, as of a block.
//!
//! Both sides of all rows up to the block, and of those of a span of time before it, come from
//! running totals in one snapshot. Addresses are looked up for the accounts of the page alone,
//! and for those that hold as much as one of them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use crate::tokens::as_of::{AsOf, AsOfQuestion};
use crate::{
    domain::{
        account::AccountKey,
        decimal::Decimal,
        holders::{Candidates, Holders, Nets, change_percent},
        token::Token,
    },
    error::{Error, ErrorKind},
    store::{
        Reader, Snapshot, StoreError,
        days::{self, Needs},
        list_holders::{Flows, PlacedHolder, RowSpan, in_order_of_addresses},
    },
    tokens::{Tokens, as_of, find, recorded},
};

/// Most balances below zero that are named.
const NEGATIVE_NAMED_MAX: usize = 10;

/// A question for a page of holders.
#[derive(Clone, Debug)]
pub struct HoldersQuestion {
    /// The contract of the token.
    pub contract: AccountKey,
    /// As of when.
    pub as_of: AsOfQuestion,
    /// The span before that, whose changes are told.
    pub span: TimeDelta,
    /// Most holders on the page.
    pub page_size: usize,
    /// Balance and address of the holder whom the page is behind; `None` for the first page.
    pub after: Option<(Decimal, String)>,
}

/// A holder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holder {
    /// Competition rank, from 1.
    pub rank: i64,
    /// The address.
    pub address: String,
    /// What it holds.
    pub balance: Decimal,
    /// What that is of the supply, in percent; `None` without a supply.
    pub share_percent: Option<Decimal>,
    /// What it held less at the beginning of the span.
    pub change: Decimal,
    /// That in percent of what it held then; `None` if it held nothing.
    pub change_percent: Option<Decimal>,
}

/// A page of holders, from one snapshot.
#[derive(Clone, Debug)]
pub struct HoldersAnswer {
    /// The token.
    pub token: Token,
    /// The page, largest first.
    pub holders: Vec<Holder>,
    /// Whether another page follows.
    pub has_more: bool,
    /// The block that everything is as of.
    pub as_of: AsOf,
    /// Changes are those of rows after this instant; `None` if nothing is known of any block.
    pub changes_after: Option<DateTime<Utc>>,
    /// Number of holders on all pages.
    pub holder_count: usize,
    /// What was minted less what was burnt.
    pub supply: Decimal,
    /// Sum of all holders' balances.
    pub balance_sum: Decimal,
    /// Number of accounts that sent more than they received.
    pub negative_count: usize,
    /// Sum of their balances.
    pub negative_sum: Decimal,
    /// Those farthest below zero, with their balances.
    pub negative: Vec<(String, Decimal)>,
    /// How long the database took.
    pub took: Duration,
}

impl Tokens {
    /// A page of the holders of a token.
    ///
    /// # Errors
    /// `NotFound` for an unknown token; `InTheWay` for one of which no block is recorded, and for
    /// a page of blocks that are gone; `InvalidArgument` for a block that is not recorded;
    /// `BeyondLimit` for a token that is too large; `FailedPrecondition` where rows of days
    /// are needed that are not at hand; what the database says.
    pub async fn list_holders(&self, question: &HoldersQuestion) -> Result<HoldersAnswer, Error> {
        let snapshot = days::noted_snapshot(&self.database).await?;
        let outcome = list(&snapshot, question, self.accounts_max).await;
        // A refusal is an answer too: its snapshot ends in order.
        let ended = snapshot.end().await;
        Ok(HoldersAnswer { took: ended?, ..outcome? })
    }
}

async fn list(
    session: &Snapshot,
    question: &HoldersQuestion,
    accounts_max: u64,
) -> Result<HoldersAnswer, Error> {
    let token = find(session, &question.contract).await?;
    let as_of = as_of::find(session, recorded(&token)?, &question.as_of).await?;
    let changes_after = as_of.at.and_then(|at| at.checked_sub_signed(question.span));
    let all = as_of.all(token.asset_id);
    let changes = changes_after.and_then(|after| as_of.after(token.asset_id, after));
    let all = read(session, all, accounts_max).await?.ok_or_else(too_many)?;
    let changes = read(session, changes, accounts_max).await?.ok_or_else(too_many)?;
    let nets = measure(all).await?.ok_or_else(too_many)?;
    let (holders, candidates) = order(nets, &token, question).await?;
    let (placed, has_more) = place(session, &candidates, question).await?;
    let account_ids: Vec<i64> = placed.iter().map(|holder| holder.account_id).collect();
    let changes = changes.nets_of(&account_ids)?;
    let negative = name_negative(session, &holders).await?;
    let rows = placed.into_iter().zip(changes).map(|(placed, change)| {
        let balance = holders.balance_at(placed.rank);
        Holder {
            rank: placed.rank,
            address: placed.address,
            share_percent: holders.share(&balance),
            change_percent: change_percent(&balance, &change),
            change,
            balance,
        }
    });
    Ok(HoldersAnswer {
        holders: rows.collect(),
        has_more,
        as_of,
        changes_after,
        holder_count: holders.count(),
        supply: holders.supply.clone(),
        balance_sum: holders.balance_sum.clone(),
        negative_count: holders.negative_count(),
        negative_sum: holders.negative_sum.clone(),
        negative,
        took: Duration::ZERO,
        token,
    })
}

/// Reads both sides of a span of rows, if there is one; `None` for too many accounts.
pub(super) async fn read(
    session: &Snapshot,
    span: Option<RowSpan>,
    accounts_max: u64,
) -> Result<Option<Flows>, Error> {
    let Some(span) = span else { return Ok(Some(Flows::none())) };
    days::refuse(Reader::Snapshot(session), span.window, Needs::Totals).await?;
    Ok(Flows::read(session, span, accounts_max).await?)
}

/// What every account received less what it sent, on a thread of its own: many accounts take
/// their time, and nothing else waits for it. `None` if they are too many.
pub(super) async fn measure(flows: Flows) -> Result<Option<Nets>, Error> {
    let nets = tokio::task::spawn_blocking(move || flows.nets()).await;
    Ok(nets.map_err(internal)??)
}

fn too_many() -> Error {
    Error::new(ErrorKind::BeyondLimit("more accounts ever had the token than --holders-max"))
}

/// Puts accounts in order, on a thread of its own, and finds those that may stand on the page.
async fn order(
    nets: Nets,
    token: &Token,
    question: &HoldersQuestion,
) -> Result<(Holders, Candidates), Error> {
    let (zero_account_id, size) = (token.zero_account_id, question.page_size);
    let after = question.after.as_ref().map(|(balance, _)| balance.clone());
    let ordered = tokio::task::spawn_blocking(move || {
        let holders = Holders::new(nets, zero_account_id);
        let candidates = holders.candidates(after.as_ref(), size);
        (holders, candidates)
    });
    ordered.await.map_err(internal)
}

/// The holders of the page, and whether there is another one.
async fn place(
    session: &Snapshot,
    candidates: &Candidates,
    question: &HoldersQuestion,
) -> Result<(Vec<PlacedHolder>, bool), StoreError> {
    let limit = i64::try_from(question.page_size.saturating_add(1)).unwrap_or(i64::MAX);
    let after = question.after.as_ref().map_or("", |(_, address)| address);
    let mut placed = in_order_of_addresses(session, candidates, after, limit).await?;
    let has_more = placed.len() > question.page_size;
    placed.truncate(question.page_size);
    Ok((placed, has_more))
}

/// Addresses and balances of the accounts farthest below zero.
async fn name_negative(
    session: &Snapshot,
    holders: &Holders,
) -> Result<Vec<(String, Decimal)>, StoreError> {
    let candidates = holders.negative_candidates(NEGATIVE_NAMED_MAX);
    if candidates.account_ids.is_empty() {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(NEGATIVE_NAMED_MAX).unwrap_or(i64::MAX);
    let placed = in_order_of_addresses(session, &candidates, "", limit).await?;
    let named = placed.into_iter();
    Ok(named.map(|placed| (placed.address, holders.negative_at(placed.rank))).collect())
}

fn internal(source: tokio::task::JoinError) -> Error {
    Error::with_source(ErrorKind::Internal, source)
}
