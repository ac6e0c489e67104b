//! What is known of a token.

use std::time::Duration;

use crate::{
    domain::{account::AccountKey, decimal::Decimal, token::Token},
    error::Error,
    store::{Snapshot, days},
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
    let flows = read(session, as_of.all(token.asset_id)).await?;
    let zero_account_id = token.zero_account_id;
    let supply = match (&flows, zero_account_id) {
        (Some(flows), Some(zero)) => flows.nets_of(&[zero])?.pop(),
        (Some(_) | None, _) => None,
    };
    let supply = supply.map_or_else(Decimal::zero, |net| Decimal::zero().minus(&net));
    let nets = measure(flows, accounts_max).await?;
    let counts = nets.map(|nets| nets.counts(zero_account_id));
    let totals = Some(TokenTotals { as_of, supply, counts });
    Ok(TokenAnswer { token, totals, took: Duration::ZERO })
}
