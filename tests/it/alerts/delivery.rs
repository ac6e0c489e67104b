//! Webhooks: signed, tried again, given up, and sent to nobody who must not be reached. Mail is
//! tried by `scripts/e2e`, with an SMTP server.

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use daybook::{
    alerts::{Outlets, courier::Courier},
    grpc::pb::v1::{
        AlertDelivery, AlertDeliveryState, AlertRecipient, AlertRuleSettings,
        CreateAlertRuleRequest, ListAlertDeliveriesRequest, RetryAlertDeliveryRequest,
        UpdateAlertRuleRequest, alert_condition::Kind, alert_recipient,
    },
    store::alert_deliveries::spread,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tonic::Code;

use super::{level, name_symbols, new_user, record, rule_of};
use crate::{
    get_status::status,
    invalid_requests::fields,
    support::{
        receiver::{Received, Receiver},
        schema::one,
        service::{TestService, new_target, settings},
    },
};

/// A service with one user, one symbol, and a rule that fires above 10 and tells a receiver.
struct Scene {
    service: TestService,
    receiver: Receiver,
    rule_id: String,
    secret: String,
    courier: Courier,
    second: i64,
}

impl Scene {
    async fn set(change: impl FnOnce(&mut daybook::config::AlertSettings)) -> Self {
        let receiver = Receiver::start().await;
        let mut settings = settings();
        settings.alerts.webhook_private_addresses = true;
        settings.alerts.webhook_ca = Some(receiver.root.clone());
        // Ticks of these tests are years old.
        settings.alerts.alert_age_max_seconds = u32::MAX;
        change(&mut settings.alerts);
        let service = TestService::start_with(new_target(), settings.clone()).await;
        name_symbols(&service, &["aaausd"]).await;
        let user_uuid = new_user(&service, "ann").await;
        let url = alert_recipient::Kind::WebhookUrl(receiver.url.clone());
        let settings_of_rule = AlertRuleSettings {
            recipients: vec![AlertRecipient { kind: Some(url) }],
            ..rule_of("aaausd", Kind::Above(level("10", "")))
        };
        let request = CreateAlertRuleRequest {
            user_uuid,
            settings: Some(settings_of_rule),
            rule_id: String::new(),
        };
        let answer = service.prices().await.create_alert_rule(request).await;
        // What the settings let nobody tell is recorded as if they had been others.
        let (rule_id, secret) = match answer.map(tonic::Response::into_inner) {
            Ok(answer) => (answer.rule.unwrap().rule_id, answer.webhook_secret),
            Err(_) => (insert_rule(&service, &receiver.url).await, String::new()),
        };
        let outlets = Outlets::new(&settings.alerts).unwrap();
        let courier = Courier::new(service.database.clone(), outlets, &settings.alerts);
        Self { service, receiver, rule_id, secret, courier, second: 0 }
    }

    /// Has the rule fire, once more if it has.
    async fn fire(&mut self) {
        let fired = self.second > 0;
        self.second += 2;
        let second = self.second;
        record(&self.service, &[&[("aaausd", second, "1")]]).await;
        record(&self.service, &[&[("aaausd", second + 1, "11")]]).await;
        // The end of the one before would be told, too: here it is not wanted.
        if fired {
            let query = "DELETE FROM alert_events WHERE NOT is_firing";
            self.service.sql.execute(query, &[]).await.unwrap();
        }
    }

    /// Time goes on until what waits is due.
    async fn make_due(&self) {
        let query = "UPDATE alert_deliveries SET due_at = now() WHERE state = 'pending'";
        self.service.sql.execute(query, &[]).await.unwrap();
    }

    /// Lists deliveries of a state.
    async fn list(&self, state: AlertDeliveryState) -> Vec<AlertDelivery> {
        let request = ListAlertDeliveriesRequest { state: state.into(), ..Default::default() };
        let answer = self.service.prices().await.list_alert_deliveries(request).await.unwrap();
        answer.into_inner().deliveries
    }
}

async fn insert_rule(service: &TestService, url: &str) -> String {
    let query = "INSERT INTO alert_rules (rule_id, user_id, name, kind, threshold, rearm_threshold,
                     window_seconds, ticks_min, cooldown_seconds, webhook_urls, emails,
                     webhook_secret)
                 SELECT gen_random_uuid(), user_id, '', 'above', 10, 10, 60, 1, 0, ARRAY[$1], '{}',
                        decode(repeat('00', 32), 'hex')
                 FROM users RETURNING rule_id::text";
    service.sql.query_one(query, &[&url]).await.unwrap().get(0)
}

