//! The watch itself: it waits for a proxy, watches over it, captures, and goes on.

mod spike;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::after::{Deliveries, Limits as UploadLimits, Office, Pace};
use super::announcer::Announcer;
use super::bundled::Bundled;
use super::calm::CalmMoments;
use super::endpoint::Endpoint;
use super::events::Event;
use super::feed::Feed;
use super::limits::Limits;
use super::limits::leftovers::Leftovers;
use super::limits::moment::Moment;
use super::metrics::Metrics;
use super::plan::WatchPlan;
use super::trigger::capacity::Capacity;
use super::trigger::{Judgement, Trigger};
use super::vigil::{Ground, Look, RawHappening, Vigil};
use crate::environment::{self, Own};
use crate::error::Failure;
use crate::notice::Notices;
use crate::observe::pace::Probes;
use crate::observe::{Epoch, Keeper};
use crate::os::clock::pause;
use crate::os::proc::ProcessId;
use crate::os::signals::{Interrupt, Interrupts};
use crate::os::usage::give_memory_back;
use crate::pack::{Left, assemble_left};
use crate::redact::Raw;

/// From one round to the next.
const ROUND: Duration = Duration::from_secs(1);
/// How often a proxy is looked for where there is none.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A proxy that does not listen yet is found anew after so long,
const BEGIN_AGAIN_AFTER: Duration = Duration::from_secs(15);
/// and so often at most: LiteLLM listens within a minute of its start, or never.
const MOST_BEGINNINGS: u32 = 12;
/// What happened to the proxy in the time that is remembered; one that restarts again and again says the same each time.
const MOST_HAPPENINGS: usize = 50;

/// A watch at work.
pub struct Watcher<'a> {
    plan: &'a WatchPlan,
    own: &'a Own,
    ground: Ground<'a>,
    feed: Feed,
    limits: Limits,
    announcer: Announcer,
    deliveries: Deliveries,
    calm: CalmMoments,
    happenings: VecDeque<RawHappening>,
    interrupts: Interrupts,
    /// LiteLLM's version when it was last seen.
    version: Option<Raw>,
    /// The top process of the proxy that was watched last; none where none ever was.
    watched: Option<ProcessId>,
    /// What was told of the proxy that is watched.
    greeting: Option<Event>,
    _endpoint: Option<Endpoint>,
}

/// Why a vigil is over.
enum Over {
    /// Its proxy is gone.
    Gone,
    /// It is to be begun anew: the proxy did not listen yet.
    BeginAgain,
    /// The watch is over, with this exit code.
    Watch(u8, &'static str),
}

impl<'a> Watcher<'a> {
    /// Opens everything that a watch needs but a proxy.
    ///
    /// # Errors
    /// Where the limits cannot be remembered, or the endpoint's address is taken.
    pub fn prepare(plan: &'a WatchPlan, own: &'a Own) -> Result<Self, Failure> {
        let interrupts = Interrupts::install().context("signals")?;
        let output = &plan.capture.output;
        let metrics = Arc::new(Metrics::default());
        let announcer = Announcer::new(output.result, output.loudness, Arc::clone(&metrics));
        let endpoint = plan.after.metrics_listen.map(|address| Endpoint::listen(address, metrics)).transpose()?;
        let warned = announcer.clone();
        let warn = move |what: String| {
            warned.announce(&Event::Error { what, cure: "see the folder of the limits".to_owned() });
        };
        let limits = Limits::open(plan.limits.clone(), &Moment::now(), Box::new(warn))?;
        let epoch = Epoch::now();
        let keeper = Arc::new(Keeper::remembering(plan.history));
        let probes = if plan.rules.liveliness.is_some() { Probes::Close } else { Probes::Wide };
        let office = Office {
            announcer: announcer.clone(),
            redactor: environment::redactor_for_kept(own),
            state: plan.limits.state_dir.clone(),
            limits: UploadLimits::default(),
            pace: Pace::default(),
        };
        let deliveries = Deliveries::begin(&plan.after, office).context("a thread")?;
        let trigger = Trigger::new(plan.rules.clone(), Capacity::default());
        Ok(Self {
            feed: Feed::new(trigger, Arc::clone(&keeper), epoch),
            ground: Ground { capture: &plan.capture, probes, history: plan.history, epoch, keeper },
            calm: CalmMoments::new(plan.baseline_every, &plan.capture, &plan.limits.state_dir),
            limits,
            announcer,
            deliveries,
            happenings: VecDeque::new(),
            interrupts,
            version: None,
            watched: None,
            greeting: None,
            _endpoint: endpoint,
            plan,
            own,
        })
    }

