//! Whether LiteLLM's event loop answers, and how fast: one probe of `/health/liveliness` a second, as a load balancer
//! makes them. The answer needs no database and no key, so that its time is the time for which the loop was busy.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::collect::Gap;
use crate::observe::door::{Auth, Door};
use crate::observe::http::{Failure, Limits};
use crate::observe::{LiteLlm, Stop};
use crate::series::{Reading, column, table};

/// A probe of Kubernetes' has one second by default and LiteLLM's chart gives it five.
const LIMITS: Limits = Limits { deadline: Duration::from_secs(5), bytes: 64 * 1024 };

/// A proxy that can be asked for more than a sign of life gives that one within so long.
const AT_ONCE: Limits = Limits { deadline: Duration::from_millis(500), ..LIMITS };

/// Nobody listens: after so many attempts without one answer the address is wrong. To a watch of weeks it is a proxy
/// that is not there yet.
const MOST_REFUSED: u32 = 3;

const PATH: &str = "/health/liveliness";

const WHAT: &str = "answers of /health/liveliness";

/// The state of the proxy, for the session to look at while probes are made.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answered: u64,
    failed_in_a_row: u32,
    sent: Option<Instant>,
}

/// How the proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Good answers so far. Above zero before the sampling begins: the proxy was well then.
    pub answered: u64,
    /// Probes that failed since the last good answer.
    pub failed_in_a_row: u32,
    /// For how long the probe under way has been waiting; zero between two probes.
    pub waiting: Duration,
}

impl Pulse {
    /// How it does now.
    pub fn health(&self) -> Health {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Health {
            answered: state.answered,
            failed_in_a_row: state.failed_in_a_row,
            waiting: state.sent.map(|sent| sent.elapsed()).unwrap_or_default(),
        }
    }

    fn sent(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sent = Some(Instant::now());
    }

    fn ended(&self, how: Option<Probe>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.sent = None;
        match how {
            Some(probe) if probe.is_good => {
                state.answered += 1;
                state.failed_in_a_row = 0;
            }
            Some(_) => state.failed_in_a_row += 1,
            None => {}
        }
    }
}

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Probe {
    is_good: bool,
    /// None where no answer came.
    latency: Option<Duration>,
}

/// Whether the proxy is there and its event loop is free. Nothing is kept.
pub fn answers_at_once(litellm: &LiteLlm) -> bool {
    let ask = |door: &Door| door.get(PATH, Auth::Nothing, AT_ONCE);
    litellm.door.as_ref().is_ok_and(|door| ask(door).is_ok_and(|answer| answer.status == 200))
}

/// One probe by itself: how long the answer took, nothing where there was no good one.
///
/// # Errors
/// When no proxy was reached, with the gap that a capture would have.
pub fn ask_once(door: &Door) -> Result<Option<Duration>, Gap> {
    let probe = ask(door, Instant::now()).map_err(nobody)?;
    Ok(probe.latency.filter(|_| probe.is_good))
}

/// Keeps a row for each probe until the end, or a gap where nobody is there to answer.
pub fn watch(litellm: &LiteLlm, pulse: &Pulse, stop: &Stop) {
    let door = match &litellm.door {
        Ok(door) => door,
        Err(no_door) => return litellm.keeper.gap(&no_door.gap(WHAT)),
    };
    let (mut refused, mut reached) = (0, false);
    loop {
        let begun = Instant::now();
        let at_us = litellm.epoch.elapsed_us();
        pulse.sent();
        let asked = ask(door, begun);
        match asked {
            // Not a sick proxy but a wrong address; rows would tell of an outage that was none.
            Err(failure) if !reached => {
                pulse.ended(None);
                refused += 1;
                if refused == MOST_REFUSED {
                    litellm.keeper.gap(&nobody(failure));
                    if litellm.tempo.second_chance().is_none() {
                        return;
                    }
                }
            }
            asked => {
                reached = true;
                let probe = asked.unwrap_or(Probe { is_good: false, latency: None });
                pulse.ended(Some(probe));
                litellm.keeper.reading(&row(at_us, probe));
            }
        }
        if stop.wait_until(begun + litellm.tempo.probes()) {
            return;
        }
    }
}

/// One probe; fails where no proxy was reached.
fn ask(door: &Door, begun: Instant) -> Result<Probe, Failure> {
    match door.get(PATH, Auth::Nothing, LIMITS) {
        Ok(answer) if answer.status == 404 => Err(Failure::NotHttp),
        Ok(answer) => Ok(Probe { is_good: answer.status == 200, latency: Some(begun.elapsed()) }),
        Err(failure @ (Failure::Refused | Failure::Unreachable | Failure::NotHttp)) => Err(failure),
        Err(_) => Ok(Probe { is_good: false, latency: None }),
    }
}

/// The row of a probe that was sent then and has waited for so long without an answer.
pub fn unanswered(at_us: u64, waiting: Duration) -> Reading {
    row(at_us, Probe { is_good: false, latency: Some(waiting) })
}

fn row(at_us: u64, probe: Probe) -> Reading {
    let latency = probe.latency.map(|latency| latency.as_secs_f64());
    let failed = if probe.is_good { 0.0 } else { 1.0 };
    let values = vec![(column::LATENCY_S.to_owned(), latency), (column::FAILED.to_owned(), Some(failed))];
    Reading { table: table::LIVELINESS.to_owned(), at_us, values }
}

fn nobody(failure: Failure) -> Gap {
    let why = match failure {
        Failure::Refused => "nobody listens at the proxy's address",
        Failure::NotHttp => "what answers at the proxy's address is no LiteLLM",
        _ => "the proxy's address cannot be reached from here",
    };
    Gap::new(WHAT, why, "name the address on which the proxy listens with `--litellm-url http://HOST:PORT`")
}
