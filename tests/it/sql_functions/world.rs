//! A ledger of users with several wallets, some of them shared, and of assets of any size, that is
//! asked by functions and by rpcs.

use chrono::{DateTime, TimeDelta, Utc};
use daybook::{
    cluster::ClusterRole,
    grpc::pb::v1::{
        AccountKey, AccountPopulation, BucketUnit, Direction, GetBalanceRequest, RankMetric,
        RankOrder, RankRequest, RankResponse, SumAmountRequest, SumSeriesRequest, Window,
        analytics_service_client::AnalyticsServiceClient,
        get_balance_request,
        ledger_service_client::LedgerServiceClient,
        rank_request::{Population, StandingOf},
        sum_amount_request, sum_series_request,
    },
};
use prost_types::Timestamp;
use rand::{RngExt, rngs::ChaCha12Rng};
use tokio_postgres::{Client, types::ToSql};
use tonic::transport::Channel;

use super::folded;
use crate::support::{
    cluster::shared,
    ledger::{TestUser, add_account, add_user, at, ensure_days, track},
    random::random,
    rows::add_asset,
    service::{TestService, sql},
};

/// Days with rows; beside them there are none.
const DAYS: [&str; 6] =
    ["2023-12-30", "2023-12-31", "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"];

const DAY_MICROS: i64 = 86_400_000_000;

/// Codes and decimals: tokens have amounts of up to 256 bits.
const ASSETS: [(&str, i16); 3] = [("USD", 5), ("TOK", 18), ("GEM", 0)];

/// Units of buckets.
const UNITS: [(&str, BucketUnit); 6] = [
    ("minute", BucketUnit::Minute),
    ("hour", BucketUnit::Hour),
    ("day", BucketUnit::Day),
    ("week", BucketUnit::Week),
    ("month", BucketUnit::Month),
    ("year", BucketUnit::Year),
];

/// An account by its natural key and its number.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) network: &'static str,
    pub(super) address: String,
    pub(super) account_id: i64,
}

/// The ledger.
pub(super) struct World {
    pub(super) service: TestService,
    pub(super) users: Vec<TestUser>,
    pub(super) accounts: Vec<Account>,
    /// The role of dashboards, without the schema in its path.
    pub(super) reader: Client,
    assets: Vec<i32>,
    /// Instants of rows.
    instants: Vec<i64>,
    analytics: AnalyticsServiceClient<Channel>,
    ledger: LedgerServiceClient<Channel>,
    rng: ChaCha12Rng,
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap(),
    }
}

/// Who is asked about.
#[derive(Clone, Debug)]
enum Subject {
    User(TestUser),
    Account(Account),
}

impl World {
    /// One without rows.
    pub(super) async fn new() -> Self {
        let service = TestService::start().await;
        ensure_days(&service.sql, &DAYS).await;
        let mut users = Vec::new();
        let mut accounts = Vec::new();
        for name in ["ann", "bob", "cid", "dee"] {
            let user = add_user(&service.sql, name).await;
            let address = user.user_uuid.to_string();
            let account_id = user.account_id;
            accounts.push(Account { network: "internal", address, account_id });
            users.push(user);
        }
        // The first is shared, the second one's own, the third nobody's.
        for (address, owners) in [("shared", &[0, 1][..]), ("own", &[1][..]), ("free", &[][..])] {
            let account_id = add_account(&service.sql, "bank", address).await;
            for &owner in owners {
                let user: &TestUser = &users[owner];
                track(&service.sql, user.user_id, account_id).await;
            }
            accounts.push(Account { network: "bank", address: address.to_owned(), account_id });
        }
        let mut assets = vec![1];
        for (code, decimals) in &ASSETS[1..] {
            assets.push(add_asset(&service.sql, code, *decimals).await);
        }
        let reader = shared().connection(ClusterRole::Reader);
        let reader = sql(reader, "pg_catalog").await;
        let analytics = service.analytics().await;
        let ledger = service.ledger().await;
        let (instants, rng) = (Vec::new(), random());
        Self { service, users, accounts, reader, assets, instants, analytics, ledger, rng }
    }

