//! What can be typed. The doc comments are the help.

mod watch;

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use watch::{AfterArgs, LimitArgs, PastArgs, RuleArgs, ScopeArg, SpikeArgs, UPLOAD_URL, WatchArgs};

/// Listed at the end of the help.
const EXIT_CODES: &str = "\
Exit codes:
  0  complete                        5  not permitted or not equipped to attach
  1  internal fault                  6  attached, but nothing was sampled
  2  the command line is wrong       7  the output could not be written
  3  bundle written, but partial   130  interrupted (SIGINT), bundle finished
  4  no worker found               143  terminated (SIGTERM), bundle finished
                                   129  standard input ended (--attended), bundle finished

Standard output carries the result alone: the bundle's path, the JSON, or the tarball.";

/// What `--version` tells; `-V` tells the number alone. The licence of what others made goes along with every copy of it.
macro_rules! with_licences {
    ($($more:tt)*) => {
        concat!(
            env!("CARGO_PKG_VERSION"),
            "\n\nIt carries Mozilla's list of certificate authorities (webpki-roots), under this licence:\n\n",
            include_str!("../licences/CDLA-Permissive-2.0.md"),
            $($more)*
        )
    };
}
#[cfg(feature = "embed-py-spy")]
const LONG_VERSION: &str = with_licences!(
    "\nIt carries py-spy, under this licence:\n\n",
    include_str!(env!("CAPTURE_EMBEDDED_PY_SPY_LICENCE"))
);
#[cfg(not(feature = "embed-py-spy"))]
const LONG_VERSION: &str = with_licences!();

/// Captures the CPU spike of a LiteLLM proxy: stacks of every worker, flamegraphs and the environment, in one
/// tarball without secrets, ready to attach to a ticket.
#[derive(Debug, Parser)]
#[command(name = "capture", version, long_version = LONG_VERSION, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; without a command, capture now.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to capture.
    #[command(flatten)]
    pub capture: CaptureArgs,
}

/// The other commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Wait for a spike, for weeks if need be, and capture it with the time before.
    Watch(Box<WatchArgs>),
    /// Capture LiteLLM's pods in Kubernetes from outside, through kubectl, and bring the bundles home.
    K8s(Box<K8sArgs>),
    /// Make a (partial) bundle of the work folder that a killed capture left behind.
    Pack(PackArgs),
    /// Can it attach, read and write here? Tried, each with its proof and what to do; nothing is captured.
    Doctor(DoctorArgs),
    /// Show what a bundle says.
    Inspect(InspectArgs),
    /// Judge and draw a bundle's facts again, perhaps with a newer capture.
    Report(ReportArgs),
    /// Print the text of the ticket, and a link that opens LiteLLM's bug form filled in.
    Ticket(TicketArgs),
    /// What changed between two bundles: version, config, packages, CPU per request, functions.
    Diff(DiffArgs),
    /// Put the bundles of several pods together: which are hot, what differs, one flamegraph, one ticket.
    Merge(MergeArgs),
    /// Write a bundle's profile for another tool: Firefox Profiler, speedscope, pprof, or folded stacks.
    Export(ExportArgs),
}

/// How to capture.
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// What to capture.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How long to sample.
    #[arg(long, value_name = "TIME", default_value = "30s", env = "CAPTURE_DURATION")]
    pub duration: String,
    /// How to sample.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Stop a worker for each sample: exact stacks, but every request waits.
    #[arg(long, env = "CAPTURE_BLOCKING", value_parser = BoolishValueParser::new())]
    pub blocking: bool,
    /// A bundle of calmer times, or of the version before an upgrade, to hold this capture against.
    #[arg(long, value_name = "BUNDLE", env = "CAPTURE_BASELINE")]
    pub baseline: Option<PathBuf>,
    /// With what, and from where.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// End early when standard input ends or a byte comes: for kubectl exec -i, whose other end may be lost.
    #[arg(long, env = "CAPTURE_ATTENDED", value_parser = BoolishValueParser::new())]
    pub attended: bool,
    /// What the reporter knows.
    #[command(flatten)]
    pub reporter: ReporterArgs,
    /// Where the result goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to capture.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// The supervisor or any worker; its whole proxy is meant. Without it LiteLLM is found by itself.
    #[arg(long, value_name = "PID", env = "CAPTURE_PID", value_delimiter = ',')]
    pub pid: Vec<i32>,
    /// Capture just the processes named by --pid, not their proxy.
    #[arg(long, requires = "pid", env = "CAPTURE_ONLY", value_parser = BoolishValueParser::new())]
    pub only: bool,
}

