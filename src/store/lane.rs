//! Connections that are driven by whoever asks, and a session on one of them.
//!
//! The driver splits a connection in two: a client that takes questions, and a half that
//! talks to the socket and is usually given to a task of its own. Then a question wakes that
//! task, the server's answer wakes it again, and it wakes the asker: on a machine that is
//! not busy these switches cost more than the answer. A lane polls both halves from the
//! asker's task, so an answer is one wake-up away. Nobody drives a lane that lies idle: that
//! it broke meanwhile is noticed when it is next taken.
//!
//! For single statements only: there is no tx on a lane. What `session` says of the driver's
//! hazards holds here too.

use std::{
    collections::HashMap,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleError, RecycleResult};
use tokio_postgres::{Client, Config, Connection, Row, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::TaskTracker;

use crate::store::{
    StoreError, StoreErrorKind, postgres_tls,
    session::{Answer, Params, cancel},
    statement::Statement,
};

/// Lanes by the same rules as other pooled connections.
pub(super) type LanePool = Pool<LaneManager>;

/// Opens lanes.
pub(super) struct LaneManager {
    config: Config,
    connector: MakeRustlsConnect,
}

impl LaneManager {
    pub(super) fn new(config: Config, connector: MakeRustlsConnect) -> Self {
        Self { config, connector }
    }
}

impl Manager for LaneManager {
    type Type = Lane;
    type Error = tokio_postgres::Error;

    async fn create(&self) -> Result<Lane, tokio_postgres::Error> {
        let (client, connection) = Box::pin(self.config.connect(self.connector.clone())).await?;
        let (connector, prepared) = (self.connector.clone(), HashMap::new());
        Ok(Lane { client, wire: Wire(Some(connection)), connector, prepared })
    }

    async fn recycle(
        &self,
        lane: &mut Lane,
        _metrics: &Metrics,
    ) -> RecycleResult<tokio_postgres::Error> {
        if lane.wire.is_open() {
            return Ok(());
        }
        Err(RecycleError::message("the connection broke"))
    }
}

/// A connection with both of its halves.
pub(super) struct Lane {
    client: Client,
    wire: Wire,
    /// What a request to cancel travels by.
    connector: MakeRustlsConnect,
    /// Statements that the server knows already, by stem.
    prepared: HashMap<&'static str, tokio_postgres::Statement>,
}

impl Lane {
    async fn query(
        &mut self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let _measure = statement.measure();
        if !self.prepared.contains_key(statement.stem) {
            let prepared = self.wire.drive(self.client.prepare(statement.text)).await?;
            self.prepared.insert(statement.stem, prepared);
        }
        let prepared = &self.prepared[statement.stem];
        self.wire.drive(self.client.query(prepared, params)).await
    }

    /// Cancels what runs.
    async fn cancel(&mut self) {
        let token = self.client.cancel_token();
        let connector = self.connector.clone();
        cancel(token, connector, self.wire.drive(self.client.check_connection())).await;
    }
}

/// The half that talks to the socket; `None` once it has ended.
struct Wire(Option<Connection<Socket, postgres_tls::Stream>>);

impl Wire {
    /// Carries out what the client half asks, from the caller's task.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(|context| {
            // The first poll hands the question over, the second takes the answer along.
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            self.poll(context);
            work.as_mut().poll(context)
        })
        .await
    }

    /// Sends and receives what there is. A connection that ended is dropped, which tells
    /// the client half.
    fn poll(&mut self, context: &mut Context<'_>) {
        while let Some(connection) = &mut self.0 {
            match connection.poll_message(context) {
                Poll::Pending => return,
                // A notice, or a setting that changed: the driver logs them.
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "a connection to the database broke");
                    self.0 = None;
                }
                Poll::Ready(None) => self.0 = None,
            }
        }
    }

    /// Looks once, without waiting, whether the server is still there.
    fn is_open(&mut self) -> bool {
        self.poll(&mut Context::from_waker(Waker::noop()));
        self.0.is_some()
    }
}

/// A pooled lane at work on one statement. Goes back to the pool when dropped idle; is
/// cancelled and closed when dropped busy.
pub(super) struct LaneSession {
    object: Option<Object<LaneManager>>,
    is_busy: bool,
    tasks: TaskTracker,
}

impl LaneSession {
    pub(super) fn new(object: Object<LaneManager>, tasks: TaskTracker) -> Self {
        Self { object: Some(object), is_busy: false, tasks }
    }

    /// Runs a statement and reads all its rows; the session ends with it.
    pub(super) async fn rows(
        mut self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Answer<Vec<Row>>, StoreError> {
        let begun_at = Instant::now();
        self.is_busy = true;
        let object = self.object.as_mut().expect("a session holds a lane until it was used");
        let outcome = object.query(statement, params).await;
        self.is_busy = false;
        match outcome {
            Ok(value) => Ok(Answer { value, took: begun_at.elapsed() }),
            Err(source) => {
                let error = StoreError::from_postgres(statement.stem, source);
                if error.kind() == StoreErrorKind::Disconnected {
                    self.object.take().map(Object::take);
                }
                Err(error)
            }
        }
    }
}

impl Drop for LaneSession {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if !self.is_busy {
            return;
        }
        let mut lane = Object::take(object);
        self.tasks.spawn(async move {
            lane.cancel().await;
        });
    }
}
