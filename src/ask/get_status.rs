//! `daybook ask status`: how Daybook itself is doing.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        facts, json,
        page::Page,
    },
    client::{Client, v1},
};

const RPC: &str = "daybook.v1.StatusService/GetStatus";

pub(super) async fn ask(asker: &Asker) -> Result<Shown, AskError> {
    let call = async |client: &Client, request| client.status().get_status(request).await;
    asker.put(RPC, v1::GetStatusRequest::default(), call, |answer| Ok(show(asker, answer))).await
}

fn show(asker: &Asker, answer: &v1::GetStatusResponse) -> Page {
    let mut facts = facts::of(&json::dynamic_answer(RPC, answer), asker.zone);
    // They were not asked for.
    facts.retain(|(name, _)| name != "days");
    Page { heading: facts::lines(&facts), ..Page::default() }
}
