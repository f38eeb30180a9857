//! The page: everything of the target's is text in it, and in a browser it fetches nothing, runs nothing but its own,
//! and can be read in wide and narrow windows.
//!
//! With `CAPTURE_PICTURES=DIR` the pages are left there, to be looked at.

#[path = "support/facts.rs"]
mod facts;
mod support;

use std::{collections::BTreeMap, fs, sync::LazyLock};

use facts::{Spike, clean, gap};
use litellm_capture::{
    analyse::{
        changes::{Area, Change},
        classify::{Class, Classification, Confidence},
        compare::{Comparison, Growth, OwnerGrowth, Per},
        evidence::{Stacks, Triggered},
        facts::Facts,
        heat::{Heat, Spread},
        load::Load,
        owners::{MechanismShare, OwnerShare},
        sizing::{Size, Sizing},
        stall::{MeasuredBy, Stall},
        verdict::Verdict,
    },
    render::{report::page, ticket::ticket},
};
use serde::Deserialize;
use serde_json::json;
use support::{
    page::Page,
    visit::{Visit, has_browser, pictures},
};

/// What every text of a capture is made of here, if it would do harm as markup, in a script or by turning text around.
const HOSTILE: &str = "</pre></script><script>window.ran=1</script><!--<script> <img src=x onerror=window.ran=1> \
                       \u{2028} \" onload=\"window.ran=1\" ' `x` ${window.ran=1} &amp; ]]></script> \u{202e}turned\u{202c} \
                       https://example.invalid/x.png";

/// A usual capture and what was found out.
fn usual() -> (Facts, Verdict) {
    let spike = Spike::default();
    let facts = spike.facts();
    let mut verdict = spike.verdict(&facts);
    fill(&mut verdict, "custom_callbacks", "on average");
    (facts, verdict)
}

/// One in which every text is hostile, and one of them is as long as hardly any is.
fn hostile() -> (Facts, Verdict) {
    let spike = Spike { host: HOSTILE, version: HOSTILE, ..Spike::default() };
    let mut facts = spike.facts();
    for frame in facts.profile.frames.iter_mut().skip(2) {
        frame.function = clean(HOSTILE);
        frame.file = clean(HOSTILE);
    }
    facts.profile.frames[0].function = clean(&long_name());
    for thread in &mut facts.profile.threads {
        thread.name = clean(HOSTILE);
    }
    HOSTILE.clone_into(&mut facts.manifest.name);
    facts.manifest.interrupted_by = Some(HOSTILE.to_owned());
    facts.manifest.gaps.push(gap(HOSTILE, HOSTILE, HOSTILE));
    facts.logs.during = Some(format!("{HOSTILE}\n{HOSTILE}\n"));
    facts.config = Some(HOSTILE.to_owned());
    let mut verdict = spike.verdict(&facts);
    verdict.quality.reasons.push(HOSTILE.to_owned());
    fill(&mut verdict, HOSTILE, HOSTILE);
    (facts, verdict)
}

/// A usual one, but that its stacks were left out.
fn without_stacks() -> (Facts, Verdict) {
    let (facts, mut verdict) = usual();
    verdict.stacks = Stacks::LeftOut { because: "nobody may read them".to_owned() };
    (facts, verdict)
}

fn long_name() -> String {
    "long_".repeat(2_000)
}

fn written((facts, verdict): &(Facts, Verdict), ticket: &str) -> String {
    page(facts, verdict, Some(ticket)).expect("a page")
}

fn fill(verdict: &mut Verdict, name: &str, sentence: &str) {
    let (name, sentence) = (name.to_owned(), sentence.to_owned());
    verdict.classification = Some(Classification {
        class: Class::WithoutTraffic,
        confidence: Confidence::High,
        sentence: sentence.clone(),
        cpu_ratio: Some(2.5),
        traffic_ratio: Some(0.8),
        cost_ratio: Some(3.1),
        elasticity: None,
        version_before: None,
        version_during: None,
        contradictions: vec![sentence.clone()],
        to_add: vec![sentence.clone()],
        reporter: None,
    });
    verdict.sizing = Some(Sizing {
        size: Size::Adequate,
        sentence: sentence.clone(),
        workers: 4,
        quota_cores: Some(4.0),
        cpus: Some(8),
        memory_bytes: None,
        throttled_percent: Some(0.0),
        throttled_seconds: Some(0.0),
        wait_per_cpu_second: None,
    });
    verdict.heat = Some(Heat {
        spread: Spread::OneHot,
        sentence: sentence.clone(),
        hottest: Some(41),
        function: Some(name.clone()),
    });
    verdict.stall = Some(Stall {
        seconds: 1.2,
        from_utc: "2026-11-24T06:18:21Z".to_owned(),
        from_us: 201_000_000,
        measured_by: MeasuredBy::Liveliness,
        pid: Some(41),
        stack: vec![name.clone()],
        sentence: sentence.clone(),
    });
    verdict.owners = vec![OwnerShare {
        owner: name.clone(),
        seconds: 33.0,
        percent: 45.0,
        mechanisms: vec![MechanismShare { mechanism: name.clone(), seconds: 33.0, percent: 45.0 }],
        leader: Some(name.clone()),
    }];
    let change = Change {
        area: Area::Config,
        what: name.clone(),
        before: Some(sentence.clone()),
        after: Some(sentence.clone()),
        note: Some(sentence),
    };
    verdict.changes = vec![change.clone()];
    let owner = name.clone();
    let growth = Growth {
        name: name.clone(),
        file: name,
        self_before: 0.001,
        self_after: 0.02,
        total_before: 0.002,
        total_after: 0.03,
    };
    verdict.comparison = Some(Comparison {
        stacks: Stacks::Taken,
        per: Per::Request,
        before: Load::default(),
        after: Load::default(),
        functions: vec![growth],
        owners: vec![OwnerGrowth { owner, before: 0.001, after: 0.02 }],
        changes: vec![change],
    });
}

