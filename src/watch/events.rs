//! What happens during a watch, as one line each: for machines a JSON object, for people a sentence.
//!
//! Every object has `utc` and `event`, and then the fields of its event. Names stay; fields may be added.
//!
//! | event | when | fields |
//! |---|---|---|
//! | `started` | the watch begins | `version`, `folder`, `rules` (in words) |
//! | `waiting` | there is no LiteLLM yet, or it went away | `why` |
//! | `watching` | there is one | `supervisor`, `workers` (pids), `litellm_version`, `engine` |
//! | `changed` | it is not what it was: workers, a restart, a version | `what` |
//! | `baseline` | a calm moment was sampled | `seconds`, `samples` |
//! | `trigger` | a spike is captured from now on | `reason`, `condition`, `value`, `limit`, `worker` |
//! | `skip` | a spike is not captured | `code`, `why`, `repeated`, and the facts of that code |
//! | `capture` | a bundle is finished | `path`, `bytes`, `seconds`, `verdict`, `exit_code`, `peak` |
//! | `uploaded` | a bundle has arrived | `path`, `host`, `attempts`, `bytes` |
//! | `upload_failed` | it has not, or not yet | `path`, `host`, `why`, `attempts`, `again_in_seconds` (null: not again) |
//! | `executed` | the command has ended for a bundle | `path`, `status` (as in a shell), `end`, `seconds`, `output` |
//! | `removed` | a bundle made room | `path`, `why` |
//! | `error` | something is not as it should be | `what`, `cure` |
//! | `ended` | the watch ends | `why` |
//!
//! A spike that the limits forbid is a `skip` and no `trigger`. `repeated` is 0 for a skip that is told when it
//! happens; those of the same code that follow within one spike are told later, as one `skip` that counts them.

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::notice::Loudness;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The watch begins.
    Started {
        /// Of this program.
        version: &'static str,
        /// Where the bundles go.
        #[serde(serialize_with = "shown")]
        folder: PathBuf,
        /// When it captures, and when not, in words.
        rules: Vec<String>,
    },
    /// There is nothing to watch.
    Waiting {
        /// Why not.
        why: String,
    },
    /// There is something to watch.
    Watching {
        /// Pid of the supervisor, where there is one.
        supervisor: Option<i32>,
        /// Pids of the workers.
        workers: Vec<i32>,
        /// Of LiteLLM, where it could be told.
        litellm_version: Option<String>,
        /// What samples a spike; none where no stacks are taken.
        engine: Option<String>,
    },
    /// It is not what it was.
    Changed {
        /// What is new, in words.
        what: String,
    },
    /// A calm moment was sampled.
    Baseline {
        /// For so long.
        seconds: f64,
        /// So many stacks.
        samples: u64,
    },
    /// A spike is captured from now on.
    Trigger {
        /// In words.
        reason: String,
        /// The condition's name.
        condition: &'static str,
        /// What was read, in the unit of the limit.
        value: f64,
        /// What it was held against.
        limit: f64,
        /// The worker that it was read of, where it was one.
        worker: Option<i32>,
    },
    /// A spike is not captured.
    Skip(Skip),
    /// A bundle is finished.
    Capture {
        /// Where.
        #[serde(serialize_with = "shown")]
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// How long stacks were sampled.
        seconds: f64,
        /// What it comes to, in a sentence.
        verdict: String,
        /// What a capture by hand would have ended with.
        exit_code: u8,
        /// The highest share of CPU of what may be used; none where it was not read.
        peak: Option<f64>,
    },
    /// A bundle has arrived.
    Uploaded {
        /// The bundle.
        #[serde(serialize_with = "shown")]
        path: PathBuf,
        /// Where; the rest of the URL is a secret.
        host: String,
        /// How many it took.
        attempts: u32,
        /// Its size.
        bytes: u64,
    },
    /// A bundle has not arrived.
    UploadFailed {
        /// The bundle, which stays.
        #[serde(serialize_with = "shown")]
        path: PathBuf,
        /// Where it was to go; the rest of the URL is a secret.
        host: String,
        /// Why not.
        why: String,
        /// How many there were.
        attempts: u32,
        /// When the next one is made; none is made by itself where there is no time.
        again_in_seconds: Option<u64>,
    },
    /// The command has ended for a bundle.
    Executed {
        /// The bundle.
        #[serde(serialize_with = "shown")]
        path: PathBuf,
        /// Its exit code, or 128 and the number of the signal that ended it.
        status: i32,
        /// Why it ended.
        end: CommandEnd,
        /// After so long.
        seconds: f64,
        /// The end of what it wrote, without secrets.
        output: String,
    },
    /// A bundle made room.
    Removed {
        /// The bundle.
        #[serde(serialize_with = "shown")]
        path: PathBuf,
        /// By which limit.
        why: String,
    },
    /// Something is not as it should be; the watch goes on.
    Error {
        /// What happened, to which process or file.
        what: String,
        /// What to do.
        cure: String,
    },
    /// The watch ends.
    Ended {
        /// Why.
        why: String,
    },
}

