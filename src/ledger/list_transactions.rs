//! Transactions of a user, an account or an asset, page by page.
//!
//! The instants that have rows come from running totals and corrections, so a page opens the
//! days that hold its rows and no other one, however far apart they lie.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use chrono::{DateTime, NaiveDate, Utc};

pub use crate::store::list_transactions::ListSubject;
use crate::{
    domain::{
        access::Scope,
        asset::Asset,
        decimal::Decimal,
        direction::Direction,
        explanation::Explanation,
        recorded_transaction::{RowPlace, Transaction},
        running_total::{
            instants::{FoundInstant, InstantSearch, SearchSpan, TimeOrder},
            rows::{ALL_ACCOUNTS, SeriesKey, direction_number},
        },
        window::Window,
    },
    error::{Error, ErrorKind},
    ledger::Ledger,
    store::{
        Reader, Snapshot, days,
        list_transactions::{
            PageQuery, find_accounts, find_series, net_before, read_round, read_rows,
        },
        sealing::sealed_until,
        sum_amount::{Subject, SumQuery, sum_amounts},
    },
};

/// A question for a page of transactions.
#[derive(Clone, Debug)]
pub struct ListQuestion {
    /// Whose.
    pub subject: ListSubject,
    /// Whose records may be seen: subjects beyond are unknown.
    pub scope: Scope,
    /// Of what; `None` for all assets. A list of all accounts is one of an asset.
    pub asset: Option<Asset>,
    /// When; `None` for all time.
    pub window: Option<Window>,
    /// On which side the subject is; `None` for both.
    pub direction: Option<Direction>,
    /// Which end comes first.
    pub order: TimeOrder,
    /// Whether each row comes with the balance after it. Needs an asset, a user or an account,
    /// and both directions.
    pub with_running_balance: bool,
    /// Most rows on the page.
    pub page_size: usize,
    /// The row behind which the page begins; `None` for the first page.
    pub after: Option<RowPlace>,
    /// Most series that are merged into one list.
    pub series_max: usize,
    /// Whether the answer says how it was made.
    pub explain: bool,
}

/// A transaction as the subject of a list sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedTransaction {
    /// The transaction.
    pub transaction: Transaction,
    /// Whether the subject sent it.
    pub is_sender: bool,
    /// Whether the subject received it.
    pub is_receiver: bool,
    /// The balance after it, as text with the asset's decimals, if that was asked for.
    pub running_balance: Option<String>,
}

/// A page of transactions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListAnswer {
    /// The page.
    pub rows: Vec<ListedTransaction>,
    /// Whether another page follows.
    pub has_more: bool,
    /// How long the database took.
    pub took: Duration,
    /// How it was made, if that was asked.
    pub explanation: Option<Explanation>,
}

impl Ledger {
    /// A page of transactions.
    ///
    /// # Errors
    /// `PermissionDenied` for everybody's rows to whom they are not for; `NotFound` for an unknown
    /// subject; `FailedPrecondition` if the page would begin with rows
    /// of days that are not at hand; `BeyondLimit` for a subject of too many series; what the
    /// database says.
    pub async fn list_transactions(&self, question: &ListQuestion) -> Result<ListAnswer, Error> {
        let snapshot = days::noted_snapshot(&self.database).await?;
        let outcome = list(&snapshot, question).await;
        // A refusal is an answer too: its snapshot ends in order.
        let ended = snapshot.end().await;
        let (mut answer, took) = (outcome?, ended?);
        answer.took = took;
        if let Some(explanation) = &mut answer.explanation {
            explanation.took = took;
        }
        Ok(answer)
    }
}

async fn list(snapshot: &Snapshot, question: &ListQuestion) -> Result<ListAnswer, Error> {
    if let (ListSubject::All, Scope::Own(_)) = (&question.subject, question.scope) {
        return Err(Error::new(ErrorKind::PermissionDenied));
    }
    let found = find_accounts(snapshot, &question.subject, question.scope).await?;
    let Some(accounts) = found else {
        return Err(Error::new(ErrorKind::NotFound(match question.subject {
            ListSubject::User(_) => "user",
            ListSubject::Account(_) | ListSubject::All => "account",
        })));
    };
    let series = series(snapshot, question, &accounts).await?;
    let (found, mut explanation) = find_instants(snapshot, question, series).await?;
    let Page { mut rows, has_more, rows_read, days_read } =
        read_page(snapshot, question, &accounts, &found).await?;
    if question.explain {
        explanation.sealed_until = sealed_until(snapshot).await?;
        explanation.raw_rows_read = count(rows_read);
        explanation.partitions_touched = count(days_read);
    }
    let subject: HashSet<i64> = accounts.into_iter().collect();
    rows.truncate(question.page_size);
    let mut rows: Vec<_> = rows.into_iter().map(|row| listed(row, &subject)).collect();
    if let (true, Some(asset)) = (question.with_running_balance, &question.asset) {
        add_balances(snapshot, question, asset, &found, &mut rows).await?;
    }
    let explanation = question.explain.then_some(explanation);
    Ok(ListAnswer { rows, has_more, took: Duration::ZERO, explanation })
}

