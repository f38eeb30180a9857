//! Section 6: each of the things that LiteLLM's pages ask for, answered or with the way to get it; then every gap.

use crate::analyse::classify::Class;
use crate::analyse::load::BeforeSource;
use crate::analyse::sizing::Size;
use crate::analyse::{Facts, Verdict};
use crate::collect::{Gap, Weight};
use crate::redact::Clean;
use crate::render::markdown::{Document, Table, fenced, prose};
use crate::render::shell::quoted;
use crate::workload::When;

/// With more gaps than this the ticket would not fit into an issue.
const GAPS_SHOWN: usize = 60;

/// How an item stands.
enum State {
    /// Answered in a section.
    Answered(&'static str),
    /// Answered in part: where, and what is missing.
    InPart(&'static str, &'static str),
    /// Not answered: how to get it.
    Missing(&'static str),
    /// There is nothing to answer.
    None(&'static str),
}

use State::{Answered, InPart, Missing};

pub fn write(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    document.heading(2, "6. What LiteLLM's pages ask for, and what is missing");
    let items = items(facts, verdict);
    let lines = items.iter().enumerate().map(|(index, (what, state))| line(index + 1, what, state));
    document.block(lines.collect::<String>());
    document.heading(3, "From outside the pod or the machine");
    outside(document, facts);
    document.heading(3, "Gaps of this capture");
    gaps(document, &facts.manifest.gaps);
}

fn line(number: usize, what: &str, state: &State) -> String {
    let (tick, answer) = match state {
        Answered(section) => ('x', (*section).to_owned()),
        State::None(why) => ('x', (*why).to_owned()),
        InPart(section, missing) => (' ', format!("in part, {section}. **Missing**: {missing}")),
        Missing(cure) => (' ', format!("**missing**. {cure}")),
    };
    format!("- [{tick}] ({number}) {what}: {answer}.\n")
}

/// The items of LiteLLM's pages "CPU Issue Classification & Reproduction" and "Outage Troubleshooting", in their order.
fn items(facts: &Facts, verdict: &Verdict) -> [(&'static str, State); 13] {
    [
        ("Classification of the CPU issue", classification(verdict)),
        ("Reproduction with steps, requests and configuration", reproduction(facts)),
        ("Realistic sample of requests before and during the spike", requests(facts)),
        ("Recent configuration changes", changes(facts, verdict)),
        ("Metrics with screenshots: CPU, P50/P99 latency, memory", metrics(facts, verdict)),
        ("Logs and alerts before and during the spike", logs(facts)),
        ("Environment details", environment(facts)),
        ("Kubernetes events, `describe pod`, logs of the previous container", kubernetes(facts)),
        ("Helm values, node type, requests and limits, usage from one hour before", deployment(facts)),
        ("RPS at peak, in the hour before and at baseline", rps(verdict)),
        ("Environment variables that the pages name", variables(facts)),
        ("UTC timeline, all replicas or one, health of database and Redis", timeline(facts)),
        ("Sizing: 1 vCPU and 4 GiB for each worker", sizing(verdict)),
    ]
}

fn classification(verdict: &Verdict) -> State {
    match &verdict.classification {
        Some(classification) if classification.class != Class::Undetermined => Answered("section 1"),
        Some(_) => InPart("section 1", "the figures do not decide; section 1 says what would"),
        None => {
            Missing("Capture with `--baseline BUNDLE`: a bundle of calmer times, or of the version before an upgrade")
        }
    }
}

fn reproduction(facts: &Facts) -> State {
    match (&facts.evidence.reporter.repro_steps, &facts.fingerprint) {
        (Some(_), Some(_)) => Answered("section 2"),
        (None, Some(_)) => {
            InPart("section 2", "the reporter's own steps: `--repro-steps FILE`, or write them into section 2")
        }
        (Some(_), None) => {
            InPart("section 2", "start command and configuration: capture as the process's owner or as root")
        }
        (None, None) => Missing("Write steps, start command and configuration into section 2"),
    }
}

fn requests(facts: &Facts) -> State {
    let seen = |when: When| facts.shapes.iter().any(|shape| shape.when == when);
    let during = seen(When::During) || seen(When::Unknown);
    match (seen(When::Before), during) {
        (true, true) => Answered("sections 2 and 3"),
        (false, true) => InPart(
            "section 2",
            "requests before the spike: give LiteLLM's log with `--log FILE`, or a sample with `--requests FILE`",
        ),
        (true, false) => InPart("section 3", "requests during the spike: give a sample with `--requests FILE`"),
        (false, false) => Missing(
            "Switch on LiteLLM's `prometheus` callback or its access log, or give a sample with `--requests FILE`",
        ),
    }
}

fn changes(facts: &Facts, verdict: &Verdict) -> State {
    let modified = facts.fingerprint.as_ref().is_some_and(|found| found.litellm.config_modified_utc.is_some());
    match (facts.baseline.is_some() || !verdict.changes.is_empty(), modified) {
        (true, _) => Answered("section 3"),
        (false, true) => InPart("section 3", "what was changed: capture with `--baseline BUNDLE`, or write it here"),
        (false, false) => Missing("Capture with `--baseline BUNDLE`, or write here what was changed and when"),
    }
}

fn metrics(facts: &Facts, verdict: &Verdict) -> State {
    match (facts.series.0.is_empty(), verdict.loads.during.p99_seconds.is_some()) {
        (false, true) => Answered("section 3; drop the four charts in"),
        (false, false) => InPart(
            "section 3",
            "P50 and P99: switch on LiteLLM's `prometheus` callback and capture again, or add a screenshot of your own",
        ),
        (true, _) => Missing(
            "This bundle holds no figures over time: capture again with the newest release, or add screenshots of your own",
        ),
    }
}

fn logs(facts: &Facts) -> State {
    match (&facts.logs.before, &facts.logs.during) {
        (Some(_), Some(_)) => InPart("section 3", "alerts: add what your monitoring sent"),
        (None, None) => Missing(
            "Give LiteLLM's log: `kubectl logs POD | capture --log -`, or `--log FILE`; add what your monitoring sent",
        ),
        _ => InPart("section 3", "the other half of the log: `--log FILE`; alerts: add what your monitoring sent"),
    }
}

fn environment(facts: &Facts) -> State {
    if facts.fingerprint.is_some() {
        Answered("section 4")
    } else {
        Missing("Capture as the process's owner or as root")
    }
}

fn kubernetes(facts: &Facts) -> State {
    match in_kubernetes(facts) {
        Some(false) => State::None("does not apply: no sign of Kubernetes was found"),
        _ => Missing(
            "Nothing inside a pod can tell it; the commands are below. Events expire after about an hour: first things first",
        ),
    }
}

fn deployment(facts: &Facts) -> State {
    match (in_kubernetes(facts), &facts.fingerprint) {
        (Some(false), _) => InPart(
            "section 4",
            "machine type, and CPU and memory from one hour before until recovery: from your monitoring",
        ),
        (_, Some(_)) => InPart(
            "section 4",
            "helm values, node type, and usage from one hour before until recovery: the commands are below, usage from your monitoring",
        ),
        _ => Missing("The commands are below; usage from one hour before until recovery is in your monitoring"),
    }
}

fn rps(verdict: &Verdict) -> State {
    let before = verdict.loads.before.as_ref().filter(|before| before.load.counted_rps().is_some());
    let hour_before =
        "the hour before: from your monitoring (`sum(rate(litellm_proxy_total_requests_metric_total[1m]))`)";
    match (verdict.loads.during.counted_rps().is_some(), before.map(|before| before.source)) {
        (true, Some(BeforeSource::Recorder)) => Answered("section 1"),
        (true, Some(_)) => InPart("section 1", hour_before),
        (true, None) => {
            InPart("section 1", "RPS in the hour before and at baseline: from your monitoring, or `--baseline BUNDLE`")
        }
        (false, _) => Missing(
            "No source counted requests: switch on LiteLLM's `prometheus` callback or its access log, or take RPS from your monitoring",
        ),
    }
}

fn variables(facts: &Facts) -> State {
    if facts.variables.is_empty() {
        Missing("Capture as the process's owner or as root")
    } else {
        Answered("section 4")
    }
}

fn timeline(facts: &Facts) -> State {
    let rest = "whether all replicas are concerned (capture in each pod), and the health of database and Redis (the command is below)";
    if facts.evidence.slices.is_empty() {
        Missing("Write here when it began and ended")
    } else {
        InPart("section 5", rest)
    }
}

fn sizing(verdict: &Verdict) -> State {
    match &verdict.sizing {
        Some(sizing) if sizing.size != Size::Unknown => Answered("section 1"),
        _ => Missing("Note workers, CPU limit and memory limit here"),
    }
}

/// None where the bundle does not tell.
fn in_kubernetes(facts: &Facts) -> Option<bool> {
    let container = &facts.fingerprint.as_ref()?.container;
    Some(container.runtime.as_ref().is_some_and(|runtime| runtime.as_str().starts_with("kubernetes")))
}

fn outside(document: &mut Document, facts: &Facts) {
    let fingerprint = facts.fingerprint.as_ref();
    let port = fingerprint.and_then(|fingerprint| fingerprint.litellm.port).unwrap_or(4000);
    let health = format!("curl -sS http://127.0.0.1:{port}/health/readiness  # health of database and cache");
    if in_kubernetes(facts) == Some(false) {
        document.block(fenced("sh", &health));
        return;
    }
    let container = fingerprint.map(|fingerprint| &fingerprint.container);
    let named = |name: Option<&Clean>, placeholder: &str| {
        name.map_or_else(|| placeholder.to_owned(), |name| quoted(name.as_str()))
    };
    let pod = named(container.and_then(|container| container.pod.as_ref()), "POD");
    let namespace = named(container.and_then(|container| container.namespace.as_ref()), "NAMESPACE");
    let node = named(container.and_then(|container| container.node.as_ref()), "NODE");
    document.block(
        "Where it runs in Kubernetes, run these soon, events first: they expire after about an hour. Read their output \
         before you attach it: helm values and `describe` may show secrets.",
    );
    document.block(fenced(
        "sh",
        &format!(
            "kubectl -n {namespace} get events --sort-by=.lastTimestamp > events.txt\n\
             kubectl -n {namespace} describe pod {pod} > describe-pod.txt\n\
             kubectl -n {namespace} logs {pod} --previous --timestamps > previous.log  # fails where it never restarted\n\
             kubectl -n {namespace} logs {pod} --timestamps --since=2h > current.log\n\
             kubectl -n {namespace} get pods -o wide > pods.txt  # all replicas, or this one only?\n\
             kubectl -n {namespace} top pods --containers > top-pods.txt\n\
             kubectl -n {namespace} rollout history deployment > rollouts.txt\n\
             kubectl describe node {node} > node.txt  # node type, requests and limits\n\
             helm -n {namespace} list  # names the RELEASE\n\
             helm -n {namespace} get values RELEASE > values.yaml\n\
             {health}",
        ),
    ));
}

/// Every gap with its reason and its cure.
pub fn gaps(document: &mut Document, gaps: &[Gap]) {
    if gaps.is_empty() {
        document.block("None: everything that was looked for was found.");
        return;
    }
    let mut table = Table::new(&["what is missing", "why", "how to get it", "without it the bundle is"]);
    for gap in gaps.iter().take(GAPS_SHOWN) {
        let weight = match gap.weight {
            Weight::Partial => "partial",
            Weight::Note => "complete",
        };
        table.row([prose(&gap.what), prose(&gap.why), prose(&gap.cure), weight.to_owned()]);
    }
    if let Some(more) = gaps.len().checked_sub(GAPS_SHOWN).filter(|more| *more > 0) {
        table.row([format!("… and {more} more in `manifest.json`")]);
    }
    document.table(&table);
}
