//! Holding a token's rows against its contract: which balances to compare, and what came of it.
//!
//! The syncing of a token asks the contract: nobody who asks about a token waits for a node.

use std::{collections::BTreeMap, time::Duration};

use rand::{Rng, seq::index};

use crate::{
    domain::{
        chain::first_position,
        decimal::Decimal,
        holders::{Holders, Nets},
        window::Window,
    },
    error::Error,
    store::{
        Database, Reader, Snapshot, StoreError, days,
        list_holders::{Flows, RowSpan},
        numeric::Numeric,
        statement::statement,
        sync_streams::Stream,
        tokens,
    },
};

/// What rows say as of a block, to be held against the contract's word as of the same block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sample {
    /// The block: one that is not taken back any more.
    pub height: i64,
    /// What was minted less what was burnt.
    pub supply: Decimal,
    /// Addresses with their balances: the largest holders, and others by chance, also such as
    /// hold nothing any more, or less than that.
    pub balances: Vec<(String, Decimal)>,
}

/// What came of a comparison.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CheckOutcome {
    /// The block as of which both sides were asked.
    pub height: i64,
    /// Balances that were compared.
    pub sampled: i32,
    /// Those of them that the contract has otherwise.
    pub differing: i32,
    /// What rows say of the supply.
    pub recorded_supply: Decimal,
    /// What the contract says; `None` if it does not.
    pub contract_supply: Option<Decimal>,
}

/// Up to `wanted` balances to compare, as of the last block of a token's stream that is final;
/// `None` if there is no such block, or if more than `accounts_max` accounts ever had the token.
///
/// # Errors
/// `FailedPrecondition` where the answer needs rows of days that are not at hand; what the database
/// says.
pub async fn sample(
    database: &Database,
    stream: &Stream,
    wanted: usize,
    accounts_max: u64,
) -> Result<Option<Sample>, Error> {
    let snapshot = days::noted_snapshot(database).await?;
    let outcome = sample_in(&snapshot, stream, wanted, accounts_max).await;
    // A refusal is an answer too: its snapshot ends in order.
    let ended = snapshot.end().await;
    let sample = outcome?;
    ended?;
    Ok(sample)
}

async fn sample_in(
    session: &Snapshot,
    stream: &Stream,
    wanted: usize,
    accounts_max: u64,
) -> Result<Option<Sample>, Error> {
    let Some(contract) = &stream.contract else { return Ok(None) };
    // Asked anew: the stream may have moved since.
    let Some(token) = tokens::find(session, &stream.network, contract).await? else {
        return Ok(None);
    };
    let Some(own) = token.stream else { return Ok(None) };
    let Some(head) = own.head else { return Ok(None) };
    let height = own.final_height.min(head.height);
    if height < own.first_height {
        return Ok(None);
    }
    let Some(block) = tokens::block_at_height(session, own.stream_id, height).await? else {
        let (supply, balances) = (Decimal::zero(), Vec::new());
        return Ok(Some(Sample { height, supply, balances }));
    };
    let end = block.mined_at + chrono::Duration::microseconds(1);
    let window = Window::before(Some(end));
    days::refuse(Reader::Snapshot(session), window, days::Needs::Totals).await?;
    let beyond = Some((block.mined_at, first_position(height.saturating_add(1))));
    let span = RowSpan { asset_id: token.asset_id, window, beyond };
    let Some(flows) = Flows::read(session, span, accounts_max).await? else { return Ok(None) };
    let zero_account_id = token.zero_account_id;
    let chosen = tokio::task::spawn_blocking(move || {
        let Some(nets) = flows.nets()? else { return Ok(None) };
        Ok::<_, StoreError>(Some(choose(nets, zero_account_id, wanted, &mut rand::rng())))
    });
    let chosen = chosen
        .await
        .map_err(|source| Error::with_source(crate::error::ErrorKind::Internal, source))?;
    let Some((supply, chosen)) = chosen? else { return Ok(None) };
    let account_ids: Vec<i64> = chosen.keys().copied().collect();
    let rows = session.rows(statement!("token_checks_addresses"), &[&account_ids]).await?;
    let balance = |row: &tokio_postgres::Row| {
        let balance = chosen.get(&row.get("account_id"))?;
        Some((row.get("address"), balance.clone()))
    };
    let balances = rows.iter().filter_map(balance).collect();
    Ok(Some(Sample { height, supply, balances }))
}

