//! Text before and after redaction, told apart by type.
//!
//! Everything read from the target or the machine is [`Raw`]: it can be parsed and compared, but neither
//! serialised nor displayed, so it cannot reach a file or the terminal by accident. Only this room turns it
//! into [`Clean`], and only [`Clean`] can be written.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text as it came from outside. It may hold a secret or a prompt.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Raw(String);

impl Raw {
    /// Takes text from outside as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Takes bytes from outside; what is not UTF-8 becomes the replacement character.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The text, to parse it or to decide something by it. Whoever calls this must not store or print what it gives.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.0.len())
    }
}

/// Text that went through redaction, or that the tool wrote itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Clean(String);

impl Clean {
    /// Words of our own: a name, a unit, a reason. A literal cannot hold anything of the target's.
    pub fn ours(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// The way out of redaction; nothing outside this room can call it.
    pub(super) fn redacted(text: String) -> Self {
        Self(text)
    }

    /// Clean texts side by side, with words of our own between them.
    pub fn joined<'a>(parts: impl IntoIterator<Item = &'a Self>, between: &'static str) -> Self {
        let parts: Vec<&str> = parts.into_iter().map(Self::as_str).collect();
        Self(parts.join(between))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A whole number is a figure, not text of the target's.
impl From<u64> for Clean {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl fmt::Display for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
