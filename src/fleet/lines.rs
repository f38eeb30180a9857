//! The lines at the end of a merge, and of `capture inspect` on a fleet bundle.

use crate::analyse::classify::Class;
use crate::analyse::figures::{duration, number};
use crate::bundle::manifest::Status;
use crate::collect::Weight;
use crate::fleet::differences::{Difference, Parting};
use crate::fleet::heat::PodHeat;
use crate::fleet::manifest::{FleetManifest, MemberStatus};
use crate::fleet::pod::Pod;
use crate::fleet::summary::FleetSummary;
use crate::render::figures::{counted, percent};
use crate::render::growth::area_words;
use crate::render::lines::Lines;

/// Pods told by themselves, of the hot ones and of the others each.
const PODS_SHOWN: usize = 5;
/// Differences told by themselves.
const DIFFERENCES_SHOWN: usize = 4;
/// A value longer than this is cut; `fleet.json` has it whole.
const LONGEST_VALUE: usize = 60;
/// Functions named.
const FUNCTIONS_SHOWN: usize = 3;
/// Gaps told by themselves.
const GAPS_SHOWN: usize = 10;

/// Which pods are hot, what differs, where the CPU went, and what is missing.
pub fn lines(manifest: &FleetManifest, summary: &FleetSummary) -> Vec<String> {
    let mut told = Lines::default();
    let missing = manifest.members.iter().filter(|member| member.status == MemberStatus::Missing).count();
    let of = if missing == 0 { String::new() } else { format!(" of {}", manifest.members.len()) };
    let status = if manifest.status == Status::Complete { "complete" } else { "partial" };
    let began = manifest.started_utc.as_deref().map_or_else(String::new, |began| format!(", captured from {began} on"));
    let given = manifest.members.len() - missing;
    told.line("fleet", &format!("{}{of}{began}, {status}", counted(given, "pod")));
    told.line("heat", &summary.heat.sentence.replace('`', ""));
    for (word, heat) in [("hot", PodHeat::Hot), ("calm", PodHeat::Calm), ("unknown", PodHeat::Unknown)] {
        let pods: Vec<&Pod> = summary.pods.iter().filter(|pod| pod.heat == heat).collect();
        for (index, pod) in pods.iter().take(PODS_SHOWN).enumerate() {
            told.line(if index == 0 { word } else { "" }, &figures(pod));
        }
        and_more(&mut told, pods.len(), PODS_SHOWN);
    }
    for (index, difference) in summary.differences.iter().take(DIFFERENCES_SHOWN).enumerate() {
        told.line(if index == 0 { "differ" } else { "" }, &values(difference));
    }
    and_more(&mut told, summary.differences.len(), DIFFERENCES_SHOWN);
    for (index, function) in summary.functions.iter().take(FUNCTIONS_SHOWN).enumerate() {
        let words = format!(
            "{} ({}): {:.2} CPU-seconds, {}, in {}",
            function.name,
            function.place(),
            function.self_seconds,
            percent(function.self_percent),
            counted(function.pods, "pod"),
        );
        told.line(if index == 0 { "functions" } else { "" }, &words);
    }
    let gaps: Vec<_> = manifest.gaps.iter().filter(|gap| gap.weight == Weight::Partial).collect();
    for gap in gaps.iter().take(GAPS_SHOWN) {
        told.line("missing", &format!("{}: {}", gap.what.replace('`', ""), gap.why));
    }
    and_more(&mut told, gaps.len(), GAPS_SHOWN);
    told.into_lines()
}

fn and_more(told: &mut Lines, count: usize, shown: usize) {
    if let Some(more) = count.checked_sub(shown).filter(|more| *more > 0) {
        told.line("", &format!("and {more} more"));
    }
}

fn figures(pod: &Pod) -> String {
    let mut figures =
        vec![pod.cores.map_or_else(|| "CPU not known".to_owned(), |cores| format!("{} cores", number(cores)))];
    figures.extend(pod.quota_percent.map(|share| format!("{} of its limit", percent(share))));
    figures.extend(
        pod.throttled_percent.filter(|share| *share > 0.0).map(|share| format!("throttled {}", percent(share))),
    );
    figures.extend(pod.requests_per_second.map(|rps| format!("{} requests/s", number(rps))));
    figures.extend(pod.cpu_seconds_per_request.map(|each| format!("{} each", duration(each))));
    figures.extend(pod.class.filter(|class| *class != Class::Undetermined).map(|class| class.words().to_owned()));
    figures.extend(pod.top_function.as_ref().map(|top| format!("{} in {}", percent(top.self_percent), top.name)));
    format!("{}: {}", pod.name, figures.join(", "))
}

fn values(difference: &Difference) -> String {
    let values: Vec<String> = difference
        .values
        .iter()
        .map(|variant| {
            let value = variant.value.as_deref().map_or_else(|| "not there".to_owned(), cut);
            let pods =
                if let [pod] = variant.pods.as_slice() { pod.clone() } else { counted(variant.pods.len(), "pod") };
            format!("{value} ({pods})")
        })
        .collect();
    let parting = if difference.parting == Parting::HotFromCalm { "; tells hot from calm" } else { "" };
    format!("{} {}: {}{parting}", area_words(difference.area), difference.what, values.join(", "))
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(LONGEST_VALUE) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}
