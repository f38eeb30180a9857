//! What may be used: CPU is a spike or none only against that.

use crate::analyse::load::STARTUP_CPU_SECONDS;
use crate::watch::trigger::reason::Whole;

/// What a worker waits for while it starts, beside its CPU: for the disk, the database, and others that start.
const STARTUP_WAIT_S: f64 = 10.0;
/// Whoever is not up after so long does not come up, and that is worth a capture.
const LONGEST_STARTUP_S: f64 = 180.0;

/// Whose CPU is held against what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Any single worker's, against one core: no worker's Python can use more than one. Where the quota is less than a
    /// core, against the quota.
    Worker,
    /// The whole proxy's, against the quota, else against the machine.
    Total,
}

/// What the proxy may use. It may change while the proxy runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Capacity {
    /// CPU quota of the cgroup in cores; none without one.
    pub quota_cores: Option<f64>,
    /// CPUs that the workers may run on; none where that is not known.
    pub cpus: Option<u32>,
}

impl Scope {
    /// The scope asked for, else total where there is a quota and worker where there is none.
    pub fn of(asked: Option<Self>, capacity: Capacity) -> Self {
        asked.unwrap_or(if capacity.quota_cores.is_some() { Self::Total } else { Self::Worker })
    }
}

impl Capacity {
    /// What a single worker may use at most, in cores.
    pub fn of_a_worker(self) -> f64 {
        self.quota_cores.map_or(1.0, |quota| quota.min(1.0))
    }

    /// What all may use together, in cores; none where neither quota nor CPUs are known. A quota above the number of
    /// CPUs allows no more than those.
    pub fn of_all(self) -> Option<f64> {
        match (self.quota_cores, self.cpus.map(f64::from)) {
            (Some(quota), Some(cpus)) => Some(quota.min(cpus)),
            (quota, cpus) => quota.or(cpus),
        }
    }

    /// The same in words.
    pub fn whole(self, scope: Scope) -> Whole {
        let cpus = self.cpus.unwrap_or_default();
        match (scope, self.quota_cores) {
            (Scope::Worker, Some(cores)) if cores < 1.0 => Whole::Quota { cores },
            (Scope::Worker, _) => Whole::Core,
            (Scope::Total, Some(cores)) if self.cpus.is_none_or(|cpus| cores <= f64::from(cpus)) => {
                Whole::Quota { cores }
            }
            (Scope::Total, _) => Whole::Machine { cpus },
        }
    }

    /// How long a worker is taken to be starting, in microseconds: LiteLLM's import keeps a core busy, which is no
    /// spike. It takes [`STARTUP_CPU_SECONDS`] of CPU, and all the longer the less of a core there is for each of so
    /// many workers, since they mostly start together: 20 s where each has a core, 50 s for one with a quarter of a
    /// core.
    pub fn startup_us(self, workers: usize) -> i64 {
        let each = self.of_all().map_or(1.0, |cores| (cores / workers.max(1) as f64).min(1.0));
        ((STARTUP_WAIT_S + STARTUP_CPU_SECONDS / each).min(LONGEST_STARTUP_S) * 1e6) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_has_a_core_or_the_quota_where_that_is_less() {
        let of = |quota_cores| Capacity { quota_cores, cpus: Some(4) };
        let of_a_worker = [None, Some(2.0), Some(0.5)].map(|quota| Some(of(quota).of_a_worker()));
        assert_eq!(of_a_worker, [Some(1.0), Some(1.0), Some(0.5)]);
        assert_eq!([None, Some(2.0), Some(8.0)].map(|quota| of(quota).of_all()), [Some(4.0), Some(2.0), Some(4.0)]);
        assert_eq!(of(Some(8.0)).whole(Scope::Total), Whole::Machine { cpus: 4 });
        assert_eq!(Capacity::default().of_all(), None);
    }

    #[test]
    fn a_start_takes_longer_the_less_of_a_core_there_is_for_it() {
        let seconds = |quota_cores, workers| Capacity { quota_cores, cpus: Some(4) }.startup_us(workers) / 1_000_000;
        assert_eq!((seconds(None, 1), seconds(None, 4), seconds(None, 8)), (20, 20, 30));
        assert_eq!((seconds(Some(1.0), 4), seconds(Some(0.01), 1)), (50, 180));
    }
}
