//! A ledger whose every total is held against raw SQL, and whose stored cells can be changed.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use daybook::{
    domain::running_total::cell::Cell,
    grpc::pb::v1::{
        Direction, GetBalanceRequest, RankMetric, RankRequest, SumAmountRequest, SumSeriesRequest,
        Window, analytics_service_client::AnalyticsServiceClient, get_balance_request,
        ledger_service_client::LedgerServiceClient, sum_amount_request, sum_series_request,
    },
    upkeep::{
        audit::{Difference, audit},
        sealing::{SEALED_ROWS_MAX, seal_once},
    },
};
use prost_types::Timestamp;
use tokio_postgres::Client;
use tonic::transport::Channel;

use crate::support::{
    ledger::{TestUser, add_user, at, ensure_days},
    schema::one,
    service::TestService,
};

/// From when (inside) to when (outside).
pub(crate) type Span = (DateTime<Utc>, DateTime<Utc>);

/// All time, in the words of the API.
pub(crate) const ALL_TIME: (&str, &str) = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z");

/// Somebody who waits for another's tx fails a test rather than to hang it.
const FAIL_TO_WAIT: &str = "SET lock_timeout = '10s'";

/// Count and exact sum, as the API writes them.
type Moved = (i64, String);

/// A number as the API writes it: five decimals, more only where there are more.
const AS_TEXT: &str =
    "CASE WHEN scale(trim_scale(s)) < 5 THEN round(s, 5) ELSE trim_scale(s) END::text";

/// A served ledger, and users whose totals are asked for.
pub(crate) struct Totals {
    pub(crate) service: TestService,
    pub(crate) users: Vec<TestUser>,
    /// Windows that are asked about: all time, each day, and one that cuts days.
    pub(crate) windows: Vec<Span>,
    channel: Channel,
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap(),
    }
}

fn window((start, end): Span) -> Option<Window> {
    Some(Window { start: Some(timestamp(start)), end: Some(timestamp(end)) })
}

fn direction(side: usize) -> i32 {
    [Direction::Sender, Direction::Receiver][side].into()
}

impl Totals {
    /// One with partitions of these days.
    pub(crate) async fn new(days: &[&str]) -> Self {
        Self::over(TestService::start().await, days).await
    }

    /// One of a service that is there.
    pub(crate) async fn over(service: TestService, days: &[&str]) -> Self {
        ensure_days(&service.sql, days).await;
        let mut users = Vec::new();
        for name in ["ann", "bob", "cid"] {
            users.push(add_user(&service.sql, name).await);
        }
        Self::of(service, users, days).await
    }

    /// One whose days and users are there.
    pub(crate) async fn of(service: TestService, users: Vec<TestUser>, days: &[&str]) -> Self {
        let midnight = |day: &str| at(&format!("{day}T00:00:00Z"));
        let day = |text: &&str| (midnight(text), midnight(text) + chrono::Days::new(1));
        let mut windows = vec![(at(ALL_TIME.0), at(ALL_TIME.1))];
        windows.extend(days.iter().map(day));
        let hours = chrono::TimeDelta::hours(9);
        windows.push((midnight(days[0]) + hours, midnight(days[days.len() - 1]) + hours * 2));
        service.sql.batch_execute(FAIL_TO_WAIT).await.unwrap();
        let channel = service.channel().await;
        Self { service, users, windows, channel }
    }

    /// A client of `AnalyticsService`.
    pub(crate) fn analytics(&self) -> AnalyticsServiceClient<Channel> {
        AnalyticsServiceClient::new(self.channel.clone())
    }