    /// Has everything folded.
    pub(super) async fn seal(&self) {
        folded(&self.service).await;
    }

    fn amount(&mut self, asset: usize) -> String {
        let digits = |rng: &mut ChaCha12Rng, count: usize| -> String {
            (0..count).map(|_| char::from(b'0' + rng.random_range(0..10))).collect()
        };
        let rng = &mut self.rng;
        if rng.random_bool(0.1) {
            return "0".to_owned();
        }
        let (whole, fraction) = match asset {
            // Some have more decimals than their asset.
            0 => (rng.random_range(1..8), rng.random_range(0..=6)),
            1 => (rng.random_range(1..=59), rng.random_range(0..=18)),
            _ => (rng.random_range(1..16), 0),
        };
        let (whole, fraction) = (digits(rng, whole), digits(rng, fraction));
        if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
    }

    /// An instant on a day with rows: anywhere, at its edges, or where a row is.
    fn instant(&mut self) -> i64 {
        let first = at(&format!("{}T00:00:00Z", DAYS[0])).timestamp_micros();
        let days = i64::try_from(DAYS.len()).unwrap();
        let rng = &mut self.rng;
        match rng.random_range(0..6) {
            0 => first + rng.random_range(0..days) * DAY_MICROS,
            1 => first + rng.random_range(1..days) * DAY_MICROS - 1,
            2 if !self.instants.is_empty() => {
                self.instants[rng.random_range(0..self.instants.len())]
            }
            _ => first + rng.random_range(0..days * DAY_MICROS),
        }
    }

    /// Records rows between anybody.
    pub(super) async fn add_rows(&mut self, count: usize) {
        let (mut instants, mut sides, mut assets, mut amounts) = (vec![], vec![], vec![], vec![]);
        for _ in 0..count {
            instants.push(self.instant());
            let accounts = self.accounts.len();
            for _ in 0..2 {
                let place = self.rng.random_range(0..accounts);
                sides.push(self.accounts[place].account_id);
            }
            let asset = self.rng.random_range(0..ASSETS.len());
            assets.push(self.assets[asset]);
            amounts.push(self.amount(asset));
        }
        let (senders, receivers): (Vec<i64>, Vec<i64>) =
            sides.chunks(2).map(|pair| (pair[0], pair[1])).unzip();
        let ats: Vec<_> = instants
            .iter()
            .map(|&micros| DateTime::from_timestamp_micros(micros).unwrap())
            .collect();
        self.service
            .sql
            .execute(
                "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
                 SELECT r.a, r.s, r.r, r.i, r.n::numeric
                 FROM unnest($1::timestamptz[], $2::bigint[], $3::bigint[], $4::integer[],
                     $5::text[]) AS r (a, s, r, i, n)",
                &[&ats, &senders, &receivers, &assets, &amounts],
            )
            .await
            .unwrap();
        self.instants.extend(instants);
    }

    /// Records many rows of one sender, so that its tree is high.
    pub(super) async fn add_many_rows_of_one(&mut self, count: i32) {
        let text =
            "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
            SELECT '2023-12-30Z'::timestamptz + n * interval '37.000123 seconds', $1, $2, 1,
                n * 0.37
            FROM generate_series(1, $3) AS n";
        let (first, second) = (self.accounts[0].account_id, self.accounts[4].account_id);
        self.service.sql.execute(text, &[&first, &second, &count]).await.unwrap();
    }

    /// Takes rows away again.
    pub(super) async fn delete_rows(&mut self) {
        let text =
            "DELETE FROM transactions WHERE extract(second FROM occurred_at)::integer % 9 = 4";
        assert!(self.service.sql.execute(text, &[]).await.unwrap() > 0);
    }

