//! The page's data against the facts that they were made of: by Rust for every number, by the page's own script for
//! every sum that it makes of them.
//!
//! With `CAPTURE_LARGE=DIR` two bundles are left there to be measured, each of a million samples (16 workers, ten
//! minutes, 100 Hz), one of them of as many different stacks as can be.

#[path = "support/large.rs"]
mod large;
mod support;

use std::{collections::BTreeMap, env, fs, path::PathBuf, process::Command};

use large::Size;
use litellm_capture::{
    analyse::{analyse, evidence::Stacks, facts::Facts, work::work_of},
    assemble::Assembled,
    bundle::{archive::Artifact, facts::read, open::Bundle, samples},
    redact::{Clean, Raw, Redactor, Sources},
    render::report::page,
    sample::profile::{Place, Profile},
};
use serde_json::json;
use support::{page::Page, repository, skip};

/// A page may take so much for a million samples.
const MOST_BYTES_A_MILLION: f64 = 8e6;
const SMALL: Size = Size { workers: 3, seconds: 20, rate_hz: 100, variants: 8 };
const MILLION: Size = Size { workers: 16, seconds: 600, rate_hz: 100, variants: 16 };
/// The same with two hundred thousand stacks.
const VARIED: Size = Size { variants: 417, ..MILLION };

fn written(facts: &Facts) -> String {
    page(facts, &analyse(facts), None).expect("a page")
}

fn stored(format: &str) -> Facts {
    let path = repository().join("tests/bundles").join(format!("{format}.tar.gz"));
    read(Bundle::open(&path).expect("a bundle").files()).expect("its facts")
}

/// Whole numbers that are written as their distance to the one before.
fn summed(distances: &[i64]) -> Vec<i64> {
    let sum = |sum: &mut i64, distance: &i64| {
        *sum += distance;
        Some(*sum)
    };
    distances.iter().scan(0, sum).collect()
}

#[test]
fn every_sample_is_in_its_thread_at_its_time_in_its_stack_and_a_threads_cpu_is_exact_to_a_microsecond() {
    for facts in [large::facts(SMALL), stored("1.1"), stored("1.2")] {
        let page = Page::read(&written(&facts));
        let [at, stack, cpu] = ["at", "stack", "cpu"].map(|name| page.numbers(&format!("/samples/{name}")));
        let mut from = 0;
        for (thread, count) in page.numbers("/samples/per_thread").into_iter().enumerate() {
            let to = from + count as usize;
            let mut expected: Vec<_> = facts.profile.samples.iter().filter(|s| s.thread as usize == thread).collect();
            expected.sort_by_key(|sample| sample.at_us);
            let times: Vec<i64> = expected.iter().map(|sample| sample.at_us.cast_signed()).collect();
            assert_eq!(summed(&at[from..to]), times);
            let place = |place| match place {
                Place::Stack(stack) => i64::from(stack),
                Place::Native => -1,
                Place::NotSampled => -2,
            };
            assert_eq!(summed(&stack[from..to]), expected.iter().map(|s| place(s.place)).collect::<Vec<_>>());
            let mut sum_ns = 0;
            for (us, sample) in summed(&cpu[from..to]).into_iter().zip(expected) {
                sum_ns += sample.cpu_ns.cast_signed();
                assert!((us * 1_000 - sum_ns).abs() <= 500, "{us} µs for {sum_ns} ns");
            }
            from = to;
        }
        assert_eq!(from, facts.profile.samples.len());
    }
}

/// The frames of a stack from its leaf to its root, each as function, file and line, as the page has them.
fn frames_of(page: &Page, parents: &[i64], frames: &[i64], stack: usize) -> Vec<(String, String, i64)> {
    let text = |column: &str, frame: i64| {
        let string = page.at(&format!("/frames/{column}/{frame}"));
        page.at(&format!("/strings/{string}")).as_str().expect("a text").to_owned()
    };
    let mut found = Vec::new();
    let mut next = stack;
    loop {
        let frame = frames[next];
        let line = page.at(&format!("/frames/line/{frame}")).as_i64().expect("a line");
        found.push((text("function", frame), text("file", frame), line));
        match parents[next] {
            0 => return found,
            distance => next -= usize::try_from(-distance).expect("a caller stands before"),
        }
    }
}

fn expected_frames(profile: &Profile<Clean>, stack: u32) -> Vec<(String, String, i64)> {
    let frames = profile.leaf_to_root(stack);
    frames.map(|frame| (frame.function.to_string(), frame.file.to_string(), i64::from(frame.line))).collect()
}

