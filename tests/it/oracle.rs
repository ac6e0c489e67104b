//! Random questions against the oracle, while rows come, change and go.
//!
//! DAYBOOK_TEST_SEED replays a run; DAYBOOK_ORACLE_QUESTIONS sets its length.

mod world;

use std::{collections::HashMap, env};

use daybook::grpc::pb::{
    transactions_service as original,
    v1::{
        AccountKey, AccountPopulation, Direction, ListUsersRequest, RankMetric, RankRequest,
        RankResponse, SumAmountRequest, Window,
        rank_request::{Population, StandingOf},
        sum_amount_request::Subject,
    },
};
use daybook::upkeep::sealing::{SEALED_ROWS_MAX, seal_once};
use prost_types::Timestamp;
use rand::RngExt;
use tonic::transport::Channel;

use self::world::{Account, USERS, World, instant};
use crate::support::{
    oracle::{AMOUNT_DECIMALS, Oracle, OracleMetric, OracleRank, OracleRow},
    service::{TestService, new_target, settings},
};

const QUESTIONS: usize = 10_000;
const CONNECTIONS: usize = 3;
/// Questions that are asked at once.
const AT_ONCE: usize = 12;
const METRICS: [(OracleMetric, RankMetric); 5] = [
    (OracleMetric::Sum, RankMetric::Sum),
    (OracleMetric::Count, RankMetric::Count),
    (OracleMetric::Avg, RankMetric::Avg),
    (OracleMetric::StddevSample, RankMetric::StddevSample),
    (OracleMetric::StddevPopulation, RankMetric::StddevPopulation),
];

/// What is asked and what the answer must be.
enum Question {
    Sum(SumAmountRequest, i64, String),
    Original(original::SumAmountRequest, String),
    Rank(RankRequest, Box<Expected>),
    List(i32, Vec<String>),
}

/// A whole ranking.
#[derive(Debug)]
struct Expected {
    /// Rank, key, value, count.
    rows: Vec<(i64, String, String, i64)>,
    standing: Option<(i64, String, String, i64)>,
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_equal_the_oracles_while_rows_change() {
    let seed: u64 = setting("DAYBOOK_TEST_SEED").unwrap_or_else(rand::random);
    let count: usize = setting("DAYBOOK_ORACLE_QUESTIONS").unwrap_or(QUESTIONS);
    eprintln!("replay with DAYBOOK_TEST_SEED={seed} DAYBOOK_ORACLE_QUESTIONS={count}");
    let service = TestService::start_with(new_target(), settings()).await;
    let mut world = World::new(&service.sql, seed).await;
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(service.channel().await);
    }
    let (mut asked, mut kinds) = (0, HashMap::<&str, usize>::new());
    while asked < count {
        for _ in 0..world.rng.random_range(1..4) {
            world.change(&service.sql).await;
        }
        let views = Views::of(&world);
        let questions: Vec<_> = (0..AT_ONCE).map(|_| world.question(&views)).collect();
        let answers = questions.iter().zip(channels.iter().cycle());
        let answers = answers.map(|(question, channel)| question.ask(channel.clone()));
        // Sealing goes on while questions are asked, and changes no answer.
        let seals = world.rng.random_ratio(1, 5);
        let sealing = async {
            if seals {
                seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
            }
        };
        tokio::join!(futures_util::future::join_all(answers), sealing);
        for question in &questions {
            *kinds.entry(question.name()).or_default() += 1;
        }
        asked += questions.len();
    }
    eprintln!("{asked} questions agreed: {kinds:?}");
    let is_there = |kind| kinds.contains_key(kind);
    assert!(["sum", "original", "rank", "list"].into_iter().all(is_there));
}

/// The rows as each population sees them.
struct Views {
    /// By user, once for senders and once for receivers.
    users: [Oracle; 2],
    /// By account.
    accounts: Oracle,
}

impl Views {
    fn of(world: &World) -> Self {
        let by_user = |is_sender: bool| {
            let mut oracle = Oracle::default();
            for (_, row) in &world.rows {
                let account = if is_sender { row.sender } else { row.receiver };
                for &user in &world.accounts[account].trackers {
                    oracle.rows.push(OracleRow { sender: user, receiver: user, ..row.clone() });
                }
            }
            oracle
        };
        let rows = world.rows.iter().map(|(_, row)| row.clone()).collect();
        Self { users: [by_user(false), by_user(true)], accounts: Oracle { rows } }
    }
}

