//! What can be typed after `capture watch`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::{OutputArgs, SamplingArgs, SourceArgs, TargetArgs};
use crate::redact::Raw;

/// The variable that holds the upload's URL, which no other program may see.
pub const UPLOAD_URL: &str = "CAPTURE_UPLOAD_URL";

/// What to wait for, what to remember, and what to do when it happens.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// What to watch.
    #[command(flatten)]
    pub target: TargetArgs,
    /// When to capture.
    #[command(flatten)]
    pub rules: RuleArgs,
    /// What is remembered of the time before.
    #[command(flatten)]
    pub past: PastArgs,
    /// How a spike is captured.
    #[command(flatten)]
    pub spike: SpikeArgs,
    /// With what, and from where.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// When not to capture, and what is kept.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// What happens with a bundle.
    #[command(flatten)]
    pub after: AfterArgs,
    /// Capture nothing: tell when the rules would have fired over the series of a bundle, or of all bundles in a
    /// folder.
    #[arg(long, value_name = "BUNDLE|DIR", env = "CAPTURE_REHEARSE")]
    pub rehearse: Option<PathBuf>,
    /// End after the first capture.
    #[arg(long, env = "CAPTURE_ONCE", value_parser = BoolishValueParser::new())]
    pub once: bool,
    /// Where the bundles go: a folder.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// When to capture. Any one condition is enough.
#[derive(Debug, Clone, Args)]
pub struct RuleArgs {
    /// CPU from here on is a spike: of the cgroup's quota where there is one, else of one core for any worker. What a
    /// worker takes to start is left out. "off" leaves it to the other conditions.
    #[arg(long, value_name = "PERCENT", default_value = "80%", env = "CAPTURE_CPU")]
    pub cpu: String,
    /// For so long without a break: all readings of that time, from 1s to 10m.
    #[arg(long = "for", value_name = "TIME", default_value = "5s", env = "CAPTURE_FOR")]
    pub hold: String,
    /// Whose CPU it is: any worker's against one core, or the whole proxy's against its quota, else against the
    /// machine. Default: total where there is a quota, else worker.
    #[arg(long, value_name = "SCOPE", env = "CAPTURE_SCOPE")]
    pub scope: Option<ScopeArg>,
    /// CPU above what the recorded past had at most (its 99th percentile) by so much of it, for as long; not before
    /// there are five minutes of past, and never below 20 %.
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, require_equals = true, default_missing_value = "50%", env = "CAPTURE_ADAPTIVE")]
    pub adaptive: Option<String>,
    /// /health/liveliness takes so long, at most 5s, or fails, for as long as --for says.
    #[arg(long, value_name = "TIME", env = "CAPTURE_LIVELINESS")]
    pub liveliness: Option<String>,
    /// The 99th percentile of the requests' latency between two readings of LiteLLM's counters, of ten requests or
    /// more.
    #[arg(long, value_name = "TIME", env = "CAPTURE_P99")]
    pub p99: Option<String>,
    /// The share of quota periods in which the cgroup was held, for as long as --for says.
    #[arg(long, value_name = "PERCENT", env = "CAPTURE_THROTTLED")]
    pub throttled: Option<String>,
}

/// Whose CPU is held against what.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ScopeArg {
    /// Any worker's, against one core.
    Worker,
    /// All workers', against the quota, else against the machine.
    Total,
}

/// What is remembered of the time before.
#[derive(Debug, Clone, Args)]
pub struct PastArgs {
    /// How much of the past a bundle holds.
    #[arg(long, value_name = "TIME", default_value = "1h", env = "CAPTURE_HISTORY")]
    pub history: String,
    /// How often a few seconds are sampled at a low rate while all is calm, to hold a spike against. "off" never does.
    #[arg(long, value_name = "TIME", default_value = "10m", env = "CAPTURE_BASELINE_EVERY")]
    pub baseline_every: String,
}

