//! CPU, requests and latency of a stretch of time, and what that stretch is held against.

use serde::{Deserialize, Serialize};

use crate::analyse::facts::Facts;
use crate::analyse::figures::{counted, finite, number, ratio, span};
use crate::analyse::quality::Grade;
use crate::analyse::spent;
use crate::redact::Clean;
use crate::series::{column, table};
use crate::traffic::{Histogram, Latency, Source, Tally, Window};

/// CPU and traffic of a stretch. What could not be had is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Length.
    pub seconds: f64,
    /// CPU of all workers.
    pub cpu_seconds: Option<f64>,
    /// The same as cores busy on average.
    pub cores: Option<f64>,
    /// Who counted the requests.
    pub counted_by: Option<Source>,
    /// Requests; connections where nothing better counted.
    pub requests: Option<f64>,
    /// Requests a second.
    pub rps: Option<f64>,
    /// Requests that failed, in percent.
    pub error_percent: Option<f64>,
    /// CPU-seconds for each request.
    pub cpu_seconds_per_request: Option<f64>,
    /// Tokens of a prompt, on average.
    pub prompt_tokens_per_request: Option<f64>,
    /// Tokens of a completion, on average.
    pub completion_tokens_per_request: Option<f64>,
    /// Mean of the total latency.
    pub mean_seconds: Option<f64>,
    /// Median of the total latency.
    pub p50_seconds: Option<f64>,
    /// 99th percentile of the total latency.
    pub p99_seconds: Option<f64>,
}

/// What the capture is held against, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeforeSource {
    /// The minutes before, as `capture watch` recorded them.
    Recorder,
    /// A bundle given with `--baseline`.
    Baseline,
    /// The proxy's own life until the capture.
    Lifetime,
}

/// What the capture is held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Which of the three.
    pub source: BeforeSource,
    /// The baseline's name.
    pub name: Option<String>,
    /// LiteLLM's version then.
    pub litellm_version: Option<String>,
    /// CPU and traffic.
    pub load: Load,
    /// What to keep in mind when comparing: a young process, another number of workers, another source.
    pub caveats: Vec<String>,
}

/// CPU and traffic before and during.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Loads {
    /// Before; none where there is nothing to hold against.
    pub before: Option<Before>,
    /// During the capture.
    pub during: Load,
}

/// What it takes a worker to import LiteLLM and to come up, at most: of LiteLLM 1.106 with Python 3.11, a worker of its
/// own needs 6 to 10 CPU-seconds until it has served its first requests, and one that gunicorn forks less than one. It
/// is no traffic's doing, and in a young process it outweighs all that is.
pub const STARTUP_CPU_SECONDS: f64 = 10.0;
/// So much must have been recorded before a spike to hold it against.
const LEAST_RECORDED_SECONDS: f64 = 10.0;
/// A life must hold so many times its start. Then a request's cost is off by no more than
/// [`LEAST_COST_RISE`](super::classify::LEAST_COST_RISE), though the start may have taken anything from nothing up to
/// what was taken off.
const LEAST_STARTS: f64 = 4.0;

/// Why the proxy's own life cannot be held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoLifetime {
    /// What it had used until the capture was not read.
    NotRead,
    /// LiteLLM's own counters could not be read, and nothing else counts from the beginning.
    NotCounted,
    /// Too much of what it had used may be its start's.
    TooYoung,
}

/// CPU and traffic of a capture and of what it is held against.
pub fn loads(facts: &Facts) -> Loads {
    let during = during(facts);
    // The best first.
    let before =
        recorded(facts, &during).or_else(|| baseline(facts, &during)).or_else(|| lifetime(facts, &during).ok());
    Loads { before, during }
}

/// CPU and traffic of the sampled stretch; where requests were counted over a somewhat longer one, over that.
pub fn during(facts: &Facts) -> Load {
    let sampled = facts.sampled_us();
    let window = counted_over(&facts.evidence.tallies, sampled);
    let stretch = window.as_ref().and_then(|window| Some((window.from_us?, window.to_us))).unwrap_or(sampled);
    over(facts, stretch, cores(facts, stretch), window)
}

/// CPU and requests of a stretch.
fn over(facts: &Facts, stretch: (u64, u64), cores: Option<f64>, window: Option<Window<Clean>>) -> Load {
    let seconds = length_seconds(stretch);
    let load = Load { seconds, cpu_seconds: cores.map(|cores| cores * seconds), cores, ..Load::default() };
    match window {
        Some(window) => load.with_requests(&window),
        None => load.with_connections(facts, stretch),
    }
}

