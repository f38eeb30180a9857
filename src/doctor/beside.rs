//! Can LiteLLM be asked, its metrics and its log be read? One question at most, and none that costs the proxy.

use std::time::Duration;

use crate::collect::{Collected, Gap};
use crate::discover::Proxy;
use crate::doctor::probe::{Outcome, Probe, of_gap};
use crate::logs::{self, LogSource};
use crate::observe::door::{Access, Door, KeyState};
use crate::observe::liveliness;
use crate::observe::metric_files::{MetricFiles, Unusable};
use crate::os::proc::{ProcessId, Procfs};
use crate::plan::DoctorPlan;

/// An event loop that answers later than this is busy.
const PROMPT: Duration = Duration::from_millis(500);

/// The same advice as where a capture finds it out by asking.
const SHARED_CURE: &str = "start LiteLLM with --num_workers and the prometheus callback in its config, which makes the \
                           workers share them; or set PROMETHEUS_MULTIPROC_DIR";

/// What was found out before.
pub struct Known<'a> {
    /// Facts of the proxy.
    pub collected: &'a Collected,
    /// The ways to it.
    pub access: &'a Access,
}

/// Liveliness, metrics, key, log.
pub fn probes(procfs: &Procfs, plan: &DoctorPlan, proxy: &Proxy, known: &Known<'_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    if proxy.looks_like_litellm {
        let door = Door::find(known.access);
        match &door {
            Ok(door) => probes.extend([liveliness(door), metrics(procfs, proxy, known.collected), key(door)]),
            Err(no_door) => {
                probes.push(of_gap(&no_door.gap("liveliness")));
                probes.push(metrics(procfs, proxy, known.collected));
            }
        }
    } else {
        let not_litellm = "what does not look like LiteLLM is not asked";
        probes.extend(["liveliness", "metrics"].map(|what| Probe::new(what, Outcome::NotTried, not_litellm)));
    }
    probes.push(log(procfs, plan, proxy));
    probes
}

/// The question that costs least: it needs no database and no key.
fn liveliness(door: &Door) -> Probe {
    const WHAT: &str = "liveliness";
    let address = door.address();
    match liveliness::ask_once(door) {
        Ok(Some(latency)) if latency < PROMPT => {
            Probe::new(WHAT, Outcome::Ok, format!("{address} answered in {} ms", latency.as_millis()))
        }
        Ok(Some(latency)) => {
            let proof = format!("{address} answered after {} ms: its event loop is busy", latency.as_millis());
            Probe::new(WHAT, Outcome::Warning, proof)
        }
        Ok(None) => {
            let proof = format!("{address} gave no good answer: its event loop stands still, or it is ill");
            Probe::new(WHAT, Outcome::Warning, proof)
                .cured(Some("capture all the same: that is what a capture is for".to_owned()))
        }
        Err(gap) => of_gap(&Gap { what: WHAT.to_owned(), why: format!("{}: {address}", gap.why), ..gap }),
    }
}

/// The workers' files, where they share some; else what the config promises. `/metrics/` itself is not asked: LiteLLM's
/// first answer after a boot takes up to a second of CPU.
fn metrics(procfs: &Procfs, proxy: &Proxy, collected: &Collected) -> Probe {
    const WHAT: &str = "metrics";
    const NOT_ASKED: &str = "/metrics/ is not asked now, since its first answer costs the proxy up to a second of CPU";
    let workers: Vec<ProcessId> = proxy.workers().map(|worker| worker.id).collect();
    if let Some(files) = MetricFiles::find(procfs, &workers) {
        let why = match files.read(procfs, &workers) {
            Ok(_) => {
                return Probe::new(WHAT, Outcome::Ok, "the workers share metric files, which are read without asking");
            }
            Err(Unusable::NotOurs) => "holds none of these workers'".to_owned(),
            Err(Unusable::Unreadable(kind)) => format!("cannot be read: {kind}"),
            Err(Unusable::TooLarge | Unusable::Malformed) => "holds files that cannot be used".to_owned(),
        };
        let proof =
            format!("the folder of the workers' metric files {why}; a capture asks /metrics/ instead. {NOT_ASKED}");
        return Probe::new(WHAT, Outcome::Warning, proof)
            .cured(Some("run capture as the user that owns the process, or as root".to_owned()));
    }
    let configured = collected.config.as_ref().map(|config| names_prometheus(config.text.expose()));
    let callback = "set callbacks: [\"prometheus\"] under litellm_settings in LiteLLM's config";
    match configured {
        Some(true) if workers.len() > 1 => {
            let proof = format!("{} workers share no metrics: each would answer for itself alone", workers.len());
            Probe::new(WHAT, Outcome::Gap, proof).cured(Some(SHARED_CURE.to_owned()))
        }
        Some(true) => Probe::new(WHAT, Outcome::Ok, format!("the config names the prometheus callback; {NOT_ASKED}")),
        Some(false) => Probe::new(WHAT, Outcome::Warning, "the config names no prometheus callback")
            .cured(Some(callback.to_owned())),
        None => Probe::new(WHAT, Outcome::NotTried, format!("no config tells whether there are any; {NOT_ASKED}")),
    }
}

/// Whether a line other than a comment names the callback.
fn names_prometheus(config: &str) -> bool {
    config.lines().filter_map(|line| line.split('#').next()).any(|line| line.contains("prometheus"))
}

/// Whether there is a key; never what it is.
fn key(door: &Door) -> Probe {
    const WHAT: &str = "key";
    match door.key_state() {
        KeyState::Usable(name) => {
            Probe::new(WHAT, Outcome::Ok, format!("{name} is set, and may go to {}", door.address()))
        }
        KeyState::Missing(name) => {
            let proof = format!(
                "{name} is set neither here nor for the workers; spend logs, and metrics behind a key, cannot be had"
            );
            let cure = format!("set {name}, or name the variable that has a key with --litellm-key-env NAME");
            Probe::new(WHAT, Outcome::Warning, proof).cured(Some(cure))
        }
        KeyState::Withheld => {
            let proof = format!(
                "it is not sent to {}, on which the process does not listen as far as can be seen from here",
                door.address()
            );
            let cure = "leave --litellm-url out, or run capture in the network namespace of the proxy";
            Probe::new(WHAT, Outcome::Warning, proof).cured(Some(cure.to_owned()))
        }
    }
}

fn log(procfs: &Procfs, plan: &DoctorPlan, proxy: &Proxy) -> Probe {
    const WHAT: &str = "log";
    let mut gaps = Vec::new();
    let titles = match &plan.observe.log {
        LogSource::Stdin => {
            return Probe::new(WHAT, Outcome::NotTried, "a capture reads it from standard input");
        }
        LogSource::File(path) => logs::readable_named(path, &mut gaps),
        LogSource::Found => logs::readable_found(procfs, proxy, &mut gaps),
    };
    match gaps.first() {
        None => Probe::new(WHAT, Outcome::Ok, format!("{} can be read", titles.join(" and "))),
        Some(gap) => {
            let rest =
                if titles.is_empty() { String::new() } else { format!("; {} can be read", titles.join(" and ")) };
            of_gap(&Gap { what: WHAT.to_owned(), why: format!("{}{rest}", gap.why), ..gap.clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_that_is_commented_out_is_not_on() {
        assert!(names_prometheus("litellm_settings:\n  callbacks: [\"prometheus\"]\n"));
        assert!(!names_prometheus("litellm_settings:\n  # callbacks: [\"prometheus\"]\n"));
        assert!(!names_prometheus("model_list: []\n"));
    }
}
