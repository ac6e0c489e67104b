//! COPY in Postgres's binary format, written straight into the wire buffer.
//!
//! The format: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary
//! Format". Loading is the one place where encoding a row is hot, and a general
//! writer that looks at the type of every value costs more than the row itself.

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::{SinkExt, pin_mut};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    domain::decimal::Decimal,
    store::{StoreError, content_hash::postgres_micros, numeric, statement::Measure},
};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Bytes that are gathered before they are sent.
const CHUNK_BYTES: usize = 256 * 1024;

/// Rows of a COPY, encoded.
#[derive(Clone, Debug)]
pub struct CopyBuffer {
    bytes: BytesMut,
}

impl CopyBuffer {
    /// A buffer with the header of a COPY and room for `bytes` more.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(bytes + 32);
        buffer.put_slice(SIGNATURE);
        buffer.put_u32(0); // flags
        buffer.put_u32(0); // length of the header's extension
        Self { bytes: buffer }
    }

    /// Begins a row of so many fields.
    pub fn row(&mut self, fields: i16) {
        self.bytes.put_i16(fields);
    }

    /// A `bigint` field.
    pub fn bigint(&mut self, value: i64) {
        self.bytes.put_i32(8);
        self.bytes.put_i64(value);
    }

    /// An `integer` field.
    pub fn integer(&mut self, value: i32) {
        self.bytes.put_i32(4);
        self.bytes.put_i32(value);
    }

    /// A `timestamptz` field.
    pub fn timestamptz(&mut self, at: DateTime<Utc>) {
        self.bigint(postgres_micros(at));
    }

    /// A `uuid` field.
    pub fn uuid(&mut self, value: Uuid) {
        self.bytea(value.as_bytes());
    }

    /// A `bytea` field; also `text` and `uuid`, which look the same.
    pub fn bytea(&mut self, value: &[u8]) {
        let length = i32::try_from(value.len()).expect("a field is far below 2 GiB");
        self.bytes.put_i32(length);
        self.bytes.put_slice(value);
    }

    /// A `numeric` field with the value `mantissa / 10^scale`.
    pub fn numeric(&mut self, mantissa: i128, scale: u16) {
        self.sized(|bytes| numeric::encode(mantissa, scale, bytes));
    }

    /// A `numeric` field, shown with at least so many decimals.
    pub fn decimal(&mut self, number: &Decimal, decimals: u32) {
        self.sized(|bytes| numeric::encode_decimal(number, decimals, bytes));
    }

    /// A field without a value.
    pub fn null(&mut self) {
        self.bytes.put_i32(-1);
    }

    /// A field whose length is known once it is written.
    fn sized(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let length_at = self.bytes.len();
        self.bytes.put_i32(0);
        write(&mut self.bytes);
        let length = i32::try_from(self.bytes.len() - length_at - 4).expect("a few dozen bytes");
        self.bytes[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Sends the rows as the data of the COPY statement `text`; returns how many
    /// rows Postgres took.
    ///
    /// # Errors
    /// What Postgres says of the statement or of a row. Then no row was taken.
    pub async fn send(
        mut self,
        client: &Client,
        stem: &'static str,
        text: &str,
    ) -> Result<u64, StoreError> {
        self.bytes.put_i16(-1);
        let mut rest = self.bytes.freeze();
        let _measure = Measure::of(stem);
        let outcome = async {
            let sink = client.copy_in(text).await?;
            pin_mut!(sink);
            while !rest.is_empty() {
                let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
                sink.send(chunk).await?;
            }
            sink.finish().await
        };
        outcome.await.map_err(|source| StoreError::from_postgres(stem, source))
    }
}
