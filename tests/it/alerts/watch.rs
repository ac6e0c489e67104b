//! `WatchAlerts`: nothing is missed and nothing comes twice.

use std::time::Duration;

use daybook::{
    config::AuthMode,
    domain::access::Role,
    grpc::pb::v1::{WatchAlertsRequest, alert_condition::Kind},
};
use tonic::Code;
use tonic_types::StatusExt;

use super::{
    create, level, name_symbols, new_id, new_user, next, record, rule_of, times_average, watch,
};
use crate::{
    access::token_of,
    invalid_requests::fields,
    support::service::{TestService, new_target, settings},
};

#[tokio::test]
async fn an_event_comes_as_it_happens_with_all_that_is_known_of_it() {
    let service = TestService::start().await;
    name_symbols(&service, &["aaausd"]).await;
    let user = new_user(&service, "ann").await;
    let rule = create(&service, &user, rule_of("AAA-USD", times_average("", ""))).await;
    let (mut stream, from) = watch(&service, &user, None).await;
    assert_eq!(from, 0);
    let ticks: Vec<_> = (0..6).map(|minute| ("aaausd", 60 * minute, "1.1")).collect();
    record(&service, &[&ticks, &[("aaausd", 360, "3.3")]]).await;
    let event = next(&mut stream).await;
    assert_eq!(event.rule_id, rule.rule_id);
    assert_eq!((event.rule_name.as_str(), event.symbol.as_str()), ("a rule", "aaausd"));
    assert_eq!((event.user_uuid.as_str(), event.condition.as_str()), (&*user, "times_average"));
    assert_eq!((event.threshold.as_str(), event.value.as_str()), ("3", "3"));
    assert_eq!((event.price.as_str(), event.tick_count, event.firing), ("3.3", 6, true));
    assert_eq!(event.occurred_at.unwrap().seconds, super::START + 360);
    assert!(event.recorded_at.is_some());
    record(&service, &[&[("aaausd", 420, "1")]]).await;
    let over = next(&mut stream).await;
    assert!(!over.firing && over.event_id > event.event_id, "{over:?}");
}

#[tokio::test]
async fn whoever_comes_back_goes_on_behind_the_last_event() {
    let service = TestService::start().await;
    name_symbols(&service, &["aaausd", "bbbusd"]).await;
    let (ann, bob) = (new_user(&service, "ann").await, new_user(&service, "bob").await);
    create(&service, &ann, rule_of("aaausd", Kind::Above(level("10", "")))).await;
    create(&service, &bob, rule_of("", Kind::Above(level("20", "")))).await;
    record(&service, &[&[("aaausd", 1, "11"), ("aaausd", 2, "9"), ("bbbusd", 3, "21")]]).await;
    let (mut all, from) = watch(&service, "", Some(0)).await;
    assert_eq!(from, 0);
    let seen: Vec<_> = [next(&mut all).await, next(&mut all).await, next(&mut all).await]
        .into_iter()
        .map(|event| (event.event_id, event.user_uuid, event.firing))
        .collect();
    assert!(seen.is_sorted_by_key(|event| event.0), "{seen:?}");
    let users: Vec<_> = seen.iter().map(|event| (event.1.as_str(), event.2)).collect();
    assert_eq!(users, [(&*ann, true), (&*ann, false), (&*bob, true)]);
    let (mut rest, from) = watch(&service, "", Some(seen[1].0)).await;
    assert_eq!(from, seen[1].0);
    assert_eq!(next(&mut rest).await.event_id, seen[2].0);
    let (mut of_bob, _) = watch(&service, &bob, Some(0)).await;
    assert_eq!(next(&mut of_bob).await.event_id, seen[2].0);
    let (mut of_ann, from) = watch(&service, &ann, None).await;
    assert_eq!(from, seen[2].0, "from now on");
    record(&service, &[&[("bbbusd", 4, "1")], &[("aaausd", 5, "12")]]).await;
    assert_eq!(next(&mut of_ann).await.user_uuid, ann);
    assert_eq!(next(&mut of_bob).await.user_uuid, bob);
}