/// The supply, and up to `wanted` accounts with their balances: half of them the largest holders,
/// the rest by chance among all that ever took part.
fn choose(
    nets: Nets,
    zero_account_id: Option<i64>,
    wanted: usize,
    random: &mut impl Rng,
) -> (Decimal, BTreeMap<i64, Decimal>) {
    let count = nets.accounts.len();
    let by_chance = index::sample(random, count, wanted.saturating_add(1).min(count));
    let by_chance: Vec<_> = by_chance
        .into_iter()
        .map(|place| &nets.accounts[place])
        .filter(|(account_id, _)| Some(*account_id) != zero_account_id)
        .map(|(account_id, net)| (*account_id, nets.decimal(net)))
        .collect();
    let holders = Holders::new(nets, zero_account_id);
    let mut chosen: BTreeMap<_, _> = holders.in_order().take(wanted.div_ceil(2)).collect();
    for (account_id, balance) in by_chance {
        if chosen.len() >= wanted {
            break;
        }
        chosen.insert(account_id, balance);
    }
    (holders.supply, chosen)
}

/// Whether a token was never held against its contract, or not for so long; nor was it tried.
///
/// # Errors
/// If the database cannot answer.
pub async fn is_due(
    database: &Database,
    asset_id: i32,
    interval: Duration,
) -> Result<bool, StoreError> {
    let params = [&asset_id as _, &interval.as_secs_f64() as _];
    let answer = database.read(statement!("token_checks_due"), &params).await?;
    Ok(answer.value.first().is_some_and(|row| row.get("is_due")))
}

/// Notes that the token of a stream is being held against its contract: if that fails, it is not
/// tried again at once.
///
/// # Errors
/// If the database refuses.
pub async fn note_try(database: &Database, stream_id: i64) -> Result<(), StoreError> {
    database.read(statement!("token_checks_try"), &[&stream_id]).await?;
    Ok(())
}

/// Notes what came of a comparison; the latest one stays.
///
/// # Errors
/// If the database refuses.
pub async fn note_check(
    database: &Database,
    asset_id: i32,
    outcome: &CheckOutcome,
) -> Result<(), StoreError> {
    let recorded = Numeric(outcome.recorded_supply.clone());
    let said = outcome.contract_supply.clone().map(Numeric);
    let CheckOutcome { height, sampled, differing, .. } = outcome;
    let params =
        [&asset_id as _, height as _, sampled as _, differing as _, &recorded as _, &said as _];
    database.read(statement!("token_checks_note"), &params).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::ChaCha12Rng};

    use super::*;
    use crate::domain::running_total::whole::Whole;

    #[test]
    fn the_largest_are_always_compared_and_the_zero_account_never() {
        let net = |id: i64| (id, Whole::Small(i128::from(id - 10)));
        let nets = Nets { scale: 0, accounts: (0..100).map(net).collect() };
        for seed in 0..50 {
            let mut random = ChaCha12Rng::seed_from_u64(seed);
            let (supply, chosen) = choose(nets.clone(), Some(3), 10, &mut random);
            assert_eq!(supply, Decimal::from(7));
            assert_eq!(chosen.len(), 10, "{seed}");
            assert!((95..100).all(|id| chosen.contains_key(&id)), "{seed}: {chosen:?}");
            assert!(!chosen.contains_key(&3), "{seed}");
            assert!(chosen.iter().all(|(id, balance)| *balance == Decimal::from(id - 10)));
        }
        let few = Nets { scale: 0, accounts: vec![net(3), net(20)] };
        let (_, chosen) = choose(few, Some(3), 10, &mut ChaCha12Rng::seed_from_u64(1));
        assert_eq!(chosen.into_iter().collect::<Vec<_>>(), [(20, Decimal::from(10))]);
    }
}
