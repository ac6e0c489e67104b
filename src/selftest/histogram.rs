//! Histograms: how amounts are distributed over sizes, in buckets with bounds of the
//! question's or in twenty of equal width.

use num_bigint::BigInt;
use rand::RngExt;

use crate::{
    analytics::histogram::HistogramQuestion,
    domain::{access::Scope, decimal::Decimal},
    error::Error,
    selftest::{
        amount::{self, UNIT_DECIMALS},
        draws::{Draws, Scan},
        oracle::Oracle,
        questions::{Answering, Drawn, Question, sum_text, window},
        series::draw_group,
    },
};

/// Most rows that are read: more than there are.
const ROWS_MAX: u64 = 1_000_000;

/// Draws a histogram.
pub(super) fn draw_histogram(draws: &mut Draws, oracle: &Oracle) -> Drawn {
    let (whose, subject) = draw_group(draws, oracle);
    let (place, direction) = (draws.index(oracle.assets.len()), draws.direction());
    let span = draws.span(oracle);
    let asset = oracle.assets[place].clone();
    let mut bounds: Vec<_> = match draws.is(0.3) {
        true => Vec::new(),
        false => (0..draws.rng.random_range(1..8)).map(|_| draws.units()).collect(),
    };
    bounds.sort();
    bounds.dedup();
    let amounts = oracle.amounts_of_group(whose, (place, direction), span);
    let right = draws.right(text_of(&amounts, &bounds, asset.decimals), span, Scan::Always);
    let bounds = bounds.iter().filter_map(|bound| Decimal::parse(&amount::text(bound, 0)));
    let question = HistogramQuestion {
        subject,
        scope: Scope::Everybody,
        asset,
        window: window(span),
        direction,
        bounds: bounds.collect(),
        rows_max: ROWS_MAX,
    };
    Drawn { question: Question::Histogram(question), right }
}

/// The oracle's histogram. Bounds are compared in hundredths of the unit: a twentieth of a
/// width is a whole number of them.
fn text_of(amounts: &[BigInt], bounds: &[BigInt], decimals: u32) -> String {
    let shown = |hundredths: &BigInt| amount::text_of(hundredths, UNIT_DECIMALS + 2, decimals);
    let amounts: Vec<BigInt> = amounts.iter().map(|units| units * 100).collect();
    let (smallest, largest) = (amounts.iter().min(), amounts.iter().max());
    let mut edges: Vec<BigInt> = bounds.iter().map(|bound| bound * 100).collect();
    let end = largest.filter(|_| bounds.is_empty());
    match (smallest, largest) {
        (Some(smallest), Some(largest)) if bounds.is_empty() => {
            edges = (0..20).map(|step| smallest + (largest - smallest) / 20 * step).collect();
            edges.dedup();
        }
        _ => {}
    }
    let below = amounts.iter().filter(|units| edges.first().is_some_and(|edge| *units < edge));
    let mut lines = vec![head(
        amounts.len(),
        below.count(),
        smallest.zip(largest).map(|(smallest, largest)| (shown(smallest), shown(largest))),
    )];
    for (place, lower) in edges.iter().enumerate() {
        let upper = edges.get(place + 1);
        let is_inside = |units: &&BigInt| *units >= lower && upper.is_none_or(|end| *units < end);
        let inside: Vec<_> = amounts.iter().filter(is_inside).collect();
        let sum: BigInt = inside.iter().copied().sum();
        let upper = upper.or(end).map(shown);
        lines.push(line(&shown(lower), upper.as_deref(), (shown(&sum), inside.len())));
    }
    lines.join("\n")
}

/// Asks a histogram.
pub(super) async fn ask_histogram(
    answering: &Answering,
    question: &HistogramQuestion,
) -> Result<String, Error> {
    let answer = answering.analytics.histogram(question).await?;
    let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
    let mut lines =
        vec![head(count(answer.transaction_count), count(answer.below_count), answer.extent)];
    lines.extend(answer.buckets.into_iter().map(|bucket| {
        let sum = (bucket.sum_amount, count(bucket.transaction_count));
        line(&bucket.lower, bucket.upper.as_deref(), sum)
    }));
    Ok(lines.join("\n"))
}

fn head(count: usize, below: usize, extent: Option<(String, String)>) -> String {
    let extent = extent.map(|(smallest, largest)| format!("{smallest} to {largest}"));
    format!("{count} transactions, {below} below, {}", extent.as_deref().unwrap_or("nothing"))
}

fn line(lower: &str, upper: Option<&str>, sum: (String, usize)) -> String {
    format!("{lower} to {}: {}", upper.unwrap_or("the end"), sum_text(sum))
}
