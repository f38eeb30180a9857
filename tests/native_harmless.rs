//! The native sampler is harmless: it asks the kernel for nothing that stops, changes or signals the process it reads, and
//! whoever is served by that process does not notice.

mod support;

use std::{
    collections::BTreeSet,
    env, fs,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use litellm_capture::{
    os::proc::{ProcessId, Procfs},
    sample::{Slice, native::worker::NativeWorker},
};
use support::{
    Capture,
    interpreters::pythons,
    lab::{Case, Config, Lab, Server},
    names_in, start_ticks, state,
};

/// Calls that stop, change or signal a process, or that can open one of its files for writing.
const FORBIDDEN: [&str; 9] = [
    "ptrace",
    "process_vm_writev",
    "kill",
    "tkill",
    "tgkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_send_signal",
    "process_madvise",
];
const OPENING: [&str; 4] = ["open", "openat", "openat2", "creat"];
/// Ways to open a file that change it, or could.
const WRITING: [&str; 5] = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"];

#[test]
fn a_capture_asks_the_kernel_for_nothing_that_could_harm() {
    if !Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return support::skip("there is no strace");
    }
    let Some(python) = pythons().pop() else {
        return support::skip("no CPython from 3.10 on under ~/.pyenv or in the lab");
    };
    let program = python.start_spinning();
    let folder = tempfile::tempdir().expect("a folder");
    let traces = folder.path().join("trace");
    // With a question mark for those that this processor's kernel lacks.
    let calls = ["process_vm_readv"].iter().chain(&OPENING).chain(&FORBIDDEN).map(|call| format!("?{call}"));
    let calls = format!("trace={}", calls.collect::<Vec<_>>().join(","));
    let strace = ["-ff", "-qq", "-s", "4096", "-o", traces.to_str().expect("UTF-8"), "-e", calls.as_str()];
    let capture = Capture::within("strace", strace).args(["--engine", "native", "--only", "--duration", "2s"]);
    capture.pid(program.pid()).run().bundle();

    let files = names_in(folder.path()).into_iter().map(|name| folder.path().join(name));
    let text: String = files.map(|file| fs::read_to_string(file).expect("a trace")).collect();
    let harmful: Vec<&str> = text.lines().filter(|line| is_harmful(line, program.pid())).collect();
    assert!(harmful.is_empty(), "{harmful:#?}");
    // A trace that lacks what was certainly done would prove nothing.
    let reads = text.lines().filter(|line| line.starts_with(&format!("process_vm_readv({},", program.pid())));
    assert!(reads.count() > 10, "memory was hardly read");
    assert!(text.lines().any(|line| line.contains(&format!("\"/proc/{}/", program.pid()))), "no file was opened");
}

/// A line of strace. Capture may signal and stop its own children and write its own files, not those of `target`.
fn is_harmful(line: &str, target: i32) -> bool {
    let Some((call, arguments)) = line.split_once('(') else { return false };
    let first = arguments.split([',', ')']).next().unwrap_or_default();
    if call.ends_with("kill") {
        // Zero asks whether there is such a process, and sends nothing.
        return first == target.to_string() && !arguments.starts_with(&format!("{target}, 0)"));
    }
    let opens = OPENING.contains(&call);
    let writes = call == "creat" || WRITING.iter().any(|way| arguments.contains(way));
    let is_of_target = arguments.contains(&format!("\"/proc/{target}/"));
    FORBIDDEN.contains(&call) || opens && writes && is_of_target
}

#[test]
fn a_harmful_call_is_recognised() {
    for line in [
        "ptrace(PTRACE_ATTACH, 77) = 0",
        "kill(77, SIGSTOP) = 0",
        "tgkill(77, 78, SIGPROF) = 0",
        "process_vm_writev(77, [{iov_base=\"x\", iov_len=1}], 1, [], 1, 0) = 1",
        "openat(AT_FDCWD, \"/proc/77/mem\", O_RDWR|O_CLOEXEC) = 3",
        "openat(5, \"/proc/77/task/78/oom_score_adj\", O_WRONLY) = 3",
    ] {
        assert!(is_harmful(line, 77), "{line}");
    }
    for line in [
        "kill(78, SIGTERM) = 0",
        "kill(77, 0) = 0",
        "openat(AT_FDCWD, \"/proc/77/maps\", O_RDONLY|O_CLOEXEC) = 3",
        "openat(AT_FDCWD, \"/proc/self/oom_score_adj\", O_WRONLY) = 3",
        "process_vm_readv(77, [], 1, [], 1, 0) = 8",
    ] {
        assert!(!is_harmful(line, 77), "{line}");
    }
}

/// So often the workers are attached to and let go, unless `CAPTURE_ROUNDS` says otherwise.
const ROUNDS: u32 = 200;
/// How often a worker is read in a round, and how far apart: at 1,000 Hz.
const TICKS: u32 = 20;
const BETWEEN_TICKS: Duration = Duration::from_millis(1);

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_proxy_under_load_answers_every_request_while_it_is_attached_to_again_and_again() {
    let rounds = env::var("CAPTURE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 2, Config::Burn);
    let identities = || -> Vec<(i32, u64)> { litellm.workers().iter().map(|&pid| (pid, start_ticks(pid))).collect() };
    let before = identities();

    let load = litellm.measured_load(Case::Burn, 20.0, 15 * rounds.div_ceil(ROUNDS));
    let has_ended = AtomicBool::new(false);
    let (result, sampled, seen) = thread::scope(|scope| {
        let result = scope.spawn(|| {
            let result = load.result();
            has_ended.store(true, Ordering::SeqCst);
            result
        });
        let (mut sampled, mut seen) = (0, BTreeSet::new());
        for done in 0.. {
            // For as long as there is load, so that all of it is under reading.
            if done >= rounds && has_ended.load(Ordering::SeqCst) {
                break;
            }
            for &(pid, start_ticks) in &before {
                sampled += round(ProcessId { pid, start_ticks }, &mut seen);
            }
        }
        (result.join().expect("the load says what came of it"), sampled, seen)
    });

    assert_eq!(result.errors, 0, "{result:?}");
    assert!(result.requests > 0, "{result:?}");
    assert_eq!(identities(), before);
    for &(pid, _) in &before {
        assert!(!matches!(state(pid), 'T' | 't' | 'Z'), "worker {pid} is in state {}", state(pid));
    }
    assert!(
        sampled > 0 && seen.iter().any(|name| name.contains("expensive_pii_scrub")),
        "{sampled} samples of {seen:?}"
    );
}

/// Attaches to a worker, reads it some times and lets it go; tells how many stacks were read, and adds their functions.
fn round(id: ProcessId, seen: &mut BTreeSet<String>) -> usize {
    let begun = Instant::now();
    let now_us = || begun.elapsed().as_micros() as u64;
    let mut worker = NativeWorker::attach(&Procfs::default(), id, 0).expect("a LiteLLM of the lab can be read");
    for _ in 0..TICKS {
        thread::sleep(BETWEEN_TICKS);
        worker.tick(now_us());
    }
    worker.look_for_threads(now_us());
    let slice = worker.take_slice(Slice { from_us: 0, to_us: now_us() });
    seen.extend(slice.frames.into_iter().map(|frame| frame.function));
    slice.threads.iter().flat_map(|thread| &thread.samples).filter(|sample| sample.stack.is_some()).count()
}