    /// A window: any, an exact day, or very short; also where there are no rows.
    fn window(&mut self) -> (DateTime<Utc>, DateTime<Utc>) {
        let micros = |micros| DateTime::from_timestamp_micros(micros).unwrap();
        let start = self.instant();
        match self.rng.random_range(0..10) {
            0 => (micros(start), micros(start + 1)),
            1 => (micros(start), micros(start) + TimeDelta::minutes(40)),
            2 => (at("0001-01-01T00:00:00Z"), at("9999-12-31T23:59:59.999999Z")),
            3 => (at("1999-01-01T00:00:00Z"), at("1999-01-02T12:00:00Z")),
            4 => (at("2023-12-30T00:00:00Z"), micros(start + 1)),
            _ => {
                let end = self.instant();
                let (start, end) = (start.min(end), start.max(end));
                (micros(start), micros(if start == end { end + 1 } else { end }))
            }
        }
    }

    fn subject(&mut self) -> Subject {
        match self.rng.random_bool(0.6) {
            true => Subject::User(self.users[self.rng.random_range(0..self.users.len())].clone()),
            false => {
                let place = self.rng.random_range(0..self.accounts.len());
                Subject::Account(self.accounts[place].clone())
            }
        }
    }

    fn side(&mut self) -> (&'static str, i32) {
        match self.rng.random_bool(0.5) {
            true => ("sender", Direction::Sender.into()),
            false => ("receiver", Direction::Receiver.into()),
        }
    }

