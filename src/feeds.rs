//! Prices taken from an exchange: the close of each minute that is over becomes a tick at the
//! minute's end.
//!
//! What is asked for is what the database lacks, so filling a gap, catching up after an outage and
//! following the present are one thing, and doing it twice comes to the same. A minute without a
//! trade has no tick; nothing is carried forward. Called by a worker again and again; knows when a
//! source wants to be left alone, and does not ask it then.

mod followed;
mod pauses;
mod plan;
pub mod report;

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};

pub use crate::feeds::plan::FeedPlan;
use crate::{
    domain::price::{
        candle::{Candle, MINUTE, Minutes, minute_of, pages},
        pair::Pair,
        tick::NewPrice,
    },
    error::Error,
    feeds::{
        followed::{Followed, Seen},
        pauses::{Pause, Scope, scope},
        report::FeedReport,
    },
    ingest::{CHUNK_ROWS_MAX, Ingest, record_prices::PriceOptions},
    outbound::{
        HttpSetupError,
        exchange::{Exchange, ExchangeError},
    },
    store::{Connection, Database, feeds as store, server_facts},
    telemetry::metrics::{self, SourceTrouble},
};

/// Pairs that are asked for at once.
const PAIRS_AT_ONCE: usize = 4;

/// Failures in a row of one round after which the source is left alone, and not only their pairs.
const STRIKES_MAX: u32 = 3;

/// Longest time for the database to say that a connection is well.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Difference of clocks from which on it is told.
const SKEW_MAX: TimeDelta = TimeDelta::minutes(2);

/// Takes prices from one exchange.
pub struct Feed {
    exchange: Exchange,
    ingest: Ingest,
    database: Database,
    /// The connection that holds the right to ask: one server of several has it.
    turn: Option<Connection>,
    /// Whether it was told that another server asks.
    is_waiting: bool,
    is_skewed: bool,
    pause: Pause,
    followed: Vec<Followed>,
    /// How far back minutes are asked for.
    reach: TimeDelta,
    report: FeedReport,
}

/// What came of a round.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Round {
    /// Whether this server is the one that asks.
    pub is_ours: bool,
    /// Whether the source is left alone until `retry_at`.
    pub is_paused: bool,
    /// When to come again, if that is not with the next minute.
    pub retry_at: Option<DateTime<Utc>>,
    /// Questions that were asked.
    pub calls: usize,
    /// Ticks that were recorded.
    pub recorded: usize,
}

/// What all questions of a round share.
struct Course {
    now: DateTime<Utc>,
    began: Instant,
    is_over: AtomicBool,
    strikes: AtomicU32,
    calls: AtomicUsize,
}

/// What came of the questions about one pair.
struct Progress {
    place: usize,
    seen: Seen,
    recorded: usize,
    /// How far the source's clock is from ours at most.
    skew: TimeDelta,
    trouble: Option<ExchangeError>,
    failure: Option<Error>,
}

impl Course {
    fn new(now: DateTime<Utc>) -> Self {
        Self {
            now,
            began: Instant::now(),
            is_over: AtomicBool::new(false),
            strikes: AtomicU32::new(0),
            calls: AtomicUsize::new(0),
        }
    }

    /// The present, as the round counts it.
    fn present(&self) -> DateTime<Utc> {
        TimeDelta::from_std(self.began.elapsed()).map_or(self.now, |elapsed| self.now + elapsed)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Whether this error is one of those that ended the round.
    fn is_ended_by(&self, error: &ExchangeError) -> bool {
        let is_away = matches!(error, ExchangeError::Unavailable { .. });
        scope(error) == Scope::Source || (is_away && self.is_over())
    }

    fn note_success(&self) {
        self.strikes.store(0, Ordering::Relaxed);
    }

    /// Ends the round where there is no sense in asking for other pairs.
    fn note(&self, error: &ExchangeError) {
        let strikes = match error {
            ExchangeError::Unavailable { .. } => self.strikes.fetch_add(1, Ordering::Relaxed) + 1,
            ExchangeError::RateLimited { .. }
            | ExchangeError::Banned { .. }
            | ExchangeError::Forbidden(_)
            | ExchangeError::UnknownPair(_)
            | ExchangeError::Malformed(_) => 0,
        };
        if scope(error) == Scope::Source || strikes >= STRIKES_MAX {
            self.is_over.store(true, Ordering::Relaxed);
        }
    }
}

impl Feed {
    /// A feed of this plan, which tells in the report how it stands. Nothing is asked yet.
    ///
    /// # Errors
    /// If connections to the exchange cannot be encrypted.
    pub fn new(
        plan: FeedPlan,
        database: Database,
        ingest: Ingest,
        report: FeedReport,
    ) -> Result<Self, HttpSetupError> {
        let FeedPlan { source, base_url, pairs, backfill } = plan;
        metrics::source_known(source.name());
        let reach = source.reach_minutes().map_or(backfill, |reach| backfill.min(MINUTE * reach));
        let feed = Self {
            exchange: Exchange::new(source, base_url)?,
            ingest,
            database,
            turn: None,
            is_waiting: false,
            is_skewed: false,
            pause: Pause::default(),
            followed: pairs.into_iter().map(Followed::new).collect(),
            reach,
            report,
        };
        feed.report();
        Ok(feed)
    }

