//! A page or picture in a browser: a program of the lab opens it as a person would, and tells in JSON what it saw.
//!
//! `CAPTURE_BROWSER` is the Chromium (`scripts/test` finds one), and `CAPTURE_PICTURES` a folder for what it looked like.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::de::DeserializeOwned;

use super::{lab, repository, skip};

/// A visit to be made.
pub struct Visit {
    command: Command,
}

impl Visit {
    /// By a program of `tests/lab`, of a file.
    pub fn by(program: &str, file: &Path) -> Self {
        let mut command = Command::new(lab::python());
        command.arg(repository().join("tests/lab").join(program)).arg(file);
        Self { command }
    }

    pub fn args(mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// With pictures, where they are wanted: into a folder of this name among them.
    pub fn with_pictures(self, folder: &str) -> Self {
        let Some(pictures) = pictures() else { return self };
        let folder = pictures.join(folder);
        fs::create_dir_all(&folder).expect("a folder for pictures");
        self.args(["--shots".as_ref(), folder.as_os_str()])
    }

    /// Makes it.
    #[track_caller]
    pub fn see<T: DeserializeOwned>(mut self) -> T {
        let output = self.command.stderr(Stdio::inherit()).output().expect("the lab's python can be started");
        assert!(output.status.success(), "the visit failed; see above");
        serde_json::from_slice(&output.stdout).expect("what was seen")
    }
}

/// Whether there is one to visit with; else the test says that it is skipped.
pub fn has_browser() -> bool {
    let has_browser = env::var_os("CAPTURE_BROWSER").is_some();
    if !has_browser {
        skip("CAPTURE_BROWSER names no Chromium");
    }
    has_browser
}

/// Where pictures are wanted.
pub fn pictures() -> Option<PathBuf> {
    env::var_os("CAPTURE_PICTURES").map(PathBuf::from)
}