/// The series whose rows are listed.
async fn series(
    snapshot: &Snapshot,
    question: &ListQuestion,
    accounts: &[i64],
) -> Result<Vec<SeriesKey>, Error> {
    let directions: Vec<i16> = [Direction::Sender, Direction::Receiver]
        .into_iter()
        .filter(|direction| question.direction.is_none_or(|wanted| wanted == *direction))
        .map(direction_number)
        .collect();
    let series = match &question.asset {
        Some(asset) => {
            let asset_id = asset.asset_id;
            if question.subject == ListSubject::All {
                let direction = direction_number(Direction::Sender);
                return Ok(vec![SeriesKey { account_id: ALL_ACCOUNTS, asset_id, direction }]);
            }
            let of_account = |&account_id: &i64| {
                let key = move |&direction| SeriesKey { account_id, asset_id, direction };
                directions.iter().map(key)
            };
            Some(accounts.iter().flat_map(of_account).collect::<Vec<_>>())
        }
        None => {
            let series = find_series(snapshot, accounts, question.series_max).await?;
            series.map(|mut series| {
                series.retain(|key| directions.contains(&key.direction));
                series
            })
        }
    };
    series.filter(|series| series.len() <= question.series_max).ok_or_else(|| {
        Error::new(ErrorKind::BeyondLimit(
            "the subject has more wallets and assets than --list-series-max: name an asset, or \
             one account",
        ))
    })
}

/// The instants that the page's rows are at, in its order, and what it cost to find them.
async fn find_instants(
    snapshot: &Snapshot,
    question: &ListQuestion,
    series: Vec<SeriesKey>,
) -> Result<(Vec<FoundInstant>, Explanation), Error> {
    let span = span(question);
    let mut explanation = Explanation { questions_together: 1, ..Explanation::default() };
    // One row more than the page holds tells whether another page follows.
    let mut search = InstantSearch::new(series, span, question.page_size + 1);
    while let Some(fetch) = search.next_fetch() {
        let cost = read_round(snapshot, span, &fetch, &mut search).await?;
        explanation.cells_read += cost.cells;
        explanation.corrections_read += cost.corrections;
    }
    Ok((search.found(), explanation))
}

/// The instants that the page's rows can be at.
fn span(question: &ListQuestion) -> SearchSpan {
    let (mut earliest, mut latest) = match question.window {
        // The end lies outside.
        Some(window) => {
            (window.start().timestamp_micros(), window.end().timestamp_micros().saturating_sub(1))
        }
        None => (i64::MIN, i64::MAX),
    };
    let resumed_at = question.after.map(|place| place.occurred_at.timestamp_micros());
    if let Some(resumed_at) = resumed_at {
        match question.order {
            TimeOrder::NewestFirst => latest = latest.min(resumed_at),
            TimeOrder::OldestFirst => earliest = earliest.max(resumed_at),
        }
    }
    SearchSpan { order: question.order, earliest, latest, resumed_at }
}

/// Rows of a page, one more than it holds if there are more.
struct Page {
    rows: Vec<Transaction>,
    has_more: bool,
    rows_read: usize,
    days_read: usize,
}

async fn read_page(
    snapshot: &Snapshot,
    question: &ListQuestion,
    accounts: &[i64],
    found: &[FoundInstant],
) -> Result<Page, Error> {
    let reader = Reader::Snapshot(snapshot);
    let days: BTreeSet<NaiveDate> = found.iter().filter_map(day).collect();
    let days: Vec<_> = days.into_iter().collect();
    let absent = days::among_absent(reader, &days).await?;
    // The page ends before the first absent day; only one that would begin with it is refused.
    let is_absent = |found: &FoundInstant| day(found).is_some_and(|day| absent.contains(&day));
    let (at_hand, beyond) = found.split_at(found.iter().position(is_absent).unwrap_or(found.len()));
    let limit = question.page_size + 1;
    let order = question.order;
    let query = PageQuery {
        accounts,
        found: at_hand,
        order,
        after: question.after,
        limit: i64::try_from(limit).unwrap_or(i64::MAX),
    };
    let rows = match at_hand.is_empty() {
        true => Vec::new(),
        false => read_rows(snapshot, query).await?,
    };
    if let Some(day) = day_of_missing(question, at_hand, &rows) {
        return Err(days::missing_rows(day));
    }
    if rows.is_empty() && !beyond.is_empty() {
        days::refuse_days(reader, &absent).await?;
    }
    Ok(Page {
        has_more: rows.len() > question.page_size || !beyond.is_empty(),
        rows_read: rows.len(),
        days_read: at_hand.iter().filter_map(day).collect::<BTreeSet<_>>().len(),
        rows,
    })
}

