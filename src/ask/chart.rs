//! Bars and sparklines. What is drawn is rounded, and nothing but what is drawn.

use crate::domain::decimal::Decimal;

/// Eighths of a block, from none to seven.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Parts of the largest value that are told apart.
const PARTS: i64 = 10_000;

/// A bar for each value, the largest one so wide; values below zero, and none, have none.
pub(super) fn bars(values: &[Option<Decimal>], width: usize) -> Vec<String> {
    let Some(largest) = values.iter().flatten().max().filter(|one| one.is_positive()) else {
        return Vec::new();
    };
    let bar = |value: &Option<Decimal>| {
        let Some(value) = value else { return String::new() };
        let parts = part_of(value, largest);
        let eighths = parts * width * 8 / usize::try_from(PARTS).unwrap_or(1);
        // What is there is seen.
        let eighths = if value.is_positive() { eighths.max(1) } else { 0 };
        format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
    };
    values.iter().map(bar).collect()
}

/// A line of so many characters at most, from the smallest value to the largest; of values that
/// share a character the last one is drawn.
pub(super) fn sparkline(values: &[Decimal], width: usize) -> String {
    let (Some(smallest), Some(largest)) = (values.iter().min(), values.iter().max()) else {
        return String::new();
    };
    let range = largest.minus(smallest);
    let count = values.len().min(width);
    let step = |place: usize| {
        let value = &values[(place + 1) * values.len() / count - 1];
        let parts = part_of(&value.minus(smallest), &range);
        STEPS[parts * (STEPS.len() - 1) / usize::try_from(PARTS).unwrap_or(1)]
    };
    (0..count).map(step).collect()
}

/// How much of the whole it is: 0 to [`PARTS`].
fn part_of(value: &Decimal, whole: &Decimal) -> usize {
    let parts = value.times(&Decimal::from(PARTS));
    let Some(share) = Decimal::rounded_quotient(&parts, whole, 0) else { return 0 };
    share.to_text(0).parse::<usize>().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[&str]) -> Vec<Decimal> {
        texts.iter().map(|text| Decimal::parse(text).expect("a number")).collect()
    }

    #[test]
    fn the_largest_value_fills_its_width_and_the_smallest_is_seen() {
        let some: Vec<_> =
            values(&["100", "50", "0.0001", "0", "-3"]).into_iter().map(Some).collect();
        assert_eq!(bars(&some, 4), ["████", "██", "▏", "", ""]);
        assert_eq!(bars(&[None, Decimal::parse("1")], 2), ["", "██"]);
        assert!(bars(&[Decimal::parse("0")], 4).is_empty());
        // Larger than any machine's number.
        let huge: Vec<_> = [format!("1{}", "0".repeat(70)), format!("5{}", "0".repeat(69))]
            .iter()
            .map(|text| Decimal::parse(text))
            .collect();
        assert_eq!(bars(&huge, 2), ["██", "█"]);
    }

    #[test]
    fn a_sparkline_goes_from_the_smallest_to_the_largest() {
        assert_eq!(sparkline(&values(&["1", "1.5", "2", "1"]), 10), "▁▄█▁");
        assert_eq!(sparkline(&values(&["7", "7"]), 10), "▁▁");
        assert_eq!(sparkline(&values(&["1", "9", "2", "8", "3", "7"]), 3), "█▇▆");
        assert_eq!(sparkline(&[], 10), "");
    }
}
