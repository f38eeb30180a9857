//! Builds facts: a capture of thirty seconds, as much of it as a test needs.

use std::collections::BTreeMap;

use serde_json::json;

use crate::analyse::Facts;
use crate::analyse::evidence::{Evidence, Happening, Lifetime, Reporter, Stacks, Triggered, WorkerCpu};
use crate::analyse::facts::Logs;
use crate::bundle::manifest::Manifest;
use crate::collect::fingerprint::Fingerprint;
use crate::os::proc::ProcessId;
use crate::redact::{Clean, Redactions};
use crate::sample::profile::{Frame, Interner, Place, Profile, Sample, Shape, StackNode, Thread};
use crate::sample::{Sampler, Slice};
use crate::series::{Reading, Series};
use crate::traffic::{Count, Histogram, Latency, Source, Tally};

/// Length of every capture.
pub const SECONDS: u64 = 30;
/// Workers' pids count from here.
pub const FIRST_PID: i32 = 101;
/// A span of samples.
const SPAN_US: u64 = 10_000;

/// What every worker does where a test says nothing else: the router, below the server.
pub const ROUTER: &[(&str, &str)] = &[
    ("/venv/lib/python3.13/site-packages/uvicorn/server.py", "Server.run"),
    ("/usr/lib/python3.13/asyncio/runners.py", "Runner.run"),
    ("/venv/lib/python3.13/site-packages/litellm/router.py", "Router.acompletion"),
];

/// A capture in the making.
pub struct Scene {
    pub facts: Facts,
    readings: Vec<Reading>,
    stacks: Interner<StackNode>,
    frames: Interner<Frame<Clean>>,
}

pub fn clean(text: &str) -> Clean {
    serde_json::from_value(json!(text)).unwrap()
}

/// What a source counts: requests before the capture and a second, and what each is like.
#[derive(Clone, Copy)]
pub struct Traffic {
    pub source: Source,
    pub until_then: f64,
    pub rps: f64,
    pub error_percent: f64,
    pub tokens: Option<(f64, f64)>,
}

/// `/metrics/` after ten thousand requests.
pub fn rps(rps: f64) -> Traffic {
    Traffic { source: Source::MetricsEndpoint, until_then: 10_000.0, rps, error_percent: 0.0, tokens: None }
}

/// What a source had counted by a second.
pub fn tally(source: Source, second: u64, requests: f64) -> Tally<Clean> {
    Tally {
        source,
        at_us: second * 1_000_000,
        took_us: 0,
        counts: vec![Count { route: None, status: Some(200), model: None, requests }],
        latencies: BTreeMap::new(),
        in_flight: None,
        prompt_tokens: None,
        completion_tokens: None,
    }
}

impl Scene {
    /// Workers that use so many cores each, all of it in the router.
    pub fn of(cores: &[f64]) -> Self {
        let mut scene = Self::empty();
        for (pid, cores) in (FIRST_PID..).zip(cores) {
            scene.worker(pid);
            scene.busy(pid, "MainThread", ROUTER, (0, SECONDS * 1_000_000), *cores);
            for second in 0..=SECONDS {
                let grown = (second > 0).then_some(*cores);
                scene.row(
                    &format!("worker-{pid}"),
                    second * 1_000_000,
                    &[
                        ("user_s", grown.map(|cores| cores * 0.75)),
                        ("system_s", grown.map(|cores| cores * 0.25)),
                        ("run_queue_wait_s", grown.map(|_| 0.0)),
                    ],
                );
            }
        }
        scene
    }

