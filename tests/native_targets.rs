//! Targets that end or become something else while they are read, and targets whose memory is damaged: reading them comes
//! to an end, with an error or with less to show, and takes no more memory than any other.

mod support;

use std::{
    env,
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use litellm_capture::{
    os::{
        memory::{Memory, ProcessMemory},
        proc::{ProcessId, Procfs},
        usage::peak_rss_bytes,
    },
    sample::{
        Slice,
        native::{
            attach::attach,
            layout::{Indirection, Interpreter},
            record::{NativeSlice, State},
            refusal::Refusal,
            worker::NativeWorker,
        },
    },
};
use support::{
    Capture,
    interpreters::{Python, Telling, pythons},
    start_ticks,
};

/// Against hanging, and not a measure of time: all of it takes a fraction of a second.
const WATCHDOG: Duration = Duration::from_mins(1);
/// At 1,000 Hz.
const BETWEEN_TICKS: Duration = Duration::from_millis(1);
const TICKS: u32 = 15;
/// The tests and all that they read fit into it many times over, what a damaged length asks for does not fit at all.
const MOST_MEMORY: u64 = 512 << 20;
/// Names and files that are kept are cut at four kilobytes.
const LONGEST_TEXT: usize = 4 << 10;
/// A stack is cut at 4,096 frames, and there is but one that goes on for so long.
const MOST_RECORDED: usize = 5_000;

#[track_caller]
fn within_bounds<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let worker = thread::spawn(move || done.send(work()));
    match result.recv_timeout(WATCHDOG) {
        Ok(result) => {
            assert!(peak_rss_bytes() < Some(MOST_MEMORY), "{what}: {:?} bytes", peak_rss_bytes());
            result
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: it does not come to an end"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let _ = worker.join();
            panic!("{what}: the reader panicked, as told above")
        }
    }
}

fn id(pid: i32) -> ProcessId {
    ProcessId { pid, start_ticks: start_ticks(pid) }
}

/// Reads a worker for a while, or until it is gone.
fn read(mut worker: NativeWorker, ticks: u32) -> (NativeSlice, bool) {
    let begun = Instant::now();
    let now_us = || begun.elapsed().as_micros() as u64;
    for tick in 1..=ticks {
        thread::sleep(BETWEEN_TICKS);
        worker.tick(now_us());
        if tick % 10 == 0 {
            worker.look_for_threads(now_us());
        }
        if worker.is_gone() {
            break;
        }
    }
    let slice = worker.take_slice(Slice { from_us: 0, to_us: now_us() });
    (slice, worker.is_gone())
}

#[track_caller]
fn assert_bounded(slice: &NativeSlice, what: &str) {
    assert!(slice.frames.len() <= MOST_RECORDED && slice.stacks.len() <= MOST_RECORDED, "{what}: {slice:?}");
    let longest = slice.frames.iter().flat_map(|frame| [frame.function.len(), frame.file.len()]).max();
    assert!(longest <= Some(LONGEST_TEXT), "{what}: a text of {longest:?} bytes");
}

fn every_python() -> Vec<Python> {
    let pythons = pythons();
    if pythons.is_empty() {
        support::skip("no CPython from 3.10 on under ~/.pyenv or in the lab");
    }
    pythons
}

