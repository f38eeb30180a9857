//! What LiteLLM is asked, and what it must never be asked: against a server that answers as no LiteLLM should, against
//! metric files as `prometheus_client` writes them, and against a real LiteLLM.

mod support;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command},
    sync::{Arc, Mutex, atomic::AtomicU64},
    thread,
    time::Duration,
};

use litellm_capture::{
    bundle::work::{self, Work},
    collect::{Gap, Weight},
    observe::{
        Epoch, Keeper, LiteLlm, Roster, Stop,
        door::{Access, Door},
        liveliness::{self, Pulse},
        metrics,
        pace::Tempo,
        spend,
    },
    os::proc::{ProcessId, Procfs},
    redact::{Raw, Redactor, Sources},
    series::Reading,
    traffic::{Latency, Source, Tally, Window},
    workload::Shape,
};
use serde::de::DeserializeOwned;
use support::{
    lab::{Case, Config, Lab, Server},
    repository,
    serving::{Reply, Serving},
    wait_for,
};
use tempfile::TempDir;

const KEY: &str = "sk-test-0123456789abcdef";

/// Small, and with everything in it that must not be kept.
const METRICS: &str = concat!(
    "# HELP litellm_proxy_total_requests_metric_total Total\n",
    "litellm_proxy_total_requests_metric_total{api_key_alias=\"canary-alias\",client_ip=\"203.0.113.9\",",
    "end_user=\"canary-user\",hashed_api_key=\"88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b\",",
    "requested_model=\"mock-gpt\",route=\"/v1/threads/thread_canary12345?key=canary-query\",status_code=\"200\",",
    "team=\"canary-team\",user_email=\"canary@corp.example\"} 7.0\n",
    "litellm_proxy_total_requests_metric_total{requested_model=\"canary@corp.example\",route=\"/v1/x\",status_code=\"400\"} 2.0\n",
    "litellm_request_total_latency_metric_bucket{le=\"0.5\",user=\"canary-user\"} 3.0\n",
    "litellm_request_total_latency_metric_bucket{le=\"+Inf\",user=\"canary-user\"} 7.0\n",
    "litellm_in_flight_requests 3.0\n",
);

#[test]
fn an_open_endpoint_is_read_at_once_and_at_the_end() {
    let server = Serving::new(|_| Reply::text(200, METRICS));
    let kept = Kept::of(&server);
    kept.watch_metrics();

    let tallies = kept.tallies();
    assert_eq!(tallies.len(), 2);
    assert_eq!((tallies[0].source, tallies[0].requests()), (Source::MetricsEndpoint, 9.0));
    assert_eq!((tallies[0].in_flight, tallies[0].prompt_tokens), (Some(2.0), None));
    assert_eq!(tallies[0].latencies[&Latency::Total].counts, [3.0, 7.0]);
    assert_eq!(kept.gaps(), []);
    assert!(server.requests().iter().all(|request| request.starts_with("GET /metrics/?name%5B%5D=litellm_")));
    assert!(!server.requests().concat().contains(KEY), "nobody asked for a key");
}

#[test]
fn of_labels_only_route_status_and_model_are_kept() {
    let server = Serving::new(|_| Reply::text(200, METRICS));
    let kept = Kept::of(&server);
    kept.watch_metrics();

    let stored = kept.everything();
    assert!(stored.contains("/v1/threads/{id}") && stored.contains("mock-gpt") && stored.contains("other"), "{stored}");
    for canary in ["canary", "corp.example", "203.0.113.9", "88dc28d0"] {
        assert!(!stored.contains(canary), "{canary} in {stored}");
    }
}

#[test]
fn the_key_is_sent_when_it_is_asked_for() {
    for status in [401, 403, 500] {
        let server = Serving::new(move |request| {
            if request.contains(&format!("Bearer {KEY}")) { Reply::text(200, METRICS) } else { Reply::text(status, "") }
        });
        let kept = Kept::of(&server);
        kept.watch_metrics();
        assert_eq!((kept.tallies().len(), kept.gaps().len()), (2, 0), "{status}");
        assert_eq!(server.requests().len(), 3, "once it is known, the key is sent at once");
    }
}

