//! The rules as they were typed, checked.

use std::time::Duration;

use crate::cli::{RuleArgs, ScopeArg};
use crate::error::Failure;
use crate::plan::{percent, time, usage};
use crate::watch::trigger::capacity::Scope;
use crate::watch::trigger::reason::Condition;

/// Readings come once a second.
const SHORTEST_HOLD: Duration = Duration::from_secs(1);
/// What lasts longer than this before it counts is no spike, and all its readings are kept in memory.
const LONGEST_HOLD: Duration = Duration::from_mins(10);
/// A probe of `/health/liveliness` is given up after so long, so that none is known to have taken longer.
const LONGEST_PROBE: Duration = Duration::from_secs(5);
/// What is ten times the usual is a spike in anybody's eyes.
const LARGEST_MARGIN_PERCENT: f64 = 1000.0;

/// When to capture. Any one condition is enough.
#[derive(Debug, Clone, PartialEq)]
pub struct RulesPlan {
    /// The share of what may be used from which on CPU is a spike; none where it is left to the other conditions.
    pub cpu: Option<f64>,
    /// For so long without a break. [`Condition::P99`] needs none: it is of several seconds already.
    pub hold: Duration,
    /// Whose CPU; none for the default, see [`Scope::of`].
    pub scope: Option<Scope>,
    /// By how much of it CPU must be above the 99th percentile of the recorded past.
    pub adaptive: Option<f64>,
    /// `/health/liveliness` takes so long.
    pub liveliness: Option<Duration>,
    /// The 99th percentile of the requests' latency.
    pub p99: Option<Duration>,
    /// The share of quota periods in which the cgroup was held.
    pub throttled: Option<f64>,
}

impl RulesPlan {
    /// The conditions that are in force, in the order in which they are given as the reason.
    pub fn conditions(&self) -> Vec<Condition> {
        let is_in_force = |condition: &Condition| match condition {
            Condition::Cpu => self.cpu.is_some(),
            Condition::Adaptive => self.adaptive.is_some(),
            Condition::Throttled => self.throttled.is_some(),
            Condition::Liveliness => self.liveliness.is_some(),
            Condition::P99 => self.p99.is_some(),
        };
        Condition::ALL.into_iter().filter(is_in_force).collect()
    }

    /// When it is captured, a sentence's part for each rule.
    pub fn in_words(&self) -> Vec<String> {
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
        let hold = format!("for {} s", self.hold.as_secs_f64());
        let rule = |condition: Condition| {
            let limit = match condition {
                Condition::Cpu => self.cpu,
                Condition::Adaptive => self.adaptive,
                Condition::Throttled => self.throttled,
                Condition::Liveliness => seconds(self.liveliness),
                Condition::P99 => seconds(self.p99),
            };
            let limit = condition.limit(limit.unwrap_or_default());
            match condition {
                Condition::P99 => format!("{} {limit}", condition.option()),
                _ => format!("{} {limit} {hold}", condition.option()),
            }
        };
        self.conditions().into_iter().map(rule).collect()
    }
}

impl TryFrom<RuleArgs> for RulesPlan {
    type Error = Failure;

    fn try_from(args: RuleArgs) -> Result<Self, Failure> {
        let cpu = match args.cpu.as_str() {
            "off" => None,
            text => Some(percent("--cpu", text)? / 100.0),
        };
        let hold = time("--for", &args.hold)?;
        if !(SHORTEST_HOLD..=LONGEST_HOLD).contains(&hold) {
            return Err(usage(format!("--for {}: out of range", args.hold), "give one from 1s to 10m"));
        }
        let given = |option, text: Option<String>| text.map(|text| time(option, &text)).transpose();
        let liveliness = given("--liveliness", args.liveliness)?;
        if let Some(limit) = liveliness.filter(|limit| *limit > LONGEST_PROBE) {
            return Err(usage(
                format!(
                    "--liveliness of {} s: a probe is given up after {} s",
                    limit.as_secs_f64(),
                    LONGEST_PROBE.as_secs()
                ),
                "give at most 5s; a probe that is given up counts too",
            ));
        }
        let rules = Self {
            cpu,
            hold,
            scope: args.scope.map(Scope::from),
            adaptive: args.adaptive.map(|text| margin("--adaptive", &text)).transpose()?,
            liveliness,
            p99: given("--p99", args.p99)?,
            throttled: args.throttled.map(|text| percent("--throttled", &text)).transpose()?.map(|held| held / 100.0),
        };
        if rules.conditions().is_empty() {
            return Err(usage(
                "--cpu off leaves nothing to wait for".to_owned(),
                "give another condition: --adaptive, --liveliness, --p99 or --throttled",
            ));
        }
        Ok(rules)
    }
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Worker => Self::Worker,
            ScopeArg::Total => Self::Total,
        }
    }
}

/// A margin may be more than the whole that it is of: `150%` above 20 % is 50 %.
fn margin(option: &str, text: &str) -> Result<f64, Failure> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>().ok();
    number
        .filter(|number| (1.0..=LARGEST_MARGIN_PERCENT).contains(number))
        .map(|percent| percent / 100.0)
        .ok_or_else(|| usage(format!("{option} {text}: not a margin"), "give one from 1% to 1000%"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn rules(options: &str) -> Result<RulesPlan, Failure> {
        let typed = ["capture", "watch"].into_iter().chain(options.split_whitespace());
        match Cli::try_parse_from(typed).unwrap().command {
            Some(Command::Watch(args)) => RulesPlan::try_from(args.rules),
            _ => unreachable!("watch was typed"),
        }
    }

    #[track_caller]
    fn assert_refused(options: &str, what: &str) {
        assert_eq!(rules(options).unwrap_err().to_string(), what, "{options}");
    }

    #[test]
    fn by_default_it_is_cpu_of_80_percent_for_five_seconds() {
        let rules = rules("").unwrap();
        assert_eq!((rules.cpu, rules.hold, rules.scope), (Some(0.8), Duration::from_secs(5), None));
        assert_eq!(rules.conditions(), [Condition::Cpu]);
    }

    #[test]
    fn conditions_are_added_and_cpu_can_be_left_out() {
        let all = rules("--cpu off --adaptive --throttled 25 --liveliness 2s --p99 1500ms --scope total").unwrap();
        let conditions = [Condition::Adaptive, Condition::Throttled, Condition::Liveliness, Condition::P99];
        assert_eq!(all.conditions(), conditions);
        assert_eq!((all.adaptive, all.throttled, all.scope), (Some(0.5), Some(0.25), Some(Scope::Total)));
        assert_eq!((all.liveliness, all.p99), (Some(Duration::from_secs(2)), Some(Duration::from_millis(1500))));
        assert_eq!(rules("--adaptive=150%").unwrap().adaptive, Some(1.5));
    }

    #[test]
    fn what_cannot_be_met_is_refused() {
        assert_refused("--cpu off", "--cpu off leaves nothing to wait for");
        assert_refused("--cpu 150%", "--cpu 150%: not a percentage");
        assert_refused("--throttled 101%", "--throttled 101%: not a percentage");
        assert_refused("--adaptive=much", "--adaptive much: not a margin");
        assert_refused("--for 500ms", "--for 500ms: out of range");
        assert_refused("--for 11m", "--for 11m: out of range");
        assert_refused("--liveliness 5500ms", "--liveliness of 5.5 s: a probe is given up after 5 s");
    }
}
