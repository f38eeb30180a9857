//! A rehearsal in words, and as JSON.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::os::clock;
use crate::render::figures::{counted, span, utc};
use crate::render::lines::Lines;
use crate::watch::rehearse::replay::{Fired, Rehearsal};
use crate::watch::trigger::Standing;
use crate::watch::trigger::plan::RulesPlan;
use crate::watch::trigger::reason::{Condition, Reason, Whole, Whom};

/// What a series' end may lack of the time asked for: as much as a reading may come early.
const JITTER_S: f64 = 0.5;

/// One bundle.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Where it is.
    path: PathBuf,
    /// What it is called.
    name: String,
    /// Why the rules could not be run over it; none where they could.
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing: Option<String>,
    /// What the rules made of it; none where they could not be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    rehearsal: Option<Course>,
}

/// What the rules made of a bundle's series.
#[derive(Debug, Serialize)]
struct Course {
    from_utc: String,
    to_utc: String,
    seconds: f64,
    fired: Vec<Spike>,
    /// Conditions that were never met.
    near: Vec<Near>,
    #[serde(skip)]
    span: String,
}

/// A time when the rules would have fired.
#[derive(Debug, Serialize)]
struct Spike {
    at_utc: String,
    words: String,
    reason: Reason,
    others: Vec<Reason>,
    /// None where it was not calm again when the series ended.
    calm_utc: Option<String>,
    /// From the first reading above the limit until it was calm.
    seconds: Option<f64>,
    peak: Option<f64>,
}

/// How near a condition came that was never met.
#[derive(Debug, Serialize)]
struct Near {
    condition: Condition,
    words: String,
    /// The highest figure that held, in the unit of the limit; none where nothing is known.
    highest: Option<f64>,
    /// None where nothing is known.
    limit: Option<f64>,
}

impl Told {
    /// What came of one bundle.
    pub fn of(path: &Path, name: &str, rules: &RulesPlan, rehearsal: Option<Rehearsal>) -> Self {
        let hold_s = rules.hold.as_secs_f64();
        let (nothing, rehearsal) = match rehearsal {
            None => {
                let why =
                    "it holds no figures over time that a rule could look at; bundles have them from format 1.1 on";
                (Some(why.to_owned()), None)
            }
            Some(rehearsal) if seconds(rehearsal.from_us, rehearsal.to_us) + JITTER_S < hold_s => {
                let seconds = seconds(rehearsal.from_us, rehearsal.to_us);
                let why = format!("its series are of {seconds:.1} s, and the rules look at {hold_s:.0} s (--for)");
                (Some(why), None)
            }
            Some(rehearsal) => (None, Some(Course::of(&rehearsal, rules))),
        };
        Self { path: path.to_owned(), name: name.to_owned(), nothing, rehearsal }
    }
}

impl Course {
    fn of(rehearsal: &Rehearsal, rules: &RulesPlan) -> Self {
        let moment = |at_us: u64| moment(rehearsal, at_us);
        let seconds = seconds(rehearsal.from_us, rehearsal.to_us);
        let near = rehearsal.near.iter().map(|(condition, nearest)| Near {
            condition: *condition,
            words: match nearest {
                Some(standing) => near_words(standing, rules),
                None => format!("{}: not known, {}", condition.option(), unknown_words(*condition, rules)),
            },
            highest: nearest.and_then(|standing| standing.held).map(|held| held.lowest),
            limit: nearest.map(|standing| standing.limit),
        });
        Self {
            from_utc: clock::utc(moment(rehearsal.from_us)),
            to_utc: clock::utc(moment(rehearsal.to_us)),
            seconds,
            fired: rehearsal.fired.iter().map(|fired| Spike::of(fired, rehearsal)).collect(),
            near: near.collect(),
            span: format!("{} to {}, {}", utc(moment(rehearsal.from_us)), utc(moment(rehearsal.to_us)), span(seconds)),
        }
    }
}

