//! Markdown as GitHub reads it, with text of the target's in it that stays text.
//!
//! [`text`] is for words, [`prose`] for sentences of ours with names in them, and [`code`] for names and values; whatever they are given, a reader sees just that: no markup,
//! no table cell more, no person mentioned, no other issue linked. What [`Document`] takes is Markdown already.

use std::fmt::Write as _;

use crate::render::prose::{Part, parts};

/// A name or a value longer than this is cut; the bundle has it whole.
const LONGEST_CODE: usize = 200;
/// A sentence longer than this is cut.
const LONGEST_TEXT: usize = 600;
/// Keeps GitHub from seeing a mention or a reference, and is not seen itself.
const APART: &str = "<!-- -->";

/// Words on one line.
pub fn text(foreign: &str) -> String {
    let line: Vec<char> = one_line(foreign, LONGEST_TEXT).chars().collect();
    let mut out = String::with_capacity(line.len() + 16);
    for (index, &character) in line.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| line[before]);
        let after = line.get(index + 1).copied();
        let alone = |neighbour: Option<char>| neighbour.is_none_or(|neighbour| !neighbour.is_alphanumeric());
        match character {
            // A backslash does not save a pipe in every place of a table; a character reference does.
            '|' => out.push_str("&#124;"),
            '\\' | '`' | '*' | '[' | ']' | '<' | '~' | '$' => out.extend(['\\', character]),
            '_' if alone(before) || alone(after) => out.push_str("\\_"),
            '&' if after.is_some_and(|after| after.is_ascii_alphanumeric() || after == '#') => out.push_str("\\&"),
            '#' => {
                out.push_str("\\#");
                out.push_str(if after.is_some_and(|after| after.is_ascii_digit()) { APART } else { "" });
            }
            '@' => out.extend(["@", if after.is_some_and(char::is_alphanumeric) { APART } else { "" }]),
            // `GH-12` is an issue too.
            '-' if before == Some('H') && after.is_some_and(|after| after.is_ascii_digit()) => out.extend(["-", APART]),
            '>' | '-' | '+' | '=' | ':' if index == 0 => out.extend(['\\', character]),
            // At the beginning of a line a number with a dot begins a list.
            '.' | ')' if index > 0 && after.is_none_or(char::is_whitespace) && is_number(&line[..index]) => {
                out.extend(['\\', character]);
            }
            _ => out.push(character),
        }
    }
    out
}

fn is_number(line: &[char]) -> bool {
    line.iter().all(char::is_ascii_digit)
}

/// A sentence of ours on one line, its names set as code.
pub fn prose(sentence: &str) -> String {
    let line = one_line(sentence, LONGEST_TEXT);
    let written = |part| match part {
        Part::Name(name) => code(name),
        Part::Words(words) => {
            let [before, after] = [words.starts_with(' '), words.ends_with(' ')].map(|is| if is { " " } else { "" });
            if words.trim().is_empty() { before.to_owned() } else { format!("{before}{}{after}", text(words)) }
        }
    };
    parts(&line).into_iter().map(written).collect()
}

/// A name or a value on one line.
pub fn code(foreign: &str) -> String {
    let line = one_line(foreign, LONGEST_CODE);
    if line.is_empty() {
        return "(empty)".to_owned();
    }
    if line.contains('|') {
        return code_as_html(&line);
    }
    let fence = "`".repeat(longest_run(&line, '`') + 1);
    let space = if line.starts_with('`') || line.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{line}{space}{fence}")
}

