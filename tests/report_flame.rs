//! The page's flamegraph and tables in a browser, used as a person uses them: by pointer and by keys.
//!
//! `tests/lab/flame.py` does it and tells what it saw. `CAPTURE_BROWSER` is the Chromium; `scripts/test` finds one.

#[path = "support/facts.rs"]
#[expect(dead_code, reason = "nothing is missing here")]
mod facts;
mod support;

use std::{collections::BTreeMap, fs, sync::LazyLock};

use facts::Spike;
use litellm_capture::{analyse::facts::Facts, render::report::page, sample::profile::Place};
use serde::Deserialize;
use support::visit::{Visit, has_browser};

const RUN: &str = "run (asyncio/runners.py)";
const CHAT: &str = "chat_completion (litellm/proxy/proxy_server.py)";
const SCRUB: &str = "Scrub.expensive_pii_scrub (app/custom_callbacks.py)";

/// What was seen, in the order in which it was done.
#[derive(Deserialize)]
struct Seen {
    pointed: String,
    tip: Vec<String>,
    zoomed: String,
    way: Vec<String>,
    reset: String,
    matched: BTreeMap<String, String>,
    gone_to: String,
    escaped: String,
    walked: String,
    collapsed: String,
    name: String,
    inverted: String,
    focus: String,
    ignore: String,
    chips: Vec<String>,
    left: String,
    unrestricted: String,
    legend: Vec<String>,
    only: String,
    menu: Vec<String>,
    compared: String,
    difference: Vec<String>,
    change: String,
    compared_no_more: String,
    functions: Vec<String>,
    sorted: Vec<String>,
    order: String,
    found: String,
    filtered: Vec<String>,
    workers: Vec<String>,
    worker: String,
    console: Vec<String>,
    requests: Vec<String>,
}

/// One visit serves all tests; none where there is no browser.
fn seen() -> Option<&'static Seen> {
    static SEEN: LazyLock<Seen> = LazyLock::new(visit);
    has_browser().then(|| &*SEEN)
}

fn visit() -> Seen {
    let facts = Spike::default().facts();
    let verdict = Spike::default().verdict(&facts);
    let dir = tempfile::tempdir().expect("a folder");
    let report = dir.path().join("report.html");
    fs::write(&report, page(&facts, &verdict, None).expect("a page")).expect("the page");
    Visit::by("flame.py", &report).with_pictures("").see()
}

/// The share of all CPU whose stack ends in the scrubber, as the page writes it.
fn scrubbed() -> String {
    let Facts { profile, .. } = Spike::default().facts();
    let cpu = |is_meant: &dyn Fn(&Place) -> bool| -> u64 {
        profile.samples.iter().filter(|sample| is_meant(&sample.place)).map(|sample| sample.cpu_ns / 1000).sum()
    };
    let share = 100.0 * cpu(&|place| *place == Place::Stack(2)) as f64 / cpu(&|_| true) as f64;
    format!("{share:.1} %")
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_frame_under_the_pointer_is_told_with_its_cpu_share_owner_and_lines() {
    let Some(seen) = seen() else { return };
    assert!(seen.pointed.starts_with(&format!("{SCRUB} CPU ")), "{}", seen.pointed);
    assert_eq!(seen.tip[0], SCRUB);
    for (label, value) in [
        ("CPU", format!(" s, {} of all", scrubbed())),
        ("whose work", "user code custom_callbacks.py, other Python".to_owned()),
        ("code", "user code".to_owned()),
        ("file", "/app/custom_callbacks.py".to_owned()),
        ("line", "12".to_owned()),
    ] {
        let at = seen.tip.iter().position(|line| line == label).unwrap_or_else(|| panic!("no {label}: {:?}", seen.tip));
        assert!(seen.tip[at + 1].ends_with(&value), "{label}: {:?}", seen.tip);
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_click_zooms_with_the_way_in_told_and_a_double_click_brings_all_back() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.zoomed, "#z=0.1.2");
    assert_eq!(seen.way, ["all", RUN, CHAT, SCRUB]);
    assert_eq!(seen.reset, "");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_search_takes_texts_patterns_and_lines_and_tells_the_share_once() {
    let Some(seen) = seen() else { return };
    let share = format!("{} matched, ", scrubbed());
    assert!(seen.matched["scrub"].starts_with(&share), "{:?}", seen.matched);
    assert!(seen.matched["custom_callbacks.py:12"].starts_with(&share), "{:?}", seen.matched);
    assert!(seen.matched["/^(run|chat)/"].starts_with("100.0 % matched, "), "{:?}", seen.matched);
    assert_eq!(seen.matched["custom_callbacks.py:13"], "nothing matched");
    assert!(seen.matched["/(/"].starts_with("Invalid regular expression"), "{:?}", seen.matched);
    assert_eq!(seen.gone_to, "#f=scrub&z=0.1.2");
    assert_eq!(seen.escaped, "");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn keys_walk_the_tree_copy_turn_it_round_and_restrict_it() {
    let Some(seen) = seen() else { return };
    assert!(seen.walked.starts_with(&format!("{CHAT}, CPU ")), "{}", seen.walked);
    assert!(seen.collapsed.starts_with(&format!("{RUN};{CHAT} ")), "{}", seen.collapsed);
    assert_eq!(seen.name, CHAT);
    assert!(seen.inverted.starts_with(&format!("{SCRUB}, CPU ")), "{}", seen.inverted);
    assert_eq!(seen.focus, format!("#focus=\"{CHAT}\""));
    assert_eq!(seen.ignore, format!("#focus=\"{CHAT}\"&ignore=\"{SCRUB}\""));
    assert_eq!(seen.chips, [format!("only {CHAT} ×"), format!("without {SCRUB} ×")]);
    assert!(!seen.left.contains(&scrubbed()), "what is left out costs nothing: {}", seen.left);
    assert_eq!(seen.unrestricted, "");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_legend_has_shares_and_restricts_and_a_menu_has_what_the_keys_do() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.legend[0].replace('\n', " "), format!("user code custom_callbacks.py {}", scrubbed()));
    assert_eq!(seen.only, "#focus=owner:user code custom_callbacks.py");
    assert!(seen.menu.iter().any(|act| act == "Copy the stack, collapsed"), "{:?}", seen.menu);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_second_range_makes_it_a_difference_with_figures() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.compared, "#t=210-220&c=200-210&col=difference");
    assert_eq!((seen.difference[0].as_str(), seen.difference[8].as_str()), ("gone", "new"));
    for word in [" ms now, ", " ms then: ", ", × 1."] {
        assert!(seen.change.contains(word), "{}", seen.change);
    }
    assert_eq!(seen.compared_no_more, "", "without a comparison there is no difference to be seen");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn tables_are_sorted_filtered_and_lead_to_the_flamegraph() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.functions, ["Scrub.expensive_pii_scrub", "chat_completion", "run"], "the largest own CPU first");
    assert_eq!(seen.sorted, ["run", "chat_completion", "Scrub.expensive_pii_scrub"], "by name, from the end");
    assert_eq!(seen.order, "descending");
    assert_eq!(seen.found, format!("#f=\"{SCRUB}\"&p=2"));
    assert_eq!(seen.filtered, ["Scrub.expensive_pii_scrub"]);
    assert_eq!(seen.workers.len(), 4);
    assert_eq!(seen.worker, format!("#w=0&f=\"{SCRUB}\"&p=2"), "the worker that uses most CPU");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn nothing_is_fetched_and_the_console_is_quiet() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.requests, [""; 0]);
    assert_eq!(seen.console, [""; 0]);
}
