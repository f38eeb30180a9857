//! Over workers and over the machine: one hot worker or all, throttled or busy.

use super::*;
use crate::analyse::heat::{Heat, Spread};
use crate::analyse::sizing::{Size, Sizing};

use scene::ROUTER;

fn heat_of(cores: &[f64]) -> Heat {
    verdict(Scene::of(cores)).heat.unwrap()
}

fn sizing_of(scene: Scene) -> Sizing {
    verdict(scene).sizing.unwrap()
}

#[test]
fn cpu_is_spread_in_five_ways() {
    let cases: &[(&[f64], Spread, &str)] = &[
        (&[0.019, 0.01], Spread::Idle, "Idle: of 2 workers the busiest, 101, uses 1.9 % of a core."),
        (&[0.021], Spread::Single, "One worker, 101, uses 2.1 % of a core."),
        (
            &[0.6, 0.5, 0.42],
            Spread::Even,
            "Evenly spread: worker 101 uses 60.0 % of a core, the median of the other 2 is 46.0 %, the lowest 42.0 %.",
        ),
        (&[0.6, 0.3], Spread::Uneven, "Unevenly spread: worker 101 uses 60.0 % of a core, worker 102 30.0 %."),
    ];
    for (cores, spread, sentence) in cases {
        let heat = heat_of(cores);
        assert_eq!((heat.spread, heat.sentence.as_str()), (*spread, *sentence));
    }
}

#[test]
fn a_hot_worker_is_busy_and_far_from_the_others() {
    assert_eq!(heat_of(&[0.60, 0.2, 0.2]).spread, Spread::OneHot);
    assert_eq!(heat_of(&[0.59, 0.2, 0.2]).spread, Spread::Uneven, "less than three times");
    assert_eq!(heat_of(&[0.49, 0.1, 0.1]).spread, Spread::Uneven, "less than half of a core");
    assert_eq!(heat_of(&[1.0, 1.0, 0.1, 0.1]).spread, Spread::OneHot, "the median of the others");
}

#[test]
fn the_thread_that_burns_in_one_worker_alone_is_named() {
    let burn = [("/usr/lib/python3.13/threading.py", "Thread.run"), ("/app/jobs.py", "burn")];
    let mut scene = Scene::of(&[0.2, 0.2, 0.2]);
    scene.busy(102, "janitor", &burn, (0, 30_000_000), 0.7);
    let heat = verdict(scene).heat.unwrap();
    assert_eq!(
        (heat.spread, heat.hottest, heat.function.as_deref()),
        (Spread::OneHot, Some(102), Some("burn (app/jobs.py)"))
    );
    assert_eq!(
        heat.sentence,
        "One hot worker: 102 uses 90.0 % of a core, the median of the other 2 is 20.0 %. It spends 21.00 CPU-seconds \
         more than the others in burn (app/jobs.py)."
    );
}

#[test]
fn a_function_that_is_a_fraction_of_the_excess_is_not_named() {
    let mut scene = Scene::of(&[0.0, 0.0]);
    for function in ["a", "b", "c", "d", "e", "f"] {
        scene.busy(101, "MainThread", &[("/app/jobs.py", function)], (0, 30_000_000), 0.15);
    }
    let heat = verdict(scene).heat.unwrap();
    assert_eq!((heat.spread, heat.function), (Spread::OneHot, None));
}

#[test]
fn owners_and_mechanisms_are_told_with_their_leaders() {
    let mut scene = Scene::of(&[0.25]);
    let deepcopy = [ROUTER, &[("/usr/lib/python3.13/copy.py", "deepcopy")]].concat();
    scene.busy(101, "MainThread", &deepcopy, (0, 30_000_000), 0.5);
    scene.busy(101, "tokio", &[], (0, 30_000_000), 0.25);
    let owners = verdict(scene).owners;
    let told: Vec<_> =
        owners.iter().map(|owner| (owner.owner.as_str(), owner.percent, owner.leader.as_deref())).collect();
    assert_eq!(told, [("router", 75.0, Some("deepcopy (copy.py)")), ("native threads", 25.0, None)]);
    let mechanisms: Vec<_> =
        owners[0].mechanisms.iter().map(|share| (share.mechanism.as_str(), share.percent)).collect();
    assert_eq!(mechanisms, [("deepcopy", 50.0), ("other Python", 25.0)]);
}

