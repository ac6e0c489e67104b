//! `PriceService.WatchAlerts`: a stream of events that can be taken up where it ended.
//!
//! What a stream sends is read from the events, page by page, behind the last id that it sent.
//! That there are new ones is told to all streams by one look at the database for all of them.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use futures_util::{Stream, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::{
    alerts::{AlertEvent, Alerts, EVENTS_READ_MAX},
    domain::decimal::Decimal,
    error::{Error, ErrorKind, Violation},
    grpc::{
        admission::{Pass, identity, pass},
        deadline,
        decode::timestamp,
        list_alert_rules::owner,
        pb::v1::{self, WatchAlertsRequest, WatchAlertsResponse},
        price_service::PriceApi,
        status::to_status,
        violations::Violations,
    },
};

/// Time between two looks whether a stream may still be read.
const PASS_INTERVAL: Duration = Duration::from_secs(2);

/// Longest time for a stream whose client sets no deadline: a year.
const TIME_MAX: Duration = Duration::from_secs(31_536_000);

/// What a stream sends.
pub(super) type EventStream =
    Pin<Box<dyn Stream<Item = Result<WatchAlertsResponse, Status>> + Send>>;

/// Opens a stream.
pub(super) async fn watch_alerts(
    api: &PriceApi,
    request: &Request<WatchAlertsRequest>,
) -> Result<EventStream, Status> {
    let (scope, pass) = (identity(request)?.scope, pass(request).map_err(to_status)?);
    let headers = request.metadata().clone().into_headers();
    // The request layer has refused one that cannot be read.
    let time = deadline::time_limit(&headers, TIME_MAX).unwrap_or_default();
    let request = request.get_ref();
    let open = async {
        let mut violations = Violations::default();
        let user_uuid = owner(&request.user_uuid, &mut violations);
        let after = match request.after_event_id {
            None => Some(None),
            Some(id) if id >= 0 => Some(Some(id)),
            Some(_) => None,
        };
        let hint = "must be the id of an event, or 0 for the first one there is";
        let after = violations.require(after, "after_event_id", hint);
        let (user_uuid, after) = violations.finish(user_uuid.zip(after))?;
        let place = api.places.clone().try_acquire_owned().map_err(|_| {
            Error::new(ErrorKind::ResourceExhausted("the server is at its limit of streams"))
        })?;
        let owner = api.alerts.owner(user_uuid, scope).await?;
        // From here on nothing that happens is missed.
        let news = api.alerts.listen();
        let last = api.alerts.last_event().await?;
        let after = after.unwrap_or(last);
        if after > last {
            let description =
                format!("must be the id of an event that there is: {last} is the last");
            let field = "after_event_id".into();
            return Err(Error::invalid(vec![Violation { field, description }]));
        }
        Ok::<_, Error>(Watching {
            alerts: api.alerts.clone(),
            owner,
            pass,
            stop: api.stop.clone(),
            ends_at: Instant::now() + time,
            next_check_at: Instant::now() + PASS_INTERVAL,
            news,
            after,
            known: last,
            read: VecDeque::new(),
            is_greeted: false,
            _place: place,
        })
    };
    let watching = open.await.map_err(to_status)?;
    Ok(Box::pin(stream::unfold(Some(watching), |watching| async move {
        let mut watching = watching?;
        match watching.next().await {
            Ok(response) => Some((Ok(response), Some(watching))),
            Err(error) => Some((Err(to_status(error)), None)),
        }
    })))
}

/// A stream at work.
struct Watching {
    alerts: Alerts,
    owner: Option<Uuid>,
    pass: Pass,
    stop: CancellationToken,
    ends_at: Instant,
    next_check_at: Instant,
    news: watch::Receiver<i64>,
    /// The last event that was sent, or is not to be.
    after: i64,
    /// An event that is there: all smaller ids are.
    known: i64,
    read: VecDeque<AlertEvent>,
    is_greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl Watching {
    async fn next(&mut self) -> Result<WatchAlertsResponse, Error> {
        if !self.is_greeted {
            self.is_greeted = true;
            return Ok(WatchAlertsResponse { event: None, resume_after: self.after });
        }
        loop {
            // However much there is to send.
            self.check().await?;
            if let Some(event) = self.read.pop_front() {
                self.after = event.event_id;
                let resume_after = self.after;
                return Ok(WatchAlertsResponse { event: Some(event_pb(event)), resume_after });
            }
            if self.after < self.known {
                let events = self.alerts.events_after(self.after, self.owner).await?;
                if events.len() < EVENTS_READ_MAX {
                    // Those in between are others'.
                    self.after = self.after.max(self.known);
                }
                self.read.extend(events);
                continue;
            }
            self.wait().await?;
        }
    }

    /// Whether the stream may go on.
    async fn check(&mut self) -> Result<(), Error> {
        if self.stop.is_cancelled() {
            return Err(Error::new(ErrorKind::Unavailable("the server is stopping")));
        }
        let now = Instant::now();
        if now >= self.ends_at {
            return Err(Error::new(ErrorKind::DeadlineExceeded));
        }
        // What lets a stream in may be revoked or expire while it lasts.
        if now >= self.next_check_at {
            self.pass.check().await?;
            self.next_check_at = Instant::now() + PASS_INTERVAL;
        }
        Ok(())
    }

    /// Waits for an event that is not known yet, or for something to check.
    async fn wait(&mut self) -> Result<(), Error> {
        let until = self.ends_at.min(self.next_check_at);
        let changed = tokio::select! {
            changed = self.news.changed() => changed,
            () = self.stop.cancelled() => return Ok(()),
            () = sleep_until(until) => return Ok(()),
        };
        changed.map_err(|source| Error::with_source(ErrorKind::Internal, source))?;
        self.known = self.known.max(*self.news.borrow_and_update());
        Ok(())
    }
}

/// An event as the API writes it.
fn event_pb(event: AlertEvent) -> v1::AlertEvent {
    let text =
        |number: Option<Decimal>| number.map(|number| number.to_string()).unwrap_or_default();
    v1::AlertEvent {
        event_id: event.event_id,
        rule_id: event.rule_id.to_string(),
        rule_name: event.rule_name,
        user_uuid: event.user_uuid.to_string(),
        symbol: event.symbol,
        condition: event.kind,
        threshold: event.threshold.to_string(),
        firing: event.is_firing,
        occurred_at: Some(timestamp(event.occurred_at)),
        price: text(event.price),
        value: text(event.value),
        tick_count: event.tick_count.unwrap_or(0),
        recorded_at: Some(timestamp(event.recorded_at)),
    }
}
