//! Finds known secrets: in a text, to mask them, and in finished bytes, to refuse them.
//!
//! One automaton holds every form of every secret, so that a scan costs one pass however many there are. Which values
//! count as secrets is decided in [`learn`](super::learn).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;

use super::encodings::{Encoding, forms};
use super::patterns::{mask, replaced};
use super::redactor::KNOWN;

/// Shortest form to search for. Eight characters hardly occur by chance; fewer would riddle a text with masks.
pub const SHORTEST: usize = 8;

/// The kernel keeps so many bytes of a thread's name and drops the rest.
const LONGEST_THREAD_NAME: usize = 15;

/// Every known secret in every form: masks them in what is kept, and is the last look at finished bytes.
#[derive(Clone)]
pub struct Gate {
    /// None where no secret is known.
    automaton: Option<Arc<AhoCorasick>>,
    encodings: Arc<[Encoding]>,
    /// As they are.
    secrets: Arc<[String]>,
}

/// A known secret in finished bytes. It says how and where, never what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateHit {
    /// How the secret was written.
    pub encoding: Encoding,
    /// Where it begins.
    pub offset: usize,
}

impl fmt::Display for GateHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a known secret, {}, at byte {}", self.encoding.as_str(), self.offset)
    }
}

impl std::error::Error for GateHit {}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({} forms)", self.encodings.len())
    }
}

impl Gate {
    /// A gate against these secrets.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut encodings = Vec::new();
        let mut needles = Vec::new();
        let secrets: Vec<String> = secrets.into_iter().map(str::to_owned).collect();
        for (encoding, form) in secrets.iter().flat_map(|secret| forms(secret)) {
            if form.len() >= SHORTEST {
                encodings.push(encoding);
                needles.push(form);
            }
        }
        // Building fails only beyond two thousand million states, far above what an environment can hold; a gate
        // that silently let everything through would be worse than a stop.
        let automaton = (!needles.is_empty())
            .then(|| Arc::new(AhoCorasick::new(&needles).expect("environments are limited to megabytes")));
        Self { automaton, encodings: encodings.into(), secrets: secrets.into() }
    }

    /// The first known secret in these bytes.
    pub fn scan(&self, bytes: &[u8]) -> Option<GateHit> {
        let found = self.automaton.as_ref()?.find(bytes)?;
        Some(GateHit { encoding: self.encodings[found.pattern().as_usize()], offset: found.start() })
    }

    /// The text with every known secret masked; none where it holds none.
    pub fn masked(&self, text: &str) -> Option<String> {
        let spans = self.spans(text);
        (!spans.is_empty()).then(|| replaced(text, spans, &mask(KNOWN)))
    }

    /// The same for a thread's name as the kernel keeps it, which may end within a secret.
    pub fn masked_thread_name(&self, name: &str) -> Option<String> {
        let masked = self.masked(name);
        if name.len() < LONGEST_THREAD_NAME {
            return masked;
        }
        let kept = masked.as_deref().unwrap_or(name);
        let is_cut_secret = |tail: &str| self.secrets.iter().any(|secret| secret.starts_with(tail));
        let cut = kept
            .char_indices()
            .map(|(at, _)| at)
            .take_while(|at| kept.len() - at >= SHORTEST)
            .find(|at| is_cut_secret(&kept[*at..]));
        cut.map(|at| kept[..at].to_owned() + &mask(KNOWN)).or(masked)
    }

    /// Every part of a text that is a known secret, in order and apart. Overlapping ones are joined, so that of two
    /// secrets that share characters neither stays behind in part.
    pub(super) fn spans(&self, text: &str) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let mut found: Vec<Range<usize>> = automaton.find_overlapping_iter(text).map(|found| found.range()).collect();
        found.sort_by_key(|range| range.start);
        let mut spans: Vec<Range<usize>> = Vec::new();
        for range in found {
            match spans.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => spans.push(range),
            }
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    const SECRET: &str = "p4ss\"w<&é%/ ord'";

    #[test]
    fn a_gate_without_secrets_lets_everything_through() {
        assert_eq!(Gate::new([]).scan(b"anything"), None);
    }

    #[test]
    fn a_hit_tells_how_and_where_and_not_what() {
        let gate = Gate::new(["hunter2hunter2"]);
        let hit = gate.scan(b"<text>hunter2hunter2</text>").unwrap();
        assert_eq!(hit.to_string(), "a known secret, plain, at byte 6");
        assert!(!format!("{gate:?}{hit:?}").contains("hunter2"));
    }

    #[test]
    fn every_encoding_is_recognised() {
        let gate = Gate::new([SECRET]);
        for before in ["", "a", "ab", "abc"] {
            let text = format!("{before}{SECRET}tail");
            assert_eq!(gate.scan(STANDARD.encode(&text).as_bytes()).unwrap().encoding, Encoding::Base64);
            assert_eq!(gate.scan(URL_SAFE.encode(&text).as_bytes()).unwrap().encoding, Encoding::Base64);
        }
        for (text, encoding) in [
            (r#"{"k":"p4ss\"w<&é%/ ord'"}"#, Encoding::Json),
            (r#"{"k":"p4ss\"w<&\u00e9%/ ord'"}"#, Encoding::Json),
            (r#"{"k":"{\"k\":\"p4ss\\\"w<&é%/ ord'\"}"}"#, Encoding::Json),
            ("<t>p4ss\"w&lt;&amp;é%/ ord'</t>", Encoding::Xml),
            ("<t a=\"p4ss&quot;w&lt;&amp;é%/ ord&apos;\"/>", Encoding::Xml),
            ("<b>p4ss&quot;w&lt;&amp;é%&#x2f; ord&#x27;</b>", Encoding::Xml),
            ("?q=p4ss%22w%3C%26%C3%A9%25%2F%20ord%27", Encoding::Percent),
            ("?q=p4ss%22w%3c%26%c3%a9%25%2f+ord%27", Encoding::Percent),
            ("k: 'p4ss\"w<&é%/ ord'''", Encoding::Plain),
        ] {
            assert_eq!(gate.scan(text.as_bytes()).map(|hit| hit.encoding), Some(encoding), "{text}");
        }
    }

    #[test]
    fn a_thread_name_that_ends_within_a_secret_is_masked_from_there() {
        let gate = Gate::new(["p4ssw0rd-of-nobody"]);
        for (name, masked) in [
            ("p4ssw0rd-of-nob", Some("***known-secret***")),
            ("pool-1-p4ssw0rd", Some("pool-1-***known-secret***")),
            ("pool-12-p4ssw0r", None),
            ("p4ssw0rd", None),
            ("asyncio_0", None),
        ] {
            assert_eq!(gate.masked_thread_name(name).as_deref(), masked, "{name}");
        }
    }

    #[test]
    fn overlapping_secrets_are_one_span() {
        let gate = Gate::new(["abcdefgh1234", "1234ijklmnop"]);
        let spans = gate.spans("..abcdefgh1234ijklmnop..");
        assert_eq!((spans.len(), &spans[0]), (1, &(2..22)));
    }
}
