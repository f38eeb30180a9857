//! CPU without an owner, dealt to the moments that have less than their fair share.

use super::{Cell, Instant, Moment, linked};

/// How far unseen CPU looks for moments that lack some; first here, then further, then everywhere. A program does much
/// the same for a second, and what is worth telling was hit in it.
const NEARBY_US: [u64; 3] = [1_000_000, 4_000_000, u64::MAX];

/// CPU that belongs to moments yet to be found.
#[derive(Debug, Clone, Copy)]
pub struct Spare {
    at_us: u64,
    cpu_ns: u64,
    /// The moment that has it where there is no better one.
    index: usize,
}

impl Spare {
    /// All of the stretch before a moment at whose ends the thread did not run.
    pub fn unseen(moment: &Moment, index: usize) -> Option<Self> {
        let at_us = moment.at_us.saturating_sub(moment.span_us / 2);
        (moment.cpu_ns > 0).then_some(Self { at_us, cpu_ns: moment.cpu_ns, index })
    }
}

/// Gives what was unseen, and what some moments have beyond what they stand for, to those that lack it.
pub fn deal_spare(moments: &[Moment], mut spare: Vec<Spare>, cells: &mut [Cell]) {
    let fair = Fair::of(moments);
    let Some(needs) = Needs::of(&fair, cells) else {
        // It was never seen on a CPU: what it uses, it uses in the calls in which it is found.
        for stretch in spare {
            let half_ns = linked(moments, stretch.index).map_or(0, |before| {
                cells[before].cpu_ns += stretch.cpu_ns / 2;
                stretch.cpu_ns / 2
            });
            cells[stretch.index].cpu_ns += stretch.cpu_ns - half_ns;
        }
        return;
    };
    for (index, moment) in moments.iter().enumerate().filter(|(_, moment)| moment.instant == Instant::On) {
        let beyond_ns = cells[index].cpu_ns.saturating_sub(fair.share_ns(index));
        // What a moment has is its own: it does not go far.
        if beyond_ns > 0 && needs.within(moment.at_us, NEARBY_US[0]).is_some() {
            cells[index].cpu_ns -= beyond_ns;
            spare.push(Spare { at_us: moment.at_us, cpu_ns: beyond_ns, index });
        }
    }
    // Each part raises what a unit of need gets, between the first and the last moment that it reaches.
    let mut raises = vec![0.0; needs.list.len() + 1];
    for part in &spare {
        let (first, last) = needs.near(part.at_us);
        let raise = part.cpu_ns as f64 / (needs.sums[last] - needs.sums[first]);
        raises[first] += raise;
        raises[last] -= raise;
    }
    let all_ns: u64 = spare.iter().map(|part| part.cpu_ns).sum();
    let (mut raise, mut exact_ns, mut given_ns) = (0.0, 0.0, 0);
    for (number, need) in needs.list.iter().enumerate() {
        raise += raises[number];
        exact_ns += f64::max(raise, 0.0) * need.cpu_ns as f64;
        // The last one takes what rounding left.
        let is_last = number + 1 == needs.list.len();
        let upto_ns = if is_last { all_ns } else { (exact_ns.round() as u64).clamp(given_ns, all_ns) };
        cells[need.index].cpu_ns += upto_ns - given_ns;
        given_ns = upto_ns;
    }
}

/// A moment on a CPU that has less than it stands for.
#[derive(Debug, Clone, Copy)]
struct Need {
    index: usize,
    at_us: u64,
    cpu_ns: u64,
}

/// Needs by time, with their sums up to each.
struct Needs {
    list: Vec<Need>,
    sums: Vec<f64>,
}

impl Needs {
    /// What moments lack of their fair share; where none lacks anything, the shares. None where the thread was on a CPU at
    /// no moment.
    fn of(fair: &Fair<'_>, cells: &[Cell]) -> Option<Self> {
        let lacks = |index: usize| fair.share_ns(index).saturating_sub(cells[index].cpu_ns);
        Self::by(fair.moments, lacks).or_else(|| Self::by(fair.moments, |index| fair.share_ns(index).max(1)))
    }

    fn by(moments: &[Moment], lacks: impl Fn(usize) -> u64) -> Option<Self> {
        let need = |(index, moment): (usize, &Moment)| {
            let cpu_ns = if moment.instant == Instant::On { lacks(index) } else { 0 };
            (cpu_ns > 0).then_some(Need { index, at_us: moment.at_us, cpu_ns })
        };
        let list: Vec<Need> = moments.iter().enumerate().filter_map(need).collect();
        let mut sums = vec![0.0];
        sums.extend(list.iter().scan(0.0, |sum, need| {
            *sum += need.cpu_ns as f64;
            Some(*sum)
        }));
        (!list.is_empty()).then_some(Self { list, sums })
    }

    /// The needs around a time, as a range of the list: the smallest neighbourhood that holds any.
    fn near(&self, at_us: u64) -> (usize, usize) {
        NEARBY_US.into_iter().find_map(|reach_us| self.within(at_us, reach_us)).unwrap_or((0, self.list.len()))
    }

    fn within(&self, at_us: u64, reach_us: u64) -> Option<(usize, usize)> {
        let (from_us, to_us) = (at_us.saturating_sub(reach_us), at_us.saturating_add(reach_us));
        let first = self.list.partition_point(|need| need.at_us < from_us);
        let last = self.list.partition_point(|need| need.at_us <= to_us);
        (first < last).then_some((first, last))
    }
}

/// What moments should have.
struct Fair<'a> {
    moments: &'a [Moment],
    /// CPU for each nanosecond that moments on a CPU stand for. Below one where the machine's owner or its interrupts
    /// took the CPU away, which no clock of a thread counts: else long bursts, which lack that much, would take from
    /// short ones.
    pace: f64,
}

impl<'a> Fair<'a> {
    fn of(moments: &'a [Moment]) -> Self {
        let on = moments.iter().enumerate().filter(|(_, moment)| moment.instant == Instant::On);
        let stand_for_ns: f64 = on.map(|(index, _)| stands_for_ns(moments, index) as f64).sum();
        let used_ns: f64 = moments.iter().map(|moment| moment.cpu_ns as f64).sum();
        Self { moments, pace: (used_ns / stand_for_ns.max(1.0)).min(1.0) }
    }

    fn share_ns(&self, index: usize) -> u64 {
        (stands_for_ns(self.moments, index) as f64 * self.pace) as u64
    }
}

/// The time that a moment stands for: half of the stretch on either side, without the time spent in the run queue. At an
/// end of the record the one side stands for the other.
fn stands_for_ns(moments: &[Moment], index: usize) -> u64 {
    let stretch_ns = |moment: &Moment| moment.span_us.saturating_mul(1_000).saturating_sub(moment.run_delay_ns);
    let next = index + 1;
    let after = if next < moments.len() && linked(moments, next).is_some() { next } else { index };
    u64::midpoint(stretch_ns(&moments[index]), stretch_ns(&moments[after]))
}
