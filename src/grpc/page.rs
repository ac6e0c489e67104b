//! How much of a page fits into one answer.

use prost::Message;

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
