//! What people wrote, and who they are, never leaves the machine: not from logs, not from metric labels, not from the
//! reporter's own sample of requests.

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    thread,
    time::Duration,
};

use flate2::read::GzDecoder;
use serde_json::json;
use support::{
    bundle::Bundle,
    lab::{Config, Lab, LiteLlm, Setup},
};

/// Said in logs; the second part of each is as telling as the first.
const SAID: [&str; 6] = [
    "my diagnosis is hexaplexia and nobody may know",
    "ida.lovelace@clinic.example",
    "sk-proj-Zq81LmNo45PqRsTu67Vw",
    "postgresql://admin:Tr0ub4dor-x9@db.internal:5432/llm",
    "203.0.113.77",
    "{\"messages\": [{\"role\": \"user\", \"content\": \"the merger with Quuxcorp is on Friday\"}]}",
];
/// What must not be seen of it.
const TRACES: [&str; 8] = [
    "hexaplexia",
    "lovelace",
    "clinic.example",
    "Zq81LmNo45PqRsTu67Vw",
    "Tr0ub4dor",
    "203.0.113.77",
    "Quuxcorp",
    "merger",
];
/// Sent with requests: in the prompt, as the end user, as the client's name, in the query, in the metadata.
const SENT: [&str; 5] =
    ["xylograph-prompt", "enduser-9431@home.example", "AgentSmithBrowser", "querysecret77", "tagged-4711-z"];
/// In the reporter's file.
const GIVEN: [&str; 3] = ["the board decided on layoffs", "reporter@private.example", "lookup_patient_record"];

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn nothing_that_people_wrote_is_in_a_bundle_whatever_the_log_looks_like() {
    let lab = Lab::require();
    for (name, value) in [("LITELLM_LOG", "DEBUG"), ("JSON_LOGS", "True")] {
        let dir = tempfile::tempdir().expect("a folder");
        let sayings = dir.path().join("sayings.json");
        fs::write(&sayings, json!(SAID).to_string()).expect("a file");
        let requests = dir.path().join("requests.jsonl");
        fs::write(&requests, given()).expect("a file");
        let variables = [("LAB_SAYINGS", sayings.display().to_string()), (name, value.to_owned())].into();
        let litellm = lab.litellm_with(1, Config::Talkative, &Setup { variables, ..Setup::default() });
        ask(&litellm);

        let capture = lab.capture(&litellm).pid(litellm.pid()).args(["--duration", "10s"]);
        let running = capture.arg("--requests").arg(&requests).start();
        for _ in 0..5 {
            thread::sleep(Duration::from_secs(1));
            ask(&litellm);
        }
        let bundle = running.finish().bundle();

        let log = fs::read_to_string(litellm.log()).expect("a log");
        assert!(log.contains("hexaplexia") && log.contains("Quuxcorp"), "the log does say it");
        assert_absent(&bundle);
        // And yet the log and the shapes are of use.
        let findings = bundle.json("evidence.json")["findings"].to_string();
        assert!(findings.contains("ValueError"), "{findings}");
        assert!(bundle.text("logs/during.log").contains("/v1/chat/completions"), "access lines are kept");
        let shapes = bundle.text("workload/requests.jsonl");
        assert!(shapes.contains("reporter") && shapes.contains("mock-gpt"), "{shapes}");
    }
}

fn assert_absent(bundle: &Bundle) {
    for (name, bytes) in bundle.files() {
        let mut plain = bytes.to_vec();
        if Path::new(name).extension().is_some_and(|extension| extension == "gz") {
            plain.clear();
            GzDecoder::new(bytes).read_to_end(&mut plain).expect("a compressed file");
        }
        let text = String::from_utf8_lossy(&plain);
        for trace in TRACES.iter().chain(&SENT).chain(&GIVEN) {
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

/// One request, with something of everybody's in every place that a request has.
fn ask(litellm: &LiteLlm) {
    let body = json!({
        "model": "mock-gpt",
        "user": SENT[1],
        "messages": [{"role": "user", "content": SENT[0]}],
        "metadata": {"tags": [SENT[4]], "note": SENT[4]},
        "cache": {"no-cache": true},
    });
    let (body, key) = (body.to_string(), litellm.key());
    let address = litellm.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("LiteLLM listens");
    write!(
        stream,
        "POST /v1/chat/completions?trace={} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
         User-Agent: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        SENT[3],
        SENT[2],
        body.len(),
    )
    .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