#[test]
fn the_key_is_sent_nowhere_but_to_the_captured_process() {
    let server = Serving::new(|_| Reply::text(401, ""));
    let kept = Kept::asked(&Access {
        listening: vec!["127.0.0.1:1".parse().unwrap()],
        url: Some(format!("http://{}", server.address)),
        ..access(server.address)
    });
    kept.watch_metrics();
    spend::ask(&kept.litellm, kept.litellm.epoch.utc);
    let gap = kept.only_gap();
    assert!(gap.why.contains("sent only to an address on which the captured process listens"), "{gap:?}");
    assert_eq!(server.requests().len(), 1, "and there was no use in asking again");
    assert!(!server.requests().concat().contains(KEY));
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Serving::new(|_| Reply::text(200, METRICS));
    let to = format!("http://{}/metrics/", elsewhere.address);
    let server = Serving::new(move |request| {
        if request.contains("Bearer") {
            Reply::raw(format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
        } else {
            Reply::text(401, "")
        }
    });
    let kept = Kept::of(&server);
    kept.watch_metrics();
    assert!(kept.only_gap().why.contains("a redirect (status 307), which is not followed"), "{:?}", kept.gaps());
    assert_eq!(elsewhere.requests(), [""; 0]);
}

#[test]
fn every_reason_to_give_up_has_words_of_its_own() {
    let html = "<!doctype html>\n<title>Welcome</title>";
    for (reply, why, cure) in [
        (Reply::text(401, ""), "refused the key (status 401)", "--litellm-key-env"),
        (Reply::text(403, ""), "refused the key (status 403)", "require_auth_for_metrics_endpoint: false"),
        (Reply::text(500, ""), "status 500", "LiteLLM's log"),
        (Reply::text(200, html), "something else than Prometheus' text format (line 1)", "--litellm-url"),
        (Reply::text(200, "up 1\nup{ 1\n"), "something else than Prometheus' text format (line 2)", "--litellm-url"),
        (Reply::raw("SSH-2.0-OpenSSH_9.2\r\n"), "does not speak HTTP", "--litellm-url"),
    ] {
        let server = Serving::new(move |_| reply.clone());
        let kept = Kept::of(&server);
        kept.watch_metrics();
        let gap = kept.only_gap();
        assert!(gap.why.contains(why) && gap.cure.contains(cure), "{why}: {gap:?}");
        assert_eq!(gap.weight, Weight::Partial, "{why}");
        assert_eq!(kept.tallies(), []);
    }
}

#[test]
fn metrics_that_are_not_on_are_to_be_known_and_no_fault_of_the_captures() {
    for reply in [Reply::text(404, "{}"), Reply::text(200, "python_info 1\n")] {
        let server = Serving::new(move |_| reply.clone());
        let kept = Kept::of(&server);
        kept.watch_metrics();
        let gap = kept.only_gap();
        assert!(gap.cure.contains("callbacks: [\"prometheus\"]"), "{gap:?}");
        assert_eq!(gap.weight, Weight::Note);
    }
}

#[test]
fn without_a_key_its_variable_is_named() {
    let server = Serving::new(|_| Reply::text(401, ""));
    let kept = Kept::asked(&Access { key: None, ..access(server.address) });
    kept.watch_metrics();
    let gap = kept.only_gap();
    assert!(gap.why.contains("wants a key (status 401), and the variable LITELLM_MASTER_KEY holds none"), "{gap:?}");
}

#[test]
fn a_port_on_which_nobody_listens_is_told() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let kept = Kept::asked(&access(address));
    kept.watch_metrics();
    assert!(kept.only_gap().why.contains("nobody listens"), "{:?}", kept.gaps());
}

