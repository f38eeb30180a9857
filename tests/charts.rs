//! Charts, line by line as they were when somebody last looked at them, and the PNGs made of them.
//!
//! A change of the looks is blessed with `CAPTURE_BLESS=1 cargo test --test charts`, and then looked at: with
//! `CAPTURE_PICTURES=DIR` the PNGs are left there.

#[path = "support/facts.rs"]
mod facts;
#[path = "support/golden.rs"]
mod golden;
#[path = "support/svg.rs"]
mod svg;

use std::{env, fs, path::PathBuf};

use facts::{Spike, bare, gap};
use golden::assert_as_blessed;
use litellm_capture::{
    analyse::{facts::Facts, verdict::Verdict, verdict::profiled},
    render::charts::{Chart, draw_all, png},
    series::{Series, column, table},
};
use svg::parsed;

fn drawn(spike: &Spike) -> Vec<Chart> {
    let facts = spike.facts();
    draw_all(&facts, &spike.verdict(&facts))
}

#[track_caller]
fn assert_blessed(set: &str, charts: &[Chart], names: &[&str]) {
    for name in names {
        let chart = charts.iter().find(|chart| chart.name == *name).expect("a chart of that name");
        let (elements, texts) = parsed(&chart.svg);
        assert!(!elements.iter().any(|element| element == "script" || element == "image" || element == "use"));
        assert!(texts.iter().all(|text| !text.contains("NaN") && !text.contains("inf")), "{texts:?}");
        if let Some(dir) = env::var_os("CAPTURE_PICTURES").map(PathBuf::from) {
            fs::write(dir.join(format!("{set}-{name}.png")), png(&chart.svg).expect("a PNG")).expect("a folder");
        }
        assert_as_blessed(&format!("charts/{set}-{name}.svg"), &chart.svg);
    }
}

#[track_caller]
fn texts(charts: &[Chart], name: &str) -> Vec<String> {
    parsed(&charts.iter().find(|chart| chart.name == name).expect("a chart of that name").svg).1
}

#[track_caller]
fn assert_says(charts: &[Chart], name: &str, part: &str) {
    let texts = texts(charts, name).join(" ");
    assert!(texts.contains(part), "{part:?} is not in {texts:?}");
}

#[test]
fn a_spike_with_what_was_before() {
    let charts = drawn(&Spike::default());
    assert_eq!(charts.iter().map(|chart| chart.name).collect::<Vec<_>>(), ["cpu", "memory", "traffic", "latency"]);
    assert_blessed("spike", &charts, &["cpu", "memory", "traffic", "latency"]);
}

#[test]
fn a_single_worker_without_a_quota_needs_no_total() {
    let charts = drawn(&Spike { workers: 1, quota_cores: None, ..Spike::default() });
    assert!(!texts(&charts, "cpu").iter().any(|text| text == "all workers"));
    assert_blessed("single", &charts, &["cpu", "memory"]);
}

#[test]
fn a_quota_that_runs_out() {
    let charts = drawn(&Spike { quota_cores: Some(1.0), ..Spike::default() });
    assert_says(&charts, "cpu", "periods throttled");
    assert_blessed("throttled", &charts, &["cpu"]);
}

#[test]
fn of_many_workers_the_hottest_are_shown_and_the_rest_as_one() {
    let charts = drawn(&Spike { workers: 12, quota_cores: Some(8.0), ..Spike::default() });
    let texts = texts(&charts, "cpu");
    assert_eq!(texts.iter().filter(|text| text.starts_with("worker ")).count(), 7);
    assert!(texts.iter().any(|text| text == "worker 41"), "the hottest: {texts:?}");
    assert!(texts.iter().any(|text| text == "5 other workers"), "{texts:?}");
    assert_blessed("many", &charts, &["cpu", "memory"]);
}

#[test]
fn without_figures_a_chart_says_why() {
    let mut facts = bare("vm", "1.106.2");
    facts.manifest.gaps.push(gap(
        "requests and latencies",
        "/metrics/ asks for a key",
        "name it with --litellm-key-env",
    ));
    let charts = draw_all(&facts, &profiled(&facts.evidence, &facts.profile));
    assert_says(&charts, "cpu", "No data:");
    assert_says(&charts, "traffic", "/metrics/ asks for a key");
    assert_says(&charts, "latency", "--litellm-key-env");
    assert_blessed("empty", &charts, &["cpu", "memory", "traffic", "latency"]);
}

