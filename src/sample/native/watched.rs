//! One thread of a worker: what its clock tells from look to look, where its stacks end, and its samples.

use std::io;
use std::mem::take;

use crate::os::proc::Process;
use crate::os::threads::{Reading, ThreadActivity, ThreadClock};
use crate::sample::native::frame::{Frame, Owner};
use crate::sample::native::record::{NativeSample, State, ThreadSamples};
use crate::sample::native::stacks::{Stacks, Trail};
use crate::sample::native::threads::PythonThread;
use crate::sample::native::tree::Depth;
use crate::sample::native::walk::Proof;

/// Most threads of a worker sleep most of the time. One is left alone for half as long as it has been asleep, and for no
/// longer than this.
const REST_US: u64 = 100_000;
/// A thread that waits for the GIL wakes every five milliseconds (`interval` in `struct _gil_runtime_state`), finds it
/// taken, asks for it and sleeps on; it uses less than this for each time.
const LOOK_FOR_GIL_NS: u64 = 50_000;
/// So often a thread's stacks must end in the same frame before that is their root: what changes while it is read can
/// seem to end anywhere.
const FIRST_ROOT_AFTER: u32 = 3;
/// So often a thread's stacks must end in another frame, and never in the root that they had, before that is their
/// root.
const NEW_ROOT_AFTER: u32 = 20;

/// One thread.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) tid: i32,
    pub(super) clock: ThreadClock,
    pub(super) activity: ThreadActivity,
    pub(super) last: Reading,
    pub(super) last_us: u64,
    /// Not looked at before this time.
    pub(super) due_us: u64,
    /// Last time it was found at work.
    pub(super) awake_us: u64,
    /// Whether it was running at the last tick.
    pub(super) was_on: bool,
    pub(super) has_ended: bool,
    pub(super) inner_tid: i32,
    pub(super) comm: String,
    pub(super) python: Option<PythonThread>,
    pub(super) name: Option<String>,
    pub(super) ends: Ends,
    pub(super) trail: Trail,
    /// Where it was when it was last found asleep, and when that was.
    pub(super) sleeps_in: Option<u32>,
    pub(super) slept_us: u64,
    pub(super) samples: Vec<NativeSample>,
    /// Samples whose stacks changed while they were read: whether they can have stood there is told by the others.
    pub(super) doubtful: Vec<(usize, Depth)>,
}

/// Where a thread's stacks end.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Ends {
    pub(super) root: Option<u64>,
    /// Another end, and how often it was seen since the root was.
    other: Option<u64>,
    times: u32,
}

/// From when on a thread's CPU time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// It ran before we looked; what it used until now is none of ours.
    FromNow,
    /// It began after the last look, at this time, so all it used was used since then.
    Since(u64),
}

/// What a stack is worth.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// It stood there.
    Whole,
    /// It stood there if all its calls are known from others.
    Doubtful(Depth),
    /// It did not.
    #[default]
    Torn,
}

/// A thread's clock now, and what it told since the last time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    pub(super) at_us: u64,
    pub(super) span_us: u64,
    pub(super) cpu_ns: u64,
    pub(super) run_delay_ns: u64,
    pub(super) runs: u64,
}

impl Watched {
    /// Begins to watch a thread.
    pub(super) fn open(process: &Process, tid: i32, now_us: u64, counted: Counted) -> io::Result<Self> {
        let task = process.dir().join(format!("task/{tid}"));
        let clock = ThreadClock::open(&task)?;
        let first = clock.read()?;
        let (last, last_us) = match counted {
            Counted::FromNow => (first, now_us),
            Counted::Since(last_look_us) => (Reading::default(), last_look_us),
        };
        Ok(Self {
            tid,
            clock,
            activity: ThreadActivity::new(&task),
            last,
            last_us,
            due_us: now_us,
            awake_us: now_us,
            was_on: false,
            has_ended: false,
            inner_tid: process.inner_tid(tid).unwrap_or(tid),
            comm: process.thread_comm(tid).map(|raw| raw.expose().to_owned()).unwrap_or_default(),
            python: None,
            name: None,
            ends: Ends::default(),
            trail: Trail::default(),
            sleeps_in: None,
            slept_us: 0,
            samples: Vec::new(),
            doubtful: Vec::new(),
        })
    }

    /// What its clock tells since the last look.
    pub(super) fn since(&mut self, reading: Reading, now_us: u64) -> Since {
        let since = Since {
            at_us: now_us,
            span_us: now_us.saturating_sub(self.last_us),
            cpu_ns: reading.cpu_ns.saturating_sub(self.last.cpu_ns),
            run_delay_ns: reading.run_delay_ns.saturating_sub(self.last.run_delay_ns),
            runs: reading.runs.saturating_sub(self.last.runs),
        };
        if !since.is_nothing() {
            self.awake_us = now_us;
        }
        self.due_us = now_us + (now_us.saturating_sub(self.awake_us) / 2).min(REST_US);
        self.last = reading;
        self.last_us = now_us;
        since
    }

    /// Its samples, each with the last word on its stack.
    pub(super) fn take(&mut self, stacks: &Stacks) -> ThreadSamples {
        for (sample, depth) in self.doubtful.drain(..) {
            if let Some(sample) = self.samples.get_mut(sample)
                && !sample.stack.is_some_and(|stack| stacks.tree.is_confirmed(stack, depth))
            {
                sample.state = sample.state.with(State::TORN);
            }
        }
        ThreadSamples {
            tid: self.tid,
            inner_tid: self.inner_tid,
            comm: self.comm.clone(),
            name: self.name.clone(),
            python: self.python.is_some(),
            samples: take(&mut self.samples),
        }
    }
}

impl Since {
    /// Whether the thread did not run: once asleep it must be given a CPU first, which is counted at once.
    pub(super) fn is_nothing(&self) -> bool {
        (self.cpu_ns, self.run_delay_ns, self.runs) == (0, 0, 0)
    }

    /// Whether it woke only to fall asleep again.
    pub(super) fn is_in_vain(&self) -> bool {
        self.runs > 0 && self.cpu_ns < self.runs * LOOK_FOR_GIL_NS
    }
}

impl Ends {
    /// What a stack is worth that ends in this frame.
    pub(super) fn judge(&mut self, proof: Proof, last: Option<&Frame>) -> Worth {
        let worth = match proof {
            Proof::Whole | Proof::Elsewhere => Worth::Whole,
            Proof::Moved => Worth::Doubtful(Depth::Known),
            Proof::Changed => Worth::Doubtful(Depth::Unknown),
            Proof::Broken => return Worth::Torn,
        };
        // A suspended coroutine has no caller either, but is nobody's base.
        let base = last.filter(|last| last.is_executed() && last.owner != Owner::Generator).map(|last| last.address);
        let Some(base) = base else { return if last.is_none() { worth } else { Worth::Torn } };
        let is_root = self.root == Some(base) || self.learn(base);
        if is_root {
            *self = Self { root: Some(base), ..Self::default() };
        }
        if is_root { worth } else { Worth::Torn }
    }

    /// Counts how often stacks ended in another frame than the root, and tells whether it is the root from now on.
    fn learn(&mut self, base: u64) -> bool {
        self.times = if self.other == Some(base) { self.times + 1 } else { 1 };
        self.other = Some(base);
        self.times >= if self.root.is_some() { NEW_ROOT_AFTER } else { FIRST_ROOT_AFTER }
    }
}
