//! The messages that may be shown, as a table of templates, and the names of exceptions that may.
//!
//! A template is written out in full, so that what a shown message consists of is this file's text: only what its holes
//! take comes from the log. `{n}` takes a number and `{span}` Python's `timedelta`, `{model}` a model's name, `{job}` a
//! job's, up to its schedule; `{…}` takes anything and shows nothing of it.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use crate::logs::Kind;

/// In place of what is not shown.
pub const WITHHELD: &str = "[…]";

/// What each kind of hole takes. Groups within do not capture.
const HOLES: &[(&str, &str)] = &[
    ("{n}", r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?"),
    ("{span}", r"(?:[0-9]{1,6} days?, )?[0-9]{1,4}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"),
    ("{model}", r"[A-Za-z][A-Za-z0-9_./:-]*"),
    ("{job}", r#"[A-Za-z_<][^"]*"#),
    ("{…}", r".*?"),
];

/// Messages, from the sources of uvicorn, gunicorn, granian, `APScheduler`, Python and LiteLLM, and those seen in their
/// logs. Those that mean something for a spike have a kind.
const MESSAGES: &[(&str, Option<Kind>)] = &[
    // APScheduler
    (r#"Run time of job "{job}" was missed by {span}"#, Some(Kind::JobMissed)),
    (
        r#"Execution of job "{job}" skipped: maximum number of running instances reached ({n})"#,
        Some(Kind::JobOverlapped),
    ),
    (r#"Job "{job}" raised an exception"#, None),
    ("Scheduler started", None),
    ("Scheduler has been shut down", None),
    // uvicorn
    ("Started server process [{n}]", Some(Kind::WorkerStarted)),
    ("Child process [{n}] died", Some(Kind::WorkerDied)),
    ("Child process [{n}] failed to start, stopping the parent process.", Some(Kind::WorkerDied)),
    ("Started parent process [{n}]", None),
    ("Stopping parent process [{n}]", None),
    ("Waiting for child process [{n}]", None),
    ("Terminated child process [{n}]", None),
    ("Finished server process [{n}]", None),
    ("Waiting for application startup.", None),
    ("Application startup complete.", None),
    ("Application startup failed. Exiting.", None),
    ("Waiting for application shutdown.", None),
    ("Application shutdown complete.", None),
    ("Application shutdown failed. Exiting.", None),
    ("ASGI 'lifespan' protocol appears unsupported.", None),
    ("Shutting down", None),
    ("Received SIGTERM, exiting.", None),
    ("Received SIGINT, exiting.", None),
    ("Waiting for connections to close. (CTRL+C to force quit)", None),
    ("Waiting for background tasks to complete. (CTRL+C to force quit)", None),
    ("Maximum request limit of {n} exceeded. Terminating process.", None),
    ("Exceeded concurrency limit.", None),
    ("Invalid HTTP request received.", None),
    ("Exception in ASGI application", None),
    ("Exception in callback {…}", None),
    ("Uvicorn running on {…}", None),
    ("Unsupported upgrade request.", None),
    ("Cancel {n} running task(s), timeout graceful shutdown exceeded", None),
    // gunicorn
    ("WORKER TIMEOUT (pid:{n})", Some(Kind::WorkerDied)),
    ("Worker (pid:{n}) was sent SIGKILL! Perhaps out of memory?", Some(Kind::WorkerDied)),
    ("Worker (pid:{n}) was sent {…}", Some(Kind::WorkerDied)),
    ("Worker (pid:{n}) exited with code {n}", Some(Kind::WorkerDied)),
    ("Worker (pid:{n}) exited with code {n}.", Some(Kind::WorkerDied)),
    ("Worker failed to boot.", Some(Kind::WorkerDied)),
    ("Booting worker with pid: {n}", None),
    ("Worker exiting (pid: {n})", None),
    ("Starting gunicorn {…}", None),
    ("Listening at: {…}", None),
    ("Using worker: {…}", None),
    ("Handling signal: {…}", None),
    ("Shutting down: Master", None),
    ("Shutting down: Master {…}", None),
    ("Autorestarting worker after current request.", None),
    ("Error while closing socket {…}", None),
    // granian
    ("Unexpected exit from worker-{n}", Some(Kind::WorkerDied)),
    ("Worker crash loop detected, exiting", Some(Kind::WorkerDied)),
    ("Killing worker-{n} after it refused to gracefully stop", Some(Kind::WorkerDied)),
    ("Started worker-{n}", Some(Kind::WorkerStarted)),
    ("Started worker-{n} runtime-{n}", Some(Kind::WorkerStarted)),
    ("Spawning worker-{n} with PID: {n}", None),
    ("Respawning worker-{n}", None),
    ("Stopping worker-{n}", None),
    ("Stopping worker-{n} runtime-{n}", None),
    ("Stopped worker-{n}", None),
    ("Stopping old worker-{n}", None),
    ("Stopped old worker-{n}", None),
    ("worker-{n} lifetime expired, gracefully respawning..", None),
    ("Starting granian (main PID: {n})", None),
    ("Shutting down granian", None),
    ("Granian shutdown completed, see ya!", None),
    ("Application callable raised an exception", None),
    // LiteLLM
    ("LoggingWorker queue is full", Some(Kind::QueueFull)),
    ("Auto-router baseline observation queue is full", Some(Kind::QueueFull)),
    ("{…}queue is full{…}", Some(Kind::QueueFull)),
    ("{…}queue full{…}", Some(Kind::QueueFull)),
    ("graceful_shutdown_started in_flight_requests={n}", None),
    ("graceful_shutdown_complete drained_requests={n} elapsed_s={n}", None),
    ("Shutting down LiteLLM Proxy Server", None),
    ("LiteLLM: Proxy initialized with Config, Set models:", None),
    ("LiteLLM: Auto-created PROMETHEUS_MULTIPROC_DIR={…}", None),
    ("LiteLLM completion() model= {model}; provider = {model}", None),
    ("litellm.completion(model={model}) {n} OK", None),
    ("litellm.acompletion(model={model}) {n} OK", None),
    ("litellm.aembedding(model={model}) {n} OK", None),
    ("litellm.atext_completion(model={model}) {n} OK", None),
    ("ageneric_api_call_with_fallbacks(model={model}) {n} OK", None),
    ("litellm.acompletion(model={…}) Exception {…}", None),
    ("litellm.aembedding(model={…}) Exception {…}", None),
    ("Routing strategy: {model}", None),
    ("Trying to fallback b/w models", None),
    ("SESSION REUSE: Attached shared aiohttp session to request {…}", None),
    ("SESSION REUSE: Closed shared aiohttp session", None),
    ("SESSION REUSE: Created shared aiohttp session {…}", None),
    ("Running {n} workers but Redis is not configured. {…}", None),
    ("trusted_proxy_ranges is not set or not a valid list of ranges, {…}", None),
    ("Exception occured - No connected db.", None),
    ("Exception occured - {…}", None),
    ("Exception occurred - {…}", None),
    ("Exception: Database not connected. {…}", None),
    ("Database not connected. {…}", None),
    ("Error in log_success_event: {…}", None),
    ("LiteLLM.LoggingError: [Non-Blocking] Exception occurred while {…}", None),
    ("LoggingWorker error: {…}", None),
    ("Model list not initialized", None),
    (
        "LiteLLM: model group {…} failed with the error above. No fallback was attempted. LiteLLM Retried: {n} times, LiteLLM Max Retries: {n}",
        None,
    ),
    ("LiteLLM: model group {…} failed with the error above. {…}", None),
    // What exceptions say.
    ("Connection error.", None),
    ("{…}Connection error.", None),
    ("Cannot connect to host {…}", None),
    ("[Errno {n}] Connect call failed {…}", None),
    ("[Errno {n}] Connection refused", None),
    ("[Errno {n}] Connection reset by peer", None),
    ("[Errno {n}] Broken pipe", None),
    ("[Errno {n}] Too many open files{…}", None),
    ("[Errno {n}] Cannot allocate memory", None),
    ("[Errno {n}] No space left on device{…}", None),
    ("[Errno {n}] {…}", None),
    ("No module named {…}", None),
    ("Server disconnected without sending a response.", None),
    ("Server disconnected", None),
    ("Request timed out.", None),
    ("No api key passed in.", None),
    ("{…}this is a mock rate limit error", None),
    ("Event loop is closed", None),
    ("dictionary changed size during iteration", None),
    ("maximum recursion depth exceeded{…}", None),
    ("Timeout reading from {…}", None),
    ("Error {n} connecting to {…}", None),
    ("Too many connections", None),
];

/// Names of exceptions that are shown where they stand within a message: Python's, LiteLLM's and those of what it is
/// built on. Beyond these a word that looks like one could be anybody's.
const EXCEPTIONS: &[&str] = &[
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AssertionError",
    "AttributeError",
    "AuthenticationError",
    "BadGatewayError",
    "BadRequestError",
    "BlockedPiiEntityError",
    "BudgetExceededError",
    "CancelledError",
    "ClientConnectorError",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "ContentPolicyViolationError",
    "ContextWindowExceededError",
    "GuardrailRaisedException",
    "HTTPException",
    "HTTPStatusError",
    "ImageFetchError",
    "ImportError",
    "IndexError",
    "InternalServerError",
    "InvalidRequestError",
    "JSONDecodeError",
    "JSONSchemaValidationError",
    "KeyError",
    "MemoryError",
    "MidStreamFallbackError",
    "ModelNotMappedError",
    "ModuleNotFoundError",
    "NotFoundError",
    "NotImplementedError",
    "OSError",
    "OpenAIError",
    "PermissionDeniedError",
    "PoolTimeout",
    "ProxyException",
    "QueueFull",
    "RateLimitError",
    "ReadTimeout",
    "RecursionError",
    "RejectedRequestError",
    "RemoteProtocolError",
    "RuntimeError",
    "ServerDisconnectedError",
    "ServiceUnavailableError",
    "TimeoutError",
    "TypeError",
    "UnicodeDecodeError",
    "UnprocessableEntityError",
    "UnsupportedParamsError",
    "ValidationError",
    "ValueError",
    "WriteTimeout",
    "ZeroDivisionError",
];

/// So many names of exceptions are shown of one message.
const MOST_NAMES: usize = 4;

/// A message as it may be shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// The template with what its holes took.
    pub text: String,
    /// Parts that are not shown.
    pub withheld: u64,
    /// What the message means for a spike.
    pub kind: Option<Kind>,
    /// The job it is about.
    pub job: Option<String>,
    /// The delay that it tells, in seconds.
    pub seconds: Option<f64>,
    /// Whether it begins with words of ours, so that it can be told from any text that holds them.
    pub anchored: bool,
}

struct Template {
    pattern: Regex,
    /// Our own text and holes, in turn; a text first.
    texts: Vec<&'static str>,
    holes: Vec<&'static str>,
    kind: Option<Kind>,
}

/// The message by the first template that fits it.
pub fn message(text: &str) -> Option<Known> {
    static TABLE: LazyLock<(RegexSet, Vec<Template>)> = LazyLock::new(compile);
    let (any, templates) = &*TABLE;
    let first = any.matches(text).into_iter().next()?;
    let template = &templates[first];
    let found = template.pattern.captures(text)?;
    let anchored = !template.texts[0].is_empty();
    let mut known = Known { kind: template.kind, anchored, ..Known::default() };
    for (number, text) in template.texts.iter().enumerate() {
        known.text += text;
        let (Some(hole), Some(value)) = (template.holes.get(number), found.get(number + 1)) else { continue };
        let value = value.as_str();
        match *hole {
            "{…}" if value.is_empty() => {}
            "{…}" => {
                known.text += WITHHELD;
                known.withheld += 1;
            }
            "{job}" => {
                let end =
                    value.find(|c: char| !(c.is_ascii_alphanumeric() || "_.<>".contains(c))).unwrap_or(value.len());
                known.text += &value[..end];
                known.job = Some(value[..end].to_owned());
            }
            "{span}" => {
                known.text += value;
                known.seconds = seconds(value);
            }
            _ => known.text += value,
        }
    }
    Some(known)
}

/// Known names of exceptions within a text, each once, in the order in which they come.
pub fn exceptions(text: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
        let known = EXCEPTIONS.binary_search(&word).ok().map(|at| EXCEPTIONS[at]);
        if let Some(name) = known.filter(|name| !names.contains(name)) {
            names.push(name);
        }
        if names.len() == MOST_NAMES {
            break;
        }
    }
    names
}

fn compile() -> (RegexSet, Vec<Template>) {
    let templates: Vec<Template> = MESSAGES.iter().map(|(text, kind)| template(text, *kind)).collect();
    let sources = templates.iter().map(|template| template.pattern.as_str());
    (RegexSet::new(sources).expect("the table is tested"), templates)
}

fn template(mut rest: &'static str, kind: Option<Kind>) -> Template {
    let (mut texts, mut holes, mut pattern) = (Vec::new(), Vec::new(), "^".to_owned());
    let next = |text: &str| HOLES.iter().filter_map(|hole| Some((text.find(hole.0)?, hole))).min_by_key(|(at, _)| *at);
    while let Some((at, (hole, takes))) = next(rest) {
        texts.push(&rest[..at]);
        holes.push(*hole);
        let _ = write!(pattern, "{}({takes})", regex::escape(&rest[..at]));
        rest = &rest[at + hole.len()..];
    }
    texts.push(rest);
    let _ = write!(pattern, "{}$", regex::escape(rest));
    Template { pattern: Regex::new(&pattern).expect("the table is tested"), texts, holes, kind }
}

/// Python's way of writing a `timedelta`: `1 day, 0:00:09.123456`.
fn seconds(span: &str) -> Option<f64> {
    let (days, clock) = span.rsplit_once(' ').unwrap_or(("0", span));
    let days: f64 = days.split(' ').next()?.parse().ok()?;
    let in_day = clock.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))?;
    Some(days * 86_400.0 + in_day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_template_fits_a_message_made_of_it_and_shows_nothing_of_its_open_holes() {
        for (template, _) in MESSAGES {
            let text = template
                .replace("{n}", "12")
                .replace("{span}", "1 day, 0:00:09.5")
                .replace("{model}", "openai/gpt")
                .replace("{job}", "Class.job (trigger: hunter2)")
                .replace("{…}", "hunter2");
            let known = message(&text).unwrap_or_else(|| panic!("{text}"));
            assert!(!known.text.contains("hunter2"), "{template}: {}", known.text);
        }
    }

    #[test]
    fn a_missed_job_tells_its_name_and_delay() {
        let text = r#"Run time of job "ProxyConfig.add_deployment (trigger: interval[0:00:30], next run at: 2026-11-24 05:58:48 UTC)" was missed by 0:00:09.250000"#;
        let known = message(text).unwrap();
        assert_eq!(known.text, r#"Run time of job "ProxyConfig.add_deployment" was missed by 0:00:09.250000"#);
        assert_eq!((known.kind, known.job.as_deref()), (Some(Kind::JobMissed), Some("ProxyConfig.add_deployment")));
        assert_eq!(known.seconds, Some(9.25));
    }

    #[test]
    fn spans_are_seconds() {
        for (span, expected) in [("0:00:09", 9.0), ("1:01:01.5", 3661.5), ("2 days, 0:00:01", 172_801.0)] {
            assert_eq!(seconds(span), Some(expected), "{span}");
        }
    }

    #[test]
    fn names_of_exceptions_are_sorted_and_found() {
        assert!(EXCEPTIONS.is_sorted());
        let text = "litellm.RateLimitError: HunterError, OpenAIException - RateLimitError (KeyError)";
        assert_eq!(exceptions(text), ["RateLimitError", "KeyError"]);
    }

    proptest! {
        #[test]
        fn what_is_shown_of_any_message_is_ours(text in "(Exception occured - |Cannot connect to host |queue full|[a-z \"':{}]{0,20}){0,3}zq7[a-z ]{0,5}") {
            if let Some(known) = message(&text) {
                prop_assert!(!known.text.contains("zq7"), "{}", known.text);
            }
        }
    }
}
