//! What headers of answers say of time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, header};

/// The server's clock (RFC 9110, section 6.6.1).
pub(super) fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(text).ok()?.to_utc())
}

/// How long the server wants to be left alone (RFC 9110, section 10.2.3), at most so long: seconds,
/// or an instant by the server's clock.
pub(super) fn retry_after(headers: &HeaderMap, most: Duration) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(most));
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?.to_utc();
    let from = date(headers).unwrap_or_else(Utc::now);
    Some((until - from).to_std().unwrap_or_default().min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_seconds_or_instants_by_the_server_s_clock() {
        let most = Duration::from_secs(3 * 86_400);
        let clock = "Sun, 05 May 2024 10:00:00 GMT";
        for (text, expected) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("99999999", Some(3 * 86_400)),
            ("Sun, 05 May 2024 10:02:00 GMT", Some(120)),
            ("Sun, 05 May 2024 09:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::DATE, clock.parse().expect("a value"));
            headers.insert(header::RETRY_AFTER, text.parse().expect("a value"));
            assert_eq!(retry_after(&headers, most), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), most), None);
    }
}
