//! LiteLLM's pods captured from outside: kubectl and nothing else talks to the cluster, so that every way to log in works.
//!
//! [`run`] is the order of things: [`pods`] says who is meant, [`session`] takes one pod from a look into it ([`survey`])
//! over the most harmless way in ([`way`], [`debug`]) to its bundle, to which [`evidence`] adds what only the cluster
//! knows, cleaned by [`clean`] and judged again by [`enrich`]. All pods go at once, each with a deadline of its own.
//!
//! In a pod the capture runs in the pod's own cgroup, and it runs *attended*: it ends by itself when its standard input
//! does, since the kubelet leaves what kubectl started running when kubectl is gone.

mod clean;
mod debug;
mod enrich;
mod evidence;
mod kubectl;
mod object;
mod payload;
mod plan;
mod pods;
mod refusal;
mod session;
mod survey;
mod told;
mod way;

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Context;

use self::kubectl::Kubectl;
use self::payload::Payload;
pub use self::plan::K8sPlan;
use self::plan::Rehearsal;
use self::pods::{Chosen, Found, LeftOut};
use self::refusal::Refusal;
use self::session::{Home, Missing, Mission, Ran};
use self::told::Results;
use crate::environment::Own;
use crate::error::{Failure, exit};
use crate::notice::Notices;
use crate::os::piped::Wish;
use crate::os::signals::{Interrupt, Interrupts};

/// Each takes the memory of a bundle or two.
const MOST_FINISHERS: usize = 4;

/// What a thread of a pod says.
enum Word {
    /// A step.
    Step(String, String),
    /// The end.
    End(String, Result<Home, Missing>),
}

/// `capture k8s`: the bundles of all pods, and one over them where there are several.
///
/// # Errors
/// When there is no bundle at all.
pub fn run(plan: &K8sPlan, own: &Own) -> Result<u8, Failure> {
    let notices = Notices::new(plan.output.loudness);
    let interrupts = Interrupts::install().context("signals")?;
    let kubectl = Kubectl::new(plan.context.as_deref(), plan.namespace.as_deref());
    let mut wish = || if interrupts.requested().is_some() { Wish::Abandon } else { Wish::GoOn };
    let Found { mut chosen, left_out } =
        pods::find(&kubectl, &plan.wanted, &mut wish).map_err(|refusal| Failure::from(&refusal))?;
    told::left_out(&notices, &left_out);
    if chosen.is_empty() {
        return Err(told::nobody(plan, &left_out));
    }
    if let Some(most) = plan.sample {
        hottest(&kubectl, &mut chosen, most, &mut wish);
    }
    let payload = Payload::load(plan.binary.as_deref()).map_err(|error| error.to_string());
    let payload = payload.as_ref().map_err(String::as_str);
    if plan.rehearsal == Rehearsal::DryRun {
        told::rehearse(plan, &chosen, payload, &kubectl, &mut wish)?;
        return Ok(exit::COMPLETE);
    }
    told::intent(&notices, plan, &chosen, payload);
    let mission = Mission { plan, kubectl: &kubectl, payload, interrupts: &interrupts, own: &own.variables };
    let results = all_at_once(&mission, chosen, &notices).with(left_out);
    let exit_code = told::results(plan, &notices, &results, own)?;
    Ok(interrupts.requested().map_or(exit_code, Interrupt::exit_code))
}

/// Every pod on a thread of its own, so many at a time. What they bring home is finished by few: that takes CPU and
/// memory here, and there may be hundreds.
fn all_at_once(mission: &Mission<'_>, chosen: Vec<Chosen>, notices: &Notices) -> Results {
    let threads = mission.plan.parallel.min(chosen.len());
    let finishers = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_FINISHERS);
    let queue = Mutex::new(VecDeque::from(chosen));
    let (speaks, hears) = channel();
    let (brings, brought) = channel();
    let brought = Mutex::new(brought);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (speaks, brings, queue) = (speaks.clone(), brings.clone(), &queue);
            scope.spawn(move || capture_next(mission, queue, &speaks, &brings));
        }
        for _ in 0..finishers {
            let (speaks, brought) = (speaks.clone(), &brought);
            scope.spawn(move || finish_next(mission, brought, &speaks));
        }
        drop((speaks, brings));
        let mut results = Results::default();
        for word in hears {
            match word {
                Word::Step(pod, step) => notices.say(format!("{pod}: {step}")),
                Word::End(pod, Ok(home)) => results.home.push((pod, home)),
                Word::End(pod, Err(missing)) => {
                    notices.warn(format!("{pod}: {}", missing.why));
                    results.missing.push((pod, missing));
                }
            }
        }
        results.sorted()
    })
}

fn capture_next(
    mission: &Mission<'_>,
    queue: &Mutex<VecDeque<Chosen>>,
    speaks: &Sender<Word>,
    brings: &Sender<(Chosen, Ran)>,
) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(chosen) = next else { return };
        let pod = chosen.pod.metadata.name.clone();
        let result = if mission.interrupts.requested().is_some() {
            Err(Missing::from(Refusal::Abandoned))
        } else {
            session::capture(mission, &chosen, &mut steps(&pod, speaks))
        };
        // Those who hear are there until all who speak are gone.
        let _ = match result {
            Ok(ran) => brings.send((chosen, ran)).map_err(|_| ()),
            Err(missing) => speaks.send(Word::End(pod, Err(missing))).map_err(|_| ()),
        };
    }
}

fn finish_next(mission: &Mission<'_>, brought: &Mutex<Receiver<(Chosen, Ran)>>, speaks: &Sender<Word>) {
    loop {
        let next = brought.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((chosen, ran)) = next else { return };
        let pod = chosen.pod.metadata.name.clone();
        let result = session::finish(mission, &chosen.pod, ran, &mut steps(&pod, speaks));
        let _ = speaks.send(Word::End(pod, result));
    }
}

fn steps(pod: &str, speaks: &Sender<Word>) -> impl FnMut(&str) {
    move |step: &str| {
        let _ = speaks.send(Word::Step(pod.to_owned(), step.to_owned()));
    }
}

/// Keeps the pods that use most CPU by the cluster's metrics; the first ones by name where there are none.
fn hottest(kubectl: &Kubectl, chosen: &mut Vec<Chosen>, most: usize, wish: &mut dyn FnMut() -> Wish) {
    let table = kubectl.bytes(&["top", "pods", "--no-headers"], wish).unwrap_or_default();
    let table = String::from_utf8_lossy(&table).into_owned();
    let millicores = |pod: &Chosen| {
        let row = table.lines().find(|line| line.split_whitespace().next() == Some(&pod.pod.metadata.name));
        let cell = row.and_then(|row| row.split_whitespace().nth(1)).unwrap_or_default();
        cell.trim_end_matches('m').parse::<u64>().unwrap_or_default()
    };
    chosen.sort_by_key(|pod| std::cmp::Reverse(millicores(pod)));
    chosen.truncate(most);
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NotFound(_) => Self::NoWorker { what: refusal.why(), cure: refusal.cure() },
            _ => Self::Cluster { what: refusal.why(), cure: refusal.cure() },
        }
    }
}

impl Results {
    fn with(mut self, left_out: Vec<LeftOut>) -> Self {
        let as_missing = |LeftOut { pod, why, cure }| (pod, Missing::new(why, cure));
        self.missing.extend(left_out.into_iter().map(as_missing));
        self.sorted()
    }
}
