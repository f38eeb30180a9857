//! What is told of captures in a cluster: before, what will be done; after, what came of it.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::kubectl::Kubectl;
use super::payload::Payload;
use super::plan::K8sPlan;
use super::pods::{Chosen, LeftOut};
use super::session::{Home, Missing};
use super::way::Via;
use crate::bundle::work::MANIFEST;
use crate::collect::Gap;
use crate::environment::{self, Own};
use crate::error::{Failure, Kept, exit};
use crate::fleet::{self, FleetReport, Member};
use crate::notice::Notices;
use crate::os::piped::Wish;
use crate::plan::ResultForm;
use crate::publish::say_result;
use crate::redact::{Raw, Redactor};

/// What is asked of the cluster, as `kubectl auth can-i` takes it, and what would be missing without it.
const RIGHTS: [(&str, &str); 9] = [
    ("get pods", "everything"),
    ("create pods/exec", "the stacks"),
    ("get pods/log", "the logs"),
    ("list events", "the events"),
    ("list replicasets.apps", "the rollout history"),
    ("get deployments.apps", "what the pod belongs to"),
    ("list horizontalpodautoscalers.autoscaling", "the autoscaler"),
    ("get nodes", "the node"),
    ("get pods.metrics.k8s.io", "the use of CPU and memory by the cluster's metrics"),
];
/// Only the last way in needs it.
const DEBUG_RIGHT: (&str, &str) = ("patch pods/ephemeralcontainers", "the debug container");
/// Measured: the cgroup of a pod with two workers of LiteLLM grew by 58 MB at most, the program of 16 MB included.
const OWN_MEMORY_MB: u64 = 45;

/// What came of all pods.
#[derive(Debug, Default)]
pub struct Results {
    /// Those that gave a bundle.
    pub home: Vec<(String, Home)>,
    /// Those that did not.
    pub missing: Vec<(String, Missing)>,
}

impl Results {
    /// By the pods' names.
    pub fn sorted(mut self) -> Self {
        self.home.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.missing.sort_by(|(one, _), (other, _)| one.cmp(other));
        self
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    fleet: Option<&'a Path>,
    bundles: Vec<Bundle<'a>>,
    missing: Vec<Absent<'a>>,
    exit_code: u8,
}

#[derive(Serialize)]
struct Bundle<'a> {
    pod: &'a str,
    path: &'a Path,
    complete: bool,
    left_behind: Option<&'a str>,
}

#[derive(Serialize)]
struct Absent<'a> {
    pod: &'a str,
    why: &'a str,
    cure: &'a str,
    left_behind: Option<&'a str>,
}

/// The pods that are not captured, and why.
pub fn left_out(notices: &Notices, left_out: &[LeftOut]) {
    for LeftOut { pod, why, cure } in left_out {
        notices.warn(format!("{pod} is left out: {why}; {cure}"));
    }
}

/// No pod is left to capture.
pub fn nobody(plan: &K8sPlan, left_out: &[LeftOut]) -> Failure {
    let place = plan.namespace.as_ref().map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
    let what = match left_out {
        [] => format!("no pod{place} is meant by this, or looks like LiteLLM"),
        [only] => format!("pod {}{place} cannot be captured: {}", only.pod, only.why),
        several => format!("none of {} pods{place} can be captured", several.len()),
    };
    let cure = left_out.first().map_or_else(
        || "name a pod, a workload or a selector: capture k8s deploy/litellm -n NAMESPACE".to_owned(),
        |first| first.cure.clone(),
    );
    Failure::NoWorker { what, cure }
}

/// What will be done, in a few lines.
pub fn intent(notices: &Notices, plan: &K8sPlan, chosen: &[Chosen], payload: Result<&Payload, &str>) {
    for line in lines(plan, chosen, payload) {
        notices.say(line);
    }
}

/// The same as the result, with the rights that it takes.
pub fn rehearse(
    plan: &K8sPlan,
    chosen: &[Chosen],
    payload: Result<&Payload, &str>,
    kubectl: &Kubectl,
    wish: &mut dyn FnMut() -> Wish,
) -> Result<(), Failure> {
    let mut text = lines(plan, chosen, payload);
    let debug = plan.image.is_some().then_some(DEBUG_RIGHT);
    for (right, without) in RIGHTS.into_iter().chain(debug) {
        let (verb, resource) = right.split_once(' ').unwrap_or((right, ""));
        // A part of a resource has its own flag: pods/exec would be taken for a pod called exec.
        let (resource, part) = resource.split_once('/').map_or((resource, None), |(all, part)| (all, Some(part)));
        let part = part.map(|part| format!("--subresource={part}"));
        let asked: Vec<&str> = ["auth", "can-i", verb, resource].into_iter().chain(part.as_deref()).collect();
        let answer = match kubectl.bytes(&asked, wish) {
            Ok(_) => "yes".to_owned(),
            Err(_) => format!("no: without it {without} will be missing"),
        };
        text.push(format!("may you {right}? {answer}"));
    }
    say_result(&text.join("\n"), Kept::Nothing)
}

