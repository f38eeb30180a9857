//! What of a label's text may be kept: paths as [`workload`](crate::workload) shows them, models unless they look like
//! something else.
//!
//! Both come from clients, who can write into them what they like.

use crate::redact::{Raw, Redactor, Sources};
use crate::workload::route;

/// In place of what must not or need not be told apart.
pub const OTHER: &str = "other";

/// Longer names of models are none.
const LONGEST_MODEL: usize = 100;

/// A UUID has so many characters, and a hash twice as many: a model of nothing but these is no model.
const SHORTEST_HASH: usize = 32;

/// Knows the shapes of secrets, to tell a model from one.
pub struct Words {
    shapes: Redactor,
}

impl Words {
    /// With the shapes alone: known secrets are masked when the record is kept.
    pub fn new() -> Self {
        Self { shapes: Redactor::new(&Sources::default()) }
    }

    /// A model, as clients name it. None where LiteLLM has none.
    pub fn model(&mut self, label: &str) -> Option<String> {
        if is_absent(label) {
            return None;
        }
        let of_a_model = |c: char| c.is_ascii_alphanumeric() || "._:/@+*-".contains(c);
        let is_hash = label.len() >= SHORTEST_HASH && label.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if label.len() > LONGEST_MODEL || is_hash || !label.chars().all(of_a_model) {
            return Some(OTHER.to_owned());
        }
        let clean = self.shapes.text("", &Raw::new(label));
        Some(if clean.as_str() == label { label } else { OTHER }.to_owned())
    }
}

/// A path as `workload` shows it. None where LiteLLM has none.
pub fn path(label: &str) -> Option<String> {
    (!is_absent(label)).then(|| route(label))
}

/// An HTTP status. None where LiteLLM has none.
pub fn status(label: &str) -> Option<u16> {
    label.parse().ok().filter(|status| (100..600).contains(status))
}

/// LiteLLM writes Python's `None` into labels.
fn is_absent(label: &str) -> bool {
    label.is_empty() || label == "None"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_any_other() {
        assert_eq!(path("/v1/files/mine?key=abc").as_deref(), Some("/v1/files/{id}"));
        assert_eq!(["None", ""].map(path), [None, None]);
    }

    #[test]
    fn a_model_that_looks_like_something_else_is_other() {
        for model in
            ["gpt-4o-mini", "bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0", "vertex_ai/claude@20240620", "*"]
        {
            assert_eq!(Words::new().model(model).as_deref(), Some(model));
        }
        for model in [
            "jane.doe@corp.example",
            "sk-lab-0123456789abcdef0123",
            "what is the capital of France",
            "f32ab195-0a51-4c9c-8d2e-9f1d9f1a2b3c",
            &"a".repeat(101),
            &"0123456789abcdef".repeat(4),
        ] {
            assert_eq!(Words::new().model(model).as_deref(), Some(OTHER), "{model}");
        }
        assert_eq!(Words::new().model("None"), None);
    }

    #[test]
    fn a_status_is_one_of_http() {
        assert_eq!(["200", "599", "99", "600", "None", ""].map(status), [Some(200), Some(599), None, None, None, None]);
    }
}