#[test]
fn an_answer_that_trickles_ends_at_the_deadline_and_is_not_asked_for_again() {
    for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
        let server =
            Serving::new(move |_| Reply::Endless { head, chunk: b"1\r\n\n\r\n", pause: Duration::from_millis(50) });
        let kept = Kept::of(&server);
        kept.watch_metrics();
        let gap = kept.only_gap();
        assert!(gap.why.contains("was not done within 1 s"), "{head}: {gap:?}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn an_answer_without_end_is_cut_off() {
    static BLANKS: [u8; 1 << 16] = [b'\n'; 1 << 16];
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n";
    let server = Serving::new(move |_| Reply::Endless { head, chunk: &BLANKS, pause: Duration::ZERO });
    let kept = Kept::of(&server);
    kept.watch_metrics();
    let gap = kept.only_gap();
    // A machine may be too slow for 20 MB in a second.
    assert!(gap.why.contains("more than 20 MB") || gap.why.contains("was not done within 1 s"), "{gap:?}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_blocked_event_loop_is_asked_again_at_the_end() {
    let server = Serving::new(|_| Reply::Silence);
    let kept = Kept::of(&server);
    kept.watch_metrics();
    let gap = kept.only_gap();
    assert!(gap.why.contains("no scrape was answered within 1 s"), "{gap:?}");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_proxy_that_answered_once_and_never_again_is_a_gap_from_then_on() {
    let first = Mutex::new(true);
    let server = Serving::new(move |_| {
        if std::mem::take(&mut *first.lock().unwrap()) { Reply::text(200, METRICS) } else { Reply::Silence }
    });
    let kept = Kept::of(&server);
    kept.watch_metrics();
    let gap = kept.only_gap();
    assert!(gap.what.ends_with("after second 0") && gap.why.contains("no scrape but the first"), "{gap:?}");
    assert_eq!(kept.tallies().len(), 1);
}

#[test]
fn a_selection_that_is_answered_with_nothing_is_asked_for_whole() {
    let server = Serving::new(|request| Reply::text(200, if request.contains("name%5B%5D") { "" } else { METRICS }));
    let kept = Kept::of(&server);
    kept.watch_metrics();
    let in_flight: Vec<_> = kept.tallies().iter().map(|tally| tally.in_flight).collect();
    assert_eq!(in_flight, [None, Some(2.0)], "after two questions in a row the first may still be in flight");
    assert_eq!(kept.gaps(), []);
    assert_eq!(server.requests().len(), 3, "once it is known, all is asked for at once");
}

#[test]
fn workers_that_answer_each_for_itself_are_not_summed() {
    let alone = format!("{METRICS}process_start_time_seconds 1795500000\n");
    let server = Serving::new(move |_| Reply::text(200, &alone));
    let kept = Kept::of(&server);
    kept.litellm.roster.set([1, 2].map(|pid| ProcessId { pid, start_ticks: 0 }).to_vec());
    kept.watch_metrics();
    assert!(kept.only_gap().why.contains("2 workers share no metrics"), "{:?}", kept.gaps());
    assert_eq!(kept.tallies(), []);
}

#[test]
fn counters_that_run_backwards_tell_the_same_of_several_workers_and_a_new_start_of_one() {
    for (workers, tallies, gaps) in [(1, 2, 0), (2, 1, 1)] {
        let answers = Mutex::new(vec![METRICS.replace("7.0", "5.0"), METRICS.to_owned()]);
        let server = Serving::new(move |_| Reply::text(200, &answers.lock().unwrap().pop().unwrap()));
        let kept = Kept::of(&server);
        kept.litellm.roster.set((0..workers).map(|pid| ProcessId { pid, start_ticks: 0 }).collect());
        kept.watch_metrics();
        assert_eq!((kept.tallies().len(), kept.gaps().len()), (tallies, gaps), "{workers}");
    }
}

#[test]
fn an_https_url_is_a_gap_that_says_so() {
    let kept =
        Kept::asked(&Access { url: Some("https://llm.example".into()), ..access("127.0.0.1:1".parse().unwrap()) });
    kept.watch_metrics();
    kept.watch_liveliness(&Pulse::default());
    let gaps = kept.gaps();
    assert_eq!(gaps.len(), 2);
    assert!(gaps.iter().all(|gap| gap.why.contains("https")), "{gaps:?}");
    assert_ne!(gaps[0].what, gaps[1].what);
}

#[test]
fn a_living_proxy_is_one_row_a_probe() {
    let server = Serving::new(|_| Reply::text(200, "\"I'm alive!\""));
    let kept = Kept::of(&server);
    let pulse = Pulse::default();
    kept.watch_liveliness(&pulse);
    let row = kept.only_row();
    assert_eq!(row.table, "liveliness");
    assert!(
        matches!(&row.values[..], [(latency, Some(_)), (failed, Some(0.0))] if latency == "latency_s" && failed == "failed")
    );
    assert_eq!((pulse.health().answered, pulse.health().failed_in_a_row), (1, 0));
    assert!(server.requests()[0].starts_with("GET /health/liveliness HTTP/1.1\r\n"));
    assert!(!server.requests()[0].contains(KEY));
}

#[test]
fn a_sick_proxy_is_told_by_its_rows() {
    for (reply, has_latency) in [(Reply::text(503, ""), true), (Reply::raw(""), false)] {
        let server = Serving::new(move |_| reply.clone());
        let kept = Kept::of(&server);
        let pulse = Pulse::default();
        kept.watch_liveliness(&pulse);
        let row = kept.only_row();
        assert_eq!((row.values[0].1.is_some(), row.values[1].1), (has_latency, Some(1.0)));
        assert_eq!((pulse.health().answered, pulse.health().failed_in_a_row), (0, 1));
        assert_eq!(kept.gaps(), []);
    }
}

#[test]
fn a_wrong_address_is_no_outage() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let kept = Kept::asked(&access(address));
    liveliness::watch(&kept.litellm, &Pulse::default(), &Stop::default());
    assert!(kept.only_gap().why.contains("nobody listens"), "{:?}", kept.gaps());
    assert_eq!(kept.records::<Reading>(work::READINGS), []);
}

#[test]
fn the_last_requests_are_asked_for_once_and_reduced_to_shapes() {
    let page = r#"{"data": [{"model_group": "mock-gpt", "user": "canary-user", "prompt_tokens": 12, "status": "success",
        "startTime": "2020-01-01T00:00:00Z", "messages": "canary-prompt"}], "total": 1, "page": 1}"#;
    let server = Serving::new(move |_| Reply::text(200, page));
    let kept = Kept::of(&server);
    spend::ask(&kept.litellm, kept.litellm.epoch.utc);
    let shapes: Vec<Shape<String>> = kept.records(work::SHAPES);
    assert_eq!((shapes.len(), shapes[0].prompt_tokens, shapes[0].status), (1, Some(12.0), Some(200)));
    assert!(!kept.everything().contains("canary"));
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0].contains("/spend/logs/v2?start_date=20")
            && requests[0].matches("%20").count() == 2
            && requests[0].contains("&page=1&page_size=100 HTTP/1.1")
    );
    assert!(requests[0].contains(&format!("Bearer {KEY}")));
}

