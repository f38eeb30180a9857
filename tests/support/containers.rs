//! Containers of `scripts/lab-containers`: started as a pod's are, looked into, and gone with their test.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    os::unix::{fs::symlink, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use nix::unistd::geteuid;

use super::{
    lab::{self, Case, Lab, Load},
    portable, repository,
};

/// Where LiteLLM listens in a container, in whose network it is alone.
const PORT: u16 = 4000;
const URL: &str = "http://127.0.0.1:4000";
/// What an HTTP answer is asked for with: the images have no curl.
const ASK: &str = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).status)";

/// The right and the means to run containers, and this test's turn in the lab.
pub struct Containers {
    config: PathBuf,
    _lab: Lab,
}

impl Containers {
    /// Waits for this test's turn, or says why there are none here.
    #[track_caller]
    pub fn require() -> Result<Self, &'static str> {
        let config = config();
        if !geteuid().is_root() {
            return Err("only root can run containers");
        }
        if !config.exists() || !is_there("podman") {
            return Err("there are no containers: run scripts/lab-containers");
        }
        Ok(Self { config, _lab: Lab::require() })
    }

    /// Starts one, which runs when this returns.
    #[track_caller]
    pub fn start(&self, image: Image, setup: &Setup) -> Container {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("capture-{}-{number}", std::process::id());
        // Made first, so that there is no moment at which nobody would remove it.
        let keeper = keeper(&self.config, &name);
        let container = Container { name, config: self.config.clone(), keeper };
        let mut run = container.podman();
        run.args(["run", "--detach", "--name", &container.name, "--network", "none", "--pull", "never"]);
        succeed(run.args(setup.options()).arg(image.name()).args(&setup.command));
        container
    }

    /// A LiteLLM with so many workers, serving.
    #[track_caller]
    pub fn litellm(&self, image: Image, workers: usize, config: lab::Config, setup: &Setup) -> Container {
        let mut setup = setup.clone();
        setup.command = vec!["--config".to_owned(), format!("/app/{}.yaml", config.name())];
        setup.command.extend(["--port", &PORT.to_string(), "--num_workers", &workers.to_string()].map(str::to_owned));
        let key = key();
        let needed = [
            ("LITELLM_MASTER_KEY", key.as_str()),
            ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
            ("LAB_ANSWER", "lorem ipsum dolor sit amet"),
            ("LAB_LONG_ANSWER", "lorem ipsum dolor sit amet"),
            ("PYTHONUNBUFFERED", "1"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ];
        for (name, value) in needed {
            if !setup.variables.iter().any(|(known, _)| known == name) {
                setup.variables.push((name.to_owned(), value.to_owned()));
            }
        }
        let container = self.start(image, &setup);
        let served = container.follow_log().filter(|line| line.contains("Application startup complete")).take(workers);
        assert_eq!(served.count(), workers, "LiteLLM ended:\n{}", container.log());
        container
    }
}

/// A master key that is known nowhere else.
fn key() -> String {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").expect("the kernel has random numbers");
    format!("sk-lab-{}", uuid.trim().replace('-', ""))
}

/// What podman is told by, of `scripts/lab-containers`, which takes it away where containers cannot be had.
#[track_caller]
pub fn config() -> PathBuf {
    lab::dir().join("containers/containers.conf")
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// A shell that removes a container, and all that share its processes, when its standard input ends: when the container is
/// dropped, and also when the test is killed. In a process group of its own, so that a Ctrl-C does not take it first.
fn keeper(config: &Path, name: &str) -> Child {
    Command::new("sh")
        .args(["-c", "cat >/dev/null; exec podman rm --force --depend --time 0 --ignore \"$0\" >/dev/null", name])
        .env("CONTAINERS_CONF", config)
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("sh can be started")
}

/// What a program prints, which must succeed.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it can be started");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text in UTF-8")
}

