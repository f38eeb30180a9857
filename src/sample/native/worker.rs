//! One worker: its threads' clocks and stacks, tick by tick.
//!
//! A thread's clock is read at every tick, and its stack only when the clock says that it ran since. So an idle thread
//! costs a microsecond, and one that has been idle for long a tenth of that.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem::take;
use std::thread::sleep;
use std::time::Duration;

use procfs::process::{ProcState, Stat};

use crate::os::memory::{Fault, ProcessMemory};
use crate::os::proc::{Process, ProcessId, Procfs};
use crate::os::threads::tick_ns;
use crate::os::usage::thread_cpu_us;
use crate::sample::Slice;
use crate::sample::native::attach::attach;
use crate::sample::native::glimpse::Glimpse;
use crate::sample::native::layout::Interpreter;
use crate::sample::native::names::thread_names;
use crate::sample::native::record::{Counts, FrameRecord, NativeSample, NativeSlice, State, ThreadSamples};
use crate::sample::native::refusal::Refusal;
use crate::sample::native::stacks::Stacks;
use crate::sample::native::threads::{PythonThread, python_threads};
use crate::sample::native::walk::{Proof, Walker};
use crate::sample::native::watched::{Counted, Since, Watched, Worth};
use crate::sample::profile::StackNode;

/// The stack of a thread that sleeps on is read only so often.
const LOOK_AT_SLEEPERS_US: u64 = 500_000;
/// How often a stack is read again that changed while it was read and has calls that nothing else speaks for.
const MOST_RETRIES: u32 = 6;
/// How often it is tried again to attach to a process that is not as it should be.
const SETTLE_TRIES: u32 = 5;
/// And how long it is waited in between.
const SETTLE_PAUSE: Duration = Duration::from_millis(10);
/// How often a thread's stack may change under our eyes before the self-check gives up on it.
const SELF_CHECK_TRIES: u32 = 50;
/// And how long it lets it go on in between.
const SELF_CHECK_PAUSE: Duration = Duration::from_micros(200);

/// A worker that is sampled.
#[derive(Debug)]
pub struct NativeWorker {
    id: ProcessId,
    process: Process,
    procfs: Procfs,
    memory: ProcessMemory,
    interpreter: Interpreter,
    walker: Walker,
    stacks: Stacks,
    threads: BTreeMap<i32, Watched>,
    listed_us: u64,
    from_us: u64,
    to_us: u64,
    kernel_ticks: (u64, u64),
    gone: bool,
    /// Where the kernel put its program and its stack.
    image: (u64, u64),
    became_another: bool,
    told: Told,
    counts: Counts,
    cost_us: u64,
    cost_told_us: u64,
}

/// What went into earlier slices.
#[derive(Debug, Default)]
struct Told {
    frames: usize,
    stacks: usize,
}

/// What was seen of a thread's stack.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    stack: Option<u32>,
    worth: Worth,
    holds_gil: bool,
    gil_is_taken: bool,
    is_collecting: bool,
    asks_for_gil: Option<bool>,
}

impl Seen {
    fn of(glimpse: &Glimpse, thread: &PythonThread) -> Self {
        let holds_gil = glimpse.gil_holder == thread.address;
        Self {
            holds_gil,
            gil_is_taken: glimpse.gil_holder != 0 && !holds_gil,
            is_collecting: glimpse.is_collecting,
            asks_for_gil: glimpse.asks_for_gil,
            ..Self::default()
        }
    }
}

/// Which threads are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    /// Those that ran lately.
    AtBusy,
    /// All.
    AtAll,
}

