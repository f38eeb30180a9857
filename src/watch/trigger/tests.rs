//! The rules as they are meant: days of readings, told second by second.

use proptest::prelude::*;

use super::*;
use crate::traffic::{Histogram, Latency, Source};

const S: u64 = 1_000_000;

/// A worker's pid.
const A: i32 = 41;
const B: i32 = 42;

fn rules(change: impl FnOnce(&mut RulesPlan)) -> RulesPlan {
    let mut rules = RulesPlan {
        cpu: Some(0.8),
        hold: Duration::from_secs(5),
        scope: None,
        adaptive: None,
        liveliness: None,
        p99: None,
        throttled: None,
    };
    change(&mut rules);
    rules
}

fn reading(table: &str, at_us: u64, values: &[(&str, Option<f64>)]) -> Reading {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Reading { table: table.to_owned(), at_us, values }
}

fn worker(pid: i32, at_us: u64, cpu_s: Option<f64>) -> Reading {
    let part = |share: f64| cpu_s.map(|cpu_s| cpu_s * share);
    let values = [(column::USER_S, part(0.75)), (column::SYSTEM_S, part(0.25))];
    reading(&format!("worker-{pid}"), at_us, &values)
}

fn cgroup(at_us: u64, cpu_s: Option<f64>, throttled_periods: f64) -> Reading {
    let values =
        [(column::CPU_S, cpu_s), (column::PERIODS, Some(10.0)), (column::THROTTLED_PERIODS, Some(throttled_periods))];
    reading(table::CGROUP, at_us, &values)
}

fn probe(sent_us: u64, latency_s: Option<f64>) -> Reading {
    let failed = if latency_s.is_some() { 0.0 } else { 1.0 };
    reading(table::LIVELINESS, sent_us, &[(column::LATENCY_S, latency_s), (column::FAILED, Some(failed))])
}

/// A watch, and where it is in time.
struct Watch {
    trigger: Trigger,
    second: u64,
    last: Judgement,
}

impl Watch {
    /// Over two workers that were there before.
    fn of(rules: RulesPlan, quota_cores: Option<f64>) -> Self {
        let trigger = Trigger::new(rules, Capacity { quota_cores, cpus: Some(4) });
        Self { trigger, second: 0, last: Judgement::Unknown }.round(&[(A, None), (B, None)], None)
    }

    /// The next second's round: what each worker grew by, and the cgroup.
    fn round(self, workers: &[(i32, Option<f64>)], cgroup_s: Option<f64>) -> Self {
        let at_us = self.second * S;
        let mut rows: Vec<Reading> = workers.iter().map(|(pid, cpu_s)| worker(*pid, at_us, *cpu_s)).collect();
        rows.push(cgroup(at_us, cgroup_s, 0.0));
        self.rows(&rows)
    }

    fn rows(mut self, rows: &[Reading]) -> Self {
        for row in rows {
            self.trigger.see(row);
        }
        self.last = self.trigger.judge(Moment { now_us: self.second * S + 5_000, probe_sent_us: None });
        self.second += 1;
        self
    }

    /// So many seconds in which both workers use so many cores.
    fn seconds(self, count: u64, a: f64, b: f64) -> Self {
        (0..count).fold(self, |watch, _| watch.round(&[(A, Some(a)), (B, Some(b))], Some(a + b)))
    }

    /// So many seconds in which nothing is read.
    fn nothing(self, count: u64) -> Self {
        (0..count).fold(self, |watch, _| watch.rows(&[]))
    }

    fn words(&self) -> String {
        match &self.last {
            Judgement::Calm => "calm".to_owned(),
            Judgement::Unknown => "unknown".to_owned(),
            Judgement::Hot { reason, others } => {
                let all = std::iter::once(reason).chain(others).map(Reason::words);
                all.collect::<Vec<String>>().join(" + ")
            }
        }
    }

    #[track_caller]
    fn assert(self, words: &str) -> Self {
        assert_eq!(self.words(), words, "second {}", self.second);
        self
    }
}

