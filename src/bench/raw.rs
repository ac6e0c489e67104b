//! Messages as bytes: what is sent was encoded before, what comes back is not decoded.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::decode_varint;
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use crate::config::Call;

/// A codec that hands bytes through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        *self
    }

    fn decoder(&mut self) -> Self::Decoder {
        *self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Whether an answer without an error says what was asked for: a server that says it does not
/// serve, or a batch in which a question has an error of its own, does not.
#[must_use]
pub(super) fn is_answer(call: Call, answer: &[u8]) -> bool {
    match call {
        // HealthCheckResponse { status: SERVING }.
        Call::Health => answer == [8, 1],
        Call::BatchSumAmount => are_all_answered(answer),
        Call::SumAmount | Call::Rank => !answer.is_empty(),
    }
}

/// Whether every result of a BatchSumAmountResponse begins with the field of its answer.
/// Reads the outermost layer only.
fn are_all_answered(mut answer: &[u8]) -> bool {
    const RESULT: u8 = (1 << 3) | 2;
    const ANSWER: u8 = (1 << 3) | 2;
    let mut results = 0;
    while answer.first() == Some(&RESULT) {
        answer.advance(1);
        let length =
            decode_varint(&mut answer).ok().and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|&length| length <= answer.len()) else { return false };
        if answer[..length].first() != Some(&ANSWER) {
            return false;
        }
        answer.advance(length);
        results += 1;
    }
    results > 0
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use tonic_health::pb::{HealthCheckResponse, health_check_response::ServingStatus};

    use super::*;
    use crate::grpc::pb::v1::{
        BatchSumAmountResponse, BatchSumAmountResult, QuestionError, SumAmountResponse,
        batch_sum_amount_result::Outcome,
    };

    #[test]
    fn a_health_check_is_answered_by_a_server_that_serves() {
        for (status, expected) in
            [(ServingStatus::Serving, true), (ServingStatus::NotServing, false)]
        {
            let answer = HealthCheckResponse { status: status.into() }.encode_to_vec();
            assert_eq!(is_answer(Call::Health, &answer), expected, "{status:?}");
        }
    }

    #[test]
    fn a_batch_is_answered_if_each_of_its_questions_is() {
        let answer = || {
            Outcome::Answer(SumAmountResponse { sum_amount: "1".repeat(300), ..Default::default() })
        };
        let error = || Outcome::Error(QuestionError { code: 5, ..Default::default() });
        for (outcomes, expected) in [
            (vec![], false),
            (vec![answer()], true),
            (vec![answer(), answer(), answer()], true),
            (vec![answer(), error(), answer()], false),
            (vec![answer(), error()], false),
        ] {
            let results: Vec<_> = outcomes
                .into_iter()
                .map(|outcome| BatchSumAmountResult { outcome: Some(outcome) })
                .collect();
            let batch = BatchSumAmountResponse { results, database_seconds: 0.5 };
            let whole = batch.encode_to_vec();
            assert_eq!(is_answer(Call::BatchSumAmount, &whole), expected, "{batch:?}");
        }
    }
}
