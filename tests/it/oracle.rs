//! Random questions against the oracle, while rows come, change and go.
//!
//! DAYBOOK_TEST_SEED replays a run; DAYBOOK_ORACLE_QUESTIONS sets its length.

use std::{collections::HashMap, env};

use chrono::{DateTime, Utc};
use daybook::grpc::pb::{
    transactions_service as original,
    v1::{
        AccountKey, AccountPopulation, Direction, ListUsersRequest, RankMetric, RankRequest,
        RankResponse, SumAmountRequest, Window,
        rank_request::{Population, StandingOf},
        sum_amount_request::Subject,
    },
};
use prost_types::Timestamp;
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use tokio_postgres::Client;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::support::{
    ledger::{add_account, add_known_user, ensure_days, track},
    oracle::{AMOUNT_DECIMALS, Oracle, OracleMetric, OracleRank, OracleRow},
    service::{TestService, new_target, settings},
};

const QUESTIONS: usize = 10_000;
const CONNECTIONS: usize = 3;
/// Questions that are asked at once.
const AT_ONCE: usize = 12;
const USERS: usize = 12;
const ROWS: usize = 250;
const DAY_MICROS: i64 = 86_400_000_000;
/// 2024-02-26T00:00:00Z.
const FIRST_MICROS: i64 = 1_708_905_600_000_000;
const DAYS: [&str; 9] = [
    "2024-02-26",
    "2024-02-27",
    "2024-02-28",
    "2024-02-29",
    "2024-03-01",
    "2024-03-02",
    "2024-03-03",
    "2024-03-04",
    "2024-03-05",
];
const METRICS: [(OracleMetric, RankMetric); 5] = [
    (OracleMetric::Sum, RankMetric::Sum),
    (OracleMetric::Count, RankMetric::Count),
    (OracleMetric::Avg, RankMetric::Avg),
    (OracleMetric::StddevSample, RankMetric::StddevSample),
    (OracleMetric::StddevPopulation, RankMetric::StddevPopulation),
];

/// An account: its key, its row's id, and the users that track it.
struct Account {
    network: &'static str,
    address: String,
    account_id: i64,
    trackers: Vec<usize>,
}

