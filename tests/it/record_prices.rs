//! `RecordPrices`: what its stream says of each row, and of messages that are wrong. What it
//! shares with `RecordTransactions` is tried there.

use daybook::{
    access::{NewToken, create_token},
    config::AuthMode,
    domain::access::{Role, Token},
    grpc::pb::v1::{
        NewPrice, PriceChunkAcknowledgement, PriceRecordingChunk, PriceRecordingStart,
        RecordPricesRequest, RecordingEnd, RecordingSummary, RefusalReason,
        ingest_service_client::IngestServiceClient, record_prices_request::Message,
        record_prices_response::Message as Answer,
    },
};
use rand::RngExt;
use tonic::{Code, Request, Status, transport::Channel};
use uuid::Uuid;

use crate::{
    invalid_requests::fields,
    support::{
        schema::one,
        service::{TestService, new_target, settings},
        upload::instant,
    },
};

/// Minutes of the day of these tests.
const DAY: &str = "2024-05-05";

fn price(symbol: &str, minute: u32, price: &str) -> NewPrice {
    let at = format!("{DAY}T{:02}:{:02}:00Z", minute / 60, minute % 60);
    NewPrice { symbol: symbol.to_owned(), ticked_at: Some(instant(&at)), price: price.to_owned() }
}

fn start() -> Message {
    Message::Start(PriceRecordingStart::default())
}

fn chunk(chunk_number: i64, prices: &[NewPrice]) -> Message {
    Message::Chunk(PriceRecordingChunk { chunk_number, prices: prices.to_vec() })
}

fn end(row_count: i64) -> Message {
    Message::End(RecordingEnd { row_count })
}

/// What a whole stream is answered with: acknowledgements, then a summary or an error.
async fn answers(
    client: &mut IngestServiceClient<Channel>,
    request: Request<Vec<Message>>,
) -> (Vec<PriceChunkAcknowledgement>, Result<RecordingSummary, Status>) {
    let say = |message| RecordPricesRequest { message: Some(message) };
    let request = request.map(|messages| futures_util::stream::iter(messages.into_iter().map(say)));
    let mut chunks = Vec::new();
    let mut answers = match client.record_prices(request).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return (chunks, Err(status)),
    };
    loop {
        match answers.message().await {
            Ok(Some(answer)) => match answer.message.expect("an answer says something") {
                Answer::Chunk(chunk) => chunks.push(chunk),
                Answer::Summary(summary) => {
                    assert_eq!(answers.message().await.unwrap(), None, "it is the last answer");
                    return (chunks, Ok(summary));
                }
            },
            Ok(None) => panic!("a stream without a last word"),
            Err(status) => return (chunks, Err(status)),
        }
    }
}

/// What is answered where all is in order.
async fn recorded(
    service: &TestService,
    messages: Vec<Message>,
) -> (Vec<PriceChunkAcknowledgement>, RecordingSummary) {
    let (chunks, last) = answers(&mut service.ingest().await, Request::new(messages)).await;
    (chunks, last.unwrap())
}

/// Recorded, already present, replaced and refused rows of a summary.
fn counts(summary: &RecordingSummary) -> [i64; 4] {
    [
        summary.recorded_count,
        summary.already_present_count,
        summary.replaced_count,
        summary.refused_count,
    ]
}

/// Place, reason and field of each row that was refused.
fn refused(chunk: &PriceChunkAcknowledgement) -> Vec<(i32, RefusalReason, &str)> {
    let refused = chunk.refused.iter();
    refused.map(|row| (row.row_index, row.reason(), row.field.as_str())).collect()
}

