//! HTML in the making: markup is what stands in this program, everything else is text.

use crate::render::escape::escaped;
use crate::render::prose::{Part, parts};

/// A page in the making.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Markup of our own. A literal cannot hold anything of the target's.
    pub fn own(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text from anywhere, as content or within an attribute's double quotes.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&escaped(text));
        self
    }

    /// A sentence of ours, its names set as code.
    pub fn prose(&mut self, sentence: &str) -> &mut Self {
        for part in parts(sentence) {
            match part {
                Part::Words(words) => self.text(words),
                Part::Name(name) => self.own("<code>").text(name).own("</code>"),
            };
        }
        self
    }

    /// A cell of a table with text.
    pub fn cell(&mut self, text: &str) -> &mut Self {
        self.own("<td>").text(text).own("</td>")
    }

    /// A cell of a table with a sentence of ours.
    pub fn prose_cell(&mut self, sentence: &str) -> &mut Self {
        self.own("<td>").prose(sentence).own("</td>")
    }

    /// A cell of a table with a figure.
    pub fn figure(&mut self, text: &str) -> &mut Self {
        self.own("<td class=\"figure\">").text(text).own("</td>")
    }

    /// The head of a table; what begins with `#` stands above figures.
    pub fn table(&mut self, heads: &[&'static str]) -> &mut Self {
        self.own("<div class=\"wide\"><table><thead><tr>");
        for head in heads {
            match head.strip_prefix('#') {
                Some(head) => self.own("<th class=\"figure\">").own(head).own("</th>"),
                None => self.own("<th>").own(head).own("</th>"),
            };
        }
        self.own("</tr></thead><tbody>\n")
    }

    /// The end of a table.
    pub fn end_table(&mut self) -> &mut Self {
        self.own("</tbody></table></div>\n")
    }

    /// A list of sentences; nothing where there are none.
    pub fn list(&mut self, sentences: &[String]) -> &mut Self {
        if sentences.is_empty() {
            return self;
        }
        self.own("<ul>");
        for sentence in sentences {
            self.own("<li>").prose(sentence).own("</li>");
        }
        self.own("</ul>")
    }

    /// The page.
    pub fn done(self) -> String {
        self.0
    }
}
