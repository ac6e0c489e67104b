//! Whether a token's events explain what its contract says: some balances, and the supply, are
//! asked of the contract as of a final block and held against the rows.
//!
//! Tokens whose balances change without an event (rebasing ones, wrapped coins) are found out here.
//! A source that cannot tell leaves it as it was.

use std::time::Duration;

use crate::{
    domain::{decimal::Decimal, erc20::Address},
    outbound::ethereum::Node,
    store::{
        sync_streams::Stream,
        token_checks::{self, CheckOutcome, Sample},
    },
    sync::{
        erc20::{asker::Asker, unsigned},
        error::JobError,
        lease::Lease,
    },
};

/// Balances that are compared.
const SAMPLED: usize = 50;

/// Time between two checks of a token.
const CHECK_INTERVAL: Duration = Duration::from_secs(86_400);

/// Longest time for a check, after which the walk ends without.
const CHECK_TIME_MAX: Duration = Duration::from_secs(120);

/// Most accounts of a token of which a sample is taken: all of them are measured for it.
const ACCOUNTS_MAX: u64 = 1_000_000;

/// Checks the token of a stream whose time for it has come. Whatever goes wrong is no fault of the
/// walk: it is logged, and the check is tried again when its time has come anew.
pub(super) async fn check(lease: &Lease, asker: &Asker, stream: &Stream) {
    // Balances are whole only from the beginning of the chain on.
    let Some(node) = asker.node().filter(|_| stream.first_height == 0) else { return };
    let outcome = tokio::time::timeout(CHECK_TIME_MAX, try_check(lease, asker, node, stream)).await;
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "a token could not be held against its contract");
        }
        Err(_) => tracing::warn!("a token was not held against its contract: it took too long"),
    }
}

async fn try_check(
    lease: &Lease,
    asker: &Asker,
    node: &Node,
    stream: &Stream,
) -> Result<(), JobError> {
    let database = &lease.database;
    if !token_checks::is_due(database, stream.asset_id, CHECK_INTERVAL).await? {
        return Ok(());
    }
    token_checks::note_try(database, stream.stream_id).await?;
    let sample = token_checks::sample(database, stream, SAMPLED, ACCOUNTS_MAX).await?;
    let Some(sample) = sample else { return Ok(()) };
    let outcome = compare(asker, node, stream, &sample).await?;
    token_checks::note_check(database, stream.asset_id, &outcome).await?;
    Ok(())
}

async fn compare(
    asker: &Asker,
    node: &Node,
    stream: &Stream,
    sample: &Sample,
) -> Result<CheckOutcome, JobError> {
    let height = unsigned(sample.height);
    let holders: Vec<(Address, &Decimal)> = sample
        .balances
        .iter()
        .filter_map(|(address, balance)| Some((Address::parse(address)?, balance)))
        .collect();
    let mut differing = 0;
    for batch in holders.chunks(Node::BATCH_MAX) {
        let addresses: Vec<Address> = batch.iter().map(|(address, _)| *address).collect();
        let said = asker.call(node.balances(asker.token(), &addresses, height)).await?;
        differing += batch
            .iter()
            .zip(&said)
            .filter(|((_, recorded), said)| said.to_decimal(stream.decimals) != **recorded)
            .count();
    }
    let supply = asker.call(node.total_supply(asker.token(), height)).await?;
    Ok(CheckOutcome {
        height: sample.height,
        sampled: i32::try_from(holders.len()).unwrap_or(i32::MAX),
        differing: i32::try_from(differing).unwrap_or(i32::MAX),
        recorded_supply: sample.supply.clone(),
        contract_supply: supply.map(|supply| supply.to_decimal(stream.decimals)),
    })
}
