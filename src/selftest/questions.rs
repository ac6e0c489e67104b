//! Questions: drawn, answered by the oracle, asked, and both answers held against each other.
//!
//! Answers are compared as texts that hold every digit of them.

use chrono::{DateTime, NaiveDate, Utc};
use rand::RngExt;
use uuid::Uuid;

use crate::{
    analytics::{
        Analytics,
        histogram::HistogramQuestion,
        rank::{Place as ShownPlace, RankAnswer, RankQuestion, RankedUser},
        sum_amount::{Subject, SumQuestion},
    },
    domain::{
        access::Scope,
        account::{AccountKey, Address, INTERNAL_NETWORK, Network},
        decimal::Decimal,
        metric::Metric,
        ranking::{RankCursor, RankOrder},
        window::Window,
    },
    error::{Error, ErrorKind},
    ledger::{Ledger, get_balance::BalanceQuestion},
    selftest::{
        draws::{Draws, Scan},
        further::{self, Besides},
        histogram,
        oracle::{About, Oracle, Place, RankWanted, Ranked, Span, Whose},
        series::{self, SeriesWanted},
    },
};

/// Largest population that is ranked: more than there is.
const POPULATION_MAX: u64 = 100_000;

const METRICS: [Metric; 5] =
    [Metric::Sum, Metric::Count, Metric::Avg, Metric::StddevSample, Metric::StddevPopulation];

/// Who answers.
pub(super) struct Answering {
    pub(super) analytics: Analytics,
    pub(super) ledger: Ledger,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Sum(SumQuestion),
    RankUsers(RankQuestion, Option<Uuid>),
    RankAccounts(RankQuestion, Network, Option<Address>),
    Batch(Vec<SumQuestion>),
    Series(Box<SeriesWanted>),
    Balance(BalanceQuestion),
    Histogram(HistogramQuestion),
}

/// A question with all that is right to say of it.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    pub(super) question: Question,
    pub(super) right: Vec<String>,
}

/// A question on its way.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Number of the operation.
    pub(super) number: u64,
    pub(super) drawn: Drawn,
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
        match draws.rng.random_range(0..100) {
            0..=54 => further::draw_sum(draws, oracle),
            55..=72 => Self::draw_rank(draws, oracle),
            73..=79 => further::draw_batch(draws, oracle),
            80..=86 => series::draw_series(draws, oracle),
            87..=93 => further::draw_balance(draws, oracle),
            _ => histogram::draw_histogram(draws, oracle),
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
        let (explain, verify) = draws.besides();
        let question = RankQuestion {
            asset: oracle.assets[wanted.asset].clone(),
            window: window(span),
            direction: wanted.direction,
            metric: wanted.metric,
            order: if wanted.is_bottom { RankOrder::Bottom } else { RankOrder::Top },
            include_idle: wanted.include_idle,
            explain,
            verify,
            allow_partial: false,
            page_size: [7, 20, 1_000, 1_000, 1_000][draws.index(5)],
            population_max: POPULATION_MAX,
        };
        let asked = match (wanted.ranked, Network::parse(network)) {
            (Ranked::Accounts(_), Some(network)) => {
                Self::RankAccounts(question, network, key.and_then(Address::parse))
            }
            _ => Self::RankUsers(question, key.and_then(|key| Uuid::try_parse(key).ok())),
        };
        let scan = if verify { Scan::Always } else { Scan::Never };
        let right = draws.right(rank_text(&places, stands.as_ref()), span, scan);
        Drawn { question: asked, right }
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
            Self::Histogram(_) => "histogram",
        }
    }

    /// Whether the answer is held against the rows.
    pub(super) fn is_verified(&self) -> bool {
        match self {
            Self::Sum(question) => question.verify,
            Self::RankUsers(question, _) | Self::RankAccounts(question, ..) => question.verify,
            Self::Batch(questions) => questions.iter().any(|question| question.verify),
            Self::Series(wanted) => wanted.verify,
            Self::Balance(question) => question.verify,
            Self::Histogram(_) => false,
        }
    }

    /// Asks.
    async fn ask(&self, answering: &Answering) -> Result<String, Error> {
        let analytics = &answering.analytics;
        match self {
            Self::Sum(question) => further::ask_sum(answering, question).await,
            Self::Batch(questions) => further::ask_batch(answering, questions).await,
            Self::Series(wanted) => series::ask_series(answering, wanted).await,
            Self::Balance(question) => further::ask_balance(answering, question).await,
            Self::Histogram(question) => histogram::ask_histogram(answering, question).await,
            Self::RankUsers(question, standing_of) => {
                let key = |user: &RankedUser| user.user_uuid;
                let page = |after| analytics.rank_users(question, after, *standing_of);
                all_pages(question, page, key, |user| key(user).to_string()).await
            }
            Self::RankAccounts(question, network, standing_of) => {
                let page =
                    |after| analytics.rank_accounts(question, network, after, standing_of.clone());
                all_pages(question, page, String::clone, String::clone).await
            }
        }
    }
}

