//! `manifest.json` of a fleet bundle: which pods gave their bundle, which gave none and why, and every file with its
//! hash.

use serde::{Deserialize, Serialize};

use crate::bundle::manifest::{FileEntry, Format, Kind, Status, Tool};
use crate::collect::Gap;

/// The format of fleet bundles that this program writes.
///
/// - 1.0: manifest, `fleet.json`, `TICKET.md`, flamegraphs, folded stacks, `bundles/` and `pods/`.
pub const FORMAT: Format = Format { major: 1, minor: 0 };

/// The content of `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetManifest {
    /// Tells it from the manifest of a single capture.
    pub kind: Kind,
    /// Of all files in the bundle but the bundles in it, which have formats of their own.
    pub format: Format,
    /// `capture` and its version.
    pub tool: Tool,
    /// Complete where every pod gave a complete bundle and all of them are in it.
    pub status: Status,
    /// The bundle's name and that of its folder.
    pub name: String,
    /// When the first of its captures began; none where no bundle tells.
    pub started_utc: Option<String>,
    /// When the last of its captures was put together.
    pub ended_utc: Option<String>,
    /// Every pod that was to be part of it, in the order in which they were given.
    pub members: Vec<MemberEntry>,
    /// What is missing of the whole, why, and how to get it. What a pod's own capture misses stands beside that pod.
    pub gaps: Vec<Gap>,
    /// Every other file of the bundle.
    pub files: Vec<FileEntry>,
}

/// One pod.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemberEntry {
    /// The pod's name, by which it goes in every file of the fleet bundle.
    pub name: String,
    /// Its host's name, where its bundle tells.
    pub host: Option<String>,
    /// What it gave.
    pub status: MemberStatus,
    /// The name of its bundle's file as it was given.
    pub given: Option<String>,
    /// SHA-256 of its bundle, whether that is in here or not.
    pub sha256: Option<String>,
    /// Its bundle in this one; none where it gave none, or where it was left out.
    pub bundle: Option<String>,
    /// What it misses: its bundle, or what that one itself is partial for.
    pub gaps: Vec<Gap>,
}

/// What a pod gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    /// A bundle to which nothing is missing.
    Complete,
    /// A bundle with gaps.
    Partial,
    /// No bundle that could be read.
    Missing,
}