#[test]
fn a_worker_that_keeps_a_core_busy_for_five_seconds_is_a_spike() {
    let watch = Watch::of(rules(|_| ()), None).assert("unknown");
    let watch = watch.seconds(60, 0.3, 0.2).assert("calm").seconds(4, 0.3, 0.97).assert("calm");
    let watch = watch.seconds(1, 0.3, 0.97).assert("worker 42 used 97 % of a core for 5 s (limit 80 %)");
    let Judgement::Hot { reason, others } = &watch.last else { panic!("{}", watch.words()) };
    assert_eq!((reason.whom, reason.from_us, reason.to_us), (Whom::Worker { pid: B }, 60 * S, 65 * S));
    assert_eq!((reason.figure().as_str(), others.len()), ("cpu97", 0));
    let stored = serde_json::to_string(reason).unwrap();
    assert_eq!(serde_json::from_str::<Reason>(&stored).unwrap(), *reason);
}

#[test]
fn one_second_below_the_limit_begins_the_time_anew() {
    let watch = Watch::of(rules(|_| ()), None).seconds(4, 0.9, 0.1).seconds(1, 0.7, 0.1).seconds(4, 0.9, 0.1);
    watch.assert("calm").seconds(1, 0.9, 0.1).assert("worker 41 used 90 % of a core for 5 s (limit 80 %)");
}

#[test]
fn two_workers_that_take_turns_are_no_single_hot_one() {
    let turns = |watch: Watch| watch.seconds(3, 0.9, 0.1).seconds(3, 0.1, 0.9);
    let watch = (0..5).fold(Watch::of(rules(|_| ()), None), |watch, _| turns(watch));
    watch.assert("calm");
}

#[test]
fn with_a_quota_it_is_the_whole_that_counts_and_with_little_of_it_a_worker_has_no_core() {
    let words = "the cgroup used 90 % of the quota of 2 cores for 5 s (limit 80 %)";
    Watch::of(rules(|_| ()), Some(2.0)).seconds(9, 1.0, 0.4).assert("calm").seconds(5, 1.0, 0.8).assert(words);
    let by_worker = |rules: &mut RulesPlan| rules.scope = Some(Scope::Worker);
    let words = "worker 41 used 96 % of the quota of 0.5 cores for 5 s (limit 80 %)";
    Watch::of(rules(by_worker), Some(0.5)).seconds(6, 0.48, 0.0).assert(words);
}

#[test]
fn without_a_quota_the_whole_is_the_machine() {
    let total = rules(|rules| (rules.scope, rules.cpu) = (Some(Scope::Total), Some(0.4)));
    let words = "all workers together used 45 % of the machine's 4 CPUs for 5 s (limit 40 %)";
    Watch::of(total, None).seconds(6, 0.9, 0.9).assert(words);
}

#[test]
fn a_quota_that_changes_is_held_against_from_then_on() {
    let mut watch = Watch::of(rules(|_| ()), Some(4.0)).seconds(9, 0.9, 0.9).assert("calm");
    watch.trigger.may_use(Capacity { quota_cores: Some(2.0), cpus: Some(4) });
    watch.seconds(5, 0.9, 0.9).assert("the cgroup used 90 % of the quota of 2 cores for 5 s (limit 80 %)");
}

#[test]
fn a_hole_is_neither_a_spike_nor_calm() {
    let watch = Watch::of(rules(|_| ()), None).seconds(4, 0.9, 0.1).nothing(1);
    let watch = watch.round(&[(A, Some(1.8)), (B, Some(0.2))], Some(2.0));
    let hot = "worker 41 used 90 % of a core for 5 s (limit 80 %)";
    let watch = watch.assert(hot).nothing(4).assert("unknown");
    assert_eq!(watch.trigger.calm_since_us(), None);
    let watch = watch.round(&[(A, Some(4.5)), (B, Some(0.5))], Some(5.0));
    // What was above the limit on average may have been below it in any second.
    watch.assert("calm").seconds(4, 0.9, 0.1).assert("calm").seconds(1, 0.9, 0.1).assert(hot);
}

