//! What the prices of one symbol in a span of time come to, as far as questions about prices alone
//! need it: no logarithms, no returns, no extremes. Less to read, and less to put together.

use std::cmp::Ordering;

use num_bigint::BigInt;

use crate::domain::{
    decimal::Decimal,
    price::{
        brief_cell::StoredBrief,
        spans::{GROUP_SYMBOLS, group_of},
        totals::TickTotals,
    },
    running_total::whole::Whole,
};

/// A price at an instant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PricePoint {
    /// When, in microseconds since the Unix epoch.
    pub at: i64,
    /// The price, as a whole number of `10^-scale` with the scale of what it belongs to.
    pub price: Whole,
}

/// What the prices of one symbol in a span of time come to. There is at least one.
///
/// The scale is not always the smallest that would do: [`Self::says_the_same`] compares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PriceBrief {
    /// Digits behind the point of prices.
    pub scale: u32,
    /// Number of ticks.
    pub count: i64,
    /// Sum of the prices.
    pub sum: Whole,
    /// Sum of the squares of the prices, at twice the scale.
    pub squares: Whole,
    /// The first tick.
    pub first: PricePoint,
    /// The last tick.
    pub last: PricePoint,
}

impl PriceBrief {
    /// What one tick comes to.
    #[must_use]
    pub fn of_tick(scale: u32, tick: PricePoint) -> Self {
        Self {
            scale,
            count: 1,
            sum: tick.price.clone(),
            squares: tick.price.times(&tick.price),
            first: tick.clone(),
            last: tick,
        }
    }

    /// What is said of prices by totals that say more.
    #[must_use]
    pub fn of_totals(totals: &TickTotals) -> Self {
        let TickTotals { scale, count, sum, squares, first, last, .. } = totals;
        let [first, last] =
            [first, last].map(|tick| PricePoint { at: tick.at, price: tick.price.clone() });
        let (sum, squares) = (sum.clone(), squares.clone());
        Self { scale: *scale, count: *count, sum, squares, first, last }
    }

    /// Adds other ticks, of other instants.
    pub fn merge(&mut self, mut other: Self) {
        match self.scale.cmp(&other.scale) {
            Ordering::Equal => {}
            Ordering::Less => self.bring_to_scale(other.scale),
            Ordering::Greater => other.bring_to_scale(self.scale),
        }
        self.count = self.count.saturating_add(other.count);
        self.sum.add(&other.sum);
        self.squares.add(&other.squares);
        if other.first.at < self.first.at {
            self.first = other.first;
        }
        if other.last.at > self.last.at {
            self.last = other.last;
        }
    }

    /// Adds a tick of another instant.
    pub fn add_tick(&mut self, scale: u32, tick: PricePoint) {
        if scale != self.scale {
            self.merge(Self::of_tick(scale, tick));
            return;
        }
        self.count = self.count.saturating_add(1);
        self.sum.add(&tick.price);
        self.squares.add(&tick.price.times(&tick.price));
        if tick.at > self.last.at {
            self.last = tick;
        } else if tick.at < self.first.at {
            self.first = tick;
        }
    }

    /// Whether both say the same, at whatever scale.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let scale = self.scale.max(other.scale);
        let at_scale = |brief: &Self| {
            let mut brief = brief.clone();
            brief.bring_to_scale(scale);
            brief
        };
        at_scale(self) == at_scale(other)
    }

    /// The price of the first tick.
    #[must_use]
    pub fn first_price(&self) -> Decimal {
        self.decimal(&self.first.price)
    }

    /// The price of the last tick.
    #[must_use]
    pub fn last_price(&self) -> Decimal {
        self.decimal(&self.last.price)
    }

    /// Sum of the prices.
    #[must_use]
    pub fn price_sum(&self) -> Decimal {
        self.decimal(&self.sum)
    }

    /// `n q - s^2`, with the number n of prices, their sum s and the sum q of their squares, as a
    /// whole number at twice the scale: what deviations are made of.
    #[must_use]
    pub fn spread(&self) -> Whole {
        Whole::from(self.count).times(&self.squares).minus(&self.sum.times(&self.sum))
    }

    fn decimal(&self, price: &Whole) -> Decimal {
        match price {
            Whole::Small(small) => Decimal::of_small(*small, self.scale),
            Whole::Big(big) => Decimal::new(BigInt::clone(big), self.scale),
        }
    }

    /// Says the same at a scale that is not smaller.
    fn bring_to_scale(&mut self, scale: u32) {
        let digits = scale - self.scale;
        if digits == 0 {
            return;
        }
        self.scale = scale;
        self.squares = self.squares.shifted(2 * digits);
        for price in [&mut self.sum, &mut self.first.price, &mut self.last.price] {
            *price = price.shifted(digits);
        }
    }
}

