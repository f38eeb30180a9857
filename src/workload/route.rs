//! A path as it may be shown and counted: without its query, and with `{id}` for every part that is somebody's.
//!
//! What LiteLLM's own routes are made of is lower-case words and a version; all else (digits, capitals, escapes, an
//! address) stands for a key, a user, a file or a model, and would make a route of its own out of every request.

/// In place of what is somebody's.
const ID: &str = "{id}";

/// No word of a route is longer.
const LONGEST_WORD: usize = 32;

/// No route of LiteLLM's has so many parts; the rest of a longer path is left out.
const MOST_SEGMENTS: usize = 12;

/// What follows one of these is the name of a thing, whatever it looks like.
const COLLECTIONS: &[&str] = &[
    "assistants",
    "batches",
    "deployments",
    "engines",
    "files",
    "models",
    "responses",
    "runs",
    "threads",
    "vector_stores",
];

/// Words with a digit.
const WORDS_WITH_DIGITS: &[&str] = &["a2a", "oauth2"];

/// A path or URL without host, query and fragment, what is somebody's in it replaced by `{id}`.
pub fn route(path: &str) -> String {
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut route = String::new();
    let mut before = "";
    for (number, segment) in path.split('/').filter(|segment| !segment.is_empty()).enumerate() {
        if number == MOST_SEGMENTS {
            route += "/…";
            break;
        }
        route.push('/');
        if COLLECTIONS.contains(&before) || !is_word(segment) {
            route += ID;
            // Google's verbs follow the model's name: `models/NAME:generateContent`.
            if let Some((_, verb)) = segment.rsplit_once(':').filter(|(_, verb)| is_verb(verb)) {
                route.push(':');
                route += verb;
            }
        } else {
            route += segment;
        }
        before = segment;
    }
    if route.is_empty() { "/".to_owned() } else { route }
}

fn is_word(segment: &str) -> bool {
    let letters = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-' | b'.'));
    segment.len() <= LONGEST_WORD && (letters(segment) || is_version(segment) || WORDS_WITH_DIGITS.contains(&segment))
}

/// `v1`, `v1beta`, `v2alpha1`.
fn is_version(segment: &str) -> bool {
    let Some(rest) = segment.strip_prefix('v') else { return false };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = segment.len() - 1 - rest.len();
    let kind = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    (1..=2).contains(&number) && matches!(kind, "" | "alpha" | "beta") && rest.len() <= kind.len() + 2
}

fn is_verb(text: &str) -> bool {
    matches!(
        text,
        "batchEmbedContents"
            | "countTokens"
            | "embedContent"
            | "generateContent"
            | "predict"
            | "rawPredict"
            | "streamGenerateContent"
            | "streamRawPredict"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn litellms_own_routes_stay_and_what_is_somebodys_goes() {
        for (path, expected) in [
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/v1/chat/completions?api_key=sk-abc#x", "/v1/chat/completions"),
            ("http://host:4000/v1/models", "/v1/models"),
            ("http://host:4000", "/"),
            ("", "/"),
            ("/metrics/", "/metrics"),
            ("//health//liveliness", "/health/liveliness"),
            ("/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server"),
            ("/v1/files/file-abc123/content", "/v1/files/{id}/content"),
            ("/v1/files/mine/content", "/v1/files/{id}/content"),
            ("/openai/deployments/my-gpt/chat/completions", "/openai/deployments/{id}/chat/completions"),
            ("/v1beta/models/gemini-pro:generateContent", "/v1beta/models/{id}:generateContent"),
            ("/v1beta/models/gemini-pro:hunter2", "/v1beta/models/{id}"),
            ("/key/f32ab195-0a51-4c9c-8d2e-9f1d9f1a2b3c", "/key/{id}"),
            ("/user/jane@example.com/x", "/user/{id}/x"),
            ("/user/Jane%20Doe", "/user/{id}"),
            ("/v1234/x", "/{id}/x"),
            ("/a/b/c/d/e/f/g/h/i/j/k/l/m/n", "/a/b/c/d/e/f/g/h/i/j/k/l/…"),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_route_holds_no_digits_but_a_versions_and_no_query(path in "(/[a-zA-Z0-9:._-]{0,40}){0,8}(\\?.{0,20})?") {
            let route = route(&path);
            prop_assert!(!route.contains('?') && route.starts_with('/'));
            for segment in route.split('/').filter(|segment| segment.bytes().any(|b| b.is_ascii_digit())) {
                prop_assert!(is_version(segment) || WORDS_WITH_DIGITS.contains(&segment), "{segment}");
            }
            prop_assert_eq!(super::route(&route), route.clone());
        }
    }
}
