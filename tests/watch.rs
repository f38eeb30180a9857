//! `capture watch` as a whole, against real processes: what it captures, what it leaves alone, and what it says.
//!
//! Times are short here: a spike is two seconds of a tenth of a core, and calm is two seconds without. What a day
//! changes is tested in `tests/watch_day.rs`. A wall clock that is set while a watch runs cannot be tested without
//! setting this machine's: the limits are given their moments, and are tested with clocks that step in
//! `src/watch/limits`; here it is tested that all times of a bundle agree.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use jiff::Timestamp;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use support::{
    Capture, Output, Running,
    bundle::{Bundle, Stacks},
    children,
    lab::{self, Case, Config, Lab, Setup},
    names_in, skip,
    spiky::Spiky,
    storing::{Act, Storing},
    wait_for, work_folders,
};

/// A tenth of a core, which an idle program never uses, and a busy one always, however busy the machine.
const CPU: [&str; 2] = ["--cpu", "10%"];
/// For two seconds.
const FOR: [&str; 2] = ["--for", "2s"];
/// A spike is over after two seconds.
const SPIKE: [&str; 6] = ["--calm", "2s", "--slice", "1s", "--max-duration", "6s"];

/// Longer than any wait here takes; the calm moment of a watch comes after three quarters of a minute.
const PATIENCE: Duration = Duration::from_mins(3);

/// What is measured of a real LiteLLM needs the machine for itself; the others share it.
static MACHINE: RwLock<()> = RwLock::new(());

fn shared() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

// A real LiteLLM.

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_spike_of_litellm_is_captured_once_with_the_calm_before_it() {
    let lab = Lab::require();
    let _alone = alone();
    // A request takes so little that a trickle of them is calm, and a limit may be one that is reached on any machine.
    let variables = BTreeMap::from([("LAB_CPU_SECONDS", "0.05".to_owned())]);
    let litellm = lab.litellm_with(2, Config::Burn, &Setup { variables, ..Setup::default() });
    let rules = ["--cpu", "25%", "--for", "3s"];
    let capture = Capture::new().args(["watch", "--json"]).pid(litellm.pid()).arg("--py-spy").arg(lab.py_spy());
    let capture = capture.env("LITELLM_MASTER_KEY", litellm.key()).args(rules);
    let spike = ["--calm", "4s", "--slice", "2s", "--max-duration", "30s"];
    let watch = Watch::start(capture.args(spike).args(["--baseline-every", "1m"]));
    let calm = litellm.steady_load(Case::Burn, 0.5);
    watch.wait_for("baseline", 1);
    thread::sleep(Duration::from_secs(5));
    let spike = litellm.load(Case::Burn, 6);
    watch.wait_for("trigger", 1);
    thread::sleep(Duration::from_secs(12));
    drop(spike);
    watch.wait_for("capture", 1);
    drop(calm);
    let ended = watch.end();
    assert_eq!(
        ended.kinds(),
        ["started", "watching", "baseline", "trigger", "capture", "ended"],
        "{:#?}",
        ended.events
    );

    let path = ended.bundles().remove(0);
    let bundle = Bundle::open(&path);
    let evidence = bundle.json("evidence.json");
    let fired_us = evidence["trigger"]["at_us"].as_u64().expect("a moment");
    assert!(fired_us > 50_000_000, "the calm before is in it: {fired_us}");
    bundle.text("charts/cpu.svg");
    for pid in litellm.workers() {
        let rows = bundle.text(&format!("series/worker-{pid}.csv")).lines().count() as u64;
        assert!(rows > fired_us / 1_000_000, "worker {pid} has {rows} rows");
    }
    let samples = samples_us(&bundle);
    let first_us = samples.iter().min().expect("samples");
    assert!((fired_us..fired_us + 2_000_000).contains(first_us), "{first_us} after {fired_us}");

    let summary = bundle.json("summary.json");
    assert_eq!(summary["loads"]["before"]["source"], "recorder");
    let function = &summary["comparison"]["functions"][0];
    assert_eq!(function["name"], "BurnCPU.expensive_pii_scrub", "{:#}", summary["comparison"]);
    bundle.text("flamegraphs/spike-minus-baseline.svg");
    let figure = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once("Z-cpu"));
    let (_, figure) = figure.expect("the figure in the name");
    assert!(figure.trim_end_matches(".tar.gz").parse::<u32>().is_ok_and(|percent| percent >= 25), "{figure}");

    let rehearsal = Capture::new().args(["watch", "--json", "--rehearse"]).arg(&path).args(rules).run();
    let rehearsal: Value = serde_json::from_slice(&rehearsal.assert_status(0).stdout).expect("JSON");
    let fired = rehearsal[0]["rehearsal"]["fired"].as_array().expect("spikes");
    let [fired] = fired.as_slice() else { panic!("{fired:#?}") };
    // To the microsecond; so does the second that both tell.
    assert_eq!(fired["reason"]["to_us"].as_u64(), Some(fired_us), "{fired:#} and {:#}", evidence["trigger"]);
}

