//! Facts and a verdict made by hand: a spike of which everything is known.

use std::collections::BTreeMap;

use litellm_capture::{
    analyse::{
        Evidence, Facts, Verdict,
        changes::{Area, Change},
        classify::{Class, Classification, Confidence},
        compare::{Comparison, Growth, OwnerGrowth, Per},
        evidence::{Reporter, Stacks, WorkerCpu},
        facts::{Logs, SharedEnviron},
        heat::{Heat, Spread},
        load::{Before, BeforeSource, Load, Loads},
        owners::{MechanismShare, OwnerShare},
        sizing::{Size, Sizing},
        stall::{MeasuredBy, Stall},
        verdict::profiled,
    },
    bundle::manifest::{Engine, FORMAT, Manifest, Settings, Status, Tool},
    collect::{
        Gap,
        fingerprint::{
            Cgroup, CgroupVersion, Container, Fingerprint, Host, LiteLlm, Package, ProcessFacts, Python, Server,
            WorkerMode,
        },
    },
    discover::Role,
    logs::{Finding, Kind},
    os::proc::ProcessId,
    redact::{Clean, Raw, Redactions, Redactor, Sources},
    sample::{
        Event, OwnCost, Sampler, Slice, What,
        profile::{Frame, Place, Profile, Sample, Shape as Torn, StackNode, Thread},
        pyspy::{Found, Sampling},
    },
    series::{Reading, Series, column, table},
    traffic::Source,
    workload::{Origin, Shape, When},
};

const SITE: &str = "/app/.venv/lib/python3.13/site-packages";
const SECOND_US: u64 = 1_000_000;
const GIB: u64 = 1_073_741_824;

/// Every text of the target's in the facts, as this makes it.
pub type Words = fn(&str) -> String;

/// As it is.
pub fn plain(text: &str) -> String {
    text.to_owned()
}

/// A spike after an upgrade, held against a baseline.
pub fn facts(words: Words) -> Facts {
    let mut after = capture(words, "litellm-cpu-gateway-20261124T061500Z", "1.106.2", 900);
    after.baseline = Some(Box::new(capture(words, "litellm-cpu-gateway-20261120T101500Z", "1.99.0", 60)));
    after
}

pub fn clean(text: &str) -> Clean {
    Redactor::new(&Sources::default()).text("test", &Raw::new(text))
}

fn worker(pid: i32) -> ProcessId {
    ProcessId { pid, start_ticks: 4_000 }
}

/// A capture in which each of two workers spends so many milliseconds in a callback.
fn capture(words: Words, name: &str, litellm: &str, callback_ms: u64) -> Facts {
    let profile = profile(words, callback_ms);
    Facts {
        manifest: manifest(words, name),
        evidence: evidence(words),
        profile,
        series: series(),
        fingerprint: Some(fingerprint(words, litellm)),
        variables: variables(words),
        cluster: None,
        config: Some(format!(
            "model_list:\n- model_name: {}\n  litellm_params:\n    model: openai/gpt-4o-mini\n    api_key: os.environ/OPENAI_API_KEY\nlitellm_settings:\n  callbacks:\n  - prometheus\n  - custom_callbacks.burn_cpu\ngeneral_settings:\n  master_key: os.environ/LITELLM_MASTER_KEY\n",
            words("mock-gpt"),
        )),
        shapes: shapes(words),
        logs: Logs {
            before: Some("INFO:     Application startup complete.\n".to_owned()),
            during: Some(format!(
                "06:15:01 - LiteLLM Proxy:WARNING: Run time of job \"update_spend\" was missed by 0:00:09.5\n{}\nINFO:     127.0.0.1:50374 - \"POST /v1/chat/completions HTTP/1.1\" 200 OK\nINFO:     127.0.0.1:50380 - \"GET /health/liveliness HTTP/1.1\" 200 OK\n",
                words("06:15:04 - LiteLLM Proxy:ERROR: common_request_processing.py:1687 - litellm.RateLimitError"),
            )),
        },
        redactions: Redactions::default(),
        baseline: None,
    }
}

