//! What to watch for, and what to do then: typed and checked.

use std::path::PathBuf;
use std::time::Duration;

use super::after::AfterPlan;
use super::limits::plan::LimitsPlan;
use super::trigger::plan::RulesPlan;
use crate::cli::WatchArgs;
use crate::error::Failure;
use crate::logs::LogSource;
use crate::plan::{
    Attended, CapturePlan, Destination, ObservePlan, OutputPlan, ReporterPlan, TargetPlan, orders, time, usage,
};
use crate::sample::engine::Asked;
use crate::sample::pyspy::Sampling;
use crate::sample::session::Orders;

/// Less is no past to hold a spike against.
const SHORTEST_HISTORY: Duration = Duration::from_secs(30);
/// A minute of a proxy with four workers is some fifty kilobytes, and what watches for weeks has to stay small.
const LONGEST_HISTORY: Duration = Duration::from_hours(2);
/// More often it would not be harmless.
const SHORTEST_BASELINE_EVERY: Duration = Duration::from_mins(1);
/// A profile of an hour says no more than one of a minute, and grows beyond what a ticket takes.
const LONGEST_CAPTURE: Duration = Duration::from_mins(15);

/// A watch.
#[derive(Debug, Clone)]
pub struct WatchPlan {
    /// How a spike is captured; its duration is the longest.
    pub capture: CapturePlan,
    /// The folder of the bundles.
    pub folder: PathBuf,
    /// When to capture.
    pub rules: RulesPlan,
    /// When not to, and what is kept.
    pub limits: LimitsPlan,
    /// What happens with a bundle.
    pub after: AfterPlan,
    /// How much of the past is kept.
    pub history: Duration,
    /// How often a calm moment is sampled; none where it never is.
    pub baseline_every: Option<Duration>,
    /// A spike is over after so long without any rule broken.
    pub calm: Duration,
    /// When it ends.
    pub until: Ending,
}

/// When a watch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// When it is told to.
    Told,
    /// After the first capture.
    FirstCapture,
}

impl TryFrom<WatchArgs> for WatchPlan {
    type Error = Failure;

    fn try_from(args: WatchArgs) -> Result<Self, Failure> {
        let output = OutputPlan::try_from(args.output)?;
        let Destination::Folder(folder) = output.destination.clone() else {
            return Err(usage(
                format!("{} is no folder, and a watch may give many bundles", output.destination.describe()),
                "name a folder: -o DIR/",
            ));
        };
        let observe = ObservePlan::from(&args.sources);
        if observe.log == LogSource::Stdin {
            return Err(usage(
                "--log - has an end, and a watch has none".to_owned(),
                "name the file that LiteLLM writes its log to, or leave --log out",
            ));
        }
        let spike = args.spike;
        let orders = orders(&spike.sampling, LONGEST_CAPTURE, Sampling::Nonblocking)?;
        let duration = within("--max-duration", &spike.max_duration, (orders.slice, LONGEST_CAPTURE))?;
        let orders = Orders { duration, ..orders };
        let baseline_every = match args.past.baseline_every.as_str() {
            "off" => None,
            text => Some(within("--baseline-every", text, (SHORTEST_BASELINE_EVERY, Duration::MAX))?),
        };
        Ok(Self {
            capture: CapturePlan {
                target: TargetPlan::try_from(args.target)?,
                orders,
                engine: args.sources.engine.map(Asked::from),
                py_spy: args.sources.py_spy,
                config: args.sources.config,
                observe,
                baseline: None,
                attendance: Attended::No,
                reporter: ReporterPlan::default(),
                output,
            },
            rules: RulesPlan::try_from(args.rules)?,
            limits: LimitsPlan::try_from((args.limits, folder.clone()))?,
            after: AfterPlan::try_from(&args.after)?,
            history: within("--history", &args.past.history, (SHORTEST_HISTORY, LONGEST_HISTORY))?,
            baseline_every,
            calm: time("--calm", &spike.calm)?,
            until: if args.once { Ending::FirstCapture } else { Ending::Told },
            folder,
        })
    }
}

/// A time that has bounds.
fn within(option: &str, text: &str, (least, most): (Duration, Duration)) -> Result<Duration, Failure> {
    let given = time(option, text)?;
    if given < least {
        return Err(usage(format!("{option} {text} is too short"), &format!("give at least {} s", least.as_secs())));
    }
    if given > most {
        return Err(usage(format!("{option} {text} is too long"), &format!("give at most {} s", most.as_secs())));
    }
    Ok(given)
}
