//! Questions: drawn, answered by the oracle, asked, and both answers held against each other.
//!
//! Answers are compared as texts that hold every digit of them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    analytics::{
        Analytics,
        rank::{Place as ShownPlace, RankAnswer, RankQuestion, RankedUser},
        sum_amount::{Subject, SumQuestion},
    },
    domain::{
        account::{AccountKey, Address, INTERNAL_NETWORK, Network},
        decimal::Decimal,
        metric::Metric,
        ranking::{RankCursor, RankOrder},
        window::Window,
    },
    error::{Error, ErrorKind},
    selftest::{
        draws::Draws,
        further::{self, Drawn, Kind},
        oracle::{About, Oracle, Place, RankWanted, Ranked, Span, Whose},
    },
};

/// Largest population that is ranked: more than there is.
const POPULATION_MAX: u64 = 100_000;

const METRICS: [Metric; 5] =
    [Metric::Sum, Metric::Count, Metric::Avg, Metric::StddevSample, Metric::StddevPopulation];

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Sum(SumQuestion),
    RankUsers(RankQuestion, Option<Uuid>),
    RankAccounts(RankQuestion, Network, Option<Address>),
    Batch(Vec<SumQuestion>),
    /// One question a bucket.
    Series(Vec<SumQuestion>),
    /// What was received, what was sent.
    Balance(Box<[SumQuestion; 2]>),
    /// Lower bounds.
    Histogram(SumQuestion, Vec<String>),
    VerifiedSum(SumQuestion),
}

/// A question with its right answer.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Number of the operation.
    pub(super) number: u64,
    pub(super) question: Question,
    pub(super) expected: String,
    /// A detached day that the question needs rows of: a refusal that names it is right
    /// too, and nothing else but the right answer.
    pub(super) detached: Option<DateTime<Utc>>,
}

/// An answer that is not right.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Number of the operation.
    pub operation: u64,
    /// What was asked, or done.
    pub question: String,
    /// What the oracle says.
    pub expected: String,
    /// What the database said.
    pub found: String,
}

impl Question {
    /// Draws a question and has the oracle answer it.
    pub(super) fn draw(draws: &mut Draws, oracle: &Oracle) -> Drawn {
        match Kind::draw(draws) {
            Kind::Sum => {
                let (about, span) = (draws.about(oracle), draws.span(oracle));
                let question = Self::Sum(sum_question(oracle, about, span));
                (question, sum_text(oracle.sum(about, span)), span)
            }
            Kind::Rank => Self::draw_rank(draws, oracle),
            Kind::Batch => further::draw_batch(draws, oracle),
            Kind::Series => further::draw_series(draws, oracle),
            Kind::Balance => further::draw_balance(draws, oracle),
            Kind::Histogram => further::draw_histogram(draws, oracle),
            Kind::VerifiedSum => further::draw_verified(draws, oracle),
        }
    }

    fn draw_rank(draws: &mut Draws, oracle: &Oracle) -> Drawn {
        let network = [INTERNAL_NETWORK, "bank", "ether-1"][draws.index(3)];
        let is_of_users = draws.is(0.5);
        let wanted = RankWanted {
            ranked: if is_of_users { Ranked::Users } else { Ranked::Accounts(network) },
            asset: draws.index(oracle.assets.len()),
            direction: draws.direction(),
            metric: METRICS[draws.index(METRICS.len())],
            is_bottom: draws.is(0.5),
            include_idle: draws.is(0.5),
        };
        let span = draws.span(oracle);
        let members = oracle.members(wanted.ranked);
        let standing = draws.is(0.5).then(|| draws.index(members.len()));
        let key = standing.and_then(|place| members.get(place)).map(|(key, _)| key.as_str());
        let (places, stands) = oracle.rank(&wanted, span, key);
        let question = RankQuestion {
            asset: oracle.assets[wanted.asset].clone(),
            window: window(span),
            direction: wanted.direction,
            metric: wanted.metric,
            order: if wanted.is_bottom { RankOrder::Bottom } else { RankOrder::Top },
            include_idle: wanted.include_idle,
            explain: false,
            verify: false,
            page_size: [7, 20, 1_000, 1_000, 1_000][draws.index(5)],
            population_max: POPULATION_MAX,
        };
        let asked = match (wanted.ranked, Network::parse(network)) {
            (Ranked::Accounts(_), Some(network)) => {
                Self::RankAccounts(question, network, key.and_then(Address::parse))
            }
            _ => Self::RankUsers(question, key.and_then(|key| Uuid::try_parse(key).ok())),
        };
        (asked, rank_text(&places, stands.as_ref()), span)
    }

