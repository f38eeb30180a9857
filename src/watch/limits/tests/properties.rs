//! What holds for any spikes at any times, and for any bytes in the place of the state.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::super::rules::decide;
use super::super::state::{Capture, Outcome, State};
use super::*;

/// A spike so many seconds after the one before, its peak, and how long its capture would take.
type Spike = (f64, f64, f64);

fn spikes() -> impl Strategy<Value = Vec<Spike>> {
    prop::collection::vec((0.0..2_000.0, 0.0..4.0, 0.0..300.0), 1..100)
}

/// A day of spikes under the limits: those that are captured.
fn captured(scene: &mut Scene, spikes: &[Spike]) -> Vec<Capture> {
    let mut state = State::default();
    let mut all = Vec::new();
    for (id, (after, peak, lasts)) in spikes.iter().enumerate() {
        scene.pass(*after);
        state.settle(&scene.now);
        state.forget(&scene.plan, &scene.now);
        if decide(&state.captures, *peak, &scene.plan, &scene.now).is_ok() {
            let began = scene.now.clone();
            scene.pass(*lasts);
            let ended = scene.now.clone();
            let capture = Capture { id: id as u64, began, ended, peak: Some(*peak), outcome: Outcome::Nothing };
            state.put(capture.clone());
            all.push(capture);
        }
    }
    all
}

fn moments() -> impl Strategy<Value = Moment> {
    let boot = ("[a-f0-9-]{1,36}", any::<f64>().prop_filter("JSON knows no others", |seconds| seconds.is_finite()));
    let boot = prop::option::of(boot.prop_map(|(id, seconds)| Boot { id, seconds }));
    let utc = (-1_000_000_000_000_000..4_000_000_000_000_000_i64)
        .prop_map(|us| jiff::Timestamp::from_microsecond(us).unwrap());
    (boot, utc).prop_map(|(boot, utc)| Moment { boot, utc })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let path = || "[a-z./ä\"\\\\]{0,20}".prop_map(PathBuf::from);
    prop_oneof![
        prop::option::of(path()).prop_map(|work| Outcome::UnderWay { work }),
        (path(), any::<u32>()).prop_map(|(work, packings)| Outcome::Killed { work, packings }),
        (path(), any::<u64>()).prop_map(|(path, bytes)| Outcome::Bundle { path, bytes }),
        Just(Outcome::Nothing),
    ]
}

fn states() -> impl Strategy<Value = State> {
    let peak = prop::option::of(any::<f64>().prop_filter("JSON knows no others", |peak| peak.is_finite()));
    let capture = (any::<u64>(), moments(), moments(), peak, outcomes())
        .prop_map(|(id, began, ended, peak, outcome)| Capture { id, began, ended, peak, outcome });
    prop::collection::vec(capture, 0..9).prop_map(|captures| State { captures })
}

/// Bytes that are no state, or that are one with a wound.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let wounded = (states(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(state, place, byte)| {
        let mut bytes = serde_json::to_vec(&serde_json::json!({"format": 1, "state": state})).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        bytes
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..64), wounded]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_more_captures_than_may_be_begin_in_any_window(spikes in spikes(), max_captures in 1..6_usize) {
        let mut scene = Scene::with(|plan| {
            plan.max_captures = max_captures;
            plan.window = Duration::from_hours(2);
        });
        let all = captured(&mut scene, &spikes);
        for (first, next) in all.iter().zip(all.iter().skip(max_captures)) {
            prop_assert!(next.began.seconds_since(&first.began) >= 2.0 * HOUR - 1e-6);
        }
    }

    #[test]
    fn never_two_captures_within_a_cooldown_unless_the_later_is_higher_by_the_margin(spikes in spikes()) {
        let mut scene = Scene::with(|plan| plan.max_captures = 1_000);
        for pair in captured(&mut scene, &spikes).windows(2) {
            let apart = pair[1].began.seconds_since(&pair[0].ended);
            prop_assert!(apart >= 10.0 * MINUTE - 1e-6 || pair[1].peak > pair[0].peak.map(|peak| peak * 1.25));
        }
    }

    #[test]
    fn a_spike_is_captured_where_no_limit_forbids_it(spikes in spikes()) {
        let mut scene = Scene::with(|plan| (plan.max_captures, plan.cooldown) = (1_000, Duration::from_nanos(1)));
        let spikes: Vec<Spike> = spikes.into_iter().map(|(after, peak, lasts)| (after + 1.0, peak, lasts)).collect();
        prop_assert_eq!(captured(&mut scene, &spikes).len(), spikes.len());
    }

    #[test]
    fn a_state_comes_back_as_it_was_written(state in states()) {
        let text = serde_json::to_vec(&state).unwrap();
        prop_assert_eq!(serde_json::from_slice::<State>(&text).unwrap(), state);
    }

    #[test]
    fn however_clocks_step_a_cooldown_ends_after_its_time(began in moments(), now in moments()) {
        let mut scene = Scene::new();
        scene.now = Moment { boot: now.boot.map(|boot| Boot { seconds: 9_000.0, ..boot }), ..now };
        let capture = Capture { id: 1, ended: began.clone(), began, peak: Some(1.0), outcome: Outcome::Nothing };
        let mut state = State { captures: vec![capture] };
        state.settle(&scene.now);
        scene.pass(10.0 * MINUTE + 1.0);
        prop_assert_eq!(decide(&state.captures, 0.5, &scene.plan, &scene.now), Ok(()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_bytes_in_the_place_of_the_state_cost_no_bundle_and_end_no_watcher(bytes in bytes(), peak in any::<f64>()) {
        let mut scene = Scene::with(|plan| (plan.keep, plan.cooldown) = (1, Duration::from_secs(1)));
        let theirs = scene.write("litellm-cpu-theirs.tar.gz", 10);
        scene.watcher();
        fs::write(scene.state_file(), &bytes).unwrap();
        scene.pass(HOUR);
        let lived = catch_unwind(AssertUnwindSafe(|| {
            let mut watcher = scene.watcher();
            watcher.limits.leftovers(&scene.now);
            if let Ok(permit) = watcher.limits.admit(peak, &scene.now) {
                let bundle = scene.write("litellm-cpu-ours.tar.gz", 10);
                let captured = Captured { bundle, bytes: 10, peak, ended: scene.now.clone() };
                let new = watcher.limits.captured(permit, captured);
                watcher.retains(&scene, &new, &[]);
            }
        }));
        prop_assert!(lived.is_ok());
        prop_assert!(theirs.exists());
        let state = fs::read(scene.state_file()).unwrap();
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&state).is_ok());
    }
}