#[test]
fn a_proxy_without_spend_logs_is_a_note() {
    for (reply, why) in [
        (Reply::text(401, ""), "no database"),
        (Reply::text(404, ""), "has no `/spend/logs/v2`"),
        (Reply::text(200, "[]"), "something else than a page of requests"),
        (Reply::text(200, &"x".repeat(3_000_000)), "more than 2 MB"),
    ] {
        let server = Serving::new(move |_| reply.clone());
        let kept = Kept::of(&server);
        spend::ask(&kept.litellm, kept.litellm.epoch.utc);
        let gap = kept.only_gap();
        assert!(gap.why.contains(why) && gap.weight == Weight::Note, "{gap:?}");
    }
}

#[test]
fn metric_files_are_read_without_asking_anybody() {
    let dir = TempDir::new().unwrap();
    let (worker, other) = (Process::with_files_in(dir.path()), Process::with_files_in(dir.path()));
    let gone = Process::with_files_in(Path::new("/")).end();
    counter_file(dir.path(), worker.id.pid, 5.0);
    counter_file(dir.path(), gone, 2.0);
    counter_file(dir.path(), other.id.pid, 40.0);
    // Asking would be refused: nobody listens there.
    let kept = Kept::asked(&access("127.0.0.1:1".parse().unwrap()));
    kept.litellm.roster.set(vec![worker.id]);
    kept.watch_metrics();

    let tallies = kept.tallies();
    assert_eq!(tallies.len(), 2);
    let told = (tallies[0].source, tallies[0].requests());
    assert_eq!(told, (Source::MetricFiles, 7.0), "an ended worker's requests count on, those of a stranger do not");
    let gap = kept.only_gap();
    assert!(gap.why.contains("another proxy") && gap.weight == Weight::Note, "{gap:?}");
    assert!(!kept.everything().contains("canary"));
}

