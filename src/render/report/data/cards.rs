//! The verdicts at the top of the page: one sentence over all, and a card for each with its figures and the section
//! that holds the evidence.

use serde::Serialize;

use crate::analyse::classify::{Class, Classification};
use crate::analyse::facts::Facts;
use crate::analyse::figures::clock;
use crate::analyse::functions::Function;
use crate::analyse::heat::Spread;
use crate::analyse::onset::onset;
use crate::analyse::quality::Grade;
use crate::analyse::sizing::{Size, Sizing};
use crate::analyse::verdict::Verdict;
use crate::collect::Weight;
use crate::render::figures::{bytes, cores, count, counted, difference, digits, percent, span};
use crate::render::growth;
use crate::render::loads::before_words;
use crate::render::owners::mechanisms;
use crate::series::table;
use crate::traffic::Source;

/// Owners that are named; all of them are in their table.
const OWNERS_SHOWN: usize = 3;
/// Functions that are named; all of them are in their table.
const FUNCTIONS_SHOWN: usize = 3;

/// The verdicts.
#[derive(Debug, Serialize)]
pub struct Told {
    sentence: String,
    cards: Vec<Card>,
}

/// One verdict.
#[derive(Debug, Serialize)]
struct Card {
    id: &'static str,
    title: &'static str,
    text: String,
    /// Each a label and a value.
    figures: Vec<(String, String)>,
    /// Further sentences, each list under its title.
    notes: Vec<(&'static str, Vec<String>)>,
    level: Level,
    /// The section with the evidence.
    link: &'static str,
}

/// How it stands.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Bad,
    Warn,
    Good,
    Plain,
}

impl Card {
    fn new(id: &'static str, title: &'static str, link: &'static str, level: Level, text: String) -> Self {
        Self { id, title, text, figures: Vec::new(), notes: Vec::new(), level, link }
    }

    fn figure(&mut self, label: impl Into<String>, value: impl Into<String>) {
        self.figures.push((label.into(), value.into()));
    }

    fn notes(&mut self, title: &'static str, sentences: &[String]) {
        if !sentences.is_empty() {
            self.notes.push((title, sentences.to_vec()));
        }
    }
}

/// The verdicts of a capture; what was not judged has no card.
pub fn told(facts: &Facts, verdict: &Verdict) -> Told {
    let cards = [
        verdict.classification.as_ref().map(|found| class(found, verdict)),
        Some(cause(verdict)),
        workers(verdict),
        Some(beginning(facts)),
        growth(verdict),
        verdict.sizing.as_ref().map(sizing),
        stall(facts, verdict),
        Some(quality(verdict)),
        cost(facts, verdict),
        Some(gaps(facts)),
    ];
    Told { sentence: sentence(verdict), cards: cards.into_iter().flatten().collect() }
}

/// The verdict in one sentence.
pub fn sentence(verdict: &Verdict) -> String {
    let class = match &verdict.classification {
        Some(found) if found.class != Class::Undetermined => {
            format!("{}, {} confidence", found.class.words(), found.confidence.word())
        }
        _ => "The class of the spike is undetermined".to_owned(),
    };
    let Some(first) = verdict.owners.first() else {
        let why = match verdict.stacks.missing() {
            Some(because) => format!("there are no stacks, because {because}"),
            None => "no stack had any".to_owned(),
        };
        return format!("{class}; where the CPU went is not known: {why}.");
    };
    let led = first.leader.as_ref().map_or_else(String::new, |leader| format!(", led by `{leader}`"));
    let (of, owner) = (percent(first.percent), &first.owner);
    format!("{class}: {of} of {} went to {owner}{led}.", seconds_of_cpu(verdict))
}

fn seconds_of_cpu(verdict: &Verdict) -> String {
    format!("{:.2} CPU-seconds", verdict.cpu.sampled_seconds)
}

