//! The thread that hands bundles on, and what it has still to do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::command::{Errand, missing_shell};
use super::pending::Pending;
use super::plan::{AfterPlan, UploadPlan};
use super::upload::{Limits, Outcome, put};
use crate::redact::Redactor;
use crate::watch::announcer::Announcer;
use crate::watch::events::Event;

/// More bundles than this wait only where something is very wrong.
const WAITING: usize = 64;
/// A wait is longer or shorter by this share of it at most, so that many pods do not come back at once.
const JITTER: f64 = 0.25;

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// After the first attempt to upload; each later wait is twice as long.
    pub first_wait: Duration,
    /// But no longer than this.
    pub longest_wait: Duration,
    /// From when on a bundle is not tried again before the next watch begins.
    pub give_up_after: Duration,
    /// What may still be done when the watch ends. Kubernetes kills after half a minute, a last capture included.
    pub grace: Duration,
    /// From telling a command to end until it is killed.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(2),
            longest_wait: Duration::from_mins(15),
            give_up_after: Duration::from_hours(24),
            grace: Duration::from_secs(8),
            patience: Duration::from_secs(1),
        }
    }
}

/// With what bundles are handed on.
pub struct Office {
    /// Who is told.
    pub announcer: Announcer,
    /// Knows the secrets of this program's environment.
    pub redactor: Redactor,
    /// Where it is remembered what is still to be uploaded.
    pub state: PathBuf,
    /// How long an attempt may take.
    pub limits: Limits,
    /// How long is waited for what.
    pub pace: Pace,
}

