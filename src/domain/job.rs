//! Jobs of syncing: how it stands with one.

/// How it stands with a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// A worker is at it.
    Running,
    /// It gave up until somebody asks for it anew, or a day has passed.
    Parked,
    /// It is over.
    Succeeded,
}

impl JobState {
    /// Its word in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Parked => "parked",
            Self::Succeeded => "succeeded",
        }
    }

    /// What a word of the database means.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "queued" => Self::Queued,
            "running" => Self::Running,
            "parked" => Self::Parked,
            _ => Self::Succeeded,
        }
    }
}
