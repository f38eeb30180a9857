//! Learns the secrets: every value seen under a secret's name in an environment, a command line or a config, and
//! every value that has a secret's shape.
//!
//! What is learned is removed from every text and barred by the gate, so a value that is an ordinary word must not be
//! learned: it would riddle the bundle with masks. It is still masked where it stands.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::allow;
use super::argv::is_flag;
use super::config;
use super::fields::{DEEPEST_JSON, Mode, json_inside};
use super::gate::SHORTEST;
use super::names::{is_upload_url, last_word, secrecy};
use super::patterns::{Patterns, is_mask, mask};
use super::redactor::{KNOWN, SECRET_FIELD, Sources, WITHHELD};
use super::rules::RULES;
use super::text::Raw;

/// Lines of a block, and items of a list, are learned one by one from this length on: a PEM line has 64 characters
/// and its last one may be shorter; a shorter piece could be a word.
const SHORTEST_PIECE: usize = 16;

/// Longer values are learned in pieces of this size: an automaton needs memory for each byte and form.
const LONGEST: usize = 4096;

/// Values that stand for a password in every tutorial, and as ordinary words in every log.
const ORDINARY: &[&str] = &[
    "anonymous",
    "changeme",
    "change-me",
    "changeit",
    "database",
    "development",
    "disabled",
    "litellm-proxy",
    "litellm_proxy",
    "localhost",
    "loopback",
    "not-needed",
    "openai/v1",
    "password",
    "postgres",
    "postgresql",
    "production",
    "required",
    "redis-server",
    "undefined",
    "username",
];

/// Header and service-account fields that stand beside secrets and are none.
const BESIDE_SECRETS: &[&str] = &[
    "accept",
    "accept-encoding",
    "anthropic-version",
    "auth_provider_x509_cert_url",
    "auth_uri",
    "client_x509_cert_url",
    "connection",
    "content-type",
    "host",
    "openai-beta",
    "project_id",
    "region",
    "region_name",
    "token_uri",
    "type",
    "universe_domain",
    "user-agent",
];

/// Shapes that are masked but are nobody's password: searching their values elsewhere gains nothing.
const NOT_LEARNED: &[&str] = &["email", "aws-account", "hashed-key"];

/// Everything learned so far.
#[derive(Default)]
pub struct Learned {
    secrets: BTreeSet<String>,
    shown: BTreeSet<String>,
}

impl Learned {
    /// Learns from all sources.
    pub fn from(sources: &Sources<'_>) -> Self {
        let mut learned = Self::default();
        for (name, value) in sources.environs.iter().copied().flatten() {
            learned.variable(name.expose(), value.expose());
        }
        for argv in &sources.argvs {
            learned.argv(argv.iter().map(Raw::expose));
        }
        for config in &sources.configs {
            learned.config(config);
        }
        learned.secrets = std::mem::take(&mut learned.secrets).difference(&learned.shown).cloned().collect();
        learned
    }

