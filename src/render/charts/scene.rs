//! What all charts of a capture have in common: its time, what was sampled, and of what they are.

use jiff::Timestamp;

use crate::analyse::facts::Facts;
use crate::analyse::load::BeforeSource;
use crate::render::charts::svg::fitted;

/// Steps for which there is room in a chart.
pub const MOST_STEPS: usize = 258;

/// Room for LiteLLM's version, in pixels.
const LONGEST_VERSION: f64 = 100.0;

/// Time and name of a capture.
#[derive(Debug)]
pub struct Scene {
    /// Time zero.
    pub epoch: Timestamp,
    /// The axis of time, from the first figure to the last.
    pub range_us: (u64, u64),
    /// The stretch whose stacks were sampled, or that was watched without; none where nothing was.
    pub sampled_us: Option<(u64, u64)>,
    /// What that stretch is called.
    pub stretch: &'static str,
    /// "While" it lasted.
    pub during: &'static str,
    /// Below every title.
    pub caption: String,
}

impl Scene {
    /// What the facts have in common.
    pub fn of(facts: &Facts) -> Self {
        let sampled_us = Some(facts.sampled_us()).filter(|(from_us, to_us)| from_us < to_us);
        let rows = facts.series.0.values().flat_map(|table| table.rows.iter().map(|row| row.at_us));
        let tallies = facts.evidence.tallies.iter().map(|tally| tally.at_us);
        let ends = sampled_us.into_iter().flat_map(|(from_us, to_us)| [from_us, to_us]);
        let moments = || rows.clone().chain(tallies.clone()).chain(ends.clone());
        let range_us = (moments().min().unwrap_or(0), moments().max().unwrap_or(0));
        let epoch = facts.epoch();
        let (stretch, during) = if facts.evidence.stacks.are_taken() {
            ("stacks sampled", "while sampled")
        } else {
            ("captured without stacks", "while captured")
        };
        Self { epoch, range_us, sampled_us, stretch, during, caption: caption(facts, epoch, sampled_us, stretch) }
    }

    /// The stretch that the figures in the legends are of: what was sampled, else everything.
    pub fn told_us(&self) -> (u64, u64) {
        self.sampled_us.unwrap_or(self.range_us)
    }
}

/// A name that came from outside may be of any length; the host's stands at the end, where it can be cut off.
fn caption(facts: &Facts, epoch: Timestamp, sampled_us: Option<(u64, u64)>, stretch: &str) -> String {
    let version = facts.litellm_version().map(|version| fitted(version, 12.0, LONGEST_VERSION));
    let mut parts = vec![
        format!("LiteLLM {}", version.as_deref().unwrap_or("of unknown version")),
        epoch.strftime("%Y-%m-%d").to_string(),
    ];
    let moment = |us: u64| Timestamp::from_microsecond(epoch.as_microsecond().saturating_add_unsigned(us));
    let clock = |us: u64| moment(us).unwrap_or(epoch).strftime("%H:%M:%S").to_string();
    if let Some((from_us, to_us)) = sampled_us {
        let seconds = ((to_us - from_us) as f64 / 1e6).round();
        parts.push(format!("{stretch} {} to {} UTC ({seconds} s)", clock(from_us), clock(to_us)));
    }
    if let Some(host) = facts.fingerprint.as_ref().and_then(|print| print.host.hostname.as_ref()) {
        parts.push(host.to_string());
    }
    parts.join("  ·  ")
}

/// What stands for "before", as a chart's label.
pub fn before_name(source: BeforeSource) -> &'static str {
    match source {
        BeforeSource::Recorder => "just before",
        BeforeSource::Baseline => "baseline",
        BeforeSource::Lifetime => "until now",
    }
}

/// Why there are no such figures, by the gaps of the capture that speak of one of these words; and what to do. Names are
/// not set apart, as a drawing has but one font.
pub fn why(facts: &Facts, words: &[&str], otherwise: &str) -> String {
    let speaks = |text: &str| {
        let text = text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    let gap = facts.manifest.gaps.iter().find(|gap| speaks(&gap.what));
    gap.map_or_else(|| otherwise.to_owned(), |gap| format!("{}. To get it: {}.", gap.why, gap.cure).replace('`', ""))
}
