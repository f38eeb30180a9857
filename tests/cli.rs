//! What the command line answers: standard output, standard error and status, word by word.

mod support;

use std::{fs, process::Stdio};

use support::{Capture, Output, bundle::Bundle, repository, skip, target::Target};

fn capture<const N: usize>(args: [&str; N]) -> Output {
    Capture::new().args(args).run()
}

/// Nothing on standard output, nothing in the folder, and on standard error just this.
#[track_caller]
fn assert_refused(output: Output, status: i32, stderr: &str) {
    output.assert_status(status).assert_stdout("").assert_stderr(stderr).assert_left_nothing();
}

#[test]
fn a_wrong_value_is_refused_with_what_to_type_instead() {
    let time = "capture: --duration 30: not a time\n  give a number with its unit, such as 30s or 2m\n";
    assert_refused(capture(["--duration", "30"]), 2, time);
    let slice = "capture: a slice of 10ms is too short\n  give --slice at least 1s\n";
    assert_refused(capture(["--slice", "10ms"]), 2, slice);
    let long = "capture: a capture of 2h is too long\n  give --duration at most 1h\n";
    assert_refused(capture(["--duration", "2h"]), 2, long);
    let percent = "capture: --max-overhead much: not a percentage\n  give one from 0.1% to 100%\n";
    assert_refused(capture(["--max-overhead", "much"]), 2, percent);
    assert_refused(capture(["--pid", "0"]), 2, "capture: 0 is no pid\n  name a process: capture --pid PID\n");
    let both = "capture: --json and -o - both want standard output\n  give -o a file or folder\n";
    assert_refused(capture(["--json", "-o", "-"]), 2, both);
}

#[test]
fn an_option_that_does_not_fit_is_refused_with_the_usage() {
    let usage = "\n\nUsage: capture [OPTIONS]\n       capture <COMMAND>\n\nFor more information, try '--help'.\n";
    assert_refused(capture(["--sideways"]), 2, &format!("error: unexpected argument '--sideways' found{usage}"));
    let only = "error: the following required arguments were not provided:\n  --pid <PID>\n\n\
                Usage: capture --pid <PID> --only\n\nFor more information, try '--help'.\n";
    assert_refused(capture(["--only"]), 2, only);
    let rate = "error: invalid value '0' for '--rate <HZ>': 0 is not in 1..=1000\n\n\
                For more information, try '--help'.\n";
    assert_refused(capture(["--rate", "0"]), 2, rate);
}

#[test]
fn the_help_lists_every_exit_code() {
    let help = capture(["--help"]).assert_status(0).assert_stderr("").said();
    let codes = help.split_once("Exit codes:\n").expect("exit codes").1;
    for code in [
        "0  complete",
        "1  internal fault",
        "2  the command line is wrong",
        "3  bundle written, but partial",
        "4  no worker found",
        "5  not permitted or not equipped to attach",
        "6  attached, but nothing was sampled",
        "7  the output could not be written",
        "130  interrupted (SIGINT)",
        "143  terminated (SIGTERM)",
    ] {
        assert!(codes.contains(code), "{code} is not in {codes}");
    }
}

#[test]
fn the_version_tells_the_licence_of_what_it_carries() {
    let version = env!("CARGO_PKG_VERSION");
    capture(["-V"]).assert_status(0).assert_stdout(&format!("capture {version}\n")).assert_stderr("");
    let told = capture(["--version"]).assert_status(0).assert_stderr("").said();
    let licence = include_str!("../licences/CDLA-Permissive-2.0.md");
    let authorities = "It carries Mozilla's list of certificate authorities (webpki-roots), under this licence:";
    assert!(told.starts_with(&format!("capture {version}\n\n{authorities}\n\n{licence}")), "{told}");
}

