//! The watch's own Prometheus endpoint: what it says is true and readable, and no client holds it up.

mod support;

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use litellm_capture::{
    notice::Loudness,
    observe::exposition,
    plan::ResultForm,
    watch::{
        announcer::Announcer,
        endpoint::Endpoint,
        events::{CommandEnd, Event, Skip},
        metrics::Metrics,
    },
};
use support::wait_for;

const ANY_PORT: &str = "127.0.0.1:0";

fn endpoint(metrics: &Arc<Metrics>, deadline: Duration) -> Endpoint {
    let address = ANY_PORT.parse().expect("an address");
    Endpoint::with_deadline(address, Arc::clone(metrics), deadline).expect("a port")
}

fn announcer(metrics: &Arc<Metrics>) -> Announcer {
    let sinks = (Box::new(io::sink()) as Box<_>, Box::new(io::sink()) as Box<_>);
    Announcer::to(ResultForm::Json, Loudness::Normal, Arc::clone(metrics), sinks)
}

#[track_caller]
fn scrape(address: SocketAddr) -> String {
    let answer = told(address, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, page) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", page.len())), "{head}");
    exposition::read(page.as_bytes(), |_| {}).expect("Prometheus' text format");
    page.to_owned()
}

/// The value of a sample.
#[track_caller]
fn value(page: &str, sample: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is not in\n{page}")).parse().expect("a number")
}

/// What comes back for these bytes.
fn told(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    // It may have heard enough before the last byte.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("UTF-8")
}

#[test]
fn every_event_is_counted_by_the_one_call_that_announces_it() {
    let metrics = Arc::<Metrics>::default();
    let (endpoint, announcer) = (endpoint(&metrics, Duration::from_secs(10)), announcer(&metrics));
    let before = scrape(endpoint.address());
    for sample in
        ["capture_watch_captures_total", "capture_watch_watching", "capture_watch_last_trigger_timestamp_seconds"]
    {
        assert!(value(&before, sample).abs() < f64::EPSILON);
    }
    let at = |second: i64| Timestamp::from_second(1_795_478_400 + second).expect("a time");
    let failed = |again_in_seconds| Event::UploadFailed {
        path: "a.tar.gz".into(),
        host: "host".to_owned(),
        why: "it answered 500".to_owned(),
        attempts: 1,
        again_in_seconds,
    };
    let executed = |status| Event::Executed {
        path: "a.tar.gz".into(),
        status,
        end: CommandEnd::ByItself,
        seconds: 1.0,
        output: String::new(),
    };
    let events = [
        Event::Watching { supervisor: Some(7), workers: vec![42, 43], litellm_version: None, engine: None },
        Event::Trigger { reason: "CPU".to_owned(), condition: "cpu", value: 97.5, limit: 80.0, worker: Some(42) },
        Event::Capture {
            path: "a.tar.gz".into(),
            bytes: 548_210,
            seconds: 20.0,
            verdict: "CPU scales with traffic".to_owned(),
            exit_code: 0,
            peak: Some(97.5),
        },
        failed(Some(2)),
        failed(None),
        Event::Uploaded { path: "a.tar.gz".into(), host: "host".to_owned(), attempts: 2, bytes: 548_210 },
        executed(0),
        executed(1),
        executed(143),
        // The spike goes on, and is counted once.
        Event::Skip(Skip::new("cooldown", "too soon")),
        Event::Skip(Skip::new("cooldown", "too soon")),
        Event::Skip(Skip::new("disk", "no room")),
        Event::Skip(Skip::new("disk", "no room")),
        Event::Error { what: "x".to_owned(), cure: "y".to_owned() },
    ];
    for (second, event) in (0..).zip(&events) {
        announcer.announce_at(at(second), event);
    }
    let page = scrape(endpoint.address());
    for (sample, expected) in [
        ("capture_build_info{version=\"0.1.0\"}", 1.0),
        ("capture_watch_watching", 1.0),
        ("capture_watch_workers", 2.0),
        ("capture_watch_triggers_total", 3.0),
        ("capture_watch_captures_total", 1.0),
        ("capture_watch_skips_total{reason=\"cooldown\"}", 1.0),
        ("capture_watch_skips_total{reason=\"disk\"}", 1.0),
        ("capture_watch_errors_total", 1.0),
        ("capture_watch_uploads_total{outcome=\"retried\"}", 1.0),
        ("capture_watch_uploads_total{outcome=\"given_up\"}", 1.0),
        ("capture_watch_uploads_total{outcome=\"uploaded\"}", 1.0),
        ("capture_watch_commands_total{outcome=\"succeeded\"}", 1.0),
        ("capture_watch_commands_total{outcome=\"failed\"}", 2.0),
        ("capture_watch_last_trigger_timestamp_seconds", 1_795_478_412.0),
        ("capture_watch_last_capture_timestamp_seconds", 1_795_478_402.0),
        ("capture_watch_last_capture_bytes", 548_210.0),
    ] {
        assert!((value(&page, sample) - expected).abs() < f64::EPSILON, "{sample} {expected} is not in\n{page}");
    }
    announcer.announce(&Event::Waiting { why: "it went away".to_owned() });
    let page = scrape(endpoint.address());
    assert!(value(&page, "capture_watch_watching").abs() + value(&page, "capture_watch_workers").abs() < f64::EPSILON);
}

