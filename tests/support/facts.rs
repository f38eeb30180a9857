//! Facts made by hand, for what is drawn and written from them.

use std::collections::BTreeMap;

use litellm_capture::{
    analyse::{
        facts::{Facts, Logs},
        load::{Before, BeforeSource, Load},
        verdict::{Verdict, profiled},
    },
    collect::Gap,
    os::proc::ProcessId,
    redact::{Clean, Raw, Redactions, Redactor, Sources},
    sample::{
        Slice,
        profile::{Frame, Place, Profile, Sample, Shape, StackNode, Thread},
    },
    series::{Reading, Series, column, table},
    traffic::{Count, Histogram, Latency, Source, Tally},
};
use serde_json::json;

const S: u64 = 1_000_000;
const MIB: f64 = 1_048_576.0;
/// The proxy is watched for so long before the stacks are sampled.
pub const SAMPLED_FROM_S: u64 = 200;
pub const SAMPLED_TO_S: u64 = 230;
const SPIKE_FROM_S: u64 = 180;
const WATCHED_S: u64 = 240;
/// Rows that are missing.
const LOST_S: std::ops::Range<u64> = 121..129;

pub fn clean(text: &str) -> Clean {
    Redactor::new(&Sources::default()).text("test", &Raw::new(text))
}

/// A proxy whose first worker spikes.
pub struct Spike {
    pub workers: u32,
    pub quota_cores: Option<f64>,
    pub host: &'static str,
    pub version: &'static str,
}

impl Default for Spike {
    fn default() -> Self {
        Self { workers: 4, quota_cores: Some(4.0), host: "litellm-7d9c5b6f4-x2k8p", version: "1.106.2" }
    }
}

/// From 0 to 1, without any rule that could be seen, and always the same.
fn noise(seed: u64) -> f64 {
    let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 32)) % 10_000) as f64 / 10_000.0
}

fn row(table: impl Into<String>, at_us: u64, values: &[(&str, Option<f64>)]) -> Reading {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Reading { table: table.into(), at_us, values }
}

impl Spike {
    pub fn pid(index: u32) -> i32 {
        41 + index.cast_signed() * 7
    }

    /// Cores that a worker wants in a second.
    fn wanted(index: u32, second: u64) -> f64 {
        let noise = noise(u64::from(index) * 1_000 + second);
        match (index, second >= SPIKE_FROM_S) {
            (0, true) => 0.96 + 0.04 * noise,
            (_, true) => 0.35 + 0.25 * noise,
            (_, false) => 0.18 + 0.12 * noise,
        }
    }

    fn scarcity(&self, second: u64) -> f64 {
        let wanted: f64 = (0..self.workers).map(|index| Self::wanted(index, second)).sum();
        self.quota_cores.map_or(1.0, |quota| (quota / wanted).min(1.0))
    }