#[test]
fn every_option_has_an_environment_variable() {
    for command in ["", "watch", "doctor", "pack", "inspect", "report", "ticket", "diff", "merge", "export"] {
        let capture = if command.is_empty() { Capture::new() } else { Capture::new().arg(command) };
        let help = capture.arg("--help").run().assert_status(0).said();
        // An option's text is indented further than its name, and goes on until the next name.
        let is_name = |line: &str| line.starts_with("  -") || line.starts_with("      --");
        let mut options: Vec<(String, String)> = Vec::new();
        for line in help.lines() {
            if is_name(line) {
                let name = line.split_once("--").expect("a long name").1;
                let name = name.split([' ', '.', '[']).next().unwrap_or_default();
                options.push((name.to_owned(), line.to_owned()));
            } else if let Some((_, text)) = options.last_mut() {
                text.push_str(line);
            }
        }
        assert!(!options.is_empty(), "{help}");
        for (name, text) in options.iter().filter(|(name, _)| !matches!(name.as_str(), "help" | "version")) {
            // What a secret's variable holds is not shown.
            let end = if name == "upload-url" { "]" } else { "=" };
            let variable = format!("CAPTURE_{}{end}", name.to_uppercase().replace('-', "_"));
            assert!(text.contains(&variable), "{variable} is not in the text of --{name}: {text}");
        }
    }
}

#[test]
fn environment_variables_mean_what_their_options_mean() {
    let refused = Capture::new().env("CAPTURE_DURATION", "30").run();
    assert_refused(
        refused,
        2,
        "capture: --duration 30: not a time\n  give a number with its unit, such as 30s or 2m\n",
    );
    let refused = Capture::new().env("CAPTURE_PID", "5,0").run();
    assert_refused(refused, 2, "capture: 0 is no pid\n  name a process: capture --pid PID\n");
    // Switches take 1 and 0, as people write them into a container's environment.
    let refused = Capture::new().env("CAPTURE_JSON", "1").args(["-o", "-"]).run();
    assert_refused(refused, 2, "capture: --json and -o - both want standard output\n  give -o a file or folder\n");
    Capture::new().env("CAPTURE_ONLY", "0").args(["--pid", "0"]).run().assert_stderr_has("0 is no pid");
    Capture::new().env("CAPTURE_ONLY", "perhaps").run().assert_status(2).assert_stderr_has("invalid value 'perhaps'");
}

#[test]
fn where_no_litellm_runs_a_process_must_be_named() {
    // In a PID namespace of its own, since LiteLLM may run on the machine.
    let alone = ["--pid", "--fork", "--mount-proc"];
    let probe = std::process::Command::new("unshare").args(alone).arg("true").stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        return skip("no PID namespace can be made here");
    }
    let stderr = "capture: no LiteLLM was found among the processes here\n  \
                  name a process: capture --pid PID (the supervisor or any worker)\n";
    assert_refused(Capture::within("unshare", alone).run(), 4, stderr);
}

#[test]
fn a_pid_that_is_no_worker_is_refused() {
    let cure = "\n  name a process: capture --pid PID (the supervisor or any worker)\n";
    let missing = format!(
        "capture: no process 4194304 is running here; pids differ between a container and its host, so look it up \
         where capture runs, or leave --pid out to have LiteLLM found{cure}"
    );
    assert_refused(Capture::new().pid(4_194_304).run(), 4, &missing);

    let mut sleep = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep can be started");
    let pid = sleep.id().cast_signed();
    let output = Capture::new().pid(pid).run();
    sleep.kill().and_then(|()| sleep.wait()).expect("sleep can be ended");
    let foreign =
        format!("capture: process {pid} is not a Python interpreter; leave --pid out to have LiteLLM found{cure}");
    assert_refused(output, 4, &foreign);
}

#[test]
fn a_py_spy_that_was_named_must_be_one() {
    let target = Target::alone();
    let cure = "\n  name another with --py-spy PATH, or install it: pip install py-spy\n  or have everything but the \
                stacks: capture --without-stacks\n";
    let missing = quiet(&target).args(["--py-spy", "/nowhere/py-spy"]).run();
    let why = "No such file or directory (os error 2)";
    assert_refused(missing, 5, &format!("capture: /nowhere/py-spy cannot be used as py-spy: {why}{cure}"));

    let fake = repository().join("tests/support/fake-py-spy");
    for (way, why) in [
        ("old", "version 0.3.14 is older than 0.4.0"),
        ("other", "`--version` did not answer as py-spy does"),
        ("mute", "`--version` gave no answer within 5s"),
    ] {
        let output = quiet(&target).fake_py_spy(way).run();
        assert_refused(output, 5, &format!("capture: {} cannot be used as py-spy: {why}{cure}", fake.display()));
    }
}

