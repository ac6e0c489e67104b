//! How a file writes instants.

use chrono::{
    DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc,
    format::{Item, Parsed, StrftimeItems, parse},
};
use chrono_tz::Tz;

use crate::domain::{buckets::start_of_day, decimal::Decimal, window};

/// A way to write instants.
#[derive(Clone, Debug)]
pub struct InstantFormat {
    kind: Kind,
    zone: Tz,
}

#[derive(Clone, Debug)]
enum Kind {
    Rfc3339,
    /// Since the Unix epoch, in units of so many microseconds.
    Unix {
        unit_micros: i64,
    },
    Pattern(Vec<Item<'static>>),
}

/// Words of a pattern without `%`, each with what chrono calls it; the longer of two that
/// begin alike comes first.
const WORDS: [(&str, &str); 7] = [
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("HH", "%H"),
    ("mm", "%M"),
    ("ss", "%S%.f"),
];

impl InstantFormat {
    /// Reads a format: `rfc3339`, `unix`, `unix-ms`, `unix-us`, a pattern of chrono's with `%`,
    /// or one of YYYY, YY, MM, DD, HH, mm, ss. Instants without an offset of their own are
    /// what the clocks of `zone` show.
    ///
    /// # Errors
    /// Says what the pattern lacks.
    pub fn parse(text: &str, zone: Tz) -> Result<Self, String> {
        let kind = match text {
            "rfc3339" => Kind::Rfc3339,
            "unix" => Kind::Unix { unit_micros: 1_000_000 },
            "unix-ms" => Kind::Unix { unit_micros: 1_000 },
            "unix-us" => Kind::Unix { unit_micros: 1 },
            _ => Kind::Pattern(pattern(text)?),
        };
        let format = Self { kind, zone };
        if let Kind::Pattern(items) = &format.kind {
            // A pattern that cannot read what it writes itself lacks a part of the date, or
            // the minute to an hour.
            let sample = DateTime::UNIX_EPOCH.with_timezone(&zone);
            let written = sample.format_with_items(items.iter()).to_string();
            if let Err(reason) = format.read(&written) {
                return Err(format!("does not tell instants: {written:?} {reason}"));
            }
        }
        Ok(format)
    }

    /// Reads an instant. Where clocks are put back and show a time twice, the first one is
    /// meant; a date alone is the beginning of its day.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn read(&self, text: &str) -> Result<DateTime<Utc>, String> {
        let at = match &self.kind {
            Kind::Rfc3339 => DateTime::parse_from_rfc3339(text)
                .map_err(|_| "is no instant as RFC 3339 writes them".to_owned())?
                .to_utc(),
            Kind::Unix { unit_micros } => unix(text, *unit_micros)?,
            Kind::Pattern(items) => self.read_pattern(text, items)?,
        };
        let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(i32::MAX);
        window::instant(at.timestamp(), nanos).map_err(|error| error.to_string())
    }

    fn read_pattern(&self, text: &str, items: &[Item<'static>]) -> Result<DateTime<Utc>, String> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, items.iter()).map_err(|_| "does not fit the format".to_owned())?;
        if parsed.offset().is_some() {
            let at = parsed.to_datetime().map_err(|_| "is no instant".to_owned())?;
            return Ok(at.to_utc());
        }
        if let Some(seconds) = parsed.timestamp() {
            let nanos = parsed.nanosecond().unwrap_or(0);
            return DateTime::from_timestamp(seconds, nanos)
                .ok_or_else(|| "is no instant".to_owned());
        }
        let date = parsed.to_naive_date().map_err(|_| "is no date".to_owned())?;
        if parsed.hour_mod_12().is_none() {
            return Ok(self.beginning_of(date));
        }
        let time = parsed.to_naive_time().map_err(|_| "is no time of day".to_owned())?;
        self.on_the_clock(date.and_time(time))
    }

    fn beginning_of(&self, date: NaiveDate) -> DateTime<Utc> {
        if self.zone == Tz::UTC {
            return date.and_time(NaiveTime::MIN).and_utc();
        }
        start_of_day(date, self.zone)
    }

    fn on_the_clock(&self, shown: NaiveDateTime) -> Result<DateTime<Utc>, String> {
        let found = self.zone.from_local_datetime(&shown).earliest();
        let Some(at) = found else {
            return Err(format!("is a time that the clocks of {} never showed", self.zone));
        };
        Ok(at.to_utc())
    }
}

fn pattern(text: &str) -> Result<Vec<Item<'static>>, String> {
    let chrono_pattern = if text.contains('%') { text.to_owned() } else { of_words(text)? };
    StrftimeItems::new(&chrono_pattern)
        .parse_to_owned()
        .map_err(|_| "is no pattern: see docs/import.md".to_owned())
}

fn of_words(text: &str) -> Result<String, String> {
    let (mut pattern, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        if let Some((word, chrono_word)) = WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
            pattern.push_str(chrono_word);
            rest = &rest[word.len()..];
        } else if next == 'T' || !next.is_alphanumeric() {
            pattern.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            return Err(format!(
                "has a {next:?} where YYYY, YY, MM, DD, HH, mm or ss may stand; other patterns \
                 are written as chrono has them, with %"
            ));
        }
    }
    Ok(pattern)
}

