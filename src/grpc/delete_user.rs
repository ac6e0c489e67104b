//! `LedgerService.DeleteUser`.

use crate::{
    domain::access::Identity,
    error::Error,
    grpc::{
        decode,
        pb::v1::{DeleteUserRequest, DeleteUserResponse},
        violations::Violations,
    },
    ledger::Ledger,
};

pub(super) async fn delete_user(
    ledger: &Ledger,
    request: &DeleteUserRequest,
    by: &Identity,
) -> Result<DeleteUserResponse, Error> {
    let mut violations = Violations::default();
    let user = decode::user_uuid(&request.user_uuid, "user_uuid", &mut violations);
    ledger.delete_user(violations.finish(user)?, request.anonymise, by).await?;
    Ok(DeleteUserResponse {})
}
