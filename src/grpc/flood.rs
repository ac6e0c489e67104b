//! Tells a flood of frames that ask nothing from a conversation.
//!
//! HTTP/2 lets a peer send frames that cost it next to nothing and oblige the server to work:
//! pings and settings that must be answered, empty data, resets, continuations without end (the
//! attacks of CVE-2019-9512, 9515, 9518 and CVE-2023-44487). None of them is wrong by itself, so
//! the library below answers them all. Here they are counted: each request and each frame with
//! data pays for some of them, so do the bytes of answers, and time pays for a few. Whoever owes
//! too much is cut off.

use std::time::Instant;

/// Bytes of the preface that a connection begins with (RFC 9113, section 3.4).
const PREFACE: usize = 24;

/// Bytes of a frame's head (RFC 9113, section 4.1).
const HEAD: usize = 9;

/// Frames that cost nothing which a connection may be ahead by.
const CREDIT_MAX: f64 = 1_000.0;

/// Frames that each second pays for: far more than keep-alive and windows take.
const CREDIT_PER_SECOND: f64 = 100.0;

/// Frames that a request, or data, pays for: its windows, pings that measure the way, its reset.
const CREDIT_PER_WORK: f64 = 8.0;

/// Frames that each byte of answers pays for: windows are opened for what was read, by some
/// clients twice for every message. The answer to a ping, 17 bytes, does not pay for the ping.
const CREDIT_PER_BYTE: f64 = 1.0 / 32.0;

/// Frame types (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// Counts the frames of one connection, as their bytes come in.
#[derive(Debug)]
pub(super) struct FrameCount {
    /// Bytes that belong to no head: the rest of the preface, or of a frame's payload.
    skipped: usize,
    head: [u8; HEAD],
    head_length: usize,
    credit: f64,
    paid_at: Instant,
}

/// A peer sends more frames that ask nothing than anybody needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Flood;

impl FrameCount {
    /// The count of a connection that begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self { skipped: PREFACE, head: [0; HEAD], head_length: 0, credit: CREDIT_MAX, paid_at: now }
    }

    /// Counts the frames that begin in these bytes, which follow those of the time before.
    ///
    /// # Errors
    /// A flood; the connection is to be closed.
    pub(super) fn count(
        &mut self,
        mut bytes: &[u8],
        now: impl Fn() -> Instant,
    ) -> Result<(), Flood> {
        while !bytes.is_empty() {
            let passed = self.skipped.min(bytes.len());
            self.skipped -= passed;
            bytes = &bytes[passed..];
            let taken = (HEAD - self.head_length).min(bytes.len());
            if passed > 0 && taken == 0 {
                return Ok(());
            }
            self.head[self.head_length..self.head_length + taken].copy_from_slice(&bytes[..taken]);
            self.head_length += taken;
            bytes = &bytes[taken..];
            if self.head_length == HEAD {
                self.head_length = 0;
                let [high, middle, low, kind, ..] = self.head;
                let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.skipped = length;
                self.pay(kind, length, &now)?;
            }
        }
        Ok(())
    }

    /// Counts so many bytes that were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        // Longer than anything that is written at once.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.credit = (self.credit + f64::from(bytes) * CREDIT_PER_BYTE).min(CREDIT_MAX);
    }

    fn pay(&mut self, kind: u8, length: usize, now: impl Fn() -> Instant) -> Result<(), Flood> {
        if kind == HEADERS || (kind == DATA && length > 0) {
            self.credit = (self.credit + CREDIT_PER_WORK).min(CREDIT_MAX);
            return Ok(());
        }
        self.credit -= 1.0;
        if self.credit < 0.0 {
            // Only looked at now: a clock costs more than a frame.
            let now = now();
            let waited = now.saturating_duration_since(self.paid_at).as_secs_f64();
            self.paid_at = now;
            self.credit = (self.credit + waited * CREDIT_PER_SECOND).min(CREDIT_MAX);
        }
        if self.credit < 0.0 { Err(Flood) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PING: u8 = 6;
    const CONTINUATION: u8 = 9;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 0];
        frame.resize(HEAD + usize::from(length), 0xff);
        frame
    }

    /// How many of these are let through, at one instant, in pieces of so many bytes.
    fn passed(frames: &[Vec<u8>], piece: usize) -> usize {
        let now = Instant::now();
        let mut count = FrameCount::new(now);
        for part in [0u8; PREFACE].chunks(piece) {
            assert_eq!(count.count(part, || now), Ok(()));
        }
        frames
            .iter()
            .position(|frame| frame.chunks(piece).any(|part| count.count(part, || now).is_err()))
            .unwrap_or(frames.len())
    }

    #[test]
    fn frames_that_ask_nothing_are_counted_however_they_are_cut() {
        for kind in [DATA, 2, 3, 4, PING, 8, CONTINUATION, 0xee] {
            for piece in [1, 2, 7, 9, 10, 1_000] {
                let frames = vec![frame(kind, 0); 5_000];
                assert_eq!(passed(&frames, piece), 1_000, "{kind}");
            }
        }
        assert_eq!(passed(&vec![frame(PING, 8); 5_000], 5), 1_000);
        assert_eq!(passed(&vec![frame(CONTINUATION, 200); 5_000], 64), 1_000);
    }

    #[test]
    fn requests_pay_for_what_they_take() {
        let request = [frame(HEADERS, 30), frame(DATA, 50), frame(PING, 8), frame(8, 4)];
        let frames: Vec<_> = std::iter::repeat_n(request, 10_000).flatten().collect();
        assert_eq!(passed(&frames, 11), frames.len());
        // Requests that are opened and reset at once pay for their resets: those are counted by
        // the library, which answers each one.
        let reset = [frame(HEADERS, 30), frame(3, 4)];
        let frames: Vec<_> = std::iter::repeat_n(reset, 10_000).flatten().collect();
        assert_eq!(passed(&frames, 11), frames.len());
    }

    #[test]
    fn answers_pay_for_their_windows_and_pongs_do_not_pay_for_pings() {
        let now = Instant::now();
        let passed = |kind, length, answer| {
            let mut count = FrameCount::new(now);
            assert_eq!(count.count(&[0; PREFACE], || now), Ok(()));
            let frame = frame(kind, length);
            (0..10_000)
                .position(|_| {
                    count.sent(answer);
                    count.count(&frame, || now).is_err()
                })
                .unwrap_or(10_000)
        };
        // A window for each 16 KiB, or for each small message.
        assert_eq!(passed(8, 4, 16_384), 10_000);
        assert_eq!(passed(8, 4, 40), 10_000);
        assert!(passed(PING, 8, 17) < 3_000);
    }

    #[test]
    fn time_pays_for_keep_alive() {
        let begun_at = Instant::now();
        let mut count = FrameCount::new(begun_at);
        assert_eq!(count.count(&[0; PREFACE], || begun_at), Ok(()));
        for second in 0..10_000u64 {
            let now = begun_at + Duration::from_secs(second);
            for _ in 0..50 {
                assert_eq!(count.count(&frame(PING, 8), || now), Ok(()), "second {second}");
            }
        }
        let now = begun_at + Duration::from_secs(10_001);
        let mut sent = 0;
        while count.count(&frame(PING, 8), || now).is_ok() {
            sent += 1;
            assert!(sent < 5_000);
        }
    }
}