/// In a code span a table would still see the pipe, and a backslash before it would be seen by the reader.
fn code_as_html(line: &str) -> String {
    let mut out = String::from("<code>");
    for character in line.chars() {
        if character.is_ascii_punctuation() {
            // Writing to a string cannot fail.
            let _ = write!(out, "&#{};", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out + "</code>"
}

/// Lines of text as a block of code, `language` for its colours. Characters that are neither seen nor line ends go.
pub fn fenced(language: &str, foreign: &str) -> String {
    let body: String = foreign.lines().map(|line| unseen_replaced(line, "").trim_end().to_owned() + "\n").collect();
    let fence = "`".repeat(longest_run(&body, '`').max(2) + 1);
    format!("{fence}{language}\n{body}{fence}")
}

/// Folded away below a line of Markdown.
pub fn details(summary: &str, body: &str) -> String {
    format!("<details>\n<summary>{summary}</summary>\n\n{}\n\n</details>", body.trim_end())
}

/// Rows of cells below a heading; every cell is Markdown.
#[derive(Debug)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns. One whose name ends with a space is set to the right, as figures are.
    pub fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells that are missing are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.columns.len(), String::new());
        self.rows.push(cells);
    }

    /// The same table without the columns in which nothing stands.
    #[must_use]
    pub fn narrowed(mut self) -> Self {
        for column in (0..self.columns.len()).rev() {
            if self.rows.iter().all(|row| row[column].is_empty()) {
                self.columns.remove(column);
                self.rows.iter_mut().for_each(|row| drop(row.remove(column)));
            }
        }
        self
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn lines(&self) -> Vec<String> {
        let rule = self.columns.iter().map(|name| if name.ends_with(' ') { "---:" } else { "---" });
        let rule = format!("|{}|", rule.collect::<Vec<_>>().join("|"));
        let names: Vec<String> = self.columns.iter().map(|name| name.trim_end().to_owned()).collect();
        let line = |cells: &Vec<String>| format!("| {} |", cells.join(" | "));
        [line(&names), rule].into_iter().chain(self.rows.iter().map(line)).collect()
    }
}

/// Blocks of Markdown, one below the other.
#[derive(Debug, Default)]
pub struct Document(String);

impl Document {
    /// A block: a paragraph, a list, code.
    pub fn block(&mut self, markdown: impl AsRef<str>) {
        let block = markdown.as_ref().trim_end();
        if block.is_empty() {
            return;
        }
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(block);
        self.0.push('\n');
    }

    /// A heading; 1 is the document's own.
    pub fn heading(&mut self, level: usize, title: &str) {
        self.block(format!("{} {title}", "#".repeat(level)));
    }

    /// A list.
    pub fn bullets(&mut self, items: impl IntoIterator<Item = String>) {
        let items: Vec<String> = items.into_iter().map(|item| format!("- {item}")).collect();
        self.block(items.join("\n"));
    }

    /// A table; nothing where it has no row.
    pub fn table(&mut self, table: &Table) {
        if !table.is_empty() {
            self.block(table.lines().join("\n"));
        }
    }

    /// Another document's blocks.
    pub fn append(&mut self, other: &Self) {
        self.block(&other.0);
    }

    /// The whole.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Text on one line, each stretch of white space one space, cut to a number of characters.
fn one_line(foreign: &str, longest: usize) -> String {
    let seen = unseen_replaced(foreign, " ");
    let line = seen.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(longest) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line,
    }
}

/// Characters that move the cursor or turn the text around are no text.
fn unseen_replaced(foreign: &str, by: &str) -> String {
    let unseen = |character: char| {
        (character.is_control() && character != '\t')
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    foreign.replace(unseen, by)
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|character| character != of).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;

    /// What a reader sees of a block, and the elements that it is made of.
    fn read(markdown: &str) -> (String, Vec<String>) {
        let (mut seen, mut elements) = (String::new(), Vec::new());
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_MATH;
        for event in Parser::new_ext(markdown, options) {
            match event {
                Event::Text(text) | Event::Code(text) => seen.push_str(&text),
                Event::SoftBreak | Event::HardBreak => seen.push('\n'),
                Event::InlineHtml(html) if &*html == APART || html.ends_with("code>") => {}
                Event::Start(Tag::Paragraph | Tag::CodeBlock(_) | Tag::TableCell | Tag::TableHead | Tag::TableRow)
                | Event::End(_) => {}
                other => elements.push(format!("{other:?}")),
            }
        }
        (seen, elements)
    }

    /// Text that is likely to be markup.
    fn hostile() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "|",
            "\\",
            "`",
            "```",
            "*",
            "**",
            "_",
            "__",
            "[",
            "]",
            "(",
            ")",
            "<",
            ">",
            "<b>",
            "</details>",
            "<!--",
            "-->",
            "&",
            "&amp;",
            "&#124;",
            "#",
            "# ",
            "@",
            "-",
            "- ",
            "+",
            "=",
            "~",
            "~~",
            "$",
            "$$",
            "!",
            ":",
            "1.",
            "1)",
            ".",
            " ",
            "  ",
            "    ",
            "\n",
            "\n\n",
            "\r",
            "\t",
            "a",
            "B",
            "0",
            "é",
            "漢",
            "\u{202e}",
            "\u{0}",
            "http://x.y",
            "www.",
        ]);
        prop::collection::vec(
            prop_oneof![3 => part.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)],
            0..24,
        )
        .prop_map(|parts| parts.concat())
    }

    fn in_a_table(cell: &str) -> String {
        let mut table = Table::new(&["a", "b "]);
        table.row([cell, "end"]);
        table.lines().join("\n")
    }

    #[test]
    fn names_stay_readable_as_they_are_written() {
        assert_eq!(
            text("async_success_handler took 94.4 % (a-b.py:12)"),
            "async_success_handler took 94.4 % (a-b.py:12)"
        );
        assert_eq!(code("BurnCPU.scrub (a/b_c.py)"), "`BurnCPU.scrub (a/b_c.py)`");
    }

    #[test]
    fn nobody_is_mentioned_and_nothing_is_linked() {
        assert_eq!(text("@someone #12 GH-7 a@b.c"), "@<!-- -->someone \\#<!-- -->12 GH-<!-- -->7 a@<!-- -->b.c");
    }

    #[test]
    fn what_is_too_long_is_cut_where_it_can_be_seen() {
        let cut = code(&"é".repeat(LONGEST_CODE + 1));
        assert_eq!(cut, format!("`{}…`", "é".repeat(LONGEST_CODE)));
    }

    #[test]
    fn a_column_in_which_nothing_stands_is_left_out() {
        let mut table = Table::new(&["a", "b ", "c"]);
        table.row(["1", "", "3"]);
        table.row(["", "", ""]);
        assert_eq!(table.narrowed().lines(), ["| a | c |", "|---|---|", "| 1 | 3 |", "|  |  |"]);
    }

    proptest! {
        #[test]
        fn prose_is_read_as_it_was(foreign in hostile()) {
            let seen = one_line(&foreign, LONGEST_TEXT);
            prop_assert_eq!(read(&text(&foreign)), (seen.clone(), vec![]));
            let (read, elements) = read(&in_a_table(&text(&foreign)));
            prop_assert_eq!(read, format!("ab{seen}end"));
            prop_assert_eq!(elements.len(), 1, "the table alone: {:?}", elements);
        }

        #[test]
        fn a_sentence_is_read_as_it_was_but_for_the_marks_of_its_names(foreign in hostile()) {
            let unmarked = |text: &str| text.replace('`', "");
            let seen = unmarked(&one_line(&foreign, LONGEST_TEXT));
            let (words, elements) = read(&prose(&foreign));
            prop_assert_eq!(unmarked(&words), seen.clone());
            prop_assert_eq!(elements, Vec::<String>::new());
            let (words, elements) = read(&in_a_table(&prose(&foreign)));
            prop_assert_eq!(unmarked(&words), format!("ab{seen}end"));
            prop_assert_eq!(elements.len(), 1, "the table alone: {:?}", elements);
        }

        #[test]
        fn code_is_read_as_it_was(foreign in hostile()) {
            let line = one_line(&foreign, LONGEST_CODE);
            let seen = if line.is_empty() { "(empty)".to_owned() } else { line };
            prop_assert_eq!(read(&code(&foreign)), (seen.clone(), vec![]));
            let (read, elements) = read(&in_a_table(&code(&foreign)));
            prop_assert_eq!(read, format!("ab{seen}end"));
            prop_assert_eq!(elements.len(), 1, "the table alone: {:?}", elements);
        }

        #[test]
        fn a_block_of_code_ends_where_it_was_ended(foreign in hostile()) {
            let block = fenced("text", &foreign);
            let whole = details("more", &block) + "\n\nafter";
            let after = read(&whole).0;
            prop_assert!(after.ends_with("after"), "{}", whole);
            let body: String =
                foreign.lines().map(|line| unseen_replaced(line, "").trim_end().to_owned() + "\n").collect();
            prop_assert_eq!(read(&block).0, body);
        }
    }
}