/// What the prices of symbols come to, kept by groups of symbols whose numbers are neighbours.
#[derive(Debug, Default)]
pub struct SymbolBriefs {
    /// Groups ascending.
    groups: Vec<(i32, Vec<Option<PriceBrief>>)>,
    /// Where the group stands that was last added to: the next is mostly of it, too.
    last_place: usize,
}

impl SymbolBriefs {
    /// Adds what other prices of a symbol come to.
    pub fn merge(&mut self, symbol_id: i32, other: PriceBrief) {
        match self.place_of(symbol_id) {
            Some(brief) => brief.merge(other),
            free => *free = Some(other),
        }
    }

    /// As [`Self::merge`], of what is stored.
    pub fn merge_stored(&mut self, symbol_id: i32, other: &StoredBrief<'_>) {
        match self.place_of(symbol_id) {
            Some(brief) => other.add_to(brief),
            free => *free = Some(other.read()),
        }
    }

    /// Adds another tick of a symbol.
    pub fn add_tick(&mut self, symbol_id: i32, scale: u32, tick: PricePoint) {
        match self.place_of(symbol_id) {
            Some(brief) => brief.add_tick(scale, tick),
            free => *free = Some(PriceBrief::of_tick(scale, tick)),
        }
    }

    /// What a symbol's prices come to, if it has any.
    #[must_use]
    pub fn get(&self, symbol_id: i32) -> Option<&PriceBrief> {
        let group = group_of(symbol_id);
        let place = self.groups.binary_search_by_key(&group, |(of, _)| *of).ok()?;
        self.groups[place].1[index(symbol_id)].as_ref()
    }

    /// What each symbol's prices come to, ids ascending.
    pub fn iter(&self) -> impl Iterator<Item = (i32, &PriceBrief)> {
        self.groups.iter().flat_map(|(group, briefs)| {
            let ids = (0..GROUP_SYMBOLS).map(move |index| group * GROUP_SYMBOLS + index);
            ids.zip(briefs).filter_map(|(id, brief)| Some((id, brief.as_ref()?)))
        })
    }

    fn place_of(&mut self, symbol_id: i32) -> &mut Option<PriceBrief> {
        let group = group_of(symbol_id);
        if self.groups.get(self.last_place).is_none_or(|(of, _)| *of != group) {
            let found = self.groups.binary_search_by_key(&group, |(of, _)| *of);
            self.last_place = found.unwrap_or_else(|place| {
                let free = vec![None; usize::try_from(GROUP_SYMBOLS).unwrap_or_default()];
                self.groups.insert(place, (group, free));
                place
            });
        }
        &mut self.groups[self.last_place].1[index(symbol_id)]
    }
}

