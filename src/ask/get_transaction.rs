//! `daybook ask transaction`: one row, or all of a reference and what accounts gained by them.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        notes,
        page::{Page, Table, number, spare, text, word},
        who::account,
    },
    client::{
        Client,
        v1::{self, get_transaction_request::Key},
    },
    config::ask::TransactionArgs,
};

pub(super) async fn ask(asker: &Asker, told: &TransactionArgs) -> Result<Shown, AskError> {
    let key = match (&told.id, &told.reference) {
        (Some(id), _) => Some(Key::TransactionId(id.clone())),
        (None, Some(reference)) => Some(Key::Reference(reference.clone())),
        (None, None) => None,
    };
    let is_reference = matches!(key, Some(Key::Reference(_)));
    let request = v1::GetTransactionRequest {
        key,
        page_size: if is_reference { told.page.limit } else { 0 },
        page_token: told.page.next.page_token.clone(),
    };
    let call = async |client: &Client, request| client.ledger().get_transaction(request).await;
    let rpc = "daybook.v1.LedgerService/GetTransaction";
    asker.put(rpc, request, call, |answer| Ok(show(asker, answer))).await
}

fn show(asker: &Asker, answer: &v1::GetTransactionResponse) -> Page {
    let mut page = Page::default();
    let mut table = Table::new([
        word("occurred at"),
        number("amount"),
        word("asset"),
        text("sender"),
        text("receiver"),
        text("reference"),
        spare("transaction id"),
    ]);
    for row in &answer.transactions {
        table.push([
            asker.shown(row.occurred_at.as_ref()),
            row.amount.clone(),
            row.asset.clone(),
            account(row.sender.as_ref()),
            account(row.receiver.as_ref()),
            row.reference.clone(),
            row.transaction_id.clone(),
        ]);
    }
    page.table = Some(table);
    for one in &answer.net_values {
        let whose = account(one.account.as_ref());
        page.notes.push(format!("net of {whose}: {} {}", one.net_amount, one.asset));
    }
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}