#[test]
fn a_count_that_begins_anew_in_a_spike_does_not_break_it() {
    let watch = Watch::of(rules(|_| ()), None).seconds(3, 0.9, 0.1).round(&[(A, None), (B, None)], None);
    watch.seconds(2, 0.9, 0.1).assert("worker 41 used 90 % of a core for 5 s (limit 80 %)");
}

#[test]
fn a_worker_that_comes_up_is_no_spike_until_it_should_be_up() {
    let comes_up = |watch: Watch, count: u64| {
        let rows = [(A, Some(0.1)), (B, Some(0.1)), (77, Some(1.0))];
        (0..count).fold(watch, |watch, _| watch.round(&rows, Some(1.2)))
    };
    let first = [(A, Some(0.1)), (B, Some(0.1)), (77, None)];
    let words = "worker 77 used 100 % of a core for 5 s (limit 80 %)";
    let watch = Watch::of(rules(|_| ()), None).seconds(30, 0.1, 0.1).round(&first, Some(1.2));
    comes_up(comes_up(watch, 24).assert("calm"), 1).assert(words);

    // Of the whole it is taken off for as long.
    let watch = Watch::of(rules(|_| ()), Some(1.0)).seconds(30, 0.1, 0.1).round(&first, Some(1.2));
    let words = "the cgroup used 120 % of the quota of 1 core for 5 s (limit 80 %)";
    // Three workers in one core have a third of it each: 10 s, and 10 CPU-seconds by a third of a core.
    comes_up(comes_up(watch, 44).assert("calm"), 1).assert(words);
}

#[test]
fn a_worker_known_to_be_young_is_starting_though_it_was_there_first() {
    let watch = |began_us: i64| {
        let mut trigger = Trigger::new(rules(|_| ()), Capacity { quota_cores: None, cpus: Some(4) });
        trigger.began(A, began_us);
        Watch { trigger, second: 0, last: Judgement::Unknown }.round(&[(A, None), (B, None)], None)
    };
    let hot = "worker 41 used 100 % of a core for 5 s (limit 80 %)";
    watch(-4_000_000).seconds(20, 1.0, 0.1).assert("calm").seconds(1, 1.0, 0.1).assert(hot);
    watch(-90_000_000).seconds(5, 1.0, 0.1).assert(hot);
}

#[test]
fn a_worker_that_ended_is_forgotten() {
    let watch = Watch::of(rules(|_| ()), None).seconds(6, 0.9, 0.1);
    let alone = |watch: Watch, _| watch.round(&[(B, Some(0.1))], Some(0.1));
    let watch = (0..4).fold(watch, alone).assert("calm");
    assert_eq!(watch.trigger.calm_since_us(), Some(9 * S + 5_000), "its last reading stands for a moment");
}

#[test]
fn calm_begins_with_the_first_reading_below_the_limit() {
    let watch = Watch::of(rules(|_| ()), None).seconds(8, 0.9, 0.1);
    assert_eq!(watch.trigger.calm_since_us(), None);
    let watch = watch.seconds(3, 0.2, 0.1);
    assert_eq!(watch.trigger.calm_since_us(), Some(9 * S + 5_000));
    let watch = watch.seconds(1, 0.9, 0.1).assert("calm");
    assert_eq!(watch.trigger.calm_since_us(), None, "one reading above it ends the calm, though it is no spike yet");
}

#[test]
fn what_was_hot_and_is_not_read_any_more_is_not_called_calm_by_others() {
    let both = rules(|rules| rules.liveliness = Some(Duration::from_secs(2)));
    let answered = |watch: Watch, seconds: u64| {
        (0..seconds).fold(watch, |watch, _| {
            let row = probe(watch.second * S, Some(0.01));
            watch.rows(&[row])
        })
    };
    let watch = answered(Watch::of(both, None).seconds(6, 0.9, 0.1), 30).assert("unknown");
    assert_eq!(watch.trigger.calm_since_us(), None);
    let watch = answered(watch, 40).assert("calm");
    assert_eq!(watch.trigger.calm_since_us(), Some(70 * S + 5_000), "nobody waits for it for ever");
}

