//! Redacts a LiteLLM config: YAML in, YAML out, with order and structure kept and comments dropped.
//!
//! What is shown below which key is decided in [`fields`](super::fields).

use std::fmt;

use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};

use super::fields::Mode;
use super::redactor::Redactor;
use super::text::{Clean, Raw};

/// A config is written by hand; a file beyond this is something else, and parsing it would cost memory.
const LARGEST_BYTES: usize = 4 << 20;

/// Values in a config with its aliases resolved: a proxy with a thousand models has some twenty thousand.
const MOST_NODES: usize = 200_000;

/// Nesting, far above what LiteLLM's schema has, far below what the stack holds.
const DEEPEST: usize = 48;

/// A config that could not be read. It says where, and never what stands there: parsers quote their input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigUnreadable {
    /// The place, or the limit that was passed.
    pub why: String,
}

impl fmt::Display for ConfigUnreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the config could not be read: {}", self.why)
    }
}

impl std::error::Error for ConfigUnreadable {}

/// Parses YAML as LiteLLM's loader would: of two equal keys the last counts, and `<<` merges.
pub fn parse(yaml: &Raw) -> Result<Value, ConfigUnreadable> {
    if yaml.expose().len() > LARGEST_BYTES {
        return Err(ConfigUnreadable { why: format!("it has more than {LARGEST_BYTES} bytes") });
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            max_nodes: MOST_NODES,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MOST_NODES },
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        merge_keys: MergeKeyPolicy::Merge,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        emit_comments: false,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(yaml.expose(), options).map_err(|error| ConfigUnreadable {
        why: match error.location() {
            Some(at) => format!("no valid YAML, or beyond a limit, at line {}, column {}", at.line(), at.column()),
            None => "no valid YAML".to_owned(),
        },
    })
}

impl Redactor {
    /// The config as YAML, with secrets masked and free text withheld.
    pub fn config(&mut self, file: &str, yaml: &Raw) -> Result<Clean, ConfigUnreadable> {
        let tree = parse(yaml)?;
        let clean = self.tree(file, "", tree, Mode::Listed, 0);
        // No folding: a shown value must stay on its line, and greppable.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        serde_saphyr::to_string_with_options(&clean, options)
            .map(Clean::redacted)
            .map_err(|_| ConfigUnreadable { why: "its redacted form could not be written".to_owned() })
    }
}