fn profile(words: Words, callback_ms: u64) -> Profile<Clean> {
    let mut profile = Profile { frames: vec![], stacks: vec![], threads: vec![], samples: vec![] };
    let run = ("Runner.run", "/usr/lib/python3.13/asyncio/runners.py");
    let serve = ("Server.serve", "uvicorn/server.py");
    let success = ("Logging.async_success_handler", "litellm/litellm_core_utils/litellm_logging.py");
    let scrub = ("BurnCPU.expensive_pii_scrub", "/app/custom_callbacks.py");
    let count = ("token_counter", "litellm/litellm_core_utils/token_counter.py");
    for (index, pid) in [101, 102].into_iter().enumerate() {
        profile.threads.push(Thread { process: worker(pid), tid: pid, name: clean("MainThread") });
        let mut stack = |frames: &[(&str, &str)], cpu_ms: u64| {
            let mut parent = None;
            for (function, file) in frames {
                let file = if file.starts_with('/') { (*file).to_owned() } else { format!("{SITE}/{file}") };
                profile.frames.push(Frame { function: clean(&words(function)), file: clean(&file), line: 7 });
                profile.stacks.push(StackNode { parent, frame: profile.frames.len() as u32 - 1 });
                parent = Some(profile.stacks.len() as u32 - 1);
            }
            let samples = profile.samples.len() as u64;
            profile.samples.push(Sample {
                at_us: SECOND_US + samples * 10_000,
                span_us: 10_000,
                thread: index as u32,
                place: Place::Stack(parent.expect("a frame")),
                shape: Torn::Whole,
                cpu_ns: cpu_ms * 1_000_000,
                run_delay_ns: 2_000_000,
            });
        };
        stack(&[run, serve, success, scrub], callback_ms * (index as u64 + 1));
        stack(&[run, serve, success], 120);
        stack(&[run, serve, count], 90);
        stack(&[run, serve], 40);
    }
    profile
}

fn manifest(words: Words, name: &str) -> Manifest {
    Manifest {
        format: FORMAT,
        tool: Tool { name: "capture".to_owned(), version: "0.1.0".to_owned() },
        status: Status::Complete,
        name: name.to_owned(),
        started_utc: "2026-11-24T06:15:00Z".to_owned(),
        ended_utc: Some("2026-11-24T06:15:05Z".to_owned()),
        arguments: ["capture", "--pid", "100", "--duration", "3s"].map(clean).to_vec(),
        settings: Settings {
            duration_seconds: 3.0,
            slice_seconds: 1.0,
            rate_hz: 100,
            sampling: Sampling::Nonblocking,
            max_overhead_percent: 5.0,
        },
        engine: Engine {
            name: "py-spy".to_owned(),
            version: "0.4.1".to_owned(),
            found: Some(Found::BesideUs),
            why: None,
        },
        looks_like_litellm: true,
        processes: vec![],
        interrupted_by: None,
        quality: None,
        overhead: None,
        gaps: vec![Gap::note(
            words("the Kubernetes node"),
            words("NODE_NAME is not set"),
            words("set it through the downward API"),
        )],
        redactions: 14,
        files: vec![],
    }
}

fn evidence(words: Words) -> Evidence {
    let cpu = |pid, kernel_us| WorkerCpu {
        process: worker(pid),
        from_us: SECOND_US,
        to_us: 4 * SECOND_US,
        kernel_cpu_us: Some(kernel_us),
    };
    let sampler = |pid| Sampler {
        process: worker(pid),
        rate_hz: 100,
        from_us: Some(SECOND_US),
        to_us: Some(4 * SECOND_US),
        threads: 1,
        stacks: Some(290),
        errors: Some(6),
        behind: 0,
        cpu_us: 90_000,
        fault: None,
        cut_short: false,
        counts: None,
    };
    let event = |at_us, pid, what| Event { at_us, process: worker(pid), what };
    Evidence {
        trigger: None,
        started_utc: "2026-11-24T06:15:00Z".to_owned(),
        epoch_utc: Some("2026-11-24T06:15:00.25Z".parse().expect("a time")),
        stacks: Stacks::Taken,
        slices: (1..4).map(|n| Slice { from_us: n * SECOND_US, to_us: (n + 1) * SECOND_US }).collect(),
        workers: vec![cpu(101, 1_150_000), cpu(102, 2_050_000)],
        samplers: vec![sampler(101), sampler(102)],
        gil: Vec::new(),
        witness: None,
        events: vec![
            event(3 * SECOND_US, 101, What::RateSteppedDown { from_hz: 100, to_hz: 50, cost_percent: 6.2 }),
            event(2 * SECOND_US, 103, What::WorkerJoined),
        ],
        own: Some(OwnCost {
            cpu_us: 10_000,
            elapsed_us: 3 * SECOND_US,
            peak_rss_bytes: Some(9_437_184),
            late_readings: 0,
            readings: 300,
            observers_cpu_us: Some(30_000),
        }),
        lifetime: None,
        tallies: vec![],
        findings: vec![
            Finding {
                kind: Kind::JobMissed,
                about: Some(clean(&words("update_spend"))),
                before: 0,
                during: 7,
                example: clean(&words("Run time of job \"update_spend\" was missed by 0:00:09.5")),
            },
            Finding {
                kind: Kind::Traceback,
                about: Some(clean(&words("RateLimitError"))),
                before: 2,
                during: 31,
                example: clean(&words("litellm.RateLimitError: <provider> said | no")),
            },
        ],
        reporter: Reporter {
            classification: Some(Class::WithoutTraffic),
            repro_steps: Some(clean(&words("1. Start the proxy\n2. Send load\n3. Watch `top`"))),
            prompts_included: false,
        },
    }
}