    /// No worker, no fingerprint, nothing.
    pub fn empty() -> Self {
        let manifest: Manifest = serde_json::from_value(json!({
            "format": {"major": 1, "minor": 0}, "tool": {"name": "capture", "version": "0"}, "status": "complete",
            "name": "litellm-cpu-now", "started_utc": "2026-11-24T10:00:00Z", "ended_utc": null, "arguments": [],
            "settings": {"duration_seconds": 30.0, "slice_seconds": 10.0, "rate_hz": 100, "sampling": "nonblocking",
                "max_overhead_percent": 5.0},
            "engine": {"name": "py-spy", "version": "0.4.2", "found": "on_path"}, "looks_like_litellm": true,
            "processes": [], "interrupted_by": null, "quality": null, "overhead": null, "gaps": [], "redactions": 0,
            "files": [],
        }))
        .unwrap();
        let evidence = Evidence {
            trigger: None,
            started_utc: manifest.started_utc.clone(),
            epoch_utc: manifest.started_utc.parse().ok(),
            stacks: Stacks::Taken,
            slices: vec![Slice { from_us: 0, to_us: SECONDS * 1_000_000 }],
            workers: Vec::new(),
            samplers: Vec::new(),
            gil: Vec::new(),
            witness: None,
            events: Vec::new(),
            own: None,
            lifetime: None,
            tallies: Vec::new(),
            findings: Vec::new(),
            reporter: Reporter::default(),
        };
        let profile = Profile { frames: Vec::new(), stacks: Vec::new(), threads: Vec::new(), samples: Vec::new() };
        let facts = Facts {
            manifest,
            evidence,
            profile,
            series: Series::default(),
            fingerprint: None,
            variables: Vec::new(),
            cluster: None,
            config: None,
            shapes: Vec::new(),
            logs: Logs::default(),
            redactions: Redactions::default(),
            baseline: None,
        };
        Self { facts, readings: Vec::new(), stacks: Interner::default(), frames: Interner::default() }
    }

    fn worker(&mut self, pid: i32) {
        let process = ProcessId { pid, start_ticks: 1 };
        let to_us = SECONDS * 1_000_000;
        self.facts.evidence.workers.push(WorkerCpu { process, from_us: 0, to_us, kernel_cpu_us: None });
        self.facts.evidence.samplers.push(Sampler {
            process,
            rate_hz: 100,
            from_us: Some(0),
            to_us: Some(to_us),
            threads: 1,
            stacks: Some(SECONDS * 100),
            errors: Some(0),
            behind: 0,
            cpu_us: 0,
            fault: None,
            cut_short: false,
            counts: None,
        });
    }

    /// A thread that spends so many cores in a stack, from its root to its leaf, for some time.
    pub fn busy(&mut self, pid: i32, thread: &str, stack: &[(&str, &str)], stretch_us: (u64, u64), cores: f64) {
        let mut parent = None;
        for (file, function) in stack {
            let frame = self.frames.id(Frame { function: clean(function), file: clean(file), line: 1 });
            parent = Some(self.stacks.id(StackNode { parent, frame }));
        }
        let thread = Thread { process: ProcessId { pid, start_ticks: 1 }, tid: pid, name: clean(thread) };
        let threads = &mut self.facts.profile.threads;
        let index = threads.iter().position(|known| *known == thread).unwrap_or_else(|| {
            threads.push(thread);
            threads.len() - 1
        });
        let place = parent.map_or(Place::Native, Place::Stack);
        self.facts.profile.samples.extend((stretch_us.0..stretch_us.1).step_by(SPAN_US as usize).map(|at_us| Sample {
            at_us,
            span_us: SPAN_US,
            thread: index as u32,
            place,
            shape: Shape::Whole,
            cpu_ns: (SPAN_US as f64 * 1e3 * cores) as u64,
            run_delay_ns: 0,
        }));
    }

    pub fn row(&mut self, table: &str, at_us: u64, values: &[(&str, Option<f64>)]) {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        self.readings.push(Reading { table: table.to_owned(), at_us, values });
    }

    /// A row a second.
    pub fn every_second(mut self, table: &str, values: &[(&str, Option<f64>)]) -> Self {
        (1..=SECONDS).for_each(|second| self.row(table, second * 1_000_000, values));
        self
    }