#[test]
fn litellms_rule_is_one_cpu_and_four_gib_for_each_worker() {
    let two = || Scene::of(&[0.4, 0.4]).print(|_| ());
    let cases: Vec<(Scene, Size, &str)> = vec![
        (
            two(),
            Size::Adequate,
            "Adequate: 2 workers share 2 CPUs and 8 GiB of memory. LiteLLM asks for 1 CPU and 4 GiB per worker, here \
             2 CPUs and 8 GiB.",
        ),
        (
            two().print(|print| print.cgroup.cpu_quota_cores = Some(1.9)),
            Size::Undersized,
            "Undersized: 2 workers share a CPU limit of 1.9 cores and 8 GiB of memory. LiteLLM asks for 1 CPU and 4 \
             GiB per worker, here 2 CPUs and 8 GiB.",
        ),
        (
            two().print(|print| print.cgroup.memory_limit_bytes = Some(7 << 30)),
            Size::Undersized,
            "Undersized: 2 workers share 2 CPUs and 7 GiB of memory. LiteLLM asks for 1 CPU and 4 GiB per worker, \
             here 2 CPUs and 8 GiB.",
        ),
        (
            Scene::of(&[0.4]).print(|print| print.cgroup.cpu_quota_cores = Some(8.0)),
            Size::Adequate,
            "Adequate: 1 worker has 2 CPUs and 8 GiB of memory. LiteLLM asks for 1 CPU and 4 GiB per worker.",
        ),
        (
            Scene::of(&[0.4, 0.4]),
            Size::Unknown,
            "Not known: 2 workers share an unknown number of CPUs and an unknown amount of memory. LiteLLM asks for 1 \
             CPU and 4 GiB per worker, here 2 CPUs and 8 GiB.",
        ),
    ];
    for (scene, size, sentence) in cases {
        let sizing = sizing_of(scene);
        assert_eq!((sizing.size, sizing.sentence.as_str()), (size, sentence));
    }
    let kept = |bytes: u64| sizing_of(two().print(|print| print.host.memory_bytes = Some(bytes))).size;
    assert_eq!(kept(8_000_000_000), Size::Adequate, "a machine of 8 GiB shows less");
    assert_eq!(kept(7_900_000_000), Size::Undersized);
}

#[test]
fn a_quota_that_runs_out_in_a_quarter_of_the_periods_throttles() {
    let held = |throttled: f64| {
        let values = [("periods", Some(10.0)), ("throttled_periods", Some(throttled)), ("throttled_s", Some(0.1))];
        sizing_of(
            Scene::of(&[0.4]).print(|print| print.cgroup.cpu_quota_cores = Some(1.0)).every_second("cgroup", &values),
        )
    };
    assert_eq!((held(2.6).size, held(2.5).size), (Size::Throttled, Size::Adequate));
    assert_eq!(held(0.0).throttled_percent, Some(0.0));
    assert!(held(1.0).sentence.contains("the quota ran out in 10 % of the periods and held them for 3.0 s"));
}

#[test]
fn waiting_for_a_cpu_is_told_when_it_is_much() {
    let waiting = |seconds: f64| {
        let mut scene = Scene::empty();
        for second in 0..=30 {
            scene.row(
                "worker-101",
                second * 1_000_000,
                &[("user_s", Some(0.5)), ("system_s", Some(0.0)), ("run_queue_wait_s", Some(seconds))],
            );
        }
        sizing_of(scene)
    };
    assert!((waiting(0.4).wait_per_cpu_second.unwrap() - 0.8).abs() < 1e-6);
    assert!(
        waiting(0.4).sentence.contains(" For each second that the workers' threads ran they waited 800 ms for a CPU.")
    );
    assert!(!waiting(0.04).sentence.contains("waited"));
}
