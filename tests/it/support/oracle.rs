//! The oracle: answers computed naively, in integers, from rows in memory. It shares no
//! code with what it judges.

use std::collections::BTreeMap;

/// A transaction as the oracle knows it. Amounts are integers, in units of
/// 10^-[`AMOUNT_DECIMALS`].
#[derive(Clone, Debug)]
pub(crate) struct OracleRow {
    pub(crate) micros: i64,
    pub(crate) sender: usize,
    pub(crate) receiver: usize,
    pub(crate) units: i128,
}

/// Decimals of an amount.
pub(crate) const AMOUNT_DECIMALS: u32 = 5;

/// Decimals that means and deviations are rounded to.
const ROUNDED_DECIMALS: u32 = 18;

/// What members are ranked by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OracleMetric {
    Sum,
    Count,
    Avg,
    StddevSample,
    StddevPopulation,
}

/// A ranked member: rank, index, value.
pub(crate) type OracleRank = (i64, usize, Option<String>);

/// Rows in memory.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) rows: Vec<OracleRow>,
}

impl Oracle {
    /// Count and sum (as text) of a member's rows in `[start, end)`.
    pub(crate) fn sum(
        &self,
        member: usize,
        is_sender: bool,
        start: i64,
        end: i64,
    ) -> (i64, String) {
        let amounts = self.amounts(member, is_sender, start, end);
        (count(&amounts), fixed(amounts.iter().sum(), AMOUNT_DECIMALS))
    }

    /// The ranking of members `0..members`; `tie_order` orders members of equal value.
    pub(crate) fn rank(
        &self,
        members: usize,
        is_sender: bool,
        (start, end): (i64, i64),
        metric: OracleMetric,
        (is_bottom, include_idle): (bool, bool),
        tie_order: &[usize],
    ) -> Vec<OracleRank> {
        let mut groups: BTreeMap<(bool, i128), Vec<usize>> = BTreeMap::new();
        for member in 0..members {
            let amounts = self.amounts(member, is_sender, start, end);
            if amounts.is_empty() && !include_idle {
                continue;
            }
            let value = value(metric, &amounts);
            let sort = match value {
                None => (true, 0),
                Some(value) => (false, if is_bottom { value } else { -value }),
            };
            groups.entry(sort).or_default().push(member);
        }
        let mut ranked = Vec::new();
        for ((is_undefined, sort), mut group) in groups {
            let rank = count(&ranked) + 1;
            group.sort_by_key(|&member| tie_order[member]);
            for member in group {
                let value = if is_bottom { sort } else { -sort };
                let text = (!is_undefined).then(|| value_text(metric, value));
                ranked.push((rank, member, text));
            }
        }
        ranked
    }

    fn amounts(&self, member: usize, is_sender: bool, start: i64, end: i64) -> Vec<i128> {
        self.rows
            .iter()
            .filter(|row| (if is_sender { row.sender } else { row.receiver }) == member)
            .filter(|row| start <= row.micros && row.micros < end)
            .map(|row| row.units)
            .collect()
    }
}

fn count<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap()
}

/// The value of a metric, in units of its last decimal.
fn value(metric: OracleMetric, amounts: &[i128]) -> Option<i128> {
    let n = i128::from(count(amounts));
    let sum: i128 = amounts.iter().sum();
    let scale = 10i128.pow(ROUNDED_DECIMALS - AMOUNT_DECIMALS);
    match metric {
        OracleMetric::Sum => Some(sum),
        OracleMetric::Count => Some(n),
        OracleMetric::Avg => (n > 0).then(|| half_even(sum * scale, n)),
        OracleMetric::StddevSample => (n > 1).then(|| deviation(amounts, n - 1)),
        OracleMetric::StddevPopulation => (n > 0).then(|| deviation(amounts, n)),
    }
}

/// The deviation with this divisor, by the definition: the nearest number of the last
/// decimal, searched for by halving and compared in wide integers.
fn deviation(amounts: &[i128], divisor: i128) -> i128 {
    let n = i128::from(count(amounts));
    let sum: i128 = amounts.iter().sum();
    // Sum of (n * x - sum)^2 is n^2 times the sum of squared differences from the mean.
    let spread: i128 = amounts.iter().map(|x| (n * x - sum).pow(2)).sum();
    let scale = 10i128.pow(ROUNDED_DECIMALS - AMOUNT_DECIMALS);
    // k is the root if (2k - 1)^2 <= 4 * scale^2 * spread / (n^2 * divisor) < (2k + 1)^2.
    let big = |value: i128| num_bigint::BigInt::from(value);
    let wanted = big(4) * big(scale) * big(scale) * big(spread);
    // No amount is further from the mean than the largest one, and n over the divisor is 2 at most.
    let largest = amounts.iter().max().copied().unwrap_or_default();
    let (mut low, mut high) = (0i128, 2 * largest * scale + 1);
    while low < high {
        let k = low + (high - low + 1) / 2;
        let edge = big(2 * k - 1) * big(2 * k - 1) * big(n) * big(n) * big(divisor);
        if edge <= wanted {
            low = k;
        } else {
            high = k - 1;
        }
    }
    // A root that lies exactly between two numbers is rational; then half goes to even.
    let edge = big(2 * low - 1) * big(2 * low - 1) * big(n) * big(n) * big(divisor);
    if low > 0 && edge == wanted && low % 2 != 0 { low - 1 } else { low }
}

fn half_even(numerator: i128, denominator: i128) -> i128 {
    let (quotient, rest) = (numerator / denominator, numerator % denominator);
    match (2 * rest).cmp(&denominator) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal => quotient + quotient % 2,
    }
}

fn value_text(metric: OracleMetric, value: i128) -> String {
    match metric {
        OracleMetric::Count => value.to_string(),
        OracleMetric::Sum => fixed(value, AMOUNT_DECIMALS),
        OracleMetric::Avg | OracleMetric::StddevSample | OracleMetric::StddevPopulation => {
            // Zeros beyond the asset's decimals are not written.
            let mut text = fixed(value, ROUNDED_DECIMALS);
            let point = text.find('.').unwrap();
            while text.ends_with('0') && text.len() - point - 1 > AMOUNT_DECIMALS as usize {
                text.pop();
            }
            text
        }
    }
}

fn fixed(units: i128, decimals: u32) -> String {
    let base = 10i128.pow(decimals);
    format!("{}.{:0width$}", units / base, units % base, width = decimals as usize)
}
