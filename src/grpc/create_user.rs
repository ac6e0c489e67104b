//! `LedgerService.CreateUser`.

use crate::{
    domain::{
        access::Identity,
        user::{NewUser, is_new_name, is_new_username},
    },
    error::Error,
    grpc::{
        decode,
        pb::v1::{CreateUserRequest, CreateUserResponse},
        violations::Violations,
    },
    ledger::Ledger,
};

pub(super) async fn create_user(
    ledger: &Ledger,
    request: &CreateUserRequest,
    by: &Identity,
) -> Result<CreateUserResponse, Error> {
    let user = ledger.create_user(&new_user(request)?, by).await?;
    Ok(CreateUserResponse { user: Some(decode::user_pb(user)) })
}

fn new_user(request: &CreateUserRequest) -> Result<NewUser, Error> {
    let mut violations = Violations::default();
    let (username, hint) = (&request.username, decode::NEW_USERNAME_HINT);
    let username = decode::plain(username, is_new_username, "username", hint, &mut violations);
    let name =
        decode::plain(&request.name, is_new_name, "name", decode::NAME_HINT, &mut violations);
    let user_uuid = match request.user_uuid.as_str() {
        "" => Some(None),
        uuid => decode::user_uuid(uuid, "user_uuid", &mut violations).map(Some),
    };
    let new = (|| {
        Some(NewUser {
            user_uuid: user_uuid?,
            username: username?.to_owned(),
            name: name?.to_owned(),
        })
    })();
    violations.finish(new)
}
