//! The head of the ticket: what is the matter, in one sentence, and what it is about.

use crate::analyse::classify::Class;
use crate::analyse::functions::Function;
use crate::analyse::{Facts, Verdict};
use crate::redact::Clean;
use crate::render::figures::{cores, counted, percent, span, utc};
use crate::render::markdown::{Document, Table, code, prose, text};

pub fn write(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    document.heading(1, &text(&format!("LiteLLM CPU ticket: {}", title(verdict))));
    document.block(format!("**{}**", sentence(verdict)));
    let fingerprint = facts.fingerprint.as_ref();
    let python = fingerprint.and_then(|fingerprint| fingerprint.python.version.as_ref());
    let host = fingerprint.and_then(|fingerprint| fingerprint.host.hostname.as_ref());
    let pod = fingerprint.and_then(|fingerprint| fingerprint.container.pod.as_ref());
    let (from_us, to_us) = facts.sampled_us();
    let mut table = Table::new(&["LiteLLM", "Python", "captured", "host", "workers", "profile"]);
    let pod =
        pod.filter(|pod| Some(*pod) != host).map(|pod| format!(" (pod {})", code(pod.as_str()))).unwrap_or_default();
    table.row([
        facts.litellm_version().map_or_else(|| "unknown version, see section 6".to_owned(), code),
        version(python),
        format!("{} for {}", utc(facts.began()), span((to_us - from_us) as f64 / 1e6)),
        host.map_or_else(|| "unknown name, see section 6".to_owned(), |host| code(host.as_str())) + &pod,
        counted(verdict.workers.len(), "worker"),
        if verdict.stacks.are_taken() { verdict.quality.grade.word() } else { "none" }.to_owned(),
    ]);
    document.table(&table);
    if verdict.stacks.are_taken() && !verdict.quality.reasons.is_empty() {
        let reasons: Vec<String> = verdict.quality.reasons.iter().map(|reason| prose(reason)).collect();
        document.block(format!("The profile is **{}**: {}.", verdict.quality.grade.word(), reasons.join("; ")));
    }
    document.block(format!(
        "Everything named below is in the attached bundle {}: open its `report.html`{} in a browser.",
        code(&format!("{}.tar.gz", facts.manifest.name)),
        if verdict.stacks.are_taken() { ", or `flamegraphs/all.svg`," } else { "" },
    ));
}

/// The class in its page's words, and where most of the CPU went: plain text, as titles are.
pub fn title(verdict: &Verdict) -> String {
    let class = verdict.classification.as_ref().map_or(Class::Undetermined, |classification| classification.class);
    let what = match class {
        Class::Undetermined => format!("CPU at {}", cores(verdict.cpu.cores)),
        _ => class.words().to_owned(),
    };
    match culprit(verdict) {
        Some((name, share)) => format!("{what}, {} in {name}", percent(share)),
        None => what,
    }
}

/// A sentence on the class, and one on where the CPU went.
pub fn sentence(verdict: &Verdict) -> String {
    let class = match &verdict.classification {
        Some(classification) => prose(&classification.sentence),
        None => {
            "The class is not determined: nothing in this bundle tells CPU and traffic before the spike.".to_owned()
        }
    };
    format!("{class} {}", went(verdict))
}

/// Where most of the CPU went.
fn went(verdict: &Verdict) -> String {
    let by_owner = || {
        let owner = verdict.owners.first()?;
        let leader = owner.leader.as_ref().map_or_else(String::new, |leader| format!(", led by {}", code(leader)));
        Some(format!("{} of the CPU went to {}{leader}.", percent(owner.percent), text(&owner.owner)))
    };
    let by_function = || {
        let function = busiest(verdict)?;
        Some(format!("{} of the CPU was used in {} itself.", percent(function.self_percent), code(&function.name)))
    };
    if let Some(because) = verdict.stacks.missing() {
        return format!("Where the CPU went is not known: there are no stacks, because {}.", prose(because));
    }
    by_owner().or_else(by_function).unwrap_or_else(|| "No CPU time was found in any stack.".to_owned())
}

/// The function that makes up most of what the first owner uses; where none does, the owner.
fn culprit(verdict: &Verdict) -> Option<(&str, f64)> {
    let function = busiest(verdict);
    let Some(owner) = verdict.owners.first() else {
        return function.map(|function| (function.name.as_str(), function.self_percent));
    };
    let leads = |function: &&Function| {
        owner.leader.as_ref().is_some_and(|leader| leader.starts_with(&function.name))
            && function.self_percent * 2.0 >= owner.percent
    };
    let leader = function.filter(leads).map(|function| (function.name.as_str(), function.self_percent));
    Some(leader.unwrap_or((owner.owner.as_str(), owner.percent)))
}

/// The function with most CPU of its own.
fn busiest(verdict: &Verdict) -> Option<&Function> {
    verdict.functions.first().filter(|function| function.self_seconds > 0.0)
}

fn version(version: Option<&Clean>) -> String {
    version.map_or_else(|| "unknown version, see section 6".to_owned(), |version| code(version.as_str()))
}
