//! The pool of connections, and connections of one's own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool::managed;
use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime};
use tokio_postgres::{Client, Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::TaskTracker;

use crate::{
    config::PoolSettings,
    store::{
        StoreError, StoreErrorKind,
        lane::{LaneManager, LanePool, LaneSession},
        postgres_tls::PostgresTls,
        session::{Answer, Params, Session, Snapshot},
        statement::Statement,
        tx::PooledTx,
    },
    telemetry::metrics::{PoolGauges, PoolMeter},
};

/// Stem that errors of connecting carry in the place of a statement's.
const CONNECT: &str = "connect";

/// Names of the pools, as they are counted.
const ROWS: &str = "rows";
const TOTALS: &str = "totals";
const INGEST: &str = "ingest";

/// Longest wait for the server to say whether a pooled connection is well.
const RECYCLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Which database, as which role, in which schema.
#[derive(Clone, Debug)]
pub struct DatabaseTarget {
    /// How to connect.
    pub config: Config,
    /// Schema that holds everything of Daybook's. A plain lower-case name.
    pub schema: String,
    /// Whether connections are encrypted.
    pub tls: PostgresTls,
}

impl DatabaseTarget {
    /// One whose connections are not encrypted: on a Unix socket, or on loopback.
    #[must_use]
    pub fn plain(config: Config, schema: String) -> Self {
        Self { config, schema, tls: PostgresTls::none() }
    }
}

/// The database, by way of three bounded pools: statements that scan rows, those that look up
/// running totals and those that record transactions cannot keep each other waiting.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    totals_pool: LanePool,
    ingest_pool: Pool,
    meter: PoolMeter,
    totals_meter: PoolMeter,
    config: Arc<Config>,
    schema: Arc<str>,
    connector: MakeRustlsConnect,
    connect_timeout: Duration,
    tasks: TaskTracker,
}

impl Database {
    /// A pool that connects when it is first asked for a connection.
    ///
    /// # Errors
    /// If the settings of the pool contradict each other.
    pub fn new(target: &DatabaseTarget, settings: &PoolSettings) -> Result<Self, StoreError> {
        StoreErrorKind::count_from_zero();
        let connect_timeout = Duration::from_millis(settings.connect_timeout_ms);
        let mut config = target.config.clone();
        config.application_name("daybook").connect_timeout(connect_timeout);
        config.ssl_mode(target.tls.mode());
        let connector = target.tls.connector();
        let options = session_options(&target.schema, settings.statement_timeout_ms);
        config.options(format!("{options} {PLANNED_FOR_VALUES}"));
        let manager = || {
            let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            Manager::from_config(config.clone(), connector.clone(), recycling)
        };
        let pool = build(Pool::builder(manager()), settings, settings.pool_size)?;
        let ingest_pool = build(Pool::builder(manager()), settings, settings.ingest_pool_size)?;
        let mut totals_config = config.clone();
        totals_config.options(format!("{options} {PLANNED_ONCE}"));
        let lanes = LanePool::builder(LaneManager::new(totals_config, connector.clone()));
        let totals_pool = build(lanes, settings, settings.totals_pool_size)?;
        Ok(Self {
            pool,
            totals_pool,
            ingest_pool,
            meter: PoolMeter::new(ROWS),
            totals_meter: PoolMeter::new(TOTALS),
            config: Arc::new(config),
            schema: Arc::from(target.schema.as_str()),
            connector,
            connect_timeout,
            tasks: TaskTracker::new(),
        })
    }

    /// The same database, whose connections outside the pool tell the server this
    /// application name, so that they can be told from others.
    #[must_use]
    pub fn renamed(&self, application_name: &str) -> Self {
        let mut renamed = self.clone();
        Arc::make_mut(&mut renamed.config).application_name(application_name);
        renamed
    }

    /// The same database for whoever records transactions: its sessions come from a pool of
    /// their own.
    #[must_use]
    pub fn for_ingest(&self) -> Self {
        Self { pool: self.ingest_pool.clone(), meter: PoolMeter::new(INGEST), ..self.clone() }
    }

