//! Alerts: what a rule watches for, and how its state goes from one tick to the next.
//!
//! Everything is judged by the instants of ticks, not by a clock: whoever plays the same ticks once
//! more sees the same alerts. A rule fires when its condition begins to hold, once, and is armed
//! again when the price has come back across a second level; so a price that wavers around a level
//! does not fire again and again.

mod secret;
mod state;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::domain::{decimal::Decimal, metric::ROUNDED_DECIMALS, price::symbol::SymbolName};

pub use secret::WebhookSecret;
pub use state::{AlertState, Judgement, TickToJudge, judge, silence};

/// Longest window that a rule looks back, in seconds.
pub const WINDOW_SECONDS_MAX: i32 = 86_400;

/// Lengths of windows whose ticks are measured, in seconds: each costs a statement for each chunk
/// that is recorded, however many rules share it.
pub const MEASURED_WINDOWS: [i32; 8] = [60, 300, 900, 1_800, 3_600, 14_400, 43_200, 86_400];

/// Longest cool-down, in seconds.
pub const COOLDOWN_SECONDS_MAX: i32 = 31_536_000;

/// Most ticks that a rule may ask for.
pub const TICKS_MIN_MAX: i32 = 86_400;

/// What a rule watches for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ConditionKind {
    /// A price of at least so many times the average of the ticks in the window before it.
    TimesAverage,
    /// A price of at least this.
    Above,
    /// A price of at most this.
    Below,
    /// A price that differs from the first one of the window before it by at least so many
    /// percent: upwards where that is positive, else downwards.
    Change,
    /// No tick for the length of the window.
    NoData,
}

impl ConditionKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::TimesAverage, Self::Above, Self::Below, Self::Change, Self::NoData];

    /// The kind in a word, as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TimesAverage => "times_average",
            Self::Above => "above",
            Self::Below => "below",
            Self::Change => "change",
            Self::NoData => "no_data",
        }
    }

    /// The kind that a word means.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether ticks before the judged one are needed.
    #[must_use]
    pub fn looks_back(self) -> bool {
        match self {
            Self::TimesAverage | Self::Change => true,
            Self::Above | Self::Below | Self::NoData => false,
        }
    }
}

/// A condition: when a rule begins to fire, and when it is armed again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// What is watched for.
    pub kind: ConditionKind,
    /// The factor, price or percentage at which it fires; zero without data.
    pub threshold: Decimal,
    /// Beyond which (below it for rising conditions, above it for falling ones) it is armed again.
    pub rearm_threshold: Decimal,
}

/// What the ticks in the window before a tick come to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Preceding {
    /// How many there are.
    pub tick_count: i64,
    /// Their prices, added up.
    pub price_sum: Decimal,
    /// The price of the first of them.
    pub first_price: Decimal,
}

/// How a price stands to a condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// The condition holds.
    Met,
    /// It does not, and a rule that fires keeps firing.
    Between,
    /// The rule is armed again.
    Cleared,
    /// There are too few ticks to tell.
    Unknown,
}

impl Condition {
    /// Whether a condition watches for prices that fall.
    fn is_falling(&self) -> bool {
        match self.kind {
            ConditionKind::Below => true,
            ConditionKind::Change => self.threshold < Decimal::zero(),
            ConditionKind::TimesAverage | ConditionKind::Above | ConditionKind::NoData => false,
        }
    }

    /// Whether the level at which it is armed again lies on the right side of the one at which it
    /// fires, or on it.
    #[must_use]
    pub fn is_rearm_in_order(&self) -> bool {
        if self.is_falling() {
            self.rearm_threshold >= self.threshold
        } else {
            self.rearm_threshold <= self.threshold
        }
    }

    /// How a price stands to it; nothing is divided, so nothing is rounded.
    fn standing(&self, price: &Decimal, before: &Preceding, ticks_min: i64) -> Standing {
        if self.kind.looks_back() && before.tick_count < ticks_min.max(1) {
            return Standing::Unknown;
        }
        // Both sides of `price / base >= threshold`, times `base`.
        let (price, base) = match self.kind {
            ConditionKind::TimesAverage => {
                (price.times(&Decimal::from(before.tick_count)), before.price_sum.clone())
            }
            ConditionKind::Change => {
                let hundred = Decimal::from(100);
                (price.minus(&before.first_price).times(&hundred), before.first_price.clone())
            }
            ConditionKind::Above | ConditionKind::Below => (price.clone(), Decimal::from(1)),
            ConditionKind::NoData => return Standing::Cleared,
        };
        let (fire_at, clear_at) = (base.times(&self.threshold), base.times(&self.rearm_threshold));
        let (is_met, is_cleared) = if self.is_falling() {
            (price <= fire_at, price > clear_at)
        } else {
            (price >= fire_at, price < clear_at)
        };
        match (is_met, is_cleared) {
            (true, _) => Standing::Met,
            (false, true) => Standing::Cleared,
            (false, false) => Standing::Between,
        }
    }

    /// What is compared with the threshold, to 18 decimals: the price in averages, the price, the
    /// change in percent.
    fn value(&self, price: &Decimal, before: &Preceding) -> Option<Decimal> {
        let quotient = |one: &Decimal, other: &Decimal| {
            Decimal::rounded_quotient(one, other, ROUNDED_DECIMALS)
        };
        match self.kind {
            ConditionKind::TimesAverage => {
                quotient(&price.times(&Decimal::from(before.tick_count)), &before.price_sum)
            }
            ConditionKind::Change => {
                let change = price.minus(&before.first_price).times(&Decimal::from(100));
                quotient(&change, &before.first_price)
            }
            ConditionKind::Above | ConditionKind::Below => Some(price.clone()),
            ConditionKind::NoData => None,
        }
    }
}

/// What a rule says, but for whom it is and who is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AlertRule {
    /// Its id.
    pub rule_id: Uuid,
    /// Counts changes of what it watches.
    pub revision: i32,
    /// Which symbol, by its id; `None` for all.
    pub symbol_id: Option<i32>,
    /// When it fires.
    pub condition: Condition,
    /// How far it looks back; how long silence must last.
    pub window: Duration,
    /// How many ticks the window must hold, at least.
    pub ticks_min: i64,
    /// How long it does not fire again after it fired.
    pub cooldown: Duration,
    /// Since when it watches.
    pub armed_at: DateTime<Utc>,
}

impl AlertRule {
    /// Whether it is about a symbol.
    #[must_use]
    pub fn covers(&self, symbol_id: i32) -> bool {
        self.symbol_id.is_none_or(|own| own == symbol_id)
    }
}

/// A rule as its user writes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleSettings {
    /// What it is called.
    pub name: String,
    /// Which symbol; `None` for all.
    pub symbol: Option<SymbolName>,
    /// When it fires.
    pub condition: Condition,
    /// Seconds that it looks back, or that silence must last.
    pub window_seconds: i32,
    /// How many ticks the window must hold, at least.
    pub ticks_min: i32,
    /// Seconds that it does not fire again after it fired.
    pub cooldown_seconds: i32,
    /// Addresses of webhooks.
    pub webhook_urls: Vec<String>,
    /// Addresses of mailboxes.
    pub emails: Vec<String>,
    /// Whether it watches.
    pub is_enabled: bool,
}

impl RuleSettings {
    /// Whether both watch alike: they differ in nothing but what they are called and who is told.
    #[must_use]
    pub fn watches_like(&self, other: &Self) -> bool {
        let watched = |settings: &Self| Self {
            name: String::new(),
            webhook_urls: Vec::new(),
            emails: Vec::new(),
            ..settings.clone()
        };
        watched(self) == watched(other)
    }
}
