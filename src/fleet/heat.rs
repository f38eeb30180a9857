//! Which pods are hot, and what that says of the fleet: one of them, several, all or none.
//!
//! A pod is **hot** when any of these holds, and calm when its CPU is known and none does:
//!
//! - it uses at least 80 % of its CPU limit;
//! - its CPU limit ran out in more than a quarter of the periods, so that it would use more;
//! - its busiest worker uses at least 80 % of one core: no worker's Python can use more than one, whatever the limit;
//! - it uses at least half a core, and more than 1.5 times the median of the other pods.
//!
//! The first three find a fleet that is hot as a whole, the last one a pod that is busy beside others with room to
//! spare.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::analyse::figures::{counted, median, number};
use crate::analyse::sizing::MOST_THROTTLED_PERCENT;
use crate::collect::Gap;
use crate::fleet::pod::Pod;

/// The rules as a reader is told them.
pub const RULES: &str = "A pod is hot when it uses at least 80 % of its CPU limit, when that limit ran out in more \
                         than a quarter of the periods, when its busiest worker uses at least 80 % of a core, or when \
                         it uses at least half a core and more than 1.5 times the median of the other pods.";
/// Of a CPU limit, or of the one core that a worker can use: beyond it requests wait for each other.
const HOT_PERCENT: f64 = 80.0;
/// So many times the others' median is more than an uneven share of the same traffic.
const HOT_FACTOR: f64 = 1.5;
/// A pod below this is not hot for being busier than the others: half of its time even a single worker waits for work.
const HOT_CORES: f64 = 0.5;
/// Captures that were started by hand one after another still show the same spike.
const LONGEST_APART: SignedDuration = SignedDuration::from_mins(1);
/// Pods named in a sentence.
const PODS_NAMED: usize = 5;

/// Whether a pod is hot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PodHeat {
    /// One of the rules holds.
    Hot,
    /// None does.
    Calm,
    /// Its CPU is not known.
    Unknown,
}

/// By which rule a pod is hot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HotBy {
    /// It uses up its CPU limit.
    Limit,
    /// Its CPU limit runs out.
    Throttled,
    /// One of its workers uses up its core.
    Worker,
    /// It uses far more than the others.
    Others,
}

impl HotBy {
    /// In a table.
    pub fn words(self) -> &'static str {
        match self {
            Self::Limit => "at its limit",
            Self::Throttled => "throttled",
            Self::Worker => "a worker at one core",
            Self::Others => "far above the others",
        }
    }
}

/// How the heat is spread over the pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// There is one pod only.
    Single,
    /// One is hot.
    OneHot,
    /// More than one is hot, and some are calm.
    SeveralHot,
    /// All are hot.
    AllHot,
    /// None is hot.
    NoneHot,
    /// No pod's CPU is known.
    Unknown,
}

/// How the heat is spread over the pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetHeat {
    /// The verdict.
    pub pattern: Pattern,
    /// One sentence with the figures.
    pub sentence: String,
    /// The pod that uses most CPU of the hot ones, or of all where none is hot.
    pub hottest: Option<String>,
}

/// Tells hot pods from calm ones, and sorts them: the hot ones first, and the busiest of each first.
pub fn judge(pods: &mut [Pod]) -> FleetHeat {
    let cores: Vec<Option<f64>> = pods.iter().map(|pod| pod.cores).collect();
    for (index, pod) in pods.iter_mut().enumerate() {
        let others = cores.iter().enumerate().filter(|(other, _)| *other != index).filter_map(|(_, cores)| *cores);
        pod.hot_by = rules(pod, median(others));
        pod.heat = match (pod.cores, pod.hot_by.is_empty()) {
            (_, false) => PodHeat::Hot,
            (Some(_), true) => PodHeat::Calm,
            (None, true) => PodHeat::Unknown,
        };
    }
    pods.sort_by(|one, other| {
        let busy = |pod: &Pod| pod.cores.unwrap_or(-1.0);
        let by_cores = || busy(other).total_cmp(&busy(one));
        one.heat.cmp(&other.heat).then_with(by_cores).then_with(|| one.name.cmp(&other.name))
    });
    let hottest = pods.first().filter(|pod| pod.heat != PodHeat::Unknown).map(|pod| pod.name.clone());
    let pattern = pattern(pods);
    FleetHeat { pattern, sentence: sentence(pattern, pods), hottest }
}

/// Pods whose captures were not made with that of the hottest one: then one may have been calm before the spike, or
/// after.
pub fn apart(pods: &[Pod]) -> Option<Gap> {
    let (hottest, others) = pods.split_first()?;
    let (first, last) = sampled(hottest)?;
    let apart = others
        .iter()
        .filter(|pod| sampled(pod).is_some_and(|(from, to)| from > last + LONGEST_APART || to + LONGEST_APART < first));
    let apart: Vec<String> = apart.map(|pod| format!("`{}`", pod.name)).collect();
    (!apart.is_empty()).then(|| {
        Gap::note(
            "all pods at the same time",
            format!("{} captured more than a minute apart from `{}`", listed_with_verb(&apart), hottest.name),
            "capture all pods at once, while the CPU is high",
        )
    })
}

