//! From what was typed to what will be done: typed, checked, and free of the command line's own types.

use std::env;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;

use crate::analyse::classify::Class;
use crate::cli::{
    CaptureArgs, ClassArg, DiffArgs, DoctorArgs, EngineArg, ExportArgs, FormatArg, InspectArgs, MergeArgs, OutputArgs,
    PackArgs, ReportArgs, ReporterArgs, SamplingArgs, SourceArgs, TargetArgs,
};
use crate::error::Failure;
use crate::logs::LogSource;
use crate::notice::Loudness;
use crate::sample::engine::Asked;
use crate::sample::governor::Budget;
use crate::sample::pyspy::Sampling;
use crate::sample::session::{Orders, StacksWanted};

/// A slice shorter than this spends more on attaching than on sampling.
const SHORTEST_SLICE: Duration = Duration::from_secs(1);
/// A profile of an hour says no more than one of a minute, and grows beyond what a ticket takes.
const LONGEST_DURATION: Duration = Duration::from_hours(1);
/// Where a work folder is made that stands beside no bundle, in this order.
const SCRATCH_FOLDERS: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "."];

/// A capture to be made.
#[derive(Debug, Clone)]
pub struct CapturePlan {
    /// What is captured.
    pub target: TargetPlan,
    /// How to sample.
    pub orders: Orders,
    /// The engine asked for, if any.
    pub engine: Option<Asked>,
    /// The py-spy named.
    pub py_spy: Option<PathBuf>,
    /// The config file named.
    pub config: Option<PathBuf>,
    /// What to read beside the stacks.
    pub observe: ObservePlan,
    /// The bundle to hold it against.
    pub baseline: Option<PathBuf>,
    /// Whether it ends when whoever started it is gone.
    pub attendance: Attended,
    /// What the reporter knows.
    pub reporter: ReporterPlan,
    /// Where the result goes.
    pub output: OutputPlan,
}

/// What is captured.
#[derive(Debug, Clone)]
pub struct TargetPlan {
    /// Pids named; empty for whatever LiteLLM runs here.
    pub pids: Vec<i32>,
    /// Whether just these are meant, not the rest of their proxy.
    pub only: bool,
}

/// A capture to be looked into without making it.
#[derive(Debug, Clone)]
pub struct DoctorPlan {
    /// What would be captured.
    pub target: TargetPlan,
    /// The engine asked for, if any.
    pub engine: Option<Asked>,
    /// The py-spy named.
    pub py_spy: Option<PathBuf>,
    /// The config file named.
    pub config: Option<PathBuf>,
    /// What would be read beside the stacks.
    pub observe: ObservePlan,
    /// Where the bundle would go.
    pub destination: Destination,
    /// In which form to tell it.
    pub result: ResultForm,
}

/// Whether standard input is held open by whoever waits for the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attended {
    /// Its end is the end of the capture.
    ByStandardInput,
    /// Nobody needs to.
    No,
}

/// What to read beside the stacks.
#[derive(Debug, Clone)]
pub struct ObservePlan {
    /// Where LiteLLM answers, if named.
    pub litellm_url: Option<String>,
    /// The variable that holds a key.
    pub litellm_key_env: String,
    /// Where its log is.
    pub log: LogSource,
}

/// What the reporter knows.
#[derive(Debug, Clone, Default)]
pub struct ReporterPlan {
    /// How the reporter would classify it.
    pub classification: Option<Class>,
    /// A text file with steps.
    pub repro_steps: Option<PathBuf>,
    /// A sample of requests.
    pub requests: Option<PathBuf>,
    /// What is kept of that sample.
    pub content: RequestContent,
}

/// What is kept of the reporter's sample of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestContent {
    /// Shapes.
    #[default]
    Withheld,
    /// Shapes, and the content without secrets.
    Kept,
}

/// Where the result goes and how it is told.
#[derive(Debug, Clone)]
pub struct OutputPlan {
    /// Where the bundle goes.
    pub destination: Destination,
    /// What standard output carries.
    pub result: ResultForm,
    /// How much is said on standard error.
    pub loudness: Loudness,
}

/// Where a bundle goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A folder; the file's name is chosen.
    Folder(PathBuf),
    /// Just this file.
    File(PathBuf),
}