    /// Schema that holds everything of Daybook's.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// A connection of one's own, outside the pool, for work that takes long.
    /// Statements on it have no time limit.
    ///
    /// # Errors
    /// If the database does not accept the connection in time.
    pub async fn connect(&self) -> Result<Client, StoreError> {
        let mut config = Config::clone(&self.config);
        let options = session_options(&self.schema, 0);
        // A tx that keeps writers out of a load waits idle for as long as the load takes.
        config.options(format!(
            "{options} {PLANNED_FOR_VALUES} -c idle_in_transaction_session_timeout=0"
        ));
        let connecting = Box::pin(config.connect(self.connector.clone()));
        let connecting = tokio::time::timeout(self.connect_timeout, connecting);
        let (client, connection) = connecting
            .await
            .map_err(|_| StoreError::new(StoreErrorKind::Disconnected, CONNECT))?
            .map_err(connect_error)?;
        self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the database broke");
            }
        });
        Ok(client)
    }

    /// Runs a statement that only reads, on a pooled connection.
    ///
    /// Tried once more if the connection turns out to be dead: a pool keeps
    /// connections that a restart of the database has cut.
    pub(crate) async fn read(
        &self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Answer<Vec<Row>>, StoreError> {
        let first = self.session().await?.rows(statement, params).await;
        match first {
            Err(error) if error.kind() == StoreErrorKind::Disconnected => {
                self.session().await?.rows(statement, params).await
            }
            other => other,
        }
    }

    /// Runs a statement that reads running totals, as [`Self::read`] does but on a
    /// connection that plans it once: it must not name a partitioned table.
    pub(crate) async fn read_totals(
        &self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Answer<Vec<Row>>, StoreError> {
        let first = self.totals_session().await?.rows(statement, params).await;
        match first {
            Err(error) if error.kind() == StoreErrorKind::Disconnected => {
                // What cut this one has most likely cut the others that lie idle.
                self.totals_pool.retain(|_, _| false);
                self.totals_session().await?.rows(statement, params).await
            }
            other => other,
        }
    }

    /// Connections for statements, except those that read running totals.
    pub(crate) fn pool_size(&self) -> usize {
        self.pool.status().max_size
    }

    /// Connections for statements that read running totals.
    pub(crate) fn totals_pool_size(&self) -> usize {
        self.totals_pool.status().max_size
    }

    /// How it stands with each pool.
    #[must_use]
    pub fn pools(&self) -> [PoolGauges; 3] {
        [
            gauges(ROWS, self.pool.status()),
            gauges(TOTALS, self.totals_pool.status()),
            gauges(INGEST, self.ingest_pool.status()),
        ]
    }

    /// Runs a task that [`Self::close`] waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Opens a snapshot on a pooled connection, for several statements that must see one
    /// state of the database. It must be ended by [`Snapshot::end`].
    ///
    /// Tried once more if the connection turns out to be dead, as for
    /// statements that stand alone; what is read through it is not.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        match self.session().await?.snapshot().await {
            Err(error) if error.kind() == StoreErrorKind::Disconnected => {
                self.session().await?.snapshot().await
            }
            other => other,
        }
    }

    /// A snapshot that [`Snapshot::open`] opens, together with what is asked first and not before
    /// it. Statements are planned once a connection: what reads daily partitions says so by itself.
    /// A dead connection is not noticed here.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn unopened_snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(self.session().await?.unopened_snapshot())
    }

    /// Closes the pool and waits for what runs beside it: connections of one's own, and
    /// statements that are being cancelled. Says whether all of it ended in time.
    pub async fn close(&self, deadline: Duration) -> bool {
        self.pool.close();
        self.totals_pool.close();
        self.ingest_pool.close();
        self.tasks.close();
        tokio::time::timeout(deadline, self.tasks.wait()).await.is_ok()
    }

    pub(super) async fn session(&self) -> Result<Session, StoreError> {
        let begun_at = Instant::now();
        let outcome = self.pool.get().await.map_err(pool_error);
        let object = waited(outcome, begun_at, &self.meter)?;
        Ok(Session::new(object, self.connector.clone(), self.tasks.clone()))
    }

    async fn totals_session(&self) -> Result<LaneSession, StoreError> {
        let begun_at = Instant::now();
        let outcome = self.totals_pool.get().await.map_err(pool_error);
        let object = waited(outcome, begun_at, &self.totals_meter)?;
        Ok(LaneSession::new(object, self.tasks.clone()))
    }
}

/// What came of waiting for a connection since then.
fn waited<T>(
    outcome: Result<T, StoreError>,
    begun_at: Instant,
    meter: &PoolMeter,
) -> Result<T, StoreError> {
    meter.waited(begun_at.elapsed());
    if matches!(&outcome, Err(error) if error.kind() == StoreErrorKind::PoolTimeout) {
        meter.gave_up();
    }
    outcome
}