impl Spike {
    fn of(fired: &Fired, rehearsal: &Rehearsal) -> Self {
        let lasted = fired.until_us.map(|until_us| seconds(fired.reason.from_us, until_us));
        let also = fired.others.iter().map(|other| format!("also {}", other.words()));
        let calm = match lasted {
            Some(seconds) => format!("calm after {seconds:.0} s"),
            None => "not calm before the series end".to_owned(),
        };
        let peak = fired.peak.map(|peak| format!("peak {:.0} %", peak * 100.0));
        let reasons = std::iter::once(fired.reason.words()).chain(also);
        let parts: Vec<String> = reasons.chain([calm]).chain(peak).collect();
        let words = format!("{}: {}", utc(moment(rehearsal, fired.at_us)), parts.join("; "));
        Self {
            at_utc: clock::utc(moment(rehearsal, fired.at_us)),
            words,
            reason: fired.reason.clone(),
            others: fired.others.clone(),
            calm_utc: fired.until_us.map(|until_us| clock::utc(moment(rehearsal, until_us))),
            seconds: lasted,
            peak: fired.peak,
        }
    }
}

/// One bundle's lines.
pub fn lines(told: &Told) -> Vec<String> {
    let mut lines = Lines::default();
    lines.line("bundle", &told.path.display().to_string());
    if let Some(why) = &told.nothing {
        lines.line("nothing", why);
    }
    if let Some(course) = &told.rehearsal {
        lines.line("series", &course.span);
        let times = match course.fired.len() {
            0 => "never".to_owned(),
            count => counted(count, "time"),
        };
        lines.line("fires", &times);
        course.fired.iter().for_each(|spike| lines.line("", &spike.words));
        for (index, near) in course.near.iter().enumerate() {
            lines.line(if index == 0 { "not by" } else { "" }, &near.words);
        }
    }
    lines.into_lines()
}

/// How near it came. What is below a limit is not rounded up to it.
fn near_words(standing: &Standing, rules: &RulesPlan) -> String {
    let condition = standing.condition;
    let highest = standing.held.map(|held| held.lowest).unwrap_or_default();
    let limit = condition.limit(standing.limit);
    let whose = match standing.whom {
        Whom::Worker { .. } | Whom::Workers | Whom::Cgroup => format!(", {}", standing.whom.words()),
        Whom::Proxy => String::new(),
    };
    let hold_s = rules.hold.as_secs_f64();
    let option = condition.option();
    match condition {
        Condition::Cpu | Condition::Adaptive => {
            let of = standing.of.map(Whole::words).unwrap_or_default();
            let percent = (highest * 100.0).floor();
            format!("{option}: at most {percent:.0} % of {of} held for {hold_s:.0} s{whose} (limit {limit})")
        }
        Condition::Throttled => {
            let percent = (highest * 100.0).floor();
            format!("{option}: at most {percent:.0} % of the periods held for {hold_s:.0} s (limit {limit})")
        }
        Condition::Liveliness => {
            format!("{option}: at most {} held for {hold_s:.0} s (limit {limit})", condition.figure(highest))
        }
        Condition::P99 => format!("{option}: at most {} (limit {limit})", condition.figure(highest)),
    }
}

/// Why nothing can be said of a condition, as the end of a sentence.
fn unknown_words(condition: Condition, rules: &RulesPlan) -> String {
    let hold_s = rules.hold.as_secs_f64();
    match condition {
        Condition::Cpu => format!("since no worker that had come up was read for {hold_s:.0} s without a hole"),
        Condition::Adaptive => "since less than five minutes of CPU were read".to_owned(),
        Condition::Throttled => format!("since no quota periods were counted for {hold_s:.0} s without a hole"),
        Condition::Liveliness => {
            format!("since no answers of /health/liveliness were read for {hold_s:.0} s without a hole")
        }
        Condition::P99 => "since no two readings of LiteLLM's counters have ten requests between them".to_owned(),
    }
}

fn seconds(from_us: u64, to_us: u64) -> f64 {
    to_us.saturating_sub(from_us) as f64 / 1e6
}

fn moment(rehearsal: &Rehearsal, at_us: u64) -> jiff::Timestamp {
    let micros = rehearsal.epoch.as_microsecond().saturating_add_unsigned(at_us);
    jiff::Timestamp::from_microsecond(micros).unwrap_or(rehearsal.epoch)
}
