//! What is counted of the work that Daybook does: rows taken in, sealing, the verifier, sources,
//! alerts.

use metrics::counter;

use super::families::{
    ALERT_DELIVERIES, ALERT_EVENTS, ROWS_RECORDED, ROWS_REFUSED, SEALED_CORRECTIONS,
    SEALING_ROUNDS, SOURCE_CALLS, SOURCE_PAUSES, SOURCE_REFUSALS, VERIFIER_CHECKS,
    VERIFIER_MISMATCHES,
};

/// What rows are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RowKind {
    /// Transactions that clients record.
    Transactions,
    /// Price ticks.
    Prices,
    /// Transactions that syncing recorded, or took back because their chain changed.
    Synced,
}

impl RowKind {
    const EVERY: [Self; 3] = [Self::Transactions, Self::Prices, Self::Synced];

    fn label(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Prices => "prices",
            Self::Synced => "synced",
        }
    }
}

/// How a round of sealing ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SealingRound {
    /// So many corrections were folded.
    Folded(u64),
    /// There was nothing to do, or another server did it.
    Idle,
    /// The database refused.
    Failed,
}

/// What a source said in the place of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceTrouble {
    /// It is asked too often.
    RateLimited,
    /// What there is a day is used up, or it has banned whoever asks.
    UsedUp,
    /// It refuses the key, or whoever asks from here.
    Forbidden,
    /// It did not answer.
    Unavailable,
    /// Its answer cannot be read.
    Malformed,
    /// It cannot answer this question.
    Question,
}

impl SourceTrouble {
    const EVERY: [Self; 6] = [
        Self::RateLimited,
        Self::UsedUp,
        Self::Forbidden,
        Self::Unavailable,
        Self::Malformed,
        Self::Question,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::UsedUp => "used_up",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::Malformed => "malformed",
            Self::Question => "question",
        }
    }
}

/// How many rules turned.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AlertTurns {
    /// Began to fire.
    pub firing: usize,
    /// Ceased to.
    pub ceased: usize,
}

/// What came of an attempt to tell somebody of an alert.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeliveryOutcome {
    /// It was told.
    Delivered,
    /// It failed and is tried again.
    Failed,
    /// It was given up.
    Dead,
}

impl DeliveryOutcome {
    const EVERY: [Self; 3] = [Self::Delivered, Self::Failed, Self::Dead];

    fn label(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }
}

/// How recipients of alerts are told.
const CHANNELS: [&str; 2] = ["webhook", "email"];

pub(super) fn begin() {
    for kind in RowKind::EVERY {
        rows_recorded(kind, 0);
    }
    rows_refused(RowKind::Transactions, 0);
    rows_refused(RowKind::Prices, 0);
    counter!(SEALED_CORRECTIONS).increment(0);
    for outcome in ["folded", "idle", "failed"] {
        counter!(SEALING_ROUNDS, "outcome" => outcome).increment(0);
    }
    counter!(VERIFIER_CHECKS).increment(0);
    counter!(VERIFIER_MISMATCHES).increment(0);
    alert_events(AlertTurns::default());
    for channel in CHANNELS {
        for outcome in DeliveryOutcome::EVERY {
            deliveries(channel, outcome, 0);
        }
    }
}

/// So many rows were recorded, and are committed.
pub fn rows_recorded(kind: RowKind, count: usize) {
    counter!(ROWS_RECORDED, "kind" => kind.label()).increment(count as u64);
}

/// So many rows of a chain were recorded or taken back, and that is committed.
pub fn rows_synced(count: i64) {
    rows_recorded(RowKind::Synced, usize::try_from(count).unwrap_or_default());
}

/// So many rows were refused.
pub fn rows_refused(kind: RowKind, count: usize) {
    counter!(ROWS_REFUSED, "kind" => kind.label()).increment(count as u64);
}

/// A round of sealing ended.
pub fn sealing_round(round: SealingRound) {
    let outcome = match round {
        SealingRound::Folded(count) => {
            counter!(SEALED_CORRECTIONS).increment(count);
            "folded"
        }
        SealingRound::Idle => "idle",
        SealingRound::Failed => "failed",
    };
    counter!(SEALING_ROUNDS, "outcome" => outcome).increment(1);
}

/// The verifier compared a sum with the rows.
pub fn verified(agrees: bool) {
    counter!(VERIFIER_CHECKS).increment(1);
    counter!(VERIFIER_MISMATCHES).increment(u64::from(!agrees));
}

/// There is a source of this name, which the settings give it: it is counted from zero.
pub fn source_known(source: &str) {
    of_source(SOURCE_CALLS, source, 0);
    of_source(SOURCE_PAUSES, source, 0);
    for trouble in SourceTrouble::EVERY {
        refusals(source, trouble, 0);
    }
}

/// A source was asked a question.
pub fn source_called(source: &str) {
    of_source(SOURCE_CALLS, source, 1);
}

/// A source did not answer a question.
pub fn source_refused(source: &str, trouble: SourceTrouble) {
    refusals(source, trouble, 1);
}

/// A source is left alone from now on.
pub fn source_paused(source: &str) {
    of_source(SOURCE_PAUSES, source, 1);
}

fn of_source(name: &'static str, source: &str, count: u64) {
    counter!(name, "source" => source.to_owned()).increment(count);
}

fn refusals(source: &str, trouble: SourceTrouble, count: u64) {
    counter!(SOURCE_REFUSALS, "source" => source.to_owned(), "reason" => trouble.label())
        .increment(count);
}

/// Rules that turned, and are committed.
pub fn alert_events(turns: AlertTurns) {
    let AlertTurns { firing, ceased } = turns;
    counter!(ALERT_EVENTS, "state" => "firing").increment(firing as u64);
    counter!(ALERT_EVENTS, "state" => "ceased").increment(ceased as u64);
}

/// Somebody was told of an alert by this channel, or not.
pub fn alert_delivered(channel: &'static str, outcome: DeliveryOutcome) {
    deliveries(channel, outcome, 1);
}

fn deliveries(channel: &'static str, outcome: DeliveryOutcome, count: u64) {
    counter!(ALERT_DELIVERIES, "channel" => channel, "outcome" => outcome.label()).increment(count);
}
