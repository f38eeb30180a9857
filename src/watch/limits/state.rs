//! What is remembered: the captures that cooldown and window still need, and the bundles that are ours to remove.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::moment::Moment;
use super::plan::LimitsPlan;

/// What the names of all bundles of captures begin with.
const BUNDLE_PREFIX: &str = "litellm-cpu-";
/// What they end with.
const BUNDLE_SUFFIX: &str = ".tar.gz";

/// The captures, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Those of every watcher that shares the folder of the state.
    pub captures: Vec<Capture>,
}

/// One capture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capture {
    /// Tells it from all others, whatever becomes of its times.
    pub id: u64,
    /// When it was admitted.
    pub began: Moment,
    /// When its bundle was in place, or it ended without one. Of one under way: when it was admitted.
    pub ended: Moment,
    /// The spike's peak as a share of what may be used; none where it is not known.
    pub peak: Option<f64>,
    /// What there is of it.
    pub outcome: Outcome,
}

/// What there is of a capture. Each counts for cooldown, high-water mark and window, one that failed too: it took as
/// much from the workers, and what made it fail is often still there a second later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It runs, or it was killed and nobody noticed yet.
    UnderWay {
        /// Its work folder, once there is one.
        work: Option<PathBuf>,
    },
    /// It was killed, and its work folder may become a bundle.
    Killed {
        /// The work folder.
        work: PathBuf,
        /// How often that was tried.
        packings: u32,
    },
    /// A bundle of ours.
    Bundle {
        /// Where.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Nothing of ours: it failed, its bundle has gone, or a bundle was found of which no more is known.
    Nothing,
}

impl State {
    /// What the bundles of a folder tell where no state does: that there was a capture, and when it ended.
    pub fn found_in(folder: &Path, now: &Moment) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let bundles = entries.filter(|entry| is_bundle(Path::new(&entry.file_name())));
        let ends = bundles.filter_map(|bundle| Timestamp::try_from(bundle.metadata().ok()?.modified().ok()?).ok());
        let mut ends: Vec<Timestamp> = ends.collect();
        ends.sort_unstable();
        let capture = |end| {
            let ended = now.before(now.seconds_since_utc(end));
            Capture { id: fastrand::u64(..), began: ended.clone(), ended, peak: None, outcome: Outcome::Nothing }
        };
        Self { captures: ends.into_iter().map(capture).collect() }
    }

    /// A capture as it is known better now; it is added where it was not known at all.
    pub fn put(&mut self, capture: Capture) {
        match self.captures.iter_mut().find(|known| known.id == capture.id) {
            Some(known) => *known = capture,
            None => self.captures.push(capture),
        }
    }

    /// Every moment as the clocks of now can be held against, see [`Moment::settled`].
    pub fn settle(&mut self, now: &Moment) {
        for capture in &mut self.captures {
            capture.began = capture.began.settled(now);
            capture.ended = capture.ended.settled(now);
        }
    }

    /// What is under way in the state was killed: nobody holds the lock of a capture.
    pub fn bury(&mut self, now: &Moment) {
        for capture in &mut self.captures {
            let Outcome::UnderWay { work } = &mut capture.outcome else { continue };
            let work = work.take().filter(|work| work.is_dir());
            if let Some(end) = work.as_deref().and_then(last_written) {
                let ago = now.seconds_since_utc(end).min(now.seconds_since(&capture.began));
                capture.ended = now.before(ago);
            }
            capture.outcome = work.map_or(Outcome::Nothing, |work| Outcome::Killed { work, packings: 0 });
        }
    }

    /// Leaves out what no limit needs any more.
    pub fn forget(&mut self, plan: &LimitsPlan, now: &Moment) {
        let needed_seconds = plan.window.max(plan.cooldown).as_secs_f64();
        self.captures.retain(|capture| {
            capture.outcome != Outcome::Nothing || now.seconds_since(&capture.ended) < needed_seconds
        });
    }

    /// The size of the last bundle; 0 where there was none.
    pub fn last_bundle_bytes(&self) -> u64 {
        let bytes = |capture: &Capture| match capture.outcome {
            Outcome::Bundle { bytes, .. } => Some(bytes),
            _ => None,
        };
        self.captures.iter().rev().find_map(bytes).unwrap_or(0)
    }
}

/// Whether a file's name is that of a capture's bundle.
pub fn is_bundle(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with(BUNDLE_PREFIX) && name.ends_with(BUNDLE_SUFFIX)
}

/// When something was last written into a work folder: a capture writes to it every second.
fn last_written(work: &Path) -> Option<Timestamp> {
    let files = fs::read_dir(work).ok()?.flatten();
    files.filter_map(|file| Timestamp::try_from(file.metadata().ok()?.modified().ok()?).ok()).max()
}
