//! The processes of the proxy, one by one: age, size, limits, who else watches them.

use std::path::Path;

use jiff::Timestamp;
use procfs::process::{LimitValue, Limits};

use crate::collect::Gap;
use crate::collect::fingerprint::{ProcessFacts, Ulimit};
use crate::collect::subject::Subject;
use crate::discover::{Member, Role, command};
use crate::os::proc::{Process, Procfs};
use crate::redact::Raw;

/// Extensions that profile or trace, by a part of their mapped path.
const MAPPED_PROFILERS: [(&str, &str); 9] = [
    ("/pyroscope", "pyroscope (mapped)"),
    ("/ddtrace/", "ddtrace (mapped)"),
    ("/echion/", "echion (mapped)"),
    ("/memray/", "memray (mapped)"),
    ("/austin", "austin (mapped)"),
    ("/py_spy", "py-spy (mapped)"),
    ("/scalene/", "scalene (mapped)"),
    ("/pyinstrument/", "pyinstrument (mapped)"),
    ("/newrelic/", "newrelic (mapped)"),
];
/// Variables that turn profiling or tracing on.
const PROFILING_VARIABLES: [(&str, &str); 5] = [
    ("LITELLM_ENABLE_PYROSCOPE", "pyroscope (LITELLM_ENABLE_PYROSCOPE)"),
    ("USE_DDTRACE", "ddtrace (USE_DDTRACE)"),
    ("USE_DDPROFILER", "ddtrace profiler (USE_DDPROFILER)"),
    ("DD_PROFILING_ENABLED", "ddtrace profiler (DD_PROFILING_ENABLED)"),
    ("LITELLM_PROFILE", "litellm memory profile (LITELLM_PROFILE)"),
];

pub fn collect(procfs: &Procfs, subject: &Subject<'_>, gaps: &mut Vec<Gap>) -> Vec<ProcessFacts<Raw>> {
    let clock = BootClock::read(procfs);
    if clock.is_none() {
        gaps.push(Gap::new(
            "when the processes started",
            "the time of the machine's start is not in /proc/stat",
            "note in the ticket since when the proxy runs",
        ));
    }
    subject.members().iter().map(|member| facts(procfs, subject, member, clock, gaps)).collect()
}

fn facts(
    procfs: &Procfs,
    subject: &Subject<'_>,
    member: &Member,
    clock: Option<BootClock>,
    gaps: &mut Vec<Gap>,
) -> ProcessFacts<Raw> {
    let pid = member.id.pid;
    let mut facts = ProcessFacts {
        id: member.id,
        parent_pid: member.parent_pid,
        role: member.role,
        why: member.why.clone(),
        argv: Vec::new(),
        started_utc: clock.and_then(|clock| clock.utc(member.id.start_ticks)),
        age_seconds: clock.and_then(|clock| clock.age_seconds(member.id.start_ticks)),
        threads: None,
        rss_bytes: None,
        ulimits: Vec::new(),
        tracer_pid: None,
        profilers: Vec::new(),
        native_extensions: Vec::new(),
    };
    let Some(process) = procfs.same(member.id) else {
        gaps.push(Gap::note(format!("process {pid}"), "it ended before it was read", "capture again while it runs"));
        return facts;
    };
    let mut keep =
        |what: &str, error: &std::io::Error| gaps.push(Gap::unread(format!("{what} of process {pid}"), error));
    match process.argv() {
        Ok(argv) => facts.argv = argv,
        Err(error) => keep("the command line", &error),
    }
    match process.stat() {
        Ok(stat) => {
            facts.threads = u32::try_from(stat.num_threads).ok();
            facts.rss_bytes = Some(stat.rss.saturating_mul(procfs::page_size()));
        }
        Err(error) => keep("threads and memory", &error),
    }
    match process.limits() {
        Ok(limits) => facts.ulimits = ulimits(&limits),
        Err(error) => keep("the resource limits", &error),
    }
    match process.status_field("TracerPid") {
        // 0 is the kernel's word for nobody.
        Ok(tracer) => facts.tracer_pid = tracer.and_then(|pid| pid.parse().ok()).filter(|&pid| pid != 0),
        Err(error) => keep("the tracer", &error),
    }
    // Only what serves matters here; a failure to read maps or environments has its gap already.
    if matches!(member.role, Role::Worker | Role::Supervisor) {
        let maps = process.mapped_files().unwrap_or_default();
        facts.profilers = profilers(subject, &process, &facts.argv, &maps);
        facts.native_extensions = native_extensions(&maps);
    }
    facts
}

/// From clock ticks since boot to the time of day.
#[derive(Debug, Clone, Copy)]
struct BootClock {
    boot_seconds: i64,
    ticks_per_second: u64,
}

