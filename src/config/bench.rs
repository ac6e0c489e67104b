//! Settings of `daybook bench`: what is asked, how often, and for how long.
//!
//! Flags only: a run that is measured says on its command line what it measures.

use std::{path::PathBuf, time::Duration};

use chrono::NaiveDate;
use clap::{Args, ValueEnum};

/// Largest weight of a call in a mix: a cycle of the mix holds every call as often as its
/// weight says, so it stays short.
const WEIGHT_MAX: u32 = 1_000;

/// Most days that a window may be asked to be long.
const WINDOW_DAYS_MAX: u32 = 3_652_058;

/// What `daybook bench` is told.
#[derive(Args, Clone, Debug)]
pub struct BenchSettings {
    /// Where Daybook serves
    #[arg(long, default_value = "http://127.0.0.1:50051", value_name = "URL")]
    pub address: String,

    /// File with the roots that sign the server's certificate, in PEM: with an address that begins
    /// with https [default: those that the system trusts]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Name that the server's certificate must have [default: that of the address]
    #[arg(long, requires = "ca", value_name = "NAME")]
    pub server_name: Option<String>,

    /// File with a token to show with each call
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Calls to make, each as often as the others, separated by commas
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "sum_amount",
        value_name = "CALL,..."
    )]
    pub calls: Vec<Call>,

    /// Calls to make with their weights, for example sum_amount=9,rank=1
    #[arg(long, value_parser = Mix::parse, conflicts_with = "calls", value_name = "CALL=N,...")]
    pub mix: Option<Mix>,

    /// Connections to the server
    #[arg(long, default_value_t = 1, value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: u16,

    /// Calls at once, on all connections together
    ///
    /// Without --rate each caller makes its next call when the one before is answered (a closed
    /// loop): a server that stalls is asked less, so long waits are undercounted.
    #[arg(long, default_value_t = 1, value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,

    /// Calls a second, begun on schedule whether or not the server keeps up (an open loop)
    ///
    /// Latency is then measured from the instant at which a call was meant to begin, not from
    /// the one at which a caller was free to make it: waits that a stall causes for later calls
    /// count in full, and coordinated omission does not hide them. At most --concurrency calls
    /// are under way; calls that were due and never begun are told apart. Calls begin up to a
    /// tenth of a millisecond late, which counts too.
    #[arg(long, value_parser = parse_rate, value_name = "CALLS/S")]
    pub rate: Option<f64>,

    /// How long to measure, in seconds
    #[arg(long, value_parser = parse_seconds, default_value = "10", value_name = "SECONDS")]
    pub duration: Duration,

    /// How long to make calls before anything is measured, in seconds
    #[arg(long, value_parser = parse_seconds, default_value = "1", value_name = "SECONDS")]
    pub warm_up: Duration,

    /// Length of windows in days, or `random` for any length inside the data
    ///
    /// Windows lie inside the data: one of random shape that would be as long as the data loses
    /// up to an hour at each end.
    #[arg(long, value_parser = WindowLength::parse, default_value = "30", value_name = "N")]
    pub window_days: WindowLength,

    /// Where windows begin and end
    #[arg(long, value_enum, default_value_t = WindowShape::Random)]
    pub windows: WindowShape,

    /// First day (UTC) that windows may touch [default: found by asking]
    #[arg(long, requires = "to", value_name = "YYYY-MM-DD")]
    pub from: Option<NaiveDate>,

    /// First day (UTC) after those that windows may touch [default: found by asking]
    #[arg(long, requires = "from", value_name = "YYYY-MM-DD")]
    pub to: Option<NaiveDate>,

    /// Which side users are on
    #[arg(long, value_enum, default_value_t = BenchDirection::Sender)]
    pub direction: BenchDirection,

    /// What `rank` ranks by
    #[arg(long, value_enum, default_value_t = BenchMetric::Sum)]
    pub metric: BenchMetric,

    /// Questions in one call of `batch_sum_amount`
    #[arg(long, default_value_t = 100, value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub batch_size: u16,

    /// Number that users and windows are drawn from: same number, same questions
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,

    /// Print one JSON object instead of a summary for people
    #[arg(long)]
    pub json: bool,
}

