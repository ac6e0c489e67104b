//! Buckets by hand, by trying, and by chance.

use chrono_tz::TZ_VARIANTS;
use proptest::prelude::*;

use super::*;

const UNITS: [BucketUnit; 6] = [
    BucketUnit::Minute,
    BucketUnit::Hour,
    BucketUnit::Day,
    BucketUnit::Week,
    BucketUnit::Month,
    BucketUnit::Year,
];

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn window(start: DateTime<Utc>, end: DateTime<Utc>) -> Window {
    Window::new(start, end).expect("the test wrote a window")
}

fn size(unit: BucketUnit, count: u32) -> BucketSize {
    BucketSize::new(unit, count).expect("the test wrote a size")
}

/// Edges in the zone's own time, to the minute.
fn shown(zone: &str, (unit, count): (BucketUnit, u32), (start, end): (&str, &str)) -> String {
    let zone = time_zone(zone).expect("the test wrote a zone");
    let found = edges(window(at(start), at(end)), size(unit, count), zone).expect("few");
    let texts = found.iter().map(|&edge| local(edge, zone).format("%m-%dT%H:%M").to_string());
    texts.collect::<Vec<_>>().join(" ")
}

#[test]
fn buckets_lie_on_the_calendar() {
    use BucketUnit::{Day, Hour, Minute, Month, Week, Year};
    for (size, window, expected) in [
        // Clipped at both ends.
        (
            (Day, 1),
            ("2024-02-28T12:00:00Z", "2024-03-01T06:00:00Z"),
            "02-28T12:00 02-29T00:00 03-01T00:00 03-01T06:00",
        ),
        // One bucket, however short the window.
        ((Year, 1), ("2024-05-05T00:00:00Z", "2024-05-05T00:01:00Z"), "05-05T00:00 05-05T00:01"),
        // Weeks begin on Monday: 2024-01-01 is one.
        (
            (Week, 1),
            ("2023-12-31T00:00:00Z", "2024-01-08T00:00:00Z"),
            "12-31T00:00 01-01T00:00 01-08T00:00",
        ),
        (
            (Month, 1),
            ("2024-01-31T00:00:00Z", "2024-03-15T00:00:00Z"),
            "01-31T00:00 02-01T00:00 03-01T00:00 03-15T00:00",
        ),
        // Quarters and decades are counted from year 1.
        (
            (Month, 3),
            ("2024-01-01T00:00:00Z", "2024-08-01T00:00:00Z"),
            "01-01T00:00 04-01T00:00 07-01T00:00 08-01T00:00",
        ),
        (
            (Year, 10),
            ("2001-01-01T00:00:00Z", "2012-01-01T00:00:00Z"),
            "01-01T00:00 01-01T00:00 01-01T00:00",
        ),
        // Ten hours from the start of the day; the last bucket of a day is short.
        (
            (Hour, 10),
            ("2024-05-05T00:00:00Z", "2024-05-06T12:00:00Z"),
            "05-05T00:00 05-05T10:00 05-05T20:00 05-06T00:00 05-06T10:00 05-06T12:00",
        ),
        // More minutes than a day has: a day.
        (
            (Minute, 10_000),
            ("2024-05-05T01:00:00Z", "2024-05-06T12:00:00Z"),
            "05-05T01:00 05-06T00:00 05-06T12:00",
        ),
    ] {
        assert_eq!(shown("UTC", size, window), expected, "{size:?} {window:?}");
    }
}

