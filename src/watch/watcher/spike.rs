//! A rule fired: what the limits say of it, the capture, and what becomes of its bundle.

use std::path::Path;

use super::Watcher;
use crate::analyse::evidence::Triggered;
use crate::assemble::assemble;
use crate::collect::Gap;
use crate::ending::why_not_assembled;
use crate::error::Failure;
use crate::notice::{Loudness, Notices};
use crate::os::usage::give_memory_back;
use crate::watch::bundled::Bundled;
use crate::watch::events::{Event, Skip};
use crate::watch::feed::UntilCalm;
use crate::watch::limits::moment::Moment;
use crate::watch::limits::{Captured, NewBundle, Permit, skip};
use crate::watch::plan::Ending;
use crate::watch::take::{Fired, Take, TakeCause};
use crate::watch::trigger::reason::{Reason, Whom};
use crate::watch::vigil::{RawHappening, Vigil};

impl Watcher<'_> {
    /// A rule fired: captures, where the limits allow it. An exit code where the watch is over then.
    pub(super) fn spike(&mut self, vigil: &mut Vigil, reason: &Reason) -> Option<u8> {
        let peak = self.feed.peak();
        let permit = match self.limits.admit(peak.unwrap_or_default(), &Moment::now()) {
            Ok(permit) => permit,
            Err(skip) => {
                self.announcer.announce(&Event::Skip(told(&skip)));
                return None;
            }
        };
        let fired = fired(reason, self.ground.epoch.elapsed_us());
        self.announcer.announce(&Event::Trigger {
            reason: fired.words.clone(),
            condition: reason.condition.word(),
            value: fired.value,
            limit: fired.limit,
            worker: fired.pid,
        });
        let captured = self.capture(vigil, &permit, &fired, &reason.figure());
        give_memory_back();
        let highest = [peak, self.feed.peak()].into_iter().flatten().reduce(f64::max);
        // To the limits a spike whose CPU is not known is no higher than any other.
        let peak = highest.unwrap_or_default();
        if self.feed.calm_for().is_some_and(|calm| calm >= self.plan.calm) {
            self.feed.end_spike();
        }
        let now = Moment::now();
        match captured {
            Ok(bundled) => {
                let captured =
                    Captured { bundle: bundled.path.clone(), bytes: bundled.bytes, peak, ended: now.clone() };
                let new = self.limits.captured(permit, captured);
                self.hand_on(&bundled, highest, &new);
                let is_over = self.plan.until == Ending::FirstCapture || self.interrupts.requested().is_some();
                is_over.then_some(bundled.exit_code)
            }
            Err(failure) => {
                self.limits.failed(permit, peak, &now);
                self.failed(&failure);
                None
            }
        }
    }

    fn capture(
        &mut self,
        vigil: &mut Vigil,
        permit: &Permit,
        fired: &Triggered,
        figure: &str,
    ) -> Result<Bundled, Failure> {
        let Self { plan, own, ground, feed, limits, calm, happenings, interrupts, .. } = self;
        let capture = &plan.capture;
        let heard = if capture.output.loudness == Loudness::Verbose { Loudness::Verbose } else { Loudness::Mute };
        let notices = Notices::new(heard);
        let baseline = calm.last();
        let has_baseline = baseline.is_some();
        let happenings: &[RawHappening] = happenings.make_contiguous();
        let take = Take {
            ground,
            plan: capture,
            own,
            cause: TakeCause::Spike(Fired { trigger: fired, figure, happenings }),
            baseline,
            notices: &notices,
            interrupts,
        };
        let until = Box::new(UntilCalm { feed, calm: plan.calm });
        let mut taken = take.run(vigil, until, |work| limits.works_in(permit, work.dir(), &Moment::now()))?;
        if !has_baseline {
            taken.aside.gaps.push(Gap::note(
                "the functions that grew",
                "no calm moment was sampled before the spike",
                "watch for longer before the next one, or give --baseline-every a shorter time",
            ));
        }
        let assembled = assemble(&taken.work, &mut taken.redactor, taken.aside)
            .map_err(|error| why_not_assembled(&taken.work, &taken.ended, error))?;
        let output = (&capture.output, &notices);
        Bundled::of((assembled, taken.work), &taken.redactor.gate(), output, interrupts.requested())
    }

    /// A bundle is told, kept and sent, and the oldest make room for it.
    pub(super) fn hand_on(&mut self, bundled: &Bundled, peak: Option<f64>, new: &NewBundle) {
        self.announcer.announce(&bundled.event(peak));
        self.deliveries.hand_on(&bundled.path);
        let pending = |path: &Path| self.deliveries.is_pending(path);
        for removed in self.limits.retain(new, &Moment::now(), &pending) {
            self.announcer.announce(&Event::Removed { path: removed.path, why: removed.why.words() });
        }
    }
}

/// What the evidence is to say of a rule that fired.
fn fired(reason: &Reason, now_us: u64) -> Triggered {
    Triggered {
        // The reading that broke the rule, and not when it was looked at: so a rehearsal tells the same moment.
        at_us: reason.to_us.min(now_us),
        since_us: reason.from_us,
        condition: reason.condition.word().to_owned(),
        value: reason.value.unwrap_or(reason.limit),
        limit: reason.limit,
        pid: match reason.whom {
            Whom::Worker { pid } => Some(pid),
            Whom::Workers | Whom::Cgroup | Whom::Proxy => None,
        },
        words: reason.words(),
        happenings: Vec::new(),
    }
}

/// A skip with its facts.
fn told(skip: &skip::Skip) -> Skip {
    let facts = match serde_json::to_value(skip) {
        Ok(serde_json::Value::Object(facts)) => facts,
        _ => serde_json::Map::new(),
    };
    let told = Skip::new(skip.code(), skip.words());
    facts.into_iter().filter(|(name, _)| name != "code").fold(told, |told, (name, value)| told.with(&name, value))
}
