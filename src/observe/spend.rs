//! LiteLLM's spend logs, where it has a database: the last requests, reduced to their shapes.
//!
//! One page is asked for, once: `/spend/logs/v2` is a query of the database, and the endpoint without pages can bring a
//! proxy down. Of a row only the fields of [`Entry`] are read; who asked, and what, never becomes a value of ours.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::bundle::work;
use crate::collect::{Collected, Gap};
use crate::discover::{Proxy, Role};
use crate::observe::LiteLlm;
use crate::observe::door::{Auth, Door, Key};
use crate::observe::http::{Failure, Limits};
use crate::observe::words::Words;
use crate::workload::{Origin, Shape, When};

/// A query of the database takes its time; beyond this it is in the way of the proxy's own, and of the capture's end.
const LIMITS: Limits = Limits { deadline: Duration::from_secs(1), bytes: 2 * 1024 * 1024 };

/// How far back from the capture's beginning requests are looked for.
const BEFORE: Duration = Duration::from_hours(1);

const WHAT: &str = "the last requests, from LiteLLM's spend logs";

const DATABASE_CURE: &str = "connect a database (`database_url`), or give requests with `--requests FILE`";

/// Whether the proxy seems to have a database. Without one the question is in vain, and dear: a path that a worker was
/// never asked for can cost it most of a second, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// It does.
    Seen,
    /// Nothing tells of one.
    Unseen,
}

impl Database {
    /// Looks for Prisma's query engine beside the workers, and for an address in their environment and config.
    pub fn of(proxy: &Proxy, collected: &Collected) -> Self {
        let engine = proxy.members.iter().any(|member| member.role == Role::QueryEngine);
        let variable = || collected.variable("DATABASE_URL").is_some();
        let config = || collected.config.as_ref().is_some_and(|config| config.text.expose().contains("database_url:"));
        if engine || variable() || config() { Self::Seen } else { Self::Unseen }
    }

    /// The gap that is left without asking.
    pub fn unseen() -> Gap {
        let why = "no database is seen: no query engine, no DATABASE_URL, no `database_url` in the config";
        Gap::note(WHAT, why, DATABASE_CURE)
    }
}

/// Asks for the last hundred requests and keeps their shapes, or a gap. LiteLLM writes its spend logs every few seconds,
/// so the time for this is the end of the capture, which began at `began`. Nothing is asked where there is no key.
pub fn ask(litellm: &LiteLlm, began: Timestamp) {
    let Some(door) = litellm.door.as_ref().ok().filter(|door| matches!(door.key, Key::Usable(_))) else { return };
    match shapes(door, began) {
        Ok(shapes) => shapes.iter().for_each(|shape| litellm.keeper.keep(work::SHAPES, shape)),
        Err((why, cure)) => litellm.keeper.gap_of_capture(&Gap::note(WHAT, why, cure)),
    }
}

type Reason = (String, &'static str);

fn shapes(door: &Door, began: Timestamp) -> Result<Vec<Shape<String>>, Reason> {
    let date = |moment: Timestamp| moment.strftime("%Y-%m-%d%%20%H%%3A%M%%3A%S").to_string();
    let (from, to) = (date(began - BEFORE), date(Timestamp::now()));
    let path = format!("/spend/logs/v2?start_date={from}&end_date={to}&page=1&page_size=100");
    let by_hand = "give requests with `--requests FILE`";
    let answer = door.get(&path, Auth::Key, LIMITS).map_err(|failure| {
        let why = match failure {
            Failure::Silent | Failure::Slow => "`/spend/logs/v2` did not answer within 1 s",
            Failure::TooLarge => "`/spend/logs/v2` answers more than 2 MB",
            Failure::Refused | Failure::Unreachable => "the proxy's address cannot be reached",
            Failure::Broken | Failure::NotHttp => "`/spend/logs/v2` gave no whole answer",
        };
        (why.to_owned(), by_hand)
    })?;
    match answer.status {
        200 => {}
        // Without a database LiteLLM says 401 or 500, whatever the key.
        status @ (401 | 403 | 500) => {
            return Err((
                format!("`/spend/logs/v2` refused (status {status}): no database, or a key without the right"),
                DATABASE_CURE,
            ));
        }
        404 => return Err(("this LiteLLM has no `/spend/logs/v2` (status 404)".to_owned(), by_hand)),
        status => return Err((format!("`/spend/logs/v2` answered with status {status}"), by_hand)),
    }
    let page: Page = serde_json::from_slice(&answer.body)
        .map_err(|_| ("`/spend/logs/v2` answered something else than a page of requests".to_owned(), by_hand))?;
    Ok(reduce(page, began))
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Entry>,
}

/// A request, as far as it is looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    model_group: Option<String>,
    prompt_tokens: Option<f64>,
    completion_tokens: Option<f64>,
    status: Option<String>,
    request_duration_ms: Option<f64>,
    #[serde(rename = "startTime")]
    start: Option<String>,
}

