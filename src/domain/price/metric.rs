//! What symbols are ranked by, computed from exact totals of their ticks.

use crate::domain::{
    decimal::Decimal,
    metric::{Metric, ROUNDED_DECIMALS},
    price::totals::TickTotals,
};

/// What symbols are ranked by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SymbolMetric {
    /// Standard deviation of the prices, with divisor n - 1.
    StddevOfPrice,
    /// Standard deviation of the log returns, with divisor n - 1.
    StddevOfReturn,
    /// Standard deviation of the prices, with divisor n - 1, divided by their mean.
    CoefficientOfVariation,
    /// The last price against the first, in percent of the first.
    ChangePercent,
    /// Arithmetic mean of the prices.
    Mean,
}

impl SymbolMetric {
    /// The value of the metric, rounded half-even to 18 decimals; `None` where it is undefined: a
    /// deviation of fewer than two values.
    #[must_use]
    pub fn value(self, totals: &TickTotals) -> Option<Decimal> {
        let prices = totals.price_moments();
        match self {
            Self::StddevOfPrice => Metric::StddevSample.value(&prices),
            Self::StddevOfReturn => Metric::StddevSample.value(&totals.return_moments()),
            Self::Mean => Metric::Avg.value(&prices),
            // The root of ((n q - s^2) / (n (n - 1))) / (s / n)^2, s not being zero, is that of
            // (n q - s^2) n / ((n - 1) s^2).
            Self::CoefficientOfVariation => {
                if prices.count < 2 {
                    return None;
                }
                let count = Decimal::from(prices.count);
                let square = prices.sum.times(&prices.sum);
                let spread = count.times(&prices.sum_of_squares).minus(&square).times(&count);
                let divisor = Decimal::from(prices.count - 1).times(&square);
                Decimal::rounded_root(&spread, &divisor, ROUNDED_DECIMALS)
            }
            Self::ChangePercent => {
                let first = totals.first_price();
                let change = totals.last_price().minus(&first).times(&Decimal::from(100));
                Decimal::rounded_quotient(&change, &first, ROUNDED_DECIMALS)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(metric: SymbolMetric, prices: &[&str]) -> Option<String> {
        let ticks = prices.iter().enumerate().map(|(place, price)| {
            let price = Decimal::parse(price).expect("the test wrote a number");
            TickTotals::of_tick(i64::try_from(place).expect("few"), &price)
        });
        let totals = ticks.reduce(|so_far, tick| so_far.followed_by(&tick))?;
        metric.value(&totals).map(|value| value.to_string())
    }

    #[test]
    fn metrics_come_out_exactly() {
        use SymbolMetric::{
            ChangePercent, CoefficientOfVariation, Mean, StddevOfPrice, StddevOfReturn,
        };
        for (metric, prices, expected) in [
            (StddevOfPrice, &["1", "2", "3"][..], Some("1")),
            (StddevOfPrice, &["5"], None),
            (CoefficientOfVariation, &["1", "2", "3"], Some("0.5")),
            // The same prices in units a thousand times as small.
            (CoefficientOfVariation, &["0.001", "0.002", "0.003"], Some("0.5")),
            (CoefficientOfVariation, &["5"], None),
            (ChangePercent, &["4", "9", "5"], Some("25")),
            (ChangePercent, &["3", "2"], Some("-33.333333333333333333")),
            (ChangePercent, &["5"], Some("0")),
            (Mean, &["1", "1", "2"], Some("1.333333333333333333")),
            // Returns ln 2 and -ln 2: their deviation is ln 2 times the root of 2.
            (StddevOfReturn, &["1", "2", "1"], Some("0.980258143468547191")),
            (StddevOfReturn, &["1", "2"], None),
            (StddevOfReturn, &["1", "2", "4"], Some("0")),
        ] {
            assert_eq!(value(metric, prices).as_deref(), expected, "{metric:?} of {prices:?}");
        }
    }
}