#[test]
fn without_any_py_spy_the_command_that_installs_it_is_named() {
    let target = Target::alone();
    let stderr = "capture: py-spy was not found: not beside this program, not on PATH, not in the target's \
                  environment\n  install it: pip install py-spy\n  or have everything but the stacks: capture --without-stacks\n";
    // An empty PATH; the target was started by no path either.
    assert_refused(quiet(&target).env("PATH", "").run(), 5, stderr);
}

#[test]
fn the_native_engine_stops_no_worker_and_says_so() {
    let target = Target::alone();
    let output = quiet(&target).args(["--engine", "native", "--blocking"]).run();
    let stderr = "capture: --blocking stops a worker for each sample, and the native engine stops none\n  leave \
                  --blocking out, or use --engine py-spy\n";
    assert_refused(output, 2, stderr);
}

#[test]
fn the_manifest_says_which_engine_sampled_and_why() {
    let target = Target::alone();
    for (arguments, reason) in [
        (&[][..], "the default"),
        (&["--engine", "py-spy"], "asked for"),
        (&["--engine", "auto", "--blocking"], "it stops no worker, and --blocking was asked for"),
    ] {
        let capture = arguments.iter().fold(quiet(&target).fake_py_spy("works"), Capture::arg);
        let bundle = capture.run().assert_status(0).bundle();
        let engine = &bundle.json("manifest.json")["engine"];
        assert_eq!(engine["name"], "py-spy");
        assert!(engine["why"].as_str().is_some_and(|why| why.ends_with(reason)), "{engine}");
    }
}

#[test]
fn a_file_that_exists_is_not_overwritten() {
    let target = Target::alone();
    let capture = quiet(&target).fake_py_spy("works").args(["-o", "mine.tar.gz"]);
    fs::write(capture.dir().join("mine.tar.gz"), "mine").expect("a file");
    let output = capture.run().assert_status(7).assert_stdout("").assert_stderr(
        "capture: cannot write mine.tar.gz: it exists already and is not overwritten\n  \
         choose another place with -o PATH\n",
    );
    assert_eq!(support::names_in(output.dir()), ["mine.tar.gz"]);
    assert_eq!(fs::read(output.dir().join("mine.tar.gz")).expect("a file"), b"mine");
}

#[test]
fn an_output_that_cannot_be_is_refused_before_anything_is_sampled() {
    let target = Target::alone();
    let below_a_file = quiet(&target).fake_py_spy("works").args(["-o", "file/x.tar.gz"]);
    fs::write(below_a_file.dir().join("file"), "").expect("a file");
    below_a_file
        .run()
        .assert_status(7)
        .assert_stdout("")
        .assert_stderr("capture: cannot write file: it is no folder\n  choose another place with -o PATH\n");
    // In /proc nobody can make anything, whoever one is.
    let nowhere = quiet(&target).fake_py_spy("works").args(["-o", "/proc/"]).run();
    let why = "No such file or directory (os error 2)";
    assert_refused(nowhere, 7, &format!("capture: cannot write /proc/: {why}\n  choose another place with -o PATH\n"));
}

#[test]
fn the_result_is_the_bundles_path_or_json_or_the_tarball() {
    let target = Target::alone();
    let path = quiet(&target).fake_py_spy("works").args(["-o", "new/x.tar.gz"]).run();
    let path = path.assert_status(0).assert_stdout("new/x.tar.gz\n").assert_stderr("");
    Bundle::open(&path.bundle_path());

    let json = quiet(&target).fake_py_spy("works").args(["--json", "-o", "x.tar.gz"]).run().assert_status(0);
    let said: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&said["path"], &said["exit_code"]), (&"x.tar.gz".into(), &0.into()));
    assert_eq!(said["manifest"]["status"], "complete");
    assert_eq!(said["summary"]["quality"]["stacks"], 200);

    let tarball = quiet(&target).fake_py_spy("works").args(["-o", "-"]).run().assert_status(0).assert_left_nothing();
    let file = tarball.dir().join("x.tar.gz");
    fs::write(&file, &tarball.stdout).expect("a file");
    Bundle::open(&file);
}

#[test]
fn captures_that_begin_together_have_bundles_of_their_own() {
    let target = Target::alone();
    let first = quiet(&target).fake_py_spy("works");
    let folder = first.dir().to_owned();
    let others = [(); 2].map(|()| quiet(&target).fake_py_spy("works").arg("-o").arg(&folder).start());
    let first = first.start().finish().assert_status(0);
    for other in others {
        other.finish().assert_status(0);
    }
    assert_eq!(support::names_in(first.dir()).len(), 3);
}

