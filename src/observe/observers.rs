//! All observers of a capture, each on a thread of its own, from before the first sample to after the last.

use std::mem::take;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bundle::work::{self, CLEAN, Work};
use crate::collect::{Gap, Weight};
use crate::discover::Proxy;
use crate::logs::{BEFORE_FILE, DURING_FILE, Digest, LogSource, LogWatch, Logged};
use crate::observe::door::{Access, Door};
use crate::observe::liveliness::{self, Pulse};
use crate::observe::spend::{self, Database};
use crate::observe::{Epoch, Keeper, LiteLlm, Readings, Roster, Stop, metrics};
use crate::os::cgroup::CgroupRoot;
use crate::os::clock::pause;
use crate::os::proc::Procfs;
use crate::os::usage::thread_cpu_us;
use crate::redact::Redactor;

/// How long the first answer is waited for: who answers does so at once as a rule, and who does not is sampled for that
/// very reason.
const FIRST_WORD: Duration = Duration::from_millis(500);
/// How long the last readings may take: as long as a scrape, and a little more.
const LAST_WORD: Duration = Duration::from_millis(1_300);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Who is observed, and how.
pub struct Scene<'a> {
    /// The proxy.
    pub proxy: &'a Proxy,
    /// Its workers of the moment.
    pub roster: Roster,
    /// The ways to LiteLLM.
    pub access: Access,
    /// Whether it has a database.
    pub database: Database,
    /// Where its log is.
    pub log: &'a LogSource,
    /// Time zero.
    pub epoch: Epoch,
    /// How long the capture is meant to take.
    pub duration: Duration,
}

/// The observers at work.
#[derive(Debug)]
pub struct Observers {
    keeper: Arc<Keeper>,
    stop: Stop,
    pulse: Arc<Pulse>,
    litellm: Arc<LiteLlm>,
    /// Whether there is a LiteLLM to be asked; any other program is only looked at.
    asks: bool,
    database: Database,
    digest: Digest,
    logs: Option<JoinHandle<LogWatch>>,
    sent: Vec<Sent>,
}

/// An observer on its thread, which tells its CPU time in microseconds.
#[derive(Debug)]
struct Sent {
    brings: Brings,
    thread: JoinHandle<u64>,
}

/// What an observer brings.
#[derive(Debug, Clone, Copy)]
struct Brings {
    what: &'static str,
    /// How much it matters when it is not back a moment after the end; none where what it waits for is kept otherwise.
    late: Option<Weight>,
}

const FIGURES: Brings = Brings { what: "the kernel's figures over time", late: Some(Weight::Partial) };
const PROBES: Brings = Brings { what: "answers of /health/liveliness", late: None };
const METRICS: Brings = Brings { what: "LiteLLM's metrics at the end of the capture", late: Some(Weight::Partial) };
const REQUESTS: Brings = Brings { what: "the last requests, from LiteLLM's spend logs", late: Some(Weight::Note) };

impl Observers {
    /// Sends them out. What the log says of the time before is laid into the work folder at once.
    pub fn start(scene: Scene<'_>, work: &Work, redactor: &mut Redactor) -> Self {
        let procfs = Procfs::default();
        scene.roster.set(scene.proxy.workers().map(|worker| worker.id).collect());
        let keeper = Arc::new(Keeper::new(work.dir(), redactor.gate()));
        let watch = LogWatch::open(&procfs, scene.proxy, scene.log, scene.epoch);
        let mut digest = Digest::default();
        if let Some(text) = digest.before(watch.before(), redactor) {
            lay_in(work, BEFORE_FILE, text.as_str());
        }
        let asks = scene.proxy.looks_like_litellm || scene.access.url.is_some();
        let litellm = Arc::new(LiteLlm {
            door: Door::find(&scene.access),
            procfs: procfs.clone(),
            roster: scene.roster.clone(),
            epoch: scene.epoch,
            duration: scene.duration,
            keeper: Arc::clone(&keeper),
        });
        let readings = Readings {
            procfs,
            cgroups: CgroupRoot::default(),
            roster: scene.roster,
            epoch: scene.epoch,
            keeper: Arc::clone(&keeper),
        };
        let (stop, pulse) = (Stop::default(), Arc::new(Pulse::default()));
        let database = scene.database;
        let mut observers = Self { keeper, stop, pulse, litellm, asks, database, digest, logs: None, sent: Vec::new() };
        if observers.asks {
            observers.watch_litellm();
        }
        observers.send(FIGURES, move |stop| readings.run(stop));
        let stop = observers.stop.clone();
        observers.logs = Some(thread::spawn(move || watch.run(&stop)));
        observers
    }

