//! Whose prices moved most in a window?

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        decimal::Decimal,
        price::{metric::SymbolMetric, symbol::SymbolName, totals::TickTotals},
        ranking::{Member, RankCursor, RankOrder, Ranking},
        window::Window,
    },
    error::{Error, ErrorKind},
    prices::{Prices, last_day, micros, refuse_absent_days, tick, totals_of},
    store::{
        Snapshot,
        price_totals::{BySymbol, price_totals_of_ticks},
        prices::PriceTick,
        symbols::{self, SymbolRecord},
    },
};

/// Most symbols that are looked up by name rather than with all others.
const NAMED_MAX: usize = 64;

/// Most ticks that a ranking is held against: they are read one by one.
const VERIFIED_TICKS_MAX: i64 = 5_000_000;

/// Whose prices are ranked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Population {
    /// Those of all symbols.
    All,
    /// Those of these.
    Named(Vec<SymbolName>),
    /// Those of symbols with the quote currency of this one.
    ComparableWith(SymbolName),
}

/// A question for a ranking.
#[derive(Clone, Debug)]
pub struct SymbolRankQuestion {
    /// Whose.
    pub population: Population,
    /// When; the last 24 hours where it is not said.
    pub window: Option<Window>,
    /// By what.
    pub metric: SymbolMetric,
    /// Which end comes first.
    pub order: RankOrder,
    /// Percent of the expected ticks that a symbol must have so that it is not thin.
    pub min_coverage_percent: i64,
    /// Seconds between two ticks, if not as recorded.
    pub tick_interval_seconds: Option<i32>,
    /// Whether thin symbols are ranked, too.
    pub include_thin: bool,
    /// Most rows in the answer.
    pub page_size: usize,
    /// Largest population that is ranked.
    pub population_max: u64,
    /// Whether the ranking is also computed from the ticks.
    pub verify: bool,
}

/// A symbol's place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SymbolPlace {
    /// Competition rank, from 1; `None` for a symbol that is thin or whose value is undefined.
    pub rank: Option<usize>,
    /// Its name.
    pub name: String,
    /// What the rank compares.
    pub value: Option<Decimal>,
    /// Ticks in the window.
    pub tick_count: i64,
    /// Ticks that were expected.
    pub expected_tick_count: i64,
    /// Whether there are too few of them.
    pub is_thin: bool,
    /// The first and the last tick in the window.
    pub ends: Option<[PriceTick; 2]>,
}

/// A page of a ranking.
#[derive(Debug)]
pub struct SymbolRanking {
    /// The page, best first.
    pub places: Vec<SymbolPlace>,
    /// Whether another page follows.
    pub has_more: bool,
    /// Symbols that were looked at.
    pub population_size: usize,
    /// When.
    pub window: Window,
    /// The database's clock at the snapshot.
    pub as_of: DateTime<Utc>,
    /// What the ticks say, if that was asked: what differs, and how many were read.
    pub verification: Option<(Option<String>, usize)>,
}

impl Prices {
    /// Ranks symbols.
    ///
    /// # Errors
    /// `NotFound` for a symbol that is not recorded; `BeyondLimit` for a population that is
    /// too large; `FailedPrecondition` for ticks that are not at hand; what the database says.
    pub async fn rank_symbols(
        &self,
        question: &SymbolRankQuestion,
        after: Option<RankCursor<String>>,
    ) -> Result<SymbolRanking, Error> {
        let (session, as_of) = self.snapshot().await?;
        let window = question.window.unwrap_or_else(|| last_day(as_of));
        let symbols = population(&session, question).await?;
        let ids: Option<Vec<i32>> = match &question.population {
            Population::All => None,
            Population::Named(_) | Population::ComparableWith(_) => (symbols.len() <= NAMED_MAX)
                .then(|| symbols.iter().map(|symbol| symbol.symbol_id).collect()),
        };
        let span = micros(window);
        let found = totals_of(&session, std::slice::from_ref(&span), ids.as_deref()).await?;
        let totals = found.windows.into_iter().next().unwrap_or_default();
        let verification = match question.verify {
            true if totals.values().map(|one| one.count).sum::<i64>() > VERIFIED_TICKS_MAX => {
                return Err(Error::new(ErrorKind::BeyondLimit(
                    "the window has more than 5,000,000 ticks, too many to verify: ask for less",
                )));
            }
            true => {
                let (scanned, count) =
                    price_totals_of_ticks(&session, &span, ids.as_deref()).await?;
                let difference = difference(&totals, &scanned);
                if difference.is_some() {
                    refuse_absent_days(&session, &span, ids.as_deref()).await?;
                }
                Some((difference, count))
            }
            false => None,
        };
        session.end().await?;
        let question = question.clone();
        // A large population takes its time, and nothing else waits for it.
        let ranking = tokio::task::spawn_blocking(move || {
            let mut answer = rank(&question, window, symbols, &totals, after.as_ref());
            (answer.as_of, answer.verification) = (as_of, verification);
            answer
        });
        ranking.await.map_err(|source| Error::with_source(ErrorKind::Internal, source))
    }
}

