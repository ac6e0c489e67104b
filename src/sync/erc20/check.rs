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

/// Most accounts of a token of which a sample is taken: all of them are measured for it.
const ACCOUNTS_MAX: u64 = 1_000_000;

/// Checks the token of a stream whose time for it has come. What the source cannot tell is no fault
/// of the walk.
///
/// # Errors
/// If the database fails.
pub(super) async fn check(lease: &Lease, asker: &Asker, stream: &Stream) -> Result<(), JobError> {
    // Balances are whole only from the beginning of the chain on.
    let Some(node) = asker.node().filter(|_| stream.first_height == 0) else { return Ok(()) };
    if !token_checks::is_due(&lease.database, stream.asset_id, CHECK_INTERVAL).await? {
        return Ok(());
    }
    let sample = token_checks::sample(&lease.database, stream, SAMPLED, ACCOUNTS_MAX).await?;
    let Some(sample) = sample else { return Ok(()) };
    match compare(asker, node, stream, &sample).await {
        Ok(outcome) => {
            token_checks::note_check(&lease.database, stream.asset_id, &outcome).await?;
            Ok(())
        }
        Err(JobError::Store(error)) => Err(JobError::Store(error)),
        Err(error) => {
            tracing::info!(%error, "a token could not be held against its contract");
            Ok(())
        }
    }
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
