//! `PriceService.WatchAlerts`: a stream of events that can be taken up where it ended.
//!
//! What a stream sends is read from the events, page by page, behind the last id that it sent.
//! That there are new ones is told to all streams by one look at the database for all of them.

use std::collections::VecDeque;

use tokio::{sync::watch, time::sleep_until};
use tonic::{Request, Status};
use uuid::Uuid;

use crate::{
    alerts::{AlertEvent, Alerts, EVENTS_READ_MAX},
    domain::decimal::Decimal,
    error::{Error, ErrorKind, Violation},
    grpc::{
        admission::identity,
        decode::timestamp,
        list_alert_rules::owner,
        pb::v1::{self, WatchAlertsRequest, WatchAlertsResponse},
        price_service::PriceApi,
        status::to_status,
        violations::Violations,
        watchers::{Messages, Stay, Watch, messages},
    },
};

/// Opens a stream.
pub(super) async fn watch_alerts(
    api: &PriceApi,
    request: &Request<WatchAlertsRequest>,
) -> Result<Messages<WatchAlertsResponse>, Status> {
    let scope = identity(request)?.scope;
    let open = async {
        let mut violations = Violations::default();
        let user_uuid = owner(&request.get_ref().user_uuid, &mut violations);
        let after = match request.get_ref().after_event_id {
            None => Some(None),
            Some(id) if id >= 0 => Some(Some(id)),
            Some(_) => None,
        };
        let hint = "must be the id of an event, or 0 for the first one there is";
        let after = violations.require(after, "after_event_id", hint);
        let (user_uuid, after) = violations.finish(user_uuid.zip(after))?;
        let stay = api.watchers.begin(request)?;
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
            stay,
            news,
            after,
            known: last,
            read: VecDeque::new(),
            is_greeted: false,
        })
    };
    open.await.map(messages).map_err(to_status)
}

/// A stream at work.
struct Watching {
    alerts: Alerts,
    owner: Option<Uuid>,
    stay: Stay,
    news: watch::Receiver<i64>,
    /// The last event that was sent, or is not to be.
    after: i64,
    /// An event that is there: all smaller ids are.
    known: i64,
    read: VecDeque<AlertEvent>,
    is_greeted: bool,
}

impl Watch for Watching {
    type Message = WatchAlertsResponse;

    async fn next(&mut self) -> Result<Option<WatchAlertsResponse>, Error> {
        if !self.is_greeted {
            self.is_greeted = true;
            return Ok(Some(WatchAlertsResponse { event: None, resume_after: self.after }));
        }
        loop {
            // However much there is to send.
            self.stay.check().await?;
            if let Some(event) = self.read.pop_front() {
                self.after = event.event_id;
                let (event, resume_after) = (Some(event_pb(event)), self.after);
                return Ok(Some(WatchAlertsResponse { event, resume_after }));
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
}

impl Watching {
    /// Waits for an event that is not known yet, or for something to check.
    async fn wait(&mut self) -> Result<(), Error> {
        let changed = tokio::select! {
            changed = self.news.changed() => changed,
            () = self.stay.stopped() => return Ok(()),
            () = sleep_until(self.stay.next_check_at()) => return Ok(()),
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
