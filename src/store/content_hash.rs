//! The hash by which a repeated transaction is told from a changed one: the same
//! as `transaction_content_hash` in the database computes.

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::{
    domain::transaction::NewTransaction,
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
pub fn content_hash(
    transaction: &NewTransaction,
    scratch: &mut BytesMut,
) -> [u8; CONTENT_HASH_BYTES] {
    scratch.clear();
    scratch.put_i64(postgres_micros(transaction.occurred_at));
    scratch.put_i64(transaction.position);
    scratch.put_i64(transaction.sender_id);
    scratch.put_i64(transaction.receiver_id);
    scratch.put_i32(transaction.asset_id);
    let amount = transaction.amount;
    let scale = u16::try_from(amount.scale()).expect("a Decimal has at most 28 decimals");
    numeric::encode_trimmed(amount.mantissa(), scale, scratch);
    let digest = Sha256::digest(&scratch);
    let mut hash = [0; CONTENT_HASH_BYTES];
    hash.copy_from_slice(&digest[..CONTENT_HASH_BYTES]);
    hash
}
