//! Code objects, line tables, strings and dicts of a target that changes while it is read, or that means harm: an error
//! or less to show, but never a panic, and never more than so much memory and time.

mod support;

use std::{cell::RefCell, collections::HashMap, thread, time::Duration};

use litellm_capture::os::{
    memory::{Fault, Memory, Stretch},
    proc::Procfs,
};
use litellm_capture::sample::{
    Slice,
    native::{
        code::Code,
        codes::{Claim, Codes},
        layout::{ObjectLayout, Version},
        lines::LineTable,
        names::thread_names,
        text::{bytes, text},
        worker::NativeWorker,
    },
};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};
use support::interpreters::{interpreter, layout, pythons};

fn version() -> impl Strategy<Value = Version> {
    (10_u8..=15).prop_map(|minor| Version { minor, patch: 0 })
}

/// One entry of a line table: for how many code units, and how many lines after the one before; no line is `None`.
fn entries() -> impl Strategy<Value = Vec<(u32, Option<i32>)>> {
    vec((1_u32..=8, proptest::option::weighted(0.8, -100_i32..2000)), 0..300)
}

/// What PEP 626 and 657 say the lines of these entries are, by unit.
fn lines_of(entries: &[(u32, Option<i32>)], first_line: u32) -> Vec<u32> {
    let (mut line, mut shown, mut lines) = (i64::from(first_line), 0, Vec::new());
    for &(units, step) in entries {
        if let Some(step) = step {
            line += i64::from(step);
            shown = u32::try_from(line).unwrap_or(0);
        }
        lines.extend((0..units).map(|_| shown));
    }
    lines
}

/// As 3.10 writes them: steps that are too far for a pair take several.
fn as_pairs(entries: &[(u32, Option<i32>)]) -> Vec<u8> {
    let mut table = Vec::new();
    for &(units, step) in entries {
        let bytes = units as u8 * 2;
        let mut rest = step.unwrap_or(-128);
        while step.is_some() && !(-127..=127).contains(&rest) {
            let part = rest.clamp(-127, 127);
            table.extend([0, part as u8]);
            rest -= part;
        }
        table.extend([bytes, rest as u8]);
    }
    table
}

/// As 3.11 on writes them, in the form that tells least, or in the long one.
fn as_locations(entries: &[(u32, Option<i32>)], is_long: bool) -> Vec<u8> {
    let mut table = Vec::new();
    for &(units, step) in entries {
        let head = |form: u8| 0x80 | form << 3 | (units as u8 - 1);
        let Some(step) = step else {
            table.push(head(15));
            continue;
        };
        table.push(head(if is_long { 14 } else { 13 }));
        let mut rest = step.unsigned_abs() << 1 | u32::from(step < 0);
        while rest > 0x3f {
            table.push(0x40 | (rest & 0x3f) as u8);
            rest >>= 6;
        }
        table.push(rest as u8);
        if is_long {
            table.extend([0, 0x41, 1, 0x7f, 2]);
        }
    }
    table
}

