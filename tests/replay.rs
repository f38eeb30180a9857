//! Bundles of every format there ever was: they open, they are whole, and their verdict follows from their facts.
//!
//! A new format adds a bundle to `tests/bundles`; none is ever taken away.

use std::fs;
use std::path::{Path, PathBuf};

use litellm_capture::analyse::verdict::profiled;
use litellm_capture::analyse::{Evidence, Verdict};
use litellm_capture::bundle::manifest::FORMAT;
use litellm_capture::bundle::open::Bundle;
use litellm_capture::bundle::samples;

fn bundles() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

#[test]
fn there_is_a_bundle_of_the_format_that_is_written() {
    let name = format!("{FORMAT}.tar.gz");
    assert!(bundles().iter().any(|path| path.ends_with(&name)), "add tests/bundles/{name}");
}

#[test]
fn old_bundles_open_and_are_whole() {
    for path in bundles() {
        let bundle = Bundle::open(&path).expect("an old bundle opens for ever");
        assert!(bundle.verify(&path).expect("it is whole") > 0);
    }
}

#[test]
fn the_verdict_follows_from_the_facts() {
    for path in bundles() {
        let bundle = Bundle::open(&path).expect("an old bundle opens for ever");
        let file = |name: &str| bundle.file(name).unwrap_or_else(|| panic!("{}: no {name}", path.display()));
        let profile = samples::read(file("profiles/samples.json.gz")).expect("its samples can be read");
        let evidence: Evidence = serde_json::from_slice(file("evidence.json")).expect("its evidence can be read");
        let stored: Verdict = serde_json::from_slice(file("summary.json")).expect("its verdict can be read");
        assert_eq!(profiled(&evidence, &profile), stored, "{}", path.display());
    }
}
