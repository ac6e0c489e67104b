//! What is refused, what ends a stream, and what does not.

use std::time::Duration;

use daybook::{
    cluster::ClusterRole,
    config::AuthMode,
    domain::access::Role,
    grpc::pb::v1::{BucketUnit, WatchOverviewRequest, watch_overview_request::Range},
    store::DatabaseTarget,
};
use rustix::process::{Pid, Signal, kill_process};
use tonic::Code;

use super::{CUT, answer, counted, last, message, question, users, watch};
use crate::{
    access::{bearer, token_of},
    invalid_requests::fields,
    sum_amount::window,
    support::{
        cluster::{TestFolder, eventually, try_connect},
        ledger::add,
        service::{TestService, new_target, settings, sql},
    },
};

fn duration(seconds: i64, nanos: i32) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos }
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let service = TestService::start().await;
    let mut client = service.analytics().await;
    let good = question(CUT.0, CUT.1);
    let of_last = |seconds, nanos| Some(Range::Last(duration(seconds, nanos)));
    let everything = WatchOverviewRequest {
        asset: "NONE".to_owned(),
        range: None,
        bucket_unit: 99,
        bucket_count: -1,
        time_zone: "Mars/Olympus".to_owned(),
        top_count: 101,
        interval: Some(duration(0, 249_999_999)),
    };
    let all =
        ["window", "bucket_unit", "bucket_count", "time_zone", "top_count", "interval", "asset"];
    let mut cases = vec![(everything, all.to_vec())];
    for range in [
        of_last(59, 999_999_000),
        of_last(366 * 86_400, 1_000),
        of_last(60, 1),
        of_last(-60, 0),
        of_last(i64::MAX, 0),
        of_last(i64::MIN, i32::MIN),
        of_last(59, 1_000_000_000),
        of_last(60, i32::MIN),
    ] {
        cases.push((WatchOverviewRequest { range, ..good.clone() }, vec!["last"]));
    }
    let least = duration(i64::MIN, i32::MIN);
    for interval in [duration(60, 1), duration(0, 0), duration(-1, 0), duration(i64::MAX, 0), least]
    {
        cases.push((
            WatchOverviewRequest { interval: Some(interval), ..good.clone() },
            vec!["interval"],
        ));
    }
    let backwards = window(CUT.1, CUT.0).map(Range::Window);
    cases.push((WatchOverviewRequest { range: backwards, ..good.clone() }, vec!["window.end"]));
    let many = WatchOverviewRequest { bucket_unit: BucketUnit::Minute.into(), ..last(8 * 86_400) };
    cases.push((many, vec!["bucket_unit"]));
    cases.push((WatchOverviewRequest { top_count: -1, ..good }, vec!["top_count"]));
    for (request, expected) in cases {
        let status = client.watch_overview(request.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{request:?}");
        assert_eq!(fields(&status), expected, "{request:?}");
    }
    for range in [of_last(60, 0), of_last(366 * 86_400, 0)] {
        let bucket_unit = BucketUnit::Month.into();
        let request = WatchOverviewRequest { range, bucket_unit, top_count: 100, ..last(60) };
        answer(&mut watch(&service, request).await).await;
    }
}