impl NativeWorker {
    /// Finds the interpreter and its threads.
    ///
    /// # Errors
    /// With the reason why this process cannot be read by us.
    pub fn attach(procfs: &Procfs, id: ProcessId, now_us: u64) -> Result<Self, Refusal> {
        let process = procfs.same(id).ok_or(Refusal::Gone)?;
        let memory = ProcessMemory::of(id.pid);
        let interpreter = attach_settled(&process, memory)?;
        let stat = process.stat().map_err(|_| Refusal::Gone)?;
        let ticks = stat.utime + stat.stime;
        let mut worker = Self {
            id,
            process,
            procfs: procfs.clone(),
            memory,
            walker: Walker::new(interpreter.layout.frame),
            interpreter,
            stacks: Stacks::default(),
            threads: BTreeMap::new(),
            listed_us: now_us,
            from_us: now_us,
            to_us: now_us,
            kernel_ticks: (ticks, ticks),
            gone: false,
            image: image(&stat),
            became_another: false,
            told: Told::default(),
            counts: Counts::default(),
            cost_us: 0,
            cost_told_us: 0,
        };
        worker.list_threads(now_us, Counted::FromNow).map_err(|_| Refusal::Gone)?;
        Ok(worker)
    }

    /// Reads one stack of every thread that Python knows.
    ///
    /// # Errors
    /// When fewer than half of them could be read down to their base.
    pub fn self_check(&mut self) -> Result<(), Refusal> {
        let mut threads = take(&mut self.threads);
        let known = threads.values().filter(|thread| thread.python.is_some()).count();
        // A thread that changes its stack at this very moment is tried again.
        let mut is_readable = |thread: &mut Watched| {
            (0..SELF_CHECK_TRIES).any(|tried| {
                if tried > 0 {
                    sleep(SELF_CHECK_PAUSE);
                }
                self.read_stack(thread).is_ok_and(|seen| seen.worth != Worth::Torn) || thread.ends.root.is_some()
            })
        };
        let whole = threads.values_mut().filter_map(|thread| is_readable(thread).then_some(())).count();
        self.threads = threads;
        self.counts = Counts::default();
        if whole > 0 && 2 * whole >= known { Ok(()) } else { Err(Refusal::SelfCheck { whole, known }) }
    }

    /// Looks at every thread that is not at rest.
    pub fn tick(&mut self, now_us: u64) {
        self.look(now_us, Looks::AtBusy);
    }

    /// Looks for threads that began or ended since the last look, and at code objects that may have changed.
    pub fn look_for_threads(&mut self, now_us: u64) {
        let begun_us = thread_cpu_us();
        let stat = self.process.stat().ok().filter(|stat| stat.starttime == self.id.start_ticks);
        self.became_another |= stat.as_ref().is_some_and(|stat| image(stat) != self.image);
        match stat {
            Some(stat) if !self.is_left_over(&stat) => self.look_for_others(&stat, now_us),
            _ => self.gone = true,
        }
        // What cannot be looked at again now is looked at the next time.
        let _ = self.stacks.recheck(&self.memory, &self.interpreter);
        self.cost_us += thread_cpu_us() - begun_us;
    }

    /// Looks for threads that are not known, where there are not as many as those. One that took the place of another is
    /// found at the look after that one's clock could not be read.
    fn look_for_others(&mut self, stat: &Stat, now_us: u64) {
        let known = self.threads.values().filter(|thread| !thread.has_ended).count();
        if usize::try_from(stat.num_threads) == Ok(known) {
            self.ask_for_threads();
        } else {
            self.gone |= self.list_threads(now_us, Counted::Since(self.listed_us)).is_err();
        }
    }

    /// Whether it has ended and only its parent has not asked for that yet, as a first process of a container that
    /// is no init never does. A leader that has ended before its other threads looks the same, but for them.
    fn is_left_over(&self, stat: &Stat) -> bool {
        matches!(stat.state(), Ok(ProcState::Zombie)) && self.process.threads().is_ok_and(|threads| threads.len() <= 1)
    }

    /// True once the worker has ended.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// True once its process runs another program (`execve`): what was read since can be of neither, and it must be
    /// attached to anew.
    pub fn became_another(&self) -> bool {
        self.became_another
    }