#[test]
fn buckets_follow_the_clocks_of_their_zone() {
    use BucketUnit::{Day, Hour};
    for (zone, size, window, expected) in [
        // 23 and 25 hours: 2023-03-26 and 2023-10-29 in Berlin.
        (
            "Europe/Berlin",
            (Hour, 12),
            ("2023-03-25T23:00:00Z", "2023-03-26T22:00:00Z"),
            "03-26T00:00 03-26T13:00 03-27T00:00",
        ),
        (
            "Europe/Berlin",
            (Hour, 12),
            ("2023-10-28T22:00:00Z", "2023-10-29T23:00:00Z"),
            "10-29T00:00 10-29T11:00 10-29T23:00 10-30T00:00",
        ),
        // Half an hour: 2024-04-07 and 2024-10-06 on Lord Howe.
        (
            "Australia/Lord_Howe",
            (Day, 1),
            ("2024-04-06T13:00:00Z", "2024-04-07T13:30:00Z"),
            "04-07T00:00 04-08T00:00",
        ),
        // Midnight that does not exist: 2018-11-04 in Sao Paulo.
        (
            "America/Sao_Paulo",
            (Day, 1),
            ("2018-11-03T15:00:00Z", "2018-11-05T15:00:00Z"),
            "11-03T12:00 11-04T01:00 11-05T00:00 11-05T13:00",
        ),
        // Midnight that comes twice: at 00:01 on 2010-11-07 clocks went back to 23:01.
        (
            "America/St_Johns",
            (Day, 1),
            ("2010-11-07T02:00:00Z", "2010-11-08T12:00:00Z"),
            "11-06T23:30 11-07T00:00 11-08T00:00 11-08T08:30",
        ),
        // A window that begins in what is shown twice, when the day has begun.
        (
            "America/St_Johns",
            (Day, 1),
            ("2010-11-07T02:45:00Z", "2010-11-08T12:00:00Z"),
            "11-06T23:15 11-08T00:00 11-08T08:30",
        ),
        // A day that was skipped: 2011-12-30 on Samoa.
        (
            "Pacific/Apia",
            (Day, 1),
            ("2011-12-29T10:00:00Z", "2012-01-01T10:00:00Z"),
            "12-29T00:00 12-31T00:00 01-01T00:00 01-02T00:00",
        ),
    ] {
        assert_eq!(shown(zone, size, window), expected, "{zone} {size:?} {window:?}");
    }
}

#[test]
fn days_have_the_hours_that_their_clocks_show() {
    for (zone, start, hours) in [
        ("Europe/Berlin", "2023-03-25T23:00:00Z", 23.0),
        ("Europe/Berlin", "2023-10-28T22:00:00Z", 25.0),
        ("America/New_York", "2023-03-12T05:00:00Z", 23.0),
        ("America/New_York", "2023-11-05T04:00:00Z", 25.0),
        ("Australia/Lord_Howe", "2024-04-06T13:00:00Z", 24.5),
        ("Australia/Lord_Howe", "2024-10-05T13:30:00Z", 23.5),
        ("Asia/Kolkata", "2023-03-25T18:30:00Z", 24.0),
    ] {
        let zone = time_zone(zone).expect("the test wrote a zone");
        let all = window(at(start), at(start) + Duration::hours(48));
        let found = edges(all, size(BucketUnit::Day, 1), zone).expect("few");
        let minutes = (found[1] - found[0]).num_minutes();
        assert_eq!(f64::from(i32::try_from(minutes).expect("few")) / 60.0, hours, "{zone}");
    }
}

#[test]
fn too_many_buckets_are_refused_without_being_made() {
    let (first, last) = (at("0001-01-01T00:00:00Z"), at("9999-12-31T23:59:59.999999Z"));
    for (unit, count, start, end, expected) in [
        (BucketUnit::Minute, 1, first, last, Some(5_258_964_960)),
        (BucketUnit::Hour, 5, first, last, Some(18_260_295)),
        (BucketUnit::Hour, 10_000, first, last, Some(3_652_059)),
        (BucketUnit::Day, 1, first, last, Some(3_652_059)),
        (BucketUnit::Week, 1, first, last, Some(521_723)),
        (BucketUnit::Month, 1, first, last, Some(119_988)),
        (BucketUnit::Year, 1, first, last, None),
        (BucketUnit::Day, 366, first, last, None),
        (BucketUnit::Minute, 1, first, first + Duration::minutes(10_000), None),
        (BucketUnit::Minute, 1, first, first + Duration::minutes(10_001), Some(10_001)),
        (BucketUnit::Day, 1, first, first + Duration::days(10_000), None),
        (BucketUnit::Day, 1, first, first + Duration::days(10_001), Some(10_001)),
    ] {
        let found = edges(window(start, end), size(unit, count), Tz::UTC);
        let refused = found.err().map(|error| error.about);
        assert_eq!(refused, expected, "{count} {unit:?} from {start} to {end}");
    }
}

