//! Reading a history down to the floor of a pass, and what the source shows there.

use std::collections::HashSet;

use super::{
    BLOCK_MAX, UNCOUNTED_MAX, Walk,
    batch::{Batch, Listed},
    inconsistent, malformed,
    scan::Scan,
};
use crate::{
    outbound::{
        bitcoin::{Cursor, Dialect, HistoryPage},
        source_error::SourceError,
    },
    store::sync_bitcoin,
    sync::error::JobError,
};

/// How a page ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reached {
    /// There is more.
    More,
    /// The floor, or the end of the history.
    Bottom,
    /// What was certain is not so any more.
    Deep,
    /// The place where the page begins is in the chain no more.
    Lost,
}

/// What a pass remembers of the pages that it has read.
pub(super) struct Reader {
    /// Newest block up to the floor that something is recorded of.
    anchor: Option<(i64, String)>,
    /// Where pages began since the history came to the height of `deepest`.
    cursors: HashSet<Cursor>,
    deepest: Option<i64>,
    /// How many transactions were read.
    count: i64,
    /// Height of the last transaction that was read.
    lowest: Option<i64>,
    pub(super) batch: Batch,
    /// Whether the newest block of the walk before is known to be in the best chain no more.
    pub(super) is_head_gone: bool,
}

impl Reader {
    /// Takes a page into account.
    ///
    /// # Errors
    /// If it was there before, or there are more than the source counts or a block has room for.
    fn note(
        &mut self,
        page: &HistoryPage,
        after: Option<Cursor>,
        expected: Option<i64>,
    ) -> Result<(), JobError> {
        let heights = page.transactions.iter().filter_map(|one| one.found.height());
        let lowest = heights.map(i64::from).min();
        if lowest.is_some_and(|lowest| self.deepest.is_none_or(|deepest| lowest < deepest)) {
            self.deepest = lowest;
            self.cursors.clear();
        }
        if page.next.is_some_and(|next| Some(next) == after || !self.cursors.insert(next)) {
            return Err(inconsistent("the history repeats itself"));
        }
        if self.cursors.len() > BLOCK_MAX.transactions {
            return Err(malformed("the history does not come to an end"));
        }
        let count = i64::try_from(page.transactions.len()).unwrap_or(i64::MAX);
        self.count = self.count.saturating_add(count);
        if expected.is_some_and(|most| self.count > most.saturating_add(UNCOUNTED_MAX)) {
            return Err(malformed("the history has more transactions than are counted"));
        }
        Ok(())
    }
}

impl Walk<'_> {
    pub(super) async fn reader(&self, scan: &Scan) -> Result<Reader, JobError> {
        let anchor = if scan.floor < 0 {
            None
        } else {
            sync_bitcoin::anchor(&self.lease.database, self.key(), scan.floor).await?
        };
        let (cursors, deepest, count) = (HashSet::new(), None, 0);
        let (lowest, batch, is_head_gone) = (None, Batch::new(), false);
        Ok(Reader { anchor, cursors, deepest, count, lowest, batch, is_head_gone })
    }

    /// Reads the next page.
    pub(super) async fn read_page(
        &self,
        scan: &mut Scan,
        reader: &mut Reader,
    ) -> Result<Reached, JobError> {
        let after = scan.cursor;
        let page = match self.turns.call(self.source.history(&self.address, after)).await {
            Err(JobError::Source(SourceError::UnknownPlace(_))) => return Ok(Reached::Lost),
            answer => answer?,
        };
        if page.transactions.is_empty() && reader.lowest > Some(scan.top.height) {
            // Some sources say this way that they do not know the place. Further down the top
            // vouches for the place: it is built upon it.
            return Ok(Reached::Lost);
        }
        reader.note(&page, after, scan.expected)?;
        scan.cursor = page.next;
        let is_end = page.next.is_none();
        for one in self.listed(page, scan)? {
            let height = i64::from(one.height);
            reader.lowest = Some(height);
            if scan.below.is_some_and(|below| height >= below) {
                continue;
            }
            if height <= scan.floor {
                return self.meet_floor(reader, &one).await;
            }
            reader.batch.push(one)?;
        }
        if !is_end {
            return Ok(Reached::More);
        }
        match &reader.anchor {
            None => Ok(Reached::Bottom),
            Some(anchor) => self.miss_anchor(anchor).await,
        }
    }

    /// Transactions of a page that are in blocks.
    fn listed(&self, page: HistoryPage, scan: &mut Scan) -> Result<Vec<Listed>, JobError> {
        let cursors: Vec<Option<Cursor>> =
            (0..page.transactions.len()).map(|index| page.cursor_after(index)).collect();
        let mut listed = Vec::with_capacity(cursors.len());
        for (found, after) in page.transactions.into_iter().zip(cursors) {
            let is_own = found.transaction.involves(&self.owner);
            if !is_own && self.source.dialect() != Dialect::BlockchainInfo {
                let txid = found.transaction.txid();
                return Err(inconsistent(format!("the history has {txid}, which is of others")));
            }
            // blockchain.info counts what pays an address's bare key as the address's.
            match after.and_then(|after| Listed::new(found, after, scan.beside)).filter(|_| is_own)
            {
                Some(one) => listed.push(one),
                None => scan.beside += 1,
            }
        }
        Ok(listed)
    }

    /// The first transaction up to the floor must be in the newest block there that something is
    /// recorded of.
    async fn meet_floor(&self, reader: &Reader, one: &Listed) -> Result<Reached, JobError> {
        let height = i64::from(one.height);
        match &reader.anchor {
            Some(anchor) if anchor.0 > height => self.miss_anchor(anchor).await,
            Some((at, hash)) if *at == height => {
                let found = match one.block {
                    Some((found, _)) => Some(found.to_string()),
                    None => self.hash_at(height).await?,
                };
                let is_same = found.as_ref() == Some(hash);
                Ok(if is_same { Reached::Bottom } else { Reached::Deep })
            }
            Some(_) | None => Ok(Reached::Deep),
        }
    }

    /// The history does not have the newest block up to the floor that something is recorded of.
    async fn miss_anchor(&self, (height, hash): &(i64, String)) -> Result<Reached, JobError> {
        if self.hash_at(*height).await?.as_ref() == Some(hash) {
            let what = format!("the history lacks what is in block {height}");
            return Err(inconsistent(what));
        }
        Ok(Reached::Deep)
    }
}
