//! What the proxy had used before anyone looked: the ground that a spike stands out from.

use crate::analyse::evidence::Lifetime;
use crate::discover::{Proxy, Role};
use crate::observe::Epoch;
use crate::os::clock::boot_seconds;
use crate::os::proc::Procfs;

/// Age and CPU time of the proxy up to now; none where no worker can be read.
///
/// Children that still live are in nobody's count of ended children, so workers and what their supervisor waited for
/// never overlap. Among the latter is also what the supervisor ran to prepare, such as a database migration.
pub fn lifetime(procfs: &Procfs, proxy: &Proxy, epoch: Epoch) -> Option<Lifetime> {
    let at_us = epoch.elapsed_us();
    let mut ticks = 0;
    let mut workers = 0;
    let mut oldest = None;
    for member in &proxy.members {
        let Some(process) = procfs.same(member.id) else { continue };
        let Ok(stat) = process.stat() else { continue };
        let began = member.id.start_ticks;
        oldest = Some(oldest.map_or(began, |oldest: u64| oldest.min(began)));
        match member.role {
            Role::Worker => {
                ticks += stat.utime + stat.stime;
                workers += 1;
            }
            Role::Supervisor => ticks += u64::try_from(stat.cutime + stat.cstime).unwrap_or_default(),
            _ => {}
        }
    }
    let per_second = procfs::ticks_per_second() as f64;
    let age_seconds = (boot_seconds()? - oldest? as f64 / per_second).max(0.0);
    (workers > 0).then(|| Lifetime { at_us, age_seconds, cpu_seconds: ticks as f64 / per_second, workers })
}