    /// The secrets, sorted.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    fn variable(&mut self, name: &str, value: &str) {
        if allow::shows_variable(name) {
            // `NAMESPACE=production` is printed beside `POSTGRES_PASSWORD=production`: hiding the word elsewhere
            // would gain nothing. Only words in small letters count, for anything else may well be a secret twice.
            if !value.is_empty() && value.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '_' | '.')) {
                self.shown.insert(value.to_owned());
            }
        }
        self.field(name, value, secrecy(name).map_or(Mode::Listed, |_| Mode::Secret), 0);
    }

    fn argv<'a>(&mut self, argv: impl Iterator<Item = &'a str>) {
        let mut flag: Option<&str> = None;
        for arg in argv {
            let (name, value) = match (arg.split_once('='), flag.take()) {
                (_, Some(flag)) if !is_flag(arg) => (flag, arg),
                (Some((name, value)), _) if !name.contains(char::is_whitespace) => (name, value),
                _ => {
                    flag = arg.starts_with('-').then_some(arg);
                    ("", arg)
                }
            };
            self.field(name, value, secrecy(name).map_or(Mode::Listed, |_| Mode::Secret), 0);
        }
    }

    fn config(&mut self, raw: &Raw) {
        if let Ok(tree) = config::parse(raw) {
            self.tree("", &tree, Mode::Listed, 0);
        }
        // Line by line as well: a file may not parse, a key may come twice, and old keys live on in comments.
        for line in raw.expose().lines() {
            let line = line.trim_start_matches([' ', '\t', '#', '-']);
            if let Some((name, value)) = line.split_once(": ") {
                let name = name.trim().trim_matches(['"', '\'']);
                if name.len() <= 80 && !name.contains(' ') && secrecy(name).is_some() && !allow::shows_key(name) {
                    let value = value.split(" #").next().unwrap_or_default().trim();
                    self.secret(name, value.trim_matches(['"', '\'']));
                }
            }
            self.shapes(line);
        }
    }

    fn tree(&mut self, key: &str, value: &Value, mode: Mode, depth: usize) {
        match value {
            Value::Object(fields) => {
                // Kubernetes writes a variable as two fields.
                if let (Some(Value::String(name)), Some(Value::String(value))) =
                    (fields.get("name"), fields.get("value"))
                {
                    self.variable(name, value);
                }
                for (key, value) in fields {
                    self.shapes(key);
                    self.tree(key, value, mode.below(key), depth);
                }
            }
            Value::Array(items) => {
                // The command line of an MCP server.
                self.argv(items.iter().filter_map(Value::as_str));
                for item in items {
                    self.tree(key, item, mode, depth);
                }
            }
            Value::String(text) => self.field(key, text, mode, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn field(&mut self, name: &str, value: &str, mode: Mode, depth: usize) {
        if depth < DEEPEST_JSON
            && let Some(inner) = json_inside(value)
        {
            self.tree(name, &inner, mode, depth + 1);
        }
        self.shapes(value);
        let beside = BESIDE_SECRETS.contains(&name.to_ascii_lowercase().as_str());
        if mode == Mode::Secret && !beside && json_inside(value).is_none() {
            self.secret(name, value);
        }
    }

    /// What has a secret's shape, under whatever name.
    fn shapes(&mut self, text: &str) {
        for span in Patterns::get().spans(text) {
            match span.rule {
                // Its lines are secrets of their own.
                "pem" => self.secret("", &text[span.range]),
                rule if NOT_LEARNED.contains(&rule) => {}
                _ => self.token(&text[span.range]),
            }
        }
        self.url_password(text);
    }

    /// A password as people write it into a URL, perhaps with a `/` or `#` that should have been encoded.
    fn url_password(&mut self, text: &str) {
        let Some((scheme, rest)) = text.split_once("://") else { return };
        let authority =
            if scheme.starts_with("http") { rest.split(['/', '?', '#']).next().unwrap_or(rest) } else { rest };
        let Some((userinfo, _)) = authority.rsplit_once('@') else { return };
        match userinfo.split_once(':') {
            Some((user, password)) => {
                if user.len() >= SHORTEST_PIECE && user.bytes().any(|b| b.is_ascii_digit()) {
                    self.token(user);
                }
                self.token(password);
            }
            None => self.token(userinfo),
        }
    }

    /// A value under a secret's name: as a whole, and the parts by which it may turn up elsewhere.
    fn secret(&mut self, name: &str, value: &str) {
        let is_address =
            value.contains("://") && ["url", "uri", "endpoint", "host", "base"].contains(&&*last_word(name));
        let names_a_webhook = name.to_ascii_lowercase().contains("webhook");
        let is_upload_url = is_upload_url(name);
        if !is_address || names_a_webhook || is_upload_url {
            self.token(value);
        }
        if is_upload_url {
            // Host and folders are ordinary words, unless one of them is what lets people in.
            let (place, query) = value.split_once('?').unwrap_or((value, ""));
            place.split('/').filter(|piece| is_random(piece)).for_each(|piece| self.token(piece));
            self.token(query);
        }
        if names_a_webhook {
            value.split('/').filter(|piece| piece.len() >= SHORTEST_PIECE).for_each(|piece| self.token(piece));
        }
        for line in value.split('\n').flat_map(|line| line.split("\\n")).map(str::trim) {
            if line.len() >= SHORTEST_PIECE && line.len() < value.len() && !line.starts_with("-----") {
                self.token(line);
            }
        }
        // `api-key=abc,tenant=x`, as OTEL_EXPORTER_OTLP_HEADERS is written, and lists of keys.
        for item in value.split([',', ';']).map(str::trim).filter(|item| item.len() < value.len() || item.contains('='))
        {
            if let Some((key, part)) = item.split_once('=')
                && !part.trim_matches('=').is_empty()
                && !BESIDE_SECRETS.contains(&key.trim().to_ascii_lowercase().as_str())
            {
                self.token(part);
            }
            if item.len() >= SHORTEST_PIECE {
                self.token(item);
            }
        }
    }

    /// One secret, with and without its `Bearer`, encoded and decoded.
    fn token(&mut self, value: &str) {
        let value = value.trim();
        self.keep(value);
        let decoded = percent_decoded(value);
        if let Some(decoded) = &decoded {
            self.keep(decoded);
        }
        let value = decoded.as_deref().unwrap_or(value);
        if let Some((scheme, rest)) = value.split_once(char::is_whitespace) {
            let rest = rest.trim();
            if ["bearer", "basic", "token", "apikey"].contains(&scheme.to_ascii_lowercase().trim_end_matches(':')) {
                self.keep(rest);
            }
            if scheme.eq_ignore_ascii_case("basic") {
                self.basic(rest);
            }
        }
    }

    /// `user:password` in base64.
    fn basic(&mut self, encoded: &str) {
        let decoders = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
        let Some(bytes) = decoders.iter().find_map(|decoder| decoder.decode(encoded).ok()) else { return };
        let Ok(pair) = String::from_utf8(bytes) else { return };
        self.keep(&pair);
        if let Some((_, password)) = pair.split_once(':') {
            self.keep(password);
        }
    }

    fn keep(&mut self, value: &str) {
        if !is_worth_searching(value) {
            return;
        }
        let mut rest = value;
        while rest.len() > LONGEST {
            let cut = (0..=LONGEST).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
            self.secrets.insert(rest[..cut].to_owned());
            rest = &rest[cut..];
        }
        if rest.len() >= SHORTEST {
            self.secrets.insert(rest.to_owned());
        }
    }
}

/// Whether finding this value in a text would mean that a secret was found.
fn is_worth_searching(value: &str) -> bool {
    let is_reference = value.starts_with("os.environ/") || value.starts_with("${");
    let first = value.chars().next();
    let is_one_character = value.chars().all(|c| Some(c) == first);
    value.len() >= SHORTEST
        && !is_reference
        && !is_one_character
        && value.parse::<f64>().is_err()
        && !ORDINARY.iter().any(|word| word.eq_ignore_ascii_case(value))
        && !allow::is_word(value)
        && !is_mask(value)
        && !is_part_of_a_mask(value)
        && !is_plain_path(value)
}

/// A secret that is a piece of our own masks would be found in every one of them.
fn is_part_of_a_mask(value: &str) -> bool {
    let own = [KNOWN, SECRET_FIELD, WITHHELD];
    RULES.iter().map(|rule| rule.name).chain(own).any(|rule| mask(rule).contains(value))
}

/// A segment that mixes cases and digits at length is none that a person chose.
fn is_random(segment: &str) -> bool {
    segment.len() >= SHORTEST_PIECE
        && segment.bytes().any(|b| b.is_ascii_digit())
        && segment.bytes().any(|b| b.is_ascii_uppercase())
        && segment.bytes().any(|b| b.is_ascii_lowercase())
}

/// `/var/run/secrets/token` is where a secret is, not what it is. But a random key may begin with a slash too.
fn is_plain_path(value: &str) -> bool {
    value.starts_with('/')
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_'))
        && value.matches('/').count() >= 2
        && !value.split('/').any(is_random)
        && Patterns::get().spans(value).is_empty()
}

/// The text with `%XX` resolved, where that changes it and gives text.
fn percent_decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    (bytes.len() < value.len()).then(|| String::from_utf8(bytes).ok()).flatten()
}
