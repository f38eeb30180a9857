//! When not to capture, what is kept, and what a restart finds.
//!
//! ```text
//! open -> leftovers -> packed -> retain
//!      -> admit -> works_in -> captured -> retain
//!                           -> failed
//! ```
//!
//! All of it is remembered in a folder that several watchers may share: it is read afresh for each decision, by one of
//! them at a time, and written before a capture begins, so that a watcher that is killed at any moment finds its limits
//! as they were. A state that cannot be read is moved aside, and then the bundles that are there tell when there were
//! captures. To remove the folder is to begin anew.

pub mod claim;
pub mod disk;
pub mod leftovers;
pub mod moment;
pub mod plan;
pub mod retention;
pub mod rules;
pub mod skip;
pub mod state;
pub mod store;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use claim::{Attempt, Claim, Owner};
use leftovers::{Leftovers, packable};
use moment::Moment;
use plan::LimitsPlan;
use retention::{Kept, Removed, chosen, ours};
use skip::Skip;
use state::{Capture, Outcome, State};
use store::{Store, Stored, Turn};

use crate::error::Failure;
use crate::plan::usage;

/// A work folder is packed by itself so often: one that ends whoever packs it must not do so at every start.
const MOST_PACKINGS: u32 = 2;

/// Hears what a person has to know and no caller can act on.
pub type Warn = Box<dyn Fn(String) + Send>;

/// The limits of one watcher.
pub struct Limits {
    plan: LimitsPlan,
    store: Store,
    /// What could not be written, for the next time that it can.
    unsaved: Option<State>,
    warn: Warn,
}

/// The right to capture once. Nobody else who shares the state has it until this is dropped.
#[derive(Debug)]
pub struct Permit {
    capture: Capture,
    _claim: Claim,
}

/// A capture that gave a bundle.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Where the bundle is, whole and in its place.
    pub bundle: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The spike's peak until its end, as a share of what may be used.
    pub peak: f64,
    /// When the bundle was in its place.
    pub ended: Moment,
}

/// A bundle that is whole and in its place: what was to be waited for before older ones may go.
#[derive(Debug)]
#[must_use = "older bundles may go now: see Limits::retain"]
pub struct NewBundle {
    path: PathBuf,
}

impl Limits {
    /// Limits as they were left, with the folders of the bundles and of the state made where they are missing.
    ///
    /// # Errors
    /// Where nothing can be remembered.
    pub fn open(mut plan: LimitsPlan, now: &Moment, warn: Warn) -> Result<Self, Failure> {
        let refuse = |folder: &Path, error: &io::Error| {
            usage(
                format!("the limits cannot be remembered in {}: {error}", folder.display()),
                "name another folder with -o, or one for the limits alone with --state-dir",
            )
        };
        let made = fs::create_dir_all(&plan.folder).and_then(|()| plan.folder.canonicalize());
        plan.folder = made.map_err(|error| refuse(&plan.folder, &error))?;
        let store = Store::at(&plan.state_dir).map_err(|error| refuse(&plan.state_dir, &error))?;
        let mut limits = Self { plan, store, unsaved: None, warn };
        let turn = limits.store.turn();
        let written = turn.and_then(|turn| {
            let state = limits.state(&turn, now)?;
            limits.store.write(&turn, &state)
        });
        written.map_err(|error| refuse(&limits.plan.state_dir, &error))?;
        Ok(limits)
    }

    /// Whether a spike with this peak, a share of what may be used, may be captured now. That it is, is remembered
    /// before this returns.
    ///
    /// # Errors
    /// With the limit that forbids it.
    pub fn admit(&mut self, peak: f64, now: &Moment) -> Result<Permit, Skip> {
        let folder = self.plan.state_dir.display().to_string();
        let forgetful = |error: io::Error| Skip::State { folder: folder.clone(), why: error.to_string() };
        let me = Owner::here(now);
        let turn = self.store.turn().map_err(forgetful)?;
        let claim = match self.store.claim(&turn, &me).map_err(forgetful)? {
            Attempt::Free(claim) => claim,
            Attempt::Held(owner) => {
                let (pid, since_utc) = owner.map(|owner| (owner.process.pid, owner.since.utc)).unzip();
                return Err(Skip::Busy { pid, since_utc });
            }
        };
        let mut state = self.state(&turn, now).map_err(forgetful)?;
        state.bury(now);
        rules::decide(&state.captures, peak, &self.plan, now)?;
        disk::guard(&self.plan, state.last_bundle_bytes())?;
        let capture = Capture {
            id: fastrand::u64(..),
            began: now.clone(),
            ended: now.clone(),
            peak: Some(peak),
            outcome: Outcome::UnderWay { work: None },
        };
        state.put(capture.clone());
        claim.sign(&me).and_then(|()| self.store.write(&turn, &state)).map_err(forgetful)?;
        self.unsaved = None;
        Ok(Permit { capture, _claim: claim })
    }

    /// The work folder of a capture that was admitted: if it is killed, it becomes a bundle all the same.
    pub fn works_in(&mut self, permit: &Permit, work: &Path, now: &Moment) {
        let work = work.canonicalize().unwrap_or_else(|_| work.to_owned());
        self.change(now, |state| {
            if let Some(capture) = state.captures.iter_mut().find(|capture| capture.id == permit.capture.id) {
                capture.outcome = Outcome::UnderWay { work: Some(work) };
            }
        });
    }

    /// Remembers a capture and its bundle.
    pub fn captured(&mut self, permit: Permit, captured: Captured) -> NewBundle {
        let path = captured.bundle.canonicalize().unwrap_or(captured.bundle);
        let outcome = Outcome::Bundle { path: path.clone(), bytes: captured.bytes };
        let (ended, peak) = (captured.ended, Some(captured.peak));
        self.change(&ended, |state| {
            state.put(Capture { ended: ended.clone(), peak, outcome, ..permit.capture.clone() });
        });
        // Only now may the next begin.
        drop(permit);
        NewBundle { path }
    }