    /// Watches until it is told to stop.
    ///
    /// # Errors
    /// Where the proxy that is there at first may not be read.
    pub fn run(mut self) -> Result<u8, Failure> {
        self.announcer.announce(&Event::Started {
            version: env!("CARGO_PKG_VERSION"),
            folder: self.plan.folder.clone(),
            rules: self.plan.rules.in_words(),
        });
        self.pack_leftovers();
        let mut beginnings = 0;
        let (code, why) = loop {
            let Some(vigil) = self.wait_for_proxy()? else { break self.told_to_stop() };
            match self.watch_over(vigil, beginnings < MOST_BEGINNINGS)? {
                Over::Gone => beginnings = 0,
                Over::BeginAgain => beginnings += 1,
                Over::Watch(code, why) => break (code, why),
            }
        };
        self.deliveries.finish();
        self.announcer.announce(&Event::Ended { why: why.to_owned() });
        Ok(code)
    }

    fn told_to_stop(&self) -> (u8, &'static str) {
        let interrupt = self.interrupts.requested().unwrap_or(Interrupt::Term);
        (interrupt.exit_code(), interrupt.name())
    }

    /// The proxy, as soon as there is one; none where we are to stop before.
    fn wait_for_proxy(&mut self) -> Result<Option<Vigil>, Failure> {
        let mut told = None;
        loop {
            if self.interrupts.requested().is_some() {
                return Ok(None);
            }
            let failure = match Vigil::begin(&self.ground) {
                Ok(vigil) => return Ok(Some(vigil)),
                Err(failure) => failure,
            };
            let is_absent = matches!(failure, Failure::NoWorker { .. });
            // What a person named, and what is not permitted, does not change by waiting.
            if self.watched.is_none() && (!is_absent || !self.plan.capture.target.pids.is_empty()) {
                return Err(failure);
            }
            let why = failure.to_string();
            if told.as_ref() != Some(&why) {
                self.announcer.announce(&if is_absent {
                    Event::Waiting { why: why.clone() }
                } else {
                    Event::Error { what: why.clone(), cure: failure.cure().unwrap_or_default() }
                });
                told = Some(why);
                self.greeting = None;
            }
            pause(LOOK_EVERY);
        }
    }

    /// Watches over one proxy until it is gone or the watch is over.
    fn watch_over(&mut self, mut vigil: Vigil, may_begin_again: bool) -> Result<Over, Failure> {
        self.greet(&vigil);
        let begun = Instant::now();
        let mut next = begun + ROUND;
        let over = loop {
            pause(next.saturating_duration_since(Instant::now()));
            if self.interrupts.requested().is_some() {
                let (code, why) = self.told_to_stop();
                break Over::Watch(code, why);
            }
            let now = Instant::now();
            if now < next {
                continue;
            }
            next = (next + ROUND).max(now);
            if self.look_at(&mut vigil) == Look::Gone {
                break Over::Gone;
            }
            if !vigil.can_be_asked && may_begin_again && begun.elapsed() >= BEGIN_AGAIN_AFTER {
                break Over::BeginAgain;
            }
            if let Some(code) = self.round(&mut vigil) {
                break match self.interrupts.requested() {
                    Some(_) => {
                        let (code, why) = self.told_to_stop();
                        Over::Watch(code, why)
                    }
                    None => Over::Watch(code, "the first capture was made (--once)"),
                };
            }
        };
        vigil.end();
        if matches!(over, Over::Gone) {
            self.say_gone()?;
        }
        Ok(over)
    }

    /// One second of it; an exit code where the watch is over.
    fn round(&mut self, vigil: &mut Vigil) -> Option<u8> {
        match self.feed.judge() {
            Judgement::Hot { reason, .. } => self.spike(vigil, &reason),
            Judgement::Calm => {
                let calm_for = self.feed.calm_for();
                if calm_for.is_some_and(|calm| calm >= self.plan.calm) {
                    self.feed.end_spike();
                }
                if self.calm.is_due(self.ground.epoch.elapsed_us(), calm_for) {
                    self.sample_calm(vigil);
                }
                None
            }
            Judgement::Unknown => None,
        }
    }

