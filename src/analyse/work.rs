//! Whose work a stack is, and of what kind, by the tables of [`taxonomy`](super::taxonomy).
//!
//! A stack is read from its leaf to its root, and the first frame that a row of owners names decides. What every
//! request passes through, and what serves several owners (an HTTP client, a thread pool), counts only where no other
//! frame does. The kind of work is told by frames between the leaf and the owner's.

use crate::analyse::frames::Kind;
use crate::analyse::taxonomy::{IDLE, MODULE, Owner, Reach, below, covers, is_boilerplate, mechanism_row, owner_row};
use crate::redact::Clean;
use crate::sample::profile::Frame;

/// Kind of work that no row tells.
pub const OTHER_PYTHON: &str = "other Python";
/// Frames that mark what runs above them as called back by LiteLLM, and not the other way round.
const CALLS_BACK: &[&str] = &[
    "litellm/litellm_core_utils/litellm_logging.py",
    "litellm/litellm_core_utils/logging_worker.py",
    "litellm/integrations/custom_*",
    "litellm/proxy/utils.py",
];

/// Whose work a stack is, and of what kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Work {
    /// Whose.
    pub owner: String,
    /// Of what kind.
    pub mechanism: &'static str,
}

/// Whose work a stack is, and of what kind, by its frames from the leaf to the root.
pub fn work_of(leaf_to_root: &[&Frame<Clean>]) -> Work {
    let (depth, owner) = owner_of(leaf_to_root);
    let mechanism = leaf_to_root[..leaf_to_root.len().min(depth + 1)]
        .iter()
        .enumerate()
        .find_map(|(depth, frame)| mechanism_row(frame).map(|row| row.name).filter(|name| depth == 0 || *name != IDLE));
    Work { owner, mechanism: mechanism.unwrap_or(OTHER_PYTHON) }
}

/// The owner, and how far its frame is from the leaf.
fn owner_of(leaf_to_root: &[&Frame<Clean>]) -> (usize, String) {
    let mut otherwise: Option<(usize, String)> = None;
    let mut server_seen = false;
    for (depth, frame) in leaf_to_root.iter().enumerate() {
        let file = below(frame.file.as_str());
        let row = owner_row(frame);
        if let Some(row) = row.filter(|row| row.reach == Reach::Always) {
            return (depth, name_of(row.owner, file));
        }
        // A user's program that starts the server is not what the server does.
        if !server_seen && frame.function.as_str() != MODULE && Kind::of_file(frame.file.as_str()) == Kind::User {
            return (depth, user_code(file, &leaf_to_root[depth..]));
        }
        server_seen |= is_boilerplate(frame) && !file.is_empty();
        if otherwise.is_none() {
            let name = row.map(|row| name_of(row.owner, file)).or_else(|| remainder(frame, file));
            otherwise = name.map(|name| (depth, name));
        }
    }
    otherwise.unwrap_or((leaf_to_root.len(), "Python's standard library".to_owned()))
}

/// The owner of a frame that no row names.
fn remainder(frame: &Frame<Clean>, file: &str) -> Option<String> {
    if is_boilerplate(frame) || mechanism_row(frame).is_some() {
        return None;
    }
    match Kind::of_file(frame.file.as_str()) {
        Kind::LiteLlm => Some("LiteLLM, other".to_owned()),
        Kind::Package => Some(format!("package {}", stem(file.split('/').next().unwrap_or(file)))),
        Kind::User | Kind::Stdlib | Kind::Native | Kind::Interpreter => None,
    }
}

fn name_of(owner: Owner, file: &str) -> String {
    match owner {
        Owner::Named(name) => name.to_owned(),
        Owner::Integration => format!("callback {}", stem(file.split('/').nth(2).unwrap_or(file))),
    }
}

/// `callback custom_callbacks.py` where LiteLLM called it, else `user code jobs.py`.
fn user_code(file: &str, leaf_to_root: &[&Frame<Clean>]) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let calls_back = |frame: &&Frame<Clean>| {
        let file = below(frame.file.as_str());
        CALLS_BACK.iter().any(|pattern| covers(pattern, file))
    };
    let called = leaf_to_root.iter().any(calls_back);
    format!("{} {name}", if called { "callback" } else { "user code" })
}