/// Asks page after page until there are no more.
async fn all_pages<M, K, P>(
    question: &RankQuestion,
    page: impl Fn(Option<RankCursor<K>>) -> P,
    key: impl Fn(&M) -> K,
    text: impl Fn(&M) -> String,
) -> Result<String, Error>
where
    P: Future<Output = Result<RankAnswer<M>, Error>>,
{
    let (mut places, mut besides, mut after, mut count) = (Vec::new(), Vec::new(), None, 0);
    loop {
        let answer = page(after).await?;
        let RankAnswer { explanation, verification, .. } = answer;
        besides.push(Besides { explanation, verification });
        count += answer.places.iter().map(|place| place.transaction_count).sum::<i64>();
        after = answer.places.last().and_then(|place| cursor(place, &key));
        let stands = answer.standing.map(|place| shown(place, &text));
        places.extend(answer.places.into_iter().map(|place| shown(place, &text)));
        if !answer.has_more || after.is_none() {
            check_size(answer.population_size, places.len())?;
            for one in besides {
                one.check(question.explain, question.verify, count)?;
            }
            return Ok(rank_text(&places, stands.as_ref()));
        }
    }
}

impl Asked {
    /// Asks, and tells the answer if it is not right.
    pub(super) async fn check(&self, answering: &Answering) -> Option<Mismatch> {
        let Drawn { question, right } = &self.drawn;
        let found = question.ask(answering).await.unwrap_or_else(|error| told(&error));
        (!right.contains(&found)).then(|| Mismatch {
            operation: self.number,
            question: format!("{question:?}"),
            expected: right.join("\nor\n"),
            found,
        })
    }
}

/// A refusal, as it is compared: days, and whether they were dropped.
pub(super) fn refusal_text(days: impl IntoIterator<Item = (NaiveDate, bool)>) -> String {
    let day =
        |(day, is_dropped)| format!("{day} {}", if is_dropped { "dropped" } else { "detached" });
    format!("refused: {}", days.into_iter().map(day).collect::<Vec<_>>().join(", "))
}

/// An error with its causes, or the days that an answer is refused for.
pub(super) fn told(error: &Error) -> String {
    if let ErrorKind::FailedPrecondition(days) = error.kind() {
        return refusal_text(days.iter().map(|absent| (absent.day, absent.is_dropped)));
    }
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
        scope: Scope::Everybody,
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
        Whose::Account(account) => Subject::Account(account_key(oracle, account)),
    }
}

/// What an account is known by.
pub(super) fn account_key(oracle: &Oracle, account: usize) -> AccountKey {
    let one = &oracle.accounts[account];
    AccountKey::canonical(one.network, &one.address).expect("the selftest's accounts are valid")
}

/// The window of a span.
pub(super) fn window(span: Span) -> Window {
    Window::new(instant(span.start), instant(span.end)).expect("a span is never empty")
}

/// An instant from its microseconds.
pub(super) fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
