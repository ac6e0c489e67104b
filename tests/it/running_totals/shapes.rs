//! Accounts of every shape: sparse ones, crowded instants, trees of several levels that grow
//! and shrink in any order, amounts of any size.

use chrono::TimeDelta;
use rand::{RngExt, rngs::ChaCha12Rng, seq::SliceRandom};
use uuid::Uuid;

use super::DAYS;
use crate::support::{ledger::at, random::random, schema::one, totals::Totals};

const INSERT: &str = "INSERT INTO transactions
    (occurred_at, sender_id, receiver_id, asset_id, amount)";

#[tokio::test]
async fn rows_years_apart_are_found_from_any_side() {
    let days = ["2001-01-01", "2009-06-15", "2016-02-29", "2024-05-05", "2026-12-31"];
    let mut totals = Totals::new(&days).await;
    for pair in days.windows(2) {
        let (start, end) = (format!("{}T00:00:00Z", pair[0]), format!("{}T00:00:00Z", pair[1]));
        totals.windows.push((at(&start), at(&end)));
        let between = at(&start) + TimeDelta::days(400);
        totals.windows.push((between, between + TimeDelta::days(30)));
        totals.windows.push((between, at(&end) + TimeDelta::microseconds(1)));
    }
    // In no order, sealed one by one, at both ends of days.
    for (number, day) in ["2016-02-29", "2001-01-01", "2026-12-31", "2009-06-15", "2024-05-05"]
        .into_iter()
        .enumerate()
    {
        let text = format!(
            "{INSERT} VALUES ('{day} 00:00Z', {{a}}, {{b}}, 1, {number}.5),
                 ('{day} 23:59:59.999999Z', {{a}}, {{b}}, 1, 100),
                 ('{day} 12:00Z', {{b}}, {{a}}, 1, 7)"
        );
        totals.run(&text).await;
        totals.check_sealing(day).await;
    }
    totals.run("DELETE FROM transactions WHERE occurred_at < '2016-03-01'").await;
    totals.check_sealing("without the first three").await;
}

#[tokio::test]
async fn a_thousand_rows_of_one_instant_are_counted_together_and_apart() {
    let mut totals = Totals::new(&DAYS).await;
    let instant = at("2024-05-06T12:00:00Z");
    let micro = TimeDelta::microseconds(1);
    totals.windows.extend([
        (instant, instant + micro),
        (instant - micro, instant),
        (instant + micro, instant + micro + micro),
        (instant - micro, instant + micro + micro),
    ]);
    let text = format!(
        "{INSERT} SELECT '2024-05-06 12:00Z', {{a}}, {{b}}, 1, n / 8.0
         FROM generate_series(1, 500) AS n"
    );
    totals.run(&text).await;
    totals.seal().await;
    totals.run(&text).await;
    totals
        .run(&format!("{INSERT} VALUES ('2024-05-06 11:59:59.999999Z', {{a}}, {{c}}, 1, 3)"))
        .await;
    totals.check_sealing("a thousand").await;
    let cell = "SELECT max(length(cell))::bigint FROM running_totals";
    assert!(one::<i64>(&totals.service.sql, cell).await < 100, "an instant is one part");
    totals.run("DELETE FROM transactions WHERE amount > 31").await;
    totals.check_sealing("half of them").await;
    totals
        .run("UPDATE transactions SET occurred_at = occurred_at + interval '1 microsecond'")
        .await;
    totals.check_sealing("moved by a microsecond").await;
}

/// Instants of rows, in no order.
fn instants(random: &mut ChaCha12Rng, count: usize) -> Vec<i64> {
    let first = at("2024-05-05T00:00:00Z").timestamp_micros();
    let mut instants: Vec<_> = (0..count)
        .map(|place| first + i64::try_from(place).unwrap() * 37_000_000 + random.random_range(0..9))
        .collect();
    instants.shuffle(random);
    instants
}

