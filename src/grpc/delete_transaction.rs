//! `LedgerService.DeleteTransaction`.

use crate::{
    domain::access::Identity,
    error::Error,
    grpc::{
        decode,
        pb::v1::{DeleteTransactionRequest, DeleteTransactionResponse},
        transaction::transaction_id,
        violations::Violations,
    },
    ledger::Ledger,
};

pub(super) async fn delete_transaction(
    ledger: &Ledger,
    request: &DeleteTransactionRequest,
    by: &Identity,
) -> Result<DeleteTransactionResponse, Error> {
    let mut violations = Violations::default();
    let id = transaction_id(&request.transaction_id, &mut violations);
    let deleted = ledger.delete_transaction(violations.finish(id)?, by).await?;
    Ok(DeleteTransactionResponse {
        was_deleted_now: deleted.was_deleted_now,
        deleted_at: Some(decode::timestamp(deleted.deleted_at)),
    })
}
