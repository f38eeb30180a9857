//! From the finished pieces to the tarball: which of the pods' bundles it can hold, and the texts that tell of it.

use anyhow::Context;

use crate::analyse::analyse;
use crate::bundle::archive::{Artifact, LARGEST_BYTES, pack};
use crate::bundle::facts::read;
use crate::bundle::manifest::Status;
use crate::bundle::open::{Bundle, Tarball};
use crate::bundle::work::MANIFEST;
use crate::collect::Weight;
use crate::error::Failure;
use crate::fleet::gather::Source;
use crate::fleet::keep;
use crate::fleet::manifest::{FleetManifest, MemberStatus};
use crate::fleet::summary::FleetSummary;
use crate::fleet::ticket::{Hottest, ticket};
use crate::products::TICKET;
use crate::render::ticket::ticket as ticket_of_one;

/// What is sealed beside the files that do not change any more.
pub struct Content<'a> {
    /// What is known of the pods.
    pub summary: &'a FleetSummary,
    /// Where their bundles are.
    pub sources: &'a [Source],
    /// The time of every file.
    pub seconds: u64,
}

/// The tarball with as many of the bundles as keep it small enough to be attached.
pub fn seal(mut files: Vec<Artifact>, manifest: &mut FleetManifest, content: &Content<'_>) -> Result<Vec<u8>, Failure> {
    let own_bytes = pack(&manifest.name, &mut files, content.seconds).context("the tarball")?.len();
    let hottest = hottest(content);
    let free_bytes = LARGEST_BYTES.saturating_sub(own_bytes);
    let mut kept = keep::read(content.sources, content.summary, &mut files, free_bytes);
    let gaps = manifest.gaps.clone();
    loop {
        manifest.gaps = gaps.iter().cloned().chain(kept.gaps()).collect();
        for entry in &mut manifest.members {
            entry.bundle = kept.file_of(&entry.name).map(str::to_owned);
        }
        manifest.status = status(manifest);
        let ticket = ticket(manifest, content.summary, hottest.as_ref());
        files.push(Artifact::new(TICKET, ticket));
        files.sort_by(|one, other| one.name.cmp(&other.name));
        manifest.files = files.iter().map(Artifact::entry).collect();
        files.push(Artifact::json(MANIFEST, manifest).context("the manifest")?);
        let tarball = pack(&manifest.name, &mut files, content.seconds).context("the tarball")?;
        if tarball.len() <= LARGEST_BYTES || !kept.leave_out_another(&mut files) {
            return Ok(tarball);
        }
        files.retain(|file| ![TICKET, MANIFEST].contains(&file.name.as_str()));
    }
}

fn status(manifest: &FleetManifest) -> Status {
    let whole = manifest.gaps.iter().all(|gap| gap.weight == Weight::Note)
        && manifest.members.iter().all(|member| member.status == MemberStatus::Complete);
    if whole { Status::Complete } else { Status::Partial }
}

/// The ticket of the hottest pod, written anew from the facts in its bundle.
fn hottest(content: &Content<'_>) -> Option<Hottest> {
    let name = content.summary.heat.hottest.clone()?;
    let source = content.sources.iter().find(|source| source.name == name)?;
    let packed = source.packed().ok()?;
    let bundle = Bundle::try_from(Tarball::read(&source.path, packed.as_slice()).ok()?).ok()?;
    let facts = read(bundle.files()).ok()?;
    Some(Hottest { text: ticket_of_one(&facts, &analyse(&facts)), name })
}
