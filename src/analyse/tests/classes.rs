//! Each class with its sentence, and every threshold from both sides.

use super::*;
use crate::analyse::classify::{Class, Classification, Confidence};
use crate::traffic::Source;

use scene::{FIRST_PID, ROUTER, SECONDS, Traffic};

const TOKENS: &[(&str, &str)] = &[
    ("/usr/lib/python3.13/asyncio/runners.py", "Runner.run"),
    ("/venv/lib/python3.13/site-packages/litellm/router.py", "Router.acompletion"),
    ("/venv/lib/python3.13/site-packages/litellm/litellm_core_utils/token_counter.py", "token_counter"),
];

fn classified(scene: Scene) -> Classification {
    verdict(scene).classification.unwrap()
}

/// Two workers that share some cores evenly, at some traffic.
fn at(cores: f64, requests: f64) -> Scene {
    Scene::of(&[cores / 2.0, cores / 2.0]).traffic(rps(requests))
}

fn class_of(before: (f64, f64), during: (f64, f64)) -> (Class, Confidence) {
    let classified = classified(at(during.0, during.1).against(at(before.0, before.1)));
    (classified.class, classified.confidence)
}

#[test]
fn cpu_that_rises_with_traffic_scales_with_it() {
    let found = classified(at(1.6, 40.0).against(at(0.4, 10.0)));
    assert_eq!((found.class, found.confidence), (Class::ScalesWithTraffic, Confidence::High));
    assert_eq!(
        found.sentence,
        "CPU follows traffic: CPU × 4.00 (0.400 to 1.60 cores), requests × 4.00 (10.0 to 40.0 per second), CPU per request \
         × 1.00 (40.0 ms to 40.0 ms). Traffic explains 100 % of the rise."
    );
    let near = |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-6, "{value:?}");
    near(found.cpu_ratio, 4.0);
    near(found.traffic_ratio, 4.0);
    near(found.cost_ratio, 1.0);
    near(found.elasticity, 1.0);
    assert!(found.contradictions.is_empty() && found.to_add.is_empty(), "{found:?}");
}

#[test]
fn cpu_that_rises_by_itself_names_what_grew() {
    let tokens = |prompt| Traffic { tokens: Some((prompt, 100.0)), ..rps(10.0) };
    let calm = Scene::of(&[0.2, 0.2]).traffic(tokens(1_200.0));
    // The tables and the stacks say the same: each worker uses 0.6 cores more.
    let mut spike = Scene::of(&[0.8, 0.8]);
    spike.facts.profile.samples.clear();
    for pid in [FIRST_PID, FIRST_PID + 1] {
        spike.busy(pid, "MainThread", ROUTER, (0, SECONDS * 1_000_000), 0.2);
        spike.busy(pid, "MainThread", TOKENS, (0, SECONDS * 1_000_000), 0.6);
    }
    let found = classified(spike.traffic(tokens(9_000.0)).against(calm));
    assert_eq!((found.class, found.confidence), (Class::WithoutTraffic, Confidence::Medium));
    assert_eq!(
        found.sentence,
        "Traffic does not explain it: CPU × 4.00 (0.400 to 1.60 cores), requests hardly changed (10.0 to 10.0 per second), \
         CPU per request × 4.00 (40.0 ms to 160 ms). Traffic explains 0 % of the rise. Per request, most grew in token \
         counting: from 0 s to 120 ms of CPU. A request has 9000 prompt tokens, 1200 before, and 100 completion tokens, \
         100 before."
    );
    assert_eq!(
        found.contradictions,
        ["a request has 9100 tokens, prompt and completion, 1300 before: each asks for more"]
    );
    assert_eq!(found.elasticity, None, "traffic did not change");
}

#[test]
fn cpu_without_a_single_request_needs_no_traffic() {
    let found = classified(at(1.8, 0.0).against(at(0.1, 0.0)));
    assert_eq!((found.class, found.confidence), (Class::WithoutTraffic, Confidence::High));
    assert_eq!(
        found.sentence,
        "Traffic does not explain it: CPU × 18.0 (0.100 to 1.80 cores), no requests came, neither before nor during. Traffic \
         explains 0 % of the rise. Most CPU goes to router: 100.0 %, led by Router.acompletion (litellm/router.py)."
    );
    assert_eq!(class_of((0.1, 10.0), (1.8, 0.0)).0, Class::WithoutTraffic);
    assert_eq!(class_of((0.1, 0.0), (1.8, 30.0)).0, Class::ScalesWithTraffic, "traffic came from nothing");
}