impl BenchSettings {
    /// The calls to make, with their weights.
    #[must_use]
    pub fn weights(&self) -> Mix {
        let even = || Mix(self.calls.iter().map(|&call| (call, 1)).collect());
        self.mix.clone().unwrap_or_else(even)
    }
}

/// A call that can be measured.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Call {
    /// `grpc.health.v1.Health/Check`: what a call costs that asks the database nothing.
    Health,
    /// `AnalyticsService/SumAmount`.
    SumAmount,
    /// `AnalyticsService/BatchSumAmount`.
    BatchSumAmount,
    /// `AnalyticsService/Rank` over all users.
    Rank,
}

impl Call {
    /// Its name on the command line and in the summary.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::SumAmount => "sum_amount",
            Self::BatchSumAmount => "batch_sum_amount",
            Self::Rank => "rank",
        }
    }
}

/// Calls with the weights that they are made with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mix(pub Vec<(Call, u32)>);

impl Mix {
    /// Reads `sum_amount=9,rank=1`.
    ///
    /// # Errors
    /// If a call is unknown or there twice, or a weight is not 1 to 1,000.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut calls: Vec<(Call, u32)> = Vec::new();
        for part in text.split(',') {
            let (name, weight) =
                part.split_once('=').ok_or_else(|| format!("{part:?} is not CALL=WEIGHT"))?;
            let call = Call::from_str(name, false)?;
            let weight = weight.parse().ok().filter(|weight| (1..=WEIGHT_MAX).contains(weight));
            let weight =
                weight.ok_or_else(|| format!("the weight of {name} must be 1 to {WEIGHT_MAX}"))?;
            if calls.iter().any(|(known, _)| *known == call) {
                return Err(format!("{name} is there twice"));
            }
            calls.push((call, weight));
        }
        Ok(Self(calls))
    }
}

/// How long windows are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WindowLength {
    /// So many days.
    Days(u32),
    /// Any length, from two instants drawn from the data's span.
    Random,
}

impl WindowLength {
    /// Reads a number of days or `random`.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "random" {
            return Ok(Self::Random);
        }
        let days = text.parse().ok().filter(|days| (1..=WINDOW_DAYS_MAX).contains(days));
        days.map(Self::Days)
            .ok_or_else(|| format!("must be 1 to {WINDOW_DAYS_MAX} days, or random"))
    }
}

/// Where windows begin and end.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum WindowShape {
    /// At midnight UTC.
    Aligned,
    /// At any microsecond.
    Random,
}

/// Which side users are on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum BenchDirection {
    /// Money going out.
    Sender,
    /// Money coming in.
    Receiver,
    /// One or the other, drawn for each question.
    Random,
}

/// What `rank` ranks by.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum BenchMetric {
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

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "must be 0 to 86400 seconds".to_owned())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=1_000_000.0).contains(rate));
    rate.ok_or_else(|| "must be 0.001 to 1000000 calls a second".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_are_read_and_nonsense_is_refused() {
        let expected = Mix(vec![(Call::SumAmount, 9), (Call::Rank, 1)]);
        assert_eq!(Mix::parse("sum_amount=9,rank=1"), Ok(expected));
        for (text, word) in [
            ("", "is not CALL=WEIGHT"),
            ("rank", "is not CALL=WEIGHT"),
            ("rank=0", "1 to 1000"),
            ("rank=-1", "1 to 1000"),
            ("rank=1001", "1 to 1000"),
            ("rank=1,rank=2", "twice"),
            ("Rank=1", "Rank"),
        ] {
            let error = Mix::parse(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn lengths_times_and_rates_are_bounded() {
        assert_eq!(WindowLength::parse("365"), Ok(WindowLength::Days(365)));
        assert_eq!(WindowLength::parse("random"), Ok(WindowLength::Random));
        for text in ["0", "-1", "1.5", "", "Random", "99999999"] {
            assert!(WindowLength::parse(text).is_err(), "{text}");
        }
        assert_eq!(parse_seconds("0.25"), Ok(Duration::from_millis(250)));
        for text in ["-1", "NaN", "inf", "1e9", "x"] {
            assert!(parse_seconds(text).is_err(), "{text}");
            assert!(parse_rate(text).is_err(), "{text}");
        }
        assert_eq!(parse_rate("12.5"), Ok(12.5));
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for call in Call::value_variants() {
            assert_eq!(Call::from_str(call.name(), false), Ok(*call));
        }
    }
}