/// Whether a webhook is signed with a key: computed anew from the scheme.
fn is_signed(received: &Received, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let (id, second) = (received.header("webhook-id"), received.header("webhook-timestamp"));
    mac.update(format!("{id}.{second}.{}", received.body).as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    received.header("webhook-signature") == expected
}

#[tokio::test]
async fn a_webhook_is_sent_once_and_signed() {
    let mut scene = Scene::set(|_| ()).await;
    scene.fire().await;
    assert_eq!(scene.courier.round().await.unwrap(), 1);
    assert_eq!(scene.courier.round().await.unwrap(), 0, "nothing is left");
    let received = scene.receiver.received();
    let [webhook] = received.as_slice() else { panic!("{received:?}") };
    assert!(webhook.head.starts_with("POST /hook HTTP/1.1"), "{}", webhook.head);
    assert_eq!(webhook.header("content-type"), "application/json");
    assert!(is_signed(webhook, &scene.secret));
    let second: i64 = webhook.header("webhook-timestamp").parse().unwrap();
    assert!((chrono::Utc::now().timestamp() - second).abs() < 60);
    let body: serde_json::Value = serde_json::from_str(&webhook.body).unwrap();
    assert_eq!(body["type"], "alert.firing");
    assert_eq!(body["data"]["rule_id"], scene.rule_id.as_str());
    assert_eq!((&body["data"]["symbol"], &body["data"]["price"]), (&"aaausd".into(), &"11".into()));
    let delivered = scene.list(AlertDeliveryState::Delivered).await;
    assert_eq!((delivered.len(), delivered[0].attempts), (1, 1));
    assert!(delivered[0].settled_at.is_some() && delivered[0].due_at.is_none());
    // A key that is made anew signs what is sent from then on.
    let rotate = UpdateAlertRuleRequest {
        rule_id: scene.rule_id.clone(),
        rotate_webhook_secret: true,
        ..Default::default()
    };
    let answer = scene.service.prices().await.update_alert_rule(rotate).await.unwrap();
    let secret = answer.into_inner().webhook_secret;
    assert_ne!(secret, scene.secret);
    scene.fire().await;
    scene.courier.round().await.unwrap();
    let received = scene.receiver.received();
    assert!(is_signed(&received[1], &secret) && !is_signed(&received[1], &scene.secret));
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_later_with_the_same_id() {
    let mut scene = Scene::set(|_| ()).await;
    scene.receiver.answer(&[
        "HTTP/1.1 500 Internal Server Error",
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 900",
        "HTTP/1.1 302 Found\r\nlocation: https://localhost/other",
        "",
    ]);
    scene.fire().await;
    for (attempt, error, wait) in [
        (1, "the answer was 500", 0..2),
        (2, "the answer was 429", 890..901),
        (3, "the answer was 302", 1..5),
        (4, "the connection broke before an answer came", 3..9),
    ] {
        assert_eq!(scene.courier.round().await.unwrap(), 1);
        assert_eq!(scene.courier.round().await.unwrap(), 0, "it is not due yet");
        let pending = scene.list(AlertDeliveryState::Pending).await;
        assert_eq!((pending[0].attempts, pending[0].last_error.as_str()), (attempt, error));
        let due = pending[0].due_at.unwrap().seconds - chrono::Utc::now().timestamp();
        assert!(wait.contains(&due), "{attempt}: {due}");
        scene.make_due().await;
    }
    scene.courier.round().await.unwrap();
    let received = scene.receiver.received();
    let ids: HashSet<&str> = received.iter().map(|webhook| webhook.header("webhook-id")).collect();
    assert_eq!((received.len(), ids.len()), (5, 1));
    assert_eq!(scene.list(AlertDeliveryState::Delivered).await[0].attempts, 5);
}

#[tokio::test]
async fn what_is_given_up_is_kept_and_can_be_tried_anew() {
    let mut scene = Scene::set(|alerts| alerts.alert_attempts_max = 2).await;
    scene.receiver.answer(&["HTTP/1.1 503 Service Unavailable"; 2]);
    scene.fire().await;
    for _ in 0..2 {
        scene.courier.round().await.unwrap();
        scene.make_due().await;
    }
    let dead = scene.list(AlertDeliveryState::Dead).await;
    assert_eq!((dead.len(), dead[0].attempts), (1, 2));
    assert_eq!(dead[0].last_error, "the answer was 503");
    // Whoever is gone is not asked again.
    scene.receiver.answer(&["HTTP/1.1 410 Gone"]);
    scene.fire().await;
    scene.courier.round().await.unwrap();
    assert_eq!(scene.list(AlertDeliveryState::Dead).await.len(), 2);
    assert_eq!(status(&scene.service).await.dead_delivery_count, 2);
    let mut client = scene.service.prices().await;
    let retry = RetryAlertDeliveryRequest { delivery_id: dead[0].delivery_id };
    client.retry_alert_delivery(retry).await.unwrap();
    assert_eq!(scene.courier.round().await.unwrap(), 1);
    assert_eq!(status(&scene.service).await.dead_delivery_count, 1);
    let delivered = scene.list(AlertDeliveryState::Delivered).await;
    assert_eq!((delivered[0].delivery_id, delivered[0].attempts), (dead[0].delivery_id, 1));
    assert_eq!(client.retry_alert_delivery(retry).await.unwrap_err().code(), Code::NotFound);
    let none = RetryAlertDeliveryRequest { delivery_id: 0 };
    let status = client.retry_alert_delivery(none).await.unwrap_err();
    assert_eq!(fields(&status), ["delivery_id"]);
    let wrong = ListAlertDeliveriesRequest { state: 9, page_size: -1, ..Default::default() };
    let status = client.list_alert_deliveries(wrong).await.unwrap_err();
    assert_eq!(fields(&status), ["state", "page_size"]);
}

#[tokio::test]
async fn deliveries_are_listed_by_page() {
    let mut scene = Scene::set(|_| ()).await;
    for _ in 0..5 {
        scene.fire().await;
    }
    spread(&scene.service.database, 10, 1e12).await.unwrap();
    let mut client = scene.service.prices().await;
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListAlertDeliveriesRequest { page_size: 2, page_token, ..Default::default() };
        let page = client.list_alert_deliveries(request).await.unwrap().into_inner();
        assert!(page.deliveries.len() <= 2);
        seen.extend(page.deliveries.into_iter().map(|delivery| delivery.event_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|one, other| one > other), "{seen:?}");
}

#[tokio::test]
async fn what_somebody_took_and_never_settled_is_taken_by_another_when_the_time_is_over() {
    let mut scene = Scene::set(|_| ()).await;
    scene.fire().await;
    // As if a server had been killed between taking and sending.
    spread(&scene.service.database, 10, 1e12).await.unwrap();
    let take = "UPDATE alert_deliveries
                SET attempts = attempts + 1, due_at = now() + interval '30 s'";
    scene.service.sql.execute(take, &[]).await.unwrap();
    assert_eq!(scene.courier.round().await.unwrap(), 0, "it is another one's");
    scene.make_due().await;
    let (one, two) = tokio::join!(scene.courier.round(), scene.courier.round());
    assert_eq!(one.unwrap() + two.unwrap(), 1, "one of two takes it");
    assert_eq!(scene.receiver.received().len(), 1);
    // Whoever comes too late to settle changes nothing.
    let attempts = "SELECT attempts FROM alert_deliveries";
    assert_eq!(one_of(&scene, attempts).await, 2);
}

async fn one_of(scene: &Scene, query: &str) -> i32 {
    one(&scene.service.sql, query).await
}

#[tokio::test]
async fn nothing_is_sent_where_it_must_not_go() {
    let mut scene = Scene::set(|alerts| alerts.webhook_private_addresses = false).await;
    scene.fire().await;
    scene.courier.round().await.unwrap();
    let pending = scene.list(AlertDeliveryState::Pending).await;
    let error = "the address must have a public address: see --webhook-private-addresses";
    assert_eq!(pending[0].last_error, error);
    assert_eq!(scene.receiver.received().len(), 0);
    // A certificate that nobody vouches for.
    let mut scene = Scene::set(|alerts| alerts.webhook_ca = None).await;
    scene.fire().await;
    scene.courier.round().await.unwrap();
    let pending = scene.list(AlertDeliveryState::Pending).await;
    assert!(pending[0].last_error.contains("UnknownIssuer"), "{}", pending[0].last_error);
    assert_eq!(scene.receiver.received().len(), 0);
}

#[tokio::test]
async fn a_history_that_is_recorded_tells_nobody() {
    let mut scene = Scene::set(|alerts| alerts.alert_age_max_seconds = 86_400).await;
    scene.fire().await;
    assert_eq!(scene.courier.round().await.unwrap(), 0);
    assert_eq!(scene.list(AlertDeliveryState::Outdated).await.len(), 1);
    assert_eq!(scene.receiver.received().len(), 0);
    let now = chrono::Utc::now().timestamp() - super::START;
    record(&scene.service, &[&[("aaausd", now - 60, "1")], &[("aaausd", now - 30, "11")]]).await;
    while scene.courier.round().await.unwrap() > 0 {}
    assert_eq!(scene.receiver.received().len(), 2, "it ended, and began again");
}

#[tokio::test]
async fn a_silence_that_the_clock_noticed_is_told_however_long_it_has_lasted() {
    let scene = Scene::set(|alerts| alerts.alert_age_max_seconds = 86_400).await;
    let silent = "UPDATE alert_rules SET kind = 'no_data', armed_at = armed_at - interval '3 days';
                  UPDATE alert_watermarks SET ticked_at = now() - interval '2 days',
                         received_at = now() - interval '2 days'";
    scene.service.sql.batch_execute(silent).await.unwrap();
    assert_eq!(scene.service.alerts.judge_silences().await.unwrap(), 1);
    assert_eq!(scene.courier.round().await.unwrap(), 1);
    assert_eq!(scene.receiver.received().len(), 1);
}

#[tokio::test]
async fn a_recipient_that_does_not_answer_keeps_nobody_elses_alerts_waiting() {
    let scene = Scene::set(|_| ()).await;
    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", silent.local_addr().unwrap().port());
    let slow = insert_rule(&scene.service, &url).await;
    let many = "INSERT INTO alert_events (rule_id, revision, rule_name, user_id, symbol_id, kind,
                    threshold, is_firing, occurred_at)
                SELECT r.rule_id, 1, '', r.user_id, 1, 'above', 1, true, now() - n * interval '1 s'
                FROM alert_rules r, generate_series(1, 200) AS n WHERE r.rule_id::text = $1";
    scene.service.sql.execute(many, &[&slow]).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let watching = async {
        // Once it has all of the others that it takes.
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        for (second, price) in [(60, "1"), (61, "11")] {
            record(&scene.service, &[&[("aaausd", second, price)]]).await;
        }
        let end = tokio::time::Instant::now() + std::time::Duration::from_secs(8);
        while scene.receiver.received().is_empty() && tokio::time::Instant::now() < end {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = scene.courier.work(stop.clone()) => panic!("it works until it is stopped"),
        () = watching => {}
    }
    assert_eq!(scene.receiver.received().len(), 1, "before the others have timed out");
}
