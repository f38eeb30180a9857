//! The rules one by one, programs whose shares are known, and what must hold for any moments.

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
    expect(&[moment(10, 10, On, 1), moment(40, 10, On, 2)], &[(1, 10), (2, 10)]);
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

    /// The share of stack 1 in percent, where a part of each turn was taken away without being counted.
    fn measured_percent(&self, stolen_percent: u64) -> f64 {
        let mut moments = self.sampled(10 * MS, 400_000);
        for moment in &mut moments {
            moment.cpu_ns -= moment.cpu_ns * stolen_percent / 100;
        }
        let samples = weigh(&moments, 0);
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
        // Never asleep, and hardly.
        (vec![(3_003, f), (1_001, g)], 75.0),
        (vec![(10_010, f), (5_003, sleep), (10_010 / 3, g), (2_001, sleep)], 75.0),
        (vec![(25_000, f), (3_003, sleep), (5_000, g), (4_001, sleep)], 500.0 / 6.0),
    ] {
        for stolen_percent in [0, 8] {
            let measured = Program::of(&turns).measured_percent(stolen_percent);
            assert!((measured - percent).abs() < 1.0, "{turns:?}: {measured:.2} instead of {percent:.2}");
        }
    }
}

fn any_moments() -> impl Strategy<Value = Vec<Moment>> {
    let one = (0_u64..200_000, 0_u64..300_000, 0_u64..400_000_000, 0_u64..100_000_000, any::<bool>(), 0_u32..4);
    proptest::collection::vec(one, 0..60).prop_map(|rows| {
        let mut at_us = 0;
        let mut moment = |(gap_us, span_us, cpu_ns, run_delay_ns, on, stack)| {
            at_us += gap_us;
            let instant = if on { On } else { Off };
            Moment { at_us, span_us, cpu_ns, run_delay_ns, instant, place: Place::Stack(stack), shape: Shape::Whole }
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
