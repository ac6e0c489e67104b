//! The hash by which a repeated transaction is told from a changed one: the same
//! as `transaction_content_hash` in the database computes.

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::{
    domain::transaction::{KeyedTransaction, SeededTransaction},
    store::{instant::POSTGRES_EPOCH_MICROS, numeric},
};

/// Bytes of a content hash.
pub const CONTENT_HASH_BYTES: usize = 16;

/// An instant as Postgres sends it: microseconds since 2000-01-01T00:00:00Z.
#[must_use]
pub fn postgres_micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros() - POSTGRES_EPOCH_MICROS
}

/// The first 128 bits of SHA-256 (FIPS 180-4) over the content of a transaction in
/// Postgres's binary format. `scratch` is cleared and used.
#[must_use]
pub fn content_hash(row: &KeyedTransaction, scratch: &mut BytesMut) -> [u8; CONTENT_HASH_BYTES] {
    scratch.clear();
    scratch.put_i64(postgres_micros(row.occurred_at));
    scratch.put_i64(row.position);
    put_keys((row.sender_id, row.receiver_id, row.asset_id), scratch);
    numeric::encode_decimal(&row.amount, 0, scratch);
    scratch.put_slice(row.reference.as_deref().unwrap_or_default().as_bytes());
    digest(scratch)
}

/// The same of a seeded transaction.
#[must_use]
pub fn seeded_content_hash(
    row: &SeededTransaction,
    scratch: &mut BytesMut,
) -> [u8; CONTENT_HASH_BYTES] {
    scratch.clear();
    scratch.put_i64(postgres_micros(row.occurred_at));
    scratch.put_i64(row.position);
    put_keys((row.sender_id, row.receiver_id, row.asset_id), scratch);
    let scale = u16::try_from(row.amount.scale()).expect("a Decimal has at most 28 decimals");
    numeric::encode_trimmed(row.amount.mantissa(), scale, scratch);
    digest(scratch)
}

fn put_keys((sender_id, receiver_id, asset_id): (i64, i64, i32), scratch: &mut BytesMut) {
    scratch.put_i64(sender_id);
    scratch.put_i64(receiver_id);
    scratch.put_i32(asset_id);
}

fn digest(content: &[u8]) -> [u8; CONTENT_HASH_BYTES] {
    let digest = Sha256::digest(content);
    let mut hash = [0; CONTENT_HASH_BYTES];
    hash.copy_from_slice(&digest[..CONTENT_HASH_BYTES]);
    hash
}