#[test]
fn the_peak_is_the_highest_share_of_a_spike_and_of_the_next_one_again() {
    let watch = Watch::of(rules(|_| ()), None).seconds(5, 0.99, 0.1);
    assert_eq!(watch.trigger.peak(), Some(0.99), "the readings that made it a spike are part of it");
    let mut watch = watch.seconds(1, 1.04, 0.1).seconds(5, 0.9, 0.1);
    assert_eq!(watch.trigger.peak(), Some(1.04));
    watch.trigger.end_spike();
    assert_eq!(watch.trigger.peak(), None);
    let watch = watch.seconds(1, 0.9, 0.1);
    assert_eq!(watch.trigger.peak(), Some(0.9));
}

#[test]
fn cpu_above_what_the_past_had_is_a_spike_far_below_the_limit() {
    let adaptive = |watch: Watch| watch.seconds(600, 0.195, 0.1).assert("calm").seconds(5, 0.45, 0.1);
    let rules = rules(|rules| rules.adaptive = Some(0.5));
    let words = "worker 41 used 45 % of a core for 5 s, and 20 % in 99 % of the time before at most (limit 30 %)";
    let watch = adaptive(Watch::of(rules.clone(), None)).assert(words);
    watch.seconds(120, 0.45, 0.1).assert(words);
    Watch::of(rules.clone(), None).seconds(200, 0.195, 0.1).seconds(5, 0.45, 0.1).assert("calm");
    Watch::of(rules, None).seconds(600, 0.01, 0.01).seconds(60, 0.15, 0.01).assert("calm");
}

#[test]
fn periods_in_which_the_quota_ran_out_are_a_spike_by_their_share() {
    let throttled = rules(|rules| (rules.cpu, rules.throttled) = (None, Some(0.25)));
    let second = |watch: Watch, held: f64| {
        let row = cgroup(watch.second * S, Some(0.5), held);
        watch.rows(&[row])
    };
    let watch = (0..5).fold(Watch::of(throttled, Some(1.0)), |watch, _| second(watch, 2.0)).assert("calm");
    let watch = (0..5).fold(watch, |watch, _| second(watch, 4.0));
    watch.assert("the quota ran out in 40 % of its periods for 5 s (limit 25 %)");
}

#[test]
fn answers_that_take_long_or_never_come_are_a_spike() {
    let liveliness = rules(|rules| (rules.cpu, rules.liveliness) = (None, Some(Duration::from_secs(2))));
    let watch = || Watch::of(liveliness.clone(), None).rows(&[probe(S, Some(0.004))]).assert("calm");
    let slow = watch().rows(&[probe(2 * S, Some(3.0))]).nothing(2).rows(&[probe(5 * S, Some(3.0))]);
    slow.assert("/health/liveliness took 3.00 s for 6 s (limit 2 s)");
    let failed = (2..8).fold(watch(), |watch, second| watch.rows(&[probe(second * S, None)]));
    let words = "/health/liveliness failed or took too long for 5 s (limit 2 s)";
    let failed = failed.assert(words);
    assert!(matches!(&failed.last, Judgement::Hot { reason, .. } if reason.figure() == "liveliness-failed"));
}

#[test]
fn a_probe_that_still_waits_counts_for_as_long_as_it_waits() {
    let liveliness = rules(|rules| (rules.cpu, rules.liveliness) = (None, Some(Duration::from_secs(2))));
    let mut trigger = Watch::of(liveliness, None).rows(&[probe(S, Some(0.004))]).trigger;
    let mut at = |now_s: u64| trigger.judge(Moment { now_us: now_s * S, probe_sent_us: Some(2 * S) });
    assert_eq!([at(3), at(4), at(6)], [Judgement::Calm, Judgement::Calm, Judgement::Calm]);
    let Judgement::Hot { reason, .. } = at(7) else { panic!("it has waited for five seconds") };
    assert_eq!(reason.words(), "/health/liveliness took 5.00 s for 5 s (limit 2 s)");
    assert_eq!(trigger.calm_since_us(), None);
}