    /// Sends out those who ask LiteLLM. A worker that was never scraped is busy for most of a second with its first
    /// scrape, which must be seen neither in the figures nor in the stacks: so that one is waited for, unless the proxy
    /// is in such a state that it may take long.
    fn watch_litellm(&mut self) {
        let litellm = Arc::clone(&self.litellm);
        let begun = liveliness::answers_at_once(&litellm).then(|| metrics::Watch::begin(Arc::clone(&litellm)));
        self.send(METRICS, move |stop| begun.unwrap_or_else(|| metrics::Watch::begin(litellm)).run(stop));
        let (litellm, pulse) = (Arc::clone(&self.litellm), Arc::clone(&self.pulse));
        self.send(PROBES, move |stop| liveliness::watch(&litellm, &pulse, stop));
    }

    /// Waits for LiteLLM's first answer, or for a moment where there is none.
    pub fn settle(&self) {
        let deadline = Instant::now() + FIRST_WORD;
        while self.asks && self.pulse.health().answered == 0 && Instant::now() < deadline {
            pause(LOOK_EVERY);
        }
    }

    /// How the proxy answers, for those who must not be in its way.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Calls them back: every one makes its last reading, and none is waited for longer than a moment, since the proxy
    /// may not answer. Tells the CPU time that they took while they watched, in microseconds.
    pub fn finish(mut self, work: &Work, redactor: &mut Redactor) -> u64 {
        self.stop.set();
        match self.database {
            Database::Seen if self.asks => {
                let litellm = Arc::clone(&self.litellm);
                self.send(REQUESTS, move |_| spend::ask(&litellm));
            }
            Database::Unseen if self.asks => self.keeper.gap(&Database::unseen()),
            _ => {}
        }
        match self.logs.take().map(JoinHandle::join) {
            Some(Ok(watch)) => {
                let logged = take(&mut self.digest).finish(watch.finish(), redactor);
                keep(&self.keeper, work, logged);
            }
            Some(Err(_)) => self.keeper.gap(&failed("the logs")),
            None => {}
        }
        let deadline = Instant::now() + LAST_WORD;
        while self.sent.iter().any(|sent| !sent.thread.is_finished()) && Instant::now() < deadline {
            pause(LOOK_EVERY);
        }
        self.keep_probe_under_way();
        let mut cpu_us = 0;
        for Sent { brings, thread } in self.sent {
            // One that still waits for the proxy ends with this process.
            if !thread.is_finished() {
                brings.late.into_iter().for_each(|weight| self.keeper.gap(&late(brings.what, weight)));
                continue;
            }
            match thread.join() {
                Ok(its_cpu_us) => cpu_us += its_cpu_us,
                Err(_) => self.keeper.gap(&failed(brings.what)),
            }
        }
        cpu_us
    }

    /// A probe that waits when the capture ends has waited at least so long.
    fn keep_probe_under_way(&self) {
        let waiting = self.pulse.health().waiting;
        if waiting < LAST_WORD {
            return;
        }
        let elapsed_us = self.litellm.epoch.elapsed_us();
        let at_us = elapsed_us.saturating_sub(waiting.as_micros() as u64);
        self.keeper.reading(&liveliness::unanswered(at_us, waiting));
    }

    fn send(&mut self, brings: Brings, watch: impl FnOnce(&Stop) + Send + 'static) {
        let stop = self.stop.clone();
        let thread = thread::spawn(move || {
            watch(&stop);
            thread_cpu_us()
        });
        self.sent.push(Sent { brings, thread });
    }
}

fn late(what: &str, weight: Weight) -> Gap {
    let why = format!("it was not there {} s after the capture's end", LAST_WORD.as_secs_f64());
    Gap { weight, ..Gap::new(what, why, "capture again, when the proxy answers faster") }
}

fn failed(what: &str) -> Gap {
    Gap::new(what, "this program failed to read it, by a mistake of its own", "report what it said when that happened")
}

/// What the logs said, where a bundle is made of it.
fn keep(keeper: &Keeper, work: &Work, logged: Logged) {
    let Logged { before, during, findings, readings, tallies, shapes, gaps } = logged;
    for (file, text) in [(BEFORE_FILE, before), (DURING_FILE, during)] {
        if let Some(text) = text {
            lay_in(work, file, text.as_str());
        }
    }
    keep_all(keeper, work::FINDINGS, &findings);
    keep_all(keeper, work::READINGS, &readings);
    keep_all(keeper, work::TALLIES, &tallies);
    keep_all(keeper, work::SHAPES, &shapes);
    keep_all(keeper, work::GAPS, &gaps);
}

fn keep_all(keeper: &Keeper, file: &str, records: &[impl Serialize]) {
    for record in records {
        keeper.keep(file, record);
    }
}

/// A file that goes into the bundle as it is. Where the work folder takes no more, the session tells of it.
fn lay_in(work: &Work, name: &str, text: &str) {
    let _ = work.write(&format!("{CLEAN}/{name}"), text.as_bytes());
}