    fn asset(&mut self) -> &'static str {
        ASSETS[self.rng.random_range(0..ASSETS.len())].0
    }

    /// Asks as the role of dashboards: {s} stands for the schema.
    async fn ask(&self, text: &str, params: &[&(dyn ToSql + Sync)]) -> Vec<tokio_postgres::Row> {
        let text = text.replace("{s}", &self.service.target.schema);
        self.reader.query(&text, params).await.unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    /// A sum: as the rpc has it, and as the rows do in the same statement; and its moments.
    pub(super) async fn check_sum(&mut self) {
        let (subject, (start, end)) = (self.subject(), self.window());
        let ((side, direction), asset) = (self.side(), self.asset());
        let what = format!("{subject:?} {start} {end} {side} {asset}");
        let request = SumAmountRequest {
            subject: Some(match &subject {
                Subject::User(user) => {
                    sum_amount_request::Subject::UserUuid(user.user_uuid.to_string())
                }
                Subject::Account(account) => sum_amount_request::Subject::Account(key(account)),
            }),
            window: window(start, end),
            direction,
            asset: asset.to_owned(),
            ..SumAmountRequest::default()
        };
        let expected = self.analytics.sum_amount(request).await.unwrap().into_inner();
        let (sum, moments, accounts) = of_subject(&subject, &["sum_amount", "moments"]);
        let text = format!(
            "SELECT ({sum}, $1, $2, $3, $4))::text, m.transaction_count, m.sum_amount::text,
                 m.avg_amount::text, m.stddev_sample::text, m.stddev_population::text,
                 (SELECT coalesce(sum(t.amount), 0)
                  FROM {{s}}.transactions t JOIN {{s}}.assets a USING (asset_id)
                  WHERE CASE $3 WHEN 'sender' THEN t.sender_id ELSE t.receiver_id END
                      IN ({accounts})
                    AND a.code = $4 AND t.occurred_at >= $1 AND t.occurred_at < $2) = m.sum_amount
             FROM {moments}, $1, $2, $3, $4) m"
        );
        let rows = self.ask(&text, &[&start, &end, &side, &asset]).await;
        let row = &rows[0];
        assert_eq!(row.get::<_, String>(0), expected.sum_amount, "{what}");
        assert_eq!(row.get::<_, i64>(1), expected.transaction_count, "{what}");
        assert_eq!(row.get::<_, String>(2), expected.sum_amount, "{what}");
        assert!(row.get::<_, bool>(6), "{what}");
        for (column, metric) in
            [(3, RankMetric::Avg), (4, RankMetric::StddevSample), (5, RankMetric::StddevPopulation)]
        {
            let standing = self.standing(&subject, (start, end), direction, asset, metric).await;
            let value: Option<String> = row.get(column);
            assert_eq!(value.unwrap_or_default(), standing, "{what} {metric:?}");
        }
    }

    /// The value that a ranking shows of somebody.
    async fn standing(
        &mut self,
        subject: &Subject,
        (start, end): (DateTime<Utc>, DateTime<Utc>),
        direction: i32,
        asset: &str,
        metric: RankMetric,
    ) -> String {
        let (population, standing_of) = match subject {
            Subject::User(user) => (None, StandingOf::StandingUserUuid(user.user_uuid.to_string())),
            Subject::Account(account) => {
                let network = account.network.to_owned();
                let accounts = Population::Accounts(AccountPopulation { network });
                (Some(accounts), StandingOf::StandingAddress(account.address.clone()))
            }
        };
        let request = RankRequest {
            population,
            standing_of: Some(standing_of),
            window: window(start, end),
            direction,
            asset: asset.to_owned(),
            metric: metric.into(),
            page_size: 1,
            ..RankRequest::default()
        };
        self.analytics.rank(request).await.unwrap().into_inner().standing.unwrap().value
    }

    /// A balance.
    pub(super) async fn check_balance(&mut self) {
        let (subject, asset) = (self.subject(), self.asset());
        let instant = self.window().1;
        let instant = self.rng.random_bool(0.7).then_some(instant);
        let request = GetBalanceRequest {
            subject: Some(match &subject {
                Subject::User(user) => {
                    get_balance_request::Subject::UserUuid(user.user_uuid.to_string())
                }
                Subject::Account(account) => get_balance_request::Subject::Account(key(account)),
            }),
            at: instant.map(timestamp),
            asset: asset.to_owned(),
            ..GetBalanceRequest::default()
        };
        let expected = self.ledger.get_balance(request).await.unwrap().into_inner().balance;
        let (balance, ..) = of_subject(&subject, &["balance", "balance"]);
        let text = format!("SELECT ({balance}, $1, $2))::text");
        let rows = self.ask(&text, &[&instant, &asset]).await;
        assert_eq!(rows[0].get::<_, String>(0), expected, "{subject:?} {instant:?} {asset}");
    }

    /// A series, bucket by bucket.
    pub(super) async fn check_series(&mut self) {
        let subject = self.rng.random_bool(0.7).then(|| self.subject());
        let ((side, direction), asset) = (self.side(), self.asset());
        let (unit, bucket_unit) = UNITS[self.rng.random_range(0..UNITS.len())];
        let count: i32 = if unit == "minute" { 7 } else { self.rng.random_range(1..4) };
        let zone = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"]
            [self.rng.random_range(0..4)];
        let (start, end) = self.window();
        let (start, end) = match end - start > TimeDelta::days(40) {
            true => (at("2023-12-29T01:00:00Z"), at("2024-01-06T00:00:00Z")),
            false => (start, end),
        };
        let request = SumSeriesRequest {
            subject: Some(match &subject {
                Some(Subject::User(user)) => {
                    sum_series_request::Subject::UserUuid(user.user_uuid.to_string())
                }
                Some(Subject::Account(account)) => {
                    sum_series_request::Subject::Account(key(account))
                }
                None => sum_series_request::Subject::All(Default::default()),
            }),
            window: window(start, end),
            direction,
            asset: asset.to_owned(),
            bucket_unit: bucket_unit.into(),
            bucket_count: count,
            time_zone: zone.to_owned(),
            ..SumSeriesRequest::default()
        };
        let answer = self.analytics.sum_series(request).await.unwrap().into_inner();
        let expected: Vec<_> = answer.series[0]
            .buckets
            .iter()
            .map(|bucket| {
                let window = bucket.window.unwrap();
                let sum = bucket.sum_amount.clone();
                (window.start.unwrap(), window.end.unwrap(), sum, bucket.transaction_count)
            })
            .collect();
        let series = match &subject {
            Some(subject) => {
                format!(
                    "{}, $1, $2, $3, $4, $5, $6, $7)",
                    of_subject(subject, &["sum_series"; 2]).0
                )
            }
            // Everybody's has no direction.
            None => "{s}.sum_series_of_all($1, $2, $4, $5, $6, $7 + 0 * length($3))".to_owned(),
        };
        let text = format!(
            "SELECT bucket_start, bucket_end, sum_amount::text, transaction_count FROM {series}"
        );
        let rows = self.ask(&text, &[&start, &end, &side, &unit, &zone, &asset, &count]).await;
        let found: Vec<_> = rows
            .iter()
            .map(|row| (timestamp(row.get(0)), timestamp(row.get(1)), row.get(2), row.get(3)))
            .collect();
        assert_eq!(
            found, expected,
            "{subject:?} {start} {end} {side} {unit} {count} {zone} {asset}"
        );
    }

    /// A whole ranking.
    pub(super) async fn check_rank(&mut self) {
        const METRICS: [(&str, RankMetric); 5] = [
            ("sum", RankMetric::Sum),
            ("count", RankMetric::Count),
            ("avg", RankMetric::Avg),
            ("stddev_sample", RankMetric::StddevSample),
            ("stddev_population", RankMetric::StddevPopulation),
        ];
        let ((side, direction), asset, (start, end)) = (self.side(), self.asset(), self.window());
        let (metric, rank_metric) = METRICS[self.rng.random_range(0..METRICS.len())];
        let (order, rank_order) = match self.rng.random_bool(0.5) {
            true => ("top", RankOrder::Top),
            false => ("bottom", RankOrder::Bottom),
        };
        let include_idle = self.rng.random_bool(0.5);
        let network = [None, Some("bank"), Some("internal")][self.rng.random_range(0..3)];
        let request = RankRequest {
            population: network.map(|network| {
                Population::Accounts(AccountPopulation { network: network.to_owned() })
            }),
            window: window(start, end),
            direction,
            asset: asset.to_owned(),
            metric: rank_metric.into(),
            order: rank_order.into(),
            include_idle,
            ..RankRequest::default()
        };
        let answer: RankResponse = self.analytics.rank(request).await.unwrap().into_inner();
        let expected: Vec<_> = answer
            .rows
            .into_iter()
            .map(|row| {
                let (who, name) = match row.account {
                    Some(account) => (account.address, String::new()),
                    None => (row.user_uuid, row.username),
                };
                (row.rank, who, name, row.value, row.transaction_count)
            })
            .collect();
        let call = "$1, $2, $3, $4, $5, $6, $7";
        let text = match network {
            Some(network) => format!(
                "SELECT rank, address, '', coalesce(value::text, ''), transaction_count
                 FROM {{s}}.rank_accounts('{network}', {call})"
            ),
            None => format!(
                "SELECT rank, user_uuid::text, username, coalesce(value::text, ''),
                     transaction_count
                 FROM {{s}}.rank_users({call})"
            ),
        };
        let params: [&(dyn ToSql + Sync); 7] =
            [&start, &end, &side, &metric, &asset, &order, &include_idle];
        let rows = self.ask(&text, &params).await;
        let found: Vec<(i64, String, String, String, i64)> = rows
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)))
            .collect();
        assert_eq!(found, expected, "{network:?} {start} {end} {side} {metric} {asset} {order}");
    }
}

fn window(start: DateTime<Utc>, end: DateTime<Utc>) -> Option<Window> {
    Some(Window { start: Some(timestamp(start)), end: Some(timestamp(end)) })
}

fn key(account: &Account) -> AccountKey {
    AccountKey { network: account.network.to_owned(), address: account.address.clone() }
}

/// How calls of two functions for a subject begin, and a query for its accounts.
fn of_subject(subject: &Subject, names: &[&str; 2]) -> (String, String, String) {
    let call = |name: &str| match subject {
        Subject::User(user) => format!("{{s}}.{name}('{}'", user.user_uuid),
        Subject::Account(account) => {
            format!("{{s}}.{name}_of_account('{}', '{}'", account.network, account.address)
        }
    };
    let accounts = match subject {
        Subject::User(user) => format!(
            "SELECT w.account_id FROM {{s}}.user_wallets w WHERE w.user_id = {}",
            user.user_id
        ),
        Subject::Account(account) => account.account_id.to_string(),
    };
    (call(names[0]), call(names[1]), accounts)
}
