//! Which side of a transaction an account is on.

/// Which side of a transaction an account is on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Direction {
    /// The account sends: money going out.
    Sender,
    /// The account receives: money coming in.
    Receiver,
}

impl Direction {
    /// Reads the word `sender` or `receiver`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "sender" => Some(Self::Sender),
            "receiver" => Some(Self::Receiver),
            _ => None,
        }
    }
}
