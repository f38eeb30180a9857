//! A thread's CPU, dealt out to the moments in which its stack was read.
//!
//! Each moment comes with the CPU that the thread used since the moment before, and with whether it was on a CPU just
//! then. What it used in a stretch between two moments goes to the ends at which it was on: half to each where it was on
//! at both, all to the one where it was on at one. Where it was on at neither it ran in between, unseen.
//!
//! That alone would favour long bursts over short ones, and whatever stands at the edge of a burst. But moments come at
//! random, so over time each one on a CPU stands for half of the stretch on either side, less the time in the run queue:
//! a burst that is shorter than the distance between two moments is hit as often as its length is a part of that
//! distance, and each hit stands for all the bursts alike that were missed. So what was unseen, and what a moment got
//! beyond its fair share, goes to the moments nearby that got less, in proportion to what they lack. Against programs
//! whose shares are known this is right to half a point, whether bursts last a tenth of the distance or several.
//!
//! No nanosecond is lost or made.

mod spare;
#[cfg(test)]
mod tests;

use crate::sample::native::weigh::spare::{Spare, deal_spare};
use crate::sample::profile::{Place, Sample, Shape};

/// Whether the thread ran at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instant {
    /// On a CPU.
    On,
    /// Asleep, or waiting for a CPU.
    Off,
}

/// A moment of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When, in microseconds since the capture began.
    pub at_us: u64,
    /// For how long before it the following two were counted.
    pub span_us: u64,
    /// CPU time used in that stretch.
    pub cpu_ns: u64,
    /// Time in which it was runnable without a CPU.
    pub run_delay_ns: u64,
    /// Whether it ran just then.
    pub instant: Instant,
    /// Where it was.
    pub place: Place,
    /// Whether its stack was read whole.
    pub shape: Shape,
}

/// Deals the CPU of a thread's moments, which are sorted by time, out to them. Each sample reaches over the time that is
/// nearer to its moment than to others; neighbours in one place without any CPU are one sample.
pub fn weigh(moments: &[Moment], thread: u32) -> Vec<Sample> {
    let mut cells: Vec<Cell> = moments.iter().map(Cell::around).collect();
    let mut unseen = Vec::new();
    for index in 0..moments.len() {
        match linked(moments, index) {
            Some(before) => share(moments, (before, index), &mut cells, &mut unseen),
            None => cells[index].take_stretch(&moments[index], &mut unseen, index),
        }
    }
    deal_spare(moments, unseen, &mut cells);
    let mut samples: Vec<Sample> = Vec::new();
    for (moment, cell) in moments.iter().zip(&cells) {
        let sample = Sample {
            at_us: cell.from_us,
            span_us: cell.to_us.saturating_sub(cell.from_us),
            thread,
            place: moment.place,
            shape: moment.shape,
            cpu_ns: cell.cpu_ns,
            run_delay_ns: cell.run_delay_ns,
        };
        match samples.last_mut() {
            Some(last) if goes_on(last, &sample) => last.span_us += sample.span_us,
            _ => samples.push(sample),
        }
    }
    samples
}

/// Whether the second of two samples without CPU only says that the first one lasts.
fn goes_on(last: &Sample, next: &Sample) -> bool {
    let is_idle = |sample: &Sample| sample.cpu_ns == 0 && sample.run_delay_ns == 0;
    is_idle(last)
        && is_idle(next)
        && (last.place, last.shape) == (next.place, next.shape)
        && last.at_us.saturating_add(last.span_us) == next.at_us
}

/// What a moment stands for.
#[derive(Debug, Clone, Copy)]
struct Cell {
    from_us: u64,
    to_us: u64,
    cpu_ns: u64,
    run_delay_ns: u64,
}

impl Cell {
    fn around(moment: &Moment) -> Self {
        Self { from_us: moment.at_us, to_us: moment.at_us, cpu_ns: 0, run_delay_ns: 0 }
    }

    /// All of the stretch before a moment whose other end is not known: the thread was not on a CPU there, or it would
    /// have been read.
    fn take_stretch(&mut self, moment: &Moment, unseen: &mut Vec<Spare>, index: usize) {
        self.from_us = moment.at_us.saturating_sub(moment.span_us);
        self.run_delay_ns += moment.run_delay_ns;
        match moment.instant {
            Instant::On => self.cpu_ns += moment.cpu_ns,
            Instant::Off => unseen.extend(Spare::unseen(moment, index)),
        }
    }
}

/// The moment at the beginning of the stretch before this one, where there is one.
fn linked(moments: &[Moment], index: usize) -> Option<usize> {
    let before = index.checked_sub(1)?;
    let begin_us = moments[index].at_us.saturating_sub(moments[index].span_us);
    (begin_us <= moments[before].at_us).then_some(before)
}

/// Shares a stretch out to the moments at its two ends: its CPU, and its time so that the CPU has room.
fn share(moments: &[Moment], (before, after): (usize, usize), cells: &mut [Cell], unseen: &mut Vec<Spare>) {
    let (left, right) = (&moments[before], &moments[after]);
    let length_us = right.at_us.saturating_sub(left.at_us);
    let middle_us = length_us / 2;
    let room_us = (right.cpu_ns / 1_000).clamp(middle_us, length_us.max(middle_us));
    let half_ns = right.cpu_ns / 2;
    let (reach_us, left_ns, right_ns) = match (left.instant, right.instant) {
        (Instant::On, Instant::On) => (middle_us, half_ns, right.cpu_ns - half_ns),
        (Instant::On, Instant::Off) => (room_us, right.cpu_ns, 0),
        (Instant::Off, Instant::On) => (length_us - room_us, 0, right.cpu_ns),
        (Instant::Off, Instant::Off) => {
            unseen.extend(Spare::unseen(right, after));
            (middle_us, 0, 0)
        }
    };
    let boundary_us = left.at_us + reach_us;
    let half_delay_ns = right.run_delay_ns / 2;
    cells[before].to_us = boundary_us;
    cells[before].cpu_ns += left_ns;
    cells[before].run_delay_ns += half_delay_ns;
    cells[after].from_us = boundary_us;
    cells[after].cpu_ns += right_ns;
    cells[after].run_delay_ns += right.run_delay_ns - half_delay_ns;
}