fn series() -> Series {
    let reading = |table: &str, second: u64, values: &[(&str, f64)]| Reading {
        table: table.to_owned(),
        at_us: second * SECOND_US,
        values: values.iter().map(|(name, value)| ((*name).to_owned(), Some(*value))).collect(),
    };
    let rows = (1..5).flat_map(|second| {
        let memory = (1_200_000_000 + second * 50_000_000) as f64;
        [
            reading(table::CGROUP, second, &[(column::MEMORY_BYTES, memory)]),
            reading("worker-101", second, &[(column::RSS_BYTES, memory / 2.0)]),
            reading("worker-102", second, &[(column::RSS_BYTES, memory / 3.0)]),
            reading(
                table::LIVELINESS,
                second,
                &[(column::LATENCY_S, 0.004 * (second * second) as f64), (column::FAILED, f64::from(second == 3))],
            ),
        ]
    });
    Series::gather(rows.collect())
}

fn fingerprint(words: Words, litellm: &str) -> Fingerprint<Clean> {
    let say = |text: &str| Some(clean(&words(text)));
    let process = |pid, role, argv: &[&str]| ProcessFacts {
        id: worker(pid),
        parent_pid: 1,
        role,
        why: "made by hand".to_owned(),
        argv: argv.iter().map(|argument| clean(&words(argument))).collect(),
        started_utc: Some("2026-11-24T02:00:00Z".to_owned()),
        age_seconds: Some(15_300),
        threads: Some(6),
        rss_bytes: Some(500_000_000),
        ulimits: vec![],
        tracer_pid: None,
        profilers: if pid == 101 { vec![clean(&words("ddtrace"))] } else { vec![] },
        native_extensions: vec![],
    };
    let package = |name: &str, version: &str| Package {
        name: clean(name),
        version: clean(&words(version)),
        installed_utc: Some("2026-11-23T18:30:00Z".to_owned()),
    };
    Fingerprint {
        host: Host {
            hostname: say("litellm-7c9d5b6f4-x2x8k"),
            os: say("Wolfi"),
            kernel: say("6.1.119"),
            arch: say("x86_64"),
            cpu_model: say("AMD EPYC 7R13 Processor"),
            cpus_online: Some(8),
            cpus_allowed: Some(8),
            memory_bytes: Some(32 * GIB),
            load_1m: Some(5.25),
        },
        cgroup: Cgroup {
            version: CgroupVersion::V2,
            path: say("/kubepods.slice"),
            cpu_quota_cores: Some(1.0),
            periods: Some(152_000),
            throttled_periods: Some(48_640),
            throttled_usec: Some(1_900 * SECOND_US),
            memory_limit_bytes: Some(4 * GIB),
            memory_used_bytes: Some(GIB + GIB / 4),
        },
        container: Container {
            runtime: say("kubernetes (KUBERNETES_SERVICE_HOST)"),
            namespace: say("ai-gateway"),
            pod: say("litellm-7c9d5b6f4-x2x8k"),
            node: None,
            image: say("ghcr.io/berriai/litellm:v1.106.2"),
            other_pid_namespace: Some(false),
        },
        python: Python {
            version: say("3.13.1"),
            build: say("shared, /usr/bin/python3.13"),
            executable: say("/usr/bin/python3.13"),
            site_packages: vec![clean(SITE)],
            packages: vec![
                package("fastapi", "0.120.0"),
                package("httpx", "0.28.1"),
                package("litellm", litellm),
                package("prometheus_client", "0.20.0"),
                package("pydantic", "2.11.7"),
                package("uvicorn", "0.31.1"),
            ],
        },
        litellm: LiteLlm {
            version: say(litellm),
            server: Some(Server::Uvicorn),
            worker_mode: Some(WorkerMode::Spawned),
            event_loop: say("uvloop"),
            workers_configured: Some(2),
            workers_running: 2,
            port: Some(4000),
            config_path: say("/etc/litellm/config.yaml"),
            config_modified_utc: Some("2026-11-24T05:40:12Z".to_owned()),
        },
        processes: vec![
            process(100, Role::Supervisor, &["litellm", "--config", "/etc/litellm/config.yaml", "--num_workers", "2"]),
            process(101, Role::Worker, &["python3", "-c", "from multiprocessing.spawn import spawn_main"]),
            process(102, Role::Worker, &["python3", "-c", "from multiprocessing.spawn import spawn_main"]),
        ],
    }
}

