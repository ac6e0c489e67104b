//! Which trace a request belongs to, as its caller says in `traceparent`
//! (<https://www.w3.org/TR/trace-context/>, section 3.2).

use std::fmt;

use uuid::Uuid;

/// Length of version, trace id, parent id and flags, with the dashes between them.
const LENGTH: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;

/// The number of a trace: 16 bytes, never all zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TraceId(u128);

impl TraceId {
    /// The trace that a caller names, if what it says is valid.
    #[must_use]
    pub fn parse(traceparent: &[u8]) -> Option<Self> {
        let (head, rest) = traceparent.split_at_checked(LENGTH)?;
        let parts: Vec<&[u8]> = head.split(|&byte| byte == b'-').collect();
        let [version, trace, parent, flags] = parts[..] else { return None };
        let is_version = is_hex(version, 2) && version != b"ff";
        // A later version may say more, behind a dash.
        let is_end = rest.is_empty() || (version != b"00" && rest.starts_with(b"-"));
        let is_valid = is_version
            && is_end
            && is_hex(trace, 32)
            && is_hex(parent, 16)
            && is_hex(flags, 2)
            && parent.iter().any(|&digit| digit != b'0');
        let number = u128::from_str_radix(str::from_utf8(trace).ok()?, 16).ok()?;
        (is_valid && number != 0).then_some(Self(number))
    }

    /// The trace of a request whose caller names none: as the request itself.
    #[must_use]
    pub fn of_request(id: Uuid) -> Self {
        Self(id.as_u128())
    }

    /// The trace of this number; none if it is zero.
    #[must_use]
    pub fn of_bytes(bytes: [u8; 16]) -> Option<Self> {
        Some(u128::from_be_bytes(bytes)).filter(|&number| number != 0).map(Self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// Whether this is so many lower-case hexadecimal digits: others are not allowed.
fn is_hex(text: &[u8], digits: usize) -> bool {
    text.len() == digits && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_from_what_is_valid_and_from_nothing_else() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for valid in [
            format!("00-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-00f067aa0ba902b7-00"),
            format!("cc-{trace}-00f067aa0ba902b7-01"),
            format!("cc-{trace}-00f067aa0ba902b7-01-what-the-future-says"),
        ] {
            let read = TraceId::parse(valid.as_bytes()).map(|id| id.to_string());
            assert_eq!(read.as_deref(), Some(trace), "{valid}");
        }
        for invalid in [
            String::new(),
            trace.to_owned(),
            format!("00-{trace}-00f067aa0ba902b7"),
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("00-{trace}-00f067aa0ba902b7-01 "),
            format!("cc-{trace}-00f067aa0ba902b7-01.more"),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{trace}-00f067aa0ba902b7-0x"),
            format!("0x-{trace}-00f067aa0ba902b7-01"),
            format!("00_{trace}_00f067aa0ba902b7_01"),
            format!("00-{}--00f067aa0ba902b7-01", &trace[1..]),
            format!("00-+{}-00f067aa0ba902b7-01", &trace[1..]),
        ] {
            assert_eq!(TraceId::parse(invalid.as_bytes()), None, "{invalid}");
        }
    }

    #[test]
    fn a_request_without_one_is_its_own_trace() {
        let id = Uuid::new_v4();
        assert_eq!(TraceId::of_request(id).to_string(), id.simple().to_string());
    }
}