/// What a watch recorded before the spike; where LiteLLM was restarted meanwhile, requests and CPU since then.
fn recorded(facts: &Facts, now: &Load) -> Option<Before> {
    let trigger = facts.evidence.trigger.as_ref()?;
    let recorded_us = (first_row_us(facts)?, trigger.since_us);
    let window = counted_within(&facts.evidence.tallies, recorded_us);
    let stretch = window.as_ref().and_then(|window| Some((window.from_us?, window.to_us))).unwrap_or(recorded_us);
    let cores = by_kernel(facts, stretch)?;
    if length_seconds(stretch) < LEAST_RECORDED_SECONDS {
        return None;
    }
    let load = over(facts, stretch, Some(cores), window);
    let recorded = span(length_seconds(recorded_us));
    let mut caveats = vec![format!("the {recorded} before the spike, as capture watch recorded them")];
    let upgraded = trigger.happenings.iter().rev().find(|happening| happening.at_us <= trigger.since_us);
    caveats.extend(trigger.happenings.iter().map(|happening| format!("meanwhile {}", happening.what)));
    caveats.extend(other_source(&load, now));
    let version = upgraded.and_then(|happening| happening.version_before.as_ref());
    Some(Before {
        source: BeforeSource::Recorder,
        name: None,
        litellm_version: version.map(Clean::as_str).or_else(|| facts.litellm_version()).map(str::to_owned),
        load,
        caveats,
    })
}

/// When the workers were first looked at.
fn first_row_us(facts: &Facts) -> Option<u64> {
    facts.series.workers().filter_map(|(_, table)| table.rows.first().map(|row| row.at_us)).min()
}

/// What the capture says that is given with `--baseline`.
fn baseline(facts: &Facts, now: &Load) -> Option<Before> {
    let baseline = facts.baseline.as_deref()?;
    let load = during(baseline);
    load.cores?;
    let mut caveats = Vec::new();
    let seconds = facts.began().duration_since(baseline.began()).as_secs_f64();
    caveats.push(match seconds {
        0.0.. => format!("the baseline was captured {} earlier", span(seconds)),
        _ => format!("the baseline was captured {} later", span(-seconds)),
    });
    let workers = |facts: &Facts| facts.evidence.workers.len() as u64;
    caveats.extend(other_workers(workers(baseline), workers(facts)));
    caveats.extend(other_source(&load, now));
    let grade = baseline.manifest.quality.as_ref().map(|quality| quality.grade);
    if !baseline.evidence.stacks.are_taken() {
        caveats.push("the baseline has no stacks".to_owned());
    } else if let Some(grade @ (Grade::Weak | Grade::Unusable)) = grade {
        caveats.push(format!("the baseline's profile is {}", grade.word()));
    }
    Some(Before {
        source: BeforeSource::Baseline,
        name: Some(baseline.manifest.name.clone()),
        litellm_version: baseline.litellm_version().map(str::to_owned),
        load,
        caveats,
    })
}

/// The proxy's own life until the capture. Only LiteLLM's own counters began with it.
pub fn lifetime(facts: &Facts, now: &Load) -> Result<Before, NoLifetime> {
    let life = facts.evidence.lifetime.ok_or(NoLifetime::NotRead)?;
    let from_the_beginning = |tally: &&Tally<Clean>| tally.source <= Source::MetricsEndpoint;
    let first = facts.evidence.tallies.iter().find(from_the_beginning).ok_or(NoLifetime::NotCounted)?;
    let startup = STARTUP_CPU_SECONDS * f64::from(life.workers);
    let cpu_seconds = life.cpu_seconds - startup;
    let age = life.age_seconds;
    if !(cpu_seconds >= LEAST_STARTS * startup && cpu_seconds.is_finite() && age.is_finite() && age > 0.0) {
        return Err(NoLifetime::TooYoung);
    }
    let load = Load { seconds: age, cpu_seconds: Some(cpu_seconds), cores: ratio(cpu_seconds, age), ..Load::default() }
        .with_requests(&Window::until(first));
    let mut caveats = vec![
        format!("an average over the proxy's life of {}, quiet hours included", span(age)),
        format!(
            "{} CPU-seconds for the start of {}, at most {STARTUP_CPU_SECONDS} each, are taken off",
            number(startup),
            counted(life.workers, "worker"),
        ),
    ];
    caveats.extend(other_workers(life.workers.into(), facts.evidence.workers.len() as u64));
    caveats.extend(other_source(&load, now));
    Ok(Before {
        source: BeforeSource::Lifetime,
        name: None,
        litellm_version: facts.litellm_version().map(str::to_owned),
        load,
        caveats,
    })
}

impl Load {
    /// Requests, if they were counted as such.
    pub fn counted_rps(&self) -> Option<f64> {
        self.rps.filter(|_| self.counted_by.is_some_and(Source::counts_requests))
    }

