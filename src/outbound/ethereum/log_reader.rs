//! Logs as they come: texts that lie in the answer's bytes, and are not copied before they are
//! read. Nodes and explorers write them nearly alike.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use crate::{
    domain::erc20::{
        Address, Event, Hash, hex,
        logs::{Log, check},
        ranges::Range,
    },
    outbound::{ethereum::envelope::malformed, source_error::SourceError},
};

/// Most topics of a log.
const TOPICS_MAX: usize = 4;

/// A log of either dialect.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawLog<'a> {
    address: &'a str,
    #[serde(borrow)]
    topics: Topics<'a>,
    data: &'a str,
    block_number: &'a str,
    #[serde(borrow, default)]
    block_hash: Option<&'a str>,
    transaction_hash: &'a str,
    log_index: &'a str,
    #[serde(default)]
    removed: Option<bool>,
    #[serde(borrow, default, alias = "timeStamp")]
    block_timestamp: Option<&'a str>,
}

/// Topics of a log; places that are null, as some explorers have them, are left out.
struct Topics<'a> {
    texts: [&'a str; TOPICS_MAX],
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Topics<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TopicsVisitor)
    }
}

struct TopicsVisitor;

impl<'de> Visitor<'de> for TopicsVisitor {
    type Value = Topics<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at most {TOPICS_MAX} topics")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut topics = Topics { texts: [""; TOPICS_MAX], count: 0 };
        while let Some(topic) = sequence.next_element::<Option<&'de str>>()? {
            let Some(topic) = topic else { continue };
            let place = topics.texts.get_mut(topics.count);
            *place.ok_or_else(|| serde::de::Error::invalid_length(TOPICS_MAX + 1, &self))? = topic;
            topics.count += 1;
        }
        Ok(topics)
    }
}

/// Reads the logs of one token, of these blocks.
///
/// # Errors
/// If a log is of something else, or makes no sense.
pub(super) fn logs(
    raw: &[RawLog<'_>],
    token: &Address,
    range: Range,
) -> Result<Vec<Log>, SourceError> {
    let mut logs = Vec::with_capacity(raw.len());
    for raw in raw {
        logs.push(log(raw, token)?);
    }
    check(&mut logs, range).map_err(|fault| malformed(fault.to_string()))?;
    Ok(logs)
}

fn log(raw: &RawLog<'_>, token: &Address) -> Result<Log, SourceError> {
    if Address::parse(raw.address) != Some(*token) {
        return Err(malformed("a log of another contract"));
    }
    if raw.removed == Some(true) {
        return Err(malformed("a log that was removed"));
    }
    let odd = |what: &str| malformed(format!("a log without {what}"));
    let index = hex::quantity(raw.log_index).and_then(|index| u32::try_from(index).ok());
    let block = raw.block_hash.map(|hash| Hash::parse(hash).ok_or_else(|| odd("its block's hash")));
    let time = raw.block_timestamp.map(|time| instant(time).ok_or_else(|| odd("its time")));
    Ok(Log {
        height: hex::quantity(raw.block_number).ok_or_else(|| odd("its block's number"))?,
        index: index.ok_or_else(|| odd("its number"))?,
        block: block.transpose()?,
        time: time.transpose()?,
        reference: Hash::parse(raw.transaction_hash).ok_or_else(|| odd("its transaction"))?,
        event: Event::read(&raw.topics.texts[..raw.topics.count], raw.data),
    })
}

/// Seconds since 1970, in hexadecimal or decimal digits.
pub(super) fn instant(text: &str) -> Option<DateTime<Utc>> {
    let seconds = hex::quantity(text).or_else(|| text.parse().ok())?;
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}