/// Takes finished bundles, and never keeps the watch waiting.
#[derive(Debug)]
pub struct Deliveries {
    /// None where nothing is done with a bundle.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    queue: SyncSender<PathBuf>,
    /// None where nothing is uploaded.
    pending: Option<Pending>,
    announcer: Announcer,
    pace: Pace,
    stop: Arc<AtomicBool>,
    /// Closed when the thread is through.
    done: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Deliveries {
    /// Begins, with what an earlier watch left to be uploaded.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn begin(plan: &AfterPlan, office: Office) -> io::Result<Self> {
        if plan.command.is_none() && plan.upload.is_none() {
            return Ok(Self { running: None });
        }
        if plan.command.is_some()
            && let Some(missing) = missing_shell()
        {
            office.announcer.announce(&missing);
        }
        let pending = plan.upload.as_ref().map(|_| Pending::below(&office.state));
        // Read before a bundle can be handed on, which is remembered there too.
        let left = pending.as_ref().map(Pending::all).unwrap_or_default();
        let (queue, bundles) = sync_channel(WAITING);
        let (through, done) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (announcer, pace) = (office.announcer.clone(), office.pace);
        let mut carrier = Carrier {
            plan: plan.clone(),
            pending: pending.clone(),
            office,
            uploads: Vec::new(),
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new().name("deliveries".to_owned()).spawn(move || {
            let _through = through;
            carrier.resume(left);
            carrier.run(&bundles);
        })?;
        Ok(Self { running: Some(Running { queue, pending, announcer, pace, stop, done, thread }) })
    }

    /// Takes a finished bundle. What cannot be done with it is announced.
    pub fn hand_on(&self, bundle: &Path) {
        let Some(running) = &self.running else { return };
        // Before all else: the next watch knows of it, whatever happens to this one.
        if let Some(pending) = &running.pending
            && let Err(error) = pending.add(bundle)
        {
            running.announcer.announce(&Event::Error {
                what: format!("it cannot be remembered that {} is to be uploaded: {error}", bundle.display()),
                cure: "it is uploaded unless the watch ends before; name a writable folder with --state-dir".to_owned(),
            });
        }
        if running.queue.try_send(bundle.to_owned()).is_err() {
            running.announcer.announce(&Event::Error {
                what: format!("{} is not handed on: {WAITING} bundles wait already", bundle.display()),
                cure: "see the events before this one for what they wait for".to_owned(),
            });
        }
    }

    /// Whether a bundle is still to be uploaded, and should be kept for that.
    pub fn is_pending(&self, bundle: &Path) -> bool {
        let pending = self.running.as_ref().and_then(|running| running.pending.as_ref());
        pending.is_some_and(|pending| pending.holds(bundle))
    }

    /// Ends it within a bounded time: what is under way, and what was handed on last, is done or given up.
    pub fn finish(self) {
        let Some(Running { queue, pace, stop, done, thread, .. }) = self.running else { return };
        drop(queue);
        if done.recv_timeout(pace.grace) == Err(RecvTimeoutError::Timeout) {
            stop.store(true, Ordering::Relaxed);
            let _ = done.recv_timeout(pace.patience * 2);
        }
        // One that waits for a server's answer even then ends with the process.
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Carrier {
    plan: AfterPlan,
    pending: Option<Pending>,
    office: Office,
    /// What is to be tried again.
    uploads: Vec<Upload>,
    stop: Arc<AtomicBool>,
}

/// A bundle to be uploaded.
struct Upload {
    bundle: PathBuf,
    since: Instant,
    due: Instant,
    attempts: u32,
}

impl Upload {
    fn new(bundle: PathBuf) -> Self {
        let now = Instant::now();
        Self { bundle, since: now, due: now, attempts: 0 }
    }
}

impl Carrier {
    /// Takes up what an earlier watch left.
    fn resume(&mut self, left: Vec<PathBuf>) {
        for bundle in left {
            if bundle.exists() {
                self.uploads.push(Upload::new(bundle));
            } else {
                self.forget(&bundle);
                self.office.announcer.announce(&Event::Error {
                    what: format!("{} is gone, and was never uploaded", bundle.display()),
                    cure: "nothing can be done for it; raise --keep and --keep-bytes if it had to make room".to_owned(),
                });
            }
        }
    }

    fn run(&mut self, bundles: &Receiver<PathBuf>) {
        while !self.is_stopped() {
            let next_due = self.uploads.iter().map(|upload| upload.due).min();
            let next = match next_due {
                Some(due) => bundles.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => bundles.recv().map_err(|RecvError| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(bundle) => self.hand_on(&bundle),
                Err(RecvTimeoutError::Timeout) => self.try_again(),
                // The watch ends. What has been tried is left to the next one.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn hand_on(&mut self, bundle: &Path) {
        self.attempt(Upload::new(bundle.to_owned()));
        if let Some(plan) = &self.plan.command
            && !self.is_stopped()
        {
            let errand = Errand { plan, bundle, patience: self.office.pace.patience, stop: &self.stop };
            let event = errand.run(&mut self.office.redactor);
            self.office.announcer.announce(&event);
        }
    }

    /// The one that has waited longest for its turn.
    fn try_again(&mut self) {
        let due = self.uploads.iter().enumerate().min_by_key(|(_, upload)| upload.due).map(|(at, _)| at);
        if let Some(at) = due {
            let upload = self.uploads.swap_remove(at);
            self.attempt(upload);
        }
    }

    fn attempt(&mut self, mut upload: Upload) {
        let Some(plan) = &self.plan.upload else { return };
        upload.attempts += 1;
        let event = match put(plan, &upload.bundle, &self.office.limits, &self.stop) {
            Outcome::Arrived(bytes) => {
                self.forget(&upload.bundle);
                Event::Uploaded { host: plan.host.clone(), attempts: upload.attempts, bytes, path: upload.bundle }
            }
            Outcome::Refused(why) => {
                // A bundle that is gone cannot be uploaded by the next watch either.
                if !upload.bundle.exists() {
                    self.forget(&upload.bundle);
                }
                unsuccessful(plan, &upload, why, None)
            }
            Outcome::Failed { why, wait } => {
                let wait = wait.unwrap_or_default().max(backoff(&self.office.pace, upload.attempts));
                let goes_on = !self.is_stopped() && upload.since.elapsed() + wait < self.office.pace.give_up_after;
                let event = unsuccessful(plan, &upload, why, goes_on.then_some(wait));
                if goes_on {
                    upload.due = Instant::now() + wait;
                    self.uploads.push(upload);
                }
                event
            }
        };
        self.office.announcer.announce(&event);
    }

    fn forget(&self, bundle: &Path) {
        if let Some(Err(error)) = self.pending.as_ref().map(|pending| pending.remove(bundle)) {
            self.office.announcer.announce(&Event::Error {
                what: format!("it cannot be forgotten that {} was to be uploaded: {error}", bundle.display()),
                cure: "the next watch uploads it once more; make the state folder writable".to_owned(),
            });
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn unsuccessful(plan: &UploadPlan, upload: &Upload, why: String, again_in: Option<Duration>) -> Event {
    Event::UploadFailed {
        path: upload.bundle.clone(),
        host: plan.host.clone(),
        why,
        attempts: upload.attempts,
        again_in_seconds: again_in.map(|wait| wait.as_secs_f64().ceil() as u64),
    }
}

/// Twice as long each time, up to a limit, and a little off.
fn backoff(pace: &Pace, attempts: u32) -> Duration {
    let doubled = pace.first_wait.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
    doubled.min(pace.longest_wait).mul_f64(1.0 + JITTER * (fastrand::f64() * 2.0 - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let pace = Pace::default();
        for (attempts, seconds) in [(1, 2.0), (2, 4.0), (5, 32.0), (10, 900.0), (u32::MAX, 900.0)] {
            for _ in 0..20 {
                let wait = backoff(&pace, attempts).as_secs_f64();
                assert!((seconds * 0.75..=seconds * 1.25).contains(&wait), "{attempts}: {wait}");
            }
        }
    }
}
