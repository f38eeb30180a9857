//! Forty secrets, planted in a real LiteLLM wherever people put them, are nowhere in what leaves the machine.
//!
//! Each secret is announced once, by a name or by its own shape, and then stands in places that announce nothing: under
//! keys whose text is shown, in the names of functions, files and threads that burn CPU, in the tracebacks that they
//! log, as the name of a model that somebody asks for and that LiteLLM counts, in the reporter's steps and requests.

mod support;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use aho_corasick::AhoCorasick;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use support::{
    Capture, File,
    bundle::Bundle,
    files_below,
    lab::{Case, Lab, LiteLlm},
    wait_for,
};
use tempfile::TempDir;

const WORKERS: usize = 2;

/// Where a secret is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nowhere: its shape must do.
    Shape,
    /// A variable named after a secret.
    Variable,
    /// A URL in a variable with an ordinary name.
    Url,
    /// JSON in a variable with an ordinary name.
    JsonVariable,
    /// LiteLLM's `--headers`, which its workers get in `WORKER_CONFIG`.
    Argument,
    /// The environment of `capture` alone.
    OwnVariable,
    ApiKey,
    ExtraHeader,
    JsonText,
    EnvironmentVariables,
    CredentialList,
    McpServer,
    Guardrail,
    Router,
    List,
    Comment,
}

/// What the gaps in a secret's shape are filled with.
#[derive(Clone, Copy, Debug)]
enum Filling {
    Letters,
    Upper,
    Hex,
}

/// Gaps are numbered, since each half of a secret is looked for by itself.
const SHAPES: [(Place, Filling, &str); 40] = {
    use Filling::{Hex, Letters, Upper};
    use Place::{
        ApiKey, Argument, Comment, CredentialList, EnvironmentVariables, ExtraHeader, Guardrail, JsonText,
        JsonVariable, List, McpServer, OwnVariable, Router, Shape, Url, Variable,
    };
    [
        (Shape, Letters, "sk-{0}{1}"),
        (Shape, Letters, "sk-ant-api03-{0}-{1}"),
        (Shape, Letters, "pk-lf-{0}-{1}"),
        (Shape, Letters, "gsk_{0}{1}"),
        (Shape, Letters, "hf_{0}{1}"),
        (Shape, Letters, "glpat-{0}{1}"),
        (Shape, Upper, "AKIA{0}{1}"),
        (Shape, Letters, "AIza{0}{1}AbCdEfGhIjK"),
        (Shape, Letters, "ya29.{0}_{1}"),
        (Shape, Letters, "xoxb-{0}-{1}"),
        (Shape, Letters, "ghp_{0}{1}"),
        (Shape, Letters, "github_pat_{0}_{1}"),
        (Shape, Letters, "eyJhbGciOiJIUzI1NiJ9.{0}.{1}"),
        (Shape, Letters, "https://hooks.slack.com/services/T1/{0}/{1}"),
        (Shape, Letters, "https://api.example.com/v1?key={0}{1}&n=1"),
        (Shape, Letters, "Bearer {0}.{1}"),
        (Url, Letters, "postgresql://llm:{0}{1}@db.example:5432/llm"),
        (Url, Letters, "redis://:{0}{1}@cache.example:6379/0"),
        (Variable, Letters, "-----BEGIN PRIVATE KEY-----\n{0}abcdefgh\n{1}ijklmnop\n-----END PRIVATE KEY-----"),
        (Variable, Letters, "{0}\n{1}xyzw"),
        (Variable, Letters, "{0}{1}"),
        (Variable, Letters, "{0}é漢🐤{1}"),
        (JsonVariable, Letters, "{0}\"'{1}"),
        (JsonVariable, Hex, "{0}-ab12-4cd3-9ef4-{1}"),
        (Argument, Letters, "{0}\\{1}"),
        (Argument, Letters, "{0}/+{1}=="),
        (OwnVariable, Letters, "{0}_{1}"),
        (ApiKey, Letters, "{0}%41%zz{1}"),
        (ApiKey, Hex, "{0}{1}"),
        (ExtraHeader, Letters, "{0}<&>;{1}"),
        (ExtraHeader, Letters, "Basic {0}{1}"),
        (JsonText, Letters, "{0} {1} passphrase"),
        (JsonText, Letters, "{0}: {1} # yaml"),
        (EnvironmentVariables, Letters, "{0},{1}"),
        (CredentialList, Letters, "--{0}{1}"),
        (McpServer, Letters, "{0}|{1}$(x)`y`"),
        (Guardrail, Letters, "{0}@{1}"),
        (Router, Letters, "{0}*{1}?"),
        (List, Letters, "[{0}]{{1}"),
        (Comment, Letters, "{0}.{1}"),
    ]
};

