//! `daybook ask sum`: sums of one or many, by SumAmount or, from one snapshot, BatchSumAmount.

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
        v1::{self, batch_sum_amount_result::Outcome, sum_amount_request::Subject},
    },
    config::ask::{AskDirection, SumArgs},
};

/// A question of those that are put together.
struct One {
    label: String,
    direction: v1::Direction,
    request: v1::SumAmountRequest,
}

pub(super) async fn ask(asker: &Asker, told: &SumArgs) -> Result<Shown, AskError> {
    let window = asker.window(&told.window)?;
    let directions = sides(told.direction);
    let mut all = Vec::new();
    for text in &told.who {
        let who = who::find(asker, text).await?;
        for &direction in &directions {
            all.push(one(told, &who, direction, window));
        }
    }
    if let [only] = &all[..] {
        let call = async |client: &Client, request| client.analytics().sum_amount(request).await;
        let rpc = "daybook.v1.AnalyticsService/SumAmount";
        let request = only.request.clone();
        return asker.put(rpc, request, call, |answer| show(asker, &all, &[answer])).await;
    }
    let request = v1::BatchSumAmountRequest {
        questions: all.iter().map(|one| one.request.clone()).collect(),
        explain: told.explain.explain,
        verify: told.explain.verify,
    };
    let call = async |client: &Client, request| client.analytics().batch_sum_amount(request).await;
    let rpc = "daybook.v1.AnalyticsService/BatchSumAmount";
    asker.put(rpc, request, call, |answer| show(asker, &all, &answers(&all, answer)?)).await
}

/// The directions that a flag means; both without one, what was sent first.
pub(super) fn sides(direction: Option<AskDirection>) -> Vec<v1::Direction> {
    match direction {
        Some(one) => vec![side(one)],
        None => vec![v1::Direction::Sender, v1::Direction::Receiver],
    }
}

/// The direction that a flag means.
pub(super) fn side(direction: AskDirection) -> v1::Direction {
    match direction {
        AskDirection::Sender => v1::Direction::Sender,
        AskDirection::Receiver => v1::Direction::Receiver,
    }
}

/// A direction in a word.
pub(super) fn in_a_word(direction: v1::Direction) -> &'static str {
    match direction {
        v1::Direction::Sender => "sent",
        v1::Direction::Receiver => "received",
        v1::Direction::Unspecified => "",
    }
}

fn one(told: &SumArgs, who: &Who, direction: v1::Direction, window: v1::Window) -> One {
    let subject = match who {
        Who::User { uuid, .. } => Some(Subject::UserUuid(uuid.clone())),
        Who::Account(key) => Some(Subject::Account(key.clone())),
        Who::All => None,
    };
    let request = v1::SumAmountRequest {
        subject,
        asset: told.rows.asset.clone(),
        window: Some(window),
        direction: direction.into(),
        explain: told.explain.explain,
        verify: told.explain.verify,
        allow_partial: told.rows.allow_partial,
    };
    One { label: who.label(), direction, request }
}

/// The answers of a batch; the first question that has an error instead makes it an error.
fn answers<'a>(
    all: &[One],
    answer: &'a v1::BatchSumAmountResponse,
) -> Result<Vec<&'a v1::SumAmountResponse>, AskError> {
    let found = all.iter().zip(&answer.results).map(|(one, result)| match &result.outcome {
        Some(Outcome::Answer(answer)) => Ok(answer),
        Some(Outcome::Error(error)) => {
            let question = format!("{}, {}", one.label, in_a_word(one.direction));
            Err(AskError::OfOne { question, error: error.clone() })
        }
        None => Err(AskError::Who(format!("{}: there is no answer", one.label))),
    });
    found.collect()
}

fn show(asker: &Asker, all: &[One], answers: &[&v1::SumAmountResponse]) -> Result<Page, AskError> {
    let mut page = Page::default();
    let columns =
        [text("who"), word("direction"), number("sum"), word("asset"), number("transactions")];
    let mut table = Table::new(columns);
    for (one, answer) in all.iter().zip(answers) {
        table.push([
            one.label.clone(),
            in_a_word(one.direction).to_owned(),
            answer.sum_amount.clone(),
            answer.asset.clone(),
            answer.transaction_count.to_string(),
        ]);
    }
    page.table = Some(table);
    let Some(first) = answers.first() else { return Ok(page) };
    page.heading.push(asker.shown_window(first.window.as_ref()));
    let cells = |read: fn(&v1::Explanation) -> i64| -> i64 {
        answers.iter().filter_map(|answer| answer.explanation.as_ref()).map(read).sum()
    };
    // One statement answers all of a batch: its time and its instant are those of each.
    let explanation = first.explanation.map(|found| v1::Explanation {
        cells_read: cells(|one| one.cells_read),
        corrections_read: cells(|one| one.corrections_read),
        ..found
    });
    let coverage = answers.iter().filter_map(|answer| answer.coverage.as_ref());
    let coverage = coverage.min_by_key(|one| one.is_complete);
    let made = Made { explanation: explanation.as_ref(), coverage, ..Made::default() };
    notes::add(&mut page, asker, made);
    let verified: Vec<_> =
        answers.iter().filter_map(|answer| answer.verification.as_ref()).collect();
    if !verified.is_empty() {
        let rows = verified.iter().map(|one| one.rows_scanned).sum();
        let wrong = verified.iter().find(|one| !one.agrees);
        let difference = wrong.map(|one| one.difference.as_str()).unwrap_or_default();
        notes::add_verdict(&mut page, rows, difference, wrong.is_none());
    }
    Ok(page)
}
