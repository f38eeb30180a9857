//! What this process itself takes from the machine.

use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

/// CPU time of this process, user and system, without its children.
pub fn own_cpu_us() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        [usage.user_time(), usage.system_time()]
            .iter()
            .map(|time| time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64)
            .sum()
    })
}

/// CPU time of the calling thread, user and system.
pub fn thread_cpu_us() -> u64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(0, |time| time.tv_sec() as u64 * 1_000_000 + time.tv_nsec() as u64 / 1_000)
}

/// The calling thread's number, as the kernel has it.
pub fn thread_id() -> i32 {
    nix::unistd::gettid().as_raw()
}

/// CPU time of a thread of this process by its number; none where it has ended.
pub fn cpu_us_of_thread(tid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/self/task/{tid}/schedstat")).ok()?;
    Some(text.split(' ').next()?.parse::<u64>().ok()? / 1_000)
}

/// The memory this process has resident now: the second field of `/proc/self/statm`, in pages.
pub fn rss_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|bytes| u64::try_from(bytes).ok())?;
    Some(pages * page_bytes)
}

/// Gives free memory back to the kernel, which the C library else keeps for the next time: after a capture that is some
/// ten megabytes, and who watches for weeks makes few.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    {
        #[expect(unsafe_code, reason = "it takes a number and touches no memory that is in use")]
        unsafe extern "C" {
            /// glibc: releases free memory at the top of the heap and whole free pages within, but for `pad` bytes.
            safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        malloc_trim(0);
    }
}

/// The most memory this process had resident so far: `VmHWM` of `/proc/self/status`.
pub fn peak_rss_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
