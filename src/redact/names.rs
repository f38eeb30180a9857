//! Which names announce a secret.
//!
//! The same question is asked of environment variables, command-line flags, config keys, header names and query
//! parameters, so it is answered once, by the words that a name is made of. What may be shown is in
//! [`allow`](super::allow).

/// How sure a name makes us that its value is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// `key`, `token`: often a secret, sometimes a count or a cache key. Short numbers under it are no secrets.
    Likely,
    /// `password`, `secret`: always one.
    Certain,
}

/// Words that are never about anything else.
const CERTAIN: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "apikeys",
    "authkey",
    "authorization",
    "authtoken",
    "bearer",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "creds",
    "dsn",
    "masterkey",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "private",
    "privatekey",
    "salt",
    "sas",
    "secret",
    "secretkey",
    "secrets",
    "sig",
    "signature",
    "webhook",
    "webhooks",
];

/// Words that mean a secret unless the words around them say otherwise.
const LIKELY: &[&str] =
    &["auth", "authentication", "header", "headers", "key", "keys", "license", "licence", "token", "tokens"];

/// After `key` or `token` these speak of the thing's size, age, place or kind: `token_count`, `KEY_VAULT_URI`,
/// `key_rotation_interval`, `auth_type`, `header_name`.
const THEN_ABOUT_IT: &[&str] = &[
    "alias",
    "aliases",
    "budget",
    "cache",
    "class",
    "cost",
    "costs",
    "count",
    "counter",
    "counts",
    "dir",
    "duration",
    "enabled",
    "endpoint",
    "expires",
    "expiry",
    "field",
    "file",
    "format",
    "func",
    "function",
    "interval",
    "length",
    "limit",
    "limits",
    "management",
    "max",
    "min",
    "mode",
    "name",
    "names",
    "param",
    "params",
    "path",
    "per",
    "prefix",
    "provider",
    "rate",
    "role",
    "roles",
    "rotation",
    "routes",
    "scope",
    "scopes",
    "settings",
    "size",
    "strategy",
    "system",
    "threshold",
    "timeout",
    "ttl",
    "type",
    "types",
    "uri",
    "url",
    "usage",
    "vault",
    "version",
];

/// Before `token` or `tokens` these make it a unit of text: `max_tokens`, `input_cost_per_token`, `prompt_tokens`.
const BEFORE_A_UNIT: &[&str] = &[
    "audio",
    "cached",
    "completion",
    "cost",
    "estimated",
    "image",
    "input",
    "max",
    "min",
    "num",
    "output",
    "per",
    "prompt",
    "reasoning",
    "remaining",
    "thinking",
    "total",
    "used",
];

/// The working folder, which only looks like `MYSQL_PWD`.
const WORKING_FOLDER: &[&str] = &["PWD", "OLDPWD"];

/// Whether a value under this name must be taken for a secret.
pub fn secrecy(name: &str) -> Option<Secrecy> {
    if WORKING_FOLDER.contains(&name) {
        return None;
    }
    let words = words(name);
    let certain = words.iter().enumerate().any(|(at, word)| {
        CERTAIN.contains(&word.as_str())
            || ["password", "secret", "apikey", "passwd"].iter().any(|end| word.ends_with(end))
            || word == "pwd"
            // `DB_PASS`, but not `pass_through_endpoints`.
            || (word == "pass" && at + 1 == words.len())
    });
    if certain || is_upload_url(name) {
        return Some(Secrecy::Certain);
    }
    let likely = words.iter().enumerate().any(|(at, word)| {
        let word = word.as_str();
        let is_unit = word.starts_with("token") && words[..at].iter().any(|w| BEFORE_A_UNIT.contains(&w.as_str()));
        let is_described = words[at + 1..].iter().any(|w| THEN_ABOUT_IT.contains(&w.as_str()));
        (LIKELY.contains(&word) || word.ends_with("token")) && !is_unit && !is_described
    });
    likely.then_some(Secrecy::Likely)
}

/// Whether this names where something is uploaded: such a URL is signed, and lets anybody write who has it.
pub fn is_upload_url(name: &str) -> bool {
    matches!(words(name).as_slice(), [.., upload, url] if upload == "upload" && url == "url")
}

/// The last word of a name, in lower case: `url` of `DATABASE_URL`.
pub fn last_word(name: &str) -> String {
    words(name).pop().unwrap_or_default()
}

/// Splits `LITELLM_MASTER_KEY`, `x-api-key`, `privateKey` and `cache.token` into words in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut after_lower = false;
    for c in name.chars() {
        let starts_a_word = !c.is_alphanumeric() || (c.is_uppercase() && after_lower);
        if starts_a_word && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_every_spelling() {
        for name in [
            "LITELLM_MASTER_KEY",
            "LITELLM_SALT_KEY",
            "LITELLM_LICENSE",
            "OPENAI_API_KEY",
            "DB_PASS",
            "MYSQL_PWD",
            "PGPASSWORD",
            "SENTRY_DSN",
            "SLACK_WEBHOOK_URL",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "api_key",
            "x-api-key",
            "Authorization",
            "privateKey",
            "AccountKey",
            "authToken",
            "aws_access_key_id",
            "aws_session_token",
            "azure_ad_token",
            "drain_endpoint_token",
            "extra_headers",
            "X-Amz-Signature",
            "CAPTURE_UPLOAD_URL",
            "--upload-url",
        ] {
            assert!(secrecy(name).is_some(), "{name}");
        }
    }

    #[test]
    fn counts_sizes_and_kinds_are_not_secrets() {
        for name in [
            "max_tokens",
            "input_cost_per_token",
            "cache_creation_input_token_cost",
            "prompt_tokens",
            "token_counter",
            "REDIS_TOKEN_CACHE_SIZE",
            "MINIMUM_CUSTOM_KEY_LENGTH",
            "LITELLM_KEY_ROTATION_ENABLED",
            "AZURE_KEY_VAULT_URI",
            "key_management_system",
            "pass_through_endpoints",
            "user_header_name",
            "monkey",
            "PWD",
            "tpm",
            "rpm",
            "model_name",
            "upload_dir",
            "api_url",
        ] {
            assert_eq!(secrecy(name), None, "{name}");
        }
    }
}
