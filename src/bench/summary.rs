//! What was measured, in words and as JSON.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::{Value, json};

use crate::{
    bench::{load::Measured, recorder::Recorder},
    config::{Call, Mix},
};

/// The quantiles that are shown, with their names.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

/// Buckets of the histogram up to p99; one more holds what is slower.
const BUCKETS: u64 = 10;

/// Width of the longest bar of the histogram.
const BAR_MAX: u64 = 40;

/// What was measured in a run.
#[derive(Clone, Debug)]
pub struct Summary {
    /// From the end of the warm-up to the last answer of what was measured.
    pub seconds: f64,
    /// Calls of an open loop that were due and never begun, because all callers were waiting.
    pub not_begun: u64,
    /// All calls together.
    pub all: CallSummary,
    /// Each call of the mix.
    pub calls: Vec<(Call, CallSummary)>,
}

/// What was measured of one call.
#[derive(Clone, Debug)]
pub struct CallSummary {
    /// Calls that were made, answered or not.
    pub count: u64,
    /// Answered calls in a second.
    pub calls_per_second: f64,
    /// Calls that were not answered as asked, by the name of what they ended with.
    pub errors: BTreeMap<&'static str, u64>,
    /// The mean and the 99th percentile of how long those took; none where there are none.
    pub error_latencies: Option<[Duration; 2]>,
    /// Latencies of the answered ones; none where there are none.
    pub latencies: Option<Latencies>,
}

/// Latencies of answered calls.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// The shortest.
    pub min: Duration,
    /// The mean.
    pub avg: Duration,
    /// The longest.
    pub max: Duration,
    /// Quantiles by name, p50 first.
    pub quantiles: Vec<(&'static str, Duration)>,
    /// Upper edges of buckets and the number of calls in each.
    pub buckets: Vec<(Duration, u64)>,
}

impl Summary {
    /// Adds up what callers measured.
    #[must_use]
    pub(super) fn new(mix: &Mix, measured: Measured) -> Self {
        let Measured { recorders, seconds, not_begun } = measured;
        let mut all = Recorder::new();
        recorders.iter().for_each(|one| all.add(one));
        let names = mix.0.iter().map(|&(call, _)| call);
        let calls = recorders.iter().map(|one| CallSummary::new(one, seconds));
        Self {
            seconds,
            not_begun,
            all: CallSummary::new(&all, seconds),
            calls: names.zip(calls).collect(),
        }
    }

    /// One JSON object with the same numbers; times are seconds.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut whole = self.all.to_json();
        let calls = self.calls.iter().map(|(call, one)| (call.name().to_owned(), one.to_json()));
        whole["seconds"] = json!(self.seconds);
        whole["not_begun"] = json!(self.not_begun);
        whole["calls"] = Value::Object(calls.collect());
        whole.to_string()
    }
}

impl CallSummary {
    fn new(recorder: &Recorder, seconds: f64) -> Self {
        let (answered, failed) = (recorder.latencies.len(), &recorder.error_latencies);
        Self {
            count: answered + recorder.errors.values().sum::<u64>(),
            calls_per_second: if seconds > 0.0 { answered as f64 / seconds } else { 0.0 },
            errors: recorder.errors.clone(),
            error_latencies: (!failed.is_empty()).then(|| {
                let mean = Duration::from_secs_f64(failed.mean() / 1e9);
                [mean, Duration::from_nanos(failed.value_at_quantile(0.99))]
            }),
            latencies: (answered > 0).then(|| Latencies::new(recorder)),
        }
    }

