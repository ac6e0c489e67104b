//! Values that Daybook encodes and decodes itself, against Postgres's own words for them.

use bytes::BytesMut;
use chrono::{DateTime, Utc};
use daybook::{
    domain::{
        decimal::Decimal,
        transaction::{KeyedTransaction, SeededTransaction},
    },
    store::{
        content_hash::{content_hash, seeded_content_hash},
        numeric,
    },
};
use rand::{RngExt, rngs::ChaCha12Rng};
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use crate::support::{random::random, schema::TestSchema};

/// Bytes of a value as they come, whatever its type.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn digits(random: &mut ChaCha12Rng, count: usize) -> String {
    let is_sparse = random.random_bool(0.3);
    let digit = |_| match is_sparse && random.random_bool(0.9) {
        true => '0',
        false => char::from(b'0' + random.random_range(0..10u8)),
    };
    (0..count).map(digit).collect()
}

/// A number as text: any size, often with runs of zeros on either side of the point.
fn number(random: &mut ChaCha12Rng) -> String {
    let (whole_digits, decimals) = (random.random_range(0..110), random.random_range(0..90));
    let whole = digits(random, whole_digits);
    let fraction = digits(random, decimals);
    let sign = if random.random_bool(0.5) { "-" } else { "" };
    let whole = if whole.is_empty() { "0".to_owned() } else { whole };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[tokio::test]
async fn any_numeric_of_postgres_is_read_as_it_is() {
    let schema = TestSchema::migrated().await;
    let mut random = random();
    let mut texts: Vec<String> = (0..20_000).map(|_| number(&mut random)).collect();
    let zeros = "0".repeat(100);
    let long =
        [format!("1{zeros}"), format!("-1{zeros}"), format!("0.{zeros}1"), format!("0.{zeros}")];
    let short = ["0", "-0", "0.00000", "1", "-1", "9999", "10000", "0.0001", "0.00010", "99990000"];
    texts.extend(long.into_iter().chain(short.map(str::to_owned)));
    // Any way in which the number may be kept: as it is, or with its zeros cut off.
    let text = "SELECT n::numeric, trim_scale(n::numeric) FROM unnest($1::text[]) AS u (n)";
    let rows = schema.sql.query(text, &[&texts]).await.unwrap();
    assert_eq!(rows.len(), texts.len());
    for (row, text) in rows.iter().zip(&texts) {
        let expected = Decimal::parse(text).unwrap();
        for column in 0..2 {
            let raw: Raw = row.get(column);
            assert_eq!(numeric::decode(&raw.0).unwrap(), expected, "{text}");
        }
    }
}

#[tokio::test]
async fn what_is_not_a_number_is_not_read() {
    let schema = TestSchema::migrated().await;
    for text in ["NaN", "Infinity", "-Infinity"] {
        let row = schema.sql.query_one(&format!("SELECT '{text}'::numeric"), &[]).await.unwrap();
        let raw: Raw = row.get(0);
        assert!(numeric::decode(&raw.0).is_err(), "{text}");
    }
}

/// `mantissa / 10^scale` as text, by way of its digits alone.
fn fixed(mantissa: i128, scale: u16) -> String {
    let sign = if mantissa < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

fn mantissa(random: &mut ChaCha12Rng) -> i128 {
    let number: i128 = random.random::<i128>() >> random.random_range(0..128);
    match random.random_range(0..4) {
        // Zeros at the end, as amounts often have.
        0 => {
            let places = 10i128.pow(random.random_range(0..20));
            (number >> 70) * places
        }
        _ => number,
    }
}

#[tokio::test]
async fn what_is_sent_is_what_postgres_would_send() {
    let schema = TestSchema::migrated().await;
    let mut random = random();
    let mut numbers: Vec<(i128, u16)> =
        (0..20_000).map(|_| (mantissa(&mut random), random.random_range(0..61))).collect();
    numbers.extend((0..12).map(|scale| (0, scale)));
    numbers.extend([i128::MAX, i128::MIN, 1, -1, 10_000].map(|edge| (edge, 0)));
    numbers.extend([i128::MAX, i128::MIN, 1, -1, 10_000].map(|edge| (edge, 39)));
    let texts: Vec<String> =
        numbers.iter().map(|&(mantissa, scale)| fixed(mantissa, scale)).collect();
    let text = "SELECT numeric_send(n::numeric), numeric_send(trim_scale(n::numeric))
        FROM unnest($1::text[]) AS u (n)";
    let rows = schema.sql.query(text, &[&texts]).await.unwrap();
    assert_eq!(rows.len(), numbers.len());
    for (row, &(mantissa, scale)) in rows.iter().zip(&numbers) {
        let (mut plain, mut trimmed) = (BytesMut::new(), BytesMut::new());
        numeric::encode(mantissa, scale, &mut plain);
        numeric::encode_trimmed(mantissa, scale, &mut trimmed);
        assert_eq!(plain, row.get::<_, &[u8]>(0), "{mantissa} / 10^{scale}");
        assert_eq!(trimmed, row.get::<_, &[u8]>(1), "{mantissa} / 10^{scale}, trimmed");
    }
}

fn transaction(random: &mut ChaCha12Rng) -> SeededTransaction {
    // 0001-01-01 to 9999-12-31, in microseconds.
    let micros = random.random_range(-62_135_596_800_000_000..253_402_300_800_000_000i64);
    let mantissa = random.random_range(0..1i128 << 95) >> random.random_range(0..96);
    SeededTransaction {
        occurred_at: DateTime::from_timestamp_micros(micros).unwrap(),
        position: random.random(),
        transaction_id: Uuid::nil(),
        asset_id: random.random(),
        sender_id: random.random(),
        receiver_id: random.random(),
        amount: rust_decimal::Decimal::from_i128_with_scale(mantissa, random.random_range(0..29)),
    }
}

/// The same as somebody sends it.
fn keyed(row: &SeededTransaction, reference: Option<String>) -> KeyedTransaction {
    KeyedTransaction {
        transaction_id: row.transaction_id,
        occurred_at: row.occurred_at,
        position: row.position,
        asset_id: row.asset_id,
        asset_decimals: 5,
        sender_id: row.sender_id,
        receiver_id: row.receiver_id,
        amount: Decimal::parse(&row.amount.to_string()).unwrap(),
        reference,
    }
}

#[tokio::test]
async fn both_sides_hash_a_transaction_alike() {
    let schema = TestSchema::migrated().await;
    let mut random = random();
    let rows: Vec<_> = (0..5_000).map(|_| transaction(&mut random)).collect();
    let references: Vec<Option<String>> =
        (0..rows.len()).map(|n| (n % 2 == 1).then(|| format!("ä{n}"))).collect();
    let instants: Vec<DateTime<Utc>> = rows.iter().map(|row| row.occurred_at).collect();
    let positions: Vec<i64> = rows.iter().map(|row| row.position).collect();
    let senders: Vec<i64> = rows.iter().map(|row| row.sender_id).collect();
    let receivers: Vec<i64> = rows.iter().map(|row| row.receiver_id).collect();
    let assets: Vec<i32> = rows.iter().map(|row| row.asset_id).collect();
    let amounts: Vec<String> = rows.iter().map(|row| row.amount.to_string()).collect();
    let text =
        "SELECT transaction_content_hash(at, place, sender, receiver, asset, amount::numeric,
            reference)
        FROM unnest($1::timestamptz[], $2::bigint[], $3::bigint[], $4::bigint[], $5::integer[],
            $6::text[], $7::text[]) AS u (at, place, sender, receiver, asset, amount, reference)";
    let hashes = schema
        .sql
        .query(text, &[&instants, &positions, &senders, &receivers, &assets, &amounts, &references])
        .await
        .unwrap();
    assert_eq!(hashes.len(), rows.len());
    let mut scratch = BytesMut::new();
    for ((row, reference), hash) in rows.iter().zip(references).zip(&hashes) {
        let expected: &[u8] = hash.get(0);
        if reference.is_none() {
            assert_eq!(seeded_content_hash(row, &mut scratch), expected, "{row:?}");
        }
        let keyed = keyed(row, reference);
        assert_eq!(content_hash(&keyed, &mut scratch), expected, "{keyed:?}");
    }
}