    /// What kind of question it is, for the counts.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Sum(SumQuestion { subject: Subject::User(_), .. }) => "sum of a user",
            Self::Sum(SumQuestion { subject: Subject::Account(_), .. }) => "sum of an account",
            Self::Sum(SumQuestion { subject: Subject::PaymentsAccount(_), .. }) => {
                "sum of a payments account"
            }
            Self::RankUsers(..) => "rank of users",
            Self::RankAccounts(..) => "rank of accounts",
            Self::Batch(_) => "batch of sums",
            Self::Series(_) => "series of sums",
            Self::Balance(_) => "balance",
            Self::Histogram(..) => "histogram",
            Self::VerifiedSum(_) => "verified sum",
        }
    }

    /// Asks.
    pub(super) async fn ask(&self, analytics: &Analytics) -> Result<String, Error> {
        match self {
            Self::Sum(question) => further::ask_sum(analytics, question).await,
            Self::Batch(questions) => further::ask_batch(analytics, questions).await,
            Self::Series(buckets) => further::ask_series(analytics, buckets).await,
            Self::Balance(sides) => further::ask_balance(analytics, sides).await,
            Self::Histogram(question, bounds) => further::ask_histogram(question, bounds),
            Self::VerifiedSum(question) => further::ask_verified(question),
            Self::RankUsers(question, standing_of) => {
                let key = |user: &RankedUser| user.user_uuid;
                let page = |after| analytics.rank_users(question, after, *standing_of);
                all_pages(page, key, |user| key(user).to_string()).await
            }
            Self::RankAccounts(question, network, standing_of) => {
                let page =
                    |after| analytics.rank_accounts(question, network, after, standing_of.clone());
                all_pages(page, String::clone, String::clone).await
            }
        }
    }
}

/// Asks page after page until there are no more.
async fn all_pages<M, K, P>(
    page: impl Fn(Option<RankCursor<K>>) -> P,
    key: impl Fn(&M) -> K,
    text: impl Fn(&M) -> String,
) -> Result<String, Error>
where
    P: Future<Output = Result<RankAnswer<M>, Error>>,
{
    let (mut places, mut after) = (Vec::new(), None);
    loop {
        let answer = page(after).await?;
        after = answer.places.last().and_then(|place| cursor(place, &key));
        let stands = answer.standing.map(|place| shown(place, &text));
        places.extend(answer.places.into_iter().map(|place| shown(place, &text)));
        if !answer.has_more || after.is_none() {
            check_size(answer.population_size, places.len())?;
            return Ok(rank_text(&places, stands.as_ref()));
        }
    }
}

impl Asked {
    /// Asks, and tells the answer if it is not right.
    pub(super) async fn check(&self, analytics: &Analytics) -> Option<Mismatch> {
        let found = match self.question.ask(analytics).await {
            Ok(found) if found == self.expected => return None,
            Ok(found) => found,
            Err(error) if self.detached.is_some_and(|day| is_refused_for(&error, day)) => {
                return None;
            }
            Err(error) => told(&error),
        };
        Some(Mismatch {
            operation: self.number,
            question: format!("{:?}", self.question),
            expected: self.expected.clone(),
            found,
        })
    }
}

/// Whether an answer was refused because this day is detached.
///
/// No question is refused for that yet: this is the one place to look at the error's kind and
/// the days that it names.
fn is_refused_for(_error: &Error, _day: DateTime<Utc>) -> bool {
    false
}

/// An error with its causes.
pub(super) fn told(error: &Error) -> String {
    let mut text = format!("error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    text
}

/// A sum as it is compared.
pub(super) fn sum_text((sum, count): (String, usize)) -> String {
    format!("{sum} in {count} transactions")
}

fn rank_text(places: &[Place], standing: Option<&Place>) -> String {
    let line = |(rank, key, value, count): &Place| {
        format!("{rank} {key} {} in {count}", value.as_deref().unwrap_or("undefined"))
    };
    let lines: Vec<_> = places.iter().map(line).collect();
    let stands = standing.map_or_else(|| "-".to_owned(), line);
    format!("{}\nstanding {stands}", lines.join("\n"))
}

fn shown<M>(place: ShownPlace<M>, key: impl Fn(&M) -> String) -> Place {
    let count = usize::try_from(place.transaction_count).unwrap_or(usize::MAX);
    (place.rank.unwrap_or(0), key(&place.member), place.value, count)
}

fn cursor<M, K>(place: &ShownPlace<M>, key: impl Fn(&M) -> K) -> Option<RankCursor<K>> {
    let value = match &place.value {
        Some(value) => Some(Decimal::parse(value)?),
        None => None,
    };
    Some(RankCursor { value, key: key(&place.member) })
}

/// The size that each page tells is that of all pages together.
fn check_size(told: usize, found: usize) -> Result<(), Error> {
    if told == found {
        return Ok(());
    }
    let text = format!("population_size is {told}, and the pages hold {found} places");
    Err(Error::with_source(ErrorKind::Internal, text))
}

/// The question for a sum.
pub(super) fn sum_question(oracle: &Oracle, about: About, span: Span) -> SumQuestion {
    SumQuestion {
        subject: subject(oracle, about.whose),
        asset: oracle.assets[about.asset].clone(),
        window: window(span),
        direction: about.direction,
        explain: false,
        verify: false,
    }
}

fn subject(oracle: &Oracle, whose: Whose) -> Subject {
    match whose {
        Whose::User(user) => Subject::User(oracle.users[user].user_uuid),
        Whose::Payments(user) => Subject::PaymentsAccount(oracle.users[user].user_uuid),
        Whose::Account(account) => {
            let one = &oracle.accounts[account];
            let network = Network::parse(one.network).expect("the selftest's networks are slugs");
            let address = Address::parse(&one.address).expect("and its addresses are plain");
            Subject::Account(AccountKey { network, address })
        }
    }
}

fn window(span: Span) -> Window {
    Window::new(instant(span.start), instant(span.end)).expect("a span is never empty")
}

/// An instant from its microseconds.
pub(super) fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