#[tokio::test]
async fn chunks_are_acknowledged_in_order_and_summed_up() {
    let service = TestService::start().await;
    let rows: Vec<_> = (0..50).map(|minute| price("BTC-USD", minute, "42000.50")).collect();
    let messages = vec![start(), chunk(1, &rows[..30]), chunk(2, &rows[30..]), end(50)];
    let (chunks, summary) = recorded(&service, messages).await;
    let numbers: Vec<_> = chunks.iter().map(|c| (c.chunk_number, c.recorded_count)).collect();
    assert_eq!(numbers, [(1, 30), (2, 20)]);
    let expected = RecordingSummary {
        chunk_count: 2,
        row_count: 50,
        recorded_count: 50,
        ..RecordingSummary::default()
    };
    assert_eq!(summary, expected);
    let (chunks, summary) = recorded(&service, vec![start(), end(0)]).await;
    assert_eq!((chunks, summary), (vec![], RecordingSummary::default()));
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_refused_by_their_fields() {
    let service = TestService::start().await;
    let late = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
    let rows = [
        price("btcusd", 0, "1"),
        price("btc usd", 1, "1"),
        price("", 2, "1"),
        NewPrice { ticked_at: None, ..price("btcusd", 3, "1") },
        NewPrice { ticked_at: late(1_714_867_200, 1), ..price("btcusd", 4, "1") },
        price("btcusd", 5, "1e3"),
        price("btcusd", 6, "0"),
        price("btcusd", 7, "-1"),
        price("btcusd", 8, &"1".repeat(31)),
        price("btcusd", 9, "2"),
    ];
    let (chunks, summary) = recorded(&service, vec![start(), chunk(1, &rows), end(10)]).await;
    let wrong = RefusalReason::WrongField;
    let expected = [
        (1, wrong, "symbol"),
        (2, wrong, "symbol"),
        (3, wrong, "ticked_at"),
        (4, wrong, "ticked_at"),
        (5, wrong, "price"),
        (6, wrong, "price"),
        (7, wrong, "price"),
        (8, wrong, "price"),
    ];
    assert_eq!(refused(&chunks[0]), expected);
    let rule = "must be 1 to 32 letters and digits, for example btcusd";
    assert_eq!(chunks[0].refused[0].description, rule);
    assert_eq!(counts(&summary), [2, 0, 0, 8]);
}

#[tokio::test]
async fn messages_out_of_order_are_refused_by_name() {
    let service = TestService::start().await;
    let mut client = service.ingest().await;
    let one = price("btcusd", 0, "1");
    let many = vec![one.clone(); 5_001];
    let row = std::slice::from_ref(&one);
    let every = |tick_interval_seconds| {
        Message::Start(PriceRecordingStart { tick_interval_seconds, ..Default::default() })
    };
    let cases: [(&str, Vec<Message>); 12] = [
        ("start", vec![]),
        ("start", vec![chunk(1, row)]),
        ("start", vec![end(0)]),
        ("start", vec![start(), start()]),
        ("start.tick_interval_seconds", vec![every(-1)]),
        ("start.tick_interval_seconds", vec![every(86_401), end(0)]),
        ("chunk.chunk_number", vec![start(), chunk(0, row)]),
        ("chunk.chunk_number", vec![start(), chunk(1, row), chunk(1, row)]),
        ("chunk.prices", vec![start(), chunk(1, &[])]),
        ("chunk.prices", vec![start(), chunk(1, &many)]),
        ("end.row_count", vec![start(), chunk(1, row), end(2)]),
        ("end", vec![start(), chunk(1, row)]),
    ];
    for (field, messages) in cases {
        let (_, last) = answers(&mut client, Request::new(messages)).await;
        let status = last.expect_err(field);
        assert_eq!(fields(&status), [field], "{status:?}");
    }
}

#[tokio::test]
async fn streams_of_prices_and_of_transactions_share_their_places() {
    let mut settings = settings();
    settings.server.ingest_streams_max = 1;
    let service = TestService::start_with(new_target(), settings).await;
    let mut client = service.ingest().await;
    let upload = crate::support::upload::Upload::open(&mut client).await.unwrap();
    let (_, last) = answers(&mut client, Request::new(vec![start(), end(0)])).await;
    assert_eq!(last.expect_err("there is one").code(), Code::ResourceExhausted);
    drop(upload);
}

#[tokio::test]
async fn who_records_transactions_records_prices_and_nobody_else() {
    let mut settings = settings();
    settings.server.auth = AuthMode::On;
    let service = TestService::start_with(new_target(), settings).await;
    let mut client = service.ingest().await;
    for (role, expected) in [
        (Some(Role::Ingester), None),
        (Some(Role::Admin), None),
        (Some(Role::Reader), Some(Code::PermissionDenied)),
        (None, Some(Code::Unauthenticated)),
    ] {
        let mut request = Request::new(vec![start(), end(0)]);
        if let Some(role) = role {
            let token = Token::new(rand::rng().random());
            let new = NewToken {
                token_id: Uuid::new_v4(),
                name: role.as_str().to_owned(),
                hash: token.hash(),
                role,
                user_uuid: None,
                certificate_name: None,
                expires_days: None,
            };
            create_token(&service.owner, &new).await.unwrap();
            let value = format!("Bearer {}", token.to_text()).parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let (_, last) = answers(&mut client, request).await;
        assert_eq!(last.err().map(|status| status.code()), expected, "{role:?}");
    }
}

#[tokio::test]
async fn a_stream_sent_again_is_there_already_and_other_prices_are_refused() {
    let service = TestService::start().await;
    let rows: Vec<_> = (0..20).map(|minute| price("ethbtc", minute, "0.09947660")).collect();
    let messages = || vec![start(), chunk(1, &rows), end(20)];
    assert_eq!(counts(&recorded(&service, messages()).await.1), [20, 0, 0, 0]);
    assert_eq!(counts(&recorded(&service, messages()).await.1), [0, 20, 0, 0]);
    let other = [price("ETH/BTC", 3, "0.1"), price("ethbtc", 4, "0.0994766")];
    let (chunks, summary) = recorded(&service, vec![start(), chunk(1, &other), end(2)]).await;
    assert_eq!(refused(&chunks[0]), [(0, RefusalReason::OtherContent, "price")]);
    assert_eq!(counts(&summary), [0, 1, 0, 1]);
    let replace = Message::Start(PriceRecordingStart { replace: true, ..Default::default() });
    let (chunks, summary) = recorded(&service, vec![replace, chunk(1, &other), end(2)]).await;
    assert_eq!((chunks[0].replaced_count, &chunks[0].refused), (1, &vec![]));
    assert_eq!(counts(&summary), [0, 1, 1, 0]);
}

#[tokio::test]
async fn whole_chunks_only_means_that_a_refused_row_takes_the_others_along() {
    let service = TestService::start().await;
    let whole =
        || Message::Start(PriceRecordingStart { whole_chunks_only: true, ..Default::default() });
    let rows = [price("btcusd", 0, "1"), price("btcusd", 1, "x")];
    let messages = vec![whole(), chunk(1, &rows), chunk(2, &rows[..1]), end(3)];
    let (chunks, summary) = recorded(&service, messages).await;
    let found: Vec<_> = chunks.iter().map(|c| (c.recorded_count, c.refused.len())).collect();
    assert_eq!(found, [(0, 1), (1, 0)]);
    assert_eq!(counts(&summary), [1, 0, 0, 1]);
}

#[tokio::test]
async fn symbols_are_recorded_with_their_interval_once() {
    let service = TestService::start().await;
    for (seconds, expected) in [(300, 300), (0, 300)] {
        let start = PriceRecordingStart { tick_interval_seconds: seconds, ..Default::default() };
        let rows = [price("ethbtc", 0, "0.1")];
        recorded(&service, vec![Message::Start(start), chunk(1, &rows), end(1)]).await;
        let text = "SELECT tick_interval_seconds FROM symbols";
        assert_eq!(one::<i32>(&service.sql, text).await, expected);
    }
}

#[tokio::test]
async fn a_symbol_has_one_series_whatever_it_is_called_by_and_whatever_came_before() {
    let service = TestService::start().await;
    let names = ["X-BTGBP", "BTC-GBP", "xbtgbp", "btc/usd", "xb-tusd", "x-btusd", "BTC-USD"];
    let rows: Vec<_> = (0..).zip(names).map(|(minute, name)| price(name, minute, "1")).collect();
    let count = i64::try_from(rows.len()).unwrap();
    let mut messages = vec![start()];
    messages.extend((1..).zip(&rows).map(|(n, row)| chunk(n, std::slice::from_ref(row))));
    messages.push(end(count));
    let (_, summary) = recorded(&service, messages).await;
    assert_eq!(counts(&summary), [count, 0, 0, 0]);
    let text = "SELECT string_agg(name || ' ' || n, ', ' ORDER BY name) FROM (
        SELECT s.name, count(*) AS n FROM prices p JOIN symbols s USING (symbol_id) GROUP BY s.name
    ) c";
    assert_eq!(one::<String>(&service.sql, text).await, "btcgbp 3, btcusd 4");

    // One that plain SQL made, by a name that nobody asks for, takes nobody's ticks.
    service.sql.execute("INSERT INTO symbols (name) VALUES ('xbteur')", &[]).await.unwrap();
    let rows = [price("xbteur", 0, "2"), price("btceur", 1, "2")];
    let (_, summary) = recorded(&service, vec![start(), chunk(1, &rows), end(2)]).await;
    assert_eq!(counts(&summary), [2, 0, 0, 0]);
    let text = "SELECT count(*) FROM prices p JOIN symbols s USING (symbol_id)
        WHERE s.name = 'btceur'";
    assert_eq!(one::<i64>(&service.sql, text).await, 2);
}