/// The UTC day of an instant.
fn day(found: &FoundInstant) -> Option<NaiveDate> {
    DateTime::<Utc>::from_timestamp_micros(found.instant).map(|at| at.date_naive())
}

/// The day of an instant that has rows by the running totals, and had none: never a page that
/// lacks rows in silence.
fn day_of_missing(
    question: &ListQuestion,
    found: &[FoundInstant],
    rows: &[Transaction],
) -> Option<NaiveDate> {
    let seen: HashSet<i64> =
        rows.iter().map(|row| row.place.occurred_at.timestamp_micros()).collect();
    let is_full = rows.len() > question.page_size;
    let last = rows.last().filter(|_| is_full).map(|row| row.place.occurred_at.timestamp_micros());
    let resumed_at = question.after.map(|place| place.occurred_at.timestamp_micros());
    let mut needed = found.iter().take_while(|found| Some(found.instant) != last);
    let missing = needed.find(|it| Some(it.instant) != resumed_at && !seen.contains(&it.instant));
    missing.and_then(day)
}

fn listed(transaction: Transaction, subject: &HashSet<i64>) -> ListedTransaction {
    ListedTransaction {
        is_sender: subject.contains(&transaction.sender.account_id),
        is_receiver: subject.contains(&transaction.receiver.account_id),
        running_balance: None,
        transaction,
    }
}

/// Writes the balance after each row: from the running total before the earliest one's instant,
/// the rows of that instant before it, and the rows of the page.
async fn add_balances(
    snapshot: &Snapshot,
    question: &ListQuestion,
    asset: &Asset,
    found: &[FoundInstant],
    rows: &mut [ListedTransaction],
) -> Result<(), Error> {
    if question.order == TimeOrder::NewestFirst {
        rows.reverse();
    }
    if let Some(earliest) = rows.first().map(|row| row.transaction.place) {
        let mut balance = balance_before(snapshot, question, asset, found, earliest).await?;
        for row in rows.iter_mut() {
            if row.is_receiver {
                balance = balance.plus(&row.transaction.amount);
            }
            if row.is_sender {
                balance = balance.minus(&row.transaction.amount);
            }
            row.running_balance = Some(balance.to_text(asset.decimals));
        }
    }
    if question.order == TimeOrder::NewestFirst {
        rows.reverse();
    }
    Ok(())
}

/// The subject's balance just before a row of the page.
async fn balance_before(
    snapshot: &Snapshot,
    question: &ListQuestion,
    asset: &Asset,
    found: &[FoundInstant],
    place: RowPlace,
) -> Result<Decimal, Error> {
    let subject = match &question.subject {
        ListSubject::User(user_uuid) => Subject::User(*user_uuid),
        ListSubject::Account(key) => Subject::Account(key.clone()),
        ListSubject::All => return Err(Error::new(ErrorKind::Internal)),
    };
    let queries = [Direction::Receiver, Direction::Sender].map(|direction| SumQuery {
        subject: subject.clone(),
        asset_id: asset.asset_id,
        window: Window::before(Some(place.occurred_at)),
        direction,
        scope: question.scope,
    });
    let reader = Reader::Snapshot(snapshot);
    let sums = sum_amounts(reader, &queries, false).await?.value;
    for sum in &sums {
        days::refuse_days(reader, &sum.days_in_the_way).await?;
    }
    let mut totals = sums.into_iter().map(|sum| sum.total.map(|total| total.sum));
    let (Some(received), Some(sent)) = (totals.next().flatten(), totals.next().flatten()) else {
        return Err(Error::new(ErrorKind::Internal));
    };
    let instant = place.occurred_at.timestamp_micros();
    let at_instant = |direction| -> Vec<i64> {
        let number = direction_number(direction);
        let of_side = found.iter().filter(|it| it.instant == instant && it.key.direction == number);
        of_side.map(|found| found.key.account_id).collect()
    };
    let (senders, receivers) = (at_instant(Direction::Sender), at_instant(Direction::Receiver));
    let net = net_before(snapshot, (&senders, &receivers), asset.asset_id, place).await?;
    Ok(received.minus(&sent).plus(&net))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
