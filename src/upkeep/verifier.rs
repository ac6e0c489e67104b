//! Sums random cells of the running totals anew from the rows, and of prices from the ticks, again
//! and again, so that what must never differ is seen to agree all the time.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};

use crate::{
    config::PoolSettings,
    domain::{access::Scope, direction::Direction, window::Window},
    store::{
        Database, DatabaseTarget, Reader, Snapshot, StoreError,
        audit_prices::{self, CheckedCell},
        days::{self, Needs},
        rank::{self, Measure},
        sum_amount::{self, Subject, SumQuery},
        sum_series::{self, SeriesSubject},
        verifier,
    },
    telemetry::metrics,
    upkeep::UpkeepError,
};

/// One check of so many is about all accounts together.
const ALL_TURNS: u64 = 8;

/// One check of so many is about a day of all accounts of a network.
const DAY_TURNS: u64 = 16;

/// One check of so many is about a cell of prices, where there are any.
const PRICE_TURNS: u64 = 8;

/// How far the window of an account reaches at most to either side of an instant: bounds the
/// partitions that a check opens.
const REACH: Duration = Duration::from_secs(4 * 86_400);

/// The same for all accounts together: bounds the rows that a check reads.
const REACH_OF_ALL: Duration = Duration::from_secs(30 * 60);

/// Largest network whose days are checked, in accounts.
const MEMBERS_MAX: i64 = 100_000;

/// Longest time that the database works on one statement of a check, in milliseconds.
const STATEMENT_TIMEOUT_MS: u64 = 10_000;

/// Longest time that connections get to end.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// What a verifier did, for everybody to read at any time.
#[derive(Clone, Debug, Default)]
pub struct VerifierCounts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    is_running: AtomicBool,
    checks: AtomicU64,
    mismatches: AtomicU64,
    /// Microseconds since the Unix epoch; 0 before the first check.
    last_checked_at: AtomicI64,
}

/// What a verifier did until now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct VerifierStatus {
    /// Whether it runs.
    pub is_running: bool,
    /// Sums and cells of prices that it compared with the rows.
    pub checks: u64,
    /// Those that did not agree.
    pub mismatches: u64,
    /// When it last compared one.
    pub last_checked_at: Option<DateTime<Utc>>,
}

impl VerifierCounts {
    /// What it did until now.
    #[must_use]
    pub fn read(&self) -> VerifierStatus {
        let Counts { is_running, checks, mismatches, last_checked_at } = &*self.0;
        let micros = Some(last_checked_at.load(Ordering::Relaxed)).filter(|micros| *micros != 0);
        // The mismatches first: there are never more of them than checks.
        let mismatches = mismatches.load(Ordering::Acquire);
        VerifierStatus {
            is_running: is_running.load(Ordering::Relaxed),
            checks: checks.load(Ordering::Acquire),
            mismatches,
            last_checked_at: micros.and_then(DateTime::from_timestamp_micros),
        }
    }

    /// Says whether a verifier runs.
    pub fn set_running(&self, is_running: bool) {
        self.0.is_running.store(is_running, Ordering::Relaxed);
    }

    fn add(&self, agrees: bool) {
        metrics::verified(agrees);
        self.0.last_checked_at.store(Utc::now().timestamp_micros(), Ordering::Relaxed);
        self.0.checks.fetch_add(1, Ordering::AcqRel);
        self.0.mismatches.fetch_add(u64::from(!agrees), Ordering::AcqRel);
    }
}

/// Checks cells of one database, on a connection that no request waits for.
pub struct Verifier {
    database: Database,
    counts: VerifierCounts,
    turn: u64,
}

/// Whose cell was checked, as the log names it.
enum Whose {
    Account(i64),
    AllAccounts,
    Network(String),
}

impl fmt::Display for Whose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account_id) => write!(formatter, "{account_id}"),
            Self::AllAccounts => formatter.write_str("all accounts"),
            Self::Network(network) => write!(formatter, "all accounts of {network}, by day"),
        }
    }
}

/// What came of a check.
struct Checked {
    whose: Whose,
    asset_id: i32,
    direction: Direction,
    window: Window,
    agrees: bool,
}

impl Verifier {
    /// Checks this database and counts here.
    ///
    /// # Errors
    /// If the settings of the pool contradict each other.
    pub fn new(
        target: &DatabaseTarget,
        pool: &PoolSettings,
        counts: VerifierCounts,
    ) -> Result<Self, StoreError> {
        let pool = PoolSettings {
            pool_size: 1,
            totals_pool_size: 1,
            ingest_pool_size: 1,
            statement_timeout_ms: pool.statement_timeout_ms.min(STATEMENT_TIMEOUT_MS),
            ..pool.clone()
        };
        Ok(Self { database: Database::new(target, &pool)?, counts, turn: 0 })
    }

    /// What it did until now.
    #[must_use]
    pub fn counts(&self) -> &VerifierCounts {
        &self.counts
    }

