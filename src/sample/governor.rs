//! Keeps the sampler's CPU within its budget by taking fewer samples.
//!
//! The cost of a sample depends on the depth of the stacks and the number of threads, so it is measured on the
//! running sampler, and the rate steps down as soon as the budget would be broken.

/// The steps, in samples a second. Below the last one a profile of seconds says too little.
const LADDER_HZ: [u32; 4] = [100, 50, 25, 10];
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

#[cfg(test)]
mod tests {
    use super::*;

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
