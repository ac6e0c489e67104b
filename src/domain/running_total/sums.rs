//! What some rows add to a running total.

use num_bigint::BigInt;

use crate::domain::{decimal::Decimal, metric::Moments, running_total::whole::Whole};

/// What some rows add to a running total: how many they are, the sum of their amounts
/// and the sum of the squares. Amounts are whole numbers of `1 / 10^scale` with a scale
/// that is kept beside. Negative where rows were taken away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sums {
    /// Number of rows.
    pub count: i64,
    /// Sum of the amounts.
    pub sum: Whole,
    /// Sum of the squares of the amounts, at twice the scale.
    pub squares: Whole,
}

impl Sums {
    /// What no rows add.
    pub const ZERO: Self = Self { count: 0, sum: Whole::ZERO, squares: Whole::ZERO };

    /// What `count` rows (or minus as many) of one amount add.
    #[must_use]
    pub fn of(count: i64, amount: &Whole) -> Self {
        let times = Whole::Small(i128::from(count));
        Self { count, sum: amount.times(&times), squares: amount.times(amount).times(&times) }
    }

    /// Whether nothing is added.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.count == 0 && self.sum.is_zero() && self.squares.is_zero()
    }

    /// Adds others of the same scale.
    pub fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.plus(&other.sum);
        self.squares = self.squares.plus(&other.squares);
    }

    /// What takes these away again.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self { count: -self.count, sum: self.sum.negated(), squares: self.squares.negated() }
    }

    /// The same without squares, where nobody asks for them.
    #[must_use]
    pub fn without_squares(self) -> Self {
        Self { squares: Whole::ZERO, ..self }
    }

    /// The same at a scale that is larger by `digits`.
    #[must_use]
    pub fn shifted(&self, digits: u32) -> Self {
        Self {
            count: self.count,
            sum: self.sum.shifted(digits),
            squares: self.squares.shifted(2 * digits),
        }
    }

    /// The sums as exact decimals.
    #[must_use]
    pub fn to_moments(&self, scale: u32) -> Moments {
        Moments {
            count: self.count,
            sum: Decimal::new(self.sum.to_big(), scale),
            sum_of_squares: Decimal::new(self.squares.to_big(), 2 * scale),
        }
    }
}

/// Sums of cells whose scales may differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScaledSums {
    /// Digits behind the point.
    pub scale: u32,
    /// The sums at this scale.
    pub sums: Sums,
}

impl ScaledSums {
    /// What no rows add.
    pub const ZERO: Self = Self { scale: 0, sums: Sums::ZERO };

    /// Adds sums of some scale.
    pub fn add(&mut self, scale: u32, sums: &Sums) {
        match scale.cmp(&self.scale) {
            std::cmp::Ordering::Equal => self.sums.add(sums),
            std::cmp::Ordering::Less => self.sums.add(&sums.shifted(self.scale - scale)),
            std::cmp::Ordering::Greater => {
                self.sums = self.sums.shifted(scale - self.scale);
                self.scale = scale;
                self.sums.add(sums);
            }
        }
    }

    /// Takes others away.
    pub fn subtract(&mut self, other: &Self) {
        self.add(other.scale, &other.sums.negated());
    }

    /// The sums as exact decimals.
    #[must_use]
    pub fn to_moments(&self) -> Moments {
        self.sums.to_moments(self.scale)
    }

    /// Reads exact decimals.
    #[must_use]
    pub fn from_moments(moments: &Moments) -> Self {
        let (sum, sum_scale) = moments.sum.to_parts();
        let (squares, squares_scale) = moments.sum_of_squares.to_parts();
        let scale = sum_scale.max(squares_scale.div_ceil(2));
        let whole = |unscaled: BigInt| Whole::from(unscaled);
        let sums = Sums {
            count: moments.count,
            sum: whole(sum).shifted(scale - sum_scale),
            squares: whole(squares).shifted(2 * scale - squares_scale),
        };
        Self { scale, sums }
    }
}
