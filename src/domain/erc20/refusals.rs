//! Why a provider refused to answer, read from its words.
//!
//! There is no standard for it: the same code stands for a range that is too long and for too
//! many questions, and most of what is to be known is in a sentence. What each provider documents
//! or is seen to write is in the tests. Words that are not known refuse nothing but this question:
//! the caller tries again.

use crate::domain::{erc20::ranges::Range, hex};

/// How a provider's error came: its code, its words, and the range that it names beside them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wording<'a> {
    /// The code of JSON-RPC.
    pub code: i64,
    /// The message.
    pub message: &'a str,
    /// Ends of a range that the error's data name, as they are written there.
    pub named: Option<(&'a str, &'a str)>,
}

/// What a refusal says of ranges that would be answered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Advice {
    /// The range to ask for instead.
    pub range: Option<Range>,
    /// Most blocks of a range.
    pub blocks_max: Option<u64>,
    /// Most results of an answer.
    pub results_max: Option<u64>,
}

/// What a provider's error means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The range has too many blocks, or too many results.
    TooMuch(Advice),
    /// The provider is behind: it does not know blocks that were asked for.
    Ahead,
    /// Asked too often.
    TooOften,
    /// The day's or month's share is used up.
    UsedUp,
    /// A block's hash is not one that the provider knows.
    UnknownBlock,
    /// The provider has thrown the blocks away.
    Pruned,
    /// Something else.
    Other,
}

/// Reads a refusal. Sentences are looked at before codes, which mean different things at different
/// providers.
#[must_use]
pub fn read(wording: &Wording<'_>) -> Refusal {
    let text = wording.message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    let range = wording.named.and_then(|(first, last)| range_of(first, last));
    let range = range.or_else(|| suggested(&text));
    if says(USED_UP) || wording.code == 402 {
        Refusal::UsedUp
    } else if says(PRUNED) {
        Refusal::Pruned
    } else if says(UNKNOWN_BLOCK) {
        Refusal::UnknownBlock
    } else if says(AHEAD) {
        Refusal::Ahead
    } else if range.is_some()
        || says(TOO_MUCH)
        || is_limit(&text)
        || matches!(wording.code, -32614 | 35 | 413)
    {
        let (blocks_max, results_max) = limits(&text);
        Refusal::TooMuch(Advice { range, blocks_max, results_max })
    } else if says(TOO_OFTEN) || matches!(wording.code, 429 | -32005 | -32016 | -32029) {
        Refusal::TooOften
    } else {
        Refusal::Other
    }
}

const USED_UP: &[&str] = &[
    "daily request",
    "daily limit",
    "daily rate limit",
    "daily credit",
    "monthly",
    "out of cu",
    "quota",
    "credits exhausted",
];

const PRUNED: &[&str] = &["pruned", "history has been", "missing trie", "archive"];

const UNKNOWN_BLOCK: &[&str] = &["unknown block", "block not found", "header not found"];

const AHEAD: &[&str] = &[
    "after last accepted",
    "beyond current head",
    "beyond the head",
    "beyond head",
    "greater than latest",
    "exceeds latest",
    "past head",
    "block range extends beyond",
    "one of the blocks specified in filter",
    "toblock is greater",
    "blockoutofrange",
    "block out of range",
    "block height is",
    "latest block is",
    "is in the future",
    "future block",
];

const TOO_OFTEN: &[&str] = &[
    "rate limit",
    "rate-limit",
    "ratelimit",
    "too many requests",
    "request rate",
    "requests per second",
    "throughput",
    "capacity",
    "try again in",
];

const TOO_MUCH: &[&str] = &[
    "too many blocks",
    "too many results",
    "too many logs",
    "too big",
    "too large",
    "response size",
    "results limit",
    "max results",
    "query exceeds",
    "limited to",
    "query timeout",
    "timed out",
    "requested blocks",
];

/// Whether the text says that there is a limit on the blocks of a question, or on the results of an
/// answer. The word "range" alone says it of neither: heights and numbers have ranges, too.
fn is_limit(text: &str) -> bool {
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    (says(RANGES) && says(LIMITS)) || (text.contains("more than") && says(RESULTS))
}

const RANGES: &[&str] =
    &["block range", "blocks range", "range of blocks", "rpc range", "max range", "ranges over"];

const LIMITS: &[&str] = &[
    "limit",
    "exceed",
    "max",
    "over",
    "wide",
    "large",
    "big",
    "greater",
    "more than",
    "up to",
    "invalid",
];

const RESULTS: &[&str] = &["result", "log", "record", "event", "block"];

/// A range that stands in the text: `[0x1, 0x2]`, or two numbers with a hyphen after the words
/// that it is to be tried with.
fn suggested(text: &str) -> Option<Range> {
    let in_brackets = text.split('[').skip(1).find_map(|rest| {
        let (first, last) = rest.split_once(']')?.0.split_once(',')?;
        range_of(first.trim(), last.trim())
    });
    in_brackets.or_else(|| {
        let (_, rest) = text.split_once("retry with the range ")?;
        let (first, rest) = rest.split_once('-')?;
        let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        range_of(first.trim(), &rest[..length])
    })
}

fn range_of(first: &str, last: &str) -> Option<Range> {
    let number = |text: &str| hex::quantity(text).or_else(|| text.parse().ok());
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(Range { first, last })
}

/// Most blocks and most results that the text names: numbers after a word of limits, told apart
/// by what is counted.
fn limits(text: &str) -> (Option<u64>, Option<u64>) {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c == ':')
        .filter(|word| !word.is_empty())
        .collect();
    let (mut blocks, mut results) = (None, None);
    let mut is_limit = false;
    for (place, word) in words.iter().enumerate() {
        is_limit |= LIMIT_WORDS.iter().any(|limit| word.starts_with(limit));
        let Some(number) = number_of(word) else { continue };
        let after = &words[place + 1..words.len().min(place + 3)];
        let counts = |things: &[&str]| {
            after.first().is_some_and(|word| things.iter().any(|thing| word.starts_with(thing)))
        };
        let is_followed = |things: &[&str]| {
            after.iter().any(|word| things.iter().any(|thing| word.starts_with(thing)))
        };
        // The first number of "from 0 to 10000" or "0 - 10000" is no limit.
        if !is_limit || counts(&["-", "to", "until"]) || is_followed(&["mb", "second", "byte"]) {
            continue;
        }
        if is_followed(&["result", "log", "record", "event"]) {
            results = results.or(Some(number));
        } else if text.contains("range") || text.contains("block") {
            blocks = blocks.or(Some(number));
        }
    }
    (blocks.filter(|&number| number > 0), results.filter(|&number| number > 0))
}

const LIMIT_WORDS: &[&str] =
    &["max", "limit", "up", "over", "than", "exceed", "threshold", "most", "cap", "larger", "only"];

/// A whole number as people write it: with commas, in thousands, or with an end of the sentence.
fn number_of(word: &str) -> Option<u64> {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let (digits, factor) = match word.strip_suffix('k') {
        Some(digits) => (digits, 1_000),
        None => (word, 1),
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b',');
    let digits = digits.replace([',', '_'], "");
    digits.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(factor)
}

#[cfg(test)]
mod tests;
