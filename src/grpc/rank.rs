//! `AnalyticsService.Rank`.

use uuid::Uuid;

use crate::{
    analytics::{
        Analytics,
        rank::{Place, RankAnswer, RankQuestion, RankedUser},
    },
    domain::{
        account::{Address, Network},
        decimal::Decimal,
        metric::Metric,
        ranking::{RankCursor, RankOrder},
        user::parse_user_uuid,
    },
    error::{Error, ErrorKind},
    grpc::{
        decode, explanation, page, page_token,
        pb::v1::{
            self, AccountKey, RankRequest, RankResponse, RankRow,
            rank_request::{Population, StandingOf},
        },
        violations::Violations,
    },
};

/// Rows in an answer where the request does not say.
const PAGE_SIZE_DEFAULT: usize = 100;

/// Most rows in an answer.
const PAGE_SIZE_MAX: usize = 10_000;

/// Stands before the position in a token where the value is undefined or defined.
const UNDEFINED: &str = "-";

/// Who is ranked, from where on, and whose standing is wanted.
enum Scope {
    Users { after: Option<RankCursor<Uuid>>, standing_of: Option<Uuid> },
    Accounts { network: Network, after: Option<RankCursor<String>>, standing_of: Option<Address> },
}

/// What bounds an answer, from the settings.
#[derive(Clone, Copy, Debug)]
pub struct RankLimits {
    /// Largest population that is ranked.
    pub population_max: u64,
    /// Largest answer message, in bytes: a page ends before it.
    pub response_bytes_max: usize,
}

pub(super) async fn rank(
    analytics: &Analytics,
    limits: RankLimits,
    request: &RankRequest,
) -> Result<RankResponse, Error> {
    if matches!(request.population, Some(Population::Symbols(_))) {
        return Err(Error::new(ErrorKind::Unimplemented("ranking symbols")));
    }
    let (scope, question) = decode_request(analytics, limits, request).await?;
    let request_digest = digest(request);
    let mut response = match scope {
        Scope::Users { after, standing_of } => {
            let answer = analytics.rank_users(&question, after, standing_of).await?;
            encode(answer, user_row)
        }
        Scope::Accounts { network, after, standing_of } => {
            let answer = analytics.rank_accounts(&question, &network, after, standing_of).await?;
            encode(answer, |place| account_row(&network, place))
        }
    };
    response.window = Some(decode::window_pb(question.window));
    response.asset = question.asset.code.to_string();
    finish_page(&mut response, limits.response_bytes_max, request_digest);
    Ok(response)
}

async fn decode_request(
    analytics: &Analytics,
    limits: RankLimits,
    request: &RankRequest,
) -> Result<(Scope, RankQuestion), Error> {
    let mut violations = Violations::default();
    let scope = scope(request, &mut violations);
    let days_max = analytics.window_days_max();
    let window = decode::window_of(days_max, request.window.as_ref(), &mut violations);
    let direction = decode::direction(request.direction, &mut violations);
    let metric = metric(request.metric, &mut violations);
    let order = order(request.order, &mut violations);
    let page_size =
        decode::page_size(request.page_size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, &mut violations);
    let asset = decode::asset(analytics, &request.asset, &mut violations).await?;
    let decoded = (|| {
        let question = RankQuestion {
            asset: asset?,
            window: window?,
            direction: direction?,
            metric: metric?,
            order: order?,
            include_idle: request.include_idle,
            page_size: page_size?,
            population_max: limits.population_max,
            explain: request.explain,
            verify: request.verify,
            allow_partial: request.allow_partial,
        };
        Some((scope?, question))
    })();
    violations.finish(decoded)
}

fn scope(request: &RankRequest, violations: &mut Violations) -> Option<Scope> {
    match &request.population {
        None | Some(Population::Users(_) | Population::Symbols(_)) => {
            let after = cursor(request, parse_user_uuid, violations);
            let standing_of = match &request.standing_of {
                None => Some(None),
                Some(StandingOf::StandingUserUuid(uuid)) => {
                    decode::user_uuid(uuid, "standing_user_uuid", violations).map(Some)
                }
                Some(StandingOf::StandingAddress(_)) => violations.require(
                    None,
                    "standing_address",
                    "is for rankings of accounts: set standing_user_uuid instead",
                ),
            };
            Some(Scope::Users { after: after?, standing_of: standing_of? })
        }
        Some(Population::Accounts(accounts)) => {
            let network = Network::parse(&accounts.network);
            let network = violations.require(network, "accounts.network", decode::NETWORK_HINT);
            let after = cursor(request, |key| Some(key.to_owned()), violations);
            let standing_of = match &request.standing_of {
                None => Some(None),
                Some(StandingOf::StandingAddress(text)) => {
                    decode::address(network.as_ref(), text, "standing_address", violations)
                        .map(|key| Some(key.address().clone()))
                }
                Some(StandingOf::StandingUserUuid(_)) => violations.require(
                    None,
                    "standing_user_uuid",
                    "is for rankings of users: set standing_address instead",
                ),
            };
            Some(Scope::Accounts { network: network?, after: after?, standing_of: standing_of? })
        }
    }
}

