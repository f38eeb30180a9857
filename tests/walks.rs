//! The README's walks: each goes through the page of a recorded spike, as the README tells it, and finds the function,
//! the worker, when it began, and whether traffic caused it.
//!
//! The bundles are those of `tests/lab/record_walks.py`; `tests/lab/walk.py` does the walking in a real Chromium and
//! tells what it saw. With `CAPTURE_BLESS=1` it takes the README's pictures.

#[path = "support/sampled.rs"]
#[expect(dead_code, reason = "only the leaders are asked for")]
mod sampled;
mod support;

use std::{collections::BTreeMap, env, path::Path};

use sampled::{Samples, Thread};
use serde::Deserialize;
use support::{
    Capture,
    bundle::Bundle,
    repository,
    visit::{Visit, has_browser},
};

const README: &str = include_str!("../README.md");

const TRAFFIC: Answers = Answers {
    traffic: "CPU follows traffic",
    function: "BurnCPU.expensive_pii_scrub",
    worker: "Evenly spread: worker 2450 uses 52.5 % of a core, worker 2449 50.9 %",
    when: "02:10:24 UTC",
};
const WORKER: Answers = Answers {
    traffic: "requests hardly changed",
    function: "reindex_everything",
    worker: "One hot worker: 4445",
    when: "02:12:54 UTC",
};
const REQUESTS: Answers = Answers {
    traffic: "A request has 83624 prompt tokens, 10 before",
    function: "Encoding.encode",
    worker: "Evenly spread: worker 12883 uses 30.9 %",
    when: "01:52:36 UTC",
};

/// What was seen.
#[derive(Deserialize)]
struct Seen {
    /// The cards that are in sight at once, by their titles.
    cards: BTreeMap<String, String>,
    /// The address after the drag.
    range: String,
    /// What the bar says at last.
    selection: String,
    /// The first row of the table of functions at last, by its columns.
    function: BTreeMap<String, String>,
    console: Vec<String>,
    requests: Vec<String>,
}

/// A recorded spike, and what was seen on its page.
struct Walk {
    bundle: Bundle,
    seen: Seen,
}

/// What the README says is found: the words that stand there and on the page.
struct Answers {
    traffic: &'static str,
    function: &'static str,
    worker: &'static str,
    when: &'static str,
}

/// Makes the page anew and walks; none where there is no browser.
fn walk(spike: &str) -> Option<Walk> {
    if !has_browser() {
        return None;
    }
    let path = repository().join(format!("tests/walks/{spike}.tar.gz"));
    let dir = tempfile::tempdir().expect("a folder");
    let report = Capture::new().arg("report").arg(&path).arg("-o").arg(dir.path()).run().assert_status(0);
    let mut visit = Visit::by("walk.py", &Path::new(report.said().trim()).join("report.html")).args([spike]);
    if env::var_os("CAPTURE_BLESS").is_some() {
        visit = visit.args(["--pictures".as_ref(), repository().join("tests/walks").as_os_str()]);
    }
    Some(Walk { bundle: Bundle::open(&path), seen: visit.see() })
}

impl Walk {
    /// In the first window, without a click; and nothing is fetched, and the console is quiet.
    #[track_caller]
    fn assert_answers(&self, answers: &Answers) {
        let cards = &self.seen.cards;
        let readme = README.split_whitespace().collect::<Vec<_>>().join(" ");
        for (card, answer) in [
            ("Whether traffic caused it", answers.traffic),
            ("Where the CPU went", answers.function),
            ("Workers", answers.worker),
            ("When it began", answers.when),
        ] {
            assert!(cards.get(card).is_some_and(|told| told.contains(answer)), "{card}: {answer} is not in {cards:#?}");
            assert!(readme.contains(answer), "{answer} is not in the README");
        }
        assert_eq!(self.seen.console, [""; 0]);
        assert_eq!(self.seen.requests, [""; 0]);
    }

    /// The first row of the table of functions is what the bundle's samples say of the stretch that was dragged.
    #[track_caller]
    fn assert_first_function(&self, function: &str, is_meant: impl Fn(&Thread) -> bool) {
        let stretch = self.seen.range.trim_start_matches("#t=");
        let (from, to) = stretch.split_once('-').unwrap_or_else(|| panic!("no stretch in {stretch}"));
        let us = |seconds: &str| (seconds.parse::<f64>().expect("seconds") * 1e6).round() as u64;
        let samples = Samples::of(&self.bundle);
        let stretch = us(from)..us(to);
        let top = samples.top(|sample| stretch.contains(&sample.at_us) && is_meant(&samples.threads[sample.thread]));
        assert!(top.function.contains(function), "{}", top.function);
        let row = &self.seen.function;
        assert_eq!((&*row["function"], &*row["self share"]), (top.function, &*format!("{:.1} %", top.self_percent)));
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn traffic_that_rose_is_seen_to_be_the_cause_and_a_callback_to_take_the_cpu_of_both_workers() {
    let Some(walk) = walk("traffic") else { return };
    walk.assert_answers(&TRAFFIC);
    walk.assert_first_function(TRAFFIC.function, |_| true);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_thread_of_one_worker_is_seen_to_be_hot_whatever_is_asked_of_it() {
    let Some(walk) = walk("worker") else { return };
    walk.assert_answers(&WORKER);
    assert!(walk.seen.selection.contains("thread reindexer"), "{}", walk.seen.selection);
    let hottest = walk.bundle.json("summary.json")["heat"]["hottest"].clone();
    walk.assert_first_function(WORKER.function, |thread| thread.name == "reindexer" && thread.process.pid == hottest);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn requests_that_are_no_more_but_larger_are_seen_to_cost_more_and_what_counts_their_tokens_to_have_grown_most() {
    let Some(walk) = walk("requests") else { return };
    walk.assert_answers(&REQUESTS);
    assert!(walk.seen.selection.contains("against"), "{}", walk.seen.selection);
    walk.assert_first_function(REQUESTS.function, |_| true);
    assert!(walk.seen.function["self grew per request"].starts_with('+'), "{:?}", walk.seen.function);
}
