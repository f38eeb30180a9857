//! What is known of the machine, the container, the interpreter, LiteLLM and its processes.
//!
//! The same shape exists twice: `Fingerprint<Raw>` as collected, `Fingerprint<Clean>` as stored. Every field that
//! could be missing is an `Option`, and a missing one has its [`Gap`](crate::collect::Gap).

use serde::{Deserialize, Serialize};

use crate::discover::Role;
use crate::os::proc::ProcessId;

/// Everything about the environment that a maintainer would ask for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fingerprint<T> {
    /// The machine.
    pub host: Host<T>,
    /// CPU and memory limits of the workers' cgroup.
    pub cgroup: Cgroup<T>,
    /// Container and Kubernetes hints.
    pub container: Container<T>,
    /// The interpreter and what is installed for it.
    pub python: Python<T>,
    /// LiteLLM itself.
    pub litellm: LiteLlm<T>,
    /// Supervisor, workers and their companions.
    pub processes: Vec<ProcessFacts<T>>,
}

/// The machine and its kernel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Host<T> {
    /// Host name; in Kubernetes the pod's.
    pub hostname: Option<T>,
    /// `PRETTY_NAME` of the target's `/etc/os-release`.
    pub os: Option<T>,
    /// Kernel release.
    pub kernel: Option<T>,
    /// Machine architecture, such as `x86_64`.
    pub arch: Option<T>,
    /// Model name from `/proc/cpuinfo`.
    pub cpu_model: Option<T>,
    /// CPUs online.
    pub cpus_online: Option<u32>,
    /// CPUs that the workers may run on (their affinity mask).
    pub cpus_allowed: Option<u32>,
    /// Physical memory.
    pub memory_bytes: Option<u64>,
    /// Load average of the last minute.
    pub load_1m: Option<f64>,
}

/// Which hierarchy the figures come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupVersion {
    /// One hierarchy for each controller.
    V1,
    /// The unified hierarchy.
    V2,
    /// No cgroup file system is visible.
    #[default]
    None,
}

/// The cgroup of the workers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cgroup<T> {
    /// Where CPU figures come from.
    pub version: CgroupVersion,
    /// Path of the CPU cgroup.
    pub path: Option<T>,
    /// CPU quota in cores, the tightest on the way up; none means no limit.
    pub cpu_quota_cores: Option<f64>,
    /// Quota periods since the cgroup was made. These three are counted where the tightest quota is set.
    pub periods: Option<u64>,
    /// Periods in which the quota ran out.
    pub throttled_periods: Option<u64>,
    /// Time for which the cgroup was held, in microseconds.
    pub throttled_usec: Option<u64>,
    /// Memory limit, the tightest on the way up; none means no limit.
    pub memory_limit_bytes: Option<u64>,
    /// Memory in use.
    pub memory_used_bytes: Option<u64>,
}

/// What the environment tells of a container and of Kubernetes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Container<T> {
    /// `docker`, `kubernetes`, `podman` …, with the sign it was told by.
    pub runtime: Option<T>,
    /// Kubernetes namespace.
    pub namespace: Option<T>,
    /// Kubernetes pod.
    pub pod: Option<T>,
    /// Kubernetes node.
    pub node: Option<T>,
    /// Image or release tag.
    pub image: Option<T>,
    /// True where the target's PID namespace is not ours.
    pub other_pid_namespace: Option<bool>,
}

/// The interpreter.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Python<T> {
    /// Such as `3.11.7`.
    pub version: Option<T>,
    /// How the interpreter was built: shared or static, its path, free-threaded or not.
    pub build: Option<T>,
    /// Path of the executable.
    pub executable: Option<T>,
    /// Folders that packages are installed in.
    pub site_packages: Vec<T>,
    /// Installed distributions, by name.
    pub packages: Vec<Package<T>>,
}

/// One installed distribution.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Package<T> {
    /// Name as its metadata spells it.
    pub name: T,
    /// Version as its metadata spells it.
    pub version: T,
    /// When it was installed: the modification time of its metadata folder.
    pub installed_utc: Option<String>,
}

/// Which server carries the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Server {
    /// LiteLLM's default.
    Uvicorn,
    /// `--run_gunicorn`.
    Gunicorn,
    /// `--run_granian`.
    Granian,
    /// `--run_hypercorn`.
    Hypercorn,
}

/// How workers come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerMode {
    /// One process serves.
    Single,
    /// Children by multiprocessing's spawn.
    Spawned,
    /// Children by fork.
    Forked,
}

/// LiteLLM's own settings.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LiteLlm<T> {
    /// Version of the installed distribution.
    pub version: Option<T>,
    /// The server around it.
    pub server: Option<Server>,
    /// How workers come to be.
    pub worker_mode: Option<WorkerMode>,
    /// `uvloop` or `asyncio`, by what is mapped into a worker; one that is still starting has not loaded uvloop yet.
    pub event_loop: Option<T>,
    /// Workers asked for by argument or environment; where both are silent, the default of one.
    pub workers_configured: Option<u32>,
    /// Workers that were running.
    pub workers_running: u32,
    /// Port asked for by argument or environment.
    pub port: Option<u16>,
    /// The config file in use, as the target names it.
    pub config_path: Option<T>,
    /// When the config file was last changed.
    pub config_modified_utc: Option<String>,
}

/// One process of the proxy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessFacts<T> {
    /// Pid and start time.
    pub id: ProcessId,
    /// Parent's pid.
    pub parent_pid: i32,
    /// What it is there for.
    pub role: Role,
    /// Why it was taken for that.
    pub why: String,
    /// Command line, scrubbed when clean.
    pub argv: Vec<T>,
    /// When it started.
    pub started_utc: Option<String>,
    /// How long it had been running when the capture began.
    pub age_seconds: Option<u64>,
    /// Its threads.
    pub threads: Option<u32>,
    /// Resident memory.
    pub rss_bytes: Option<u64>,
    /// Those limits of `/proc/PID/limits` that bear on a busy server.
    pub ulimits: Vec<Ulimit>,
    /// The process that traces it, when one does.
    pub tracer_pid: Option<i32>,
    /// Profilers found in its maps, environment or command line.
    pub profilers: Vec<T>,
    /// Native extensions mapped into it, by short names such as `uvloop/loop`; told of supervisors and workers only.
    pub native_extensions: Vec<T>,
}

/// One resource limit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ulimit {
    /// Such as `open files`.
    pub name: String,
    /// Soft limit; none is unlimited.
    pub soft: Option<u64>,
    /// Hard limit; none is unlimited.
    pub hard: Option<u64>,
}
