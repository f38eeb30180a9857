//! All observers, each on a thread of its own: from before a capture's first sample to after its last, or for as long as a
//! proxy is watched.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::bundle::work::Work;
use crate::collect::{Gap, Weight};
use crate::discover::Proxy;
use crate::logs::LogWatch;
use crate::observe::door::{Access, Door};
use crate::observe::liveliness::{self, Pulse};
use crate::observe::logbook::Logbook;
use crate::observe::pace::Tempo;
use crate::observe::spend::{self, Database};
use crate::observe::{Epoch, Keeper, LiteLlm, Readings, Roster, Stop, metrics};
use crate::os::cgroup::CgroupRoot;
use crate::os::clock::pause;
use crate::os::proc::Procfs;
use crate::os::usage::{cpu_us_of_thread, thread_cpu_us, thread_id};
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
    /// Time zero.
    pub epoch: Epoch,
    /// How often LiteLLM is asked.
    pub tempo: Tempo,
    /// Where everything read goes.
    pub keeper: Arc<Keeper>,
}

/// The observers at work.
#[derive(Debug)]
pub struct Observers {
    stop: Stop,
    pulse: Arc<Pulse>,
    litellm: Arc<LiteLlm>,
    /// Whether there is a LiteLLM to be asked; any other program is only looked at.
    asks: bool,
    database: Database,
    sent: Vec<Sent>,
}

/// An observer on its thread, which tells its CPU time in microseconds when it ends.
#[derive(Debug)]
struct Sent {
    brings: Brings,
    thread: JoinHandle<u64>,
    /// The thread's own number, as soon as it is known.
    tid: Arc<AtomicI32>,
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
const LOG_SIZES: Brings = Brings { what: "the log's growth over time", late: None };
const REQUESTS: Brings = Brings { what: "the last requests, from LiteLLM's spend logs", late: Some(Weight::Note) };

impl Observers {
    /// Sends them out.
    pub fn start(scene: Scene<'_>) -> Self {
        let procfs = Procfs::default();
        scene.roster.set(scene.proxy.workers().map(|worker| worker.id).collect());
        let asks = scene.proxy.looks_like_litellm || scene.access.url.is_some();
        let litellm = Arc::new(LiteLlm {
            door: Door::find(&scene.access),
            procfs: procfs.clone(),
            roster: scene.roster.clone(),
            epoch: scene.epoch,
            tempo: scene.tempo,
            keeper: Arc::clone(&scene.keeper),
            readings: AtomicU64::new(0),
        });
        let readings = Readings {
            procfs,
            cgroups: CgroupRoot::default(),
            roster: scene.roster,
            epoch: scene.epoch,
            keeper: scene.keeper,
        };
        let (stop, pulse) = (Stop::default(), Arc::new(Pulse::default()));
        let mut observers = Self { stop, pulse, litellm, asks, database: scene.database, sent: Vec::new() };
        if observers.asks {
            observers.watch_litellm();
        }
        observers.send(FIGURES, move |stop| readings.run(stop));
        observers
    }

