//! Time: one monotonic clock for everything measured, UTC for everything told.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

/// Microseconds of `CLOCK_MONOTONIC`. It is the same for every process of the machine, also in containers.
pub fn monotonic_us() -> u64 {
    // CLOCK_MONOTONIC cannot fail on Linux; a zero here would show at once as an absurd time.
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| time.tv_sec() as u64 * 1_000_000 + time.tv_nsec() as u64 / 1_000)
}

/// Seconds since the machine was started, sleep included: what start times of processes count in. Told by the system
/// call, since a container may have a `/proc/uptime` of its own while start times stay the machine's.
pub fn boot_seconds() -> Option<f64> {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?;
    Some(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

/// Which start of the machine this is: another one after each, and the same in all its containers (random(4)). None
/// where `/proc` does not tell.
pub fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// When a file was made, on the clock of [`monotonic_us`]; none where the file system does not keep it. It keeps it to
/// one tick of the kernel, however late we come to ask.
pub fn born_us(file: &Path) -> Option<u64> {
    let ago = SystemTime::now().duration_since(file.metadata().ok()?.created().ok()?).ok()?;
    monotonic_us().checked_sub(ago.as_micros() as u64)
}

/// Now, as people write it: RFC 3339 in UTC with whole seconds.
pub fn utc_now() -> String {
    utc(Timestamp::now())
}

/// A moment as RFC 3339 in UTC with whole seconds.
pub fn utc(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Now, for file names.
pub fn utc_for_file_name() -> String {
    for_file_name(Timestamp::now())
}

/// A moment, for file names: no colons, since `tar` reads a colon as a host.
pub fn for_file_name(moment: Timestamp) -> String {
    moment.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A wait that ends on a signal too.
pub fn pause(time: Duration) {
    let _ = nix::poll::poll(&mut [], nix::poll::PollTimeout::try_from(time).unwrap_or(nix::poll::PollTimeout::MAX));
}