#[test]
fn everything_that_was_found_out_is_on_the_page() {
    let html = written(&usual(), "# CPU spike\n\n1. Which class?\n");
    if let Some(dir) = pictures() {
        fs::write(dir.join("report.html"), &html).expect("a folder");
    }
    let sentence = "CPU increases without a traffic increase, high confidence: 45.0 % of ";
    for part in [
        "<h1>CPU of LiteLLM 1.106.2 on litellm-7d9c5b6f4-x2k8p</h1>",
        &format!("<noscript>\n<p>{sentence}"),
        "<p>Nothing that was looked for.</p>",
    ] {
        assert!(html.contains(part), "{part:?} is not on the page");
    }
    let page = Page::read(&html);
    assert!(page.at("/verdict/sentence").as_str().is_some_and(|told| told.starts_with(sentence)));
    let cards = page.at("/verdict/cards").as_array().expect("cards");
    let ids: Vec<&str> = cards.iter().filter_map(|card| card["id"].as_str()).collect();
    assert_eq!(ids, ["class", "cause", "workers", "beginning", "growth", "sizing", "stall", "quality", "gaps"]);
    assert_eq!(cards[0]["figures"][1], json!(["CPU", "× 2.50"]));
    assert_eq!(page.at("/capture/litellm_version"), "1.106.2");
    assert_eq!(page.at("/ticket"), "# CPU spike\n\n1. Which class?\n");
    assert_eq!(page.at("/tables/comparison/functions/0/self_after"), 0.02);
    for text in ["Scrub.expensive_pii_scrub", "LiteLLM", "cgroup", "user_s"] {
        assert!(page.says(text), "{text:?} is not in the page's data");
    }
}

/// What the card says that tells when it began.
fn beginning(facts: &Facts) -> String {
    let page = Page::read(&written(&(facts.clone(), Spike::default().verdict(facts)), ""));
    let cards = page.at("/verdict/cards").as_array().expect("cards");
    let card = cards.iter().find(|card| card["id"] == "beginning").expect("the card");
    card["text"].as_str().expect("a text").to_owned()
}

#[test]
fn the_tickets_timeline_tells_when_it_began_as_the_page_does() {
    let facts = Spike::default().facts();
    let ticket = ticket(&facts, &Spike::default().verdict(&facts));
    let line = ticket.lines().find(|line| line.contains("CPU rose")).expect("the moment");
    assert!(line.ends_with(" 06:17:59 | CPU rose from 0.959 to 2.40 cores |"), "{line}");
}

#[test]
fn when_it_began_is_told_by_the_rise_of_the_cpu_else_by_what_set_a_watch_off_else_not() {
    let mut facts = Spike::default().facts();
    let rise = "At 06:17:59 UTC, 21.0 s before the capture began: CPU rose from 0.959 to 2.40 cores.";
    let fired = "worker 41 used 97 % of a core for 5 s (limit 80 %).";
    assert_eq!(beginning(&facts), rise);
    facts.evidence.trigger = Some(Triggered {
        at_us: 190_000_000,
        since_us: 185_000_000,
        condition: "cpu".to_owned(),
        value: 0.97,
        limit: 0.8,
        pid: Some(41),
        words: fired.trim_end_matches('.').to_owned(),
        happenings: Vec::new(),
    });
    assert_eq!(beginning(&facts), format!("{rise} Then {fired}"));

    // What is recorded begins within the spike.
    for table in facts.series.0.values_mut() {
        table.rows.retain(|row| row.at_us > 187_000_000);
    }
    assert_eq!(beginning(&facts), format!("At 06:18:05 UTC, 15.0 s before the capture began: {fired}"));
    facts.evidence.trigger = None;
    assert_eq!(beginning(&facts), "Earlier than 06:18:20 UTC, when the capture began: in it CPU did not rise.");
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    assert_eq!(written(&usual(), "ticket"), written(&usual(), "ticket"));
}

