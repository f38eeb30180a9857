//! What code objects say, read from every CPython that can be started here and held against what it says itself.

mod support;

use std::{collections::HashMap, fs};

use litellm_capture::os::memory::{Fault, Memory, Stretch};
use litellm_capture::redact::Raw;
use litellm_capture::sample::native::{
    code::{Code, unit_of},
    codes::{Claim, Codes},
    layout::{Instruction, Layout},
    names::thread_names,
    object::Unreadable,
};
use serde_json::Value;
use support::interpreters::{Python, interpreter, lab_file, layout, pythons};

/// Runs the test with every CPython there is.
fn with_each(test: impl Fn(&Python)) {
    let pythons = pythons();
    if pythons.is_empty() {
        support::skip("no CPython from 3.10 on under ~/.pyenv or in the lab");
    }
    for python in &pythons {
        eprintln!("CPython {:?}", python.version);
        test(python);
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// What stands in a frame that is at a unit.
fn instruction_at(layout: &Layout, code: &Code, unit: u64) -> u64 {
    match layout.frame.instruction {
        Instruction::Index(_) => unit & u64::from(u32::MAX),
        Instruction::Address(_) => code.instructions.wrapping_add(unit.wrapping_mul(2)),
    }
}

/// The claim of a frame at the beginning of the code at an address.
fn beginning(memory: &impl Memory, layout: &Layout, address: u64) -> Claim {
    let code = Code::read(memory, layout, address).expect("it lives");
    Claim { code: address, instruction: instruction_at(layout, &code, 0) }
}

#[test]
fn every_instruction_of_every_construct_has_the_line_that_python_gives_it() {
    let source = fs::read_to_string(lab_file("constructs.py")).unwrap();
    with_each(|python| {
        let layout = layout(python.version);
        let mut program = python.start("tell_code.py", &[&source]);
        let told = program.next();
        let mut units = 0;
        for told in list(&told["codes"]) {
            let code = Code::read(&program.memory(), &layout, number(&told["address"])).unwrap();
            assert_eq!(code.function, Raw::new(text(&told["function"])));
            assert_eq!(code.file, Raw::new(text(&told["file"])));
            assert_eq!(u64::from(code.first_line), number(&told["first_line"]));
            let mut line = 0;
            for run in list(&told["runs"]) {
                // An instruction without a line is there on behalf of the one before it.
                line = run[2].as_u64().unwrap_or(line);
                for unit in number(&run[0])..number(&run[1]) {
                    assert_eq!(u64::from(code.line(unit as u32)), line, "unit {unit} of {}", told["function"]);
                    units += 1;
                }
            }
            let last = number(&told["units"]) - 1;
            let at = |unit| unit_of(layout.frame.instruction, instruction_at(&layout, &code, unit), &code);
            assert_eq!((at(0), at(last), at(last + 1)), (Some(0), Some(last as u32), None), "{}", told["function"]);
            assert_eq!(
                unit_of(layout.frame.instruction, instruction_at(&layout, &code, u64::MAX), &code),
                Some(0),
                "a frame that has not begun is one unit before"
            );
            if let Instruction::Address(_) = layout.frame.instruction {
                assert_eq!(unit_of(layout.frame.instruction, code.instructions + 1, &code), None, "within a unit");
            }
        }
        assert!(units > 10_000, "only {units} units were looked at");
    });
}

#[test]
fn a_frame_is_at_the_line_that_python_says_it_executes() {
    let source = fs::read_to_string(lab_file("constructs.py")).unwrap();
    with_each(|python| {
        let layout = layout(python.version);
        let mut program = python.start("tell_code.py", &[&source]);
        let told = program.next();
        let mut codes = Codes::default();
        for seen in list(&told["seen"]) {
            let code = Code::read(&program.memory(), &layout, number(&seen[0])).unwrap();
            let instruction = instruction_at(&layout, &code, number(&seen[1]));
            let claim = Claim { code: number(&seen[0]), instruction };
            let place = codes.get(&program.memory(), &layout, claim).unwrap();
            let (code, line) = (codes.code(place.code), codes.code(place.code).line(place.unit));
            assert_eq!(u64::from(line), number(&seen[2]), "unit {} of {}", place.unit, code.function.expose());
        }
        assert!(list(&told["seen"]).len() > 100);
    });
}

#[test]
fn names_of_any_width_are_read_and_long_ones_are_cut() {
    with_each(|python| {
        let mut program = python.start("odd_code.py", &[]);
        let told = program.next();
        for odd in list(&told["odd"]) {
            let code = Code::read(&program.memory(), &layout(python.version), number(&odd["address"])).unwrap();
            for (read, told, most) in [
                (code.function.expose(), text(&odd["function"]), 1 << 10),
                (code.file.expose(), text(&odd["file"]), 4 << 10),
            ] {
                if told.len() <= most {
                    assert_eq!(read, told);
                } else {
                    let kept = read.strip_suffix('…').expect("a mark where it was cut");
                    assert!(told.starts_with(kept));
                    assert!((most - 7..=most).contains(&read.len()), "{} of {most} bytes", read.len());
                }
            }
        }
    });
}

#[test]
fn code_that_took_the_place_of_other_code_is_noticed() {
    with_each(|python| {
        let mut program = python.start("odd_code.py", &[]);
        let memory = program.memory();
        let first = program.next()["first"].clone();
        let interpreter = interpreter(python.version, 0);
        let layout = &interpreter.layout;
        let mut codes = Codes::default();
        let claim = beginning(&memory, layout, number(&first["address"]));
        let old = codes.get(&memory, layout, claim).unwrap().code;
        assert_eq!(codes.recheck(&memory, &interpreter), Ok(Vec::new()));

        let second = program.ask();
        assert_eq!(second["address"], first["address"]);
        assert_eq!(codes.get(&memory, layout, claim).unwrap().code, old, "nothing is read while nothing is checked");
        assert_eq!(codes.recheck(&memory, &interpreter), Ok(vec![old]));

        let new = codes.get(&memory, layout, claim).unwrap().code;
        assert_eq!(codes.code(new).function, Raw::new(text(&second["function"])));
        assert_eq!(codes.code(old).function, Raw::new(text(&first["function"])), "samples keep what they saw");
    });
}

#[test]
fn any_field_that_is_another_gives_the_successor_away() {
    with_each(|python| {
        let mut program = python.start("odd_code.py", &[]);
        let interpreter = interpreter(python.version, 0);
        let (layout, memory) = (&interpreter.layout, program.memory());
        let claim = beginning(&memory, layout, number(&program.next()["first"]["address"]));
        let at = layout.code;
        let mut fields = vec![at.filename, at.name, at.qualname.unwrap_or(at.name), at.linetable, at.firstlineno];
        // The number that every code object has of its own, `co_version`.
        fields.extend((python.version.minor >= 12).then_some(92));
        for field in fields {
            let mut codes = Codes::default();
            let known = codes.get(&memory, layout, claim).unwrap().code;
            let other = Flipped { memory, address: claim.code + field as u64 };
            assert_eq!(codes.recheck(&other, &interpreter), Ok(vec![known]), "the field at {field}");
        }
    });
}

#[test]
fn an_instruction_outside_of_its_code_has_it_read_again_at_once() {
    with_each(|python| {
        let mut program = python.start("odd_code.py", &[]);
        let memory = program.memory();
        let told = program.next();
        let layout = layout(python.version);
        let mut codes = Codes::default();
        let claim = beginning(&memory, &layout, number(&told["first"]["address"]));
        let known = codes.get(&memory, &layout, claim).unwrap();
        let outside = Claim { instruction: claim.instruction + 1000, ..claim };
        let torn = Err(Unreadable::Odd("a frame's instruction is not in its code"));
        assert_eq!(codes.get(&memory, &layout, outside), torn);
        assert_eq!(codes.get(&memory, &layout, claim), Ok(known), "it is the frame that was torn");

        let old = program.ask();
        assert_eq!(codes.get(&memory, &layout, outside), torn);
        let new = codes.get(&memory, &layout, claim).unwrap().code;
        assert_eq!(codes.code(new).function, Raw::new(text(&old["function"])));
    });
}

#[test]
fn a_code_object_is_read_once_and_then_known_without_a_read() {
    with_each(|python| {
        let mut program = python.start("odd_code.py", &[]);
        let layout = layout(python.version);
        let told = program.next();
        let claim = beginning(&program.memory(), &layout, number(&told["first"]["address"]));
        let mut codes = Codes::default();
        let place = codes.get(&program.memory(), &layout, claim);
        assert_eq!(codes.get(&NoMemory, &layout, claim), place);
        assert_eq!(codes.len(), 1);
    });
}

#[test]
fn code_speaks_of_the_names_that_it_uses_and_of_the_functions_that_are_made_in_it() {
    let source = fs::read_to_string(lab_file("constructs.py")).unwrap();
    with_each(|python| {
        let (layout, mut codes) = (layout(python.version), Codes::default());
        let mut telling = python.start("tell_code.py", &[&source]);
        let told = telling.next();
        let memory = telling.memory();
        let mut met: Vec<_> = Vec::new();
        for code in list(&told["codes"]) {
            let claim = beginning(&memory, &layout, number(&code["address"]));
            met.push((code, codes.get(&memory, &layout, claim).expect("it lives").code));
        }
        let mut spoken_of = 0;
        for (code, id) in &met {
            for (other, other_id) in &met {
                let speaks_of = list(&code["speaks_of"]);
                let expected = speaks_of.contains(&other["name"]) || speaks_of.contains(&other["address"]);
                assert_eq!(codes.speaks_of(&memory, &layout, (*id, *other_id)), expected, "{code} {other}");
                spoken_of += usize::from(expected);
            }
        }
        assert!(spoken_of > met.len() / 2, "{spoken_of} of {} code objects are spoken of", met.len());
    });
}

#[test]
fn while_no_code_is_destroyed_only_that_is_read() {
    with_each(|python| {
        let mut program = python.start("odd_code.py", &[]);
        let told = program.next();
        let mut interpreter = interpreter(python.version, 0);
        interpreter.code_generation = Some(8);
        let counted = |generation| Counted { generation, memory: program.memory() };
        let claim = beginning(&program.memory(), &interpreter.layout, number(&told["first"]["address"]));
        let mut codes = Codes::default();
        let used = |codes: &mut Codes| codes.get(&NoMemory, &layout(python.version), claim).map(|place| place.code);

        let known = codes.get(&program.memory(), &interpreter.layout, claim).unwrap().code;
        assert_eq!(codes.recheck(&counted(1), &interpreter), Ok(vec![]), "seen with the first generation");
        assert_eq!(used(&mut codes), Ok(known));
        assert_eq!(codes.recheck(&OnlyGeneration(1), &interpreter), Ok(vec![]), "nothing was destroyed");
        // Destroyed while it was not used: that is found when it is used again, though nothing is destroyed then.
        assert_eq!(codes.recheck(&OnlyGeneration(2), &interpreter), Ok(vec![]));
        assert_eq!(used(&mut codes), Ok(known));
        assert_eq!(codes.recheck(&OnlyGeneration(2), &interpreter), Ok(vec![known]));
    });
}

#[test]
fn threads_are_named_as_python_names_them() {
    with_each(|python| {
        let mut program = python.start("odd_code.py", &[]);
        let told = program.next();
        let interpreter = interpreter(python.version, number(&told["modules"]));
        let expected: HashMap<u64, Raw> = told["threads"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(identity, name)| (identity.parse().unwrap(), Raw::new(text(name))))
            .collect();
        assert_eq!(expected.len(), 8);
        assert_eq!(thread_names(&program.memory(), &interpreter).unwrap(), expected);
    });
}

/// Memory that must not be read.
struct NoMemory;

impl Memory for NoMemory {
    fn read(&self, _: &[Stretch], _: &mut [u8]) -> Result<usize, Fault> {
        panic!("nothing is to be read")
    }
}

/// Memory of which only the generation of code objects, at 8, is mapped.
struct OnlyGeneration(u64);

impl Memory for OnlyGeneration {
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault> {
        match stretches {
            [Stretch { base: 8, len: 8 }] => {
                into[..8].copy_from_slice(&self.0.to_ne_bytes());
                Ok(8)
            }
            _ => Err(Fault::Unmapped),
        }
    }
}

/// A process in whose memory one bit is another.
struct Flipped<M> {
    memory: M,
    address: u64,
}

impl<M: Memory> Memory for Flipped<M> {
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault> {
        let got = self.memory.read(stretches, into)?;
        let mut addresses =
            stretches.iter().flat_map(|stretch| stretch.base as u64..(stretch.base + stretch.len) as u64);
        if let Some(at) = addresses.position(|address| address == self.address) {
            into[at] ^= 1;
        }
        Ok(got)
    }
}

/// A process with a generation of code objects at 8.
struct Counted<M> {
    generation: u64,
    memory: M,
}

impl<M: Memory> Memory for Counted<M> {
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault> {
        match OnlyGeneration(self.generation).read(stretches, into) {
            Err(_) => self.memory.read(stretches, into),
            generation => generation,
        }
    }
}
