//! The reporter's own sample of requests (`--requests FILE`), reduced to shapes.
//!
//! The file holds JSON lines, a JSON array or a single value. A request is a body as `OpenAI`'s API takes it, by itself
//! or wrapped: `{"body": …}`, `{"request": …}`, a line of a batch file, or a browser's HAR with its entries. Of its
//! content only sizes and the names of known fields are taken. The content itself is kept when `--include-prompts` asks
//! for it by name, and then without secrets.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

use crate::redact::{Clean, Raw, Redactor};
use crate::workload::{Origin, Shape, When, route};

/// The bundle's file with the content, where it was asked for.
pub const CONTENT_FILE: &str = "workload/requests-from-reporter.jsonl";

/// The bundle's file with the shapes.
pub const SHAPES_FILE: &str = "workload/requests.jsonl";

/// A sample is read whole; what is larger is no sample.
const LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Fields besides model, messages and stream whose presence may cost CPU or change a request's way. Their names come
/// from the APIs' references; names that a client made up are not shown.
const FIELDS: &[&str] = &[
    "audio",
    "cache",
    "dimensions",
    "encoding_format",
    "fallbacks",
    "frequency_penalty",
    "function_call",
    "functions",
    "guardrails",
    "include",
    "instructions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "metadata",
    "mock_response",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "reasoning_effort",
    "response_format",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream_options",
    "system",
    "tags",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
    "web_search_options",
];

/// What makes an object a request: it has one of these.
const ESSENTIALS: [&str; 4] = ["model", "messages", "input", "prompt"];

/// A file of requests that cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("cannot use {}{}: {why}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct RequestsError {
    /// The file.
    pub path: PathBuf,
    /// Where in it, counted from one; none where it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong. Never what stands there.
    pub why: String,
}

impl RequestsError {
    /// What to do next.
    pub fn cure(&self) -> &'static str {
        "give one request a line, as JSON: {\"model\": \"…\", \"messages\": […]}, or a JSON array of such"
    }
}

/// The reporter's requests as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    requests: Vec<Value>,
}

impl Sample {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, RequestsError> {
        let fail = |line, why: String| RequestsError { path: path.to_owned(), line, why };
        let text = text(path).map_err(|error| fail(None, error.to_string()))?;
        let requests = parse(&text).map_err(|(line, why)| fail(line, why))?;
        Ok(Self { requests })
    }

    /// Requests that look alike as one, the most frequent first. Figures are averages over those that have them.
    pub fn shapes(&self, redactor: &mut Redactor) -> Vec<Shape<Clean>> {
        let mut groups: BTreeMap<Key, Sums> = BTreeMap::new();
        for request in self.requests.iter().map(Request::of) {
            let sums = groups.entry(request.key()).or_default();
            sums.add(&request);
        }
        let mut shapes: Vec<_> = groups.into_iter().map(|(key, sums)| shape(key, &sums)).collect();
        shapes.sort_by(|a, b| b.requests.total_cmp(&a.requests));
        let cleaned = shapes
            .into_iter()
            .map(|shape| shape.map(|text: &String| redactor.text(SHAPES_FILE, &Raw::new(text.as_str()))));
        cleaned.collect()
    }

    /// The requests with all they hold, one a line, without secrets: for a reporter who asked for it by name.
    pub fn content(&self, redactor: &mut Redactor) -> Clean {
        let lines: Vec<String> = self.requests.iter().map(Value::to_string).collect();
        redactor.text(CONTENT_FILE, &Raw::new(lines.join("\n") + "\n"))
    }
}

fn text(path: &Path) -> io::Result<String> {
    // Looked at before it is opened: a FIFO would wait for its writer.
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if about.len() > LIMIT_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 64 MB; a sample is enough"));
    }
    let mut text = String::new();
    File::open(path)?.take(LIMIT_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

type Fault = (Option<usize>, String);

fn parse(text: &str) -> Result<Vec<Value>, Fault> {
    let text = text.trim_start_matches('\u{feff}');
    let fault = |error: &serde_json::Error, before: usize| {
        (Some(before + error.line()), format!("this is not JSON: {}", kind(error)))
    };
    let whole = match serde_json::from_str::<Value>(text) {
        Ok(whole) => whole,
        Err(error) => {
            let lines = || text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let Some((_, first)) = lines().next() else { return Err((None, "it is empty".to_owned())) };
            if serde_json::from_str::<Value>(first).is_err() {
                return Err(fault(&error, 0));
            }
            let mut requests = Vec::new();
            for (number, line) in lines() {
                let value = serde_json::from_str(line).map_err(|error| fault(&error, number))?;
                requests.push(checked(value).map_err(|why| (Some(number + 1), why))?);
            }
            return Ok(requests);
        }
    };
    let values = match whole {
        Value::Array(values) => values,
        mut one => match one.pointer_mut("/log/entries").map(Value::take) {
            Some(Value::Array(entries)) => entries,
            _ => vec![one],
        },
    };
    if values.is_empty() {
        return Err((None, "it holds no request".to_owned()));
    }
    let each = values
        .into_iter()
        .enumerate()
        .map(|(number, value)| checked(value).map_err(|why| (None, format!("value {}: {why}", number + 1))));
    each.collect()
}

/// What is wrong with JSON, in words that hold nothing of it.
fn kind(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        _ => "its syntax is wrong",
    }
}

