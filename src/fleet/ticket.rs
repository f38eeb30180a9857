//! `TICKET.md` of a fleet bundle: which pods are hot, every pod in a row, what differs, where the CPU of all went, what
//! is missing; then the hottest pod's own ticket.

use crate::analyse::classify::Class;
use crate::analyse::figures::number;
use crate::collect::Gap;
use crate::fleet::differences::{Difference, Parting, Variant};
use crate::fleet::heat::{HotBy, Pattern, PodHeat, RULES};
use crate::fleet::manifest::{FleetManifest, MemberStatus};
use crate::fleet::pod::Pod;
use crate::fleet::summary::FleetSummary;
use crate::render::figures::{counted, digits, percent, span, utc};
use crate::render::growth::area_words;
use crate::render::markdown::{Document, Table, code, prose, text};
use crate::render::ticket::gaps;

/// With the hottest pod's ticket below it, a longer table would not fit into an issue; `fleet.json` has them all.
const PODS_SHOWN: usize = 40;
const DIFFERENCES_SHOWN: usize = 25;
const FUNCTIONS_SHOWN: usize = 15;
/// Pods named for one value of a difference, and values named of it.
const PODS_NAMED: usize = 4;
const VALUES_SHOWN: usize = 4;

/// The hottest pod's own ticket.
pub struct Hottest {
    /// The pod.
    pub name: String,
    /// The ticket's text.
    pub text: String,
}

/// The ticket in GitHub's Markdown.
pub fn ticket(manifest: &FleetManifest, summary: &FleetSummary, hottest: Option<&Hottest>) -> String {
    let mut document = Document::default();
    head(&mut document, manifest, summary);
    document.heading(2, "Pods");
    pods(&mut document, manifest, summary);
    document.heading(2, "What differs between the pods");
    differences(&mut document, summary);
    document.heading(2, "Where the CPU of all pods went");
    functions(&mut document, summary);
    held_against(&mut document, manifest, summary);
    document.heading(2, "What is missing");
    gaps(&mut document, &all_gaps(manifest));
    document.heading(2, "The hottest pod's own ticket");
    own_ticket(&mut document, manifest, hottest);
    document.into_string()
}

fn head(document: &mut Document, manifest: &FleetManifest, summary: &FleetSummary) {
    document.heading(1, &format!("LiteLLM CPU ticket: {}", title(summary)));
    document.block(format!("**{}**", prose(&summary.heat.sentence)));
    document.block(meaning(summary.heat.pattern));
    document.block(format!(
        "Everything named below is in the attached fleet bundle {}: `flamegraphs/all.svg` shows all pods side by side, \
         and each pod's own bundle is in `bundles/`.",
        code(&format!("{}.tar.gz", manifest.name)),
    ));
}

fn title(summary: &FleetSummary) -> String {
    let hot = summary.names(PodHeat::Hot).count();
    let pods = counted(summary.pods.len(), "pod");
    match summary.heat.pattern {
        Pattern::Single => "one pod captured".to_owned(),
        Pattern::OneHot | Pattern::SeveralHot => format!("{hot} of {pods} hot"),
        Pattern::AllHot => format!("all {pods} hot"),
        Pattern::NoneHot => format!("none of {pods} hot"),
        Pattern::Unknown => format!("{pods} whose CPU is not known"),
    }
}

/// Where to look next.
fn meaning(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::OneHot | Pattern::SeveralHot => {
            "Pods of one deployment share code and traffic, so what only some of them do or have comes first: their \
             share of the requests, long-lived clients that stay with one pod, jobs that one pod runs for all, and the \
             differences below."
        }
        Pattern::AllHot => {
            "What all pods share comes first: the traffic as a whole, the version, the config, and the limits that \
             they all have."
        }
        Pattern::NoneHot => "These captures may have missed the spike: capture while the CPU is high.",
        Pattern::Single | Pattern::Unknown => "",
    }
}