fn class(found: &Classification, verdict: &Verdict) -> Card {
    let level = if found.class == Class::Undetermined { Level::Warn } else { Level::Bad };
    let text = format!("{}. {}", found.class.words(), found.sentence);
    let mut card = Card::new("class", "Whether traffic caused it", "#time", level, text);
    if found.class != Class::Undetermined {
        card.figure("confidence", found.confidence.word());
    }
    let ratios = [("CPU", found.cpu_ratio), ("requests", found.traffic_ratio), ("CPU per request", found.cost_ratio)];
    for (label, ratio) in ratios {
        if let Some(ratio) = ratio.filter(|ratio| ratio.is_finite()) {
            card.figure(label, format!("× {}", digits(ratio)));
        }
    }
    if let Some(before) = &verdict.loads.before {
        let counted_by = verdict.loads.during.counted_by.map_or("nobody", Source::words);
        let told =
            format!("Before is {}. Requests are counted by {counted_by}, CPU by the kernel.", before_words(before));
        card.notes("What is compared", &[told]);
    }
    card.notes("What speaks against it", &found.contradictions);
    let more = match found.class {
        Class::Undetermined => "What would decide it",
        _ => "What would make it more certain",
    };
    card.notes(more, &found.to_add);
    card
}

/// Where the CPU went; without stacks there is only how much.
fn cause(verdict: &Verdict) -> Card {
    let cpu = &verdict.cpu;
    let missing = verdict.stacks.missing();
    let missing = missing.map_or_else(String::new, |because| format!(" There are no stacks, because {because}."));
    let (wall, busy) = (span(cpu.wall_seconds), cores(cpu.cores));
    let first = verdict.functions.first().filter(|function| function.self_seconds > 0.0);
    let first = first.map_or_else(String::new, |function| {
        format!(" The function with most CPU of its own is {}.", own_cpu(function))
    });
    let text = format!("{} in {wall}, {busy} busy on average.{first}{missing}", seconds_of_cpu(verdict));
    let level = if verdict.stacks.are_taken() { Level::Plain } else { Level::Warn };
    let mut card = Card::new("cause", "Where the CPU went", "#flame", level, text);
    for owner in verdict.owners.iter().take(OWNERS_SHOWN) {
        let kinds = mechanisms(owner);
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        card.figure(owner.owner.clone() + &kinds, percent(owner.percent));
    }
    let hot = verdict.functions.iter().filter(|function| function.self_seconds > 0.0).take(FUNCTIONS_SHOWN);
    card.notes("Functions by their own CPU", &hot.map(own_cpu).collect::<Vec<_>>());
    card
}

/// A function and its share.
fn own_cpu(function: &Function) -> String {
    format!("`{} ({})`: {}", function.name, function.place(), percent(function.self_percent))
}

/// When it began: with the rise of the CPU, else by what set a watch off.
fn beginning(facts: &Facts) -> Card {
    let (sampled_us, _) = facts.sampled_us();
    let clock = |at_us| clock(facts.epoch(), at_us);
    let from = |at_us: u64| {
        let side = if at_us < sampled_us { "before" } else { "after" };
        format!("{} {side} the capture began", span(at_us.abs_diff(sampled_us) as f64 / 1e6))
    };
    let at = |at_us| format!("At {}, {}", clock(at_us), from(at_us));
    let fired = facts.evidence.trigger.as_ref();
    let text = match (onset(facts), fired) {
        (Some(rise), _) => {
            let set_off = fired.map_or_else(String::new, |trigger| format!(" Then {}.", trigger.words));
            format!("{}: {}.{set_off}", at(rise.at_us), rise.words())
        }
        (None, Some(trigger)) => format!("{}: {}.", at(trigger.since_us), trigger.words),
        (None, None) => format!("Earlier than {}, when the capture began: in it CPU did not rise.", clock(sampled_us)),
    };
    Card::new("beginning", "When it began", "#time", Level::Plain, text)
}

fn growth(verdict: &Verdict) -> Option<Card> {
    let comparison = verdict.comparison.as_ref()?;
    let mut card = Card::new("growth", "Against the baseline", "#tables", Level::Plain, growth::headline(comparison));
    for owner in growth::changed_owners(comparison, OWNERS_SHOWN).into_iter().take(OWNERS_SHOWN) {
        let per = growth::per_words(comparison.per);
        card.figure(owner.owner.clone(), format!("{} ms {per}", growth::signed(owner.after - owner.before)));
    }
    if !verdict.changes.is_empty() {
        card.figure("changed since", counted(verdict.changes.len(), "thing"));
    }
    Some(card)
}

fn sizing(found: &Sizing) -> Card {
    let level = match found.size {
        Size::Throttled => Level::Bad,
        Size::Undersized => Level::Warn,
        Size::Adequate => Level::Good,
        Size::Unknown => Level::Plain,
    };
    let mut card = Card::new("sizing", "Sizing", "#environment", level, found.sentence.clone());
    card.figure("workers", found.workers.to_string());
    if let Some(quota) = found.quota_cores {
        card.figure("CPU quota", cores(quota));
    }
    if let Some(cpus) = found.cpus {
        card.figure("CPUs", cpus.to_string());
    }
    if let Some(memory) = found.memory_bytes {
        card.figure("memory", bytes(memory as f64));
    }
    if let Some(share) = found.throttled_percent {
        card.figure("periods throttled", percent(share));
    }
    card
}