    /// Attaches to the program that its process runs by now. What was seen stays as it was numbered.
    ///
    /// # Errors
    /// With the reason why that program cannot be read by us.
    pub fn begin_anew(&mut self, now_us: u64) -> Result<(), Refusal> {
        self.image = image(&self.process.stat().map_err(|_| Refusal::Gone)?);
        self.became_another = false;
        self.interpreter = attach_settled(&self.process, self.memory)?;
        self.walker = Walker::new(self.interpreter.layout.frame);
        self.stacks.move_away();
        self.threads.clear();
        self.list_threads(now_us, Counted::FromNow).map_err(|_| Refusal::Gone)
    }

    /// How many interpreters beside the main one it has, whose threads are not read.
    pub fn subinterpreters(&self) -> u32 {
        self.interpreter.subinterpreters
    }

    /// Our own CPU time spent on it.
    pub fn cost_us(&self) -> u64 {
        self.cost_us
    }

    /// Hands out what was recorded since the last slice.
    pub fn take_slice(&mut self, slice: Slice) -> NativeSlice {
        self.look(slice.to_us, Looks::AtAll);
        if !self.gone && self.procfs.same(self.id).is_some() {
            match cpu_ticks(&self.process) {
                Ok(ticks) => self.kernel_ticks.1 = ticks,
                Err(_) => self.gone = true,
            }
        } else {
            self.gone = true;
        }
        let (before, after) = self.kernel_ticks;
        let tree = &self.stacks.tree;
        let frames = tree.places()[self.told.frames..].iter().map(|&(code, line)| {
            let code = self.stacks.code(code);
            FrameRecord { function: code.function.expose().to_owned(), file: code.file.expose().to_owned(), line }
        });
        let frames: Vec<FrameRecord> = frames.collect();
        let stacks: Vec<StackNode> = tree.stacks()[self.told.stacks..].to_vec();
        let threads: Vec<ThreadSamples> = self.threads.values_mut().map(|thread| thread.take(&self.stacks)).collect();
        let samples = threads.iter().flat_map(|thread| &thread.samples);
        self.counts.torn = samples.filter(|sample| sample.state.has(State::TORN)).count() as u64;
        let taken = NativeSlice {
            process: self.id,
            rate_hz: 0,
            from_us: self.from_us,
            to_us: self.to_us,
            kernel_cpu_us: (!self.gone).then(|| after.saturating_sub(before) * tick_ns() / 1_000),
            frames,
            stacks,
            threads,
            counts: self.counts,
            cost_us: self.cost_us - self.cost_told_us,
        };
        self.told = Told { frames: tree.places().len(), stacks: tree.stacks().len() };
        self.threads.retain(|_, thread| !thread.has_ended);
        self.counts = Counts::default();
        self.cost_told_us = self.cost_us;
        self.from_us = self.to_us;
        self.kernel_ticks.0 = after;
        taken
    }

    fn look(&mut self, now_us: u64, looks: Looks) {
        let begun_us = thread_cpu_us();
        self.counts.ticks += 1;
        let mut threads = take(&mut self.threads);
        let mut any = false;
        for thread in threads.values_mut().filter(|thread| !thread.has_ended) {
            if looks == Looks::AtBusy && now_us < thread.due_us {
                any = true;
            } else if let Ok(reading) = thread.clock.read() {
                any = true;
                let since = thread.since(reading, now_us);
                if !since.is_nothing() || thread.was_on {
                    self.sample(thread, &since);
                }
            } else {
                thread.has_ended = true;
            }
        }
        self.threads = threads;
        // With every clock gone the process is gone; its end is the last time that something could be read.
        if any {
            self.to_us = now_us;
        } else {
            self.gone = true;
        }
        self.cost_us += thread_cpu_us() - begun_us;
    }

