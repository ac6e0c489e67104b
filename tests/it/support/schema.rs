//! A schema of Daybook's for one test, without a server in front of it.

use std::path::Path;

use chrono::{Days, NaiveDate};
use daybook::{
    cluster::ClusterRole,
    config::ServeSettings,
    store::{Connection, Database, DatabaseTarget, partitions},
    upkeep::migrate,
};
use tokio_postgres::{Client, types::FromSqlOwned};

use crate::support::{
    cluster::shared,
    service::{new_target, prepare, settings, sql},
};

/// A schema of Daybook's for one test.
pub(crate) struct TestSchema {
    /// Which database.
    pub(crate) target: DatabaseTarget,
    /// What it was made fit with.
    pub(crate) settings: ServeSettings,
    /// It, as Daybook connects to it.
    pub(crate) database: Database,
    /// It, as the owner, in plain SQL.
    pub(crate) sql: Client,
}

impl TestSchema {
    /// One on the shared server, fit to serve.
    pub(crate) async fn prepared() -> Self {
        Self::prepared_on(new_target(), settings()).await
    }

    /// One on a server of the test's choice, fit to serve.
    pub(crate) async fn prepared_on(target: DatabaseTarget, settings: ServeSettings) -> Self {
        let schema = Self::unprepared(target, settings).await;
        prepare(&schema.database, &schema.settings).await;
        schema
    }

    /// One on the shared server with the migrations, not yet adopted by pg_partman.
    pub(crate) async fn migrated() -> Self {
        let schema = Self::unprepared(new_target(), settings()).await;
        migrate::migrate(&schema.database).await.unwrap();
        schema
    }

    /// One that need not be there.
    pub(crate) async fn unprepared(target: DatabaseTarget, settings: ServeSettings) -> Self {
        let database = Database::new(&target, &settings.pool).unwrap();
        let sql = sql(target.config.clone(), &target.schema).await;
        Self { target, settings, database, sql }
    }

    /// A connection of one's own, as Daybook's upkeep has it.
    pub(crate) async fn connect(&self) -> Connection {
        self.database.connect().await.unwrap()
    }

    /// A connection to the same schema of the shared server, as another role.
    pub(crate) async fn sql_as(&self, role: ClusterRole) -> Client {
        sql(shared().connection(role), &self.target.schema).await
    }

    /// One more connection, as the owner, in plain SQL.
    pub(crate) async fn more_sql(&self) -> Client {
        sql(self.target.config.clone(), &self.target.schema).await
    }

    /// Days that have a partition. Every bound must be midnight UTC, in the words of the
    /// catalog.
    pub(crate) async fn days(&self) -> Vec<NaiveDate> {
        let bounds = "SELECT pg_get_expr(c.relpartbound, c.oid)
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'transactions'::regclass";
        let mut days = Vec::new();
        for row in self.sql.query(bounds, &[]).await.unwrap() {
            // None for one that is dropped while this reads.
            let Some(bound) = row.get::<_, Option<String>>(0) else { continue };
            let text = bound.split('\'').nth(1).unwrap_or_else(|| panic!("no bound: {bound}"));
            let day: NaiveDate = text[..10].parse().unwrap();
            let next = day + Days::new(1);
            let expected =
                format!("FOR VALUES FROM ('{day} 00:00:00+00') TO ('{next} 00:00:00+00')");
            assert_eq!(bound, expected);
            days.push(day);
        }
        days.sort_unstable();
        days
    }

    /// Today by the server's clock, in UTC.
    pub(crate) async fn today(&self) -> NaiveDate {
        one(&self.sql, "SELECT (now() AT TIME ZONE 'UTC')::date").await
    }

    /// Today and the days ahead.
    pub(crate) async fn ahead(&self) -> Vec<NaiveDate> {
        let today = self.today().await;
        let count = u64::from(self.settings.partitions.partition_days_ahead);
        (0..=count).map(|day| today + Days::new(day)).collect()
    }

    /// Drops the partition of a day, as somebody with the owner's rights may.
    pub(crate) async fn drop_day(&self, day: NaiveDate) {
        let leaf = self.leaf(day).await;
        self.sql.batch_execute(&format!("DROP TABLE {leaf}")).await.unwrap();
    }

    /// Quoted name of the partition of a day.
    pub(crate) async fn leaf(&self, day: NaiveDate) -> String {
        let text = format!(
            "SELECT leaf::text FROM partition_bounds('transactions') \
             WHERE lower_at = '{day} 00:00Z'"
        );
        one(&self.sql, &text).await
    }

    /// Makes the partitions of these days, however far back.
    pub(crate) async fn ensure(&self, days: &[NaiveDate]) -> i32 {
        partitions::ensure(&self.connect().await, days, 36_500, 100_000).await.unwrap()
    }
}

/// The one value that a statement without parameters answers with.
pub(crate) async fn one<T: FromSqlOwned>(sql: &Client, text: &str) -> T {
    let row = sql.query_one(text, &[]).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    row.get(0)
}

/// The SQLSTATE with which the server refuses these statements.
pub(crate) async fn refusal(sql: &Client, text: &str) -> String {
    let error = sql.batch_execute(text).await.expect_err(text);
    state(&error)
}

/// The SQLSTATE of an error.
pub(crate) fn state(error: &tokio_postgres::Error) -> String {
    error.code().unwrap_or_else(|| panic!("not of the server: {error:?}")).code().to_owned()
}

/// A day, from its text.
pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The text of a statement under `sql/queries/`.
pub(crate) fn statement_text(stem: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("sql/queries/{stem}.sql"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
