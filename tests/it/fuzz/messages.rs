//! Messages of any rpc, made from the descriptors of the contracts: well-formed, and often
//! valid.

use std::collections::HashMap;

use bytes::BufMut;
use daybook::grpc::pb::DESCRIPTORS;
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use rand::{RngExt, rngs::ChaCha12Rng, seq::IndexedRandom};

/// Messages in messages at most.
const DEPTH_MAX: u32 = 5;

/// Texts that are seldom right, in any field.
const ODD: [&str; 12] = [
    "",
    " ",
    "\0",
    "a\0b",
    "'; DROP TABLE users; --",
    "%s%n{}$1",
    "NaN",
    "-1",
    "1e400",
    "\u{202e}\u{1f4a9}",
    "9999-12-31T23:59:60Z",
    "00000000-0000-0000-0000-000000000000",
];

/// Numbers that are seldom right, in any field.
const ODD_NUMBERS: [i64; 6] = [-1, 1_001, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN];

/// First second of the first day that has rows.
const FIRST_SECOND: i64 = 1_709_078_400;

/// Texts that are right somewhere, by the names of fields.
#[derive(Clone)]
pub(super) struct Words {
    user_uuids: Vec<String>,
    usernames: Vec<String>,
}

/// An rpc.
pub(super) struct Method {
    /// Its path.
    pub(super) path: String,
    /// Full name of its request.
    pub(super) input: String,
    /// Whether a client sends many of them.
    pub(super) is_client_streaming: bool,
}

/// What the contracts say.
pub(super) struct Contracts {
    /// Every rpc.
    pub(super) methods: Vec<Method>,
    messages: HashMap<String, DescriptorProto>,
    enums: HashMap<String, Vec<i32>>,
    pool: DescriptorPool,
}

impl Words {
    pub(super) fn new(user_uuids: Vec<String>, usernames: Vec<String>) -> Self {
        assert!(!user_uuids.is_empty(), "there are users");
        Self { user_uuids, usernames }
    }

    fn draw(&self, field: &str, random: &mut ChaCha12Rng) -> String {
        if random.random_bool(0.03) {
            return match random.random_range(0..=ODD.len()) {
                place if place < ODD.len() => ODD[place].to_owned(),
                _ => "x".repeat(random.random_range(0..5_000)),
            };
        }
        let fixed: &[&str] = match field {
            name if name.contains("uuid") => {
                return self.user_uuids.choose(random).unwrap().clone();
            }
            "username" => return self.usernames.choose(random).unwrap().clone(),
            "transaction_id" => {
                return uuid::Uuid::from_u128(random.random_range(1..200)).to_string();
            }
            "network" => &["internal", "bank", "bitcoin", "ethereum"],
            "address" | "contract" => return self.address(random),
            "asset" | "code" => &["", "USD", "EUR"],
            "symbol" => &["btcusd", "ETH-BTC"],
            "amount" | "price" => &["12.50", "0.00001", "99999999999999999999999999999.5"],
            "time_zone" => &["", "UTC", "Europe/Berlin", "Asia/Kathmandu"],
            "direction" => &["sender", "receiver"],
            name if name.contains("start") => &["2024-02-28T00:00:00", "2024-02-29T01:00:00Z"],
            name if name.contains("end") => &["2024-03-01T00:00:00", "2024-03-02T00:00:00+02:00"],
            _ => &["", "abc", "a"],
        };
        (*fixed.choose(random).unwrap()).to_owned()
    }

    fn address(&self, random: &mut ChaCha12Rng) -> String {
        let fixed = [
            "a",
            "b",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045",
        ];
        if random.random_bool(0.4) {
            return self.user_uuids.choose(random).unwrap().clone();
        }
        (*fixed.choose(random).unwrap()).to_owned()
    }
}

impl Contracts {
    /// Reads the descriptors that reflection serves.
    pub(super) fn read() -> Self {
        let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
        let (mut methods, mut messages, mut enums) = (Vec::new(), HashMap::new(), HashMap::new());
        for file in files {
            let package = file.package().to_owned();
            for service in &file.service {
                methods.extend(service.method.iter().map(|method| Method {
                    path: format!("/{package}.{}/{}", service.name(), method.name()),
                    input: method.input_type().to_owned(),
                    is_client_streaming: method.client_streaming(),
                }));
            }
            let scope = format!(".{package}");
            note_enums(&scope, &file.enum_type, &mut enums);
            for message in file.message_type {
                note_message(&scope, message, &mut messages, &mut enums);
            }
        }
        assert!(methods.len() > 5, "the contracts have rpcs");
        Self { methods, messages, enums, pool: DescriptorPool::decode(DESCRIPTORS).unwrap() }
    }

    /// A message in JSON, where it can be written so.
    pub(super) fn json(&self, name: &str, message: &[u8]) -> Option<Vec<u8>> {
        let descriptor = self.pool.get_message_by_name(name.trim_start_matches('.')).unwrap();
        let message = DynamicMessage::decode(descriptor, message).ok()?;
        serde_json::to_vec(&message).ok()
    }

