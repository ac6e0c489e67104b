//! Questions beyond one sum and one ranking: batches, series, balances, histograms, and sums
//! that are verified. For each there is one function that draws it and has the oracle answer,
//! and one that asks it.
//!
//! What `analytics` cannot answer by itself yet is asked piece by piece, from sums, or is not
//! drawn (`WEIGHTS`): then its asking function is the one to fill in.

use num_bigint::BigInt;
use rand::RngExt;

use crate::{
    analytics::{Analytics, sum_amount::SumQuestion},
    domain::{decimal::Decimal, direction::Direction},
    error::{Error, ErrorKind},
    selftest::{
        amount,
        draws::{ALL_TIME, DAY_MICROS, Draws},
        oracle::{About, Oracle, Span, Whose},
        questions::{Question, sum_question, sum_text},
    },
};

/// Kinds of questions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Sum,
    Rank,
    Batch,
    Series,
    Balance,
    Histogram,
    VerifiedSum,
}

/// How often each kind is drawn. Zero: not built yet.
const WEIGHTS: [(Kind, u32); 7] = [
    (Kind::Sum, 70),
    (Kind::Rank, 20),
    (Kind::Batch, 2),
    (Kind::Series, 2),
    (Kind::Balance, 6),
    (Kind::Histogram, 0),
    (Kind::VerifiedSum, 0),
];

/// Sums of a batch, and buckets of a series, at most.
const SUMS_MAX: usize = 8;

/// A question with the oracle's answer and the time that it needs rows of.
pub(super) type Drawn = (Question, String, Span);

impl Kind {
    /// Draws a kind.
    pub(super) fn draw(draws: &mut Draws) -> Self {
        let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut left: u32 = draws.rng.random_range(0..total);
        for (kind, weight) in WEIGHTS {
            if left < weight {
                return kind;
            }
            left -= weight;
        }
        Self::Sum
    }
}

/// Sums of several subjects and windows, from one snapshot.
pub(super) fn draw_batch(draws: &mut Draws, oracle: &Oracle) -> Drawn {
    let (mut questions, mut texts, mut whole) = (Vec::new(), Vec::new(), None::<Span>);
    for _ in 0..draws.rng.random_range(1..=SUMS_MAX) {
        let (about, span) = (draws.about(oracle), draws.span(oracle));
        questions.push(sum_question(oracle, about, span));
        texts.push(sum_text(oracle.sum(about, span)));
        whole = Some(whole.map_or(span, |whole| whole.reaching(span)));
    }
    (Question::Batch(questions), texts.join("\n"), whole.unwrap_or(ALL_TIME))
}

/// Asks a batch. As yet sum by sum, in several snapshots.
pub(super) async fn ask_batch(
    analytics: &Analytics,
    questions: &[SumQuestion],
) -> Result<String, Error> {
    let mut texts = Vec::new();
    for question in questions {
        texts.push(ask_sum(analytics, question).await?);
    }
    Ok(texts.join("\n"))
}

/// A window in buckets of hours, days or weeks, on the calendar of UTC.
pub(super) fn draw_series(draws: &mut Draws, oracle: &Oracle) -> Drawn {
    let about = draws.about(oracle);
    let hour = DAY_MICROS / 24;
    let unit = [hour, 6 * hour, DAY_MICROS, 3 * DAY_MICROS, 7 * DAY_MICROS][draws.index(5)];
    let start = draws.instant(oracle);
    let most = i64::try_from(SUMS_MAX - 1).unwrap_or(1);
    let span = Span { start, end: start + draws.rng.random_range(1..=unit * most) };
    let (mut buckets, mut texts, mut from) = (Vec::new(), Vec::new(), span.start);
    while from < span.end {
        // Counted from 0001-01-01, a Monday; six hours and one hour divide a day.
        let next = from + unit - (from - ALL_TIME.start).rem_euclid(unit);
        let bucket = Span { start: from, end: next.min(span.end) };
        buckets.push(sum_question(oracle, about, bucket));
        texts.push(sum_text(oracle.sum(about, bucket)));
        from = next;
    }
    (Question::Series(buckets), texts.join("\n"), span)
}

/// Asks a series. As yet bucket by bucket, in several snapshots.
pub(super) async fn ask_series(
    analytics: &Analytics,
    buckets: &[SumQuestion],
) -> Result<String, Error> {
    ask_batch(analytics, buckets).await
}

