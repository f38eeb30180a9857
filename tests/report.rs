//! The report: everything of the target's is text in it, and in a browser it fetches nothing, runs nothing but its own,
//! and can be read in wide and narrow windows.
//!
//! With `CAPTURE_PICTURES=DIR` the pages are left there, to be looked at.

#[path = "support/facts.rs"]
mod facts;
mod support;

use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::LazyLock,
};

use facts::{Spike, clean, gap};
use litellm_capture::{
    analyse::{
        changes::{Area, Change},
        classify::{Class, Classification, Confidence},
        compare::{Comparison, Growth, OwnerGrowth, Per},
        evidence::Stacks,
        facts::Facts,
        heat::{Heat, Spread},
        load::Load,
        owners::{MechanismShare, OwnerShare},
        sizing::{Size, Sizing},
        stall::{MeasuredBy, Stall},
        verdict::Verdict,
    },
    render::{
        charts::draw_all,
        flamegraph::{Heading, Palette, draw},
        folded::{Detail, fold},
        report::{Pictures, page},
    },
};
use serde::Deserialize;
use support::{lab, repository, skip};

/// What every text of a capture is made of here, if it would do harm as markup.
const HOSTILE: &str = "</pre></iframe></title></script><script>window.ran=1</script><img src=x onerror=window.ran=1> \
                       \" onload=\"window.ran=1\" ' &amp; ]]></script> https://example.invalid/x.png";

/// A page of a usual capture.
fn usual(spike: &Spike) -> String {
    let facts = spike.facts();
    let mut verdict = spike.verdict(&facts);
    fill(&mut verdict, "custom_callbacks", "on average");
    written(&facts, &verdict, "# CPU spike\n\n1. Which class?\n")
}

/// A page in which every text is hostile.
fn hostile() -> String {
    let spike = Spike { host: HOSTILE, version: HOSTILE, ..Spike::default() };
    let mut facts = spike.facts();
    for frame in facts.profile.frames.iter_mut().skip(2) {
        frame.function = clean(HOSTILE);
        frame.file = clean(HOSTILE);
    }
    HOSTILE.clone_into(&mut facts.manifest.name);
    facts.manifest.interrupted_by = Some(HOSTILE.to_owned());
    facts.manifest.gaps.push(gap(HOSTILE, HOSTILE, HOSTILE));
    let mut verdict = spike.verdict(&facts);
    verdict.quality.reasons.push(HOSTILE.to_owned());
    fill(&mut verdict, HOSTILE, HOSTILE);
    written(&facts, &verdict, HOSTILE)
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

fn written(facts: &Facts, verdict: &Verdict, ticket: &str) -> String {
    let palette = Palette::of(&facts.profile);
    let graph = |name: &str, pid: Option<i32>| {
        let folded = fold(&facts.profile, Detail::Functions, |_, process| pid.is_none_or(|pid| process.pid == pid));
        let heading = Heading { title: format!("CPU time of {name}"), subtitle: facts.manifest.name.clone() };
        (name.to_owned(), draw(&folded, &heading, &palette).expect("a flamegraph"))
    };
    let flamegraphs = [graph("all", None), graph("worker-41", Some(41)), graph("worker-48", Some(48))];
    let charts = draw_all(facts, verdict);
    page(facts, verdict, &Pictures { charts: &charts, flamegraphs: &flamegraphs, ticket: Some(ticket) })
}

fn pictures() -> Option<PathBuf> {
    env::var_os("CAPTURE_PICTURES").map(PathBuf::from)
}

#[test]
fn everything_that_was_found_out_is_on_the_page() {
    let page = usual(&Spike::default());
    if let Some(dir) = pictures() {
        fs::write(dir.join("report.html"), &page).expect("a folder");
    }
    for part in [
        "CPU of LiteLLM 1.106.2 on litellm-7d9c5b6f4-x2k8p",
        "CPU increases without a traffic increase</strong>, high confidence. on average",
        "<dt>It went to</dt><dd><strong>custom_callbacks</strong>, 45.0 %, led by <code>custom_callbacks</code>",
        "Scrub.expensive_pii_scrub",
        "alt=\"latency over time\"",
        "<h2>What was changed</h2>",
        "<h2>What grew against the baseline</h2>",
        "<td>custom_callbacks</td><td class=\"figure\">+19.0</td>",
        "Nothing that was looked for.",
        "1. Which class?",
    ] {
        assert!(page.contains(part), "{part:?} is not on the page");
    }
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    assert_eq!(usual(&Spike::default()), usual(&Spike::default()));
}

#[test]
fn what_is_hostile_stands_in_no_page_as_it_is() {
    let page = hostile();
    assert_eq!(page.matches("<script").count(), 1, "the page's own");
    assert!(!page.contains("<img src=x") && !page.contains("onload=\""));
    assert!(page.matches("&lt;img src=x onerror=window.ran=1&gt;").count() > 15, "it is there as text");
    assert!(page.contains("default-src &#39;none&#39;") && !page.contains("unsafe-inline"));
}

#[test]
fn a_capture_that_found_out_nothing_still_has_a_page() {
    let facts = facts::bare("vm", "1.106.2");
    let verdict = litellm_capture::analyse::verdict::profiled(&facts.evidence, &facts.profile);
    let charts = draw_all(&facts, &verdict);
    let page = page(&facts, &verdict, &Pictures { charts: &charts, flamegraphs: &[], ticket: None });
    assert!(page.contains("0 workers") && !page.contains("<iframe") && !page.contains("<table"));
}

/// What was seen in the browser.
#[derive(Deserialize)]
struct Seen {
    title: String,
    layout: BTreeMap<String, Layout>,
    shown_at_first: Vec<bool>,
    zoomed: Vec<(f64, f64)>,
    copied: String,
    selected: String,
    ran: String,
    console: Vec<String>,
    requests: Vec<String>,
}

#[derive(Deserialize)]
struct Layout {
    pictures: Vec<u32>,
    outside: Vec<String>,
}

/// One visit of the hostile page serves all tests; none where there is no browser.
fn seen() -> Option<&'static Seen> {
    static SEEN: LazyLock<Option<Seen>> = LazyLock::new(|| env::var_os("CAPTURE_BROWSER").map(|_| visit()));
    if SEEN.is_none() {
        skip("CAPTURE_BROWSER names no Chromium");
    }
    SEEN.as_ref()
}