    /// Asks for every minute that is over and lacks a tick, and records what comes; does nothing
    /// while another server does so, or while the source wants to be left alone.
    ///
    /// What the source refuses is told in the log and by the round's `retry_at`.
    ///
    /// # Errors
    /// If the database does not answer; what was recorded stays.
    pub async fn round(&mut self, now: DateTime<Utc>) -> Result<Round, Error> {
        let outcome = self.take_round(now).await;
        self.report();
        outcome
    }

    /// Tells how it stands.
    fn report(&self) {
        let (source, is_asking) = (self.exchange.source(), self.turn.is_some());
        self.report.tell(source, is_asking, self.pause, &self.followed);
    }

    async fn take_round(&mut self, now: DateTime<Utc>) -> Result<Round, Error> {
        if let Some(until) = self.pause.until(now) {
            let (is_ours, retry_at) = (self.turn.is_some(), Some(until));
            return Ok(Round { is_ours, is_paused: true, retry_at, ..Round::default() });
        }
        if !self.has_turn().await? {
            return Ok(Round::default());
        }
        let within = self.within(now);
        let due = self.due(within, now).await?;
        let course = Course::new(now);
        let asking = stream::iter(due).map(|(place, wanted)| self.follow(place, wanted, &course));
        let outcomes: Vec<Progress> = asking.buffer_unordered(PAIRS_AT_ONCE).collect().await;
        self.conclude(outcomes, &course)
    }

    /// The minutes that are asked for: none of a day whose prices are not taken any more.
    fn within(&self, now: DateTime<Utc>) -> Minutes {
        let last = minute_of(now);
        let kept = self.ingest.first_price_day(now.date_naive()).and_time(NaiveTime::MIN).and_utc();
        Minutes { first: (last - self.reach + MINUTE).max(kept), last }
    }

    /// Whether this server is the one that asks, as far as the database can tell.
    async fn has_turn(&mut self) -> Result<bool, Error> {
        if let Some(connection) = self.turn.take() {
            let checking = server_facts::check(&connection);
            if matches!(tokio::time::timeout(CHECK_TIMEOUT, checking).await, Ok(Ok(()))) {
                self.turn = Some(connection);
                return Ok(true);
            }
            tracing::warn!("the connection that holds the price feed broke");
        }
        let connection = self.database.connect().await?;
        if store::take_turn(&connection).await? {
            self.turn = Some(connection);
            self.is_waiting = false;
            tracing::info!(source = %self.exchange.source(), pairs = self.followed.len(),
                "this server takes prices");
            return Ok(true);
        }
        if !std::mem::replace(&mut self.is_waiting, true) {
            tracing::info!("another server takes prices; this one does when that one ends");
        }
        Ok(false)
    }

    /// Pairs that lack minutes and are not left alone, each with those minutes.
    async fn due(
        &mut self,
        within: Minutes,
        now: DateTime<Utc>,
    ) -> Result<Vec<(usize, BTreeSet<DateTime<Utc>>)>, Error> {
        let symbols: Vec<_> = self.followed.iter().map(|one| one.pair.symbol()).collect();
        let mut gaps = HashMap::<_, Vec<Minutes>>::new();
        for (symbol, gap) in store::gaps(&self.database, &symbols, within).await? {
            gaps.entry(symbol).or_default().push(gap);
        }
        let mut due = Vec::new();
        for (place, followed) in self.followed.iter_mut().enumerate() {
            let own = gaps.remove(followed.pair.symbol()).unwrap_or_default();
            let wanted = followed.wanted(&own, within);
            if !wanted.is_empty() && followed.pause.until(now).is_none() {
                due.push((place, wanted));
            }
        }
        Ok(due)
    }