fn checked(value: Value) -> Result<Value, String> {
    let body = body(&value);
    if ESSENTIALS.iter().any(|field| body.get(field).is_some()) {
        return Ok(value);
    }
    Err(format!("this is no request: it has none of {}", ESSENTIALS.join(", ")))
}

/// The request's body, out of whatever wraps it.
fn body(value: &Value) -> std::borrow::Cow<'_, Value> {
    use std::borrow::Cow;
    let wraps = ["/body", "/request/body", "/request/postData/text", "/request"];
    let Some(inner) = wraps.iter().find_map(|pointer| value.pointer(pointer)) else { return Cow::Borrowed(value) };
    match inner {
        Value::String(text) => serde_json::from_str(text).map_or(Cow::Borrowed(value), Cow::Owned),
        inner => Cow::Borrowed(inner),
    }
}

/// What is taken of one request.
struct Request {
    route: Option<String>,
    model: Option<String>,
    stream: bool,
    status: Option<u16>,
    fields: Vec<String>,
    body_bytes: f64,
    messages: Option<f64>,
    prompt_tokens: Option<f64>,
    completion_tokens: Option<f64>,
    duration_seconds: Option<f64>,
}

impl Request {
    fn of(value: &Value) -> Self {
        let body = body(value);
        let first = |pointers: &[&str]| pointers.iter().find_map(|pointer| value.pointer(pointer));
        let figure = |pointers: &[&str]| first(pointers).and_then(Value::as_f64);
        let url = first(&["/request/url", "/url", "/path", "/route", "/endpoint"]).and_then(Value::as_str);
        let list = body.get("messages").or_else(|| body.get("input")).and_then(Value::as_array);
        let status = first(&["/response/status", "/response/status_code", "/status"]).and_then(Value::as_u64);
        let present = |field: &&&str| body.get(field).is_some_and(|value| !value.is_null());
        Self {
            route: url.map(route),
            model: body.get("model").and_then(Value::as_str).map(str::to_owned),
            stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
            status: status.and_then(|status| u16::try_from(status).ok()),
            fields: FIELDS.iter().filter(present).map(|field| (*field).to_owned()).collect(),
            body_bytes: body.to_string().len() as f64,
            messages: list.map(|list| list.len() as f64),
            prompt_tokens: figure(&["/usage/prompt_tokens", "/response/usage/prompt_tokens", "/prompt_tokens"]),
            completion_tokens: figure(&[
                "/usage/completion_tokens",
                "/response/usage/completion_tokens",
                "/completion_tokens",
            ]),
            // HAR counts milliseconds.
            duration_seconds: value.pointer("/request/postData").and(figure(&["/time"])).map(|ms| ms / 1e3),
        }
    }

    fn key(&self) -> Key {
        (self.route.clone(), self.model.clone(), self.stream, self.status, self.fields.clone())
    }
}

type Key = (Option<String>, Option<String>, bool, Option<u16>, Vec<String>);

#[derive(Default)]
struct Sums {
    requests: f64,
    body_bytes: Mean,
    messages: Mean,
    prompt_tokens: Mean,
    completion_tokens: Mean,
    duration_seconds: Mean,
}