/// Beginning and end of a pod's capture.
fn sampled(pod: &Pod) -> Option<(Timestamp, Timestamp)> {
    let from: Timestamp = pod.started_utc.parse().ok()?;
    let length = SignedDuration::try_from_secs_f64(pod.wall_seconds).ok()?;
    Some((from, from.checked_add(length).ok()?))
}

fn rules(pod: &Pod, others: Option<f64>) -> Vec<HotBy> {
    let above = |figure: Option<f64>, least: f64| figure.is_some_and(|figure| figure >= least);
    let far_above = |cores: f64| cores >= HOT_CORES && others.is_some_and(|median| cores > HOT_FACTOR * median);
    [
        (HotBy::Limit, above(pod.quota_percent, HOT_PERCENT)),
        (HotBy::Throttled, pod.throttled_percent.is_some_and(|percent| percent > MOST_THROTTLED_PERCENT)),
        (HotBy::Worker, above(pod.busiest_worker_percent, HOT_PERCENT)),
        (HotBy::Others, pod.cores.is_some_and(far_above)),
    ]
    .into_iter()
    .filter_map(|(rule, holds)| holds.then_some(rule))
    .collect()
}

fn pattern(pods: &[Pod]) -> Pattern {
    let count = |heat| pods.iter().filter(|pod| pod.heat == heat).count();
    match (count(PodHeat::Hot), count(PodHeat::Calm)) {
        (0, 0) => Pattern::Unknown,
        _ if pods.len() == 1 => Pattern::Single,
        (0, _) => Pattern::NoneHot,
        (1, _) => Pattern::OneHot,
        (_, 0) => Pattern::AllHot,
        _ => Pattern::SeveralHot,
    }
}

fn sentence(pattern: Pattern, pods: &[Pod]) -> String {
    let of = |heat| pods.iter().filter(move |pod| pod.heat == heat);
    let known = of(PodHeat::Hot).chain(of(PodHeat::Calm)).count();
    let hot = named(of(PodHeat::Hot));
    let calm = of(PodHeat::Calm).filter_map(|pod| pod.cores);
    let calm_count = known - of(PodHeat::Hot).count();
    let rest = median(calm).map_or_else(String::new, |median| {
        let others = if calm_count == 1 { "the other one uses" } else { "the median of the others is" };
        format!("; {others} {} cores", number(median))
    });
    let told = match pattern {
        Pattern::Unknown => "No pod's CPU is known, so that none can be called hot".to_owned(),
        Pattern::Single => {
            let calm = if hot.is_empty() { format!("{} is calm", named(of(PodHeat::Calm))) } else { hot };
            format!("One pod was captured, so that there is no other to hold it against: {calm}")
        }
        Pattern::OneHot => format!("One hot pod of {known}: {hot}{rest}"),
        Pattern::SeveralHot => format!("{} hot pods of {known}: {hot}{rest}", of(PodHeat::Hot).count()),
        Pattern::AllHot => format!("All {known} pods are hot: {hot}"),
        Pattern::NoneHot => format!("None of {known} pods is hot; the busiest is {}", named(of(PodHeat::Calm).take(1))),
    };
    let unknown = of(PodHeat::Unknown).count();
    let of_unknown = match unknown {
        0 => String::new(),
        _ if pattern == Pattern::Unknown => String::new(),
        _ => format!(" The CPU of {} more is not known.", counted(unknown, "pod")),
    };
    format!("{told}.{of_unknown}")
}

/// Pods with their cores and, where they are hot, the rules that say so.
fn named<'a>(pods: impl Iterator<Item = &'a Pod>) -> String {
    let told: Vec<String> = pods
        .map(|pod| {
            let mut figures: Vec<String> =
                pod.cores.map(|cores| format!("{} cores", number(cores))).into_iter().collect();
            figures.extend(pod.hot_by.iter().map(|rule| rule.words().to_owned()));
            format!("`{}` ({})", pod.name, figures.join(", "))
        })
        .collect();
    listed(&told)
}

fn listed_with_verb(pods: &[String]) -> String {
    format!("{} {}", listed(pods), if pods.len() == 1 { "was" } else { "were" })
}

