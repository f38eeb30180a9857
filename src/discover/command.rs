//! What a command line starts.
//!
//! Only a Python interpreter can be LiteLLM, and only what it was told to *run* counts: the script, the module or the
//! code after its own options. So `pip install litellm`, `tail -f litellm.log` and an editor are never taken for it.

use std::path::Path;

use crate::redact::Raw;

/// What a Python process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The proxy, started by LiteLLM's own command or by a server that was given LiteLLM's application.
    Proxy,
    /// A child of multiprocessing's spawn method; its command line does not say what it does.
    Spawned,
    /// Multiprocessing's bookkeeper.
    ResourceTracker,
    /// `litellm.proxy.prometheus_metrics_server`.
    MetricsServer,
    /// `litellm.proxy.collector`.
    Collector,
    /// `litellm.proxy.health_endpoints.health_app_factory`, served by uvicorn.
    HealthApp,
    /// Python, but nothing of LiteLLM's.
    OtherPython,
    /// Prisma's query engine, which is not Python.
    QueryEngine,
    /// Anything else.
    Foreign,
}

impl Program {
    /// Whether an interpreter runs it.
    pub fn is_python(self) -> bool {
        !matches!(self, Self::QueryEngine | Self::Foreign)
    }

    /// Whether it is code of LiteLLM's.
    pub fn is_litellm(self) -> bool {
        matches!(self, Self::Proxy | Self::MetricsServer | Self::Collector | Self::HealthApp)
    }
}

/// What the interpreter was told to run, and the arguments behind it.
#[derive(Debug, Clone, Copy)]
enum Run<'a> {
    Script(&'a str, &'a [Raw]),
    Module(&'a str, &'a [Raw]),
    Code(&'a str, &'a [Raw]),
    /// Interactive, from standard input, or a title that the process gave itself.
    Nothing,
}

/// Servers that take an application as an argument.
const SERVERS: [&str; 4] = ["uvicorn", "gunicorn", "hypercorn", "granian"];
/// Commands that set up tracing and then replace themselves by the command behind them.
const WRAPPERS: [&str; 3] = ["ddtrace-run", "newrelic-admin", "opentelemetry-instrument"];
/// Modules that start the proxy with `python -m`.
const PROXY_MODULES: [&str; 4] = ["litellm", "litellm.proxy.proxy_cli", "litellm.proxy.proxy_server", "gateway.launch"];

/// Files that start the proxy when they are run as scripts.
const PROXY_SCRIPTS: [&str; 3] = ["litellm/proxy/proxy_cli.py", "litellm/proxy/proxy_server.py", "gateway/launch.py"];

/// Whether a file name is an interpreter's: `python`, `python3`, `python3.13t`, `pypy3`.
pub fn is_interpreter(path: &str) -> bool {
    let name = file_name(path);
    ["python", "pypy"].iter().filter_map(|stem| name.strip_prefix(stem)).any(|rest| {
        // Free-threaded and debug builds: python3.13t, python3.13td.
        let version = rest.trim_end_matches(['t', 'd']);
        version.chars().all(|c| c.is_ascii_digit() || c == '.')
    })
}

/// Judges the command line of a process that is known to be Python.
pub fn python_program(argv: &[Raw]) -> Program {
    match run_of(argv) {
        Run::Code(code, rest) => {
            if code.contains("multiprocessing.resource_tracker") {
                Program::ResourceTracker
            } else if code.contains("multiprocessing.spawn") && has_flag(rest, "--multiprocessing-fork") {
                Program::Spawned
            } else {
                Program::OtherPython
            }
        }
        Run::Module("litellm.proxy.prometheus_metrics_server", _) => Program::MetricsServer,
        Run::Module("litellm.proxy.collector", _) => Program::Collector,
        Run::Module(module, _) if PROXY_MODULES.contains(&module) => Program::Proxy,
        Run::Module(module, rest) if SERVERS.contains(&module) => served(rest),
        Run::Script(script, rest) => script_program(script, rest),
        Run::Nothing if titled_by_gunicorn(argv) => Program::Proxy,
        Run::Module(..) | Run::Nothing => Program::OtherPython,
    }
}

