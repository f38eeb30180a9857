//! What the cluster says of the pod, where the capture went through one: below section 4.

use crate::analyse::Facts;
use crate::collect::cluster::{Cluster, ContainerFacts, Happening, LastEnd, NodeFacts, ProbeFacts, Revision};
use crate::redact::Clean;
use crate::render::figures::{count, counted};
use crate::render::markdown::{Document, Table, code, details};
use crate::render::ticket::moment;

/// The last ones, of which the bundle has more.
const EVENTS: usize = 20;
/// The last ones: an upgrade that matters is one of them.
const REVISIONS: usize = 5;

pub fn write(document: &mut Document, facts: &Facts) {
    let Some(cluster) = &facts.cluster else { return };
    document.heading(3, "Kubernetes");
    document.table(&pod(cluster));
    revisions(document, &cluster.revisions);
    events(document, &cluster.events);
}

fn pod(cluster: &Cluster) -> Table {
    let mut table = Table::new(&["what", "value"]);
    let shown = |text: &Clean| code(text.as_str());
    table.row(["Pod".to_owned(), format!("{} in namespace {}", shown(&cluster.pod), shown(&cluster.namespace))]);
    if !cluster.owners.is_empty() {
        table.row(["Belongs to".to_owned(), listed(&cluster.owners)]);
    }
    if let Some(qos) = &cluster.qos {
        table.row(["Quality of service".to_owned(), shown(qos)]);
    }
    if let Some(container) = cluster.captured() {
        captured(&mut table, container);
    }
    let sidecars: Vec<Clean> = cluster
        .containers
        .iter()
        .filter(|container| container.name != cluster.container)
        .map(|container| container.name.clone())
        .collect();
    if !sidecars.is_empty() {
        table.row(["Containers beside it".to_owned(), listed(&sidecars)]);
    }
    for usage in &cluster.usage {
        let used = format!("{} of CPU, {} of memory", shown(&usage.cpu), shown(&usage.memory));
        table.row([format!("Used by container {}, by the cluster's metrics", shown(&usage.container)), used]);
    }
    if let Some(scaling) = cluster.autoscaler {
        let now = scaling.current.zip(scaling.desired);
        let now = now.map_or_else(String::new, |(current, desired)| format!("; {current} there, {desired} wanted"));
        table.row(["Autoscaler".to_owned(), format!("{} to {} pods{now}", scaling.least, scaling.most)]);
    }
    if let Some(on) = &cluster.node {
        table.row(["Node".to_owned(), node(on)]);
    }
    table
}

fn captured(table: &mut Table, container: &ContainerFacts) {
    table.row(["Image".to_owned(), code(container.image_id.as_ref().unwrap_or(&container.image).as_str())]);
    let resources = |pairs: &std::collections::BTreeMap<String, Clean>| {
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name} {}", code(value.as_str()))).collect();
        if pairs.is_empty() { "none".to_owned() } else { pairs.join(", ") }
    };
    table.row(["Requests".to_owned(), resources(&container.requests)]);
    table.row(["Limits".to_owned(), resources(&container.limits)]);
    table.row(["Restarts".to_owned(), restarts(container.restarts, container.last_end.as_ref())]);
    for probe in &container.probes {
        table.row([format!("Probe for {}", probe.kind), probe_words(probe)]);
    }
}

fn restarts(restarts: u32, last_end: Option<&LastEnd>) -> String {
    let end = last_end.map_or_else(String::new, |end| {
        let when = end.finished_utc.as_ref().map_or_else(String::new, |at| format!(" at {}", moment(at.as_str())));
        format!("; the last life ended{when}: {}, exit code {}", code(end.reason.as_str()), end.exit_code)
    });
    format!("{restarts}{end}")
}

fn probe_words(probe: &ProbeFacts) -> String {
    let what =
        probe.path.as_ref().map_or_else(|| "no request".to_owned(), |path| format!("GET {}", code(path.as_str())));
    let figures = [
        (probe.period_seconds, "every", "s"),
        (probe.timeout_seconds, "waits", "s"),
        (probe.failures, "fails after", "failures"),
        (probe.delay_seconds, "begins after", "s"),
    ];
    let figures = figures.into_iter().filter_map(|(figure, word, unit)| Some(format!("{word} {} {unit}", figure?)));
    [what].into_iter().chain(figures).collect::<Vec<_>>().join(", ")
}

fn node(node: &NodeFacts) -> String {
    let mut parts = vec![code(node.name.as_str())];
    parts.extend(node.instance_type.as_ref().map(|kind| format!("type {}", code(kind.as_str()))));
    for (what, word) in [("cpu", "CPUs"), ("memory", "memory")] {
        if let (Some(all), Some(left)) = (node.capacity.get(what), node.allocatable.get(what)) {
            parts.push(format!("{word} {} ({} for pods)", code(all.as_str()), code(left.as_str())));
        }
    }
    parts.push(format!("kubelet {}", code(node.kubelet.as_str())));
    parts.push(code(node.runtime.as_str()));
    if !node.troubles.is_empty() {
        parts.push(format!("in trouble: {}", listed(&node.troubles)));
    }
    parts.join(", ")
}

fn revisions(document: &mut Document, revisions: &[Revision]) {
    if revisions.is_empty() {
        return;
    }
    let mut table = Table::new(&["revision", "since", "images", "pods now"]);
    for revision in revisions.iter().rev().take(REVISIONS) {
        let since = revision.created_utc.as_ref().map_or_else(String::new, |at| moment(at.as_str()));
        table.row([revision.number.to_string(), since, listed(&revision.images), revision.pods.to_string()]);
    }
    document.block("Rollout history, the newest first:");
    document.table(&table);
}

fn events(document: &mut Document, events: &[Happening]) {
    if events.is_empty() {
        document
            .block("The cluster keeps no event of the pod or of what it belongs to; it forgets them after an hour.");
        return;
    }
    let mut table = Table::new(&["last", "times", "what", "to", "in words"]);
    for event in events.iter().rev().take(EVENTS) {
        let last = event.at_utc.as_ref().map_or_else(String::new, |at| moment(at.as_str()));
        let what = format!("{} {}", code(event.kind.as_str()), code(event.reason.as_str()));
        let [object, message] = [&event.object, &event.message].map(|text| code(text.as_str()));
        table.row([last, count(f64::from(event.count)), what, object, message]);
    }
    let mut body = Document::default();
    body.table(&table);
    let shown = counted(events.len().min(EVENTS) as u64, "event");
    document.block(details(&format!("The last {shown}"), &body.into_string()));
}

fn listed(texts: &[Clean]) -> String {
    texts.iter().map(|text| code(text.as_str())).collect::<Vec<_>>().join(", ")
}
