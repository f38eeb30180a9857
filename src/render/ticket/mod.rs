//! `TICKET.md`: the ticket that a maintainer can start from alone, in the order of LiteLLM's page "CPU Issue
//! Classification & Reproduction". The bundle beside it holds what is only pointed to here.
//!
//! [`ticket`] is the table of contents: one file of this room for each section. [`form`] makes the link that opens
//! LiteLLM's bug form filled in.

mod class;
mod cluster;
mod cpu;
mod environment;
mod figures;
pub mod form;
mod head;
mod logs;
mod measured;
mod missing;
mod reproduction;
mod request;
mod timeline;
mod workload;

use std::path::Path;

use crate::analyse::{Facts, Verdict};
use crate::render::figures::utc;
use crate::render::markdown::{Document, text};

pub use form::{Link, form_link};
pub use head::sentence;
pub use missing::gaps;
pub use timeline::event_words;

/// The charts of the bundle, as pictures to drop into the ticket.
pub const CHARTS: [&str; 4] = ["charts/cpu.png", "charts/memory.png", "charts/traffic.png", "charts/latency.png"];

/// The ticket in GitHub's Markdown.
pub fn ticket(facts: &Facts, verdict: &Verdict) -> String {
    let mut document = Document::default();
    head::write(&mut document, facts, verdict);
    class::write(&mut document, facts, verdict);
    cpu::write(&mut document, facts, verdict);
    reproduction::write(&mut document, facts, verdict);
    workload::write(&mut document, facts, verdict);
    figures::write(&mut document, facts, verdict);
    logs::write(&mut document, facts);
    environment::write(&mut document, facts);
    cluster::write(&mut document, facts);
    timeline::write(&mut document, facts, verdict);
    missing::write(&mut document, facts, verdict);
    measured::write(&mut document, facts, verdict);
    document.into_string()
}

/// A stored time as people read it; as it is where it is none.
fn moment(stored: &str) -> String {
    stored.parse().map_or_else(|_| text(stored), utc)
}

/// What is printed to the one who files the ticket: its text, the link, and which files to drag in.
pub fn hand_over(bundle: &Path, facts: &Facts, verdict: &Verdict) -> String {
    let tarball = bundle.file_name().unwrap_or(bundle.as_os_str()).to_string_lossy();
    let folder = &facts.manifest.name;
    let link = form_link(facts, verdict);
    let shortened = if link.dropped.is_empty() {
        String::new()
    } else {
        format!("   (A link holds no more: shortened are {}. The text above has all of it.)\n", link.dropped.join(", "))
    };
    let pictures = CHARTS.map(|chart| format!("     {folder}/{chart}")).join("\n");
    format!(
        "{}\n{}\n\nHow to file it\n\n\
         1. Open this link: LiteLLM's bug form, filled in.\n\n   {}\n\n{shortened}\n\
         2. Drag the bundle into the form: {tarball}\n   \
         GitHub takes attachments up to 25 MB. It holds this text as TICKET.md.\n\n\
         3. Unpack it (tar -xzf {}) and drag in its pictures:\n\n{pictures}\n\n\
         Read it before you send it: what was withheld is in redactions.json, what is missing in section 6.\n",
        ticket(facts, verdict),
        "-".repeat(80),
        link.url,
        crate::render::shell::quoted(&bundle.to_string_lossy()),
    )
}
