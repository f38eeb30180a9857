//! Tells what happens: events to standard output as JSON lines, or to people on standard error, and all to the metrics.
//!
//! It may be called from any thread. Nobody who reads it can end the watch by going away, and no name that a process
//! gave itself can rewrite a screen or break a line.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::events::{Event, Skip};
use super::metrics::Metrics;
use crate::notice::{Loudness, visible};
use crate::os::clock::utc;
use crate::plan::ResultForm;

/// Skips of one code belong to one spike for as long as no more time than this is between them.
const SAME_SPIKE: SignedDuration = SignedDuration::from_secs(60);

/// A place to write to.
pub type Sink = Box<dyn Write + Send>;

/// The voice of a watch.
#[derive(Clone)]
pub struct Announcer(Arc<Shared>);

struct Shared {
    form: ResultForm,
    loudness: Loudness,
    metrics: Arc<Metrics>,
    telling: Mutex<Telling>,
}

struct Telling {
    stdout: Sink,
    stderr: Sink,
    skipping: Option<Skipping>,
}

/// A skip that was told, and the ones like it that were not.
struct Skipping {
    last: Skip,
    last_at: Timestamp,
    untold: u64,
}

/// An event with its time.
#[derive(Serialize)]
struct Line<'a> {
    utc: String,
    #[serde(flatten)]
    event: &'a Event,
}

impl Announcer {
    /// To standard output and standard error.
    pub fn new(form: ResultForm, loudness: Loudness, metrics: Arc<Metrics>) -> Self {
        Self::to(form, loudness, metrics, (Box::new(io::stdout()), Box::new(io::stderr())))
    }

    /// To these in place of standard output and standard error.
    pub fn to(form: ResultForm, loudness: Loudness, metrics: Arc<Metrics>, (stdout, stderr): (Sink, Sink)) -> Self {
        let telling = Mutex::new(Telling { stdout, stderr, skipping: None });
        Self(Arc::new(Shared { form, loudness, metrics, telling }))
    }

    /// Tells what happens now.
    pub fn announce(&self, event: &Event) {
        self.announce_at(Timestamp::now(), event);
    }

    /// Tells what happened at a moment. Moments come in order, as they do from one clock.
    pub fn announce_at(&self, moment: Timestamp, event: &Event) {
        let mut telling = self.telling();
        if let Event::Skip(skip) = event
            && telling.skipping.as_mut().is_some_and(|skipping| skipping.takes(skip, moment))
        {
            return self.0.metrics.fires_still(moment);
        }
        self.tell_untold(&mut telling);
        if let Event::Skip(skip) = event {
            telling.skipping = Some(Skipping { last: skip.clone(), last_at: moment, untold: 0 });
        }
        self.0.metrics.count(moment, event);
        self.tell(&mut telling, moment, event);
    }

    fn tell_untold(&self, telling: &mut Telling) {
        if let Some(Skipping { last, last_at, untold: repeated @ 1.. }) = telling.skipping.take() {
            self.tell(telling, last_at, &Event::Skip(Skip { repeated, ..last }));
        }
    }

    fn tell(&self, telling: &mut Telling, moment: Timestamp, event: &Event) {
        match self.0.form {
            ResultForm::Json => write_line(&mut telling.stdout, &json(moment, event)),
            ResultForm::Path => {
                if self.0.loudness >= event.loudness() {
                    say(&mut telling.stderr, moment, &event.sentence());
                }
                if let Some(bundle) = event.finished_bundle() {
                    write_line(&mut telling.stdout, &bundle.display().to_string());
                }
            }
        }
    }

    /// A thread that panicked while it told something takes no one else's voice.
    fn telling(&self) -> MutexGuard<'_, Telling> {
        self.0.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announcer").field("form", &self.0.form).finish_non_exhaustive()
    }
}

