//! What is said of the class: every sentence with its figures and their units, so that it can be checked. Who counted, and
//! what before is, stands beside it in the loads.

use crate::analyse::classify::{Class, Figures, LEAST_COST_RISE, LEAST_CPU_RISE, LEAST_TRAFFIC_CHANGE, Missing};
use crate::analyse::compare::Per;
use crate::analyse::facts::Facts;
use crate::analyse::figures::{duration, number, ratio, span};
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
    let told = [
        Some(cpu(figures, &before.load, during)),
        Some(requests(figures, &before.load, during)),
        each(&before.load, during),
    ];
    let facts = told.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let share = figures
        .share
        .map_or_else(String::new, |share| format!(" Traffic explains {:.0} % of the rise.", share * 100.0));
    match class {
        Class::ScalesWithTraffic => format!("CPU follows traffic: {facts}.{share}"),
        Class::WithoutTraffic if figures.share.is_none() => {
            format!("Each request costs more, at no more CPU: {facts}.{}", reason(before, verdict))
        }
        Class::WithoutTraffic => {
            format!("Traffic does not explain it: {facts}.{share}{}", reason(before, verdict))
        }
        Class::AfterUpgrade => {
            let (from, to) = upgraded.unwrap_or(("an older version", "this one"));
            format!("LiteLLM was upgraded from {from} to {to}: {facts}.{share}{}", reason(before, verdict))
        }
        Class::Undetermined => format!("Nothing spiked: {facts}."),
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
                        "the proxy is too young for its own average to serve: it is {} old, and of the {} CPU-seconds that \
                         it has used, starting up may account for {}",
                        span(life.age_seconds),
                        number(life.cpu_seconds),
                        startup_words(life.cpu_seconds, load::STARTUP_CPU_SECONDS * f64::from(life.workers)),
                    ),
                    None => "the proxy is too young for its own average to serve".to_owned(),
                },
                Err(NoLifetime::NotCounted) => {
                    "LiteLLM's own counters, which tell its average until now, could not be read".to_owned()
                }
                Err(NoLifetime::NotRead) | Ok(_) => "what the proxy had used until then was not read".to_owned(),
            };
            format!("There is nothing to hold the capture against: no baseline was given, and {no_life}.")
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
    let counted = loads.before.as_ref().and(loads.during.counted_rps()).and(loads.during.requests);
    if let Some(requests) = counted.filter(|requests| (1.0..ENOUGH_REQUESTS).contains(requests)) {
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
pub fn cost_rose_too(times: f64) -> String {
    format!("a request also costs {} times the CPU that it did", number(times))
}

/// Traffic beside cost.
pub fn traffic_rose_too(figures: &Figures) -> String {
    if figures.traffic.is_finite() {
        format!("there were also {} times as many requests", number(figures.traffic))
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

/// What of so many CPU-seconds a start may have taken, where it takes up to so many.
fn startup_words(used: f64, startup: f64) -> String {
    if used <= startup { "all".to_owned() } else { format!("up to {}", number(startup)) }
}

fn cpu(figures: &Figures, before: &Load, during: &Load) -> String {
    let (then, now) = (number(before.cores.unwrap_or(0.0)), number(during.cores.unwrap_or(0.0)));
    match figures.cpu {
        cpu if figures.cpu_rose => format!("CPU × {} ({then} to {now} cores)", number(cpu)),
        cpu if cpu < 1.0 / LEAST_CPU_RISE => format!("CPU fell ({then} to {now} cores)"),
        _ => format!("CPU went from {then} to {now} cores"),
    }
}

fn requests(figures: &Figures, before: &Load, during: &Load) -> String {
    let (then, now) = (before.rps.unwrap_or(0.0), during.rps.unwrap_or(0.0));
    let from_to = format!("({} to {} per second)", number(then), number(now));
    match figures.traffic {
        _ if then == 0.0 && now == 0.0 => "no requests came, neither before nor during".to_owned(),
        _ if then == 0.0 => format!("requests came where there were none ({} per second)", number(now)),
        _ if now == 0.0 => format!("no requests came ({} per second before)", number(then)),
        traffic if traffic > 1.0 + LEAST_TRAFFIC_CHANGE => format!("requests × {} {from_to}", number(traffic)),
        traffic if traffic < 1.0 - LEAST_TRAFFIC_CHANGE => format!("requests fell {from_to}"),
        _ => format!("requests hardly changed {from_to}"),
    }
}

fn each(before: &Load, during: &Load) -> Option<String> {
    let (then, now) = (before.cpu_seconds_per_request?, during.cpu_seconds_per_request?);
    let times = ratio(now, then).map_or_else(String::new, |times| format!(" × {}", number(times)));
    Some(format!("CPU per request{times} ({} to {})", duration(then), duration(now)))
}

/// Whose work it is, and whether requests are larger.
fn reason(before: &Before, verdict: &Verdict) -> String {
    let during = &verdict.loads.during;
    let grown = verdict.comparison.as_ref().and_then(|comparison| {
        let per = match comparison.per {
            Per::Request => "request",
            // Against another capture, more traffic alone makes everything grow.
            Per::Second if before.source == BeforeSource::Recorder => "second",
            Per::Second => return None,
        };
        let most = comparison.owners.first().filter(|owner| owner.after > owner.before)?;
        Some(format!(
            " Per {per}, most grew in {}: from {} to {} of CPU.",
            most.owner,
            duration(most.before),
            duration(most.after)
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
