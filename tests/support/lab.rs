//! The lab of `scripts/lab-setup`: a real LiteLLM on mock models, its load, and py-spy.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Capture, bundle::Stacks, repository};

/// One test at a time: each loads all cores of a small machine, and a test may need to be alone with its LiteLLM.
static TURN: Mutex<()> = Mutex::new(());

pub struct Lab {
    dir: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    /// Waits for this test's turn.
    #[track_caller]
    pub fn require() -> Self {
        let dir = dir();
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self { dir, _turn: turn }
    }

    pub fn py_spy(&self) -> PathBuf {
        self.dir.join("venv/bin/py-spy")
    }

    /// A capture that knows where the lab's py-spy is and has the key of the LiteLLM.
    pub fn capture(&self, litellm: &LiteLlm) -> Capture {
        Capture::new().arg("--py-spy").arg(self.py_spy()).env("LITELLM_MASTER_KEY", &litellm.facts.key)
    }

    /// A capture of something that is no LiteLLM.
    pub fn plain_capture(&self) -> Capture {
        Capture::new().arg("--py-spy").arg(self.py_spy())
    }

    /// A program that knows its own CPU by function.
    pub fn oracle(&self) -> Oracle {
        let mut child = Command::new(self.dir.join("venv/bin/python"))
            .arg(repository().join("tests/lab/oracle.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the oracle can be started");
        let answers = BufReader::new(child.stdout.take().expect("the oracle's stdout"));
        Oracle { child, answers }
    }

    /// What py-spy alone says of the thread that holds the GIL. It stops the process for every sample: without that
    /// it loses most of the deepest stacks, which is no measure for anybody.
    pub fn py_spy_record(&self, pid: i32, seconds: u32) -> Stacks {
        let dir = tempfile::tempdir().expect("a folder for py-spy");
        let raw = dir.path().join("raw");
        let output = Command::new(self.py_spy())
            .args(["record", "--gil", "--format", "raw", "--rate", "100"])
            .args(["--pid", &pid.to_string(), "--duration", &seconds.to_string(), "--output"])
            .arg(&raw)
            .output()
            .expect("py-spy can be started");
        assert!(output.status.success(), "py-spy: {}", String::from_utf8_lossy(&output.stderr));
        Stacks::parse(&std::fs::read_to_string(raw).expect("py-spy's output"))
    }

    #[track_caller]
    pub fn litellm(&self, server: Server, workers: usize, config: Config) -> LiteLlm {
        self.keep(workers, &["--server", server.name(), "--config", config.name()])
    }

    /// A LiteLLM of a test's own: a JSON file with the `config`'s path, LiteLLM's `arguments` and `variables`, the
    /// `release`, whether it is `silent`, and the `key` if it is in the config.
    #[track_caller]
    pub fn litellm_set_up(&self, workers: usize, setup: &Path) -> LiteLlm {
        self.keep(workers, &["--setup", setup.to_str().expect("a path in UTF-8")])
    }

    /// A LiteLLM started in a certain way.
    #[track_caller]
    pub fn litellm_with(&self, workers: usize, config: Config, setup: &Setup) -> LiteLlm {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("setup.json");
        std::fs::write(&path, serde_json::to_vec(setup).expect("JSON")).expect("a file");
        self.keep(workers, &["--config", config.name(), "--setup", path.to_str().expect("a path in UTF-8")])
    }

    #[track_caller]
    fn keep(&self, workers: usize, arguments: &[&str]) -> LiteLlm {
        let mut keeper = Command::new("python3")
            .arg(repository().join("tests/lab/lab.py"))
            .args(["--workers", &workers.to_string()])
            .args(arguments)
            .env("CAPTURE_LAB_DIR", &self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 can be started");
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line of UTF-8");
        let litellm =
            LiteLlm { facts: serde_json::from_str(&line).expect("LiteLLM serves; otherwise its log is above"), keeper };
        assert_eq!(litellm.facts.workers.len(), workers);
        litellm
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Server {
    Uvicorn,
    Gunicorn,
    Granian,
}

impl Server {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uvicorn => "uvicorn",
            Self::Gunicorn => "gunicorn",
            Self::Granian => "granian",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Config {
    /// With the callback that burns CPU.
    Burn,
    /// With nothing wrong.
    Plain,
    /// With a module that burns CPU in a thread of one worker when it is told to.
    Background,
    /// With the callback that burns CPU, and without metrics.
    Bare,
    /// With a callback that logs what it should not.
    Talkative,
}

impl Config {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Burn => "mock",
            Self::Plain => "plain",
            Self::Background => "background",
            Self::Bare => "bare",
            Self::Talkative => "talkative",
        }
    }
}

/// How a LiteLLM is started, beside its configuration.
#[derive(Clone, Default, Serialize)]
pub struct Setup {
    /// Variables of its environment.
    pub variables: BTreeMap<&'static str, String>,
    /// `current`, `current-3.13` or `older`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<&'static str>,
    /// Whether it writes no log.
    pub silent: bool,
}

/// A LiteLLM whose workers all serve. `lab.py` keeps it and ends it when its standard input ends, which it does when
/// this is dropped, and also when the test itself is killed.
pub struct LiteLlm {
    facts: Facts,
    keeper: Child,
}

#[derive(Deserialize)]
struct Facts {
    pid: i32,
    workers: Vec<i32>,
    url: String,
    key: String,
    log: PathBuf,
}

impl LiteLlm {
    /// Of the process that was started, which is the supervisor where there are several workers.
    pub fn pid(&self) -> i32 {
        self.facts.pid
    }

    pub fn workers(&self) -> &[i32] {
        &self.facts.workers
    }

    /// Asks once for a completion and tells the status of the answer.
    pub fn ask(&self, model: &str) -> u16 {
        let messages = json!([{"role": "user", "content": "my words are zq7"}]);
        let body = json!({"model": model, "messages": messages}).to_string();
        let head = format!(
            "POST /v1/chat/completions?a=zq7 HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
            self.facts.key
        );
        let answer = self.exchange(&head, &body);
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    /// Sends a request, whose head lacks what every request has, and gives the whole answer.
    pub fn exchange(&self, head: &str, body: &str) -> String {
        let address = self.facts.url.strip_prefix("http://").expect("an address of this machine");
        let mut stream = TcpStream::connect(address).expect("LiteLLM listens");
        let rest = format!("Host: {address}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        stream.write_all(format!("{head}{rest}").as_bytes()).expect("LiteLLM reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("LiteLLM answers");
        answer
    }

    /// Asks whichever worker answers for its metrics.
    pub fn read_metrics(&self) {
        let answer =
            self.exchange(&format!("GET /metrics/ HTTP/1.1\r\nAuthorization: Bearer {}\r\n", self.facts.key), "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:.200}");
    }

    /// Sends so many requests, four at a time, waits for the answers and gives what `load.py` says of them.
    #[track_caller]
    pub fn send(&self, case: Case, requests: u32) -> serde_json::Value {
        let output = Command::new("python3")
            .arg(repository().join("tests/lab/load.py"))
            .args(["--url", &self.facts.url, "--case", case.name()])
            .args(["--connections", "4", "--duration", "300", "--requests", &requests.to_string()])
            .env("LITELLM_MASTER_KEY", &self.facts.key)
            .output()
            .expect("python3 can be started");
        serde_json::from_slice(&output.stdout).expect("load.py prints a line of JSON")
    }

    /// Requests, as fast as they are answered, until the load is dropped.
    pub fn load(&self, case: Case, connections: usize) -> Load {
        self.drive(case, &["--connections", &connections.to_string(), "--duration", "300"])
    }

    /// Requests at an even rate, until the load is dropped.
    pub fn steady_load(&self, case: Case, rps: f64) -> Load {
        self.drive(case, &["--rps", &rps.to_string(), "--duration", "300"])
    }

    /// Requests at an even rate for a certain time; the load knows what came of them.
    pub fn measured_load(&self, case: Case, rps: f64, seconds: u32) -> Load {
        self.drive(case, &["--rps", &rps.to_string(), "--duration", &seconds.to_string()])
    }

    fn drive(&self, case: Case, arguments: &[&str]) -> Load {
        let generator = Command::new("python3")
            .arg(repository().join("tests/lab/load.py"))
            .args(["--url", &self.facts.url, "--case", case.name()])
            .args(arguments)
            .env("LITELLM_MASTER_KEY", &self.facts.key)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 can be started");
        Load { generator }
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.facts.url
    }

    /// Its master key.
    pub fn key(&self) -> &str {
        &self.facts.key
    }

    /// The file that it writes its log to.
    pub fn log(&self) -> &Path {
        &self.facts.log
    }
}

impl Drop for LiteLlm {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Case {
    /// Every request is followed by the callback that burns CPU, if the configuration has it.
    Burn,
    /// Every answer is streamed in thousands of chunks.
    Stream,
    /// Every answer is streamed, and of ordinary length.
    Answer,
    /// Nothing in particular.
    Plain,
}

impl Case {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Burn => "burn",
            Self::Stream => "stream",
            Self::Answer => "answer",
            Self::Plain => "plain",
        }
    }
}

/// Requests, until this is dropped.
pub struct Load {
    pub(super) generator: Child,
}

/// What came of a load.
#[derive(Debug, Deserialize)]
pub struct LoadResult {
    pub requests: u64,
    pub errors: u64,
    pub rps: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Load {
    /// Waits for its end.
    #[track_caller]
    pub fn result(mut self) -> LoadResult {
        let mut json = String::new();
        self.generator.stdout.take().expect("a pipe").read_to_string(&mut json).expect("text");
        serde_json::from_str(&json).unwrap_or_else(|why| panic!("the load says {json:?}: {why}"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.generator.kill();
        let _ = self.generator.wait();
    }
}

/// The interpreter that has what `tests/lab/requirements.txt` names.
#[track_caller]
pub fn python() -> PathBuf {
    dir().join("venv/bin/python")
}

/// The real py-spy; to use it on a small program needs no turn.
#[track_caller]
pub fn py_spy() -> PathBuf {
    dir().join("venv/bin/py-spy")
}

/// Where the lab is, if there is one.
pub fn place() -> PathBuf {
    env::var_os("CAPTURE_LAB_DIR").map_or_else(|| repository().join("target/lab"), PathBuf::from)
}

/// Where it is.
#[track_caller]
pub fn dir() -> PathBuf {
    let dir = place();
    assert!(dir.join("venv").is_dir(), "no lab in {}: run scripts/lab-setup", dir.display());
    dir
}

/// See `tests/lab/oracle.py`.
pub struct Oracle {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub fn cpu_seconds(&mut self) -> BTreeMap<String, f64> {
        let question = self.child.stdin.as_mut().expect("the oracle's stdin");
        question.write_all(b"\n").expect("the oracle listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the oracle answers");
        serde_json::from_str(&answer).expect("the oracle answers in JSON")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.child.kill().expect("the oracle is ours");
        self.child.wait().expect("the oracle is ours");
    }
}
