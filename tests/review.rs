//! Bundles looked at again: `capture report`, `capture ticket` and `capture diff`, on bundles of every format.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use litellm_capture::{
    analyse::analyse,
    assemble::Assembled,
    bundle::{archive::Artifact, facts},
};
use serde_json::Value;
use support::{Capture, bundle::Bundle, names_in, repository, target::Target};

fn stored(format: &str) -> PathBuf {
    repository().join("tests/bundles").join(format!("{format}.tar.gz"))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn a_report_of_an_old_bundle_is_made_and_says_what_it_lacks() {
    let made = tempfile::tempdir().expect("a folder");
    let output = Capture::new().args(["report", path(&stored("1.0")), "-o", path(made.path())]).run();
    let output = output.assert_status(0).assert_stderr_has("a bundle of format 1.0 holds no figures over time");
    let folder = PathBuf::from(output.said().trim_end());

    let ticket = fs::read_to_string(folder.join("TICKET.md")).expect("a ticket");
    assert!(ticket.contains("## 1. CPU issue classification"), "{ticket}");
    for picture in ["cpu", "memory", "traffic", "latency"] {
        assert!(folder.join(format!("charts/{picture}.png")).is_file(), "{picture}");
    }
    assert!(fs::read_to_string(folder.join("report.html")).expect("a page").contains("Content-Security-Policy"));
    // What the bundle held is there too, as it was.
    let bundle = Bundle::open(&stored("1.0"));
    assert_eq!(fs::read_to_string(folder.join("evidence.json")).expect("evidence"), bundle.text("evidence.json"));
}

#[test]
fn a_report_of_a_bundle_of_this_format_is_what_the_bundle_holds() {
    let made = tempfile::tempdir().expect("a folder");
    let output = Capture::new().args(["report", path(&stored("1.2")), "-o", path(made.path())]).run().assert_status(0);
    let folder = PathBuf::from(output.said().trim_end());
    let bundle = Bundle::open(&stored("1.2"));
    let stored: Value = bundle.json("summary.json");
    let again: Value = serde_json::from_slice(&fs::read(folder.join("summary.json")).expect("a file")).expect("JSON");
    // What is said in words may be said better one day.
    for key in ["cpu", "workers", "kinds", "functions", "inclusive", "quality", "owners", "changes"] {
        assert_eq!(again[key], stored[key], "{key}");
    }
}

#[test]
fn a_report_where_one_cannot_write_names_the_place() {
    Capture::new()
        .args(["report", path(&stored("1.0")), "-o", "/proc/nowhere"])
        .run()
        .assert_status(7)
        .assert_stdout("")
        .assert_stderr_has("/proc/nowhere");
}

#[test]
fn a_ticket_is_the_text_the_link_and_the_files_to_drag_in() {
    let output = Capture::new().args(["ticket", path(&stored("1.1"))]).run().assert_status(0);
    let said = output.said();
    let bundle = Bundle::open(&stored("1.1"));
    let title = bundle.text("TICKET.md").lines().next().expect("a title").to_owned();
    assert!(said.contains(&title), "{said}");
    let link =
        said.lines().map(str::trim).find(|line| line.starts_with("https://github.com/BerriAI/litellm/issues/new?"));
    let link = link.unwrap_or_else(|| panic!("no link in {said}"));
    assert!(link.len() <= 8_000, "{} characters", link.len());
    assert!(link.contains("template=bug_report.yml") && link.contains("component=Proxy"), "{link}");
    for file in ["1.1.tar.gz", "cpu.png", "memory.png", "traffic.png", "latency.png"] {
        assert!(said.contains(file), "{file} is not in {said}");
    }
}

#[test]
fn a_difference_is_told_and_drawn() {
    let made = tempfile::tempdir().expect("a folder");
    let (before, after) = (stored("1.0"), stored("1.1"));
    let output = Capture::new().args(["diff", path(&before), path(&after), "-o", path(made.path())]).run();
    let output = output.assert_status(0).assert_stderr_has("a bundle of format 1.0 holds no figures over time");
    assert_eq!(names_in(made.path()), ["diff.json", "diff.md", "diff.svg"]);
    let text = fs::read_to_string(made.path().join("diff.md")).expect("a text");
    assert_eq!(output.said().trim_end(), text.trim_end());
    let json: Value = serde_json::from_slice(&fs::read(made.path().join("diff.json")).expect("a file")).expect("JSON");
    assert_eq!(json["per"], "second", "requests were not counted in the older one");
}

#[test]
fn what_is_no_bundle_is_refused_with_its_name() {
    for command in [&["report", "/etc/hostname"][..], &["ticket", "/etc/hostname"]] {
        let capture = command.iter().fold(Capture::new(), Capture::arg);
        capture.run().assert_status(2).assert_stdout("").assert_stderr_has("/etc/hostname");
    }
    Capture::new()
        .args(["diff", path(&stored("1.0")), "/nowhere"])
        .run()
        .assert_status(2)
        .assert_stderr_has("/nowhere");
}

#[test]
fn a_baseline_or_a_sample_that_cannot_be_read_is_refused_before_anything_is_attached() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = folder.path().join("requests.json");
    fs::write(&sample, "{\"model\": ").expect("a file");
    for (option, file) in
        [("--baseline", "/etc/hostname"), ("--requests", path(&sample)), ("--repro-steps", "/nowhere")]
    {
        let capture = Capture::new().fake_py_spy("good").pid(std::process::id().cast_signed());
        let output = capture.args([option, file]).run().assert_status(2).assert_stdout("").assert_stderr_has(file);
        output.assert_left_nothing();
    }
}