fn metric(given: i32, violations: &mut Violations) -> Option<Metric> {
    let metric = match v1::RankMetric::try_from(given) {
        Ok(v1::RankMetric::Sum) => Some(Metric::Sum),
        Ok(v1::RankMetric::Count) => Some(Metric::Count),
        Ok(v1::RankMetric::Avg) => Some(Metric::Avg),
        Ok(v1::RankMetric::StddevSample) => Some(Metric::StddevSample),
        Ok(v1::RankMetric::StddevPopulation) => Some(Metric::StddevPopulation),
        Ok(v1::RankMetric::Unspecified) | Err(_) => None,
    };
    let hint = "must be RANK_METRIC_SUM (1), RANK_METRIC_COUNT (2), RANK_METRIC_AVG (3), \
                RANK_METRIC_STDDEV_SAMPLE (4) or RANK_METRIC_STDDEV_POPULATION (5)";
    violations.require(metric, "metric", hint)
}

fn order(given: i32, violations: &mut Violations) -> Option<RankOrder> {
    let order = match v1::RankOrder::try_from(given) {
        Ok(v1::RankOrder::Unspecified | v1::RankOrder::Top) => Some(RankOrder::Top),
        Ok(v1::RankOrder::Bottom) => Some(RankOrder::Bottom),
        Err(_) => None,
    };
    violations.require(order, "order", "must be RANK_ORDER_TOP (1) or RANK_ORDER_BOTTOM (2)")
}

/// The digest that ties tokens to the request: a page may have another size than the
/// one before it, all else must stay.
fn digest(request: &RankRequest) -> [u8; 8] {
    page_token::digest(&RankRequest { page_size: 0, page_token: String::new(), ..request.clone() })
}

/// Reads the field `page_token`: the outer `None` is a violation, the inner one the
/// first page.
#[expect(clippy::option_option, reason = "a wrong token and no token are two things")]
fn cursor<K>(
    request: &RankRequest,
    parse_key: impl Fn(&str) -> Option<K>,
    violations: &mut Violations,
) -> Option<Option<RankCursor<K>>> {
    if request.page_token.is_empty() {
        return Some(None);
    }
    let position = page_token::read(digest(request), &request.page_token);
    let cursor = position.as_deref().and_then(|position| {
        let (value, key) = position.split_once(' ')?;
        let value = match value {
            UNDEFINED => None,
            value => Some(Decimal::parse(value)?),
        };
        Some(RankCursor { value, key: parse_key(key)? })
    });
    violations.require(cursor, "page_token", page_token::TOKEN_HINT).map(Some)
}

/// Writes an answer; a token that is not empty says that more follows, and is put right
/// by [`finish_page`].
fn encode<M>(answer: RankAnswer<M>, row: impl Fn(Place<M>) -> RankRow) -> RankResponse {
    RankResponse {
        rows: answer.places.into_iter().map(&row).collect(),
        next_page_token: if answer.has_more { UNDEFINED.to_owned() } else { String::new() },
        population_size: decode::count_pb(answer.population_size),
        standing: answer.standing.map(row),
        window: None,
        asset: String::new(),
        as_of: Some(decode::timestamp(answer.as_of)),
        database_seconds: answer.took.as_secs_f64(),
        explanation: answer.explanation.map(explanation::explanation_pb),
        verification: answer.verification.map(explanation::verification_pb),
        left_out_count: decode::count_pb(answer.left_out),
        is_partial: answer.is_partial,
    }
}

/// Ends the page before it is larger than an answer may be, and writes the token by
/// which the next one goes on behind its last row.
fn finish_page(response: &mut RankResponse, bytes_max: usize, request_digest: [u8; 8]) {
    let is_cut = page::cut(&mut response.rows, page::room(bytes_max));
    let has_more = is_cut || !response.next_page_token.is_empty();
    response.next_page_token = match response.rows.last() {
        Some(last) if has_more => {
            let value = if last.value.is_empty() { UNDEFINED } else { &last.value };
            let address = last.account.as_ref().map(|account| &account.address);
            let key = address.unwrap_or(&last.user_uuid);
            page_token::write(request_digest, &format!("{value} {key}"))
        }
        _ => String::new(),
    };
}

/// A user's place as the API writes it.
pub(super) fn user_row(place: Place<RankedUser>) -> RankRow {
    RankRow {
        rank: place.rank.map_or(0, decode::count_pb),
        user_uuid: place.member.user_uuid.to_string(),
        username: place.member.username,
        account: None,
        value: place.value.unwrap_or_default(),
        transaction_count: place.transaction_count,
    }
}

fn account_row(network: &Network, place: Place<String>) -> RankRow {
    RankRow {
        rank: place.rank.map_or(0, decode::count_pb),
        user_uuid: String::new(),
        username: String::new(),
        account: Some(AccountKey { network: network.as_str().to_owned(), address: place.member }),
        value: place.value.unwrap_or_default(),
        transaction_count: place.transaction_count,
    }
}
