//! `LedgerService.ListAssets`.

use crate::{
    domain::asset::CODE_LENGTH_MAX,
    error::Error,
    grpc::{
        decode, page_token,
        pb::v1::{ListAssetsRequest, ListAssetsResponse},
        violations::Violations,
    },
    ledger::Ledger,
};

pub(super) async fn list_assets(
    ledger: &Ledger,
    request: &ListAssetsRequest,
) -> Result<ListAssetsResponse, Error> {
    let cleared = ListAssetsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let mut violations = Violations::default();
    let size = decode::list_size(request.page_size, &mut violations);
    let after = page_token::position(digest, &request.page_token, &mut violations);
    let prefix = &request.code_prefix;
    let prefix = decode::prefix(prefix, CODE_LENGTH_MAX, "code_prefix", &mut violations);
    let ((size, after), prefix) = violations.finish(size.zip(after).zip(prefix))?;
    let page = ledger.list_assets(prefix, &after, size).await?;
    Ok(ListAssetsResponse {
        assets: page.rows.into_iter().map(decode::asset_pb).collect(),
        next_page_token: page_token::next(digest, page.next_after.as_deref()),
    })
}
