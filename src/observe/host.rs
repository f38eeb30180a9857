//! What the kernel counts for the whole machine: load, CPU time used and stolen, memory left.

use crate::observe::ledger::{Figures, KernelFile, Value, counter, level};
use crate::observe::pressure::Pressure;
use crate::os::proc::Procfs;
use crate::series::column;

/// The machine under observation.
#[derive(Debug)]
pub struct Host {
    load: Option<KernelFile>,
    stat: Option<KernelFile>,
    memory: Option<KernelFile>,
    pressure: Pressure,
}

/// CPU time of all CPUs in clock ticks, from the first line of `/proc/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CpuTime {
    busy: u64,
    /// Linux 2.6.11 and later.
    stolen: Option<u64>,
}

impl Host {
    /// The machine that a `/proc` tells of.
    pub fn of(procfs: &Procfs) -> Self {
        let open = |name: &str| KernelFile::open(&procfs.path(name)).ok();
        Self {
            load: open("loadavg"),
            stat: open("stat"),
            memory: open("meminfo"),
            pressure: Pressure::of_machine(&procfs.path("pressure")),
        }
    }

    /// Its figures now, without pressure.
    pub fn figures(&self) -> Figures {
        let load = self.load.as_ref().and_then(|file| file.tells(load_1m));
        let cpu = self.stat.as_ref().and_then(|file| file.tells(cpu_time));
        let available = self.memory.as_ref().and_then(|file| file.tells(memory_available_bytes));
        let ticks_per_second = procfs::ticks_per_second();
        vec![
            (column::LOAD_1M, load.map(Value::Level)),
            (column::BUSY_S, counter(cpu.map(|cpu| cpu.busy), ticks_per_second)),
            (column::STEAL_S, counter(cpu.and_then(|cpu| cpu.stolen), ticks_per_second)),
            (column::MEMORY_AVAILABLE_BYTES, level(available)),
        ]
    }

    /// The pressure on it now, which is told here where the workers' cgroup has none of its own.
    pub fn pressure(&self) -> Figures {
        self.pressure.figures()
    }
}

fn load_1m(loadavg: &str) -> Option<f64> {
    loadavg.split_ascii_whitespace().next()?.parse().ok().filter(|load: &f64| load.is_finite())
}

/// `cpu user nice system idle iowait irq softirq steal guest guest_nice`; what guests use is part of user and nice.
fn cpu_time(stat: &str) -> Option<CpuTime> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_ascii_whitespace().map_while(|field| field.parse().ok()).collect();
    let &[user, nice, system, _idle, _iowait, irq, softirq, ref rest @ ..] = fields.as_slice() else { return None };
    let busy = [nice, system, irq, softirq].into_iter().try_fold(user, u64::checked_add)?;
    Some(CpuTime { busy, stolen: rest.first().copied() })
}

/// `MemAvailable` (Linux 3.14 and later), which the kernel gives in units of 1024 bytes that it calls kB.
fn memory_available_bytes(meminfo: &str) -> Option<u64> {
    let kibibytes = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB"))?;
    kibibytes.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn idle_waiting_and_stolen_time_is_not_busy() {
        let stat = "cpu  1 20 300 4000 50000 600000 7000000 80000000 5 6\ncpu0 1 1 1\n";
        assert_eq!(cpu_time(stat), Some(CpuTime { busy: 7_600_321, stolen: Some(80_000_000) }));
        assert_eq!(cpu_time("cpu  1 2 3 4 5 6 7\n"), Some(CpuTime { busy: 19, stolen: None }));
        assert_eq!(cpu_time("cpu  1 2 3\n"), None);
        assert_eq!(cpu_time("cpu0 1 2 3 4 5 6 7 8\n"), None);
    }

    #[test]
    fn memory_that_could_be_had_is_not_memory_that_is_free() {
        assert_eq!(memory_available_bytes("MemFree: 1 kB\nMemAvailable:    2048 kB\n"), Some(2048 * 1024));
        assert_eq!(memory_available_bytes("MemFree: 1 kB\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(cpu |MemAvailable:|kB|[ \n0-9a-zA-Z.-]){0,40}") {
            let _ = (load_1m(&text), cpu_time(&text), memory_available_bytes(&text));
        }
    }
}