    /// Notes where a thread that ran is now, and what it does.
    fn sample(&mut self, thread: &mut Watched, since: &Since) {
        // A thread asleep has no stack that costs anything: where it sleeps is looked at now and then.
        let is_due = thread.sleeps_in.is_none() || since.at_us >= thread.slept_us + LOOK_AT_SLEEPERS_US;
        // One that was at work mostly still is, and then who holds the GIL tells so for less than the kernel asks.
        let mut is_on = if thread.was_on { None } else { Some(thread.activity.is_running().unwrap_or(false)) };
        let looks_at_stack = is_due || is_on.unwrap_or(true);
        // One that may wait for the GIL is looked at for who has it.
        let may_wait = since.is_in_vain() || self.interpreter.layout.thread.gil_requested.is_some();
        let seen = match looks_at_stack {
            true => self.read_stack(thread),
            false if may_wait => self.glimpse(thread),
            false => Ok(Seen::default()),
        };
        let mut seen = seen.unwrap_or_else(|_| {
            self.counts.failed += 1;
            Seen::default()
        });
        let is_on = *is_on.get_or_insert_with(|| seen.holds_gil || thread.activity.is_running().unwrap_or(false));
        if is_on {
            thread.slept_us = 0;
        } else if looks_at_stack {
            (thread.sleeps_in, thread.slept_us) = (seen.stack, since.at_us);
        } else {
            (seen.stack, seen.worth) = (thread.sleeps_in, Worth::Whole);
        }
        thread.was_on = is_on;
        let waits = seen.gil_is_taken && !is_on && seen.asks_for_gil.unwrap_or_else(|| since.is_in_vain());
        let state = [
            (State::ON_CPU, is_on),
            (State::GIL_HELD, seen.holds_gil),
            (State::GIL_WAITED, waits && seen.stack.is_some()),
            (State::IN_GC, seen.holds_gil && seen.is_collecting),
            (State::TORN, seen.stack.is_some() && seen.worth == Worth::Torn),
        ];
        let flags = state.into_iter().filter(|&(_, is_set)| is_set);
        let state = flags.fold(State::NONE, |state, (flag, _)| state.with(flag));
        if let Worth::Doubtful(depth) = seen.worth {
            thread.doubtful.push((thread.samples.len(), depth));
        }
        let &Since { at_us, span_us, cpu_ns, run_delay_ns, .. } = since;
        thread.samples.push(NativeSample { at_us, span_us, cpu_ns, run_delay_ns, stack: seen.stack, state });
    }

    /// Looks at a thread, but not at its frames.
    fn glimpse(&mut self, thread: &mut Watched) -> Result<Seen, Fault> {
        let Some(python) = thread.python else { return Ok(Seen::default()) };
        let glimpse = self.walker.look(&self.memory, &self.interpreter, &python)?;
        // It ended, or its record was given to another: the next look at the list tells.
        thread.python = glimpse.map(|_| python);
        Ok(glimpse.map_or_else(Seen::default, |glimpse| Seen::of(&glimpse, &python)))
    }

    /// Reads the stack of a thread; of one that Python does not know there is nothing to be seen.
    fn read_stack(&mut self, thread: &mut Watched) -> Result<Seen, Fault> {
        let Some(python) = thread.python else { return Ok(Seen::default()) };
        let root = thread.ends.root;
        let Some((glimpse, proof)) = self.walker.walk(&self.memory, &self.interpreter, &python, root)? else {
            thread.python = None;
            return Ok(Seen::default());
        };
        let mut seen = Seen::of(&glimpse, &python);
        if glimpse.pointer.is_none() {
            return Ok(seen);
        }
        (seen.stack, seen.worth) = self.judge(thread, proof);
        for _ in 0..MOST_RETRIES {
            if self.is_good(&seen) {
                break;
            }
            self.counts.retries += 1;
            let walked = self.walker.walk(&self.memory, &self.interpreter, &python, thread.ends.root)?;
            let Some((_, proof)) = walked else { break };
            // By now the callers are known where they are, and the second look comes some microseconds after the first
            // wherever the thread is: it is as good, and is not waited for until it stands still.
            let (stack, worth) = self.judge(thread, proof);
            let again = Seen { stack, worth, ..seen };
            if seen.worth == Worth::Torn || self.is_good(&again) {
                seen = again;
            }
        }
        self.counts.read += u64::from(seen.stack.is_some());
        self.counts.failed += u64::from(seen.stack.is_none() && !self.walker.frames().is_empty());
        Ok(seen)
    }

