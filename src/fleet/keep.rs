//! Which of the pods' own bundles go into the fleet bundle: all of them as long as it can be attached; else the hot pods'
//! first, and the busiest of each first.

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

/// The bundles that go in, and the pods whose bundles do not.
#[derive(Debug)]
pub struct Kept {
    /// The least wanted last.
    bundles: Vec<(String, Artifact)>,
    left_out: Vec<String>,
    /// Bundles that could not be read any more.
    gone: Vec<Gap>,
}

/// Reads so many of the bundles as fit into a number of bytes. One that does not fit leaves its place to smaller ones.
pub fn read(sources: &[Source], summary: &FleetSummary, limit_bytes: usize) -> Kept {
    let limit_bytes = limit_bytes.saturating_sub(TEXT_BYTES);
    let rank = |source: &&Source| summary.pods.iter().position(|pod| pod.name == source.name).unwrap_or(usize::MAX);
    let mut ranked: Vec<&Source> = sources.iter().collect();
    ranked.sort_by_key(rank);
    let mut kept = Kept { bundles: Vec::new(), left_out: Vec::new(), gone: Vec::new() };
    let mut bytes = 0;
    for source in ranked {
        if bytes + source.bytes + HEADER_BYTES > limit_bytes {
            kept.left_out.push(source.name.clone());
            continue;
        }
        match source.packed() {
            Ok(packed) => {
                bytes += packed.len() + HEADER_BYTES;
                let file = Artifact::new(format!("{BUNDLES}/{}.tar.gz", source.name), packed);
                kept.bundles.push((source.name.clone(), file));
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
    /// The bundles as files.
    pub fn bundles(&self) -> impl Iterator<Item = &Artifact> {
        self.bundles.iter().map(|(_, file)| file)
    }

    /// A pod's bundle, where it goes in.
    pub fn bundle_of(&self, pod: &str) -> Option<&Artifact> {
        self.bundles.iter().find(|(name, _)| name == pod).map(|(_, file)| file)
    }

    /// Leaves out the one that is wanted least; false when none is left.
    pub fn leave_out_another(&mut self) -> bool {
        let last = self.bundles.pop().map(|(name, _)| name);
        let is_some = last.is_some();
        self.left_out.extend(last);
        is_some
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
