//! Calm moments: now and then, while nothing fires, a few seconds are sampled at a low rate and kept, so that a spike can
//! be held against them function by function.
//!
//! One is kept, the last one, as a bundle of facts alone in the state folder; a spike takes it along as its baseline. It
//! costs what ten seconds of a fifth of the usual rate cost, every ten minutes.

use std::cell::Cell;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::feed::{Feed, WhileCalm};
use super::take::{Take, TakeCause};
use super::vigil::{Ground, Vigil};
use crate::assemble::{Aside, assemble_facts};
use crate::bundle::archive::pack;
use crate::bundle::open::Bundle;
use crate::bundle::work::Work;
use crate::environment::Own;
use crate::error::{Failure, Kept};
use crate::notice::Notices;
use crate::os::signals::Interrupts;
use crate::plan::{CapturePlan, Destination};
use crate::redact::Redactor;
use crate::sample::session::{Orders, StacksWanted};

/// So long it is sampled.
const DURATION: Duration = Duration::from_secs(10);
/// So often a second, at most: two hundred samples of each worker, which tell a function that takes a tenth of the CPU.
const RATE_HZ: u32 = 20;
/// What has been calm for so long is calm.
const LEAST_CALM: Duration = Duration::from_secs(20);
/// A watch that has just begun takes its first one soon.
const FIRST_AFTER: Duration = Duration::from_secs(45);
/// Where it is kept, in the state folder.
const FILE: &str = "calm.tar.gz";
/// Where its work folder stands meanwhile.
const FOLDER: &str = "calm";

/// The calm moments of a watch.
#[derive(Debug)]
pub struct CalmMoments {
    every_us: Option<u64>,
    due_us: u64,
    plan: CapturePlan,
    file: PathBuf,
}

/// A calm moment that was sampled.
#[derive(Debug, Clone, Copy)]
pub struct Sampled {
    /// For so long.
    pub seconds: f64,
    /// So many stacks.
    pub samples: u64,
}

impl CalmMoments {
    /// Of a watch that begins now. What a watch that was killed left half done is removed.
    pub fn new(every: Option<Duration>, capture: &CapturePlan, state_dir: &Path) -> Self {
        let folder = state_dir.join(FOLDER);
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let mut work = Work::open(&entry.path());
            if work.lock().is_ok() {
                let _ = work.remove();
            }
        }
        let orders = Orders {
            duration: DURATION,
            slice: DURATION,
            rate_hz: RATE_HZ.min(capture.orders.rate_hz),
            ..capture.orders.clone()
        };
        let mut plan = CapturePlan { orders, ..capture.clone() };
        plan.output.destination = Destination::Folder(folder);
        let takes_stacks = plan.orders.stacks == StacksWanted::Yes;
        Self {
            every_us: every.filter(|_| takes_stacks).map(|every| every.as_micros() as u64),
            due_us: 0,
            plan,
            file: state_dir.join(FILE),
        }
    }

    /// Another proxy is watched from now on: it is left alone for a while.
    pub fn wait_from(&mut self, now_us: u64) {
        let first_us = FIRST_AFTER.as_micros() as u64;
        self.due_us = now_us + self.every_us.map_or(first_us, |every_us| every_us.min(first_us));
    }

    /// Whether one is to be sampled now.
    pub fn is_due(&self, now_us: u64, calm_for: Option<Duration>) -> bool {
        self.every_us.is_some() && now_us >= self.due_us && calm_for.is_some_and(|calm| calm >= LEAST_CALM)
    }

    /// Samples one, and keeps it in place of the last; none where it did not stay calm, or we are to stop.
    ///
    /// # Errors
    /// Where nothing could be sampled or kept.
    pub fn sample(
        &mut self,
        ground: &Ground<'_>,
        (vigil, feed): (&mut Vigil, &mut Feed),
        own: &Own,
        interrupts: &Interrupts,
    ) -> Result<Option<Sampled>, Failure> {
        self.due_us = ground.epoch.elapsed_us() + self.every_us.unwrap_or_default();
        let (stayed, notices) = (Cell::new(true), Notices::unheard());
        let take = Take {
            ground,
            plan: &self.plan,
            own,
            cause: TakeCause::Calm,
            baseline: None,
            notices: &notices,
            interrupts,
        };
        let mut taken = take.run(vigil, Box::new(WhileCalm { feed, stayed: &stayed }), |_| {})?;
        if !stayed.get() || interrupts.requested().is_some() {
            let _ = taken.work.remove();
            return Ok(None);
        }
        let kept = self.keep(&taken.work, &mut taken.redactor, taken.aside);
        let _ = taken.work.remove();
        kept
    }

    fn keep(&self, work: &Work, redactor: &mut Redactor, aside: Aside) -> Result<Option<Sampled>, Failure> {
        let mut assembled = assemble_facts(work, redactor, aside)?;
        if let Err(hit) = assembled.pass_gate(&redactor.gate()) {
            return Err(Failure::SecretInBundle { hit, kept: work.dir().to_owned() });
        }
        let samples = assembled.verdict.quality.stacks;
        if samples == 0 {
            return Ok(None);
        }
        assembled.seal()?;
        let time = jiff::Timestamp::now().as_second().unsigned_abs();
        let name = assembled.manifest.name.clone();
        let tarball = pack(&name, &mut assembled.artifacts, time).context("the tarball")?;
        replace(&self.file, &tarball).map_err(|error| Failure::Output {
            target: self.file.display().to_string(),
            why: error.to_string(),
            kept: Kept::Nothing,
        })?;
        Ok(Some(Sampled { seconds: assembled.verdict.cpu.wall_seconds, samples }))
    }

    /// The last one; none where there is none that can be read.
    pub fn last(&self) -> Option<Bundle> {
        self.file.exists().then(|| Bundle::open(&self.file).ok()).flatten()
    }
}

/// Puts a file in the place of another, whole or not at all.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let partial = file.with_extension("partial");
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    new.write_all(bytes).and_then(|()| new.sync_data()).and_then(|()| fs::rename(&partial, file)).inspect_err(|_| {
        let _ = fs::remove_file(&partial);
    })
}