async fn add_rows(totals: &Totals, instants: &[i64]) {
    let text = totals.put_into(&format!(
        "{INSERT} SELECT to_timestamp(0) + i * interval '1 microsecond', {{a}}, {{b}}, 1,
             (i % 100003)::numeric / 100
         FROM unnest($1::bigint[]) AS i"
    ));
    totals.service.sql.execute(&text, &[&instants]).await.unwrap();
}

/// Some windows that begin and end anywhere.
fn draw_windows(totals: &mut Totals, random: &mut ChaCha12Rng) {
    totals.windows.truncate(DAYS.len() + 2);
    let first = at("2024-05-05T00:00:00Z");
    let mut anywhere = || first + TimeDelta::microseconds(random.random_range(0..259_200_000_000));
    for _ in 0..6 {
        let (one, other) = (anywhere(), anywhere());
        totals.windows.push((one.min(other), one.max(other) + TimeDelta::microseconds(1)));
    }
}

#[tokio::test]
async fn trees_of_three_levels_grow_and_shrink_in_any_order() {
    let mut totals = Totals::new(&DAYS).await;
    let mut random = random();
    let rows = instants(&mut random, 7_000);
    for batch in rows.chunks(350) {
        add_rows(&totals, batch).await;
        if random.random_bool(0.6) {
            totals.seal().await;
        }
        if random.random_bool(0.3) {
            draw_windows(&mut totals, &mut random);
            totals.check("growing").await;
        }
    }
    totals.check_sealing("grown").await;
    let height = totals.put_into("SELECT max(level) FROM running_totals WHERE account_id = {a}");
    assert_eq!(one::<i16>(&totals.service.sql, &height).await, 2, "three levels");

    let ids = "SELECT array_agg(transaction_id) FROM transactions";
    let mut ids: Vec<Uuid> = one(&totals.service.sql, ids).await;
    ids.shuffle(&mut random);
    for batch in ids.chunks(900) {
        let text = "DELETE FROM transactions WHERE transaction_id = ANY ($1)";
        totals.service.sql.execute(text, &[&batch]).await.unwrap();
        if random.random_bool(0.7) {
            totals.seal().await;
        }
        if random.random_bool(0.4) {
            draw_windows(&mut totals, &mut random);
            totals.check("shrinking").await;
        }
    }
    totals.check_sealing("empty").await;
    let parts = "SELECT count(*) FROM running_totals WHERE level = 0 AND length(cell) > 20";
    assert_eq!(one::<i64>(&totals.service.sql, parts).await, 0, "no leaf holds anything");

    add_rows(&totals, &rows[..500]).await;
    totals.check_sealing("and again").await;
}

#[tokio::test]
async fn amounts_of_any_size_and_scale_add_up_in_one_account() {
    let totals = Totals::new(&DAYS).await;
    let huge = "115792089237316195423570985008687907853269984665640564039457.584007913129639935";
    let uint = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let amounts = [
        "1",
        "0.1",
        "0.000000000000000001",
        huge,
        "0",
        "1000000",
        "99999.99999",
        uint,
        "1.50000",
        "0.123456789012345678",
        "170141183460469231731687303715884105728",
        "5e-9",
        huge,
        uint,
    ];
    for (number, amount) in amounts.iter().enumerate() {
        let day = DAYS[number % 3];
        let text = format!(
            "{INSERT} VALUES ('{day} 0{}:00Z', {{a}}, {{b}}, 1, '{amount}'),
                             ('{day} 12:00Z', {{b}}, {{a}}, 1, '{amount}')",
            number % 10
        );
        totals.run(&text).await;
        if number % 2 == 0 {
            totals.check_sealing(amount).await;
        } else {
            totals.check(amount).await;
        }
    }
    // The largest go, then all but the smallest: no digit of theirs stays behind.
    for limit in ["1e50", "1e30", "1e-10"] {
        totals.run(&format!("DELETE FROM transactions WHERE amount > {limit}")).await;
        totals.check_sealing(limit).await;
    }
    totals.run("UPDATE transactions SET amount = amount * 3").await;
    totals.check_sealing("what is left, times three").await;
}
