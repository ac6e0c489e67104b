//! Ways to break a message.

use std::ops::Range;

use prost::encoding::encode_varint;
use rand::{RngExt, rngs::ChaCha12Rng, seq::IndexedRandom};

/// Most bytes of a message that is made up altogether.
const MADE_UP_MAX: usize = 300;

/// Messages in messages, far more than any reader takes.
const NESTED: usize = 300;

/// A field of a message, by its places.
struct Field {
    key: Range<usize>,
    /// The length, where the field has one.
    length: Option<Range<usize>>,
    end: usize,
}

/// Breaks a message, once or a few times.
pub(super) fn mutate(bytes: &mut Vec<u8>, random: &mut ChaCha12Rng) {
    mutate_once(bytes, random);
    while random.random_bool(0.3) {
        mutate_once(bytes, random);
    }
}

fn mutate_once(bytes: &mut Vec<u8>, random: &mut ChaCha12Rng) {
    let fields = fields(bytes);
    let field = fields.choose(random);
    match (random.random_range(0..11), field) {
        (0, _) => bytes.truncate(random.random_range(0..=bytes.len())),
        (1, Some(field)) => {
            let number: u64 =
                if random.random_bool(0.7) { random.random_range(0..12) } else { random.random() };
            let kind = u64::from(bytes[field.key.start] & 7);
            replace(bytes, field.key.clone(), number << 3 | kind);
        }
        (2, Some(field)) => {
            // The same number, another kind of value.
            let kind = random.random_range(0..8);
            bytes[field.key.start] = bytes[field.key.start] & !7 | kind;
        }
        (3, Some(Field { length: Some(length), .. })) => {
            let huge = [1 << 20, u64::from(u32::MAX), i64::MAX.cast_unsigned(), u64::MAX];
            replace(bytes, length.clone(), *huge.choose(random).unwrap());
        }
        (4, Some(field)) => {
            let repeated = bytes[field.key.start..field.end].to_vec();
            for _ in 0..random.random_range(1..20) {
                bytes.extend_from_slice(&repeated);
            }
        }
        (5, Some(field)) => drop(bytes.drain(field.key.start..field.end)),
        (6, _) => {
            let place = random.random_range(0..=bytes.len());
            let count = random.random_range(1..10);
            bytes.splice(place..place, (0..count).map(|_| random.random()));
        }
        (7, _) => {
            *bytes = (0..random.random_range(0..MADE_UP_MAX)).map(|_| random.random()).collect();
        }
        (8, _) => nest(bytes, random.random_range(1..16)),
        _ if !bytes.is_empty() => {
            for _ in 0..random.random_range(1..8) {
                let place = random.random_range(0..bytes.len());
                bytes[place] ^= 1 << random.random_range(0..8);
            }
        }
        _ => bytes.push(random.random()),
    }
}

/// Puts a message into a field of a message, again and again.
fn nest(bytes: &mut Vec<u8>, number: u8) {
    for _ in 0..NESTED {
        let mut outer = vec![number << 3 | 2];
        encode_varint(bytes.len() as u64, &mut outer);
        outer.append(bytes);
        *bytes = outer;
    }
}

fn replace(bytes: &mut Vec<u8>, place: Range<usize>, value: u64) {
    let mut varint = Vec::new();
    encode_varint(value, &mut varint);
    bytes.splice(place, varint);
}

/// The fields of a message, up to the first that cannot be read.
fn fields(bytes: &[u8]) -> Vec<Field> {
    let (mut found, mut place) = (Vec::new(), 0);
    while place < bytes.len() {
        let Some((key, after_key)) = varint(bytes, place) else { break };
        let (length, end) = match key & 7 {
            0 => match varint(bytes, after_key) {
                Some((_, end)) => (None, end),
                None => break,
            },
            1 => (None, after_key + 8),
            5 => (None, after_key + 4),
            2 => match varint(bytes, after_key) {
                Some((length, start)) => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    (Some(after_key..start), start.saturating_add(length))
                }
                None => break,
            },
            _ => break,
        };
        if end > bytes.len() {
            break;
        }
        found.push(Field { key: place..after_key, length, end });
        place = end;
    }
    found
}

/// The number at a place, and the place behind it.
fn varint(bytes: &[u8], start: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (count, byte) in bytes.iter().skip(start).take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * count).min(63);
        if byte & 0x80 == 0 {
            return Some((value, start + count + 1));
        }
    }
    None
}
