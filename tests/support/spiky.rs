//! Python programs that burn a core when they are told to, and sleep else.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{LazyLock, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::repository;

/// A watch takes what a worker uses in its first twenty seconds for its start.
const GROWN_UP_AFTER: Duration = Duration::from_secs(21);

/// As many as the tests take; started at once, so that they grow up together.
static STARTED: LazyLock<Mutex<Vec<Spiky>>> = LazyLock::new(|| Mutex::new((0..16).map(|_| Spiky::start()).collect()));

/// A process of `tests/support/spiky.py`. It ends with this, and with the test.
pub struct Spiky {
    child: Child,
    stdin: Option<ChildStdin>,
    started: Instant,
}

impl Spiky {
    /// One that has been up for long enough to be watched.
    #[track_caller]
    pub fn grown_up() -> Self {
        let taken = STARTED.lock().expect("no test failed to start one").pop();
        let spiky = taken.unwrap_or_else(Self::start);
        spiky.grow_up();
        spiky
    }

    fn start() -> Self {
        Self::run(Command::new("python3").arg(repository().join("tests/support/spiky.py")))
    }

    /// One that is taken for a LiteLLM by its command line, in the PID namespace of a process.
    #[track_caller]
    pub fn litellm_beside(pid: i32, dir: &Path) -> Self {
        let program = dir.join("litellm");
        std::fs::copy(repository().join("tests/support/spiky.py"), &program).expect("a file");
        Self::run(Command::new("nsenter").args(["--target", &pid.to_string(), "--pid", "python3"]).arg(program))
    }

    #[track_caller]
    fn run(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line of UTF-8");
        assert_eq!(line, "runs\n");
        let stdin = child.stdin.take();
        Self { child, stdin, started: Instant::now() }
    }

    /// Waits until it is no longer taken to be starting.
    pub fn grow_up(&self) {
        thread::sleep(GROWN_UP_AFTER.saturating_sub(self.started.elapsed()));
    }

    /// Its pid, where no other program stands between.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub fn burn(&self) {
        self.tell("burn");
    }

    pub fn rest(&self) {
        self.tell("rest");
    }

    fn tell(&self, word: &str) {
        let mut stdin = self.stdin.as_ref().expect("it is open until the end");
        stdin.write_all(word.as_bytes()).expect("it listens");
    }
}

impl Drop for Spiky {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