/// What is in it.
#[derive(Clone, Copy, Debug)]
pub enum Image {
    /// LiteLLM on CPython 3.11.
    LiteLlm311,
    /// LiteLLM on CPython 3.13.
    LiteLlm313,
    /// One process of CPython 3.11 that burns CPU in `burn_in_container`; it starts at once.
    Python,
    /// No file at all.
    Bare,
    /// One process of Debian 11's CPython 3.9 that burns CPU, on a C library of 2020; it cannot be had everywhere.
    OldGlibc,
}

impl Image {
    pub const fn name(self) -> &'static str {
        match self {
            Self::LiteLlm311 => "localhost/capture-litellm:3.11",
            Self::LiteLlm313 => "localhost/capture-litellm:3.13",
            Self::Python => "localhost/capture-python:3.11",
            Self::Bare => "localhost/capture-bare:1",
            Self::OldGlibc => "localhost/capture-old-glibc:1",
        }
    }

    /// Whether it could be made here.
    pub fn is_there(self) -> bool {
        Command::new("podman").args(["image", "exists", self.name()]).status().is_ok_and(|status| status.success())
    }
}

/// Which capabilities the first process and all that is executed may have.
#[derive(Clone, Copy, Debug, Default)]
pub enum Capabilities {
    /// Those that a runtime gives to root.
    #[default]
    Default,
    /// None.
    Dropped,
    /// None but `SYS_PTRACE`, which is inert for a user who is not root.
    PtraceAlone,
    /// Those of a runtime, and `SYS_PTRACE`.
    WithPtrace,
}

/// Which system calls are refused.
#[derive(Clone, Copy, Debug, Default)]
pub enum Seccomp {
    /// Those of the runtime's profile, as with `RuntimeDefault`.
    #[default]
    RuntimeDefault,
    /// None, as Kubernetes has it unless it is told.
    Unconfined,
}

/// What can be written in it.
#[derive(Clone, Copy, Debug, Default)]
pub enum Root {
    /// All that the user may write.
    #[default]
    Writable,
    /// Nothing but a `/tmp` in memory, and `/dev/shm`.
    ReadOnlyWithTmp,
    /// Nothing but `/dev/shm`, from which nothing can be executed.
    ReadOnly,
}

/// How a container is started.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Its user and group; root unless told.
    pub uid: u32,
    pub capabilities: Capabilities,
    pub seccomp: Seccomp,
    pub root: Root,
    /// The CPU limit, in cores.
    pub cores: Option<f64>,
    /// The memory limit.
    pub memory_mib: Option<u32>,
    pub variables: Vec<(String, String)>,
    /// Files of this machine, and where they are in it, to be read and executed.
    pub files: Vec<(PathBuf, &'static str)>,
    /// What is run; the image's own command unless told.
    pub command: Vec<String>,
    /// Whose processes it shares.
    pub beside: Option<String>,
}

impl Setup {
    /// A pod as hardened as Kubernetes knows: no root, no capability, nothing to write, half a core.
    pub fn restricted() -> Self {
        Self {
            uid: 1000,
            capabilities: Capabilities::Dropped,
            root: Root::ReadOnlyWithTmp,
            cores: Some(0.5),
            ..Self::default()
        }
    }

    /// Running this instead of the image's own command.
    pub fn command<const N: usize>(self, command: [&str; N]) -> Self {
        Self { command: command.map(str::to_owned).to_vec(), ..self }
    }

    fn options(&self) -> Vec<String> {
        let mut options = vec![format!("--user={0}:{0}", self.uid)];
        options.extend(match self.capabilities {
            Capabilities::Default => vec![],
            Capabilities::Dropped => vec!["--cap-drop=ALL".to_owned(), "--security-opt=no-new-privileges".to_owned()],
            Capabilities::PtraceAlone => vec!["--cap-drop=ALL".to_owned(), "--cap-add=SYS_PTRACE".to_owned()],
            Capabilities::WithPtrace => vec!["--cap-add=SYS_PTRACE".to_owned()],
        });
        options.extend(match self.seccomp {
            Seccomp::RuntimeDefault => None,
            Seccomp::Unconfined => Some("--security-opt=seccomp=unconfined".to_owned()),
        });
        options.extend(match self.root {
            Root::Writable => vec![],
            Root::ReadOnlyWithTmp => vec!["--read-only".to_owned(), "--tmpfs=/tmp".to_owned()],
            Root::ReadOnly => vec!["--read-only".to_owned(), "--read-only-tmpfs=false".to_owned()],
        });
        options.extend(self.cores.map(|cores| format!("--cpus={cores}")));
        options.extend(self.memory_mib.map(|mib| format!("--memory={mib}m")));
        options.extend(self.variables.iter().map(|(name, value)| format!("--env={name}={value}")));
        options.extend(self.files.iter().map(|(from, to)| format!("--volume={}:{to}:ro", from.display())));
        options.extend(self.beside.iter().map(|name| format!("--pid=container:{name}")));
        options
    }
}