    /// A client of `LedgerService`.
    pub(crate) fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel.clone())
    }

    /// SQL with {a}, {b} and {c} in the place of the users' payments accounts.
    pub(crate) fn put_into(&self, text: &str) -> String {
        ["{a}", "{b}", "{c}"].iter().zip(&self.users).fold(text.to_owned(), |text, (name, user)| {
            text.replace(name, &user.account_id.to_string())
        })
    }

    /// Runs SQL with the accounts put into it.
    pub(crate) async fn run(&self, text: &str) {
        self.run_on(&self.service.sql, text).await;
    }

    /// Runs it on a connection of the test's choice.
    pub(crate) async fn run_on(&self, sql: &Client, text: &str) {
        let text = self.put_into(text);
        sql.batch_execute(&text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    }

    /// One more connection in plain SQL.
    pub(crate) async fn more_sql(&self) -> Client {
        let target = &self.service.target;
        let sql = crate::support::service::sql(target.config.clone(), &target.schema).await;
        sql.batch_execute(FAIL_TO_WAIT).await.unwrap();
        sql
    }

    /// Corrections that are not sealed.
    pub(crate) async fn corrections(&self) -> i64 {
        one(&self.service.sql, "SELECT count(*) FROM corrections").await
    }

    /// Seals everything; returns how many corrections that were.
    pub(crate) async fn seal(&self) -> u64 {
        seal_once(&self.service.database, SEALED_ROWS_MAX).await.unwrap()
    }

    /// Everything that does not agree with the rows.
    pub(crate) async fn audit(&self) -> Vec<Difference> {
        audit(&self.service.database, 2, |_, _| ()).await.unwrap()
    }

    /// Every answer must be what the rows say, before and after sealing, and nothing that is
    /// stored may differ from them.
    pub(crate) async fn check_sealing(&self, what: &str) {
        self.check(what).await;
        self.seal().await;
        assert_eq!(self.corrections().await, 0, "{what}");
        self.check(&format!("{what}, sealed")).await;
        assert_eq!(self.audit().await, [], "{what}");
    }

    /// Every answer must be what the rows say now.
    pub(crate) async fn check(&self, what: &str) {
        let windows = self.windows.clone();
        let expected = self.raw(&windows).await;
        for (place, span) in windows.iter().enumerate() {
            for side in 0..2 {
                let of = |user: usize| expected[&(place, user, side)].clone();
                self.check_sums(what, *span, side, &of).await;
                self.check_rank(what, *span, side, &of).await;
            }
            let of = |user: usize, side: usize| expected[&(place, user, side)].clone();
            if place == 0 {
                self.check_balances(what, of).await;
            }
        }
        self.check_series(what).await;
    }

    /// What the rows say, by window, user and side, in one statement.
    async fn raw(&self, windows: &[Span]) -> HashMap<(usize, usize, usize), Moved> {
        let text = format!(
            "SELECT w.place, u.place, d.side, r.n, {AS_TEXT}
             FROM unnest($1::timestamptz[], $2::timestamptz[]) WITH ORDINALITY
                 AS w (start_at, end_at, place)
             CROSS JOIN unnest($3::bigint[]) WITH ORDINALITY AS u (account_id, place)
             CROSS JOIN (VALUES (0), (1)) AS d (side)
             CROSS JOIN LATERAL (
                 SELECT count(*) AS n, coalesce(sum(t.amount), 0) AS s FROM transactions t
                 WHERE CASE d.side WHEN 0 THEN t.sender_id ELSE t.receiver_id END = u.account_id
                   AND t.asset_id = 1
                   AND t.occurred_at >= w.start_at AND t.occurred_at < w.end_at) r"
        );
        let (starts, ends): (Vec<_>, Vec<_>) = windows.iter().copied().unzip();
        let accounts: Vec<_> = self.users.iter().map(|user| user.account_id).collect();
        let rows = self.service.sql.query(&text, &[&starts, &ends, &accounts]).await.unwrap();
        let place = |at: i64| usize::try_from(at - 1).unwrap();
        rows.iter()
            .map(|row| {
                let side = usize::try_from(row.get::<_, i32>(2)).unwrap();
                ((place(row.get(0)), place(row.get(1)), side), (row.get(3), row.get(4)))
            })
            .collect()
    }

    async fn check_sums(
        &self,
        what: &str,
        span: Span,
        side: usize,
        expected: &impl Fn(usize) -> Moved,
    ) {
        let mut client = self.analytics();
        for (place, user) in self.users.iter().enumerate() {
            let request = SumAmountRequest {
                subject: Some(sum_amount_request::Subject::UserUuid(user.user_uuid.to_string())),
                window: window(span),
                direction: direction(side),
                ..SumAmountRequest::default()
            };
            let answer = client.sum_amount(request).await.unwrap().into_inner();
            let found = (answer.transaction_count, answer.sum_amount);
            assert_eq!(found, expected(place), "{what}: SumAmount of {place}, {side}, {span:?}");
        }
    }

    async fn check_rank(
        &self,
        what: &str,
        span: Span,
        side: usize,
        expected: &impl Fn(usize) -> Moved,
    ) {
        let request = RankRequest {
            window: window(span),
            direction: direction(side),
            metric: RankMetric::Sum.into(),
            include_idle: true,
            ..RankRequest::default()
        };
        let answer = self.analytics().rank(request).await.unwrap().into_inner();
        let mut found: HashMap<_, _> = answer
            .rows
            .into_iter()
            .map(|row| (row.user_uuid, (row.transaction_count, row.value)))
            .collect();
        for (place, user) in self.users.iter().enumerate() {
            let found = found.remove(&user.user_uuid.to_string());
            assert_eq!(found, Some(expected(place)), "{what}: Rank of {place}, {side}, {span:?}");
        }
    }

    async fn check_balances(&self, what: &str, expected: impl Fn(usize, usize) -> Moved) {
        let mut client = self.ledger();
        for (place, user) in self.users.iter().enumerate() {
            let subject = get_balance_request::Subject::UserUuid(user.user_uuid.to_string());
            let request =
                GetBalanceRequest { subject: Some(subject), ..GetBalanceRequest::default() };
            let answer = client.get_balance(request).await.unwrap().into_inner();
            let sent = (answer.sent_count, answer.sent_amount);
            assert_eq!(sent, expected(place, 0), "{what}: GetBalance of {place}, sent");
            let received = (answer.received_count, answer.received_amount);
            assert_eq!(received, expected(place, 1), "{what}: GetBalance of {place}, received");
        }
    }

    /// The first two users' series by day, and everybody's.
    async fn check_series(&self, what: &str) {
        let spans = &self.windows[1..];
        let start = spans.iter().map(|span| span.0).min().unwrap();
        let end = spans.iter().map(|span| span.1).max().unwrap();
        // As many buckets as an answer may have cost more than all the rest.
        let start = start.max(end - chrono::TimeDelta::days(700));
        let subjects = [Some(&self.users[0]), Some(&self.users[1]), None];
        for (subject, side) in [(0, 0), (0, 1), (1, 0), (2, 0)] {
            let user = subjects[subject];
            let request = SumSeriesRequest {
                subject: Some(match user {
                    Some(user) => sum_series_request::Subject::UserUuid(user.user_uuid.to_string()),
                    None => sum_series_request::Subject::All(Default::default()),
                }),
                window: window((start, end)),
                bucket_unit: daybook::grpc::pb::v1::BucketUnit::Day.into(),
                direction: direction(side),
                ..SumSeriesRequest::default()
            };
            let answer = self.analytics().sum_series(request).await.unwrap();
            let found: BTreeMap<i64, Moved> = answer.into_inner().series[0]
                .buckets
                .iter()
                .filter(|bucket| bucket.transaction_count > 0)
                .map(|bucket| {
                    let start = bucket.window.unwrap().start.unwrap();
                    let moved = (bucket.transaction_count, bucket.sum_amount.clone());
                    (start.seconds.div_euclid(86_400), moved)
                })
                .collect();
            let who = user.map(|user| user.account_id);
            let expected = self.raw_series(who, side, (start, end)).await;
            assert_eq!(found, expected, "{what}: SumSeries of {subject}, {side}");
        }
    }

    async fn raw_series(
        &self,
        account_id: Option<i64>,
        side: usize,
        (start, end): Span,
    ) -> BTreeMap<i64, Moved> {
        let column = ["sender_id", "receiver_id"][side];
        let text = format!(
            "SELECT day, n, {AS_TEXT} FROM (
                 SELECT (occurred_at AT TIME ZONE 'UTC')::date - date '1970-01-01' AS day,
                     count(*) AS n, sum(amount) AS s
                 FROM transactions
                 WHERE asset_id = 1 AND occurred_at >= $1 AND occurred_at < $2
                   AND ($3::bigint IS NULL OR {column} = $3)
                 GROUP BY 1) d"
        );
        let rows = self.service.sql.query(&text, &[&start, &end, &account_id]).await.unwrap();
        let row =
            |row: &tokio_postgres::Row| (i64::from(row.get::<_, i32>(0)), (row.get(1), row.get(2)));
        rows.iter().map(row).collect()
    }

    /// What is stored, and where: two equal texts mean that no cell was written in between.
    pub(crate) async fn stored(&self) -> String {
        let text = "SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
            SELECT format('t %s %s %s', ctid, xmin, md5(cell)) AS line FROM running_totals
            UNION ALL
            SELECT format('d %s %s %s', ctid, xmin, md5(cell)) FROM day_totals) AS lines";
        one(&self.service.sql, text).await
    }

    /// Changes one stored cell, found by a condition on a table.
    pub(crate) async fn change_cell(
        &self,
        table: &str,
        condition: &str,
        change: impl Fn(&mut Cell),
    ) {
        let condition = self.put_into(condition);
        let text = format!("SELECT cell, ctid::text FROM {table} WHERE {condition} LIMIT 1");
        let row = self.service.sql.query_one(&text, &[]).await;
        let row = row.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let mut cell = Cell::decode(row.get(0)).unwrap();
        change(&mut cell);
        let text = format!("UPDATE {table} SET cell = $1 WHERE ctid = $2::text::tid");
        let ctid: String = row.get(1);
        let changed = self.service.sql.execute(&text, &[&cell.encode(), &ctid]).await.unwrap();
        assert_eq!(changed, 1);
    }
}
