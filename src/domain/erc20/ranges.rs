//! Which blocks to ask for next.
//!
//! Every provider refuses ranges of logs by limits of its own, on blocks or on results, and says
//! so in its own words. The planner hands out ranges, hears what became of each, and finds a
//! length that is answered: it grows by a twentieth with every full range that was, takes what a
//! refusal suggests, and halves where it suggests nothing. Ranges may be asked for several at a
//! time; whoever asks puts the answers in order.

use std::collections::BTreeMap;

use crate::domain::erc20::refusals::Advice;

/// Blocks that the first range has.
pub const FIRST_LENGTH: u64 = 500;

/// A range grows by one part in so many.
const GROWTH_PART: u64 = 20;

/// Blocks from the first to the last, both included.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Range {
    /// The first block.
    pub first: u64,
    /// The last block, not before the first.
    pub last: u64,
}

impl Range {
    /// How many blocks.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Whether it has this block.
    #[must_use]
    pub fn has(&self, height: u64) -> bool {
        (self.first..=self.last).contains(&height)
    }
}

/// One block alone has more results than the provider hands out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("block {0} alone is more than the source answers")]
pub struct BlockTooLarge(pub u64);

/// Hands out ranges of blocks.
#[derive(Clone, Debug)]
pub struct Planner {
    /// What was not handed out, or came back: the last block of each stretch by its first.
    absent: BTreeMap<u64, u64>,
    /// What was refused and has not been answered for in parts yet, likewise.
    refused: BTreeMap<u64, u64>,
    /// Blocks that the next range has.
    length: u64,
    /// Most blocks of any range.
    length_max: u64,
    /// Most results of an answer, where a refusal told.
    results_max: Option<u64>,
}

impl Planner {
    /// One that has nothing to hand out yet, for ranges of at most so many blocks.
    #[must_use]
    pub fn new(length_max: u64) -> Self {
        let length_max = length_max.max(1);
        let length = FIRST_LENGTH.min(length_max);
        let (absent, refused) = (BTreeMap::new(), BTreeMap::new());
        Self { absent, refused, length, length_max, results_max: None }
    }

    /// The same, with ranges of so many blocks for now.
    #[must_use]
    pub fn with_length(self, length: u64) -> Self {
        Self { length: length.clamp(1, self.length_max), ..self }
    }

    /// Adds blocks to ask for.
    pub fn add(&mut self, range: Range) {
        let (mut first, mut last) = (range.first, range.last);
        // Stretches that touch become one, so that what came back in pieces is asked for in
        // pieces as large as they may be.
        let before = self.absent.range(..=first).next_back().map(|(&a, &b)| (a, b));
        if let Some((earlier, end)) = before.filter(|&(_, end)| end.saturating_add(1) >= first) {
            self.absent.remove(&earlier);
            (first, last) = (earlier, last.max(end));
        }
        while let Some((&later, &end)) = self.absent.range(first..).next() {
            if later > last.saturating_add(1) {
                break;
            }
            self.absent.remove(&later);
            last = last.max(end);
        }
        self.absent.insert(first, last);
    }

    /// The next blocks to ask for: the earliest ones, so that all before them are asked for.
    pub fn take(&mut self) -> Option<Range> {
        let (first, end) = self.absent.pop_first()?;
        let mut last = end.min(first.saturating_add(self.length - 1));
        // Nothing that was refused is asked for again, nor more than that.
        for (_, &end) in self.refused.range(first..=last) {
            last = last.min((end - 1).max(first));
        }
        if last < end {
            self.absent.insert(last + 1, end);
        }
        Some(Range { first, last })
    }

    /// The blocks were answered for, with so many results.
    pub fn answered(&mut self, range: Range, results: u64) {
        let is_over = |first: &u64, last: &mut u64| *first <= range.last && *last >= range.first;
        if !self.refused.is_empty() {
            self.refused.retain(|first, last| !is_over(first, last));
        }
        if range.length() < self.length {
            return;
        }
        let longer = (self.length + (self.length / GROWTH_PART).max(1)).min(self.length_max);
        // As many results to a block again would be nearly as many as are handed out.
        let expected = u128::from(results) * u128::from(longer) / u128::from(range.length());
        let is_in_bounds =
            self.results_max.is_none_or(|most| expected <= u128::from(most - most / 10));
        if is_in_bounds {
            self.length = longer;
        }
    }

    /// The blocks were refused: they are handed out again, in ranges that are shorter.
    ///
    /// # Errors
    /// If there is no shorter range than the one that was refused.
    pub fn refused(&mut self, range: Range, advice: &Advice) -> Result<(), BlockTooLarge> {
        let refused = range.length();
        if refused == 1 {
            return Err(BlockTooLarge(range.first));
        }
        self.add(range);
        let end = self.refused.entry(range.first).or_insert(range.last);
        *end = range.last.min(*end);
        if let Some(most) = advice.results_max {
            self.results_max = Some(most.max(1));
        }
        let named = advice.blocks_max.filter(|&most| (1..refused).contains(&most));
        if let Some(most) = named {
            self.length_max = self.length_max.min(most);
        }
        let suggested = advice
            .range
            .filter(|instead| instead.first == range.first && instead.length() < refused)
            .map(|instead| instead.length());
        let shorter = suggested.or(named).unwrap_or(refused / 2);
        self.length = self.length.min(shorter).max(1);
        Ok(())
    }

    /// The blocks were not answered for, for a reason that has nothing to do with how many they
    /// are: they are handed out again.
    pub fn put_back(&mut self, range: Range) {
        self.add(range);
    }

