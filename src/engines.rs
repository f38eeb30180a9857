//! Which engine samples this capture, and why that one.

use crate::analyse::evidence::Stacks;
use crate::bundle::manifest::Engine as Named;
use crate::bundle::work::{MANIFEST, NATIVE, Work};
use crate::collect::Gap;
use crate::discover::Proxy;
use crate::error::Failure;
use crate::notice::Notices;
use crate::observe::Epoch;
use crate::os::proc::Procfs;
use crate::permission::{Denied, forbidden};
use crate::plan::CapturePlan;
use crate::redact::{Raw, Redactor};
use crate::sample::clocks_alone::ClocksAlone;
use crate::sample::engine::{Asked, DEFAULT, Engine};
use crate::sample::native::engine::NativeEngine;
use crate::sample::native::record::NativeSlice;
use crate::sample::native::witness::{Agreement, Witness, compare};
use crate::sample::native::worker::NativeWorker;
use crate::sample::pyspy::{PySpy, PySpyEngine, Sampling, dump};
use crate::sample::session::{Orders, StacksWanted};
use crate::target::find_py_spy;

/// With what the workers are sampled.
#[derive(Debug)]
pub enum Means {
    /// By this py-spy.
    PySpy(PySpy),
    /// By this program, with a py-spy to hold it against where there is one.
    Native {
        /// The witness.
        witness: Option<PySpy>,
    },
    /// By nothing: the kernel's clocks are read alone.
    Nothing {
        /// What would keep a sampler away, as far as it can be told without trying.
        forbidden: Option<Denied>,
    },
}

/// The choice.
#[derive(Debug)]
pub struct Chosen {
    /// With what.
    pub means: Means,
    /// Why with that.
    why: String,
}

/// A worker that the native engine cannot read.
#[derive(Debug)]
pub struct Refusal {
    /// The worker.
    pub pid: i32,
    /// Why not.
    pub why: String,
}

impl Chosen {
    /// Tries what was asked for on every worker.
    ///
    /// # Errors
    /// When the engine that was asked for cannot be had, or none can.
    pub fn choose(procfs: &Procfs, plan: &CapturePlan, proxy: &Proxy, notices: &Notices) -> Result<Self, Failure> {
        if plan.orders.stacks == StacksWanted::No {
            let mut pids = proxy.workers().map(|worker| worker.id.pid);
            let forbidden = pids.find_map(|pid| forbidden(procfs, pid));
            return Ok(Self { means: Means::Nothing { forbidden }, why: "--without-stacks".to_owned() });
        }
        let py_spy = || find_py_spy(procfs, plan.py_spy.as_deref(), proxy, notices);
        let asked = plan.engine.unwrap_or(DEFAULT);
        if asked == Asked::PySpy {
            let why = if plan.engine.is_some() { "asked for" } else { "the default" };
            return Ok(Self { means: Means::PySpy(py_spy()?), why: why.to_owned() });
        }
        match (asked, natively(procfs, plan.orders.sampling, proxy)) {
            (_, Ok(workers)) => {
                // One that was named is meant to be used.
                let witness = if plan.py_spy.is_some() { Some(py_spy()?) } else { py_spy().ok() };
                let plural = if workers == 1 { "worker" } else { "workers" };
                let why = format!("self-check passed on {workers} {plural}");
                notices.detail(format!("native engine: {why}"));
                Ok(Self { means: Means::Native { witness }, why })
            }
            (Asked::Native, Err(Refusal { pid, why })) => Err(Failure::NativeRefused { pid, why }),
            (_, Err(Refusal { pid, why })) => {
                let why = format!("the native engine cannot read worker {pid}: {why}");
                notices.say(format!("sampling with py-spy: {why}"));
                Ok(Self { means: Means::PySpy(py_spy()?), why })
            }
        }
    }