impl World {
    fn question(&mut self, views: &Views) -> Question {
        let (start, end) = self.window();
        let is_sender = self.rng.random_bool(0.5);
        let by_user = &views.users[usize::from(is_sender)];
        let user = self.index(USERS);
        let common = SumAmountRequest {
            subject: None,
            asset: ["", "USD"][self.index(2)].to_owned(),
            window: Some(Window { start: Some(timestamp(start)), end: Some(timestamp(end)) }),
            direction: direction(is_sender),
            ..Default::default()
        };
        match self.rng.random_range(0..10) {
            0 | 1 => {
                let subject = Some(Subject::UserUuid(self.users[user].0.to_string()));
                let (count, sum) = by_user.sum(user, is_sender, start, end);
                Question::Sum(SumAmountRequest { subject, ..common }, count, sum)
            }
            2 | 3 => {
                let account = self.index(self.accounts.len());
                let Account { network, address, .. } = &self.accounts[account];
                let key = AccountKey { network: (*network).to_owned(), address: address.clone() };
                let (count, sum) = views.accounts.sum(account, is_sender, start, end);
                let subject = Some(Subject::Account(key));
                Question::Sum(SumAmountRequest { subject, ..common }, count, sum)
            }
            4 => {
                // The first accounts are the payments accounts.
                let (_, sum) = views.accounts.sum(user, is_sender, start, end);
                let request = original::SumAmountRequest {
                    user_uuid: self.users[user].0.to_string(),
                    timestamp_start_utc: iso(start),
                    timestamp_end_utc: iso(end),
                    direction: if is_sender { "sender" } else { "receiver" }.to_owned(),
                };
                Question::Original(request, sum)
            }
            5 if self.rng.random_bool(0.2) => {
                let mut names: Vec<_> = self.users.iter().map(|user| user.1.clone()).collect();
                names.sort();
                Question::List(self.rng.random_range(0..15), names)
            }
            _ => self.ranking(views, common, is_sender, (start, end)),
        }
    }

    fn ranking(
        &mut self,
        views: &Views,
        common: SumAmountRequest,
        is_sender: bool,
        window: (i64, i64),
    ) -> Question {
        let (metric, asked_metric) = METRICS[self.index(METRICS.len())];
        let (is_bottom, include_idle) = (self.rng.random_bool(0.5), self.rng.random_bool(0.5));
        let network = ["", "", "internal", "bank", "card"][self.index(5)];
        let (members, keys, view) = self.population(network, views, is_sender);
        let mut sorted: Vec<_> = keys.iter().collect();
        sorted.sort();
        let tie_order: Vec<usize> =
            keys.iter().map(|key| sorted.binary_search(&key).unwrap()).collect();
        let flags = (is_bottom, include_idle);
        let ranked = view.rank(members, is_sender, window, metric, flags, &tie_order);
        let all = view.rank(members, is_sender, window, metric, (is_bottom, true), &tie_order);
        let row = |(rank, member, value): &OracleRank| {
            let (count, _) = view.sum(*member, is_sender, window.0, window.1);
            (*rank, keys[*member].clone(), value.clone().unwrap_or_default(), count)
        };
        let standing = (members > 0 && self.rng.random_bool(0.5)).then(|| self.index(members));
        let expected_standing = standing.map(|wanted| {
            let found = ranked.iter().find(|(_, member, _)| *member == wanted);
            found.map(row).unwrap_or_else(|| {
                let idle = all.iter().find(|(_, member, _)| *member == wanted).unwrap();
                (0, row(idle).1, row(idle).2, 0)
            })
        });
        let expected =
            Expected { rows: ranked.iter().map(row).collect(), standing: expected_standing };
        let request = RankRequest {
            population: (!network.is_empty())
                .then(|| Population::Accounts(AccountPopulation { network: network.to_owned() })),
            asset: common.asset,
            window: common.window,
            direction: common.direction,
            metric: asked_metric.into(),
            order: if is_bottom { 2 } else { self.rng.random_range(0..2) },
            include_idle,
            page_size: [0, 1, 2, 3, 5, 7, 12, 13][self.index(8)],
            page_token: String::new(),
            standing_of: standing.map(|member| match network {
                "" => StandingOf::StandingUserUuid(keys[member].clone()),
                _ => StandingOf::StandingAddress(keys[member].clone()),
            }),
            ..Default::default()
        };
        Question::Rank(request, Box::new(expected))
    }

    /// Number of members, their keys, and the rows by member.
    fn population(
        &self,
        network: &str,
        views: &Views,
        is_sender: bool,
    ) -> (usize, Vec<String>, Oracle) {
        if network.is_empty() {
            let keys = self.users.iter().map(|user| user.0.to_string()).collect();
            let rows = views.users[usize::from(is_sender)].rows.clone();
            return (USERS, keys, Oracle { rows });
        }
        let is_in = |account: &&Account| account.network == network;
        let keys: Vec<_> =
            self.accounts.iter().filter(is_in).map(|account| account.address.clone()).collect();
        let mut next = 0;
        let member: Vec<usize> = self
            .accounts
            .iter()
            .map(|account| {
                let is_member = account.network == network;
                next += usize::from(is_member);
                if is_member { next - 1 } else { usize::MAX }
            })
            .collect();
        let rows = views.accounts.rows.iter().map(|row| OracleRow {
            sender: member[row.sender],
            receiver: member[row.receiver],
            ..row.clone()
        });
        (keys.len(), keys, Oracle { rows: rows.collect() })
    }
}

