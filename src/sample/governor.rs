//! Keeps the sampler's CPU within its budget by taking fewer samples, and the samplers out of the way of a proxy that
//! stops answering.
//!
//! The cost of a sample depends on the depth of the stacks and the number of threads, so it is measured on the
//! running sampler, and the rate steps down as soon as the budget would be broken.

use std::time::Duration;

use crate::observe::liveliness::Health;

/// The steps, in samples a second. Below the last one a profile of seconds says too little.
const LADDER_HZ: [u32; 6] = [500, 250, 100, 50, 25, 10];
/// CPU time is counted in ticks of 10 ms: over one second a reading is right to 1 % of a core.
const SHORTEST_LOOK_US: u64 = 1_000_000;

/// What is to be done about a sampler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// It is within its budget, or it is too early to tell.
    GoOn,
    /// Go on at this rate.
    StepDownTo(u32),
    /// Even the lowest rate costs too much.
    Detach,
}

/// The budget of one worker's sampler, as a share of one core.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget(f64);

impl Budget {
    /// A share of one core: 0.05 is 5 %.
    pub fn of_one_core(share: f64) -> Self {
        Self(share)
    }

    /// The share.
    pub fn share(self) -> f64 {
        self.0
    }

    /// Judges a sampler that used `cpu_us` of CPU over `elapsed_us` at `rate_hz`.
    pub fn judge(self, rate_hz: u32, cpu_us: u64, elapsed_us: u64) -> Advice {
        if elapsed_us < SHORTEST_LOOK_US {
            return Advice::GoOn;
        }
        let share = cpu_us as f64 / elapsed_us as f64;
        if share <= self.0 {
            return Advice::GoOn;
        }
        let affordable_hz = f64::from(rate_hz) * self.0 / share;
        let below = LADDER_HZ.into_iter().filter(|&step| step < rate_hz);
        match below.clone().find(|&step| f64::from(step) <= affordable_hz).or(below.clone().next_back()) {
            Some(step) => Advice::StepDownTo(step),
            None => Advice::Detach,
        }
    }
}

/// What the proxy's answers ask of its samplers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mercy {
    /// It answers, or it did not answer before there were samplers either.
    GoOn,
    /// It hesitates: the lowest rate.
    Spare,
    /// It does not answer any longer: no sampler.
    LetGo,
}

/// Half of the time that LiteLLM's chart gives an answer of `/health/liveliness`, five seconds (`livenessProbe` in
/// `helm/litellm-helm/values.yaml`).
const HESITATION: Duration = Duration::from_millis(2_500);
/// After as many unanswered probes a sampler may be what holds the proxy up. Kubernetes restarts it after five.
const MOST_UNANSWERED: u32 = 2;

impl Mercy {
    /// Judges a proxy that answered, or did not, before it was sampled. One that stood still already is what the capture
    /// is there to see.
    pub fn for_proxy(answered_before: bool, health: Health) -> Self {
        if !answered_before {
            Self::GoOn
        } else if health.failed_in_a_row >= MOST_UNANSWERED {
            Self::LetGo
        } else if health.failed_in_a_row > 0 || health.waiting > HESITATION {
            Self::Spare
        } else {
            Self::GoOn
        }
    }
}

/// The lowest rate.
pub const LOWEST_HZ: u32 = LADDER_HZ[LADDER_HZ.len() - 1];

#[cfg(test)]
mod tests {
    use super::*;

    fn health(failed_in_a_row: u32, waiting_ms: u64) -> Health {
        Health { answered: 7, failed_in_a_row, waiting: Duration::from_millis(waiting_ms) }
    }

    #[test]
    fn a_proxy_that_stops_answering_is_spared_and_then_let_go() {
        assert_eq!(Mercy::for_proxy(true, health(0, 2_400)), Mercy::GoOn);
        assert_eq!(Mercy::for_proxy(true, health(0, 2_600)), Mercy::Spare);
        assert_eq!(Mercy::for_proxy(true, health(1, 0)), Mercy::Spare);
        assert_eq!(Mercy::for_proxy(true, health(2, 0)), Mercy::LetGo);
    }

    #[test]
    fn a_proxy_that_stood_still_before_is_sampled_all_the_same() {
        assert_eq!(Mercy::for_proxy(false, health(9, 4_000)), Mercy::GoOn);
    }

    const BUDGET: Budget = Budget(0.05);

    #[test]
    fn a_sampler_within_its_budget_goes_on() {
        assert_eq!(BUDGET.judge(100, 49_000, 1_000_000), Advice::GoOn);
    }

    #[test]
    fn nothing_is_judged_within_the_first_second() {
        assert_eq!(BUDGET.judge(100, 900_000, 999_999), Advice::GoOn);
    }

    #[test]
    fn the_rate_steps_down_to_what_the_budget_affords() {
        assert_eq!(BUDGET.judge(100, 90_000, 1_000_000), Advice::StepDownTo(50));
        assert_eq!(BUDGET.judge(100, 150_000, 1_000_000), Advice::StepDownTo(25));
        assert_eq!(BUDGET.judge(400, 600_000, 1_000_000), Advice::StepDownTo(25));
        assert_eq!(BUDGET.judge(100, 990_000, 1_000_000), Advice::StepDownTo(10));
    }

    #[test]
    fn at_the_lowest_rate_there_is_only_detaching() {
        assert_eq!(BUDGET.judge(10, 60_000, 1_000_000), Advice::Detach);
    }
}