    /// Checks one cell. What does not agree is counted and logged, and never repaired here.
    /// Counts nothing where there is nothing to check.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn check(&mut self) -> Result<(), UpkeepError> {
        let turn = self.turn;
        self.turn += 1;
        let snapshot = self.database.snapshot().await?;
        // What is stored and what is recorded differ meanwhile.
        if days::is_seeding(Reader::Snapshot(&snapshot)).await? {
            snapshot.end().await?;
            return Ok(());
        }
        if turn % PRICE_TURNS == PRICE_TURNS / 2
            && let Some(checked) = audit_prices::check_one(&snapshot).await?
        {
            snapshot.end().await?;
            self.note_price(checked);
            return Ok(());
        }
        let checked = if turn % DAY_TURNS == DAY_TURNS - 1 {
            check_day(&snapshot).await?
        } else if turn % ALL_TURNS == ALL_TURNS - 1 {
            check_all(&snapshot).await?
        } else {
            check_account(&snapshot).await?
        };
        snapshot.end().await?;
        let Some(checked) = checked else { return Ok(()) };
        if !checked.agrees && self.has_absent_days(checked.window).await? {
            return Ok(());
        }
        self.counts.add(checked.agrees);
        if !checked.agrees {
            tracing::error!(
                account = %checked.whose, asset = checked.asset_id, direction = ?checked.direction,
                start = %checked.window.start(), end = %checked.window.end(),
                "a running total does not agree with the rows: run `daybook audit`"
            );
        }
        Ok(())
    }

    fn note_price(&self, CheckedCell { key, agrees }: CheckedCell) {
        self.counts.add(agrees);
        if !agrees {
            let instant = |at| DateTime::from_timestamp_micros(at).unwrap_or_default();
            tracing::error!(
                level = key.span.level, span = key.span.number, group = key.group,
                start = %instant(key.span.start()), end = %instant(key.span.end()),
                "a total of prices does not agree with the ticks: run `daybook audit`"
            );
        }
    }

    /// Whether rows of the window are not at hand. A day that is taken away while a check is
    /// under way is seen here: the catalog is not part of a snapshot.
    async fn has_absent_days(&self, window: Window) -> Result<bool, UpkeepError> {
        days::note(&self.database.connect().await?).await?;
        match days::refuse(Reader::Pool(&self.database), window, Needs::Rows).await {
            Ok(()) => Ok(false),
            Err(error) if days::is_refusal(&error) => Ok(true),
            Err(error) => Err(UpkeepError::Unfit(format!("could not look at the days: {error}"))),
        }
    }

    /// Closes its connections; what is under way is cancelled.
    pub async fn end(self) {
        if !self.database.close(END_TIMEOUT).await {
            tracing::warn!("the verifier's connection to the database did not end in time");
        }
    }
}

async fn check_account(snapshot: &Snapshot) -> Result<Option<Checked>, StoreError> {
    let Some(pick) = verifier::pick_leaf(snapshot, false, REACH).await? else { return Ok(None) };
    let Some(account) = pick.account else { return Ok(None) };
    let query = SumQuery {
        subject: Subject::Account(account),
        asset_id: pick.asset_id,
        window: pick.window,
        direction: pick.direction,
        scope: Scope::Everybody,
    };
    let reader = Reader::Snapshot(snapshot);
    let stored = sum_amount::sum_amounts(reader, std::slice::from_ref(&query), false).await;
    let stored = stored.and_then(|found| match found.value.into_iter().next() {
        Some(found) => found.sound().map(|found| found.total),
        None => Ok(None),
    });
    let rows = sum_amount::sum_amount_of_rows(reader, &query).await?.value;
    Ok(Some(Checked {
        whose: Whose::Account(pick.account_id),
        asset_id: pick.asset_id,
        direction: pick.direction,
        window: pick.window,
        agrees: agrees(stored, &rows)?,
    }))
}

async fn check_all(snapshot: &Snapshot) -> Result<Option<Checked>, StoreError> {
    let pick = verifier::pick_leaf(snapshot, true, REACH_OF_ALL).await?;
    let Some(pick) = pick else { return Ok(None) };
    let (asset_id, direction, subject) = (pick.asset_id, pick.direction, SeriesSubject::All);
    let edges = [pick.window.start(), pick.window.end()];
    let asked = (&subject, Scope::Everybody);
    let stored = sum_series::sum_series(snapshot, asked, asset_id, &edges, &[direction]).await;
    let stored = stored.map(|found| found.and_then(|found| found.series.into_iter().next()));
    let reader = Reader::Snapshot(snapshot);
    let rows = sum_series::sum_series_of_rows(reader, &subject, asset_id, &edges, direction);
    Ok(Some(Checked {
        whose: Whose::AllAccounts,
        asset_id,
        direction,
        window: pick.window,
        agrees: agrees(stored, &rows.await?.value)?,
    }))
}

async fn check_day(snapshot: &Snapshot) -> Result<Option<Checked>, StoreError> {
    let Some(pick) = verifier::pick_day(snapshot).await? else { return Ok(None) };
    let measure = Measure {
        asset_id: pick.asset_id,
        window: pick.window,
        direction: pick.direction,
        needs_squares: true,
        // One more than allowed shows that there are too many: which ones are left out is
        // open then.
        members_max: MEMBERS_MAX + 1,
        with_sealed_until: false,
    };
    let sorted = |measured: rank::Snapshot<String>| {
        let mut members = measured.members;
        members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        members
    };
    let stored = rank::rank_accounts(snapshot, measure, &pick.network).await;
    if stored.as_ref().is_ok_and(|stored| stored.is_cut) {
        return Ok(None);
    }
    let stored = stored.map(sorted);
    let reader = Reader::Snapshot(snapshot);
    let rows = sorted(rank::rank_accounts_of_rows(reader, measure, &pick.network).await?);
    Ok(Some(Checked {
        whose: Whose::Network(pick.network.as_str().to_owned()),
        asset_id: pick.asset_id,
        direction: pick.direction,
        window: pick.window,
        agrees: agrees(stored, &rows)?,
    }))
}

/// Whether what is stored is what the rows say. A cell that cannot be read says nothing right.
fn agrees<T: PartialEq>(stored: Result<T, StoreError>, rows: &T) -> Result<bool, StoreError> {
    match stored {
        Ok(stored) => Ok(stored == *rows),
        Err(error) if error.damaged().is_some() => Ok(false),
        Err(error) => Err(error),
    }
}