impl Destination {
    /// The folders that the work folder may stand in: the first that can be written to is taken. A bundle's own folder is
    /// the only one, so that it can be renamed into its place; for standard output any will do, and in a container whose
    /// root is read-only that is often `/dev/shm` alone.
    pub fn work_parents(&self) -> Vec<PathBuf> {
        match self {
            Self::Stdout => {
                let named = env::var_os("TMPDIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
                named.into_iter().chain(SCRATCH_FOLDERS.map(PathBuf::from)).collect()
            }
            Self::Folder(folder) => vec![folder.clone()],
            Self::File(file) => vec![parent(file)],
        }
    }

    /// The file that a bundle of this name comes to stand in; none on standard output.
    pub fn target(&self, name: &str) -> Option<PathBuf> {
        self.file(&format!("{name}.tar.gz"))
    }

    /// The file that something comes to stand in, which in a folder has this name; none on standard output.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Stdout => None,
            Self::Folder(folder) => Some(folder.join(name)),
            Self::File(file) => Some(file.clone()),
        }
    }

    /// For messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::Folder(path) | Self::File(path) => path.display().to_string(),
        }
    }
}

/// What standard output carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultForm {
    /// The bundle's path.
    Path,
    /// The result as JSON.
    Json,
}

/// A work folder to be packed.
#[derive(Debug, Clone)]
pub struct PackPlan {
    /// The folder.
    pub dir: PathBuf,
    /// Where the result goes.
    pub output: OutputPlan,
}

/// Bundles to be put together.
#[derive(Debug, Clone)]
pub struct MergePlan {
    /// The bundles, one or more.
    pub bundles: Vec<PathBuf>,
    /// Where the result goes.
    pub output: OutputPlan,
}

/// A bundle to be shown.
#[derive(Debug, Clone)]
pub struct InspectPlan {
    /// The bundle.
    pub bundle: PathBuf,
    /// Whether its files are checked.
    pub verify: bool,
    /// In which form.
    pub result: ResultForm,
}

/// A bundle to be judged and drawn again.
#[derive(Debug, Clone)]
pub struct ReportPlan {
    /// The bundle.
    pub bundle: PathBuf,
    /// The folder that gets a folder named after the bundle.
    pub output: PathBuf,
    /// In which form.
    pub result: ResultForm,
}

/// Two bundles to be held against each other.
#[derive(Debug, Clone)]
pub struct DiffPlan {
    /// The one before.
    pub before: PathBuf,
    /// The one after.
    pub after: PathBuf,
    /// The folder for files, if any.
    pub output: Option<PathBuf>,
    /// In which form.
    pub result: ResultForm,
}

/// A bundle's profile to be written for another tool.
#[derive(Debug, Clone)]
pub struct ExportPlan {
    /// The bundle.
    pub bundle: PathBuf,
    /// For which tool.
    pub format: ProfileFormat,
    /// Where it goes.
    pub destination: Destination,
    /// In which form the result is told.
    pub result: ResultForm,
}

/// The formats of other tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileFormat {
    /// Firefox Profiler's processed profiles.
    Firefox,
    /// speedscope's files.
    Speedscope,
    /// pprof's profiles.
    Pprof,
    /// Folded stacks.
    Collapsed,
}

impl TryFrom<CaptureArgs> for CapturePlan {
    type Error = Failure;

    fn try_from(args: CaptureArgs) -> Result<Self, Failure> {
        let duration = time("--duration", &args.duration)?;
        let sampling = if args.blocking { Sampling::Blocking } else { Sampling::Nonblocking };
        let orders = orders(&args.sampling, duration, sampling)?;
        if duration > LONGEST_DURATION {
            return Err(usage(format!("a capture of {} is too long", args.duration), "give --duration at most 1h"));
        }
        let target = TargetPlan::try_from(args.target)?;
        let sources = args.sources;
        if args.blocking && matches!(sources.engine, Some(EngineArg::Native)) {
            return Err(usage(
                "--blocking stops a worker for each sample, and the native engine stops none".to_owned(),
                "leave --blocking out, or use --engine py-spy",
            ));
        }
        if args.attended && sources.log.as_deref() == Some(Path::new("-")) {
            return Err(usage(
                "--attended and --log - both want standard input".to_owned(),
                "name the log's file, or leave --attended out",
            ));
        }
        Ok(Self {
            target,
            orders,
            observe: ObservePlan::from(&sources),
            engine: sources.engine.map(Asked::from),
            py_spy: sources.py_spy,
            config: sources.config,
            baseline: args.baseline,
            attendance: if args.attended { Attended::ByStandardInput } else { Attended::No },
            reporter: ReporterPlan::from(args.reporter),
            output: OutputPlan::try_from(args.output)?,
        })
    }
}

