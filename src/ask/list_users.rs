//! `daybook ask users`: users by the beginning of their usernames, or by a part of a name.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        notes,
        page::{Page, Table, text, word},
    },
    client::{Client, v1},
    config::ask::UsersArgs,
};

pub(super) async fn ask(asker: &Asker, told: &UsersArgs) -> Result<Shown, AskError> {
    let request = v1::ListUsersRequest {
        page_size: told.page.limit,
        page_token: told.page.next.page_token.clone(),
        username_prefix: told.prefix.clone(),
        search: told.search.clone(),
    };
    let call = async |client: &Client, request| client.ledger().list_users(request).await;
    asker.put("daybook.v1.LedgerService/ListUsers", request, call, |answer| Ok(show(answer))).await
}

fn show(answer: &v1::ListUsersResponse) -> Page {
    let mut page = Page::default();
    let mut table = Table::new([text("username"), text("name"), word("user uuid")]);
    for user in &answer.users {
        table.push([user.username.clone(), user.name.clone(), user.user_uuid.clone()]);
    }
    page.table = Some(table);
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}
