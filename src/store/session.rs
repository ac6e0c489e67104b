//! A pooled connection at work on one request.
//!
//! The hazards of the driver are handled here and nowhere else. A future that is
//! dropped (deadline, vanished client) leaves its statement running, and a cancel
//! request is aimed at the backend, not at the statement: it may hit whatever runs
//! there next. So a session that is dropped while busy leaves the pool for good: it
//! cancels until the statement has ended, and closes. The same holds for a session with
//! an open tx: it goes back to the pool only when the tx has ended in order.

use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use tokio_postgres::{CancelToken, Row, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::TaskTracker;

use crate::store::{
    StoreError, StoreErrorKind,
    statement::{Statement, statement},
};

/// Longest time that cancelling may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// Wait for the end of a cancelled statement before it is cancelled again; doubled each
/// time.
const CANCEL_PAUSE: Duration = Duration::from_millis(20);

/// Begins the tx of a snapshot. The catalog is not part of a snapshot: the lock, taken before
/// it, keeps days from being dropped or detached until all statements have read.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                              LOCK TABLE ONLY transactions, ONLY prices IN ACCESS SHARE MODE";

/// As [`BEGIN_SNAPSHOT`], of one whose statements are planned once a connection.
const BEGIN_PLANNED_ONCE: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                                  SET LOCAL plan_cache_mode = force_generic_plan; \
                                  LOCK TABLE ONLY transactions, ONLY prices IN ACCESS SHARE MODE";

/// From here on statements of the tx are planned each time, for the values at hand.
const PLAN_FOR_VALUES: &str = "SET LOCAL plan_cache_mode = force_custom_plan";

/// Stem that errors of beginning and ending a snapshot carry in the place of a
/// statement's.
const SNAPSHOT: &str = "snapshot";

/// Values that are bound to a statement.
pub type Params<'a> = [&'a (dyn ToSql + Sync)];

/// What the database answered and how long it took, without the wait for a
/// connection.
#[derive(Debug)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// How long the database took.
    pub took: Duration,
}

impl<T> Answer<T> {
    /// Turns the value into another one.
    pub fn map<U>(self, into: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: into(self.value), took: self.took }
    }
}

/// A pooled connection. Goes back to the pool when dropped idle; is cancelled and
/// closed when dropped busy: while a statement runs or a tx is open.
pub(crate) struct Session {
    object: Option<Object>,
    is_busy: bool,
    /// What a request to cancel travels by.
    connector: MakeRustlsConnect,
    tasks: TaskTracker,
}

impl Session {
    pub(crate) fn new(object: Object, connector: MakeRustlsConnect, tasks: TaskTracker) -> Self {
        Self { object: Some(object), is_busy: false, connector, tasks }
    }

