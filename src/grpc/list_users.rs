//! `LedgerService.ListUsers`.

use crate::{
    domain::user::USERNAME_LENGTH_MAX,
    error::Error,
    grpc::{
        decode, page_token,
        pb::v1::{ListUsersRequest, ListUsersResponse},
        violations::Violations,
    },
    ledger::Ledger,
};

pub(super) async fn list_users(
    ledger: &Ledger,
    request: &ListUsersRequest,
) -> Result<ListUsersResponse, Error> {
    let cleared = ListUsersRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let mut violations = Violations::default();
    let size = decode::list_size(request.page_size, &mut violations);
    let after = page_token::position(digest, &request.page_token, &mut violations);
    let prefix = &request.username_prefix;
    let prefix = decode::prefix(prefix, USERNAME_LENGTH_MAX, "username_prefix", &mut violations);
    let ((size, after), prefix) = violations.finish(size.zip(after).zip(prefix))?;
    let page = ledger.list_users(prefix, &after, size).await?;
    Ok(ListUsersResponse {
        users: page.rows.into_iter().map(decode::user_pb).collect(),
        next_page_token: page_token::next(digest, page.next_after.as_deref()),
    })
}
