//! Sentences of our own, in which names and commands stand between backticks.

/// A part of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Words, with the spaces around them.
    Words(&'a str),
    /// What stood between backticks.
    Name(&'a str),
}

/// The parts of a sentence on one line. One whose backticks come in no pairs, with something between them, is words alone:
/// then they are somebody else's.
pub fn parts(sentence: &str) -> Vec<Part<'_>> {
    let parts: Vec<&str> = sentence.split('`').collect();
    let is_name = |part: &&str| !part.is_empty() && part.trim() == *part;
    let are_names = parts.len() % 2 == 1 && parts.iter().skip(1).step_by(2).all(is_name);
    // Two names with nothing between them would be a pair of backticks within one name.
    let are_apart = parts.iter().skip(2).step_by(2).rev().skip(1).all(|words| !words.is_empty());
    if !(are_names && are_apart) {
        return vec![Part::Words(sentence)];
    }
    let part = |(index, part)| if index % 2 == 1 { Part::Name(part) } else { Part::Words(part) };
    parts.into_iter().enumerate().map(part).filter(|part| *part != Part::Words("") || sentence.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_between_pairs_of_backticks() {
        assert_eq!(
            parts("set `a: b` in `c`"),
            [Part::Words("set "), Part::Name("a: b"), Part::Words(" in "), Part::Name("c")]
        );
        for words in ["", "no names", "one ` alone", "`` twice", "` spaced `", "`a``b`"] {
            assert_eq!(parts(words), [Part::Words(words)], "{words}");
        }
    }
}
