//! What people wrote, and who they are, never leaves the machine: not from logs, not from metric labels, not from the
//! config, not from the reporter's own sample of requests; neither when a capture ends nor when it is killed.

mod support;

use std::{fs, thread, time::Duration};

use litellm_capture::workload::route;
use serde_json::{Value, json};
use support::{
    Capture, File,
    bundle::Bundle,
    files_below,
    lab::{Config, Lab, LiteLlm, Server, Setup},
    wait_for,
};

/// Said in logs; the second part of each is as telling as the first.
const SAID: [&str; 7] = [
    "my diagnosis is hexaplexia and nobody may know",
    "ida.lovelace@clinic.example",
    "sk-proj-Zq81LmNo45PqRsTu67Vw",
    "postgresql://admin:Tr0ub4dor-x9@db.internal:5432/llm",
    "203.0.113.77",
    "{\"messages\": [{\"role\": \"user\", \"content\": \"the merger with Quuxcorp is on Friday\"}]}",
    // What looks like a log itself.
    "see what I got:\nERROR:    the hexaplexia results\nINFO:     203.0.113.77:50 - \"GET /lovelace/hexaplexia?merger=1 \
     HTTP/1.1\" 200 OK\n12:00:00 - LiteLLM:WARNING: a.py:1 - Quuxcorp\nLovelaceError: Quuxcorp",
];
/// What must not be seen of it.
const TRACES: [&str; 9] = [
    "hexaplexia",
    "lovelace",
    "LovelaceError",
    "clinic.example",
    "Zq81LmNo45PqRsTu67Vw",
    "Tr0ub4dor",
    "203.0.113.77",
    "Quuxcorp",
    "merger",
];
/// Sent with requests: in the prompt, as the end user, as the client's name, in the query, in the metadata, and as the
/// name of a model that is none.
const SENT: [&str; 6] = [
    "xylograph-prompt",
    "enduser-9431@home.example",
    "AgentSmithBrowser",
    "querysecret77",
    "tagged-4711-z",
    "please tell me of zygomorphs",
];
/// What of it is a label of LiteLLM's metrics.
const LABELLED: [&str; 3] = [SENT[1], SENT[2], SENT[5]];
/// Answered, by a text that stands in the config.
const ANSWERED: &str = "This is a canned answer";
/// In the reporter's file.
const GIVEN: [&str; 3] = ["the board decided on layoffs", "reporter@private.example", "lookup_patient_record"];

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn nothing_that_people_wrote_is_in_a_bundle_whatever_the_log_looks_like() {
    let lab = Lab::require();
    let everything = [&SENT[..], &[ANSWERED]].concat();
    for (name, value, logged) in [
        ("LITELLM_LOG", "INFO", &SENT[3..4]),
        ("LITELLM_LOG", "DEBUG", &everything),
        ("JSON_LOGS", "True", &SENT[3..4]),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let sayings = dir.path().join("sayings.json");
        fs::write(&sayings, json!(SAID).to_string()).expect("a file");
        let requests = dir.path().join("requests.jsonl");
        fs::write(&requests, given()).expect("a file");
        let variables = [("LAB_SAYINGS", sayings.display().to_string()), (name, value.to_owned())].into();
        let litellm = lab.litellm_with(1, Config::Talkative, &Setup { variables, ..Setup::default() });
        ask(&litellm);
        let capture = || lab.capture(&litellm).pid(litellm.pid()).arg("--requests").arg(&requests);

        let running = capture().args(["--duration", "10s"]).start();
        for _ in 0..5 {
            thread::sleep(Duration::from_secs(1));
            ask(&litellm);
        }
        let output = running.finish();
        assert_absent(&[("what it says".to_owned(), output.stderr.clone().into_bytes())]);
        let bundle = output.bundle();
        assert_said(&litellm, logged);
        assert_absent(&bundle.unpacked());
        assert_useful(&bundle, litellm.pid());
        // Shown are lines of the log's own, not those that somebody's text imitates.
        assert_eq!(finding(&bundle, "ValueError").expect("it was logged")["before"], 14, "twice for each saying");
        assert!(bundle.text("logs/during.log").contains("/v1/chat/completions"), "access lines are kept");

        let mut killed = capture().args(["--duration", "60s", "--slice", "2s"]).start();
        killed.wait_for_ended_samplers(1);
        let work = killed.work();
        wait_for("a tally", || {
            fs::read_to_string(work.join("tallies.jsonl")).is_ok_and(|text| !text.is_empty()).then_some(())
        });
        killed.kill();
        assert_absent(&files_below(&work));
        let bundle = Capture::new().arg("pack").arg(&work).run().assert_status(3).bundle();
        assert_absent(&bundle.unpacked());
        assert_useful(&bundle, litellm.pid());
        let gaps = bundle.json("manifest.json")["gaps"].to_string();
        assert!(gaps.contains("the log during the capture"), "{gaps}");
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn every_route_of_litellms_own_is_shown_and_what_stands_in_its_holes_is_not() {
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 1, Config::Plain);
    let answer = litellm.exchange("GET /openapi.json HTTP/1.1\r\n", "");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer's body");
    let description: Value = serde_json::from_str(body).expect("LiteLLM describes itself");
    let paths: Vec<&String> = description["paths"].as_object().expect("paths").keys().collect();
    assert!(paths.len() > 300, "only {} routes", paths.len());
    for path in paths {
        let filled: Vec<&str> = path.split(['{', '}']).collect();
        // Between the holes stands what is LiteLLM's.
        let with = |hole: &str| -> String {
            filled.iter().enumerate().map(|(at, text)| if at % 2 == 0 { *text } else { hole }).collect()
        };
        let expected = with("{id}");
        let shown = |hole: &str| route(&with(hole));
        assert_eq!(shown("zq7"), if path == "/" { path } else { expected.trim_end_matches('/') }, "{path}");
    }
}

/// The log did say it, and the metrics have it as labels: otherwise it would prove nothing that the bundle has not.
#[track_caller]
fn assert_said(litellm: &LiteLlm, sent: &[&str]) {
    let log = fs::read_to_string(litellm.log()).expect("a log");
    let metrics = litellm.exchange("GET /metrics/ HTTP/1.1\r\n", "");
    let unsaid = TRACES.iter().chain(sent).find(|text| !log.contains(**text));
    assert_eq!(unsaid, None, "the log does not say it");
    let unlabelled = LABELLED.iter().find(|text| !metrics.contains(**text));
    assert_eq!(unlabelled, None, "no metric has it as a label");
}

/// And yet log, counters and shapes are of use.
#[track_caller]
fn assert_useful(bundle: &Bundle, worker: i32) {
    let before = bundle.text("logs/before.log");
    assert!(before.contains("\"POST /v1/chat/completions?[…]\" 200"), "{before}");
    let shapes = bundle.text("workload/requests.jsonl");
    assert!(shapes.contains("reporter") && shapes.contains("mock-gpt"), "{shapes}");
    for table in ["liveliness", "host", &format!("worker-{worker}")] {
        assert!(bundle.text(&format!("series/{table}.csv")).lines().count() > 2, "{table} has too few rows");
    }
    let tallies = bundle.json("evidence.json")["tallies"].to_string();
    assert!(tallies.contains("mock-gpt") && tallies.contains("/v1/chat/completions"), "{tallies}");
}

fn finding(bundle: &Bundle, about: &str) -> Option<Value> {
    let evidence = bundle.json("evidence.json");
    evidence["findings"].as_array()?.iter().find(|finding| finding["about"] == about).cloned()
}

#[track_caller]
fn assert_absent(files: &[File]) {
    for (name, bytes) in files {
        let text = String::from_utf8_lossy(bytes);
        for trace in TRACES.iter().chain(&SENT).chain(&GIVEN).chain(&[ANSWERED]) {
            if let Some(at) = text.find(trace) {
                let from = text.floor_char_boundary(at.saturating_sub(200));
                let to = text.ceil_char_boundary((at + 200).min(text.len()));
                panic!("{trace:?} is in {name}: {}", &text[from..to]);
            }
        }
    }
}

fn given() -> String {
    let request = json!({
        "model": "mock-gpt",
        "stream": true,
        "user": GIVEN[1],
        "messages": [{"role": "user", "content": GIVEN[0]}],
        "tools": [{"type": "function", "function": {"name": GIVEN[2], "parameters": {}}}],
    });
    format!("{request}\n{request}\n")
}

/// A request that is answered and one that is not, with something of everybody's in every place that a request has.
fn ask(litellm: &LiteLlm) {
    for (model, status) in [("mock-gpt", "200"), (SENT[5], "400")] {
        let body = json!({
            "model": model,
            "user": SENT[1],
            "messages": [{"role": "user", "content": SENT[0]}],
            "metadata": {"tags": [SENT[4]], "note": SENT[4]},
            "cache": {"no-cache": true},
        });
        let head = format!(
            "POST /v1/chat/completions?trace={} HTTP/1.1\r\nAuthorization: Bearer {}\r\nUser-Agent: {}\r\n\
             Content-Type: application/json\r\n",
            SENT[3],
            litellm.key(),
            SENT[2],
        );
        let answer = litellm.exchange(&head, &body.to_string());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}