#[test]
fn inspect_tells_what_a_bundle_says() {
    let target = Target::alone();
    let made = quiet(&target).fake_py_spy("works").run().assert_status(0);
    let path = made.bundle_path();

    let told = Capture::new().arg("inspect").arg(&path).run().assert_status(0).assert_stderr("");
    let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".tar.gz")).expect("a name");
    assert!(told.said().starts_with(&format!("{name} (")), "{}", told.said());
    let told =
        told.assert_stdout_has("captured  2.").assert_stdout_has(", complete\n").assert_stdout_has("hot       burn");
    assert!(!told.said().contains("verified"));

    let files = made.only_bundle().json("manifest.json")["files"].as_array().map_or(0, Vec::len);
    let verified = Capture::new().args(["inspect", "--verify"]).arg(&path).run().assert_status(0).assert_stderr("");
    verified.assert_stdout_has(&format!("\nverified  {files} files are what the manifest says\n"));

    let json = Capture::new().args(["inspect", "--json"]).arg(&path).run().assert_status(0).assert_stderr("");
    let said: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(said["manifest"]["name"], name);
    assert!(said["summary"]["functions"][0]["name"].as_str().is_some_and(|name| name.contains("burn")));
}

#[test]
fn inspect_refuses_what_it_cannot_read_or_trust() {
    let target = Target::alone();
    let made = quiet(&target).fake_py_spy("works").run().assert_status(0);
    let path = made.bundle_path();
    let place = tempfile::tempdir().expect("a folder");
    let refuse = |name: &str, args: &[&str]| {
        args.iter().fold(Capture::new().arg("inspect").arg(place.path().join(name)), Capture::arg).run()
    };
    let told = |name: &str, why: &str| format!("capture: cannot read {}: {why}\n", place.path().join(name).display());
    let bundle = "  name a bundle: litellm-cpu-HOST-TIME.tar.gz\n";

    let missing = told("missing", "No such file or directory (os error 2)") + bundle;
    assert_refused(refuse("missing", &[]), 2, &missing);
    fs::write(place.path().join("text"), "no tarball").expect("a file");
    assert_refused(refuse("text", &[]), 2, &(told("text", "it is no whole bundle: invalid gzip header") + bundle));
    let whole = fs::read(&path).expect("a bundle");
    fs::write(place.path().join("short"), &whole[..whole.len() / 2]).expect("a file");
    assert_refused(
        refuse("short", &[]),
        2,
        &(told("short", "it is no whole bundle: incomplete deflate stream") + bundle),
    );

    // A newer one's manifest may lack whatever is known here.
    let newer = |_: String| r#"{"format": {"major": 2, "minor": 1}}"#.to_owned();
    Bundle::write_changed(&path, &place.path().join("newer"), "manifest.json", newer);
    let why = "it has format 2.1, and this program knows 1.4 at most";
    assert_refused(refuse("newer", &[]), 2, &(told("newer", why) + "  take the newest release of capture\n"));

    let other_file = |text: String| text.replace("burn", "turn");
    Bundle::write_changed(&path, &place.path().join("tampered"), "profiles/all.folded", other_file);
    let damaged = format!(
        "capture: {} is damaged:\nprofiles/all.folded was changed\n  ask its sender for another copy\n",
        place.path().join("tampered").display()
    );
    assert_refused(refuse("tampered", &["--verify"]), 3, &damaged);
}

#[test]
fn a_reader_that_went_away_is_no_panic_and_takes_no_bundle() {
    let target = Target::alone();
    let capture = quiet(&target).fake_py_spy("works").args(["-o", "x.tar.gz"]);
    let mut running = capture.start();
    drop(running.take_stdout());
    let output = running.finish().assert_status(7).assert_stderr(
        "capture: cannot write standard output: Broken pipe (os error 32)\n  \
         the bundle is finished all the same: x.tar.gz\n",
    );
    assert_eq!(support::names_in(output.dir()), ["x.tar.gz"]);
    Bundle::open(&output.dir().join("x.tar.gz"));
}

/// A short capture of this process that says nothing but what is wrong.
fn quiet(target: &Target) -> Capture {
    Capture::new().pid(target.pid()).args(["--duration", "2s", "--slice", "1s", "--quiet"])
}
