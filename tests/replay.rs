//! Bundles of every format there ever was: they open, they are whole, and their verdict follows from their facts.
//!
//! A new format adds a bundle to `tests/bundles`; none is ever taken away.

use std::fs;
use std::path::{Path, PathBuf};

use litellm_capture::analyse::classify::Class;
use litellm_capture::analyse::{Verdict, analyse};
use litellm_capture::bundle::facts;
use litellm_capture::bundle::manifest::FORMAT;
use litellm_capture::bundle::open::Bundle;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn bundles() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn json<T: DeserializeOwned>(bundle: &Bundle, name: &str) -> Option<T> {
    let bytes = bundle.file(name)?;
    Some(serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// What is said in words may be said better one day; the figures stay.
const WORDS: [&str; 4] = ["sentence", "contradictions", "to_add", "caveats"];

/// Whether every figure of a stored value is the same in a newer one, which may know more.
fn assert_holds(stored: &Value, newer: &Value, path: &str) {
    match (stored, newer) {
        (Value::Object(stored), Value::Object(newer)) => {
            for (key, value) in stored.iter().filter(|(key, _)| !WORDS.contains(&key.as_str())) {
                assert_holds(value, newer.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"));
            }
        }
        (Value::Array(stored), Value::Array(newer)) if stored.len() == newer.len() => {
            for (index, (stored, newer)) in stored.iter().zip(newer).enumerate() {
                assert_holds(stored, newer, &format!("{path}[{index}]"));
            }
        }
        _ => assert_eq!(stored, newer, "{path}"),
    }
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
        let stored: Value = json(&bundle, "summary.json").expect("a verdict");
        let again = serde_json::to_value(analyse(&facts::read(bundle.files()).expect("its facts"))).expect("JSON");
        assert_holds(&stored, &again, &path.display().to_string());
    }
}

#[test]
fn a_bundle_without_series_and_tallies_is_judged_as_far_as_it_reaches() {
    let path = bundles().into_iter().find(|path| path.ends_with("1.0.tar.gz")).expect("the first format");
    let bundle = Bundle::open(&path).expect("an old bundle opens for ever");
    let verdict: Verdict = analyse(&facts::read(bundle.files()).expect("its facts"));
    let class = verdict.classification.expect("a class");
    assert_eq!(class.class, Class::Undetermined);
    assert!(class.sentence.starts_with("There is nothing to hold the capture against"), "{}", class.sentence);
    assert!(class.to_add.iter().any(|what| what.contains("--baseline BUNDLE")), "{:?}", class.to_add);
    assert_eq!((verdict.loads.before, verdict.loads.during.requests), (None, None));
    assert_eq!(verdict.owners[0].owner, "user code proxy.py");
    assert_eq!(verdict.heat.and_then(|heat| heat.hottest), Some(23567));
    assert_eq!(verdict.comparison, None);
}
