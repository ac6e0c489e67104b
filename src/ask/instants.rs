//! Windows and instants as people say them: pure.

use chrono::{DateTime, Days, Duration, Months, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use prost_types::Timestamp;

use crate::{
    ask::error::AskError,
    config::ask::WindowArgs,
    domain::{buckets::start_of_day, window::Window},
};

/// What an instant must be.
const RULE: &str = "must be a date (2026-06-30), a time of the zone's clocks (2026-06-30T08:30), \
                    an instant (2026-06-30T08:30:00Z), today, yesterday or now";

/// Forms of what clocks show.
const CLOCK_FORMS: [&str; 4] =
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];

/// The window that was said; none if nothing was.
pub(super) fn window(
    told: &WindowArgs,
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<Option<Window>, AskError> {
    let wrong = |flag: &'static str| move |rule: String| AskError::wrong(flag, rule);
    if let Some(text) = &told.last {
        let start = span(text).and_then(|span| {
            now.checked_sub_signed(span).ok_or_else(|| "lies before all time".to_owned())
        });
        return Ok(Window::new(start.map_err(wrong("--last"))?, now));
    }
    if let Some(text) = &told.day {
        let date = date(text, zone, now).map_err(wrong("--day"))?;
        let next = date.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX);
        let day = Window::new(start_of_day(date, zone), start_of_day(next, zone));
        let skipped = || AskError::wrong("--day", format!("the clocks of {zone} skipped {date}"));
        return day.map(Some).ok_or_else(skipped);
    }
    if let Some(text) = &told.month {
        let first = format!("{text}-01").parse::<NaiveDate>().ok().filter(|_| text.len() == 7);
        let rule = || "must be a month, for example 2026-06".to_owned();
        let first = first.ok_or_else(rule).map_err(wrong("--month"))?;
        let next = first.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX);
        return Ok(Window::new(start_of_day(first, zone), start_of_day(next, zone)));
    }
    let Some(from) = &told.from else { return Ok(None) };
    let start = parse(from, zone, now).map_err(wrong("--from"))?;
    let end = match &told.to {
        Some(to) => parse(to, zone, now).map_err(wrong("--to"))?,
        None => now,
    };
    let window = Window::new(start, end);
    if window.is_none() {
        let flag = if told.to.is_some() { "--to" } else { "--from" };
        let rule = format!("the window would end at {end:?}, before it begins at {start:?}");
        return Err(AskError::wrong(flag, rule));
    }
    Ok(window)
}

/// Reads an instant; a date is the beginning of its day. Where clocks show a time twice, the first
/// one is meant.
pub(super) fn parse(text: &str, zone: Tz, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if text == "now" {
        return Ok(now);
    }
    if let Ok(date) = date(text, zone, now) {
        return Ok(start_of_day(date, zone));
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let read = |form| NaiveDateTime::parse_from_str(text, form).ok();
    let shown = CLOCK_FORMS.into_iter().find_map(read).ok_or(RULE)?;
    let found = zone.from_local_datetime(&shown).earliest();
    found.map(|at| at.to_utc()).ok_or_else(|| format!("the clocks of {zone} never showed {text}"))
}

fn date(text: &str, zone: Tz, now: DateTime<Utc>) -> Result<NaiveDate, String> {
    let today = now.with_timezone(&zone).date_naive();
    match text {
        "today" => Ok(today),
        "yesterday" => Ok(today.checked_sub_days(Days::new(1)).unwrap_or(today)),
        _ => text.parse().map_err(|_| "must be a date (2026-06-30), today or yesterday".to_owned()),
    }
}

/// Reads a length of time: a number and m, h, d or w.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let rule = "must be a number and m, h, d or w, for example 30d";
    let (count, unit) = counted(text).ok_or(rule)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(rule.to_owned()),
    };
    let seconds = i64::from(count).checked_mul(seconds).ok_or(rule)?;
    Duration::try_seconds(seconds).ok_or_else(|| rule.to_owned())
}

/// A number above zero and what stands behind it.
pub(super) fn counted(text: &str) -> Option<(i32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number = number.parse().ok().filter(|&number| number > 0)?;
    Some((number, unit))
}

/// An instant as requests have it: whole microseconds.
pub(super) fn encode(at: DateTime<Utc>) -> Timestamp {
    let micros = at.timestamp_subsec_micros();
    let nanos = i32::try_from(micros * 1_000).unwrap_or_default();
    Timestamp { seconds: at.timestamp(), nanos }
}