fn script_program(script: &str, rest: &[Raw]) -> Program {
    let name = file_name(script);
    let is_proxy = PROXY_SCRIPTS.iter().any(|end| ends_with_path(script, end));
    if name == "litellm" || is_proxy {
        Program::Proxy
    } else if ends_with_path(script, "litellm/proxy/prometheus_metrics_server.py") {
        Program::MetricsServer
    } else if ends_with_path(script, "litellm/proxy/collector.py") {
        Program::Collector
    } else if SERVERS.contains(&name) {
        served(rest)
    } else if WRAPPERS.contains(&name) {
        wrapped(rest)
    } else {
        Program::OtherPython
    }
}

/// The application that a server was given.
fn served(args: &[Raw]) -> Program {
    let names = |prefix: &str| args.iter().any(|arg| arg.expose().starts_with(prefix));
    if names("litellm.proxy.health_endpoints.health_app_factory") {
        Program::HealthApp
    } else if names("litellm.proxy.proxy_server:") || names("gateway.") {
        Program::Proxy
    } else {
        Program::OtherPython
    }
}

/// The command behind a tracing wrapper: its first argument that is no option and no verb of the wrapper's.
fn wrapped(args: &[Raw]) -> Program {
    let command = args.iter().position(|arg| !arg.expose().starts_with('-') && arg.expose() != "run-program");
    let Some(command) = command else { return Program::OtherPython };
    if is_interpreter(args[command].expose()) {
        return python_program(&args[command..]);
    }
    script_program(args[command].expose(), &args[command + 1..])
}

/// gunicorn with `setproctitle` installed: `gunicorn: worker [litellm.proxy.proxy_server:app]`.
fn titled_by_gunicorn(argv: &[Raw]) -> bool {
    argv.first().is_some_and(|title| title.expose().starts_with("gunicorn: ") && title.expose().contains("litellm"))
}

/// Steps over the interpreter's own options.
fn run_of(argv: &[Raw]) -> Run<'_> {
    let mut index = 1;
    while let Some(arg) = argv.get(index).map(Raw::expose) {
        let rest = argv.get(index + 2..).unwrap_or_default();
        let value = argv.get(index + 1).map_or("", Raw::expose);
        match arg {
            "-m" => return Run::Module(value, rest),
            "-c" => return Run::Code(value, rest),
            "-X" | "-W" | "--check-hash-based-pycs" => index += 2,
            "" | "-" => return Run::Nothing,
            option if option.starts_with('-') => index += 1,
            script => return Run::Script(script, &argv[index + 1..]),
        }
    }
    Run::Nothing
}

/// Whether an argument stands alone on the command line.
pub fn has_flag(argv: &[Raw], flag: &str) -> bool {
    argv.iter().any(|arg| arg.expose() == flag)
}

/// The value of an option, written `--name value` or `--name=value`; the last one counts, as it does for click.
pub fn option<'a>(argv: &'a [Raw], name: &str) -> Option<&'a str> {
    let value_at = |index: usize| {
        let rest = argv[index].expose().strip_prefix(name)?;
        if rest.is_empty() { argv.get(index + 1).map(Raw::expose) } else { rest.strip_prefix('=') }
    };
    (0..argv.len()).rev().find_map(value_at)
}

/// The name of the server command that the interpreter was told to run, when it is one that is given an application.
pub fn server_command(argv: &[Raw]) -> Option<&str> {
    let (Run::Script(path, _) | Run::Module(path, _)) = run_of(argv) else { return None };
    SERVERS.contains(&file_name(path)).then(|| file_name(path))
}

/// The script that the interpreter was told to run.
pub fn script(argv: &[Raw]) -> Option<&str> {
    match run_of(argv) {
        Run::Script(path, _) => Some(path),
        _ => None,
    }
}

/// The arguments of what the interpreter runs, without the interpreter's own options.
pub fn arguments(argv: &[Raw]) -> &[Raw] {
    match run_of(argv) {
        Run::Script(_, rest) | Run::Module(_, rest) | Run::Code(_, rest) => rest,
        Run::Nothing => &[],
    }
}

