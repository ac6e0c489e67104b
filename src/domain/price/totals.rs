//! What the ticks of one symbol in a span of time come to.

use std::cmp::Ordering;

use num_bigint::BigInt;

use crate::domain::{
    decimal::Decimal,
    metric::Moments,
    price::logarithm::{RETURN_DECIMALS, ln, log_return},
    running_total::whole::Whole,
};

/// A price at an instant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tick {
    /// When, in microseconds since the Unix epoch.
    pub at: i64,
    /// The price, as a whole number of `10^-scale` with the scale of the totals.
    pub price: Whole,
    /// The price's natural logarithm (see [`ln`]).
    pub ln: i128,
}

/// What the ticks of one symbol in a span of time come to. There is at least one.
///
/// Prices are whole numbers of `10^-scale`, which is not always the smallest scale that would do:
/// [`Self::says_the_same`] compares. A return is the difference of the logarithms of two
/// ticks that follow each other, so there is one fewer than ticks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TickTotals {
    /// Digits behind the point of prices: those of the price that has most.
    pub scale: u32,
    /// Number of ticks.
    pub count: i64,
    /// Sum of the prices.
    pub sum: Whole,
    /// Sum of the squares of the prices, at twice the scale.
    pub squares: Whole,
    /// Sum of the returns, at `RETURN_DECIMALS`.
    pub return_sum: Whole,
    /// Sum of the squares of the returns, at twice `RETURN_DECIMALS`.
    pub return_squares: Whole,
    /// The lowest price.
    pub low: Whole,
    /// The highest price.
    pub high: Whole,
    /// The first tick.
    pub first: Tick,
    /// The last tick.
    pub last: Tick,
}

impl TickTotals {
    /// What one price comes to at `at`, in microseconds since the Unix epoch.
    ///
    /// # Panics
    /// If the price is not greater than zero.
    #[must_use]
    pub fn of_tick(at: i64, price: &Decimal) -> Self {
        let (unscaled, scale) = price.to_parts();
        Self::of_scaled(at, Whole::from(unscaled), scale)
    }

    /// What one price comes to that is a whole number of `10^-scale`, as [`Self::of_tick`] does.
    ///
    /// # Panics
    /// If the price is not greater than zero.
    #[must_use]
    pub fn of_scaled(at: i64, price: Whole, scale: u32) -> Self {
        let ln = ln(&price, scale);
        Self::of_known(scale, Tick { at, price, ln })
    }

    /// What one tick comes to whose logarithm is known.
    #[must_use]
    pub fn of_known(scale: u32, tick: Tick) -> Self {
        Self {
            scale,
            count: 1,
            sum: tick.price.clone(),
            squares: tick.price.times(&tick.price),
            return_sum: Whole::ZERO,
            return_squares: Whole::ZERO,
            low: tick.price.clone(),
            high: tick.price.clone(),
            first: tick.clone(),
            last: tick,
        }
    }

    /// What these ticks and later ones come to together, with the return between them. Every
    /// tick of `later` is later than every one of these.
    #[must_use]
    pub fn followed_by(mut self, later: &Self) -> Self {
        self.append(later);
        self
    }

    /// Adds later ticks, as [`Self::followed_by`] does.
    pub fn append(&mut self, later: &Self) {
        match self.scale.cmp(&later.scale) {
            Ordering::Equal => self.join(later),
            Ordering::Less => {
                self.bring_to_scale(later.scale);
                self.join(later);
            }
            Ordering::Greater => {
                let mut later = later.clone();
                later.bring_to_scale(self.scale);
                self.join(&later);
            }
        }
    }

