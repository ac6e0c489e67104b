//! A walk through the pages of an explorer, which hands out logs in pages and only so many of a
//! question: then the question begins anew at the last block that was seen, whose logs are seen
//! twice.

use crate::domain::erc20::ranges::{BlockTooLarge, Range};

/// Most logs of all pages of one question: `page * offset` may not be more
/// (<https://docs.etherscan.io/api-reference/endpoint/getlogs-address-topics>).
pub const WINDOW: u64 = 10_000;

/// Where a walk is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Blocks that the question is about.
    pub range: Range,
    /// Number of the page, from one.
    pub page: u64,
    /// Logs of a page.
    pub per_page: u64,
}

impl Place {
    /// The first page of a range.
    #[must_use]
    pub fn first(range: Range, per_page: u64) -> Self {
        Self { range, page: 1, per_page: per_page.clamp(1, WINDOW) }
    }

    /// Where to go on after a page with so many logs, the last of which are of this block. `None`
    /// after the last page.
    ///
    /// # Errors
    /// If one block has more logs than a question's pages.
    pub fn next(self, logs: u64, last_height: u64) -> Result<Option<Self>, BlockTooLarge> {
        if logs < self.per_page {
            return Ok(None);
        }
        let page = self.page + 1;
        if page * self.per_page <= WINDOW {
            return Ok(Some(Self { page, ..self }));
        }
        if last_height <= self.range.first {
            return Err(BlockTooLarge(self.range.first));
        }
        let range = Range { first: last_height, last: self.range.last };
        Ok(Some(Self::first(range, self.per_page)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_begins_anew_at_the_last_block_that_was_seen() {
        let range = Range { first: 0, last: 99 };
        // Every block has 300 logs, of which pages are cut wherever they end.
        let all: Vec<u64> = (0..100).flat_map(|height| [height; 300]).collect();
        let (mut place, mut seen, mut calls) = (Place::first(range, 1_000), 0, 0);
        loop {
            let asked: Vec<u64> = all.iter().copied().filter(|&h| place.range.has(h)).collect();
            let from = usize::try_from((place.page - 1) * place.per_page).expect("small");
            let page = &asked[from.min(asked.len())..asked.len().min(from + 1_000)];
            seen += page.len();
            calls += 1;
            let last = page.last().copied().unwrap_or(place.range.first);
            match place.next(page.len() as u64, last).expect("no block is so large") {
                Some(next) => place = next,
                None => break,
            }
        }
        // Three questions have 10,000 logs each, after each of which 100 are seen again.
        assert_eq!((seen, calls), (30_000 + 3 * 100, 31));
    }

    #[test]
    fn a_block_with_more_logs_than_pages_is_an_error() {
        let place = Place { page: 10, ..Place::first(Range { first: 5, last: 9 }, 1_000) };
        assert_eq!(place.next(1_000, 5), Err(BlockTooLarge(5)));
        assert_eq!(place.next(999, 5), Ok(None));
    }
}