/// Where a symbol stands in its group.
fn index(symbol_id: i32) -> usize {
    usize::try_from(symbol_id.rem_euclid(GROUP_SYMBOLS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::ChaCha12Rng, seq::SliceRandom};

    use super::*;
    use crate::domain::price::{
        brief_cell,
        tick::PRICE_DECIMALS_MAX,
        totals::tests::{ticks, totals},
    };

    /// A tick at a scale that may be larger than it needs.
    fn point(at: i64, price: &Decimal, more: u32) -> (u32, PricePoint) {
        let (unscaled, scale) = price.to_parts();
        let more = more.min(PRICE_DECIMALS_MAX - scale);
        (scale + more, PricePoint { at, price: Whole::from(unscaled).shifted(more) })
    }

    proptest! {
        #[test]
        fn briefs_say_what_totals_say(
            ticks in ticks(-1_000..1_000, 12),
            more in proptest::collection::vec(0u32..4, 12),
            (split, is_stored) in (0usize..12, any::<bool>()),
            seed in any::<u64>(),
        ) {
            let mut points: Vec<_> =
                ticks.iter().zip(more).map(|((at, price), more)| point(*at, price, more)).collect();
            let expected = PriceBrief::of_totals(&totals(&ticks));
            // In any order, and part of them put together before they are merged.
            points.shuffle(&mut ChaCha12Rng::seed_from_u64(seed));
            let mut symbols = SymbolBriefs::default();
            let (single, together) = points.split_at(split.min(points.len()));
            for (scale, point) in single {
                symbols.add_tick(7, *scale, point.clone());
            }
            let mut others = SymbolBriefs::default();
            for (scale, point) in together {
                others.add_tick(7, *scale, point.clone());
            }
            match (others.get(7).cloned(), is_stored) {
                (None, _) => {}
                (Some(other), false) => symbols.merge(7, other),
                (Some(other), true) => {
                    let bytes = brief_cell::encode(0, &[(7, other)]);
                    let stored = |id, other: &StoredBrief<'_>| symbols.merge_stored(id, other);
                    brief_cell::visit(0, &bytes, |_| true, stored).expect("just encoded");
                }
            }
            let found = symbols.get(7).expect("there is a tick");
            prop_assert!(found.says_the_same(&expected), "{found:?} {expected:?}");
            prop_assert!(expected.says_the_same(found));
            prop_assert_eq!(found.price_sum(), totals(&ticks).price_moments().sum);
            prop_assert_eq!(found.first_price(), ticks[0].1.clone());
            prop_assert_eq!(found.last_price(), ticks[ticks.len() - 1].1.clone());
            // Whatever is told apart makes a difference.
            let other = |change: fn(&mut PriceBrief)| {
                let mut other = found.clone();
                change(&mut other);
                !other.says_the_same(&expected)
            };
            prop_assert!(other(|brief| brief.count += 1));
            prop_assert!(other(|brief| brief.first.at -= 1));
            prop_assert!(other(|brief| brief.last.at += 1));
            prop_assert!(other(|brief| brief.squares.add(&Whole::Small(1))));
            prop_assert!(other(|brief| brief.sum.add(&Whole::Small(1))));
            prop_assert!(other(|brief| brief.first.price.add(&Whole::Small(1))));
            prop_assert!(other(|brief| brief.last.price.add(&Whole::Small(1))));
        }

        #[test]
        fn symbols_are_kept_apart(
            added in proptest::collection::vec((-300i32..300, 1i128..1_000), 0..200),
        ) {
            let mut found = SymbolBriefs::default();
            let mut expected: BTreeMap<i32, i128> = BTreeMap::new();
            for (at, (symbol, price)) in added.into_iter().enumerate() {
                let at = i64::try_from(at).expect("few");
                found.add_tick(symbol, 0, PricePoint { at, price: Whole::Small(price) });
                *expected.entry(symbol).or_default() += price;
            }
            let sums: Vec<_> = found.iter().map(|(id, brief)| (id, brief.sum.clone())).collect();
            let expected = expected.into_iter().map(|(id, sum)| (id, Whole::Small(sum)));
            prop_assert_eq!(sums, expected.collect::<Vec<_>>());
            for id in -301..301 {
                let listed = found.iter().find(|(of, _)| *of == id).map(|(_, brief)| brief);
                prop_assert_eq!(found.get(id), listed);
            }
        }
    }
}
