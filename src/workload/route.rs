//! A path as it may be shown and counted: without its query, and with `{id}` for every part that is somebody's.
//!
//! A part is shown when it is a word of LiteLLM's own routes. All else (a key, a user, a file, a model, what somebody
//! typed) would tell who asked for what, and would make a route of its own out of every request.

use crate::workload::vocabulary::is_known;

/// In place of what is somebody's.
const ID: &str = "{id}";

/// No route of LiteLLM's has so many parts; the rest of a longer path is left out.
const MOST_PARTS: usize = 12;

/// What Google's paths say after a model's name: `models/NAME:generateContent`.
const VERBS: &[&str] = &[
    "batchEmbedContents",
    "countTokens",
    "embedContent",
    "generateContent",
    "predict",
    "rawPredict",
    "streamGenerateContent",
    "streamRawPredict",
];

/// A path or URL without host, query and fragment, what is somebody's in it replaced by `{id}`.
pub fn route(path: &str) -> String {
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut route = String::new();
    for (number, part) in path.split('/').filter(|part| !part.is_empty()).enumerate() {
        route.push('/');
        if number == MOST_PARTS {
            route.push('…');
            break;
        }
        if is_known(part) {
            route += part;
            continue;
        }
        route += ID;
        if let Some((_, verb)) = part.rsplit_once(':').filter(|(_, verb)| VERBS.contains(verb)) {
            route.push(':');
            route += verb;
        }
    }
    if route.is_empty() { "/".to_owned() } else { route }
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
            ("/v1/responses/resp_67ccd2bed1ec8190", "/v1/responses/{id}"),
            ("/v1/files/file-abc123/content", "/v1/files/{id}/content"),
            ("/v1/files/mine/content", "/v1/files/{id}/content"),
            ("/openai/deployments/my-gpt/chat/completions", "/openai/deployments/{id}/chat/completions"),
            ("/v1beta/models/gemini-pro:generateContent", "/v1beta/models/{id}:generateContent"),
            ("/v1beta/models/{model_name}:generateContent", "/v1beta/models/{id}:generateContent"),
            ("/v1beta/models/gemini-pro:hunter2", "/v1beta/models/{id}"),
            ("/bedrock/model/claude-3/converse-stream", "/bedrock/model/{id}/converse-stream"),
            ("/key/f32ab195-0a51-4c9c-8d2e-9f1d9f1a2b3c", "/key/{id}"),
            ("/user/jane@example.com/delete", "/user/{id}/delete"),
            ("/user/jane", "/user/{id}"),
            ("/user/Jane%20Doe", "/user/{id}"),
            ("/what/is/wrong/with/me", "/{id}/{id}/{id}/{id}/me"),
            ("/v1/v1/v1/v1/v1/v1/v1/v1/v1/v1/v1/v1/v1/v1", "/v1/v1/v1/v1/v1/v1/v1/v1/v1/v1/v1/v1/…"),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_route_is_made_of_known_words_alone_and_stays_as_it_is(path in "(/[a-zA-Z0-9:._-]{0,40}|/v1|/chat){0,16}(\\?.{0,20})?") {
            let route = route(&path);
            prop_assert!(route.starts_with('/'));
            for part in route.split('/').filter(|part| !part.is_empty()) {
                prop_assert!(is_known(part) || part.starts_with(ID) || part == "…", "{part}");
            }
            prop_assert_eq!(super::route(&route), route.clone());
        }

        #[test]
        fn no_path_is_too_strange(path in any::<String>()) {
            let _ = route(&path);
        }
    }
}
