//! `capture export`: a bundle's profile for other tools. What is written is held against the bundle, and opened with
//! the tools themselves: speedscope's own importer, Firefox Profiler's own command line, a reader of pprof's profiles.

#[path = "support/facts.rs"]
#[expect(dead_code, reason = "nothing is judged here")]
mod facts;
mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use facts::{Spike, bare, clean};
use flate2::read::GzDecoder;
use litellm_capture::{
    analyse::{
        evidence::{Happening, Stacks, Triggered},
        facts::Facts,
        owners::by_owner,
    },
    bundle::{
        archive::{Artifact, pack},
        facts as stored,
        manifest::FORMAT,
        open::Bundle,
    },
    export::{firefox, pprof, speedscope},
    os::proc::ProcessId,
    sample::{
        Event, Slice, What,
        profile::{Frame, Place, Profile, Sample, Shape, StackNode, Thread},
    },
    series::{column, table},
};
use serde_json::{Value, json};
use support::{Capture, lab, names_in, repository, skip};

/// Bundles as older programs wrote them.
const FORMATS: [&str; 5] = ["1.0", "1.1", "1.2", "1.3", "1.4"];

fn bundle(format: &str) -> PathBuf {
    repository().join(format!("tests/bundles/{format}.tar.gz"))
}

fn facts_of(path: &Path) -> Facts {
    stored::read(Bundle::open(path).expect("a bundle").files()).expect("its facts")
}

fn cpu_ns(facts: &Facts) -> u64 {
    facts.profile.samples.iter().map(|sample| sample.cpu_ns).sum()
}

/// Two workers: the first with a function in two lines and a thread without Python, the second never sampled.
fn small() -> Facts {
    let frame = |function, file, line| Frame { function: clean(function), file: clean(file), line };
    let thread = |pid, tid, name| Thread { process: ProcessId { pid, start_ticks: 5 }, tid, name: clean(name) };
    let sample = |at_us, thread, place, cpu_ns, run_delay_ns| Sample {
        at_us,
        span_us: 10_000,
        thread,
        place,
        shape: Shape::Whole,
        cpu_ns,
        run_delay_ns,
    };
    let mut facts = bare("vm", "1.106.2");
    facts.manifest.format = FORMAT;
    facts.evidence.slices = vec![Slice { from_us: 0, to_us: 60_000 }];
    facts.profile = Profile {
        frames: vec![
            frame("Runner.run", "/usr/lib/python3.13/asyncio/runners.py", 118),
            frame("Scrub.scrub", "/app/custom_callbacks.py", 12),
            frame("Scrub.scrub", "/app/custom_callbacks.py", 13),
        ],
        stacks: vec![
            StackNode { parent: None, frame: 0 },
            StackNode { parent: Some(0), frame: 1 },
            StackNode { parent: Some(0), frame: 2 },
        ],
        threads: vec![thread(41, 42, "pool"), thread(41, 41, "MainThread"), thread(48, 48, "MainThread")],
        samples: vec![
            sample(0, 0, Place::Native, 2_000_000, 0),
            sample(0, 1, Place::Stack(1), 4_000_000, 0),
            sample(5_000, 2, Place::NotSampled, 1_000_000, 0),
            sample(10_000, 1, Place::Stack(2), 6_000_500, 0),
            sample(50_000, 1, Place::Stack(0), 0, 3_000_000),
        ],
    };
    facts
}

/// A bundle of these facts.
fn write(facts: &Facts, path: &Path) {
    let mut artifacts = stored::write(facts).expect("facts");
    artifacts.push(Artifact::json("manifest.json", &facts.manifest).expect("JSON"));
    fs::write(path, pack(&facts.manifest.name, &mut artifacts, 0).expect("a tarball")).expect("a file");
}

fn export(bundle: &Path, format: &str) -> Capture {
    Capture::new().arg("export").arg(bundle).args(["--format", format])
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).expect("a compressed file");
    plain
}