/// A running container, gone when this is dropped or the test ends in any way.
pub struct Container {
    name: String,
    config: PathBuf,
    keeper: Child,
}

impl Container {
    /// What podman calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn podman(&self) -> Command {
        let mut podman = Command::new("podman");
        podman.env("CONTAINERS_CONF", &self.config);
        podman
    }

    #[track_caller]
    fn told(&self, format: &str) -> String {
        let told = succeed(self.podman().args(["container", "inspect", "--format", format, &self.name]));
        told.trim_end().to_owned()
    }

    pub fn is_running(&self) -> bool {
        self.told("{{.State.Running}}") == "true"
    }

    /// All that it wrote to standard output and standard error.
    #[track_caller]
    pub fn log(&self) -> String {
        let output = self.podman().args(["logs", &self.name]).output().expect("podman can be started");
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
    }

    /// The lines of it as they come, until the container ends. A question asked again and again would cost CPU.
    fn follow_log(&self) -> impl Iterator<Item = String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec podman logs --follow \"$0\" 2>&1", &self.name]).env("CONTAINERS_CONF", &self.config);
        let mut follower = Follower(shell.stdout(Stdio::piped()).spawn().expect("sh can be started"));
        let mut lines = BufReader::new(follower.0.stdout.take().expect("a pipe")).lines();
        std::iter::from_fn(move || {
            let _runs_as_long_as_this = &follower;
            lines.next()?.ok()
        })
    }

    /// A command in it, as the container's user. Its input, if any, is what the caller makes of it.
    pub fn exec<const N: usize>(&self, command: [&str; N]) -> Command {
        self.exec_with([], command)
    }

    /// With options of podman, as `--user`.
    pub fn exec_with<const M: usize, const N: usize>(&self, options: [&str; M], command: [&str; N]) -> Command {
        let mut exec = self.podman();
        exec.args(["exec", "--interactive"]).args(options).arg(&self.name).args(command).stdin(Stdio::null());
        exec
    }

    /// What a command in it prints, which must succeed.
    #[track_caller]
    pub fn output<const N: usize>(&self, command: [&str; N]) -> String {
        succeed(&mut self.exec(command))
    }

    /// Copies a file of this machine into it, through a shell's standard input, and makes it executable.
    #[track_caller]
    pub fn bring(&self, file: &Path, to: &str) {
        let script = format!("cat > {to} && chmod 755 {to}");
        let input = fs::File::open(file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        let status = self.exec(["sh", "-c", &script]).stdin(input).status().expect("podman can be started");
        assert!(status.success(), "{to} could not be written");
    }

    /// The first process, as this machine numbers it.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        self.told("{{.State.Pid}}").parse().expect("a pid")
    }

    /// All of its processes, as this machine numbers them: those in the PID namespace of the first.
    pub fn pids(&self) -> Vec<i32> {
        let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let mine = namespace(self.pid());
        let all = procfs::process::all_processes().expect("/proc").flatten().map(|process| process.pid());
        all.filter(|&pid| namespace(pid) == mine).collect()
    }

    /// Their command lines.
    pub fn command_lines(&self) -> Vec<String> {
        let line = |pid| fs::read(format!("/proc/{pid}/cmdline")).ok();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " ");
        self.pids().into_iter().filter_map(line).map(text).collect()
    }

    /// Every file in it that is neither of the image nor podman's own, on its root (as podman names the change) and on
    /// what is mounted in memory (with its size in bytes).
    #[track_caller]
    pub fn files_left(&self) -> BTreeSet<String> {
        let changed = succeed(self.podman().args(["diff", &self.name]));
        let mut files: BTreeSet<String> = changed.lines().map(str::to_owned).collect();
        for mount in ["/tmp", "/var/tmp", "/dev/shm", "/run", "/dev/mqueue"] {
            let root = PathBuf::from(format!("/proc/{}/root{mount}", self.pid()));
            walk(&root, &mut |path, size| {
                let inside = path.strip_prefix(&root).expect("it is below");
                files.insert(format!("{mount}/{} {size}", inside.display()));
            });
        }
        files.remove("/run/.containerenv 0");
        files
    }

    /// The master key of its LiteLLM.
    #[track_caller]
    pub fn key(&self) -> String {
        let variables = self.told("{{range .Config.Env}}{{println .}}{{end}}");
        let key = variables.lines().find_map(|line| line.strip_prefix("LITELLM_MASTER_KEY="));
        key.expect("a container with LiteLLM has one").to_owned()
    }

    /// A program of this machine in its network, in which nothing else is. Its CPU is not the container's.
    #[track_caller]
    pub fn in_its_network<const N: usize>(&self, command: [&str; N]) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.pid().to_string(), "--net"]).args(command).stdin(Stdio::null());
        nsenter
    }

    /// Asks its LiteLLM for `/health/liveliness` and the like. Gives the HTTP status.
    #[track_caller]
    pub fn get(&self, path: &str) -> u16 {
        let url = format!("{URL}{path}");
        succeed(&mut self.in_its_network(["python3", "-c", ASK, &url])).trim().parse().expect("a status")
    }

    /// So many requests to its LiteLLM, four at a time, unless the load is dropped before.
    #[track_caller]
    pub fn load(&self, case: Case, requests: u32) -> Load {
        self.drive(case, ["--connections", "4", "--requests", &requests.to_string()])
    }

    /// Requests to its LiteLLM at an even rate, until the load is dropped.
    #[track_caller]
    pub fn steady_load(&self, case: Case, rps: f64) -> Load {
        self.drive(case, ["--rps", &rps.to_string()])
    }

    #[track_caller]
    fn drive<const N: usize>(&self, case: Case, arguments: [&str; N]) -> Load {
        let mut load = self.in_its_network(["python3"]);
        load.arg(repository().join("tests/lab/load.py")).args(["--url", URL, "--case", case.name()]);
        load.args(["--duration", "300"]).args(arguments).env("LITELLM_MASTER_KEY", self.key());
        Load { generator: load.stdout(Stdio::piped()).spawn().expect("nsenter can be started") }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A program that ends with what reads it.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path, u64)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(facts) = entry.metadata() else { continue };
        visit(&entry.path(), facts.len());
        if facts.is_dir() {
            walk(&entry.path(), visit);
        }
    }
}

/// A small image with the portable program in it, as somebody would make one. Made anew by each test program.
pub fn image_of_program() -> &'static str {
    const NAME: &str = "localhost/capture:1";
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        let root = tempfile::tempdir().expect("a folder");
        let bin = root.path().join("bin");
        fs::create_dir(&bin).expect("a folder");
        fs::copy("/bin/busybox", bin.join("busybox")).expect("a static busybox");
        fs::copy(portable(), bin.join("capture")).expect("the portable program");
        for tool in ["sh", "sleep"] {
            symlink("busybox", bin.join(tool)).expect("a link");
        }
        let import = "mkdir -m 1777 \"$0/tmp\" && chmod 755 \"$0\" && tar -C \"$0\" -c . | \
                      podman import --quiet --change 'ENV PATH=/bin' - \"$1\"";
        let root = root.path().to_str().expect("a path in UTF-8");
        succeed(Command::new("sh").args(["-c", import, root, NAME]).env("CONTAINERS_CONF", config()));
    });
    NAME
}
