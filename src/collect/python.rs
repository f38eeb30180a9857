//! The interpreter: which one, how it was built, and where packages are installed for it.
//!
//! The executable is often the base interpreter of a virtual environment; the environment itself shows in the first
//! arguments of the command line and in the paths of mapped files.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::collect::fingerprint::Python;
use crate::collect::subject::Subject;
use crate::collect::{Gap, interpreter, raw_path};
use crate::discover::command;
use crate::redact::Raw;

/// `pyvenv.cfg` is a handful of lines.
const VENV_LIMIT_BYTES: u64 = 64 * 1024;

pub fn collect(subject: &Subject<'_>, gaps: &mut Vec<Gap>) -> Python<Raw> {
    let exe = subject.process.exe().inspect_err(|error| gaps.push(Gap::unread("the interpreter's path", error))).ok();
    // libpython3.so, without a minor version, is a stub that extensions may load beside the real one.
    let library = subject.maps.iter().find(|path| library_minor(path).is_some()).cloned();
    let venvs: Vec<Venv> = venv_folders(subject).into_iter().filter_map(|folder| Venv::at(subject, folder)).collect();
    let minor = minor(exe.as_deref(), library.as_deref(), &subject.maps);
    let version = version(subject, library.as_deref().or(exe.as_deref()), minor.as_deref(), &venvs);
    if version.is_none() {
        gaps.push(Gap::new(
            "the Python version",
            "neither the interpreter's file nor its virtual environment tells it",
            "note the output of `python --version` in the ticket",
        ));
    }
    let site_packages = site_packages(subject, &venvs, exe.as_deref(), minor.as_deref());
    if site_packages.is_empty() {
        gaps.push(Gap::new(
            "where packages are installed",
            "no mapped file, virtual environment or interpreter's prefix leads to a site-packages folder",
            "note the output of `pip list` in the ticket",
        ));
    }
    Python {
        version: version.map(Raw::new),
        build: exe.as_deref().map(|exe| build(subject, exe, library.as_deref(), minor.as_deref())),
        executable: exe.map(raw_path),
        site_packages: site_packages.into_iter().map(raw_path).collect(),
        packages: Vec::new(),
    }
}

/// A virtual environment with its configuration.
struct Venv {
    folder: PathBuf,
    config: String,
}

impl Venv {
    fn at(subject: &Subject<'_>, folder: PathBuf) -> Option<Self> {
        let bytes = subject.root().ok()?.read(&folder.join("pyvenv.cfg"), VENV_LIMIT_BYTES).ok()?;
        Some(Self { folder, config: String::from_utf8_lossy(&bytes).into_owned() })
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.config.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim())
        })
    }
}

/// Where a `pyvenv.cfg` may be: above the `bin` of the interpreter as it was called, and of the script it runs.
fn venv_folders(subject: &Subject<'_>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for argv in [&subject.worker_argv, &subject.argv] {
        let called = argv.first().map(Raw::expose).into_iter().chain(command::script(argv));
        for path in called.filter(|path| path.contains('/')) {
            let Ok(path) = subject.absolute(Path::new(path)) else { continue };
            if let Some(folder) = path.parent().and_then(Path::parent)
                && !folders.contains(&folder.to_owned())
            {
                folders.push(folder.to_owned());
            }
        }
    }
    folders.extend(subject.set_var("VIRTUAL_ENV").map(|path| PathBuf::from(path.expose())));
    folders
}

/// `3.11`, from the library's name, the path of a mapped module, or the executable's name.
fn minor(exe: Option<&Path>, library: Option<&Path>, maps: &[PathBuf]) -> Option<String> {
    let from_library = library.and_then(library_minor);
    let from_module = || {
        maps.iter().find_map(|path| {
            let text = path.to_str()?;
            digits(text.split_once("/lib/python").or_else(|| text.split_once("/lib64/python"))?.1)
        })
    };
    let from_exe = || exe.and_then(|path| digits(name(path).strip_prefix("python")?));
    from_library.or_else(from_module).or_else(from_exe)
}

