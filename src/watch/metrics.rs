//! The watch in numbers, for Prometheus: counted from the events, so that both always say the same.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::events::Event;
use crate::os::usage::{own_cpu_us, rss_bytes};

/// What has happened so far.
#[derive(Debug, Default)]
pub struct Metrics {
    captures: AtomicU64,
    triggers: AtomicU64,
    errors: AtomicU64,
    uploaded: AtomicU64,
    upload_attempts_failed: AtomicU64,
    uploads_given_up: AtomicU64,
    commands_succeeded: AtomicU64,
    commands_failed: AtomicU64,
    last_trigger_seconds: AtomicI64,
    last_capture_seconds: AtomicI64,
    last_capture_bytes: AtomicU64,
    watching: AtomicU64,
    workers: AtomicU64,
    /// By code, of which there are few.
    skips: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    /// Takes an event in.
    pub fn count(&self, moment: Timestamp, event: &Event) {
        match event {
            Event::Watching { workers, .. } => {
                self.watching.store(1, Ordering::Relaxed);
                self.workers.store(workers.len() as u64, Ordering::Relaxed);
            }
            Event::Waiting { .. } | Event::Ended { .. } => {
                self.watching.store(0, Ordering::Relaxed);
                self.workers.store(0, Ordering::Relaxed);
            }
            Event::Trigger { .. } => self.triggered(moment),
            Event::Skip(skip) => {
                self.triggered(moment);
                *self.skips.lock().unwrap_or_else(PoisonError::into_inner).entry(skip.code).or_default() += 1;
            }
            Event::Capture { bytes, .. } => {
                increase(&self.captures);
                self.last_capture_seconds.store(moment.as_second(), Ordering::Relaxed);
                self.last_capture_bytes.store(*bytes, Ordering::Relaxed);
            }
            Event::Uploaded { .. } => increase(&self.uploaded),
            Event::UploadFailed { again_in_seconds: Some(_), .. } => increase(&self.upload_attempts_failed),
            Event::UploadFailed { again_in_seconds: None, .. } => increase(&self.uploads_given_up),
            Event::Executed { status: 0, .. } => increase(&self.commands_succeeded),
            Event::Executed { .. } => increase(&self.commands_failed),
            Event::Error { .. } => increase(&self.errors),
            Event::Started { .. } | Event::Changed { .. } | Event::Baseline { .. } | Event::Removed { .. } => {}
        }
    }

    /// A spike that is counted already goes on.
    pub fn fires_still(&self, moment: Timestamp) {
        self.last_trigger_seconds.store(moment.as_second(), Ordering::Relaxed);
    }

    fn triggered(&self, moment: Timestamp) {
        increase(&self.triggers);
        self.fires_still(moment);
    }

    /// All of it in Prometheus' text format, version 0.0.4, with what this process costs.
    pub fn text(&self) -> String {
        let mut page = Page::default();
        page.one(
            ("capture_build_info", Kind::Gauge, "The version of this program."),
            concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        );
        page.value(
            ("capture_watch_watching", Kind::Gauge, "Whether there is a LiteLLM to watch."),
            get(&self.watching),
        );
        page.value(("capture_watch_workers", Kind::Gauge, "Workers that are watched."), get(&self.workers));
        page.value(
            ("capture_watch_triggers_total", Kind::Counter, "Spikes, captured or skipped."),
            get(&self.triggers),
        );
        page.value(("capture_watch_captures_total", Kind::Counter, "Bundles finished."), get(&self.captures));
        page.labelled(
            ("capture_watch_skips_total", Kind::Counter, "Spikes that a limit kept from being captured."),
            "reason",
            self.skips.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(code, count)| (*code, *count)),
        );
        page.value(("capture_watch_errors_total", Kind::Counter, "Errors announced."), get(&self.errors));
        page.labelled(
            ("capture_watch_uploads_total", Kind::Counter, "Attempts to upload, by what came of them."),
            "outcome",
            [
                ("given_up", get(&self.uploads_given_up)),
                ("retried", get(&self.upload_attempts_failed)),
                ("uploaded", get(&self.uploaded)),
            ],
        );
        page.labelled(
            ("capture_watch_commands_total", Kind::Counter, "Runs of the command for a bundle."),
            "outcome",
            [("failed", get(&self.commands_failed)), ("succeeded", get(&self.commands_succeeded))],
        );
        page.value(
            (
                "capture_watch_last_trigger_timestamp_seconds",
                Kind::Gauge,
                "When a rule fired last; 0 before the first.",
            ),
            self.last_trigger_seconds.load(Ordering::Relaxed),
        );
        page.value(
            ("capture_watch_last_capture_timestamp_seconds", Kind::Gauge, "When a bundle was last finished; 0 before."),
            self.last_capture_seconds.load(Ordering::Relaxed),
        );
        page.value(
            ("capture_watch_last_capture_bytes", Kind::Gauge, "Size of the last bundle; 0 before the first."),
            get(&self.last_capture_bytes),
        );
        page.value(
            ("process_cpu_seconds_total", Kind::Counter, "CPU time of this program, user and system."),
            own_cpu_us() as f64 / 1e6,
        );
        if let Some(bytes) = rss_bytes() {
            page.value(("process_resident_memory_bytes", Kind::Gauge, "Memory of this program."), bytes);
        }
        page.0
    }
}

fn increase(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn get(value: &AtomicU64) -> u64 {
    value.load(Ordering::Relaxed)
}

/// Whether a value can fall.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        })
    }
}

/// A metric's name, kind and help.
type About = (&'static str, Kind, &'static str);

/// The text under way.
#[derive(Default)]
struct Page(String);

impl Page {
    fn value(&mut self, about: About, value: impl Display) {
        self.one(about, &format!(" {value}"));
    }

    /// `sample` is what follows the name.
    fn one(&mut self, about: About, sample: &str) {
        self.head(about);
        let _ = writeln!(self.0, "{}{sample}", about.0);
    }

    /// Label values are words of our own, which need no escape.
    fn labelled(&mut self, about: About, label: &str, samples: impl IntoIterator<Item = (&'static str, u64)>) {
        self.head(about);
        for (word, value) in samples {
            let _ = writeln!(self.0, "{}{{{label}=\"{word}\"}} {value}", about.0);
        }
    }

    fn head(&mut self, (name, kind, help): About) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
}
