//! `LedgerService.ListUsers`.

use crate::{
    domain::user::User,
    error::Error,
    grpc::{
        decode, page_token,
        pb::v1::{self, ListUsersRequest, ListUsersResponse},
        violations::Violations,
    },
    ledger::Ledger,
};

/// Rows in an answer where the request does not say.
const PAGE_SIZE_DEFAULT: usize = 100;

/// Most rows in an answer.
const PAGE_SIZE_MAX: usize = 1_000;

pub(super) async fn list_users(
    ledger: &Ledger,
    request: &ListUsersRequest,
) -> Result<ListUsersResponse, Error> {
    let digest = page_token::digest(&ListUsersRequest::default());
    let mut violations = Violations::default();
    let size =
        decode::page_size(request.page_size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, &mut violations);
    let after = match request.page_token.as_str() {
        "" => Some(String::new()),
        token => violations.require(
            page_token::read(digest, token),
            "page_token",
            page_token::TOKEN_HINT,
        ),
    };
    let (size, after) = violations.finish(size.zip(after))?;
    let page = ledger.list_users(&after, size).await?;
    Ok(ListUsersResponse {
        users: page.users.into_iter().map(user).collect(),
        next_page_token: page
            .next_after
            .map(|username| page_token::write(digest, &username))
            .unwrap_or_default(),
    })
}

fn user(user: User) -> v1::User {
    v1::User {
        user_uuid: user.user_uuid.to_string(),
        username: user.username,
        name: user.name,
        created_at: Some(decode::timestamp(user.created_at)),
    }
}