fn variables(words: Words) -> Vec<SharedEnviron> {
    let environ = |pids: &[i32], variables: &[(&str, &str)]| SharedEnviron {
        pids: pids.to_vec(),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), words(value))).collect::<BTreeMap<_, _>>(),
    };
    vec![
        environ(&[100], &[("REDIS_HOST", "set"), ("LITELLM_LOG", "INFO")]),
        environ(&[101, 102], &[("REDIS_HOST", "set"), ("LITELLM_LOG", "INFO"), ("NUM_WORKERS", "2")]),
    ]
}

fn shapes(words: Words) -> Vec<Shape<Clean>> {
    let shape = |when, from, route: &str, requests| Shape {
        when,
        from,
        route: Some(clean(&words(route))),
        model: None,
        stream: None,
        status: Some(200),
        prompt_tokens: None,
        completion_tokens: None,
        body_bytes: None,
        messages: None,
        duration_seconds: None,
        requests,
        fields: vec![],
    };
    let chat = "/v1/chat/completions";
    let model = Some(clean(&words("mock-gpt")));
    vec![
        Shape { model: model.clone(), ..shape(When::Before, Origin::Metrics, chat, 41_234.0) },
        Shape {
            model: model.clone(),
            duration_seconds: Some(0.87),
            ..shape(When::During, Origin::Metrics, chat, 93.0)
        },
        Shape { status: Some(429), model: model.clone(), ..shape(When::During, Origin::Metrics, chat, 4.0) },
        shape(When::During, Origin::AccessLog, "/health/liveliness", 3.0),
        Shape {
            model,
            stream: Some(true),
            prompt_tokens: Some(1_250.4),
            completion_tokens: Some(180.0),
            body_bytes: Some(7_340.0),
            messages: Some(3.0),
            fields: vec![clean("response_format"), clean("tools")],
            ..shape(When::Unknown, Origin::Reporter, chat, 20.0)
        },
    ]
}

