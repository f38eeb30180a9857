//! What is said of the class: every sentence with its figures, their units and who counted, so that it can be checked.

use crate::analyse::classify::{Class, Figures, LEAST_COST_RISE, LEAST_CPU_RISE, LEAST_TRAFFIC_CHANGE, Missing};
use crate::analyse::compare::Per;
use crate::analyse::facts::Facts;
use crate::analyse::figures::{cost, number, span};
use crate::analyse::load::{self, Before, BeforeSource, Load, Loads, NoLifetime};
use crate::analyse::verdict::Verdict;
use crate::traffic::Source;

/// How to get something to hold a capture against.
const CAPTURE_A_BASELINE: &str = "capture a calm minute and pass it with --baseline BUNDLE";
/// How to get requests counted.
const COUNT_REQUESTS: &str = "have requests counted: enable the prometheus callback (litellm_settings: callbacks: \
                              [\"prometheus\"]), or give the access log with --log FILE";
/// What to do about a capture of a proxy that is calm.
pub const CAPTURE_THE_SPIKE: &str = "capture while the CPU is high";
/// A count below this is too small to hold a rate against another.
const ENOUGH_REQUESTS: f64 = 100.0;

/// The sentence of a class.
pub fn sentence(class: Class, figures: &Figures, verdict: &Verdict, upgraded: Option<(&str, &str)>) -> String {
    let Some(before) = &verdict.loads.before else { return String::new() };
    let during = &verdict.loads.during;
    let facts = [cpu(figures, &before.load, during), requests(figures, &before.load, during)].join(", ");
    let each = each(&before.load, during);
    let by = by(before, during);
    let share = figures
        .share
        .map_or_else(String::new, |share| format!(" Traffic explains {:.0} % of the rise.", share * 100.0));
    match class {
        Class::ScalesWithTraffic => format!("CPU follows traffic: {facts}{each}.{share}{by}"),
        Class::WithoutTraffic if figures.share.is_none() => {
            format!("Each request costs more, at no more CPU: {facts}{each}.{}{by}", reason(before, verdict))
        }
        Class::WithoutTraffic => {
            format!("Traffic does not explain it: {facts}{each}.{share}{}{by}", reason(before, verdict))
        }
        Class::AfterUpgrade => {
            let (from, to) = upgraded.unwrap_or(("an older version", "this one"));
            format!("LiteLLM was upgraded from {from} to {to}: {facts}{each}.{share}{}{by}", reason(before, verdict))
        }
        Class::Undetermined => format!("Nothing spiked: {facts}{each}.{by}"),
    }
}

/// The sentence where figures are missing.
pub fn undetermined(facts: &Facts, missing: Missing, loads: &Loads) -> String {
    let then = loads.before.as_ref().map_or("before", |before| match before.source {
        BeforeSource::Recorder => "in the minutes before",
        BeforeSource::Baseline => "in the baseline",
        BeforeSource::Lifetime => "in the proxy's life before",
    });
    match missing {
        Missing::Before => {
            let no_life = match load::lifetime(facts, &loads.during) {
                Err(NoLifetime::TooYoung) => match facts.evidence.lifetime {
                    Some(life) => format!(
                        "the proxy is too young for its own life to serve: it is {} old, and of its {} CPU-seconds its \
                         start may have taken {}",
                        span(life.age_seconds),
                        number(life.cpu_seconds),
                        number(load::STARTUP_CPU_SECONDS * f64::from(life.workers)),
                    ),
                    None => "the proxy is too young for its own life to serve".to_owned(),
                },
                Err(NoLifetime::NotCounted) => "LiteLLM's own counters could not be read".to_owned(),
                Err(NoLifetime::NotRead) | Ok(_) => "what the proxy had used before was not read".to_owned(),
            };
            format!("There is nothing to hold the capture against: there is no baseline, and {no_life}.")
        }
        Missing::Cpu => format!("The workers' CPU is not known both during the capture and {then}."),
        Missing::RequestsBefore => {
            format!("Nothing counted requests {then}, so that CPU cannot be held against traffic.")
        }
        Missing::RequestsDuring => match loads.during.counted_by {
            Some(Source::Connections) => format!(
                "Nothing counted requests during the capture, only {}, so that CPU cannot be held against traffic.",
                Source::Connections.words()
            ),
            _ => "Nothing counted requests during the capture, so that CPU cannot be held against traffic.".to_owned(),
        },
    }
}

/// What would decide it, or make it more certain.
pub fn to_add(facts: &Facts, loads: &Loads) -> Vec<String> {
    let mut missing = Vec::new();
    match &loads.before {
        None if load::lifetime(facts, &loads.during) == Err(NoLifetime::TooYoung) => {
            missing.push(format!("{CAPTURE_A_BASELINE}, or capture again when the proxy has run for some hours"));
        }
        None => missing.push(CAPTURE_A_BASELINE.to_owned()),
        Some(before) if before.source == BeforeSource::Lifetime => missing.push(CAPTURE_A_BASELINE.to_owned()),
        Some(before) if before.load.counted_rps().is_none() => {
            missing.push(format!("{CAPTURE_A_BASELINE}, with requests counted this time"));
        }
        Some(_) => {}
    }
    if loads.during.counted_rps().is_none() {
        missing.push(COUNT_REQUESTS.to_owned());
    }
    if let Some(requests) = loads.during.requests.filter(|requests| (1.0..ENOUGH_REQUESTS).contains(requests)) {
        missing.push(format!("capture for longer, such as --duration 2m: {} requests are few", requests.round()));
    }
    missing
}