impl Skipping {
    /// Counts a skip that is like this one and of the same spike.
    fn takes(&mut self, skip: &Skip, moment: Timestamp) -> bool {
        let same = self.last.code == skip.code && moment.duration_since(self.last_at) <= SAME_SPIKE;
        if same {
            self.last = skip.clone();
            self.last_at = moment;
            self.untold += 1;
        }
        same
    }
}

/// One object, of which no character can mean anything to a terminal.
fn json(moment: Timestamp, event: &Event) -> String {
    let line = Line { utc: utc(moment), event };
    // Only keys that are no strings could fail, and there are none.
    let text = serde_json::to_string(&line).unwrap_or_default();
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // JSON itself escapes only the first 32; all of these stand inside strings.
            '\u{7f}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(plain, "\\u{:04x}", u32::from(character));
            }
            character => plain.push(character),
        }
    }
    plain
}

/// Each line with its time, so that they can be told apart in a log.
fn say(stderr: &mut Sink, moment: Timestamp, text: &str) {
    for (at, line) in visible(text).lines().enumerate() {
        let indent = if at == 0 { "" } else { "          " };
        write_line(stderr, &format!("{} {indent}{line}", utc(moment)));
    }
}

/// One line at once and out; whoever closed the other end misses it.
fn write_line(to: &mut Sink, line: &str) {
    let _ = to.write_all(format!("{line}\n").as_bytes()).and_then(|()| to.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, which the test can look at.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A reader that went away.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn announcer(form: ResultForm, loudness: Loudness) -> (Announcer, Written, Written) {
        let (stdout, stderr) = (Written::default(), Written::default());
        let sinks: (Sink, Sink) = (Box::new(stdout.clone()), Box::new(stderr.clone()));
        (Announcer::to(form, loudness, Arc::default(), sinks), stdout, stderr)
    }

    /// Seconds after some midnight.
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_478_400 + seconds).unwrap()
    }

    fn captured() -> Event {
        Event::Capture {
            path: "/data/a.tar.gz".into(),
            bytes: 548_210,
            seconds: 20.0,
            verdict: "CPU scales with traffic".to_owned(),
            exit_code: 0,
            peak: Some(97.5),
        }
    }

    fn skip(code: &'static str, why: &str) -> Event {
        Event::Skip(Skip::new(code, why))
    }

    fn failed() -> Event {
        Event::Error { what: "no room in /data".to_owned(), cure: "make room".to_owned() }
    }

    #[test]
    fn machines_get_one_object_a_line_on_standard_output_and_nothing_else_anywhere() {
        let (announcer, stdout, stderr) = announcer(ResultForm::Json, Loudness::Verbose);
        announcer.announce_at(at(0), &captured());
        announcer.announce_at(at(1), &Event::Ended { why: "SIGTERM".to_owned() });
        assert_eq!(
            stdout.text(),
            concat!(
                r#"{"utc":"2026-11-24T00:00:00Z","event":"capture","path":"/data/a.tar.gz","bytes":548210,"#,
                r#""seconds":20.0,"verdict":"CPU scales with traffic","exit_code":0,"peak":97.5}"#,
                "\n",
                r#"{"utc":"2026-11-24T00:00:01Z","event":"ended","why":"SIGTERM"}"#,
                "\n",
            )
        );
        assert_eq!(stderr.text(), "");
    }

    #[test]
    fn people_get_lines_with_the_time_and_standard_output_the_bundles_alone() {
        let (announcer, stdout, stderr) = announcer(ResultForm::Path, Loudness::Normal);
        announcer.announce_at(at(0), &Event::Waiting { why: "no LiteLLM runs here".to_owned() });
        announcer.announce_at(at(1), &Event::Baseline { seconds: 5.0, samples: 90 });
        announcer.announce_at(at(2), &captured());
        announcer.announce_at(at(3), &failed());
        assert_eq!(stdout.text(), "/data/a.tar.gz\n");
        assert_eq!(
            stderr.text(),
            "2026-11-24T00:00:00Z waiting   no LiteLLM runs here\n\
             2026-11-24T00:00:02Z capture   /data/a.tar.gz (549 kB), 20.0 s: CPU scales with traffic\n\
             2026-11-24T00:00:03Z error     no room in /data\n\
             2026-11-24T00:00:03Z           make room\n"
        );
    }

    #[test]
    fn who_wants_quiet_hears_of_what_is_wrong_alone() {
        let (announcer, stdout, stderr) = announcer(ResultForm::Path, Loudness::Quiet);
        for event in [captured(), skip("cooldown", "too soon"), failed()] {
            announcer.announce_at(at(0), &event);
        }
        assert_eq!(stdout.text(), "/data/a.tar.gz\n");
        assert_eq!(
            stderr.text(),
            "2026-11-24T00:00:00Z error     no room in /data\n2026-11-24T00:00:00Z           make room\n"
        );
    }

    #[test]
    fn skips_of_one_spike_are_told_once_and_then_counted() {
        let (announcer, _, stderr) = announcer(ResultForm::Path, Loudness::Normal);
        for second in 0..50 {
            announcer.announce_at(at(second), &skip("cooldown", &format!("{second} s after the last capture")));
        }
        announcer.announce_at(at(50), &skip("disk", "no room"));
        // Another spike, much later.
        announcer.announce_at(at(3_600), &skip("disk", "no room"));
        announcer.announce_at(at(3_601), &skip("disk", "still no room"));
        announcer.announce_at(at(3_602), &Event::Ended { why: "SIGINT".to_owned() });
        assert_eq!(
            stderr.text(),
            "2026-11-24T00:00:00Z skip      0 s after the last capture\n\
             2026-11-24T00:00:49Z skip      49 more: 49 s after the last capture\n\
             2026-11-24T00:00:50Z skip      no room\n\
             2026-11-24T01:00:00Z skip      no room\n\
             2026-11-24T01:00:01Z skip      1 more: still no room\n\
             2026-11-24T01:00:02Z ended     SIGINT\n"
        );
    }

    #[test]
    fn no_name_can_break_a_line_or_rewrite_a_screen() {
        let hostile = Event::Changed { what: "a\u{1b}[2Jb\u{9b}31mc\u{202e}d\ne\u{7f}".to_owned() };
        let (people, _, stderr) = announcer(ResultForm::Path, Loudness::Normal);
        people.announce_at(at(0), &hostile);
        assert_eq!(
            stderr.text(),
            "2026-11-24T00:00:00Z changed   a\\x1b[2Jb\\x9b31mc\\u{202e}d\n2026-11-24T00:00:00Z           e\\x7f\n"
        );
        let (machines, stdout, _) = announcer(ResultForm::Json, Loudness::Normal);
        machines.announce_at(at(0), &hostile);
        let text = stdout.text();
        assert!(text.trim_end_matches('\n').chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text:?}");
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["what"], "a\u{1b}[2Jb\u{9b}31mc\u{202e}d\ne\u{7f}");
    }

    #[test]
    fn readers_that_went_away_do_not_end_it() {
        for form in [ResultForm::Json, ResultForm::Path] {
            let metrics = Arc::<Metrics>::default();
            let sinks: (Sink, Sink) = (Box::new(Closed), Box::new(Closed));
            let announcer = Announcer::to(form, Loudness::Normal, Arc::clone(&metrics), sinks);
            announcer.announce_at(at(0), &captured());
            assert!(metrics.text().contains("capture_watch_captures_total 1\n"));
        }
    }

    #[test]
    fn lines_of_several_threads_stay_whole() {
        let (announcer, stdout, _) = announcer(ResultForm::Json, Loudness::Normal);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let announcer = announcer.clone();
                std::thread::spawn(move || (0..50).for_each(|second| announcer.announce_at(at(second), &captured())))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let text = stdout.text();
        assert_eq!(text.lines().count(), 200);
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }
}
