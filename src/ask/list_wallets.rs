//! `daybook ask wallets`: what a user tracks, and what is in it.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        notes,
        page::{Page, Table, number, text, word},
        who::{self, Who, account},
    },
    client::{Client, v1},
    config::ask::WalletsArgs,
};

pub(super) async fn ask(asker: &Asker, told: &WalletsArgs) -> Result<Shown, AskError> {
    let who = who::find_user(asker, &told.who).await?;
    let user_uuid = match &who {
        Who::User { uuid, .. } => uuid.clone(),
        Who::Account(_) | Who::All => String::new(),
    };
    let (page_size, page_token) = (told.page.limit, told.page.next.page_token.clone());
    let request = v1::ListWalletsRequest { user_uuid, page_size, page_token };
    let call = async |client: &Client, request| client.ledger().list_wallets(request).await;
    let rpc = "daybook.v1.LedgerService/ListWallets";
    asker.put(rpc, request, call, |answer| Ok(show(&who, answer))).await
}

fn show(who: &Who, answer: &v1::ListWalletsResponse) -> Page {
    let mut page = Page::default();
    page.heading.push(who.label());
    let columns = [
        text("account"),
        number("balance"),
        word("asset"),
        number("received"),
        number("sent"),
        text("sync"),
    ];
    let mut table = Table::new(columns);
    for wallet in &answer.wallets {
        let key = account(wallet.account.as_ref());
        let sync = wallet.sync.as_ref().map(in_words).unwrap_or_default();
        if wallet.balances.is_empty() {
            let nothing = String::new;
            table.push([key.clone(), nothing(), nothing(), nothing(), nothing(), sync.clone()]);
        }
        for one in &wallet.balances {
            table.push([
                key.clone(),
                one.balance.clone(),
                one.asset.clone(),
                one.received_count.to_string(),
                one.sent_count.to_string(),
                sync.clone(),
            ]);
        }
        if wallet.has_more_balances {
            page.notes.push(format!("{key} has more balances than are shown"));
        }
    }
    page.table = Some(table);
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}

fn in_words(sync: &v1::WalletSync) -> String {
    let state = match sync.state() {
        v1::WalletSyncState::Unspecified => "",
        v1::WalletSyncState::Never => "never",
        v1::WalletSyncState::Queued => "queued",
        v1::WalletSyncState::Syncing => "syncing",
        v1::WalletSyncState::UpToDate => "up to date",
        v1::WalletSyncState::Parked => "parked",
    };
    if sync.message.is_empty() { state.to_owned() } else { format!("{state}: {}", sync.message) }
}