fn visit() -> Seen {
    let dir = tempfile::tempdir().expect("a folder for the page");
    let path = dir.path().join("report.html");
    fs::write(&path, hostile()).expect("the page");
    let mut command = Command::new(lab::python());
    command.arg(repository().join("tests/lab/report.py")).arg(path).args(["--click", "</pre>"]);
    if let Some(dir) = pictures() {
        command.arg("--shots").arg(dir);
    }
    let output = command.stderr(Stdio::inherit()).output().expect("the lab's python can be started");
    assert!(output.status.success(), "the visit failed; see above");
    serde_json::from_slice(&output.stdout).expect("what was seen")
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn nothing_of_the_targets_runs_nothing_is_fetched_and_the_console_is_quiet() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.ran, "undefined");
    assert_eq!(seen.console, [""; 0]);
    assert_eq!(seen.requests, [""; 0]);
    assert!(seen.title.starts_with("</pre></iframe></title>"), "it is text: {}", seen.title);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn flamegraphs_are_alive_and_all_but_the_first_are_made_when_they_are_opened() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.shown_at_first, [true, false, false]);
    assert_eq!(seen.zoomed.len(), 3);
    assert!(seen.zoomed.iter().all(|(_, after)| (after - 100.0).abs() < 0.01), "{:?}", seen.zoomed);
    assert!(seen.zoomed.iter().all(|(before, _)| *before < 90.0), "{:?}", seen.zoomed);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_ticket_can_be_copied() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.selected.trim(), HOSTILE);
    assert!(seen.copied.starts_with("Copied") || seen.copied.starts_with("Selected"), "{}", seen.copied);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn charts_are_shown_and_nothing_sticks_out_in_wide_and_narrow_windows() {
    let Some(seen) = seen() else { return };
    for (width, layout) in &seen.layout {
        assert_eq!(layout.outside, [""; 0], "at {width}");
        assert_eq!(layout.pictures.len(), 4, "at {width}");
        assert!(layout.pictures.iter().all(|picture| *picture > 280), "at {width}: {:?}", layout.pictures);
    }
}
