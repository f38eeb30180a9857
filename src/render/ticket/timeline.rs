//! Section 5: what happened when, in UTC.

use jiff::Timestamp;

use crate::analyse::onset::onset;
use crate::analyse::{Facts, Verdict};
use crate::discover::Role;
use crate::render::figures::{percent, span};
use crate::render::markdown::{Document, Table, code, text};
use crate::sample::What;
use crate::series::{column, table};

/// More than this nobody reads; all events are in `evidence.json`.
const EVENTS_SHOWN: usize = 40;

/// Something with its time.
struct Moment {
    at: Timestamp,
    what: String,
}

pub fn write(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    document.heading(2, "5. Timeline (UTC)");
    let mut moments = before(facts);
    moments.extend(during(facts, verdict));
    moments.sort_by_key(|moment| moment.at);
    let mut events = Table::new(&["time, UTC", "what"]);
    for moment in moments.iter().take(EVENTS_SHOWN) {
        events.row([moment.at.strftime("%Y-%m-%d %H:%M:%S").to_string(), moment.what.clone()]);
    }
    if let Some(more) = moments.len().checked_sub(EVENTS_SHOWN).filter(|more| *more > 0) {
        events.row([String::new(), format!("… and {more} more in `evidence.json`")]);
    }
    document.table(&events);
}

fn before(facts: &Facts) -> Vec<Moment> {
    let Some(fingerprint) = &facts.fingerprint else { return Vec::new() };
    let moment = |utc: &Option<String>, what: String| Some(Moment { at: utc.as_deref()?.parse().ok()?, what });
    let mut moments = Vec::new();
    for process in &fingerprint.processes {
        let named = match process.role {
            Role::Supervisor => "the supervisor",
            Role::Worker => "worker",
            _ => continue,
        };
        moments.extend(moment(&process.started_utc, format!("{named} {} started", process.id.pid)));
    }
    moments.extend(moment(&fingerprint.litellm.config_modified_utc, "the config file was last changed".to_owned()));
    let litellm =
        fingerprint.python.packages.iter().find(|package| package.name.as_str().eq_ignore_ascii_case("litellm"));
    if let Some(litellm) = litellm {
        moments.extend(moment(
            &litellm.installed_utc,
            format!("LiteLLM {} was installed", code(litellm.version.as_str())),
        ));
    }
    moments
}

fn during(facts: &Facts, verdict: &Verdict) -> Vec<Moment> {
    let epoch = facts.epoch();
    let moment = |at_us: u64, what: String| {
        let at = Timestamp::from_microsecond(epoch.as_microsecond().saturating_add_unsigned(at_us)).unwrap_or(epoch);
        Moment { at, what }
    };
    let (from_us, to_us) = facts.sampled_us();
    let mut moments = Vec::new();
    if to_us > from_us {
        let (begin, end) = if verdict.stacks.are_taken() {
            ("**the capture began to sample**", "**the capture's last sample**")
        } else {
            ("**the capture began**", "**the capture ended**")
        };
        moments.push(moment(from_us, begin.to_owned()));
        moments.push(moment(to_us, end.to_owned()));
    }
    if let Some(rise) = onset(facts) {
        moments.push(moment(rise.at_us, rise.words()));
    }
    if let Some(trigger) = &facts.evidence.trigger {
        moments.push(moment(trigger.since_us, "**what set the capture off began**".to_owned()));
        moments.push(moment(trigger.at_us, format!("capture watch fired: {}", text(&trigger.words))));
        let happenings = trigger.happenings.iter();
        moments.extend(happenings.map(|happening| moment(happening.at_us, text(happening.what.as_str()))));
    }
    for event in &facts.evidence.events {
        moments.push(moment(event.at_us, event_words(&event.what, event.process.pid)));
    }
    if let Some(stall) = &verdict.stall {
        moments
            .push(moment(stall.from_us, format!("the longest stall of an event loop began: {}", span(stall.seconds))));
    }
    let failed = facts
        .series
        .table(table::LIVELINESS)
        .map(|table| table.column(column::FAILED).filter(|(_, failed)| *failed > 0.0));
    if let Some((at_us, _)) = failed.and_then(|mut failed| failed.next()) {
        moments.push(moment(at_us, "`/health/liveliness` did not answer for the first time".to_owned()));
    }
    moments
}

/// What happened to a worker, in Markdown.
pub fn event_words(what: &What, pid: i32) -> String {
    match what {
        What::WorkerJoined => format!("worker {pid} joined"),
        What::WorkerGone => format!("worker {pid} ended"),
        What::RateSteppedDown { from_hz, to_hz, cost_percent } => format!(
            "worker {pid} is sampled at {to_hz} Hz rather than {from_hz} Hz, as that cost {} of a core",
            percent(*cost_percent),
        ),
        What::Detached { cost_percent } => {
            format!(
                "worker {pid} is no longer sampled, as that cost {} of a core even at the lowest rate",
                percent(*cost_percent)
            )
        }
        What::SlowedForProxy { from_hz, to_hz } => {
            format!("worker {pid} is sampled at {to_hz} Hz rather than {from_hz} Hz, as `/health/liveliness` hesitates")
        }
        What::DetachedForProxy => {
            format!(
                "worker {pid} is no longer sampled, as `/health/liveliness` answered before and does not any longer"
            )
        }
        What::SamplerLost => format!("the sampler of worker {pid} ended by itself"),
        What::WorkerStopped => format!("worker {pid} was found stopped (SIGSTOP or a debugger)"),
    }
}
