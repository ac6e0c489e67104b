//! `LedgerService.ListAccounts`.

use crate::{
    domain::account::{ADDRESS_LENGTH_MAX, Account, Network},
    error::Error,
    grpc::{
        decode, page_token,
        pb::v1::{self, ListAccountsRequest, ListAccountsResponse},
        violations::Violations,
    },
    ledger::Ledger,
};

pub(super) async fn list_accounts(
    ledger: &Ledger,
    request: &ListAccountsRequest,
) -> Result<ListAccountsResponse, Error> {
    let cleared =
        ListAccountsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let mut violations = Violations::default();
    let network = Network::parse(&request.network);
    let network = violations.require(network, "network", decode::NETWORK_HINT);
    let prefix = &request.address_prefix;
    let prefix = decode::prefix(prefix, ADDRESS_LENGTH_MAX, "address_prefix", &mut violations);
    let size = decode::list_size(request.page_size, &mut violations);
    let after = page_token::position(digest, &request.page_token, &mut violations);
    let decoded = network.zip(prefix).zip(size.zip(after));
    let ((network, prefix), (size, after)) = violations.finish(decoded)?;
    let page = ledger.list_accounts(&network, prefix, &after, size).await?;
    Ok(ListAccountsResponse {
        accounts: page.rows.iter().map(account).collect(),
        next_page_token: page_token::next(digest, page.next_after.as_deref()),
    })
}

fn account(account: &Account) -> v1::Account {
    v1::Account {
        account: Some(decode::account_pb(&account.key)),
        created_at: Some(decode::timestamp(account.created_at)),
    }
}
