//! What the [`governor`](super::governor) makes of one worker's sampling, done alike by every engine: told, recorded,
//! and left to the engine to be carried out.

use crate::os::proc::ProcessId;
use crate::sample::What;
use crate::sample::governor::{Advice, LOWEST_HZ, Mercy};
use crate::sample::record::Recorder;

/// One worker as it is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampled {
    /// The worker.
    pub id: ProcessId,
    /// Samples a second.
    pub rate_hz: u32,
    /// When, in microseconds since the capture began.
    pub now_us: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Nothing.
    GoOn,
    /// Sample at this rate.
    SlowTo(u32),
    /// Sample no longer.
    TakeOff,
}

/// Keeps a worker's sampling, which cost so many percent of a core, within its budget.
pub fn keep_budget(sampled: Sampled, advice: Advice, cost_percent: f64, recorder: &mut Recorder<'_>) -> Measure {
    let Sampled { id, rate_hz: from_hz, now_us } = sampled;
    let pid = id.pid;
    match advice {
        Advice::GoOn => Measure::GoOn,
        Advice::StepDownTo(to_hz) => {
            recorder.notices.say(format!(
                "worker {pid}: sampling cost {cost_percent} % of a core, so the rate goes from {from_hz} to {to_hz} Hz"
            ));
            recorder.event(id, What::RateSteppedDown { from_hz, to_hz, cost_percent }, now_us);
            Measure::SlowTo(to_hz)
        }
        Advice::Detach => {
            recorder.notices.warn(format!(
                "worker {pid}: even {from_hz} Hz cost {cost_percent} % of a core; the sampler was taken off"
            ));
            recorder.event(id, What::Detached { cost_percent }, now_us);
            Measure::TakeOff
        }
    }
}

/// Keeps out of the way of a proxy that answered before it was sampled and does not any longer.
pub fn show_mercy(sampled: Sampled, mercy: Mercy, recorder: &mut Recorder<'_>) -> Measure {
    let Sampled { id, rate_hz: from_hz, now_us } = sampled;
    let pid = id.pid;
    match mercy {
        Mercy::Spare if from_hz > LOWEST_HZ => {
            recorder.notices.say(format!(
                "worker {pid}: /health/liveliness hesitates, so the rate goes from {from_hz} to {LOWEST_HZ} Hz"
            ));
            recorder.event(id, What::SlowedForProxy { from_hz, to_hz: LOWEST_HZ }, now_us);
            Measure::SlowTo(LOWEST_HZ)
        }
        Mercy::LetGo => {
            recorder.notices.warn(format!(
                "worker {pid}: /health/liveliness answered before and does not any longer; the sampler was taken off"
            ));
            recorder.event(id, What::DetachedForProxy, now_us);
            Measure::TakeOff
        }
        Mercy::GoOn | Mercy::Spare => Measure::GoOn,
    }
}

/// CPU over time, in percent of one core to one digit.
pub fn cost_percent(cpu_us: u64, elapsed_us: u64) -> f64 {
    (cpu_us as f64 / elapsed_us.max(1) as f64 * 1_000.0).round() / 10.0
}