struct Canary {
    place: Place,
    /// As it is planted.
    value: String,
    /// What must not be seen of it: all of it, and either half.
    traces: [String; 3],
}

fn canaries() -> Vec<Canary> {
    let canary = |(index, &(place, filling, shape)): (usize, &(Place, Filling, &str))| {
        let mut random = fastrand::Rng::with_seed(index as u64 + 1);
        let mut half = || -> String {
            match filling {
                Filling::Letters => (0..12).map(|_| random.alphanumeric()).collect(),
                Filling::Upper => (0..8).map(|_| random.uppercase()).collect(),
                Filling::Hex => (0..16).map(|_| random.digit(16)).collect(),
            }
        };
        let (one, other) = (half(), half());
        let value = shape.replace("{0}", &one).replace("{1}", &other);
        Canary { place, traces: [value.clone(), one, other], value }
    };
    SHAPES.iter().enumerate().map(canary).collect()
}

/// The secrets of one place, each under a key of its own.
fn fields(canaries: &[Canary], place: Place, name: &str) -> serde_json::Map<String, Value> {
    let here = canaries.iter().filter(|canary| canary.place == place);
    here.enumerate().map(|(index, canary)| (name.replace('#', &index.to_string()), json!(canary.value))).collect()
}

/// LiteLLM's folder, its config and callback in it, and all secrets about it.
struct Planted {
    canaries: Vec<Canary>,
    dir: TempDir,
    /// In a folder that is named after a secret.
    py_spy: PathBuf,
    /// Every secret as a model, and in a prompt.
    requests: PathBuf,
    /// Every secret on a line.
    steps: PathBuf,
}

impl Planted {
    fn new(lab: &Lab) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let canaries = canaries();
        let named = |place: Place| -> &str {
            &canaries.iter().find(|canary| canary.place == place).expect("one of each").value
        };
        // The plain one of the variables can be a folder's name.
        let folder = dir.path().join("tenant-".to_owned() + &canaries[20].value);
        fs::create_dir(&folder).expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
        write("custom_callbacks.py", include_str!("lab/named_burner.py"));
        let values: Vec<&str> = canaries.iter().map(|canary| canary.value.as_str()).collect();
        write("names.json", &json!(values).to_string());
        write("config.yaml", &config(&canaries));

        let mut variables = BTreeMap::new();
        for (index, canary) in canaries.iter().enumerate() {
            variables.insert(format!("ECHO_{index}"), canary.value.clone());
            match canary.place {
                Place::Variable => variables.insert(format!("SERVICE_{index}_API_KEY"), canary.value.clone()),
                Place::JsonVariable => variables.insert(
                    format!("SERVICE_{index}_SETTINGS"),
                    json!({"nested": [{"client_secret": canary.value}]}).to_string(),
                ),
                _ => None,
            };
        }
        let headers = Value::Object(fields(&canaries, Place::Argument, "X-Custom-#")).to_string();
        let setup = json!({
            "config": folder.join("config.yaml"),
            "arguments": ["--headers", headers],
            "variables": variables,
        });
        fs::write(dir.path().join("setup.json"), setup.to_string()).expect("a file");

        let tools = dir.path().join(named(Place::OwnVariable));
        fs::create_dir(&tools).expect("a folder");
        let py_spy = tools.join("py-spy");
        std::os::unix::fs::symlink(fs::canonicalize(lab.py_spy()).expect("py-spy"), &py_spy).expect("a link");

