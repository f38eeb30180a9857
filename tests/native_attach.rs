//! The interpreter of a running process is found and its version told, or refused in one sentence.

mod support;

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use litellm_capture::{
    os::{
        memory::{Memory, ProcessMemory},
        proc::{Process, Procfs},
    },
    sample::native::{
        attach::attach,
        layout::{Gil, Interpreter, Version},
        refusal::Refusal,
    },
};
use support::{repository, skip};
use tempfile::TempDir;

/// Two threads, of which one has told its ids and holds the other; prints version, native ids, and waits for its end.
const TWO_THREADS: &str = "\
import sys, threading
other = threading.Thread(target=sys.stdin.read)
other.start()
v = sys.version_info
print(v[1], v[2], threading.get_native_id(), other.native_id, flush=True)
other.join()
";

/// A Python program. It ends with its input, that is with this.
struct Python {
    child: Child,
    minor: u8,
    patch: u8,
    native_ids: BTreeSet<u64>,
}

impl Python {
    fn start(mut command: Command, program: &str) -> Self {
        let mut child = command
            .args(["-I", "-S", "-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().expect("a number"));
        let mut version = || numbers.next().and_then(|number| number.try_into().ok()).expect("a version");
        let (minor, patch) = (version(), version());
        Self { child, minor, patch, native_ids: numbers.collect() }
    }

    fn process(&self) -> Process {
        Procfs::default().process(self.child.id().cast_signed())
    }

    fn memory(&self) -> ProcessMemory {
        ProcessMemory::of(self.child.id().cast_signed())
    }

    fn attach(&self) -> Result<Interpreter, Refusal> {
        attach(&self.process(), &self.memory())
    }

    /// What was found is right, as far as the program itself knows.
    #[track_caller]
    fn assert_found(&self) {
        let found = self.attach().unwrap_or_else(|refusal| panic!("3.{}.{}: {refusal}", self.minor, self.patch));
        let memory = self.memory();
        assert_eq!(found.layout.version, Version { minor: self.minor, patch: self.patch });
        assert_eq!(found.subinterpreters, 0);
        let threads = threads(&found, &memory);
        assert_eq!(threads.len(), 2);
        if let Some(native) = found.layout.thread.native_thread_id {
            let ids = threads.iter().map(|thread| memory.read_u64(thread + native as u64).expect("a thread")).collect();
            assert_eq!(self.native_ids, ids);
        }
        // One thread waits for the other, which waits for input: nobody holds the GIL.
        match found.gil {
            Gil::Current(current) => assert_eq!(memory.read_u64(current), Ok(0)),
            Gil::Lock { locked, holder } => {
                assert_eq!(memory.read_u64(locked).map(|value| value as u32), Ok(0));
                assert!(threads.contains(&memory.read_u64(holder).expect("the last holder")));
            }
        }
        let modules = memory.read_u64(found.modules).expect("sys.modules");
        let dict = memory.read_u64(modules + found.layout.object.ob_type as u64).expect("its type");
        // `tp_name` of `PyTypeObject` is the first field after `PyVarObject`.
        let mut name = [0; 5];
        memory.read_exact(memory.read_u64(dict + 24).expect("a name"), &mut name).expect("a name");
        assert_eq!(&name, b"dict\0");
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn threads(found: &Interpreter, memory: &impl Memory) -> Vec<u64> {
    let mut threads = Vec::new();
    let mut thread = memory.read_u64(found.threads_head).expect("the first thread");
    while thread != 0 {
        threads.push(thread);
        thread = memory.read_u64(thread + found.layout.thread.next as u64).expect("a thread");
    }
    threads
}

/// An interpreter of pyenv, if it is there.
fn pyenv(version: &str) -> Option<PathBuf> {
    let root =
        env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".pyenv")));
    let minor = version.rsplit_once('.').map(|(minor, _)| minor)?;
    root.map(|root| root.join(format!("versions/{version}/bin/python{minor}"))).filter(|python| python.exists())
}

#[track_caller]
fn assert_found_in(python: Option<PathBuf>) {
    match python {
        Some(python) => Python::start(Command::new(python), TWO_THREADS).assert_found(),
        None => skip("that interpreter is not on this machine"),
    }
}

#[test]
fn cpython_3_10_in_a_library_is_found() {
    assert_found_in(pyenv("3.10.13"));
}

#[test]
fn cpython_3_11_in_a_library_is_found() {
    assert_found_in(pyenv("3.11.7"));
}

#[test]
fn cpython_3_12_in_a_library_is_found() {
    assert_found_in(pyenv("3.12.1"));
}

#[test]
fn cpython_3_13_in_a_library_is_found() {
    assert_found_in(pyenv("3.13.0"));
}

#[test]
fn cpython_in_an_executable_that_is_not_relocated_is_found() {
    assert_found_in(Some(PathBuf::from("/usr/bin/python3.11")).filter(|python| python.exists()));
}

/// Roots with other versions than this machine has, each with its own C library.
#[test]
fn cpython_in_another_root_is_found() {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root may change the root");
    }
    let roots = fs::read_dir(repository().join("target/lab/pythons")).into_iter().flatten().flatten();
    let mut found = 0;
    for root in roots {
        let (path, version) = (root.path(), root.file_name());
        let python = format!("/usr/bin/python{}", version.display());
        if !path.join(&python[1..]).exists() {
            continue;
        }
        let mut command = Command::new("chroot");
        command.arg(&path).arg(&python);
        Python::start(command, TWO_THREADS).assert_found();
        found += 1;
    }
    if found == 0 {
        skip("there is no target/lab/pythons");
    }
}

