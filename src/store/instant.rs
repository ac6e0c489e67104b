//! Instants as whole microseconds, also those before all others.

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use crate::error::BoxError;

/// Microseconds from the Unix epoch to Postgres's, 2000-01-01T00:00:00Z.
pub const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Postgres's own range, 4714-11-24 BC (inside) to 294277-01-01 (outside), as microseconds
/// since its epoch.
const FIRST_MICROS: i64 = -211_813_488_000_000_000;
const END_MICROS: i64 = 9_223_371_331_200_000_000;

/// A `timestamptz` as microseconds since the Unix epoch; `i64::MIN` is `-infinity`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Micros(pub i64);

impl ToSql for Micros {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        // What lies beyond Postgres's own range is before or after everything there is.
        out.put_i64(match self.0.saturating_sub(POSTGRES_EPOCH_MICROS) {
            ..FIRST_MICROS => i64::MIN,
            END_MICROS.. => i64::MAX,
            micros => micros,
        });
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Micros {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        Ok(Self(match i64::from_be_bytes(raw.try_into()?) {
            i64::MIN => i64::MIN,
            i64::MAX => i64::MAX,
            micros => micros.saturating_add(POSTGRES_EPOCH_MICROS),
        }))
    }

    accepts!(TIMESTAMPTZ);
}
