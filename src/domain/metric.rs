//! What members of a population are ranked by, computed from exact moments.

use crate::domain::decimal::Decimal;

/// Decimals that means and standard deviations are rounded to, half-even.
pub const ROUNDED_DECIMALS: u32 = 18;

/// The exact moments of a set of amounts: how many, their sum and the sum of
/// their squares. Every metric follows from them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Moments {
    /// Number of amounts.
    pub count: i64,
    /// Sum of the amounts.
    pub sum: Decimal,
    /// Sum of the squares of the amounts.
    pub sum_of_squares: Decimal,
}

impl Moments {
    /// The moments of no amounts at all.
    #[must_use]
    pub fn none() -> Self {
        Self { count: 0, sum: Decimal::zero(), sum_of_squares: Decimal::zero() }
    }
}

/// What members are ranked by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Metric {
    /// Sum of the amounts.
    Sum,
    /// Number of transactions.
    Count,
    /// Arithmetic mean.
    Avg,
    /// Standard deviation with divisor n - 1.
    StddevSample,
    /// Standard deviation with divisor n.
    StddevPopulation,
}

impl Metric {
    /// Whether the metric needs the sum of squares.
    #[must_use]
    pub fn needs_squares(self) -> bool {
        matches!(self, Self::StddevSample | Self::StddevPopulation)
    }

    /// The value of the metric, `None` where it is undefined: a mean of nothing,
    /// a sample deviation of fewer than two amounts.
    ///
    /// The variance is `(n * q - s^2) / (n * d)` with n the count, s the sum, q
    /// the sum of squares and d the divisor. It is kept as a fraction of exact
    /// numbers until its root is rounded, so nothing cancels.
    #[must_use]
    pub fn value(self, moments: &Moments) -> Option<Decimal> {
        let count = Decimal::from(moments.count);
        let divisor = match self {
            Self::Sum => return Some(moments.sum.clone()),
            Self::Count => return Some(count),
            Self::Avg => {
                return Decimal::rounded_quotient(&moments.sum, &count, ROUNDED_DECIMALS);
            }
            Self::StddevSample => moments.count - 1,
            Self::StddevPopulation => moments.count,
        };
        if divisor < 1 {
            return None;
        }
        let spread = count.times(&moments.sum_of_squares).minus(&moments.sum.times(&moments.sum));
        Decimal::rounded_root(&spread, &count.times(&Decimal::from(divisor)), ROUNDED_DECIMALS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(amounts: &[&str]) -> Moments {
        let mut moments = Moments::none();
        for amount in amounts {
            let amount = Decimal::parse(amount).expect("the test wrote a number");
            moments.count += 1;
            moments.sum = moments.sum.plus(&amount);
            moments.sum_of_squares = moments.sum_of_squares.plus(&amount.times(&amount));
        }
        moments
    }

    #[test]
    fn metrics_come_out_exactly() {
        let wide = ["1000000000000000", "1000000000000001", "1000000000000002"];
        for (amounts, metric, expected) in [
            (&wide[..], Metric::StddevSample, Some("1")),
            (&wide[..], Metric::StddevPopulation, Some("0.816496580927726033")),
            (&wide[..], Metric::Avg, Some("1000000000000001")),
            (&["1", "2"], Metric::Avg, Some("1.5")),
            (&["1", "1", "2"], Metric::Avg, Some("1.333333333333333333")),
            (&["5"], Metric::StddevSample, None),
            (&["5"], Metric::StddevPopulation, Some("0")),
            (&[], Metric::Sum, Some("0")),
            (&[], Metric::Count, Some("0")),
            (&[], Metric::Avg, None),
            (&[], Metric::StddevSample, None),
            (&[], Metric::StddevPopulation, None),
        ] {
            let value = metric.value(&moments(amounts)).map(|value| value.to_string());
            assert_eq!(value.as_deref(), expected, "{metric:?} of {amounts:?}");
        }
    }
}