#[test]
fn slow_requests_are_a_spike_between_two_readings_of_the_counters() {
    let slow = rules(|rules| (rules.cpu, rules.p99) = (None, Some(Duration::from_secs(5))));
    let mut watch = Watch::of(slow, None);
    for (second, requests) in [(1, 100.0), (6, 150.0)] {
        let histogram =
            Histogram { bounds: vec![1.0, 10.0], counts: vec![0.0, requests, requests], sum_seconds: requests };
        watch.trigger.see_tally(&Tally::<String> {
            source: Source::MetricFiles,
            at_us: second * S,
            took_us: 0,
            counts: Vec::new(),
            latencies: BTreeMap::from([(Latency::Total, histogram)]),
            in_flight: None,
            prompt_tokens: None,
            completion_tokens: None,
        });
    }
    watch.second = 6;
    let watch = watch.nothing(1);
    let watch = watch.assert("the 99th percentile of the requests' latency was 9.91 s over 5 s (limit 5 s)");
    assert!(matches!(&watch.last, Judgement::Hot { reason, .. } if reason.figure() == "p99-10s"));
    watch.nothing(60).assert("unknown");
}

#[test]
fn a_limit_is_told_as_it_was_set() {
    let told = [0.001, 0.5, 2.0, 2.5].map(|seconds| Condition::Liveliness.limit(seconds));
    assert_eq!(told, ["1.00 ms", "500 ms", "2 s", "2.5 s"]);
    assert_eq!(Condition::Cpu.limit(0.8), "80 %");
}

#[test]
fn of_several_conditions_the_first_is_the_reason_and_the_others_are_told() {
    let both = rules(|rules| (rules.liveliness, rules.throttled) = (Some(Duration::from_secs(2)), Some(0.3)));
    let watch = Watch::of(both, Some(1.0)).seconds(5, 0.5, 0.4);
    let last = watch.second;
    let watch = watch.rows(&[
        probe((last - 5) * S, Some(5.0)),
        worker(A, last * S, Some(0.5)),
        worker(B, last * S, Some(0.4)),
        cgroup(last * S, Some(0.9), 0.0),
    ]);
    watch.assert(
        "the cgroup used 90 % of the quota of 1 core for 5 s (limit 80 %) + /health/liveliness took 5.00 s for 5 s \
         (limit 2 s)",
    );
}

#[test]
fn nothing_grows_where_nobody_judges_and_readings_of_no_time_at_all_break_nothing() {
    let mut trigger = Watch::of(rules(|_| ()), None).trigger;
    for second in 0..20_000_u64 {
        trigger.see(&worker(A, second * S, Some(f64::NAN)));
        trigger.see(&worker(B, 7 * S, Some(-1.0)));
    }
    assert!(trigger.waiting.len() <= MOST_WAITING);
    trigger.see(&worker(A, u64::MAX, Some(1.0)));
    trigger.see(&probe(u64::MAX, Some(f64::MAX)));
    trigger.began(A, i64::MIN);
    let end = Moment { now_us: u64::MAX, probe_sent_us: Some(u64::MAX) };
    assert_eq!(trigger.judge(end), Judgement::Unknown);
}

/// Rounds of two workers, each judged: the seconds in which it was hot.
fn hot_seconds(trigger: &mut Trigger, shares: &[(f64, f64)], late_us: &[u64], swapped: bool) -> Vec<u64> {
    let mut hot = Vec::new();
    for (second, (a, b)) in shares.iter().enumerate() {
        let at_us = second as u64 * S + late_us.get(second).copied().unwrap_or_default();
        let grown = |share: f64| (second > 0).then_some(share);
        let mut rows = [worker(A, at_us, grown(*a)), worker(B, at_us, grown(*b)), cgroup(at_us, grown(a + b), 0.0)];
        if swapped {
            rows.reverse();
        }
        for row in &rows {
            trigger.see(row);
        }
        if let Judgement::Hot { .. } = trigger.judge(Moment { now_us: at_us, probe_sent_us: None }) {
            hot.push(second as u64);
        }
    }
    hot
}