/// How a spike is captured.
#[derive(Debug, Clone, Args)]
pub struct SpikeArgs {
    /// The spike is over when nothing fired for so long; one slice more is taken.
    #[arg(long, value_name = "TIME", default_value = "10s", env = "CAPTURE_CALM")]
    pub calm: String,
    /// A spike is captured for so long at most.
    #[arg(long, value_name = "TIME", default_value = "2m", env = "CAPTURE_MAX_DURATION")]
    pub max_duration: String,
    /// How it is sampled.
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

/// When not to capture, and what is kept. The limits hold across restarts.
#[derive(Debug, Clone, Args)]
pub struct LimitArgs {
    /// After a capture, one that failed included, none is made for so long.
    #[arg(long, value_name = "TIME", default_value = "10m", env = "CAPTURE_COOLDOWN")]
    pub cooldown: String,
    /// Unless the peak is higher than the last one's by so much of it.
    #[arg(long, value_name = "PERCENT", default_value = "25%", env = "CAPTURE_HIGHER")]
    pub higher: String,
    /// At most so many captures begin within --window, however high their peaks.
    #[arg(long, value_name = "N", default_value_t = 10, env = "CAPTURE_MAX_CAPTURES", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_captures: u32,
    /// The time in which captures are counted.
    #[arg(long, value_name = "TIME", default_value = "24h", env = "CAPTURE_WINDOW")]
    pub window: String,
    /// None is made where it would leave less than this free, the size of the last bundle counted.
    #[arg(long, value_name = "SIZE", default_value = "100MB", env = "CAPTURE_MIN_FREE")]
    pub min_free: String,
    /// The same as a share of the file system.
    #[arg(long, value_name = "PERCENT", default_value = "5%", env = "CAPTURE_MIN_FREE_SHARE")]
    pub min_free_share: String,
    /// At most so many bundles are kept; the oldest that no upload waits for go, and only when a new one is whole.
    #[arg(long, value_name = "N", default_value_t = 20, env = "CAPTURE_KEEP", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub keep: u32,
    /// Bundles older than this go. Default: none does for its age.
    #[arg(long, value_name = "TIME", env = "CAPTURE_KEEP_FOR")]
    pub keep_for: Option<String>,
    /// All bundles together are kept below this.
    #[arg(long, value_name = "SIZE", default_value = "500MB", env = "CAPTURE_KEEP_BYTES")]
    pub keep_bytes: String,
    /// Where the limits are remembered. Default: .capture-watch in the folder of the bundles.
    #[arg(long, value_name = "DIR", env = "CAPTURE_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
}

/// What happens with a bundle, and who is told.
#[derive(Debug, Clone, Args)]
pub struct AfterArgs {
    /// A shell command that is run for each bundle, with the bundle's path as $1, after it was tried to upload it.
    #[arg(long, value_name = "CMD", env = "CAPTURE_EXEC")]
    pub exec: Option<String>,
    /// How long the command may take; then it is ended, with all it started.
    #[arg(long, value_name = "TIME", default_value = "1m", env = "CAPTURE_EXEC_DEADLINE")]
    pub exec_deadline: String,
    /// Where each bundle is sent by HTTP PUT; {name} in it stands for the bundle's file name. The URL is kept secret; as
    /// a variable it does not stand in the list of processes either.
    #[arg(long, value_name = "URL", env = UPLOAD_URL, hide_env_values = true, value_parser = secret)]
    pub upload_url: Option<Raw>,
    /// A Prometheus endpoint of its own, such as 127.0.0.1:9464: GET /metrics.
    #[arg(long, value_name = "ADDR", env = "CAPTURE_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
}

/// A secret is not shown when the arguments are.
#[expect(clippy::unnecessary_wraps, reason = "what clap asks of a parser")]
fn secret(text: &str) -> Result<Raw, Infallible> {
    Ok(Raw::new(text))
}