fn workers(verdict: &Verdict) -> Option<Card> {
    let heat = verdict.heat.as_ref()?;
    let level = match heat.spread {
        Spread::OneHot => Level::Bad,
        Spread::Uneven => Level::Warn,
        Spread::Even | Spread::Idle | Spread::Single => Level::Plain,
    };
    let mut card = Card::new("workers", "Workers", "#time", level, heat.sentence.clone());
    for worker in &verdict.workers {
        card.figure(format!("worker {}", worker.pid), format!("{} of a core", percent(worker.core_percent)));
    }
    Some(card)
}

/// The longest stall, or that there was none where one would have been seen.
fn stall(facts: &Facts, verdict: &Verdict) -> Option<Card> {
    if let Some(stall) = &verdict.stall {
        let mut card = Card::new("stall", "Event loop", "#time", Level::Bad, stall.sentence.clone());
        card.figure("longest stall", span(stall.seconds));
        if let Some(pid) = stall.pid {
            card.figure("worker", pid.to_string());
        }
        let calls: Vec<String> = stall.stack.iter().map(|call| format!("`{call}`")).collect();
        card.notes("In these calls, the caller first", &calls);
        return Some(card);
    }
    let looked = verdict.stacks.are_taken() || facts.series.table(table::LIVELINESS).is_some();
    let text = "No stall of an event loop was noticed.".to_owned();
    looked.then(|| Card::new("stall", "Event loop", "#time", Level::Good, text))
}

fn quality(verdict: &Verdict) -> Card {
    let quality = &verdict.quality;
    if let Some(because) = verdict.stacks.missing() {
        let text = format!("There are no stacks, because {because}.");
        return Card::new("quality", "Profile", "#gaps", Level::Warn, text);
    }
    let level = match quality.grade {
        Grade::Good => Level::Good,
        Grade::Weak => Level::Warn,
        Grade::Unusable => Level::Bad,
    };
    let mut card = Card::new("quality", "Profile", "#gaps", level, format!("Its quality is {}.", quality.grade.word()));
    card.figure("samples", count(quality.samples as f64));
    card.figure("lost", format!("{} ({})", quality.errors, percent(quality.errors_percent)));
    card.figure("rate reached", format!("{:.1} Hz", quality.achieved_hz));
    if let Some(off) = verdict.cpu.difference_percent {
        card.figure("against the kernel's count", difference(off));
    }
    card.notes("Why it is not better", &quality.reasons);
    card
}

fn cost(facts: &Facts, verdict: &Verdict) -> Option<Card> {
    let cost = facts.manifest.overhead.as_ref()?;
    let own = percent(cost.own_core_percent);
    let text = match verdict.stacks.missing() {
        Some(_) => format!("The capture took {own} of a core."),
        None => format!(
            "The samplers took {} of a core for each worker, the capture itself {own} of a core.",
            percent(cost.samplers_core_percent_per_worker),
        ),
    };
    let mut card = Card::new("cost", "What the capture cost", "#environment", Level::Plain, text);
    if let Some(memory) = cost.own_peak_rss_bytes {
        card.figure("memory", bytes(memory as f64));
    }
    Some(card)
}

fn gaps(facts: &Facts) -> Card {
    let gaps = &facts.manifest.gaps;
    let (notes, partial): (Vec<_>, Vec<_>) = gaps.iter().partition(|gap| gap.weight == Weight::Note);
    let (level, text) = match (partial.len(), notes.len()) {
        (0, 0) => (Level::Good, "Nothing that was looked for is missing.".to_owned()),
        (0, _) => (Level::Plain, "Nothing is missing that a capture exists for.".to_owned()),
        (count, _) => (Level::Warn, format!("{} is missing: see why, and how to get it.", counted(count, "thing"))),
    };
    let mut card = Card::new("gaps", "What is missing", "#gaps", level, text);
    let partial: Vec<String> = partial.iter().map(|gap| gap.what.clone()).collect();
    let notes: Vec<String> = notes.iter().map(|gap| gap.what.clone()).collect();
    card.notes("Missing", &partial);
    card.notes("Good to know", &notes);
    card
}
