//! Section 4: the machine, the container, the interpreter and LiteLLM's settings.

use crate::analyse::Facts;
use crate::analyse::facts::SharedEnviron;
use crate::collect::fingerprint::{Cgroup, CgroupVersion, Container, Fingerprint, Host};
use crate::redact::Clean;
use crate::render::figures::{bytes, cores, count, counted, digits, percent, span};
use crate::render::markdown::{Document, Table, code, text};
use crate::render::ticket::reproduction::server_word;

/// Packages that a maintainer asks for first.
const PACKAGES: [&str; 18] = [
    "litellm",
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "gunicorn",
    "granian",
    "pydantic",
    "pydantic-core",
    "httpx",
    "aiohttp",
    "openai",
    "tiktoken",
    "orjson",
    "prometheus-client",
    "redis",
    "prisma",
    "apscheduler",
];
/// Variables that LiteLLM's pages ask for by name.
const VARIABLES: [&str; 8] = [
    "NUM_WORKERS",
    "MAX_REQUESTS_BEFORE_RESTART",
    "MAX_REQUESTS_BEFORE_RESTART_JITTER",
    "DATABASE_CONNECTION_POOL_LIMIT",
    "DATABASE_CONNECTION_TIMEOUT",
    "REDIS_HOST",
    "LITELLM_MODE",
    "LITELLM_LOG",
];

pub fn write(document: &mut Document, facts: &Facts) {
    document.heading(2, "4. Environment");
    match &facts.fingerprint {
        Some(fingerprint) => {
            document.table(&environment(fingerprint));
            packages(document, fingerprint);
        }
        None => document.block(
            "Nothing about the environment is in this bundle: it was not collected, or it was lost. Capture again, or \
             note LiteLLM's, Python's and the packages' versions, the machine and its limits here.",
        ),
    }
    variables(document, &facts.variables);
}

fn environment(fingerprint: &Fingerprint<Clean>) -> Table {
    let mut table = Table::new(&["what", "value"]);
    let litellm = &fingerprint.litellm;
    let python = &fingerprint.python;
    let server = litellm.server.map_or("an unknown server", server_word);
    let event_loop = litellm.event_loop.as_ref().map_or_else(|| "unknown".to_owned(), |name| code(name.as_str()));
    table.row(["LiteLLM".to_owned(), known(litellm.version.as_ref())]);
    let build = python.build.as_ref().map(|build| format!(", build {}", code(build.as_str()))).unwrap_or_default();
    table.row(["Python".to_owned(), known(python.version.as_ref()) + &build]);
    let workers = counted(litellm.workers_running, "worker");
    table.row(["Server".to_owned(), format!("{server}, {workers} running, event loop {event_loop}")]);
    host(&mut table, &fingerprint.host);
    cgroup(&mut table, &fingerprint.cgroup);
    container(&mut table, &fingerprint.container);
    let mut profilers: Vec<&str> =
        fingerprint.processes.iter().flat_map(|process| &process.profilers).map(Clean::as_str).collect();
    profilers.sort_unstable();
    profilers.dedup();
    let profilers: Vec<String> = profilers.into_iter().map(code).collect();
    table.row([
        "Profilers and tracers in the processes".to_owned(),
        if profilers.is_empty() { "none found".to_owned() } else { profilers.join(", ") },
    ]);
    table
}

fn host(table: &mut Table, host: &Host<Clean>) {
    table.row(["Operating system".to_owned(), known(host.os.as_ref())]);
    let arch = host.arch.as_ref().map(|arch| format!(", {}", code(arch.as_str()))).unwrap_or_default();
    table.row(["Kernel".to_owned(), known(host.kernel.as_ref()) + &arch]);
    table.row(["CPU model".to_owned(), known(host.cpu_model.as_ref())]);
    let cpus = |cpus: Option<u32>| cpus.map_or_else(|| "an unknown number".to_owned(), |cpus| cpus.to_string());
    table.row([
        "CPUs".to_owned(),
        format!("{} online, {} allowed to the workers", cpus(host.cpus_online), cpus(host.cpus_allowed)),
    ]);
    if let Some(load) = host.load_1m {
        table.row(["Load average of a minute, when the capture began".to_owned(), digits(load)]);
    }
    let memory = host.memory_bytes.map_or_else(unknown, |size| bytes(size as f64));
    table.row(["Memory of the machine".to_owned(), memory]);
}

