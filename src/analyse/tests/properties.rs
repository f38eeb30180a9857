//! Whatever the facts are, the verdict is made of numbers, its shares add up, and nothing panics.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::analyse::evidence::Lifetime;
use crate::redact::Clean;
use crate::sample::Slice;
use crate::series::{Row, Series, Table};
use crate::traffic::{Count, Histogram, Latency, Source, Tally};

use scene::ROUTER;

/// Numbers as a table's file can hold them, the strange ones included.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![stored(), Just(f64::NAN), Just(f64::INFINITY)]
}

/// Numbers as JSON can hold them.
fn stored() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..1e4_f64, Just(0.0), Just(-1.0), Just(1e308), Just(1e-308)]
}

fn source() -> impl Strategy<Value = Source> {
    prop::sample::select(vec![Source::MetricFiles, Source::MetricsEndpoint, Source::AccessLog, Source::Connections])
}

fn tally() -> impl Strategy<Value = Tally<Clean>> {
    (
        source(),
        0_u64..60_000_000,
        prop::collection::vec((prop::option::of(100_u16..600), number()), 0..4),
        prop::option::of(number()),
        prop::collection::vec(number(), 0..4),
    )
        .prop_map(|(source, at_us, counts, tokens, buckets)| Tally {
            source,
            at_us,
            took_us: 0,
            counts: counts
                .into_iter()
                .map(|(status, requests)| Count { route: None, status, model: None, requests })
                .collect(),
            latencies: BTreeMap::from([(
                Latency::Total,
                Histogram { bounds: vec![0.1; buckets.len().saturating_sub(1)], counts: buckets, sum_seconds: 1.0 },
            )]),
            in_flight: None,
            prompt_tokens: tokens,
            completion_tokens: tokens,
        })
}

fn table(name: &'static str, columns: &'static [&'static str]) -> impl Strategy<Value = Table> {
    let value = prop::option::of(number());
    let row = (0_u64..60_000_000, prop::collection::vec(value, columns.len()))
        .prop_map(|(at_us, values)| Row { at_us, values });
    prop::collection::vec(row, 0..8).prop_map(move |rows| Table {
        name: name.to_owned(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        rows,
    })
}

fn series() -> impl Strategy<Value = Series> {
    let tables = (
        table("worker-101", &["user_s", "system_s", "run_queue_wait_s"]),
        table("cgroup", &["periods", "throttled_periods", "throttled_s"]),
        table("network", &["connections_accepted"]),
        table("liveliness", &["latency_s", "failed"]),
    );
    tables.prop_map(|(a, b, c, d)| Series([a, b, c, d].into_iter().map(|table| (table.name.clone(), table)).collect()))
}

fn facts() -> impl Strategy<Value = Facts> {
    let profile = prop::collection::vec((101..104_i32, 0..3_usize, 0_u64..30_000_000, 0.0..1.5_f64), 0..12);
    let lifetime = prop::option::of((stored(), stored(), 0_u32..5));
    let slice = (0_u64..40_000_000, 0_u64..40_000_000);
    (prop::collection::vec(tally(), 0..8), series(), profile, lifetime, slice).prop_map(
        |(tallies, series, samples, lifetime, (from_us, to_us))| {
            let mut scene = Scene::of(&[0.4, 0.4]).print(|_| ());
            for (pid, depth, at_us, cores) in samples {
                scene.busy(pid, "MainThread", &ROUTER[..=depth], (at_us, at_us + 100_000), cores);
            }
            let mut facts = scene.done();
            facts.series = series;
            facts.evidence.tallies = tallies;
            facts.evidence.slices = vec![Slice { from_us, to_us }];
            facts.evidence.lifetime = lifetime.map(|(age_seconds, cpu_seconds, workers)| Lifetime {
                at_us: 0,
                age_seconds,
                cpu_seconds,
                workers,
            });
            facts
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_facts_are_judged_in_numbers(mut now in facts(), before in prop::option::of(facts())) {
        now.baseline = before.map(Box::new);
        let verdict = analyse(&now);
        // JSON knows no infinity and no NaN: what was written as null for one would not come back the same.
        let text = serde_json::to_string(&verdict).unwrap();
        let read: Verdict = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &verdict);

        let all: f64 = verdict.owners.iter().map(|owner| owner.percent).sum();
        let rounding = 0.051 * verdict.owners.len() as f64;
        prop_assert!(verdict.owners.is_empty() || (all - 100.0).abs() <= rounding, "{all} %");
        for owner in &verdict.owners {
            let parts: f64 = owner.mechanisms.iter().map(|share| share.seconds).sum();
            prop_assert!((parts - owner.seconds).abs() < 1e-4, "{owner:?}");
        }
        let class = verdict.classification.unwrap();
        prop_assert!(!class.sentence.is_empty() && !class.sentence.contains("NaN") && !class.sentence.contains("inf"));
    }
}
