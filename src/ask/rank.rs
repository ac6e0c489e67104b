//! `daybook ask rank`: who ranks highest, with a bar for each.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        notes::{self, Made},
        page::{Page, Table, number, text},
        sum_amount::{in_a_word, side},
        who::{self, Who},
    },
    client::{
        Client,
        v1::{
            self,
            rank_request::{Population, StandingOf},
        },
    },
    config::ask::{AskMetric, RankArgs},
};

pub(super) async fn ask(asker: &Asker, told: &RankArgs) -> Result<Shown, AskError> {
    let standing_of = match (&told.standing, &told.network) {
        (None, _) => None,
        (Some(address), Some(_)) => Some(StandingOf::StandingAddress(address.clone())),
        (Some(text), None) => match who::find_user(asker, text).await? {
            Who::User { uuid, .. } => Some(StandingOf::StandingUserUuid(uuid)),
            Who::Account(_) | Who::All => None,
        },
    };
    let network = told.network.clone();
    let request = v1::RankRequest {
        population: Some(match network {
            Some(network) => Population::Accounts(v1::AccountPopulation { network }),
            None => Population::Users(v1::UserPopulation {}),
        }),
        asset: told.rows.asset.clone(),
        window: Some(asker.window(&told.window)?),
        direction: side(told.direction).into(),
        metric: metric(told.by).into(),
        order: if told.bottom { v1::RankOrder::Bottom } else { v1::RankOrder::Top }.into(),
        include_idle: told.include_idle,
        page_size: told.limit,
        page_token: told.next.page_token.clone(),
        standing_of,
        explain: told.explain.explain,
        verify: told.explain.verify,
        allow_partial: told.rows.allow_partial,
    };
    let call = async |client: &Client, request| client.analytics().rank(request).await;
    let rpc = "daybook.v1.AnalyticsService/Rank";
    asker.put(rpc, request, call, |answer| Ok(show(asker, told, answer))).await
}

fn metric(by: AskMetric) -> v1::RankMetric {
    match by {
        AskMetric::Sum => v1::RankMetric::Sum,
        AskMetric::Count => v1::RankMetric::Count,
        AskMetric::Avg => v1::RankMetric::Avg,
        AskMetric::StddevSample => v1::RankMetric::StddevSample,
        AskMetric::StddevPopulation => v1::RankMetric::StddevPopulation,
    }
}

fn in_words(by: AskMetric) -> &'static str {
    match by {
        AskMetric::Sum => "sum",
        AskMetric::Count => "number",
        AskMetric::Avg => "mean",
        AskMetric::StddevSample => "sample deviation",
        AskMetric::StddevPopulation => "population deviation",
    }
}

fn show(asker: &Asker, told: &RankArgs, answer: &v1::RankResponse) -> Page {
    let mut page = Page::default();
    page.heading.push(format!(
        "{} of what was {}, {}, {} ranked",
        in_words(told.by),
        in_a_word(side(told.direction)),
        answer.asset,
        answer.population_size
    ));
    page.heading.push(asker.shown_window(answer.window.as_ref()));
    let mut table =
        Table::new([number("rank"), text("who"), number("value"), number("transactions")]);
    for row in &answer.rows {
        table.push_bar(cells(row), &row.value);
    }
    if let Some(row) = &answer.standing {
        let is_shown = answer.rows.iter().any(|shown| member(shown) == member(row));
        if !is_shown {
            table.push_bar(cells(row), &row.value);
        }
        page.notes.push(match row.rank {
            0 => format!("{} is not ranked: no transactions here", member(row)),
            rank => format!("{} stands at {rank}", member(row)),
        });
    }
    page.table = Some(table);
    if answer.left_out_count > 0 {
        let count = answer.left_out_count;
        page.notes.push(format!("{count} left out: rows may be missing (--allow-partial)"));
    }
    if answer.is_partial {
        page.notes.push("rows of some who are ranked may be missing".to_owned());
    }
    let made = Made {
        explanation: answer.explanation.as_ref(),
        verification: answer.verification.as_ref(),
        coverage: None,
    };
    notes::add(&mut page, asker, made);
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}

fn member(row: &v1::RankRow) -> String {
    match &row.account {
        Some(key) => key.address.clone(),
        None => row.username.clone(),
    }
}

fn cells(row: &v1::RankRow) -> [String; 4] {
    let rank = if row.rank == 0 { String::new() } else { row.rank.to_string() };
    [rank, member(row), row.value.clone(), row.transaction_count.to_string()]
}