    /// Asks for the wanted minutes of one pair, oldest first: whoever watches prices judges them in
    /// the order of time.
    async fn follow(
        &self,
        place: usize,
        wanted: BTreeSet<DateTime<Utc>>,
        course: &Course,
    ) -> Progress {
        let pair = &self.followed[place].pair;
        let seen = Seen::nothing(course.now);
        let skew = TimeDelta::zero();
        let mut progress =
            Progress { place, seen, recorded: 0, skew, trouble: None, failure: None };
        for page in pages(&wanted, self.exchange.source().page_minutes_max()) {
            if course.is_over() {
                break;
            }
            course.calls.fetch_add(1, Ordering::Relaxed);
            metrics::source_called(self.exchange.source().name());
            let answer = match self.exchange.candles(pair, page, course.now).await {
                Ok(answer) => answer,
                Err(error) => {
                    metrics::source_refused(self.exchange.source().name(), trouble(&error));
                    course.note(&error);
                    progress.trouble = Some(error);
                    break;
                }
            };
            course.note_success();
            let skew = answer.told_at.map(|told_at| (told_at - course.present()).abs());
            progress.skew = progress.skew.max(skew.unwrap_or_default());
            progress.seen.add(&answer.candles, answer.told_at, &wanted, page);
            if let Err(error) = self.record(pair, &answer.candles, &wanted, &mut progress).await {
                course.is_over.store(true, Ordering::Relaxed);
                progress.failure = Some(error);
                break;
            }
        }
        progress
    }

    /// Records the wanted ones of these candles.
    async fn record(
        &self,
        pair: &Pair,
        candles: &[Candle],
        wanted: &BTreeSet<DateTime<Utc>>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let is_wanted = |candle: &&Candle| wanted.contains(&candle.closes_at());
        let rows: Vec<NewPrice> = candles
            .iter()
            .filter(is_wanted)
            .map(|candle| NewPrice {
                symbol: pair.symbol().clone(),
                ticked_at: candle.closes_at(),
                price: candle.close.clone(),
            })
            .collect();
        let options =
            PriceOptions { replace: false, whole_chunks_only: false, tick_interval_seconds: 60 };
        for chunk in rows.chunks(CHUNK_ROWS_MAX) {
            let outcome = self.ingest.record_prices(chunk.to_vec(), &options).await?;
            progress.recorded += outcome.recorded;
            if let Some(refusal) = outcome.refused.first() {
                let (count, fault) = (outcome.refused.len(), &refusal.fault);
                let pair = pair.symbol();
                tracing::warn!(%pair, count, why = fault.message, "prices were not recorded");
            }
            let refused = outcome.refused.iter().filter_map(|refusal| chunk.get(refusal.index));
            progress.seen.refused.extend(refused.map(|row| row.ticked_at));
        }
        Ok(())
    }