fn pods(document: &mut Document, manifest: &FleetManifest, summary: &FleetSummary) {
    let mut table = Table::new(&[
        "pod",
        "heat",
        "cores ",
        "of its limit ",
        "throttled ",
        "requests/s ",
        "CPU per request ",
        "class",
        "most CPU in",
        "profile",
        "LiteLLM",
        "Python",
    ]);
    for pod in summary.pods.iter().take(PODS_SHOWN) {
        table.row(row(pod));
    }
    if let Some(more) = summary.pods.len().checked_sub(PODS_SHOWN).filter(|more| *more > 0) {
        table.row([format!("… and {more} more in `fleet.json`")]);
    }
    let missing = manifest.members.iter().filter(|member| member.status == MemberStatus::Missing);
    for member in missing.take(PODS_SHOWN) {
        table.row([code(&member.name), "gave no bundle".to_owned()]);
    }
    document.table(&table.narrowed());
    document.block(format!("{RULES} Empty cells are not known."));
    let times: Vec<String> =
        [&manifest.started_utc, &manifest.ended_utc].into_iter().flatten().map(|time| moment(time)).collect();
    if let [began, ended] = times.as_slice() {
        document.block(format!("The first capture began at {began}, and the last bundle was put together at {ended}."));
    }
}

fn row(pod: &Pod) -> [String; 12] {
    let known = |value: Option<String>| value.unwrap_or_default();
    let version = |value: &Option<String>| value.as_deref().map(code).unwrap_or_default();
    [
        code(&pod.name),
        heat(pod),
        known(pod.cores.map(digits)),
        match (pod.quota_percent, pod.quota_cores) {
            (Some(share), _) => percent(share),
            (None, Some(_)) => String::new(),
            (None, None) => "no limit known".to_owned(),
        },
        known(pod.throttled_percent.map(percent)),
        known(pod.requests_per_second.map(digits)),
        known(pod.cpu_seconds_per_request.map(span)),
        pod.class.map_or_else(String::new, |class| class_words(class, pod)),
        known(pod.top_function.as_ref().map(|top| format!("{} {}", code(&top.name), percent(top.self_percent)))),
        pod.quality.word().to_owned(),
        version(&pod.litellm_version),
        version(&pod.python_version),
    ]
}

fn heat(pod: &Pod) -> String {
    let by: Vec<&str> = pod.hot_by.iter().copied().map(HotBy::words).collect();
    match pod.heat {
        PodHeat::Hot => format!("**hot**: {}", by.join(", ")),
        PodHeat::Calm => "calm".to_owned(),
        PodHeat::Unknown => "not known".to_owned(),
    }
}

fn class_words(class: Class, pod: &Pod) -> String {
    let confidence = pod.confidence.filter(|_| class != Class::Undetermined);
    let confidence = confidence.map_or_else(String::new, |confidence| format!("; {} confidence", confidence.word()));
    format!("{}{confidence}", class.words())
}

fn differences(document: &mut Document, summary: &FleetSummary) {
    if summary.differences.is_empty() {
        document.block(match summary.pods.len() {
            0 | 1 => "There are no two pods to hold against each other.",
            _ => "None was found in version, packages, config, environment, workers, limits and machine.",
        });
        return;
    }
    let mut table = Table::new(&["area", "what", "values", "tells hot from calm"]);
    for difference in summary.differences.iter().take(DIFFERENCES_SHOWN) {
        table.row([
            area_words(difference.area).to_owned(),
            code(&difference.what),
            values(difference, summary.pods.len()),
            if difference.parting == Parting::HotFromCalm { "**yes**".to_owned() } else { String::new() },
        ]);
    }
    if let Some(more) = summary.differences.len().checked_sub(DIFFERENCES_SHOWN).filter(|more| *more > 0) {
        table.row([String::new(), format!("… and {more} more in `fleet.json`")]);
    }
    document.table(&table.narrowed());
    document.block(
        "As far as the redacted bundles tell: a value that is withheld in all of them is the same here whatever it is.",
    );
}