#[test]
fn an_interpreter_whose_file_was_deleted_is_found() {
    let Some(python) = Some(Path::new("/usr/bin/python3.11")).filter(|python| python.exists()) else {
        return skip("there is no /usr/bin/python3.11");
    };
    let folder = TempDir::new().expect("a folder");
    let copy = folder.path().join("python3.11");
    // By another process: a test beside this one that forks while we write keeps the file open, and busy, for a moment.
    assert!(Command::new("cp").arg(python).arg(&copy).status().is_ok_and(|status| status.success()), "a copy");
    let python = Python::start(Command::new(&copy), TWO_THREADS);
    fs::remove_file(&copy).expect("our own copy");
    fs::write(&copy, "something else").expect("our own copy");
    python.assert_found();
}

#[test]
fn further_interpreters_are_counted_and_not_taken_for_the_main_one() {
    let Some(python) = pyenv("3.12.1") else { return skip("there is no CPython 3.12.1") };
    let program = "\
import sys, _xxsubinterpreters
made = [_xxsubinterpreters.create() for _ in range(3)]
print(*sys.version_info[1:3], flush=True)
sys.stdin.read()
";
    let python = Python::start(Command::new(python), program);
    let found = python.attach().expect("it is found");
    assert_eq!(found.subinterpreters, 3);
    assert_eq!(threads(&found, &python.memory()).len(), 1);
}

#[test]
fn a_worker_forked_by_its_parent_is_found() {
    let Some(python) = pyenv("3.11.7") else { return skip("there is no CPython 3.11.7") };
    let program = "\
import os, sys
is_ready, tells = os.pipe()
if pid := os.fork():
    os.read(is_ready, 1)
    print(*sys.version_info[1:3], pid, flush=True)
else:
    os.write(tells, b'.')
sys.stdin.read()
";
    let python = Python::start(Command::new(python), program);
    let worker = *python.native_ids.first().expect("the worker's pid") as i32;
    let found = attach(&Procfs::default().process(worker), &ProcessMemory::of(worker)).expect("it is found");
    assert_eq!(threads(&found, &ProcessMemory::of(worker)).len(), 1);
}

#[test]
fn an_old_cpython_is_refused_by_its_version() {
    let Some(python) = pyenv("3.9.18") else { return skip("there is no CPython 3.9.18") };
    let refusal = Python::start(Command::new(python), TWO_THREADS).attach().expect_err("3.9 is not read");
    assert_eq!(refusal.to_string(), "CPython 3.9.18 is older than what is read here (3.10)");
}

#[test]
fn a_process_that_is_no_python_is_refused_by_its_file() {
    let mut child = Command::new("sleep").arg("1000").spawn().expect("sleep can be started");
    let pid = child.id().cast_signed();
    support::wait_for("the program to be executed", || {
        (Procfs::default().process(pid).exe().ok()?.file_name()? != env::current_exe().ok()?.file_name()?).then_some(())
    });
    let executable = Procfs::default().process(pid).exe().expect("our own child");
    let refusal = attach(&Procfs::default().process(pid), &ProcessMemory::of(pid)).expect_err("no Python");
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    assert_eq!(refusal.to_string(), format!("no _PyRuntime in {}", executable.display()));
    let refusal = attach(&Procfs::default().process(pid), &ProcessMemory::of(pid)).expect_err("it is gone");
    assert_eq!(refusal.to_string(), "the process has ended");
}