#[test]
fn what_is_hostile_is_text_in_the_data_and_escaped_beside_it() {
    let html = written(&hostile(), HOSTILE);
    assert_eq!(html.matches("<script").count(), 2, "the data and the page's own");
    assert_eq!(html.matches("</script>").count(), 2);
    assert!(!html.contains("<img src=x") && !html.contains("onload=\"") && !html.contains('\u{202e}'));
    assert!(html.contains("&lt;img src=x onerror=window.ran=1&gt;"), "it is there as text");
    assert!(html.contains("default-src &#39;none&#39;") && !html.contains("unsafe-inline"));

    let page = Page::read(&html);
    for pointer in
        ["/capture/name", "/capture/host", "/threads/0/name", "/gaps/0/what", "/environment/config", "/ticket"]
    {
        assert_eq!(page.at(pointer), HOSTILE, "{pointer}");
    }
    assert!(page.says(&long_name()), "it is not cut");
    assert_eq!(page.at("/logs/lines_at"), &json!([null, null]));
}

#[test]
fn a_capture_that_found_out_nothing_still_has_a_page() {
    let facts = facts::bare("vm", "1.106.2");
    let verdict = litellm_capture::analyse::verdict::profiled(&facts.evidence, &facts.profile);
    let page = Page::read(&page(&facts, &verdict, None).expect("a page"));
    let told = "The class of the spike is undetermined; where the CPU went is not known: no stack had any.";
    assert_eq!(page.at("/verdict/sentence"), told);
    assert_eq!((page.at("/workers"), page.at("/ticket")), (&json!([]), &json!(null)));
    assert_eq!(page.numbers("/samples/cpu"), [0_i64; 0]);
}

/// What was seen in the browser.
#[derive(Deserialize)]
struct Seen {
    title: String,
    sentence: String,
    sections: Vec<String>,
    /// What sticks out of the window, by its width.
    outside: BTreeMap<String, Vec<String>>,
    /// What the bar says of the selection that the address holds, and what is left of the address when it is taken
    /// back.
    selected: String,
    taken_back: String,
    /// The paper's colour in every scheme.
    papers: BTreeMap<String, String>,
    /// The colour of the page and of the ground of the flamegraph, when a dark page is printed.
    printed: BTreeMap<String, Option<String>>,
    /// What stands where the flamegraph is, and which tables there are.
    flame: String,
    tabs: Vec<String>,
    ran: String,
    console: Vec<String>,
    requests: Vec<String>,
}

/// One visit of the hostile page serves all tests; none where there is no browser.
fn seen() -> Option<&'static Seen> {
    static SEEN: LazyLock<Option<Seen>> = LazyLock::new(|| visit(&hostile()));
    SEEN.as_ref()
}

fn visit(found: &(Facts, Verdict)) -> Option<Seen> {
    if !has_browser() {
        return None;
    }
    let dir = tempfile::tempdir().expect("a folder for the page");
    let path = dir.path().join("report.html");
    fs::write(&path, written(found, HOSTILE)).expect("the page");
    Some(Visit::by("report.py", &path).with_pictures("").see())
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn nothing_of_the_targets_runs_nothing_is_fetched_and_the_console_is_quiet() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.ran, "undefined");
    assert_eq!(seen.console, [""; 0]);
    assert_eq!(seen.requests, [""; 0]);
    assert!(seen.title.starts_with("</pre></script><script>"), "it is text: {}", seen.title);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_verdict_stands_above_all_sections() {
    let Some(seen) = seen() else { return };
    assert!(
        seen.sentence.starts_with("CPU increases without a traffic increase, high confidence"),
        "{}",
        seen.sentence
    );
    let sections = ["verdict", "time", "flame", "tables", "logs", "requests", "environment", "gaps", "ticket"];
    assert_eq!(seen.sections, sections);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn what_the_address_selects_is_said_and_can_be_taken_back() {
    let Some(seen) = seen() else { return };
    assert!(seen.selected.contains(" (2.50 s)") && seen.selected.contains("worker 48"), "{}", seen.selected);
    assert_eq!(seen.taken_back, "#w=1");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn nothing_sticks_out_in_wide_and_narrow_windows_and_the_colours_can_be_chosen() {
    let Some(seen) = seen() else { return };
    for (width, outside) in &seen.outside {
        assert_eq!(*outside, [""; 0], "at {width}");
    }
    assert_eq!(seen.papers["light"], "rgb(255, 255, 255)");
    assert_ne!(seen.papers["dark"], seen.papers["light"]);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_dark_page_is_printed_light() {
    let Some(seen) = seen() else { return };
    let white = Some("rgb(255, 255, 255)");
    assert_eq!((seen.printed["page"].as_deref(), seen.printed["flamegraph"].as_deref()), (white, white));
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn without_stacks_it_says_why_and_shows_no_empty_graph_or_table() {
    let Some(seen) = visit(&without_stacks()) else { return };
    assert!(seen.flame.ends_with("There are no stacks, and so no functions: nobody may read them."), "{}", seen.flame);
    assert_eq!(seen.tabs[..2], ["Threads", "Workers"]);
    assert_eq!(seen.console, [""; 0]);
}