fn library_minor(path: &(impl AsRef<Path> + ?Sized)) -> Option<String> {
    digits(name(path.as_ref()).strip_prefix("libpython")?)
}

/// The leading `3.NN` of a text.
fn digits(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut parts = text[..end].split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    (!major.is_empty() && !minor.is_empty()).then(|| format!("{major}.{minor}"))
}

/// From the file of the interpreter that runs; else what the virtual environment was made with; else the minor alone.
fn version(subject: &Subject<'_>, file: Option<&Path>, minor: Option<&str>, venvs: &[Venv]) -> Option<String> {
    let in_file = || interpreter::full_version(subject.open(file?).ok()?, minor?).ok()?;
    let in_venv = || {
        // uv and virtualenv write `version_info`, the venv module writes `version`.
        let found = venvs.iter().find_map(|venv| venv.value("version").or_else(|| venv.value("version_info")))?;
        let numbers: Vec<&str> = found.split('.').take(3).collect();
        Some(numbers.join(".")).filter(|found| minor.is_none_or(|minor| found.starts_with(minor)))
    };
    in_file().or_else(in_venv).or_else(|| minor.map(str::to_owned))
}

fn build(subject: &Subject<'_>, exe: &Path, library: Option<&Path>, minor: Option<&str>) -> Raw {
    let mut text = library.map_or_else(|| "static".to_owned(), |path| format!("shared ({})", path.display()));
    let threaded = minor.is_some_and(|minor| {
        let exe = name(exe) == format!("python{minor}t");
        let folder = format!("/lib/python{minor}t/");
        exe || subject.maps.iter().any(|path| path.to_str().is_some_and(|path| path.contains(&folder)))
    });
    if threaded {
        text.push_str(", free-threaded");
    }
    Raw::new(text)
}

/// The folders of installed packages that exist, in the order in which Python would look.
fn site_packages(subject: &Subject<'_>, venvs: &[Venv], exe: Option<&Path>, minor: Option<&str>) -> Vec<PathBuf> {
    let prefixes = venvs.iter().map(|venv| venv.folder.clone());
    let mut candidates: Vec<PathBuf> = prefixes.flat_map(|prefix| below_prefix(&prefix, minor)).collect();
    candidates.extend(subject.maps.iter().filter_map(|path| installed_in(path)));
    // A virtual environment hides what its base has, unless it says otherwise.
    let isolated =
        !venvs.is_empty() && !venvs.iter().any(|venv| venv.value("include-system-site-packages") == Some("true"));
    if let (Some(exe), false) = (exe, isolated) {
        candidates
            .extend(exe.parent().and_then(Path::parent).into_iter().flat_map(|prefix| below_prefix(prefix, minor)));
        candidates.push("/usr/lib/python3/dist-packages".into());
        candidates.extend(minor.map(|minor| format!("/usr/local/lib/python{minor}/dist-packages").into()));
    }
    let Ok(root) = subject.root() else { return Vec::new() };
    // By device and inode, since lib64 is often a link to lib.
    let mut known: Vec<(u64, u64)> = Vec::new();
    candidates.retain(|folder| {
        let Ok(about) = root.metadata(folder) else { return false };
        let id = (about.dev(), about.ino());
        let is_new = about.is_dir() && !known.contains(&id);
        known.push(id);
        is_new
    });
    candidates
}

fn below_prefix(prefix: &Path, minor: Option<&str>) -> Vec<PathBuf> {
    let Some(minor) = minor else { return Vec::new() };
    let folders = ["lib", "lib64"]
        .map(|lib| ["", "t"].map(|threaded| prefix.join(format!("{lib}/python{minor}{threaded}/site-packages"))));
    folders.into_iter().flatten().collect()
}

/// The `site-packages` or `dist-packages` folder above a mapped file.
fn installed_in(path: &Path) -> Option<PathBuf> {
    let is_one = |folder: &&Path| matches!(name(folder), "site-packages" | "dist-packages");
    path.ancestors().skip(1).find(is_one).map(Path::to_owned)
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