/// What is done to a process's memory: eight bytes at an address become others.
type Damage = fn(&Found<'_>) -> Vec<(u64, u64)>;

/// A damage, and what an attach says of a process that has it already; nothing where it can be read all the same.
struct Kind(&'static str, Option<&'static str>, Damage);

const UNMAPPED: u64 = 0x1000;
/// Bits 47 to 63 of an address are all the same.
const NOT_CANONICAL: u64 = 0x8000_dead_0000_0000;
/// The last multiple of eight.
const LAST: u64 = u64::MAX - 7;
const GIGABYTE: u64 = 1 << 30;
const UNREADABLE: &str = "the self-check read 0 of 1 threads' stacks";

/// Code that was read before is known.
const UNREADABLE_AT_FIRST: &str = "the self-check read 0 of 1 threads'";

const KINDS: [Kind; 18] = [
    Kind("nothing", None, |_| vec![]),
    Kind("a frame calls itself", Some(UNREADABLE), |found| vec![(found.previous(3), found.frames[3])]),
    Kind("frames call in a circle", Some(UNREADABLE), |found| vec![(found.previous(20), found.frames[2])]),
    Kind("a caller is not mapped", Some(UNREADABLE), |found| vec![(found.previous(5), UNMAPPED)]),
    Kind("a caller is not canonical", Some(UNREADABLE), |found| vec![(found.previous(5), NOT_CANONICAL)]),
    Kind("a caller is the end of all memory", Some(UNREADABLE), |found| vec![(found.previous(5), LAST)]),
    Kind("the topmost frame is not canonical", Some(UNREADABLE), |found| vec![(found.top, NOT_CANONICAL)]),
    Kind("the topmost frame is the end of all memory", Some(UNREADABLE), |found| vec![(found.top, LAST)]),
    Kind("code is not mapped", Some(UNREADABLE), |found| vec![(found.executable(4), UNMAPPED)]),
    Kind("code is not canonical", Some(UNREADABLE), |found| vec![(found.executable(4), NOT_CANONICAL)]),
    Kind("code is the end of all memory", Some(UNREADABLE), |found| vec![(found.executable(4), LAST)]),
    Kind("a name of a gigabyte", None, |found| {
        vec![(found.name() + found.at.layout.object.text_length as u64, GIGABYTE)]
    }),
    Kind("a line table of a gigabyte", None, |found| vec![(found.line_table_size(), GIGABYTE)]),
    Kind("a line table of a negative length", Some(UNREADABLE_AT_FIRST), |found| {
        vec![(found.line_table_size(), u64::MAX)]
    }),
    Kind("threads follow each other in a circle", Some("the list of threads does not end"), |found| {
        vec![(found.thread + found.at.layout.thread.next as u64, found.thread)]
    }),
    Kind("the next thread is not canonical", Some("an address leads nowhere"), |found| {
        vec![(found.thread + found.at.layout.thread.next as u64, NOT_CANONICAL)]
    }),
    Kind("sys.modules has wild sizes", None, |found| {
        (0..4).map(|word| (found.modules_keys() + 8 * word, u64::MAX)).collect()
    }),
    Kind("sys.modules is not canonical", None, |found| vec![(found.at.modules, NOT_CANONICAL)]),
];

/// Where things are in a healthy process.
struct Found<'a> {
    memory: &'a ProcessMemory,
    at: &'a Interpreter,
    thread: u64,
    /// Where the pointer to the topmost frame is.
    top: u64,
    frames: Vec<u64>,
}

impl<'a> Found<'a> {
    fn new(memory: &'a ProcessMemory, at: &'a Interpreter) -> Self {
        let read = |address: u64| memory.read_u64(address).expect("a healthy process");
        let thread = read(at.threads_head);
        let current = thread + at.layout.thread.current_frame as u64;
        let top = match at.layout.thread.current_frame_is {
            Indirection::Direct => current,
            Indirection::ThroughCFrame(offset) => read(current) + offset as u64,
        };
        let previous = at.layout.frame.previous as u64;
        let callers =
            std::iter::successors(Some(read(top)), |&frame| Some(read(frame + previous)).filter(|&frame| frame != 0));
        Self { memory, at, thread, top, frames: callers.collect() }
    }

    fn read(&self, address: u64) -> u64 {
        self.memory.read_u64(address).expect("a healthy process")
    }

    fn previous(&self, frame: usize) -> u64 {
        self.frames[frame] + self.at.layout.frame.previous as u64
    }

    fn executable(&self, frame: usize) -> u64 {
        self.frames[frame] + self.at.layout.frame.executable as u64
    }

    fn code(&self) -> u64 {
        self.read(self.executable(4)) & !self.at.layout.frame.executable_tag
    }

    fn name(&self) -> u64 {
        let code = &self.at.layout.code;
        self.read(self.code() + code.qualname.unwrap_or(code.name) as u64)
    }

    fn line_table_size(&self) -> u64 {
        self.read(self.code() + self.at.layout.code.linetable as u64) + self.at.layout.object.bytes_size as u64
    }

    /// `ma_keys` of `PyDictObject`.
    fn modules_keys(&self) -> u64 {
        self.read(self.read(self.at.modules) + 32)
    }
}

/// Damage that was done to a process.
struct Damaged {
    memory: File,
    before: Vec<(u64, u64)>,
}

impl Damaged {
    fn new(program: &Telling, harm: Damage) -> Self {
        let process = Procfs::default().process(program.pid());
        let memory = program.memory();
        let interpreter = attach(&process, &memory).expect("a healthy process");
        let target = OpenOptions::new().write(true).open(process.dir().join("mem")).expect("our own child");
        let mut damaged = Self { memory: target, before: Vec::new() };
        for (address, word) in harm(&Found::new(&memory, &interpreter)) {
            damaged.before.push((address, memory.read_u64(address).expect("a healthy process")));
            damaged.write(address, word);
        }
        damaged
    }

