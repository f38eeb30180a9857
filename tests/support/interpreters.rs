//! Each CPython of this machine, programs that tell of themselves in JSON, and where these versions keep what is read.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use litellm_capture::os::{memory::ProcessMemory, proc::Procfs};
use litellm_capture::sample::native::layout::{
    CodeLayout, FrameLayout, Gil, Indirection, Instruction, Interpreter, Layout, ObjectLayout, Ownership, ThreadLayout,
    Version,
};
use serde_json::Value;

use super::{lab, repository, wait_for};

/// A CPython that can be started here.
pub struct Python {
    pub version: Version,
    command: Vec<PathBuf>,
}

/// All from 3.10 on that pyenv or the lab has, in roots of their own.
pub fn pythons() -> Vec<Python> {
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = entries(&home.join(".pyenv/versions")).into_iter().map(|folder| vec![folder.join("bin/python3")]);
    let roots = entries(&lab::place().join("pythons")).into_iter().map(|root| {
        let inside = Path::new("/usr/bin").join(format!("python{}", root.file_name().unwrap_or_default().display()));
        vec![PathBuf::from("chroot"), root, inside]
    });
    pyenv.chain(roots).filter_map(Python::started_as).collect()
}

impl Python {
    fn started_as(command: Vec<PathBuf>) -> Option<Self> {
        let told = Command::new(&command[0]).args(&command[1..]).arg("--version").output().ok()?;
        let told = String::from_utf8(told.stdout).ok()?;
        let mut numbers = told.trim().strip_prefix("Python 3.")?.split('.').map(|number| number.parse().ok());
        let version = Version { minor: numbers.next()??, patch: numbers.next()?? };
        (version.minor >= 10).then_some(Self { version, command })
    }

    /// Starts a program of `tests/lab/code` with arguments.
    pub fn start(&self, program: &str, arguments: &[&str]) -> Telling {
        let source = fs::read_to_string(lab_file(program)).expect("a program of the lab");
        let mut child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .args(["-c", &source])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was started before to tell its version");
        let lines = BufReader::new(child.stdout.take().expect("output is a pipe"));
        Telling { lines, input: child.stdin.take(), child }
    }

    /// Starts a program whose stack stands still while it uses a whole CPU.
    pub fn start_spinning(&self) -> Telling {
        let mut program = self.start("spinning.py", &[]);
        program.next();
        // It told that its stack is about to stand still, and is in the middle of telling.
        let process = Procfs::default().process(program.pid());
        let used = || process.stat().ok().map(|stat| stat.utime);
        let told_at = used();
        wait_for("a stack that stands still", || (used() > told_at.map(|ticks| ticks + 1)).then_some(()));
        program
    }
}

/// A file of `tests/lab/code`.
pub fn lab_file(name: &str) -> PathBuf {
    repository().join("tests/lab/code").join(name)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    entries
}

/// A program that tells of itself, line by line. It ends with this, whatever it does.
pub struct Telling {
    child: Child,
    input: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
}

impl Telling {
    /// The next line it tells.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it ended");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }

    /// Asks it for one more line.
    #[track_caller]
    pub fn ask(&mut self) -> Value {
        self.input.as_mut().and_then(|input| input.write_all(b"go on\n").ok()).expect("it reads its input");
        self.next()
    }

    pub fn memory(&self) -> ProcessMemory {
        ProcessMemory::of(self.pid())
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a version keeps code objects and what they consist of, by `offsetof` from its headers. Threads and frames are
/// not read through it, other than that a frame counts in 3.10 and has an address from then on.
pub fn layout(version: Version) -> Layout {
    let [size, firstlineno, firsttraceable, instructions] = match version.minor {
        10 => [128, 40, 0, 0],
        11 => [172, 72, 168, 184],
        12 => [180, 68, 176, 192],
        13 => [188, 68, 184, 200],
        _ => [196, 68, 192, 208],
    };
    let after_3_10 = |offset| (version.minor > 10).then_some(offset);
    let filename = if version.minor > 10 { 112 } else { 104 };
    let text = if version.minor < 12 { (48, 72) } else { (40, 56) };
    Layout {
        version,
        thread: ThreadLayout {
            size: 0,
            next: 0,
            interpreter: 0,
            current_frame: 0,
            current_frame_is: Indirection::Direct,
            stack_top: None,
            thread_id: 0,
            native_thread_id: None,
            gil_requested: None,
        },
        frame: FrameLayout {
            size: 0,
            previous: 0,
            executable: 0,
            executable_tag: 0,
            instruction: if version.minor > 10 { Instruction::Address(0) } else { Instruction::Index(0) },
            owner: Ownership::Byte(0),
            shim_owner: 3,
        },
        code: CodeLayout {
            size,
            filename,
            name: filename + 8,
            qualname: after_3_10(filename + 16),
            linetable: if version.minor > 10 { filename + 24 } else { filename + 16 },
            consts: if version.minor > 10 { 24 } else { 56 },
            names: if version.minor > 10 { 32 } else { 64 },
            firstlineno,
            instructions: after_3_10(instructions),
            firsttraceable: after_3_10(firsttraceable),
        },
        object: ObjectLayout {
            ob_type: 8,
            bytes_size: 16,
            bytes_data: 32,
            tuple_size: 16,
            tuple_items: if version.minor < 14 { 24 } else { 32 },
            text_length: 16,
            text_state: 32,
            text_ascii: text.0,
            text_compact: text.1,
        },
    }
}

/// An interpreter of which no more is known than where the pointer to `sys.modules` is.
pub fn interpreter(version: Version, modules: u64) -> Interpreter {
    Interpreter {
        layout: layout(version),
        address: 0,
        threads_head: 0,
        gil: Gil::Current(0),
        gc_collecting: 0,
        modules,
        code_generation: None,
        subinterpreters: 0,
    }
}