    pub fn series(&self) -> Series {
        let mut rows = Vec::new();
        for second in 0..=WATCHED_S {
            // Nothing is read at the very same moment.
            let at_us = second * S + (noise(second + 77) * 3_000.0) as u64;
            // A machine that is too busy does not let anybody read anything; what is counted is counted later.
            if LOST_S.contains(&second) {
                continue;
            }
            let since_s = if second == LOST_S.end { (LOST_S.end - LOST_S.start + 1) as f64 } else { 1.0 };
            let scarcity = self.scarcity(second);
            let mut cpu_s = 0.0;
            for index in 0..self.workers {
                let cores = Self::wanted(index, second) * scarcity * since_s;
                cpu_s += cores;
                let lost = index == 1 && (60..66).contains(&second);
                let rss = MIB * (540.0 + f64::from(index) * 6.0 + second as f64 * 0.25 + 3.0 * noise(second));
                let rss = if index == 0 && second > SPIKE_FROM_S {
                    rss + MIB * (second - SPIKE_FROM_S) as f64 * 6.0
                } else {
                    rss
                };
                rows.push(row(
                    format!("{}-{}", table::WORKER, Self::pid(index)),
                    at_us + u64::from(index) * 150,
                    &[
                        (column::USER_S, (!lost).then_some(cores * 0.9)),
                        (column::SYSTEM_S, (!lost).then_some(cores * 0.1)),
                        (column::RSS_BYTES, (!lost).then_some(rss)),
                    ],
                ));
            }
            let memory = MIB * (f64::from(self.workers) * 560.0 + 310.0 + second as f64);
            rows.push(row(
                table::CGROUP,
                at_us + 2_000,
                &[
                    (column::PERIODS, Some(10.0 * since_s)),
                    (column::THROTTLED_PERIODS, Some(((1.0 - scarcity) * 25.0).round().min(10.0))),
                    (column::MEMORY_BYTES, Some(memory)),
                ],
            ));
            rows.push(row(
                table::HOST,
                at_us + 2_500,
                &[(column::BUSY_S, Some(cpu_s * 1.1 + (0.6 + noise(second) * 0.3) * since_s))],
            ));
            let failed = second > SPIKE_FROM_S + 10 && noise(second * 3) > 0.9;
            let answer =
                if second >= SPIKE_FROM_S { 0.15 + 1.4 * noise(second) } else { 0.002 + 0.004 * noise(second) };
            rows.push(row(
                table::LIVELINESS,
                at_us + 4_000,
                &[
                    (column::LATENCY_S, (!failed).then_some(answer)),
                    (column::FAILED, Some(f64::from(u8::from(failed)))),
                ],
            ));
            if second % 5 == 0 {
                let requests = Self::requests(second) * if second == 130 { 2.0 } else { 1.0 };
                let failed = if second > SPIKE_FROM_S { (requests * 0.06).round() } else { 0.0 };
                let in_flight =
                    if second >= SPIKE_FROM_S { 38.0 + 20.0 * noise(second) } else { 9.0 + 4.0 * noise(second) };
                rows.push(row(
                    table::TRAFFIC,
                    at_us + 9_000,
                    &[
                        (column::REQUESTS, (second > 0).then_some(requests)),
                        (column::ERRORS, (second > 0).then_some(failed)),
                        (column::IN_FLIGHT, Some(in_flight.round())),
                    ],
                ));
            }
        }
        Series::gather(rows)
    }

    /// In the five seconds before.
    fn requests(second: u64) -> f64 {
        let rps = if second >= SPIKE_FROM_S { 13.0 + 3.0 * noise(second) } else { 17.0 + 4.0 * noise(second) };
        (rps * 5.0).round()
    }