#[test]
fn what_the_baseline_keeps_by_name_of_the_reporters_requests_does_not_travel_on() {
    const CANARY: &str = "the board decided on layoffs";
    let target = Target::alone();
    let capture = |output: &str| {
        let capture = Capture::new().fake_py_spy("works").pid(target.pid());
        capture.args(["--duration", "2s", "--slice", "1s", "--quiet", "-o", output])
    };
    let folder = tempfile::tempdir().expect("a folder");
    let sample = folder.path().join("requests.jsonl");
    let request = format!(r#"{{"model": "gpt", "messages": [{{"role": "user", "content": "{CANARY}"}}]}}"#);
    fs::write(&sample, request).expect("a file");
    let before = capture("before.tar.gz").args(["--include-prompts", "--requests", path(&sample)]).run();
    let before = before.assert_status(0);
    let content = "workload/requests-from-reporter.jsonl";
    assert!(before.only_bundle().text(content).contains(CANARY), "it was asked for by name");

    let after = capture("after.tar.gz").args(["--baseline", path(&before.bundle_path())]).run().assert_status(0);
    let bundle = after.only_bundle();
    assert!(bundle.names().any(|name| name == "baseline/workload/requests.jsonl"), "shapes are facts to compare");
    for (name, bytes) in bundle.files() {
        assert!(!String::from_utf8_lossy(bytes).contains(CANARY), "{name}");
    }
}

#[test]
fn a_bundle_that_is_too_large_sheds_what_is_missed_least_and_says_so() {
    let bundle = litellm_capture::bundle::open::Bundle::open(&stored("1.1")).expect("a bundle");
    let facts = facts::read(bundle.files()).expect("its facts");
    let artifacts = bundle.files().iter().map(|(name, bytes)| Artifact::new(name.clone(), bytes.clone()));
    let mut assembled = Assembled {
        verdict: analyse(&facts),
        manifest: facts.manifest.clone(),
        facts,
        artifacts: artifacts.filter(|file| file.name != "manifest.json").collect(),
    };
    let names =
        |assembled: &Assembled| -> Vec<String> { assembled.artifacts.iter().map(|file| file.name.clone()).collect() };

    assert!(assembled.shed().expect("the texts again"));
    assert!(!names(&assembled).iter().any(|name| name.starts_with("baseline/")), "all of it, or it is of no use");
    let left = assembled.artifacts.iter().map(|file| (file.name.clone(), file.bytes.clone()));
    let manifest = serde_json::to_vec(&assembled.facts.manifest).expect("JSON");
    let left = left.chain([("manifest.json".to_owned(), manifest)]).collect();
    assert!(facts::read(&left).expect("what is left can be read").baseline.is_none());

    while assembled.shed().expect("the texts again") {}
    let left = names(&assembled);
    for kept in ["TICKET.md", "report.html", "flamegraphs/all.svg", "profiles/all.folded", "charts/cpu.png"] {
        assert!(left.iter().any(|name| name == kept), "{kept} is not in {left:?}");
    }
    let ticket = assembled.artifacts.iter().find(|file| file.name == "TICKET.md").expect("a ticket");
    assert!(String::from_utf8_lossy(&ticket.bytes).contains("larger than an attachment may be"));
}