/// What the facts say.
#[expect(clippy::too_many_lines, reason = "one value for each field, and nothing to part them by")]
pub fn verdict(facts: &Facts, words: Words) -> Verdict {
    let before = Load {
        seconds: 3.0,
        cpu_seconds: Some(0.68),
        cores: Some(0.227),
        counted_by: Some(Source::MetricFiles),
        requests: Some(96.0),
        rps: Some(32.0),
        error_percent: Some(0.0),
        cpu_seconds_per_request: Some(0.007_08),
        prompt_tokens_per_request: Some(1_240.0),
        completion_tokens_per_request: Some(176.5),
        mean_seconds: Some(0.41),
        p50_seconds: Some(0.38),
        p99_seconds: Some(0.92),
    };
    let during = Load {
        cpu_seconds: Some(3.2),
        cores: Some(1.067),
        requests: Some(97.0),
        rps: Some(32.3),
        error_percent: Some(4.12),
        cpu_seconds_per_request: Some(0.033),
        prompt_tokens_per_request: Some(1_251.0),
        completion_tokens_per_request: Some(181.0),
        mean_seconds: Some(0.88),
        p50_seconds: Some(0.79),
        p99_seconds: Some(4.61),
        ..before
    };
    let changes = vec![
        Change {
            area: Area::LiteLlm,
            what: words("litellm"),
            before: Some(words("1.99.0")),
            after: Some(words("1.106.2")),
            note: Some(words("installed 2026-11-23 18:30 UTC, hours before the spike")),
        },
        Change {
            area: Area::Config,
            what: words("litellm_settings.callbacks[1]"),
            before: None,
            after: Some(words("custom_callbacks.burn_cpu")),
            note: None,
        },
    ];
    let scrub = "BurnCPU.expensive_pii_scrub";
    let leader = words("BurnCPU.expensive_pii_scrub (app/custom_callbacks.py)");
    let share = |mechanism: &str, seconds, percent| MechanismShare { mechanism: words(mechanism), seconds, percent };
    let owner = |owner: &str, seconds, percent, mechanisms, leader| OwnerShare {
        owner: words(owner),
        seconds,
        percent,
        mechanisms,
        leader,
    };
    Verdict {
        stacks: Stacks::Taken,
        loads: Loads {
            before: Some(Before {
                source: BeforeSource::Baseline,
                name: Some("litellm-cpu-gateway-20261120T101500Z".to_owned()),
                litellm_version: Some(words("1.99.0")),
                load: before.clone(),
                caveats: vec![words("the baseline ran on another machine")],
            }),
            during: during.clone(),
        },
        classification: Some(Classification {
            class: Class::AfterUpgrade,
            confidence: Confidence::High,
            sentence: words(
                "CPU per request is 4.66 times that of LiteLLM 1.99.0 (33.0 ms against 7.08 ms) at the same traffic (32.3 against 32.0 requests a second).",
            ),
            cpu_ratio: Some(4.7),
            traffic_ratio: Some(1.01),
            cost_ratio: Some(4.66),
            elasticity: Some(1.4),
            version_before: Some(words("1.99.0")),
            version_during: Some(words("1.106.2")),
            contradictions: vec![words(
                "a callback that LiteLLM does not ship leads the profile, so that the upgrade may be chance",
            )],
            to_add: vec![words("a capture of 1.106.2 without custom_callbacks.burn_cpu")],
            reporter: Some(Class::WithoutTraffic),
        }),
        sizing: Some(Sizing {
            size: Size::Throttled,
            sentence: words(
                "Throttled: the quota of 1 core ran out in 32.0 % of its periods, and 2 workers need 2 cores.",
            ),
            workers: 2,
            quota_cores: Some(1.0),
            cpus: Some(8),
            memory_bytes: Some(4 * GIB),
            throttled_percent: Some(32.0),
            throttled_seconds: Some(0.84),
            wait_per_cpu_second: Some(0.31),
        }),
        heat: Some(Heat {
            spread: Spread::Uneven,
            sentence: words("Worker 102 uses 68.3 % of a core, worker 101 38.3 %."),
            hottest: Some(102),
            function: None,
        }),
        stall: Some(Stall {
            seconds: 0.9,
            from_utc: "2026-11-24T06:15:02.250000Z".to_owned(),
            from_us: 2 * SECOND_US,
            measured_by: MeasuredBy::Samples,
            pid: Some(102),
            stack: vec![
                words("Logging.async_success_handler (litellm/litellm_core_utils/litellm_logging.py)"),
                leader.clone(),
            ],
            sentence: words("The event loop of worker 102 stood still for 0.9 s."),
        }),
        owners: vec![
            owner(
                "logging callback custom_callbacks",
                2.7,
                84.4,
                vec![share("regex", 2.1, 65.6), share("json", 0.4, 12.5)],
                Some(leader),
            ),
            owner(
                "token counting",
                0.18,
                5.6,
                vec![share("tokenizer", 0.18, 5.6)],
                Some(words("token_counter (litellm/litellm_core_utils/token_counter.py)")),
            ),
            owner("server HTTP", 0.08, 2.5, vec![], None),
        ],
        changes: changes.clone(),
        comparison: Some(Comparison {
            stacks: Stacks::Taken,
            per: Per::Request,
            before,
            after: during,
            functions: vec![
                Growth {
                    name: words(scrub),
                    file: "app/custom_callbacks.py".to_owned(),
                    self_before: 0.001_88,
                    self_after: 0.027_8,
                    total_before: 0.001_88,
                    total_after: 0.027_8,
                },
                Growth {
                    name: words("token_counter"),
                    file: "litellm/litellm_core_utils/token_counter.py".to_owned(),
                    self_before: 0.001_9,
                    self_after: 0.001_86,
                    total_before: 0.001_9,
                    total_after: 0.001_86,
                },
            ],
            owners: vec![OwnerGrowth {
                owner: words("logging callback custom_callbacks"),
                before: 0.001_88,
                after: 0.027_8,
            }],
            changes,
        }),
        ..profiled(&facts.evidence, &facts.profile)
    }
}