/// A field of a protobuf message.
enum Field<'a> {
    Number,
    Bytes(&'a [u8]),
}

/// The fields of a message with their numbers, by the rules of the wire format.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = varint(&mut bytes);
        fields.push((
            tag >> 3,
            match tag & 7 {
                0 => Field::Number,
                2 => {
                    let (content, rest) = bytes.split_at(value as usize);
                    bytes = rest;
                    Field::Bytes(content)
                }
                other => panic!("wire type {other}"),
            },
        ));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0).expect("a last byte") + 1;
    let (number, rest) = bytes.split_at(length);
    *bytes = rest;
    number.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
}

/// The sums of a pprof profile's values, over all its samples.
fn pprof_sums(profile: &[u8]) -> [u64; 3] {
    const SAMPLE: u64 = 2;
    const VALUE: u64 = 2;
    let mut sums = [0; 3];
    for (_, sample) in fields(profile).into_iter().filter(|(number, _)| *number == SAMPLE) {
        let Field::Bytes(sample) = sample else { panic!("a sample is a message") };
        for (_, values) in fields(sample).into_iter().filter(|(number, _)| *number == VALUE) {
            let Field::Bytes(mut values) = values else { panic!("values are packed") };
            for sum in &mut sums {
                *sum += varint(&mut values);
            }
            assert!(values.is_empty(), "each has three");
        }
    }
    sums
}

fn numbers(values: &Value) -> impl Iterator<Item = f64> {
    values.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number"))
}

#[track_caller]
fn assert_close(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-6 * right.abs().max(1.0), "{left} is not {right}");
}

#[test]
fn every_format_of_every_bundle_sums_up_to_the_cpu_of_its_profile() {
    for format in FORMATS {
        let path = bundle(format);
        let all_ns = cpu_ns(&facts_of(&path));
        let exported = |to: &str| export(&path, to).args(["-o", "-"]).run().assert_status(0).stdout;

        let folded = String::from_utf8(exported("collapsed")).expect("UTF-8");
        assert_eq!(folded, support::bundle::Bundle::open(&path).text("profiles/all.folded"), "{format}");

        let file: Value = serde_json::from_slice(&exported("speedscope")).expect("JSON");
        let totals: Vec<f64> = file["profiles"]
            .as_array()
            .expect("profiles")
            .iter()
            .map(|profile| {
                let total = profile["endValue"].as_f64().expect("a total");
                assert_close(numbers(&profile["weights"]).sum(), total);
                total * 1e3
            })
            .collect();
        assert_close(totals[0], all_ns as f64);
        assert_close(totals[1..].iter().sum(), all_ns as f64);

        let profile: Value = serde_json::from_slice(&exported("firefox")).expect("JSON");
        let samples = || profile["threads"].as_array().expect("threads").iter().map(|thread| &thread["samples"]);
        assert_close(samples().flat_map(|samples| numbers(&samples["threadCPUDelta"])).sum(), all_ns as f64);
        assert_close(samples().flat_map(|samples| numbers(&samples["weight"])).sum::<f64>() * 1e6, all_ns as f64);

        assert_eq!(pprof_sums(&unpacked(&exported("pprof")))[1], all_ns, "{format}");
    }
}

