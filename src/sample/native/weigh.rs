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
//! beyond what it stands for, goes to the moments nearby that got less, in proportion to what they lack.
//!
//! No nanosecond is lost or made.

use crate::sample::profile::{Place, Sample, Shape};

/// How far unseen CPU looks for moments that lack some; first here, then further, then everywhere. A program does much
/// the same for a second, and what is worth telling was hit in it.
const NEARBY_US: [u64; 3] = [1_000_000, 4_000_000, u64::MAX];

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

/// CPU that belongs to moments yet to be found.
#[derive(Debug, Clone, Copy)]
struct Spare {
    at_us: u64,
    cpu_ns: u64,
    /// The moment that has it where there is no better one.
    index: usize,
}

impl Spare {
    /// All of the stretch before a moment at whose ends the thread did not run.
    fn unseen(moment: &Moment, index: usize) -> Option<Self> {
        let at_us = moment.at_us.saturating_sub(moment.span_us / 2);
        (moment.cpu_ns > 0).then_some(Self { at_us, cpu_ns: moment.cpu_ns, index })
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

/// Gives what was unseen, and what some moments have beyond what they stand for, to those that lack it.
fn deal_spare(moments: &[Moment], mut spare: Vec<Spare>, cells: &mut [Cell]) {
    let Some(needs) = Needs::of(moments, cells) else {
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
        let beyond_ns = cells[index].cpu_ns.saturating_sub(stands_for_ns(moments, index));
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
    /// What moments lack of what they stand for; where none lacks anything, what they stand for. None where the thread was
    /// on a CPU at no moment.
    fn of(moments: &[Moment], cells: &[Cell]) -> Option<Self> {
        let lacks = |index: usize| stands_for_ns(moments, index).saturating_sub(cells[index].cpu_ns);
        Self::by(moments, lacks).or_else(|| Self::by(moments, |index| stands_for_ns(moments, index).max(1)))
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

/// The time that a moment stands for: half of the stretch on either side, without the time spent in the run queue. At an
/// end of the record the one side stands for the other.
fn stands_for_ns(moments: &[Moment], index: usize) -> u64 {
    let stretch_ns = |moment: &Moment| moment.span_us.saturating_mul(1_000).saturating_sub(moment.run_delay_ns);
    let next = index + 1;
    let after = if next < moments.len() && linked(moments, next).is_some() { next } else { index };
    u64::midpoint(stretch_ns(&moments[index]), stretch_ns(&moments[after]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000;

    fn moment(at_ms: u64, cpu_ms: u64, instant: Instant, stack: u32) -> Moment {
        Moment {
            at_us: at_ms * MS,
            span_us: 10 * MS,
            cpu_ns: cpu_ms * 1_000_000,
            run_delay_ns: 0,
            instant,
            place: Place::Stack(stack),
            shape: Shape::Whole,
        }
    }

    /// CPU in milliseconds by stack.
    fn cpu_ms(moments: &[Moment]) -> BTreeMap<Place, u64> {
        let mut cpu = BTreeMap::new();
        for sample in weigh(moments, 0).iter().filter(|sample| sample.cpu_ns > 0) {
            *cpu.entry(sample.place).or_default() += sample.cpu_ns / 1_000_000;
        }
        cpu
    }

    fn expect(moments: &[Moment], expected: &[(u32, u64)]) {
        assert_eq!(cpu_ms(moments), expected.iter().map(|&(stack, ms)| (Place::Stack(stack), ms)).collect());
    }

    use Instant::{Off, On};

    #[test]
    fn between_two_moments_on_a_cpu_each_gets_half() {
        expect(&[moment(10, 0, On, 1), moment(20, 10, On, 2)], &[(1, 5), (2, 5)]);
    }

    #[test]
    fn the_end_that_was_on_a_cpu_gets_all() {
        expect(&[moment(10, 0, Off, 9), moment(20, 7, On, 1), moment(30, 3, Off, 9)], &[(1, 10)]);
    }

    #[test]
    fn a_sample_has_room_for_its_cpu() {
        let samples = weigh(&[moment(10, 0, Off, 9), moment(20, 7, On, 1), moment(30, 3, Off, 9)], 0);
        let times: Vec<(u64, u64)> = samples.iter().map(|sample| (sample.at_us / MS, sample.span_us / MS)).collect();
        assert_eq!(times, [(0, 13), (13, 12), (25, 5)]);
    }

    #[test]
    fn what_was_unseen_belongs_to_bursts_like_those_that_were_seen() {
        let unseen = moment(50, 2, Off, 9);
        let seen = [moment(10, 0, Off, 9), moment(20, 1, On, 1), moment(30, 1, Off, 9), moment(40, 0, Off, 9), unseen];
        expect(&seen, &[(1, 4)]);
    }

    #[test]
    fn what_stands_at_the_edge_of_a_burst_gives_to_what_is_hit_within() {
        let burst =
            |at_ms, stack| [moment(at_ms, 0, Off, 9), moment(at_ms + 10, 4, On, stack), moment(at_ms + 20, 4, Off, 9)];
        let mut moments: Vec<Moment> = [burst(10, 1), burst(40, 2)].concat();
        moments[1].cpu_ns += 4_000_000;
        expect(&moments, &[(1, 10), (2, 10)]);
    }

    #[test]
    fn hits_nearby_come_before_those_far_away() {
        let mut moments: Vec<Moment> = (1..=600).map(|n| moment(n * 10, 0, Off, 9)).collect();
        moments[5] = moment(60, 1, On, 1);
        moments[550] = moment(5_510, 1, On, 2);
        moments[580].cpu_ns = 6_000_000;
        expect(&moments, &[(1, 1), (2, 7)]);
    }

    #[test]
    fn a_thread_that_was_never_seen_on_a_cpu_ran_where_it_was_found() {
        expect(&[moment(10, 2, Off, 9), moment(20, 4, Off, 9)], &[(9, 6)]);
    }

    #[test]
    fn a_stretch_that_begins_in_the_unknown_is_that_of_its_end() {
        // The moment before is 30 ms away, but the clock was read 10 ms ago.
        expect(&[moment(10, 0, On, 1), moment(40, 6, On, 2)], &[(2, 6)]);
    }

    #[test]
    fn moments_without_cpu_in_one_place_are_one_sample() {
        let samples = weigh(&[moment(10, 0, Off, 9), moment(20, 0, Off, 9), moment(30, 0, Off, 9)], 0);
        assert_eq!((samples.len(), samples[0].span_us), (1, 30 * MS));
    }

    /// A thread that works in turns of microseconds in stacks, by the kernel's own count.
    struct Program {
        turns: Vec<(u64, Option<u32>)>,
        cycle_us: u64,
    }

    impl Program {
        /// Stack none sleeps.
        fn of(turns: &[(u64, Option<u32>)]) -> Self {
            Self { turns: turns.to_vec(), cycle_us: turns.iter().map(|turn| turn.0).sum() }
        }

        fn at(&self, at_us: u64) -> (u64, Option<u32>) {
            let mut left_us = at_us % self.cycle_us;
            let busy = |turns: &[(u64, Option<u32>)]| -> u64 {
                turns.iter().filter(|turn| turn.1.is_some()).map(|turn| turn.0).sum()
            };
            let mut cpu_us = at_us / self.cycle_us * busy(&self.turns);
            for &(length_us, stack) in &self.turns {
                if left_us < length_us {
                    return (cpu_us + if stack.is_some() { left_us } else { 0 }, stack);
                }
                left_us -= length_us;
                cpu_us += if stack.is_some() { length_us } else { 0 };
            }
            (cpu_us, None)
        }

        /// Sampled at random distances of `mean_us` on average, as the session does.
        fn sampled(&self, mean_us: u64, samples: usize) -> Vec<Moment> {
            let mut random = fastrand::Rng::with_seed(7);
            let (mut at_us, mut before_us) = (0, 0);
            (0..samples)
                .map(|_| {
                    let span_us = mean_us / 2 + random.u64(0..=mean_us);
                    at_us += span_us;
                    let (ran_us, stack) = self.at(at_us);
                    let cpu_ns = (ran_us - before_us) * 1_000;
                    before_us = ran_us;
                    let instant = if stack.is_some() { On } else { Off };
                    let place = Place::Stack(stack.unwrap_or(9));
                    Moment { at_us, span_us, cpu_ns, run_delay_ns: 0, instant, place, shape: Shape::Whole }
                })
                .collect()
        }

        /// The share of stack 1 in percent.
        fn measured_percent(&self) -> f64 {
            let samples = weigh(&self.sampled(10 * MS, 400_000), 0);
            let cpu = |place: Option<Place>| -> u64 {
                let there = |sample: &&Sample| place.is_none_or(|place| sample.place == place);
                samples.iter().filter(there).map(|sample| sample.cpu_ns).sum()
            };
            cpu(Some(Place::Stack(1))) as f64 / cpu(None) as f64 * 100.0
        }
    }

    #[test]
    fn known_shares_are_found_whatever_the_length_of_the_bursts() {
        let (f, g, sleep) = (Some(1), Some(2), None);
        for (turns, percent) in [
            // Bursts far shorter than the distance between samples, alone and together.
            (vec![(2_010, f), (31_003, sleep), (1_005, g), (29_001, sleep)], 200.0 / 3.0),
            (vec![(2_010, f), (1_005, g), (37_003, sleep)], 200.0 / 3.0),
            // About as long, longer, and of both kinds.
            (vec![(8_020, f), (4_010, g), (23_003, sleep)], 200.0 / 3.0),
            (vec![(30_030, f), (11_003, sleep), (10_010, g), (17_001, sleep)], 75.0),
            (vec![(45_045, f), (20_003, sleep), (1_155, g), (31_001, sleep)], 97.5),
            // Never asleep.
            (vec![(3_003, f), (1_001, g)], 75.0),
        ] {
            let measured = Program::of(&turns).measured_percent();
            assert!((measured - percent).abs() < 1.0, "{turns:?}: {measured:.2} instead of {percent:.2}");
        }
    }

    fn any_moments() -> impl Strategy<Value = Vec<Moment>> {
        let one = (0_u64..200_000, 0_u64..300_000, 0_u64..400_000_000, 0_u64..100_000_000, any::<bool>(), 0_u32..4);
        proptest::collection::vec(one, 0..60).prop_map(|rows| {
            let mut at_us = 0;
            let mut moment = |(gap_us, span_us, cpu_ns, run_delay_ns, on, stack)| {
                at_us += gap_us;
                let instant = if on { On } else { Off };
                Moment {
                    at_us,
                    span_us,
                    cpu_ns,
                    run_delay_ns,
                    instant,
                    place: Place::Stack(stack),
                    shape: Shape::Whole,
                }
            };
            rows.into_iter().map(&mut moment).collect()
        })
    }

    proptest! {
        #[test]
        fn no_nanosecond_is_lost_or_made(moments in any_moments()) {
            let samples = weigh(&moments, 0);
            let cpu = |ns: &mut dyn Iterator<Item = u64>| ns.sum::<u64>();
            prop_assert_eq!(
                cpu(&mut samples.iter().map(|sample| sample.cpu_ns)),
                cpu(&mut moments.iter().map(|moment| moment.cpu_ns))
            );
            prop_assert_eq!(
                cpu(&mut samples.iter().map(|sample| sample.run_delay_ns)),
                cpu(&mut moments.iter().map(|moment| moment.run_delay_ns))
            );
        }

        #[test]
        fn a_thread_that_used_no_cpu_gets_none(moments in any_moments()) {
            let idle: Vec<Moment> = moments.into_iter().map(|moment| Moment { cpu_ns: 0, ..moment }).collect();
            prop_assert!(weigh(&idle, 0).iter().all(|sample| sample.cpu_ns == 0));
        }

        #[test]
        fn where_it_was_on_a_cpu_a_wait_gets_nothing(moments in any_moments()) {
            let with_waits: Vec<Moment> = moments
                .into_iter()
                .map(|moment| match moment.instant {
                    On => moment,
                    Off => Moment { place: Place::Stack(9), ..moment },
                })
                .collect();
            let was_on = with_waits.iter().any(|moment| moment.instant == On);
            let waited = weigh(&with_waits, 0).iter().any(|s| s.place == Place::Stack(9) && s.cpu_ns > 0);
            prop_assert!(!(was_on && waited));
        }
    }
}
