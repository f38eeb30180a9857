//! Memory that means harm: what the reader reads of real interpreters is kept, damaged by chance, and read again. Nothing
//! may panic, and what is read and found stays bounded.
//!
//! Chance begins with `CAPTURE_FUZZ_SEED` (1) and goes on for `CAPTURE_FUZZ_SECONDS` (3).

mod support;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use fastrand::Rng;
use litellm_capture::{
    os::{
        memory::{Fault, Memory, ProcessMemory, Stretch},
        proc::{Process, Procfs},
    },
    sample::native::{
        attach::attach,
        layout::{Interpreter, Version},
        names::thread_names,
        stacks::{Stacks, Trail},
        threads::python_threads,
        tree::Depth,
        walk::{MOST_FRAMES, Walker},
    },
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use support::interpreters::{Telling, pythons};

const PAGE: u64 = 4096;
/// Several lists of threads at their longest, each thread with a call of its own.
const MOST_CALLS: usize = 200_000;
/// Several batches, dicts and tables at their largest.
const MOST_BYTES: usize = 512 << 20;
/// Threads that are looked at for each input.
const MOST_THREADS: usize = 4;
/// `attach` reads files of `/proc` too, which takes longer than all the rest.
const ATTACH_EVERY: u64 = 8;
const MOST_CHANGES: usize = 8;

fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn damaged_memory_of_every_interpreter_comes_to_an_end() {
    let mut subjects: Vec<Subject> = pythons().iter().map(|python| Subject::new(python.start_spinning())).collect();
    if subjects.is_empty() {
        return support::skip("no CPython from 3.10 on under ~/.pyenv or in the lab");
    }
    let first = number("CAPTURE_FUZZ_SEED", 1);
    let (begun, length) = (Instant::now(), Duration::from_secs(number("CAPTURE_FUZZ_SECONDS", 3)));
    let mut inputs = 0;
    // At least one of each.
    while begun.elapsed() < length || inputs < subjects.len() as u64 {
        let seed = first + inputs;
        let index = (seed % subjects.len() as u64) as usize;
        subjects[index].try_seed(seed);
        inputs += 1;
    }
    println!("fuzz: {inputs} inputs in {} s", begun.elapsed().as_secs());
    let whole: u64 = subjects.iter().map(|subject| subject.stacks).sum();
    // Damage that left nothing to read would try nothing.
    assert!(whole > inputs / 4, "{whole} stacks");
}

/// A process that is kept as it was, and stands still as far as its memory counts.
struct Subject {
    program: Option<Telling>,
    process: Process,
    interpreter: Interpreter,
    image: Image,
    /// Stacks that were found in damaged memory.
    stacks: u64,
}

impl Subject {
    #[track_caller]
    fn new(program: Telling) -> Self {
        let process = Procfs::default().process(program.pid());
        let recording =
            Recording { process: program.memory(), image: RefCell::default(), is_attached: Cell::new(false) };
        let interpreter = attach(&process, &recording).expect("a healthy process");
        recording.is_attached.set(true);
        assert!(read_all(&recording, &interpreter, program.pid()) > 0, "a healthy process has a stack");
        // What it does from now on only takes a CPU from the test.
        kill(Pid::from_raw(program.pid()), Signal::SIGSTOP).expect("a process of ours");
        let mut image = recording.image.into_inner();
        for places in &mut image.places {
            places.sort_unstable();
            places.dedup();
        }
        Self { program: Some(program), process, interpreter, image, stacks: 0 }
    }

    #[track_caller]
    fn try_seed(&mut self, seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let undo: Vec<(u64, u64)> =
            (0..rng.usize(1..=MOST_CHANGES)).filter_map(|_| self.image.damage(&mut rng)).collect();
        self.image.calls.set(0);
        self.image.bytes.set(0);
        let pid = self.program.as_ref().map_or(0, Telling::pid);
        let result = catch_unwind(AssertUnwindSafe(|| {
            if seed.is_multiple_of(ATTACH_EVERY)
                && let Ok(interpreter) = attach(&self.process, &self.image)
            {
                read_all(&self.image, &interpreter, pid);
            }
            read_all(&self.image, &self.interpreter, pid)
        }));
        let Version { minor, .. } = self.interpreter.layout.version;
        self.stacks += result.unwrap_or_else(|_| panic!("CAPTURE_FUZZ_SEED={seed}, CPython 3.{minor}: as told above"));
        for (address, word) in undo.into_iter().rev() {
            self.image.write(address, word);
        }
        self.image.unmapped = None;
    }
}

/// All that is read of a process at a tick, and now and then; tells how many stacks there were.
fn read_all(memory: &impl Memory, interpreter: &Interpreter, pid: i32) -> u64 {
    let mut found = 0;
    let mut walker = Walker::new(interpreter.layout.frame);
    let mut stacks = Stacks::default();
    let threads = python_threads(memory, interpreter, &BTreeSet::from([pid])).unwrap_or_default();
    for thread in threads.values().take(MOST_THREADS) {
        let mut trail = Trail::default();
        let mut root = None;
        // What is remembered of the first time is made use of the second time.
        for _ in 0..2 {
            let Ok(Some(_)) = walker.walk(memory, interpreter, thread, root) else { continue };
            assert!(walker.frames().len() <= MOST_FRAMES && walker.proven() <= walker.frames().len());
            let resolved = stacks.resolve(memory, &interpreter.layout, walker.frames(), &mut trail);
            if let Some(stack) = trail.stack(walker.proven()) {
                stacks.tree.confirm(stack);
            }
            let layout = &interpreter.layout;
            let is_possible = |stack| stacks.is_possible(memory, layout, (stack, Depth::Unknown));
            found += u64::from(resolved.stack.is_some_and(is_possible));
            root = walker.frames().last().map(|frame| frame.address);
        }
    }
    assert!(stacks.tree.places().len() <= MOST_THREADS * 2 * MOST_FRAMES);
    let _ = stacks.recheck(memory, interpreter);
    let _ = thread_names(memory, interpreter);
    found
}

/// Pages of a process, as they were.
#[derive(Default)]
struct Image {
    pages: HashMap<u64, Box<[u8]>>,
    /// Where something was read to attach, and at a tick: what stands there is worth changing.
    places: [Vec<u64>; 2],
    /// A page that is there no longer.
    unmapped: Option<u64>,
    calls: Cell<usize>,
    bytes: Cell<usize>,
}

impl Image {
    fn word(&self, address: u64) -> Option<u64> {
        let at = (address % PAGE) as usize;
        self.pages.get(&(address / PAGE))?.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes)
    }

    fn write(&mut self, address: u64, word: u64) {
        let at = (address % PAGE) as usize;
        let page = self.pages.get_mut(&(address / PAGE)).and_then(|page| page.get_mut(at..at + 8));
        page.expect("it was read before").copy_from_slice(&word.to_ne_bytes());
    }

    fn place(&self, rng: &mut Rng) -> u64 {
        // What is read once at most is a larger part by far, tables of symbols most of all.
        let places = &self.places[usize::from(rng.u8(..4) > 0)];
        places[rng.usize(..places.len())]
    }

    /// Changes a word and tells what it was, or takes a page away.
    fn damage(&mut self, rng: &mut Rng) -> Option<(u64, u64)> {
        let address = self.place(rng);
        let was = self.word(address)?;
        let other = self.place(rng);
        let word = match rng.u8(..10) {
            0 => was ^ 1 << rng.u32(..64),
            1 => rng.u64(..),
            2 => rng.u64(..) >> rng.u32(..64),
            // A pointer to something else that is read, or the one that stands elsewhere.
            3 => other,
            4 => self.word(other)?,
            5 => was.wrapping_add_signed(8 * rng.i64(-8..=8)),
            6 => was & !0xffff_ffff | u64::from(rng.u32(..)),
            7 => u64::MAX - u64::from(rng.u16(..) & !7),
            8 => [0, 1, u64::MAX, 1 << 30, 1 << 63, i64::MAX.cast_unsigned(), 0x8000_0000_0000][rng.usize(..7)],
            _ => {
                self.unmapped = rng.bool().then_some(address / PAGE);
                return None;
            }
        };
        self.write(address, word);
        Some((address, was))
    }

    fn byte_range(&self, address: u64, into: &mut [u8]) -> bool {
        let mut done = 0;
        while done < into.len() {
            let Some(at) = address.checked_add(done as u64).filter(|at| Some(at / PAGE) != self.unmapped) else {
                return false;
            };
            let Some(page) = self.pages.get(&(at / PAGE)) else { return false };
            let rest = &page[(at % PAGE) as usize..];
            let length = rest.len().min(into.len() - done);
            into[done..done + length].copy_from_slice(&rest[..length]);
            done += length;
        }
        true
    }
}

