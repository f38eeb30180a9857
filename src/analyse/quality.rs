//! How far a profile can be trusted.

use serde::{Deserialize, Serialize};

use crate::analyse::evidence::Evidence;
use crate::analyse::verdict::Cpu;
use crate::sample::Sampler;
use crate::sample::native::record::Counts;
use crate::sample::native::witness::Witness;

/// Sampling loses stacks while they change; up to here the loss is that of a busy worker sampled without stopping it
/// (5 to 13 % were measured on deep stacks).
const MOST_ERRORS_PERCENT: f64 = 15.0;
/// CPU without a stack up to here cannot hide the largest function.
const MOST_NOT_SAMPLED_PERCENT: f64 = 10.0;
/// With more than this the usual callers of torn stacks rest on less than they are used for.
const MOST_MENDED_PERCENT: f64 = 50.0;
/// A stack that changed while it was read is wrong somewhere; with more than this, so are small functions.
const MOST_TORN_PERCENT: f64 = 10.0;
/// Readings that came later than one whole interval: with more than this the machine is too busy to be read at that rate.
const MOST_LATE_PERCENT: f64 = 20.0;
/// Calls in a look at the end that were seen before; what is new in it is a fraction, or the two read different things.
const LEAST_AGREEMENT: f64 = 0.5;
/// Sum of the threads' clocks against the process's own count, which is in ticks of 10 ms.
const MOST_DIFFERENCE_PERCENT: f64 = 5.0;
/// Below this much CPU the tick of 10 ms alone can make such a difference.
const LEAST_CPU_TO_COMPARE_SECONDS: f64 = 0.5;
/// Fewer samples than this give a function of 10 % an error of a third.
const FEWEST_SAMPLES: u64 = 100;

/// The judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Draw conclusions.
    Good,
    /// The large functions are right; small ones may not be.
    Weak,
    /// Do not draw conclusions.
    Unusable,
}

impl Grade {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Weak => "weak",
            Self::Unusable => "unusable",
        }
    }
}

/// The judgement and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// The judgement.
    pub grade: Grade,
    /// Why it is not good; empty when it is.
    pub reasons: Vec<String>,
    /// Stretches of CPU that found their stack.
    pub samples: u64,
    /// Thread stacks that the samplers kept.
    pub stacks: u64,
    /// Samples that the samplers lost to errors.
    pub errors: u64,
    /// Those as a share of all samples tried.
    pub errors_percent: f64,
    /// Samples a second that were reached, over all samplers.
    pub achieved_hz: f64,
    /// How often a sampler was behind: how often py-spy complained of it, or how many of the native engine's readings
    /// came late.
    pub behind: u32,
    /// Stacks that changed while the native engine read them, as a share of all it read; none with py-spy, which does not
    /// know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn_percent: Option<f64>,
    /// The native engine's readings of workers that came late, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_percent: Option<f64>,
    /// What a second engine said of the native engine's stacks; none where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
    /// Readings of the clocks that came late, in percent.
    pub late_readings_percent: Option<f64>,
}

