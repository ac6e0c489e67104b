//! Requests, drawn and encoded before the load begins.

use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use prost::Message;
use prost_types::Timestamp;
use rand::{RngExt, rngs::ChaCha12Rng};
use tonic_health::pb::HealthCheckRequest;

use crate::{
    bench::{
        data::Data,
        windows::{Span, draw},
    },
    config::{BenchDirection, BenchMetric, BenchSettings, Call},
    grpc::pb::v1::{
        BatchSumAmountRequest, Direction, RankMetric, RankRequest, SumAmountRequest, Window,
        sum_amount_request::Subject,
    },
};

/// Most requests of a call; then they come again. Far more than a server can keep the answers
/// of, were it to try.
const REQUESTS_MAX: usize = 65_536;

/// Most bytes of a call's requests.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// The requests of one call.
#[derive(Clone, Debug)]
pub(super) struct Questions {
    /// Which call.
    pub(super) call: Call,
    /// Where it is sent.
    pub(super) path: PathAndQuery,
    /// The messages, at least one.
    pub(super) messages: Vec<Bytes>,
}

/// Draws and encodes the requests of a call.
#[must_use]
pub(super) fn make(
    call: Call,
    settings: &BenchSettings,
    data: Option<&Data>,
    random: &mut ChaCha12Rng,
) -> Questions {
    let path = match call {
        Call::Health => "/grpc.health.v1.Health/Check",
        Call::SumAmount => "/daybook.v1.AnalyticsService/SumAmount",
        Call::BatchSumAmount => "/daybook.v1.AnalyticsService/BatchSumAmount",
        Call::Rank => "/daybook.v1.AnalyticsService/Rank",
    };
    let mut whole = BytesMut::new();
    let mut messages = Vec::new();
    // All are cut from one buffer: handing one out counts a reference and copies nothing.
    while messages.len() < REQUESTS_MAX && whole.len() < BYTES_MAX {
        let before = whole.len();
        // A buffer in memory grows until it fits.
        let encoded = match (call, data) {
            (Call::Health, _) | (_, None) => HealthCheckRequest::default().encode(&mut whole),
            (Call::SumAmount, Some(data)) => draw_sum(settings, data, random).encode(&mut whole),
            (Call::BatchSumAmount, Some(data)) => {
                let question = |_| draw_sum(settings, data, random);
                let questions = (0..settings.batch_size).map(question).collect();
                let batch = BatchSumAmountRequest { questions, ..Default::default() };
                batch.encode(&mut whole)
            }
            (Call::Rank, Some(data)) => draw_rank(settings, data, random).encode(&mut whole),
        };
        encoded.expect("a buffer in memory grows until a message fits");
        messages.push(before..whole.len());
        if call == Call::Health {
            break;
        }
    }
    let whole = whole.freeze();
    let messages = messages.into_iter().map(|range| whole.slice(range)).collect();
    Questions { call, path: PathAndQuery::from_static(path), messages }
}

/// A question for one user's sum.
#[must_use]
pub(super) fn sum_amount(user: &str, window: Span, direction: Direction) -> SumAmountRequest {
    SumAmountRequest {
        subject: Some(Subject::UserUuid(user.to_owned())),
        window: Some(encode(window)),
        direction: direction.into(),
        ..Default::default()
    }
}

fn draw_sum(settings: &BenchSettings, data: &Data, random: &mut ChaCha12Rng) -> SumAmountRequest {
    let user = &data.users[random.random_range(0..data.users.len())];
    let window = draw(data.span, settings.window_days, settings.windows, random);
    sum_amount(user, window, draw_direction(settings.direction, random))
}

fn draw_rank(settings: &BenchSettings, data: &Data, random: &mut ChaCha12Rng) -> RankRequest {
    let metric = match settings.metric {
        BenchMetric::Sum => RankMetric::Sum,
        BenchMetric::Count => RankMetric::Count,
        BenchMetric::Avg => RankMetric::Avg,
        BenchMetric::StddevSample => RankMetric::StddevSample,
        BenchMetric::StddevPopulation => RankMetric::StddevPopulation,
    };
    let window = draw(data.span, settings.window_days, settings.windows, random);
    RankRequest {
        window: Some(encode(window)),
        direction: draw_direction(settings.direction, random).into(),
        metric: metric.into(),
        ..Default::default()
    }
}

fn draw_direction(direction: BenchDirection, random: &mut ChaCha12Rng) -> Direction {
    match direction {
        BenchDirection::Sender => Direction::Sender,
        BenchDirection::Receiver => Direction::Receiver,
        BenchDirection::Random if random.random() => Direction::Sender,
        BenchDirection::Random => Direction::Receiver,
    }
}

fn encode(window: Span) -> Window {
    let timestamp = |micros: i64| Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default(),
    };
    Window { start: Some(timestamp(window.start)), end: Some(timestamp(window.end)) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::Parser;
    use rand::SeedableRng;

    use super::*;
    use crate::bench::windows::DAY_MICROS;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        settings: BenchSettings,
    }

    fn settings(arguments: &[&str]) -> BenchSettings {
        Arguments::parse_from([&["bench"], arguments].concat()).settings
    }

    fn made(call: Call, arguments: &[&str]) -> Questions {
        let users = vec!["a".to_owned(), "b".to_owned()];
        let data = Data { users, span: Span { start: 0, end: 400 * DAY_MICROS } };
        let mut random = ChaCha12Rng::seed_from_u64(3);
        make(call, &settings(arguments), Some(&data), &mut random)
    }

    #[test]
    fn questions_are_of_every_user_and_of_windows_that_differ() {
        let made = made(Call::SumAmount, &["--direction", "random"]);
        assert_eq!(made.messages.len(), REQUESTS_MAX);
        let (mut users, mut sides, mut windows) = Default::default();
        let _: (&mut HashSet<_>, &mut HashSet<_>, &mut HashSet<_>) =
            (&mut users, &mut sides, &mut windows);
        for message in &made.messages[..1_000] {
            let question = SumAmountRequest::decode(&**message).expect("it was encoded");
            let window = question.window.expect("it has a window");
            let (start, end) = (window.start.expect("a start"), window.end.expect("an end"));
            assert_eq!(end.seconds - start.seconds, 30 * 86_400);
            assert_eq!((end.nanos - start.nanos, start.nanos % 1_000), (0, 0));
            users.insert(question.subject.map(|subject| format!("{subject:?}")));
            sides.insert(question.direction);
            windows.insert((start.seconds, start.nanos));
        }
        assert_eq!((users.len(), sides.len(), windows.len()), (2, 2, 1_000));
    }

    #[test]
    fn batches_and_ranks_are_as_told() {
        let batches = made(Call::BatchSumAmount, &["--batch-size", "7"]);
        let batch = BatchSumAmountRequest::decode(&*batches.messages[0]).expect("it was encoded");
        assert_eq!(batch.questions.len(), 7);
        let ranks = made(Call::Rank, &["--metric", "stddev_sample", "--direction", "receiver"]);
        let rank = RankRequest::decode(&*ranks.messages[0]).expect("it was encoded");
        assert_eq!(rank.metric(), RankMetric::StddevSample);
        assert_eq!(rank.direction(), Direction::Receiver);
    }

    #[test]
    fn the_same_number_draws_the_same_questions() {
        let (one, other) = (made(Call::SumAmount, &[]), made(Call::SumAmount, &[]));
        assert_eq!(one.messages, other.messages);
        assert_eq!(made(Call::Health, &[]).messages, [Bytes::new()]);
    }
}