impl Sums {
    fn add(&mut self, request: &Request) {
        self.requests += 1.0;
        self.body_bytes.add(Some(request.body_bytes));
        self.messages.add(request.messages);
        self.prompt_tokens.add(request.prompt_tokens);
        self.completion_tokens.add(request.completion_tokens);
        self.duration_seconds.add(request.duration_seconds);
    }
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1.0;
        }
    }

    fn value(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

fn shape((route, model, stream, status, fields): Key, sums: &Sums) -> Shape<String> {
    Shape {
        when: When::Unknown,
        from: Origin::Reporter,
        route,
        model,
        stream: Some(stream),
        status,
        prompt_tokens: sums.prompt_tokens.value(),
        completion_tokens: sums.completion_tokens.value(),
        body_bytes: sums.body_bytes.value(),
        messages: sums.messages.value(),
        duration_seconds: sums.duration_seconds.value(),
        requests: sums.requests,
        fields,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Sources;
    use proptest::prelude::*;
    use serde_json::json;

    fn redactor() -> Redactor {
        Redactor::new(&Sources::default())
    }

    fn shapes(text: &str) -> Vec<Shape<Clean>> {
        Sample { requests: parse(text).unwrap() }.shapes(&mut redactor())
    }

    #[test]
    fn alike_requests_are_one_shape_with_averages() {
        let lines = [
            json!({"model": "gpt", "messages": [{"role": "user", "content": "hello"}], "tools": [], "made_up": 1}),
            json!({"model": "gpt", "messages": [1, 2, 3], "tools": [], "stream": false}),
            json!({"model": "gpt", "input": "text", "stream": true}),
        ];
        let shapes = shapes(&lines.each_ref().map(Value::to_string).join("\n\n"));
        assert_eq!(shapes.len(), 2);
        assert_eq!((shapes[0].requests, shapes[0].messages, shapes[0].stream), (2.0, Some(2.0), Some(false)));
        assert_eq!(shapes[0].fields, [Clean::ours("tools")], "made-up names are not shown");
        let bytes = (lines[0].to_string().len() + lines[1].to_string().len()) as f64 / 2.0;
        assert_eq!(shapes[0].body_bytes, Some(bytes));
        assert_eq!((shapes[1].stream, shapes[1].messages, shapes[1].prompt_tokens), (Some(true), None, None));
    }

    #[test]
    fn a_request_is_found_in_whatever_wraps_it() {
        let body = json!({"model": "gpt", "messages": [1]});
        let har = json!({"log": {"entries": [{"time": 1500, "response": {"status": 429}, "request":
            {"url": "http://h/v1/chat/completions?k=v", "postData": {"text": body.to_string()}}}]}});
        for (wrapped, route, status) in [
            (body.clone(), None, None),
            (json!([{"body": body}]), None, None),
            (json!({"request": body}), None, None),
            (
                json!({"custom_id": "a", "url": "/v1/chat/completions", "body": body}),
                Some("/v1/chat/completions"),
                None,
            ),
            (har, Some("/v1/chat/completions"), Some(429)),
        ] {
            let shapes = shapes(&serde_json::to_string_pretty(&wrapped).unwrap());
            assert_eq!(shapes.len(), 1, "{wrapped}");
            assert_eq!(shapes[0].model.as_ref().map(Clean::as_str), Some("gpt"), "{wrapped}");
            assert_eq!(shapes[0].route.as_ref().map(Clean::as_str), route);
            assert_eq!((shapes[0].status, shapes[0].messages), (status, Some(1.0)));
        }
    }

    #[test]
    fn a_bad_file_is_told_by_its_line_and_never_by_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("requests.jsonl");
        for (text, line, why) in [
            ("", None, "it is empty"),
            ("[]", None, "it holds no request"),
            ("{\"model\": \"a\"}\n\n{\"model\": hunter2}\n", Some(3), "this is not JSON: its syntax is wrong"),
            ("{\"model\": \"a\"}\n{\"hunter2\": 1}", Some(2), "no request"),
            ("{\n\"model\": \"hunter2", Some(2), "this is not JSON: it ends too early"),
            ("[{\"model\": 1}, \"hunter2\"]", None, "value 2: this is no request"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Sample::read(&path).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.to_string().contains(why), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert!(Sample::read(dir.path()).unwrap_err().to_string().contains("not a regular file"));
        assert!(Sample::read(&dir.path().join("none")).is_err());
    }

    #[test]
    fn content_is_kept_without_secrets_and_only_when_asked_for() {
        let secret = "sk-planted0123456789";
        let request =
            json!({"model": "gpt", "api_key": secret, "messages": [{"content": format!("my words {secret}")}]});
        let sample = Sample { requests: vec![request] };
        let content = sample.content(&mut redactor());
        assert!(content.as_str().contains("my words") && !content.as_str().contains(secret), "{content}");
        let shapes = serde_json::to_string(&sample.shapes(&mut redactor())).unwrap();
        assert!(!shapes.contains("my words") && !shapes.contains(secret), "{shapes}");
    }

    proptest! {
        #[test]
        fn nothing_of_a_prompt_is_in_a_shape(prompt in "[a-zA-Z \"\\\\{}]{0,30}zq7", role in "[a-z]{3}zq7", field in "[a-z]{3}zq7") {
            let request = json!({"model": "gpt", "messages": [{"role": role, "content": prompt}], "input": prompt,
                "metadata": {field.clone(): prompt}, field: prompt, "user": prompt, "stop": [prompt], "tools": [{"name": prompt}]});
            for text in [request.to_string(), json!([request]).to_string(), json!({"body": request.to_string()}).to_string()] {
                let shapes = serde_json::to_string(&shapes(&text)).unwrap();
                prop_assert!(!shapes.contains("zq7"), "{}", shapes);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
