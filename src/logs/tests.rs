//! The room as a whole: what is planted in a log comes out nowhere, and what a reader needs stays.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::stretch::{Part, Piece};
use super::*;
use crate::discover::{Member, Proxy, Role, Scope};
use crate::observe::Epoch;
use crate::os::proc::{ProcessId, Procfs};
use crate::redact::{Clean, Raw, Redactor, Sources};
use crate::workload::When;

const SECRET: &str = "correct horse/battery.py";

fn redactor() -> Redactor {
    let vars = [(Raw::new("SOME_SECRET"), Raw::new(SECRET))];
    Redactor::new(&Sources { environs: vec![&vars], ..Sources::default() })
}

fn stretch(text: &str) -> Stretch {
    Stretch(vec![Part { title: "stdout".to_owned(), pieces: vec![Piece::Text(Raw::new(text))] }])
}

fn logged(text: &str) -> (String, Logged, Redactor) {
    let mut redactor = redactor();
    let gathered = Gathered { during: stretch(text), ..Gathered::default() };
    let logged = Digest::default().finish(gathered, &mut redactor);
    (logged.during.as_ref().map(Clean::to_string).unwrap_or_default(), logged, redactor)
}

fn clean(text: &str) -> String {
    logged(text).0
}

fn found(logged: &Logged) -> Vec<(Kind, &str, u64)> {
    let about = |finding: &Finding<Clean>| finding.about.clone().map_or_else(String::new, |about| about.to_string());
    logged.findings.iter().map(|f| (f.kind, &*about(f).leak(), f.during)).collect()
}

const TRACEBACK: &str = r#"11:17:10 - LiteLLM Proxy:ERROR: common_request_processing.py:1687 - litellm.proxy.proxy_server._handle_llm_api_exception(): Exception occured - litellm_call_id=160d3844-19e6-44c0-8eaf-b9660f59d85d - litellm.InternalServerError: OpenAIException - the prompt was zq7

LiteLLM: model group 'zq7' failed with the error above. No fallback was attempted. LiteLLM Retried: 2 times, LiteLLM Max Retries: 2
Traceback (most recent call last):
  File "/home/zq7/venv/lib/python3.11/site-packages/aiohttp/connector.py", line 1322, in _wrap_create_connection
    sock = await start("zq7")
           ^^^^^^^^^^^^^^^^^^
  File "uvloop/loop.pyx", line 2644, in sock_connect
ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 9)

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/home/zq7/custom_callbacks.py", line 14, in expensive
    raise Oops("zq7")
                      ... (litellm_truncated skipped 4958 chars. zq7) ...lm/utils.py", line 2112, in wrapper_async
    raise e
litellm.exceptions.InternalServerError: {"error": "zq7"}
and zq7 on a second line
Messages: `[{'role': 'user', 'content': 'zq7'}]`
INFO:     127.0.0.1:56572 - "POST /v1/chat/completions?key=zq7 HTTP/1.1" 500 Internal Server Error
"#;

#[test]
fn a_traceback_keeps_its_frames_and_types_and_no_word_of_its_messages() {
    let (text, logged, redactor) = logged(TRACEBACK);
    assert_eq!(
        text,
        r#"11:17:10 - LiteLLM Proxy:ERROR: common_request_processing.py:1687 - litellm.proxy.proxy_server._handle_llm_api_exception(): Exception occured - […] (InternalServerError)
LiteLLM: model group […] failed with the error above. No fallback was attempted. LiteLLM Retried: 2 times, LiteLLM Max Retries: 2
Traceback (most recent call last):
  File "aiohttp/connector.py", line 1322, in _wrap_create_connection
  File "loop.pyx", line 2644, in sock_connect
ConnectionRefusedError: [Errno 111] Connect call failed […]
The above exception was the direct cause of the following exception:
Traceback (most recent call last):
  File "custom_callbacks.py", line 14, in expensive
  [4958 characters cut by LiteLLM]
litellm.exceptions.InternalServerError: […]
[2 lines withheld: not of a known form]
INFO:     [client] - "POST /v1/chat/completions?[…]" 500
"#
    );
    assert_eq!(found(&logged), [(Kind::Traceback, "litellm.exceptions.InternalServerError", 1)]);
    let counted = redactor.report();
    let count = |rule: &str| counted.removed.iter().find(|removed| removed.rule == rule).map(|removed| removed.count);
    assert_eq!((count("log-line"), count("client-address"), count("query-string")), (Some(2), Some(1), Some(1)));
    assert_eq!(count("source-line"), Some(4));
}

