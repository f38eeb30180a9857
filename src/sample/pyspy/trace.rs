//! py-spy's chrometrace, read as a stream.
//!
//! The file is a JSON array of `B` and `E` events (py-spy `src/chrometrace.rs`): a thread's stack is written only
//! where it changed, outermost frame first, and the outermost frame is `thread (OS-TID): NAME`. `tid` is the pthread
//! id, `ts` counts microseconds from the moment py-spy had read its arguments, before it attached. At the end every
//! frame still open is closed at the time of writing.
//!
//! A file cut short by the death of py-spy gives what stood in it before the cut.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

use crate::redact::Raw;
use crate::sample::profile::{Frame, Interner, StackNode};

/// Frames and stacks shared by all traces of a capture.
#[derive(Debug, Default)]
pub struct Stacks {
    /// Distinct frames.
    pub frames: Interner<Frame<Raw>>,
    /// Distinct stacks.
    pub nodes: Interner<StackNode>,
}

/// Where one thread's stack changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadTrace {
    /// The thread's id as the kernel has it in the target's PID namespace; none where py-spy knew only the pthread id.
    pub tid: Option<i32>,
    /// The thread's name in Python; none where it is not known.
    pub name: Option<Raw>,
    /// Time in py-spy's own clock and the stack from then on; none where the thread had no frame.
    pub changes: Vec<(u64, Option<u32>)>,
}

/// One trace file.
#[derive(Debug, Default)]
pub struct Trace {
    /// Its threads.
    pub threads: Vec<ThreadTrace>,
    /// Time of the last event: the moment py-spy wrote the file.
    pub last_us: u64,
    /// True where the file ended too early.
    pub cut_short: bool,
}

/// Reads a trace; stacks are added to those of the capture.
pub fn read(json: &[u8], stacks: &mut Stacks) -> Trace {
    let mut builder = Builder { stacks, threads: HashMap::new(), order: Vec::new(), last_us: 0 };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let complete = (&mut builder).deserialize(&mut deserializer).is_ok();
    let mut trace = builder.finish();
    trace.cut_short = !complete;
    trace
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    ph: Cow<'a, str>,
    tid: u64,
    ts: u64,
    #[serde(borrow)]
    args: Args<'a>,
}

#[derive(Deserialize)]
struct Args<'a> {
    #[serde(borrow)]
    filename: Cow<'a, str>,
    line: Option<i64>,
}

struct Builder<'s> {
    stacks: &'s mut Stacks,
    threads: HashMap<u64, OpenThread>,
    order: Vec<u64>,
    last_us: u64,
}

#[derive(Default)]
struct OpenThread {
    tid: Option<i32>,
    name: Option<Raw>,
    /// The open frames from the root, each with the stack it makes; the thread's own frame is not among them.
    open: Vec<u32>,
    in_thread_frame: bool,
    changes: Vec<(u64, Option<u32>)>,
}

impl Builder<'_> {
    fn take(&mut self, event: &Event<'_>) {
        self.last_us = self.last_us.max(event.ts);
        let thread = self.threads.entry(event.tid).or_insert_with(|| {
            self.order.push(event.tid);
            OpenThread::default()
        });
        match (event.ph.as_ref(), event.args.filename.is_empty()) {
            ("B", true) if !thread.in_thread_frame => {
                thread.in_thread_frame = true;
                let (tid, name) = thread_frame(&event.name);
                thread.tid = tid.or(thread.tid);
                thread.name = name.or(thread.name.take());
            }
            ("E", _) if thread.open.is_empty() => thread.in_thread_frame = false,
            ("B", _) => {
                let frame = Frame {
                    function: Raw::new(event.name.as_ref()),
                    file: Raw::new(event.args.filename.as_ref()),
                    line: event.args.line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0),
                };
                let frame = self.stacks.frames.id(frame);
                let parent = thread.open.last().copied();
                thread.open.push(self.stacks.nodes.id(StackNode { parent, frame }));
            }
            ("E", _) => {
                thread.open.pop();
            }
            _ => {}
        }
        let stack = thread.open.last().copied();
        match thread.changes.last_mut() {
            // Events at one time are one change; the last of them tells the stack.
            Some(last) if last.0 == event.ts => last.1 = stack,
            _ => thread.changes.push((event.ts, stack)),
        }
    }

    fn finish(mut self) -> Trace {
        let last_us = self.last_us;
        let threads = self.order.iter().filter_map(|key| self.threads.remove(key)).map(|mut thread| {
            // The closing events at the end say when the file was written, not that the stack ended.
            while thread.changes.last().is_some_and(|change| change.0 == last_us && change.1.is_none()) {
                thread.changes.pop();
            }
            ThreadTrace { tid: thread.tid, name: thread.name, changes: thread.changes }
        });
        Trace { threads: threads.collect(), last_us, cut_short: false }
    }
}