proptest! {
    #[test]
    fn a_line_table_gives_back_what_was_written(entries in entries(), first_line in 1_u32..100_000) {
        let lines = lines_of(&entries, first_line);
        for (minor, table) in
            [(10, as_pairs(&entries)), (11, as_locations(&entries, false)), (15, as_locations(&entries, true))]
        {
            let decoded = LineTable::decode(Version { minor, patch: 0 }, &table, first_line);
            let read: Vec<u32> = (0..lines.len() as u32).map(|unit| decoded.line(unit)).collect();
            prop_assert_eq!(read, lines.clone(), "3.{}", minor);
        }
    }

    #[test]
    fn any_bytes_are_a_line_table_no_larger_than_they_are_many(
        version in version(), table in vec(any::<u8>(), 0..5000), first_line: u32, units in vec(any::<u32>(), 20),
    ) {
        let lines = LineTable::decode(version, &table, first_line);
        prop_assert!(lines.bytes() <= 8 * table.len());
        for unit in units {
            lines.line(unit);
        }
    }

    #[test]
    fn a_string_of_any_head_is_no_longer_than_asked_for(
        version in version(), length in length(), state: u32, filler in vec(any::<u8>(), 1..64), most in 3_usize..2000,
    ) {
        let object = layout(version).object;
        let memory = Endless::with(&filler).put(AT + object.text_length as u64, &length.to_ne_bytes());
        let memory = memory.put(AT + object.text_state as u64, &state.to_ne_bytes());
        if let Ok(text) = text(&memory, &object, AT, most) {
            prop_assert!(text.expose().len() <= most);
        }
        prop_assert!(memory.bytes_read() <= object.text_compact + 4 * most);
    }

    #[test]
    fn a_bytes_object_of_any_length_is_no_longer_than_asked_for(length in length(), most in 0_usize..2000) {
        let object: ObjectLayout = layout(Version { minor: 13, patch: 0 }).object;
        let memory = Endless::with(b"x").put(AT + object.bytes_size as u64, &length.to_ne_bytes());
        let read = bytes(&memory, &object, AT, most);
        prop_assert_eq!(read.ok().map(|bytes| bytes.len() as u64), Some(length).filter(|&length| length <= most as u64));
        prop_assert!(memory.bytes_read() <= object.bytes_data + most);
    }

    #[test]
    fn nonsense_everywhere_comes_to_an_end(version in version(), filler in vec(any::<u8>(), 1..64), address: u64) {
        let interpreter = interpreter(version, address);
        let memory = Endless::with(&filler);
        let _ = Code::read(&memory, &interpreter.layout, address);
        let _ = thread_names(&memory, &interpreter);
        let mut codes = Codes::default();
        let _ = codes.get(&memory, &interpreter.layout, Claim { code: address, instruction: address });
        let _ = codes.recheck(&memory, &interpreter);
        prop_assert!(memory.bytes_read() < MOST_READ, "{} bytes were read", memory.bytes_read());
    }
}

/// More than a few dicts at their largest, and code at its largest.
const MOST_READ: usize = 64 << 20;

