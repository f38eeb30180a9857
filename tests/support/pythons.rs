//! The interpreters that `scripts/lab-setup` found, and the programs of `tests/lab/native` on them, which say themselves
//! which stacks they can have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde::Deserialize;
use tempfile::TempDir;

use super::{lab, repository};

/// What every program imports.
const TRUTH: &str = "truth.py";
/// How `truth.py` calls frames of files that are not declared.
const ELSEWHERE: &str = "elsewhere";

/// An interpreter; see `tests/lab/pythons.py`.
#[derive(Debug, Clone, Deserialize)]
pub struct Python {
    /// As in `3.13.0`.
    pub version: String,
    pub build: Build,
    command: Vec<String>,
    root: String,
}

/// Where the interpreter itself is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Build {
    /// In libpython.
    Shared,
    /// In the executable.
    Static,
}

/// All interpreters of the lab, from old to new.
#[track_caller]
pub fn pythons() -> Vec<Python> {
    let path = lab::dir().join("pythons.json");
    let json = fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}: run scripts/lab-setup", path.display()));
    serde_json::from_slice(&json).expect("what lab-setup wrote")
}

/// The names of all programs that declare their stacks.
pub fn programs() -> BTreeSet<String> {
    let names = super::names_in(&folder()).into_iter().filter(|name| name != TRUTH);
    let declares = |name: &String| {
        let source = fs::read_to_string(folder().join(name)).expect("a program of the lab");
        source.lines().any(|line| line == "import truth")
    };
    names.filter(declares).filter_map(|name| Some(name.strip_suffix(".py")?.to_owned())).collect()
}

fn folder() -> PathBuf {
    repository().join("tests/lab/native")
}

impl fmt::Display for Python {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, build, .. } = self;
        write!(f, "CPython {version} ({build:?}, in /{})", self.root.trim_start_matches('/'))
    }
}

impl Python {
    /// 15 of 3.15.
    pub fn minor(&self) -> u8 {
        self.version.split('.').nth(1).and_then(|minor| minor.parse().ok()).expect("a version")
    }

    /// Starts a program, given by its name, and waits until it is warmed up.
    #[track_caller]
    pub fn spawn(&self, program: &str, arguments: &[&str]) -> Running {
        let root = Path::new("/").join(&self.root);
        let dir = TempDir::new_in(root.join("tmp")).expect("a folder that the interpreter sees");
        let name = format!("{program}.py");
        for file in [TRUTH, &name] {
            fs::copy(folder().join(file), dir.path().join(file)).expect("a copy of the program");
        }
        let seen = Path::new("/").join(dir.path().strip_prefix(&root).expect("a folder in the root"));
        let mut process = Command::new(&self.command[0])
            .args(&self.command[1..])
            .arg(seen.join(name))
            .arg("--declare")
            .arg(seen.join("declared.json"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("{self}: {why}"));
        let mut line = String::new();
        let read = BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line);
        let running = Kept(process);
        assert!(read.is_ok() && line == "ready\n", "{program} on {self} says {line:?}; its complaint is above");
        let declared = fs::read_to_string(dir.path().join("declared.json")).expect("what the program declares");
        Running { process: running, declared: Declared::parse(&declared) }
    }
}

/// A program, until this is dropped.
pub struct Running {
    process: Kept,
    declared: Declared,
}

struct Kept(Child);

impl Running {
    /// In the namespace of the tests, whatever root it has.
    pub fn pid(&self) -> i32 {
        self.process.0.id().cast_signed()
    }

    pub fn declared(&self) -> &Declared {
        &self.declared
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Callers with their callees, under all their names.
struct Edges(BTreeMap<String, BTreeSet<String>>);

impl Edges {
    fn new(pairs: &[(String, String)]) -> Self {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            for from in names(from) {
                edges.entry(from.to_owned()).or_default().extend(names(to).map(str::to_owned));
            }
        }
        Self(edges)
    }

    fn contain(&self, from: &str, to: &str) -> bool {
        self.0.get(from).is_some_and(|callees| callees.contains(to))
    }
}

/// What is true of a program; see `tests/lab/native/truth.py`.
pub struct Declared {
    files: BTreeSet<String>,
    edges: Edges,
    creations: Edges,
    roots: BTreeSet<String>,
    depths: BTreeMap<String, usize>,
    phases: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Json {
    files: BTreeSet<String>,
    edges: Vec<(String, String)>,
    creations: Vec<(String, String)>,
    roots: Vec<String>,
    depths: BTreeMap<String, usize>,
    phases: BTreeMap<String, f64>,
}

impl Declared {
    #[track_caller]
    pub fn parse(json: &str) -> Self {
        let json: Json = serde_json::from_str(json).expect("a declaration");
        let Json { files, edges, creations, roots, depths, phases } = json;
        let roots = roots.iter().flat_map(|root| names(root)).map(str::to_owned).collect();
        Self { files, edges: Edges::new(&edges), creations: Edges::new(&creations), roots, depths, phases }
    }

    /// Whether the program can have this stack, of (function, file), from the root to the leaf; otherwise what is
    /// impossible about it.
    pub fn check(&self, root_to_leaf: &[(&str, &str)]) -> Result<(), String> {
        let Some((root, file)) = root_to_leaf.first() else {
            return Err("no frames".into());
        };
        if !self.roots.contains(*root) {
            return Err(format!("{root} ({file}) is no root"));
        }
        let nodes: Vec<&str> = root_to_leaf.iter().map(|&(function, file)| self.node(function, file)).collect();
        if let Some([from, to]) = nodes.array_windows().find(|[from, to]| !self.calls(from, to)) {
            return Err(format!("{from} does not call {to}"));
        }
        let depths = nodes.iter().zip(1..).filter_map(|(node, depth)| Some((node, depth, *self.depths.get(*node)?)));
        match depths.into_iter().find(|(_, depth, declared)| depth != declared) {
            Some((node, depth, declared)) => Err(format!("{node} is frame {depth} and not {declared}")),
            None => Ok(()),
        }
    }

    /// Whether the leaf is an incomplete frame of a coroutine being made, which no stack should show.
    pub fn ends_in_creation(&self, root_to_leaf: &[(&str, &str)]) -> bool {
        matches!(root_to_leaf, [.., (from, _), (to, _)] if self.creations.contain(from, to))
    }

    /// Functions with the shares of the program's CPU that pass below them, where it knows them: of one, not more.
    pub fn phases(&self) -> &BTreeMap<String, f64> {
        &self.phases
    }

    fn node<'a>(&self, function: &'a str, file: &str) -> &'a str {
        let name = file.rsplit('/').next().unwrap_or(file);
        if self.files.contains(name) { function } else { ELSEWHERE }
    }

    fn calls(&self, from: &str, to: &str) -> bool {
        to == ELSEWHERE || self.edges.contain(from, to)
    }
}

/// A function goes by its qualified name, and in CPython 3.10, whose code objects have none, by the last part of it.
fn names(qualified: &str) -> impl Iterator<Item = &str> {
    [Some(qualified), qualified.rsplit_once('.').map(|(_, name)| name)].into_iter().flatten()
}
