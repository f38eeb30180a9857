//! A cluster of containers and of pods that are only told of, which a real kubectl talks to.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
};

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    containers::{self, Container, succeed},
    lab, repository,
};

/// From this one on, kubectl opens a WebSocket to execute something; before, it spoke SPDY.
const LEAST_MINOR: u32 = 31;

/// A kubectl that can talk to a [`Cluster`].
pub struct Kubectl {
    config: PathBuf,
}

impl Kubectl {
    /// Or why there is none here.
    pub fn require() -> Result<Self, &'static str> {
        let told = Command::new("kubectl").args(["version", "--client", "--output", "json"]).output();
        let told: Value = told.ok().and_then(|told| serde_json::from_slice(&told.stdout).ok()).unwrap_or_default();
        let minor = told["clientVersion"]["minor"].as_str().unwrap_or_default();
        match minor.trim_end_matches('+').parse::<u32>() {
            Ok(minor) if minor >= LEAST_MINOR => Ok(Self { config: containers::config() }),
            Ok(_) => Err("kubectl is older than 1.31: it does not speak WebSocket"),
            Err(_) => Err("there is no kubectl"),
        }
    }

    /// A cluster as `tests/lab/kube.py` is told.
    #[track_caller]
    pub fn cluster(&self, told: &Value) -> Cluster {
        Cluster::start(&self.config, told)
    }
}

/// See `tests/lab/kube.py`, which serves it until this is dropped or the test is killed.
pub struct Cluster {
    front: Child,
    facts: Facts,
    home: TempDir,
}

#[derive(Deserialize)]
struct Facts {
    url: String,
    kubeconfig: PathBuf,
    requests: PathBuf,
}

/// A request that the API server was sent.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    /// None where the client went before it was answered.
    pub status: Option<u16>,
    /// Unix time.
    pub begin_s: f64,
    /// Unix time.
    pub end_s: f64,
}

impl Cluster {
    #[track_caller]
    fn start(config: &Path, told: &Value) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("cluster.json");
        fs::write(&path, told.to_string()).expect("a file");
        let mut front = Command::new(lab::python())
            .arg(repository().join("tests/lab/kube.py"))
            .arg("--cluster")
            .arg(path)
            .env("CONTAINERS_CONF", config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("python can be started");
        let mut line = String::new();
        BufReader::new(front.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line of UTF-8");
        Self { facts: serde_json::from_str(&line).expect("it serves; otherwise it said why"), front, home }
    }

    /// What `KUBECONFIG` is to be.
    pub fn kubeconfig(&self) -> &Path {
        &self.facts.kubeconfig
    }

    /// Where the API server listens.
    pub fn url(&self) -> &str {
        &self.facts.url
    }

    /// The environment in which kubectl talks to this cluster and keeps nothing of it elsewhere.
    pub fn variables(&self) -> [(&'static str, PathBuf); 3] {
        let home = self.home.path();
        [("KUBECONFIG", self.facts.kubeconfig.clone()), ("HOME", home.into()), ("KUBECACHEDIR", home.join("cache"))]
    }

    /// A kubectl.
    pub fn kubectl<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut kubectl = Command::new("kubectl");
        kubectl.args(arguments).envs(self.variables()).stdin(Stdio::null());
        kubectl
    }

    /// What a kubectl prints, which must succeed.
    #[track_caller]
    pub fn output<const N: usize>(&self, arguments: [&str; N]) -> String {
        succeed(&mut self.kubectl(arguments))
    }

    /// What a kubectl prints for this input.
    #[track_caller]
    pub fn feed<const N: usize>(&self, arguments: [&str; N], input: &[u8]) -> Output {
        let mut kubectl = self.kubectl(arguments);
        kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = kubectl.spawn().expect("kubectl can be started");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_vec();
        let writer = thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().expect("kubectl ends");
        let _ = writer.join().expect("the input was written, or kubectl ended before");
        output
    }

    /// All requests that were answered so far.
    #[track_caller]
    pub fn requests(&self) -> Vec<Request> {
        let lines = fs::read_to_string(&self.facts.requests).expect("what the front keeps");
        lines.lines().map(|line| serde_json::from_str(line).expect("a request in JSON")).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.front.stdin.take());
        let _ = self.front.wait();
    }
}

/// A pod of one container, for [`Kubectl::cluster`].
pub fn pod(name: &str, container: &Container) -> Value {
    json!({ "name": name, "containers": [{ "name": "litellm", "container": container.name() }] })
}
