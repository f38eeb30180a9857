//! A flamegraph alone in a browser, used as a person uses it: pointed at, zoomed, searched, in wide and narrow windows.
//!
//! `tests/lab/svg.py` does it and tells what it saw. `CAPTURE_BROWSER` is the Chromium; `scripts/test` finds one.

mod support;

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use support::{
    repository,
    visit::{Visit, has_browser},
};

const PICTURE: &str = "tests/golden/two-workers.svg";
const CLICKED: &str = "Scrub.expensive_pii_scrub";
const SEARCHED: &str = "token_counter";
/// Browsers round.
const SLACK: f64 = 1.5;

/// What was seen, in the order in which it was done.
#[derive(Deserialize)]
struct Seen {
    /// The share of the whole width that the clicked frame had at first.
    width: f64,
    told: String,
    zoomed: f64,
    reset: f64,
    by_box: Matches,
    cleared: Vec<String>,
    by_key: Matches,
    boxes: BTreeMap<String, Boxes>,
    console: Vec<String>,
    requests: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Matches {
    matched: String,
    lit: Vec<String>,
}

/// Where things stand in the window, in pixels.
#[derive(Debug, Deserialize)]
struct Boxes {
    window: Rect,
    title: Rect,
    subtitle: Rect,
    search: Rect,
    matched: Rect,
    frames: Rect,
    legend: Vec<Rect>,
    legend_words: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Rect {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Rect {
    fn overlaps(self, other: Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn is_within(self, other: Self) -> bool {
        self.left >= other.left - SLACK
            && self.right <= other.right + SLACK
            && self.top >= other.top - SLACK
            && self.bottom <= other.bottom + SLACK
    }
}

/// One visit serves all tests; none where there is no browser.
fn seen() -> Option<&'static Seen> {
    static SEEN: LazyLock<Seen> = LazyLock::new(visit);
    has_browser().then(|| &*SEEN)
}

fn visit() -> Seen {
    Visit::by("svg.py", &repository().join(PICTURE)).args(["--click", CLICKED, "--search", SEARCHED]).see()
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_frame_under_the_pointer_is_told_in_full() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.told, "Function Scrub.expensive_pii_scrub (app/custom_callbacks.py) (400 CPU-ms, 15.50%)");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_click_widens_a_frame_and_reset_zoom_brings_all_back() {
    let Some(seen) = seen() else { return };
    assert!(seen.width < 20.0, "{} % before", seen.width);
    assert!((seen.zoomed - 100.0).abs() < 0.01, "{} % when zoomed", seen.zoomed);
    assert!((seen.reset - seen.width).abs() < 0.01, "{} % after, {} % before", seen.reset, seen.width);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_search_lights_what_it_found_and_tells_its_share() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.by_box.matched, "Matched: 4.7%");
    assert_eq!(seen.by_box.lit.len(), 2, "one in each worker: {:?}", seen.by_box.lit);
    assert!(seen.by_box.lit.iter().all(|name| name.starts_with(SEARCHED)), "{:?}", seen.by_box.lit);
    assert_eq!(seen.cleared, [""; 0], "a second click ends the search");
    assert_eq!(seen.by_key, seen.by_box, "Ctrl-F asks the same");

    let boxes = &seen.boxes["searching"];
    assert!(boxes.matched.is_within(boxes.window), "the share is in sight: {boxes:?}");
    assert!(!boxes.matched.overlaps(boxes.search) && !boxes.matched.overlaps(boxes.title), "{boxes:?}");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_legend_is_in_sight_and_covers_nothing_in_wide_and_narrow_windows() {
    let Some(seen) = seen() else { return };
    for width in ["1300", "800"] {
        let boxes = &seen.boxes[width];
        assert_eq!(boxes.legend_words.len(), 5, "{:?}", boxes.legend_words);
        for (index, part) in boxes.legend.iter().enumerate() {
            assert!(part.right > part.left && part.is_within(boxes.window), "at {width}: {part:?}");
            for (name, other) in [
                ("title", boxes.title),
                ("subtitle", boxes.subtitle),
                ("search", boxes.search),
                ("frames", boxes.frames),
            ] {
                assert!(!part.overlaps(other), "at {width}: {part:?} lies on the {name} at {other:?}");
            }
            let others = &boxes.legend[index + 1..];
            assert!(!others.iter().any(|other| part.overlaps(*other)), "at {width}: {part:?} in {:?}", boxes.legend);
        }
        assert!(!boxes.title.overlaps(boxes.search) && !boxes.title.overlaps(boxes.subtitle), "at {width}: {boxes:?}");
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn nothing_is_fetched_and_the_console_is_quiet() {
    let Some(seen) = seen() else { return };
    assert_eq!(seen.requests, [""; 0]);
    assert_eq!(seen.console, [""; 0]);
}
