//! LiteLLM's counters: which way they are read, when, and when to give up.
//!
//! The files of the workers come first, since reading them asks nothing of anybody. Without them `/metrics/` is asked.
//! They are read at once, every few seconds, and once more when the capture ends. A watch of weeks reads them less
//! often, and asks again now and then where they cannot be had.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::collect::Gap;
use crate::observe::door::Door;
use crate::observe::metric_files::{MetricFiles, Unusable};
use crate::observe::reduce::{Reading, Reducer, Sums};
use crate::observe::scrape::{Lost, Scraped, Scraper};
use crate::observe::{LiteLlm, Stop};
use crate::traffic::{Source, Tally, Window};

/// What came of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// A tally was kept.
    Read,
    /// It may be had later.
    Missed,
    /// A gap was kept.
    GaveUp,
}

/// Which way the counters are read.
enum Way {
    Files(MetricFiles),
    Endpoint(Scraper),
}

/// Keeps tallies until the capture ends, or a gap where they cannot be had.
pub struct Watch {
    litellm: Arc<LiteLlm>,
    way: Way,
    reducer: Reducer,
    last: Option<Tally<String>>,
    kept: u32,
    told_of_sharing: bool,
    /// When to read next; none where there is no use in it.
    next: Option<Instant>,
}

impl Watch {
    /// Reads them for the first time.
    pub fn begin(litellm: Arc<LiteLlm>) -> Self {
        let files = MetricFiles::find(&litellm.procfs, &litellm.roster.get());
        let way = files.map_or_else(|| Way::Endpoint(Scraper::new()), Way::Files);
        let (reducer, last, next) = (Reducer::new(), None, None);
        let mut watch = Self { litellm, way, reducer, last, kept: 0, told_of_sharing: false, next };
        watch.read_and_plan();
        watch
    }

    /// Reads them until the end, and whenever a reading is wanted at once.
    pub fn run(mut self, stop: &Stop) {
        let mut heard = 0;
        while let Some(next) = self.next {
            if stop.wait_until_or_nudged(next, &mut heard) {
                return self.read_last();
            }
            self.read_and_plan();
        }
    }

    fn read_and_plan(&mut self) {
        let begun = Instant::now();
        let is_first = self.last.is_none();
        let outcome = self.read();
        self.litellm.readings.fetch_add(1, Ordering::Relaxed);
        let pace = self.litellm.tempo.metrics();
        self.next = match outcome {
            Outcome::Read if is_first => Some(pace.after_first(begun)),
            Outcome::Read => Some(pace.after(begun, begun.elapsed())),
            Outcome::Missed => Some(pace.after_missed(begun)),
            Outcome::GaveUp => {
                if let Way::Endpoint(scraper) = &mut self.way {
                    *scraper = Scraper::new();
                }
                self.litellm.tempo.second_chance().map(|pause| begun + pause)
            }
        };
    }

    fn read(&mut self) -> Outcome {
        if let Way::Files(files) = &self.way {
            let begun_us = self.litellm.epoch.elapsed_us();
            match files.read(&self.litellm.procfs, &self.litellm.roster.get()) {
                Ok(contents) => {
                    if contents.shared {
                        self.tell_of_sharing();
                    }
                    self.keep(contents.sums, Source::MetricFiles, begun_us);
                    return Outcome::Read;
                }
                // The last worker may have been replaced a moment ago.
                Err(Unusable::NotOurs | Unusable::Unreadable(_)) if self.last.is_some() => return Outcome::Missed,
                Err(why) => return self.leave_files(why),
            }
        }
        self.scrape()
    }

    /// The last reading. What is missed now is missed for good: no gap where two tallies tell of what lies between
    /// them, but a single one tells nothing of the capture.
    fn read_last(&mut self) {
        if self.read() != Outcome::Missed || self.kept > 1 {
            return;
        }
        let why = match (&self.way, self.kept) {
            (Way::Files(_), _) => "the workers' metric files were gone when the capture ended: workers were replaced",
            (Way::Endpoint(_), 0) => {
                "no scrape was answered within 1 s while the capture ran: the event loop was blocked, or had too little CPU"
            }
            (Way::Endpoint(_), _) => {
                "no scrape but the first was answered within 1 s while the capture ran: the event loop was blocked, or \
                 had too little CPU"
            }
        };
        self.give_up(Lost::new(why, "capture for longer; several workers share files, which are read without asking"));
    }

