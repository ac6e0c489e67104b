//! Whether an object in JSON says a field twice. What reads messages takes the last one in silence
//! (<https://protobuf.dev/programming-guides/json/> leaves it open), and whoever wrote both meant
//! something else by one of them.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

/// A value in JSON, read for nothing but its fields: each is there once in its object, by whichever
/// of its two names. No message of the contracts has a map, whose keys would be no fields.
pub(super) struct Unrepeated;

impl<'de> Deserialize<'de> for Unrepeated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Unrepeated;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value in JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }

    fn visit_unit<E>(self) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unrepeated, A::Error> {
        while seq.next_element::<Unrepeated>()?.is_some() {}
        Ok(Unrepeated)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unrepeated, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(json_name(&key)) {
                return Err(Error::custom(format!("the field '{key}' is given twice")));
            }
            map.next_value::<Unrepeated>()?;
        }
        Ok(Unrepeated)
    }
}

/// A field's name in JSON, from that or from its name in the contract.
fn json_name(name: &str) -> String {
    let mut json = String::with_capacity(name.len());
    let mut is_behind = false;
    for letter in name.chars() {
        match letter {
            '_' => is_behind = true,
            _ if is_behind => {
                json.push(letter.to_ascii_uppercase());
                is_behind = false;
            }
            _ => json.push(letter),
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_given_once_by_either_name() {
        let read = |json: &str| serde_json::from_str::<Unrepeated>(json).map(|_| ());
        for json in [
            "{}",
            "[1, -1, 1.5, null, true, \"a\"]",
            r#"{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]}"#,
            r#"{"aB": 1, "ab": 2, "a": 3}"#,
        ] {
            assert!(read(json).is_ok(), "{json}");
        }
        for (json, field) in [
            (r#"{"a": 1, "a": 1}"#, "a"),
            (r#"{"a": 1, "b": 2, "a": null}"#, "a"),
            (r#"{"page_size": 1, "pageSize": 1}"#, "pageSize"),
            (r#"{"pageSize": 1, "page_size": 1}"#, "page_size"),
            (r#"{"a": [{"b": {"c": 1, "c": 2}}]}"#, "c"),
            (r#"{"\u0061": 1, "a": 2}"#, "a"),
        ] {
            let error = read(json).expect_err(json).to_string();
            assert!(error.contains(&format!("'{field}' is given twice")), "{error}");
        }
    }
}