    /// Requests, read every ten seconds, somewhat before and after the capture too.
    pub fn traffic(mut self, traffic: Traffic) -> Self {
        for second in [0, 10, 20, 30] {
            let requests = traffic.until_then + traffic.rps * f64::from(second);
            let failed = traffic.rps * f64::from(second) * traffic.error_percent / 100.0;
            let count = |status, requests| Count { route: None, status: Some(status), model: None, requests };
            let latency = Histogram {
                bounds: vec![0.1, 1.0],
                counts: vec![requests / 2.0, requests, requests],
                sum_seconds: requests * 0.2,
            };
            self.facts.evidence.tallies.push(Tally {
                source: traffic.source,
                at_us: u64::try_from(second).unwrap() * 1_000_000,
                took_us: 0,
                counts: vec![count(200, requests - failed), count(500, failed)],
                latencies: BTreeMap::from([(Latency::Total, latency)]),
                in_flight: None,
                prompt_tokens: traffic.tokens.map(|(prompt, _)| prompt * requests),
                completion_tokens: traffic.tokens.map(|(_, completion)| completion * requests),
            });
        }
        self
    }

    /// A proxy that has run so long and used so much.
    pub fn lifetime(mut self, age_seconds: f64, cpu_seconds: f64) -> Self {
        let workers = self.facts.evidence.workers.len() as u32;
        self.facts.evidence.lifetime = Some(Lifetime { at_us: 0, age_seconds, cpu_seconds, workers });
        self
    }

    /// Made by a watch: a rule was broken for four seconds at this one, and stacks are sampled from then on.
    pub fn fired_at(mut self, second: u64, happenings: Vec<Happening>) -> Self {
        let at_us = second * 1_000_000;
        self.facts.evidence.trigger = Some(Triggered {
            at_us,
            since_us: at_us - 4_000_000,
            condition: "cpu".to_owned(),
            value: 0.97,
            limit: 0.8,
            pid: Some(FIRST_PID),
            words: "worker 101 used 97 % of a core for 4 s (limit 80 %)".to_owned(),
            happenings,
        });
        self.facts.evidence.slices = vec![Slice { from_us: at_us, to_us: SECONDS * 1_000_000 }];
        self
    }

    /// Changes a fingerprint, of LiteLLM 1.106.2 on a machine that is large enough for two workers.
    pub fn print(mut self, change: impl FnOnce(&mut Fingerprint<Clean>)) -> Self {
        let mut print = self.facts.fingerprint.take().unwrap_or_else(|| {
            serde_json::from_value(json!({
                "host": {"hostname": null, "os": "Debian", "kernel": "6.1", "arch": null, "cpu_model": null,
                    "cpus_online": 2, "cpus_allowed": 2, "memory_bytes": 8u64 << 30, "load_1m": null},
                "cgroup": {"version": "v2", "path": null, "cpu_quota_cores": null, "periods": null,
                    "throttled_periods": null, "throttled_usec": null, "memory_limit_bytes": null,
                    "memory_used_bytes": null},
                "container": {"runtime": null, "namespace": null, "pod": null, "node": null, "image": null,
                    "other_pid_namespace": null},
                "python": {"version": "3.13.1", "build": null, "executable": null, "site_packages": [], "packages": []},
                "litellm": {"version": "1.106.2", "server": "uvicorn", "worker_mode": null, "event_loop": "uvloop",
                    "workers_configured": 2, "workers_running": 2, "port": 4000, "config_path": null,
                    "config_modified_utc": null},
                "processes": [],
            }))
            .unwrap()
        });
        change(&mut print);
        self.facts.fingerprint = Some(print);
        self
    }

    pub fn version(self, version: &str) -> Self {
        self.print(|print| print.litellm.version = Some(clean(version)))
    }

    /// Held against a capture of three days before.
    pub fn against(mut self, baseline: Self) -> Self {
        let mut baseline = baseline.done();
        baseline.manifest.name = "litellm-cpu-calm".to_owned();
        baseline.evidence.epoch_utc = "2026-11-21T10:00:00Z".parse().ok();
        self.facts.baseline = Some(Box::new(baseline));
        self
    }

    pub fn done(mut self) -> Facts {
        self.facts.series = Series::gather(self.readings);
        self.facts.profile.frames = self.frames.into_items();
        self.facts.profile.stacks = self.stacks.into_items();
        self.facts.profile.samples.sort_by_key(|sample| sample.at_us);
        self.facts
    }
}
