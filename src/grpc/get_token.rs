//! `TokenService.GetToken`.

use crate::{
    domain::{
        job::JobState,
        token::{Token, TokenCheck, TokenStream},
    },
    error::Error,
    grpc::{
        decode,
        pb::v1::{self, GetTokenRequest, GetTokenResponse},
        token_service::{block_pb, contract_alone, key_pb, verdict_pb},
    },
    tokens::{Tokens, get_token::TokenTotals},
};

pub(super) async fn get_token(
    tokens: &Tokens,
    request: &GetTokenRequest,
) -> Result<GetTokenResponse, Error> {
    let contract = contract_alone(request.token.as_ref())?;
    let answer = tokens.get_token(&contract).await?;
    Ok(GetTokenResponse {
        database_seconds: answer.took.as_secs_f64(),
        token: Some(token_pb(&answer.token, answer.totals.as_ref())),
    })
}

fn token_pb(token: &Token, totals: Option<&TokenTotals>) -> v1::Token {
    let stream = token.stream.as_ref();
    let head = stream.and_then(|stream| Some((stream.head.as_ref()?, stream)));
    let counts = totals.and_then(|totals| totals.counts);
    let supply = totals.map(|totals| totals.supply.to_text(token.decimals));
    v1::Token {
        token: Some(key_pb(token)),
        name: token.name.clone(),
        symbol: token.symbol.clone(),
        decimals: i32::try_from(token.decimals).unwrap_or(i32::MAX),
        asset: token.asset_code.clone(),
        head: head.map(|(head, stream)| block_pb(head, stream)),
        first_height: stream.map_or(0, |stream| stream.first_height),
        last_height: stream.and_then(|stream| stream.last_height),
        supply: supply.unwrap_or_default(),
        holder_count: counts.map(|(holders, _)| decode::count_pb(holders)),
        negative_count: counts.map(|(_, negative)| decode::count_pb(negative)),
        transfer_count: stream.map_or(0, |stream| stream.transfer_count),
        other_count: stream.map_or(0, |stream| stream.other_count),
        sync_state: i32::from(sync_state(stream)),
        synced_at: stream.and_then(|stream| stream.synced_at).map(decode::timestamp),
        verdict: verdict_pb(token.verdict()),
        check: token.check.as_ref().map(|check| check_pb(check, token.decimals)),
    }
}

fn sync_state(stream: Option<&TokenStream>) -> v1::TokenSyncState {
    let Some(stream) = stream else { return v1::TokenSyncState::Never };
    match stream.job {
        Some(JobState::Queued) => v1::TokenSyncState::Queued,
        Some(JobState::Running) => v1::TokenSyncState::Running,
        Some(JobState::Parked) => v1::TokenSyncState::Parked,
        Some(JobState::Succeeded) | None if stream.head.is_none() => v1::TokenSyncState::Never,
        Some(JobState::Succeeded) | None => v1::TokenSyncState::Idle,
    }
}

fn check_pb(check: &TokenCheck, decimals: u32) -> v1::TokenCheck {
    let contract_supply = check.contract_supply.as_ref();
    v1::TokenCheck {
        checked_at: Some(decode::timestamp(check.checked_at)),
        height: check.height,
        sampled_count: check.sampled,
        differing_count: check.differing,
        recorded_supply: check.recorded_supply.to_text(decimals),
        contract_supply: contract_supply.map(|supply| supply.to_text(decimals)).unwrap_or_default(),
    }
}
