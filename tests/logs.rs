//! The log of a real LiteLLM: split at the capture's beginning, counted to the request, and without a word of a prompt.

mod support;

use std::{fs, time::Duration};

use litellm_capture::{
    discover::{self, Target},
    logs::{Digest, Kind, LogSource, LogWatch},
    observe::{Epoch, Stop},
    os::proc::Procfs,
    redact::{Redactor, Sources},
    workload::When,
};
use serde_json::json;
use support::lab::Lab;

const CONFIG: &str = r#"
model_list:
  - model_name: mock-gpt
    litellm_params: {model: openai/gpt-4o-mini, api_key: fake-key, mock_response: "zq7 is the answer"}
  - model_name: mock-bad
    litellm_params: {model: openai/gpt-4o-mini, api_key: fake-key, mock_response: "litellm.RateLimitError"}
router_settings: {num_retries: 0}
general_settings: {master_key: os.environ/LITELLM_MASTER_KEY}
"#;

/// How LiteLLM writes its log.
struct Setting {
    arguments: &'static [&'static str],
    json: bool,
    workers: usize,
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_plain_log_is_split_and_counted() {
    requests_are_split_and_counted(&Setting { arguments: &[], json: false, workers: 2 });
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_json_log_is_split_and_counted() {
    requests_are_split_and_counted(&Setting { arguments: &[], json: true, workers: 1 });
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn gunicorns_debug_log_is_split_and_counted() {
    requests_are_split_and_counted(&Setting {
        arguments: &["--run_gunicorn", "--detailed_debug"],
        json: false,
        workers: 1,
    });
}

fn requests_are_split_and_counted(setting: &Setting) {
    let lab = Lab::require();
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("config.yaml");
    fs::write(&config, CONFIG).expect("a config");
    let variables = if setting.json { json!({"JSON_LOGS": "true"}) } else { json!({}) };
    let setup = dir.path().join("setup.json");
    let setup_text = json!({"config": config, "arguments": setting.arguments, "variables": variables}).to_string();
    fs::write(&setup, setup_text).expect("a setup");
    let litellm = lab.litellm_set_up(setting.workers, &setup);

    let asked = |models: &[&str]| models.iter().map(|model| litellm.ask(model)).collect::<Vec<_>>();
    assert_eq!(asked(&["mock-gpt", "mock-bad", "mock-gpt"]), [200, 429, 200]);
    settle();
    let procfs = Procfs::default();
    let proxies = discover::find(&procfs, Target::Pids(&[litellm.pid()])).expect("LiteLLM is found");
    let watch = LogWatch::open(&procfs, &proxies[0], &LogSource::Found, Epoch::now());
    assert_eq!(watch.gaps(), []);
    let mut redactor = Redactor::new(&Sources::default());
    let mut digest = Digest::default();
    let before = digest.before(watch.before(), &mut redactor).expect("there are lines");

    let stop = Stop::default();
    let watch = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch.run(&stop));
        settle();
        assert_eq!(asked(&["mock-bad", "mock-gpt", "mock-gpt", "mock-gpt"]), [429, 200, 200, 200]);
        settle();
        stop.set();
        watching.join().expect("the watch ends")
    });
    let logged = digest.finish(watch.finish(), &mut redactor);
    let during = logged.during.expect("there are lines");

    for text in [before.as_str(), during.as_str()] {
        assert!(!text.contains("zq7") && !text.contains("127.0.0.1"), "{text}");
    }
    let requests = |text: &str, status: &str| {
        let line = format!("[client] - \"POST /v1/chat/completions?[…]\" {status}");
        text.lines().filter(|shown| shown.ends_with(&line)).count()
    };
    assert_eq!((requests(before.as_str(), "200"), requests(before.as_str(), "429")), (2, 1), "{before}");
    assert_eq!((requests(during.as_str(), "200"), requests(during.as_str(), "429")), (3, 1), "{during}");

    let chat = logged
        .shapes
        .iter()
        .filter(|shape| shape.route.as_ref().is_some_and(|route| route.as_str() == "/v1/chat/completions"));
    let shapes: Vec<_> = chat.map(|shape| (shape.when, shape.status, shape.requests)).collect();
    assert_eq!(
        shapes,
        [
            (When::Before, Some(200), 2.0),
            (When::Before, Some(429), 1.0),
            (When::During, Some(200), 3.0),
            (When::During, Some(429), 1.0),
        ]
    );
    let sum = |at: usize| logged.readings.iter().filter_map(|reading| reading.values[at].1).sum::<f64>();
    assert_eq!((sum(0), sum(1)), (4.0, 1.0), "requests and errors over time");
    let all = |tally: &litellm_capture::traffic::Tally<_>| tally.counts.iter().map(|count| count.requests).sum::<f64>();
    assert_eq!(
        (logged.tallies.first().map(all), logged.tallies.last().map(all)),
        (Some(3.0), Some(7.0)),
        "its whole life"
    );

    let finding = |kind: Kind| logged.findings.iter().find(|finding| finding.kind == kind);
    let started = finding(Kind::WorkerStarted).expect("workers started");
    assert_eq!((started.before, started.during), (setting.workers as u64, 0));
    let failed = finding(Kind::Traceback).expect("an exception was logged");
    assert!(failed.about.as_ref().is_some_and(|about| about.as_str().ends_with("RateLimitError")), "{failed:?}");
    assert_eq!((failed.before, failed.during), (1, 1));
    assert_eq!(logged.gaps, []);
}

/// The time that the server needs to write its lines after it has answered.
fn settle() {
    std::thread::sleep(Duration::from_secs(2));
}
