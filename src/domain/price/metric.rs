//! What symbols are ranked by, computed from exact totals of their ticks.

use crate::domain::{
    decimal::Decimal,
    metric::{Metric, ROUNDED_DECIMALS},
    price::{brief::PriceBrief, totals::TickTotals},
    running_total::whole::Whole,
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
    /// Whether the metric is one of prices alone.
    #[must_use]
    pub fn is_of_prices(self) -> bool {
        self != Self::StddevOfReturn
    }

    /// The value of the metric, rounded half-even to 18 decimals; `None` where it is undefined: a
    /// deviation of fewer than two values.
    #[must_use]
    pub fn value(self, totals: &TickTotals) -> Option<Decimal> {
        if self.is_of_prices() {
            return self.value_of_prices(&PriceBrief::of_totals(totals));
        }
        Metric::StddevSample.value(&totals.return_moments())
    }

    /// As [`Self::value`], from what is known of prices alone; `None` for a metric of returns.
    #[must_use]
    pub fn value_of_prices(self, brief: &PriceBrief) -> Option<Decimal> {
        let (count, divisor) = (Whole::from(brief.count), Whole::from(brief.count - 1));
        let root = |numerator: &Whole, denominator: &Whole, scale| {
            Decimal::rounded_root_of_wholes(numerator, scale, denominator, ROUNDED_DECIMALS)
        };
        match self {
            Self::StddevOfReturn => None,
            Self::StddevOfPrice => {
                // With one price the divisor is zero, and the root undefined.
                root(&brief.spread(), &count.times(&divisor), 2 * brief.scale)
            }
            // The root of ((n q - s^2) / (n (n - 1))) / (s / n)^2, s not being zero, is that of
            // (n q - s^2) n / ((n - 1) s^2), whatever the scale.
            Self::CoefficientOfVariation => {
                let square = brief.sum.times(&brief.sum);
                root(&brief.spread().times(&count), &divisor.times(&square), 0)
            }
            Self::Mean => {
                let count = Decimal::from(brief.count);
                Decimal::rounded_quotient(&brief.price_sum(), &count, ROUNDED_DECIMALS)
            }
            Self::ChangePercent => {
                let first = brief.first_price();
                let change = brief.last_price().minus(&first).times(&Decimal::from(100));
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
