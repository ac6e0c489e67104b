//! What is known of a token.

use std::time::Duration;

use crate::{
    domain::{
        access::Scope,
        account::AccountKey,
        decimal::Decimal,
        direction::Direction,
        token::{Token, ZERO_ADDRESS},
    },
    error::{Error, ErrorKind},
    store::{
        Reader, Snapshot, days,
        list_holders::RowSpan,
        sum_amount::{Subject, SumQuery, sum_amounts},
    },
    tokens::{
        Tokens,
        as_of::{self, AsOf, AsOfQuestion},
        find,
        list_holders::{measure, read},
        recorded,
    },
};

/// A token, from one snapshot.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// The token.
    pub token: Token,
    /// What it comes to; `None` while no block is recorded.
    pub totals: Option<TokenTotals>,
    /// How long the database took.
    pub took: Duration,
}

/// What a token comes to.
#[derive(Clone, Debug)]
pub struct TokenTotals {
    /// The block that this is as of: the last one that is recorded.
    pub as_of: AsOf,
    /// What was minted less what was burnt.
    pub supply: Decimal,
    /// Number of holders, and of accounts that sent more than they received; `None` if more
    /// accounts ever had the token than are measured.
    pub counts: Option<(usize, usize)>,
}

impl Tokens {
    /// What is known of the token of a contract.
    ///
    /// # Errors
    /// `NotFound` for an unknown one; `FailedPrecondition` where rows of days are needed that are
    /// not at hand; what the database says.
    pub async fn get_token(&self, contract: &AccountKey) -> Result<TokenAnswer, Error> {
        let snapshot = days::noted_snapshot(&self.database).await?;
        let outcome = get(&snapshot, contract, self.accounts_max).await;
        // A refusal is an answer too: its snapshot ends in order.
        let ended = snapshot.end().await;
        Ok(TokenAnswer { took: ended?, ..outcome? })
    }
}

async fn get(
    session: &Snapshot,
    contract: &AccountKey,
    accounts_max: u64,
) -> Result<TokenAnswer, Error> {
    let token = find(session, contract).await?;
    let Ok(recorded) = recorded(&token) else {
        return Ok(TokenAnswer { token, totals: None, took: Duration::ZERO });
    };
    let as_of = as_of::find(session, recorded, &AsOfQuestion::Head).await?;
    let rows = as_of.all(token.asset_id);
    let supply = match rows {
        Some(rows) => supply(session, contract, rows).await?,
        None => Decimal::zero(),
    };
    let nets = match read(session, rows, accounts_max).await? {
        Some(flows) => measure(flows).await?,
        None => None,
    };
    let counts = nets.map(|nets| nets.counts(token.zero_account_id));
    let totals = Some(TokenTotals { as_of, supply, counts });
    Ok(TokenAnswer { token, totals, took: Duration::ZERO })
}

/// What the zero address sent less what it received. Rows up to the last block that is recorded
/// are all that there are.
async fn supply(
    session: &Snapshot,
    contract: &AccountKey,
    rows: RowSpan,
) -> Result<Decimal, Error> {
    let zero = AccountKey::on(contract.network(), ZERO_ADDRESS)
        .map_err(|source| Error::with_source(ErrorKind::Internal, source))?;
    let queries = [Direction::Sender, Direction::Receiver].map(|direction| SumQuery {
        subject: Subject::Account(zero.clone()),
        asset_id: rows.asset_id,
        window: rows.window,
        direction,
        scope: Scope::Everybody,
    });
    let reader = Reader::Snapshot(session);
    let mut sums = Vec::new();
    for sum in sum_amounts(reader, &queries, false).await?.value {
        days::refuse_days(reader, &sum.days_in_the_way).await?;
        // Nobody has met it: nothing was minted.
        sums.push(sum.total.map_or_else(Decimal::zero, |total| total.sum));
    }
    let [sent, received] = sums.as_slice() else { return Err(Error::new(ErrorKind::Internal)) };
    Ok(sent.minus(received))
}