    fn with_requests(self, window: &Window<Clean>) -> Self {
        let requests = finite(window.requests());
        let rps = requests.and_then(|requests| ratio(requests, self.seconds));
        let each = |whole: Option<f64>| ratio(whole?, requests?);
        let told = window.counts.iter().any(|count| count.status.is_some());
        let latency = window.latencies.get(&Latency::Total);
        let quantile = |share| latency.and_then(|latency| latency.quantile(share)).and_then(finite);
        Self {
            counted_by: Some(window.source),
            requests,
            rps,
            error_percent: each(told.then(|| window.errors() * 100.0)),
            cpu_seconds_per_request: each(self.cpu_seconds),
            prompt_tokens_per_request: each(window.prompt_tokens),
            completion_tokens_per_request: each(window.completion_tokens),
            mean_seconds: latency.and_then(Histogram::mean_seconds).and_then(finite),
            p50_seconds: quantile(0.5),
            p99_seconds: quantile(0.99),
            ..self
        }
    }

    /// The next best: connections. What one costs says nothing, since it may carry any number of requests.
    fn with_connections(self, facts: &Facts, (from_us, to_us): (u64, u64)) -> Self {
        let network = facts.series.table(table::NETWORK);
        let Some(accepted) = network.and_then(|table| table.growth(column::CONNECTIONS_ACCEPTED, from_us, to_us))
        else {
            return self;
        };
        let rps = ratio(accepted, self.seconds);
        Self { counted_by: Some(Source::Connections), requests: finite(accepted), rps, ..self }
    }
}

/// What the best source counted around a stretch.
fn counted_over(tallies: &[Tally<Clean>], (from_us, to_us): (u64, u64)) -> Option<Window<Clean>> {
    let mut sources: Vec<&[Tally<Clean>]> = tallies
        .chunk_by(|a, b| a.source == b.source)
        .filter(|tallies| tallies[0].source.counts_requests() && tallies.is_sorted_by_key(|tally| tally.at_us))
        .collect();
    sources.sort_by_key(|tallies| tallies[0].source);
    let mut windows = sources.into_iter().filter_map(|tallies| Window::covering(tallies, from_us, to_us));
    let overlaps = |window: &Window<Clean>| {
        window.from_us.is_some_and(|first| first < window.to_us && first < to_us) && window.to_us > from_us
    };
    windows.find(overlaps)
}

/// What the best source counted inside a stretch, as much of its end as was counted without a break.
fn counted_within(tallies: &[Tally<Clean>], (from_us, to_us): (u64, u64)) -> Option<Window<Clean>> {
    let mut sources: Vec<&[Tally<Clean>]> = tallies
        .chunk_by(|a, b| a.source == b.source)
        .filter(|tallies| tallies[0].source.counts_requests() && tallies.is_sorted_by_key(|tally| tally.at_us))
        .collect();
    sources.sort_by_key(|tallies| tallies[0].source);
    let mut windows = sources.into_iter().filter_map(|tallies| {
        let inside: Vec<&Tally<Clean>> =
            tallies.iter().filter(|tally| (from_us..=to_us).contains(&tally.at_us)).collect();
        let last = inside.last()?;
        inside.iter().find_map(|first| (first.at_us < last.at_us).then(|| Window::between(first, last)).flatten())
    });
    windows.find(|window| window.seconds().is_some_and(|seconds| seconds >= LEAST_RECORDED_SECONDS))
}

/// Cores busy on average, by the kernel's count for each worker.
fn by_kernel(facts: &Facts, stretch: (u64, u64)) -> Option<f64> {
    spent::per_second(&facts.series, &[column::USER_S, column::SYSTEM_S], stretch)
}

/// Cores busy on average: by the kernel's count for each worker, else by the threads' clocks of the sampled stretch.
fn cores(facts: &Facts, stretch: (u64, u64)) -> Option<f64> {
    by_kernel(facts, stretch).or_else(|| {
        let sampled_ns: u64 = facts.profile.samples.iter().map(|sample| sample.cpu_ns).sum();
        ratio(sampled_ns as f64 / 1e9, length_seconds(facts.sampled_us()))
    })
}

fn length_seconds((from_us, to_us): (u64, u64)) -> f64 {
    to_us.saturating_sub(from_us) as f64 / 1e6
}

fn other_workers(then: u64, now: u64) -> Option<String> {
    (then != now).then(|| format!("{} then, {now} now", counted(then, "worker")))
}

fn other_source(then: &Load, now: &Load) -> Option<String> {
    let (then, now) = (then.counted_by?, now.counted_by?);
    (then != now).then(|| format!("requests by {} then, by {} now", then.words(), now.words()))
}
