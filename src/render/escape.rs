//! Text of the target's inside markup: it stays text, whatever it holds.
//!
//! One function for XML and HTML, for content and for attributes in double quotes, so that there is no place for which
//! the wrong one could be taken.

/// The text as markup that shows it. Control characters, which XML cannot hold, and those that turn the text after them
/// around become the replacement character; a newline and a tab stay.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            _ if is_unfit(character) => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(character),
        }
    }
    out
}

fn is_unfit(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns || matches!(character, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escaped("<a b=\"c\" d='e'>&amp;"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;");
        assert_eq!(escaped("a\u{0}b\u{1b}c\u{202e}d\r\ne"), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}\ne");
    }

    proptest! {
        #[test]
        fn an_xml_reader_gets_the_text_back(text in "\\PC*") {
            let escaped = escaped(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let back = quick_xml::escape::unescape(&escaped).expect("well-formed").into_owned();
            let same = back.chars().zip(text.chars()).all(|(is, was)| is == was || is == char::REPLACEMENT_CHARACTER);
            prop_assert!(same && back.chars().count() == text.chars().count());
        }
    }
}