#[test]
fn a_process_that_is_not_what_it_was_a_moment_ago_comes_to_an_end() {
    let pythons = pythons();
    if pythons.is_empty() {
        support::skip("no CPython from 3.10 on under ~/.pyenv or in the lab");
    }
    for python in pythons {
        let mut program = python.start("odd_code.py", &[]);
        let told = program.next();
        let interpreter = interpreter(python.version, told["modules"].as_u64().unwrap());
        let address = told["first"]["address"].as_u64().unwrap();
        let process = program.memory();
        let recorded = Recorded { process, bytes: RefCell::default() };
        thread_names(&recorded, &interpreter).unwrap();
        let code = Code::read(&recorded, &interpreter.layout, address).unwrap();
        let claim = Claim { code: address, instruction: code.instructions };
        let image = recorded.bytes.into_inner();
        let mut places: Vec<u64> = image.keys().copied().collect();
        places.sort_unstable();

        let changes = vec((any::<Index>(), change()), 1..30);
        TestRunner::new(ProptestConfig::with_cases(150))
            .run(&changes, |changes| {
                let mut other = Endless { filler: None, ..Endless::with(b"") };
                other.bytes.clone_from(&image);
                for (place, change) in changes {
                    let at = *place.get(&places);
                    other = match change {
                        Change::Byte(byte) => other.put(at, &[byte]),
                        Change::Number(number) => other.put(at & !7, &number.to_ne_bytes()),
                        Change::Address(to) => other.put(at & !7, &(to.get(&places) & !7).to_ne_bytes()),
                    };
                }
                let _ = thread_names(&other, &interpreter);
                let _ = Code::read(&other, &interpreter.layout, address);
                let mut codes = Codes::default();
                let _ = codes.get(&other, &interpreter.layout, claim);
                let _ = codes.recheck(&other, &interpreter);
                prop_assert!(other.bytes_read() < MOST_READ, "{} bytes were read", other.bytes_read());
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn a_process_that_becomes_another_program_is_noticed_and_read_anew() {
    for python in pythons() {
        let mut program = python.start("becoming.py", &[]);
        assert_eq!(program.next()["runs"], "before");
        let procfs = Procfs::default();
        let id = procfs.process(program.pid()).id().unwrap();
        let mut worker = NativeWorker::attach(&procfs, id, 0).unwrap();
        worker.look_for_threads(1_000_000);
        assert!(!worker.became_another());
        assert_eq!(program.ask()["runs"], "after");
        // What it is read by now leads nowhere.
        (0..50_u64).for_each(|tick| worker.tick(1_000_000 + tick * 10_000));
        worker.look_for_threads(2_000_000);
        assert!(worker.became_another() && !worker.is_gone(), "CPython {}", python.version);

        let first = worker.take_slice(Slice { from_us: 0, to_us: 2_000_000 });
        worker.begin_anew(2_000_000).unwrap();
        for tick in 0..20_u64 {
            thread::sleep(Duration::from_millis(5));
            worker.tick(2_000_000 + tick * 5_000);
        }
        let second = worker.take_slice(Slice { from_us: 2_000_000, to_us: 2_100_000 });
        // Each slice goes on where the numbers of the one before it end.
        let frames = [first.frames, second.frames].concat();
        let stacks = [first.stacks, second.stacks].concat();
        let leaf = second.threads[0].samples.last().and_then(|sample| sample.stack).unwrap();
        assert_eq!(frames[stacks[leaf as usize].frame as usize].function, "after");
    }
}

/// What happens to a place in memory.
#[derive(Debug, Clone)]
enum Change {
    Byte(u8),
    Number(u64),
    /// It now points to some other place that is read, so that there are cycles, and objects that are not of their kind.
    Address(Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<u8>().prop_map(Change::Byte),
        length().prop_map(Change::Number),
        any::<Index>().prop_map(Change::Address),
    ]
}

/// Numbers of all magnitudes.
fn length() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift)
}

/// Where strings are put.
const AT: u64 = 0x7f00_0000_0000;

/// Memory with some bytes in it, and everywhere else the filler over and over, or nothing.
struct Endless {
    bytes: HashMap<u64, u8>,
    filler: Option<Vec<u8>>,
    read: RefCell<usize>,
}

impl Endless {
    fn with(filler: &[u8]) -> Self {
        Self { bytes: HashMap::new(), filler: Some(filler.to_vec()), read: RefCell::default() }
    }

    fn put(mut self, address: u64, bytes: &[u8]) -> Self {
        self.bytes.extend((address..).zip(bytes.iter().copied()));
        self
    }

    fn bytes_read(&self) -> usize {
        *self.read.borrow()
    }

    fn byte(&self, address: u64) -> Option<u8> {
        let filler = self.filler.as_deref();
        self.bytes.get(&address).copied().or_else(|| filler.map(|filler| filler[address as usize % filler.len()]))
    }
}

impl Memory for Endless {
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault> {
        let mut got = 0;
        for stretch in stretches {
            for at in 0..stretch.len {
                match self.byte((stretch.base as u64).wrapping_add(at as u64)) {
                    Some(byte) => into[got] = byte,
                    None if got == 0 => return Err(Fault::Unmapped),
                    None => return Ok(got),
                }
                got += 1;
                *self.read.borrow_mut() += 1;
            }
        }
        Ok(got)
    }
}

/// A process whose every byte that is read is kept.
struct Recorded<M> {
    process: M,
    bytes: RefCell<HashMap<u64, u8>>,
}

impl<M: Memory> Memory for Recorded<M> {
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault> {
        let got = self.process.read(stretches, into)?;
        let addresses = stretches.iter().flat_map(|stretch| (stretch.base as u64..).take(stretch.len));
        self.bytes.borrow_mut().extend(addresses.zip(into[..got].iter().copied()));
        Ok(got)
    }
}
