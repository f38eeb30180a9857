//! Section 2: everything to make it happen again.

use crate::analyse::{Facts, Verdict};
use crate::collect::fingerprint::{Fingerprint, Server, WorkerMode};
use crate::discover::Role;
use crate::redact::Clean;
use crate::render::markdown::{Document, Table, code, details, fenced};
use crate::render::shell;
use crate::render::ticket::{moment, request, workload};

/// A config longer than this is in the bundle only: an issue takes 65,536 characters in all.
const CONFIG_LINES: usize = 200;
const CONFIG_CHARACTERS: usize = 10_000;
/// Longer command lines are in `environment/fingerprint.json` only.
pub const COMMAND_CHARACTERS: usize = 2_000;
/// What the reporter wrote; longer steps are in `evidence.json`.
const STEPS_CHARACTERS: usize = 6_000;

pub fn write(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    document.heading(2, "2. Reproduction");
    document.heading(3, "Start command");
    match command(facts) {
        Some(command) => document.block(fenced("sh", &command)),
        None => document.block("Not readable: see section 6. Add the command or the container's arguments by hand."),
    }
    if let Some(fingerprint) = &facts.fingerprint {
        document.table(&server(fingerprint));
    }
    document.heading(3, "Configuration");
    config(document, facts);
    document.heading(3, "Requests");
    workload::requests(document, facts);
    document.block(if facts.shapes.is_empty() { "One to begin with:" } else { "The most typical one:" });
    document.block(fenced("sh", &request::curl(facts, verdict)));
    document.heading(3, "The reporter's steps");
    match &facts.evidence.reporter.repro_steps {
        Some(steps) => {
            let steps = cut(steps.as_str(), usize::MAX, STEPS_CHARACTERS, "evidence.json");
            document.block(fenced("text", &steps));
        }
        None => document.block("Not given: add them with `--repro-steps FILE`, or write them here."),
    }
}

/// The command line that started the proxy, as the supervisor has it; else a worker's.
pub fn command(facts: &Facts) -> Option<String> {
    let processes = &facts.fingerprint.as_ref()?.processes;
    let process = [Role::Supervisor, Role::Worker]
        .iter()
        .find_map(|role| processes.iter().find(|process| process.role == *role && !process.argv.is_empty()))?;
    let line = shell::line(process.argv.iter().map(Clean::as_str));
    Some(cut(&line, usize::MAX, COMMAND_CHARACTERS, "environment/fingerprint.json"))
}

fn server(fingerprint: &Fingerprint<Clean>) -> Table {
    let litellm = &fingerprint.litellm;
    let unknown = || "unknown, see section 6".to_owned();
    let configured = litellm.workers_configured.map_or_else(unknown, |workers| workers.to_string());
    let mut table =
        Table::new(&["server", "how workers start", "workers asked for ", "running ", "event loop", "port "]);
    table.row([
        litellm.server.map_or_else(unknown, |server| server_word(server).to_owned()),
        litellm.worker_mode.map_or_else(unknown, |mode| mode_words(mode).to_owned()),
        configured,
        litellm.workers_running.to_string(),
        litellm.event_loop.as_ref().map_or_else(unknown, |event_loop| code(event_loop.as_str())),
        litellm.port.map_or_else(|| "not told; 4000 by default".to_owned(), |port| port.to_string()),
    ]);
    table
}

/// The server's name.
pub fn server_word(server: Server) -> &'static str {
    match server {
        Server::Uvicorn => "uvicorn",
        Server::Gunicorn => "gunicorn",
        Server::Granian => "granian",
        Server::Hypercorn => "hypercorn",
    }
}

fn mode_words(mode: WorkerMode) -> &'static str {
    match mode {
        WorkerMode::Single => "one process serves",
        WorkerMode::Spawned => "spawned by multiprocessing",
        WorkerMode::Forked => "forked",
    }
}

fn config(document: &mut Document, facts: &Facts) {
    let litellm = facts.fingerprint.as_ref().map(|fingerprint| &fingerprint.litellm);
    let path = litellm.and_then(|litellm| litellm.config_path.as_ref());
    let modified = litellm.and_then(|litellm| litellm.config_modified_utc.as_deref());
    let modified = modified.map_or_else(String::new, |time| format!(", last changed {}", moment(time)));
    let Some(config) = &facts.config else {
        document.block(match path {
            Some(path) => {
                format!("{}{modified}: its content is not in the bundle; section 6 says why.", code(path.as_str()))
            }
            None => {
                "No config file is known to be in use. If there is one (or it comes from a database or a bucket), name \
                     it with `--config FILE`."
                    .to_owned()
            }
        });
        return;
    };
    let path = path.map_or_else(|| "The config file".to_owned(), |path| code(path.as_str()));
    document.block(format!(
        "{path}{modified}. Values that could be secret are withheld; it is `environment/config.redacted.yaml` in the bundle.",
    ));
    let lines = config.lines().count();
    let shown = cut(config, CONFIG_LINES, CONFIG_CHARACTERS, "environment/config.redacted.yaml");
    document.block(details(&format!("Configuration, {lines} lines"), &fenced("yaml", &shown)));
}

/// The beginning of a text, ended at a line where there is one, with a word on where the rest is.
pub fn cut(text: &str, lines: usize, characters: usize, file: &str) -> String {
    let mut end = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    if let Some((at, _)) = text.match_indices('\n').nth(lines.saturating_sub(1)) {
        end = end.min(at);
    }
    if end >= text.trim_end().len() {
        return text.trim_end().to_owned();
    }
    let end = text[..end].rfind('\n').filter(|_| !text[end..].starts_with('\n')).unwrap_or(end);
    format!("{}\n# … cut here; the rest is in {file}", &text[..end])
}