/// The whole ledger, mirrored.
struct World {
    rng: ChaCha12Rng,
    users: Vec<(Uuid, String)>,
    accounts: Vec<Account>,
    rows: Vec<(Uuid, OracleRow)>,
}

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
        futures_util::future::join_all(answers).await;
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
    async fn new(sql: &Client, seed: u64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        ensure_days(sql, &DAYS).await;
        let (mut users, mut accounts) = (Vec::new(), Vec::new());
        let mut ids = Vec::new();
        for user in 0..USERS {
            let uuid = Uuid::from_u128(rng.random());
            let username = format!("{}{user}", ["a", "B", "é", "_"][user % 4]);
            let known = add_known_user(sql, uuid, &username).await;
            let address = uuid.to_string();
            let account_id = known.account_id;
            accounts.push(Account {
                network: "internal",
                address,
                account_id,
                trackers: vec![user],
            });
            ids.push(known.user_id);
            users.push((uuid, username));
        }
        for (number, network) in ["bank", "bank", "bank", "card", "bank"].into_iter().enumerate() {
            let address = format!("{}-{number}", ["x", "X", "ž"][number % 3]);
            let account_id = add_account(sql, network, &address).await;
            let mut trackers = Vec::new();
            // One is shared by many, one is tracked by nobody.
            for (user, &user_id) in ids.iter().enumerate() {
                if number > 0 && rng.random_range(0..5) < number - 1 {
                    track(sql, user_id, account_id).await;
                    trackers.push(user);
                }
            }
            accounts.push(Account { network, address, account_id, trackers });
        }
        let mut world = Self { rng, users, accounts, rows: Vec::new() };
        for _ in 0..ROWS {
            world.insert(sql).await;
        }
        world
    }

    fn index(&mut self, below: usize) -> usize {
        self.rng.random_range(0..below)
    }

    /// An instant in the days that have partitions, often on an edge or taken already.
    fn instant(&mut self) -> i64 {
        let midnight = FIRST_MICROS + DAY_MICROS * self.rng.random_range(0..8i64);
        match self.rng.random_range(0..10) {
            0 => midnight,
            1 => midnight + 1,
            2 => midnight + DAY_MICROS - 1,
            3 if !self.rows.is_empty() => {
                let row = self.index(self.rows.len());
                self.rows[row].1.micros
            }
            // A crowded hour, and an hour of each day that stays empty.
            4 => midnight + self.rng.random_range(0..1_000),
            _ => midnight + self.rng.random_range(DAY_MICROS / 24..DAY_MICROS),
        }
    }

    fn units(&mut self) -> i128 {
        match self.rng.random_range(0..8) {
            0 => 0,
            1 => 1,
            2 | 3 => 100_000,
            4 => 250_000 * self.rng.random_range(0..4),
            // Huge amounts that differ little.
            5 => 100_000_000_000_000 + self.rng.random_range(0..3),
            _ => self.rng.random_range(0..1_000_000_000),
        }
    }

    async fn insert(&mut self, sql: &Client) {
        let row = OracleRow {
            micros: self.instant(),
            sender: self.index(self.accounts.len()),
            receiver: self.index(self.accounts.len()),
            units: self.units(),
        };
        let inserted = sql
            .query_one(
                "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount) \
                 VALUES ($1, $2, $3, 1, $4::text::numeric / 100000) RETURNING transaction_id",
                &[
                    &instant(row.micros),
                    &self.accounts[row.sender].account_id,
                    &self.accounts[row.receiver].account_id,
                    &row.units.to_string(),
                ],
            )
            .await
            .unwrap();
        self.rows.push((inserted.get(0), row));
    }

    /// One statement that changes the ledger, and the same in the mirror.
    async fn change(&mut self, sql: &Client) {
        let at = self.index(self.rows.len());
        let (id, before) = self.rows[at].clone();
        let mut after = before.clone();
        match self.rng.random_range(0..6) {
            0 | 1 if self.rows.len() < 2 * ROWS => return self.insert(sql).await,
            0..=2 if self.rows.len() > ROWS / 2 => {
                let text = "DELETE FROM transactions WHERE transaction_id = $1";
                assert_eq!(sql.execute(text, &[&id]).await.unwrap(), 1);
                self.rows.swap_remove(at);
                return;
            }
            3 => after.units = self.units(),
            4 => after.micros = self.instant(),
            _ => {
                after.sender = self.index(self.accounts.len());
                after.receiver = self.index(self.accounts.len());
            }
        }
        let text = "UPDATE transactions SET occurred_at = $3, sender_id = $4, receiver_id = $5, \
                    amount = $6::text::numeric / 100000 \
                    WHERE transaction_id = $1 AND occurred_at = $2";
        let changed = sql
            .execute(
                text,
                &[
                    &id,
                    &instant(before.micros),
                    &instant(after.micros),
                    &self.accounts[after.sender].account_id,
                    &self.accounts[after.receiver].account_id,
                    &after.units.to_string(),
                ],
            )
            .await
            .unwrap();
        assert_eq!(changed, 1);
        self.rows[at].1 = after;
    }

    /// A window: whole days, a microsecond, an empty region, everything, nothing.
    fn window(&mut self) -> (i64, i64) {
        let some = self.index(self.rows.len());
        let row = self.rows[some].1.micros;
        let midnight = FIRST_MICROS + DAY_MICROS * self.rng.random_range(0..8i64);
        let (start, end) = match self.rng.random_range(0..12) {
            0 => (row, row + 1),
            1 => (row - 1, row),
            2 => (row + 1, row + 1 + self.rng.random_range(1..1_000)),
            3 => (midnight, midnight + DAY_MICROS),
            4 => (midnight, midnight + DAY_MICROS * self.rng.random_range(1..9i64)),
            5 => (midnight - 1, midnight + 1),
            6 => (midnight + 2_000, midnight + DAY_MICROS / 24),
            7 => (-62_135_596_800_000_000, 253_402_300_799_999_999),
            8 => (FIRST_MICROS - 40 * DAY_MICROS, FIRST_MICROS),
            9 => (FIRST_MICROS + 9 * DAY_MICROS, FIRST_MICROS + 900 * DAY_MICROS),
            _ => (self.instant(), self.instant()),
        };
        (start.min(end), if start == end { end + 1 } else { start.max(end) })
    }

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
                    let request = ListUsersRequest { page_size: *page_size, page_token };
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

fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap()
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