    fn to_json(&self) -> Value {
        let errors: u64 = self.errors.values().sum();
        let latencies = self.latencies.as_ref().map(|latencies| {
            let mut object = json!({
                "min": latencies.min.as_secs_f64(),
                "avg": latencies.avg.as_secs_f64(),
                "max": latencies.max.as_secs_f64(),
            });
            for (name, value) in &latencies.quantiles {
                object[*name] = json!(value.as_secs_f64());
            }
            object
        });
        let buckets = self.latencies.iter().flat_map(|latencies| &latencies.buckets);
        let histogram = buckets
            .map(|(edge, count)| json!({ "up_to": edge.as_secs_f64(), "count": count }))
            .collect::<Vec<_>>();
        let error_latencies = self
            .error_latencies
            .map(|[avg, p99]| json!({ "avg": avg.as_secs_f64(), "p99": p99.as_secs_f64() }));
        json!({
            "count": self.count,
            "calls_per_second": self.calls_per_second,
            "error_count": errors,
            "errors": self.errors,
            "error_latency_seconds": error_latencies,
            "latency_seconds": latencies,
            "histogram": histogram,
        })
    }
}

impl Latencies {
    fn new(recorder: &Recorder) -> Self {
        let (min, max) = (recorder.nanos_min, recorder.nanos_max);
        let at = |quantile| recorder.latencies.value_at_quantile(quantile).clamp(min, max);
        let avg = recorder.nanos_sum / u128::from(recorder.latencies.len());
        let quantiles = QUANTILES.map(|(name, one)| (name, Duration::from_nanos(at(one))));
        Self {
            min: Duration::from_nanos(min),
            avg: Duration::from_nanos(u64::try_from(avg).unwrap_or(u64::MAX)),
            max: Duration::from_nanos(max),
            quantiles: quantiles.to_vec(),
            buckets: buckets(recorder, min, at(0.99), max),
        }
    }
}