    /// Blocks that the next range has.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(first: u64, last: u64) -> Range {
        Range { first, last }
    }

    #[test]
    fn a_refusal_is_followed_by_what_it_suggests() {
        let half = Advice::default();
        let blocks = |most| Advice { blocks_max: Some(most), ..Advice::default() };
        let suggests = |first, last| Advice { range: Some(range(first, last)), ..half };
        for (advice, expected) in [
            (half, 250),
            (blocks(10), 10),
            (blocks(1), 1),
            // A limit that was kept is not what it was refused for.
            (blocks(500), 250),
            (blocks(10_000), 250),
            (suggests(1_000, 1_099), 100),
            (suggests(1_000, 1_000), 1),
            // One that begins elsewhere, or is no shorter, is no suggestion.
            (suggests(999, 1_099), 250),
            (suggests(1_000, 1_499), 250),
            (Advice { range: Some(range(1_000, 1_019)), ..blocks(100) }, 20),
        ] {
            let mut planner = Planner::new(10_000);
            planner.add(range(1_000, 9_999));
            let first = planner.take().expect("blocks are absent");
            assert_eq!(first, range(1_000, 1_499));
            planner.refused(first, &advice).expect("it has more than one block");
            assert_eq!(planner.take(), Some(range(1_000, 999 + expected)), "{advice:?}");
        }
    }

    #[test]
    fn one_block_that_is_refused_is_an_error() {
        let mut planner = Planner::new(1);
        planner.add(range(7, 9));
        let one = planner.take().expect("blocks are absent");
        assert_eq!(planner.refused(one, &Advice::default()), Err(BlockTooLarge(7)));
    }

    #[test]
    fn ranges_grow_slowly_and_never_beyond_a_named_limit() {
        let mut planner = Planner::new(1_000_000);
        planner.add(range(0, u64::MAX));
        let first = planner.take().expect("blocks are absent");
        planner.answered(first, 0);
        assert_eq!(planner.length(), 525);
        let advice = Advice { blocks_max: Some(20), ..Advice::default() };
        let next = planner.take().expect("blocks are absent");
        planner.refused(next, &advice).expect("it has more than one block");
        for _ in 0..50 {
            let next = planner.take().expect("blocks are absent");
            assert_eq!(next.length(), 20);
            planner.answered(next, 3);
        }
    }

    #[test]
    fn ranges_do_not_grow_to_more_results_than_are_handed_out() {
        let mut planner = Planner::new(1_000_000);
        planner.add(range(0, 1_000_000));
        let first = planner.take().expect("blocks are absent");
        let advice = Advice { results_max: Some(1_000), ..Advice::default() };
        planner.refused(first, &advice).expect("it has more than one block");
        // Ten results a block: 90 blocks have as many as are dared to be asked for.
        let mut longest = 0;
        for _ in 0..200 {
            let next = planner.take().expect("blocks are absent");
            longest = longest.max(next.length());
            match next.length() * 10 {
                ..=1_000 => planner.answered(next, next.length() * 10),
                _ => planner.refused(next, &advice).expect("it has more than one block"),
            }
        }
        assert!((85..=90).contains(&planner.length()), "{}", planner.length());
        assert_eq!(longest, 250);
    }

    #[test]
    fn what_came_back_is_handed_out_first_and_joined() {
        let mut planner = Planner::new(100);
        planner.add(range(0, 299));
        let ranges: Vec<Range> = std::iter::from_fn(|| planner.take()).collect();
        assert_eq!(ranges, [range(0, 99), range(100, 199), range(200, 299)]);
        planner.put_back(ranges[2]);
        planner.put_back(ranges[0]);
        planner.put_back(ranges[1]);
        planner.add(range(300, 310));
        assert_eq!(planner.absent.len(), 1);
        assert_eq!(planner.take(), Some(range(0, 99)));
    }

    proptest! {
        /// Whatever limits a provider has, every block is answered for exactly once, and no range
        /// that was refused is asked for again.
        #[test]
        fn every_block_is_answered_for_once(
            blocks_max in 1u64..700, results_max in 5u64..400, says in any::<[bool; 3]>(),
            results in prop::collection::vec(0u64..6, 1..2_000), at_once in 1usize..5,
        ) {
            let mut planner = Planner::new(5_000);
            let last = results.len() as u64 - 1;
            planner.add(range(0, last));
            let (mut seen, mut refusals) = (vec![0; results.len()], Vec::new());
            let mut at_work = Vec::new();
            for step in 0.. {
                prop_assert!(step < 40_000);
                while at_work.len() < at_once {
                    match planner.take() {
                        Some(next) => at_work.push(next),
                        None => break,
                    }
                }
                if at_work.is_empty() {
                    break;
                }
                let next = at_work.remove(step % at_work.len());
                let place = |height| usize::try_from(height).expect("a few thousand");
                let bounds = place(next.first)..=place(next.last);
                let count: u64 = results[bounds.clone()].iter().sum();
                if next.length() <= blocks_max && count <= results_max {
                    planner.answered(next, count);
                    seen[bounds].iter_mut().for_each(|seen| *seen += 1);
                    continue;
                }
                prop_assert!(!refusals.contains(&next), "{next:?} again");
                refusals.push(next);
                let is_long = next.length() > blocks_max;
                let advice = Advice {
                    range: None,
                    blocks_max: (says[0] && is_long).then_some(blocks_max),
                    results_max: (says[1] && !is_long).then_some(results_max),
                };
                prop_assert!(planner.refused(next, &advice).is_ok());
            }
            prop_assert!(seen.iter().all(|&seen| seen == 1));
        }
    }
}
