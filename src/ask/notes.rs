//! What stands below several kinds of answers.

use crate::{
    ask::{asker::Asker, page::Page},
    client::v1,
};

/// What was done to answer, checked, and found to be missing.
#[derive(Default)]
pub(super) struct Made<'a> {
    pub(super) explanation: Option<&'a v1::Explanation>,
    pub(super) verification: Option<&'a v1::Verification>,
    pub(super) coverage: Option<&'a v1::Coverage>,
}

/// Notes how an answer was made, what the rows say, and which of them are there.
pub(super) fn add(page: &mut Page, asker: &Asker, made: Made<'_>) {
    if let Some(found) = made.explanation {
        page.notes.push(format!(
            "made of {} cells, {} corrections and {} rows of {} days in {:.2} ms",
            found.cells_read,
            found.corrections_read,
            found.raw_rows_read,
            found.partitions_touched,
            found.database_seconds * 1_000.0
        ));
        page.notes.push(match &found.sealed_until {
            Some(at) => format!("sealed until {}", asker.shown(Some(at))),
            None => "everything is sealed".to_owned(),
        });
    }
    if let Some(found) = made.verification {
        add_verdict(page, found.rows_scanned, &found.difference, found.agrees);
    }
    if let Some(found) = made.coverage {
        page.notes.push(covered(asker, found));
    }
}

/// Notes what the rows say.
pub(super) fn add_verdict(page: &mut Page, rows: i64, difference: &str, agrees: bool) {
    page.differs |= !agrees;
    page.notes.push(match agrees {
        true => format!("verified: the rows say the same ({rows} scanned)"),
        false => format!("DIFFERS from the rows ({rows} scanned): {difference}"),
    });
}

/// From when to when all rows are there.
fn covered(asker: &Asker, found: &v1::Coverage) -> String {
    let from = match &found.complete_from {
        Some(at) => format!("from {}", asker.shown(Some(at))),
        None => "from the beginning of the chain".to_owned(),
    };
    match (&found.complete_until, found.is_complete) {
        (None, _) => "rows may be missing: never synced whole".to_owned(),
        (Some(at), true) => format!("all rows are there {from} to {}", asker.shown(Some(at))),
        (Some(at), false) => {
            format!("ROWS MAY BE MISSING: all are there only {from} to {}", asker.shown(Some(at)))
        }
    }
}

/// Notes how the next page is asked for, if there is one.
pub(super) fn add_next_page(page: &mut Page, token: &str) {
    if !token.is_empty() {
        page.notes.push(format!("more: --page-token {token}"));
    }
}