impl BootClock {
    /// The line `btime` of `/proc/stat`: seconds between the epoch and the machine's start.
    fn read(procfs: &Procfs) -> Option<Self> {
        let stat = procfs.read("stat").ok()?;
        let boot = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())?;
        Some(Self { boot_seconds: boot, ticks_per_second: procfs::ticks_per_second() })
    }

    fn start(self, ticks: u64) -> Option<Timestamp> {
        let seconds = i64::try_from(ticks / self.ticks_per_second.max(1)).ok()?;
        Timestamp::from_second(self.boot_seconds.checked_add(seconds)?).ok()
    }

    fn utc(self, ticks: u64) -> Option<String> {
        Some(self.start(ticks)?.to_string())
    }

    fn age_seconds(self, ticks: u64) -> Option<u64> {
        u64::try_from(Timestamp::now().as_second() - self.start(ticks)?.as_second()).ok()
    }
}

fn ulimits(limits: &Limits) -> Vec<Ulimit> {
    let value = |limit| match limit {
        LimitValue::Unlimited => None,
        LimitValue::Value(value) => Some(value),
    };
    // The ones that bear on a busy server.
    let named = [
        ("cpu time", limits.max_cpu_time),
        ("stack size", limits.max_stack_size),
        ("core file size", limits.max_core_file_size),
        ("processes", limits.max_processes),
        ("open files", limits.max_open_files),
        ("locked memory", limits.max_locked_memory),
        ("address space", limits.max_address_space),
    ];
    let ulimit = |(name, limit): (&str, procfs::process::Limit)| Ulimit {
        name: name.to_owned(),
        soft: value(limit.soft_limit),
        hard: value(limit.hard_limit),
    };
    named.into_iter().map(ulimit).collect()
}

fn profilers(subject: &Subject<'_>, process: &Process, argv: &[Raw], maps: &[impl AsRef<Path>]) -> Vec<Raw> {
    let mut found: Vec<&str> = Vec::new();
    let paths: Vec<String> = maps.iter().map(|path| path.as_ref().to_string_lossy().to_lowercase()).collect();
    let is_mapped = |part: &str| paths.iter().any(|path| path.contains(part));
    found.extend(MAPPED_PROFILERS.iter().filter(|(part, _)| is_mapped(part)).map(|(_, name)| *name));
    let environ = subject.environs.iter().find(|environ| environ.pid == process.pid);
    let is_on = |name: &str| {
        let mut vars = environ.into_iter().flat_map(|environ| &environ.vars);
        vars.any(|(known, value)| known.expose() == name && is_true(value.expose()))
    };
    found.extend(PROFILING_VARIABLES.iter().filter(|(name, _)| is_on(name)).map(|(_, name)| *name));
    if command::script(argv).is_some_and(|script| command::file_name(script) == "ddtrace-run") {
        found.push("ddtrace (ddtrace-run)");
    }
    found.into_iter().map(Raw::new).collect()
}

fn is_true(value: &str) -> bool {
    matches!(value.trim().to_ascii_lowercase().as_str(), "1" | "true" | "t" | "yes" | "y" | "on" | "auto")
}

/// The short names of mapped extensions: `uvloop/loop`, `lib-dynload/_json`.
fn native_extensions(maps: &[impl AsRef<Path>]) -> Vec<Raw> {
    let mut names: Vec<String> = maps.iter().filter_map(|path| extension_name(path.as_ref())).collect();
    names.sort();
    names.dedup();
    names.into_iter().map(Raw::new).collect()
}

fn extension_name(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    // An upgrade under a running process leaves its mappings marked so.
    let text = text.strip_suffix(" (deleted)").unwrap_or(text);
    let inside = ["/site-packages/", "/dist-packages/"].iter().find_map(|part| Some(text.rsplit_once(part)?.1));
    let short = inside.or_else(|| Some(&text[text.rfind("/lib-dynload/")? + 1..]))?;
    let (folder, file) = short.rsplit_once('/').map_or(("", short), |(folder, file)| (folder, file));
    // The tail of the name is the same for all: .cpython-311-x86_64-linux-gnu.so, .abi3.so.
    let (stem, tail) = file.split_once('.')?;
    let is_library = format!(".{tail}").contains(".so");
    is_library.then(|| if folder.is_empty() { stem.to_owned() } else { format!("{folder}/{stem}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_told_by_its_short_name() {
        let name = |path: &str| extension_name(Path::new(path));
        let venv = "/app/my venv/lib/python3.13/site-packages";
        assert_eq!(
            name(&format!("{venv}/uvloop/loop.cpython-313-x86_64-linux-gnu.so")).as_deref(),
            Some("uvloop/loop")
        );
        assert_eq!(name(&format!("{venv}/orjson.abi3.so (deleted)")).as_deref(), Some("orjson"));
        assert_eq!(name("/usr/lib/python3.13/lib-dynload/_json.so").as_deref(), Some("lib-dynload/_json"));
        assert_eq!(name(&format!("{venv}/numpy.libs/libopenblas-1.so.0")).as_deref(), Some("numpy.libs/libopenblas-1"));
        assert_eq!(name("/usr/lib/libssl.so.3"), None);
        assert_eq!(name(&format!("{venv}/data.bin")), None);
    }
}