#[test]
fn zones_are_known_by_their_iana_names() {
    assert_eq!(time_zone(""), Some(Tz::UTC));
    assert_eq!(time_zone("Europe/Berlin"), Some(Tz::Europe__Berlin));
    for name in ["europe/berlin", "CEST", "+01:00", "Europe/Berlin ", "Mars/Base", "\0"] {
        assert_eq!(time_zone(name), None, "{name:?}");
    }
    assert_eq!(BucketSize::new(BucketUnit::Day, 0), None);
    assert_eq!(BucketSize::new(BucketUnit::Day, 10_001), None);
}

/// Day edges by trying every quarter of an hour: a day begins where a date is shown
/// that is later than all before it.
fn tried_edges(window: Window, zone: Tz) -> Vec<DateTime<Utc>> {
    let mut found = vec![window.start()];
    let (mut latest, mut now) = (local(window.start(), zone).date(), window.start());
    while now < window.end() {
        let date = local(now, zone).date();
        if date > latest {
            found.push(now);
            latest = date;
        }
        now += Duration::minutes(15);
    }
    found.push(window.end());
    found
}

#[test]
fn days_around_every_change_of_every_zones_clocks_are_right() {
    let (first, last) = (at("2000-01-01T00:00:00Z"), at("2040-01-01T00:00:00Z"));
    let mut changes = 0;
    for &zone in &TZ_VARIANTS {
        let (mut now, mut before) = (first, local(first, zone) - first.naive_utc());
        while now < last {
            let after = local(now, zone) - now.naive_utc();
            if after != before {
                let around = window(now - Duration::hours(40), now + Duration::hours(30));
                let found = edges(around, size(BucketUnit::Day, 1), zone).expect("few");
                assert_eq!(found, tried_edges(around, zone), "{zone} {now}");
                changes += 1;
            }
            before = after;
            now += Duration::days(1);
        }
    }
    assert!(changes > 10_000, "{changes} changes were seen");
}

proptest! {
    #[test]
    fn edges_ascend_on_the_calendar_of_any_zone(
        zone in 0..TZ_VARIANTS.len(),
        unit in 0..UNITS.len(),
        count in prop_oneof![3 => Just(1u32), 2 => 2u32..40, 1 => 1u32..=UNITS_MAX],
        start in -2_300_000_000_000_000i64..4_300_000_000_000_000,
        length in prop_oneof![1i64..100_000_000_000, 1i64..100_000_000_000_000],
    ) {
        let (zone, size) = (TZ_VARIANTS[zone], size(UNITS[unit], count));
        let instant = |micros| DateTime::from_timestamp_micros(micros).expect("in range");
        let window = window(instant(start), instant(start + length));
        let Ok(found) = edges(window, size, zone) else { return Ok(()) };
        prop_assert!(found.len() - 1 <= BUCKETS_MAX);
        prop_assert_eq!(found.first(), Some(&window.start()));
        prop_assert_eq!(found.last(), Some(&window.end()));
        prop_assert!(found.is_sorted_by(|a, b| a < b));
        for pair in found[..found.len() - 1].windows(2) {
            let edge = pair[1];
            let before = local(edge - Duration::microseconds(1), zone).date();
            let date = local(edge, zone).date();
            let is_start_of_day = start_of_day(date, zone) == edge;
            match size.seconds() {
                Some(seconds) => {
                    // The day that has begun: clocks put back may show the one before.
                    let day = [2, 1, 0].into_iter().filter_map(|n| {
                        let start = start_of_day(date + chrono::Days::new(n), zone);
                        (start <= edge).then_some(start)
                    }).next().expect("the date itself has begun");
                    let elapsed = (edge - day).num_microseconds().expect("short");
                    let is_whole = elapsed % (seconds * 1_000_000) == 0;
                    prop_assert!(is_whole, "{edge} {zone}");
                }
                None => {
                    prop_assert!(is_start_of_day && before < date, "{edge} {zone}");
                    prop_assert!(size.number(before) < size.number(date), "{edge} {zone}");
                    let is_calendar = match size.unit {
                        BucketUnit::Week => date.weekday() == chrono::Weekday::Mon,
                        BucketUnit::Month => date.day() == 1,
                        BucketUnit::Year => date.ordinal() == 1,
                        BucketUnit::Minute | BucketUnit::Hour | BucketUnit::Day => true,
                    };
                    // A day that was skipped is taken up by the next one.
                    let was_skipped = date.pred_opt() != Some(before) && before < date;
                    prop_assert!(is_calendar || was_skipped, "{edge} {zone}");
                }
            }
        }
    }
}
