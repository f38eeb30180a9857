//! Lines for a terminal: a word in front, what it is behind it.

/// What is longer goes on in the next line, below its beginning.
const LONGEST_LINE: usize = 120;
/// A percent sign while lines are broken: no white space, and in no text.
const GLUED_PERCENT: &str = "\u{e000}%";
/// The word in front, with the space behind it.
const WORD: usize = 10;

/// The lines so far.
#[derive(Debug, Default)]
pub struct Lines(Vec<String>);

impl Lines {
    /// Broken between words, but never between a figure and its percent sign; a word that is longer than a line is left
    /// whole.
    pub fn line(&mut self, word: &str, text: &str) {
        let text = text.replace(" %", GLUED_PERCENT);
        let mut line = format!("{word:WORD$}");
        let mut length = WORD;
        for (index, next) in text.split_whitespace().enumerate() {
            let more = next.chars().count() + 1;
            if index > 0 && length + more > LONGEST_LINE {
                self.0.push(std::mem::replace(&mut line, " ".repeat(WORD)));
                length = WORD;
            } else if index > 0 {
                line.push(' ');
            }
            line.push_str(&next.replace(GLUED_PERCENT, " %"));
            length += more;
        }
        self.0.push(line);
    }

    /// Items with commas between; no line where there is none.
    pub fn list(&mut self, word: &str, items: impl Iterator<Item = String>) {
        let items: Vec<String> = items.collect();
        if !items.is_empty() {
            self.line(word, &items.join(", "));
        }
    }

    /// A line that is to be copied: below the others' text, and never broken.
    pub fn whole(&mut self, text: &str) {
        self.0.push(format!("{}{text}", " ".repeat(WORD)));
    }

    /// All of them.
    pub fn into_lines(self) -> Vec<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_below_its_beginning() {
        let mut summary = Lines::default();
        summary.line("short", "two  words");
        summary.line("long", &"word ".repeat(40));
        summary.line("", &"x".repeat(200));
        let lines = summary.0;
        assert_eq!(lines[0], "short     two words");
        assert_eq!(lines[1], format!("long      {}word", "word ".repeat(21)));
        assert_eq!(lines[2], format!("          {}word", "word ".repeat(17)));
        assert!(lines[1].len() <= LONGEST_LINE && lines[1].len() + " word".len() > LONGEST_LINE);
        assert_eq!(lines[3], format!("          {}", "x".repeat(200)), "a word is never broken");
        let mut summary = Lines::default();
        summary.line("", &"94.4 % ".repeat(20));
        assert!(summary.0.iter().all(|line| line.ends_with("94.4 %")), "{:?}", summary.0);
    }
}
