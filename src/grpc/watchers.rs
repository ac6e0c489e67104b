//! Streams that are watched: how many there are at once, and how long one lasts.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use crate::{
    error::{Error, ErrorKind},
    grpc::{
        admission::{Pass, pass},
        deadline,
        status::to_status,
    },
};

/// Longest time for a stream whose client sets no deadline: a year.
const TIME_MAX: Duration = Duration::from_secs(31_536_000);

/// Time between two looks whether a stream may still be read.
const PASS_INTERVAL: Duration = Duration::from_secs(2);

/// What a stream sends.
pub(super) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Room for streams of one kind, which end once they are told to.
#[derive(Clone)]
pub struct Watchers {
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Watchers {
    /// Room for so many.
    #[must_use]
    pub fn new(streams_max: usize, stop: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(streams_max)), stop }
    }

    /// A place for the stream that a request opens, until the deadline of its client.
    ///
    /// # Errors
    /// `ResourceExhausted` where there is none; `Unauthenticated` for a request that passed no
    /// gate.
    pub(super) fn begin<T>(&self, request: &Request<T>) -> Result<Stay, Error> {
        let pass = pass(request)?;
        let headers = request.metadata().clone().into_headers();
        // The request layer has refused one that cannot be read.
        let time = deadline::time_limit(&headers, TIME_MAX).unwrap_or_default();
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Error::new(ErrorKind::ResourceExhausted("the server is at its limit of streams"))
        })?;
        let (now, stop) = (Instant::now(), self.stop.clone());
        Ok(Stay {
            pass,
            stop,
            ends_at: now + time,
            next_check_at: now + PASS_INTERVAL,
            _place: place,
        })
    }
}

/// That a stream is there, and until when.
pub(super) struct Stay {
    pass: Pass,
    stop: CancellationToken,
    ends_at: Instant,
    next_check_at: Instant,
    _place: OwnedSemaphorePermit,
}

impl Stay {
    /// Whether the stream may go on; what lets it in is looked at now and then.
    ///
    /// # Errors
    /// `Unavailable` when the server stops, `DeadlineExceeded` at its end, `Unauthenticated` once
    /// what lets it in is revoked or has expired.
    pub(super) async fn check(&mut self) -> Result<(), Error> {
        match Instant::now() < self.next_check_at && !self.is_over() {
            true => Ok(()),
            false => self.check_now().await,
        }
    }

    /// The same, and what lets the stream in is looked at whenever that was.
    ///
    /// # Errors
    /// Likewise.
    pub(super) async fn check_now(&mut self) -> Result<(), Error> {
        if self.stop.is_cancelled() {
            return Err(stopping());
        }
        if Instant::now() >= self.ends_at {
            return Err(Error::new(ErrorKind::DeadlineExceeded));
        }
        self.pass.check().await?;
        self.next_check_at = Instant::now() + PASS_INTERVAL;
        Ok(())
    }

    /// When there is something to check again, if the server does not stop before.
    pub(super) fn next_check_at(&self) -> Instant {
        self.ends_at.min(self.next_check_at)
    }

    /// When the stream ends.
    pub(super) fn ends_at(&self) -> Instant {
        self.ends_at
    }

    /// Waits until the server stops.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    fn is_over(&self) -> bool {
        self.stop.is_cancelled() || Instant::now() >= self.ends_at
    }
}

/// What a stream ends with when the server does.
pub(super) fn stopping() -> Error {
    Error::new(ErrorKind::Unavailable("the server is stopping"))
}

/// What finds the messages of a stream.
pub(super) trait Watch: Send + 'static {
    /// One of them.
    type Message: Send;

    /// The next one, once there is one; `None` when there is nothing more to come.
    ///
    /// # Errors
    /// What the stream ends with.
    fn next(&mut self) -> impl Future<Output = Result<Option<Self::Message>, Error>> + Send;
}

/// The stream of what is found, which ends with an error.
pub(super) fn messages<W: Watch>(watch: W) -> Messages<W::Message> {
    Box::pin(stream::unfold(Some(watch), |watch| async move {
        let mut watch = watch?;
        match watch.next().await {
            Ok(Some(message)) => Some((Ok(message), Some(watch))),
            Ok(None) => None,
            Err(error) => Some((Err(to_status(error)), None)),
        }
    }))
}
