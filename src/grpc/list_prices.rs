//! `PriceService.ListPrices`.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        decimal::Decimal,
        metric::ROUNDED_DECIMALS,
        price::symbol::SymbolName,
        window::{self, Window},
    },
    error::Error,
    grpc::{
        decode::{self, timestamp, window_pb},
        list_symbols::tick_pb,
        page, page_token,
        pb::v1::{Bar, ListPricesRequest, ListPricesResponse},
        price_service::PriceLimits,
        violations::Violations,
    },
    prices::{
        PriceBar, Prices,
        list_prices::{PriceRows, PricesQuestion},
    },
};

/// Rows of an answer that does not say how many: a day of minutes.
const PAGE_SIZE_DEFAULT: usize = 1_440;

/// Most rows of an answer.
const PAGE_SIZE_MAX: usize = 10_000;

/// Longest bucket, in seconds.
const BUCKET_SECONDS_MAX: i32 = 31_536_000;

pub(super) async fn list_prices(
    prices: &Prices,
    limits: PriceLimits,
    request: &ListPricesRequest,
) -> Result<ListPricesResponse, Error> {
    let cleared = ListPricesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let question = decode(request, digest)?;
    let page = prices.list_prices(&question).await?;
    let mut next_from = page.next_from;
    let room = page::room(limits.response_bytes_max);
    let mut answer = ListPricesResponse {
        window: Some(window_pb(page.window)),
        symbol: question.symbol.to_string(),
        as_of: Some(timestamp(page.as_of)),
        ..ListPricesResponse::default()
    };
    match page.rows {
        PriceRows::Ticks(ticks) => {
            let instants: Vec<_> = ticks.iter().map(|tick| tick.ticked_at).collect();
            answer.ticks = ticks.into_iter().map(tick_pb).collect();
            if page::cut_after_first(&mut answer.ticks, room)? {
                next_from = instants.get(answer.ticks.len()).copied();
            }
        }
        PriceRows::Bars(bars) => {
            let length = question.bucket_seconds.unwrap_or(1);
            let starts: Vec<_> = bars.iter().map(|bar| bar.bucket * length).collect();
            answer.bars = bars.into_iter().map(|bar| bar_pb(bar, length)).collect();
            if page::cut_after_first(&mut answer.bars, room)? {
                let start = starts.get(answer.bars.len());
                next_from = start.and_then(|&start| DateTime::from_timestamp(start, 0));
            }
        }
    }
    let position = next_from.map(|from| position(page.window, from.timestamp_micros()));
    answer.next_page_token = page_token::next(digest, position.as_deref());
    Ok(answer)
}

fn decode(request: &ListPricesRequest, digest: [u8; 8]) -> Result<PricesQuestion, Error> {
    let mut violations = Violations::default();
    let symbol = SymbolName::parse(&request.symbol);
    let symbol = violations.require(symbol, "symbol", SymbolName::RULE);
    let window = decode::window_or_none(request.window.as_ref(), &mut violations);
    let bucket = match request.bucket_seconds {
        0 => Some(None),
        seconds if (1..=BUCKET_SECONDS_MAX).contains(&seconds) => Some(Some(i64::from(seconds))),
        _ => None,
    };
    let hint = format!("must be 1 to {BUCKET_SECONDS_MAX}, or 0 for ticks");
    let bucket = violations.require(bucket, "bucket_seconds", hint);
    let sizes = (PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX);
    let size = decode::page_size(request.page_size, sizes.0, sizes.1, &mut violations);
    let at = page_token::place(digest, &request.page_token, read_position, &mut violations);
    let parts = symbol.zip(window).zip(bucket.zip(size).zip(at));
    let ((symbol, window), ((bucket_seconds, page_size), at)) = violations.finish(parts)?;
    let (window, from) = match at {
        Some((of_page, from)) => (Some(of_page), Some(from)),
        None => (window, None),
    };
    Ok(PricesQuestion { symbol, window, from, bucket_seconds, page_size })
}

/// Where a page goes on, with the window that it belongs to.
fn position(window: Window, from: i64) -> String {
    let (start, end) = (window.start().timestamp_micros(), window.end().timestamp_micros());
    format!("{start}:{end}:{from}")
}

fn read_position(text: &str) -> Option<(Window, DateTime<Utc>)> {
    let (window, rest) = read_window(text)?;
    let from = DateTime::from_timestamp_micros(rest.parse().ok()?)?;
    (window.start() <= from && from <= window.end()).then_some((window, from))
}

/// The window at the head of a position, and what follows it.
pub(super) fn read_window(text: &str) -> Option<(Window, &str)> {
    let (start, rest) = text.split_once(':')?;
    let (end, rest) = rest.split_once(':')?;
    let instant = |text: &str| {
        let at = DateTime::from_timestamp_micros(text.parse().ok()?)?;
        let nanos = i32::try_from(at.timestamp_subsec_nanos()).ok()?;
        // As requests are checked: anybody can write a token.
        window::instant(at.timestamp(), nanos).ok()
    };
    Some((Window::new(instant(start)?, instant(end)?)?, rest))
}

fn bar_pb(bar: PriceBar, seconds: i64) -> Bar {
    let count = Decimal::from(bar.tick_count);
    let mean = Decimal::rounded_quotient(&bar.price_sum, &count, ROUNDED_DECIMALS);
    Bar {
        starts_at: DateTime::from_timestamp(bar.bucket * seconds, 0).map(timestamp),
        open: bar.open.to_string(),
        high: bar.high.to_string(),
        low: bar.low.to_string(),
        close: bar.close.to_string(),
        tick_count: bar.tick_count,
        mean: mean.map(|mean| mean.to_string()).unwrap_or_default(),
    }
}
