//! The deadline of a request: the client's, capped by the server's.
//!
//! The header's form: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>,
//! "Timeout".

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

/// Name of the header.
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// How long before the client gives up the server answers, so that its answer is the
/// one that counts.
const MARGIN: Duration = Duration::from_millis(10);

/// Time that a request may take: the header's, less a margin for the way back, at
/// most `cap`. `None` if the header cannot be read.
#[must_use]
pub fn time_limit(headers: &HeaderMap, cap: Duration) -> Option<Duration> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else { return Some(cap) };
    let asked = parse(value)?;
    Some(asked.saturating_sub(MARGIN.min(asked / 4)).min(cap))
}

fn parse(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(header: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_str(header).expect("printable"));
        time_limit(&headers, Duration::from_secs(30))
    }

    #[test]
    fn the_clients_deadline_counts_up_to_the_cap() {
        assert_eq!(time_limit(&HeaderMap::new(), MARGIN), Some(MARGIN));
        assert_eq!(limit("1S"), Some(Duration::from_millis(990)));
        assert_eq!(limit("20m"), Some(Duration::from_millis(15)));
        assert_eq!(limit("0n"), Some(Duration::ZERO));
        assert_eq!(limit("99999999H"), Some(Duration::from_secs(30)));
    }

    #[test]
    fn nonsense_is_seen() {
        for header in ["", "S", "1", "1s", "-1S", "1.5S", "123456789S", "1SS", " 1S"] {
            assert_eq!(limit(header), None, "{header:?}");
        }
    }
}