/// Buckets of equal width from the shortest latency to p99, and one up to the longest: were
/// the last one as wide as the others, one slow call would put all others into the first.
fn buckets(recorder: &Recorder, min: u64, p99: u64, max: u64) -> Vec<(Duration, u64)> {
    let width = (p99 - min).div_ceil(BUCKETS).max(1);
    let mut edges: Vec<u64> = (1..=BUCKETS).map(|place| min + place * width).collect();
    edges.retain(|&edge| edge < max);
    edges.push(max);
    let mut counts = vec![0; edges.len()];
    for step in recorder.latencies.iter_recorded() {
        let value = step.value_iterated_to().min(max);
        let place = edges.partition_point(|&edge| edge < value);
        counts[place] += step.count_at_value();
    }
    let counts = counts.into_iter().map(u64::from);
    edges.into_iter().map(Duration::from_nanos).zip(counts).collect()
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "Measured for {:.2} s", self.seconds)?;
        if self.not_begun > 0 {
            writeln!(
                out,
                "NOT BEGUN: {} calls were due and no caller was free, so latencies are too low: \
                 the server did not keep up, or --concurrency is too small",
                self.not_begun
            )?;
        }
        write!(out, "\n{}", self.all)?;
        if self.calls.len() > 1 {
            for (call, one) in &self.calls {
                write!(out, "\n{}:\n{one}", call.name())?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for CallSummary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: u64 = self.errors.values().sum();
        writeln!(out, "  calls      {:>12}", self.count)?;
        writeln!(out, "  answered/s {:>12.1}", self.calls_per_second)?;
        writeln!(out, "  errors     {errors:>12}")?;
        for (name, count) in &self.errors {
            writeln!(out, "    {name:<20} {count}")?;
        }
        if let Some([avg, p99]) = self.error_latencies {
            let (avg, p99) = (millis(avg), millis(p99));
            writeln!(out, "    after {avg:.3} ms on average, p99 {p99:.3} ms")?;
        }
        let Some(latencies) = &self.latencies else { return Ok(()) };
        let named = [("min", latencies.min), ("avg", latencies.avg)];
        let last = [("max", latencies.max)];
        for (name, value) in named.iter().chain(&latencies.quantiles).chain(&last) {
            writeln!(out, "  {name:<10} {:>12.3} ms", millis(*value))?;
        }
        let most = latencies.buckets.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
        for (edge, count) in &latencies.buckets {
            let bar = "#".repeat(usize::try_from(count * BAR_MAX / most).unwrap_or(0));
            writeln!(out, "  up to {:>11.3} ms {count:>10} {bar}", millis(*edge))?;
        }
        Ok(())
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(latencies: impl IntoIterator<Item = u64>, errors: &[&'static str]) -> Measured {
        let mut recorder = Recorder::new();
        latencies.into_iter().for_each(|micros| recorder.answered(Duration::from_micros(micros)));
        let millis = (1..).map(Duration::from_millis);
        errors.iter().zip(millis).for_each(|(name, took)| recorder.failed(name, took));
        Measured { recorders: vec![recorder.clone(), recorder], seconds: 2.0, not_begun: 0 }
    }

    fn summary(latencies: impl IntoIterator<Item = u64>, errors: &[&'static str]) -> Summary {
        let mix = Mix(vec![(Call::SumAmount, 1), (Call::Rank, 1)]);
        Summary::new(&mix, measured(latencies, errors))
    }

    #[test]
    fn numbers_are_those_of_the_latencies() {
        let summary = summary(1..=1_000, &["UNAVAILABLE", "UNAVAILABLE", "INTERNAL"]);
        let one = &summary.calls[0].1;
        assert_eq!((one.count, summary.all.count), (1_003, 2_006));
        assert!((one.calls_per_second - 500.0).abs() < 1e-9);
        assert_eq!(one.errors, BTreeMap::from([("UNAVAILABLE", 2), ("INTERNAL", 1)]));
        let latencies = summary.all.latencies.expect("calls were answered");
        assert_eq!(latencies.min, Duration::from_micros(1));
        assert_eq!(latencies.max, Duration::from_micros(1_000));
        assert_eq!(latencies.avg, Duration::from_nanos(500_500));
        for ((name, found), exact) in latencies.quantiles.iter().zip([500, 900, 950, 990]) {
            let exact = f64::from(exact) * 1e-6;
            assert!((found.as_secs_f64() / exact - 1.0).abs() < 0.002, "{name}: {found:?}");
        }
        assert_eq!(latencies.buckets.iter().map(|(_, count)| count).sum::<u64>(), 2_000);
        assert_eq!(latencies.buckets.len(), 11);
        assert!(latencies.buckets.is_sorted());
    }

    #[test]
    fn one_latency_or_none_is_a_summary_too() {
        let one = summary([5_000_000], &[]);
        let latencies = one.all.latencies.as_ref().expect("a call was answered");
        assert_eq!((latencies.min, latencies.buckets.len()), (latencies.max, 1));
        assert!(latencies.quantiles.iter().all(|(_, value)| *value == latencies.max));
        let none = summary([], &["UNIMPLEMENTED"]);
        assert!(none.all.latencies.is_none());
        assert!(none.to_string().contains("UNIMPLEMENTED"));
        let mut idle = measured([], &[]);
        idle.seconds = 0.0;
        let idle = Summary::new(&Mix(vec![(Call::Health, 1)]), idle);
        assert_eq!((idle.all.count, idle.all.calls_per_second.to_bits()), (0, 0));
    }

    #[test]
    fn json_has_the_same_numbers() {
        let summary = summary([100, 200, 400], &["INTERNAL"]);
        let json: Value = serde_json::from_str(&summary.to_json()).expect("it is JSON");
        assert_eq!(json["count"], 8);
        assert_eq!(json["error_count"], 2);
        assert_eq!(json["errors"]["INTERNAL"], 2);
        let took = json["error_latency_seconds"]["avg"].as_f64().expect("it is a number");
        assert!((took / 0.001 - 1.0).abs() < 0.002, "{took}");
        assert_eq!(json["calls"]["rank"]["count"], 4);
        assert_eq!(json["calls"]["sum_amount"]["latency_seconds"]["max"], 0.0004);
        assert_eq!(json["not_begun"], 0);
        for name in ["min", "avg", "max", "p50", "p90", "p95", "p99", "p99.9"] {
            assert!(json["latency_seconds"][name].is_number(), "{name}");
        }
    }
}