#[test]
fn names_are_text_and_never_markup() {
    let host = "</title><script>alert(1)</script>\u{202e}\u{0} ünï & 漢字 \"q\"";
    let charts = drawn(&Spike { host, version: "1 <b> & 'x'", ..Spike::default() });
    assert_says(&charts, "cpu", "LiteLLM 1 <b> & 'x'");
    assert_says(&charts, "cpu", "</title><script>");
    assert_blessed("hostile", &charts, &["cpu"]);
}

#[test]
fn a_title_says_what_was_counted() {
    let spike = Spike::default();
    let mut facts = spike.facts();
    assert_says(&draw(&facts, &spike), "traffic", "requests per second, counted by LiteLLM's metric files");

    let table = facts.series.0.remove(table::TRAFFIC).expect("it was there");
    let log = litellm_capture::series::Table { name: table::ACCESS_LOG.to_owned(), ..table.clone() };
    facts.series.0.insert(log.name.clone(), log);
    assert_says(&draw(&facts, &spike), "traffic", "counted by the access log");

    facts.series.0.remove(table::ACCESS_LOG);
    let mut network = litellm_capture::series::Table { name: table::NETWORK.to_owned(), ..table };
    network.columns[0] = column::CONNECTIONS_ACCEPTED.to_owned();
    facts.series.0.insert(network.name.clone(), network);
    let charts = draw(&facts, &spike);
    assert_says(&charts, "traffic", "Traffic: accepted connections");
    assert!(!texts(&charts, "traffic").iter().any(|text| text.starts_with("before")), "requests are no connections");
}

fn draw(facts: &Facts, spike: &Spike) -> Vec<Chart> {
    draw_all(facts, &spike.verdict(facts))
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    let pictures =
        || -> Vec<Vec<u8>> { drawn(&Spike::default()).iter().map(|chart| png(&chart.svg).expect("a PNG")).collect() };
    assert_eq!(pictures(), pictures());
}

#[test]
fn a_png_is_twice_the_size_and_shows_the_same() {
    let spike = Spike::default();
    let charts = drawn(&spike);
    let empty = bare("vm", "1.106.2");
    let verdict: Verdict = profiled(&empty.evidence, &empty.profile);
    for (chart, blank) in charts.iter().zip(draw_all(&empty, &verdict)) {
        let (width, height, inked) = decoded(&png(&chart.svg).expect("a PNG"));
        assert_eq!((width, height), (1600, 700));
        let (_, _, words_alone) = decoded(&png(&blank.svg).expect("a PNG"));
        assert!(words_alone > 2_000, "{}: letters are drawn: {words_alone} pixels", chart.name);
        assert!(inked > words_alone + 10_000, "{}: {inked} pixels are not much more than {words_alone}", chart.name);
    }
}

/// Width, height, and how many pixels are darker than paper.
fn decoded(png: &[u8]) -> (u32, u32, usize) {
    let image = resvg::tiny_skia::Pixmap::decode_png(png).expect("a PNG that can be read");
    let dark = image.pixels().iter().filter(|pixel| pixel.red() < 200 || pixel.green() < 200 || pixel.blue() < 200);
    (image.width(), image.height(), dark.count())
}

#[test]
fn a_picture_stays_small_however_long_was_watched() {
    let spike = Spike { workers: 12, ..Spike::default() };
    let mut facts = spike.facts();
    // Thirty times as long.
    let Series(tables) = &mut facts.series;
    for table in tables.values_mut() {
        let length_us = table.rows.last().map_or(0, |row| row.at_us + 1_000_000);
        let once = table.rows.clone();
        for round in 1..30 {
            table.rows.extend(once.iter().cloned().map(|mut row| {
                row.at_us += round * length_us;
                row
            }));
        }
    }
    for chart in draw(&facts, &spike) {
        assert!(chart.svg.len() < 120_000, "{}: {} bytes", chart.name, chart.svg.len());
    }
}

#[test]
fn a_reading_that_failed_leaves_a_gap_and_no_zero() {
    let spike = Spike { workers: 1, ..Spike::default() };
    let mut facts = spike.facts();
    let lines = |facts: &Facts| {
        let svg = draw(facts, &spike).remove(0).svg;
        let band =
            svg.lines().find(|line| line.contains("fill-opacity=\"0.85\"")).expect("the worker's band").to_owned();
        band.matches('M').count()
    };
    assert_eq!(lines(&facts), 1, "growth over a long time is still known");
    let table = facts.series.0.get_mut(&format!("{}-{}", table::WORKER, Spike::pid(0))).expect("the worker's table");
    table.rows[40].values[0] = None;
    assert_eq!(lines(&facts), 2);
}
