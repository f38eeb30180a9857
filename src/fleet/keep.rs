//! Which of the pods' own bundles go into the fleet bundle: all of them as long as it can be attached; else the hot
//! pods' first, and the busiest of each first.

use crate::bundle::archive::{Artifact, LARGEST_BYTES};
use crate::collect::Gap;
use crate::fleet::BUNDLES;
use crate::fleet::gather::Source;
use crate::fleet::summary::FleetSummary;

/// The header of a file in a tarball, and its padding.
const HEADER_BYTES: usize = 1_024;
/// Kept free for ticket and manifest, which are written when it is known what they have to name.
const TEXT_BYTES: usize = 200_000;
/// Pods named in a gap; the manifest's list of members has them all.
const PODS_NAMED: usize = 10;

/// The pods whose bundles go in, and those whose do not.
#[derive(Debug, Default)]
pub struct Kept {
    /// Each with its file's name, the least wanted last.
    inside: Vec<(String, String)>,
    left_out: Vec<String>,
    /// Bundles that could not be read any more.
    gone: Vec<Gap>,
}

/// Reads so many of the bundles as fit into a number of bytes, and adds them to the files. One that does not fit leaves
/// its place to smaller ones.
pub fn read(sources: &[Source], summary: &FleetSummary, files: &mut Vec<Artifact>, limit_bytes: usize) -> Kept {
    let limit_bytes = limit_bytes.saturating_sub(TEXT_BYTES);
    let rank = |source: &&Source| summary.pods.iter().position(|pod| pod.name == source.name).unwrap_or(usize::MAX);
    let mut ranked: Vec<&Source> = sources.iter().collect();
    ranked.sort_by_key(rank);
    let mut kept = Kept::default();
    let mut bytes = 0;
    for source in ranked {
        if bytes + source.bytes + HEADER_BYTES > limit_bytes {
            kept.left_out.push(source.name.clone());
            continue;
        }
        match source.packed() {
            Ok(packed) => {
                bytes += packed.len() + HEADER_BYTES;
                let name = format!("{BUNDLES}/{}.tar.gz", source.name);
                kept.inside.push((source.name.clone(), name.clone()));
                files.push(Artifact::new(name, packed));
            }
            Err(failure) => kept.gone.push(Gap::new(
                format!("the bundle of `{}`, whose figures are here", source.name),
                failure.to_string(),
                "merge again, and leave the bundles alone meanwhile",
            )),
        }
    }
    kept
}

impl Kept {
    /// The file of a pod's bundle, where it goes in.
    pub fn file_of(&self, pod: &str) -> Option<&str> {
        self.inside.iter().find(|(name, _)| name == pod).map(|(_, file)| file.as_str())
    }

    /// Takes the bundle that is wanted least out of the files; false when none is left.
    pub fn leave_out_another(&mut self, files: &mut Vec<Artifact>) -> bool {
        let Some((pod, name)) = self.inside.pop() else { return false };
        files.retain(|file| file.name != name);
        self.left_out.push(pod);
        true
    }

    /// What is missing for that.
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps = self.gone.clone();
        if !self.left_out.is_empty() {
            let named: Vec<String> = self.left_out.iter().take(PODS_NAMED).map(|name| format!("`{name}`")).collect();
            let more = self.left_out.len().checked_sub(PODS_NAMED).filter(|more| *more > 0);
            let more = more.map_or_else(String::new, |more| format!(" and {more} more"));
            gaps.push(Gap::new(
                format!("the bundles of {}{more}, whose figures are here", named.join(", ")),
                format!(
                    "with them the fleet bundle would be larger than an attachment may be ({} MB)",
                    LARGEST_BYTES / 1_000_000
                ),
                "attach those that matter beside it, or merge fewer",
            ));
        }
        gaps
    }
}