#[test]
fn a_speedscope_file_has_all_threads_together_and_then_each_in_its_order() {
    let sampled = |name, end: f64, samples: Value, weights: Value| {
        json!({
            "type": "sampled", "name": name, "unit": "microseconds", "startValue": 0.0, "endValue": end,
            "samples": samples, "weights": weights,
        })
    };
    let expected = json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "name": "litellm-cpu-test-20261124T061500Z",
        "exporter": format!("capture {}", env!("CARGO_PKG_VERSION")),
        "activeProfileIndex": 0,
        "shared": {"frames": [
            {"name": "Runner.run", "file": "/usr/lib/python3.13/asyncio/runners.py"},
            {"name": "Scrub.scrub", "file": "/app/custom_callbacks.py"},
            {"name": "worker 41"},
            {"name": "pool (42)"},
            {"name": "[native thread]"},
            {"name": "MainThread (41)"},
            {"name": "worker 48"},
            {"name": "MainThread (48)"},
            {"name": "[not sampled]"},
        ]},
        "profiles": [
            sampled(
                "all threads",
                13_000.5,
                json!([[2, 3, 4], [2, 5, 0, 1], [2, 5, 0, 1], [6, 7, 8]]),
                json!([2_000.0, 4_000.0, 6_000.5, 1_000.0]),
            ),
            sampled("worker 41, pool (42)", 2_000.0, json!([[4]]), json!([2_000.0])),
            sampled("worker 41, MainThread (41)", 10_000.5, json!([[0, 1], [0, 1]]), json!([4_000.0, 6_000.5])),
            sampled("worker 48, MainThread (48)", 1_000.0, json!([[8]]), json!([1_000.0])),
        ],
    });
    assert_eq!(serde_json::to_value(speedscope::file(&small())).expect("JSON"), expected);
}

fn firefox_of(facts: &Facts) -> Value {
    serde_json::to_value(firefox::profile(facts)).expect("JSON")
}

#[test]
fn a_row_of_a_firefox_profile_ends_a_sample_and_a_hole_has_no_stack() {
    let profile = firefox_of(&small());
    let threads = profile["threads"].as_array().expect("threads");
    let named = threads
        .iter()
        .map(|thread| (thread["processName"].as_str(), thread["name"].as_str(), thread["isMainThread"].as_bool()));
    let named: Vec<_> = named.map(|(process, name, main)| (process.unwrap(), name.unwrap(), main.unwrap())).collect();
    let expected = [("worker 41", "MainThread", true), ("worker 41", "pool", false), ("worker 48", "MainThread", true)];
    assert_eq!(named, expected);
    let main = &threads[0]["samples"];
    assert_eq!(main["time"], json!([0.0, 10.0, 20.0, 50.0, 60.0]));
    assert_eq!(main["stack"], json!([null, 1, 2, null, 0]));
    assert_eq!(main["threadCPUDelta"], json!([0, 4_000_000, 6_000_500, 0, 0]));
    assert_eq!(main["weight"], json!([0.0, 4.0, 6.0005, 0.0, 0.0]));
    assert_eq!(main["weightType"], "tracing-ms");
    // Behind the three stacks stand the nodes of what has none.
    assert_eq!(
        (&threads[1]["samples"]["stack"], &threads[2]["samples"]["stack"]),
        (&json!([null, 3]), &json!([null, 4]))
    );
}

#[test]
fn a_stack_of_a_firefox_profile_has_file_line_and_the_category_of_its_owner() {
    let profile = firefox_of(&small());
    let shared = &profile["shared"];
    let at = |table: &str, column: &str, index: usize| shared[table][column][index].clone();
    let index = |value: Value| value.as_u64().expect("an index") as usize;
    let text = |string: Value| shared["stringArray"][index(string)].as_str().expect("a string");
    let described = |node: usize| {
        let frame = index(at("stackTable", "frame", node));
        let function = index(at("frameTable", "func", frame));
        let category = &profile["meta"]["categories"][index(at("frameTable", "category", frame))];
        let below = &category["subcategories"][index(at("frameTable", "subcategory", frame))];
        let source = at("funcTable", "source", function);
        (
            text(at("funcTable", "name", function)),
            source.as_u64().map(|source| text(at("sources", "filename", source as usize))),
            at("frameTable", "line", frame).as_u64(),
            category["name"].as_str().expect("a name"),
            below.as_str().expect("a name"),
        )
    };
    let runners = Some("/usr/lib/python3.13/asyncio/runners.py");
    let callbacks = Some("/app/custom_callbacks.py");
    assert_eq!(described(0), ("Runner.run", runners, Some(118), "event loop and threads", "waiting"));
    let scrub = "user code custom_callbacks.py";
    assert_eq!(described(1), ("Scrub.scrub", callbacks, Some(12), scrub, "other Python"));
    assert_eq!(described(2), ("Scrub.scrub", callbacks, Some(13), scrub, "other Python"));
    assert_eq!(described(3), ("[native thread]", None, None, "native threads", "native"));
    assert_eq!(described(4), ("[not sampled]", None, None, "not sampled", "not sampled"));
    assert_eq!(shared["stackTable"]["prefix"], json!([null, 0, 0, null, null]));
    // One function, however many of its lines were seen.
    assert_eq!(at("frameTable", "func", 1), at("frameTable", "func", 2));
}

