//! `daybook ask transfers`: who sent a token to whom.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        get_token, notes,
        page::{Page, Table, number, spare, text, word},
    },
    client::{
        Client,
        v1::{self, list_transfers_request::Range},
    },
    config::ask::TransfersArgs,
};

pub(super) async fn ask(asker: &Asker, told: &TransfersArgs) -> Result<Shown, AskError> {
    let order = match told.oldest_first {
        true => v1::ListOrder::OldestFirst,
        false => v1::ListOrder::NewestFirst,
    };
    let request = v1::ListTransfersRequest {
        token: Some(get_token::token(&told.token)?),
        address: told.of.clone(),
        range: asker.window_if_said(&told.window)?.map(Range::Window),
        order: order.into(),
        page_size: told.page.limit,
        page_token: told.page.next.page_token.clone(),
    };
    let call = async |client: &Client, request| client.tokens().list_transfers(request).await;
    let rpc = "daybook.v1.TokenService/ListTransfers";
    asker.put(rpc, request, call, |answer| Ok(show(asker, answer))).await
}

fn show(asker: &Asker, answer: &v1::ListTransfersResponse) -> Page {
    let mut page = Page::default();
    let mut table = Table::new([
        word("at"),
        number("block"),
        number("amount"),
        text("sender"),
        text("receiver"),
        spare("transaction hash"),
    ]);
    for one in &answer.transfers {
        table.push([
            asker.shown(one.mined_at.as_ref()),
            one.height.to_string(),
            one.amount.clone(),
            one.sender.clone(),
            one.receiver.clone(),
            one.transaction_hash.clone(),
        ]);
    }
    page.table = Some(table);
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}