fn trigger(quota_cores: Option<f64>) -> Trigger {
    Trigger::new(rules(|_| ()), Capacity { quota_cores, cpus: Some(2) })
}

proptest! {
    #[test]
    fn a_reason_fits_into_a_files_name(
        value in prop::option::of(0.0..1e4_f64),
        condition in prop::sample::select(&Condition::ALL[..]),
    ) {
        let (whom, of) = (Whom::Proxy, None);
        let reason = Reason { condition, whom, of, value, limit: 0.8, usual: None, from_us: 0, to_us: 5 * S };
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        prop_assert!(reason.figure().chars().all(fits) && reason.figure().len() <= 20, "{}", reason.figure());
    }

    #[test]
    fn it_never_fires_below_the_limit(
        shares in prop::collection::vec((0.0..0.79_f64, 0.0..0.79_f64), 1..60),
        quota in any::<bool>(),
    ) {
        let quota = quota.then_some(2.0);
        prop_assert_eq!(hot_seconds(&mut trigger(quota), &shares, &[], false), Vec::<u64>::new());
    }

    #[test]
    fn it_always_fires_when_all_readings_of_the_time_are_above(
        before in prop::collection::vec((0.0..2.0_f64, 0.0..0.5_f64), 1..30),
        above in prop::collection::vec((0.81..1.0_f64, 0.0..1.0_f64), 5..9),
    ) {
        let shares = [before, above].concat();
        let hot = hot_seconds(&mut trigger(None), &shares, &[], false);
        prop_assert_eq!(hot.last(), Some(&(shares.len() as u64 - 1)));
    }

    #[test]
    fn it_fires_only_when_all_readings_of_the_time_are_above(
        shares in prop::collection::vec((0.6..1.0_f64, 0.0..0.5_f64), 1..60),
    ) {
        let hot = hot_seconds(&mut trigger(None), &shares, &[], false);
        let is_hot = |second: &usize| *second >= 5 && shares[second - 4..=*second].iter().all(|(a, _)| *a >= 0.8);
        let expected: Vec<u64> = (0..shares.len()).filter(is_hot).map(|second| second as u64).collect();
        prop_assert_eq!(hot, expected);
    }

    #[test]
    fn the_order_of_the_rows_of_a_second_is_of_no_matter(
        shares in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 1..60),
        late_us in prop::collection::vec(0..200_000_u64, 60),
        quota in any::<bool>(),
    ) {
        let quota = quota.then_some(1.5);
        let one = hot_seconds(&mut trigger(quota), &shares, &late_us, false);
        prop_assert_eq!(one, hot_seconds(&mut trigger(quota), &shares, &late_us, true));
    }

    #[test]
    fn a_row_from_the_past_changes_nothing(
        shares in prop::collection::vec((0.0..1.0_f64, 0.0..0.5_f64), 7..40),
        stale in (0..5_u64, 0.0..9.0_f64),
    ) {
        let (mut one, mut other) = (trigger(None), trigger(None));
        prop_assert_eq!(hot_seconds(&mut one, &shares, &[], false), hot_seconds(&mut other, &shares, &[], false));
        one.see(&worker(A, stale.0 * S, Some(stale.1)));
        let now_us = (shares.len() as u64 - 1) * S;
        let moment = Moment { now_us, probe_sent_us: None };
        prop_assert_eq!(one.judge(moment), other.judge(moment));
        let next = [worker(A, now_us + S, Some(0.9)), worker(B, now_us + S, Some(0.1))];
        for row in &next {
            one.see(row);
            other.see(row);
        }
        let moment = Moment { now_us: now_us + S, probe_sent_us: None };
        prop_assert_eq!(one.judge(moment), other.judge(moment));
    }
}