#[tokio::test]
async fn a_stream_sees_every_event_of_writers_side_by_side_in_the_order_of_ids() {
    let service = TestService::start().await;
    let names: Vec<String> = (0..8).map(|number| format!("s{number}usd")).collect();
    let symbols: Vec<&str> = names.iter().map(String::as_str).collect();
    name_symbols(&service, &symbols).await;
    let user = new_user(&service, "ann").await;
    create(&service, &user, rule_of("", Kind::Above(level("10", "")))).await;
    let (mut stream, _) = watch(&service, "", Some(0)).await;
    let writers = symbols.iter().map(|symbol| {
        let (up, down) = (|second| (*symbol, second, "11"), |second| (*symbol, second, "9"));
        let service = &service;
        async move {
            for second in (0..40).step_by(2) {
                record(service, &[&[up(second)], &[down(second + 1)]]).await;
            }
        }
    });
    let reading = async {
        let mut seen = Vec::new();
        while seen.len() < 8 * 40 {
            seen.push(next(&mut stream).await.event_id);
        }
        seen
    };
    let (_, seen) = tokio::join!(futures_util::future::join_all(writers), reading);
    assert!(seen.is_sorted_by(|one, other| one < other), "{seen:?}");
}

#[tokio::test]
async fn streams_are_limited_checked_and_end_with_the_server() {
    let mut settings = settings();
    settings.alerts.alert_streams_max = 1;
    let service = TestService::start_with(new_target(), settings).await;
    let mut client = service.prices().await;
    let wrong = WatchAlertsRequest { user_uuid: "ann".to_owned(), after_event_id: Some(-1) };
    let status = client.watch_alerts(wrong).await.unwrap_err();
    assert_eq!(fields(&status), ["user_uuid", "after_event_id"]);
    let nobody = WatchAlertsRequest { user_uuid: new_id(), after_event_id: None };
    assert_eq!(client.watch_alerts(nobody).await.unwrap_err().code(), Code::NotFound);
    let (mut stream, _) = watch(&service, "", None).await;
    let another = WatchAlertsRequest::default();
    let status = client.watch_alerts(another).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.get_details_retry_info().is_some());
    service.stop.drain.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.message()).await.unwrap();
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_stream_ends_at_its_clients_deadline() {
    let service = TestService::start().await;
    let mut request = tonic::Request::new(WatchAlertsRequest::default());
    request.set_timeout(Duration::from_millis(300));
    let answer = service.prices().await.watch_alerts(request).await;
    let mut stream = answer.unwrap().into_inner();
    stream.message().await.unwrap();
    let ended = stream.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded, "{ended:?}");
}

#[tokio::test]
async fn a_stream_ends_with_its_token_however_much_there_is_to_send() {
    let mut settings = settings();
    settings.server.auth = AuthMode::On;
    settings.server.token_freshness_ms = 0;
    let service = TestService::start_with(new_target(), settings).await;
    let (token, token_id) = token_of(&service, Role::Reader).await;
    let mut request = tonic::Request::new(WatchAlertsRequest::default());
    let value = format!("Bearer {}", token.to_text()).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    let answer = service.prices().await.watch_alerts(request).await;
    let mut stream = answer.unwrap().into_inner();
    stream.message().await.unwrap();
    let event = "INSERT INTO alert_events (rule_id, revision, rule_name, user_id, symbol_id, kind,
                     threshold, is_firing, occurred_at)
                 SELECT gen_random_uuid(), 1, '', user_id, symbol_id, 'above', 1, true, now()
                 FROM users, symbols LIMIT 1";
    let names = "INSERT INTO users (user_uuid, username, name) VALUES (gen_random_uuid(), 'x', '');
                 INSERT INTO symbols (name) VALUES ('aaausd')";
    service.sql.batch_execute(names).await.unwrap();
    service.sql.execute(event, &[]).await.unwrap();
    next(&mut stream).await;
    let revoke = "UPDATE access_tokens SET revoked_at = now() WHERE token_id = $1";
    service.sql.execute(revoke, &[&token_id]).await.unwrap();
    let ended = async {
        loop {
            service.sql.execute(event, &[]).await.unwrap();
            if let Err(status) = stream.message().await {
                return status;
            }
        }
    };
    let status = tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
}
