//! `daybook ask transactions`: rows of somebody, or of an asset.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        notes::{self, Made},
        page::{Page, Table, number, spare, text, word},
        sum_amount::side,
        who::{self, Who, account},
    },
    client::{
        Client,
        v1::{self, list_transactions_request::Subject},
    },
    config::ask::TransactionsArgs,
};

pub(super) async fn ask(asker: &Asker, told: &TransactionsArgs) -> Result<Shown, AskError> {
    let window = asker.window_if_said(&told.window)?;
    let who = who::find_or_all(asker, told.who.as_deref()).await?;
    let direction = told.direction.map_or(v1::Direction::Unspecified, side);
    let order = match told.oldest_first {
        true => v1::ListOrder::OldestFirst,
        false => v1::ListOrder::NewestFirst,
    };
    let request = v1::ListTransactionsRequest {
        subject: Some(match &who {
            Who::User { uuid, .. } => Subject::UserUuid(uuid.clone()),
            Who::Account(key) => Subject::Account(key.clone()),
            Who::All => Subject::All(v1::AllAccounts {}),
        }),
        asset: told.asset.clone().unwrap_or_default(),
        window,
        direction: direction.into(),
        order: order.into(),
        with_running_balance: told.running_balance,
        page_size: told.page.limit,
        page_token: told.page.next.page_token.clone(),
        explain: told.explain,
    };
    let call = async |client: &Client, request| client.ledger().list_transactions(request).await;
    let rpc = "daybook.v1.LedgerService/ListTransactions";
    asker.put(rpc, request, call, |answer| Ok(show(asker, told, &who, answer))).await
}

fn show(
    asker: &Asker,
    told: &TransactionsArgs,
    who: &Who,
    answer: &v1::ListTransactionsResponse,
) -> Page {
    let mut page = Page::default();
    page.heading.push(who.label());
    let is_all = matches!(who, Who::All);
    let mut columns = vec![word("occurred at"), number("amount"), word("asset")];
    match is_all {
        true => columns.extend([text("sender"), text("receiver")]),
        false => columns.extend([word("side"), text("other account")]),
    }
    columns.push(text("reference"));
    if told.running_balance {
        columns.push(number("balance"));
    }
    columns.push(spare("transaction id"));
    let mut table = Table::new(columns);
    for listed in &answer.transactions {
        let row = listed.transaction.clone().unwrap_or_default();
        let mut cells = vec![asker.shown(row.occurred_at.as_ref()), row.amount, row.asset];
        let (sender, receiver) = (account(row.sender.as_ref()), account(row.receiver.as_ref()));
        match (is_all, listed.is_own_transfer, listed.is_sender) {
            (true, _, _) => cells.extend([sender, receiver]),
            (_, true, _) => cells.extend(["own".to_owned(), receiver]),
            (_, _, true) => cells.extend(["sent".to_owned(), receiver]),
            (_, _, false) => cells.extend(["received".to_owned(), sender]),
        }
        cells.push(row.reference);
        if told.running_balance {
            cells.push(listed.running_balance.clone());
        }
        cells.push(row.transaction_id);
        table.push(cells);
    }
    page.table = Some(table);
    let made = Made { explanation: answer.explanation.as_ref(), ..Made::default() };
    notes::add(&mut page, asker, made);
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}