#[test]
fn the_same_in_json_becomes_the_same_text() {
    let line = json!({"message": "litellm.proxy.x._handle(): Exception occured - zq7\nRequester IP Address:10.1.2.3", "level": "ERROR",
        "timestamp": "2026-11-24T11:17:45.305606", "requester_ip": "10.1.2.3", "component": "LiteLLM Proxy", "logger": "utils.py:8722",
        "stacktrace": "Traceback (most recent call last):\n  File \"/a/site-packages/litellm/utils.py\", line 5, in f\n    zq7()\nValueError: zq7\n"});
    let access = json!({"message": "127.0.0.1:5 - \"GET /v1/models HTTP/1.1\" 200", "level": "INFO",
        "timestamp": "2026-11-24T11:17:46", "component": "uvicorn.access", "logger": "h11_impl.py:477"});
    let (text, logged, _) = logged(&format!("{line}\n{access}\n"));
    assert_eq!(
        text,
        r#"2026-11-24T11:17:45.305606 - LiteLLM Proxy:ERROR: utils.py:8722 - litellm.proxy.x._handle(): Exception occured - […]
[1 line withheld: not of a known form]
Traceback (most recent call last):
  File "litellm/utils.py", line 5, in f
ValueError: […]
2026-11-24T11:17:46 - uvicorn.access:INFO: h11_impl.py:477 - [client] - "GET /v1/models" 200
"#
    );
    assert_eq!(found(&logged), [(Kind::Traceback, "ValueError", 1)]);
}

#[test]
fn debug_shows_beginnings_alone() {
    let text = clean(
        "11:18:50 - LiteLLM Proxy:DEBUG: http.py:2516 - Request received by LiteLLM: zq7\n\
         {\"model\": \"zq7\", \"messages\": []}\n\
         Traceback (most recent call last):\n  File \"/zq7.py\", line 1, in zq7\nZq7Error: zq7\nScheduler started\n\
         11:18:51 - LiteLLM:INFO: utils.py:4706 - \nLiteLLM completion() model= gpt-4o-mini; provider = openai\n",
    );
    assert_eq!(
        text,
        "11:18:50 - LiteLLM Proxy:DEBUG: http.py:2516 - […]\n[5 lines withheld: not of a known form]\n\
         11:18:51 - LiteLLM:INFO: utils.py:4706 -\nLiteLLM completion() model= gpt-4o-mini; provider = openai\n"
    );
}

#[test]
fn lines_that_matter_for_a_spike_are_found() {
    let text = r#"Run time of job "ProxyConfig.add_deployment (trigger: interval[0:00:30], next run at: zq7)" was missed by 0:00:09.250000
Run time of job "ProxyConfig.add_deployment (trigger: interval[0:00:30], next run at: zq7)" was missed by 0:00:02
Execution of job "update_spend (trigger: x)" skipped: maximum number of running instances reached (1)
INFO:     Child process [10133] died
INFO:     Started server process [10135]
[2026-11-24 05:58:48 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:8)
[ERROR] Unexpected exit from worker-1
11:17:10 - LiteLLM:ERROR: logging_worker.py:285 - LoggingWorker queue is full
11:17:11 - LiteLLM:ERROR: a.py:1 - zq7
11:17:11 - LiteLLM:ERROR: a.py:1 - zq7
11:17:11 - LiteLLM:WARNING: a.py:2 - zq7
a user wrote: the queue is full, zq7
"#;
    let (_, logged, _) = logged(text);
    assert_eq!(
        found(&logged),
        [
            (Kind::JobMissed, "ProxyConfig.add_deployment, by up to 9.2 s", 2),
            (Kind::JobOverlapped, "update_spend", 1),
            (Kind::WorkerDied, "", 3),
            (Kind::WorkerStarted, "", 1),
            (Kind::QueueFull, "", 1),
            (Kind::Error, "a.py:1", 2),
        ]
    );
    assert_eq!(logged.findings[5].example.as_str(), "11:17:11 - LiteLLM:ERROR: a.py:1 - […]");
}

#[test]
fn long_lines_tell_how_much_was_cut() {
    let long = "x".repeat(3_000_000);
    let text = clean(&format!("11:17:11 - LiteLLM:ERROR: a.py:1 - {long}\nException occured - {long}\n{long}\n"));
    assert_eq!(
        text,
        "11:17:11 - LiteLLM:ERROR: a.py:1 - […]… [2,998,035 characters cut]\n\
         Exception occured - […]… [2,998,020 characters cut]\n[1 line withheld: not of a known form]\n"
    );
}

