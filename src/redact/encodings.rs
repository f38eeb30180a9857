//! The forms a secret can take inside a finished file: as it is, or as an encoder would write it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// How a secret was written where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// Base64, standard or URL-safe.
    Base64,
    /// Percent-encoded, as in a URL.
    Percent,
    /// Escaped, once or twice, for a JSON string.
    Json,
    /// Escaped for XML or HTML, as in an SVG.
    Xml,
    /// In a YAML string between single quotes.
    Yaml,
    /// Hexadecimal digits.
    Hex,
}

impl Encoding {
    /// The word for it in a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Base64 => "in base64",
            Self::Percent => "percent-encoded",
            Self::Json => "JSON-escaped",
            Self::Xml => "XML-escaped",
            Self::Yaml => "YAML-quoted",
            Self::Hex => "in hexadecimal",
        }
    }
}

/// What every URL encoder leaves alone.
const UNRESERVED: &[u8] = b"-._~";

/// The same for JavaScript's `encodeURIComponent`.
const COMPONENT: &[u8] = b"-._~!'()*";

/// The same for Python's `quote`, which takes its text for a path.
const IN_PATH: &[u8] = b"-._~/";

/// Every form, each once, the plain one first.
pub fn forms(secret: &str) -> Vec<(Encoding, String)> {
    let mut forms = vec![(Encoding::Plain, secret.to_owned())];
    let mut add = |encoding, form: String| {
        if !forms.iter().any(|(_, known)| *known == form) {
            forms.push((encoding, form));
        }
    };
    for json in [json(secret), json_ascii(secret)] {
        add(Encoding::Json, json_ascii(&json));
        add(Encoding::Json, self::json(&json));
        add(Encoding::Json, json.replace('/', r"\/"));
        add(Encoding::Json, json);
    }
    for quotes in [("&quot;", "&apos;"), ("&quot;", "&#39;"), ("&#34;", "&#39;"), ("\"", "'"), ("&quot;", "'")] {
        add(Encoding::Xml, xml(secret, quotes));
    }
    add(Encoding::Xml, xml(secret, ("&quot;", "&#x27;")).replace('/', "&#x2f;"));
    add(Encoding::Yaml, secret.replace('\'', "''"));
    for kept in [UNRESERVED, COMPONENT, IN_PATH] {
        let upper = percent(secret, kept, HexCase::Upper);
        add(Encoding::Percent, upper.replace("%20", "+"));
        add(Encoding::Percent, upper);
        let lower = percent(secret, kept, HexCase::Lower);
        add(Encoding::Percent, lower.replace("%20", "+"));
        add(Encoding::Percent, lower);
    }
    for before in 0..3 {
        let (standard, url_safe) = base64_middle(secret, before);
        add(Encoding::Base64, standard);
        add(Encoding::Base64, url_safe);
    }
    add(Encoding::Hex, hex(secret, HexCase::Lower));
    add(Encoding::Hex, hex(secret, HexCase::Upper));
    forms
}

#[derive(Clone, Copy)]
enum HexCase {
    Lower,
    Upper,
}

fn hex_byte(byte: u8, case: HexCase) -> String {
    match case {
        HexCase::Lower => format!("{byte:02x}"),
        HexCase::Upper => format!("{byte:02X}"),
    }
}

fn hex(secret: &str, case: HexCase) -> String {
    secret.bytes().map(|byte| hex_byte(byte, case)).collect()
}

fn percent(secret: &str, kept: &[u8], case: HexCase) -> String {
    let mut out = String::new();
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex_byte(byte, case));
        }
    }
    out
}

/// The body of a JSON string, characters beyond ASCII as they are.
fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The body of a JSON string as Python writes it by default: ASCII alone.
fn json_ascii(text: &str) -> String {
    let mut out = String::new();
    let mut units = [0; 2];
    for c in json(text).chars() {
        if c.is_ascii() && c != '\x7f' {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

fn xml(text: &str, (double, single): (&str, &str)) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', double).replace('\'', single)
}

/// The characters that base64 writes for the secret whatever stands around it, when `before` bytes (modulo three)
/// precede it: those whose six bits all belong to the secret.
fn base64_middle(secret: &str, before: usize) -> (String, String) {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret.as_bytes());
    let first = (before * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    (STANDARD_NO_PAD.encode(&bytes)[first..end].to_owned(), URL_SAFE_NO_PAD.encode(&bytes)[first..end].to_owned())
}