fn lines(plan: &K8sPlan, chosen: &[Chosen], payload: Result<&Payload, &str>) -> Vec<String> {
    let seconds = plan.duration.as_secs_f64();
    let mut lines: Vec<String> = chosen
        .iter()
        .map(|chosen| {
            let container = chosen.container.as_deref().unwrap_or("the one that LiteLLM is seen in");
            format!("{}: container {container}, {seconds} s", chosen.pod.metadata.name)
        })
        .collect();
    let ways = match (plan.via, plan.image.is_some()) {
        (Some(via), _) => via.name().to_owned(),
        (None, debug) => {
            let ways = [Via::Present, Via::Memory, Via::File].map(Via::name).join(", else ");
            if debug { format!("{ways}, else {}", Via::Debug.name()) } else { ways }
        }
    };
    lines.push(format!("way in: {ways}"));
    match payload {
        Ok(payload) => lines.push(format!(
            "load: it runs in each pod's own cgroup, with about {} MB of memory ({} MB of it the program, if it is brought \
             along) and at most the CPU that --max-overhead allows, 5 % of a core for each worker",
            OWN_MEMORY_MB + payload.bytes / 1_000_000,
            payload.bytes / 1_000_000,
        )),
        Err(why) => lines.push(format!("only pods that have capture already can be captured, since this one is not sent: {why}")),
    }
    if plan.via == Some(Via::Debug) || (plan.via.is_none() && plan.image.is_some()) {
        lines.push("stays behind: a debug container stays in its pod's spec until the pod is deleted".to_owned());
    }
    lines
}

/// What came of it: the paths, what is missing, and the exit code.
///
/// # Errors
/// When there is no bundle at all.
pub fn results(plan: &K8sPlan, notices: &Notices, results: &Results, own: &Own) -> Result<u8, Failure> {
    for (pod, missing) in &results.missing {
        notices.say(format!("missing   {pod}: {}; {}", missing.why, missing.cure));
    }
    let behind = results.home.iter().filter_map(|(_, home)| home.left_behind.as_ref());
    for left in behind.chain(results.missing.iter().filter_map(|(_, missing)| missing.left_behind.as_ref())) {
        notices.warn(left);
    }
    if results.home.is_empty() {
        return Err(no_bundle(&results.missing));
    }
    let several = results.home.len() + results.missing.len() > 1;
    if let (false, [(_, home)]) = (several, results.home.as_slice()) {
        home.told.iter().for_each(|line| notices.say(line));
    }
    let members = || members(results, &mut environment::redactor_for_kept(own));
    let fleet = several.then(|| fleet::assemble(members(), &plan.output.destination, notices)).transpose()?;
    for line in fleet.iter().flat_map(FleetReport::lines) {
        notices.say(line);
    }
    let whole = results.missing.is_empty() && results.home.iter().all(|(_, home)| home.complete);
    let exit_code = if whole { exit::COMPLETE } else { exit::PARTIAL };
    let fleet = fleet.and_then(|fleet| fleet.path);
    let text = match plan.output.result {
        ResultForm::Json => {
            serde_json::to_string_pretty(&report(results, fleet.as_deref(), exit_code)).context("JSON")?
        }
        ResultForm::Path => {
            let paths = fleet.iter().chain(results.home.iter().map(|(_, home)| &home.bundle));
            paths.map(|path| path.display().to_string()).collect::<Vec<_>>().join("\n")
        }
    };
    say_result(&text, Kept::Nothing)?;
    Ok(exit_code)
}

/// Every pod for the bundle over all of them. Why one gave none is told in the words of a cluster and of a pod.
fn members(results: &Results, redactor: &mut Redactor) -> Vec<Member> {
    let home = results.home.iter().map(|(pod, home)| (pod, Ok(home.bundle.clone())));
    let missing = results.missing.iter().map(|(pod, missing)| {
        let why = redactor.text(MANIFEST, &Raw::new(missing.why.as_str())).to_string();
        let gap = Gap::new(format!("the bundle of pod {pod}"), why, missing.cure.as_str());
        (pod, Err(gap))
    });
    let member = |(pod, bundle): (&String, _)| Member { name: Some(pod.clone()), bundle, extra: Vec::new() };
    home.chain(missing).map(member).collect()
}

fn report<'a>(results: &'a Results, fleet: Option<&'a Path>, exit_code: u8) -> Report<'a> {
    let bundles = results.home.iter().map(|(pod, home)| Bundle {
        pod,
        path: &home.bundle,
        complete: home.complete,
        left_behind: home.left_behind.as_deref(),
    });
    let missing = results.missing.iter().map(|(pod, missing)| Absent {
        pod,
        why: &missing.why,
        cure: &missing.cure,
        left_behind: missing.left_behind.as_deref(),
    });
    Report { fleet, bundles: bundles.collect(), missing: missing.collect(), exit_code }
}

fn no_bundle(missing: &[(String, Missing)]) -> Failure {
    match missing {
        [(pod, only)] => {
            Failure::Cluster { what: format!("no bundle of pod {pod}: {}", only.why), cure: only.cure.clone() }
        }
        [(_, first), ..] => Failure::Cluster {
            what: format!("no bundle of any of {} pods; of the first: {}", missing.len(), first.why),
            cure: first.cure.clone(),
        },
        [] => Failure::Cluster { what: "no bundle of any pod".to_owned(), cure: "capture again".to_owned() },
    }
}
