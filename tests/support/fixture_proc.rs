//! A small `/proc` laid out in a temporary folder, with a file tree and cgroup mounts beside it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use litellm_capture::os::proc::Procfs;
use tempfile::TempDir;

/// One process to lay out; what is not said is plausible.
#[derive(Debug, Clone)]
pub struct Fixture<'a> {
    pub pid: i32,
    pub parent: i32,
    pub comm: &'a str,
    pub state: char,
    pub start_ticks: u64,
    pub argv: &'a [&'a str],
    pub environ: &'a [(&'a str, &'a str)],
    /// Target of the `exe` link; empty for one that we may not read.
    pub exe: &'a str,
    pub cwd: &'a str,
    pub maps: &'a [&'a str],
    pub cgroup: &'a str,
    pub tracer: i32,
}

impl Default for Fixture<'_> {
    fn default() -> Self {
        Self {
            pid: 1,
            parent: 0,
            comm: "python3",
            state: 'S',
            start_ticks: 1000,
            argv: &[],
            environ: &[],
            exe: "",
            cwd: "/",
            maps: &[],
            cgroup: "0::/\n",
            tracer: 0,
        }
    }
}

/// The folder with `proc`, the target's `root` and the mounts at `cgroup`.
pub struct FixtureProc {
    dir: TempDir,
}

impl FixtureProc {
    /// A machine of two CPUs that started at 2026-11-24T06:00:00Z, with these processes.
    pub fn with(processes: &[Fixture<'_>]) -> Self {
        let fixture = Self { dir: TempDir::new().expect("a temporary folder") };
        for folder in ["proc/self/ns", "root", "cgroup"] {
            fs::create_dir_all(fixture.path(folder)).expect("a folder");
        }
        fixture.write("proc/stat", "cpu  1 2 3\ncpu0 1 2 3\ncpu1 1 2 3\nbtime 1795500000\n");
        symlink("pid:[4026531836]", fixture.path("proc/self/ns/pid")).expect("a link");
        for process in processes {
            fixture.add(process);
        }
        fixture
    }

    /// Its `/proc`.
    pub fn procfs(&self) -> Procfs {
        Procfs::at(self.path("proc"))
    }

    /// A path below the folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Writes a file, with the folders above it.
    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Ends a process.
    pub fn remove(&self, pid: i32) {
        fs::remove_dir_all(self.path(&format!("proc/{pid}"))).expect("a process to remove");
    }

    /// Lays out one more process, over one with the same pid.
    pub fn add(&self, process: &Fixture<'_>) {
        let Fixture { pid, parent, comm, state, start_ticks, tracer, .. } = process;
        let file = |name: &str, text: &str| self.write(&format!("proc/{pid}/{name}"), text);
        // Fields 4 to 52 of proc_pid_stat(5), of which parent, threads, start and resident pages matter.
        file(
            "stat",
            &format!(
                "{pid} ({comm}) {state} {parent} 1 1 0 -1 4194304 1 0 0 0 10 5 0 0 20 0 3 0 {start_ticks} 1000000 250 \
                 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
            ),
        );
        let nul = |parts: Vec<String>| parts.into_iter().map(|part| part + "\0").collect::<String>();
        file("cmdline", &nul(process.argv.iter().map(ToString::to_string).collect()));
        file("environ", &nul(process.environ.iter().map(|(name, value)| format!("{name}={value}")).collect()));
        file("status", &format!("Name:\t{comm}\nTracerPid:\t{tracer}\nCpus_allowed_list:\t0-1\n"));
        let mapping = |path: &&str| format!("7f0000000000-7f0000001000 r-xp 00000000 00:1b 99    {path}\n");
        file("maps", &process.maps.iter().map(mapping).collect::<Vec<_>>().concat());
        file("cgroup", process.cgroup);
        fs::create_dir_all(self.path(&format!("proc/{pid}/ns"))).expect("a folder");
        let link = |target: &str, name: &str| {
            let path = self.path(&format!("proc/{pid}/{name}"));
            drop(fs::remove_file(&path));
            symlink(target, path).expect("a link");
        };
        link("pid:[4026531836]", "ns/pid");
        link(process.cwd, "cwd");
        link(self.path("root").to_str().expect("a path in UTF-8"), "root");
        if !process.exe.is_empty() {
            link(process.exe, "exe");
        }
    }
}