/// Takes `thread (1234): MainThread` apart. On interpreters before 3.11 the number can be a pthread id in hexadecimal.
fn thread_frame(name: &str) -> (Option<i32>, Option<Raw>) {
    let Some((tid, rest)) = name.strip_prefix("thread (").and_then(|rest| rest.split_once(')')) else {
        return (None, None);
    };
    (tid.parse().ok(), rest.strip_prefix(": ").map(Raw::new))
}

impl<'de> DeserializeSeed<'de> for &mut Builder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut Builder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of trace events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<(), A::Error> {
        while let Some(event) = events.next_element::<Event<'de>>()? {
            self.take(&event);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::profile::Profile;
    use proptest::prelude::*;

    fn event(ph: &str, tid: u64, ts: u64, name: &str, file: &str) -> String {
        format!(
            r#"{{"args":{{"filename":"{file}","line":7}},"cat":"py-spy","name":"{name}","ph":"{ph}","pid":1,"tid":{tid},"ts":{ts}}}"#
        )
    }

    /// `a` from 10, `a;b` from 20, `a` from 30; written at 40.
    fn small() -> String {
        let events = [
            event("B", 9, 10, "thread (71): MainThread", ""),
            event("B", 9, 10, "a", "/x/a.py"),
            event("B", 9, 20, "b", "/x/b.py"),
            event("E", 9, 30, "b", "/x/b.py"),
            event("E", 9, 40, "a", "/x/a.py"),
            event("E", 9, 40, "thread (71): MainThread", ""),
        ];
        format!("[{}]", events.join(","))
    }

    fn functions(stacks: Stacks, stack: u32) -> Vec<String> {
        let profile = Profile {
            frames: stacks.frames.into_items(),
            stacks: stacks.nodes.into_items(),
            threads: vec![],
            samples: vec![],
        };
        profile.leaf_to_root(stack).map(|frame| frame.function.expose().to_owned()).collect()
    }

    #[test]
    fn a_thread_has_its_kernel_id_its_name_and_its_changes() {
        let mut stacks = Stacks::default();
        let trace = read(small().as_bytes(), &mut stacks);
        assert_eq!((trace.last_us, trace.cut_short), (40, false));
        let [thread] = trace.threads.as_slice() else { panic!("one thread") };
        assert_eq!((thread.tid, thread.name.as_ref().map(Raw::expose)), (Some(71), Some("MainThread")));
        let times: Vec<u64> = thread.changes.iter().map(|change| change.0).collect();
        assert_eq!(times, [10, 20, 30]);
        assert_eq!(thread.changes[0].1, thread.changes[2].1);
        assert_eq!(functions(stacks, thread.changes[1].1.unwrap()), ["b", "a"]);
    }

    #[test]
    fn a_file_cut_short_gives_what_stood_before_the_cut() {
        let whole = small();
        let mut stacks = Stacks::default();
        let trace = read(&whole.as_bytes()[..whole.find("\"ts\":30").unwrap()], &mut stacks);
        assert!(trace.cut_short);
        assert_eq!(trace.threads[0].changes.len(), 2);
    }

    #[test]
    fn a_pthread_id_is_not_taken_for_a_thread_id() {
        assert_eq!(thread_frame("thread (0x7F001122): pool"), (None, Some(Raw::new("pool"))));
        assert_eq!(thread_frame("main"), (None, None));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..700) {
            read(&bytes, &mut Stacks::default());
            let mut torn = small().into_bytes();
            torn.truncate(cut);
            torn.extend(bytes);
            read(&torn, &mut Stacks::default());
        }
    }
}
