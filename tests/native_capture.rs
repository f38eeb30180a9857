//! A capture by the native engine, from the command line to the bundle, with py-spy as its witness.

mod support;

use support::{Capture, bundle::Bundle, lab, target::Target};

fn captured(target: &Target, engine: &str) -> Bundle {
    let capture = Capture::new().pid(target.pid()).args(["--only", "--duration", "4s", "--slice", "2s"]);
    let output = capture.args(["--engine", engine]).arg("--py-spy").arg(lab::py_spy()).run().assert_status(0);
    target.assert_runs();
    output.only_bundle()
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_native_engine_finds_who_burns_and_py_spy_agrees() {
    let target = Target::alone();
    let bundle = captured(&target, "native");
    let manifest = bundle.json("manifest.json");
    assert_eq!(manifest["engine"]["name"], "native");
    let all = bundle.folded("profiles/all.folded");
    assert!(all.inclusive_share("burn") > 0.9, "{:?}", all.top(5));
    let in_stacks = bundle.figure("/cpu/sampled_seconds");
    let by_kernel = bundle.figure("/cpu/kernel_seconds");
    assert!((in_stacks - by_kernel).abs() <= 0.03 * by_kernel + 0.02, "{in_stacks} s of {by_kernel} s");
    assert_eq!(manifest["quality"]["witness"]["share"], 1.0, "{}", manifest["quality"]);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn auto_takes_the_native_engine_where_its_self_check_passes() {
    let bundle = captured(&Target::alone(), "auto");
    let engine = &bundle.json("manifest.json")["engine"];
    assert_eq!((&engine["name"], &engine["why"]), (&"native".into(), &"self-check passed on 1 worker".into()));
}
