//! The pages of real captures in a browser, from the spike to who is to blame: of a LiteLLM with two workers that is
//! held against its calm, and of a watch that waited for its spike.
//!
//! `tests/lab/visit.py` goes through them and tells what it saw. With `CAPTURE_PICTURES=DIR` it leaves pictures there,
//! in three widths and both schemes.

#[path = "support/sampled.rs"]
#[expect(dead_code, reason = "no thread is known by its name")]
mod sampled;
mod support;

use std::{collections::BTreeMap, fs, sync::LazyLock};

use sampled::{Sample, Samples};
use serde::Deserialize;
use support::{
    Capture,
    bundle::Bundle,
    repository,
    visit::{Visit, has_browser},
};

/// The formats of the bundles, which name their files: of a capture with a baseline, and of a watch.
const BUNDLES: [&str; 2] = ["1.1", "1.4"];

/// A bundle and what was seen on its page.
struct Visited {
    samples: Samples,
    seen: Seen,
}

#[derive(Deserialize)]
struct Seen {
    ranges: Ranges,
    refused: Refused,
    flame: Flame,
    restricted: Restricted,
    tables: Tables,
    workers: Workers,
    keys: Keys,
    words: Words,
    sizes: BTreeMap<String, Size>,
    console: Vec<String>,
    requests: Vec<String>,
}

#[derive(Deserialize)]
struct Ranges {
    whole: State,
    by_chart: State,
    by_heat: State,
    compared: State,
    change: String,
    per_second: State,
    change_per_second: String,
    restored: State,
}

/// What stands on the page of what is selected.
#[derive(Debug, PartialEq, Deserialize)]
struct State {
    address: String,
    bar: Vec<String>,
    legends: Vec<String>,
    /// Of a core, each worker.
    shares: Vec<String>,
    told: String,
    /// The first row of the functions, and what its columns are.
    row: Vec<String>,
    heads: Vec<String>,
}

#[derive(Deserialize)]
struct Refused {
    flame: String,
    tables: String,
}

#[derive(Deserialize)]
struct Flame {
    name: String,
    pointed: String,
    tip: Vec<String>,
    legend: Vec<String>,
    matched: BTreeMap<String, String>,
    #[serde(rename = "match")]
    gone_to: String,
    way: Vec<String>,
    copied_name: String,
    copied_stack: String,
    focused: String,
    focused_twice: Vec<String>,
    focused_once: Vec<String>,
    left_out: Vec<String>,
    emptied: String,
    reset: String,
    inverted: String,
    with_idle: Idle,
    without_idle: Idle,
}

#[derive(Deserialize)]
struct Idle {
    address: String,
    told: String,
}

#[derive(Deserialize)]
struct Restricted {
    workers: Vec<String>,
    worker: String,
    told_of_worker: String,
    threads: Vec<String>,
    thread: String,
    told_of_thread: String,
    kinds: Vec<String>,
}

#[derive(Deserialize)]
struct Tables {
    by_self: Vec<String>,
    by_total: Vec<String>,
    /// Pixels of the heatmap in the colour of what is lit.
    unlit: u64,
    lit: u64,
    lit_words: String,
    found: String,
    chosen: Vec<String>,
    filtered: Vec<String>,
}

#[derive(Deserialize)]
struct Workers {
    closed: Vec<String>,
    open: Vec<String>,
}

#[derive(Deserialize)]
struct Keys {
    range: String,
    bar: Vec<String>,
    zoomed: String,
    after: String,
}

#[derive(Deserialize)]
struct Words {
    lines: String,
    note: String,
    found_lines: String,
    first_line: String,
    lines_of_range: String,
    note_of_range: String,
    only_of_range: String,
    environment: BTreeMap<String, Found>,
}

#[derive(Debug, Deserialize)]
struct Found {
    count: String,
    entries: Vec<String>,
}

/// At one width, in one scheme.
#[derive(Debug, Deserialize)]
struct Size {
    paper: String,
    outside: Vec<String>,
    scrolls: bool,
    overlaps: Vec<String>,
}

/// One visit of each bundle serves all tests; none where there is no browser.
fn visited() -> Option<&'static [Visited]> {
    static VISITED: LazyLock<Vec<Visited>> = LazyLock::new(|| BUNDLES.map(visit).into());
    has_browser().then(|| VISITED.as_slice())
}

