//! LiteLLM's own settings, from its arguments, its environment and what is mapped.
//!
//! `NUM_WORKERS` and `WORKER_CONFIG` are set by LiteLLM at run time, so they show in the environment of spawned workers
//! alone; the top process is asked through its arguments.

use crate::collect::fingerprint::{LiteLlm, Python, Server, WorkerMode};
use crate::collect::subject::Subject;
use crate::collect::{Gap, packages};
use crate::discover::{Role, command};
use crate::redact::Raw;

pub fn collect(subject: &Subject<'_>, python: &Python<Raw>, gaps: &mut Vec<Gap>) -> LiteLlm<Raw> {
    let version = packages::named(&python.packages, "litellm").map(|package| package.version.clone());
    let looks_like_litellm = subject.proxy.looks_like_litellm;
    if version.is_none() && looks_like_litellm {
        gaps.push(Gap::new(
            "LiteLLM's version",
            "no metadata of it is among the installed packages",
            "note the image tag or the version in the ticket",
        ));
    }
    if !looks_like_litellm {
        gaps.push(Gap::note(
            "LiteLLM's settings",
            "the process does not look like LiteLLM",
            "name the pid of the proxy with --pid, or leave --pid out",
        ));
        return LiteLlm { version, workers_running: workers_running(subject), ..LiteLlm::default() };
    }
    let port = port(subject);
    if port.is_none() {
        gaps.push(Gap::note(
            "the port",
            "no argument or variable names it; LiteLLM listens on 4000 then, or on a random port if that is taken",
            "note the address in the ticket",
        ));
    }
    let workers_configured = workers_configured(subject);
    if workers_configured.is_none() {
        gaps.push(Gap::new(
            "the number of workers asked for",
            "no argument names it and the environment cannot be read",
            "run capture as the user that owns the process, or as root",
        ));
    }
    LiteLlm {
        version,
        server: Some(server(subject)),
        worker_mode: Some(worker_mode(subject)),
        event_loop: event_loop(subject, gaps),
        workers_configured,
        workers_running: workers_running(subject),
        port,
        config_path: config_path(subject),
        config_modified_utc: None,
    }
}

fn workers_running(subject: &Subject<'_>) -> u32 {
    subject.proxy.workers().count() as u32
}

fn server(subject: &Subject<'_>) -> Server {
    let argv = &subject.argv;
    let asked = |flag: &str, name: &str| command::has_flag(argv, flag) || command::server_command(argv) == Some(name);
    let titled = argv.first().is_some_and(|title| title.expose().starts_with("gunicorn: "));
    if asked("--run_gunicorn", "gunicorn") || titled {
        Server::Gunicorn
    } else if asked("--run_granian", "granian") || mapped(subject, "/granian/_granian") {
        Server::Granian
    } else if asked("--run_hypercorn", "hypercorn") {
        Server::Hypercorn
    } else {
        Server::Uvicorn
    }
}

fn worker_mode(subject: &Subject<'_>) -> WorkerMode {
    let has_supervisor = subject.members().iter().any(|member| member.role == Role::Supervisor);
    let spawned = command::python_program(&subject.worker_argv) == command::Program::Spawned;
    let forked = command::forks_workers(&subject.argv)
        || (!spawned && subject.worker_argv == subject.argv && workers_running(subject) > 0);
    match (has_supervisor, forked) {
        (false, _) if !spawned => WorkerMode::Single,
        (true, true) => WorkerMode::Forked,
        // Where workers were asked for and none runs, uvicorn would have spawned them.
        _ => WorkerMode::Spawned,
    }
}

fn event_loop(subject: &Subject<'_>, gaps: &mut Vec<Gap>) -> Option<Raw> {
    if subject.maps.is_empty() {
        gaps.push(Gap::new(
            "the event loop",
            "the mapped files of the worker cannot be read",
            "run capture as the user that owns the process, or as root",
        ));
        return None;
    }
    Some(Raw::new(if mapped(subject, "/uvloop/loop.") { "uvloop" } else { "asyncio" }))
}