/// How to sample for so long at most.
pub fn orders(args: &SamplingArgs, duration: Duration, sampling: Sampling) -> Result<Orders, Failure> {
    let slice = time("--slice", &args.slice)?;
    if slice < SHORTEST_SLICE {
        return Err(usage(format!("a slice of {} is too short", args.slice), "give --slice at least 1s"));
    }
    Ok(Orders {
        duration,
        slice,
        rate_hz: args.rate,
        sampling,
        budget: Budget::of_one_core(percent("--max-overhead", &args.max_overhead)? / 100.0),
        stacks: if args.without_stacks { StacksWanted::No } else { StacksWanted::Yes },
    })
}

impl TryFrom<TargetArgs> for TargetPlan {
    type Error = Failure;

    fn try_from(args: TargetArgs) -> Result<Self, Failure> {
        if let Some(pid) = args.pid.iter().find(|pid| **pid <= 0) {
            return Err(usage(format!("{pid} is no pid"), "name a process: capture --pid PID"));
        }
        Ok(Self { pids: args.pid, only: args.only })
    }
}

impl From<&SourceArgs> for ObservePlan {
    fn from(args: &SourceArgs) -> Self {
        let log = match &args.log {
            None => LogSource::Found,
            Some(path) if path == Path::new("-") => LogSource::Stdin,
            Some(path) => LogSource::File(path.clone()),
        };
        Self { litellm_url: args.litellm_url.clone(), litellm_key_env: args.litellm_key_env.clone(), log }
    }
}

impl TryFrom<DoctorArgs> for DoctorPlan {
    type Error = Failure;

    fn try_from(args: DoctorArgs) -> Result<Self, Failure> {
        Ok(Self {
            target: TargetPlan::try_from(args.target)?,
            observe: ObservePlan::from(&args.sources),
            engine: args.sources.engine.map(Asked::from),
            py_spy: args.sources.py_spy,
            config: args.sources.config,
            destination: destination(&args.output),
            result: form(args.json),
        })
    }
}

impl TryFrom<OutputArgs> for OutputPlan {
    type Error = Failure;

    fn try_from(args: OutputArgs) -> Result<Self, Failure> {
        let destination = destination(&args.output);
        refuse_both(&destination, args.json)?;
        if destination == Destination::Stdout && std::io::stdout().is_terminal() {
            return Err(usage(
                "a tarball on a terminal helps nobody".to_owned(),
                "redirect it: capture -o - > bundle.tar.gz",
            ));
        }
        let loudness = match (args.quiet, args.verbose) {
            (true, _) => Loudness::Quiet,
            (_, true) => Loudness::Verbose,
            _ => Loudness::Normal,
        };
        Ok(Self { destination, result: form(args.json), loudness })
    }
}

impl TryFrom<PackArgs> for PackPlan {
    type Error = Failure;

    fn try_from(args: PackArgs) -> Result<Self, Failure> {
        Ok(Self { dir: args.dir, output: OutputPlan::try_from(args.output)? })
    }
}

impl TryFrom<MergeArgs> for MergePlan {
    type Error = Failure;

    fn try_from(args: MergeArgs) -> Result<Self, Failure> {
        Ok(Self { bundles: args.bundles, output: OutputPlan::try_from(args.output)? })
    }
}

impl From<InspectArgs> for InspectPlan {
    fn from(args: InspectArgs) -> Self {
        Self { bundle: args.bundle, verify: args.verify, result: form(args.json) }
    }
}

impl From<ReporterArgs> for ReporterPlan {
    fn from(args: ReporterArgs) -> Self {
        Self {
            classification: args.classification.map(Class::from),
            repro_steps: args.repro_steps,
            requests: args.requests,
            content: if args.include_prompts { RequestContent::Kept } else { RequestContent::Withheld },
        }
    }
}

impl From<EngineArg> for Asked {
    fn from(engine: EngineArg) -> Self {
        match engine {
            EngineArg::Auto => Self::Auto,
            EngineArg::Native => Self::Native,
            EngineArg::PySpy => Self::PySpy,
        }
    }
}

impl From<ClassArg> for Class {
    fn from(class: ClassArg) -> Self {
        match class {
            ClassArg::RpsDriven => Self::ScalesWithTraffic,
            ClassArg::WithoutTraffic => Self::WithoutTraffic,
            ClassArg::AfterUpgrade => Self::AfterUpgrade,
        }
    }
}

impl From<ReportArgs> for ReportPlan {
    fn from(args: ReportArgs) -> Self {
        let beside = || parent(&args.bundle);
        let output = args.output.unwrap_or_else(beside);
        Self { output, result: form(args.json), bundle: args.bundle }
    }
}

impl From<DiffArgs> for DiffPlan {
    fn from(args: DiffArgs) -> Self {
        Self { before: args.before, after: args.after, output: args.output, result: form(args.json) }
    }
}

