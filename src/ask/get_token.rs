//! `daybook ask token`: what is known of a token.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        facts, json,
        page::Page,
        who,
    },
    client::{Client, v1},
    config::ask::TokenKeyArgs,
};

const RPC: &str = "daybook.v1.TokenService/GetToken";

pub(super) async fn ask(asker: &Asker, told: &TokenKeyArgs) -> Result<Shown, AskError> {
    let request = v1::GetTokenRequest { token: Some(token(&told.token)?) };
    let call = async |client: &Client, request| client.tokens().get_token(request).await;
    asker.put(RPC, request, call, |answer| Ok(show(asker, answer))).await
}

/// The token that a text names.
pub(super) fn token(text: &str) -> Result<v1::TokenKey, AskError> {
    let key = who::key(text).ok_or_else(|| {
        AskError::wrong(
            "NETWORK:CONTRACT",
            "must look like ethereum:0xdac17f958d2ee523a2206206994597c13d831ec7",
        )
    })?;
    Ok(v1::TokenKey { network: key.network, contract: key.address })
}

fn show(asker: &Asker, answer: &v1::GetTokenResponse) -> Page {
    let mut facts = facts::of(&json::dynamic_answer(RPC, answer), asker.zone);
    facts.retain(|(name, _)| name != "database seconds");
    for (name, _) in &mut facts {
        *name = name.trim_start_matches("token ").to_owned();
    }
    Page { heading: facts::lines(&facts), ..Page::default() }
}