/// How stacks are sampled, if they are.
#[derive(Debug, Clone, Args)]
pub struct SamplingArgs {
    /// Stacks are brought to safety after each slice of this length.
    #[arg(long, value_name = "TIME", default_value = "10s", env = "CAPTURE_SLICE")]
    pub slice: String,
    /// Samples a second, at most; fewer are taken when the budget requires it.
    #[arg(long, value_name = "HZ", default_value_t = 100, env = "CAPTURE_RATE", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: u32,
    /// What sampling may cost, as a share of one core for each worker.
    #[arg(long, value_name = "PERCENT", default_value = "5%", env = "CAPTURE_MAX_OVERHEAD")]
    pub max_overhead: String,
    /// Take no stacks, and all the rest: counters, latencies, logs, CPU of each worker and thread. It needs no right to
    /// attach; the bundle is partial.
    #[arg(long, env = "CAPTURE_WITHOUT_STACKS", value_parser = BoolishValueParser::new())]
    pub without_stacks: bool,
}

/// With what it is captured, and from where what is read beside the stacks comes.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// What takes the samples: native reads the workers' memory by itself at a fraction of the cost, py-spy needs that
    /// program, auto is native where it can read every worker. Default: py-spy.
    #[arg(long, value_name = "ENGINE", env = "CAPTURE_ENGINE")]
    pub engine: Option<EngineArg>,
    /// The py-spy to use. Default: beside this program, on PATH, in the target's environment.
    #[arg(long, value_name = "PATH", env = "CAPTURE_PY_SPY")]
    pub py_spy: Option<PathBuf>,
    /// LiteLLM's config file, where the process does not tell.
    #[arg(long, value_name = "FILE", env = "CAPTURE_CONFIG")]
    pub config: Option<PathBuf>,
    /// LiteLLM's log, where its output is no file; - reads standard input: kubectl logs POD | capture --log -
    #[arg(long, value_name = "FILE", env = "CAPTURE_LOG")]
    pub log: Option<PathBuf>,
    /// Where LiteLLM answers, such as <http://127.0.0.1:4000>. Default: where the captured process listens.
    #[arg(long, value_name = "URL", env = "CAPTURE_LITELLM_URL")]
    pub litellm_url: Option<String>,
    /// The variable that holds a key for /metrics/ and /spend/logs; sent to no other address than the captured process's.
    #[arg(long, value_name = "NAME", default_value = "LITELLM_MASTER_KEY", env = "CAPTURE_LITELLM_KEY_ENV")]
    pub litellm_key_env: String,
}

/// What the reporter knows.
#[derive(Debug, Args)]
pub struct ReporterArgs {
    /// How you would classify it; it stands in the ticket beside what was measured.
    #[arg(long, value_name = "CLASS", env = "CAPTURE_CLASSIFICATION")]
    pub classification: Option<ClassArg>,
    /// A text file that says how to reproduce it.
    #[arg(long, value_name = "FILE", env = "CAPTURE_REPRO_STEPS")]
    pub repro_steps: Option<PathBuf>,
    /// A sample of requests (JSON or JSON lines); only their shapes are kept.
    #[arg(long, value_name = "FILE", env = "CAPTURE_REQUESTS")]
    pub requests: Option<PathBuf>,
    /// Keep the content of --requests as well, without secrets. It will be in the bundle for everyone to read.
    #[arg(long, requires = "requests", env = "CAPTURE_INCLUDE_PROMPTS", value_parser = BoolishValueParser::new())]
    pub include_prompts: bool,
}

