//! Many watchers of one question cost as much as one, and none of them costs the others anything.

use bytes::{Buf, BytesMut};
use daybook::grpc::pb::v1::WatchOverviewResponse;
use futures_util::future::join_all;
use prost::Message;
use tonic::Code;

use super::{CUT, answer, counted, question, users, watch};
use crate::support::{
    cluster::eventually,
    ledger::add,
    raw::RawClient,
    service::{TestService, new_target, settings},
};

/// Answers that a client does not read.
const ROWS: i64 = 8;

const WATCH_OVERVIEW: &str = "/daybook.v1.AnalyticsService/WatchOverview";

#[tokio::test]
async fn fifty_watchers_of_a_question_share_its_answers() {
    let service = TestService::start().await;
    let users = users(&service).await;
    let asked = question(CUT.0, CUT.1);
    let client = service.analytics().await;
    let open = (0..50).map(|_| {
        let (mut client, asked) = (client.clone(), asked.clone());
        async move {
            let mut stream = client.watch_overview(asked).await.unwrap().into_inner();
            let first = answer(&mut stream).await;
            assert_eq!(first.transaction_count, 0);
            stream
        }
    });
    let mut streams = join_all(open).await;
    assert_eq!(service.overviews.questions(), 1);
    let begun = service.overviews.answered();
    assert!(begun < 25, "{begun} answers for 50 watchers that came together");
    add(&service.sql, "2024-05-06T00:00:00Z", users[0].account_id, users[1].account_id, "1").await;
    for found in join_all(streams.iter_mut().map(answer)).await {
        assert_eq!(found.transaction_count, 1);
    }
    // Others write to this server too: there may be an answer more than the one.
    let more = service.overviews.answered() - begun;
    assert!(more < 25, "{more} answers for 50 watchers of one row");
    // Whoever comes later is shown what was committed before, at once.
    add(&service.sql, "2024-05-06T00:00:01Z", users[0].account_id, users[1].account_id, "1").await;
    let mut late = watch(&service, asked).await;
    assert_eq!(answer(&mut late).await.transaction_count, 2);
    drop((streams, late));
    eventually("nobody is answered any more", async || service.overviews.questions() == 0).await;
}

#[tokio::test]
async fn who_reads_slowly_gets_the_newest_answer_and_keeps_nobody_waiting() {
    let service = TestService::start().await;
    let users = users(&service).await;
    let asked = question(CUT.0, CUT.1);
    // So many bytes are sent, and then nothing is until they are read.
    let slow = RawClient::open_with_window(service.address, 64).await;
    let (response, _sent) = slow.begin(WATCH_OVERVIEW, &asked).await;
    let mut body = response.await.unwrap().into_body();
    let mut quick = watch(&service, asked).await;
    assert_eq!(answer(&mut quick).await.transaction_count, 0);
    for count in 1..=ROWS {
        let at = format!("2024-05-06T00:00:0{count}Z");
        add(&service.sql, &at, users[0].account_id, users[1].account_id, "1").await;
        counted(&mut quick, count).await;
    }
    let (mut bytes, mut counts) = (BytesMut::new(), Vec::new());
    while counts.last() != Some(&ROWS) {
        let chunk = body.data().await.unwrap().unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        bytes.extend_from_slice(&chunk);
        while bytes.len() >= 5 {
            let length = usize::try_from((&bytes[1..5]).get_u32()).unwrap();
            if bytes.len() < 5 + length {
                break;
            }
            let frame = bytes.split_to(5 + length);
            let found = WatchOverviewResponse::decode(&frame[5..]).unwrap();
            if !found.is_unchanged {
                counts.push(found.transaction_count);
            }
        }
    }
    // Those that were on their way, and the newest one.
    assert!(counts.len() <= 4, "{counts:?}");
}

#[tokio::test]
async fn streams_and_questions_are_limited() {
    let mut settings = settings();
    settings.server.overview_streams_max = 3;
    settings.server.overview_questions_max = 1;
    let service = TestService::start_with(new_target(), settings).await;
    let users = users(&service).await;
    let (asked, other) = (question(CUT.0, CUT.1), question(CUT.0, "2024-05-06T00:00:00Z"));
    let mut client = service.analytics().await;
    let mut first = watch(&service, asked.clone()).await;
    answer(&mut first).await;
    let status = client.watch_overview(other.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let more = [watch(&service, asked.clone()).await, watch(&service, asked.clone()).await];
    let status = client.watch_overview(asked).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    // Others go on.
    add(&service.sql, "2024-05-06T00:00:00Z", users[0].account_id, users[1].account_id, "1").await;
    assert_eq!(answer(&mut first).await.transaction_count, 1);
    drop((first, more));
    eventually("the place is free", async || client.watch_overview(other.clone()).await.is_ok())
        .await;
}