    fn write(&self, address: u64, word: u64) {
        self.memory.write_all_at(&word.to_ne_bytes(), address).expect("what was just read");
    }

    /// It never looked.
    fn mend(self) {
        for &(address, word) in self.before.iter().rev() {
            self.write(address, word);
        }
    }
}

#[test]
fn a_damaged_process_is_refused_with_the_reason_or_read_as_far_as_it_goes() {
    for python in every_python() {
        let program = python.start_spinning();
        for Kind(name, refusal, harm) in KINDS {
            let what = format!("{name}, CPython {}", python.version);
            let damaged = Damaged::new(&program, harm);
            let id = id(program.pid());
            let result = within_bounds(&what, move || -> Result<NativeSlice, Refusal> {
                let mut worker = NativeWorker::attach(&Procfs::default(), id, 0)?;
                worker.self_check()?;
                Ok(read(worker, TICKS).0)
            });
            match (result, refusal) {
                (Ok(slice), None) => {
                    assert_bounded(&slice, &what);
                    assert!(slice.counts.read > 0, "{what}: {slice:?}");
                }
                (Err(why), Some(expected)) => assert!(why.to_string().contains(expected), "{what}: {why}"),
                (result, _) => panic!("{what}: {result:?}"),
            }
            damaged.mend();
        }
    }
}

#[test]
fn a_process_damaged_while_it_is_read_gives_no_stack_that_passes_for_whole() {
    for python in every_python() {
        let program = python.start_spinning();
        for Kind(name, refusal, harm) in KINDS {
            let what = format!("{name}, CPython {}", python.version);
            let mut worker = NativeWorker::attach(&Procfs::default(), id(program.pid()), 0).expect("it is healthy");
            worker.self_check().expect("it is healthy");
            let damaged = Damaged::new(&program, harm);
            let (slice, is_gone) = within_bounds(&what, move || read(worker, TICKS));
            assert_bounded(&slice, &what);
            assert!(!is_gone, "{what}");
            if refusal == Some(UNREADABLE) {
                let mut samples = slice.threads.iter().flat_map(|thread| &thread.samples);
                assert!(samples.all(|s| s.stack.is_none() || s.state.has(State::TORN)), "{what}: {slice:?}");
            }
            damaged.mend();
        }
    }
}

#[test]
fn a_capture_of_a_damaged_process_says_why_it_cannot_be_or_falls_back_to_py_spy() {
    let Some(python) = every_python().pop() else { return };
    let [.., Kind(_, _, harm)] = &KINDS[..2] else { return };
    let program = python.start_spinning();
    let _damaged = Damaged::new(&program, *harm);
    let capture =
        |engine: &str| Capture::new().args(["--engine", engine, "--only", "--duration", "1s"]).pid(program.pid());
    capture("native").run().assert_status(5).assert_stderr_has(UNREADABLE).assert_left_nothing();
    let output = capture("auto").fake_py_spy("works").run();
    let bundle = output.assert_stderr_has("sampling with py-spy: the native engine cannot read worker").bundle();
    assert_eq!(bundle.json("manifest.json")["engine"]["name"], "py-spy");
}

/// Each way is gone so often on each interpreter, unless `CAPTURE_ROUNDS` says otherwise.
const ROUNDS: u32 = 1;
/// Ways of `restless.py`.
const WAYS: [&str; 5] = ["exits", "is killed", "executes", "forks", "threads"];
/// Many times what such a program lives.
const LONG: u32 = 20_000;

#[test]
fn a_process_that_becomes_another_or_none_is_read_to_its_end() {
    let rounds = env::var("CAPTURE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    thread::scope(|scope| {
        for python in every_python() {
            scope.spawn(move || {
                let mut sampled = 0;
                for way in WAYS.iter().cycle().take(WAYS.len() * rounds as usize) {
                    let what = format!("{way}, CPython {}", python.version);
                    let mut program = python.start("restless.py", &[way]);
                    program.next();
                    let id = id(program.pid());
                    let (slice, is_gone) = match NativeWorker::attach(&Procfs::default(), id, 0) {
                        Ok(worker) => within_bounds(&what, move || read(worker, LONG)),
                        // It was faster than we were.
                        Err(_) => continue,
                    };
                    assert_bounded(&slice, &what);
                    assert!(is_gone, "{what}");
                    sampled += usize::from(slice.threads.iter().any(|thread| !thread.samples.is_empty()));
                }
                // Some may be gone before the first sample, but the last of them lives on for long.
                assert!(sampled > 0, "CPython {}", python.version);
            });
        }
    });
}