    fn scrape(&mut self) -> Outcome {
        let door: &Door = match &self.litellm.door {
            Ok(door) => door,
            Err(no_door) => {
                self.litellm.keeper.gap(&no_door.gap(&self.what()));
                return Outcome::GaveUp;
            }
        };
        let Way::Endpoint(scraper) = &mut self.way else { return Outcome::Missed };
        let begun_us = self.litellm.epoch.elapsed_us();
        let sums = match scraper.scrape(door) {
            Scraped::Sums(sums) => sums,
            Scraped::Missed => return Outcome::Missed,
            Scraped::Lost(lost) => return self.give_up(lost),
        };
        let workers = self.litellm.roster.get().len();
        if workers > 1 && sums.answers_for_itself() {
            return self.give_up(each_for_itself(workers));
        }
        self.keep(sums, Source::MetricsEndpoint, begun_us)
    }

    fn keep(&mut self, sums: Sums, source: Source, begun_us: u64) -> Outcome {
        let took_us = self.litellm.epoch.elapsed_us().saturating_sub(begun_us);
        let tally = self.reducer.tally(sums, Reading { source, at_us: begun_us + took_us / 2, took_us });
        let workers = self.litellm.roster.get().len();
        let backwards = self.last.as_ref().is_some_and(|last| Window::between(last, &tally).is_none());
        // A single worker that began anew counts from zero, which is no contradiction.
        if backwards && workers > 1 && source == Source::MetricsEndpoint {
            return self.give_up(each_for_itself(workers));
        }
        self.litellm.keeper.tally(&tally);
        self.kept += 1;
        self.last = Some(tally);
        Outcome::Read
    }

    /// Asks `/metrics/` instead, and tells of the files only where they hold what nobody else can tell.
    fn leave_files(&mut self, why: Unusable) -> Outcome {
        let cure = "run capture as the user that owns the process, or as root";
        let reason = match why {
            Unusable::Unreadable(kind) => {
                Some((format!("the folder of the metric files cannot be read: {kind}"), cure))
            }
            Unusable::NotOurs => None,
            Unusable::TooLarge => Some((
                "the metric files are larger than 20 MB".to_owned(),
                "restart LiteLLM, which empties their folder",
            )),
            Unusable::Malformed => {
                Some(("a metric file is damaged".to_owned(), "restart LiteLLM, which empties their folder"))
            }
        };
        if let Some((why, cure)) = reason {
            let what = "LiteLLM's metric files; `/metrics/` is asked instead";
            self.litellm.keeper.gap(&Gap::note(what, why, cure));
        }
        self.way = Way::Endpoint(Scraper::new());
        self.scrape()
    }

    fn tell_of_sharing(&mut self) {
        if !std::mem::replace(&mut self.told_of_sharing, true) {
            self.litellm.keeper.gap(&Gap::note(
                "metrics of this proxy alone, before the capture",
                "another proxy on this machine writes its metrics into the same folder; its living workers are left out, \
                 its ended ones cannot be told apart",
                "start each proxy with a `TMPDIR` of its own",
            ));
        }
    }

    fn give_up(&mut self, lost: Lost) -> Outcome {
        self.litellm.keeper.gap(&lost.gap(self.what()));
        Outcome::GaveUp
    }

    fn what(&self) -> String {
        const WHAT: &str = "LiteLLM's metrics (requests, latencies, tokens)";
        match &self.last {
            None => WHAT.to_owned(),
            Some(last) => format!("{WHAT} after second {}", Duration::from_micros(last.at_us).as_secs()),
        }
    }
}

fn each_for_itself(workers: usize) -> Lost {
    Lost::new(
        format!("{workers} workers share no metrics: each scrape is answered by one of them, for itself alone"),
        "start LiteLLM with `--num_workers` and the prometheus callback in its config, which makes the workers share them; or set PROMETHEUS_MULTIPROC_DIR",
    )
}
