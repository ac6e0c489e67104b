//! A pooled connection at work on one request.
//!
//! The hazards of the driver are handled here and nowhere else. A future that is
//! dropped (deadline, vanished client) leaves its statement running, and a cancel
//! request is aimed at the backend, not at the statement: it may hit whatever runs
//! there next. So a session that is dropped while busy leaves the pool for good: it
//! cancels until the statement has ended, and closes.

use std::time::{Duration, Instant};

use deadpool_postgres::{ClientWrapper, Object};
use tokio_postgres::{NoTls, Row, types::ToSql};
use tokio_util::task::TaskTracker;

use crate::store::{StoreError, StoreErrorKind, statement::Statement};

/// Longest time that cancelling may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// Wait for the end of a cancelled statement before it is cancelled again; doubled each
/// time.
const CANCEL_PAUSE: Duration = Duration::from_millis(20);

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
/// closed when dropped busy.
pub(crate) struct Session {
    object: Option<Object>,
    is_busy: bool,
    tasks: TaskTracker,
}

impl Session {
    pub(crate) fn new(object: Object, tasks: TaskTracker) -> Self {
        Self { object: Some(object), is_busy: false, tasks }
    }

    /// Runs a statement and reads all its rows; the session ends with it.
    pub(crate) async fn rows(
        mut self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Answer<Vec<Row>>, StoreError> {
        let object = self.object.as_ref().expect("a session holds a connection until it was used");
        let begun_at = Instant::now();
        self.is_busy = true;
        let outcome = async {
            let prepared = object.prepare_cached(statement.text).await?;
            object.query(&prepared, params).await
        }
        .await;
        self.is_busy = false;
        let value = match outcome {
            Ok(rows) => rows,
            Err(source) => {
                let error = StoreError::from_postgres(statement.stem, source);
                if error.kind() == StoreErrorKind::Disconnected {
                    self.give_up();
                }
                return Err(error);
            }
        };
        Ok(Answer { value, took: begun_at.elapsed() })
    }

    /// Takes a broken connection out of the pool, which does not see at once that it is
    /// broken and would hand it to the next request.
    fn give_up(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if !self.is_busy {
            return;
        }
        let client = Object::take(object);
        self.tasks.spawn(async move {
            match tokio::time::timeout(CANCEL_TIMEOUT, cancel(&client)).await {
                Ok(Ok(())) => tracing::debug!("cancelled the statement of an abandoned request"),
                Ok(Err(error)) => tracing::debug!(%error, "could not cancel a statement"),
                Err(_) => tracing::debug!("cancelling a statement took too long"),
            }
            drop(client);
        });
    }
}

/// Cancels what runs on a connection until it has ended. One request is not enough: it
/// travels on a connection of its own, and where it comes before the statement it hits
/// nothing.
async fn cancel(client: &ClientWrapper) -> Result<(), tokio_postgres::Error> {
    let token = client.cancel_token();
    // Answers come in order: this one means that the statement has ended. It may be hit
    // itself, which means the same.
    let mut ended = std::pin::pin!(client.check_connection());
    let mut pause = CANCEL_PAUSE;
    loop {
        token.cancel_query(NoTls).await?;
        if tokio::time::timeout(pause, &mut ended).await.is_ok() {
            return Ok(());
        }
        pause *= 2;
    }
}