fn cgroup(table: &mut Table, cgroup: &Cgroup<Clean>) {
    if cgroup.version == CgroupVersion::None {
        table.row(["Limits of CPU and memory", "unknown: no cgroup file system could be read, see section 6"]);
        return;
    }
    let version = if cgroup.version == CgroupVersion::V1 { "v1" } else { "v2" };
    let quota = cgroup.cpu_quota_cores.map_or_else(|| "no limit".to_owned(), cores);
    table.row(["CPU limit".to_owned(), format!("{quota} (cgroup {version})")]);
    if let (Some(periods), Some(throttled)) = (cgroup.periods.filter(|periods| *periods > 0), cgroup.throttled_periods)
    {
        let held = cgroup.throttled_usec.map(|us| format!(", held for {}", span(us as f64 / 1e6))).unwrap_or_default();
        let share = percent(throttled as f64 / periods as f64 * 100.0);
        let [throttled, periods] = [throttled, periods].map(|number| count(number as f64));
        let told = format!("in {throttled} of {periods} periods ({share}){held}");
        table.row(["Throttled since the cgroup was made".to_owned(), told]);
    }
    let limit = cgroup.memory_limit_bytes.map_or_else(|| "no limit".to_owned(), |size| bytes(size as f64));
    let used = cgroup.memory_used_bytes.map(|size| format!(", {} in use", bytes(size as f64))).unwrap_or_default();
    table.row(["Memory limit".to_owned(), limit + &used]);
}

fn container(table: &mut Table, container: &Container<Clean>) {
    let Some(runtime) = &container.runtime else {
        table.row(["Container", "no sign of one was found"]);
        return;
    };
    table.row(["Container".to_owned(), text(runtime.as_str())]);
    let image = container.image.as_ref();
    table.row([
        "Image".to_owned(),
        image.map_or_else(|| "not told inside the container; note it here".to_owned(), |image| code(image.as_str())),
    ]);
    let named = [
        ("Kubernetes pod", &container.pod),
        ("Kubernetes namespace", &container.namespace),
        ("Kubernetes node", &container.node),
    ];
    for (what, value) in named {
        if let Some(value) = value {
            table.row([what.to_owned(), code(value.as_str())]);
        }
    }
}

fn packages(document: &mut Document, fingerprint: &Fingerprint<Clean>) {
    let installed = &fingerprint.python.packages;
    if installed.is_empty() {
        document.block("The installed packages could not be read: see section 6.");
        return;
    }
    let normal = |name: &str| name.to_lowercase().replace(['_', '.'], "-");
    let version = |name: &str| {
        installed.iter().find(|package| normal(package.name.as_str()) == name).map(|package| &package.version)
    };
    let (there, absent): (Vec<&str>, Vec<&str>) = PACKAGES.into_iter().partition(|name| version(name).is_some());
    let there: Vec<String> = there
        .into_iter()
        .map(|name| format!("{name} {}", version(name).map(|version| code(version.as_str())).unwrap_or_default()))
        .collect();
    let absent = if absent.is_empty() { String::new() } else { format!(" Not installed: {}.", absent.join(", ")) };
    document.block(format!(
        "Packages: {}.{absent} All {} are in `environment/packages.txt`.",
        there.join(", "),
        installed.len(),
    ));
}

fn variables(document: &mut Document, environs: &[SharedEnviron]) {
    if environs.is_empty() {
        document.block("The environment variables of the processes could not be read: see section 6.");
        return;
    }
    let mut table = Table::new(&["variable", "value"]);
    for name in VARIABLES {
        let values: Vec<(Option<&String>, &[i32])> =
            environs.iter().map(|environ| (environ.variables.get(name), environ.pids.as_slice())).collect();
        let written = |value: Option<&String>| match value.map(String::as_str) {
            None => "not set".to_owned(),
            Some("set") => "set (its value is withheld)".to_owned(),
            Some(value) => code(value),
        };
        let same = values.iter().all(|(value, _)| *value == values[0].0);
        let cell = if same {
            written(values[0].0)
        } else {
            let each = values.iter().map(|(value, pids)| {
                let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
                format!("{} in pid {}", written(*value), pids.join(", "))
            });
            each.collect::<Vec<_>>().join("; ")
        };
        table.row([format!("`{name}`"), cell]);
    }
    document.block(
        "Environment variables as the processes were started with them; what LiteLLM sets itself later shows in spawned \
         workers alone. All are in `environment/env.json`.",
    );
    document.table(&table);
}

fn known(value: Option<&Clean>) -> String {
    value.map_or_else(unknown, |value| code(value.as_str()))
}

fn unknown() -> String {
    "unknown, see section 6".to_owned()
}