#[test]
fn secrets_leave_no_trace_wherever_they_stand() {
    let key = "sk-planted0123456789abcdef";
    let coloured = "sk-plan\x1b[31mted0123\x1b[0m456789abcdef";
    let inner = json!({"api_key": key, "note": SECRET}).to_string();
    let log = [
        TRACEBACK.replace("zq7", SECRET),
        TRACEBACK.replace("zq7", key),
        format!("ERROR:    {coloured} and {SECRET}\n\x1b[1;31m{coloured}\x1b[0m\n"),
        format!("INFO:     1.2.3.4:5 - \"GET /{key}/x?{SECRET} HTTP/1.1\" 200 OK\n"),
        format!("{}\n", json!({"message": inner, "level": "ERROR", "timestamp": "2026-11-24T11:17:46", "component": key, "logger": SECRET, "stacktrace": TRACEBACK.replace("zq7", SECRET)})),
        format!("  File \"/x/{SECRET}\", line 1, in f\n  File \"/site-packages/{key}.py\", line 1, in f\n"),
        format!("LiteLLM completion() model= {key}; provider = openai\n"),
        format!("Run time of job \"{key} (x)\" was missed by 0:00:09\n"),
        format!("{}\n", json!({"log": format!("INFO:     {key}\n"), "stream": "stdout", "time": "2026-11-24T11:17:46Z"})),
        "reach jane.doe@example.com at 10.20.30.40 or fe80::1ff:fe23:4567:890a\n".to_owned(),
    ]
    .concat();
    let (text, logged, redactor) = logged(&log);
    let findings = serde_json::to_string(&(&logged.findings, &logged.shapes, &logged.tallies)).unwrap();
    for out in [&text, &findings] {
        for gone in [key, "planted", SECRET, "horse", "battery", "jane", "10.20.30.40", "1.2.3.4", "fe80", "127.0.0.1"]
        {
            assert!(!out.contains(gone), "{gone} is in {out}");
        }
        assert_eq!(redactor.gate().scan(out.as_bytes()), None);
    }
}

fn proxy(procfs_root: &Path, pid: i32, stdout: &Path, stderr: &Path) -> Proxy {
    let dir = procfs_root.join(format!("{pid}/fd"));
    fs::create_dir_all(&dir).unwrap();
    symlink(stdout, dir.join("1")).unwrap();
    symlink(stderr, dir.join("2")).unwrap();
    let task = procfs_root.join(format!("{pid}/task/{pid}"));
    fs::create_dir_all(&task).unwrap();
    fs::write(task.join("status"), "NSpid:\t9999\t7\n").unwrap();
    let id = ProcessId { pid, start_ticks: 1 };
    let member = Member { id, parent_pid: 1, role: Role::Worker, why: String::new() };
    Proxy { members: vec![member], looks_like_litellm: true, scope: Scope::Whole }
}

fn append(path: &Path, text: &str) {
    File::options().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

const REQUEST: &str = "INFO:     1.2.3.4:5 - \"POST /v1/chat/completions HTTP/1.1\" 200 OK\n";
const FAILED: &str = "INFO:     1.2.3.4:5 - \"POST /v1/chat/completions HTTP/1.1\" 429 Too Many Requests\n";

#[test]
fn the_log_behind_stdout_is_followed_and_counted_over_the_proxys_life() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    append(&log, &format!("INFO:     Started server process [7]\n{REQUEST}{REQUEST}{FAILED}"));
    let proxy = proxy(dir.path(), 41, &log, &log);
    let mut watch = LogWatch::open(&Procfs::at(dir.path()), &proxy, &LogSource::Found, Epoch::now());
    assert_eq!(watch.gaps(), []);
    let (mut digest, mut redactor) = (Digest::default(), redactor());
    let before = digest.before(watch.before(), &mut redactor).unwrap();
    assert_eq!(before.as_str().lines().count(), 4);

    watch.tick(0);
    append(&log, &format!("{REQUEST}{FAILED}INFO:     1.2.3.4:5 - \"GET /health/liveliness HTTP/1.1\" 200 OK\n"));
    fs::remove_file(&log).unwrap();
    watch.tick(1);
    let logged = digest.finish(watch.finish(), &mut redactor);

    assert_eq!(logged.during.unwrap().as_str().lines().count(), 3);
    let sums: Vec<f64> =
        logged.tallies.iter().map(|tally| tally.counts.iter().map(|count| count.requests).sum()).collect();
    assert_eq!(sums, [3.0, 5.0, 5.0], "all since the proxy began");
    let row: Vec<_> = logged.readings[0].values.iter().map(|(_, value)| value.unwrap()).collect();
    assert_eq!((logged.readings[0].at_us, row), (1, vec![2.0, 1.0]));
    let shapes: Vec<_> =
        logged.shapes.iter().map(|shape| (shape.when, shape.status.unwrap(), shape.requests)).collect();
    assert_eq!(
        shapes,
        [(When::Before, 200, 2.0), (When::Before, 429, 1.0), (When::During, 200, 1.0), (When::During, 429, 1.0)]
    );
    assert_eq!(logged.findings[0].before, 1, "the server's start");
    assert_eq!(logged.gaps, []);
}

