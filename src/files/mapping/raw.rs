//! A mapping as its file has it: keys, types and where each value stands. What the values mean
//! is checked by [`super`].

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use toml::Spanned;

/// A text, or a whole number in its place.
#[derive(Clone, Debug)]
pub(super) struct Text(pub(super) String);

/// A value with the place where it stands.
pub(super) type Placed = Spanned<Text>;

/// One text or several, the first of which applies.
#[derive(Clone, Debug)]
pub(super) struct Texts(pub(super) Vec<String>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMapping {
    pub(super) name: Placed,
    pub(super) network: Option<Placed>,
    pub(super) reference: Option<Spanned<Texts>>,
    pub(super) position: Option<Placed>,
    #[serde(default)]
    pub(super) file: RawFile,
    pub(super) time: RawTime,
    pub(super) amount: RawAmount,
    pub(super) asset: RawAsset,
    pub(super) own: Option<RawAccount>,
    pub(super) partner: Option<RawAccount>,
    pub(super) sender: Option<RawAccount>,
    pub(super) receiver: Option<RawAccount>,
    #[serde(default)]
    pub(super) id: RawId,
    #[serde(default)]
    pub(super) words: BTreeMap<String, BTreeMap<String, Text>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPriceMapping {
    pub(super) symbol: Option<Placed>,
    #[serde(default)]
    pub(super) file: RawFile,
    #[serde(default)]
    pub(super) time: RawPriceTime,
    #[serde(default)]
    pub(super) price: RawPrice,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPriceTime {
    pub(super) text: Option<Placed>,
    pub(super) format: Option<Placed>,
    pub(super) zone: Option<Placed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrice {
    pub(super) text: Option<Placed>,
    pub(super) decimal: Option<Placed>,
    pub(super) thousands: Option<Placed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) separator: Option<Placed>,
    pub(super) quote: Option<Placed>,
    pub(super) encoding: Option<Placed>,
    pub(super) header: Option<bool>,
    pub(super) skip_lines: Option<u32>,
    pub(super) trim: Option<bool>,
    pub(super) empty: Option<Texts>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTime {
    pub(super) text: Placed,
    pub(super) format: Placed,
    pub(super) zone: Option<Placed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAmount {
    pub(super) text: Option<Placed>,
    pub(super) credit: Option<Placed>,
    pub(super) debit: Option<Placed>,
    pub(super) direction: Option<Placed>,
    pub(super) credit_words: Option<Texts>,
    pub(super) debit_words: Option<Texts>,
    pub(super) positive: Option<Placed>,
    pub(super) decimal: Option<Placed>,
    pub(super) thousands: Option<Placed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAsset {
    pub(super) code: Placed,
    pub(super) decimals: Option<Placed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccount {
    pub(super) network: Option<Placed>,
    pub(super) address: Spanned<Texts>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawId {
    pub(super) uuid: Option<Placed>,
    pub(super) key: Option<Spanned<Texts>>,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![text.to_owned()]))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Texts, E> {
        Ok(Texts(vec![number.to_string()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(Text(text)) = list.next_element()? {
            texts.push(text);
        }
        Ok(Texts(texts))
    }
}
