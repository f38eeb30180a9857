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

    /// A finished element of which no byte is the target's own.
    pub fn element(&mut self, element: &str) -> &mut Self {
        self.0.push_str(element);
        self
    }

    /// The page.
    pub fn done(self) -> String {
        self.0
    }
}
