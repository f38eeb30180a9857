//! What was typed, checked.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use super::{
    Attended, CapturePlan, Destination, DiffPlan, DoctorPlan, ExportPlan, InspectPlan, MergePlan, ObservePlan,
    OutputPlan, PackPlan, ProfileFormat, ReportPlan, ReporterPlan, RequestContent, ResultForm, TargetPlan, parent,
    percent, time, usage,
};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_has_three_forms() {
        assert_eq!(destination(Path::new("-")), Destination::Stdout);
        assert_eq!(destination(Path::new("/tmp")), Destination::Folder("/tmp".into()));
        assert_eq!(destination(Path::new("new/")), Destination::Folder("new/".into()));
        assert_eq!(destination(Path::new("x.tar.gz")), Destination::File("x.tar.gz".into()));
        assert_eq!(Destination::File("x.tar.gz".into()).work_parents(), [Path::new(".")]);
    }
}