        let request = |value: &&str| {
            let messages = json!([{"role": "user", "content": format!("what about {value}?")}]);
            json!({"model": value, "user": value, "messages": messages}).to_string()
        };
        let (requests, steps) = (dir.path().join("requests.jsonl"), dir.path().join("steps.txt"));
        fs::write(&requests, values.iter().map(request).collect::<Vec<_>>().join("\n")).expect("a file");
        fs::write(&steps, values.join("\n")).expect("a file");
        Self { canaries, dir, py_spy, requests, steps }
    }

    /// A LiteLLM that has been asked for every secret.
    fn boot(&self, lab: &Lab) -> LiteLlm {
        let litellm = lab.litellm_set_up(WORKERS, &self.dir.path().join("setup.json"));
        for canary in &self.canaries {
            // Models with a comma between them are many, of which each is answered for itself: 200.
            let status = litellm.ask(&canary.value);
            assert!(status < 500, "{}: {status}", canary.value);
        }
        let log = fs::read_to_string(litellm.log()).expect("a log");
        let said = |canary: &&Canary| canary.value.lines().all(|line| log.contains(line));
        assert_eq!(self.canaries.iter().filter(said).count(), SHAPES.len(), "the log has all of them");
        litellm
    }

    fn capture(&self) -> Capture {
        let capture = self.with_secrets(Capture::new()).args(["--verbose", "--include-prompts"]);
        capture.arg("--requests").arg(&self.requests).arg("--repro-steps").arg(&self.steps)
    }

    fn watch(&self) -> Capture {
        self.with_secrets(Capture::new().arg("watch"))
    }

    fn with_secrets(&self, capture: Capture) -> Capture {
        let own = self.canaries.iter().find(|canary| canary.place == Place::OwnVariable).expect("one");
        let capture = capture.env("CAPTURE_PY_SPY", &self.py_spy).env("DEPLOY_TOKEN", &own.value);
        capture.args(["--rate", "50", "--max-overhead", "100%"])
    }

    /// No file, in no encoding, has anything of a secret.
    #[track_caller]
    fn assert_absent_from(&self, files: &[File]) {
        let traces = |canary: &Canary| canary.traces.iter().flat_map(|trace| encoded(trace)).collect::<Vec<_>>();
        let all: Vec<_> = self
            .canaries
            .iter()
            .flat_map(|canary| traces(canary).into_iter().map(|trace| (canary.place, trace)))
            .collect();
        let automaton = AhoCorasick::new(all.iter().map(|(_, trace)| &trace.needle)).expect("some thousand needles");
        let mut found = Vec::new();
        for (name, bytes) in files {
            for hit in automaton.find_overlapping_iter(bytes) {
                let (place, Trace { text, form, .. }) = &all[hit.pattern().as_usize()];
                let around = &bytes[hit.start().saturating_sub(60)..(hit.end() + 30).min(bytes.len())];
                let around = String::from_utf8_lossy(around).into_owned();
                found.push(format!("{name}: {text:?} {form} ({place:?}): {around}"));
            }
        }
        assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
    }
}

fn config(canaries: &[Canary]) -> String {
    let models: Vec<Value> = std::iter::once(json!({
        "model_name": "mock-gpt",
        "litellm_params": {"model": "openai/gpt-4o-mini", "api_key": "fake-key", "mock_response": "hi", "rpm": 60_000},
    }))
    .chain(canaries.iter().filter(|canary| canary.place == Place::ApiKey).map(|canary| {
        json!({
            "model_name": "other-gpt",
            "litellm_params": {
                "model": "openai/gpt-4o",
                "api_key": canary.value,
                "extra_headers": fields(canaries, Place::ExtraHeader, "X-Team-#"),
            },
        })
    }))
    .collect();
    let json_text = Value::Object(fields(canaries, Place::JsonText, "password_#")).to_string();
    let urls = fields(canaries, Place::Url, "store_#_url");
    let echoes: Vec<Value> = canaries.iter().map(|canary| json!({"model": format!("x-{}-y", canary.value)})).collect();
    let odd_keys: serde_json::Map<String, Value> =
        canaries.iter().enumerate().map(|(index, canary)| (canary.value.clone(), json!(index))).collect();
    let tree = json!({
        "model_list": models,
        "litellm_settings": {"callbacks": ["prometheus", "custom_callbacks.keeper"], "num_retries": 3},
        "router_settings": {
            "routing_strategy": "simple-shuffle",
            "default_litellm_params": fields(canaries, Place::Router, "api_key_#"),
        },
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY", "max_parallel_requests": 4321},
        "environment_variables": fields(canaries, Place::EnvironmentVariables, "SERVICE_TOKEN_#"),
        "credential_list": [{
            "credential_name": "shared",
            "credential_values": fields(canaries, Place::CredentialList, "api_key_#"),
            "credential_info": {"description": "one for all"},
        }],
        // LiteLLM reads what it knows; the rest of a config is nobody's business but the redactor's.
        "unused": {
            "mcp_servers": {"tools": {
                "url": "http://127.0.0.1:9", "static_headers": fields(canaries, Place::McpServer, "X-Tool-#"),
            }},
            "guardrails": [{
                "guardrail_name": "scrub",
                "litellm_params": {"guardrail": "aporia", "api_key": fields(canaries, Place::Guardrail, "#")},
            }],
            "extra": json_text,
            "stores": urls,
            "api_keys": fields(canaries, Place::List, "#").into_values().collect::<Vec<_>>(),
            "echoes": echoes,
            "limits": odd_keys,
        },
    });
    let mut yaml = serde_saphyr::to_string(&tree).expect("YAML");
    for canary in canaries.iter().filter(|canary| canary.place == Place::Comment) {
        writeln!(yaml, "# old_api_key: {}", canary.value).expect("a string takes all");
    }
    yaml
}

