//! `daybook ask series`: sums bucket by bucket, with a bar for each.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        instants,
        notes::{self, Made},
        page::{Page, Table, number, word},
        sum_amount::{in_a_word, side},
        who::{self, Who},
    },
    client::{
        Client,
        v1::{self, sum_series_request::Subject},
    },
    config::ask::SeriesArgs,
};

pub(super) async fn ask(asker: &Asker, told: &SeriesArgs) -> Result<Shown, AskError> {
    let window = asker.window(&told.window)?;
    let (bucket_count, bucket_unit) = bucket(&told.every)?;
    let who = who::find_or_all(asker, told.who.as_deref()).await?;
    // Each transaction of everybody is on both sides.
    let direction = match (told.direction, &who) {
        (Some(direction), _) => side(direction),
        (None, Who::All) => v1::Direction::Sender,
        (None, _) => v1::Direction::Unspecified,
    };
    let request = v1::SumSeriesRequest {
        subject: Some(match &who {
            Who::User { uuid, .. } => Subject::UserUuid(uuid.clone()),
            Who::Account(key) => Subject::Account(key.clone()),
            Who::All => Subject::All(v1::AllAccounts {}),
        }),
        asset: told.rows.asset.clone(),
        window: Some(window),
        bucket_unit: bucket_unit.into(),
        bucket_count,
        time_zone: asker.zone.name().to_owned(),
        direction: direction.into(),
        split_by_direction: direction == v1::Direction::Unspecified,
        explain: told.explain.explain,
        verify: told.explain.verify,
        allow_partial: told.rows.allow_partial,
    };
    let call = async |client: &Client, request| client.analytics().sum_series(request).await;
    let rpc = "daybook.v1.AnalyticsService/SumSeries";
    asker.put(rpc, request, call, |answer| Ok(show(asker, &who, answer))).await
}

/// How long a bucket is: a number and a unit.
fn bucket(text: &str) -> Result<(i32, v1::BucketUnit), AskError> {
    let unit = match instants::counted(text) {
        Some((count, "m")) => Some((count, v1::BucketUnit::Minute)),
        Some((count, "h")) => Some((count, v1::BucketUnit::Hour)),
        Some((count, "d")) => Some((count, v1::BucketUnit::Day)),
        Some((count, "w")) => Some((count, v1::BucketUnit::Week)),
        Some((count, "M")) => Some((count, v1::BucketUnit::Month)),
        Some((count, "y")) => Some((count, v1::BucketUnit::Year)),
        _ => None,
    };
    let rule = "must be a number and m (minutes), h, d, w, M (months) or y, for example 1d";
    unit.ok_or_else(|| AskError::wrong("--every", rule))
}

fn show(asker: &Asker, who: &Who, answer: &v1::SumSeriesResponse) -> Page {
    let mut page = Page::default();
    page.heading.push(format!(
        "{}, {}, by the clocks of {}",
        who.label(),
        answer.asset,
        asker.zone
    ));
    let mut table =
        Table::new([word("from"), word("direction"), number("sum"), number("transactions")]);
    for series in &answer.series {
        for bucket in &series.buckets {
            let start = bucket.window.as_ref().and_then(|window| window.start.as_ref());
            let cells = [
                asker.shown(start),
                in_a_word(series.direction()).to_owned(),
                bucket.sum_amount.clone(),
                bucket.transaction_count.to_string(),
            ];
            table.push_bar(cells, &bucket.sum_amount);
        }
    }
    page.table = Some(table);
    let made = Made {
        explanation: answer.explanation.as_ref(),
        verification: answer.verification.as_ref(),
        coverage: answer.coverage.as_ref(),
    };
    notes::add(&mut page, asker, made);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_minutes_are_told_apart() {
        let read = |text| bucket(text).map_err(|error| error.to_string());
        assert_eq!(read("15m"), Ok((15, v1::BucketUnit::Minute)));
        assert_eq!(read("3M"), Ok((3, v1::BucketUnit::Month)));
        for text in ["", "d", "0d", "1x", "1", "-1d"] {
            assert!(read(text).is_err_and(|words| words.starts_with("--every: must")), "{text}");
        }
    }
}