    fn tallies() -> Vec<Tally<Clean>> {
        let bounds = vec![0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
        let quiet = [0.1, 0.35, 0.4, 0.12, 0.025, 0.005, 0.0, 0.0, 0.0];
        let busy = [0.0, 0.02, 0.1, 0.36, 0.32, 0.15, 0.04, 0.01, 0.0];
        let mut counts = vec![0.0; bounds.len() + 1];
        let mut requests = 0.0;
        let mut tallies = Vec::new();
        for second in (0..=WATCHED_S).step_by(5) {
            let more = if second == 0 { 9_000.0 } else { Self::requests(second) };
            requests += more;
            let shares = if second > SPIKE_FROM_S { busy } else { quiet };
            let mut below = 0.0;
            for (count, share) in counts.iter_mut().zip(shares) {
                below += share * (0.85 + 0.3 * noise(second));
                *count += (more * below.min(1.0)).round();
            }
            let histogram = Histogram { bounds: bounds.clone(), counts: counts.clone(), sum_seconds: requests * 0.4 };
            tallies.push(Tally {
                source: Source::MetricFiles,
                at_us: second * S + 9_000,
                took_us: 1_200,
                counts: vec![Count { route: None, status: Some(200), model: None, requests }],
                latencies: BTreeMap::from([(Latency::Total, histogram)]),
                in_flight: Some(9.0),
                prompt_tokens: None,
                completion_tokens: None,
            });
        }
        tallies
    }

    pub fn facts(&self) -> Facts {
        let mut facts = bare(self.host, self.version);
        facts.series = self.series();
        facts.evidence.tallies = Self::tallies();
        facts.evidence.slices = (SAMPLED_FROM_S..SAMPLED_TO_S)
            .step_by(10)
            .map(|second| Slice { from_us: second * S, to_us: (second + 10) * S })
            .collect();
        facts.evidence.workers = (0..self.workers)
            .map(|index| litellm_capture::analyse::evidence::WorkerCpu {
                process: ProcessId { pid: Self::pid(index), start_ticks: 5 },
                from_us: SAMPLED_FROM_S * S,
                to_us: SAMPLED_TO_S * S,
                kernel_cpu_us: Some(((SAMPLED_TO_S - SAMPLED_FROM_S) as f64 * Self::wanted(index, 201) * 1e6) as u64),
            })
            .collect();
        facts.profile = self.profile();
        if let Some(print) = &mut facts.fingerprint {
            print.cgroup.cpu_quota_cores = self.quota_cores;
        }
        facts
    }

    /// One stack a second for each worker.
    fn profile(&self) -> Profile<Clean> {
        let stack = [
            ("run", "/usr/lib/python3.13/asyncio/runners.py"),
            ("chat_completion", "/app/.venv/lib/python3.13/site-packages/litellm/proxy/proxy_server.py"),
            ("Scrub.expensive_pii_scrub", "/app/custom_callbacks.py"),
        ];
        let frames = stack
            .iter()
            .map(|(function, file)| Frame { function: clean(function), file: clean(file), line: 12 })
            .collect();
        let stacks = (0..3).map(|index: u32| StackNode { parent: index.checked_sub(1), frame: index }).collect();
        let thread = |index| Thread {
            process: ProcessId { pid: Self::pid(index), start_ticks: 5 },
            tid: Self::pid(index),
            name: clean("MainThread"),
        };
        let sample = |second, index| Sample {
            at_us: second * S,
            span_us: S,
            thread: index,
            place: Place::Stack(2 - u32::from(second % 4 == 0)),
            shape: Shape::Whole,
            cpu_ns: (Self::wanted(index, second) * 1e9) as u64,
            run_delay_ns: 0,
        };
        let samples = (SAMPLED_FROM_S..SAMPLED_TO_S)
            .flat_map(|second| (0..self.workers).map(move |index| (second, index)))
            .map(|(second, index)| sample(second, index))
            .collect();
        Profile { frames, stacks, threads: (0..self.workers).map(thread).collect(), samples }
    }

    pub fn verdict(&self, facts: &Facts) -> Verdict {
        let mut verdict = profiled(&facts.evidence, &facts.profile);
        verdict.loads.before = Some(Before {
            source: BeforeSource::Recorder,
            name: None,
            litellm_version: Some(self.version.to_owned()),
            load: Load {
                seconds: SPIKE_FROM_S as f64,
                cores: Some(0.24 * f64::from(self.workers)),
                counted_by: Some(Source::MetricFiles),
                rps: Some(19.0),
                p50_seconds: Some(0.26),
                ..Load::default()
            },
            caveats: Vec::new(),
        });
        verdict
    }
}

/// A capture that found out nothing but who was captured.
pub fn bare(host: &str, version: &str) -> Facts {
    let manifest = json!({
        "format": {"major": 1, "minor": 0},
        "tool": {"name": "capture", "version": "0.1.0"},
        "status": "complete",
        "name": "litellm-cpu-test-20261124T061500Z",
        "started_utc": "2026-11-24T06:15:00Z",
        "ended_utc": "2026-11-24T06:19:02Z",
        "arguments": [],
        "settings": {
            "duration_seconds": 30.0, "slice_seconds": 10.0, "rate_hz": 100, "sampling": "nonblocking",
            "max_overhead_percent": 5.0,
        },
        "engine": {"name": "py-spy", "version": "0.4.2", "found": "on_path"},
        "looks_like_litellm": true,
        "processes": [],
        "interrupted_by": null,
        "quality": null,
        "overhead": null,
        "gaps": [],
        "redactions": 3,
        "files": [],
    });
    let evidence = json!({
        "started_utc": "2026-11-24T06:15:00Z", "epoch_utc": "2026-11-24T06:15:00.25Z",
        "slices": [], "workers": [], "samplers": [], "events": [], "own": null,
    });
    let fingerprint = json!({
        "host": {"hostname": host, "cpus_online": 8},
        "cgroup": {"version": "v2", "memory_limit_bytes": 4_294_967_296_u64},
        "container": {},
        "python": {"version": "3.13.7", "site_packages": [], "packages": []},
        "litellm": {"version": version, "workers_running": 4},
        "processes": [],
    });
    let how = "the facts are as they are stored";
    Facts {
        cluster: None,
        manifest: serde_json::from_value(manifest).expect(how),
        evidence: serde_json::from_value(evidence).expect(how),
        profile: Profile { frames: Vec::new(), stacks: Vec::new(), threads: Vec::new(), samples: Vec::new() },
        series: Series::default(),
        fingerprint: Some(serde_json::from_value(fingerprint).expect(how)),
        variables: Vec::new(),
        config: None,
        shapes: Vec::new(),
        logs: Logs::default(),
        redactions: Redactions::default(),
        baseline: None,
    }
}

/// A gap as a collector leaves it.
pub fn gap(what: &str, why: &str, cure: &str) -> Gap {
    Gap::new(what, why, cure)
}
