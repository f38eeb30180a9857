//! Redacts a command line: values after a secret's flag, and whatever in the other arguments looks like one.

use super::fields::{Mode, json_inside};
use super::names::secrecy;
use super::patterns::mask;
use super::redactor::{Redactor, SECRET_FIELD, WITHHELD};
use super::text::{Clean, Raw};

/// Flags whose value names a host of the owner's network. The config withholds the same.
const ADDRESSES: &[&str] = &["--api_base", "--api-base", "--database_url", "--redis_url"];

/// How the value of a flag is treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    Secret,
    Address,
    Plain,
}

impl Flag {
    fn of(name: &str) -> Self {
        if ADDRESSES.contains(&name) {
            Self::Address
        } else if secrecy(name).is_some() {
            Self::Secret
        } else {
            Self::Plain
        }
    }
}

/// Whether an argument can be a long flag: a random secret may begin with two dashes, but hardly goes on in small
/// letters.
pub fn is_flag(arg: &str) -> bool {
    let name = arg.split_once('=').map_or(arg, |(name, _)| name);
    name.strip_prefix("--").is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    })
}

impl Redactor {
    /// The arguments one by one. Flags and plain values stay: `--config PATH`, `--port 4000`, `--num_workers 4`.
    pub fn argv(&mut self, file: &str, argv: &[Raw]) -> Vec<Clean> {
        let mut after = Flag::Plain;
        let mut clean = Vec::with_capacity(argv.len());
        for arg in argv.iter().map(Raw::expose) {
            // What follows a secret's flag is its value, unless it is another flag: then the first was a switch.
            let is_value = after != Flag::Plain && !is_flag(arg);
            let shown = if is_value {
                self.flag_value(file, after, arg)
            } else {
                match arg.split_once('=') {
                    Some((name, value)) if !name.contains(char::is_whitespace) => {
                        let value = self.flag_value(file, Flag::of(name), value);
                        let name = self.scrub(file, name);
                        // Once more as a whole: a shape may begin before the sign and end after it.
                        self.scrub(file, &format!("{name}={value}"))
                    }
                    _ => self.flag_value(file, Flag::Plain, arg),
                }
            };
            let opens = !is_value && arg.starts_with('-') && !arg.contains('=');
            after = if opens { Flag::of(arg) } else { Flag::Plain };
            clean.push(Clean::redacted(shown));
        }
        clean
    }

    fn flag_value(&mut self, file: &str, flag: Flag, value: &str) -> String {
        let rule = match flag {
            Flag::Plain => {
                return match json_inside(value) {
                    Some(inner) => self.tree(file, "", inner, Mode::Listed, 1).to_string(),
                    None => self.scrub(file, value),
                };
            }
            Flag::Secret => SECRET_FIELD,
            Flag::Address => WITHHELD,
        };
        if value.is_empty() || super::allow::is_reference(value) {
            return self.scrub(file, value);
        }
        self.count(file, rule, 1);
        mask(rule)
    }
}
