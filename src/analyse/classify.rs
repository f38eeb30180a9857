//! The three classes of LiteLLM's page, by figures.
//!
//! CPU is traffic times the CPU that a request costs, so that the logarithm of its rise is the sum of theirs: the part
//! that is traffic's share decides. Against an average over the proxy's life, whose quiet hours make any traffic look
//! large, the cost of a request decides instead. The sentences are written in [`words`](super::words).

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::analyse::facts::Facts;
use crate::analyse::figures::{finite, ratio};
use crate::analyse::heat::Spread;
use crate::analyse::load::{Before, BeforeSource, Load};
use crate::analyse::quality::Grade;
use crate::analyse::sizing::Size;
use crate::analyse::verdict::Verdict;
use crate::analyse::words;

/// CPU that rose by less did so within what it does anyway from one minute to the next.
pub const LEAST_CPU_RISE: f64 = 1.2;
/// A rise of fewer cores is what timers and a single request make.
pub const LEAST_CPU_RISE_CORES: f64 = 0.05;
/// A request that costs so much more does other work than before; below it, the mix of requests may do that.
pub const LEAST_COST_RISE: f64 = 1.25;
/// Traffic that changed by less is the same: it moves as much by itself.
pub const LEAST_TRAFFIC_CHANGE: f64 = 0.15;
/// Traffic's share of the rise from which on it is the reason: more than all else together.
const MOST_IS_TRAFFIC: f64 = 0.5;
/// Shares in between are no clear decision.
const UNCLEAR_SHARE: std::ops::Range<f64> = 0.4..0.6;
/// Changes of a request's cost in between are no clear decision, where that decides.
const UNCLEAR_COST: std::ops::Range<f64> = 1.1..1.5;
/// A count of so few requests is off by a tenth by chance, as the root of its size.
const FEW_REQUESTS: f64 = 100.0;
/// And of so few by a third.
const VERY_FEW_REQUESTS: f64 = 10.0;
/// More failures than before, in percentage points, that are another behaviour and not chance.
const MORE_ERRORS_PERCENT: f64 = 5.0;
/// Requests with so many more tokens are other requests.
const LEAST_TOKEN_RISE: f64 = 1.5;

/// How the CPU behaves: the options of LiteLLM's "CPU Issue Classification".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// CPU scales with traffic (RPS-driven).
    ScalesWithTraffic,
    /// CPU increases without a traffic increase.
    WithoutTraffic,
    /// CPU increases after a LiteLLM upgrade.
    AfterUpgrade,
    /// The evidence does not decide.
    Undetermined,
}

impl Class {
    /// In the page's own words.
    pub fn words(self) -> &'static str {
        match self {
            Self::ScalesWithTraffic => "CPU scales with traffic (RPS-driven)",
            Self::WithoutTraffic => "CPU increases without a traffic increase",
            Self::AfterUpgrade => "CPU increases after a LiteLLM upgrade",
            Self::Undetermined => "undetermined",
        }
    }
}

/// How far a class is to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Little speaks for it.
    Low,
    /// It fits, with reservations.
    Medium,
    /// Every figure says so.
    High,
}

impl Confidence {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The class, with everything that a person needs to check it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// The class.
    pub class: Class,
    /// How far to trust it.
    pub confidence: Confidence,
    /// One sentence with the figures.
    pub sentence: String,
    /// Cores during over cores before.
    pub cpu_ratio: Option<f64>,
    /// Requests a second during over before.
    pub traffic_ratio: Option<f64>,
    /// CPU-seconds per request during over before.
    pub cost_ratio: Option<f64>,
    /// Relative change of CPU for a relative change of traffic; none where traffic hardly changed.
    pub elasticity: Option<f64>,
    /// LiteLLM's version before.
    pub version_before: Option<String>,
    /// LiteLLM's version during.
    pub version_during: Option<String>,
    /// What speaks against the class.
    pub contradictions: Vec<String>,
    /// What would decide it, or make it more certain.
    pub to_add: Vec<String>,
    /// What the reporter believes.
    pub reporter: Option<Class>,
}

/// What decides, all of it numbers. An infinite traffic is one that came from nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Cores during over cores before.
    pub cpu: f64,
    /// Whether the CPU rose by as much as counts.
    pub cpu_rose: bool,
    /// Requests a second during over before.
    pub traffic: f64,
    /// CPU per request during over before; none where one side had no requests.
    pub cost: Option<f64>,
    /// Traffic's share of the CPU's rise, from 0 to 1; none where the CPU did not rise.
    pub share: Option<f64>,
    /// What before is.
    pub source: BeforeSource,
}

/// Why there are no figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is nothing to hold the capture against.
    Before,
    /// The CPU is not known on both sides.
    Cpu,
    /// Requests were not counted before.
    RequestsBefore,
    /// Requests were not counted during the capture.
    RequestsDuring,
}