impl Memory for Image {
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault> {
        self.calls.set(self.calls.get() + 1);
        let mut got = 0;
        for stretch in stretches {
            if !self.byte_range(stretch.base as u64, &mut into[got..got + stretch.len]) {
                break;
            }
            got += stretch.len;
        }
        self.bytes.set(self.bytes.get() + got);
        assert!(self.calls.get() <= MOST_CALLS && self.bytes.get() <= MOST_BYTES, "{:?} {:?}", self.calls, self.bytes);
        if got == 0 && stretches.iter().any(|stretch| stretch.len > 0) { Err(Fault::Unmapped) } else { Ok(got) }
    }
}

/// A process, and every page that is read of it.
struct Recording {
    process: ProcessMemory,
    image: RefCell<Image>,
    is_attached: Cell<bool>,
}

/// What is larger than a page is text or a table, of which a few words are as good as all.
const MOST_WORDS: usize = 512;

impl Memory for Recording {
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault> {
        let got = self.process.read(stretches, into)?;
        let mut image = self.image.borrow_mut();
        let (mut end, mut whole) = (0, stretches.iter());
        while let Some(stretch) = whole.next().filter(|stretch| end + stretch.len <= got) {
            end += stretch.len;
            let base = stretch.base as u64;
            for page in base / PAGE..=(base + stretch.len as u64 - 1) / PAGE {
                let mut bytes = vec![0; PAGE as usize];
                if !image.pages.contains_key(&page) && self.process.read_exact(page * PAGE, &mut bytes).is_ok() {
                    image.pages.insert(page, bytes.into_boxed_slice());
                }
            }
            let words = (base & !7..base + stretch.len as u64).step_by(8);
            image.places[usize::from(self.is_attached.get())].extend(words.take(MOST_WORDS));
        }
        Ok(got)
    }
}