    /// Takes note of what came of all pairs.
    fn conclude(&mut self, outcomes: Vec<Progress>, course: &Course) -> Result<Round, Error> {
        let (present, calls) = (course.present(), course.calls.load(Ordering::Relaxed));
        let mut round = Round { calls, ..Round::default() };
        let (mut failure, mut is_answered) = (None, false);
        let mut worst: Option<(Pause, ExchangeError)> = None;
        let mut most_skewed = TimeDelta::zero();
        for progress in outcomes {
            let Progress { place, seen, recorded, skew, trouble, failure: own_failure } = progress;
            round.recorded += recorded;
            failure = failure.or(own_failure);
            most_skewed = most_skewed.max(skew);
            let followed = &mut self.followed[place];
            followed.learn(&seen);
            match trouble {
                None if course.is_over() => {}
                None => {
                    is_answered = true;
                    note_answer(followed, present);
                }
                Some(error) => {
                    if scope(&error) == Scope::Pair {
                        followed.pause.begin(&error, present, rand::random());
                        tell(&error, self.exchange.source(), Some(followed), followed.pause);
                    }
                    let mut pause = self.pause;
                    pause.begin(&error, present, rand::random());
                    let is_worse = worst.as_ref().is_none_or(|(worst, _)| pause.is_longer(worst));
                    if course.is_ended_by(&error) && is_worse {
                        worst = Some((pause, error));
                    }
                }
            }
        }
        self.note_clock(most_skewed);
        match worst {
            Some((pause, error)) => {
                if matches!(error, ExchangeError::Forbidden(_)) {
                    // Another server may be somewhere else.
                    self.turn = None;
                }
                self.pause = pause;
                metrics::source_paused(self.exchange.source().name());
                tell(&error, self.exchange.source(), None, self.pause);
            }
            None if is_answered => self.pause.end(),
            None => {}
        }
        if let Some(error) = failure {
            return Err(error);
        }
        let paused = self.pause.until(present);
        let pauses = self.followed.iter().filter_map(|one| one.pause.until(present));
        round.is_ours = self.turn.is_some();
        round.is_paused = paused.is_some();
        round.retry_at = paused.or(pauses.min());
        Ok(round)
    }

    /// Tells of clocks that are far from each other. Minutes that are not over by both are not
    /// recorded in any case.
    fn note_clock(&mut self, skew: TimeDelta) {
        let is_skewed = skew > SKEW_MAX;
        if is_skewed && !self.is_skewed {
            tracing::warn!(seconds = skew.num_seconds(), source = %self.exchange.source(),
                "an exchange's clock is far from ours, or its answers are old: minutes are \
                 recorded when they are over by both");
        }
        self.is_skewed = is_skewed;
    }
}

/// What an error of an exchange is counted as.
fn trouble(error: &ExchangeError) -> SourceTrouble {
    match error {
        ExchangeError::RateLimited { .. } => SourceTrouble::RateLimited,
        ExchangeError::Banned { .. } => SourceTrouble::UsedUp,
        ExchangeError::Forbidden(_) => SourceTrouble::Forbidden,
        ExchangeError::UnknownPair(_) => SourceTrouble::Question,
        ExchangeError::Unavailable { .. } => SourceTrouble::Unavailable,
        ExchangeError::Malformed(_) => SourceTrouble::Malformed,
    }
}

/// Takes note of a pair whose questions were answered.
fn note_answer(followed: &mut Followed, present: DateTime<Utc>) {
    let (turned, pair) = (followed.turns_stale(present), followed.pair.symbol());
    let newest = followed.newest().map(|newest| newest.to_rfc3339());
    match turned {
        Some(true) => tracing::warn!(%pair, newest, "no price for some minutes: nothing is \
            traded, or what the exchange answers is stale"),
        Some(false) if newest.is_some() => tracing::debug!(%pair, newest, "prices are fresh"),
        Some(false) | None => {}
    }
    match followed.is_stale {
        true => followed.pause.begin_stale(present, rand::random()),
        false => followed.pause.end(),
    }
}

/// Tells what went wrong: loudly where a person must do something, else once in a row.
fn tell(
    error: &ExchangeError,
    source: impl std::fmt::Display,
    followed: Option<&Followed>,
    pause: Pause,
) {
    let pair = followed.map(|followed| followed.pair.symbol().as_str());
    match error {
        ExchangeError::Forbidden(_) => tracing::error!(
            pair,
            "{source} {error}: no prices are taken from it; it is asked again in an hour. \
             --price-source names another one, --price-source-url a mirror"
        ),
        ExchangeError::Banned { .. } => tracing::error!(pair, "{source}: {error}"),
        ExchangeError::UnknownPair(_) => tracing::error!(
            pair,
            "{source} {error}; this pair is asked for again in an hour, the others go on"
        ),
        ExchangeError::RateLimited { .. }
        | ExchangeError::Unavailable { .. }
        | ExchangeError::Malformed(_)
            if pause.is_first() =>
        {
            tracing::warn!(pair, "{source}: {error}");
        }
        ExchangeError::RateLimited { .. }
        | ExchangeError::Unavailable { .. }
        | ExchangeError::Malformed(_) => tracing::debug!(pair, "{source}: {error}"),
    }
}