fn mapped(subject: &Subject<'_>, part: &str) -> bool {
    subject.maps.iter().any(|path| path.to_str().is_some_and(|path| path.contains(part)))
}

/// By argument; else by the variable that the starting command reads; else the default of them all, which is one.
fn workers_configured(subject: &Subject<'_>) -> Option<u32> {
    // LiteLLM's command reads NUM_WORKERS and then the other one (proxy_cli.py, constants.py). By themselves uvicorn
    // and gunicorn read WEB_CONCURRENCY, and uvicorn and Granian any of their options from a variable.
    let names: &[&str] = match command::server_command(&subject.argv) {
        Some("uvicorn") => &["UVICORN_WORKERS", "WEB_CONCURRENCY"],
        Some("granian") => &["GRANIAN_WORKERS"],
        Some(_) => &["WEB_CONCURRENCY"],
        None => &["NUM_WORKERS", "DEFAULT_NUM_WORKERS_LITELLM_PROXY"],
    };
    let by_variable = || names.iter().find_map(|name| subject.set_var(name)?.expose().trim().parse().ok());
    let by_default = || (!subject.environs.is_empty()).then_some(1);
    command::workers_option(&subject.argv).or_else(by_variable).or_else(by_default)
}

fn port(subject: &Subject<'_>) -> Option<u16> {
    let by_option = command::option(&subject.argv, "--port").and_then(|port| port.parse().ok());
    // gunicorn's and hypercorn's: --bind HOST:PORT.
    let by_bind = || {
        ["--bind", "-b"].iter().find_map(|name| {
            command::server_command(&subject.argv)?;
            command::option(&subject.argv, name)?.rsplit_once(':')?.1.parse().ok()
        })
    };
    let variable = match command::server_command(&subject.argv) {
        Some("uvicorn") => "UVICORN_PORT",
        Some("granian") => "GRANIAN_PORT",
        _ => "PORT",
    };
    by_option.or_else(by_bind).or_else(|| subject.set_var(variable)?.expose().trim().parse().ok())
}

/// By argument; else as LiteLLM hands it to its workers; else by the variable for those who start without its command.
fn config_path(subject: &Subject<'_>) -> Option<Raw> {
    let servers = command::server_command(&subject.argv).is_some();
    // A server's own -c and --config name the server's configuration.
    let by_option = || (!servers).then(|| ["--config", "-c"].iter().find_map(|name| litellm_option(subject, name)))?;
    let by_worker_config = || {
        let value: serde_json::Value = serde_json::from_str(subject.set_var("WORKER_CONFIG")?.expose()).ok()?;
        value.get("config")?.as_str().filter(|path| !path.is_empty()).map(Raw::new)
    };
    by_option().or_else(by_worker_config).or_else(|| subject.set_var("CONFIG_FILE_PATH").cloned())
}

/// The parts of the configuration that are in no file, where variables say that there are some.
pub fn config_elsewhere(subject: &Subject<'_>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let in_database = subject.set_var("STORE_MODEL_IN_DB");
    if in_database.is_some_and(|value| value.expose().trim().eq_ignore_ascii_case("true")) {
        gaps.push(Gap::note(
            "the configuration in the database",
            "STORE_MODEL_IN_DB is on, and capture does not read the database",
            "note in the ticket what was set up in LiteLLM's UI",
        ));
    }
    if subject.set_var("LITELLM_CONFIG_BUCKET_NAME").is_some() {
        gaps.push(Gap::note(
            "the configuration in the bucket",
            "LITELLM_CONFIG_BUCKET_NAME is set, and capture does not read buckets",
            "name a copy of it with --config FILE",
        ));
    }
    gaps
}

/// An option of LiteLLM's command; what stands before it belongs to the interpreter or to a tracing wrapper.
fn litellm_option(subject: &Subject<'_>, name: &str) -> Option<Raw> {
    command::option(command::arguments(&subject.argv), name).filter(|value| !value.is_empty()).map(Raw::new)
}