/// Classifies, by loads, sizing, heat, owners and comparison of a verdict.
pub fn classify(facts: &Facts, verdict: &Verdict) -> Classification {
    let loads = &verdict.loads;
    let before = loads.before.as_ref();
    let version_before = before.and_then(|before| before.litellm_version.clone());
    let version_during = facts.litellm_version().map(str::to_owned);
    let versions = version_before.as_deref().zip(version_during.as_deref());
    let reporter = facts.evidence.reporter.classification;
    let unclassified = Classification {
        class: Class::Undetermined,
        confidence: Confidence::Low,
        sentence: String::new(),
        cpu_ratio: before.and_then(|before| ratio(loads.during.cores?, before.load.cores?)),
        traffic_ratio: before.and_then(|before| ratio(loads.during.counted_rps()?, before.load.counted_rps()?)),
        cost_ratio: before.and_then(|before| cost_ratio(&before.load, &loads.during)),
        elasticity: None,
        version_before: version_before.clone(),
        version_during: version_during.clone(),
        contradictions: Vec::new(),
        to_add: words::to_add(facts, loads),
        reporter,
    };
    let known = before.ok_or(Missing::Before).and_then(|before| Ok((before, figures(before, &loads.during)?)));
    let (before, figures) = match known {
        Ok(known) => known,
        Err(missing) => return Classification { sentence: words::undetermined(facts, missing, loads), ..unclassified },
    };
    let upgraded = versions.filter(|(before, during)| compare_versions(before, during) == Ordering::Less);
    let class = class(&figures, upgraded.is_some(), verdict);
    let mut classification = Classification {
        class,
        sentence: words::sentence(class, &figures, verdict, upgraded),
        elasticity: elasticity(&figures),
        contradictions: contradictions(class, &figures, verdict, versions),
        ..unclassified
    };
    if let Some(believed) = reporter.filter(|believed| *believed != class && *believed != Class::Undetermined) {
        classification.contradictions.push(words::believed(believed));
    }
    if class == Class::Undetermined {
        classification.to_add.push(words::CAPTURE_THE_SPIKE.to_owned());
    } else {
        classification.confidence = confidence(&figures, before, verdict, &classification.contradictions);
    }
    classification
}

fn figures(before: &Before, during: &Load) -> Result<Figures, Missing> {
    let (cores_before, cores) = before.load.cores.zip(during.cores).ok_or(Missing::Cpu)?;
    let cpu = ratio(cores, cores_before).filter(|cpu| *cpu > 0.0).ok_or(Missing::Cpu)?;
    let rps = during.counted_rps().ok_or(Missing::RequestsDuring)?;
    let rps_before = before.load.counted_rps().ok_or(Missing::RequestsBefore)?;
    let traffic = match (rps_before > 0.0, rps > 0.0) {
        (true, _) => ratio(rps, rps_before).unwrap_or(f64::INFINITY),
        (false, true) => f64::INFINITY,
        // None before and none now: as much as before.
        (false, false) => 1.0,
    };
    let cpu_rose = cpu >= LEAST_CPU_RISE && cores - cores_before >= LEAST_CPU_RISE_CORES;
    let share = cpu_rose.then(|| (traffic.ln() / cpu.ln()).clamp(0.0, 1.0));
    Ok(Figures { cpu, cpu_rose, traffic, cost: cost_ratio(&before.load, during), share, source: before.source })
}

fn cost_ratio(before: &Load, during: &Load) -> Option<f64> {
    ratio(during.cpu_seconds_per_request?, before.cpu_seconds_per_request?)
}

fn class(figures: &Figures, upgraded: bool, verdict: &Verdict) -> Class {
    let cost_rose = figures.cost.is_some_and(|cost| cost >= LEAST_COST_RISE);
    let more_traffic = figures.traffic > 1.0 + LEAST_TRAFFIC_CHANGE;
    // A proxy at its limit cannot use more: it serves fewer requests with what it has.
    let throttled = verdict.sizing.as_ref().is_some_and(|sizing| sizing.size == Size::Throttled);
    let costs_more = cost_rose && (figures.cpu >= 1.0 / LEAST_CPU_RISE || throttled);
    if upgraded && figures.source == BeforeSource::Baseline && (costs_more || (figures.cpu_rose && !more_traffic)) {
        return Class::AfterUpgrade;
    }
    match (figures.share, figures.source, figures.cost) {
        (Some(_), BeforeSource::Lifetime, Some(_)) if !cost_rose => Class::ScalesWithTraffic,
        (Some(_), BeforeSource::Lifetime, Some(_)) => Class::WithoutTraffic,
        (Some(share), _, _) if share >= MOST_IS_TRAFFIC => Class::ScalesWithTraffic,
        (Some(_), _, _) => Class::WithoutTraffic,
        (None, _, _) if costs_more => Class::WithoutTraffic,
        (None, _, _) => Class::Undetermined,
    }
}