    /// The engine, without any worker yet.
    pub fn engine<'a>(&'a self, orders: &'a Orders, epoch: Epoch) -> Box<dyn Engine + 'a> {
        match &self.means {
            Means::PySpy(py_spy) => Box::new(PySpyEngine::new(orders, py_spy, epoch.monotonic_us)),
            Means::Native { .. } => Box::new(NativeEngine::new(orders)),
            Means::Nothing { .. } => Box::<ClocksAlone>::default(),
        }
    }

    /// After the last sample: the native engine's witness is asked, and its word kept, or why there is none.
    pub fn ask_witness(&self, work: &Work, proxy: &Proxy) -> Result<Option<Witness>, Gap> {
        let Means::Native { witness } = &self.means else { return Ok(None) };
        let missing = |why: String| {
            Gap::note("a second engine's word on the stacks", why, "put py-spy beside this program: pip install py-spy")
        };
        let Some(py_spy) = witness else { return Err(missing("no py-spy was found".to_owned())) };
        let slices: Vec<NativeSlice> = work.records(NATIVE).map_err(|error| missing(error.to_string()))?;
        let mut agreement = Agreement::default();
        let mut failed = None;
        for worker in proxy.workers() {
            match dump(py_spy, worker.id.pid) {
                Ok(threads) => compare(&slices, worker.id, &threads, &mut agreement),
                Err(error) => failed = Some(error.to_string()),
            }
        }
        match (agreement.of("py-spy", &py_spy.version), failed) {
            (Some(witness), _) => Ok(Some(witness)),
            (None, Some(why)) => Err(missing(why)),
            (None, None) => Ok(None),
        }
    }

    /// For the evidence.
    pub fn stacks(&self) -> Stacks {
        let Means::Nothing { forbidden } = &self.means else { return Stacks::Taken };
        Stacks::LeftOut {
            because: match forbidden {
                None => "they were left out by --without-stacks".to_owned(),
                Some(Denied { rule, .. }) => {
                    format!("they were left out by --without-stacks, and a worker could not have been read: {rule}")
                }
            },
        }
    }

    /// What is missing where there are no stacks.
    pub fn gap(&self) -> Option<Gap> {
        let Means::Nothing { forbidden } = &self.means else { return None };
        let why = self.stacks().missing().unwrap_or_default().to_owned();
        let cure = match forbidden {
            None => "capture without --without-stacks".to_owned(),
            Some(Denied { cure, .. }) => cure.clone(),
        };
        Some(Gap::new("stacks, and with them flamegraphs and functions", why, cure))
    }

    /// Its name; none where no stacks are taken.
    pub fn word(&self) -> Option<&'static str> {
        match &self.means {
            Means::PySpy(_) => Some("py-spy"),
            Means::Native { .. } => Some("native"),
            Means::Nothing { .. } => None,
        }
    }

    /// For the manifest.
    pub fn named(&self, redactor: &mut Redactor) -> Named {
        let why = Some(redactor.text(MANIFEST, &Raw::new(self.why.as_str())));
        match &self.means {
            Means::PySpy(py_spy) => {
                Named { name: "py-spy".to_owned(), version: py_spy.version.clone(), found: Some(py_spy.found), why }
            }
            Means::Native { .. } => {
                Named { name: "native".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), found: None, why }
            }
            Means::Nothing { .. } => {
                Named { name: "none".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), found: None, why }
            }
        }
    }
}

/// How many workers the native engine can read, or why it cannot read one of them.
pub fn natively(procfs: &Procfs, sampling: Sampling, proxy: &Proxy) -> Result<usize, Refusal> {
    let mut passed = 0;
    for worker in proxy.workers() {
        let refusal = |why: String| Refusal { pid: worker.id.pid, why };
        if sampling == Sampling::Blocking {
            return Err(refusal("it stops no worker, and --blocking was asked for".to_owned()));
        }
        match NativeWorker::attach(procfs, worker.id, 0).and_then(|mut worker| worker.self_check()) {
            Ok(()) => passed += 1,
            // One that ended meanwhile says nothing of the others.
            Err(_) if procfs.same(worker.id).is_none() => {}
            Err(why) => return Err(refusal(why.to_string())),
        }
    }
    Ok(passed)
}
