//! The pods' stacks as pictures and for other tools.

use anyhow::Result;

use crate::analyse::figures::ratio;
use crate::bundle::archive::Artifact;
use crate::fleet::heat::PodHeat;
use crate::fleet::stacks::Stacks;
use crate::fleet::summary::FleetSummary;
use crate::render::figures::{counted, span};
use crate::render::flamegraph::{Heading, draw};

/// The flamegraph of all pods, and that of the hot ones where others are not.
pub fn draw_all(stacks: &Stacks, summary: &FleetSummary) -> Result<Vec<Artifact>> {
    let folded = stacks.folded(summary.all_names());
    let mut files = Vec::new();
    let all = format!("CPU time of {}", counted(summary.pods.len(), "pod"));
    files.push(Artifact::new("flamegraphs/all.svg", draw(&folded, &heading(all, summary, None), stacks.palette())?));
    files.push(Artifact::new("profiles/all.folded", folded));
    let hot = summary.names(PodHeat::Hot).count();
    if hot > 0 && hot < summary.pods.len() {
        let title = format!("CPU time of the {} of {}", counted(hot, "hot pod"), summary.pods.len());
        let heading = heading(title, summary, Some(PodHeat::Hot));
        let folded = stacks.folded(summary.names(PodHeat::Hot));
        files.push(Artifact::new("flamegraphs/hot.svg", draw(&folded, &heading, stacks.palette())?));
    }
    Ok(files)
}

/// CPU of the pods that are so, or of all.
fn heading(title: String, summary: &FleetSummary, heat: Option<PodHeat>) -> Heading {
    let pods = || summary.pods.iter().filter(|pod| heat.is_none_or(|heat| pod.heat == heat));
    let cpu_seconds: f64 = pods().map(|pod| pod.cpu_seconds).sum();
    let cores: f64 = pods().filter_map(|pod| ratio(pod.cpu_seconds, pod.wall_seconds)).sum();
    let longest = pods().map(|pod| pod.wall_seconds).fold(0.0, f64::max);
    let subtitle = format!("{cpu_seconds:.2} CPU-seconds in {} at most ({cores:.2} cores on average)", span(longest));
    Heading { title, subtitle }
}
