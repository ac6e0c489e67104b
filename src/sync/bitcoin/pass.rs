//! One pass over a history: as of one block, from the newest transaction down to the floor.

use super::{
    Passed, Walk,
    batch::Batch,
    inconsistent,
    pages::{Reached, Reader},
    record::Span,
    scan::{Scan, Top},
};
use crate::{
    domain::bitcoin::{BlockHash, Found, FoundTransaction},
    outbound::bitcoin::HistoryCount,
    store::{sync_bitcoin::Unconfirmed, sync_streams::Stream},
    sync::error::JobError,
};

/// Blocks whose times bound the median of eleven: six of them are not after it.
const MEDIAN_BLOCKS: i64 = 6;

impl Walk<'_> {
    /// Makes what is recorded equal to the history as of the newest block.
    pub(super) async fn pass(&mut self, stream: &Stream) -> Result<Passed, JobError> {
        let tip = self.turns.call(self.source.tip()).await?;
        let mut scan = match self.resumed(stream).await? {
            Some(scan) => scan,
            None if stream.resume.is_none() && is_head(stream, tip.hash) => {
                let unconfirmed = self.unconfirmed().await?;
                self.record_unconfirmed(stream, &unconfirmed).await?;
                return Ok(Passed::Complete);
            }
            None => match self.begin(stream, tip.hash).await? {
                Some(scan) => scan,
                None => return Ok(Passed::Again),
            },
        };
        let mut reader = self.reader(&scan).await?;
        loop {
            match self.read_page(&mut scan, &mut reader).await? {
                Reached::Bottom => break,
                Reached::Deep if self.scanned_to.take().is_some() => return Ok(Passed::Again),
                Reached::Deep => return Err(deep(scan.floor)),
                Reached::Lost => {
                    self.begins_anew = true;
                    return Ok(Passed::Again);
                }
                Reached::More => {}
            }
            self.report(&scan, &reader.batch);
            if reader.batch.is_due() {
                self.write_whole_heights(stream, &mut scan, &mut reader).await?;
            }
            if reader.batch.is_too_large() {
                if self.scanned_to.take().is_some() {
                    // Read from its beginning it can be written in parts.
                    return Ok(Passed::Again);
                }
                return Err(too_large(&scan));
            }
        }
        self.finish(stream, scan, reader.batch).await
    }

    /// The scan that was cut off, if its top still is a block of this source's best chain.
    async fn resumed(&self, stream: &Stream) -> Result<Option<Scan>, JobError> {
        let written = stream.resume.as_deref().filter(|_| !self.begins_anew);
        let scan = written.and_then(|text| Scan::read(text, self.source.dialect()));
        let Some(scan) = scan else { return Ok(None) };
        let hash = self.hash_at(scan.top.height).await?;
        Ok(hash.is_some_and(|hash| hash == scan.top.hash).then_some(scan))
    }

    /// A scan as of this block. `None` if it is none of the best chain any more.
    async fn begin(&self, stream: &Stream, hash: BlockHash) -> Result<Option<Scan>, JobError> {
        let Some(block) = self.turns.call(self.source.block(hash)).await? else {
            return Ok(None);
        };
        let height = i64::from(block.height);
        if stream.head_height.is_some_and(|head| height < head) {
            return Err(inconsistent(format!("the source has not come further than {height}")));
        }
        let certain_until = match block.median_at {
            Some(median_at) => median_at,
            None => {
                // Of eleven blocks six are not after their median: the earliest of the newest six
                // is not either.
                let mut earliest = block.mined_at;
                for height in (height - MEDIAN_BLOCKS + 1).max(0)..height {
                    let height = u32::try_from(height).unwrap_or_default();
                    let block = self.turns.call(self.source.block_at(height)).await?;
                    let Some(mined_at) = block.and_then(|block| block.mined_at) else {
                        return Ok(None);
                    };
                    earliest = earliest.min(mined_at);
                }
                earliest
            }
        };
        let top = Top { height, hash: hash.to_string(), certain_until };
        if stream.head_height.is_some() {
            return Ok(Some(Scan::new(top, stream.final_height, None)));
        }
        let stats = self.turns.call(self.source.stats(&self.address)).await?;
        if self.turns.call(self.source.tip()).await?.hash != hash {
            return Ok(None);
        }
        let count = match stats.history {
            HistoryCount::Confirmed(count) | HistoryCount::WithUnconfirmed(count) => count,
        };
        let expected = i64::try_from(count).unwrap_or(i64::MAX);
        let mut scan = Scan::new(top, self.scanned_to.unwrap_or(-1), Some(expected));
        if scan.floor >= 0 {
            // What is below is counted where it is recorded; what it was beside is not known any
            // more, and only sources without a count of their own need it.
            scan.expected = matches!(stats.history, HistoryCount::Confirmed(_)).then_some(expected);
        }
        Ok(Some(scan))
    }

    /// Above which height a part may be written before all is read: what replaces blocks that are
    /// no blocks of the best chain any more is written in one tx. `lowest` is where the part would
    /// end.
    async fn writable_above(
        &self,
        stream: &Stream,
        reader: &mut Reader,
        lowest: i64,
    ) -> Result<i64, JobError> {
        if self.scanned_to.is_some() {
            return Ok(i64::MAX);
        }
        let (Some(height), Some(hash)) = (stream.head_height, &stream.head_hash) else {
            return Ok(-1);
        };
        if lowest >= height {
            return Ok(-1);
        }
        // Once it is gone it is not looked for again in this pass.
        if !reader.is_head_gone {
            reader.is_head_gone = self.hash_at(height).await?.as_ref() != Some(hash);
        }
        Ok(if reader.is_head_gone { height } else { -1 })
    }

    async fn write_whole_heights(
        &mut self,
        stream: &Stream,
        scan: &mut Scan,
        reader: &mut Reader,
    ) -> Result<(), JobError> {
        let Some(last) = reader.batch.listed.last() else { return Ok(()) };
        let last = i64::from(last.height);
        let above = self.writable_above(stream, reader, last).await?.max(last);
        let Some(listed) = reader.batch.take_above(above) else { return Ok(()) };
        let lowest = above + 1;
        let (next, beside) = (scan.cursor, scan.beside);
        let highest = scan.below.map_or(i64::MAX, |below| below - 1);
        scan.below = Some(lowest);
        scan.cursor = listed.last().map(|one| one.after);
        scan.beside = listed.last().map_or(beside, |one| one.beside);
        let span = Span { lowest, highest, listed };
        let resume = scan.write(self.source.dialect());
        self.record_part(span, resume).await?;
        (scan.cursor, scan.beside) = (next, beside);
        self.lease.give_way()
    }

    /// The history is read: writes the rest, and that it is complete, if the top still is a block
    /// of the best chain.
    async fn finish(
        &mut self,
        stream: &Stream,
        scan: Scan,
        batch: Batch,
    ) -> Result<Passed, JobError> {
        let highest = scan.below.map_or(i64::MAX, |below| below - 1);
        let span = Span { lowest: scan.floor + 1, highest, listed: batch.listed };
        if self.hash_at(scan.top.height).await?.as_ref() != Some(&scan.top.hash) {
            if scan.expected.is_some() && scan.floor < 0 && scan.below.is_some() {
                // A long scan is not thrown away for its newest blocks. The job does not give way
                // here: what is known of the scan now is not written down.
                self.record_part(span, None).await?;
                self.scanned_to = Some(scan.top.height - self.lease.network.finality);
            }
            return Ok(Passed::Again);
        }
        let unconfirmed = self.unconfirmed().await?;
        if !self.record_last(stream, span, &scan, &unconfirmed).await? {
            // Something is missing, or was there twice: everything is read again.
            self.scanned_to = None;
            return Ok(Passed::Again);
        }
        Ok(if scan.is_resumed { Passed::Aged } else { Passed::Complete })
    }

    /// What the wallet has in no block yet.
    async fn unconfirmed(&self) -> Result<Vec<Unconfirmed>, JobError> {
        let listed = self.turns.call(self.source.unconfirmed(&self.address)).await?;
        let own = |found: &FoundTransaction| {
            let sum = |coins: &[crate::domain::bitcoin::Coin]| {
                let own = coins.iter().filter(|coin| coin.owner == self.owner);
                own.map(|coin| coin.value.count()).sum()
            };
            let transaction = &found.transaction;
            Unconfirmed {
                reference: transaction.txid().to_string(),
                received: sum(transaction.created()),
                sent: sum(transaction.spent()),
            }
        };
        let is_waiting = |found: &&FoundTransaction| found.found == Found::Unconfirmed;
        Ok(listed.iter().filter(is_waiting).map(own).collect())
    }

    fn report(&self, scan: &Scan, batch: &Batch) {
        let waiting = i64::try_from(batch.listed.len()).unwrap_or(i64::MAX);
        let done = self.written.saturating_add(waiting);
        self.lease.report(done, scan.expected, &self.turns.source.key.source);
    }
}

fn is_head(stream: &Stream, hash: BlockHash) -> bool {
    stream.head_hash.as_ref().is_some_and(|head| *head == hash.to_string())
}

fn deep(floor: i64) -> JobError {
    JobError::Incident(format!(
        "the chain is another one at or before block {floor}, which was final; nothing was taken \
         back: look at the source, or raise the network's finality and sync again"
    ))
}

fn too_large(scan: &Scan) -> JobError {
    JobError::Incident(format!(
        "the blocks after {} are others than those that are recorded, and have more than can be \
         replaced at once: look at the source",
        scan.floor
    ))
}
