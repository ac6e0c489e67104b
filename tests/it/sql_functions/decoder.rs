//! Cells are read in SQL as they are read in Rust.

use daybook::domain::{
    decimal::Decimal,
    running_total::{
        cell::{Cell, Part, add_below},
        sums::{ScaledSums, Sums},
        whole::Whole,
    },
};
use num_bigint::{BigInt, Sign};
use rand::{RngExt, rngs::ChaCha12Rng};
use tokio_postgres::Client;

use crate::support::{
    random::random,
    schema::{TestSchema, state},
};

/// Count, sum and sum of squares as text.
type Shown = (i64, String, String);

fn shown(sums: &ScaledSums) -> Shown {
    let moments = sums.to_moments();
    (moments.count, text(&moments.sum), text(&moments.sum_of_squares))
}

fn text(number: &Decimal) -> String {
    number.to_text(0)
}

/// A number of up to so many bytes, with either sign.
fn whole(rng: &mut ChaCha12Rng, bytes_max: usize) -> Whole {
    let length = rng.random_range(0..=bytes_max);
    let bytes: Vec<u8> = (0..length).map(|_| rng.random()).collect();
    let sign = if rng.random_bool(0.2) { Sign::Minus } else { Sign::Plus };
    Whole::from(BigInt::from_bytes_le(sign, &bytes))
}

fn random_cell(rng: &mut ChaCha12Rng) -> Cell {
    let count = rng.random_range(0..90);
    let bytes_max = [1, 6, 7, 13, 40, 300][rng.random_range(0..6)];
    let is_wide = rng.random_bool(0.3);
    let mut keys: Vec<i64> = (0..count)
        .map(|_| if is_wide { rng.random() } else { rng.random_range(-1_000_000..1_000_000) })
        .collect();
    if rng.random_bool(0.3) {
        // As in a tree's first cells: more than half of all numbers lie between the first two keys.
        keys.iter_mut().for_each(|key| *key &= i64::MAX);
        keys.push(i64::MIN);
    }
    keys.sort_unstable();
    keys.dedup();
    let part = |key| {
        let mut sums = Sums::of(rng.random_range(-3..4), &whole(rng, bytes_max));
        if rng.random_bool(0.5) {
            sums.add(&Sums::of(1, &whole(rng, bytes_max)));
        }
        Part { key, sums }
    };
    let parts: Vec<_> = keys.into_iter().map(part).collect();
    let scale = rng.random_range(0..40);
    let key = if rng.random_bool(0.5) { i64::MIN } else { rng.random() };
    Cell { key, scale, parts }
}

/// The sum of a cell's parts in a range of keys, by the function that adds them up and by the one
/// that returns them.
async fn sums(
    sql: &Client,
    bytes: &[u8],
    (from, before): (i64, i64),
) -> Result<[Shown; 2], tokio_postgres::Error> {
    let text = "SELECT s.row_count, trim_scale(s.amount)::text, trim_scale(s.squares)::text,
            p.row_count, p.amount, p.squares
        FROM cell_sum($1, $2, $3, true, 'x') s, LATERAL (
            SELECT coalesce(sum(c.row_count), 0)::bigint AS row_count,
                trim_scale(coalesce(sum(c.amount), 0))::text AS amount,
                trim_scale(coalesce(sum(c.squares), 0))::text AS squares
            FROM cell_parts($1, $2, $3, true, 'x') c) p";
    let row = sql.query_one(text, &[&bytes, &from, &before]).await?;
    Ok([(row.get(0), row.get(1), row.get(2)), (row.get(3), row.get(4), row.get(5))])
}

#[tokio::test]
async fn sql_reads_cells_as_rust_does() {
    let schema = TestSchema::prepared().await;
    let mut rng = random();
    for _ in 0..200 {
        let cell = random_cell(&mut rng);
        let bytes = cell.encode();
        let mut bounds = [i64::MIN, i64::MAX, 0, rng.random_range(-1_000_000..1_000_000)];
        if let Some(part) = cell.parts.last() {
            bounds[3] = part.key;
        }
        for (from, before) in
            [(i64::MIN, i64::MAX), (i64::MIN, bounds[3]), (bounds[3], i64::MAX), (0, bounds[3])]
        {
            let mut expected = ScaledSums::ZERO;
            add_below(&bytes, before, &mut expected).unwrap();
            if from > i64::MIN && from < before {
                let mut earlier = ScaledSums::ZERO;
                add_below(&bytes, from, &mut earlier).unwrap();
                expected.subtract(&earlier);
            } else if from >= before {
                expected = ScaledSums::ZERO;
            }
            let expected = shown(&expected);
            let found = sums(&schema.sql, &bytes, (from, before)).await.unwrap();
            assert_eq!(found, [expected.clone(), expected], "{cell:?} {from} {before}");
        }
        // The count and the sum do not depend on whether squares are wanted.
        let text = "SELECT s.row_count = w.row_count AND s.amount = w.amount AND s.squares = 0
            FROM cell_sum($1, 0, $2, false, 'x') s, cell_sum($1, 0, $2, true, 'x') w";
        let row = schema.sql.query_one(text, &[&bytes, &bounds[3]]).await.unwrap();
        assert!(row.get::<_, bool>(0), "{cell:?}");
    }
}

/// What is no cell is refused, wherever it was cut or changed, and never read beyond its end.
#[tokio::test]
async fn sql_refuses_what_rust_refuses() {
    let schema = TestSchema::prepared().await;
    let mut rng = random();
    let all = (i64::MIN, i64::MAX);
    for _ in 0..20 {
        let bytes = random_cell(&mut rng).encode();
        let mut broken: Vec<Vec<u8>> =
            (0..12).map(|_| bytes[..rng.random_range(0..bytes.len())].to_vec()).collect();
        broken.push([&bytes[..], &[0]].concat());
        broken.push([&[2], &bytes[1..]].concat());
        broken.push([&bytes[..2], &[0xff; 30]].concat());
        for bytes in broken {
            let mut total = ScaledSums::ZERO;
            let expected = add_below(&bytes, i64::MAX, &mut total);
            assert!(expected.is_err(), "{bytes:?}");
            let error = sums(&schema.sql, &bytes, all).await.unwrap_err();
            assert_eq!(state(&error), "XX001", "{bytes:?}");
            let hint = error.as_db_error().unwrap().hint().unwrap_or_default();
            assert!(hint.contains("daybook audit --repair"), "{hint}");
        }
    }
}