fn stem(file: &str) -> &str {
    file.strip_suffix(".py").unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::taxonomy::tests::frame;
    use crate::sample::profile::{AWAITING_GIL, COLLECTING};

    /// From the root to the leaf, as stacks are read.
    fn work(root_to_leaf: &[(&str, &str)]) -> (String, &'static str) {
        let frames: Vec<Frame<Clean>> =
            root_to_leaf.iter().rev().map(|(file, function)| frame(file, function)).collect();
        let work = work_of(&frames.iter().collect::<Vec<_>>());
        (work.owner, work.mechanism)
    }

    /// Files and functions.
    type Stack = &'static [(&'static str, &'static str)];

    const SERVE: (&str, &str) = ("uvicorn/server.py", "Server.run");
    const LOOP: (&str, &str) = ("asyncio/runners.py", "Runner.run");
    const ASGI: (&str, &str) = ("uvicorn/protocols/http/h11_impl.py", "RequestResponseCycle.run_asgi");
    const ROUTER: (&str, &str) = ("litellm/router.py", "Router.acompletion");
    const SUCCESS: (&str, &str) = ("litellm/litellm_core_utils/litellm_logging.py", "Logging.async_success_handler");

    #[test]
    fn the_owner_nearest_to_the_leaf_counts_and_the_mechanism_is_told_below_it() {
        let cases: &[(Stack, &str, &str)] = &[
            (&[SERVE, LOOP], "event loop and threads", "waiting"),
            (
                &[SERVE, LOOP, ASGI, ("starlette/applications.py", "Starlette.__call__")],
                "server and middleware",
                "other Python",
            ),
            (&[LOOP, ROUTER, ("copy.py", "deepcopy"), ("copy.py", "_deepcopy_list")], "router", "deepcopy"),
            (&[LOOP, ROUTER, ("litellm/main.py", "acompletion")], "completion call", "other Python"),
            (&[LOOP, ROUTER, ("asyncio/tasks.py", "create_task")], "router", "other Python"),
            (&[LOOP, SUCCESS, ("json/encoder.py", "JSONEncoder.encode")], "logging callbacks", "json"),
            (
                &[
                    LOOP,
                    SUCCESS,
                    ("litellm/integrations/langfuse/langfuse.py", "log"),
                    ("httpx/_client.py", "Client.send"),
                ],
                "callback langfuse",
                "other Python",
            ),
            (&[LOOP, ("litellm/integrations/s3.py", "S3Logger.log_event")], "callback s3", "other Python"),
            (
                &[LOOP, SUCCESS, ("/app/custom_callbacks.py", "BurnCPU.scrub"), ("re/__init__.py", "sub")],
                "callback custom_callbacks.py",
                "regex",
            ),
            (&[("threading.py", "Thread.run"), ("/app/jobs.py", "burn")], "user code jobs.py", "other Python"),
            (&[("/app/serve.py", "main"), SERVE, LOOP], "event loop and threads", "waiting"),
            (
                &[LOOP, ("httpx/_client.py", "AsyncClient.send"), ("ssl.py", "SSLContext.wrap_bio")],
                "provider calls",
                "TLS",
            ),
            (
                &[("threading.py", "Thread.run"), ("posthog/consumer.py", "Consumer.run")],
                "package posthog",
                "other Python",
            ),
            (&[LOOP, ("litellm/scheduler.py", "poll")], "LiteLLM, other", "other Python"),
            (
                &[LOOP, ROUTER, ("<frozen importlib._bootstrap>", "_find_and_load"), ("litellm/main.py", "<module>")],
                "imports",
                "imports",
            ),
            (
                &[("", "[callers not seen]"), ("pydantic/main.py", "BaseModel.__init__")],
                "Python's standard library",
                "pydantic",
            ),
            (&[LOOP, ROUTER, ("", COLLECTING)], "router", "garbage collection"),
            (
                &[("threading.py", "Thread.run"), ("/app/jobs.py", "burn"), ("", AWAITING_GIL)],
                "user code jobs.py",
                "waiting for the GIL",
            ),
            (
                &[("/src/litellm/litellm/proxy/auth/auth_checks.py", "common_checks")],
                "auth and rate limits",
                "other Python",
            ),
        ];
        for (stack, owner, mechanism) in cases {
            assert_eq!(work(stack), ((*owner).to_owned(), *mechanism), "{stack:?}");
        }
        assert_eq!(work_of(&[]).mechanism, "other Python");
    }
}
