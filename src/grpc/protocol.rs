//! Which protocol a connection speaks, told by its first bytes: HTTP/2 begins with its preface
//! (RFC 9113, section 3.4), and whatever begins otherwise is left to HTTP/1.1.

/// What every client of HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes that a client of HTTP/2 must send in time: the preface and the head of its first SETTINGS
/// frame (RFC 9113, sections 3.4 and 4.1).
const FIRST_BYTES: usize = PREFACE.len() + 9;

/// A protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// HTTP/1.1, or none that is known.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The beginning of a connection, as its bytes come in.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    read: usize,
    differs: bool,
}

impl Beginning {
    /// Looks at bytes that follow those of the time before.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let expected = PREFACE.get(self.read..).unwrap_or_default();
        let length = expected.len().min(bytes.len());
        self.differs |= bytes[..length] != expected[..length];
        self.read = self.read.saturating_add(bytes.len());
    }

    /// The protocol, once it is known.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        match self.differs {
            true => Some(Protocol::Http1),
            false => (self.read >= PREFACE.len()).then_some(Protocol::Http2),
        }
    }

    /// Whether enough was said that the library takes over, which has a time limit of its own for
    /// the heads of HTTP/1.1 and asks peers of HTTP/2 whether they are there.
    pub(super) fn is_over(&self) -> bool {
        self.differs || self.read >= FIRST_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known after each byte.
    fn told(bytes: &[u8]) -> Vec<(Option<Protocol>, bool)> {
        let mut beginning = Beginning::default();
        let one = |byte| {
            beginning.read(std::slice::from_ref(byte));
            (beginning.protocol(), beginning.is_over())
        };
        bytes.iter().map(one).collect()
    }

    #[test]
    fn a_protocol_is_known_by_the_first_byte_that_tells() {
        let whole = [PREFACE, &[0; 9]].concat();
        let found = told(&whole);
        assert_eq!(found[22], (None, false));
        assert_eq!(found[23], (Some(Protocol::Http2), false));
        assert_eq!(found[31], (Some(Protocol::Http2), false));
        assert_eq!(found[32], (Some(Protocol::Http2), true));
        assert_eq!(told(b"GET /")[0], (Some(Protocol::Http1), true));
        let post = told(b"POST /");
        assert_eq!((post[0], post[1]), ((None, false), (Some(Protocol::Http1), true)));
        // A difference in what came later than the preface is none.
        assert_eq!(found.last(), told(&[&whole[..], b"GET"].concat()).last());
    }

    #[test]
    fn bytes_may_come_in_any_pieces() {
        let whole = [PREFACE, &[0; 9]].concat();
        for piece in 1..=whole.len() {
            let mut beginning = Beginning::default();
            whole.chunks(piece).for_each(|part| beginning.read(part));
            assert_eq!(beginning.protocol(), Some(Protocol::Http2), "{piece}");
            assert!(beginning.is_over());
            let mut other = Beginning::default();
            let changed = [&PREFACE[..20], b"GET /"].concat();
            changed.chunks(piece).for_each(|part| other.read(part));
            assert_eq!(other.protocol(), Some(Protocol::Http1), "{piece}");
        }
    }
}