#[test]
fn what_happened_is_beside_the_stacks_from_the_spike_on() {
    let mut facts = small();
    let second = 1_000_000;
    for sample in &mut facts.profile.samples {
        sample.at_us += 100 * second;
    }
    facts.evidence.slices = vec![Slice { from_us: 100 * second, to_us: 101 * second }];
    let happening = |at_us, what| Happening { at_us, what: clean(what), version_before: None };
    facts.evidence.trigger = Some(Triggered {
        at_us: 98 * second,
        since_us: 90 * second,
        condition: "cpu".to_owned(),
        value: 96.0,
        limit: 80.0,
        pid: None,
        words: "a worker used 96 % of a core".to_owned(),
        happenings: vec![happening(10 * second, "long before"), happening(95 * second, "a worker was replaced")],
    });
    let process = ProcessId { pid: 48, start_ticks: 5 };
    facts.evidence.events = vec![Event { at_us: 100 * second + 500_000, process, what: What::WorkerGone }];
    let profile = firefox_of(&facts);

    assert_eq!(profile["meta"]["startTime"], (facts.epoch().as_microsecond() + 90_000_000) as f64 / 1e3);
    let markers = |thread: usize| {
        let markers = &profile["threads"][thread]["markers"];
        let texts = markers["data"].as_array().expect("markers").iter().map(|data| data["text"].clone());
        let times = markers["startTime"].as_array().expect("times").iter().cloned();
        let ends = markers["endTime"].as_array().expect("times").iter().cloned();
        times.zip(ends).zip(texts).map(|((from, to), text)| json!([from, to, text])).collect::<Value>()
    };
    let mut expected = json!([
        [0.0, 8_000.0, "a worker used 96 % of a core"],
        [5_000.0, null, "a worker was replaced"],
        [10_000.0, 11_000.0, "slice 001"],
    ]);
    assert_eq!(markers(0), expected);
    assert_eq!(markers(1), json!([]), "each worker has them once");
    expected.as_array_mut().expect("a list").push(json!([10_500.0, null, "worker 48 ended"]));
    assert_eq!(markers(2), expected);
    assert_eq!(profile["threads"][0]["samples"]["time"][0], 10_000.0);
}

#[test]
fn memory_and_cpu_of_each_worker_are_counted_and_what_was_not_read_is_no_zero() {
    let facts = Spike::default().facts();
    let profile = firefox_of(&facts);
    let counters = profile["counters"].as_array().expect("counters");
    assert_eq!(counters.len(), 8);
    for counter in counters {
        let pid = counter["pid"].as_str().expect("a pid");
        let main = &profile["threads"][counter["mainThreadIndex"].as_u64().expect("an index") as usize];
        assert_eq!((main["pid"].as_str(), main["isMainThread"].as_bool()), (Some(pid), Some(true)));
        let read = facts.series.table(&format!("{}-{pid}", table::WORKER)).expect("a table");
        let counts: Vec<f64> = numbers(&counter["samples"]["count"]).collect();
        let total: f64 = counts.iter().sum();
        if counter["category"] == "Memory" {
            let values: Vec<(u64, f64)> = read.column(column::RSS_BYTES).collect();
            assert_close(total, values.last().expect("a value").1);
            assert_eq!(counts.len(), values.len());
        } else {
            let cpu_s = [column::USER_S, column::SYSTEM_S];
            assert_close(total, cpu_s.iter().flat_map(|name| read.column(name)).map(|row| row.1 * 1e3).sum());
            assert!(counts.iter().all(|count| *count > 0.0), "{counts:?}");
        }
    }
}