#[test]
fn a_newer_litellm_whose_requests_cost_more_is_an_upgrade() {
    let found = classified(at(0.8, 10.0).version("1.106.2").against(at(0.4, 10.0).version("1.75.5")));
    assert_eq!((found.class, found.confidence), (Class::AfterUpgrade, Confidence::High));
    assert_eq!(
        found.sentence,
        "LiteLLM was upgraded from 1.75.5 to 1.106.2: CPU × 2.00 (0.400 to 0.800 cores), requests hardly changed (10.0 to \
         10.0 per second), CPU per request × 2.00 (40.0 ms to 80.0 ms). Traffic explains 0 % of the rise. Per request, \
         most grew in router: from 40.0 ms to 80.0 ms of CPU."
    );
    assert_eq!((found.version_before.as_deref(), found.version_during.as_deref()), (Some("1.75.5"), Some("1.106.2")));
}

#[test]
fn a_newer_litellm_whose_requests_cost_the_same_is_a_remark() {
    let found = classified(at(1.6, 40.0).version("1.106.2").against(at(0.4, 10.0).version("1.75.5")));
    assert_eq!((found.class, found.confidence), (Class::ScalesWithTraffic, Confidence::Medium));
    assert_eq!(
        found.contradictions,
        ["LiteLLM was 1.75.5 before and is 1.106.2 now, and a request costs 1.00 times what it did"]
    );
    let older = classified(at(0.8, 10.0).version("1.75.5").against(at(0.4, 10.0).version("1.106.2")));
    assert_eq!(older.class, Class::WithoutTraffic, "a downgrade is no upgrade");
}

#[test]
fn every_threshold_has_two_sides() {
    // A rise of the CPU.
    assert_eq!(class_of((1.0, 10.0), (1.19, 11.9)).0, Class::Undetermined);
    assert_eq!(class_of((1.0, 10.0), (1.21, 12.1)).0, Class::ScalesWithTraffic);
    assert_eq!(class_of((0.02, 10.0), (0.06, 30.0)).0, Class::Undetermined, "three times nothing");
    // A request that costs more, at the same CPU.
    assert_eq!(class_of((1.0, 40.0), (1.0, 33.0)).0, Class::Undetermined);
    assert_eq!(class_of((1.0, 40.0), (1.0, 31.0)), (Class::WithoutTraffic, Confidence::Medium));
    assert_eq!(class_of((1.0, 40.0), (0.5, 10.0)).0, Class::Undetermined, "CPU fell, though a request costs more");
    // Traffic's share of the rise, and how clear it is: of 4 times, 1.7 are 38 %, 1.8 are 42 %, 2.2 57 %, 2.4 63 %.
    assert_eq!(class_of((0.4, 10.0), (1.6, 17.0)), (Class::WithoutTraffic, Confidence::Medium));
    assert_eq!(class_of((0.4, 10.0), (1.6, 18.0)), (Class::WithoutTraffic, Confidence::Low));
    assert_eq!(class_of((0.4, 10.0), (1.6, 22.0)), (Class::ScalesWithTraffic, Confidence::Low));
    assert_eq!(class_of((0.4, 10.0), (1.6, 24.0)), (Class::ScalesWithTraffic, Confidence::Medium));
    // How many requests were counted in thirty seconds.
    assert_eq!(class_of((0.4, 3.4), (1.6, 13.6)), (Class::ScalesWithTraffic, Confidence::High));
    assert_eq!(class_of((0.4, 3.2), (1.6, 12.8)), (Class::ScalesWithTraffic, Confidence::Medium));
    assert_eq!(class_of((0.4, 0.3), (1.6, 1.2)), (Class::ScalesWithTraffic, Confidence::Low));
}

#[test]
fn against_its_own_life_the_cost_of_a_request_decides() {
    // 10,000 requests in 100,000 s and 440 CPU-seconds, 20 of them for the start: 42 ms each.
    let now = |cores, requests| at(cores, requests).lifetime(100_000.0, 440.0);
    let found = classified(now(1.68, 40.0));
    assert_eq!((found.class, found.confidence), (Class::ScalesWithTraffic, Confidence::Medium));
    assert_eq!(
        found.sentence,
        "CPU follows traffic: CPU × 400 (0.00420 to 1.68 cores), requests × 400 (0.100 to 40.0 per second), CPU per request \
         × 1.00 (42.0 ms to 42.0 ms). Traffic explains 100 % of the rise."
    );
    assert_eq!(found.to_add, ["capture a calm minute and pass it with --baseline BUNDLE"]);
    let dearer = classified(now(1.68, 20.0));
    assert_eq!(
        (dearer.class, dearer.confidence),
        (Class::WithoutTraffic, Confidence::Medium),
        "traffic's share is 88 %"
    );
    assert_eq!(dearer.contradictions, ["there were also 200 times as many requests"]);
    assert_eq!(classified(now(1.68, 30.0)).confidence, Confidence::Low, "1.33 times is unclear against an average");
}