#[tokio::test]
async fn a_window_that_lacks_rows_is_refused_from_when_they_are_gone() {
    let service = TestService::start().await;
    let users = users(&service).await;
    for text in ["2024-05-05T12:00:00Z", "2024-05-06T12:00:00Z"] {
        add(&service.sql, text, users[0].account_id, users[1].account_id, "1").await;
    }
    let mut stream = watch(&service, question(CUT.0, CUT.1)).await;
    assert_eq!(answer(&mut stream).await.transaction_count, 2);
    let days = WatchOverviewRequest {
        bucket_unit: BucketUnit::Day.into(),
        ..question("2024-05-05T00:00:00Z", "2024-05-07T00:00:00Z")
    };
    let mut whole = watch(&service, days).await;
    assert_eq!(answer(&mut whole).await.transaction_count, 2);
    // It gives up where others are at work for long.
    eventually("the day is dropped", async || {
        service.sql.batch_execute("SELECT drop_day_before('2024-05-06')").await.is_ok()
    })
    .await;
    let ended = loop {
        if let Err(status) = message(&mut stream).await {
            break status;
        }
    };
    assert_eq!(ended.code(), Code::FailedPrecondition, "{ended:?}");
    assert!(ended.message().contains("2024-05-05"), "{ended:?}");
    // Whole days are still made of totals.
    add(&service.sql, "2024-05-06T13:00:00Z", users[0].account_id, users[1].account_id, "1").await;
    assert_eq!(counted(&mut whole, 3).await.buckets[0].transaction_count, 1);
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let mut settings = settings();
    settings.server.auth = AuthMode::On;
    settings.server.token_freshness_ms = 0;
    let service = TestService::start_with(new_target(), settings).await;
    let (token, token_id) = token_of(&service, Role::Reader).await;
    let mut request = tonic::Request::new(question(CUT.0, CUT.1));
    request.metadata_mut().insert("authorization", bearer(&token).parse().unwrap());
    let mut client = service.analytics().await;
    let mut stream = client.watch_overview(request).await.unwrap().into_inner();
    answer(&mut stream).await;
    let revoke = "UPDATE access_tokens SET revoked_at = now() WHERE token_id = $1";
    service.sql.execute(revoke, &[&token_id]).await.unwrap();
    let ended = message(&mut stream).await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended:?}");
}

#[tokio::test]
async fn a_stream_ends_at_its_clients_deadline_and_with_the_server() {
    let service = TestService::start().await;
    let mut request = tonic::Request::new(last(3_600));
    request.set_timeout(Duration::from_millis(700));
    let mut client = service.analytics().await;
    let mut short = client.watch_overview(request).await.unwrap().into_inner();
    let mut long = watch(&service, last(3_600)).await;
    answer(&mut long).await;
    let ended = loop {
        if let Err(status) = message(&mut short).await {
            break status;
        }
    };
    assert_eq!(ended.code(), Code::DeadlineExceeded, "{ended:?}");
    service.stop.drain.cancel();
    let ended = loop {
        if let Err(status) = message(&mut long).await {
            break status;
        }
    };
    assert_eq!(ended.code(), Code::Unavailable, "{ended:?}");
}

/// On a server of its own, where nobody else writes.
#[tokio::test]
async fn a_stream_outlives_a_database_that_comes_back_and_computes_nothing_anew_for_nothing() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let target =
        DatabaseTarget::plain(cluster.connection(ClusterRole::Owner), "daybook".to_owned());
    let service = TestService::start_with(target.clone(), settings()).await;
    let users = users(&service).await;
    let (from, to) = (users[0].account_id, users[1].account_id);
    let open = sql(target.config.clone(), &target.schema).await;
    open.batch_execute("BEGIN").await.unwrap();
    add(&open, "2024-05-06T00:00:00Z", from, to, "1").await;
    let mut stream = watch(&service, question(CUT.0, CUT.1)).await;
    assert_eq!(answer(&mut stream).await.transaction_count, 0);
    // There are twenty looks until then; a vacuum may come by.
    let begun = service.overviews.answered();
    assert!(message(&mut stream).await.unwrap().is_unchanged);
    let more = service.overviews.answered() - begun;
    assert!(more < 6, "{more} answers while nothing was written");
    // Its number is older than the answer, and its end is not.
    open.batch_execute("COMMIT").await.unwrap();
    assert_eq!(counted(&mut stream, 1).await.sum_amount, "1.00000");
    let postmaster = folder.postmaster().unwrap();
    kill_process(Pid::from_raw(postmaster.cast_signed()).unwrap(), Signal::KILL).unwrap();
    let is_another = |pid: Option<u32>| pid.is_some() && pid != Some(postmaster);
    eventually("it is back", async || {
        is_another(folder.postmaster()) && try_connect(&target.config).await.is_ok()
    })
    .await;
    let again = sql(target.config.clone(), &target.schema).await;
    add(&again, "2024-05-06T00:00:01Z", from, to, "2").await;
    assert_eq!(counted(&mut stream, 2).await.sum_amount, "3.00000");
    // One that does not come back ends it.
    drop((open, again));
    cluster.stop().await.unwrap();
    let ended = loop {
        if let Err(status) = message(&mut stream).await {
            break status;
        }
    };
    assert_eq!(ended.code(), Code::Unavailable, "{ended:?}");
    assert_eq!(service.overviews.questions(), 0);
}