/// What a user or an account holds before an instant.
pub(super) fn draw_balance(draws: &mut Draws, oracle: &Oracle) -> Drawn {
    let mut about = draws.about(oracle);
    if let Whose::Payments(user) = about.whose {
        about.whose = Whose::User(user);
    }
    let span = Span { start: ALL_TIME.start, end: draws.span(oracle).end };
    let side = |direction| About { direction, ..about };
    let [received, sent] = [Direction::Receiver, Direction::Sender].map(side);
    let total = |about| oracle.amounts(about, span).iter().sum::<BigInt>();
    let decimals = oracle.assets[about.asset].decimals;
    let balance = amount::text(&(total(received) - total(sent)), decimals);
    let text = [sum_text(oracle.sum(received, span)), sum_text(oracle.sum(sent, span))];
    let sides = [sum_question(oracle, received, span), sum_question(oracle, sent, span)];
    (Question::Balance(Box::new(sides)), balance_text(&balance, &text), span)
}

/// Asks a balance. As yet from two sums, in two snapshots.
pub(super) async fn ask_balance(
    analytics: &Analytics,
    [received, sent]: &[SumQuestion; 2],
) -> Result<String, Error> {
    let (plus, minus) = (analytics.sum_amount(received).await?, analytics.sum_amount(sent).await?);
    let amounts = (Decimal::parse(&plus.sum_amount), Decimal::parse(&minus.sum_amount));
    let balance = match amounts {
        (Some(plus), Some(minus)) => plus.minus(&minus).to_text(received.asset.decimals),
        _ => return Err(Error::with_source(ErrorKind::Internal, "a sum is no number")),
    };
    let text = [plus, minus].map(|side| {
        sum_text((side.sum_amount, usize::try_from(side.transaction_count).unwrap_or(usize::MAX)))
    });
    Ok(balance_text(&balance, &text))
}

fn balance_text(balance: &str, [received, sent]: &[String; 2]) -> String {
    format!("{balance}: received {received}, sent {sent}")
}

/// How amounts are distributed over sizes: number and sum by lower bound, below the first
/// one first.
pub(super) fn draw_histogram(draws: &mut Draws, oracle: &Oracle) -> Drawn {
    let (about, span) = (draws.about(oracle), draws.span(oracle));
    let decimals = oracle.assets[about.asset].decimals;
    let mut bounds: Vec<_> = (0..draws.rng.random_range(1..8)).map(|_| draws.units()).collect();
    bounds.sort();
    bounds.dedup();
    let amounts = oracle.amounts(about, span);
    let mut lines = vec![amounts.iter().filter(|units| **units < bounds[0]).count().to_string()];
    for (place, lower) in bounds.iter().enumerate() {
        let upper = bounds.get(place + 1);
        let is_inside = |units: &&BigInt| *units >= lower && upper.is_none_or(|end| *units < end);
        let inside: Vec<_> = amounts.iter().filter(is_inside).collect();
        let sum: BigInt = inside.iter().copied().sum();
        lines.push(sum_text((amount::text(&sum, decimals), inside.len())));
    }
    let bounds = bounds.iter().map(|bound| amount::text(bound, 0)).collect();
    let question = sum_question(oracle, about, span);
    (Question::Histogram(question, bounds), lines.join("\n"), span)
}

/// Asks a histogram. There is nobody to ask yet.
pub(super) fn ask_histogram(_question: &SumQuestion, _bounds: &[String]) -> Result<String, Error> {
    Err(Error::new(ErrorKind::Unimplemented("a histogram")))
}

/// A sum that is also computed from the rows.
pub(super) fn draw_verified(draws: &mut Draws, oracle: &Oracle) -> Drawn {
    let (about, span) = (draws.about(oracle), draws.span(oracle));
    let text = format!("{}, verified", sum_text(oracle.sum(about, span)));
    (Question::VerifiedSum(sum_question(oracle, about, span)), text, span)
}

/// Asks a sum that is verified. There is nobody to ask yet.
pub(super) fn ask_verified(_question: &SumQuestion) -> Result<String, Error> {
    Err(Error::new(ErrorKind::Unimplemented("verify")))
}

/// Asks one sum.
pub(super) async fn ask_sum(
    analytics: &Analytics,
    question: &SumQuestion,
) -> Result<String, Error> {
    let answer = analytics.sum_amount(question).await?;
    let count = usize::try_from(answer.transaction_count).unwrap_or(usize::MAX);
    Ok(sum_text((answer.sum_amount, count)))
}