/// A text as a file could hold it.
struct Trace {
    text: String,
    form: &'static str,
    needle: String,
}

/// A text in every form in which a file could hold it.
fn encoded(text: &str) -> Vec<Trace> {
    let bytes = text.as_bytes();
    let hex = |upper: bool| -> String {
        bytes.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
    };
    let percent: String = bytes
        .iter()
        .map(|&byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let json = json!(text).to_string();
    let xml = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut forms = vec![
        ("plain", text.to_owned()),
        ("percent-encoded", percent),
        ("as JSON", json[1..json.len() - 1].to_owned()),
        ("as XML", xml.replace('"', "&quot;").replace('\'', "&apos;")),
        ("as XML text", xml),
        ("in hex", hex(false)),
        ("in upper hex", hex(true)),
    ];
    for before in 0..3_usize {
        let whole = [vec![0; before], bytes.to_vec()].concat();
        // The first and the last characters depend on what stands around.
        let inner = |base64: String| base64[(before * 8).div_ceil(6)..whole.len() * 8 / 6].to_owned();
        forms.push(("in base64", inner(STANDARD_NO_PAD.encode(&whole))));
        forms.push(("in URL-safe base64", inner(URL_SAFE_NO_PAD.encode(&whole))));
    }
    forms.into_iter().map(|(form, needle)| Trace { text: text.to_owned(), form, needle }).collect()
}

/// The files of a bundle as they are read, the bundle's own name among them.
fn unpacked(path: &Path, bundle: &Bundle) -> Vec<File> {
    let name = path.file_name().expect("a name").as_encoded_bytes().to_vec();
    let mut files = bundle.unpacked();
    files.push(("the bundle's name".to_owned(), name));
    files
}

fn removed_from(bundle: &Bundle, file: &str) -> u64 {
    let report = bundle.json("redactions.json");
    let entries = report.as_array().expect("a list");
    entries.iter().filter(|entry| entry["file"] == file).filter_map(|entry| entry["count"].as_u64()).sum()
}

/// Every secret names a thread of each worker; functions and files that are all mask have become one.
fn assert_names_were_masked(bundle: &Bundle) {
    let masked = removed_from(bundle, "profiles/samples.json.gz");
    assert!(masked >= (WORKERS * SHAPES.len()) as u64, "only {masked} names were masked in the stacks");
    assert!(bundle.text("profiles/all.folded").contains("***"));
    let counted = bundle.json("evidence.json")["tallies"].to_string();
    assert!(counted.contains("\"other\""), "a model that looks like a secret is none: {counted}");
    for file in
        ["environment/env.json", "environment/config.redacted.yaml", "environment/fingerprint.json", "logs/before.log"]
    {
        assert!(removed_from(bundle, file) > 0, "nothing was removed from {file}");
    }
}

/// What the reporter gave had every secret.
fn assert_given_was_masked(bundle: &Bundle) {
    for file in ["workload/requests-from-reporter.jsonl", "TICKET.md"] {
        assert!(removed_from(bundle, file) > 0, "nothing was removed from {file}");
    }
}

/// What a reader needs of the config is still there.
fn assert_readable(bundle: &Bundle) {
    let config = bundle.text("environment/config.redacted.yaml");
    for kept in [
        "os.environ/LITELLM_MASTER_KEY",
        "model_name: mock-gpt",
        "openai/gpt-4o-mini",
        "custom_callbacks.keeper",
        "rpm: 60000",
        "num_retries: 3",
        "max_parallel_requests: 4321",
        "simple-shuffle",
        "guardrail_name: scrub",
    ] {
        assert!(config.contains(kept), "{kept} is not in\n{config}");
    }
    let summary = bundle.json("summary.json");
    assert!(summary["functions"].as_array().is_some_and(|functions| !functions.is_empty()), "{summary:#}");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn forty_secrets_are_nowhere_in_a_bundle_of_a_real_litellm() {
    let lab = Lab::require();
    let planted = Planted::new(&lab);
    let litellm = planted.boot(&lab);
    let _load = litellm.load(Case::Plain, 2);

    let output = planted.capture().pid(litellm.pid()).args(["--duration", "8s", "--slice", "4s"]).run();
    let path = PathBuf::from(output.said().trim_end());
    let bundle = output.bundle();

    planted.assert_absent_from(&unpacked(&path, &bundle));
    assert_names_were_masked(&bundle);
    assert_given_was_masked(&bundle);
    assert_readable(&bundle);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn forty_secrets_are_nowhere_in_what_a_watch_leaves() {
    let lab = Lab::require();
    let planted = Planted::new(&lab);
    let litellm = planted.boot(&lab);
    let state = tempfile::tempdir().expect("a folder");
    // Only requests are a spike here, since the named threads burn CPU all the time.
    let rules = ["--cpu", "100%", "--p99", "1ms", "--slice", "3s", "--max-duration", "6s", "--once", "--state-dir"];
    let running = planted.watch().args(rules).arg(state.path()).pid(litellm.pid()).start();
    let calm = state.path().join("calm.tar.gz");
    wait_for("a calm moment", || calm.exists().then_some(()));
    let _load = litellm.load(Case::Plain, 2);

    let output = running.finish();
    planted.assert_absent_from(&[("what it said".to_owned(), output.stderr.clone().into_bytes())]);
    planted.assert_absent_from(&files_below(state.path()));
    planted.assert_absent_from(&Bundle::open(&calm).unpacked());
    let path = PathBuf::from(output.said().trim_end());
    let bundle = output.bundle();
    planted.assert_absent_from(&unpacked(&path, &bundle));
    assert_names_were_masked(&bundle);
    assert!(bundle.names().any(|name| name.starts_with("baseline/")), "it is held against the calm moment");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn forty_secrets_are_nowhere_in_a_bundle_packed_after_a_kill() {
    let lab = Lab::require();
    let planted = Planted::new(&lab);
    let litellm = planted.boot(&lab);
    let mut running = planted.capture().pid(litellm.pid()).args(["--duration", "60s", "--slice", "3s"]).start();
    let work = wait_for_records(running.dir());
    running.kill();
    // With LiteLLM goes the last place to learn the secrets from.
    drop(litellm);

    let kept = kept_in(&work);
    for name in ["clean/logs/before.log", "clean/workload/requests-from-reporter.jsonl", "begun.json", "shapes.jsonl"] {
        assert!(kept.iter().any(|(kept, bytes)| kept == name && !bytes.is_empty()), "{name} is not there yet");
    }
    planted.assert_absent_from(&kept);
    let output = Capture::new().arg("pack").arg(&work).run().assert_status(3);
    let path = PathBuf::from(output.said().trim_end());
    let bundle = output.bundle();
    planted.assert_absent_from(&unpacked(&path, &bundle));
    assert_names_were_masked(&bundle);
    assert_given_was_masked(&bundle);
    assert_readable(&bundle);
}

/// Waits until each worker's first trace is recorded and the observers have kept something, and gives the work folder.
fn wait_for_records(dir: &Path) -> PathBuf {
    let lines = |file: PathBuf| fs::read_to_string(file).map_or(0, |records| records.lines().count());
    wait_for("records", || {
        let work = support::work_folders(dir).pop()?;
        let enough = [("segments.jsonl", WORKERS), ("readings.jsonl", 1), ("tallies.jsonl", 1)];
        enough.iter().all(|(file, least)| lines(work.join(file)) >= *least).then_some(work)
    })
}

/// What is in a work folder and will be packed: all but the traces of which no record speaks, which are never read.
fn kept_in(work: &Path) -> Vec<File> {
    let segments = fs::read_to_string(work.join("segments.jsonl")).expect("records");
    let mut files = files_below(work);
    files.retain(|(name, _)| !name.starts_with("trace-") || segments.contains(name));
    files
}