impl TryFrom<ExportArgs> for ExportPlan {
    type Error = Failure;

    fn try_from(args: ExportArgs) -> Result<Self, Failure> {
        let beside = || Destination::Folder(parent(&args.bundle));
        let destination = args.output.as_deref().map_or_else(beside, destination);
        let format = ProfileFormat::from(args.format);
        refuse_both(&destination, args.json)?;
        if destination == Destination::Stdout && format == ProfileFormat::Pprof && std::io::stdout().is_terminal() {
            return Err(usage(
                "a pprof profile on a terminal helps nobody".to_owned(),
                "redirect it: capture export BUNDLE --format pprof -o - > profile.pb.gz",
            ));
        }
        Ok(Self { bundle: args.bundle, format, destination, result: form(args.json) })
    }
}

impl From<FormatArg> for ProfileFormat {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Firefox => Self::Firefox,
            FormatArg::Speedscope => Self::Speedscope,
            FormatArg::Pprof => Self::Pprof,
            FormatArg::Collapsed => Self::Collapsed,
        }
    }
}

/// Standard output carries one thing.
fn refuse_both(destination: &Destination, json: bool) -> Result<(), Failure> {
    if json && *destination == Destination::Stdout {
        return Err(usage("--json and -o - both want standard output".to_owned(), "give -o a file or folder"));
    }
    Ok(())
}

fn form(json: bool) -> ResultForm {
    if json { ResultForm::Json } else { ResultForm::Path }
}

fn destination(path: &Path) -> Destination {
    if path == Path::new("-") {
        Destination::Stdout
    } else if path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/') {
        Destination::Folder(path.to_owned())
    } else {
        Destination::File(path.to_owned())
    }
}

/// The folder that a file stands in.
fn parent(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Times have units: `30s`, `2m`, `1m30s`.
pub fn time(option: &str, text: &str) -> Result<Duration, Failure> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    parsed
        .filter(|time| !time.is_zero())
        .ok_or_else(|| usage(format!("{option} {text}: not a time"), "give a number with its unit, such as 30s or 2m"))
}

/// `5%` or `5`: from 0.1 to 100.
pub fn percent(option: &str, text: &str) -> Result<f64, Failure> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>().ok();
    number
        .filter(|number| (0.1..=100.0).contains(number))
        .ok_or_else(|| usage(format!("{option} {text}: not a percentage"), "give one from 0.1% to 100%"))
}

/// Sizes in bytes have units, decimal (`100MB`, `1.5GB`) or binary (`64MiB`).
pub fn size(option: &str, text: &str) -> Result<u64, Failure> {
    const UNITS: [(&str, f64); 9] = [
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("TiB", 1_099_511_627_776.0),
        ("kB", 1e3),
        ("KB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
    ];
    let bytes = UNITS.iter().find_map(|(unit, each)| Some(text.strip_suffix(unit)?.trim().parse::<f64>().ok()? * each));
    bytes.filter(|bytes| (1.0..1e15).contains(bytes)).map(|bytes| bytes as u64).ok_or_else(|| {
        usage(format!("{option} {text}: not a size"), "give a number with its unit, such as 100MB or 64MiB")
    })
}

/// A command line that asks for something impossible.
pub fn usage(what: String, cure: &str) -> Failure {
    Failure::Usage { what, cure: cure.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(time("--duration", "30s").unwrap(), Duration::from_secs(30));
        assert_eq!(time("--duration", "1m30s").unwrap(), Duration::from_secs(90));
        for wrong in ["30", "0s", "-5s", "soon", ""] {
            assert!(time("--duration", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_percentages() {
        assert!((percent("--max-overhead", "5%").unwrap() - 5.0).abs() < f64::EPSILON);
        for wrong in ["0", "101%", "much"] {
            assert!(percent("--max-overhead", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("--min-free", "100MB").unwrap(), 100_000_000);
        assert_eq!(size("--min-free", "1.5 KiB").unwrap(), 1536);
        for wrong in ["100", "MB", "-1MB", "0MB", "nanMB", ""] {
            assert!(size("--min-free", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_output_has_three_forms() {
        assert_eq!(destination(Path::new("-")), Destination::Stdout);
        assert_eq!(destination(Path::new("/tmp")), Destination::Folder("/tmp".into()));
        assert_eq!(destination(Path::new("new/")), Destination::Folder("new/".into()));
        assert_eq!(destination(Path::new("x.tar.gz")), Destination::File("x.tar.gz".into()));
        assert_eq!(Destination::File("x.tar.gz".into()).work_parents(), [Path::new(".")]);
    }
}
