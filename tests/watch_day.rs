//! A day of readings in seconds: what a watch remembers does not grow with the time it watches. It is the only test of
//! its program, since it measures the memory of its own process.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use litellm_capture::{
    observe::{Epoch, Keeper, Roster},
    os::proc::ProcessId,
    series::{Reading, column, table},
    traffic::{Count, Histogram, Latency, Source, Tally},
    watch::{
        feed::Feed,
        trigger::{Judgement, Trigger, capacity::Capacity, plan::RulesPlan},
    },
};

const S: u64 = 1_000_000;
const HOUR: Duration = Duration::from_hours(1);
/// Each of which is read once a second.
const WORKERS: [i32; 4] = [42, 43, 44, 45];
/// Every hour has a spike of so many seconds.
const SPIKE_SECONDS: u64 = 60;

#[test]
fn a_day_takes_no_more_memory_than_two_hours() {
    let rules = RulesPlan {
        hold: Duration::from_secs(5),
        cpu: Some(0.8),
        adaptive: Some(0.5),
        scope: None,
        liveliness: Some(Duration::from_secs(1)),
        p99: Some(Duration::from_secs(10)),
        throttled: Some(0.25),
    };
    let keeper = Arc::new(Keeper::remembering(HOUR));
    let trigger = Trigger::new(rules, Capacity::default());
    let mut feed = Feed::new(trigger, Arc::clone(&keeper), Epoch::now());
    let roster = Roster::default();
    roster.set(WORKERS.map(|pid| ProcessId { pid, start_ticks: 1 }).to_vec());
    feed.turn_to(roster, Arc::default(), Capacity { quota_cores: None, cpus: Some(4) });

    let (mut after_two_hours, mut hot_seconds) = (0, 0);
    for second in 0..86_400 {
        for row in rows(second) {
            keeper.reading(&row);
        }
        if second % 10 == 0 {
            keeper.tally(&tally(second));
        }
        match feed.judge_at(second * S + S / 100) {
            Judgement::Hot { .. } => hot_seconds += 1,
            Judgement::Calm => feed.end_spike(),
            Judgement::Unknown => {}
        }
        if second == 2 * HOUR.as_secs() {
            after_two_hours = resident_bytes();
        }
    }
    let grown = resident_bytes().saturating_sub(after_two_hours);
    assert!(grown <= 1 << 20, "from {after_two_hours} bytes it grew by {grown}");

    // It was no empty exercise: the rules saw each spike, and the last hour is there.
    assert_eq!(hot_seconds, 24 * (SPIKE_SECONDS - 5 + 1));
    let begins_us = keeper.begins_us().expect("it remembers");
    assert_eq!(begins_us, (86_400 - 1 - HOUR.as_secs()) * S);
}

/// What is read in a second.
fn rows(second: u64) -> Vec<Reading> {
    let is_spike = second % HOUR.as_secs() >= HOUR.as_secs() - 2 * SPIKE_SECONDS
        && second % HOUR.as_secs() < HOUR.as_secs() - SPIKE_SECONDS;
    let cpu_s = if is_spike { 0.97 } else { 0.1 + (second % 7) as f64 / 100.0 };
    let row = |table: String, values: &[(&str, f64)]| Reading {
        table,
        at_us: second * S,
        values: values.iter().map(|(name, value)| ((*name).to_owned(), Some(*value))).collect(),
    };
    let worker = |pid: i32| {
        let figures = [
            (column::USER_S, cpu_s),
            (column::SYSTEM_S, 0.01),
            (column::RUN_QUEUE_WAIT_S, 0.02),
            (column::INVOLUNTARY_SWITCHES, 12.0),
            (column::RSS_BYTES, 4e8 + second as f64),
            (column::THREADS, 9.0),
            (column::OPEN_FILES, 40.0),
        ];
        row(format!("{}-{pid}", table::WORKER), &figures)
    };
    let cgroup = [
        (column::CPU_S, cpu_s * 4.0),
        (column::PERIODS, 10.0),
        (column::THROTTLED_PERIODS, 0.0),
        (column::THROTTLED_S, 0.0),
        (column::MEMORY_BYTES, 2e9),
        (column::CPU_PRESSURE_S, 0.1),
    ];
    let host = [(column::LOAD_1M, 1.0), (column::BUSY_S, 1.0), (column::STEAL_S, 0.0)];
    let mut rows: Vec<Reading> = WORKERS.into_iter().map(worker).collect();
    rows.push(row(table::CGROUP.to_owned(), &cgroup));
    rows.push(row(table::HOST.to_owned(), &host));
    rows.push(row(table::NETWORK.to_owned(), &[(column::CONNECTIONS_ACCEPTED, 3.0)]));
    rows.push(row(table::LIVELINESS.to_owned(), &[(column::LATENCY_S, 0.004), (column::FAILED, 0.0)]));
    rows
}

/// What LiteLLM counted until a second: five models, three requests a second.
fn tally(second: u64) -> Tally<String> {
    let answered = second as f64 * 3.0;
    let count = |(model, status): (u64, u16)| Count {
        route: Some("/v1/chat/completions".to_owned()),
        status: Some(status),
        model: Some(format!("model-{model}")),
        requests: answered / 10.0,
    };
    let counts = (0..5).flat_map(|model| [200, 429].map(|status| (model, status))).map(count).collect();
    let bounds: Vec<f64> = (0..20).map(|power| 0.005 * 1.5_f64.powi(power)).collect();
    let counted = vec![answered; bounds.len() + 1];
    let histogram = Histogram { counts: counted, bounds, sum_seconds: answered * 0.004 };
    Tally {
        source: Source::MetricsEndpoint,
        at_us: second * S,
        took_us: 2_000,
        counts,
        latencies: BTreeMap::from([(Latency::Total, histogram)]),
        in_flight: Some(2.0),
        prompt_tokens: Some(answered * 100.0),
        completion_tokens: Some(answered * 50.0),
    }
}

fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("/proc");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("resident pages");
    pages * procfs::page_size()
}
