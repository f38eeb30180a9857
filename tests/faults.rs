//! What goes wrong, and what is left then: the exit code, the message, no child, no worker stopped, and under a
//! bundle's name nothing but a whole bundle.
//!
//! Faults that py-spy itself has a part in are forced on the real one; the others on one that misbehaves as told.

mod support;

use std::{
    fs,
    io::{PipeReader, PipeWriter, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::{
    fcntl::{FcntlArg, fcntl},
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use serde_json::Value;
use tempfile::TempDir;

use support::{
    Capture, Output,
    bundle::{Bundle, Stacks},
    children,
    lab::{self, Case, Config, Lab, Server},
    names_in, skip, slices,
    target::Target,
    wait_for,
};

// Signals.

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_signal_ends_the_capture_early_and_the_bundle_is_finished() {
    let target = Target::alone();
    for (signal, name, code) in [(Signal::SIGINT, "SIGINT", 130), (Signal::SIGTERM, "SIGTERM", 143)] {
        for slices in [0, 1] {
            let running = real(&target).args(["--duration", "50s", "--slice", "1s"]).start();
            running.work();
            running.wait_for_slices(slices);
            running.signal(signal);
            let output = running.finish().assert_status(code);
            let bundle = output.only_bundle();
            let manifest = bundle.json("manifest.json");
            assert_eq!((&manifest["status"], &manifest["interrupted_by"]), (&"partial".into(), &name.into()));
            if slices > 0 {
                assert_burns(&bundle);
            }
            target.assert_runs();
        }
    }
}

#[test]
fn a_signal_while_the_bundle_is_written_does_not_cut_it_short() {
    let target = Target::alone();
    let (mut reader, writer) = narrow_pipe();
    let running = short(&target).fake_py_spy("works").args(["-o", "-"]).stdout(writer).start();
    let mut tarball = vec![0];
    reader.read_exact(&mut tarball).expect("the bundle has begun, and the pipe holds less than all of it");
    running.signal(Signal::SIGTERM);
    reader.read_to_end(&mut tarball).expect("the rest of the bundle");
    let output = running.finish().assert_status(143).assert_left_nothing();
    let file = output.dir().join("x.tar.gz");
    fs::write(&file, tarball).expect("a file");
    assert_eq!(Bundle::open(&file).json("manifest.json")["status"], "complete", "all was sampled");
}

#[test]
fn a_second_signal_ends_it_at_once_and_the_work_folder_can_be_packed() {
    let target = Target::alone();
    let running = Capture::new().pid(target.pid()).args(["--duration", "50s", "--slice", "1s"]);
    let running = running.fake_py_spy("works-once").start();
    running.wait_for_ended_samplers(1);
    // The sampler that runs now does not obey, so that the first signal alone would take a while. Which of the two is
    // taken in first is the kernel's choice.
    running.signal(Signal::SIGINT);
    running.signal(Signal::SIGTERM);
    let output =
        running.finish().assert_ended_by(&[Signal::SIGINT, Signal::SIGTERM]).assert_stdout("").assert_left_work();

    let bundle = pack(&output.work()).assert_status(3).bundle();
    assert_gap(&bundle, "the end of the capture", "it was killed before it ended");
    assert_burns(&bundle);
    assert_eq!(names_in(output.dir()), [""; 0], "the work folder went into the bundle");
    target.assert_runs();
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_killed_capture_takes_its_samplers_along_and_the_finished_slices_can_be_packed() {
    let target = Target::alone();
    let running = real(&target).args(["--duration", "50s", "--slice", "1s"]).start();
    running.wait_for_ended_samplers(2);
    running.signal(Signal::SIGKILL);
    let output = running.finish().assert_ended_by(&[Signal::SIGKILL]).assert_left_work();
    target.assert_runs();

    let bundle = pack(&output.work()).assert_status(3).bundle();
    assert_gap(&bundle, "the end of the capture", "it was killed before it ended");
    assert!(bundle.json("evidence.json")["slices"].as_array().is_some_and(|slices| slices.len() >= 2));
    assert_burns(&bundle);
    assert_eq!(names_in(output.dir()), [""; 0], "the work folder went into the bundle");
}

// Work folders.

#[test]
fn a_capture_that_runs_is_not_packed() {
    let target = Target::alone();
    let running = short(&target).fake_py_spy("works").start();
    running.wait_for_slices(1);
    let work = running.work();
    pack(&work).assert_status(2).assert_stdout("").assert_stderr(&format!(
        "capture: cannot read {}: its capture still runs, or somebody packs it already\n  \
         wait for it, or end the capture with SIGINT: it then writes the bundle itself\n",
        work.display()
    ));
    running.finish().assert_status(0).only_bundle();
}

#[test]
fn a_capture_killed_before_it_sampled_still_gives_what_was_collected() {
    let target = Target::alone();
    let running = short(&target).fake_py_spy("hangs").start();
    let work = running.work();
    wait_for("the environment", || work.join("clean/environment/env.json").exists().then_some(()));
    running.signal(Signal::SIGKILL);
    let output = running.finish().assert_ended_by(&[Signal::SIGKILL]).assert_left_work();
    let bundle = pack(&work).assert_status(6).only_bundle();
    assert_gap(&bundle, "CPU time", "the capture ended before its first slice was finished");
    bundle.text("environment/env.json");
    assert_eq!(names_in(output.dir()), [""; 0], "the work folder went into the bundle");
}

#[test]
fn what_is_no_work_folder_is_neither_packed_nor_removed() {
    let place = tempfile::tempdir().expect("a folder");
    let cure = "\n  name the work folder of a killed capture: .litellm-cpu-HOST-TIME.work\n";
    let refused = |why: &str| format!("capture: cannot read {}: {why}{cure}", place.path().display());
    let empty = "it holds no manifest of a capture (No such file or directory (os error 2))";
    pack(place.path()).assert_status(2).assert_stderr(&refused(empty));

    let target = Target::alone();
    let made = short(&target).fake_py_spy("works").run().assert_status(0);
    let manifest = made.only_bundle().text("manifest.json").to_owned();
    fs::write(place.path().join("manifest.json"), manifest).expect("a file");
    pack(place.path()).assert_status(2).assert_stderr(&refused("it is no work folder, but a bundle that was unpacked"));
    assert_eq!(names_in(place.path()), ["manifest.json"]);
}

// Where the output goes.

#[test]
fn a_reader_that_goes_away_leaves_the_work_folder_which_loses_nothing() {
    let target = Target::alone();
    let (mut reader, writer) = narrow_pipe();
    let running = short(&target).fake_py_spy("works").args(["-o", "-"]).stdout(writer).start();
    reader.read_exact(&mut [0; 1000]).expect("the beginning of the bundle");
    drop(reader);
    let output = running.finish().assert_status(7).assert_left_work();
    let work = output.work();
    let output = output.assert_stderr_has(&format!(
        "capture: cannot write standard output: Broken pipe (os error 32)\n  nothing is lost: make room or choose \
         another place, then: capture pack {} -o PATH\n",
        work.display()
    ));

    // A place that is taken changes nothing.
    let taken = output.dir().join("taken");
    fs::write(&taken, "").expect("a file");
    Capture::new().arg("pack").arg(&work).arg("-o").arg(&taken).run().assert_status(7).assert_stdout("");
    fs::remove_file(&taken).expect("a file");

    let bundle = pack(&work).assert_status(0).bundle();
    assert!(bundle.json("manifest.json")["overhead"].is_object(), "the receipt was kept");
    assert!(bundle.text("capture.log").contains("sampling worker"), "and the log");
    assert_eq!(names_in(output.dir()), [""; 0]);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_full_disk_ends_the_capture_early_and_keeps_what_there_is() {
    let Some(disk) = SmallDisk::mount() else { return skip("no file system can be mounted here") };
    let target = Target::alone();
    let running = real(&target).args(["--duration", "10m", "--slice", "1s", "-o"]).arg(disk.path()).start();
    let work = wait_for("a trace that is safe", || disk.work().filter(|work| support::ended_samplers(work) >= 1));
    disk.fill();
    let output = running.finish().assert_status(7).assert_stdout("");
    let output = output.assert_stderr_has(&format!("cannot write {}", disk.path().display()));
    output.assert_stderr_has("No space left on device").assert_stderr_has(&format!("capture pack {}", work.display()));
    assert_eq!(names_in(disk.path()).len(), 2, "the work folder and the filler: {:?}", names_in(disk.path()));
    target.assert_runs();

    // The disk is as full as it was; the bundle goes elsewhere.
    let bundle = pack(&work).assert_status(3).bundle();
    assert_burns(&bundle);
    assert_eq!(disk.work(), None);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_disk_that_fills_up_beside_the_output_takes_no_more_than_the_rest_of_the_time() {
    let Some(disk) = SmallDisk::mount() else { return skip("no file system can be mounted here") };
    let target = Target::alone();
    let running = real(&target).args(["--duration", "10m", "--slice", "1s", "-o", "-"]).env("TMPDIR", disk.path());
    let running = running.start();
    wait_for("a trace that is safe", || disk.work().filter(|work| support::ended_samplers(work) >= 1));
    disk.fill();
    let output = running.finish().assert_status(3);
    let file = output.dir().join("x.tar.gz");
    fs::write(&file, &output.stdout).expect("a file");
    let bundle = Bundle::open(&file);
    assert_gap(&bundle, "the capture from ", "what was sampled could not be written: No space left on device");
    assert_burns(&bundle);
    assert_eq!(disk.work(), None);
}

#[test]
fn a_folder_that_vanishes_is_named() {
    let target = Target::alone();
    let capture = Capture::new().pid(target.pid()).args(["--duration", "10m", "--slice", "1s", "-o", "out/"]);
    let out = capture.dir().join("out");
    let running = capture.fake_py_spy("works").start();
    wait_for("a slice", || support::work_folders(&out).pop().filter(|work| slices(work) >= 1));
    fs::remove_dir_all(&out).expect("the folder can be removed");
    let output = running.finish().assert_status(7).assert_stdout("").assert_left_nothing();
    output
        .assert_stderr_has("capture: cannot write out/.litellm-cpu-")
        .assert_stderr_has(".work: No such file or directory (os error 2)\n  choose another place with -o PATH\n");
}

#[test]
fn a_closed_standard_error_takes_nothing() {
    let target = Target::alone();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    short(&target).fake_py_spy("works").stderr(writer).run().assert_status(0).only_bundle();
}

#[test]
fn somebody_elses_process_is_refused_with_the_rule_and_the_next_command() {
    const NOBODY: u32 = 65534;
    if !geteuid().is_root() {
        return skip("only root can become another user");
    }
    if !Path::new(env!("CARGO_BIN_EXE_capture")).ancestors().all(open_to_all) {
        return skip("the program stands where another user cannot start it");
    }
    let target = Target::alone();
    let pid = target.pid();
    let output = short(&target).fake_py_spy("works").arg("--quiet").user(NOBODY).run();
    // The next command depends on where this runs; `tests/doctor.rs` has them all.
    output
        .assert_status(5)
        .assert_stdout("")
        .assert_left_nothing()
        .assert_stderr_has(&format!(
            "capture: not permitted to read process {pid}: it runs as uid 0 and this program as uid {NOBODY} without \
             CAP_SYS_PTRACE; the kernel lets only the same user or that capability read it"
        ))
        .assert_stderr_has(&format!(" --pid {pid}\n  or have everything but the stacks: capture --without-stacks\n"));
}

// Workers.

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn of_two_workers_the_other_goes_on_when_one_dies() {
    let target = Target::several(2);
    let [one, other] = target.pids() else { panic!("two workers") };
    let running = Capture::new().arg("--only").pid(*one).pid(*other).arg("--py-spy").arg(lab::py_spy());
    let running = running.args(["--duration", "4s", "--slice", "1s"]).start();
    running.wait_for_slices(1);
    target.signal(0, Signal::SIGKILL);
    let output = running.finish().assert_status(0).assert_stderr_has(&format!("worker {one} ended\n"));
    let bundle = output.bundle();
    assert_gap(&bundle, &format!("worker {one} from "), "it ended");
    let seconds = |pid: &i32| bundle.folded(&format!("profiles/worker-{pid}.folded")).total();
    assert!(seconds(one) > 0 && seconds(other) > seconds(one), "{} and {}", seconds(one), seconds(other));
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_capture_ends_with_its_only_worker() {
    let target = Target::alone();
    let running = real(&target).args(["--duration", "10m", "--slice", "1s"]).start();
    running.wait_for_slices(1);
    target.signal(0, Signal::SIGKILL);
    let output = running.finish().assert_status(3).assert_stderr_has(&format!("worker {} ended\n", target.pid()));
    let bundle = output.bundle();
    assert_gap(&bundle, "the capture from ", "no worker was left that could be sampled");
    assert_burns(&bundle);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_worker_that_somebody_stopped_is_told_and_left_alone() {
    let target = Target::alone();
    let pid = target.pid();
    let running = real(&target).args(["--duration", "3s", "--slice", "1s"]).start();
    running.wait_for_slices(1);
    target.signal(0, Signal::SIGSTOP);
    target.wait_for_state(0, 'T');
    let output = running.finish().assert_status(0);
    target.wait_for_state(0, 'T');
    let told = format!("warning: worker {pid} is stopped; if nobody meant that: kill -CONT {pid}\n");
    let bundle = output.assert_stderr_has(&told).bundle();
    let stopped = "it was found stopped, by SIGSTOP or a debugger, when a slice ended";
    assert_gap(&bundle, &format!("what worker {pid} does when it runs"), stopped);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_proxy_that_stands_still_holds_nothing_up() {
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 1, Config::Plain);
    // The first scrape after a boot costs the most of a second of CPU: it is not to be the one that is missed.
    litellm.read_metrics();
    let pid = litellm.pid();
    let capture = |duration| lab.capture(&litellm).pid(pid).args(["--duration", duration, "--slice", "2s"]);
    let stopped = format!("warning: worker {pid} is stopped; if nobody meant that: kill -CONT {pid}\n");

    // In the middle: the first tally is there, and no other comes.
    let running = capture("8s").start();
    running.wait_for_slices(1);
    signal(pid, Signal::SIGSTOP);
    let output = running.finish().assert_status(3).assert_stderr_has(&stopped);
    let bundle = output.bundle();
    assert_gap(&bundle, "LiteLLM's metrics (requests, latencies, tokens) after second ", "no scrape but the first");
    let stall = &bundle.json("summary.json")["stall"]["sentence"];
    assert!(stall.as_str().is_some_and(|stall| stall.contains(&format!("worker {pid} was found stopped"))), "{stall}");
    for table in [format!("worker-{pid}"), "host".to_owned()] {
        assert!(bundle.text(&format!("series/{table}.csv")).lines().count() > 6, "{table} has a row a second");
    }

    // From the beginning on: nothing is ever answered.
    let bundle = capture("8s").run().assert_status(3).assert_stderr_has(&stopped).bundle();
    assert_gap(&bundle, "LiteLLM's metrics (requests, latencies, tokens)", "");
    assert!(bundle.text("series/liveliness.csv").lines().skip(1).all(|row| row.ends_with(",1")), "no probe was good");

    // And a signal ends it all the same, while a probe waits.
    let running = capture("10m").start();
    running.wait_for_slices(1);
    running.signal(Signal::SIGINT);
    running.finish().assert_status(130).only_bundle();
    signal(pid, Signal::SIGCONT);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_worker_that_is_replaced_is_followed_by_its_successor_and_no_count_is_lost() {
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 2, Config::Plain);
    let [one, other] = litellm.workers() else { panic!("two workers") };
    litellm.send(Case::Plain, 40);
    // How soon its supervisor replaces a worker is not ours to say: the capture lasts until the successor has answered.
    let running = lab.capture(&litellm).pid(litellm.pid()).args(["--duration", "5m", "--slice", "5s"]).start();
    running.wait_for_slices(1);
    signal(*one, Signal::SIGKILL);
    let successor = wait_for("a new worker", || {
        let workers = children(litellm.pid()).into_iter().filter(|pid| is_spawned(*pid));
        workers.into_iter().find(|pid| pid != one && pid != other)
    });
    let said = litellm.send(Case::Plain, 40);
    running.wait_for_slices(slices(&running.work()) + 2);
    running.signal(Signal::SIGINT);

    let output = running.finish().assert_status(130);
    let output = output.assert_stderr_has(&format!("worker {one} ended\n"));
    let output = output.assert_stderr_has(&format!("worker {successor} appeared and is sampled from now on\n"));
    let bundle = output.only_bundle();
    assert_gap(&bundle, &format!("worker {one} from "), "it ended");
    for pid in [*one, *other, successor] {
        bundle.text(&format!("flamegraphs/worker-{pid}.svg"));
        bundle.text(&format!("series/worker-{pid}.csv"));
    }
    assert_eq!((&said["requests"], &said["errors"]), (&40.into(), &0.into()));
    let evidence = bundle.json("evidence.json");
    let counted = |tally: &Value| {
        let counts = tally["counts"].as_array().into_iter().flatten();
        counts.filter_map(|count| count["requests"].as_f64()).sum::<f64>()
    };
    let tallies = evidence["tallies"].as_array().into_iter().flatten();
    let files: Vec<f64> = tallies.filter(|tally| tally["source"] == "metric_files").map(counted).collect();
    assert_eq!(files.last().map(|last| last - files[0]), Some(40.0), "{files:?}");
}

// py-spy.

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_killed_sampler_is_replaced_and_its_time_is_a_gap() {
    let target = Target::alone();
    let running = real(&target).args(["--duration", "5s", "--slice", "1s"]).start();
    // When the first one has gone, its successor samples.
    running.wait_for_ended_samplers(1);
    let second = wait_for("the second sampler", || children(running.pid()).first().copied());
    kill(Pid::from_raw(second), Signal::SIGKILL).expect("a process that our own started can be signalled");
    let output = running.finish().assert_status(3);
    let output = output.assert_stderr_has(&format!("worker {}: py-spy was ended by signal 9\n", target.pid()));
    let bundle = output.bundle();
    let stacks = format!("stacks of worker {} for one sampler's time", target.pid());
    assert_gap(&bundle, &stacks, "py-spy was ended by signal 9");
    let evidence = bundle.json("evidence.json");
    let samplers = evidence["samplers"].as_array().expect("samplers");
    let killed = samplers.iter().position(|sampler| sampler["fault"].is_string()).expect("the one that was killed");
    assert!(samplers[killed + 1..].iter().any(|later| later["stacks"].as_u64() > Some(0)), "{samplers:#?}");
    target.assert_runs();
}

#[test]
fn a_sampler_that_cannot_attach_at_a_hand_over_does_not_end_the_capture() {
    let target = Target::alone();
    let capture = Capture::new().pid(target.pid()).args(["--duration", "4s", "--slice", "1s"]);
    let bundle = capture.fake_py_spy("second-fails").run().assert_status(3).bundle();
    assert_eq!(bundle.json("evidence.json")["slices"].as_array().map(Vec::len), Some(4));
    assert_gap(&bundle, "stacks of worker ", "py-spy exit code 1");
    // The first one went on for a second slice.
    assert_eq!(bundle.json("summary.json")["quality"]["stacks"], 300);
}

#[test]
fn a_sampler_that_had_no_time_to_see_a_stack_is_no_gap_where_its_predecessor_sampled_on() {
    let target = Target::alone();
    // One that does not attach at all, and one that does and is soon told to stop.
    for way in ["second-slow", "second-sees-nothing"] {
        let capture = Capture::new().pid(target.pid()).args(["--duration", "50s", "--slice", "1s", "--rate", "1"]);
        let running = capture.fake_py_spy(way).start();
        running.wait_for_slices(1);
        wait_for("the second sampler", || (children(running.pid()).len() > 1).then_some(()));
        running.signal(Signal::SIGINT);
        let bundle = running.finish().assert_status(130).only_bundle();
        let evidence = bundle.json("evidence.json");
        let samplers = evidence["samplers"].as_array().expect("samplers");
        assert_eq!(samplers.len(), 2, "{way}: {samplers:#?}");
        assert!(samplers.iter().all(|sampler| sampler["fault"].is_null()), "{way}: {samplers:#?}");
        let gaps = bundle.json("manifest.json")["gaps"].to_string();
        assert!(!gaps.contains("stacks of worker"), "{way}: {gaps}");
    }
}

#[test]
fn a_sampler_that_never_lets_go_is_ended_by_force() {
    let target = Target::alone();
    let output = short(&target).fake_py_spy("hangs").run().assert_status(6);
    let fault = "did not stop when asked and was ended by force";
    let output = output.assert_stderr_has(&format!("worker {}: py-spy {fault}\n", target.pid()));
    assert_gap(&output.only_bundle(), "stacks of worker ", &format!("py-spy {fault}"));
}

#[test]
fn where_no_sampler_gets_a_stack_its_complaint_is_told() {
    let target = Target::alone();
    for (way, complaint) in [
        ("dies", "exit code 1"),
        ("unknown", "exit code 1: Error: Failed to find python version from target process"),
        ("dies-sampling", "exit code 1: Error: it was the worst of times"),
        ("no-stack", "ended well but saw no stack"),
    ] {
        let output = short(&target).fake_py_spy(way).run().assert_status(6);
        let output = output.assert_stderr_has(&format!("worker {}: py-spy {complaint}\n", target.pid()));
        let bundle = output.only_bundle();
        assert_gap(&bundle, "stacks of worker ", &format!("py-spy {complaint}"));
        assert_eq!(bundle.json("summary.json")["quality"]["reasons"][0], "no stack was sampled");
    }
    target.assert_runs();
}

#[test]
fn a_sampler_that_is_not_permitted_to_attach_is_no_empty_bundle() {
    let target = Target::alone();
    let pid = target.pid();
    let output = short(&target).fake_py_spy("denied").run().assert_status(5).assert_stdout("").assert_left_nothing();
    output.assert_stderr_has(&format!(
        "capture: not permitted to read process {pid}: py-spy exit code 1: Error: Permission denied (os error 13)\n"
    ));
}

#[test]
fn a_trace_that_is_empty_or_cut_short_is_a_gap() {
    let target = Target::alone();
    for way in ["empty-file", "truncated"] {
        let bundle = short(&target).fake_py_spy(way).run().assert_status(3).bundle();
        let stacks = format!("stacks of worker {} for one sampler's time", target.pid());
        assert_gap(&bundle, &stacks, "its trace file ends too early");
    }
}

#[test]
fn a_sampler_that_falls_behind_lowers_the_quality_and_loses_no_count() {
    let target = Target::alone();
    let bundle = short(&target).fake_py_spy("behind").run().assert_status(0).bundle();
    let quality = &bundle.json("summary.json")["quality"];
    // Each sampler says last that it saw a hundred. On a busy machine the second one may come too late to see any.
    let samplers = quality["stacks"].as_u64().expect("the count comes last") / 100;
    assert!((1..=2).contains(&samplers), "{quality:#}");
    assert_eq!((&quality["grade"], &quality["behind"]), (&"weak".into(), &(3000 * samplers).into()), "{quality:#}");
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("a process of the lab's can be signalled");
}

/// Whether it is one of uvicorn's workers.
fn is_spawned(pid: i32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.windows(10).any(|part| part == b"spawn_main"))
}

/// Two slices of one second, by whatever sampler.
fn short(target: &Target) -> Capture {
    Capture::new().pid(target.pid()).args(["--duration", "2s", "--slice", "1s"])
}

/// By the real py-spy, for as long as is said.
fn real(target: &Target) -> Capture {
    Capture::new().pid(target.pid()).arg("--py-spy").arg(lab::py_spy())
}

fn pack(work: &Path) -> Output {
    Capture::new().arg("pack").arg(work).run()
}

#[track_caller]
fn assert_gap(bundle: &Bundle, what: &str, why: &str) {
    let manifest = bundle.json("manifest.json");
    let begins = |gap: &Value, key: &str, text: &str| gap[key].as_str().is_some_and(|value| value.starts_with(text));
    let found = manifest["gaps"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|gap| begins(gap, "what", what) && begins(gap, "why", why));
    assert!(found, "`{what}`: `{why}` is not among {:#}", manifest["gaps"]);
}

/// There are stacks, with CPU in them. How much is no matter of faults.
#[track_caller]
fn assert_burns(bundle: &Bundle) {
    let folded = bundle.text("profiles/all.folded");
    assert!(Stacks::parse(folded).self_share("burn") > 0.0, "{folded}");
}

/// A pipe that holds one page, less than any bundle.
fn narrow_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let size = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).expect("a pipe's size can be set");
    assert!(size <= 4096);
    (reader, writer)
}

fn open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o005 == 0o005)
}

/// A file system in memory, of two megabytes.
struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// None where we may not.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(dir.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self { dir })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn work(&self) -> Option<PathBuf> {
        support::work_folders(self.path()).pop()
    }

    /// Leaves no free byte.
    fn fill(&self) {
        let mut file = fs::File::create(self.path().join("filler")).expect("a file");
        while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