/// Judges.
pub fn judge(evidence: &Evidence, cpu: &Cpu, samples: u64) -> Quality {
    let sum = |value: fn(&Sampler) -> u64| evidence.samplers.iter().map(value).sum::<u64>();
    let stacks = sum(|sampler| sampler.stacks.unwrap_or(0));
    let errors = sum(|sampler| sampler.errors.unwrap_or(0));
    let rounds: f64 = evidence.samplers.iter().map(rounds).sum();
    let counts = evidence.samplers.iter().filter_map(|sampler| sampler.counts).reduce(Counts::plus);
    let time: f64 = evidence
        .samplers
        .iter()
        .map(|s| (s.to_us.unwrap_or(0).saturating_sub(s.from_us.unwrap_or(0))) as f64 / 1e6)
        .sum();
    let behind = evidence.samplers.iter().map(|sampler| sampler.behind).sum();
    // py-spy loses a whole round to an error, the native engine one stack.
    let tried = errors as f64 + if counts.is_some() { stacks as f64 } else { rounds };
    let errors_percent = if errors == 0 { 0.0 } else { round(errors as f64 / tried * 100.0) };
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { round(part as f64 / whole as f64 * 100.0) };
    let mut quality = Quality {
        grade: Grade::Good,
        reasons: Vec::new(),
        samples,
        stacks,
        errors,
        errors_percent,
        achieved_hz: if time > 0.0 { round(rounds / time) } else { 0.0 },
        behind,
        torn_percent: counts.map(|counts| share(counts.torn, counts.read)),
        late_percent: counts.map(|counts| share(counts.late_ticks, counts.ticks)),
        witness: evidence.witness.clone(),
        late_readings_percent: evidence
            .own
            .filter(|own| own.readings > 0)
            .map(|own| round(own.late_readings as f64 / own.readings as f64 * 100.0)),
    };
    if let Some(because) = evidence.stacks.missing() {
        quality.lower(Grade::Unusable, format!("there are no stacks, because {because}"));
        return quality;
    }
    // Where nothing ran the native engine has no stack to read, and that is a result.
    let nothing_ran = counts.is_some_and(|counts| counts.ticks > 0 && errors == 0) && cpu.sampled_seconds == 0.0;
    if stacks == 0 && !nothing_ran {
        quality.lower(Grade::Unusable, "no stack was sampled".to_owned());
        return quality;
    }
    let not_sampled = cpu.not_sampled_percent;
    if not_sampled > 50.0 {
        quality.lower(Grade::Unusable, format!("{not_sampled} % of the CPU time fell where nothing was sampled"));
    } else if not_sampled > MOST_NOT_SAMPLED_PERCENT {
        quality.lower(Grade::Weak, format!("{not_sampled} % of the CPU time fell where nothing was sampled"));
    }
    if errors_percent > MOST_ERRORS_PERCENT {
        let lost = match counts {
            Some(_) => format!("{errors_percent} % of the stacks could not be read"),
            None => format!("{errors_percent} % of the samples were lost while stacks changed (--blocking loses none)"),
        };
        quality.lower(Grade::Weak, lost);
    }
    if let Some(torn) = cpu.torn_percent.filter(|torn| *torn > MOST_TORN_PERCENT) {
        quality.lower(Grade::Weak, format!("{torn} % of the CPU time is in stacks that changed while they were read"));
    }
    if cpu.mended_percent > MOST_MENDED_PERCENT {
        let mended = cpu.mended_percent;
        quality.lower(Grade::Weak, format!("{mended} % of the CPU time is in stacks that were torn and mended"));
    }
    if let Some(witness) = evidence.witness.as_ref().filter(|witness| witness.share < LEAST_AGREEMENT) {
        let percent = round(witness.share * 100.0);
        quality.lower(Grade::Weak, format!("{} saw only {percent} % of the same calls", witness.engine));
    }
    if let Some(difference) = cpu.difference_percent
        && difference.abs() > MOST_DIFFERENCE_PERCENT
        && cpu.sampled_seconds > LEAST_CPU_TO_COMPARE_SECONDS
    {
        quality.lower(Grade::Weak, format!("the threads' clocks differ from the process's count by {difference} %"));
    }
    if let Some(late) = quality.late_percent {
        if late > MOST_LATE_PERCENT {
            quality.lower(Grade::Weak, format!("{late} % of the readings came late"));
        }
    } else if behind > 0 {
        quality.lower(Grade::Weak, format!("the sampler fell behind {behind} times"));
    }
    if samples < FEWEST_SAMPLES && cpu.sampled_seconds > LEAST_CPU_TO_COMPARE_SECONDS {
        quality.lower(Grade::Weak, format!("only {samples} samples"));
    }
    quality
}

/// How often a sampler looked at all threads.
fn rounds(sampler: &Sampler) -> f64 {
    match sampler.counts {
        Some(counts) => counts.ticks as f64,
        None => sampler.stacks.unwrap_or(0) as f64 / f64::from(sampler.threads.max(1)),
    }
}

impl Quality {
    fn lower(&mut self, grade: Grade, reason: String) {
        self.grade = self.grade.max(grade);
        self.reasons.push(reason);
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