/// The reporter's class, where it is another.
pub fn believed(class: Class) -> String {
    format!("the reporter takes it for: {}", class.words())
}

/// Failures.
pub fn more_errors(then: f64, now: f64) -> String {
    format!("{now:.1} % of the requests failed, {then:.1} % before: failures may cost what the traffic does not")
}

/// Another version that is not the class.
pub fn other_version(then: &str, now: &str, cost: Option<f64>) -> String {
    let grown =
        cost.map_or_else(String::new, |cost| format!(", and a request costs {} times what it did", number(cost)));
    format!("LiteLLM was {then} before and is {now} now{grown}")
}

/// One worker, though traffic goes to all.
pub fn one_hot(sentence: &str) -> String {
    format!("traffic goes to all workers, but the CPU is one's. {sentence}")
}

/// Cost beside traffic.
pub fn cost_rose_too(ratio: f64) -> String {
    format!("a request also costs {} times the CPU that it did", number(ratio))
}

/// Traffic beside cost.
pub fn traffic_rose_too(figures: &Figures) -> String {
    if figures.traffic.is_finite() {
        format!("requests also rose {} times", number(figures.traffic))
    } else {
        "there were no requests before, and there are now".to_owned()
    }
}

/// Larger requests instead of more of them.
pub fn larger_requests(then: f64, now: f64) -> String {
    format!("a request has {now:.0} tokens, prompt and completion, {then:.0} before: each asks for more")
}

/// A limit that hides what the workers would use.
pub fn held_back(sentence: &str) -> String {
    format!("the CPU limit hides how much the workers would use. {sentence}")
}

fn cpu(figures: &Figures, before: &Load, during: &Load) -> String {
    let from_to =
        format!("from {} to {} cores", number(before.cores.unwrap_or(0.0)), number(during.cores.unwrap_or(0.0)));
    match figures.cpu {
        cpu if figures.cpu_rose => format!("CPU rose {} times, {from_to}", number(cpu)),
        cpu if cpu < 1.0 / LEAST_CPU_RISE => format!("CPU fell, {from_to}"),
        _ => format!("CPU went {from_to}"),
    }
}

fn requests(figures: &Figures, before: &Load, during: &Load) -> String {
    let (then, now) = (before.rps.unwrap_or(0.0), during.rps.unwrap_or(0.0));
    let from_to = format!("from {} to {} a second", number(then), number(now));
    match figures.traffic {
        _ if then == 0.0 && now == 0.0 => "no requests came, neither before nor during".to_owned(),
        _ if then == 0.0 => format!("requests came where there were none: {} a second", number(now)),
        _ if now == 0.0 => format!("no requests came, before it were {} a second", number(then)),
        traffic if traffic > 1.0 + LEAST_TRAFFIC_CHANGE => {
            format!("requests rose {} times, {from_to}", number(traffic))
        }
        traffic if traffic < 1.0 - LEAST_TRAFFIC_CHANGE => format!("requests fell, {from_to}"),
        _ => format!("requests hardly changed, {from_to}"),
    }
}

fn each(before: &Load, during: &Load) -> String {
    match (before.cpu_seconds_per_request, during.cpu_seconds_per_request) {
        (Some(then), Some(now)) => format!("; a request costs {} of CPU, {} before", cost(now), cost(then)),
        _ => String::new(),
    }
}

/// Whose work it is, and whether requests are larger.
fn reason(before: &Before, verdict: &Verdict) -> String {
    let during = &verdict.loads.during;
    let grown =
        verdict.comparison.as_ref().filter(|comparison| comparison.per == Per::Request).and_then(|comparison| {
            let most = comparison.owners.first().filter(|owner| owner.after > owner.before)?;
            Some(format!(
                " Per request, most grew in {}: from {} to {} of CPU.",
                most.owner,
                cost(most.before),
                cost(most.after)
            ))
        });
    let leads = || {
        let most = verdict.owners.first()?;
        let leader = most.leader.as_ref().map_or_else(String::new, |leader| format!(", led by {leader}"));
        Some(format!(" Most CPU goes to {}: {:.1} %{leader}.", most.owner, most.percent))
    };
    let tokens = |what: &str, then: Option<f64>, now: Option<f64>| {
        Some(format!("{:.0} {what} tokens, {:.0} before", now?, then?))
    };
    let tokens: Vec<String> = [
        tokens("prompt", before.load.prompt_tokens_per_request, during.prompt_tokens_per_request),
        tokens("completion", before.load.completion_tokens_per_request, during.completion_tokens_per_request),
    ]
    .into_iter()
    .flatten()
    .collect();
    let tokens = if tokens.is_empty() { String::new() } else { format!(" A request has {}.", tokens.join(", and ")) };
    // A request's own cost says nothing where none came.
    let dearer = verdict.loads.during.cpu_seconds_per_request.zip(before.load.cpu_seconds_per_request);
    let dearer = dearer.is_none_or(|(now, then)| now >= LEAST_COST_RISE * then);
    grown.filter(|_| dearer).or_else(leads).unwrap_or_default() + &tokens
}

/// Who counted, and what before is.
fn by(before: &Before, during: &Load) -> String {
    let counted = during.counted_by.map_or("nobody", Source::words);
    let then = match before.source {
        BeforeSource::Recorder => "the minutes before, as recorded".to_owned(),
        BeforeSource::Baseline => format!("the baseline {}", before.name.as_deref().unwrap_or("given")),
        BeforeSource::Lifetime => format!("the average over the proxy's life of {}", span(before.load.seconds)),
    };
    format!(" Requests by {counted}; CPU by the kernel; before is {then}.")
}