#[test]
fn every_stack_has_its_frames_and_its_work_and_the_baselines_are_among_them() {
    let facts = stored("1.1");
    let baseline = facts.baseline.as_deref().expect("a baseline");
    let page = Page::read(&written(&facts));
    let [parents, frames, owners, mechanisms] =
        ["parent", "frame", "owner", "mechanism"].map(|name| page.numbers(&format!("/stacks/{name}")));
    for stack in 0..facts.profile.stacks.len() {
        assert_eq!(frames_of(&page, &parents, &frames, stack), expected_frames(&facts.profile, stack as u32));
        let leaf_to_root: Vec<_> = facts.profile.leaf_to_root(stack as u32).collect();
        let work = work_of(&leaf_to_root);
        assert_eq!(page.at(&format!("/owners/{}", owners[stack])), &work.owner);
        assert_eq!(page.at(&format!("/mechanisms/{}", mechanisms[stack])), work.mechanism);
    }
    let mut expected: BTreeMap<Vec<(String, String, i64)>, u64> = BTreeMap::new();
    for sample in &baseline.profile.samples {
        if let Place::Stack(stack) = sample.place {
            *expected.entry(expected_frames(&baseline.profile, stack)).or_default() += sample.cpu_ns;
        }
    }
    expected.retain(|_, cpu_ns| *cpu_ns > 0);
    let told = page.numbers("/baseline/stack").into_iter().zip(page.numbers("/baseline/cpu"));
    let told: BTreeMap<_, _> =
        told.map(|(stack, us)| (frames_of(&page, &parents, &frames, stack as usize), us)).collect();
    assert_eq!(told.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(expected.iter().all(|(stack, cpu_ns)| (told[stack] * 1_000 - cpu_ns.cast_signed()).abs() <= 1_000));
}

#[test]
fn every_figure_over_time_is_there_and_what_is_missing_is_not_a_zero() {
    let facts = stored("1.2");
    let page = Page::read(&written(&facts));
    for (index, table) in facts.series.0.values().enumerate() {
        let pointer = format!("/series/{index}");
        assert_eq!(page.at(&pointer)["table"], table.name);
        assert_eq!(page.at(&pointer)["columns"], json!(table.columns));
        let at: Vec<i64> = table.rows.iter().map(|row| row.at_us.cast_signed()).collect();
        assert_eq!(summed(&page.numbers(&format!("{pointer}/at"))), at);
        for column in 0..table.columns.len() {
            let values: Vec<Option<f64>> = table.rows.iter().map(|row| row.values[column]).collect();
            assert_eq!(page.figures(&format!("{pointer}/values/{column}")), values);
        }
    }
}

#[test]
fn a_bundle_of_any_format_has_a_page_that_says_what_is_missing() {
    for format in ["1.0", "1.1", "1.2", "1.3", "1.4"] {
        let page = Page::read(&written(&stored(format)));
        assert!(!page.at("/verdict/cards").as_array().expect("cards").is_empty(), "{format}");
    }
    let old = Page::read(&written(&stored("1.0")));
    for (pointer, nothing) in [("/series", json!([])), ("/logs/during", json!(null)), ("/baseline", json!(null))] {
        assert_eq!(old.at(pointer), &nothing, "{pointer}");
    }
    let mut facts = stored("1.2");
    facts.evidence.stacks = Stacks::LeftOut { because: "of a reason".to_owned() };
    let html = written(&facts);
    assert!(html.contains("where the CPU went is not known: there are no stacks, because of a reason."));
    assert_eq!(Page::read(&html).at("/capture/stacks_missing"), "of a reason");
}

#[test]
fn a_secret_that_is_packed_in_the_page_does_not_pass_the_gate() {
    const SECRET: &str = "sk-mJ3vKq8ZpT5wXr2N9bLc";
    let environ = [(Raw::new("OPENAI_API_KEY"), Raw::new(SECRET))];
    let gate = Redactor::new(&Sources { environs: vec![&environ], ..Sources::default() }).gate();
    let checked = |config: &str| {
        let facts = Facts { config: Some(config.to_owned()), ..stored("1.2") };
        let artifacts = vec![Artifact::new("report.html", written(&facts))];
        Assembled { manifest: facts.manifest.clone(), verdict: analyse(&facts), facts, artifacts }.pass_gate(&gate)
    };
    assert_eq!(checked("model: gpt"), Ok(()));
    let refused = checked(&format!("key: {SECRET}")).expect_err("a secret");
    assert!(refused.starts_with("report.html: ") && !refused.contains(SECRET), "{refused}");
}

#[test]
fn a_sample_takes_no_more_of_the_page_than_a_million_of_them_may() {
    if let Some(dir) = env::var_os("CAPTURE_LARGE").map(PathBuf::from) {
        for (name, size) in [("million", MILLION), ("varied", VARIED)] {
            large::write_bundle(&large::facts(size), &dir.join(format!("{name}.tar.gz")));
        }
    }
    let few = Size { seconds: 2, variants: 8, ..MILLION };
    let many = Size { seconds: 12, ..few };
    let [few, many] = [few, many].map(|size| {
        let facts = large::facts(size);
        (facts.profile.samples.len(), written(&facts).len())
    });
    let each = (many.1 - few.1) as f64 / (many.0 - few.0) as f64;
    assert!(each * 1e6 < MOST_BYTES_A_MILLION, "{each:.2} bytes a sample");
}

#[test]
fn the_pages_script_reads_and_sums_as_a_plain_computation_does() {
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_node {
        return skip("there is no node");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let facts = large::facts(SMALL);
    fs::write(dir.path().join("report.html"), written(&facts)).expect("the page");
    fs::write(dir.path().join("samples.json.gz"), samples::write(&facts.profile).expect("samples")).expect("a file");
    let output = Command::new("node")
        .args(["--test", "tests/report/"])
        .current_dir(repository())
        .env("CAPTURE_PAGE", dir.path())
        .output()
        .expect("node can be started");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("# fail 0"), "{told}");
}