async fn population(
    session: &Snapshot,
    question: &SymbolRankQuestion,
) -> Result<Vec<SymbolRecord>, Error> {
    // One more than allowed shows that there are too many.
    let most = i64::try_from(question.population_max).unwrap_or(i64::MAX).saturating_add(1);
    let symbols = match &question.population {
        Population::All => symbols::list(session, "", None, most).await?,
        Population::Named(names) => {
            let found = symbols::named(session, names).await?;
            let asked: BTreeSet<&SymbolName> = names.iter().collect();
            if found.len() < asked.len() {
                return Err(Error::new(ErrorKind::NotFound("symbol")));
            }
            found
        }
        Population::ComparableWith(name) => {
            let found = symbols::named(session, std::slice::from_ref(name)).await?;
            let Some(symbol) = found.into_iter().next() else {
                return Err(Error::new(ErrorKind::NotFound("symbol")));
            };
            match &symbol.quote {
                Some(quote) => symbols::list(session, "", Some(quote), most).await?,
                None => vec![symbol],
            }
        }
    };
    if u64::try_from(symbols.len()).is_ok_and(|count| count > question.population_max) {
        return Err(Error::new(ErrorKind::BeyondLimit(
            "the population is larger than --rank-population-max",
        )));
    }
    Ok(symbols)
}

/// What totals and ticks differ in; `None` where they say the same.
fn difference(totals: &BySymbol, scanned: &BySymbol) -> Option<String> {
    let ids: BTreeSet<_> = totals.keys().chain(scanned.keys()).collect();
    let same = |id: &&&i32| totals.get(id) == scanned.get(id);
    let count = ids.len();
    let differing = count - ids.iter().filter(same).count();
    (differing > 0).then(|| format!("totals and ticks differ for {differing} of {count} symbols"))
}

/// Ranks what was measured: pure.
fn rank(
    question: &SymbolRankQuestion,
    window: Window,
    symbols: Vec<SymbolRecord>,
    totals: &BySymbol,
    after: Option<&RankCursor<String>>,
) -> SymbolRanking {
    let mut places: HashMap<String, SymbolPlace> = HashMap::with_capacity(symbols.len());
    let mut members = Vec::with_capacity(symbols.len());
    for symbol in symbols {
        let place = place(question, window, &symbol, totals.get(&symbol.symbol_id));
        let is_ranked = question.include_thin || !place.is_thin;
        members.push(Member {
            key: symbol.name.clone(),
            value: place.value.clone().filter(|_| is_ranked),
            transaction_count: place.tick_count,
        });
        places.insert(symbol.name, place);
    }
    let ranking = Ranking::new(question.order, members);
    let (rows, has_more) = ranking.page(after, question.page_size);
    let shown = rows.filter_map(|(rank, member)| {
        let place = places.remove(&member.key)?;
        Some(SymbolPlace { rank: member.value.is_some().then_some(rank), ..place })
    });
    let places = shown.collect();
    SymbolRanking {
        places,
        has_more,
        population_size: ranking.population_size(),
        window,
        as_of: DateTime::default(),
        verification: None,
    }
}

fn place(
    question: &SymbolRankQuestion,
    window: Window,
    symbol: &SymbolRecord,
    totals: Option<&TickTotals>,
) -> SymbolPlace {
    let seconds = question.tick_interval_seconds.unwrap_or(symbol.tick_interval_seconds);
    let interval = i64::from(seconds.max(1)) * 1_000_000;
    let span = micros(window);
    let expected = (span.end - span.start) / interval;
    let count = totals.map_or(0, |totals| totals.count);
    SymbolPlace {
        rank: None,
        name: symbol.name.clone(),
        value: totals.and_then(|totals| question.metric.value(totals)),
        tick_count: count,
        expected_tick_count: expected,
        is_thin: i128::from(count) * 100
            < i128::from(expected) * i128::from(question.min_coverage_percent),
        ends: totals.map(|totals| {
            [tick(totals.first.at, totals.first_price()), tick(totals.last.at, totals.last_price())]
        }),
    }
}
