//! Redacts structured values: what is under which key is shown, masked or withheld.
//!
//! The walk is the same for a config, for JSON in an environment variable and for JSON in an argument. Structure, keys,
//! booleans, null and numbers stay; text stays only where [`allow`](super::allow) says so.

use serde_json::{Map, Value};

use super::allow;
use super::names::secrecy;
use super::patterns::mask;
use super::redactor::{Redactor, SECRET_FIELD, WITHHELD};

/// JSON inside a string inside JSON is followed so far; deeper text is treated as text.
pub const DEEPEST_JSON: usize = 4;

/// How the text below a key is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Known words and quantities are shown, other text is withheld.
    Listed,
    /// Names are shown, though not in mappings below.
    Shown,
    /// Names are shown, in mappings below as well.
    Names,
    /// Free content: all text is withheld, whatever key is below.
    Content,
    /// Environment variables: their names decide.
    Variables,
    /// All text and all numbers are masked, and learned.
    Secret,
}

impl Mode {
    /// The mode below a key of a mapping that is in this mode.
    pub fn below(self, key: &str) -> Self {
        match self {
            Self::Secret => Self::Secret,
            _ if allow::shows_key(key) && self != Self::Content => Self::Shown,
            Self::Variables if allow::shows_variable(key) => Self::Shown,
            _ if secrecy(key).is_some() => Self::Secret,
            Self::Content => Self::Content,
            _ if allow::holds_names(key) => Self::Names,
            _ if allow::holds_variables(key) => Self::Variables,
            _ if allow::holds_content(key) => Self::Content,
            Self::Names => Self::Names,
            Self::Listed | Self::Shown | Self::Variables => Self::Listed,
        }
    }
}

/// The object or list that a string holds as JSON.
pub fn json_inside(text: &str) -> Option<Value> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(text).ok()
}

impl Redactor {
    /// A value with everything secret masked.
    pub(super) fn tree(&mut self, file: &str, key: &str, value: Value, mode: Mode, depth: usize) -> Value {
        match value {
            Value::Object(fields) => Value::Object(self.object(file, fields, mode, depth)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.tree(file, key, item, mode, depth)).collect())
            }
            Value::String(text) => Value::String(self.field(file, key, &text, mode, depth)),
            Value::Number(_) if mode == Mode::Secret => {
                self.count(file, SECRET_FIELD, 1);
                Value::String(mask(SECRET_FIELD))
            }
            kept @ (Value::Number(_) | Value::Bool(_) | Value::Null) => kept,
        }
    }

    fn object(&mut self, file: &str, fields: Map<String, Value>, mode: Mode, depth: usize) -> Map<String, Value> {
        let mut clean = Map::new();
        for (key, value) in fields {
            let value = self.tree(file, &key, value, mode.below(&key), depth);
            let mut key = self.scrub(file, &key);
            // Two keys may have become one mask; neither entry may be lost.
            while clean.contains_key(&key) {
                key.push('\'');
            }
            clean.insert(key, value);
        }
        clean
    }

    fn field(&mut self, file: &str, key: &str, text: &str, mode: Mode, depth: usize) -> String {
        if text.is_empty() || allow::is_reference(text) {
            return self.scrub(file, text);
        }
        if depth < DEEPEST_JSON
            && let Some(inner) = json_inside(text)
        {
            let inner = self.tree(file, key, inner, mode, depth + 1);
            return inner.to_string();
        }
        let is_shown = match mode {
            Mode::Secret | Mode::Content => false,
            Mode::Shown | Mode::Names => allow::is_name(text),
            Mode::Listed | Mode::Variables => allow::is_word(text) || allow::is_measure(text),
        };
        if is_shown {
            return self.scrub(file, text);
        }
        let rule = if mode == Mode::Secret { SECRET_FIELD } else { WITHHELD };
        self.count(file, rule, 1);
        mask(rule)
    }

    /// An environment variable's text, or none where it is withheld.
    pub(super) fn variable(&mut self, file: &str, name: &str, text: &str) -> Option<String> {
        let is_switch = ["true", "false", ""].iter().any(|word| word.eq_ignore_ascii_case(text));
        if is_switch || allow::is_reference(text) {
            return Some(self.scrub(file, text));
        }
        // An allow-listed name announces no secret, whatever words it is made of.
        match secrecy(name) {
            Some(_) if !allow::shows_variable(name) => None,
            _ => match json_inside(text) {
                Some(inner) => Some(self.tree(file, name, inner, Mode::Listed, 1).to_string()),
                None if allow::shows_variable(name) || allow::is_word(text) || allow::is_measure(text) => {
                    Some(self.scrub(file, text))
                }
                None => None,
            },
        }
    }
}
