//! `daybook ask assets`: what there is an amount of.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        notes,
        page::{Page, Table, number, text, word},
    },
    client::{Client, v1},
    config::ask::AssetsArgs,
};

pub(super) async fn ask(asker: &Asker, told: &AssetsArgs) -> Result<Shown, AskError> {
    let request = v1::ListAssetsRequest {
        page_size: told.page.limit,
        page_token: told.page.next.page_token.clone(),
        code_prefix: told.prefix.clone(),
    };
    let call = async |client: &Client, request| client.ledger().list_assets(request).await;
    asker.put("daybook.v1.LedgerService/ListAssets", request, call, |answer| Ok(show(answer))).await
}

fn show(answer: &v1::ListAssetsResponse) -> Page {
    let mut page = Page::default();
    let mut table = Table::new([word("code"), text("name"), number("decimals")]);
    for asset in &answer.assets {
        table.push([asset.code.clone(), asset.name.clone(), asset.decimals.to_string()]);
    }
    page.table = Some(table);
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}