/// Requests that look alike, summed.
#[derive(Default)]
struct Group {
    requests: f64,
    prompt_tokens: Mean,
    completion_tokens: Mean,
    seconds: Mean,
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value.filter(|value| (0.0..1e15).contains(value)) {
            self.sum += value;
            self.count += 1.0;
        }
    }

    fn get(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

fn reduce(page: Page, epoch: Timestamp) -> Vec<Shape<String>> {
    let mut words = Words::new();
    let mut groups: BTreeMap<(When, Option<String>, Option<u16>), Group> = BTreeMap::new();
    for entry in page.data {
        let when = match entry.start.as_deref().and_then(moment) {
            None => When::Unknown,
            Some(start) if start < epoch => When::Before,
            Some(_) => When::During,
        };
        let model = entry.model_group.and_then(|model| words.model(&model));
        // The logs say `success` or `failure`; of a failure they do not say which.
        let status = if entry.status.as_deref() == Some("success") { Some(200) } else { None };
        let group = groups.entry((when, model, status)).or_default();
        group.requests += 1.0;
        group.prompt_tokens.add(entry.prompt_tokens);
        group.completion_tokens.add(entry.completion_tokens);
        group.seconds.add(entry.request_duration_ms.map(|ms| ms / 1e3));
    }
    let shape = |((when, model, status), group): ((When, Option<String>, Option<u16>), Group)| Shape {
        when,
        from: Origin::SpendLogs,
        route: None,
        model,
        stream: None,
        status,
        prompt_tokens: group.prompt_tokens.get(),
        completion_tokens: group.completion_tokens.get(),
        body_bytes: None,
        messages: None,
        duration_seconds: group.seconds.get(),
        requests: group.requests,
        fields: Vec::new(),
    };
    groups.into_iter().map(shape).collect()
}

/// A moment as LiteLLM writes it; without a zone it is UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let without_zone = || TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    text.parse().ok().or_else(without_zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(page: &str) -> Vec<Shape<String>> {
        reduce(serde_json::from_str(page).unwrap(), "2026-11-24T06:00:00Z".parse().unwrap())
    }

    #[test]
    fn requests_that_look_alike_are_one_shape_with_its_means() {
        let entry = |start: &str, tokens: u32, status: &str| {
            format!(
                r#"{{"model_group": "gpt", "prompt_tokens": {tokens}, "status": "{status}", "request_duration_ms": 500,
                    "startTime": "{start}", "user": "jane", "api_key": "88dc28", "messages": "tell me a secret"}}"#
            )
        };
        let entries = [
            entry("2026-11-24T05:59:59.5Z", 10, "success"),
            entry("2026-11-24T06:00:01+00:00", 10, "success"),
            entry("2026-11-24T06:00:02", 30, "success"),
            entry("2026-11-24T06:00:02", 30, "failure"),
        ];
        let shapes = shapes(&format!(r#"{{"data": [{}], "total": 4}}"#, entries.join(",")));
        let told: Vec<_> =
            shapes.iter().map(|shape| (shape.when, shape.status, shape.requests, shape.prompt_tokens)).collect();
        assert_eq!(
            told,
            [
                (When::Before, Some(200), 1.0, Some(10.0)),
                (When::During, None, 1.0, Some(30.0)),
                (When::During, Some(200), 2.0, Some(20.0)),
            ]
        );
        assert_eq!((shapes[0].duration_seconds, shapes[0].completion_tokens), (Some(0.5), None));
        let stored = serde_json::to_string(&shapes).unwrap();
        for private in ["jane", "88dc28", "secret"] {
            assert!(!stored.contains(private), "{stored}");
        }
    }

    #[test]
    fn a_page_without_requests_has_no_shapes() {
        assert_eq!(shapes(r#"{"data": []}"#), []);
        assert_eq!(shapes(r#"{"data": [{}]}"#)[0].when, When::Unknown);
    }
}