    /// Remembers a capture that gave no bundle. It counts as any other; what it left of a work folder becomes a bundle
    /// after the next start.
    pub fn failed(&mut self, permit: Permit, peak: f64, now: &Moment) {
        self.change(now, |state| {
            state.bury(now);
            let known = state.captures.iter().find(|capture| capture.id == permit.capture.id);
            let outcome = known.map_or(Outcome::Nothing, |capture| capture.outcome.clone());
            state.put(Capture { ended: now.clone(), peak: Some(peak), outcome, ..permit.capture.clone() });
        });
        drop(permit);
    }

    /// Removes bundles that are more than is kept, and tells which. Never the newest one, never the one just made,
    /// never one that is `pending`, and nothing that no watcher who shares the state has written.
    pub fn retain(&mut self, new: &NewBundle, now: &Moment, pending: &dyn Fn(&Path) -> bool) -> Vec<Removed> {
        let (plan, mut removed, mut stuck) = (self.plan.clone(), Vec::new(), Vec::new());
        self.change(now, |state| {
            let bundles = ours(state, &plan, now, &|path| path == new.path || pending(path));
            for (index, why) in chosen(&bundles, &plan) {
                let Kept { place, path, bytes, .. } = &bundles[index];
                match fs::remove_file(path) {
                    Ok(()) => {
                        state.captures[*place].outcome = Outcome::Nothing;
                        removed.push(Removed { path: path.clone(), bytes: *bytes, why });
                    }
                    Err(error) => stuck.push(format!("{} cannot be removed: {error}", path.display())),
                }
            }
        });
        for warning in stuck {
            (self.warn)(warning);
        }
        removed
    }

    /// What killed captures left in the folder of the bundles. To be asked once, at the start; one that is ours and is
    /// not [`packed`](Self::packed) is given a second time, and then left to a person.
    pub fn leftovers(&mut self, now: &Moment) -> Leftovers {
        let mut left = Leftovers { ours: Vec::new(), others: packable(&self.plan.folder) };
        let me = Owner::here(now);
        // Held until the end, so that nobody begins a capture that would be taken for a killed one.
        let attempt = self.store.turn().and_then(|turn| self.store.claim(&turn, &me));
        let claim = match attempt {
            Ok(Attempt::Free(claim)) => claim.sign(&me).is_ok().then_some(claim),
            Ok(Attempt::Held(_)) | Err(_) => None,
        };
        self.change(now, |state| {
            if claim.is_some() {
                state.bury(now);
            }
            for capture in &mut state.captures {
                let Outcome::Killed { work, packings } = &mut capture.outcome else { continue };
                if !work.exists() {
                    capture.outcome = Outcome::Nothing;
                } else if *packings < MOST_PACKINGS
                    && let Some(place) = left.others.iter().position(|other| other == work)
                {
                    *packings += 1;
                    left.ours.push(left.others.remove(place));
                }
            }
        });
        left
    }

    /// Remembers the bundle that a leftover became. Its capture counts from when it was killed.
    pub fn packed(&mut self, work: &Path, bundle: &Path, bytes: u64, now: &Moment) -> NewBundle {
        let path = bundle.canonicalize().unwrap_or_else(|_| bundle.to_owned());
        self.change(now, |state| {
            for capture in &mut state.captures {
                if matches!(&capture.outcome, Outcome::Killed { work: known, .. } if known == work) {
                    capture.outcome = Outcome::Bundle { path: path.clone(), bytes };
                }
            }
        });
        NewBundle { path }
    }

    /// Reads the state, changes it and writes it. What cannot be written is kept in mind until it can be.
    fn change(&mut self, now: &Moment, act: impl FnOnce(&mut State)) {
        let turn = self.store.turn();
        let read = turn.and_then(|turn| self.state(&turn, now).map(|state| (turn, state)));
        let (mut state, turn) = match read {
            Ok((turn, state)) => (state, Ok(turn)),
            Err(error) => (self.unsaved.take().unwrap_or_default(), Err(error)),
        };
        act(&mut state);
        match turn.and_then(|turn| self.store.write(&turn, &state)) {
            Ok(()) => self.unsaved = None,
            Err(error) => {
                (self.warn)(format!("{} cannot be written: {error}", self.plan.state_dir.display()));
                self.unsaved = Some(state);
            }
        }
    }

    /// The state as of now, which is written where that is not as it was: a time that was set right stays right.
    fn state(&mut self, turn: &Turn, now: &Moment) -> io::Result<State> {
        let (mut state, read) = match self.store.read(turn)? {
            Stored::State(state) => (state.clone(), Some(state)),
            Stored::Nothing => (State::default(), None),
            Stored::Damaged { why, aside } => {
                if let Some(why) = why {
                    (self.warn)(damaged(&self.plan, &why, &aside));
                }
                (State::found_in(&self.plan.folder, now), None)
            }
        };
        state.settle(now);
        for capture in self.unsaved.iter().flat_map(|unsaved| &unsaved.captures) {
            state.put(capture.clone());
        }
        state.forget(&self.plan, now);
        if read.as_ref() != Some(&state) && self.store.write(turn, &state).is_ok() {
            self.unsaved = None;
        }
        Ok(state)
    }
}

fn damaged(plan: &LimitsPlan, why: &str, aside: &Path) -> String {
    format!(
        "the limits' state could not be read ({why}) and was moved to {}; when the last captures were is told by the \
         bundles in {}, and these will not be removed any more",
        aside.display(),
        plan.folder.display()
    )
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("plan", &self.plan).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