fn listed(pods: &[String]) -> String {
    match pods.len().checked_sub(PODS_NAMED).filter(|more| *more > 0) {
        Some(more) => format!("{} and {more} more", pods[..PODS_NAMED].join(", ")),
        None => pods.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::quality::Grade;

    /// A pod that uses so many cores, with four workers and a limit of four cores.
    fn pod(name: &str, cores: f64) -> Pod {
        Pod {
            name: name.to_owned(),
            heat: PodHeat::Unknown,
            hot_by: Vec::new(),
            started_utc: "2026-11-24T06:15:00Z".to_owned(),
            wall_seconds: 30.0,
            cpu_seconds: 30.0 * cores,
            cores: Some(cores),
            workers: 4,
            busiest_worker_percent: Some(cores * 25.0),
            quota_cores: Some(4.0),
            quota_percent: Some(cores * 25.0),
            throttled_percent: Some(0.0),
            requests_per_second: None,
            cpu_seconds_per_request: None,
            class: None,
            confidence: None,
            top_function: None,
            quality: Grade::Good,
            litellm_version: None,
            python_version: None,
            image: None,
            config_sha256: None,
        }
    }

    fn judged(cores: &[f64]) -> (FleetHeat, Vec<Pod>) {
        let mut pods: Vec<Pod> = cores.iter().zip('a'..).map(|(cores, name)| pod(&name.to_string(), *cores)).collect();
        (judge(&mut pods), pods)
    }

    #[test]
    fn each_rule_alone_makes_a_pod_hot() {
        let calm = pod("x", 0.4);
        let cases = [
            (Pod { quota_percent: Some(80.0), ..calm.clone() }, vec![HotBy::Limit]),
            (Pod { throttled_percent: Some(25.1), ..calm.clone() }, vec![HotBy::Throttled]),
            (Pod { busiest_worker_percent: Some(80.0), ..calm.clone() }, vec![HotBy::Worker]),
            (pod("x", 0.7), vec![HotBy::Others]),
            (pod("x", 0.6), vec![]),
            (Pod { quota_percent: Some(79.9), throttled_percent: Some(25.0), ..calm }, vec![]),
        ];
        for (case, rules) in cases {
            let mut pods = [case, pod("y", 0.4), pod("z", 0.4)];
            judge(&mut pods);
            let judged = pods.iter().find(|pod| pod.name == "x").unwrap();
            assert_eq!(judged.hot_by, rules);
            assert_eq!(judged.heat, if rules.is_empty() { PodHeat::Calm } else { PodHeat::Hot });
        }
    }

    #[test]
    fn a_pod_that_hardly_does_anything_is_not_hot_beside_others_that_do_nothing() {
        assert_eq!(judged(&[0.49, 0.01, 0.01]).0.pattern, Pattern::NoneHot);
    }

    #[test]
    fn one_several_all_and_none_are_told_apart_with_the_figures() {
        let cases: [(&[f64], Pattern, &str); 6] = [
            (
                &[0.2, 2.0, 0.3],
                Pattern::OneHot,
                "One hot pod of 3: `b` (2.00 cores, far above the others); the median of the others is 0.250 cores.",
            ),
            (
                &[3.5, 3.4, 0.3],
                Pattern::SeveralHot,
                "2 hot pods of 3: `a` (3.50 cores, at its limit, a worker at one core, far above the others), `b` \
                 (3.40 cores, at its limit, a worker at one core, far above the others); the other one uses \
                 0.300 cores.",
            ),
            (
                &[3.5, 3.5],
                Pattern::AllHot,
                "All 2 pods are hot: `a` (3.50 cores, at its limit, a worker at one core), `b` (3.50 cores, at its \
                 limit, a worker at one core).",
            ),
            (&[0.2, 0.25], Pattern::NoneHot, "None of 2 pods is hot; the busiest is `b` (0.250 cores)."),
            (
                &[0.2],
                Pattern::Single,
                "One pod was captured, so that there is no other to hold it against: `a` (0.200 cores) is calm.",
            ),
            (&[], Pattern::Unknown, "No pod's CPU is known, so that none can be called hot."),
        ];
        for (cores, pattern, sentence) in cases {
            let (heat, _) = judged(cores);
            assert_eq!((heat.pattern, heat.sentence.as_str()), (pattern, sentence));
        }
    }

    #[test]
    fn a_pod_whose_cpu_is_not_known_is_neither_hot_nor_calm_and_counts_in_no_median() {
        let mut pods = [
            Pod { cores: None, quota_percent: None, busiest_worker_percent: None, ..pod("x", 0.0) },
            pod("y", 1.0),
            pod("z", 0.9),
        ];
        let heat = judge(&mut pods);
        assert_eq!(
            heat.sentence,
            "None of 2 pods is hot; the busiest is `y` (1.00 cores). The CPU of 1 pod more is not known."
        );
        assert_eq!((pods[2].name.as_str(), pods[2].heat), ("x", PodHeat::Unknown));
    }

    #[test]
    fn the_hot_ones_come_first_and_the_busiest_of_each() {
        let (heat, pods) = judged(&[0.1, 2.0, 0.2, 3.0]);
        assert_eq!(pods.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>(), ["d", "b", "c", "a"]);
        assert_eq!(heat.hottest.as_deref(), Some("d"));
    }

    #[test]
    fn captures_of_another_time_are_named() {
        let later = Pod { started_utc: "2026-11-24T06:16:31Z".to_owned(), ..pod("b", 0.1) };
        let soon = Pod { started_utc: "2026-11-24T06:16:30Z".to_owned(), ..pod("c", 0.1) };
        let gap = apart(&[pod("a", 3.0), later, soon]).unwrap();
        assert_eq!(gap.why, "`b` was captured more than a minute apart from `a`");
    }
}
