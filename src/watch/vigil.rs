//! One proxy while it is watched: what was found and collected of it, and the observers that read it all the time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::analyse::evidence::Happening;
use crate::collect::{self, CgroupRoot, CollectOptions, Collected};
use crate::discover::{Follower, Proxy, Role};
use crate::engines::Chosen;
use crate::error::Failure;
use crate::logs::LogWatch;
use crate::notice::Notices;
use crate::observe::door::Access;
use crate::observe::liveliness::Pulse;
use crate::observe::observers::{Observers, Scene};
use crate::observe::pace::{Probes, Tempo};
use crate::observe::spend::Database;
use crate::observe::{Epoch, Keeper, Roster};
use crate::os::proc::{ProcessId, Procfs};
use crate::plan::CapturePlan;
use crate::redact::Raw;
use crate::sample::session::StacksWanted;
use crate::target::{choose_proxy, require_permission};

/// What all vigils of a watch have in common.
pub struct Ground<'a> {
    /// How a spike is captured.
    pub capture: &'a CapturePlan,
    /// How often it is looked whether LiteLLM answers.
    pub probes: Probes,
    /// How much of the past is kept.
    pub history: Duration,
    /// Time zero of everything that is remembered.
    pub epoch: Epoch,
    /// What is remembered.
    pub keeper: Arc<Keeper>,
}

/// A proxy under watch.
pub struct Vigil {
    /// Who belongs to it, as it was last looked at.
    pub follower: Follower,
    /// With what a spike is sampled.
    pub engine: Chosen,
    /// What was collected of it.
    pub collected: Collected,
    /// The key to it, if there is one.
    pub key: Option<Raw>,
    /// Its workers of the moment.
    pub roster: Roster,
    /// Its log.
    pub log: Arc<Mutex<LogWatch>>,
    /// Those who read it.
    pub observers: Observers,
    /// Whether LiteLLM was found to listen, or never will be.
    pub can_be_asked: bool,
}

impl Vigil {
    /// Finds the proxy, tries the right to read it, and begins to observe it.
    ///
    /// # Errors
    /// Where there is none, or it may not be read, with the cure.
    pub fn begin(ground: &Ground<'_>) -> Result<Self, Failure> {
        let procfs = Procfs::default();
        let plan = ground.capture;
        // What is said while a capture is prepared is for its log; here nobody reads it.
        let notices = Notices::unheard();
        let proxy = choose_proxy(&procfs, &plan.target, &notices)?;
        if plan.orders.stacks == StacksWanted::Yes {
            require_permission(&procfs, &proxy, plan.orders.sampling)?;
        }
        let engine = Chosen::choose(&procfs, plan, &proxy, &notices)?;
        let collected = collect(&procfs, plan, &proxy);
        let access = Access::of(&procfs, &plan.observe, &proxy, &collected);
        let can_be_asked = !proxy.looks_like_litellm || access.url.is_some() || !access.listening.is_empty();
        let key = access.key.clone();
        ground.keeper.forget_gaps();
        let roster = Roster::default();
        let log = LogWatch::open(&procfs, &proxy, &plan.observe.log, ground.epoch);
        let log = Arc::new(Mutex::new(log));
        let mut observers = Observers::start(Scene {
            proxy: &proxy,
            roster: roster.clone(),
            access,
            database: Database::of(&proxy, &collected),
            epoch: ground.epoch,
            tempo: Tempo::watch(ground.probes, plan.orders.duration),
            keeper: Arc::clone(&ground.keeper),
        });
        observers.look_after(Arc::clone(&log), ground.history);
        let follower = Follower::new(procfs, proxy);
        Ok(Self { follower, engine, collected, key, roster, log, observers, can_be_asked })
    }

    /// The proxy, as it was last looked at.
    pub fn proxy(&self) -> &Proxy {
        self.follower.proxy()
    }

    /// Its workers.
    pub fn workers(&self) -> Vec<ProcessId> {
        self.proxy().workers().map(|worker| worker.id).collect()
    }

    /// Its top process, which a restart changes and a new worker does not.
    pub fn top(&self) -> Option<ProcessId> {
        self.proxy().members.first().map(|member| member.id)
    }

    /// The pid of its supervisor, where it has one.
    pub fn supervisor(&self) -> Option<i32> {
        let supervisors = self.proxy().members.iter().filter(|member| member.role == Role::Supervisor);
        supervisors.map(|member| member.id.pid).next()
    }

    /// LiteLLM's version.
    pub fn litellm_version(&self) -> Option<&Raw> {
        self.collected.fingerprint.litellm.version.as_ref()
    }

    /// How the proxy answers.
    pub fn pulse(&self) -> Arc<Pulse> {
        self.observers.pulse()
    }

    /// Looks who belongs to it; tells whether its workers are not the same any more.
    pub fn look(&mut self) -> Look {
        let before = self.workers();
        self.follower.look();
        let procfs = Procfs::default();
        let now: Vec<ProcessId> = self.workers().into_iter().filter(|id| procfs.same(*id).is_some()).collect();
        if now.is_empty() {
            return Look::Gone;
        }
        if now == before {
            return Look::Same;
        }
        self.roster.set(now.clone());
        let pids = |ids: Vec<ProcessId>, others: &[ProcessId]| -> Vec<i32> {
            ids.into_iter().filter(|id| !others.contains(id)).map(|id| id.pid).collect()
        };
        Look::Changed { gone: pids(before.clone(), &now), new: pids(now, &before) }
    }

    /// Collects again what may have changed with the workers.
    pub fn collect_again(&mut self, plan: &CapturePlan) {
        self.collected = collect(&Procfs::default(), plan, self.follower.proxy());
    }

    /// Ends the watch over it.
    pub fn end(self) {
        self.observers.dismiss();
    }
}

/// What a look at a proxy showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The same workers.
    Same,
    /// Others.
    Changed {
        /// Pids of those that ended.
        gone: Vec<i32>,
        /// Pids of those that began.
        new: Vec<i32>,
    },
    /// No worker is left.
    Gone,
}

/// Something that happened while a proxy was watched, before it is clean.
#[derive(Debug, Clone)]
pub struct RawHappening {
    /// When it was noticed, on the watch's clock.
    pub at_us: u64,
    /// What, as a sentence without its end.
    pub what: String,
    /// LiteLLM's version until then, where it is another one since.
    pub version_before: Option<Raw>,
}

impl RawHappening {
    /// For the evidence of a capture whose time zero lies at `zero_us` on the watch's clock.
    pub fn clean(&self, zero_us: u64, mut clean: impl FnMut(&Raw) -> crate::redact::Clean) -> Happening {
        Happening {
            at_us: self.at_us.saturating_sub(zero_us),
            what: clean(&Raw::new(self.what.as_str())),
            version_before: self.version_before.as_ref().map(clean),
        }
    }
}

fn collect(procfs: &Procfs, plan: &CapturePlan, proxy: &Proxy) -> Collected {
    let options = CollectOptions { config: plan.config.as_deref(), deadline: collect::DEADLINE };
    collect::collect(procfs, &CgroupRoot::default(), proxy, &options)
}