/// An instant as the clocks of a zone have it, with its offset; empty for none.
pub(super) fn show(at: Option<&Timestamp>, zone: Tz) -> String {
    let found =
        at.and_then(|at| DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).ok()?));
    let Some(at) = found else { return String::new() };
    let form = chrono::SecondsFormat::AutoSi;
    at.with_timezone(&zone).to_rfc3339_opts(form, zone == Tz::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    fn said(flags: &[(&str, &str)], zone: Tz) -> Result<String, String> {
        let mut told = WindowArgs::default();
        for &(flag, value) in flags {
            let place = match flag {
                "last" => &mut told.last,
                "from" => &mut told.from,
                "to" => &mut told.to,
                "day" => &mut told.day,
                "month" => &mut told.month,
                _ => panic!("no flag {flag}"),
            };
            *place = Some(value.to_owned());
        }
        let found = window(&told, zone, utc("2026-06-30T12:00:00Z"));
        let text = |window: Window| format!("{:?} {:?}", window.start(), window.end());
        found.map(|found| found.map(text).unwrap_or_default()).map_err(|error| error.to_string())
    }

    #[test]
    fn windows_are_read_as_people_say_them() {
        for (flags, zone, expected) in [
            (&[("last", "36h")][..], Tz::UTC, "2026-06-29T00:00:00Z 2026-06-30T12:00:00Z"),
            (&[("last", "2w")], Tz::UTC, "2026-06-16T12:00:00Z 2026-06-30T12:00:00Z"),
            (&[("from", "2026-06-01")], Tz::UTC, "2026-06-01T00:00:00Z 2026-06-30T12:00:00Z"),
            (
                &[("from", "2026-06-01T08:30"), ("to", "2026-06-02 09:00:00.5")],
                Tz::Europe__Berlin,
                "2026-06-01T06:30:00Z 2026-06-02T07:00:00.500Z",
            ),
            (
                &[("from", "2026-06-01T08:30:00+05:00"), ("to", "now")],
                Tz::Europe__Berlin,
                "2026-06-01T03:30:00Z 2026-06-30T12:00:00Z",
            ),
            (&[("day", "yesterday")], Tz::UTC, "2026-06-29T00:00:00Z 2026-06-30T00:00:00Z"),
            // Clocks were put forward: a day of 23 hours.
            (
                &[("day", "2026-03-29")],
                Tz::Europe__Berlin,
                "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z",
            ),
            (
                &[("month", "2026-02")],
                Tz::America__New_York,
                "2026-02-01T05:00:00Z 2026-03-01T05:00:00Z",
            ),
            (&[], Tz::UTC, ""),
        ] {
            assert_eq!(said(flags, zone).as_deref(), Ok(expected), "{flags:?}");
        }
    }

    #[test]
    fn what_is_no_window_is_named() {
        let berlin = Tz::Europe__Berlin;
        for (flags, words) in [
            (&[("last", "30")][..], "--last: must be a number and m, h, d or w"),
            (&[("last", "0d")], "--last: must be"),
            (&[("last", "-1d")], "--last: must be"),
            (&[("last", "999999999w")], "--last: lies before all time"),
            (&[("day", "2026-02-30")], "--day: must be a date"),
            (&[("month", "2026-13")], "--month: must be a month"),
            (&[("month", "2026-6")], "--month: must be a month"),
            (&[("from", "June")], "--from: must be a date"),
            (&[("from", "2026-03-29T02:30")], "never showed 2026-03-29T02:30"),
            (&[("from", "2026-06-02"), ("to", "2026-06-02")], "--to: the window would end"),
            (&[("from", "2027-01-01")], "--from: the window would end"),
        ] {
            let found = said(flags, berlin).expect_err("it is no window");
            assert!(found.contains(words), "{flags:?}: {found}");
        }
    }

    #[test]
    fn a_day_that_clocks_skipped_is_no_window() {
        let found = said(&[("day", "2011-12-30")], Tz::Pacific__Apia).expect_err("there was none");
        assert_eq!(found, "--day: the clocks of Pacific/Apia skipped 2011-12-30");
    }

    #[test]
    fn instants_are_shown_with_their_offset() {
        let at = encode(utc("2026-06-30T23:59:59.999999Z"));
        assert_eq!(show(Some(&at), Tz::UTC), "2026-06-30T23:59:59.999999Z");
        assert_eq!(show(Some(&at), Tz::Europe__Berlin), "2026-07-01T01:59:59.999999+02:00");
        assert_eq!(show(None, Tz::UTC), "");
    }
}