#[test]
fn where_metric_files_cannot_be_used_the_endpoint_is_asked() {
    let server = Serving::new(|_| Reply::text(200, METRICS));
    for damaged in [false, true] {
        let dir = TempDir::new().unwrap();
        let worker = Process::with_files_in(dir.path());
        if damaged {
            fs::write(dir.path().join(format!("counter_{}.db", worker.id.pid)), [0x7f; 64]).unwrap();
        }
        let kept = Kept::of(&server);
        kept.litellm.roster.set(vec![worker.id]);
        kept.watch_metrics();
        assert_eq!(kept.tallies()[0].source, Source::MetricsEndpoint);
        assert_eq!(kept.gaps().len(), usize::from(damaged), "{:?}", kept.gaps());
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn one_worker_is_counted_through_its_endpoint() {
    let lab = Lab::require();
    let dir = TempDir::new().unwrap();
    // As it comes: with a key wanted for the metrics.
    let plain = fs::read_to_string(repository().join("tests/lab/plain.yaml")).unwrap();
    let config = dir.path().join("config.yaml");
    fs::write(&config, plain.replace("  require_auth_for_metrics_endpoint: false\n", "")).unwrap();
    let setup = dir.path().join("setup.json");
    fs::write(&setup, format!(r#"{{"config": {config:?}}}"#)).unwrap();
    counted(&lab.litellm_set_up(1, &setup), Source::MetricsEndpoint);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn two_workers_are_counted_through_their_files() {
    counted(&Lab::require().litellm(Server::Uvicorn, 2, Config::Plain), Source::MetricFiles);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn two_forked_workers_are_counted_through_their_files() {
    counted(&Lab::require().litellm(Server::Gunicorn, 2, Config::Plain), Source::MetricFiles);
}

/// Every request that was sent is counted, with the latency that the client saw.
fn counted(litellm: &support::lab::LiteLlm, source: Source) {
    const SENT: u32 = 200;
    let address = litellm.url().trim_start_matches("http://").parse().expect("an address");
    let kept = Kept::asked(&Access { key: Some(Raw::new(litellm.key())), ..access(address) });
    let procfs = Procfs::default();
    kept.litellm.roster.set(litellm.workers().iter().map(|pid| procfs.process(*pid).id().expect("it runs")).collect());
    // So that every worker has imported what a request needs.
    litellm.send(Case::Plain, 40);
    thread::sleep(Duration::from_secs(2));

    let stop = Stop::default();
    let said = thread::scope(|scope| {
        let _end = EndAtDrop(&stop);
        let watching = scope.spawn(|| metrics::Watch::begin(Arc::clone(&kept.litellm)).run(&stop));
        wait_for("the first tally", || (!kept.tallies().is_empty() || watching.is_finished()).then_some(()));
        let said = litellm.send(Case::Plain, SENT);
        // LiteLLM counts a request after its answer.
        thread::sleep(Duration::from_secs(2));
        said
    });
    assert_eq!((&said["requests"], &said["errors"]), (&SENT.into(), &0.into()));
    assert_eq!(kept.gaps(), []);
    let tallies = kept.tallies();
    let window =
        Window::between(&tallies[0], tallies.last().expect("one tally at least")).expect("no counter ran backwards");
    assert_eq!((window.source, window.requests(), window.errors()), (source, f64::from(SENT), 0.0));
    let latencies = &window.latencies[&Latency::Total];
    assert_eq!(latencies.counts.last(), Some(&f64::from(SENT)));
    let bucket = |seconds: f64| latencies.bounds.iter().filter(|bound| **bound < seconds).count();
    let (ours, theirs) = (latencies.quantile(0.5).expect("requests"), said["p50_ms"].as_f64().expect("requests") / 1e3);
    assert!(bucket(ours).abs_diff(bucket(theirs)) <= 1, "P50 is {ours} s, and {theirs} s for the client");
    assert_eq!(tallies.last().expect("one tally at least").in_flight, Some(0.0));

    if source == Source::MetricFiles {
        // Without workers to look for no files are found, and LiteLLM itself adds them up.
        let asked = Kept::asked(&Access { key: Some(Raw::new(litellm.key())), ..access(address) });
        // The first scrape of each worker may take longer than it is given.
        let added_up = wait_for("a scrape in time", || {
            asked.watch_metrics();
            asked.tallies().pop()
        });
        assert_adds_up_like(tallies.last().expect("one tally at least"), &added_up);
    }
}

#[track_caller]
fn assert_adds_up_like(files: &Tally<String>, endpoint: &Tally<String>) {
    assert_eq!((files.source, endpoint.source), (Source::MetricFiles, Source::MetricsEndpoint));
    assert_eq!(files.counts, endpoint.counts);
    assert_eq!((files.prompt_tokens, files.completion_tokens), (endpoint.prompt_tokens, endpoint.completion_tokens));
    assert!(files.latencies.len() > 2 && files.latencies.keys().eq(endpoint.latencies.keys()));
    for (latency, histogram) in &files.latencies {
        let other = &endpoint.latencies[latency];
        assert_eq!((&histogram.bounds, &histogram.counts), (&other.bounds, &other.counts), "{latency:?}");
        assert!((histogram.sum_seconds - other.sum_seconds).abs() < 1e-6, "{latency:?}");
    }
}

/// What the observers keep, in a work folder of its own.
struct Kept {
    litellm: Arc<LiteLlm>,
    dir: TempDir,
}

impl Kept {
    fn of(server: &Serving) -> Self {
        Self::asked(&access(server.address))
    }

    fn asked(access: &Access) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let keeper = Keeper::new(dir.path(), Redactor::new(&Sources::default()).gate());
        let litellm = LiteLlm {
            door: Door::find(access),
            procfs: Procfs::default(),
            roster: Roster::default(),
            epoch: Epoch::now(),
            tempo: Tempo::capture(Duration::from_secs(30)),
            readings: AtomicU64::new(0),
            keeper: Arc::new(keeper),
        };
        Self { litellm: Arc::new(litellm), dir }
    }

    /// The first reading and the last one: the capture ends at once.
    fn watch_metrics(&self) {
        metrics::Watch::begin(Arc::clone(&self.litellm)).run(&ended());
    }

    fn watch_liveliness(&self, pulse: &Pulse) {
        liveliness::watch(&self.litellm, pulse, &ended());
    }

    fn records<T: DeserializeOwned>(&self, file: &str) -> Vec<T> {
        Work::open(self.dir.path()).records(file).expect("records")
    }

    fn tallies(&self) -> Vec<Tally<String>> {
        self.records(work::TALLIES)
    }

    fn gaps(&self) -> Vec<Gap> {
        self.records(work::GAPS)
    }

    #[track_caller]
    fn only_gap(&self) -> Gap {
        let mut gaps = self.gaps();
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        gaps.remove(0)
    }

    #[track_caller]
    fn only_row(&self) -> Reading {
        let mut rows = self.records(work::READINGS);
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }

    fn everything(&self) -> String {
        support::names_in(self.dir.path())
            .iter()
            .map(|name| fs::read_to_string(self.dir.path().join(name)).expect("text"))
            .collect()
    }
}

fn ended() -> Stop {
    let stop = Stop::default();
    stop.set();
    stop
}

/// Ends the observers also when a test fails, which would wait for them otherwise.
struct EndAtDrop<'a>(&'a Stop);

impl Drop for EndAtDrop<'_> {
    fn drop(&mut self) {
        self.0.set();
    }
}

fn access(address: SocketAddr) -> Access {
    Access { listening: vec![address], url: None, key_name: "LITELLM_MASTER_KEY".to_owned(), key: Some(Raw::new(KEY)) }
}

/// A process that was started with the folder in its environment, as LiteLLM's workers are.
struct Process {
    child: Child,
    id: ProcessId,
}

impl Process {
    fn with_files_in(dir: &Path) -> Self {
        let child = Command::new("sleep").arg("60").env("PROMETHEUS_MULTIPROC_DIR", dir).spawn().expect("sleep");
        let process = Procfs::default().process(child.id().cast_signed());
        // Until then it is a copy of this process.
        wait_for("its environment", || {
            let variables = process.environ().unwrap_or_default();
            variables.iter().any(|(name, _)| name.expose() == "PROMETHEUS_MULTIPROC_DIR").then_some(())
        });
        let id = process.id().expect("it runs");
        Self { child, id }
    }

    fn end(self) -> i32 {
        self.id.pid
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

/// One counter as `prometheus_client` writes it.
fn counter_file(dir: &Path, pid: i32, requests: f64) {
    let key = concat!(
        r#"["litellm_proxy_total_requests_metric", "litellm_proxy_total_requests_metric_total", "#,
        r#"{"hashed_api_key": "canary-key", "requested_model": "mock-gpt", "route": "/v1/x", "status_code": "200"}, "Total"]"#,
    );
    let mut bytes = [0; 8].to_vec();
    bytes.extend((key.len() as u32).to_ne_bytes());
    bytes.extend(key.as_bytes());
    bytes.extend(vec![b' '; 8 - (key.len() + 4) % 8]);
    bytes.extend(requests.to_ne_bytes());
    bytes.extend(0_f64.to_ne_bytes());
    let used = (bytes.len() as u32).to_ne_bytes();
    bytes[..4].copy_from_slice(&used);
    bytes.resize(1 << 16, 0);
    fs::write(dir.join(format!("counter_{pid}.db")), bytes).expect("a file");
}