/// What takes the samples.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum EngineArg {
    /// Native where it can read every worker, else py-spy.
    Auto,
    /// This program by itself.
    Native,
    /// py-spy.
    PySpy,
}

/// The classes of LiteLLM's page on CPU issues.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ClassArg {
    /// CPU scales with traffic (RPS-driven).
    RpsDriven,
    /// CPU increases without a traffic increase.
    WithoutTraffic,
    /// CPU increases after a LiteLLM upgrade.
    AfterUpgrade,
}

/// Where the result goes and how it is told.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// The bundle: a file, a folder (DIR/) for a file with a name of its own, or - for standard output.
    #[arg(short, long, value_name = "PATH", default_value = "./", env = "CAPTURE_OUTPUT")]
    pub output: PathBuf,
    /// Print the result as JSON on standard output.
    #[arg(long, env = "CAPTURE_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
    /// Say nothing but warnings and failures.
    #[arg(short, long, conflicts_with = "verbose", env = "CAPTURE_QUIET", value_parser = BoolishValueParser::new())]
    pub quiet: bool,
    /// Tell every step.
    #[arg(short, long, env = "CAPTURE_VERBOSE", value_parser = BoolishValueParser::new())]
    pub verbose: bool,
}

/// What to try.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// What a capture would be of.
    #[command(flatten)]
    pub target: TargetArgs,
    /// With what, and from where.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Where a bundle would go.
    #[arg(short, long, value_name = "PATH", default_value = "./", env = "CAPTURE_OUTPUT")]
    pub output: PathBuf,
    /// Print the probes as JSON on standard output.
    #[arg(long, env = "CAPTURE_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

/// Which pods, how to get in, and what to do there.
#[derive(Debug, Args)]
pub struct K8sArgs {
    /// Pods by name, or what makes them: deploy/litellm, statefulset/litellm. Default: whatever looks like LiteLLM in the
    /// namespace.
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// The namespace. Default: that of kubectl's context.
    #[arg(short, long, value_name = "NS", env = "CAPTURE_NAMESPACE")]
    pub namespace: Option<String>,
    /// Pods by their labels.
    #[arg(short = 'l', long, value_name = "LABELS", env = "CAPTURE_SELECTOR")]
    pub selector: Option<String>,
    /// LiteLLM's container. Default: found among the sidecars.
    #[arg(short, long, value_name = "NAME", env = "CAPTURE_CONTAINER")]
    pub container: Option<String>,
    /// kubectl's context. Default: the current one.
    #[arg(long, value_name = "NAME", env = "CAPTURE_CONTEXT")]
    pub context: Option<String>,
    /// Pods that are not ready, too.
    #[arg(long, env = "CAPTURE_NOT_READY", value_parser = BoolishValueParser::new())]
    pub not_ready: bool,
    /// Of many pods, only so many: the ones that use most CPU by the cluster's metrics, where it has them.
    #[arg(long, value_name = "N", env = "CAPTURE_SAMPLE")]
    pub sample: Option<usize>,
    /// The way into a pod. Default: the most harmless one that is open.
    #[arg(long, value_name = "WAY", env = "CAPTURE_VIA")]
    pub via: Option<ViaArg>,
    /// The image of the container that --via debug adds; it needs a shell.
    #[arg(long, value_name = "IMAGE", env = "CAPTURE_IMAGE")]
    pub image: Option<String>,
    /// kubectl's profile for that container. Default: restricted, as the target's user; general where that is root.
    #[arg(long, value_name = "PROFILE", env = "CAPTURE_PROFILE")]
    pub profile: Option<String>,
    /// The static program to send into the pods. Default: this one.
    #[arg(long, value_name = "FILE", env = "CAPTURE_BINARY")]
    pub binary: Option<PathBuf>,
    /// So many pods at once, each with a kubectl of its own.
    #[arg(long, value_name = "N", default_value_t = 100, env = "CAPTURE_PARALLEL")]
    pub parallel: usize,
    /// How long to sample.
    #[arg(long, value_name = "TIME", default_value = "30s", env = "CAPTURE_DURATION")]
    pub duration: String,
    /// How long a pod may take in all. Default: two minutes more than the sampling.
    #[arg(long, value_name = "TIME", env = "CAPTURE_DEADLINE")]
    pub deadline: Option<String>,
    /// How far back logs are wanted.
    #[arg(long, value_name = "TIME", default_value = "15m", env = "CAPTURE_SINCE")]
    pub since: String,
    /// Only say what would be done; nothing runs in any pod.
    #[arg(long, env = "CAPTURE_DRY_RUN", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,
    /// Where the bundles go: a folder.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Options for the capture in the pod: -- --engine native --rate 50
    #[arg(last = true, value_name = "OPTIONS")]
    pub capture: Vec<String>,
}