    /// Whether it stood there, as far as can be told.
    fn is_good(&mut self, seen: &Seen) -> bool {
        match (seen.worth, seen.stack) {
            (Worth::Whole, _) => true,
            (Worth::Doubtful(depth), Some(stack)) => {
                self.stacks.is_possible(&self.memory, &self.interpreter.layout, (stack, depth))
            }
            _ => false,
        }
    }

    /// What the frames that were just read stand for, and what that is worth.
    fn judge(&mut self, thread: &mut Watched, proof: Proof) -> (Option<u32>, Worth) {
        let frames = self.walker.frames();
        let resolved = self.stacks.resolve(&self.memory, &self.interpreter.layout, frames, &mut thread.trail);
        let worth = if resolved.unreadable > 0 { Worth::Torn } else { thread.ends.judge(proof, frames.last()) };
        if worth != Worth::Torn
            && let Some(stack) = thread.trail.stack(self.walker.proven())
        {
            self.stacks.tree.confirm(stack);
        }
        (resolved.stack, worth)
    }

    fn list_threads(&mut self, now_us: u64, counted: Counted) -> io::Result<()> {
        let tids = self.process.threads()?;
        for tid in tids.into_iter().filter(|tid| !self.threads.contains_key(tid)).collect::<Vec<_>>() {
            // A thread may end between the listing and here: that is no fault.
            if let Ok(thread) = Watched::open(&self.process, tid, now_us, counted) {
                self.threads.insert(tid, thread);
            }
        }
        self.listed_us = now_us;
        self.ask_for_threads();
        Ok(())
    }

    /// Asks the interpreter for the threads that it was not known to have.
    fn ask_for_threads(&mut self) {
        let unknown = |thread: &Watched| !thread.has_ended && thread.python.is_none();
        if !self.threads.values().any(unknown) {
            return;
        }
        let known: BTreeSet<i32> = self.threads.values().map(|thread| thread.inner_tid).collect();
        let Ok(python) = python_threads(&self.memory, &self.interpreter, &known) else { return };
        let found = |thread: &&mut Watched| python.contains_key(&thread.inner_tid);
        for thread in self.threads.values_mut().filter(|thread| thread.python.is_none()).filter(found) {
            thread.python = python.get(&thread.inner_tid).copied();
        }
        let nameless = |thread: &Watched| thread.python.is_some() && thread.name.is_none();
        if self.threads.values().any(nameless)
            && let Ok(names) = thread_names(&self.memory, &self.interpreter)
        {
            for thread in self.threads.values_mut() {
                let name = thread.python.and_then(|python| names.get(&python.ident));
                thread.name = name.map(|name| name.expose().to_owned()).or(thread.name.take());
            }
        }
    }
}

/// A process that was just forked or given another program is not yet what it is about to be.
fn attach_settled(process: &Process, memory: ProcessMemory) -> Result<Interpreter, Refusal> {
    let mut found = attach(process, &memory);
    for _ in 0..SETTLE_TRIES {
        if !matches!(found, Err(Refusal::Unexpected(..))) {
            break;
        }
        sleep(SETTLE_PAUSE);
        found = attach(process, &memory);
    }
    found
}

/// `startcode` and `startstack` of `/proc/PID/stat`: with addresses at random, both are others for every program.
fn image(stat: &Stat) -> (u64, u64) {
    (stat.startcode, stat.startstack)
}

fn cpu_ticks(process: &Process) -> io::Result<u64> {
    let stat = process.stat()?;
    Ok(stat.utime + stat.stime)
}