    /// Looks after a log of which captures fork off what they need.
    pub fn look_after(&mut self, log: Arc<Mutex<LogWatch>>, reach: Duration) {
        self.send(LOG_SIZES, move |stop| LogWatch::look_after(&log, reach, stop));
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

    /// A spike is captured from now on: everything is read as often as a capture wants it, and the counters at once.
    pub fn begin_capture(&self) {
        self.litellm.tempo.set_capturing(true);
        self.stop.nudge();
    }

    /// The capture that began at `began` has sampled its last. Everything is read once more, and the observers go on as
    /// before.
    pub fn end_capture(&mut self, logbook: Logbook, began: Timestamp, work: &Work, redactor: &mut Redactor) {
        let readings = self.litellm.readings.load(Ordering::Relaxed);
        self.stop.nudge();
        self.ask_for_requests(began);
        logbook.finish(&self.litellm.keeper, work, redactor);
        let is_asked = |sent: &Sent| sent.brings.what == REQUESTS.what;
        let reads = self.sent.iter().any(|sent| sent.brings.what == METRICS.what && !sent.thread.is_finished());
        let deadline = Instant::now() + LAST_WORD;
        let waits = |observers: &Self| {
            let asked = observers.sent.iter().any(|sent| is_asked(sent) && !sent.thread.is_finished());
            asked || (reads && observers.litellm.readings.load(Ordering::Relaxed) == readings)
        };
        while waits(self) && Instant::now() < deadline {
            pause(LOOK_EVERY);
        }
        self.keep_probe_under_way();
        for sent in self.sent.extract_if(.., |sent| is_asked(sent)) {
            if !sent.thread.is_finished() {
                self.litellm.keeper.gap_of_capture(&late(REQUESTS.what, Weight::Note));
            }
        }
        self.litellm.tempo.set_capturing(false);
    }

    /// The CPU time that they took so far, in microseconds; of those that have not begun yet, nothing.
    pub fn cpu_us(&self) -> u64 {
        self.sent.iter().filter_map(|sent| cpu_us_of_thread(sent.tid.load(Ordering::Relaxed))).sum()
    }

    /// Calls them back for good, and waits for none: one that waits for the proxy ends when the wait does.
    pub fn dismiss(self) {
        self.stop.set();
    }

    /// Calls them back: every one makes its last reading, and none is waited for longer than a moment, since the proxy
    /// may not answer. Tells the CPU time that they took while they watched, in microseconds.
    pub fn finish(mut self, logbook: Logbook, work: &Work, redactor: &mut Redactor) -> u64 {
        self.stop.set();
        self.ask_for_requests(self.litellm.epoch.utc);
        let keeper = Arc::clone(&self.litellm.keeper);
        logbook.finish(&keeper, work, redactor);
        let deadline = Instant::now() + LAST_WORD;
        while self.sent.iter().any(|sent| !sent.thread.is_finished()) && Instant::now() < deadline {
            pause(LOOK_EVERY);
        }
        self.keep_probe_under_way();
        let mut cpu_us = 0;
        for Sent { brings, thread, .. } in self.sent {
            // One that still waits for the proxy ends with this process.
            if !thread.is_finished() {
                brings.late.into_iter().for_each(|weight| keeper.gap(&late(brings.what, weight)));
                continue;
            }
            match thread.join() {
                Ok(its_cpu_us) => cpu_us += its_cpu_us,
                Err(_) => keeper.gap(&failed(brings.what)),
            }
        }
        cpu_us
    }

    fn ask_for_requests(&mut self, began: Timestamp) {
        match self.database {
            Database::Seen if self.asks => {
                let litellm = Arc::clone(&self.litellm);
                self.send(REQUESTS, move |_| spend::ask(&litellm, began));
            }
            Database::Unseen if self.asks => self.litellm.keeper.gap_of_capture(&Database::unseen()),
            _ => {}
        }
    }

    /// A probe that waits when the capture ends has waited at least so long.
    fn keep_probe_under_way(&self) {
        let waiting = self.pulse.health().waiting;
        if waiting < LAST_WORD {
            return;
        }
        let elapsed_us = self.litellm.epoch.elapsed_us();
        let at_us = elapsed_us.saturating_sub(waiting.as_micros() as u64);
        self.litellm.keeper.reading(&liveliness::unanswered(at_us, waiting));
    }

    fn send(&mut self, brings: Brings, watch: impl FnOnce(&Stop) + Send + 'static) {
        let stop = self.stop.clone();
        let tid = Arc::new(AtomicI32::new(0));
        let told = Arc::clone(&tid);
        let thread = thread::spawn(move || {
            told.store(thread_id(), Ordering::Relaxed);
            watch(&stop);
            thread_cpu_us()
        });
        self.sent.push(Sent { brings, thread, tid });
    }
}

fn late(what: &str, weight: Weight) -> Gap {
    let why = format!("it was not there {} s after the capture's end", LAST_WORD.as_secs_f64());
    Gap { weight, ..Gap::new(what, why, "capture again, when the proxy answers faster") }
}

fn failed(what: &str) -> Gap {
    Gap::new(what, "this program failed to read it, by a mistake of its own", "report what it said when that happened")
}
