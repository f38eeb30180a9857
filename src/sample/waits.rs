//! Leaf frames in which a Python thread waits inside a C call.
//!
//! A stack that ends in one of these can still use CPU: an event loop written in C does its own work there. But when a
//! stretch of time holds both a wait and other code, and the thread slept for a part of it, then it slept in the wait.

/// Function (last part of the qualified name) and the end of its file's path.
const WAITS: [(&str, &str); 13] = [
    // uvloop's loop runs below these two and has no Python frame of its own.
    ("run", "asyncio/runners.py"),
    ("run_until_complete", "asyncio/base_events.py"),
    ("select", "selectors.py"),
    ("_worker", "concurrent/futures/thread.py"),
    ("wait", "threading.py"),
    ("_wait_for_tstate_lock", "threading.py"),
    ("join", "threading.py"),
    ("get", "queue.py"),
    ("wait", "multiprocessing/connection.py"),
    ("_recv", "multiprocessing/connection.py"),
    ("poll", "multiprocessing/popen_fork.py"),
    ("accept", "socket.py"),
    ("_try_wait", "subprocess.py"),
];

/// Whether a leaf frame is one of the waits.
pub fn is_wait(function: &str, file: &str) -> bool {
    let name = function.rsplit('.').next().unwrap_or(function);
    WAITS.iter().any(|(wait, path)| name == *wait && ends_with_path(file, path))
}

fn ends_with_path(file: &str, end: &str) -> bool {
    file.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_loop_and_idle_pools_wait() {
        assert!(is_wait("Runner.run", "/usr/lib/python3.11/asyncio/runners.py"));
        assert!(is_wait("_worker", "/usr/lib/python3.11/concurrent/futures/thread.py"));
        assert!(is_wait("EpollSelector.select", "/usr/lib/python3.13/selectors.py"));
    }

    #[test]
    fn other_functions_of_the_same_name_work() {
        assert!(!is_wait("run", "/app/jobs/runners.py"));
        assert!(!is_wait("get", "/app/myqueue.py"));
        assert!(!is_wait("Router.run", "/site-packages/litellm/router.py"));
    }
}
