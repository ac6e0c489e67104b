//! `IngestService.RecordPrices`: what its messages say, and what they ask for. The protocol is
//! in `recording`.

use crate::{
    domain::{
        price::{
            symbol::{SymbolName, TICK_INTERVAL_SECONDS_DEFAULT, TICK_INTERVAL_SECONDS_MAX},
            tick::{NewPrice, PRICE_DECIMALS_MAX, PRICE_WHOLE_DIGITS_MAX},
        },
        refusal::Fault,
    },
    error::Error,
    grpc::{
        decode,
        pb::v1::{
            self, PriceChunkAcknowledgement, PriceRecordingChunk, PriceRecordingStart,
            RecordPricesRequest, RecordPricesResponse, RecordingSummary,
            record_prices_request::Message as Request, record_prices_response::Message as Response,
        },
        recording::{Acknowledged, Message, Recorded, Recorder, wrong},
        violations::Violations,
    },
    ingest::{Ingest, record_prices::PriceOptions},
};

/// Records the prices of a stream.
pub(super) struct PriceRecorder {
    options: PriceOptions,
}

impl Recorder for PriceRecorder {
    type Request = RecordPricesRequest;
    type Response = RecordPricesResponse;
    type Start = PriceRecordingStart;
    type Given = v1::NewPrice;
    type Row = NewPrice;

    const REQUEST: &'static str = "RecordPricesRequest";
    const ROWS: &'static str = "chunk.prices";

    fn read(request: RecordPricesRequest) -> Option<Message<Self>> {
        Some(match request.message? {
            Request::Start(start) => Message::Start(start),
            Request::Chunk(PriceRecordingChunk { chunk_number, prices }) => {
                Message::Chunk(chunk_number, prices)
            }
            Request::End(end) => Message::End(end),
        })
    }

    fn start(start: PriceRecordingStart) -> Result<Self, Error> {
        let PriceRecordingStart { replace, whole_chunks_only, tick_interval_seconds } = start;
        let tick_interval_seconds = match tick_interval_seconds {
            0 => TICK_INTERVAL_SECONDS_DEFAULT,
            1..=TICK_INTERVAL_SECONDS_MAX => tick_interval_seconds,
            _ => {
                let description = format!(
                    "must be 1 to {TICK_INTERVAL_SECONDS_MAX}, or 0 for \
                     {TICK_INTERVAL_SECONDS_DEFAULT}"
                );
                return Err(wrong("start.tick_interval_seconds", description));
            }
        };
        Ok(Self { options: PriceOptions { replace, whole_chunks_only, tick_interval_seconds } })
    }

    fn decode(given: v1::NewPrice, violations: &mut Violations) -> Option<NewPrice> {
        let symbol = SymbolName::parse(&given.symbol);
        let symbol = violations.require(symbol, "symbol", SymbolName::RULE);
        let ticked_at = decode::instant(given.ticked_at.as_ref(), "ticked_at", violations);
        let price = decode::decimal(&given.price, "price", price_hint, violations);
        let price = NewPrice { symbol: symbol?, ticked_at: ticked_at?, price: price? };
        if let Some(Fault { field, message, .. }) = price.fault() {
            violations.add(field, message);
        }
        Some(price)
    }

    fn is_for_whole_chunks(&self) -> bool {
        self.options.whole_chunks_only
    }

    async fn record(&self, ingest: &Ingest, rows: Vec<NewPrice>) -> Result<Recorded, Error> {
        let outcome = ingest.record_prices(rows, &self.options).await?;
        Ok(Recorded {
            recorded: outcome.recorded,
            already_present: outcome.already_present,
            replaced: outcome.replaced,
            refused: outcome.refused,
            made_ids: Vec::new(),
        })
    }

    fn acknowledgement(chunk: Acknowledged) -> RecordPricesResponse {
        let acknowledgement = PriceChunkAcknowledgement {
            chunk_number: chunk.chunk_number,
            recorded_count: chunk.recorded_count,
            already_present_count: chunk.already_present_count,
            replaced_count: chunk.replaced_count,
            refused: chunk.refused,
        };
        RecordPricesResponse { message: Some(Response::Chunk(acknowledgement)) }
    }

    fn summary(summary: RecordingSummary) -> RecordPricesResponse {
        RecordPricesResponse { message: Some(Response::Summary(summary)) }
    }
}

/// What a price must be.
fn price_hint() -> String {
    format!(
        "must be a decimal number greater than zero, such as 0.0994766, with at most \
         {PRICE_WHOLE_DIGITS_MAX} digits before the point and {PRICE_DECIMALS_MAX} behind it"
    )
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;
    use crate::error::ErrorKind;

    fn given(symbol: &str, ticked_at: Option<(i64, i32)>, price: &str) -> v1::NewPrice {
        v1::NewPrice {
            symbol: symbol.to_owned(),
            ticked_at: ticked_at.map(|(seconds, nanos)| Timestamp { seconds, nanos }),
            price: price.to_owned(),
        }
    }

    #[test]
    fn a_row_is_read_in_any_spelling_of_its_symbol() {
        let mut violations = Violations::default();
        let row = given("BTC-USD", Some((1_515_560_100, 1_000)), "42000.50");
        let row = PriceRecorder::decode(row, &mut violations).expect("it is a price");
        assert!(!violations.has_any());
        assert_eq!(row.symbol.as_str(), "btcusd");
        assert_eq!(row.ticked_at.timestamp_micros(), 1_515_560_100_000_001);
        assert_eq!(row.price.to_string(), "42000.5");
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said_with_its_field() {
        let (at, long) = (Some((1_515_560_100, 0)), "1".repeat(201));
        let many_digits = "1".repeat(31);
        for (row, expected) in [
            (given("", at, "1"), vec!["symbol"]),
            (given("btc usd", None, "x"), vec!["symbol", "ticked_at", "price"]),
            (given("btcusd", Some((0, 1)), "1"), vec!["ticked_at"]),
            (given("btcusd", at, ""), vec!["price"]),
            (given("btcusd", at, "1e3"), vec!["price"]),
            (given("btcusd", at, "0"), vec!["price"]),
            (given("btcusd", at, "-1"), vec!["price"]),
            (given("btcusd", at, &many_digits), vec!["price"]),
            (given("btcusd", at, &long), vec!["price"]),
        ] {
            let mut violations = Violations::default();
            let text = format!("{row:?}");
            PriceRecorder::decode(row, &mut violations);
            let error = violations.finish(None::<()>).expect_err("something is wrong");
            let ErrorKind::InvalidArgument(found) = error.kind() else { panic!("{error:?}") };
            let found: Vec<&str> = found.iter().map(|violation| &*violation.field).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_start_says_how_far_ticks_lie_apart() {
        let seconds = |tick_interval_seconds| {
            let start = PriceRecordingStart { tick_interval_seconds, ..Default::default() };
            PriceRecorder::start(start).map(|recorder| recorder.options.tick_interval_seconds)
        };
        for (given, expected) in [(0, 60), (1, 1), (300, 300), (86_400, 86_400)] {
            assert_eq!(seconds(given).ok(), Some(expected));
        }
        for given in [-1, 86_401, i32::MIN, i32::MAX] {
            let error = seconds(given).expect_err("out of range");
            let ErrorKind::InvalidArgument(found) = error.kind() else { panic!("{error:?}") };
            assert_eq!(found[0].field, "start.tick_interval_seconds");
        }
    }
}
