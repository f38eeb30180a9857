//! What of a label's text may be kept: routes without identifiers, models unless they look like something else.
//!
//! Both come from clients, who can write into them what they like.

use crate::redact::{Raw, Redactor, Sources};

/// In place of a part of a route that names one thing among many.
const ID: &str = "{id}";

/// In place of what must not or need not be told apart.
pub const OTHER: &str = "other";

/// Longer names of models are none.
const LONGEST_MODEL: usize = 100;

/// Longer parts of a route are identifiers, whatever they are made of: LiteLLM's own have at most 25 characters.
const LONGEST_PART: usize = 32;

/// From this length on a part with a digit in it is an identifier: `resp_67ccd2bed1ec8190`, but not `v1beta`.
const SHORTEST_ID: usize = 12;

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

    /// A route: the path without its query, identifiers replaced. None where LiteLLM has none.
    pub fn route(&mut self, label: &str) -> Option<String> {
        let path = label.split(['?', '#']).next().unwrap_or_default();
        if is_absent(path) {
            return None;
        }
        let parts: Vec<&str> = path.split('/').map(|part| if is_id(part) { ID } else { part }).collect();
        Some(self.unless_secret(parts.join("/")))
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
        Some(self.unless_secret(label.to_owned()))
    }

    fn unless_secret(&mut self, text: String) -> String {
        let clean = self.shapes.text("", &Raw::new(text.as_str()));
        if clean.as_str() == text { text } else { OTHER.to_owned() }
    }
}

/// An HTTP status. None where LiteLLM has none.
pub fn status(label: &str) -> Option<u16> {
    label.parse().ok().filter(|status| (100..600).contains(status))
}

/// LiteLLM writes Python's `None` into labels.
fn is_absent(label: &str) -> bool {
    label.is_empty() || label == "None"
}

fn is_id(part: &str) -> bool {
    let has_digit = part.bytes().any(|byte| byte.is_ascii_digit());
    let of_a_route = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:{}".contains(&byte);
    !part.is_empty()
        && (!part.bytes().all(of_a_route)
            || part.len() > LONGEST_PART
            || (has_digit && part.len() >= SHORTEST_ID)
            || part.bytes().all(|byte| byte.is_ascii_digit())
            || (has_digit && part.len() >= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_in_routes_are_replaced() {
        for (label, route) in [
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/v1/chat/completions?api-version=1&key=abc", "/v1/chat/completions"),
            ("/v1beta/models/{model_name}:generateContent", "/v1beta/models/{model_name}:generateContent"),
            ("/v1/audio/transcriptions", "/v1/audio/transcriptions"),
            ("/v1/responses/resp_67ccd2bed1ec8190", "/v1/responses/{id}"),
            ("/v1/threads/thread_abc123def456/runs", "/v1/threads/{id}/runs"),
            ("/v1/files/42/content", "/v1/files/{id}/content"),
            ("/team/f32ab195-0a51-4c9c-8d2e-9f1d9f1a2b3c", "/team/{id}"),
            ("/user/jane.doe@corp.example", "/user/{id}"),
            ("/key/sk-abcdefghijklmnopqrstuvwxyz", OTHER),
            ("/key/sk-abcdefghij0123456789", "/key/{id}"),
            ("/pass/Zürich straße", "/pass/{id}"),
        ] {
            assert_eq!(Words::new().route(label).as_deref(), Some(route), "{label}");
        }
        assert_eq!(Words::new().route("None"), None);
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
