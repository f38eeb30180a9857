//! The head of the ticket: what is the matter, in one sentence, and what it is about.

use crate::analyse::classify::Class;
use crate::analyse::{Facts, Verdict};
use crate::redact::Clean;
use crate::render::figures::{counted, percent, span, utc};
use crate::render::markdown::{Document, Table, code, text};

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
        format!("{} for {}", utc(facts.epoch()), span((to_us - from_us) as f64 / 1e6)),
        host.map_or_else(|| "unknown name, see section 6".to_owned(), |host| code(host.as_str())) + &pod,
        counted(verdict.workers.len(), "worker"),
        format!("{}{}", verdict.quality.grade.word(), reasons(verdict)),
    ]);
    document.table(&table);
    document.block(format!(
        "Everything named below is in the attached bundle {}: open its `report.html`, or `flamegraphs/all.svg`, in a \
         browser.",
        code(&format!("{}.tar.gz", facts.manifest.name)),
    ));
}

/// The class in its page's words, and where most of the CPU went: plain text, as titles are.
pub fn title(verdict: &Verdict) -> String {
    let class = verdict.classification.as_ref().map_or(Class::Undetermined, |classification| classification.class);
    let class = if class == Class::Undetermined { "CPU usage of undetermined class" } else { class.words() };
    match leader(verdict) {
        Some((name, share)) => format!("{class}, {} in {}", percent(share), name),
        None => class.to_owned(),
    }
}

/// One sentence on the class, one on where the CPU went.
pub fn sentence(verdict: &Verdict) -> String {
    let class = match &verdict.classification {
        Some(classification) => text(&classification.sentence),
        None => {
            "The class is not determined: nothing in this bundle tells CPU and traffic before the spike.".to_owned()
        }
    };
    let led = verdict.owners.first().map(|owner| {
        let leader =
            owner.leader.as_ref().map_or_else(String::new, |leader| format!(", most of it in {}", code(leader)));
        format!(" {} of the CPU went to {}{leader}.", percent(owner.percent), text(&owner.owner))
    });
    let by_function = || {
        let (name, share) = leader(verdict)?;
        Some(format!(" {} of the CPU was used in {} itself.", percent(share), code(&name)))
    };
    class + &led.or_else(by_function).unwrap_or_else(|| " No CPU time was found in any stack.".to_owned())
}

/// The function with most CPU of its own.
fn leader(verdict: &Verdict) -> Option<(String, f64)> {
    let function = verdict.functions.first().filter(|function| function.self_seconds > 0.0)?;
    Some((function.name.clone(), function.self_percent))
}

fn version(version: Option<&Clean>) -> String {
    version.map_or_else(|| "unknown version, see section 6".to_owned(), |version| code(version.as_str()))
}

fn reasons(verdict: &Verdict) -> String {
    let reasons: Vec<String> = verdict.quality.reasons.iter().map(|reason| text(reason)).collect();
    if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) }
}