/// Whether the server named on the command line makes its workers by fork: gunicorn and Granian do, uvicorn spawns.
pub fn forks_workers(argv: &[Raw]) -> bool {
    has_flag(argv, "--run_gunicorn")
        || has_flag(argv, "--run_granian")
        || matches!(server_command(argv), Some("gunicorn" | "granian"))
        || titled_by_gunicorn(argv)
}

/// The number of workers asked for by argument: LiteLLM's `--num_workers`, or `--workers` and `-w` of the servers.
pub fn workers_option(argv: &[Raw]) -> Option<u32> {
    let mut named = ["--num_workers", "--workers"].iter().filter_map(|name| option(argv, name));
    let short = || server_command(argv).and_then(|_| option(argv, "-w"));
    named.next().or_else(short)?.parse().ok()
}

/// The last component of a path, or the whole text when there is none.
pub fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

fn ends_with_path(path: &str, end: &str) -> bool {
    Path::new(path).ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(line: &[&str]) -> Vec<Raw> {
        line.iter().copied().map(Raw::new).collect()
    }

    #[test]
    fn an_interpreter_is_known_by_its_name() {
        for name in
            ["python", "/usr/bin/python3", "/opt/my venv/bin/python3.13", "python3.13t", "python3.13td", "pypy3"]
        {
            assert!(is_interpreter(name), "{name}");
        }
        for name in ["python-config", "pythonista", "/usr/bin/vim", "litellm", "sh", ""] {
            assert!(!is_interpreter(name), "{name}");
        }
    }

    #[test]
    fn every_way_to_start_the_proxy_is_known() {
        for line in [
            &["python3", "/app/.venv/bin/litellm", "--port", "4000"][..],
            &["/opt/my venv/bin/python3", "-B", "-X", "dev", "/opt/my venv/bin/litellm"],
            &["python", "-m", "litellm.proxy.proxy_cli", "--port=4000"],
            &["python", "-m", "gateway.launch"],
            &["python", "/venv/bin/uvicorn", "litellm.proxy.proxy_server:app", "--workers", "4"],
            &["python", "-m", "uvicorn", "litellm.proxy.proxy_server:app"],
            &["python", "/venv/bin/gunicorn", "-w", "2", "litellm.proxy.proxy_server:app"],
            &["python", "/venv/bin/ddtrace-run", "litellm", "--config", "x.yaml"],
            &["python", "/venv/bin/ddtrace-run", "-d", "python", "-m", "litellm.proxy.proxy_cli"],
            &["python", "/venv/bin/newrelic-admin", "run-program", "litellm"],
            &["gunicorn: worker [litellm.proxy.proxy_server:app]"],
        ] {
            assert_eq!(python_program(&argv(line)), Program::Proxy, "{line:?}");
        }
    }

    #[test]
    fn naming_litellm_is_not_running_it() {
        for line in [
            &["python3", "/usr/bin/pip", "install", "litellm"][..],
            &["python3", "-m", "pip", "install", "litellm"],
            &["python3", "/venv/bin/litellm-proxy", "models", "list"],
            &["python3", "-c", "import litellm; print(1)"],
            &["python3", "/usr/bin/supervisord", "-c", "/etc/supervisord.conf"],
            &["python3", "/venv/bin/uvicorn", "mine:app"],
            &["python3", "/venv/bin/ddtrace-run", "pytest", "litellm"],
            &["python3"],
        ] {
            assert_eq!(python_program(&argv(line)), Program::OtherPython, "{line:?}");
        }
    }

    #[test]
    fn an_option_is_read_in_both_spellings_and_the_last_one_counts() {
        let line = argv(&["python", "litellm", "--port", "1", "--port=2", "--config=a b.yaml", "--portal", "9"]);
        assert_eq!(option(&line, "--port"), Some("2"));
        assert_eq!(option(&line, "--config"), Some("a b.yaml"));
        assert_eq!(option(&line, "--num_workers"), None);
        assert_eq!(option(&argv(&["litellm", "--port"]), "--port"), None);
    }
}