/// A spike that is not captured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Skip {
    /// By what.
    pub code: &'static str,
    /// In words.
    pub why: String,
    /// So many more of them since the last line, which were not told one by one.
    pub repeated: u64,
    /// What belongs to that code.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
}

impl Skip {
    /// One that happens now.
    pub fn new(code: &'static str, why: impl Into<String>) -> Self {
        Self { code, why: why.into(), repeated: 0, facts: Map::new() }
    }

    /// The same with a fact.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}

/// Why a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandEnd {
    /// It was through.
    ByItself,
    /// Its time was over.
    AtDeadline,
    /// The watch ended.
    WithTheWatch,
}

impl CommandEnd {
    fn words(self) -> &'static str {
        match self {
            Self::ByItself => "",
            Self::AtDeadline => ", at its deadline",
            Self::WithTheWatch => ", since the watch ends",
        }
    }
}

/// A path that is not UTF-8 is told all the same.
fn shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

impl Event {
    /// The least loudness at which people are told.
    pub fn loudness(&self) -> Loudness {
        match self {
            Self::Error { .. } | Self::UploadFailed { again_in_seconds: None, .. } => Loudness::Quiet,
            Self::Executed { status, .. } if *status != 0 => Loudness::Quiet,
            Self::Baseline { .. } => Loudness::Verbose,
            _ => Loudness::Normal,
        }
    }

    /// The bundle, where one is finished.
    pub fn finished_bundle(&self) -> Option<&Path> {
        match self {
            Self::Capture { path, .. } => Some(path),
            _ => None,
        }
    }

    /// In words; the first one is the event's own, padded as in the summary of a capture.
    pub fn sentence(&self) -> String {
        let (word, text) = match self {
            Self::Started { version, folder, rules } => {
                ("started", format!("capture {version}: bundles go to {}; {}", folder.display(), rules.join("; ")))
            }
            Self::Waiting { why } => ("waiting", why.clone()),
            Self::Watching { supervisor, workers, litellm_version, engine } => {
                ("watching", watched(*supervisor, workers, litellm_version.as_deref(), engine.as_deref()))
            }
            Self::Changed { what } => ("changed", what.clone()),
            Self::Baseline { seconds, samples } => ("baseline", format!("{samples} samples in {seconds:.1} s of calm")),
            Self::Trigger { reason, .. } => ("trigger", reason.clone()),
            Self::Skip(Skip { why, repeated: 0, .. }) => ("skip", why.clone()),
            Self::Skip(Skip { why, repeated, .. }) => ("skip", format!("{repeated} more: {why}")),
            Self::Capture { path, bytes, seconds, verdict, .. } => {
                ("capture", format!("{} ({} kB), {seconds:.1} s: {verdict}", path.display(), bytes.div_ceil(1_000)))
            }
            Self::Uploaded { path, host, attempts, .. } => {
                ("uploaded", format!("{} to {host}{}", path.display(), after(*attempts)))
            }
            Self::UploadFailed { path, host, why, attempts, again_in_seconds } => (
                "upload",
                format!(
                    "{} has not reached {host}{}: {why}; {}",
                    path.display(),
                    after(*attempts),
                    again(*again_in_seconds)
                ),
            ),
            Self::Executed { path, status, end, seconds, output } => {
                let (path, end, output) = (path.display(), end.words(), output.trim_end());
                let head = format!("the command for {path}: status {status} after {seconds:.1} s{end}");
                ("executed", if output.is_empty() { head } else { format!("{head}\n{output}") })
            }
            Self::Removed { path, why } => ("removed", format!("{}: {why}", path.display())),
            Self::Error { what, cure } => ("error", format!("{what}\n{cure}")),
            Self::Ended { why } => ("ended", why.clone()),
        };
        format!("{word:<9} {text}")
    }
}

