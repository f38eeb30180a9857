//! One look of py-spy at a process: the stacks of its threads at a moment.

use std::io;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::Deserialize;

use crate::os::child::{Ending, Supervised};
use crate::os::clock::{monotonic_us, pause};
use crate::redact::Raw;
use crate::sample::pyspy::PySpy;

/// It reads the interpreter's symbols first, which takes a fraction of a second.
const DEADLINE: Duration = Duration::from_secs(5);
/// What is read of its answer: a thousand threads of a hundred frames each are a quarter of this.
const MOST_BYTES: usize = 64 << 20;

/// One thread's stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedThread {
    /// The thread's id in the target's own PID namespace; none where py-spy does not know it.
    pub tid: Option<i32>,
    /// Its functions by their qualified names and the full paths of their files, the leaf first.
    pub functions: Vec<(Raw, Raw)>,
}

#[derive(Deserialize)]
struct Thread {
    os_thread_id: Option<i32>,
    frames: Vec<Frame>,
}

#[derive(Deserialize)]
struct Frame {
    name: String,
    filename: String,
}

/// The threads of a process now. It is not stopped for that.
///
/// # Errors
/// When there is no answer in time, or none that can be read.
pub fn dump(py_spy: &PySpy, pid: i32) -> io::Result<Vec<DumpedThread>> {
    let arguments = ["dump", "--nonblocking", "--json", "--pid"].map(str::to_owned);
    let mut child = Supervised::spawn(&py_spy.path, &[&arguments[..], &[pid.to_string()]].concat())?;
    let deadline_us = monotonic_us() + DEADLINE.as_micros() as u64;
    let mut json = String::new();
    loop {
        child.pump()?;
        for line in child.take_stdout() {
            json.push_str(&line.text);
        }
        if child.ending().is_some() {
            break;
        }
        if monotonic_us() > deadline_us || json.len() > MOST_BYTES {
            child.signal(Signal::SIGKILL)?;
            return Err(io::Error::other(format!("py-spy dump did not end within {DEADLINE:?}")));
        }
        pause(Duration::from_millis(5));
    }
    match child.ending() {
        Some(Ending::Code(0)) => threads(&json),
        _ => Err(io::Error::other("py-spy dump could not read the process")),
    }
}

fn threads(json: &str) -> io::Result<Vec<DumpedThread>> {
    // The reason could hold a part of what was read.
    let threads: Vec<Thread> =
        serde_json::from_str(json).map_err(|_| io::Error::other("py-spy dump answered in an unknown form"))?;
    let function = |frame: Frame| (Raw::new(frame.name), Raw::new(frame.filename));
    let dumped = |thread: Thread| DumpedThread {
        tid: thread.os_thread_id,
        functions: thread.frames.into_iter().map(function).collect(),
    };
    Ok(threads.into_iter().map(dumped).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dump_gives_threads_and_functions() {
        let json = r#"[{"pid": 7, "thread_id": 140367, "thread_name": "x", "os_thread_id": 8, "active": false,
            "frames": [{"name": "A.run", "filename": "/app/a.py", "line": 6, "locals": null}]},
            {"pid": 7, "thread_id": 1, "os_thread_id": null, "frames": []}]"#;
        let functions = vec![(Raw::new("A.run"), Raw::new("/app/a.py"))];
        let expected = [DumpedThread { tid: Some(8), functions }, DumpedThread { tid: None, functions: vec![] }];
        assert_eq!(threads(json).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(text in "\\PC{0,200}") {
            let _ = threads(&text);
        }
    }
}