#[test]
fn a_pid_that_was_used_twice_is_two_processes() {
    let mut facts = small();
    facts.profile.threads[2].process = ProcessId { pid: 41, start_ticks: 9 };
    let profile = firefox_of(&facts);
    let pids: Vec<&Value> = (0..3).map(|index| &profile["threads"][index]["pid"]).collect();
    assert_eq!(pids, ["41-5", "41-5", "41-9"]);
}

#[test]
fn a_pprof_profile_counts_samples_cpu_and_the_wait_for_a_cpu() {
    assert_eq!(pprof_sums(&pprof::profile(&small())), [4, 13_000_500, 3_000_000]);
}

#[test]
fn the_profile_is_laid_beside_the_bundle_and_told_by_its_path() {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("spike.tar.gz");
    write(&small(), &path);
    let at = |name: &str| place.path().join(name).display().to_string();
    for (format, name, told) in [
        ("firefox", "spike.firefox.json.gz", "load it on https://profiler.firefox.com, which keeps it in the browser"),
        ("speedscope", "spike.speedscope.json", "drop it on https://www.speedscope.app, which keeps it in the browser"),
        ("pprof", "spike.pb.gz", "go tool pprof -http=: FILE, Grafana and Parca read it"),
        ("collapsed", "spike.folded", "flamegraph.pl, inferno-flamegraph and speedscope read it"),
    ] {
        let output = export(&path, format).run().assert_status(0).assert_stdout(&format!("{}\n", at(name)));
        output.assert_stderr(&format!("0.01 CPU-seconds of 3 threads: {told}\n"));
    }
    assert_eq!(
        names_in(place.path()),
        ["spike.firefox.json.gz", "spike.folded", "spike.pb.gz", "spike.speedscope.json", "spike.tar.gz"]
    );
    // What is there stays.
    export(&path, "collapsed").run().assert_status(7).assert_stdout("").assert_stderr(&format!(
        "capture: cannot write {}: File exists (os error 17)\n  choose another place with -o PATH\n",
        at("spike.folded")
    ));
}

#[test]
fn a_name_that_ends_with_gz_gets_it_compressed_and_the_result_can_be_json() {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("spike.tar.gz");
    write(&small(), &path);
    for format in ["firefox", "speedscope", "collapsed"] {
        let to = |name: &str| place.path().join(format!("{format}{name}"));
        for name in [".txt", ".txt.gz"] {
            let output = export(&path, format).arg("--json").arg("-o").arg(to(name)).run().assert_status(0);
            let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let bytes = fs::metadata(to(name)).expect("a file").len();
            let expected = json!({"path": to(name), "bytes": bytes, "cpu_seconds": 0.013_001, "threads": 3});
            assert_eq!(said, expected);
        }
        assert_eq!(unpacked(&fs::read(to(".txt.gz")).expect("a file")), fs::read(to(".txt")).expect("a file"));
    }
    let refused = export(&path, "pprof").args(["--json", "-o", "-"]).run().assert_status(2).assert_stdout("");
    refused.assert_stderr("capture: --json and -o - both want standard output\n  give -o a file or folder\n");
}

#[test]
fn the_same_bundle_gives_the_same_bytes() {
    for format in ["firefox", "speedscope", "pprof"] {
        let exported = || export(&bundle("1.1"), format).args(["-o", "-"]).run().assert_status(0).stdout;
        assert!(exported() == exported(), "{format}");
    }
}