impl Question {
    fn name(&self) -> &'static str {
        match self {
            Self::Sum(..) => "sum",
            Self::Original(..) => "original",
            Self::Rank(..) => "rank",
            Self::List(..) => "list",
        }
    }

    /// Asks, page by page where there are pages, and holds the answer against the oracle's.
    async fn ask(&self, channel: Channel) {
        use daybook::grpc::pb::{
            transactions_service::transactions_client::TransactionsClient,
            v1::{
                analytics_service_client::AnalyticsServiceClient,
                ledger_service_client::LedgerServiceClient,
            },
        };
        match self {
            Self::Sum(request, count, sum) => {
                let mut client = AnalyticsServiceClient::new(channel);
                let answer = client.sum_amount(request.clone()).await.unwrap().into_inner();
                let found = (answer.transaction_count, answer.sum_amount);
                assert_eq!(found, (*count, sum.clone()), "{request:?}");
            }
            Self::Original(request, sum) => {
                let answer = TransactionsClient::new(channel).sum_amount(request.clone()).await;
                assert_eq!(answer.unwrap().into_inner().sum_amount, *sum, "{request:?}");
            }
            Self::Rank(request, expected) => {
                let mut client = AnalyticsServiceClient::new(channel);
                let (mut found, mut page_token) = (Vec::new(), String::new());
                loop {
                    let request = RankRequest { page_token, ..request.clone() };
                    let page = client.rank(request.clone()).await.unwrap().into_inner();
                    expected.check_page(&request, &page);
                    page_token = page.next_page_token.clone();
                    found.extend(page.rows.iter().map(shown));
                    if page_token.is_empty() {
                        break;
                    }
                }
                assert_eq!(found, expected.rows, "{request:?}");
            }
            Self::List(page_size, names) => {
                let mut client = LedgerServiceClient::new(channel);
                let (mut found, mut page_token) = (Vec::new(), String::new());
                loop {
                    let request = ListUsersRequest {
                        page_size: *page_size,
                        page_token,
                        ..Default::default()
                    };
                    let page = client.list_users(request).await.unwrap().into_inner();
                    page_token = page.next_page_token;
                    found.extend(page.users.into_iter().map(|user| user.username));
                    if page_token.is_empty() {
                        break;
                    }
                }
                assert_eq!(found, *names);
            }
        }
    }
}

impl Expected {
    /// What every page tells besides its rows.
    fn check_page(&self, request: &RankRequest, page: &RankResponse) {
        let size = usize::try_from(page.population_size).unwrap();
        assert_eq!(size, self.rows.len(), "{request:?}");
        assert_eq!(page.standing.as_ref().map(shown), self.standing, "{request:?}");
        if !page.next_page_token.is_empty() {
            assert_eq!(i32::try_from(page.rows.len()).unwrap(), request.page_size);
        }
    }
}

fn shown(row: &daybook::grpc::pb::v1::RankRow) -> (i64, String, String, i64) {
    let address = row.account.as_ref().map(|account| account.address.clone());
    let key = address.unwrap_or_else(|| row.user_uuid.clone());
    (row.rank, key, row.value.clone(), row.transaction_count)
}

fn direction(is_sender: bool) -> i32 {
    if is_sender { Direction::Sender.into() } else { Direction::Receiver.into() }
}

fn iso(micros: i64) -> String {
    instant(micros).format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

fn timestamp(micros: i64) -> Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap();
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

#[test]
fn the_oracle_itself_answers_what_was_worked_out_by_hand() {
    let row = |micros, sender, units| OracleRow { micros, sender, receiver: 9, units };
    let one = 10i128.pow(AMOUNT_DECIMALS);
    let rows = vec![
        row(1, 0, one),
        row(2, 0, 2 * one),
        row(3, 0, 3 * one),
        row(2, 1, 5 * one),
        row(2, 2, 4 * one),
        row(3, 2, 2 * one),
    ];
    let oracle = Oracle { rows };
    assert_eq!(oracle.sum(0, true, 1, 3), (2, "3.00000".to_owned()));
    assert_eq!(oracle.sum(9, false, 2, 3), (3, "11.00000".to_owned()));
    let text = |value: &str| Some(value.to_owned());
    let ties = [2, 1, 0, 3];
    let ranked = |metric, flags| oracle.rank(4, true, (0, 9), metric, flags, &ties);
    let found = ranked(OracleMetric::StddevSample, (true, true));
    let two = text("1.414213562373095049");
    assert_eq!(found, [(1, 0, text("1.00000")), (2, 2, two), (3, 1, None), (3, 3, None)]);
    let found = ranked(OracleMetric::StddevPopulation, (false, false));
    let root = text("0.816496580927726033");
    assert_eq!(found, [(1, 2, text("1.00000")), (2, 0, root), (3, 1, text("0.00000"))]);
    let found = ranked(OracleMetric::Sum, (false, false));
    assert_eq!(found, [(1, 2, text("6.00000")), (1, 0, text("6.00000")), (3, 1, text("5.00000"))]);
}
