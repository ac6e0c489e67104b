//! How much of a page fits into one answer.

use prost::Message;

use crate::error::{Error, ErrorKind};

/// Bytes of an answer that are kept for what is not rows.
const ENVELOPE_BYTES: usize = 8 * 1024;

/// Bytes of the head of a row in an answer, at most.
const ROW_OVERHEAD_BYTES: usize = 8;

/// Bytes that rows may take in an answer of at most so many bytes.
#[must_use]
pub fn room(bytes_max: usize) -> usize {
    bytes_max.saturating_sub(ENVELOPE_BYTES)
}

/// Bytes that a row takes in an answer, at most.
#[must_use]
pub fn row_bytes(row: &impl Message) -> usize {
    row.encoded_len() + ROW_OVERHEAD_BYTES
}

/// Ends a page before its rows take more than `room` bytes; whether any were cut off.
pub fn cut(rows: &mut Vec<impl Message>, mut room: usize) -> bool {
    let fitting = rows.iter().take_while(|row| {
        let bytes = row_bytes(*row);
        let fits = bytes <= room;
        room = room.saturating_sub(bytes);
        fits
    });
    let fitting = fitting.count();
    let is_cut = fitting < rows.len();
    rows.truncate(fitting);
    is_cut
}

/// As [`cut`], for rows that a client walks through: the first of them must fit, or the walk
/// would end there in silence.
///
/// # Errors
/// `BeyondLimit` if the first row alone is larger than `room`.
pub fn cut_after_first(rows: &mut Vec<impl Message>, room: usize) -> Result<bool, Error> {
    let had_rows = !rows.is_empty();
    let is_cut = cut(rows, room);
    if had_rows && rows.is_empty() {
        return Err(Error::new(ErrorKind::BeyondLimit(
            "the next transaction alone is larger than --response-bytes-max",
        )));
    }
    Ok(is_cut)
}
