//! What is to be done in a cluster: typed and checked.

use std::path::PathBuf;
use std::time::Duration;

use super::pods::{Unready, Wanted};
use super::way::Via;
use crate::cli::{K8sArgs, ViaArg};
use crate::error::Failure;
use crate::plan::{Destination, OutputPlan, time, usage};

/// What a pod's capture may take beyond its duration: to look, to send fifteen megabytes, to draw, to come home.
const GRACE: Duration = Duration::from_mins(2);

/// Captures to be made in a cluster.
#[derive(Debug, Clone)]
pub struct K8sPlan {
    /// Which pods.
    pub wanted: Wanted,
    /// Whose cluster.
    pub context: Option<String>,
    /// Whose namespace.
    pub namespace: Option<String>,
    /// At most so many pods.
    pub sample: Option<usize>,
    /// The way in, if it is to be just this one.
    pub via: Option<Via>,
    /// The image of a debug container.
    pub image: Option<String>,
    /// kubectl's profile for it.
    pub profile: Option<String>,
    /// The program to send, in place of this one.
    pub binary: Option<PathBuf>,
    /// So many pods at once.
    pub parallel: usize,
    /// How long each capture samples.
    pub duration: Duration,
    /// How long each pod may take in all.
    pub deadline: Duration,
    /// How far back logs are wanted.
    pub since: Duration,
    /// Whether it is only told what would be done.
    pub rehearsal: Rehearsal,
    /// What is passed on to the capture in the pod.
    pub arguments: Vec<String>,
    /// The folder that the bundles go to.
    pub folder: PathBuf,
    /// What standard output carries, and how much is said.
    pub output: OutputPlan,
}

/// Whether it is done or only told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rehearsal {
    /// It is done.
    No,
    /// It is told, and nothing runs in any pod.
    DryRun,
}

impl TryFrom<K8sArgs> for K8sPlan {
    type Error = Failure;

    fn try_from(args: K8sArgs) -> Result<Self, Failure> {
        let output = OutputPlan::try_from(args.output)?;
        let Destination::Folder(folder) = output.destination.clone() else {
            return Err(usage(
                format!("{} is no folder, and each pod gives a bundle", output.destination.describe()),
                "name a folder: -o DIR/",
            ));
        };
        let duration = time("--duration", &args.duration)?;
        let deadline = match &args.deadline {
            Some(text) => time("--deadline", text)?,
            None => duration + GRACE,
        };
        if deadline <= duration {
            return Err(usage(
                format!("a deadline of {} s is over before the capture is", deadline.as_secs()),
                "give --deadline more than --duration",
            ));
        }
        if let Some(reserved) = args.capture.iter().find(|argument| is_ours(argument)) {
            return Err(usage(
                format!("{reserved} is not passed on: what comes out of a pod goes through kubectl"),
                "give -o and --duration before the --",
            ));
        }
        let via = args.via.and_then(Option::<Via>::from);
        if via == Some(Via::Debug) && args.image.is_none() {
            return Err(usage(
                "--via debug needs an image for the container it adds".to_owned(),
                "name one that has a shell and that the cluster can pull: --image busybox:1.37",
            ));
        }
        Ok(Self {
            wanted: Wanted {
                targets: args.targets,
                selector: args.selector,
                container: args.container,
                unready: if args.not_ready { Unready::Captured } else { Unready::LeftOut },
            },
            context: args.context,
            namespace: args.namespace,
            sample: args.sample,
            via,
            image: args.image,
            profile: args.profile,
            binary: args.binary,
            parallel: args.parallel.max(1),
            duration,
            deadline,
            since: time("--since", &args.since)?,
            rehearsal: if args.dry_run { Rehearsal::DryRun } else { Rehearsal::No },
            arguments: args.capture,
            folder,
            output,
        })
    }
}

/// Arguments of a capture that are not for those who call from far away.
fn is_ours(argument: &str) -> bool {
    let name = argument.split('=').next().unwrap_or_default();
    matches!(name, "-o" | "--output" | "--duration" | "--json" | "--attended" | "-q" | "-v" | "--quiet" | "--verbose")
}

impl From<ViaArg> for Option<Via> {
    fn from(via: ViaArg) -> Self {
        match via {
            ViaArg::Auto => None,
            ViaArg::Present => Some(Via::Present),
            ViaArg::Memory => Some(Via::Memory),
            ViaArg::File => Some(Via::File),
            ViaArg::Debug => Some(Via::Debug),
        }
    }
}
