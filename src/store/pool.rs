//! The pool of connections, and connections of one's own.

use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime};
use tokio_postgres::{Client, Config, NoTls, Row};
use tokio_util::task::TaskTracker;

use crate::{
    config::PoolSettings,
    store::{
        StoreError, StoreErrorKind,
        session::{Answer, Params, Session, Snapshot},
        statement::Statement,
    },
};

/// Stem that errors of connecting carry in the place of a statement's.
const CONNECT: &str = "connect";

/// Longest wait for the server to say whether a pooled connection is well.
const RECYCLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Which database, as which role, in which schema.
#[derive(Clone, Debug)]
pub struct DatabaseTarget {
    /// How to connect.
    pub config: Config,
    /// Schema that holds everything of Daybook's. A plain lower-case name.
    pub schema: String,
}

/// The database, by way of a bounded pool.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    config: Config,
    schema: String,
    connect_timeout: Duration,
    tasks: TaskTracker,
}

impl Database {
    /// A pool that connects when it is first asked for a connection.
    ///
    /// # Errors
    /// If the settings of the pool contradict each other.
    pub fn new(target: &DatabaseTarget, settings: &PoolSettings) -> Result<Self, StoreError> {
        let connect_timeout = Duration::from_millis(settings.connect_timeout_ms);
        let mut config = target.config.clone();
        config.application_name("daybook").connect_timeout(connect_timeout);
        config.options(session_options(&target.schema, settings.statement_timeout_ms));
        let manager = Manager::from_config(
            config.clone(),
            NoTls,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(settings.pool_size)
            .wait_timeout(Some(Duration::from_millis(settings.pool_wait_ms)))
            .create_timeout(Some(connect_timeout))
            .recycle_timeout(Some(RECYCLE_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|source| {
                StoreError::with_source(StoreErrorKind::Unexpected, CONNECT, source)
            })?;
        Ok(Self {
            pool,
            config,
            schema: target.schema.clone(),
            connect_timeout,
            tasks: TaskTracker::new(),
        })
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
        let mut config = self.config.clone();
        let options = session_options(&self.schema, 0);
        // A tx that keeps writers out of a load waits idle for as long as the load takes.
        config.options(format!("{options} -c idle_in_transaction_session_timeout=0"));
        let connecting = tokio::time::timeout(self.connect_timeout, config.connect(NoTls));
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

    /// Closes the pool and waits for what runs beside it: connections of one's own, and
    /// statements that are being cancelled. Says whether all of it ended in time.
    pub async fn close(&self, deadline: Duration) -> bool {
        self.pool.close();
        self.tasks.close();
        tokio::time::timeout(deadline, self.tasks.wait()).await.is_ok()
    }

    async fn session(&self) -> Result<Session, StoreError> {
        let object = self.pool.get().await.map_err(pool_error)?;
        Ok(Session::new(object, self.tasks.clone()))
    }
}

/// What every session is set to. Plans are made for the values at hand: a generic
/// plan would open and lock every partition, and it is chosen from the sixth run
/// of a prepared statement on.
fn session_options(schema: &str, statement_timeout_ms: u64) -> String {
    format!(
        "-c search_path={schema} -c timezone=UTC -c datestyle=ISO \
         -c plan_cache_mode=force_custom_plan -c statement_timeout={statement_timeout_ms} \
         -c jit=off -c idle_session_timeout=0"
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
        match self {
            Self::Pool(database) => database.read(statement, params).await,
            Self::Snapshot(snapshot) => {
                let begun_at = Instant::now();
                let value = snapshot.rows(statement, params).await?;
                Ok(Answer { value, took: begun_at.elapsed() })
            }
        }
    }
}