#[test]
fn where_there_are_no_stacks_nothing_is_written_and_the_reason_is_told() {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("bundle.tar.gz");
    let refused = |facts: &Facts, why: &str| {
        write(facts, &path);
        export(&path, "firefox").run().assert_status(2).assert_stdout("").assert_stderr(&format!(
            "capture: {} has nothing to export: {why}\n  for all else that it has: capture report BUNDLE\n",
            path.display()
        ));
    };
    let mut without = small();
    let because = "they were left out by --without-stacks".to_owned();
    without.evidence.stacks = Stacks::LeftOut { because };
    refused(&without, "no stacks were taken, because they were left out by --without-stacks");
    let mut idle = small();
    idle.profile.samples.retain(|sample| sample.cpu_ns == 0);
    refused(&idle, "no CPU was used while it sampled");
    assert_eq!(names_in(place.path()), ["bundle.tar.gz"]);
}

#[test]
fn a_fleet_bundle_is_refused_and_its_parts_are_named() {
    let fleet = repository().join("tests/fleets/1.0.tar.gz");
    export(&fleet, "pprof").run().assert_status(2).assert_stdout("").assert_stderr(&format!(
        "capture: cannot read {}: it is a fleet bundle, which holds the bundles of several pods\n  \
         unpack it (tar -xzf) and name one of the bundles in its folder bundles/\n",
        fleet.display()
    ));
}

/// What a program saw that people open such a file with; none where the lab has none of them.
fn seen(reader: &str, file: &Path) -> Option<Value> {
    let readers = lab::dir().join("readers");
    if !readers.join("node_modules").is_dir() {
        skip("the lab has no readers of profiles, for want of npm");
        return None;
    }
    let script = repository().join("tests/lab/readers/read.mjs");
    let output = Command::new("node").arg(script).arg(readers).arg(reader).arg(file).stderr(Stdio::inherit()).output();
    let output = output.expect("node can be started");
    assert!(output.status.success(), "{reader} could not read {}; see above", file.display());
    Some(serde_json::from_slice(&output.stdout).expect("what was seen"))
}