    /// Runs a statement and reads all its rows; the session ends with it.
    pub(crate) async fn rows(
        mut self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Answer<Vec<Row>>, StoreError> {
        let begun_at = Instant::now();
        self.is_busy = true;
        let outcome = query(self.object(), statement, params).await;
        self.is_busy = false;
        match outcome {
            Ok(value) => Ok(Answer { value, took: begun_at.elapsed() }),
            Err(source) => Err(self.fail(statement.stem, source)),
        }
    }

    /// Opens a snapshot on the session: what is read through it is as of one moment.
    pub(crate) async fn snapshot(mut self) -> Result<Snapshot, StoreError> {
        let begun_at = Instant::now();
        // From here on a tx may be open: the session is busy until it has ended.
        self.is_busy = true;
        let outcome = self.object().batch_execute(BEGIN_SNAPSHOT).await;
        match outcome {
            Ok(()) => Ok(Snapshot { session: self, begun_at, is_planned_once: false }),
            Err(source) => Err(self.fail(SNAPSHOT, source)),
        }
    }

    /// A snapshot on the session that [`Snapshot::open`] opens.
    pub(super) fn unopened_snapshot(mut self) -> Snapshot {
        self.is_busy = true;
        Snapshot { session: self, begun_at: Instant::now(), is_planned_once: true }
    }

    /// Opens a tx that may write on the session.
    pub(super) async fn begin(mut self, stem: &'static str) -> Result<Self, StoreError> {
        // From here on a tx may be open: the session is busy until it has ended.
        self.is_busy = true;
        match self.object().batch_execute("BEGIN").await {
            Ok(()) => Ok(self),
            Err(source) => Err(self.fail(stem, source)),
        }
    }

    /// Ends the tx of the session with this text, and the session with it.
    pub(super) async fn end(mut self, stem: &'static str, text: &str) -> Result<(), StoreError> {
        match self.object().batch_execute(text).await {
            Ok(()) => {
                self.is_busy = false;
                Ok(())
            }
            Err(source) => Err(self.fail(stem, source)),
        }
    }

    /// Runs a statement in the tx of the session and reads all its rows.
    pub(super) async fn rows_in_tx(
        &self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        query(self.object(), statement, params)
            .await
            .map_err(|source| StoreError::from_postgres(statement.stem, source))
    }

    /// The connection itself.
    pub(super) fn client(&self) -> &tokio_postgres::Client {
        self.object()
    }

    fn object(&self) -> &Object {
        self.object.as_ref().expect("a session holds a connection until it was used")
    }

    /// The error of a failed statement; a broken connection leaves the pool.
    fn fail(&mut self, stem: &'static str, source: tokio_postgres::Error) -> StoreError {
        let error = StoreError::from_postgres(stem, source);
        if error.kind() == StoreErrorKind::Disconnected {
            self.give_up();
        }
        error
    }

    /// Takes a broken connection out of the pool, which does not see at once that it is
    /// broken and would hand it to the next request.
    fn give_up(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

async fn query(
    object: &Object,
    statement: Statement,
    params: &Params<'_>,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let _measure = statement.measure();
    let prepared = object.prepare_cached(statement.text).await?;
    object.query(&prepared, params).await
}

/// Several statements that read one and the same state of the database, in a tx that can
/// only read.
///
/// It is ended by [`Snapshot::end`]. Dropped before that, for whatever reason (an error,
/// a deadline, a client that went away), it takes its connection out of the pool: what
/// runs is cancelled, and the tx ends with the connection.
pub struct Snapshot {
    session: Session,
    begun_at: Instant,
    /// Whether statements keep their plan, whatever the values.
    is_planned_once: bool,
}

impl Snapshot {
    /// Opens a snapshot that is not open yet. What is asked behind this, without waiting for its
    /// end, is sent together with it.
    ///
    /// # Errors
    /// If the database cannot answer: what was read meanwhile is not of one moment.
    pub async fn open(&self) -> Result<(), StoreError> {
        let outcome = self.session.object().batch_execute(BEGIN_PLANNED_ONCE).await;
        outcome.map_err(|source| StoreError::from_postgres(SNAPSHOT, source))
    }

    /// Runs a statement and reads all its rows. Statements that are asked at the same
    /// time are sent together and answered in turn.
    ///
    /// # Errors
    /// What the database says. After an error the snapshot is of no more use.
    pub async fn rows(
        &self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        self.session.rows_in_tx(statement, params).await
    }

    /// As [`Snapshot::rows`], of a statement that reads daily partitions: it is planned for the
    /// values at hand, and opens their days alone.
    ///
    /// # Errors
    /// As for [`Snapshot::rows`].
    pub(super) async fn rows_of_days(
        &self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let plan = async {
            match self.is_planned_once {
                true => self.session.object().batch_execute(PLAN_FOR_VALUES).await,
                false => Ok(()),
            }
        };
        let (planned, rows) = tokio::join!(biased; plan, self.rows(statement, params));
        planned.map_err(|source| StoreError::from_postgres(statement.stem, source))?;
        rows
    }

    /// Runs a statement that is planned as sessions for running totals plan theirs: its
    /// corrections are found by the index whose order it asks for.
    ///
    /// # Errors
    /// As for [`Snapshot::rows`].
    pub(super) async fn rows_by_index(
        &self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let settings = statement!("plan_by_index");
        self.rows(settings, &[&true]).await?;
        let rows = self.rows(statement, params).await?;
        self.rows(settings, &[&false]).await?;
        Ok(rows)
    }

    /// How long the database took from the beginning of the snapshot until now.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.begun_at.elapsed()
    }

    /// Ends the tx and gives the connection back; says how long the database took from
    /// the beginning of the snapshot on.
    ///
    /// # Errors
    /// If the connection broke.
    pub async fn end(mut self) -> Result<Duration, StoreError> {
        // In a failed tx this is a ROLLBACK: either way it is over.
        match self.session.object().batch_execute("COMMIT").await {
            Ok(()) => {
                self.session.is_busy = false;
                Ok(self.begun_at.elapsed())
            }
            Err(source) => Err(self.session.fail(SNAPSHOT, source)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if !self.is_busy {
            return;
        }
        let (client, connector) = (Object::take(object), self.connector.clone());
        self.tasks.spawn(async move {
            cancel(client.cancel_token(), connector, client.check_connection()).await;
        });
    }
}

/// Cancels what runs on a connection until it has ended. One request is not enough: it
/// travels on a connection of its own, and where it comes before the statement it hits
/// nothing.
///
/// `ended` is a question that goes behind the statement on the same connection: answers come
/// in order, so its answer means that the statement has ended. It may be hit itself, which
/// means the same.
pub(super) async fn cancel<T>(
    token: CancelToken,
    connector: MakeRustlsConnect,
    ended: impl Future<Output = T>,
) {
    let cancelling = async {
        let mut ended = std::pin::pin!(ended);
        let mut pause = CANCEL_PAUSE;
        loop {
            token.cancel_query(connector.clone()).await?;
            if tokio::time::timeout(pause, &mut ended).await.is_ok() {
                return Ok::<_, tokio_postgres::Error>(());
            }
            pause *= 2;
        }
    };
    match tokio::time::timeout(CANCEL_TIMEOUT, cancelling).await {
        Ok(Ok(())) => tracing::debug!("cancelled the statement of an abandoned request"),
        Ok(Err(error)) => tracing::debug!(%error, "could not cancel a statement"),
        Err(_) => tracing::debug!("cancelling a statement took too long"),
    }
}