fn visit(format: &str) -> Visited {
    let path = repository().join(format!("tests/bundles/{format}.tar.gz"));
    let output = Capture::new().args(["report", "-o", "pages"]).arg(&path).run().assert_status(0);
    let folder = fs::read_dir(output.dir().join("pages")).expect("pages").next().expect("one").expect("a folder");
    let seen = Visit::by("visit.py", &folder.path().join("report.html")).with_pictures(format).see();
    Visited { samples: Samples::of(&Bundle::open(&path)), seen }
}

/// The stretch that an address says under a key, in seconds.
fn stretch(address: &str, key: &str) -> Option<(f64, f64)> {
    let mut parts = address.trim_start_matches('#').split('&');
    let (from, to) = parts.find_map(|part| part.strip_prefix(key)?.strip_prefix('='))?.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

/// Seconds as the line above the flamegraph tells them of the whole: "all CPU 3.91 s, …".
fn told_s(told: &str) -> f64 {
    let (figure, unit) =
        told.strip_prefix("all CPU ").and_then(|rest| rest.split_once(',')?.0.split_once(' ')).expect(told);
    figure.parse::<f64>().expect(told) * if unit == "ms" { 1e-3 } else { 1.0 }
}

/// Whether two figures are the same but for the digits that are not written.
fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= other.abs() * 0.006
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_drag_over_a_chart_or_the_heatmap_selects_and_everything_follows() {
    for Visited { seen: Seen { ranges, .. }, .. } in visited().unwrap_or_default() {
        assert_eq!(ranges.whole.bar, [""; 0]);
        for state in [&ranges.by_chart, &ranges.by_heat] {
            assert!(stretch(&state.address, "t").is_some(), "{}", state.address);
            assert_eq!(state.bar.len(), 1, "{:?}", state.bar);
            for (before, after) in [(&ranges.whole.legends, &state.legends), (&ranges.whole.shares, &state.shares)] {
                assert_ne!(before, after);
            }
            assert_ne!(ranges.whole.told, state.told);
            assert_ne!(ranges.whole.row, state.row);
        }
        assert_ne!(ranges.by_chart.address, ranges.by_heat.address);
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_top_function_of_a_range_is_the_one_that_the_bundles_samples_give_for_it() {
    for Visited { samples, seen: Seen { ranges, .. } } in visited().unwrap_or_default() {
        for state in [&ranges.by_chart, &ranges.by_heat] {
            let (from_s, to_s) = stretch(&state.address, "t").expect("a range");
            let top = samples.top(|sample| (from_s..to_s).contains(&(sample.at_us as f64 / 1e6)));
            assert_eq!(state.row[0], top.function);
            let percent: f64 = state.row[3].trim_end_matches(" %").parse().expect("a share");
            assert!((percent - top.self_percent).abs() < 0.1, "{percent} % and {}", top.self_percent);
            assert!(is_near(told_s(&state.told), top.total_s), "{} and {} s", state.told, top.total_s);
        }
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_second_range_is_held_against_the_first_by_request_or_by_second() {
    for Visited { seen: Seen { ranges, .. }, .. } in visited().unwrap_or_default() {
        let Ranges { compared, per_second, change, change_per_second, .. } = ranges;
        assert_eq!(stretch(&compared.address, "t"), stretch(&ranges.by_heat.address, "t"));
        assert!(stretch(&compared.address, "c").is_some(), "{}", compared.address);
        assert!(compared.bar[1].starts_with("against "), "{:?}", compared.bar);
        assert_eq!(compared.heads[7..], ["self grew per request", "total grew per request"]);
        assert!(change.contains("All, per request: ") && change.contains(" ms then: "), "{change}");
        assert_eq!(per_second.heads[7..], ["self grew per second", "total grew per second"]);
        assert!(change_per_second.contains("All, per second: "), "{change_per_second}");
        assert_ne!(compared.row[7], per_second.row[7]);
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn an_address_that_is_opened_shows_what_was_seen_when_it_was_taken() {
    for Visited { seen: Seen { ranges, .. }, .. } in visited().unwrap_or_default() {
        assert_eq!(ranges.restored, ranges.per_second);
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn where_a_comparison_is_refused_flamegraph_and_tables_say_why() {
    for Visited { seen: Seen { refused, .. }, .. } in visited().unwrap_or_default() {
        assert!(refused.flame.contains("all workers together"), "{}", refused.flame);
        assert_eq!(refused.tables, refused.flame);
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_search_by_text_pattern_or_line_tells_its_share_and_leads_to_the_frame() {
    for Visited { seen: Seen { flame, tables, .. }, .. } in visited().unwrap_or_default() {
        let Flame { matched, .. } = flame;
        assert!(matched["text"].contains(" % matched, "), "{matched:?}");
        assert_eq!(matched["pattern"], matched["text"]);
        assert!(matched["line"].contains(" % matched, "), "{matched:?}");
        assert_eq!(matched["none"], "nothing matched");
        assert!(flame.gone_to.contains("&z="), "{}", flame.gone_to);
        assert_eq!(flame.way.last(), Some(&flame.name));
        assert_eq!(tables.found, matched["text"], "a click in the table searches for the same");
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_frame_tells_its_facts_and_is_copied_by_name_and_with_its_stack() {
    for Visited { seen: Seen { flame, .. }, .. } in visited().unwrap_or_default() {
        assert!(flame.pointed.starts_with(&format!("{} CPU ", flame.tip[0])), "{}", flame.pointed);
        for label in ["CPU", "self", "whose work", "code", "file", "line"] {
            assert!(flame.tip.iter().any(|line| line == label), "no {label}: {:?}", flame.tip);
        }
        assert_eq!(flame.copied_name, flame.name);
        let (function, file) = flame.name.trim_end_matches(')').split_once(" (").expect("a function with its file");
        let last = flame.copied_stack.rsplit_once(&format!("{function} ({file}:")).map(|(_, line)| line);
        assert!(last.is_some_and(|line| line.trim_end_matches(')').parse::<u32>().is_ok()), "{}", flame.copied_stack);
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn what_is_looked_at_alone_or_left_out_has_a_chip_each_that_takes_it_back() {
    for Visited { seen: Seen { flame, .. }, .. } in visited().unwrap_or_default() {
        let only = format!("only {}", flame.name);
        let owner = flame.legend[0].lines().next().expect("an owner");
        assert!(flame.focused.contains(flame.matched["text"].split(" matched").next().unwrap()), "{}", flame.focused);
        assert_eq!(flame.focused_twice, [only.clone(), format!("only owner {owner}")]);
        assert_eq!(flame.focused_once, flame.focused_twice[..1]);
        assert_eq!(flame.left_out, [only, format!("without {}", flame.name)]);
        assert!(flame.emptied.starts_with("No stack that is left"), "{}", flame.emptied);
        assert_eq!(flame.reset, "");
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_graph_is_turned_round_and_cpu_without_a_stack_is_shown_or_not() {
    for Visited { samples, seen: Seen { flame, .. } } in visited().unwrap_or_default() {
        // Roots are sorted by name; the largest is where the CPU went.
        assert!(flame.inverted.starts_with(&format!("{}, CPU ", flame.name)), "{}", flame.inverted);
        assert_eq!(flame.with_idle.address, "#idle=1");
        assert_eq!(flame.without_idle.address, "");
        assert!(is_near(told_s(&flame.with_idle.told), samples.cpu_s(|_| true)), "{}", flame.with_idle.told);
        let with_stack = samples.cpu_s(|sample| sample.stack.is_some());
        assert!(is_near(told_s(&flame.without_idle.told), with_stack), "{}", flame.without_idle.told);
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn one_worker_or_one_thread_is_looked_at_alone() {
    for Visited { samples, seen: Seen { restricted, .. } } in visited().unwrap_or_default() {
        assert_eq!((restricted.worker.as_str(), restricted.thread.as_str()), ("#w=0", "#w=0&th=0"));
        let pid: i32 = restricted.workers[1].trim_start_matches("worker ").parse().expect("a pid");
        let of_worker = |sample: Sample| samples.threads[sample.thread].process.pid == pid;
        assert!(is_near(told_s(&restricted.told_of_worker), samples.cpu_s(of_worker)), "{}", restricted.told_of_worker);
        assert_eq!(restricted.threads[0], "all threads");
        let of_thread = |sample: Sample| sample.thread == 0;
        assert!(is_near(told_s(&restricted.told_of_thread), samples.cpu_s(of_thread)), "{}", restricted.told_of_thread);
        assert!(restricted.kinds.iter().any(|kind| kind.starts_with("user code")), "{:?}", restricted.kinds);
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn functions_are_sorted_and_filtered_and_a_click_lights_the_cells_in_which_they_ran() {
    for Visited { samples, seen: Seen { tables, .. } } in visited().unwrap_or_default() {
        assert_eq!(tables.by_self[0], samples.top(|_| true).function);
        assert_ne!(tables.by_total[0], tables.by_self[0], "most CPU went through what calls it");
        assert_eq!(tables.chosen, tables.by_self[..1]);
        assert!(tables.lit_words.contains(&tables.by_self[0]), "{}", tables.lit_words);
        assert_eq!(tables.unlit, 0);
        assert!(tables.lit > 1000, "{} pixels", tables.lit);
        assert!(!tables.filtered.is_empty());
        assert!(tables.filtered.iter().all(|row| row.to_lowercase().contains("router")), "{:?}", tables.filtered);
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_worker_opens_to_its_threads() {
    for Visited { seen: Seen { workers, .. }, .. } in visited().unwrap_or_default() {
        let main = format!("MainThread ({})", workers.closed[0]);
        assert_eq!((workers.closed.len(), workers.open[1].as_str()), (2, main.as_str()));
        assert_eq!(workers.open.last(), workers.closed.last());
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn keys_select_a_range_and_zoom() {
    for Visited { seen: Seen { keys, .. }, .. } in visited().unwrap_or_default() {
        assert!(stretch(&keys.range, "t").is_some(), "{}", keys.range);
        assert_eq!(keys.bar.len(), 1);
        assert!(keys.zoomed.starts_with("#z="), "{}", keys.zoomed);
        assert_eq!(keys.after, "");
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_log_is_searched_and_says_once_that_lines_without_a_time_are_only_perhaps_of_a_range() {
    for Visited { seen: Seen { words, .. }, .. } in visited().unwrap_or_default() {
        let all = words.lines.strip_suffix(" lines").and_then(|words| words.split_once(" of ")).expect(&words.lines);
        assert_eq!((all.0, words.note.as_str()), (all.1, ""));
        assert!(words.found_lines.ends_with(&format!(" of {} lines", all.1)), "{}", words.found_lines);
        assert_ne!(words.found_lines, words.lines);
        assert!(words.first_line.contains("POST"), "{}", words.first_line);
        assert!(words.lines_of_range.contains(" of the selected stretch, "), "{}", words.lines_of_range);
        assert!(words.lines_of_range.ends_with(" perhaps of it (~)"), "{}", words.lines_of_range);
        assert!(words.note_of_range.starts_with("~ A line whose time is not known"), "{}", words.note_of_range);
        assert_ne!(words.only_of_range, words.lines_of_range, "those before the capture are gone");
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn one_box_searches_machine_config_packages_and_what_was_withheld() {
    for Visited { seen: Seen { words, .. }, .. } in visited().unwrap_or_default() {
        for (term, entry) in [
            ("hostname", "hostname\nvm"),
            ("model_list", "model_list:"),
            ("uvicorn", "uvicorn "),
            ("log-line", "log-line, logs/before.log: "),
        ] {
            let Found { count, entries } = &words.environment[term];
            assert!(entries.iter().any(|text| text.starts_with(entry)), "{term}: {entries:?}");
            assert_eq!(*count, format!("{} found", entries.len()));
        }
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn in_any_width_and_scheme_nothing_sticks_out_and_no_text_lies_upon_another() {
    for Visited { seen: Seen { sizes, .. }, .. } in visited().unwrap_or_default() {
        assert_eq!(sizes.len(), 6);
        for (name, Size { paper, outside, scrolls, overlaps }) in sizes {
            let is_light = paper == "rgb(255, 255, 255)";
            assert_eq!(is_light, name.starts_with("light"), "{name}: {paper}");
            assert!(outside.is_empty() && !scrolls, "{name}: {outside:?}");
            assert_eq!(*overlaps, [""; 0], "{name}");
        }
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn nothing_is_fetched_and_the_console_is_quiet() {
    for Visited { seen, .. } in visited().unwrap_or_default() {
        assert_eq!(seen.requests, [""; 0]);
        assert_eq!(seen.console, [""; 0]);
    }
}
