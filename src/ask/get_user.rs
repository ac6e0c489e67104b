//! `daybook ask user`: who that is.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        facts, json,
        page::Page,
        who::{self, Who},
    },
    client::{
        Client,
        v1::{self, get_user_request::User},
    },
    config::ask::UserArgs,
};

const RPC: &str = "daybook.v1.LedgerService/GetUser";

pub(super) async fn ask(asker: &Asker, told: &UserArgs) -> Result<Shown, AskError> {
    let user = match who::find_user(asker, &told.who).await? {
        Who::User { uuid, .. } => Some(User::UserUuid(uuid)),
        Who::Account(_) | Who::All => None,
    };
    let call = async |client: &Client, request| client.ledger().get_user(request).await;
    asker.put(RPC, v1::GetUserRequest { user }, call, |answer| Ok(show(asker, answer))).await
}

fn show(asker: &Asker, answer: &v1::GetUserResponse) -> Page {
    let mut facts = facts::of(&json::dynamic_answer(RPC, answer), asker.zone);
    for (name, _) in &mut facts {
        *name = name.trim_start_matches("user ").to_owned();
    }
    Page { heading: facts::lines(&facts), ..Page::default() }
}
