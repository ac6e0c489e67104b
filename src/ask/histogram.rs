//! `daybook ask histogram`: how amounts are distributed, with a bar for each bucket.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        notes::{self, Made},
        page::{Page, Table, number},
        sum_amount::{in_a_word, side},
        who::{self, Who},
    },
    client::{
        Client,
        v1::{self, histogram_request::Subject},
    },
    config::ask::HistogramArgs,
};

pub(super) async fn ask(asker: &Asker, told: &HistogramArgs) -> Result<Shown, AskError> {
    let window = asker.window(&told.window)?;
    let who = who::find_or_all(asker, told.who.as_deref()).await?;
    let request = v1::HistogramRequest {
        subject: Some(match &who {
            Who::User { uuid, .. } => Subject::UserUuid(uuid.clone()),
            Who::Account(key) => Subject::Account(key.clone()),
            Who::All => Subject::All(v1::AllAccounts {}),
        }),
        asset: told.rows.asset.clone(),
        window: Some(window),
        direction: side(told.direction).into(),
        bounds: told.bounds.clone(),
        allow_partial: told.rows.allow_partial,
    };
    let said = format!("{}, {}", who.label(), in_a_word(side(told.direction)));
    let call = async |client: &Client, request| client.analytics().histogram(request).await;
    let rpc = "daybook.v1.AnalyticsService/Histogram";
    let when = asker.shown_window(Some(&window));
    asker.put(rpc, request, call, |answer| Ok(show(asker, [said, when], answer))).await
}

fn show(asker: &Asker, [said, when]: [String; 2], answer: &v1::HistogramResponse) -> Page {
    let mut page = Page::default();
    page.heading
        .push(format!("{said}, {}: {} transactions", answer.asset, answer.transaction_count));
    page.heading.push(when);
    let mut table =
        Table::new([number("lower"), number("upper"), number("transactions"), number("sum")]);
    for bucket in &answer.buckets {
        let count = bucket.transaction_count.to_string();
        let cells =
            [bucket.lower.clone(), bucket.upper.clone(), count.clone(), bucket.sum_amount.clone()];
        table.push_bar(cells, &count);
    }
    page.table = Some(table);
    if answer.below_count > 0 {
        page.notes.push(format!("{} lie below the first bound", answer.below_count));
    }
    if answer.transaction_count > 0 {
        let (smallest, largest) = (&answer.smallest_amount, &answer.largest_amount);
        page.notes.push(format!("from {smallest} to {largest}"));
    }
    let made = Made { coverage: answer.coverage.as_ref(), ..Made::default() };
    notes::add(&mut page, asker, made);
    page
}
