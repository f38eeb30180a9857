//! One capture out of a watch: the same as any other, but that the past is there already, and the observers stay.

use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::analyse::evidence::Triggered;
use crate::assemble::Aside;
use crate::begin::{Beginning, Cause, Given, open_work_folder};
use crate::bundle::facts::EVIDENCE;
use crate::bundle::open::Bundle;
use crate::bundle::work::Work;
use crate::ending::{aside, keep_end, keep_redactions};
use crate::environment::{self, Own};
use crate::error::Failure;
use crate::notice::Notices;
use crate::observe::Epoch;
use crate::observe::logbook::Logbook;
use crate::os::proc::Procfs;
use crate::os::signals::Interrupts;
use crate::plan::CapturePlan;
use crate::redact::Redactor;
use crate::sample::record::Recorder;
use crate::sample::session::{Ended, Session, Subject, Until};
use crate::target::refused_failure;
use crate::watch::vigil::{Ground, RawHappening, Vigil};

/// What is to be captured of a proxy under watch.
pub struct Take<'a> {
    /// What all vigils have in common.
    pub ground: &'a Ground<'a>,
    /// How to sample, and where the bundle goes.
    pub plan: &'a CapturePlan,
    /// What this program was started with.
    pub own: &'a Own,
    /// Why.
    pub cause: TakeCause<'a>,
    /// What to hold it against.
    pub baseline: Option<Bundle>,
    /// Where steps are told.
    pub notices: &'a Notices,
    /// Whether we are to stop.
    pub interrupts: &'a Interrupts,
}

/// Why a capture is made.
#[derive(Clone, Copy)]
pub enum TakeCause<'a> {
    /// A rule fired.
    Spike(Fired<'a>),
    /// All is calm: something to hold a spike against.
    Calm,
}

/// A rule that fired, on the watch's own clock.
#[derive(Clone, Copy)]
pub struct Fired<'a> {
    /// What the evidence is to say of it, but for what happened before.
    pub trigger: &'a Triggered,
    /// The figure that goes into the file's name.
    pub figure: &'a str,
    /// What happened before.
    pub happenings: &'a [RawHappening],
}

/// What was sampled, still in its work folder.
pub struct Taken {
    /// The folder.
    pub work: Work,
    /// Who knows its secrets.
    pub redactor: Redactor,
    /// What is known beside its records.
    pub aside: Aside,
    /// How it ended.
    pub ended: Ended,
}

impl Take<'_> {
    /// Captures until `until` has seen enough, the time is over or a signal comes. `begun` hears of the work folder before
    /// the first sample.
    ///
    /// # Errors
    /// Where nothing could be sampled; then nothing is left of it.
    pub fn run<'u>(
        self,
        vigil: &mut Vigil,
        until: Box<dyn Until + 'u>,
        begun: impl FnOnce(&Work),
    ) -> Result<Taken, Failure> {
        let Self { ground, plan, own, cause, baseline, notices, interrupts } = self;
        let now_us = ground.epoch.elapsed_us();
        let starts = Timestamp::now();
        let zero_us = match cause {
            TakeCause::Spike(_) => {
                let reach_us = ground.history.as_micros() as u64;
                ground.keeper.begins_us().unwrap_or(now_us).clamp(now_us.saturating_sub(reach_us), now_us)
            }
            TakeCause::Calm => now_us,
        };
        // The wall clock may have been set since the watch began; what it says now is what the capture's times are told by.
        let back = SignedDuration::from_micros((now_us - zero_us).cast_signed());
        let epoch = Epoch {
            monotonic_us: ground.epoch.monotonic_us + zero_us,
            utc: starts.checked_sub(back).unwrap_or(starts),
        };
        let mut redactor = environment::redactor_for(&vigil.collected, own, vigil.key.as_ref());
        let trigger = match cause {
            TakeCause::Spike(fired) => Some(fired.dated(zero_us, &mut redactor)),
            TakeCause::Calm => None,
        };
        let given = Given { baseline, requests: None, repro_steps: None };
        let proxy = vigil.follower.proxy().clone();
        let beginning = Beginning {
            plan,
            proxy: &proxy,
            engine: &vigil.engine,
            collected: &vigil.collected,
            arguments: &own.arguments,
            epoch,
            given: &given,
            cause: match (&trigger, cause) {
                (Some(trigger), TakeCause::Spike(fired)) => Cause::Fired { trigger, figure: fired.figure },
                _ => Cause::Calm,
            },
        };
        let work = open_work_folder(&beginning, &mut redactor)?;
        begun(&work);
        let remembered = ground.keeper.begin_folder(work.dir(), redactor.gate(), zero_us);
        let past = thread::spawn(move || remembered.lay_in());
        let log = {
            let log = vigil.log.lock().unwrap_or_else(PoisonError::into_inner);
            let log = log.fork(epoch, now_us);
            if trigger.is_some() { log } else { log.without_past() }
        };
        let logbook = Logbook::begin(log, &work, &mut redactor);
        keep_redactions(&work, &redactor);
        let observed_us = vigil.observers.cpu_us();
        vigil.observers.begin_capture();

        let recorder = Recorder::new(&work, redactor.gate(), notices);
        let engine = vigil.engine.engine(&plan.orders, epoch);
        let subject = Subject {
            orders: &plan.orders,
            engine,
            proxy: &proxy,
            epoch,
            roster: vigil.roster.clone(),
            pulse: vigil.observers.pulse(),
            until: Some(until),
        };
        let mut ended = Session::new(subject, recorder).run(interrupts);
        vigil.observers.end_capture(logbook, starts, &work, &mut redactor);
        ended.own.observers_cpu_us = Some(vigil.observers.cpu_us().saturating_sub(observed_us));
        // What is written into the folder must be written before it is read.
        let laid = past.join();
        ground.keeper.end_folder();
        keep_redactions(&work, &redactor);
        if let (Some(refused), None) = (&ended.refused, interrupts.requested()) {
            let _ = work.remove();
            return Err(refused_failure(&Procfs::default(), refused));
        }
        let mut aside = aside(&ended, plan, notices);
        if !matches!(laid, Ok(Ok(()))) {
            aside.gaps.push(crate::collect::Gap::new(
                "what was recorded before the spike",
                "it could not be written to the work folder",
                "make room where the bundles are to stand",
            ));
        }
        if interrupts.requested().is_none() && trigger.is_some() {
            match vigil.engine.ask_witness(&work, &proxy) {
                Ok(witness) => aside.witness = witness,
                Err(gap) => aside.gaps.push(gap),
            }
        }
        keep_end(&work, &redactor.gate(), &aside);
        Ok(Taken { work, redactor, aside, ended })
    }
}

impl Fired<'_> {
    /// On the clock of a capture whose time zero lies at `zero_us` on the watch's.
    fn dated(&self, zero_us: u64, redactor: &mut Redactor) -> Triggered {
        let recent = self.happenings.iter().filter(|happening| happening.at_us >= zero_us);
        Triggered {
            at_us: self.trigger.at_us.saturating_sub(zero_us),
            since_us: self.trigger.since_us.saturating_sub(zero_us),
            happenings: recent.map(|one| one.clean(zero_us, |raw| redactor.text(EVIDENCE, raw))).collect(),
            ..self.trigger.clone()
        }
    }
}

/// How long a sampled stretch was, in seconds.
pub fn seconds_sampled(ended: &Ended) -> f64 {
    Duration::from_micros(ended.own.elapsed_us).as_secs_f64()
}