fn unix(text: &str, unit_micros: i64) -> Result<DateTime<Utc>, String> {
    let number = Decimal::parse(text).ok_or_else(|| "is no number".to_owned())?;
    let (micros, scale) = number.times(&Decimal::from(unit_micros)).to_parts();
    if scale > 0 {
        return Err(window::InstantError::TooFine.to_string());
    }
    i64::try_from(micros)
        .ok()
        .and_then(DateTime::from_timestamp_micros)
        .ok_or_else(|| window::InstantError::OutOfRange.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(format: &str, zone: &str, text: &str) -> Result<String, String> {
        let zone = zone.parse().expect("a zone");
        let format = InstantFormat::parse(format, zone).expect("a format");
        format.read(text).map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn instants_are_read_as_the_format_says() {
        for (format, zone, text, expected) in [
            ("YYMMDD", "UTC", "930101", "1993-01-01T00:00:00Z"),
            ("YYMMDD", "UTC", "690101", "2069-01-01T00:00:00Z"),
            ("YYMMDD", "Europe/Prague", "930701", "1993-06-30T22:00:00Z"),
            ("DD.MM.YYYY", "UTC", "5.12.2024", "2024-12-05T00:00:00Z"),
            ("DD.MM.YYYY HH:mm:ss", "Europe/Berlin", "31.03.2024 03:00:00", "2024-03-31T01:00:00Z"),
            // Shown twice: the first one.
            ("YYYY-MM-DD HH:mm", "Europe/Berlin", "2024-10-27 02:30", "2024-10-27T00:30:00Z"),
            (
                "YYYY-MM-DD HH:mm:ss",
                "UTC",
                "2024-01-01 00:00:00.000001",
                "2024-01-01T00:00:00.000001Z",
            ),
            ("%m/%d/%Y %I:%M %p", "UTC", "12/31/2024 11:59 PM", "2024-12-31T23:59:00Z"),
            (
                "%Y-%m-%dT%H:%M:%S%z",
                "Europe/Berlin",
                "2024-01-01T00:00:00+0530",
                "2023-12-31T18:30:00Z",
            ),
            ("%d %b %Y", "UTC", "07 Mar 2024", "2024-03-07T00:00:00Z"),
            ("rfc3339", "UTC", "2024-01-01T01:00:00.5+01:00", "2024-01-01T00:00:00.500Z"),
            ("unix", "UTC", "1704067200.25", "2024-01-01T00:00:00.250Z"),
            ("unix-ms", "UTC", "1704067200001", "2024-01-01T00:00:00.001Z"),
            ("unix-us", "UTC", "-1", "1969-12-31T23:59:59.999999Z"),
            // A day whose midnight the clocks skipped begins later.
            ("YYYY-MM-DD", "America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"),
        ] {
            assert_eq!(read(format, zone, text).as_deref(), Ok(expected), "{format} {text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for (format, zone, text, reason) in [
            ("YYMMDD", "UTC", "931301", "does not fit the format"),
            ("YYMMDD", "UTC", "930230", "is no date"),
            ("YYMMDD", "UTC", "930101x", "does not fit the format"),
            ("YYYY-MM-DD HH:mm", "Europe/Berlin", "2024-03-31 02:30", "never showed"),
            ("rfc3339", "UTC", "2024-01-01", "is no instant as RFC 3339 writes them"),
            ("rfc3339", "UTC", "2024-01-01T00:00:00.0000001Z", "must be whole microseconds"),
            ("unix", "UTC", "1e9", "is no number"),
            ("unix-us", "UTC", "0.5", "must be whole microseconds"),
            ("unix", "UTC", "99999999999999999999", "must lie between"),
            ("YYYY-MM-DD HH:mm:ss", "UTC", "2016-12-31 23:59:60", "must have nanoseconds"),
        ] {
            let error = read(format, zone, text).expect_err(text);
            assert!(error.contains(reason), "{format} {text}: {error}");
        }
    }

    #[test]
    fn a_format_tells_a_whole_date() {
        for (format, reason) in [
            ("MM-DD", "does not tell instants"),
            ("YYYY-MM-DD HH", "does not tell instants"),
            ("yyyy-mm-dd", "has a 'y'"),
            ("%Q", "is no pattern"),
            ("", "does not tell instants"),
        ] {
            let error = InstantFormat::parse(format, Tz::UTC).expect_err(format);
            assert!(error.contains(reason), "{format}: {error}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(micros in -2_000_000_000_000_000i64..4_000_000_000_000_000) {
            let at = DateTime::from_timestamp_micros(micros).expect("in range");
            let format = InstantFormat::parse("YYYY-MM-DD HH:mm:ss", Tz::UTC).expect("right");
            let text = at.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
            prop_assert_eq!(format.read(&text), Ok(at));
            let format = InstantFormat::parse("unix-us", Tz::UTC).expect("right");
            prop_assert_eq!(format.read(&micros.to_string()), Ok(at));
        }
    }
}
