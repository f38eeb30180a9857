//! The page's view over time in a browser, used as a person uses it: by pointer and by keys.
//!
//! `tests/lab/timeline.py` does it and tells what it saw. `CAPTURE_BROWSER` is the Chromium; `scripts/test` finds one.

#[path = "support/facts.rs"]
mod facts;
mod support;

use std::{fs, sync::LazyLock};

use facts::{SAMPLED_FROM_S, SAMPLED_TO_S, Spike, gap};
use litellm_capture::{
    os::proc::ProcessId,
    render::report::page,
    sample::{Event, What},
};
use serde::Deserialize;
use support::visit::{Visit, has_browser};

/// When a worker ended.
const EVENT_S: u64 = 210;
/// What is missing, with a name in it.
const GAP: &str = "the log of `litellm`";

/// What was seen, in the order in which it was done.
#[derive(Deserialize)]
struct Seen {
    legends: Vec<String>,
    dragged: String,
    legends_dragged: Vec<String>,
    compared: String,
    then: Vec<String>,
    edge_moved: String,
    tip: Vec<String>,
    cleared: String,
    cursor: String,
    marked: String,
    row: String,
    by_key: String,
    escaped: String,
    workers: Vec<String>,
    expanded: String,
    rows: Vec<String>,
    only: String,
    not_only: String,
    event: String,
    found: String,
    entries: Vec<String>,
    gaps: Vec<String>,
    link: String,
    after_link: String,
    console: Vec<String>,
    requests: Vec<String>,
}

/// One visit serves all tests; none where there is no browser.
fn seen() -> Option<&'static Seen> {
    static SEEN: LazyLock<Seen> = LazyLock::new(visit);
    has_browser().then(|| &*SEEN)
}

fn visit() -> Seen {
    let mut facts = Spike::default().facts();
    let verdict = Spike::default().verdict(&facts);
    let process = ProcessId { pid: Spike::pid(3), start_ticks: 0 };
    facts.evidence.events.push(Event { at_us: EVENT_S * 1_000_000, process, what: What::WorkerGone });
    facts.manifest.gaps = vec![gap(GAP, "it is not kept", "keep it")];
    let dir = tempfile::tempdir().expect("a folder");
    let report = dir.path().join("report.html");
    fs::write(&report, page(&facts, &verdict, None).expect("a page")).expect("the page");
    Visit::by("timeline.py", &report).with_pictures("").see()
}

/// The stretch that an address says under a key, in seconds.
fn stretch(address: &str, key: &str) -> Option<(f64, f64)> {
    let value =
        address.trim_start_matches('#').split('&').find_map(|part| part.strip_prefix(key)?.strip_prefix('='))?;
    let (from, to) = value.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

/// Whether a stretch is as long as another, but for a pixel of the view.
fn is_long((from, to): (f64, f64), seconds: f64) -> bool {
    (to - from - seconds).abs() < 0.2
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_drag_selects_what_it_covers_and_the_legends_tell_of_it() {
    let Some(seen) = seen() else { return };
    let (from, to) = stretch(&seen.dragged, "t").unwrap_or_else(|| panic!("{}", seen.dragged));
    // The view shows somewhat more than the spike, which began before the stacks.
    assert!((SAMPLED_FROM_S as f64 - 30.0..SAMPLED_TO_S as f64).contains(&from) && from < to, "{}", seen.dragged);
    assert!(seen.legends[0].starts_with("CPU, cores\nmean while sampled:\nworker 41 "), "{:?}", seen.legends);
    assert!(seen.legends_dragged[0].starts_with("CPU, cores\nmean in the selection:\n"), "{:?}", seen.legends_dragged);
    assert_ne!(seen.legends[0], seen.legends_dragged[0], "the figures are those of the selection");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_drag_with_shift_holds_a_second_stretch_against_the_first() {
    let Some(seen) = seen() else { return };
    let first = stretch(&seen.dragged, "t").expect("a selection");
    assert_eq!(stretch(&seen.compared, "t"), Some(first), "the first stays");
    // A half and a tenth of the width.
    assert!(is_long(stretch(&seen.compared, "c").expect("a second stretch"), (first.1 - first.0) / 5.0));
    assert!(seen.then.iter().any(|figure| !figure.is_empty()), "{:?}", seen.then);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn an_edge_is_dragged_alone_and_a_double_click_clears() {
    let Some(seen) = seen() else { return };
    let (before, after) = (stretch(&seen.dragged, "t").unwrap(), stretch(&seen.edge_moved, "t").unwrap());
    assert!((before.0 - after.0).abs() < 1e-6, "the other edge stays: {}", seen.edge_moved);
    assert!(is_long(after, (before.1 - before.0) / 2.0), "{}", seen.edge_moved);
    assert_eq!(seen.cleared, "");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_cell_under_the_pointer_tells_worker_moment_and_cpu() {
    let Some(seen) = seen() else { return };
    assert!(seen.tip[0].starts_with("worker "), "{:?}", seen.tip);
    assert!(seen.tip[1].contains(" from ") && seen.tip[1].ends_with(" on"), "{:?}", seen.tip);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn keys_move_mark_and_select_and_all_of_it_is_told() {
    let Some(seen) = seen() else { return };
    assert!(seen.cursor.contains(" UTC, CPU, cores: "), "{}", seen.cursor);
    assert!(seen.marked.contains(" s marked, "), "{}", seen.marked);
    assert!(seen.row.contains(" s marked, worker 41, "), "{}", seen.row);
    // Two tenths of the view are marked, of which the drag had half.
    let half = stretch(&seen.dragged, "t").unwrap();
    assert!(is_long(stretch(&seen.by_key, "t").expect("a selection"), (half.1 - half.0) * 0.4), "{}", seen.by_key);
    assert_eq!(seen.escaped, "");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_worker_shows_its_threads_and_is_chosen_alone() {
    let Some(seen) = seen() else { return };
    let pids: Vec<String> = (0..4).map(|index| Spike::pid(index).to_string()).collect();
    assert_eq!(seen.workers, pids);
    assert_eq!(seen.expanded, "#x=0");
    assert!(seen.rows.len() > seen.workers.len() && seen.rows[1].contains(&pids[0]), "{:?}", seen.rows);
    assert_eq!(seen.only, "#w=0&x=0");
    assert_eq!(seen.not_only, "#x=0");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn an_event_selects_its_stretch_and_a_card_leads_to_its_evidence() {
    let Some(seen) = seen() else { return };
    let (from, to) = stretch(&seen.event, "t").unwrap_or_else(|| panic!("{}", seen.event));
    assert!(from < EVENT_S as f64 && (EVENT_S as f64) < to, "{}", seen.event);
    assert!(["time", "flame", "tables", "environment", "gaps"].contains(&seen.link.as_str()), "{}", seen.link);
    assert_eq!(seen.after_link, seen.event, "a link changes nothing of what is selected");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_environment_is_searched_what_is_missing_listed_and_the_browser_has_nothing_to_complain_of() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.gaps, [GAP.replace('`', "")]);
    assert_eq!(seen.found, format!("{} found", seen.entries.len()));
    assert_eq!(seen.console, [""; 0]);
    assert_eq!(seen.requests, [""; 0]);
}
