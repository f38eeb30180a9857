//! What the whole program makes of counters that it cannot have: one gap each, in words of its own, and everything else
//! of the capture is there. And what it costs a proxy to be asked.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{
    Capture,
    bundle::Bundle,
    cpu_seconds,
    lab::{Case, Config, Lab, LiteLlm, Server},
    repository,
    serving::{Reply, Serving},
    skip,
};

const METRICS: &str = "LiteLLM's metrics";
const LIVELINESS: &str = "answers of /health/liveliness";
/// Where a worker takes more of a core than this to answer one question a second, what we add cannot be told: on some
/// machines a question after a second of rest costs it fifteen times and more what the next one does.
const MOST_BY_HAND: f64 = 0.02;
const URL_CURE: &str = "--litellm-url http://HOST:PORT";

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn metrics_behind_a_key_are_a_gap_that_names_the_key_and_with_it_they_are_there() {
    const KEY: &str = "sk-lab-b5d1f0a7c3e94d62";
    let lab = Lab::require();
    let dir = tempfile::tempdir().expect("a folder");
    // As LiteLLM comes: the metrics want a key. It stands in the config, so that no process has it in its environment.
    let plain = fs::read_to_string(repository().join("tests/lab/plain.yaml")).expect("a config");
    let locked =
        plain.replace("  require_auth_for_metrics_endpoint: false\n", "").replace("os.environ/LITELLM_MASTER_KEY", KEY);
    let (config, setup) = (dir.path().join("config.yaml"), dir.path().join("setup.json"));
    fs::write(&config, locked).expect("a file");
    let variables = json!({"LITELLM_MASTER_KEY": ""});
    fs::write(&setup, json!({"config": config, "key": KEY, "variables": variables}).to_string()).expect("a file");
    let litellm = lab.litellm_set_up(1, &setup);
    let _load = litellm.steady_load(Case::Plain, 2.0);
    let capture = || for_a_moment(lab.plain_capture(), &litellm);

    let without = capture().run().assert_status(3).bundle();
    let gap = only_gap(&without, METRICS);
    assert_eq!(gap["why"], "`/metrics/` wants a key (status 401), and the variable LITELLM_MASTER_KEY holds none");
    assert_has(&gap, "cure", "--litellm-key-env NAME");
    assert_has(&gap, "cure", "require_auth_for_metrics_endpoint: false");

    let other = capture().env("OTHER_KEY", "sk-none-of-this-proxys").args(["--litellm-key-env", "OTHER_KEY"]);
    let wrong = other.run().assert_status(3).bundle();
    assert_has(&only_gap(&wrong, METRICS), "why", "`/metrics/` refused the key");

    let with = capture().env("LITELLM_MASTER_KEY", KEY).run().assert_status(0).bundle();
    assert_eq!(gaps_about(&with, METRICS), [Value::Null; 0]);
    assert!(tallies_of_metrics(&with) >= 2, "the counters were read");
    // Nothing tells of a database, so that its logs of requests are not asked for.
    assert_has(&only_gap(&with, "the last requests"), "why", "no database is seen");
    assert!(!fs::read_to_string(litellm.log()).expect("a log").contains("/spend/logs"));
    for bundle in [without, wrong, with] {
        assert_all_else_is_there(&bundle, &litellm);
        bundle.text("series/liveliness.csv");
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_port_on_which_nobody_listens_takes_nothing_but_what_is_asked_for_there() {
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 1, Config::Plain);
    let _load = litellm.steady_load(Case::Plain, 2.0);
    let bundle =
        elsewhere(for_a_moment(lab.capture(&litellm), &litellm), &closed_port()).run().assert_status(3).bundle();
    for what in [METRICS, LIVELINESS] {
        let gap = only_gap(&bundle, what);
        assert_eq!(gap["why"], "nobody listens at the proxy's address");
        assert_has(&gap, "cure", URL_CURE);
    }
    assert_all_else_is_there(&bundle, &litellm);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn whatever_answers_in_the_proxys_place_is_one_gap_with_its_reason() {
    static BLANKS: [u8; 1 << 16] = [b'\n'; 1 << 16];
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 1, Config::Plain);
    let _load = litellm.steady_load(Case::Plain, 2.0);
    let trickles =
        Reply::Endless { head: "HTTP/1.1 200 OK\r\n\r\n", chunk: b"# still at it\n", pause: Duration::from_millis(50) };
    let is_large = Reply::Endless {
        head: "HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n",
        chunk: &BLANKS,
        pause: Duration::ZERO,
    };
    for (reply, status, whys, cure) in [
        (Reply::Silence, 3, &["no scrape was answered within 1 s", "scrapes in a row had no answer"][..], "files"),
        (trickles, 3, &["was not done within 1 s"], "labels"),
        // A machine may be too slow for 20 MB in a second.
        (is_large, 3, &["more than 20 MB", "was not done within 1 s"], "labels"),
        (Reply::text(200, "up 1\nup{ 1\n"), 3, &["something else than Prometheus' text format (line 2)"], URL_CURE),
        (Reply::raw("SSH-2.0-OpenSSH_9.2\r\n"), 3, &["does not speak HTTP"], URL_CURE),
        // Not on, which is no fault of the capture's.
        (Reply::text(404, "{}"), 0, &["its prometheus callback is not on"], "callbacks: [\"prometheus\"]"),
    ] {
        let server = Serving::new(move |request| {
            if request.starts_with("GET /metrics/") { reply.clone() } else { Reply::text(200, "\"I'm alive!\"") }
        });
        let capture = elsewhere(for_a_moment(lab.capture(&litellm), &litellm), &server.address.to_string());
        let bundle = capture.run().assert_status(status).bundle();
        let gap = only_gap(&bundle, METRICS);
        let told = |why: &&str| gap["why"].as_str().is_some_and(|text| text.contains(why));
        assert!(whys.iter().any(told), "{whys:?}: {gap:#}");
        assert_has(&gap, "cure", cure);
        assert_eq!(gaps_about(&bundle, LIVELINESS), [Value::Null; 0], "{whys:?}");
        assert_eq!(tallies_of_metrics(&bundle), 0, "{whys:?}");
        assert_all_else_is_there(&bundle, &litellm);
        bundle.text("series/liveliness.csv");
        assert!(!server.requests().concat().contains(litellm.key()), "whoever answers there gets no key");
    }
}

#[test]
fn a_program_that_is_no_litellm_is_asked_nothing() {
    const PROGRAM: &str = "
import http.server, sys, threading
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
def burn():
    while True: pass
threading.Thread(target=burn, daemon=True).start()
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
";
    let mut command = Command::new("python3");
    command.args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().expect("python3 can be started");
    let mut port = String::new();
    BufReader::new(program.stdout.take().expect("a pipe")).read_line(&mut port).expect("a line");

    let capture = Capture::new().pid(program.id().cast_signed()).args(["--duration", "3s", "--slice", "1s"]);
    let bundle = capture.env("LITELLM_MASTER_KEY", "sk-nobodys-key-at-all").fake_py_spy("works").run();
    let bundle = bundle.assert_status(0).bundle();
    // It ends with its input; it logs every request that it gets.
    drop(program.stdin.take());
    program.wait().expect("it ends");
    let mut log = String::new();
    program.stderr.take().expect("a pipe").read_to_string(&mut log).expect("text");
    assert_eq!(log, "", "it listened on port {port}");

    for what in [METRICS, LIVELINESS, "the last requests"] {
        assert_eq!(gaps_about(&bundle, what), [Value::Null; 0]);
    }
    assert_eq!((tallies_of_metrics(&bundle), bundle.names().any(|name| name == "series/liveliness.csv")), (0, false));
    bundle.text("series/host.csv");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn to_be_asked_costs_a_worker_less_than_a_hundredth_of_a_core() {
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 1, Config::Plain);
    // The first scrape in a LiteLLM's life makes it load modules, for up to a second; so does the first request.
    litellm.ask("mock-gpt");
    litellm.exchange("GET /metrics/ HTTP/1.1\r\n", "");
    thread::sleep(Duration::from_secs(6));

    // What the same questions cost that nobody but this test asks.
    let (begin, before) = (Instant::now(), cpu_seconds(litellm.pid()));
    for _ in 0..8 {
        litellm.exchange("GET /health/liveliness HTTP/1.1\r\n", "");
        thread::sleep(Duration::from_secs(1));
    }
    let by_hand = (cpu_seconds(litellm.pid()) - before) / begin.elapsed().as_secs_f64();
    if by_hand > MOST_BY_HAND {
        return skip(&format!("one question a second takes {by_hand:.4} of a core here, whoever asks"));
    }

    let capture = || lab.capture(&litellm).pid(litellm.pid()).args(["--duration", "16s"]);
    let share = |capture: Capture, status: i32| {
        let (begin, before) = (Instant::now(), cpu_seconds(litellm.pid()));
        let bundle = capture.run().assert_status(status).bundle();
        let share = (cpu_seconds(litellm.pid()) - before) / begin.elapsed().as_secs_f64();
        (share, bundle)
    };
    let (unasked, _) = share(elsewhere(capture(), &closed_port()), 3);
    let (asked, bundle) = share(capture(), 0);
    println!("a worker's CPU, in shares of a core: {asked:.4} while it is asked, {unasked:.4} while it is not");
    assert!(tallies_of_metrics(&bundle) >= 4, "it was asked all the time");
    assert!(bundle.text("series/liveliness.csv").lines().count() > 12, "it was asked all the time");
    assert!(asked - unasked < 0.01, "to be asked costs {:.4} of a core", asked - unasked);
}

fn for_a_moment(capture: Capture, litellm: &LiteLlm) -> Capture {
    capture.pid(litellm.pid()).args(["--duration", "4s", "--slice", "2s"])
}

fn elsewhere(capture: Capture, address: &str) -> Capture {
    capture.arg("--litellm-url").arg(format!("http://{address}"))
}

/// An address on which nobody listens.
fn closed_port() -> String {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").to_string()
}

fn gaps_about(bundle: &Bundle, what: &str) -> Vec<Value> {
    let manifest = bundle.json("manifest.json");
    let gaps = manifest["gaps"].as_array().expect("gaps");
    gaps.iter().filter(|gap| gap["what"].as_str().is_some_and(|text| text.starts_with(what))).cloned().collect()
}

#[track_caller]
fn only_gap(bundle: &Bundle, what: &str) -> Value {
    let gaps = gaps_about(bundle, what);
    assert_eq!(gaps.len(), 1, "of {what} there is not one gap in {:#}", bundle.json("manifest.json")["gaps"]);
    gaps[0].clone()
}

#[track_caller]
fn assert_has(gap: &Value, key: &str, words: &str) {
    assert!(gap[key].as_str().is_some_and(|text| text.contains(words)), "`{words}` is not in {key} of {gap:#}");
}

/// How many times LiteLLM's own counters were read.
fn tallies_of_metrics(bundle: &Bundle) -> usize {
    let evidence = bundle.json("evidence.json");
    let tallies = evidence["tallies"].as_array().expect("tallies");
    tallies.iter().filter(|tally| tally["source"] == "metrics_endpoint").count()
}

/// Stacks, figures over time, both logs, the requests in them, and what the proxy runs with.
#[track_caller]
fn assert_all_else_is_there(bundle: &Bundle, litellm: &LiteLlm) {
    assert!(bundle.figure("/quality/stacks") > 0.0);
    bundle.text("profiles/all.folded");
    for table in ["host", "network", "access-log", &format!("worker-{}", litellm.pid())] {
        let rows = bundle.text(&format!("series/{table}.csv")).lines().count();
        assert!(rows > 3, "{table} has {rows} lines");
    }
    assert!(bundle.text("logs/during.log").contains("\"POST /v1/chat/completions\" 200"));
    for file in ["logs/before.log", "environment/fingerprint.json", "environment/config.redacted.yaml", "TICKET.md"] {
        bundle.text(file);
    }
}
