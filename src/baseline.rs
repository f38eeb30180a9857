//! The bundle that a capture is held against: its facts are laid into the new bundle, so that every comparison can be
//! made again from that one file.

use std::io;

use crate::bundle::facts::{BASELINE, EVIDENCE, SAMPLES};
use crate::bundle::open::Bundle;
use crate::bundle::samples;
use crate::bundle::work::{CLEAN, MANIFEST, Work};
use crate::collect::Gap;
use crate::redact::{Clean, Gate, Raw, Redactor};
use crate::workload::requests::SHAPES_FILE;

/// Everything that is a fact begins like this; pictures, texts and verdicts are made again. Not all of `workload/`: that
/// the older bundle was to hold the reporter's requests in full was said of that one alone.
const FACTS: [&str; 6] = [MANIFEST, EVIDENCE, SAMPLES, "series/", "environment/", SHAPES_FILE];
/// What a baseline may add to a bundle, which is 25 MB at most.
const LARGEST_BYTES: usize = 5_000_000;

/// Copies the facts into the work folder, with every secret masked that is known here: the older bundle was redacted by
/// what was known then.
pub fn lay_in(work: &Work, redactor: &mut Redactor, baseline: &Bundle) -> io::Result<Option<Gap>> {
    let needed = [MANIFEST, EVIDENCE, SAMPLES];
    if let Some(missing) = needed.iter().find(|name| baseline.file(name).is_none()) {
        return Ok(Some(gap(format!("it holds no {missing}"), "name a bundle that holds its profile")));
    }
    let facts = || baseline.files().iter().filter(|(name, _)| FACTS.iter().any(|fact| name.starts_with(fact)));
    if facts().map(|(_, bytes)| bytes.len()).sum::<usize>() > LARGEST_BYTES {
        return Ok(Some(gap(
            format!("its facts are larger than {} MB, and this bundle has to stay small", LARGEST_BYTES / 1_000_000),
            "hold them against each other afterwards: capture diff BASELINE BUNDLE",
        )));
    }
    let gate = redactor.gate();
    for (name, bytes) in facts() {
        let bytes = if name == SAMPLES { profile(bytes, redactor)? } else { masked(bytes, &gate) };
        work.write(&format!("{CLEAN}/{BASELINE}{name}"), &bytes)?;
    }
    Ok(None)
}

fn profile(bytes: &[u8], redactor: &mut Redactor) -> io::Result<Vec<u8>> {
    let profile = samples::read(bytes).map_err(io::Error::other)?;
    let again = |text: &Clean| redactor.kept_text(SAMPLES, &Raw::new(text.as_str()));
    samples::write(&profile.map(again)).map_err(io::Error::other)
}

fn masked(bytes: &[u8], gate: &Gate) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    gate.masked(&text).unwrap_or_else(|| text.into_owned()).into_bytes()
}

fn gap(why: String, cure: &str) -> Gap {
    Gap::new("the comparison with the baseline", why, cure)
}
