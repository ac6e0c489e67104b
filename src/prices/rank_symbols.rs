//! Whose prices moved most in a window?

use std::{collections::BTreeSet, ops::Range};

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        decimal::Decimal,
        price::{
            brief::{PriceBrief, SymbolBriefs},
            metric::SymbolMetric,
            symbol::SymbolName,
        },
        ranking::{Member, RankCursor, RankOrder, Ranking},
        window::Window,
    },
    error::{Error, ErrorKind},
    prices::{Prices, briefs_of, last_day, micros, refuse_absent_days, tick, totals_of},
    store::{
        Snapshot, StoreErrorKind,
        price_totals::{BySymbol, price_totals_of_ticks},
        prices::{PriceTick, now},
        symbols::{self, RankedSymbol, SymbolRecord},
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
        let (session, asked) = self.read(question).await?;
        let verification = match question.verify {
            true => Some(verify(&session, &asked).await?),
            false => None,
        };
        let (question, as_of) = (question.clone(), asked.as_of);
        // A large population takes its time, and nothing else waits for it.
        let ranking = tokio::task::spawn_blocking(move || rank(&question, asked, after.as_ref()));
        let (ended, ranking) = tokio::join!(session.end(), ranking);
        ended?;
        let (places, has_more, window, population_size) =
            ranking.map_err(|source| Error::with_source(ErrorKind::Internal, source))?;
        Ok(SymbolRanking { places, has_more, population_size, window, as_of, verification })
    }

    /// Reads what a ranking is made of, in a snapshot.
    async fn read(&self, question: &SymbolRankQuestion) -> Result<(Snapshot, Asked), Error> {
        let session = self.database.unopened_snapshot().await?;
        let (opened, asked) = tokio::join!(biased; session.open(), read(&session, question));
        match opened {
            Ok(()) => Ok((session, asked?)),
            Err(error) if error.kind() == StoreErrorKind::Disconnected => {
                let session = self.database.snapshot().await?;
                let asked = read(&session, question).await?;
                Ok((session, asked))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What a ranking is made of.
struct Asked {
    as_of: DateTime<Utc>,
    window: Window,
    symbols: Vec<RankedSymbol>,
    /// The ids of the symbols, where only theirs were read.
    ids: Option<Vec<i32>>,
    found: Found,
}

/// What the ticks of symbols come to in the window, as far as the metric needs it.
enum Found {
    Briefs(SymbolBriefs),
    Totals(BySymbol),
}

impl Found {
    async fn read(
        session: &Snapshot,
        metric: SymbolMetric,
        span: &Range<i64>,
        ids: Option<&[i32]>,
    ) -> Result<Self, Error> {
        if metric.is_of_prices() {
            return Ok(Self::Briefs(briefs_of(session, span, ids).await?));
        }
        let found = totals_of(session, std::slice::from_ref(span), ids).await?;
        Ok(Self::Totals(found.windows.into_iter().next().unwrap_or_default()))
    }

    fn count(&self, symbol_id: i32) -> i64 {
        match self {
            Self::Briefs(briefs) => briefs.get(symbol_id).map_or(0, |brief| brief.count),
            Self::Totals(totals) => totals.get(&symbol_id).map_or(0, |totals| totals.count),
        }
    }

    fn value(&self, symbol_id: i32, metric: SymbolMetric) -> Option<Decimal> {
        match self {
            Self::Briefs(briefs) => metric.value_of_prices(briefs.get(symbol_id)?),
            Self::Totals(totals) => metric.value(totals.get(&symbol_id)?),
        }
    }

    /// The first and the last tick.
    fn ends(&self, symbol_id: i32) -> Option<[PriceTick; 2]> {
        Some(match self {
            Self::Briefs(briefs) => {
                let brief = briefs.get(symbol_id)?;
                [tick(brief.first.at, brief.first_price()), tick(brief.last.at, brief.last_price())]
            }
            Self::Totals(totals) => {
                let totals = totals.get(&symbol_id)?;
                [
                    tick(totals.first.at, totals.first_price()),
                    tick(totals.last.at, totals.last_price()),
                ]
            }
        })
    }

    fn tick_count(&self) -> i64 {
        match self {
            Self::Briefs(briefs) => briefs.iter().map(|(_, brief)| brief.count).sum(),
            Self::Totals(totals) => totals.values().map(|totals| totals.count).sum(),
        }
    }
}

/// Reads what a ranking is made of: all at once, where nothing has to be known before.
async fn read(session: &Snapshot, question: &SymbolRankQuestion) -> Result<Asked, Error> {
    let (metric, as_of) = (question.metric, async { Ok::<_, Error>(now(session).await?) });
    if let (Some(window), Population::All) = (question.window, &question.population) {
        let span = micros(window);
        // Who is ranked comes last: what is found is put together meanwhile.
        let (found, symbols, as_of) = tokio::try_join!(
            Found::read(session, metric, &span, None),
            population(session, question),
            as_of
        )?;
        return Ok(Asked { as_of, window, symbols, ids: None, found });
    }
    let (symbols, as_of) = tokio::try_join!(population(session, question), as_of)?;
    let window = question.window.unwrap_or_else(|| last_day(as_of));
    let ids: Option<Vec<i32>> = match &question.population {
        Population::All => None,
        Population::Named(_) | Population::ComparableWith(_) => (symbols.len() <= NAMED_MAX)
            .then(|| symbols.iter().map(|symbol| symbol.symbol_id).collect()),
    };
    let found = Found::read(session, metric, &micros(window), ids.as_deref()).await?;
    Ok(Asked { as_of, window, symbols, ids, found })
}

async fn population(
    session: &Snapshot,
    question: &SymbolRankQuestion,
) -> Result<Vec<RankedSymbol>, Error> {
    // One more than allowed shows that there are too many.
    let most = i64::try_from(question.population_max).unwrap_or(i64::MAX).saturating_add(1);
    let ranked = |symbol: SymbolRecord| RankedSymbol {
        symbol_id: symbol.symbol_id,
        name: symbol.name,
        tick_interval_seconds: symbol.tick_interval_seconds,
    };
    let symbols = match &question.population {
        Population::All => symbols::ranked(session, None, most).await?,
        Population::Named(names) => {
            let found = symbols::named(session, names).await?;
            let asked: BTreeSet<&SymbolName> = names.iter().collect();
            if found.len() < asked.len() {
                return Err(Error::new(ErrorKind::NotFound("symbol")));
            }
            found.into_iter().map(ranked).collect()
        }
        Population::ComparableWith(name) => {
            let found = symbols::named(session, std::slice::from_ref(name)).await?;
            let Some(symbol) = found.into_iter().next() else {
                return Err(Error::new(ErrorKind::NotFound("symbol")));
            };
            match &symbol.quote {
                Some(quote) => symbols::ranked(session, Some(quote), most).await?,
                None => vec![ranked(symbol)],
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

/// Holds what a ranking is made of against the ticks, and the cells, which say more than a ranking
/// by prices reads, too: what differs, and how many ticks were read.
async fn verify(session: &Snapshot, asked: &Asked) -> Result<(Option<String>, usize), Error> {
    if asked.found.tick_count() > VERIFIED_TICKS_MAX {
        return Err(Error::new(ErrorKind::BeyondLimit(
            "the window has more than 5,000,000 ticks, too many to verify: ask for less",
        )));
    }
    let (span, ids) = (micros(asked.window), asked.ids.as_deref());
    let (scanned, count) = price_totals_of_ticks(session, &span, ids).await?;
    let difference = match &asked.found {
        Found::Totals(totals) => difference(totals, &scanned),
        Found::Briefs(briefs) => {
            let found = totals_of(session, std::slice::from_ref(&span), ids).await?;
            let totals = found.windows.into_iter().next().unwrap_or_default();
            difference_of_briefs(briefs, &scanned).or_else(|| difference(&totals, &scanned))
        }
    };
    if difference.is_some() {
        refuse_absent_days(session, &span, ids).await?;
    }
    Ok((difference, count))
}

/// What totals and ticks differ in; `None` where they say the same.
fn difference(totals: &BySymbol, scanned: &BySymbol) -> Option<String> {
    let ids: BTreeSet<i32> = totals.keys().chain(scanned.keys()).copied().collect();
    told(&ids, |id| match (totals.get(&id), scanned.get(&id)) {
        (Some(totals), Some(scanned)) => totals.says_the_same(scanned),
        (totals, scanned) => totals.is_none() && scanned.is_none(),
    })
}

/// As [`difference`], of what was read of prices alone.
fn difference_of_briefs(briefs: &SymbolBriefs, scanned: &BySymbol) -> Option<String> {
    let ids = briefs.iter().map(|(id, _)| id).chain(scanned.keys().copied()).collect();
    told(&ids, |id| match (briefs.get(id), scanned.get(&id)) {
        (Some(brief), Some(totals)) => brief.says_the_same(&PriceBrief::of_totals(totals)),
        (brief, totals) => brief.is_none() && totals.is_none(),
    })
}

fn told(ids: &BTreeSet<i32>, is_same: impl Fn(i32) -> bool) -> Option<String> {
    let (count, differing) = (ids.len(), ids.iter().filter(|&&id| !is_same(id)).count());
    (differing > 0).then(|| format!("totals and ticks differ for {differing} of {count} symbols"))
}

/// Ranks what was measured, pure: the page, whether another one follows, when, and how many
/// symbols were looked at.
fn rank(
    question: &SymbolRankQuestion,
    Asked { window, mut symbols, found, .. }: Asked,
    after: Option<&RankCursor<String>>,
) -> (Vec<SymbolPlace>, bool, Window, usize) {
    let values: Vec<Option<Decimal>> =
        symbols.iter().map(|symbol| found.value(symbol.symbol_id, question.metric)).collect();
    let expected = |symbol: &RankedSymbol| expected(question, window, symbol);
    let members = symbols.iter().zip(&values).enumerate().map(|(number, (symbol, value))| {
        let count = found.count(symbol.symbol_id);
        let is_ranked = question.include_thin || !is_thin(question, count, expected(symbol));
        Member {
            key: (symbol.name.as_str(), number),
            value: value.clone().filter(|_| is_ranked),
            transaction_count: count,
        }
    });
    let ranking = Ranking::new(question.order, members.collect());
    // Names are unique: behind a name is behind whatever has it.
    let after = after.map(|cursor| RankCursor {
        value: cursor.value.clone(),
        key: (cursor.key.as_str(), usize::MAX),
    });
    let (rows, has_more) = ranking.page(after.as_ref(), question.page_size);
    let rows: Vec<(Option<usize>, usize)> =
        rows.map(|(rank, row)| (row.value.is_some().then_some(rank), row.key.1)).collect();
    let population_size = ranking.population_size();
    drop(ranking);
    let mut values = values;
    let place = |(rank, number): (Option<usize>, usize)| {
        let symbol = &mut symbols[number];
        let (count, expected) = (found.count(symbol.symbol_id), expected(symbol));
        SymbolPlace {
            rank,
            value: values[number].take(),
            tick_count: count,
            expected_tick_count: expected,
            is_thin: is_thin(question, count, expected),
            ends: found.ends(symbol.symbol_id),
            name: std::mem::take(&mut symbol.name),
        }
    };
    (rows.into_iter().map(place).collect(), has_more, window, population_size)
}

/// How many ticks a window should hold.
fn expected(question: &SymbolRankQuestion, window: Window, symbol: &RankedSymbol) -> i64 {
    let seconds = question.tick_interval_seconds.unwrap_or(symbol.tick_interval_seconds);
    let span = micros(window);
    (span.end - span.start) / (i64::from(seconds.max(1)) * 1_000_000)
}

fn is_thin(question: &SymbolRankQuestion, count: i64, expected: i64) -> bool {
    i128::from(count) * 100 < i128::from(expected) * i128::from(question.min_coverage_percent)
}