#[test]
fn a_young_proxy_has_no_life_to_be_held_against() {
    let found = classified(at(0.4, 10.0).lifetime(120.0, 35.0));
    assert_eq!((found.class, found.confidence), (Class::Undetermined, Confidence::Low));
    assert_eq!(
        found.sentence,
        "There is nothing to hold the capture against: no baseline was given, and the proxy is too young for its own average \
         to serve: it is 2 minutes old, and of the 35.0 CPU-seconds that it has used, starting up may account for up to \
         20.0."
    );
    assert_eq!(
        found.to_add,
        [
            "capture a calm minute and pass it with --baseline BUNDLE, or capture again when the proxy has run for some hours"
        ]
    );
}

#[test]
fn without_a_count_of_requests_nothing_is_decided() {
    let now = Scene::of(&[0.8, 0.8]).every_second("network", &[("connections_accepted", Some(5.0))]);
    let found = classified(now.against(at(0.4, 10.0)));
    assert_eq!(
        found.sentence,
        "Nothing counted requests during the capture, only accepted connections (a connection may carry several \
         requests), so that CPU cannot be held against traffic."
    );
    assert_eq!(
        found.to_add,
        [
            "have requests counted: enable the prometheus callback (litellm_settings: callbacks: [\"prometheus\"]), or give \
          the access log with --log FILE"
        ]
    );
    let found = classified(at(1.6, 10.0).against(Scene::of(&[0.4])));
    assert_eq!(found.sentence, "Nothing counted requests in the baseline, so that CPU cannot be held against traffic.");
    assert_eq!(found.class, Class::Undetermined);
    assert!(found.cpu_ratio.is_some() && found.traffic_ratio.is_none());
}

#[test]
fn cpu_that_did_not_rise_says_so_and_what_to_do() {
    let found = classified(at(0.42, 10.0).against(at(0.4, 10.0)));
    assert_eq!(
        found.sentence,
        "Nothing spiked: CPU went from 0.400 to 0.420 cores, requests hardly changed (10.0 to 10.0 per second), CPU per \
         request × 1.05 (40.0 ms to 42.0 ms)."
    );
    assert_eq!(found.to_add, ["capture while the CPU is high"]);
}

#[test]
fn what_speaks_against_a_class_is_told_and_lowers_its_confidence() {
    let failing = Scene::of(&[0.8, 0.8]).traffic(Traffic { error_percent: 20.0, ..rps(40.0) });
    let found = classified(failing.against(at(0.4, 10.0)));
    assert_eq!(
        found.contradictions,
        ["20.0 % of the requests failed, 0.0 % before: failures may cost what the traffic does not"]
    );
    assert_eq!(found.confidence, Confidence::Medium);

    let one_hot = Scene::of(&[0.9, 0.05, 0.05]).traffic(rps(25.0));
    let found = classified(one_hot.against(Scene::of(&[0.1, 0.1, 0.05]).traffic(rps(6.0))));
    assert_eq!(
        found.contradictions,
        [
            "traffic goes to all workers, but the CPU is one's. One hot worker: 101 uses 90.0 % of a core, the median of \
          the other 2 is 5.0 %. It spends 25.50 CPU-seconds more than the others in Router.acompletion (litellm/router.py)."
        ]
    );

    let mut believed = at(1.6, 40.0);
    believed.facts.evidence.reporter.classification = Some(Class::AfterUpgrade);
    let found = classified(believed.against(at(0.4, 10.0)));
    assert_eq!(found.contradictions, ["the reporter takes it for: CPU increases after a LiteLLM upgrade"]);
    assert_eq!(found.reporter, Some(Class::AfterUpgrade));

    let other_source = Scene::of(&[0.8, 0.8]).traffic(Traffic { source: Source::AccessLog, ..rps(40.0) });
    assert_eq!(classified(other_source.against(at(0.4, 10.0))).confidence, Confidence::Medium);
}

#[test]
fn a_throttled_proxy_serves_less_for_the_same_cpu() {
    let throttled = |requests: f64| {
        at(0.3, requests).print(|print| print.cgroup.cpu_quota_cores = Some(0.3)).every_second(
            "cgroup",
            &[("periods", Some(10.0)), ("throttled_periods", Some(9.6)), ("throttled_s", Some(0.71))],
        )
    };
    let found = classified(throttled(5.0).against(at(0.4, 10.0)));
    assert_eq!(
        (found.class, found.confidence),
        (Class::WithoutTraffic, Confidence::Medium),
        "CPU even fell to its limit"
    );
    assert_eq!(
        found.contradictions,
        [
            "the CPU limit hides how much the workers would use. Throttled, not busy: 2 workers share a CPU limit of 0.3 \
          cores and 8 GiB of memory; the quota ran out in 96 % of the periods and held them for 21.3 s, summed over \
          CPUs, of 30.0 s. LiteLLM asks for 1 CPU and 4 GiB per worker, here 2 CPUs and 8 GiB."
        ]
    );
}