fn watched(supervisor: Option<i32>, workers: &[i32], version: Option<&str>, engine: Option<&str>) -> String {
    let pids: Vec<String> = workers.iter().map(i32::to_string).collect();
    let noun = if workers.len() == 1 { "worker" } else { "workers" };
    let litellm = version.map_or_else(|| "LiteLLM".to_owned(), |version| format!("LiteLLM {version}"));
    let of = supervisor.map_or_else(String::new, |pid| format!(" of supervisor {pid}"));
    let how = engine.map_or_else(|| "no stacks are taken".to_owned(), |engine| format!("stacks by {engine}"));
    format!("{litellm}, {noun} {}{of}; {how}", pids.join(", "))
}

fn after(attempts: u32) -> String {
    if attempts == 1 { String::new() } else { format!(" after {attempts} attempts") }
}

fn again(in_seconds: Option<u64>) -> String {
    in_seconds.map_or_else(|| "it stays here".to_owned(), |seconds| format!("again in {seconds} s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_has_the_event_and_its_fields() {
        let skip = Skip::new("cooldown", "the last capture was 40 s ago").with("left_seconds", 560);
        for (event, expected) in [
            (Event::Waiting { why: "no LiteLLM".to_owned() }, json!({"event": "waiting", "why": "no LiteLLM"})),
            (
                Event::Skip(skip),
                json!({"event": "skip", "code": "cooldown", "why": "the last capture was 40 s ago", "repeated": 0,
                    "left_seconds": 560}),
            ),
            (
                Event::Executed {
                    path: "a.tar.gz".into(),
                    status: 143,
                    end: CommandEnd::AtDeadline,
                    seconds: 60.0,
                    output: "x\n".to_owned(),
                },
                json!({"event": "executed", "path": "a.tar.gz", "status": 143, "end": "at_deadline", "seconds": 60.0,
                    "output": "x\n"}),
            ),
        ] {
            assert_eq!(serde_json::to_value(event).unwrap(), expected);
        }
    }

    #[test]
    fn people_read_sentences() {
        let failed = |again_in_seconds| Event::UploadFailed {
            path: "a.tar.gz".into(),
            host: "s3.example".to_owned(),
            why: "it answered 503".to_owned(),
            attempts: 2,
            again_in_seconds,
        };
        for (event, sentence) in [
            (
                Event::Watching {
                    supervisor: Some(7),
                    workers: vec![42, 43],
                    litellm_version: Some("1.106.2".to_owned()),
                    engine: Some("py-spy".to_owned()),
                },
                "watching  LiteLLM 1.106.2, workers 42, 43 of supervisor 7; stacks by py-spy",
            ),
            (
                Event::Watching { supervisor: None, workers: vec![7], litellm_version: None, engine: None },
                "watching  LiteLLM, worker 7; no stacks are taken",
            ),
            (
                Event::Skip(Skip { repeated: 12, ..Skip::new("cooldown", "the last capture was 52 s ago") }),
                "skip      12 more: the last capture was 52 s ago",
            ),
            (
                failed(Some(4)),
                "upload    a.tar.gz has not reached s3.example after 2 attempts: it answered 503; again in 4 s",
            ),
            (
                failed(None),
                "upload    a.tar.gz has not reached s3.example after 2 attempts: it answered 503; it stays here",
            ),
            (
                Event::Executed {
                    path: "a.tar.gz".into(),
                    status: 137,
                    end: CommandEnd::AtDeadline,
                    seconds: 61.23,
                    output: "sending\n".to_owned(),
                },
                "executed  the command for a.tar.gz: status 137 after 61.2 s, at its deadline\nsending",
            ),
        ] {
            assert_eq!(event.sentence(), sentence);
        }
    }
}
