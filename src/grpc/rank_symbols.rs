//! `PriceService.RankSymbols`.

use crate::{
    domain::{
        decimal::Decimal,
        price::{
            metric::SymbolMetric,
            symbol::{SymbolName, TICK_INTERVAL_SECONDS_MAX},
        },
        ranking::{RankCursor, RankOrder},
        window::Window,
    },
    error::Error,
    grpc::{
        decode::{self, timestamp, window_pb},
        list_prices::read_window,
        list_symbols::ends_pb,
        page, page_token,
        pb::v1::{self, RankSymbolsRequest, RankSymbolsResponse, SymbolRank},
        price_service::PriceLimits,
        violations::Violations,
    },
    prices::{
        Prices,
        rank_symbols::{Population, SymbolPlace, SymbolRankQuestion},
    },
};

/// Rows of an answer that does not say how many.
const PAGE_SIZE_DEFAULT: usize = 100;

/// Most rows of an answer, and most symbols of a question.
const PAGE_SIZE_MAX: usize = 10_000;

/// Percent of the expected ticks that make a symbol not thin, where nobody says.
const COVERAGE_DEFAULT: i64 = 80;

pub(super) async fn rank_symbols(
    prices: &Prices,
    limits: PriceLimits,
    request: &RankSymbolsRequest,
) -> Result<RankSymbolsResponse, Error> {
    let cleared = RankSymbolsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let mut violations = Violations::default();
    let question = decode(request, limits, &mut violations);
    let at = page_token::place(digest, &request.page_token, read_position, &mut violations);
    let (mut question, at) = violations.finish(question.zip(at))?;
    let cursor = at.map(|(window, cursor)| {
        question.window = Some(window);
        cursor
    });
    let answer = prices.rank_symbols(&question, cursor).await?;
    let mut rows: Vec<SymbolRank> = answer.places.into_iter().map(rank_pb).collect();
    let is_cut = page::cut_after_first(&mut rows, page::room(limits.response_bytes_max))?;
    let last = rows.last().filter(|_| is_cut || answer.has_more);
    let next = last.map(|row| position(answer.window, row));
    let (difference, ticks_read) = match answer.verification {
        Some((difference, count)) => {
            (difference.unwrap_or_default(), i64::try_from(count).unwrap_or(i64::MAX))
        }
        None => (String::new(), 0),
    };
    Ok(RankSymbolsResponse {
        rows,
        next_page_token: page_token::next(digest, next.as_deref()),
        population_size: decode::count_pb(answer.population_size),
        window: Some(window_pb(answer.window)),
        as_of: Some(timestamp(answer.as_of)),
        verification_difference: difference,
        verification_ticks_read: ticks_read,
    })
}

fn decode(
    request: &RankSymbolsRequest,
    limits: PriceLimits,
    violations: &mut Violations,
) -> Option<SymbolRankQuestion> {
    let population = population(request, violations);
    let window = decode::window_or_none(request.window.as_ref(), violations);
    let metric = metric(request.metric);
    let metric = violations.require(metric, "metric", "must be one of the metrics of symbols");
    let coverage = match i64::from(request.min_coverage_percent) {
        0 => Some(COVERAGE_DEFAULT),
        percent => Some(percent).filter(|percent| (1..=100).contains(percent)),
    };
    let hint = format!("must be 1 to 100, or 0 for {COVERAGE_DEFAULT}");
    let coverage = violations.require(coverage, "min_coverage_percent", hint);
    let interval = match request.tick_interval_seconds {
        0 => Some(None),
        seconds => {
            Some(Some(seconds)).filter(|_| (1..=TICK_INTERVAL_SECONDS_MAX).contains(&seconds))
        }
    };
    let hint = format!(
        "must be 1 to {TICK_INTERVAL_SECONDS_MAX}, or 0 for what is recorded with each symbol"
    );
    let interval = violations.require(interval, "tick_interval_seconds", hint);
    let sizes = (PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX);
    let page_size = decode::page_size(request.page_size, sizes.0, sizes.1, violations)?;
    Some(SymbolRankQuestion {
        population: population?,
        window: window?,
        metric: metric?,
        order: if request.lowest_first { RankOrder::Bottom } else { RankOrder::Top },
        min_coverage_percent: coverage?,
        tick_interval_seconds: interval?,
        include_thin: request.include_thin,
        page_size,
        population_max: limits.population_max,
        verify: request.verify,
    })
}

fn population(request: &RankSymbolsRequest, violations: &mut Violations) -> Option<Population> {
    if !request.comparable_with.is_empty() {
        if !request.symbols.is_empty() {
            violations.add("comparable_with", "must be empty where symbols are given");
            return None;
        }
        let name = SymbolName::parse(&request.comparable_with);
        let name = violations.require(name, "comparable_with", SymbolName::RULE)?;
        return Some(Population::ComparableWith(name));
    }
    if request.symbols.is_empty() {
        return Some(Population::All);
    }
    if request.symbols.len() > PAGE_SIZE_MAX {
        violations.add("symbols", format!("must be at most {PAGE_SIZE_MAX}"));
        return None;
    }
    let mut names = Vec::with_capacity(request.symbols.len());
    for (index, text) in request.symbols.iter().enumerate() {
        match SymbolName::parse(text) {
            Some(name) => names.push(name),
            None => {
                violations.add(format!("symbols[{index}]"), SymbolName::RULE);
                return None;
            }
        }
    }
    Some(Population::Named(names))
}

fn metric(given: i32) -> Option<SymbolMetric> {
    match v1::SymbolMetric::try_from(given).ok()? {
        v1::SymbolMetric::Unspecified => None,
        v1::SymbolMetric::StddevOfPrice => Some(SymbolMetric::StddevOfPrice),
        v1::SymbolMetric::StddevOfReturn => Some(SymbolMetric::StddevOfReturn),
        v1::SymbolMetric::CoefficientOfVariation => Some(SymbolMetric::CoefficientOfVariation),
        v1::SymbolMetric::ChangePercent => Some(SymbolMetric::ChangePercent),
        v1::SymbolMetric::Mean => Some(SymbolMetric::Mean),
    }
}

/// Where a page ends: a row that is not ranked has no value there.
fn position(window: Window, row: &SymbolRank) -> String {
    let (start, end) = (window.start().timestamp_micros(), window.end().timestamp_micros());
    let value = if row.rank > 0 { row.value.as_str() } else { "" };
    format!("{start}:{end}:{value}:{}", row.symbol)
}

fn read_position(text: &str) -> Option<(Window, RankCursor<String>)> {
    let (window, rest) = read_window(text)?;
    let (value, key) = rest.split_once(':')?;
    let value = match value {
        "" => None,
        text => Some(Decimal::parse(text)?),
    };
    Some((window, RankCursor { value, key: key.to_owned() }))
}

fn rank_pb(place: SymbolPlace) -> SymbolRank {
    let [first_tick, last_tick] = ends_pb(place.ends);
    SymbolRank {
        rank: place.rank.map_or(0, decode::count_pb),
        symbol: place.name,
        value: place.value.map(|value| value.to_string()).unwrap_or_default(),
        tick_count: place.tick_count,
        expected_tick_count: place.expected_tick_count,
        is_thin: place.is_thin,
        return_count: (place.tick_count - 1).max(0),
        first_tick,
        last_tick,
    }
}
