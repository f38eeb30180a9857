//! Can the bundle be written? A file is made where it would go, and removed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::archive::LARGEST_BYTES;
use crate::doctor::probe::{Outcome, Probe};
use crate::os::space::Space;
use crate::plan::Destination;

/// What these probes are called.
pub const WHAT: &str = "output";
/// The largest bundle, and as much again for the work folder beside it.
const ROOM_BYTES: u64 = 2 * LARGEST_BYTES as u64;
const ELSEWHERE: &str = "name another place with -o PATH, or have it through a pipe: capture -o - > bundle.tar.gz";

/// The place of the bundle and of its work folder, and the room there.
pub fn probes(destination: &Destination) -> Vec<Probe> {
    if let Destination::File(file) = destination
        && file.exists()
    {
        let proof = format!("{} exists already and is not overwritten", file.display());
        return vec![Probe::new(WHAT, Outcome::Gap, proof).cured(Some(ELSEWHERE.to_owned()))];
    }
    let mut refused = Vec::new();
    for folder in destination.work_parents() {
        match try_folder(&folder) {
            Ok(()) => return vec![room(destination, &folder, &refused)],
            Err(error) => refused.push(format!("{}: {error}", folder.display())),
        }
    }
    vec![
        Probe::new(WHAT, Outcome::Gap, format!("no bundle can be written: {}", refused.join(", ")))
            .cured(Some(ELSEWHERE.to_owned())),
    ]
}

/// In the folder, or where it would be made.
fn try_folder(folder: &Path) -> io::Result<()> {
    let above = folder.ancestors().find(|above| above.as_os_str().is_empty() || above.exists());
    let place = above.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file: PathBuf = place.join(format!(".litellm-capture-doctor-{}", std::process::id()));
    fs::OpenOptions::new().write(true).create_new(true).open(&file)?;
    fs::remove_file(&file)
}

fn room(destination: &Destination, folder: &Path, refused: &[String]) -> Probe {
    let place = match destination {
        Destination::Stdout => format!("standard output, with the work folder in {}", folder.display()),
        Destination::Folder(_) | Destination::File(_) => folder.display().to_string(),
    };
    let passed = if refused.is_empty() { String::new() } else { format!(" (not {})", refused.join(", ")) };
    match Space::below(folder).map(|space| space.free_bytes) {
        Ok(free) if free < ROOM_BYTES => {
            let proof = format!(
                "{place} can be written to{passed}, but only {} MB are free; a capture may need {} MB for a while",
                free / 1_000_000,
                ROOM_BYTES / 1_000_000
            );
            Probe::new(WHAT, Outcome::Warning, proof).cured(Some(format!("make room, or {ELSEWHERE}")))
        }
        Ok(free) => Probe::new(
            WHAT,
            Outcome::Ok,
            format!("{place} can be written to{passed}, {} MB are free", free / 1_000_000),
        ),
        Err(error) => {
            let proof = format!("{place} can be written to{passed}; how much room there is cannot be told: {error}");
            Probe::new(WHAT, Outcome::Ok, proof)
        }
    }
}