    /// Whether both say the same, at whatever scale.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let scale = self.scale.max(other.scale);
        let at_scale = |totals: &Self| {
            let mut totals = totals.clone();
            totals.bring_to_scale(scale);
            totals
        };
        at_scale(self) == at_scale(other)
    }

    /// Number, sum and squares of the prices.
    #[must_use]
    pub fn price_moments(&self) -> Moments {
        Moments {
            count: self.count,
            sum: self.decimal(&self.sum),
            sum_of_squares: Decimal::new(self.squares.to_big(), 2 * self.scale),
        }
    }

    /// Number, sum and squares of the returns.
    #[must_use]
    pub fn return_moments(&self) -> Moments {
        Moments {
            count: self.count - 1,
            sum: Decimal::new(self.return_sum.to_big(), RETURN_DECIMALS),
            sum_of_squares: Decimal::new(self.return_squares.to_big(), 2 * RETURN_DECIMALS),
        }
    }

    /// The return from the first tick to the last one, rounded once.
    #[must_use]
    pub fn whole_return(&self) -> Decimal {
        Decimal::new(BigInt::from(log_return(self.first.ln, self.last.ln)), RETURN_DECIMALS)
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

    /// The lowest price.
    #[must_use]
    pub fn low_price(&self) -> Decimal {
        self.decimal(&self.low)
    }

    /// The highest price.
    #[must_use]
    pub fn high_price(&self) -> Decimal {
        self.decimal(&self.high)
    }

    fn decimal(&self, price: &Whole) -> Decimal {
        Decimal::new(price.to_big(), self.scale)
    }

    /// Both at the same scale.
    fn join(&mut self, later: &Self) {
        let between = Whole::Small(log_return(self.last.ln, later.first.ln));
        self.count = self.count.saturating_add(later.count);
        self.sum = self.sum.plus(&later.sum);
        self.squares = self.squares.plus(&later.squares);
        self.return_sum = self.return_sum.plus(&between).plus(&later.return_sum);
        self.return_squares =
            self.return_squares.plus(&between.times(&between)).plus(&later.return_squares);
        if later.low < self.low {
            self.low = later.low.clone();
        }
        if later.high > self.high {
            self.high = later.high.clone();
        }
        self.last = later.last.clone();
    }

    /// Says the same at a scale that is not smaller.
    fn bring_to_scale(&mut self, scale: u32) {
        let digits = scale - self.scale;
        self.scale = scale;
        self.squares = self.squares.shifted(2 * digits);
        for price in [
            &mut self.sum,
            &mut self.low,
            &mut self.high,
            &mut self.first.price,
            &mut self.last.price,
        ] {
            *price = price.shifted(digits);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::price::logarithm::LN_DECIMALS;

    /// Ticks as they are recorded.
    type Ticks = Vec<(i64, Decimal)>;

    /// Prices that move little, as they do, and prices of all sizes.
    fn price() -> impl Strategy<Value = Decimal> {
        prop_oneof![
            4 => (6_400_000_000_000i128..6_500_000_000_000, Just(8)),
            1 => (1i128..100, 0u32..3),
            1 => (1i128..i128::MAX, 0u32..=30),
        ]
        .prop_map(|(unscaled, scale)| Decimal::new(unscaled.into(), scale))
    }

    /// A few ticks between two instants, in the order of time.
    pub(in crate::domain::price) fn ticks(
        instants: std::ops::Range<i64>,
        count_max: usize,
    ) -> impl Strategy<Value = Ticks> {
        proptest::collection::btree_map(instants, price(), 1..=count_max)
            .prop_map(|ticks| ticks.into_iter().collect())
    }

    /// The totals of ticks that are combined one by one.
    pub(in crate::domain::price) fn totals(ticks: &[(i64, Decimal)]) -> TickTotals {
        let mut each = ticks.iter().map(|(at, price)| TickTotals::of_tick(*at, price));
        let first = each.next().expect("there is a tick");
        each.fold(first, |before, tick| before.followed_by(&tick))
    }

    /// The totals of ticks that are split in two as `splits` says, and the parts again.
    fn split_totals(
        ticks: &[(i64, Decimal)],
        splits: &mut impl Iterator<Item = usize>,
    ) -> TickTotals {
        if ticks.len() == 1 {
            return TickTotals::of_tick(ticks[0].0, &ticks[0].1);
        }
        let at = 1 + splits.next().expect("it never ends") % (ticks.len() - 1);
        let before = split_totals(&ticks[..at], splits);
        before.followed_by(&split_totals(&ticks[at..], splits))
    }

    /// The rounded difference of two logarithms, another way.
    fn naive_return(from: &Decimal, to: &Decimal) -> Decimal {
        let ln = |price: &Decimal| {
            let (unscaled, scale) = price.to_parts();
            Decimal::new(ln(&Whole::from(unscaled), scale).into(), LN_DECIMALS)
        };
        let difference = ln(to).minus(&ln(from)).to_text(LN_DECIMALS);
        let cut = difference.len() - (LN_DECIMALS - RETURN_DECIMALS) as usize;
        let (kept, rest) = difference.split_at(cut);
        let kept = Decimal::parse(kept).expect("it is a number");
        let step = Decimal::new(1.into(), RETURN_DECIMALS);
        match (rest.as_bytes()[0] >= b'5', difference.starts_with('-')) {
            (false, _) => kept,
            (true, false) => kept.plus(&step),
            (true, true) => kept.minus(&step),
        }
    }

    fn moments<'a>(numbers: impl IntoIterator<Item = &'a Decimal>) -> Moments {
        let mut moments = Moments::none();
        for number in numbers {
            moments.count += 1;
            moments.sum = moments.sum.plus(number);
            moments.sum_of_squares = moments.sum_of_squares.plus(&number.times(number));
        }
        moments
    }

    #[test]
    fn one_tick_has_no_return() {
        let price = Decimal::parse("1.50").expect("it is a number");
        let totals = TickTotals::of_tick(7, &price);
        assert_eq!((totals.scale, totals.count), (1, 1));
        assert_eq!((totals.first.at, totals.last.at), (7, 7));
        assert_eq!(totals.price_moments(), moments([&price]));
        assert_eq!(totals.return_moments(), Moments::none());
        assert_eq!(totals.whole_return(), Decimal::zero());
    }

    proptest! {
        #[test]
        fn ticks_come_to_the_same_however_they_are_split(
            ticks in ticks(-1_000..1_000, 12), splits in proptest::collection::vec(0usize..12, 8),
        ) {
            let found = split_totals(&ticks, &mut splits.into_iter().cycle());
            prop_assert_eq!(&found, &totals(&ticks));
            let prices: Vec<&Decimal> = ticks.iter().map(|(_, price)| price).collect();
            let returns: Vec<Decimal> =
                prices.windows(2).map(|pair| naive_return(pair[0], pair[1])).collect();
            prop_assert_eq!(found.price_moments(), moments(prices.iter().copied()));
            prop_assert_eq!(found.return_moments(), moments(&returns));
            prop_assert_eq!(Some(&found.low_price()), prices.iter().copied().min());
            prop_assert_eq!(Some(&found.high_price()), prices.iter().copied().max());
            let (first, last) = (&ticks[0], &ticks[ticks.len() - 1]);
            prop_assert_eq!((found.first.at, &found.first_price()), (first.0, &first.1));
            prop_assert_eq!((found.last.at, &found.last_price()), (last.0, &last.1));
            prop_assert_eq!(found.whole_return(), naive_return(&first.1, &last.1));
            prop_assert_eq!(Some(found.scale), prices.iter().map(|price| price.parts().1).max());
            let mut other = found.clone();
            other.bring_to_scale(found.scale + 2);
            prop_assert!(found.says_the_same(&other) && other.says_the_same(&found));
            other.high.add(&Whole::Small(1));
            prop_assert!(!found.says_the_same(&other) && !other.says_the_same(&found));
        }

        #[test]
        fn combining_is_associative(
            a in ticks(0..10, 3), b in ticks(10..20, 3), c in ticks(20..30, 3),
        ) {
            let (a, b, c) = (totals(&a), totals(&b), totals(&c));
            let left = a.clone().followed_by(&b).followed_by(&c);
            prop_assert_eq!(left, a.followed_by(&b.followed_by(&c)));
        }
    }
}