#[test]
fn every_metric_has_its_help_and_type_once_and_before_its_samples() {
    let metrics = Arc::<Metrics>::default();
    let page = scrape(endpoint(&metrics, Duration::from_secs(10)).address());
    let mut described = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let name = help.split(' ').next().expect("a name").to_owned();
            let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
            assert_eq!(lines.next(), Some(format!("# TYPE {name} {kind}").as_str()));
            assert!(!described.contains(&name), "{name}");
            described.push(name);
        } else {
            let name = line.split(['{', ' ']).next().expect("a name");
            assert_eq!(described.last().map(String::as_str), Some(name));
        }
    }
    assert_eq!(described.len(), 14, "{described:?}");
}

#[test]
fn it_tells_what_this_program_costs() {
    let metrics = Arc::<Metrics>::default();
    let endpoint = endpoint(&metrics, Duration::from_secs(10));
    let page = scrape(endpoint.address());
    assert!((1e6..1e10).contains(&value(&page, "process_resident_memory_bytes")), "{page}");
    let before = value(&page, "process_cpu_seconds_total");
    wait_for("CPU time", || (value(&scrape(endpoint.address()), "process_cpu_seconds_total") > before).then_some(()));
}

#[test]
fn anything_else_is_not_found() {
    let endpoint = endpoint(&Arc::default(), Duration::from_secs(10));
    for (request, status) in [
        ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"),
        ("GET /metrics?name=x HTTP/1.0\r\n\r\n", "200 OK"),
        ("GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("GET /metrics/ HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("GET /../metrics HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("HEAD /metrics HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "404 Not Found"),
        ("GET /metrics\r\n\r\n", "404 Not Found"),
        ("GET /metrics HTTP/1.1 x\r\n\r\n", "404 Not Found"),
        ("\r\n\r\n", "404 Not Found"),
        ("\u{0}\u{1f}\u{ff}\r\n\r\n", "404 Not Found"),
    ] {
        let answer = told(endpoint.address(), request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {answer}");
    }
    let answer = told(endpoint.address(), b"GET /metrics HTTP/1.1\r\n\r\n");
    assert!(answer.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
}

#[test]
fn a_request_without_an_end_is_cut_off() {
    let endpoint = endpoint(&Arc::default(), Duration::from_secs(10));
    let answer = told(endpoint.address(), &[b'x'; 9_000]);
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[test]
fn a_client_that_says_nothing_is_sent_away_at_its_deadline() {
    let endpoint = endpoint(&Arc::default(), Duration::from_millis(200));
    let began = Instant::now();
    let answer = told(endpoint.address(), b"GET /metrics HTT");
    assert_eq!(answer, "");
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
}

#[test]
fn a_crowd_that_says_nothing_holds_nobody_up() {
    let metrics = Arc::<Metrics>::default();
    let endpoint = endpoint(&metrics, Duration::from_mins(5));
    let crowd: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(endpoint.address()).expect("it listens")).collect();
    scrape(endpoint.address());
    // The last of them are still served, the first had to go.
    let mut first = &crowd[0];
    assert_eq!(first.read(&mut [0]).ok().filter(|length| *length > 0), None);
    let mut last = &crowd[199];
    last.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").expect("it is connected");
    let mut answer = String::new();
    last.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn an_address_in_use_is_refused_with_the_next_step() {
    let taken = endpoint(&Arc::default(), Duration::from_secs(10));
    let failure = Endpoint::listen(taken.address(), Arc::default()).expect_err("it is taken");
    assert_eq!(
        (failure.to_string(), failure.cure().as_deref(), failure.exit_code()),
        (
            format!("--metrics-listen {}: Address already in use (os error 98)", taken.address()),
            Some("choose another port, or end what listens there"),
            2
        )
    );
}

#[test]
fn when_it_is_dropped_nobody_listens_any_more() {
    let endpoint = endpoint(&Arc::default(), Duration::from_mins(5));
    let address = endpoint.address();
    let mut client = TcpStream::connect(address).expect("it listens");
    drop(endpoint);
    assert_eq!(client.read(&mut [0]).ok().filter(|length| *length > 0), None);
}
