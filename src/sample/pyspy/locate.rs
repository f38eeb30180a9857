//! Where py-spy is, and which version.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{AccessFlags, access};
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::os::child::{Ending, Supervised};
use crate::os::clock::{monotonic_us, pause};
use crate::os::proc::Process;

/// Versions tried against this tool. Older ones lack interpreters or have faults named in their release notes.
const OLDEST_VERSION: (u32, u32, u32) = (0, 4, 0);

/// `--version` answers at once; a file that does not is no py-spy.
const VERSION_DEADLINE: Duration = Duration::from_secs(5);

/// Which of the places it was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Named by `--py-spy`.
    Named,
    /// In the folder of this program.
    BesideUs,
    /// Inside this program.
    Embedded,
    /// On the `PATH`.
    OnPath,
    /// Among the programs of the target's own environment.
    InTarget,
}

/// A py-spy that runs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PySpy {
    /// The program.
    pub path: PathBuf,
    /// What it says of itself, such as `0.4.3`.
    pub version: String,
    /// Where it was found.
    pub found: Found,
}

impl PySpy {
    /// Looks in order: `named`, beside this program, inside it, `PATH`, the target's environment.
    ///
    /// # Errors
    /// With exit code 5 and the command that installs it, when there is none or the named one does not run.
    pub fn locate(named: Option<&Path>, target: Option<&Process>) -> Result<Self, Failure> {
        if let Some(path) = named {
            return Self::check(path, Found::Named)
                .map_err(|why| Failure::PySpyUnusable { path: path.to_owned(), why: why.to_string() });
        }
        let mut unusable = None;
        for (path, found) in candidates(target) {
            if access(&path, AccessFlags::X_OK).is_err() || path.is_dir() {
                continue;
            }
            match Self::check(&path, found) {
                Ok(py_spy) => return Ok(py_spy),
                Err(why) => unusable = unusable.or(Some(Failure::PySpyUnusable { path, why: why.to_string() })),
            }
        }
        Err(unusable.unwrap_or(Failure::PySpyMissing))
    }

    fn check(path: &Path, found: Found) -> io::Result<Self> {
        let mut child = Supervised::spawn(path, &["--version".to_owned()])?;
        let deadline_us = monotonic_us() + VERSION_DEADLINE.as_micros() as u64;
        while child.ending().is_none() {
            if monotonic_us() > deadline_us {
                child.signal(Signal::SIGKILL)?;
                return Err(io::Error::other(format!("`--version` gave no answer within {VERSION_DEADLINE:?}")));
            }
            child.pump()?;
            pause(Duration::from_millis(1));
        }
        let answer = child.stdout().first().map(|line| line.text.trim().to_owned()).unwrap_or_default();
        let version = answer.strip_prefix("py-spy ").filter(|_| child.ending() == Some(Ending::Code(0)));
        let version = version.ok_or_else(|| io::Error::other("`--version` did not answer as py-spy does"))?;
        if parse_version(version).is_none_or(|version| version < OLDEST_VERSION) {
            let oldest = OLDEST_VERSION;
            return Err(io::Error::other(format!(
                "version {version} is older than {}.{}.{}",
                oldest.0, oldest.1, oldest.2
            )));
        }
        Ok(Self { path: path.to_owned(), version: version.to_owned(), found })
    }
}

fn candidates(target: Option<&Process>) -> Vec<(PathBuf, Found)> {
    let mut candidates = Vec::new();
    if let Some(folder) = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned())) {
        candidates.push((folder.join("py-spy"), Found::BesideUs));
    }
    #[cfg(feature = "embed-py-spy")]
    candidates.extend(super::embedded::path().map(|path| (path, Found::Embedded)));
    let path = env::var_os("PATH").unwrap_or_default();
    candidates.extend(env::split_paths(&path).map(|folder| (folder.join("py-spy"), Found::OnPath)));
    candidates.extend(target.and_then(beside_interpreter).map(|path| (path, Found::InTarget)));
    candidates
}

/// `VENV/bin/py-spy` for a target started as `VENV/bin/python`; its executable is the base interpreter, so argv tells.
fn beside_interpreter(target: &Process) -> Option<PathBuf> {
    let argv = target.argv().ok()?;
    let interpreter = Path::new(argv.first()?.expose()).to_owned();
    let folder = interpreter.parent().filter(|folder| folder.is_absolute())?;
    let below_root = folder.strip_prefix("/").ok()?.join("py-spy");
    Some(target.dir().join("root").join(below_root))
}

fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = text.split(['.', '-', '+']).map(|part| part.parse::<u32>().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(parse_version("0.4.3").unwrap() > parse_version("0.4.0").unwrap());
        assert!(parse_version("0.10.0").unwrap() > parse_version("0.9.9").unwrap());
        assert_eq!(parse_version("0.5.0-rc1"), Some((0, 5, 0)));
        assert_eq!(parse_version("none"), None);
    }

    #[test]
    fn a_named_program_that_is_no_py_spy_is_refused_by_its_path() {
        let failure = PySpy::locate(Some(Path::new("/bin/true")), None).unwrap_err();
        assert!(failure.to_string().contains("/bin/true"), "{failure}");
    }
}