    fn greet(&mut self, vigil: &Vigil) {
        let print = &vigil.collected.fingerprint;
        let capacity = Capacity {
            quota_cores: print.cgroup.cpu_quota_cores,
            cpus: print.host.cpus_allowed.or(print.host.cpus_online),
        };
        self.feed.turn_to(vigil.roster.clone(), vigil.pulse(), capacity);
        self.calm.wait_from(self.ground.epoch.elapsed_us());
        let version = vigil.litellm_version().cloned();
        // A proxy that is only looked at anew, since it did not listen yet, was not started again.
        let top = vigil.top();
        if self.watched.is_some() && self.watched != top {
            let shown = |version: &Option<Raw>| {
                version.as_ref().map_or("of unknown version", |version| version.expose()).to_owned()
            };
            let (before, now) = (shown(&self.version), shown(&version));
            if before == now {
                self.happened(format!("LiteLLM {now} was started again"), None);
            } else {
                self.happened(format!("LiteLLM {before} became {now}"), self.version.clone());
            }
        }
        self.watched = top;
        let watching = Event::Watching {
            supervisor: vigil.supervisor(),
            workers: vigil.workers().iter().map(|id| id.pid).collect(),
            litellm_version: version.as_ref().map(|version| version.expose().to_owned()),
            engine: vigil.engine.word().map(str::to_owned),
        };
        if self.greeting.as_ref() != Some(&watching) {
            self.announcer.announce(&watching);
            self.greeting = Some(watching);
        }
        self.version = version;
    }

    fn look_at(&mut self, vigil: &mut Vigil) -> Look {
        let look = vigil.look();
        if let Look::Changed { gone, new } = &look {
            let pids = |pids: &[i32]| pids.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
            let what = match (gone.as_slice(), new.as_slice()) {
                (gone, []) => format!("worker {} ended", pids(gone)),
                ([], new) => format!("worker {} began", pids(new)),
                (gone, new) => format!("worker {} ended and worker {} began", pids(gone), pids(new)),
            };
            self.happened(what, None);
            vigil.collect_again(&self.plan.capture);
        }
        look
    }

    fn happened(&mut self, what: String, version_before: Option<Raw>) {
        self.announcer.announce(&Event::Changed { what: what.clone() });
        let at_us = self.ground.epoch.elapsed_us();
        let oldest_us = at_us.saturating_sub(self.plan.history.as_micros() as u64);
        self.happenings.retain(|happening| happening.at_us >= oldest_us);
        if self.happenings.len() >= MOST_HAPPENINGS {
            self.happenings.pop_front();
        }
        self.happenings.push_back(RawHappening { at_us, what, version_before });
    }

    fn say_gone(&mut self) -> Result<(), Failure> {
        if let [pid, ..] = self.plan.capture.target.pids[..] {
            return Err(Failure::NoWorker {
                what: format!("process {pid}, which was to be watched, has ended"),
                cure: "leave --pid out: then LiteLLM is found again after a restart".to_owned(),
            });
        }
        self.happened("all workers ended".to_owned(), None);
        Ok(())
    }

    fn sample_calm(&mut self, vigil: &mut Vigil) {
        let sampled = self.calm.sample(&self.ground, (vigil, &mut self.feed), self.own, &self.interrupts);
        give_memory_back();
        match sampled {
            Ok(Some(sampled)) => {
                self.announcer.announce(&Event::Baseline { seconds: sampled.seconds, samples: sampled.samples });
            }
            Ok(None) => {}
            Err(failure) => self.failed(&failure),
        }
    }

    /// What was killed in the middle of a capture becomes a bundle now.
    fn pack_leftovers(&mut self) {
        let Leftovers { ours, others } = self.limits.leftovers(&Moment::now());
        for dir in ours {
            let notices = Notices::unheard();
            let packed = assemble_left(&dir, self.own, &notices).and_then(|left| {
                let Left { work, redactor, assembled } = left;
                Bundled::of((assembled, work), &redactor.gate(), (&self.plan.capture.output, &notices), None)
            });
            match packed {
                Ok(bundled) => {
                    let new = self.limits.packed(&dir, &bundled.path, bundled.bytes, &Moment::now());
                    self.hand_on(&bundled, None, &new);
                }
                Err(failure) => self.failed(&failure),
            }
        }
        for dir in others {
            self.announcer.announce(&Event::Error {
                what: format!("{} was left by a capture that was killed", dir.display()),
                cure: format!("capture pack {} makes a bundle of it", dir.display()),
            });
        }
    }

    fn failed(&self, failure: &Failure) {
        let cure = failure.cure().unwrap_or_default();
        self.announcer.announce(&Event::Error { what: failure.to_string(), cure });
    }
}
