//! The redactor itself: what it knows, what it counts, and the way of plain text through it.
//!
//! Structured text has its own ways in [`argv`](super::argv), [`environ`](super::environ) and
//! [`config`](super::config); all of them end in [`Redactor::scrub`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gate::Gate;
use super::learn::Learned;
use super::patterns::{Patterns, mask, replaced};
use super::text::{Clean, Raw};

/// The rule for a secret that was seen under its name and found again elsewhere.
pub const KNOWN: &str = "known-secret";

/// The rule for a value under a secret's name.
pub const SECRET_FIELD: &str = "secret-field";

/// The rule for a value that no list allows.
pub const WITHHELD: &str = "withheld";

/// Where secrets are learned from. Give every one there is: a secret of one process turns up in another's log.
#[derive(Default)]
pub struct Sources<'a> {
    /// Environments of all processes.
    pub environs: Vec<&'a [(Raw, Raw)]>,
    /// Command lines of all processes.
    pub argvs: Vec<&'a [Raw]>,
    /// Config files as they are.
    pub configs: Vec<&'a Raw>,
}

/// Turns [`Raw`] into [`Clean`] and counts what it removed.
pub struct Redactor {
    known: Gate,
    counts: BTreeMap<(Cow<'static, str>, String), u64>,
}

/// What was removed where: the content of `redactions.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redactions {
    /// Sorted by rule and file.
    pub removed: Vec<Redaction>,
}

/// How often a rule removed something from a file. Never what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// The rule.
    pub rule: String,
    /// The file of the bundle.
    pub file: String,
    /// How often.
    pub count: u64,
}

impl Redactor {
    /// Learns the secrets before anything is redacted.
    pub fn new(sources: &Sources<'_>) -> Self {
        Self { known: Gate::new(Learned::from(sources).secrets()), counts: BTreeMap::new() }
    }

    /// Text without known secrets and without what looks like one. `file` is the bundle's file it goes into.
    pub fn text(&mut self, file: &str, raw: &Raw) -> Clean {
        Clean::redacted(self.scrub(file, raw.expose()))
    }

    /// The same for text out of a work folder. Secrets that were known when it was kept were masked then, and are
    /// counted now.
    pub fn kept_text(&mut self, file: &str, raw: &Raw) -> Clean {
        let masked_before = raw.expose().matches(&mask(KNOWN)).count();
        if masked_before > 0 {
            self.count(file, KNOWN, masked_before as u64);
        }
        self.text(file, raw)
    }

    /// Counts what was removed earlier, from files that are not looked at again.
    pub fn add(&mut self, earlier: Redactions) {
        for Redaction { rule, file, count } in earlier.removed {
            *self.counts.entry((rule.into(), file)).or_default() += count;
        }
    }

    /// What was removed so far.
    pub fn report(&self) -> Redactions {
        let removed = self.counts.iter().map(|((rule, file), count)| Redaction {
            rule: rule.to_string(),
            file: file.clone(),
            count: *count,
        });
        Redactions { removed: removed.collect() }
    }

    /// What masks the known secrets in text that is kept, and looks for them in finished bytes.
    pub fn gate(&self) -> Gate {
        self.known.clone()
    }

    pub(super) fn scrub(&mut self, file: &str, text: &str) -> String {
        let known = self.known.spans(text);
        let unknown = (!known.is_empty()).then(|| {
            self.count(file, KNOWN, known.len() as u64);
            replaced(text, known, &mask(KNOWN))
        });
        let text = unknown.as_deref().unwrap_or(text);
        let shapeless = Patterns::get().scrub(text, |rule, times| self.count(file, rule, times));
        shapeless.unwrap_or_else(|| text.to_owned())
    }

    /// Counts what was removed by other means than this room's: a log's line that is not shown at all.
    pub fn count(&mut self, file: &str, rule: &'static str, times: u64) {
        *self.counts.entry((rule.into(), file.to_owned())).or_default() += times;
    }
}
