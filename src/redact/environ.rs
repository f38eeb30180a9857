//! Redacts an environment: every name, and the values that are plain settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::redactor::{Redactor, WITHHELD};
use super::text::{Clean, Raw};

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    /// Its name.
    pub name: Clean,
    /// Its value; none means that it is set and the value is withheld.
    pub value: Option<Clean>,
}

impl EnvVar {
    /// What a reader is shown: the value, or `set`.
    pub fn shown(&self) -> &str {
        self.value.as_ref().map_or("set", Clean::as_str)
    }

    /// Name to value, or to `set`: the content of `env.json`.
    pub fn table(vars: &[Self]) -> BTreeMap<&str, &str> {
        vars.iter().map(|var| (var.name.as_str(), var.shown())).collect()
    }
}

impl Redactor {
    /// The variables by name. A value is shown where its name is allow-listed, or where it is a switch, a quantity or
    /// a known word under a harmless name; JSON is shown with its own secrets masked.
    pub fn environ(&mut self, file: &str, vars: &[(Raw, Raw)]) -> Vec<EnvVar> {
        let mut clean: Vec<EnvVar> = vars
            .iter()
            .map(|(name, value)| {
                let shown = self.variable(file, name.expose(), value.expose());
                if shown.is_none() {
                    self.count(file, WITHHELD, 1);
                }
                EnvVar { name: self.text(file, name), value: shown.map(Clean::redacted) }
            })
            .collect();
        clean.sort_by(|a, b| a.name.cmp(&b.name));
        clean
    }
}
