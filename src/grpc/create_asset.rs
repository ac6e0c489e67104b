//! `LedgerService.CreateAsset`.

use crate::{
    domain::{
        access::Identity,
        asset::{DECIMALS_MAX, NewAsset, is_asset_code},
        user::is_new_name,
    },
    error::Error,
    grpc::{
        decode,
        pb::v1::{CreateAssetRequest, CreateAssetResponse},
        violations::Violations,
    },
    ledger::Ledger,
};

/// What a client is told about a code that is none.
const CODE_HINT: &str = "must be 1 to 64 characters, without control characters";

pub(super) async fn create_asset(
    ledger: &Ledger,
    request: &CreateAssetRequest,
    by: &Identity,
) -> Result<CreateAssetResponse, Error> {
    let asset = ledger.create_asset(&new_asset(request)?, by).await?;
    Ok(CreateAssetResponse { asset: Some(decode::asset_pb(asset)) })
}

fn new_asset(request: &CreateAssetRequest) -> Result<NewAsset, Error> {
    let mut violations = Violations::default();
    let code = decode::plain(&request.code, is_asset_code, "code", CODE_HINT, &mut violations);
    let name =
        decode::plain(&request.name, is_new_name, "name", decode::NAME_HINT, &mut violations);
    let decimals = request.decimals.and_then(|decimals| u32::try_from(decimals).ok());
    let decimals = violations.require(
        decimals.filter(|&decimals| decimals <= DECIMALS_MAX),
        "decimals",
        format!("must be set: 0 to {DECIMALS_MAX}"),
    );
    let new = (|| {
        Some(NewAsset { code: code?.to_owned(), name: name?.to_owned(), decimals: decimals? })
    })();
    violations.finish(new)
}
