//! `LedgerService.ListUsers`.

use crate::{
    domain::{
        access::Scope,
        user::{NAME_LENGTH_MAX, USERNAME_LENGTH_MAX},
    },
    error::Error,
    grpc::{
        decode, page_token,
        pb::v1::{ListUsersRequest, ListUsersResponse},
        violations::Violations,
    },
    ledger::{Ledger, list_users::UserFilter},
};

pub(super) async fn list_users(
    ledger: &Ledger,
    request: &ListUsersRequest,
    scope: Scope,
) -> Result<ListUsersResponse, Error> {
    let cleared = ListUsersRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let mut violations = Violations::default();
    let size = decode::list_size(request.page_size, &mut violations);
    let after = page_token::position(digest, &request.page_token, &mut violations);
    let prefix = &request.username_prefix;
    let prefix = decode::prefix(prefix, USERNAME_LENGTH_MAX, "username_prefix", &mut violations);
    let part = decode::prefix(&request.search, NAME_LENGTH_MAX, "search", &mut violations);
    let checked = size.zip(after).zip(prefix.zip(part));
    let ((size, after), (prefix, part)) = violations.finish(checked)?;
    let filter = UserFilter { prefix, part, owner: scope.owner() };
    let page = ledger.list_users(filter, &after, size).await?;
    Ok(ListUsersResponse {
        users: page.rows.into_iter().map(decode::user_pb).collect(),
        next_page_token: page_token::next(digest, page.next_after.as_deref()),
    })
}
