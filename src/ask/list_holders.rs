//! `daybook ask holders`: who holds a token, with a bar for each share.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        get_token, instants, notes,
        page::{Page, Table, number, text},
    },
    client::{
        Client,
        v1::{self, list_holders_request::AsOf},
    },
    config::ask::HoldersArgs,
};

pub(super) async fn ask(asker: &Asker, told: &HoldersArgs) -> Result<Shown, AskError> {
    let as_of = match (told.as_of_block, &told.at) {
        (Some(height), _) => Some(AsOf::AsOfHeight(height)),
        (None, Some(text)) => Some(AsOf::AsOfTime(asker.instant("--at", text)?)),
        (None, None) => None,
    };
    let span = instants::span(&told.span).map_err(|rule| AskError::wrong("--span", rule))?;
    let request = v1::ListHoldersRequest {
        token: Some(get_token::token(&told.token)?),
        as_of,
        span: Some(prost_types::Duration { seconds: span.num_seconds(), nanos: 0 }),
        page_size: told.page.limit,
        page_token: told.page.next.page_token.clone(),
    };
    let call = async |client: &Client, request| client.tokens().list_holders(request).await;
    let rpc = "daybook.v1.TokenService/ListHolders";
    asker.put(rpc, request, call, |answer| Ok(show(asker, answer))).await
}

fn show(asker: &Asker, answer: &v1::ListHoldersResponse) -> Page {
    let mut page = Page::default();
    let block = answer.as_of.clone().unwrap_or_default();
    let at = asker.shown(block.mined_at.as_ref());
    page.heading.push(format!("as of block {} {at}", block.height).trim_end().to_owned());
    let count = answer.holder_count;
    page.heading.push(format!("{count} holders, supply {}", answer.supply));
    let columns = [
        number("rank"),
        text("address"),
        number("balance"),
        number("share %"),
        number("change"),
        number("change %"),
    ];
    let mut table = Table::new(columns);
    for one in &answer.holders {
        let cells = [
            one.rank.to_string(),
            one.address.clone(),
            one.balance.clone(),
            one.share_percent.clone(),
            one.change.clone(),
            one.change_percent.clone(),
        ];
        table.push_bar(cells, &one.balance);
    }
    page.table = Some(table);
    if answer.changes_after.is_some() {
        page.notes.push(format!("changes since {}", asker.shown(answer.changes_after.as_ref())));
    }
    if answer.negative_count > 0 {
        let (count, sum) = (answer.negative_count, &answer.negative_sum);
        page.notes.push(format!("{count} sent more than they received, {sum} together"));
    }
    if answer.verdict() == v1::TokenVerdict::NotExplained {
        page.notes.push("the contract says something else: see daybook ask token".to_owned());
    }
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}
