//! `daybook ask balance`: what somebody holds.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        notes::{self, Made},
        page::{Page, Table, number, text, word},
        who::{self, Who},
    },
    client::{
        Client,
        v1::{self, get_balance_request::Subject},
    },
    config::ask::BalanceArgs,
};

pub(super) async fn ask(asker: &Asker, told: &BalanceArgs) -> Result<Shown, AskError> {
    let at = told.at.as_deref().map(|text| asker.instant("--at", text)).transpose()?;
    let who = who::find(asker, &told.who).await?;
    let request = v1::GetBalanceRequest {
        subject: match &who {
            Who::User { uuid, .. } => Some(Subject::UserUuid(uuid.clone())),
            Who::Account(key) => Some(Subject::Account(key.clone())),
            Who::All => None,
        },
        asset: told.rows.asset.clone(),
        at,
        explain: told.explain.explain,
        verify: told.explain.verify,
        allow_partial: told.rows.allow_partial,
    };
    let call = async |client: &Client, request| client.ledger().get_balance(request).await;
    let rpc = "daybook.v1.LedgerService/GetBalance";
    asker.put(rpc, request, call, |answer| Ok(show(asker, &who, answer))).await
}

fn show(asker: &Asker, who: &Who, answer: &v1::GetBalanceResponse) -> Page {
    let mut page = Page::default();
    if answer.at.is_some() {
        page.heading.push(format!("before {}", asker.shown(answer.at.as_ref())));
    }
    let mut table = Table::new([
        text("who"),
        number("balance"),
        word("asset"),
        number("received"),
        number("sent"),
        number("transactions"),
    ]);
    table.push([
        who.label(),
        answer.balance.clone(),
        answer.asset.clone(),
        answer.received_amount.clone(),
        answer.sent_amount.clone(),
        format!("{}+{}", answer.received_count, answer.sent_count),
    ]);
    page.table = Some(table);
    let made = Made {
        explanation: answer.explanation.as_ref(),
        verification: answer.verification.as_ref(),
        coverage: answer.coverage.as_ref(),
    };
    notes::add(&mut page, asker, made);
    page
}
