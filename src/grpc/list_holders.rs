//! `TokenService.ListHolders`.

use chrono::{DateTime, TimeDelta};
use prost_types::Duration;

use crate::{
    domain::{account::ADDRESS_LENGTH_MAX, decimal::Decimal, holders::PERCENT_DECIMALS, window},
    error::Error,
    grpc::{
        decode, page, page_token,
        pb::v1::{
            self, ListHoldersRequest, ListHoldersResponse, NegativeBalance,
            list_holders_request::AsOf,
        },
        token_service::{block_pb, contract, verdict_pb},
        violations::Violations,
    },
    tokens::{
        Tokens,
        as_of::{AsOfQuestion, PagePin},
        list_holders::{Holder, HoldersAnswer, HoldersQuestion},
    },
};

/// Rows in an answer where the request does not say.
const PAGE_SIZE_DEFAULT: usize = 100;

/// Most rows in an answer.
const PAGE_SIZE_MAX: usize = 1_000;

/// The span whose changes are told where the request does not say.
const SPAN_DEFAULT: TimeDelta = TimeDelta::days(7);

/// The longest span.
const SPAN_MAX: TimeDelta = TimeDelta::days(36_500);

/// What stands in a page token for what is not there.
const NONE: &str = "-";

pub(super) async fn list_holders(
    tokens: &Tokens,
    bytes_max: usize,
    request: &ListHoldersRequest,
) -> Result<ListHoldersResponse, Error> {
    let cleared = ListHoldersRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let question = question(request, digest)?;
    let answer = tokens.list_holders(&question).await?;
    encode(&answer, bytes_max, digest)
}

fn question(request: &ListHoldersRequest, digest: [u8; 8]) -> Result<HoldersQuestion, Error> {
    let mut violations = Violations::default();
    let contract = contract(request.token.as_ref(), &mut violations);
    let as_of = as_of(request, &mut violations);
    let span = span(request.span.as_ref(), &mut violations);
    let sizes = (PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX);
    let page_size = decode::page_size(request.page_size, sizes.0, sizes.1, &mut violations);
    let place = page_token::place(digest, &request.page_token, read_place, &mut violations);
    let decoded = contract.zip(as_of).zip(span.zip(page_size).zip(place));
    let ((contract, as_of), ((span, page_size), place)) = violations.finish(decoded)?;
    let (as_of, after) = match place {
        Some((pin, after)) => (AsOfQuestion::Page(pin), Some(after)),
        None => (as_of, None),
    };
    Ok(HoldersQuestion { contract, as_of, span, page_size, after })
}

fn as_of(request: &ListHoldersRequest, violations: &mut Violations) -> Option<AsOfQuestion> {
    match &request.as_of {
        None => Some(AsOfQuestion::Head),
        // Which blocks are recorded is the token's to say.
        Some(AsOf::AsOfHeight(height)) => Some(AsOfQuestion::Height(*height)),
        Some(AsOf::AsOfTime(at)) => {
            decode::instant(Some(at), "as_of_time", violations).map(AsOfQuestion::Instant)
        }
    }
}

fn span(given: Option<&Duration>, violations: &mut Violations) -> Option<TimeDelta> {
    let Some(given) = given else { return Some(SPAN_DEFAULT) };
    let micros = (given.nanos % 1_000 == 0).then_some(i64::from(given.nanos / 1_000));
    let micros =
        micros.and_then(|micros| given.seconds.checked_mul(1_000_000)?.checked_add(micros));
    let span = micros.map(TimeDelta::microseconds);
    let span = span.filter(|span| *span > TimeDelta::zero() && *span <= SPAN_MAX);
    violations.require(
        span,
        "span",
        "must be whole microseconds, more than none, up to 36,500 days",
    )
}

/// Where a page goes on: the block that all pages are as of, and the last holder before.
fn place_text(pin: &PagePin, balance: &Decimal, address: &str) -> String {
    let PagePin { height, at, hash, is_final, generation, last_known } = pin;
    let hash = hash.as_deref().unwrap_or(NONE);
    let at = at.map_or_else(|| NONE.to_owned(), |at| at.to_string());
    let (known_height, known_hash) = match last_known {
        Some((height, hash)) => (height.to_string(), hash.as_str()),
        None => (NONE.to_owned(), NONE),
    };
    let is_final = u8::from(*is_final);
    let pinned = format!("{height} {at} {hash} {is_final} {generation}");
    format!("{pinned} {known_height} {known_hash} {balance} {address}")
}