#[test]
fn a_log_that_is_no_file_is_a_gap_with_its_cure() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let proxy = proxy(dir.path(), 41, &fifo, Path::new("/dev/null"));
    let watch = LogWatch::open(&Procfs::at(dir.path()), &proxy, &LogSource::Found, Epoch::now());
    let gap = &watch.gaps()[0];
    assert_eq!((gap.what.as_str(), gap.why.as_str()), ("the logs", "stdout is a pipe, stderr is /dev/null"));
    assert!(gap.cure.contains("--log FILE") && gap.cure.contains("kubectl logs"));
    let logged = Digest::default().finish(watch.finish(), &mut redactor());
    assert!(logged.during.is_none() && logged.tallies.is_empty() && logged.readings.is_empty());

    let missing = LogSource::File(dir.path().join("none"));
    let watch = LogWatch::open(&Procfs::at(dir.path()), &proxy, &missing, Epoch::now());
    assert_eq!(watch.gaps()[0].weight, crate::collect::Weight::Partial, "a file that was asked for by name");
}

#[test]
fn a_log_without_requests_says_nothing_of_traffic() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    append(&log, "[INFO] Starting granian (main PID: 7)\n");
    let proxy = proxy(dir.path(), 41, &log, &log);
    let watch = LogWatch::open(&Procfs::at(dir.path()), &proxy, &LogSource::Found, Epoch::now());
    let logged = Digest::default().finish(watch.finish(), &mut redactor());
    assert!(logged.tallies.is_empty() && logged.readings.is_empty());
    assert_eq!(logged.gaps[0].what, "requests by the access log");
}

/// A line as a log has it, with a word of somebody's in it.
fn line() -> impl Strategy<Value = String> {
    let heads = prop::sample::select(vec![
        "",
        "INFO:     ",
        "ERROR:    ",
        "11:17:11 - LiteLLM:ERROR: a.py:1 - ",
        "11:17:11 - LiteLLM:DEBUG: a.py:1 - ",
        "[2026-11-24 05:58:48 +0000] [7] [INFO] ",
        "Traceback (most recent call last):\n  File \"/a.py\", line 1, in f\n",
        "Exception occured - ",
        "litellm.exceptions.RateLimitError: ",
        "  File \"/a.py\", line 1, in f\n    ",
        "2026-11-24T05:59:47Z ",
        "LiteLLM: model group ",
        "{\"message\": \"",
        "{\"messages\": \"",
    ]);
    (heads, "[a-z ,.'\"{}:()-]{0,20}", "[a-z ,.'\"{}:()\n-]{0,30}")
        .prop_map(|(head, before, after)| format!("{head}{before} my zq7 words {after}\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_word_of_a_prompt_is_in_what_is_shown(lines in prop::collection::vec(line(), 1..8)) {
        let (text, logged, _) = logged(&lines.concat());
        let findings = serde_json::to_string(&logged.findings).unwrap();
        prop_assert!(!text.contains("zq7") && !findings.contains("zq7"), "{}\n{}", text, findings);
    }

    #[test]
    fn no_quoted_string_is_in_what_is_shown(quoted in "[a-zA-Z0-9 _./-]{1,20}", template in prop::sample::select(vec![
        "ERROR:    it said '{}'", "KeyError: '{}'", "11:17:11 - LiteLLM:WARNING: a.py:1 - got \"{}\" from it",
        "No module named '{}'", "Exception occured - {'error': '{}'}", "model group '{}' failed",
    ])) {
        let planted = format!("zq{quoted}qz");
        let text = clean(&format!("Traceback (most recent call last):\n  File \"/a.py\", line 1, in f\n{}\n", template.replace("{}", &planted)));
        prop_assert!(!text.contains(&planted), "{}", text);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        clean(Raw::from_bytes(&bytes).expose());
    }

    #[test]
    fn every_line_is_shown_counted_or_blank(lines in prop::collection::vec("[a-z]{0,10}", 0..30)) {
        let (text, _, redactor) = logged(&(lines.join("\n") + "\n"));
        let withheld = lines.iter().filter(|line| !line.is_empty()).count() as u64;
        let counted = redactor.report().removed.iter().filter(|removed| removed.rule == "log-line").map(|removed| removed.count).sum::<u64>();
        prop_assert_eq!(counted, withheld);
        prop_assert_eq!(text.lines().count(), usize::from(withheld > 0));
    }
}