fn gauges(pool: &'static str, status: managed::Status) -> PoolGauges {
    let managed::Status { max_size, size, available, waiting, .. } = status;
    PoolGauges { pool, max: max_size, open: size, idle: available, waiting }
}

fn build<M: managed::Manager, W: From<managed::Object<M>>>(
    builder: managed::PoolBuilder<M, W>,
    settings: &PoolSettings,
    size: usize,
) -> Result<managed::Pool<M, W>, StoreError> {
    builder
        .max_size(size)
        .wait_timeout(Some(Duration::from_millis(settings.pool_wait_ms)))
        .create_timeout(Some(Duration::from_millis(settings.connect_timeout_ms)))
        .recycle_timeout(Some(RECYCLE_TIMEOUT))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|source| StoreError::with_source(StoreErrorKind::Unexpected, CONNECT, source))
}

/// Plans are made for the values at hand: a generic plan would open and lock every
/// partition, and it is chosen from the sixth run of a prepared statement on.
const PLANNED_FOR_VALUES: &str = "-c plan_cache_mode=force_custom_plan";

/// Plans are made once and go by indexes alone, however small or new to the planner a
/// table is: planning would cost more than the answer, and a plan that was made while there
/// were no corrections must not read all of them later. Statements ask for corrections in
/// the order of the index that is to be used; without sorts no other one has this order,
/// however cheap it looks while the table is empty.
const PLANNED_ONCE: &str = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off \
                            -c enable_bitmapscan=off -c enable_hashjoin=off \
                            -c enable_mergejoin=off -c enable_sort=off";

/// What every session is set to.
fn session_options(schema: &str, statement_timeout_ms: u64) -> String {
    format!(
        "-c search_path={schema} -c timezone=UTC -c datestyle=ISO \
         -c statement_timeout={statement_timeout_ms} -c jit=off -c idle_session_timeout=0"
    )
}

fn pool_error(error: PoolError) -> StoreError {
    match error {
        PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => {
            StoreError::new(StoreErrorKind::PoolTimeout, CONNECT)
        }
        PoolError::Backend(source) => connect_error(source),
        other @ (PoolError::Timeout(_)
        | PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(_)) => {
            StoreError::with_source(StoreErrorKind::Disconnected, CONNECT, other)
        }
    }
}

/// A server that is away says so in many ways: refused, no such socket, starting
/// up. Only what needs a person (password, missing database) is kept apart.
fn connect_error(source: tokio_postgres::Error) -> StoreError {
    let error = StoreError::from_postgres(CONNECT, source);
    if error.kind() == StoreErrorKind::Unexpected && error.server_message().is_none() {
        return StoreError::with_source(StoreErrorKind::Disconnected, CONNECT, error);
    }
    error
}

/// Where a function of the store reads: on its own, or together with others.
#[derive(Clone, Copy)]
pub enum Reader<'a> {
    /// One statement on a pooled connection.
    Pool(&'a Database),
    /// In a snapshot that others read in too.
    Snapshot(&'a Snapshot),
    /// In a tx that writes: what it has written is seen.
    Tx(&'a PooledTx),
    /// On a connection of one's own, in whatever tx is open there.
    Connection(&'a Client),
}

impl Reader<'_> {
    /// Runs a statement that only reads.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn read(
        self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Answer<Vec<Row>>, StoreError> {
        let begun_at = Instant::now();
        let value = match self {
            Self::Pool(database) => return database.read(statement, params).await,
            Self::Snapshot(snapshot) => snapshot.rows(statement, params).await?,
            Self::Tx(tx) => tx.rows(statement, params).await?,
            Self::Connection(client) => statement.query(client, params).await?,
        };
        Ok(Answer { value, took: begun_at.elapsed() })
    }

    /// Runs a statement that reads running totals and no partitioned table.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn read_totals(
        self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Answer<Vec<Row>>, StoreError> {
        let begun_at = Instant::now();
        match self {
            Self::Pool(database) => database.read_totals(statement, params).await,
            Self::Snapshot(snapshot) => {
                let value = snapshot.rows_by_index(statement, params).await?;
                Ok(Answer { value, took: begun_at.elapsed() })
            }
            Self::Tx(_) | Self::Connection(_) => self.read(statement, params).await,
        }
    }
}
