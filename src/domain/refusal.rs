//! Why a row is not recorded.

/// What kind of thing is wrong with a row.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RefusalReason {
    /// A field is not what it must be.
    WrongField,
    /// An account is not recorded.
    UnknownAccount,
    /// The asset is not recorded.
    UnknownAsset,
    /// The day lies too far back or ahead, or there are too many days.
    DayOutOfRange,
    /// The day's rows are not at hand any more: dropped, or detached.
    DayAbsent,
    /// The id is used for other content.
    OtherContent,
    /// The id was used for a transaction that was deleted.
    Deleted,
}

/// What is wrong with a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// What kind of thing.
    pub reason: RefusalReason,
    /// The field that is wrong, as requests name it.
    pub field: &'static str,
    /// What would be right, or what is in the way; holds no stored values.
    pub message: String,
}

/// A row of a chunk that is not recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Its place in the chunk, from zero.
    pub index: usize,
    /// What is wrong with it.
    pub fault: Fault,
}
