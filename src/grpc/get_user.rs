//! `LedgerService.GetUser`.

use crate::{
    domain::{access::Scope, user::is_username},
    error::Error,
    grpc::{
        decode,
        pb::v1::{GetUserRequest, GetUserResponse, get_user_request::User},
        violations::Violations,
    },
    ledger::{Ledger, get_user::UserKey},
};

pub(super) async fn get_user(
    ledger: &Ledger,
    request: &GetUserRequest,
    scope: Scope,
) -> Result<GetUserResponse, Error> {
    let mut violations = Violations::default();
    let key = match &request.user {
        Some(User::UserUuid(uuid)) => {
            decode::user_uuid(uuid, "user_uuid", &mut violations).map(UserKey::Uuid)
        }
        Some(User::Username(username)) => {
            let hint = decode::USERNAME_HINT;
            decode::plain(username, is_username, "username", hint, &mut violations)
                .map(|username| UserKey::Username(username.to_owned()))
        }
        None => violations.require(None, "user_uuid", "must be set, or username instead"),
    };
    let user = ledger.get_user(&violations.finish(key)?, scope).await?;
    Ok(GetUserResponse { user: Some(decode::user_pb(user)) })
}