/// A stored bundle, exported into a folder.
fn exported(place: &Path, format: &str) -> PathBuf {
    let output = export(&bundle("1.1"), format).arg("-o").arg(place.join("")).run().assert_status(0);
    PathBuf::from(output.said().trim_end())
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn speedscope_reads_its_own_file_and_pprofs_and_the_folded_stacks() {
    let place = tempfile::tempdir().expect("a folder");
    let facts = facts_of(&bundle("1.1"));
    let scrub: u64 = (0..)
        .zip(&facts.profile.stacks)
        .filter_map(|(stack, node)| {
            let function = facts.profile.frames[node.frame as usize].function.as_str();
            let here = |sample: &&Sample| sample.place == Place::Stack(stack);
            (function == "BurnCPU.expensive_pii_scrub")
                .then(|| facts.profile.samples.iter().filter(here).map(|sample| sample.cpu_ns).sum::<u64>())
        })
        .sum();
    for (format, unit, in_ns) in [("speedscope", "microseconds", 1e3), ("pprof", "nanoseconds", 1.0)] {
        let Some(seen) = seen("speedscope", &exported(place.path(), format)) else { return };
        let first = &seen["profiles"][0];
        assert_eq!(first["unit"], unit);
        assert_close(first["total"].as_f64().expect("a total") * in_ns, cpu_ns(&facts) as f64);
        let own = first["functions"]["BurnCPU.expensive_pii_scrub"].as_f64().expect("the function");
        assert_close(own * in_ns, scrub as f64);
    }
    let path = exported(place.path(), "collapsed");
    let seen = seen("speedscope", &path).expect("it was there before");
    let total = support::bundle::Stacks::parse(&fs::read_to_string(&path).expect("a file")).total();
    assert_eq!(seen["profiles"][0]["total"], total);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_reader_of_pprof_finds_values_labels_and_places() {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("small.tar.gz");
    write(&small(), &path);
    export(&path, "pprof").run().assert_status(0);
    let Some(seen) = seen("pprof", &place.path().join("small.pb.gz")) else { return };
    let sample =
        |values: [u64; 3], (pid, tid, thread): (i32, i32, &str), [owner, mechanism]: [&str; 2], stack: &[&str]| {
            let labels =
                json!({"pid": pid, "thread_id": tid, "thread": thread, "owner": owner, "mechanism": mechanism});
            json!({"values": values, "labels": labels, "stack": stack})
        };
    let (main, run) = ((41, 41, "MainThread"), "Runner.run (/usr/lib/python3.13/asyncio/runners.py:118)");
    let scrub = ["user code custom_callbacks.py", "other Python"];
    let expected = json!({
        "types": ["samples/count", "cpu/nanoseconds", "wait/nanoseconds"],
        "shown": "cpu",
        "period": ["cpu/nanoseconds", 10_000_000],
        "time": "1795500900250000000",
        "duration": 60_000_000,
        "comments": ["litellm-cpu-test-20261124T061500Z"],
        "mappings": [["python", true]],
        "samples": [
            sample([1, 2_000_000, 0], (41, 42, "pool"), ["native threads", "native"], &["[native thread] (:0)"]),
            sample([0, 0, 3_000_000], main, ["event loop and threads", "waiting"], &[run]),
            sample([1, 4_000_000, 0], main, scrub, &["Scrub.scrub (/app/custom_callbacks.py:12)", run]),
            sample([1, 6_000_500, 0], main, scrub, &["Scrub.scrub (/app/custom_callbacks.py:13)", run]),
            sample([1, 1_000_000, 0], (48, 48, "MainThread"), ["not sampled"; 2], &["[not sampled] (:0)"]),
        ],
    });
    assert_eq!(seen, expected);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn firefox_profiler_finds_threads_categories_markers_and_counters() {
    let place = tempfile::tempdir().expect("a folder");
    let facts = facts_of(&bundle("1.1"));
    let Some(seen) = seen("firefox", &exported(place.path(), "firefox")) else { return };
    assert_eq!(seen["meta"]["productAndVersion"], "LiteLLM 1.106.2");
    assert_eq!(seen["meta"]["startTime"], facts.epoch().as_microsecond() as f64 / 1e3);
    let threads = seen["threads"].as_array().expect("threads");
    assert_eq!(threads.len(), facts.profile.threads.len());
    let cpu_ms = threads.iter().map(|thread| thread["cpuMs"].as_f64().expect("its CPU"));
    assert_close(cpu_ms.sum::<f64>() * 1e6, cpu_ns(&facts) as f64);

    for worker in seen["workers"].as_array().expect("main threads") {
        let tid = worker["tid"].as_i64().expect("a tid");
        let mut profile = facts.profile.clone();
        profile.samples.retain(|sample| i64::from(profile.threads[sample.thread as usize].tid) == tid);
        let categories = worker["categories"].as_array().expect("categories");
        let by_category = categories.iter().map(|category| (category["name"].as_str(), &category["samples"]));
        let by_category: BTreeMap<_, _> = by_category.collect();
        for share in by_owner(&profile) {
            let cpu_ms = by_category[&Some(share.owner.as_str())].as_f64().expect("its CPU");
            assert!((cpu_ms / 1e3 - share.seconds).abs() < 2e-6, "{}: {cpu_ms} ms, {} s", share.owner, share.seconds);
        }
    }
    let markers = seen["workers"][0]["markers"].as_array().expect("markers");
    let markers: Vec<&str> = markers.iter().filter_map(|kind| kind["markerName"].as_str()).collect();
    assert_eq!((seen["workers"][0]["tid"].as_i64(), markers), (Some(1065), vec!["slice", "sampler", "stall"]));
    let counters: Vec<(&str, &str)> = seen["counters"]
        .as_array()
        .expect("counters")
        .iter()
        .map(|counter| (counter["label"].as_str().expect("a label"), counter["processName"].as_str().expect("a name")))
        .collect();
    for worker in ["worker 1065", "worker 1066"] {
        assert!(counters.contains(&("Memory", worker)) && counters.contains(&("CPU-ms", worker)), "{counters:?}");
    }
}