fn values(difference: &Difference, all: usize) -> String {
    let value = |variant: &Variant| {
        let value = variant.value.as_ref().map_or_else(|| "not there".to_owned(), |value| code(value));
        format!("{value} in {}", pods_named(variant, all))
    };
    let mut told: Vec<String> = difference.values.iter().take(VALUES_SHOWN).map(value).collect();
    if let Some(more) = difference.values.len().checked_sub(VALUES_SHOWN).filter(|more| *more > 0) {
        told.push(format!("and {} more", counted(more, "value")));
    }
    told.join("; ")
}

fn pods_named(variant: &Variant, all: usize) -> String {
    if variant.pods.len() > PODS_NAMED {
        return format!("{} of {all} pods", variant.pods.len());
    }
    variant.pods.iter().map(|pod| code(pod)).collect::<Vec<_>>().join(", ")
}

fn functions(document: &mut Document, summary: &FleetSummary) {
    if summary.functions.is_empty() {
        document.block("No CPU time was found in any stack.");
        return;
    }
    let mut table =
        Table::new(&["function", "file", "code", "own CPU ", "own, of all pods ", "with callees ", "pods ", "most in"]);
    for function in summary.functions.iter().take(FUNCTIONS_SHOWN) {
        table.row([
            code(&function.name),
            code(function.place()),
            function.kind.label().to_owned(),
            span(function.self_seconds),
            percent(function.self_percent),
            percent(function.total_percent),
            function.pods.to_string(),
            format!("{}: {} of its CPU", code(&function.most_in), percent(function.most_in_percent)),
        ]);
    }
    document.table(&table);
    let hot = match summary.heat.pattern {
        Pattern::OneHot | Pattern::SeveralHot => " `flamegraphs/hot.svg` shows the hot pods alone.",
        _ => "",
    };
    let seconds: f64 = summary.pods.iter().map(|pod| pod.cpu_seconds).sum();
    document.block(format!(
        "Of {} CPU-seconds in {}. A pod that was sampled longer weighs more.{hot} Stacks are in `profiles/all.folded`.",
        number(seconds),
        counted(summary.pods.len(), "pod"),
    ));
}

/// How to see what the hottest pod does that a calm one does not.
fn held_against(document: &mut Document, manifest: &FleetManifest, summary: &FleetSummary) {
    let bundle = |name: &str| manifest.members.iter().find(|member| member.name == name)?.bundle.as_deref();
    let first = |heat| summary.names(heat).find_map(bundle);
    if let (Some(calm), Some(hot)) = (first(PodHeat::Calm), first(PodHeat::Hot)) {
        document.block(format!(
            "Unpacked, the hottest pod is held against a calm one, function by function, by {}.",
            code(&format!("capture diff {calm} {hot}")),
        ));
    }
}

/// The gaps of the whole, then those for which pods' own bundles are partial. What a pod that gave none misses is among
/// the first.
fn all_gaps(manifest: &FleetManifest) -> Vec<Gap> {
    let partial = manifest.members.iter().filter(|member| member.status != MemberStatus::Missing);
    let of_pods = partial.flat_map(|member| {
        member.gaps.iter().map(|gap| Gap { what: format!("{} (`{}`)", gap.what, member.name), ..gap.clone() })
    });
    manifest.gaps.iter().cloned().chain(of_pods).collect()
}

fn own_ticket(document: &mut Document, manifest: &FleetManifest, hottest: Option<&Hottest>) {
    let Some(hottest) = hottest else {
        document.block(
            "None can be written: no bundle tells its pod's CPU, or that of the hottest could not be read once more.",
        );
        return;
    };
    let bundle = manifest.members.iter().find(|member| member.name == hottest.name);
    let place = bundle.and_then(|member| member.bundle.as_ref()).map_or_else(
        || "in its own bundle, which did not fit in here and belongs beside this one".to_owned(),
        |bundle| format!("in {}", code(bundle)),
    );
    document.block(format!(
        "All below the line is the ticket of {}; the files that it names are {place}.",
        code(&hottest.name)
    ));
    document.block("---");
    document.block(&hottest.text);
}

/// A stored time as people read it.
fn moment(stored: &str) -> String {
    stored.parse().map_or_else(|_| text(stored), utc)
}
