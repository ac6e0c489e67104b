//! Searches over tables in memory, held against a look at every instant.

use proptest::prelude::*;

use super::*;
use crate::domain::running_total::{
    cell::{Cell, Part},
    sums::Sums,
    whole::Whole,
};

/// One series as the database would hold it.
#[derive(Clone, Debug)]
struct Stored {
    key: SeriesKey,
    /// Leaves by where they begin.
    cells: BTreeMap<i64, Vec<u8>>,
    corrections: BTreeMap<i64, i64>,
    /// What both come to.
    counts: BTreeMap<i64, i64>,
}

/// A series from rows at instants below 400: how many are in the leaves, how many there are,
/// whether a leaf ends there and whether an empty one follows.
fn series(place: i64, instants: &BTreeMap<i64, (i64, i64, bool, bool)>) -> Stored {
    let key = SeriesKey {
        account_id: place / 2,
        asset_id: 1,
        direction: i16::try_from(place % 2).expect("0 or 1"),
    };
    let mut stored = Stored {
        key,
        cells: BTreeMap::new(),
        corrections: BTreeMap::new(),
        counts: BTreeMap::new(),
    };
    let mut cell = Cell::empty(i64::MIN);
    for (&instant, &(sealed, count, is_cut, is_followed)) in instants {
        if sealed > 0 {
            let sums = Sums::of(sealed, &Whole::Small(7));
            cell.parts.push(Part { key: instant, sums });
        }
        stored.corrections.insert(instant, count - sealed);
        stored.counts.insert(instant, count);
        if is_cut {
            stored.cells.insert(cell.key, cell.encode());
            cell = Cell::empty(instant + 1);
            if is_followed {
                stored.cells.insert(cell.key, cell.encode());
                cell = Cell::empty(instant + 2);
            }
        }
    }
    stored.cells.insert(cell.key, cell.encode());
    stored
}

fn all_series() -> impl Strategy<Value = Vec<Stored>> {
    let at = (0i64..4, 0i64..4, proptest::bool::weighted(0.3), any::<bool>());
    // Instants are even, so that an empty leaf fits between two of them.
    let instants = proptest::collection::btree_map((0i64..200).prop_map(|n| 2 * n), at, 0..120);
    proptest::collection::vec(instants, 0..7)
        .prop_map(|all| (0..).zip(&all).map(|(place, instants)| series(place, instants)).collect())
}

/// Reads as the statements do.
fn answer(all: &[Stored], span: SearchSpan, fetch: &Fetch, search: &mut InstantSearch) {
    let is_newest = span.order == TimeOrder::NewestFirst;
    let mut cells: Vec<FetchedCell<'_>> = Vec::new();
    for &Ask { place, from, .. } in &fetch.cells {
        let own = &all[place].cells;
        let found: Vec<(&i64, &Vec<u8>)> = if is_newest {
            own.range(..=from).rev().take(fetch.cells_max).collect()
        } else {
            let covering = own.range(..=from).next_back().map(|(start, _)| *start);
            let first = match covering {
                Some(start) if fetch.covers_from => start,
                _ => from + 1,
            };
            own.range(first..).take(fetch.cells_max).collect()
        };
        cells.extend(found.into_iter().map(|(&start, cell)| FetchedCell { place, start, cell }));
    }
    let mut corrections = Vec::new();
    for &Ask { place, from, .. } in &fetch.corrections {
        let own = &all[place].corrections;
        let row =
            |(&instant, &row_count): (&i64, &i64)| FetchedCorrections { place, instant, row_count };
        if is_newest && span.earliest <= from {
            let found = own.range(span.earliest..=from).rev().map(row);
            corrections.extend(found.take(fetch.corrections_max));
        } else if !is_newest && from <= span.latest {
            let found = own.range(from..=span.latest).map(row);
            corrections.extend(found.take(fetch.corrections_max));
        }
    }
    search.add(fetch, cells, corrections).expect("just encoded");
}

/// The same by a look at every instant.
fn naive(all: &[Stored], span: SearchSpan, wanted: i64) -> Vec<(i64, SeriesKey)> {
    let mut instants: Vec<i64> = (span.earliest..=span.latest).collect();
    if span.order == TimeOrder::NewestFirst {
        instants.reverse();
    }
    let (mut found, mut rows) = (Vec::new(), 0);
    for instant in instants {
        let mut sides = [0, 0];
        let mut keys = Vec::new();
        for stored in all {
            let count = stored.counts.get(&instant).copied().unwrap_or(0);
            if count > 0 {
                keys.push((instant, stored.key));
                sides[usize::try_from(stored.key.direction).expect("0 or 1")] += count;
            }
        }
        keys.sort_by_key(|(_, key)| *key);
        found.extend(keys);
        if span.resumed_at != Some(instant) {
            rows += sides[0].max(sides[1]);
        }
        if rows >= wanted {
            break;
        }
    }
    found
}

proptest! {
    #[test]
    fn a_search_finds_what_a_look_at_every_instant_finds(
        all in all_series(),
        edges in (-3i64..410, -3i64..410),
        is_newest in any::<bool>(),
        resumed in proptest::option::of(0i64..400),
        wanted in prop_oneof![Just(1usize), 2usize..40, Just(100_000)],
    ) {
        let order = if is_newest { TimeOrder::NewestFirst } else { TimeOrder::OldestFirst };
        let span = SearchSpan { order, earliest: edges.0, latest: edges.1, resumed_at: resumed };
        let mut search = InstantSearch::new(all.iter().map(|stored| stored.key), span, wanted);
        // Small enough for many rounds.
        search.cells_max = 1;
        search.corrections_max = 1;
        let mut rounds = 0;
        while let Some(fetch) = search.next_fetch() {
            answer(&all, span, &fetch, &mut search);
            rounds += 1;
            prop_assert!(rounds <= 10, "no more than doublings of 120 leaves or instants");
        }
        let found: Vec<_> =
            search.found().iter().map(|found| (found.instant, found.key)).collect();
        let wanted = i64::try_from(wanted).expect("small");
        prop_assert_eq!(found, naive(&all, span, wanted));
    }
}

#[test]
fn one_leaf_is_enough_for_a_page_that_it_holds() {
    let rows = (0..640i64).map(|n| (2 * n, (1, 1, n % 64 == 63, false))).collect();
    let all = [series(0, &rows)];
    let span = SearchSpan {
        order: TimeOrder::NewestFirst,
        earliest: i64::MIN,
        latest: 1_200,
        resumed_at: None,
    };
    let mut search = InstantSearch::new([all[0].key], span, 10);
    let fetch = search.next_fetch().expect("nothing is known yet");
    assert_eq!((fetch.cells.len(), fetch.cells_max), (1, 1));
    answer(&all, span, &fetch, &mut search);
    assert_eq!(search.next_fetch(), None);
    assert_eq!(search.found().len(), 10);
}