    /// A well-formed message.
    pub(super) fn message(&self, name: &str, words: &Words, random: &mut ChaCha12Rng) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put_message(name, DEPTH_MAX, words, random, &mut bytes);
        bytes
    }

    fn put_message(
        &self,
        name: &str,
        depth: u32,
        words: &Words,
        random: &mut ChaCha12Rng,
        bytes: &mut Vec<u8>,
    ) {
        match name {
            ".google.protobuf.Timestamp" => return put_instant(random, bytes),
            ".daybook.v1.Window" if random.random_bool(0.9) => return put_window(random, bytes),
            _ => {}
        }
        let message = self.messages.get(name).unwrap_or_else(|| panic!("{name} is described"));
        let chosen: Vec<i32> = (0..message.oneof_decl.len())
            .map(|place| {
                let place = i32::try_from(place).unwrap();
                let members = message.field.iter().filter(|field| field.oneof_index == Some(place));
                members.map(FieldDescriptorProto::number).collect::<Vec<_>>()
            })
            .map(|members| members.choose(random).copied().unwrap_or_default())
            .collect();
        for field in &message.field {
            let is_there = match field.oneof_index {
                Some(place) => chosen[usize::try_from(place).unwrap()] == field.number(),
                None => random.random_bool(0.93),
            };
            let is_repeated = field.label() == Label::Repeated;
            let count = if is_repeated { random.random_range(0..4) } else { 1 };
            for _ in 0..if is_there { count } else { 0 } {
                self.put_field(field, depth, words, random, bytes);
            }
        }
    }

    fn put_field(
        &self,
        field: &FieldDescriptorProto,
        depth: u32,
        words: &Words,
        random: &mut ChaCha12Rng,
        bytes: &mut Vec<u8>,
    ) {
        let number = u32::try_from(field.number()).unwrap();
        let mut varint = |value: i64| {
            encode_key(number, WireType::Varint, bytes);
            encode_varint(value.cast_unsigned(), bytes);
        };
        match field.r#type() {
            Type::Double | Type::Fixed64 | Type::Sfixed64 => {
                encode_key(number, WireType::SixtyFourBit, bytes);
                bytes.put_f64_le(*[0.0, 1.5, -1.0, f64::NAN].choose(random).unwrap());
            }
            Type::Float | Type::Fixed32 | Type::Sfixed32 => {
                encode_key(number, WireType::ThirtyTwoBit, bytes);
                bytes.put_f32_le(*[0.0, 1.5, -1.0, f32::NAN].choose(random).unwrap());
            }
            Type::Bool => varint(i64::from(random.random_bool(0.5))),
            Type::Enum => {
                let values = &self.enums[field.type_name()];
                let skipped = usize::from(values.len() > 1 && random.random_bool(0.95));
                varint(i64::from(*values[skipped..].choose(random).unwrap()));
            }
            Type::String | Type::Bytes => {
                put_bytes(number, words.draw(field.name(), random).as_bytes(), bytes);
            }
            Type::Message | Type::Group => {
                let mut inner = Vec::new();
                if depth > 0 {
                    self.put_message(field.type_name(), depth - 1, words, random, &mut inner);
                }
                put_bytes(number, &inner, bytes);
            }
            Type::Int64
            | Type::Uint64
            | Type::Int32
            | Type::Uint32
            | Type::Sint32
            | Type::Sint64 => varint(number_of(random)),
        }
    }
}

fn note_message(
    scope: &str,
    message: DescriptorProto,
    messages: &mut HashMap<String, DescriptorProto>,
    enums: &mut HashMap<String, Vec<i32>>,
) {
    let name = format!("{scope}.{}", message.name());
    note_enums(&name, &message.enum_type, enums);
    for nested in &message.nested_type {
        note_message(&name, nested.clone(), messages, enums);
    }
    messages.insert(name, message);
}

fn note_enums(
    scope: &str,
    described: &[EnumDescriptorProto],
    enums: &mut HashMap<String, Vec<i32>>,
) {
    for described in described {
        let values = described.value.iter().map(|value| value.number()).collect();
        enums.insert(format!("{scope}.{}", described.name()), values);
    }
}

fn put_bytes(number: u32, value: &[u8], bytes: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, bytes);
    encode_varint(value.len() as u64, bytes);
    bytes.put_slice(value);
}

fn number_of(random: &mut ChaCha12Rng) -> i64 {
    match random.random_bool(0.9) {
        true => random.random_range(0..20),
        false => *ODD_NUMBERS.choose(random).unwrap(),
    }
}

fn put_numbers(numbers: [i64; 2], bytes: &mut Vec<u8>) {
    for (number, value) in (1..).zip(numbers) {
        encode_key(number, WireType::Varint, bytes);
        encode_varint(value.cast_unsigned(), bytes);
    }
}

/// An instant in the days that have rows, or near them, or at an end of time.
fn put_instant(random: &mut ChaCha12Rng, bytes: &mut Vec<u8>) {
    let seconds = match random.random_range(0..60) {
        0 => -62_135_596_800,
        1 => 253_402_300_799,
        2 => *ODD_NUMBERS.choose(random).unwrap(),
        3..20 => FIRST_SECOND + 86_400 * random.random_range(0..4),
        _ => FIRST_SECOND + random.random_range(0..3 * 86_400),
    };
    let nanos = match random.random_range(0..40) {
        0 => *ODD_NUMBERS.choose(random).unwrap(),
        1..15 => 1_000 * random.random_range(0..1_000_000),
        _ => 0,
    };
    put_numbers([seconds, nanos], bytes);
}

/// A window that cuts days, or not, of those that have rows.
fn put_window(random: &mut ChaCha12Rng, bytes: &mut Vec<u8>) {
    let unit = *[1, 3_600, 86_400].choose(random).unwrap();
    let start = FIRST_SECOND + unit * random.random_range(0..3 * 86_400 / unit);
    let end = start + unit * random.random_range(1..=86_400 / unit);
    for (number, seconds) in [(1, start), (2, end)] {
        let mut instant = Vec::new();
        put_numbers([seconds, 0], &mut instant);
        put_bytes(number, &instant, bytes);
    }
}
