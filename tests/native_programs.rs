//! The programs that the native sampler is tested on: what they declare is true, as a sampler that stops them for every
//! stack sees it, on every interpreter of the lab. And an impossible stack is called that.

mod support;

use std::{process::Command, thread};

use support::{
    lab,
    pythons::{Declared, Python, Running, programs, pythons},
};

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn every_program_has_only_the_stacks_it_declares_on_every_interpreter() {
    let impossible: Vec<String> = thread::scope(|scope| {
        let interpreters: Vec<_> =
            pythons().into_iter().map(|python| scope.spawn(move || impossible_on(&python))).collect();
        interpreters.into_iter().flat_map(|found| found.join().expect("no panic of its own")).collect()
    });
    assert!(impossible.is_empty(), "{}", impossible.join("\n"));
}

fn impossible_on(python: &Python) -> Vec<String> {
    let mut impossible = Vec::new();
    for program in programs() {
        let running = python.spawn(&program, &[]);
        let stacks = stopped_stacks(&running);
        let declared = running.declared();
        // CPython lets go of a generator in two steps; between them even a program that is stopped has one alone on its stack.
        let whole = stacks.iter().map(|stack| frames(stack, declared)).filter(|stack| stack.len() > 1);
        let whole: Vec<_> = whole.collect();
        // A program that never gets to what it is for would let everything pass.
        let reaches = |phase: &String| whole.iter().flatten().any(|(function, _)| function == phase);
        let phases = declared.phases();
        assert!(
            !whole.is_empty() && (phases.is_empty() || phases.keys().any(reaches)),
            "{program} on {python}: {stacks:?}"
        );
        let wrong = whole.iter().filter_map(|stack| Some((stack, declared.check(stack).err()?)));
        impossible.extend(wrong.map(|(stack, why)| format!("{program} on {python}: {why}: {stack:?}")));
    }
    impossible
}

/// Each stack that py-spy sees in a second, in its folded form.
fn stopped_stacks(running: &Running) -> Vec<String> {
    let output = Command::new(lab::py_spy())
        .args(["record", "--format", "raw", "--nolineno", "--full-filenames", "--rate", "200", "--duration", "1"])
        .args(["--pid", &running.pid().to_string(), "--output", "/dev/stdout"])
        .output()
        .expect("py-spy can be started");
    assert!(output.status.success(), "py-spy: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
        .filter(|stack| stack.contains(')'))
        .collect()
}

/// `main (/tmp/program.py);inner (/tmp/program.py)`, taken apart, without the incomplete frames that py-spy shows: those of
/// coroutines being made, and those by which CPython 3.13 on calls an `__init__` without leaving its loop.
fn frames<'a>(stack: &'a str, declared: &Declared) -> Vec<(&'a str, &'a str)> {
    let frames = stack.split(';').filter_map(|frame| frame.strip_suffix(')')?.rsplit_once(" ("));
    let mut frames: Vec<_> = frames.filter(|&frame| frame != ("__init__", "__init__")).collect();
    if declared.ends_in_creation(&frames) {
        frames.pop();
    }
    frames
}

const DECLARED: &str = r#"{
    "files": ["program.py"],
    "edges": [["<module>", "main"], ["main", "main.<locals>.<lambda>"], ["elsewhere", "callback"]],
    "creations": [["main", "coroutine"]],
    "roots": ["<module>", "Thread._bootstrap"],
    "depths": {"main": 2},
    "phases": {}
}"#;
const MODULE: (&str, &str) = ("<module>", "/tmp/program.py");
const MAIN: (&str, &str) = ("main", "/tmp/program.py");
const CALLBACK: (&str, &str) = ("callback", "/tmp/program.py");
const SORT: (&str, &str) = ("sort", "/usr/lib/python3.13/sorting.py");

#[track_caller]
fn assert_possible(root_to_leaf: &[(&str, &str)]) {
    assert_eq!(Declared::parse(DECLARED).check(root_to_leaf), Ok(()));
}

#[track_caller]
fn assert_impossible(root_to_leaf: &[(&str, &str)], why: &str) {
    assert_eq!(Declared::parse(DECLARED).check(root_to_leaf), Err(why.to_owned()));
}

#[test]
fn a_declared_call_is_possible_under_both_names_of_a_function() {
    assert_possible(&[MODULE, MAIN, ("main.<locals>.<lambda>", "program.py")]);
    assert_possible(&[MODULE, MAIN, ("<lambda>", "program.py")]);
}

#[test]
fn a_call_that_is_not_declared_is_named() {
    assert_impossible(&[MODULE, MAIN, CALLBACK], "main does not call callback");
    assert_impossible(&[MODULE, CALLBACK], "<module> does not call callback");
}

#[test]
fn a_coroutine_being_made_is_no_call() {
    let stack = [MODULE, MAIN, ("coroutine", "program.py")];
    assert!(Declared::parse(DECLARED).ends_in_creation(&stack));
    assert_impossible(&stack, "main does not call coroutine");
}

#[test]
fn what_is_not_the_programs_may_follow_anything_but_not_call_anything() {
    assert_possible(&[MODULE, MAIN, SORT, SORT, CALLBACK]);
    assert_impossible(&[MODULE, SORT, MAIN], "elsewhere does not call main");
}

#[test]
fn a_stack_begins_with_a_root() {
    assert_possible(&[("_bootstrap", "/usr/lib/python3.10/threading.py"), SORT]);
    assert_impossible(&[MAIN], "main (/tmp/program.py) is no root");
    assert_impossible(&[], "no frames");
}

#[test]
fn a_function_stands_where_it_is_declared_to_stand() {
    let extra = ("<module>", "/usr/lib/python3.13/runpy.py");
    assert_impossible(&[extra, MODULE], "elsewhere does not call <module>");
    let recursive = DECLARED.replace(r#"["elsewhere""#, r#"["main", "main"], ["elsewhere""#);
    let declared = Declared::parse(&recursive);
    assert_eq!(declared.check(&[MODULE, MAIN, MAIN]), Err("main is frame 3 and not 2".to_owned()));
}
