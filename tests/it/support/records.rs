//! Records of the ledger, kept through the API as a client keeps them.

use daybook::grpc::pb::v1::{
    AccountKey, AddWalletRequest, AddWalletResponse, CreateUserRequest, GetBalanceRequest,
    RemoveWalletRequest, User, get_balance_request::Subject,
    ledger_service_client::LedgerServiceClient,
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

/// A client of `LedgerService`.
pub(crate) type LedgerClient = LedgerServiceClient<Channel>;

/// An account by its natural key.
pub(crate) fn key(network: &str, address: &str) -> AccountKey {
    AccountKey { network: network.to_owned(), address: address.to_owned() }
}

/// A user's payments account.
pub(crate) fn payments(user: &User) -> AccountKey {
    key("internal", &user.user_uuid)
}

/// A request for a user whose UUID the server makes.
pub(crate) fn new_user(username: &str, name: &str) -> CreateUserRequest {
    CreateUserRequest {
        username: username.to_owned(),
        name: name.to_owned(),
        ..CreateUserRequest::default()
    }
}

/// Records a user.
pub(crate) async fn create_user(client: &mut LedgerClient, username: &str) -> User {
    let answer = client.create_user(new_user(username, username)).await.unwrap();
    answer.into_inner().user.unwrap()
}

/// Has a user track an account.
pub(crate) async fn add_wallet(
    client: &mut LedgerClient,
    user: &User,
    account: &AccountKey,
) -> Result<AddWalletResponse, Status> {
    let request =
        AddWalletRequest { user_uuid: user.user_uuid.clone(), account: Some(account.clone()) };
    client.add_wallet(request).await.map(tonic::Response::into_inner)
}

/// Has a user track an account no more.
pub(crate) async fn remove_wallet(
    client: &mut LedgerClient,
    user: &User,
    account: &AccountKey,
) -> Result<(), Status> {
    let request =
        RemoveWalletRequest { user_uuid: user.user_uuid.clone(), account: Some(account.clone()) };
    client.remove_wallet(request).await.map(drop)
}

/// What a subject received and sent of the seeded asset, as counts.
pub(crate) async fn counts(client: &mut LedgerClient, subject: Subject) -> (i64, i64) {
    let request = GetBalanceRequest { subject: Some(subject), ..GetBalanceRequest::default() };
    let answer = client.get_balance(request).await.unwrap().into_inner();
    (answer.received_count, answer.sent_count)
}

/// What a user received and sent of the seeded asset over all wallets, as counts.
pub(crate) async fn user_counts(client: &mut LedgerClient, user: &User) -> (i64, i64) {
    counts(client, Subject::UserUuid(user.user_uuid.clone())).await
}

/// The type and the subject of the one thing that is in the way.
pub(crate) fn obstacle(status: &Status) -> (String, String) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let details = status.get_details_precondition_failure().expect("it has details");
    assert_eq!(details.violations.len(), 1, "{details:?}");
    let violation = &details.violations[0];
    assert_eq!(violation.description, status.message());
    (violation.r#type.clone(), violation.subject.clone())
}

/// Reads a list to its end in pages of some size; `ask` answers with rows and the next token.
/// Every page but the last is full.
pub(crate) async fn walk<T>(
    page_size: i32,
    mut ask: impl AsyncFnMut(i32, String) -> (Vec<T>, String),
) -> Vec<T> {
    let (mut found, mut token) = (Vec::new(), String::new());
    let full = if page_size == 0 { 100 } else { usize::try_from(page_size).unwrap() };
    loop {
        let (rows, next) = ask(page_size, token).await;
        assert!(rows.len() <= full, "{page_size}");
        assert!(next.is_empty() || rows.len() == full, "{page_size}");
        found.extend(rows);
        token = next;
        if token.is_empty() {
            return found;
        }
    }
}
