//! A fleet bundle looked at again: what it says, whether it is whole, its ticket.

use anyhow::Context;

use crate::bundle::open::Tarball;
use crate::error::{Failure, Kept, exit};
use crate::fleet::gather::file_name;
use crate::fleet::lines::lines;
use crate::fleet::manifest::{FORMAT, FleetManifest};
use crate::fleet::summary::FleetSummary;
use crate::fleet::{BUNDLES, SUMMARY, Told};
use crate::notice::visible;
use crate::plan::{InspectPlan, ResultForm};
use crate::products::TICKET;
use crate::publish::say_result;

/// A fleet bundle in memory.
#[derive(Debug)]
pub struct FleetBundle {
    /// What it says of itself.
    pub manifest: FleetManifest,
    /// What it says of the pods.
    pub summary: FleetSummary,
    tarball: Tarball,
}

impl FleetBundle {
    /// What was unpacked, as the fleet bundle that it is.
    ///
    /// # Errors
    /// When its format is newer than this program, or a file that none can do without is missing or damaged.
    pub fn of(tarball: Tarball) -> Result<Self, Failure> {
        let unreadable = |why: String| Failure::Unreadable {
            path: tarball.path().to_owned(),
            why,
            cure: "unpack it (tar -xzf) and see what it still holds, or merge the bundles again".to_owned(),
        };
        let manifest = tarball.manifest(FORMAT)?;
        let summary = tarball.file(SUMMARY).ok_or_else(|| unreadable(format!("it holds no {SUMMARY}")))?;
        let summary = serde_json::from_slice(summary).map_err(|error| unreadable(format!("{SUMMARY}: {error}")))?;
        Ok(Self { manifest, summary, tarball })
    }
}

/// `capture inspect`: what it says.
pub fn inspect(tarball: Tarball, plan: &InspectPlan) -> Result<u8, Failure> {
    let fleet = FleetBundle::of(tarball)?;
    let verified = if plan.verify { Some(fleet.tarball.verify(&fleet.manifest.files)?) } else { None };
    let text = match plan.result {
        ResultForm::Json => {
            let told = Told { path: None, exit_code: None, manifest: &fleet.manifest, summary: &fleet.summary };
            serde_json::to_string_pretty(&told).context("JSON")?
        }
        ResultForm::Path => {
            let began = fleet.manifest.started_utc.as_ref().map_or_else(String::new, |began| format!(" ({began})"));
            let mut told = vec![format!("{}{began}", fleet.manifest.name)];
            told.extend(lines(&fleet.manifest, &fleet.summary));
            told.extend(verified.map(|files| format!("verified  {files} files are what the manifest says")));
            visible(&told.join("\n"))
        }
    };
    say_result(&text, Kept::Bundle(plan.bundle.clone()))?;
    Ok(exit::COMPLETE)
}

/// `capture ticket`: its text as it stands in it, and how to file it.
pub fn ticket(tarball: Tarball) -> Result<u8, Failure> {
    let fleet = FleetBundle::of(tarball)?;
    let path = fleet.tarball.path();
    let text = fleet.tarball.file(TICKET).map(String::from_utf8_lossy).ok_or_else(|| Failure::Unreadable {
        path: path.to_owned(),
        why: format!("it holds no {TICKET}"),
        cure: "merge the bundles again".to_owned(),
    })?;
    let hottest = fleet.summary.heat.hottest.as_deref().unwrap_or("NAME");
    let told = format!(
        "{}\n{}\n\nHow to file it\n\n\
         1. Unpack it: tar -xzf {}\n   \
         A link that opens LiteLLM's bug form filled in: capture ticket {}/{BUNDLES}/{hottest}.tar.gz\n\n\
         2. Put this text into the form, and drag the fleet bundle in: {}\n   \
         GitHub takes attachments up to 25 MB.\n",
        // It may be from somebody else, who may not write to this terminal what is no text; but a tab is text.
        visible(&text.replace('\t', "    ")),
        "-".repeat(80),
        crate::render::shell::quoted(&path.to_string_lossy()),
        fleet.manifest.name,
        file_name(path),
    );
    say_result(&told, Kept::Bundle(path.to_owned()))?;
    Ok(exit::COMPLETE)
}
