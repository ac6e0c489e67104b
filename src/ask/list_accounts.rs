//! `daybook ask accounts`: the accounts of a network.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        notes,
        page::{Page, Table, text, word},
    },
    client::{Client, v1},
    config::ask::AccountsArgs,
};

pub(super) async fn ask(asker: &Asker, told: &AccountsArgs) -> Result<Shown, AskError> {
    let request = v1::ListAccountsRequest {
        network: told.network.clone(),
        page_size: told.page.limit,
        page_token: told.page.next.page_token.clone(),
        ..Default::default()
    };
    let call = async |client: &Client, request| client.ledger().list_accounts(request).await;
    let rpc = "daybook.v1.LedgerService/ListAccounts";
    asker.put(rpc, request, call, |answer| Ok(show(answer))).await
}

fn show(answer: &v1::ListAccountsResponse) -> Page {
    let mut page = Page::default();
    let mut table = Table::new([word("network"), text("address")]);
    for key in answer.accounts.iter().filter_map(|found| found.account.as_ref()) {
        table.push([key.network.clone(), key.address.clone()]);
    }
    page.table = Some(table);
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}