/// The ways into a pod.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ViaArg {
    /// The most harmless one that is open.
    Auto,
    /// The container has capture already.
    Present,
    /// The container's Python takes it into memory; nothing is written.
    Memory,
    /// It is put into a folder, and removed as soon as it runs.
    File,
    /// A container is added to the pod, and stays in its spec.
    Debug,
}

/// What to pack.
#[derive(Debug, Args)]
pub struct PackArgs {
    /// The work folder: .litellm-cpu-HOST-TIME.work
    pub dir: PathBuf,
    /// Where the result goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to show.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The bundle.
    pub bundle: PathBuf,
    /// Check every file against the manifest.
    #[arg(long, env = "CAPTURE_VERIFY", value_parser = BoolishValueParser::new())]
    pub verify: bool,
    /// Print manifest and summary as JSON.
    #[arg(long, env = "CAPTURE_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

/// What to judge again.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The bundle.
    pub bundle: PathBuf,
    /// The folder to write to; it gets a folder named after the bundle, with everything in it. Default: beside the
    /// bundle.
    #[arg(short, long, value_name = "DIR", env = "CAPTURE_OUTPUT")]
    pub output: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long, env = "CAPTURE_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

/// Whose ticket to print.
#[derive(Debug, Args)]
pub struct TicketArgs {
    /// The bundle.
    pub bundle: PathBuf,
}

/// What to hold against each other.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The bundle of calmer times, or of the older version.
    pub before: PathBuf,
    /// The bundle of the spike, or of the newer version.
    pub after: PathBuf,
    /// Also write diff.md, diff.json and diff.svg into this folder.
    #[arg(short, long, value_name = "DIR", env = "CAPTURE_OUTPUT")]
    pub output: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long, env = "CAPTURE_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

/// What to put together.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The bundles, one of each pod.
    #[arg(required = true, value_name = "BUNDLE")]
    pub bundles: Vec<PathBuf>,
    /// Where the result goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to export, and for which tool.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The bundle.
    pub bundle: PathBuf,
    /// For which tool.
    #[arg(short, long, value_name = "FORMAT", env = "CAPTURE_FORMAT")]
    pub format: FormatArg,
    /// The profile: a file, a folder (DIR/) for a file named after the bundle, or - for standard output. A name that ends
    /// with .gz gets it compressed. Default: beside the bundle.
    #[arg(short, long, value_name = "PATH", env = "CAPTURE_OUTPUT")]
    pub output: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long, env = "CAPTURE_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

/// The formats of other tools.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormatArg {
    /// Firefox Profiler: stacks over time, with events, memory and CPU of each worker.
    Firefox,
    /// speedscope: stacks of each thread in their order.
    Speedscope,
    /// pprof, and what reads its profiles: Grafana, Parca.
    Pprof,
    /// Folded stacks, one line each, as in profiles/all.folded.
    Collapsed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }
}
