//! The room as a whole, in a folder of its own and with clocks that are set by hand.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::moment::{Boot, Moment};
use super::plan::LimitsPlan;
use super::retention::Removed;
use super::skip::Skip;
use super::{Captured, Limits, NewBundle, Permit};

mod admission;
mod properties;
mod restarts;
mod retention;

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;

/// A folder for bundles, limits that are those of the options but for the disk's, and the time.
struct Scene {
    folder: TempDir,
    plan: LimitsPlan,
    now: Moment,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut LimitsPlan)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = LimitsPlan {
            cooldown: Duration::from_mins(10),
            higher_share: 0.25,
            max_captures: 10,
            window: Duration::from_hours(24),
            min_free_bytes: 1,
            min_free_share: 0.0,
            keep: 20,
            keep_for: None,
            keep_bytes: 500_000_000,
            folder: folder.path().to_owned(),
            state_dir: folder.path().join(".capture-watch"),
        };
        change(&mut plan);
        let boot = Some(Boot { id: "first".to_owned(), seconds: 5_000.0 });
        Self { folder, plan, now: Moment { boot, utc: "2026-11-24T06:00:00Z".parse().unwrap() } }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn state_file(&self) -> PathBuf {
        self.plan.state_dir.join("state.json")
    }

    /// A bundle, or another file.
    fn write(&self, name: &str, bytes: usize) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, vec![0; bytes]).unwrap();
        path
    }

    /// Gives a file the time that it is now.
    fn touch(&self, path: &Path) {
        let since_1970 = Duration::from_micros(self.now.utc.as_microsecond().cast_unsigned());
        File::open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH + since_1970).unwrap();
    }

    fn pass(&mut self, seconds: f64) {
        self.now = self.now.before(-seconds);
    }

    fn set_wall_clock(&mut self, utc: &str) {
        self.now.utc = utc.parse().unwrap();
    }

    /// The machine starts anew, which takes no time on the wall clock.
    fn reboot(&mut self) {
        self.now.boot = Some(Boot { id: "second".to_owned(), seconds: 20.0 });
    }

    fn watcher(&self) -> Watcher {
        let (tell, told) = channel();
        let warn = Box::new(move |warning| tell.send(warning).unwrap_or_default());
        Watcher { limits: Limits::open(self.plan.clone(), &self.now, warn).unwrap(), told }
    }

    /// The bundles that are there, by name.
    fn bundles(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.ends_with(".tar.gz"));
        names.sort();
        names
    }
}

struct Watcher {
    limits: Limits,
    told: Receiver<String>,
}

impl Watcher {
    fn admit(&mut self, scene: &Scene, peak: f64) -> Result<Permit, Skip> {
        self.limits.admit(peak, &scene.now)
    }

    /// The limit that forbids it.
    fn skips(&mut self, scene: &Scene, peak: f64) -> &'static str {
        self.admit(scene, peak).expect_err("a limit").code()
    }

    /// A capture that takes no time, with its bundle.
    fn captures(&mut self, scene: &Scene, peak: f64, name: &str, bytes: usize) -> NewBundle {
        let permit = self.admit(scene, peak).unwrap();
        let bundle = scene.write(&format!("litellm-cpu-{name}.tar.gz"), bytes);
        let captured = Captured { bundle, bytes: bytes as u64, peak, ended: scene.now.clone() };
        self.limits.captured(permit, captured)
    }

    fn retains(&mut self, scene: &Scene, new: &NewBundle, pending: &[&Path]) -> Vec<Removed> {
        self.limits.retain(new, &scene.now, &|path| pending.iter().any(|held| path.ends_with(held)))
    }

    /// What a person was told.
    fn told(&self) -> Vec<String> {
        self.told.try_iter().collect()
    }
}
