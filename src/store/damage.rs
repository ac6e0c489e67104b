//! Totals that are set aside because they cannot be read.

use tokio_postgres::{Client, Row};

use crate::{
    domain::running_total::{
        damage::Damaged,
        day_cells::DaySpan,
        rows::{DayCellKey, SeriesKey},
    },
    store::{StoreError, statement::statement},
};

/// Sets totals aside: from now on corrections of theirs are not folded.
///
/// # Errors
/// If the database refuses.
pub async fn set_aside(client: &Client, damaged: &[Damaged]) -> Result<(), StoreError> {
    let (mut accounts, mut assets, mut directions) = (Vec::new(), Vec::new(), Vec::new());
    let (mut day_assets, mut day_directions) = (Vec::new(), Vec::new());
    let (mut levels, mut spans, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for one in damaged {
        match one {
            Damaged::Series(SeriesKey { account_id, asset_id, direction }) => {
                accounts.push(*account_id);
                assets.push(*asset_id);
                directions.push(*direction);
            }
            Damaged::Day(DayCellKey { asset_id, direction, span, account_group }) => {
                day_assets.push(*asset_id);
                day_directions.push(*direction);
                levels.push(i16::from(span.level));
                spans.push(span.number);
                groups.push(*account_group);
            }
        }
    }
    statement!("damaged_note")
        .query(
            client,
            &[
                &accounts,
                &assets,
                &directions,
                &day_assets,
                &day_directions,
                &levels,
                &spans,
                &groups,
            ],
        )
        .await
        .map(drop)
}

/// What is set aside, in a stable order.
///
/// # Errors
/// If the database cannot answer.
pub async fn list(client: &Client) -> Result<Vec<Damaged>, StoreError> {
    let rows = statement!("damaged_list").query(client, &[]).await?;
    Ok(rows.iter().map(damaged).collect())
}

fn damaged(row: &Row) -> Damaged {
    let (asset_id, direction) = (row.get("asset_id"), row.get("direction"));
    match row.get("account_id") {
        Some(account_id) => Damaged::Series(SeriesKey { account_id, asset_id, direction }),
        None => Damaged::Day(DayCellKey {
            asset_id,
            direction,
            span: DaySpan {
                level: u8::try_from(row.get::<_, i16>("level")).unwrap_or(u8::MAX),
                number: row.get("span_number"),
            },
            account_group: row.get("account_group"),
        }),
    }
}