fn read_place(text: &str) -> Option<(PagePin, (Decimal, String))> {
    let words: Vec<&str> = text.splitn(9, ' ').collect();
    let &[height, at, hash, is_final, generation, known_height, known_hash, balance, address] =
        words.as_slice()
    else {
        return None;
    };
    let at = match at {
        NONE => None,
        micros => {
            let micros: i64 = micros.parse().ok()?;
            let at = DateTime::from_timestamp_micros(micros)?;
            let nanos = i32::try_from(at.timestamp_subsec_nanos()).ok()?;
            // As requests are checked: anybody can write a token.
            window::instant(at.timestamp(), nanos).ok()?;
            Some(micros)
        }
    };
    let last_known = match known_height {
        NONE => None,
        known_height => Some((known_height.parse().ok()?, known_hash.to_owned())),
    };
    let is_final = match is_final {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    let pin = PagePin {
        height: height.parse().ok()?,
        at,
        hash: Some(hash).filter(|hash| *hash != NONE).map(str::to_owned),
        is_final,
        generation: generation.parse().ok()?,
        last_known,
    };
    (address.chars().count() <= ADDRESS_LENGTH_MAX).then_some(())?;
    Some((pin, (Decimal::parse(balance)?, address.to_owned())))
}

fn encode(
    answer: &HoldersAnswer,
    bytes_max: usize,
    digest: [u8; 8],
) -> Result<ListHoldersResponse, Error> {
    let decimals = answer.token.decimals;
    let mut holders: Vec<_> =
        answer.holders.iter().map(|holder| holder_pb(holder, decimals)).collect();
    let is_cut = page::cut_after_first(&mut holders, page::room(bytes_max))?;
    let last = holders.len().checked_sub(1).and_then(|last| answer.holders.get(last));
    let last = last.filter(|_| is_cut || answer.has_more);
    let place = last.map(|last| place_text(&answer.as_of.pin(), &last.balance, &last.address));
    let negative = answer.negative.iter().map(|(address, balance)| NegativeBalance {
        address: address.clone(),
        balance: balance.to_text(decimals),
    });
    Ok(ListHoldersResponse {
        holders,
        next_page_token: page_token::next(digest, place.as_deref()),
        as_of: Some(as_of_pb(answer)),
        changes_after: answer.changes_after.map(decode::timestamp),
        holder_count: decode::count_pb(answer.holder_count),
        supply: answer.supply.to_text(decimals),
        balance_sum: answer.balance_sum.to_text(decimals),
        is_sum_supply: answer.balance_sum == answer.supply,
        negative_count: decode::count_pb(answer.negative_count),
        negative_sum: answer.negative_sum.to_text(decimals),
        negative_balances: negative.collect(),
        first_height: answer.token.stream.as_ref().map_or(0, |stream| stream.first_height),
        verdict: verdict_pb(answer.token.verdict()),
        database_seconds: answer.took.as_secs_f64(),
    })
}

fn as_of_pb(answer: &HoldersAnswer) -> v1::TokenBlock {
    let as_of = &answer.as_of;
    match as_of.block.as_ref().zip(answer.token.stream.as_ref()) {
        Some((block, stream)) => block_pb(block, stream),
        None => v1::TokenBlock {
            height: as_of.height,
            is_final: as_of.is_final,
            ..v1::TokenBlock::default()
        },
    }
}

fn holder_pb(holder: &Holder, decimals: u32) -> v1::Holder {
    let percent = |number: &Option<Decimal>| {
        number.as_ref().map(|number| number.to_text(PERCENT_DECIMALS)).unwrap_or_default()
    };
    v1::Holder {
        rank: holder.rank,
        address: holder.address.clone(),
        balance: holder.balance.to_text(decimals),
        share_percent: percent(&holder.share_percent),
        change: holder.change.to_text(decimals),
        change_percent: percent(&holder.change_percent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        let balance = Decimal::parse("12.5").expect("a number");
        for (at, last_known) in
            [(None, None), (Some(1_700_000_000_000_000), Some((7, "0xab".to_owned())))]
        {
            let (hash, is_final) = (at.map(|_| "0xef".to_owned()), at.is_some());
            let pin = PagePin { height: 9, at, hash, is_final, generation: 3, last_known };
            let text = place_text(&pin, &balance, "0xcd");
            assert_eq!(read_place(&text), Some((pin, (balance.clone(), "0xcd".to_owned()))));
        }
        for text in [
            "",
            "9 - - 0 3 - - 12.5",
            "9 - - 2 3 - - 12.5 a",
            "9 x - 0 3 - - 12.5 a",
            "9 - - 0 3 - - NaN a",
            "9 9223372036854775807 - 0 3 - - 1 a",
        ] {
            assert_eq!(read_place(text), None, "{text}");
        }
    }
}