fn elasticity(figures: &Figures) -> Option<f64> {
    let changed = (figures.traffic - 1.0).abs() > LEAST_TRAFFIC_CHANGE;
    changed.then(|| figures.cpu.ln() / figures.traffic.ln()).and_then(finite).filter(|_| figures.traffic.is_finite())
}

fn contradictions(class: Class, figures: &Figures, verdict: &Verdict, versions: Option<(&str, &str)>) -> Vec<String> {
    let Some(before) = &verdict.loads.before else { return Vec::new() };
    let (before, during) = (&before.load, &verdict.loads.during);
    let mut found = Vec::new();
    if let Some((then, now)) = before.error_percent.zip(during.error_percent)
        && now - then >= MORE_ERRORS_PERCENT
    {
        found.push(words::more_errors(then, now));
    }
    if let Some((then, now)) = versions.filter(|(then, now)| then != now && class != Class::AfterUpgrade) {
        found.push(words::other_version(then, now, figures.cost));
    }
    let one_hot = verdict.heat.as_ref().filter(|heat| heat.spread == Spread::OneHot);
    let traffic_explains = class == Class::ScalesWithTraffic;
    if let Some(heat) = one_hot.filter(|_| traffic_explains) {
        found.push(words::one_hot(&heat.sentence));
    }
    if traffic_explains && let Some(cost) = figures.cost.filter(|cost| *cost >= LEAST_COST_RISE) {
        found.push(words::cost_rose_too(cost));
    }
    if matches!(class, Class::WithoutTraffic | Class::AfterUpgrade) {
        if figures.traffic > 1.0 + LEAST_TRAFFIC_CHANGE {
            found.push(words::traffic_rose_too(figures));
        }
        if let Some((then, now)) = tokens(before).zip(tokens(during))
            && ratio(now, then).is_some_and(|rise| rise >= LEAST_TOKEN_RISE)
        {
            found.push(words::larger_requests(then, now));
        }
    }
    if let Some(sizing) = verdict.sizing.as_ref().filter(|sizing| sizing.size == Size::Throttled)
        && class != Class::Undetermined
    {
        found.push(words::held_back(&sizing.sentence));
    }
    found
}

/// Tokens of a request, prompt and completion, where both are known.
fn tokens(load: &Load) -> Option<f64> {
    Some(load.prompt_tokens_per_request? + load.completion_tokens_per_request?)
}

fn confidence(figures: &Figures, before: &Before, verdict: &Verdict, contradictions: &[String]) -> Confidence {
    let during = &verdict.loads.during;
    let average = figures.source == BeforeSource::Lifetime;
    let unclear_share = figures.share.is_some_and(|share| UNCLEAR_SHARE.contains(&share));
    let unclear_cost = figures.cost.is_some_and(|cost| UNCLEAR_COST.contains(&cost));
    let fewest = [before.load.requests, during.requests].into_iter().flatten().fold(f64::INFINITY, f64::min);
    // Where no request came on either side, there is nothing to be off by chance.
    let counts_decide = during.requests.is_some_and(|requests| requests > 0.0);
    let grade = verdict.quality.grade;
    if (if average { unclear_cost } else { unclear_share })
        || (counts_decide && fewest < VERY_FEW_REQUESTS)
        || (grade == Grade::Unusable && verdict.stacks.are_taken())
    {
        return Confidence::Low;
    }
    let reservations = average
        || !figures.cpu_rose
        || (counts_decide && fewest < FEW_REQUESTS)
        || grade != Grade::Good
        || before.load.counted_by != during.counted_by
        || !contradictions.is_empty();
    if reservations { Confidence::Medium } else { Confidence::High }
}

/// Versions by their numbers: 1.9 is older than 1.10. What follows the numbers of a part (`0rc1`) does not count.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> {
        let leading = |part: &str| part.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
        version.trim_start_matches('v').split(['.', '-', '+']).map_while(leading).collect()
    };
    let (a, b) = (numbers(a), numbers(b));
    let at = |numbers: &[u64], index: usize| numbers.get(index).copied().unwrap_or(0);
    let parts = 0..a.len().max(b.len());
    parts.map(|index| at(&a, index).cmp(&at(&b, index))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        use Ordering::{Equal, Greater, Less};
        let cases = [
            ("1.9.0", "1.10.0", Less),
            ("1.106.2", "1.75.5", Greater),
            ("1.75", "1.75.0", Equal),
            ("v1.75.0", "1.75.0.post1", Equal),
            ("1.75.0rc1", "1.75.1", Less),
            ("", "1.0", Less),
            ("unknown", "unknown", Equal),
            ("99999999999999999999999", "1.0", Less),
        ];
        for (a, b, order) in cases {
            assert_eq!(compare_versions(a, b), order, "{a} {b}");
        }
    }
}
