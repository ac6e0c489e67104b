//! Logs as they come: texts that lie in the answer's bytes, and are not copied before they are
//! read. Nodes and explorers write them nearly alike.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use crate::{
    domain::{
        erc20::{
            Address, Event, Hash,
            logs::{Log, check},
            ranges::Range,
        },
        hex,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::erc20::{TRANSFER_TOPIC, Word},
        outbound::{ethereum::envelope::read, source_error::SourceUrl},
    };

    const TOKEN: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
    const NODE: &str = r#"{
        "address": "TOKEN",
        "topics": ["TOPIC",
            "0x0000000000000000000000005a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a00000001",
            "0x0000000000000000000000000000000000000000000000000000000000000000"],
        "data": "0x000000000000000000000000000000000000000000000000000000000000000a",
        "blockHash": "0x1111111111111111111111111111111111111111111111111111111111111111",
        "blockNumber": "0x7", "blockTimestamp": "0x6a871b97",
        "transactionHash": "0x2222222222222222222222222222222222222222222222222222222222222222",
        "transactionIndex": "0x0", "logIndex": "0x3", "removed": false
    }"#;

    fn node() -> String {
        NODE.replace("TOKEN", TOKEN).replace("TOPIC", TRANSFER_TOPIC)
    }

    fn read_one(text: &str) -> Result<Vec<Log>, SourceError> {
        let text = format!("[{text}]");
        let url = SourceUrl::parse("https://example.com").expect("a URL");
        let raw: Vec<RawLog<'_>> = read(&url, text.as_bytes())?;
        logs(&raw, &Address::parse(TOKEN).expect("an address"), Range { first: 7, last: 7 })
    }

    #[test]
    fn nodes_and_explorers_say_the_same_in_their_own_way() {
        let log = read_one(&node()).expect("a log").remove(0);
        assert_eq!((log.height, log.index), (7, 3));
        assert_eq!(log.block, Some(Hash([0x11; 32])));
        assert_eq!(log.time.map(|time| time.timestamp()), Some(0x6a87_1b97));
        let Event::Transfer(transfer) = log.event else { panic!("{log:?}") };
        assert_eq!(transfer.receiver, Address::ZERO);
        assert_eq!(transfer.amount.to_u64(), Some(10));
        assert_ne!(transfer.amount, Word::default());
        // An explorer fills topics up with nulls, has no hash, and writes no digit for zero.
        let explorer = node()
            .replace("00000000\"],", "00000000\", null],")
            .replace("\"blockHash\"", "\"gasUsed\"")
            .replace("blockTimestamp", "timeStamp")
            .replace("\"0x3\", \"removed\": false", "\"0x\"");
        let told = read_one(&explorer).expect("a log").remove(0);
        assert_eq!(told, Log { block: None, index: 0, ..log.clone() });
        let untold = node().replace("blockTimestamp", "timestamp");
        assert_eq!(read_one(&untold).expect("a log"), [Log { time: None, ..log }]);
    }

    #[test]
    fn logs_that_cannot_be_meant_are_refused() {
        for (from, to) in [
            ("\"removed\": false", "\"removed\": true"),
            ("0x5fbd", "0x5fbe"),
            ("\"blockNumber\": \"0x7\"", "\"blockNumber\": \"0x8\""),
            ("\"blockNumber\": \"0x7\"", "\"blockNumber\": null"),
            ("\"logIndex\": \"0x3\"", "\"logIndex\": \"0x100000000\""),
            ("\"blockHash\": \"0x11", "\"blockHash\": \"0x1"),
            ("\"transactionHash\": \"0x22", "\"transactionHash\": \"0x"),
            ("\"0x6a871b97\"", "\"soon\""),
            ("\"0x6a871b97\"", "\"0xffffffffffffffff\""),
            ("\"topics\": [", "\"topics\": [\"0x1\", \"0x2\", "),
        ] {
            let text = node();
            assert!(text.contains(from), "{from}");
            let outcome = read_one(&text.replacen(from, to, 1));
            assert!(matches!(outcome, Err(SourceError::Malformed(_))), "{to}: {outcome:?}");
        }
    }
}