// When it captures, and when it does not.

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn bursts_shorter_than_the_time_asked_for_are_no_spike() {
    let (_shared, program) = (shared(), Spiky::grown_up());
    let watch = Watch::start(watch(&program).args(CPU).args(["--for", "3s"]).args(SPIKE));
    watch.wait_for("watching", 1);
    for _ in 0..3 {
        program.burn();
        thread::sleep(Duration::from_secs(1));
        program.rest();
        // Long enough for one reading without any of it.
        thread::sleep(Duration::from_millis(2_200));
    }
    assert_eq!(watch.kinds(), ["started", "watching"]);
    // The same for longer is one.
    program.burn();
    watch.wait_for("trigger", 1);
    program.rest();
    watch.wait_for("capture", 1);
    assert_eq!(watch.end().kinds(), ["started", "watching", "trigger", "capture", "ended"]);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_spike_in_the_cooldown_is_told_once_and_not_captured() {
    let (_shared, program) = (shared(), Spiky::grown_up());
    let watch = Watch::start(over(&program).args(SPIKE).args(["--cooldown", "1m"]));
    spike(&watch, &program, 1);
    program.burn();
    watch.wait_for("skip", 1);
    thread::sleep(Duration::from_secs(4));
    program.rest();
    let ended = watch.end();
    assert_eq!(ended.kinds(), ["started", "watching", "trigger", "capture", "skip", "skip", "ended"]);
    let skips = ended.of("skip");
    assert!(skips.iter().all(|skip| skip["code"] == "cooldown"), "{skips:#?}");
    let repeated: Vec<u64> = skips.iter().filter_map(|skip| skip["repeated"].as_u64()).collect();
    assert!(matches!(repeated[..], [0, 1..=8]), "one when it happens, and the others counted: {repeated:?}");
    assert!(skips[0]["left_seconds"].as_f64().is_some_and(|left| (30.0..60.0).contains(&left)), "{:#}", skips[0]);
    assert_eq!(ended.bundles().len(), 1);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_clearly_higher_spike_is_captured_within_the_cooldown() {
    let (_shared, one, other) = (shared(), Spiky::grown_up(), Spiky::grown_up());
    let cpus = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let limit = format!("{}%", 10 / cpus);
    let capture = watch(&one).pid(other.pid()).args(["--scope", "total", "--cpu", &limit]).args(FOR).args(SPIKE);
    let watch = Watch::start(capture.args(["--cooldown", "1m", "--higher", "5%"]));
    spike(&watch, &one, 1);
    one.burn();
    other.burn();
    watch.wait_for("trigger", 2);
    one.rest();
    other.rest();
    watch.wait_for("capture", 2);
    let ended = watch.end();
    assert!(ended.of("skip").iter().all(|skip| skip["code"] == "cooldown"), "{:#?}", ended.events);
    let peaks: Vec<f64> = ended.of("capture").iter().filter_map(|capture| capture["peak"].as_f64()).collect();
    assert!(peaks.len() == 2 && peaks[1] > peaks[0] * 1.05, "{peaks:?}");
    assert_eq!(ended.bundles().len(), 2);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_spike_without_an_end_gives_a_bundle_of_the_longest_duration_and_the_next_after_the_cooldown() {
    let (_shared, program) = (shared(), Spiky::grown_up());
    let spike = ["--calm", "2s", "--slice", "1s", "--max-duration", "3s"];
    let watch = Watch::start(over(&program).args(spike).args(["--cooldown", "4s"]));
    program.burn();
    watch.wait_for("capture", 2);
    program.rest();
    let ended = watch.end();
    let mut kinds = ended.kinds();
    kinds.dedup();
    let expected = ["started", "watching", "trigger", "capture", "skip", "trigger", "capture"];
    assert!(kinds.starts_with(&expected.map(str::to_owned)), "{:#?}", ended.events);
    assert!(ended.of("skip").iter().all(|skip| skip["code"] == "cooldown"), "{:#?}", ended.events);
    for capture in ended.of("capture") {
        let seconds = capture["seconds"].as_f64().expect("seconds");
        assert!((2.8..5.0).contains(&seconds), "{seconds} s");
    }
    let [first, _second] = &ended.bundles()[..] else { panic!("{:?}", ended.bundles()) };
    let first_placed = Timestamp::try_from(written(first)).expect("a time");
    // When the capture was let begin, and not the reading before it that broke the rule; told in whole seconds.
    let begun: Timestamp = ended.of("trigger")[1]["utc"].as_str().and_then(|utc| utc.parse().ok()).expect("a time");
    let waited = begun.duration_since(first_placed).as_secs_f64();
    assert!((3.0..12.0).contains(&waited), "{waited} s");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn of_two_watches_with_one_folder_one_captures_and_the_other_says_so() {
    let (_shared, program) = (shared(), Spiky::grown_up());
    let one = Watch::start(over(&program).args(SPIKE).args(["--cooldown", "1m"]));
    let other = Watch::start(over(&program).args(SPIKE).args(["--cooldown", "1m", "-o"]).arg(one.folder()));
    one.wait_for("watching", 1);
    other.wait_for("watching", 1);
    program.burn();
    wait_for("a capture and a skip", || {
        let count = |kind| one.of(kind).len() + other.of(kind).len();
        (count("capture") > 0 && count("skip") > 0).then_some(())
    });
    program.rest();
    let other = other.end();
    let one = one.end();
    let both = |kind| [one.of(kind), other.of(kind)].concat();
    assert_eq!((both("trigger").len(), both("capture").len()), (1, 1), "{:#?} {:#?}", one.events, other.events);
    let codes: Vec<Value> = both("skip").into_iter().map(|skip| skip["code"].clone()).collect();
    assert!(codes.iter().all(|code| code == "busy" || code == "cooldown"), "{codes:?}");
    assert_eq!(one.bundles().len(), 1);
}

// How it ends, and begins again.

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_signal_in_a_capture_finishes_the_bundle_which_says_so() {
    let (_shared, program) = (shared(), Spiky::grown_up());
    let watch = Watch::start(over(&program).args(["--slice", "1s"]));
    program.burn();
    watch.wait_for("trigger", 1);
    watch.running().wait_for_slices(1);
    let ended = watch.end();
    assert_eq!(ended.kinds(), ["started", "watching", "trigger", "capture", "ended"]);
    assert_eq!((&ended.of("capture")[0]["exit_code"], &ended.of("ended")[0]["why"]), (&json!(143), &json!("SIGTERM")));
    let bundle = Bundle::open(&ended.bundles()[0]);
    let manifest = bundle.json("manifest.json");
    assert_eq!((&manifest["status"], &manifest["interrupted_by"]), (&json!("partial"), &json!("SIGTERM")));
    assert_burns(&bundle);
    assert!(work_folders(ended.output.dir()).is_empty());
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn what_a_killed_watch_left_becomes_a_bundle_and_its_limits_hold() {
    let (_shared, program) = (shared(), Spiky::grown_up());
    let cooldown = ["--cooldown", "15s"];
    let mut killed = Watch::start(over(&program).args(["--slice", "1s"]).args(cooldown));
    program.burn();
    killed.wait_for("trigger", 1);
    killed.running().wait_for_slices(2);
    killed.kill();
    assert_eq!(work_folders(killed.folder()).len(), 1);
    let lock = fs::read_to_string(killed.folder().join(".capture-watch/capture.lock")).expect("the lock");
    assert!(lock.contains(&killed.running().pid().to_string()), "its owner is still in it: {lock}");

    let spike = ["--calm", "2s", "--slice", "1s", "--max-duration", "2s"];
    let watch = Watch::start(over(&program).args(spike).args(cooldown).arg("-o").arg(killed.folder()));
    watch.wait_for("capture", 2);
    program.rest();
    let ended = watch.end();
    let kinds = ended.kinds();
    assert!(kinds.starts_with(&["started", "capture", "watching", "skip"].map(str::to_owned)), "{kinds:?}");
    assert_eq!(ended.of("skip")[0]["code"], "cooldown");
    let left = &ended.of("capture")[0];
    assert_eq!(left["exit_code"], 3, "{left:#}");
    let bundle = Bundle::open(&killed.folder().join(left["path"].as_str().expect("a path")));
    assert_eq!(bundle.json("manifest.json")["status"], "partial");
    assert_burns(&bundle);
    assert_eq!(bundles(killed.folder()).len(), 2);
    assert!(work_folders(killed.folder()).is_empty());
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_litellm_that_comes_and_goes_is_waited_for_and_captured_after_its_restarts() {
    // In a PID namespace of its own, since LiteLLM may run on the machine.
    let namespace = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let probe = Command::new("unshare").args(namespace).arg("true").stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        return skip("no PID namespace can be made here");
    }
    let capture = Capture::within("unshare", namespace).arg("watch").arg("--py-spy").arg(lab::py_spy());
    let watch = Watch::start(capture.args(["--json", "--baseline-every", "off"]).args(CPU).args(FOR).args(SPIKE));
    watch.wait_for("waiting", 1);
    let place = tempfile::tempdir().expect("a folder");
    let litellm = |times: usize| {
        let litellm = Spiky::litellm_beside(watch.pid(), place.path());
        watch.wait_for("watching", times);
        litellm
    };
    for restarts in 1..=2 {
        drop(litellm(restarts));
        watch.wait_for("waiting", restarts + 1);
    }
    let litellm = litellm(3);
    litellm.grow_up();
    let _shared = shared();
    litellm.burn();
    watch.wait_for("trigger", 1);
    watch.running().wait_for_slices(2);
    litellm.rest();
    watch.wait_for("capture", 1);
    let ended = watch.end();
    drop(litellm);
    // One that does not listen yet is looked at anew after a while, and nothing is said where it is the same.
    let mut kinds = ended.kinds();
    let first = ["started", "waiting", "watching"];
    let again = ["changed", "waiting", "changed", "watching"];
    let expected = [&first[..], &again, &again, &["trigger", "capture"]].concat();
    kinds.truncate(expected.len());
    assert_eq!(kinds, expected, "{:#?}", ended.events);
    let changes: Vec<Value> = ended.of("changed").into_iter().map(|changed| changed["what"].clone()).collect();
    let restarted = ["all workers ended", "LiteLLM of unknown version was started again"];
    assert_eq!(changes, [restarted, restarted].concat());
    let bundle = Bundle::open(&ended.bundles()[0]);
    let happenings = bundle.json("evidence.json")["trigger"]["happenings"].clone();
    let happenings: Vec<Value> = happenings.as_array().into_iter().flatten().map(|one| one["what"].clone()).collect();
    assert_eq!(happenings, changes, "the bundle tells of them too");
    let gaps = bundle.json("manifest.json")["gaps"].as_array().cloned().unwrap_or_default();
    for (at, gap) in gaps.iter().enumerate() {
        assert!(!gaps[..at].contains(gap), "it is told once: {gap:#}");
    }
    assert_burns(&bundle);
}

// What it keeps.

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_disk_without_room_is_left_alone_until_there_is_room() {
    let (_shared, program) = (shared(), Spiky::grown_up());
    let Some(disk) = Disk::mount() else { return skip("no file system can be mounted here") };
    let watch = Watch::start(over(&program).args(SPIKE).arg("-o").arg(disk.path()));
    program.burn();
    watch.wait_for("skip", 1);
    let skip = watch.of("skip").remove(0);
    assert_eq!((&skip["code"], &skip["must_leave_bytes"]), (&json!("disk"), &json!(100_000_000)));
    assert!(skip["free_bytes"].as_u64().is_some_and(|free| (9_000_000..10_500_000).contains(&free)), "{skip:#}");
    assert_eq!(names_in(disk.path()), [".capture-watch"]);
    assert_eq!(watch.kinds(), ["started", "watching", "skip"]);
    disk.grow();
    watch.wait_for("trigger", 1);
    program.rest();
    watch.wait_for("capture", 1);
    watch.end();
    assert_eq!(bundles(disk.path()).len(), 1);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_last_bundle_goes_only_when_the_next_is_whole() {
    let (_shared, program) = (shared(), Spiky::grown_up());
    let watch = Watch::start(over(&program).args(SPIKE).args(["--keep", "1", "--cooldown", "1s"]));
    spike(&watch, &program, 1);
    let first = bundles(watch.folder()).remove(0);
    program.burn();
    watch.wait_for("trigger", 2);
    program.rest();
    wait_for("the second bundle alone", || {
        let there = bundles(watch.folder());
        assert!(there.contains(&first) || there.len() == 1, "one is there at any time: {there:?}");
        (!there.contains(&first)).then(|| Bundle::open(&there[0]).json("manifest.json"))
    });
    let ended = watch.end();
    let second = ended.bundles();
    assert_eq!(second.len(), 1);
    let kinds = ["started", "watching", "trigger", "capture", "trigger", "capture", "removed", "ended"];
    assert_eq!(ended.kinds(), kinds);
    let removed = &ended.of("removed")[0];
    assert!(
        removed["path"].as_str().is_some_and(|path| Path::new(path).file_name() == first.file_name()),
        "{removed:#}"
    );
    assert_eq!(removed["why"], "only the newest bundle is kept (--keep 1)");
}

// Who is told.

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_bundle_is_uploaded_handed_to_the_command_and_counted() {
    let (_shared, program) = (shared(), Spiky::grown_up());
    let store = Storing::new(|_| Act::Store);
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let url = format!("http://{}/bundles/{{name}}?X-Amz-Signature=0f1e2d3c4b5a6978", store.address);
    let capture = over(&program).args(SPIKE).args(["--exec", "echo \"got $1\""]).env("CAPTURE_UPLOAD_URL", url);
    let watch = Watch::start(capture.arg("--metrics-listen").arg(free.to_string()));
    assert_eq!(sample(&metrics(free), "capture_watch_captures_total"), "0");
    spike(&watch, &program, 1);
    let executed = watch.wait_for("executed", 1);
    let page = metrics(free);
    assert_eq!(sample(&page, "capture_watch_captures_total"), "1", "{page}");
    assert_eq!(sample(&page, "capture_watch_watching"), "1", "{page}");
    let ended = watch.end();

    let told = ended.of("capture")[0]["path"].as_str().expect("a path").to_owned();
    let (path, bytes) = (ended.output.dir().join(&told), fs::read(&ended.bundles()[0]).expect("the bundle"));
    assert_eq!((&executed["status"], &executed["output"]), (&json!(0), &json!(format!("got {}\n", told))));
    let puts = store.puts();
    let [put] = &puts[..] else { panic!("{} requests", puts.len()) };
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(put.head.starts_with(&format!("PUT /bundles/{name}?X-Amz-Signature=")), "{}", put.head);
    assert!(put.body == bytes, "{} bytes of {}", put.body.len(), bytes.len());
    assert_eq!(ended.of("uploaded")[0]["bytes"], bytes.len());
    let told = format!("{:?}{}", ended.events, ended.output.stderr);
    assert!(!told.contains("0f1e2d3c4b5a6978"), "the URL is a secret: {told}");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_watch_for_one_capture_ends_with_its_code_and_says_its_path_alone() {
    let (_shared, program) = (shared(), Spiky::grown_up());
    let state = tempfile::tempdir().expect("a folder");
    let capture = Capture::new().args(["watch", "--only", "--once"]).pid(program.pid()).args(CPU).args(FOR);
    let capture = capture.args(["--calm", "2s", "--slice", "1s", "--max-duration", "2s", "--state-dir"]);
    let running = capture.arg(state.path()).arg("--py-spy").arg(lab::py_spy()).start();
    program.burn();
    let output = running.finish();
    program.rest();
    let said = output.said();
    assert_eq!(said.lines().count(), 1, "{said}");
    for word in ["started", "watching", "trigger", "capture", "ended"] {
        assert!(output.stderr.lines().any(|line| line.contains(&format!("Z {word:<9} "))), "{}", output.stderr);
    }
    let bundle = output.assert_stderr_has(" ended     the first capture was made (--once)\n").bundle();
    assert_burns(&bundle);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_times_of_a_bundle_agree() {
    let (_shared, program) = (shared(), Spiky::grown_up());
    let watch = Watch::start(over(&program).args(["--slice", "1s", "--max-duration", "2s", "--once"]));
    watch.wait_for("watching", 1);
    thread::sleep(Duration::from_secs(3));
    let burns_from = Timestamp::now();
    program.burn();
    watch.wait_for("capture", 1);
    let ended = watch.finish();
    program.rest();
    let path = ended.bundles().remove(0);
    let bundle = Bundle::open(&path);
    let evidence = bundle.json("evidence.json");
    let fired_at = fired(&bundle);
    let waited = fired_at.duration_since(burns_from).as_secs_f64();
    // Two readings of a second each are enough, up to half a second short.
    assert!((1.4..6.0).contains(&waited), "it fired {waited} s after the program began to burn");
    let second = fired_at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let begins = evidence["started_utc"].as_str().expect("a time").replace(['-', ':'], "");
    assert!(name.contains(&format!("-{begins}-cpu")), "{name} and {begins}");
    assert!(seconds(&evidence["started_utc"]) - fired_at.as_second() <= 2, "{begins} and {second}");
    assert!(seconds(&ended.of("trigger")[0]["utc"]) - fired_at.as_second() <= 2, "{second}");

    // What was read when it fired is what made it fire, and what was read before it began is calm.
    let rows = cpu_rows(bundle.text(&format!("series/worker-{}.csv", program.pid())));
    let since = moment(&evidence, "since_us");
    let (mut calm, mut hot) = (0, 0);
    for (at, cpu_s) in rows {
        if at > since && at <= fired_at {
            assert!(cpu_s >= 0.09, "{cpu_s} s at {at}, and it fired at {fired_at}");
            hot += 1;
        } else if at < burns_from {
            assert!(cpu_s < 0.09, "{cpu_s} s at {at}, and it began to burn at {burns_from}");
            calm += 1;
        }
    }
    assert!(hot >= 2 && calm >= 2, "{hot} and {calm} rows");
}

#[test]
fn what_a_watch_cannot_do_is_refused() {
    let refused = |args: &[&str], stderr: &str| {
        let capture = args.iter().fold(Capture::new().arg("watch"), Capture::arg);
        capture.run().assert_status(2).assert_stdout("").assert_stderr(stderr).assert_left_nothing();
    };
    refused(
        &["-o", "bundle.tar.gz"],
        "capture: bundle.tar.gz is no folder, and a watch may give many bundles\n  name a folder: -o DIR/\n",
    );
    refused(
        &["--log", "-"],
        "capture: --log - has an end, and a watch has none\n  \
         name the file that LiteLLM writes its log to, or leave --log out\n",
    );
    refused(&["--baseline-every", "10s"], "capture: --baseline-every 10s is too short\n  give at least 60 s\n");
}

/// A watch that runs; it ends with this.
struct Watch {
    running: Option<Running>,
    told: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// A watch that has ended.
struct Ended {
    output: Output,
    events: Vec<Value>,
}

impl Watch {
    #[track_caller]
    fn start(capture: Capture) -> Self {
        let mut running = capture.start();
        let mut lines = BufReader::new(running.take_stdout());
        let told = Arc::<Mutex<String>>::default();
        let heard = Arc::clone(&told);
        let reader = thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                heard.lock().expect("no thread failed").push_str(&line);
                line.clear();
            }
        });
        Self { running: Some(running), told, reader: Some(reader) }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    fn folder(&self) -> &Path {
        self.running().dir()
    }

    /// The watch itself, also where it is the child of what made its surroundings.
    fn pid(&self) -> i32 {
        let started = self.running().pid();
        let is_capture =
            |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "capture\n");
        if is_capture(&started) { started } else { children(started).into_iter().find(is_capture).expect("it runs") }
    }

    /// Every line is an object.
    #[track_caller]
    fn events(&self) -> Vec<Value> {
        let told = self.told.lock().expect("no thread failed").clone();
        told.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}"))).collect()
    }

    fn kinds(&self) -> Vec<String> {
        kinds(&self.events())
    }

    fn of(&self, kind: &str) -> Vec<Value> {
        of(&self.events(), kind)
    }

    /// Waits until it has said this so many times, and gives the last of them.
    #[track_caller]
    fn wait_for(&self, kind: &str, times: usize) -> Value {
        let begin = Instant::now();
        loop {
            if let Some(event) = self.of(kind).into_iter().nth(times - 1) {
                return event;
            }
            let waits = begin.elapsed() < PATIENCE && self.reader.as_ref().is_some_and(|reader| !reader.is_finished());
            assert!(waits, "waited in vain for `{kind}` number {times}; it said {:#?}", self.events());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as the kernel does when memory is short. Its folder stays until this goes.
    fn kill(&mut self) {
        self.running.as_mut().expect("it runs").kill();
    }

    /// Tells it to end, and waits until it has.
    #[track_caller]
    fn end(self) -> Ended {
        kill(Pid::from_raw(self.pid()), Signal::SIGTERM).expect("it runs");
        let ended = self.finish();
        Ended { output: ended.output.assert_status(143), ..ended }
    }

    /// Waits until it ends.
    #[track_caller]
    fn finish(mut self) -> Ended {
        let output = self.running.take().expect("it runs").finish();
        self.reader.take().expect("it is read").join().expect("its words were read");
        Ended { output, events: self.events() }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            let _ = kill(Pid::from_raw(running.pid()), Signal::SIGKILL);
        }
    }
}

impl Ended {
    fn kinds(&self) -> Vec<String> {
        kinds(&self.events)
    }

    fn of(&self, kind: &str) -> Vec<Value> {
        of(&self.events, kind)
    }

    fn bundles(&self) -> Vec<PathBuf> {
        bundles(self.output.dir())
    }
}

/// The names of the events, in their order.
fn kinds(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["event"].as_str().expect("an event").to_owned()).collect()
}

/// The events of one kind.
fn of(events: &[Value], kind: &str) -> Vec<Value> {
    events.iter().filter(|event| event["event"] == kind).cloned().collect()
}

/// The bundles in a folder, by their names, which is by time.
fn bundles(folder: &Path) -> Vec<PathBuf> {
    names_in(folder).into_iter().filter(|name| name.starts_with("litellm-cpu-")).map(|name| folder.join(name)).collect()
}

/// A watch over a program, with the real py-spy.
fn watch(program: &Spiky) -> Capture {
    Capture::new().args(["watch", "--json", "--only"]).pid(program.pid()).arg("--py-spy").arg(lab::py_spy())
}

/// The same with the rules that most tests have. No spike is so much higher than another that it ends a cooldown.
fn over(program: &Spiky) -> Capture {
    watch(program).args(CPU).args(FOR).args(["--higher", "100%"])
}

/// A spike that is over when it is captured; with it there are so many captures.
#[track_caller]
fn spike(watch: &Watch, program: &Spiky, captures: usize) {
    watch.wait_for("watching", 1);
    program.burn();
    watch.wait_for("trigger", captures);
    watch.running().wait_for_slices(1);
    program.rest();
    watch.wait_for("capture", captures);
}

/// There are stacks, with CPU in them.
#[track_caller]
fn assert_burns(bundle: &Bundle) {
    let folded = bundle.text("profiles/all.folded");
    assert!(Stacks::parse(folded).self_share("burn") > 0.0, "{folded}");
}

/// When the rule fired, by the bundle's evidence.
fn fired(bundle: &Bundle) -> Timestamp {
    moment(&bundle.json("evidence.json"), "at_us")
}

/// A moment of the trigger's.
fn moment(evidence: &Value, name: &str) -> Timestamp {
    let epoch: Timestamp = evidence["epoch_utc"].as_str().and_then(|utc| utc.parse().ok()).expect("an epoch");
    epoch + Duration::from_micros(evidence["trigger"][name].as_u64().expect("a moment"))
}

/// When each stack was sampled, in microseconds since time zero.
fn samples_us(bundle: &Bundle) -> Vec<u64> {
    let files = bundle.unpacked();
    let (_, samples) = files.iter().find(|(name, _)| name == "profiles/samples.json.gz").expect("samples");
    let samples: Value = serde_json::from_slice(samples).expect("JSON");
    samples["samples"]["at_us"].as_array().expect("moments").iter().filter_map(Value::as_u64).collect()
}

/// The rows of a worker's table that tell its CPU since the row before.
fn cpu_rows(csv: &str) -> Vec<(Timestamp, f64)> {
    let row = |line: &str| {
        let mut fields = line.split(',');
        let at = fields.next()?.parse().ok()?;
        let user_s: f64 = fields.next()?.parse().ok()?;
        let system_s: f64 = fields.next()?.parse().ok()?;
        Some((at, user_s + system_s))
    };
    csv.lines().filter_map(row).collect()
}

/// A time that is told in whole seconds.
fn seconds(utc: &Value) -> i64 {
    utc.as_str().and_then(|utc| utc.parse::<Timestamp>().ok()).expect("a time").as_second()
}

fn written(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|about| about.modified()).expect("a file")
}

/// The page of a watch's own endpoint.
#[track_caller]
fn metrics(address: std::net::SocketAddr) -> String {
    let mut stream = wait_for("the endpoint", || TcpStream::connect(address).ok());
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// A figure of it.
#[track_caller]
fn sample<'a>(page: &'a str, name: &str) -> &'a str {
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {page}"))
}

/// A file system in memory, of ten megabytes.
struct Disk {
    dir: TempDir,
}

impl Disk {
    /// None where we may not.
    fn mount() -> Option<Self> {
        let disk = Self { dir: tempfile::tempdir().expect("a folder") };
        disk.mounted("size=10m").then_some(disk)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Makes room.
    fn grow(&self) {
        assert!(self.mounted("remount,size=300m"));
    }

    fn mounted(&self, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).stderr(Stdio::null()).status();
    }
}
