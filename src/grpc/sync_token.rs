//! `SyncService.SyncToken`.

use crate::{
    domain::{account::NetworkKind, chain::HEIGHT_MAX},
    error::Error,
    grpc::{
        decode::{self, AccountFields},
        pb::v1::{SyncTokenRequest, SyncTokenResponse},
        sync_job::job_pb,
        violations::Violations,
    },
    sync::{Sync, request::Priority},
};

pub(super) async fn sync_token(
    sync: &Sync,
    request: &SyncTokenRequest,
) -> Result<SyncTokenResponse, Error> {
    let mut violations = Violations::default();
    let contract = match &request.token {
        Some(token) => decode::account_parts(
            &token.network,
            &token.contract,
            AccountFields { network: "token.network", address: "token.contract" },
            &mut violations,
        ),
        None => violations.require(None, "token", "must be set"),
    };
    if let Some(contract) = &contract
        && !matches!(contract.network().kind(), NetworkKind::Ethereum { .. })
    {
        violations.add("token.network", "must be ethereum, or evm- and the number of a chain");
    }
    let is_height = |height: i64| (0..=HEIGHT_MAX).contains(&height);
    let hint = format!("must be a block's height, 0 to {HEIGHT_MAX}");
    if request.from_block.is_some_and(|height| !is_height(height)) {
        violations.add("from_block", hint);
    }
    if let Some(to_block) = request.to_block
        && !(is_height(to_block) && to_block >= request.from_block.unwrap_or(0))
    {
        violations.add("to_block", "must be a block's height, at least from_block");
    }
    let contract = violations.finish(contract)?;
    let from = request.from_block;
    let stream = sync
        .token_stream(contract.network(), contract.address().as_str(), from, request.to_block)
        .await?;
    let requested = sync.request(stream.stream_id, Priority::Requested).await?;
    Ok(SyncTokenResponse {
        job: Some(job_pb(requested.job)),
        is_cooling_down: requested.is_cooling_down,
    })
}
