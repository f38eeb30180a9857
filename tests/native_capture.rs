//! A capture by the native engine, from the command line to the bundle, with py-spy as its witness.

mod support;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use support::{Capture, File, bundle::Bundle, files_below, lab, target::Target};

/// A secret that its owner wrote wherever a sampler looks: in a thread's name, a function's and a file's.
const CANARY: &str = "sk-canary-7Qm2Xw9Rk4Tz8Lp3Vb6";
const TELLTALE: &str = r#"
import os, threading
secret = os.environ["UPSTREAM_API_KEY"]
source = "def burn():\n    while True: sum(range(100))\n"
names = {}
exec(compile(source, f"/srv/{secret}/jobs.py", "exec"), names)
burn = names["burn"]
burn.__code__ = burn.__code__.replace(co_name=secret, **({"co_qualname": secret} if hasattr(burn.__code__, "co_qualname") else {}))
threading.Thread(target=burn, name=secret, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"#;

struct Telltale(Child);

impl Telltale {
    fn start() -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", TELLTALE]).env("UPSTREAM_API_KEY", CANARY).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Telltale {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The files that hold the canary.
fn betrayed(files: &[File]) -> Vec<&str> {
    let holds = |bytes: &[u8]| bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
    files.iter().filter(|(_, bytes)| holds(bytes)).map(|(name, _)| name.as_str()).collect()
}

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

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_secret_in_the_names_of_threads_functions_and_files_stays_at_home() {
    let target = Telltale::start();
    let capture = || Capture::new().pid(target.pid()).args(["--only", "--engine", "native", "--slice", "1s"]);
    let bundle = capture().args(["--duration", "3s"]).arg("--py-spy").arg(lab::py_spy()).run().only_bundle();
    assert_eq!(bundle.json("manifest.json")["engine"]["name"], "native");
    assert!(bundle.figure("/cpu/sampled_seconds") > 0.1, "it was seen at work");
    assert_eq!(betrayed(&bundle.unpacked()), [""; 0]);

    // What a capture that is killed leaves behind.
    let mut running = capture().args(["--duration", "50s"]).start();
    let work = running.work();
    running.wait_for_slices(1);
    running.kill();
    let kept = files_below(&work);
    assert!(kept.iter().any(|(name, _)| name.ends_with("native.jsonl")), "it kept a slice");
    assert_eq!(betrayed(&kept), [""; 0]);
}
