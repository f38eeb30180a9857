//! The form of a text in Markdown, as GitHub reads it.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Headings, cells in each row of tables, and everything else that is an element of Markdown and no text.
#[derive(Debug, Default, PartialEq)]
pub struct Form {
    pub headings: Vec<String>,
    pub rows: Vec<usize>,
    pub others: Vec<String>,
}

pub fn form(markdown: &str) -> Form {
    let mut form = Form::default();
    let (mut in_heading, mut in_code) = (false, false);
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_MATH) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                in_heading = true;
                form.headings.push(String::new());
            }
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Start(Tag::TableHead | Tag::TableRow) => form.rows.push(0),
            Event::Start(Tag::TableCell) => *form.rows.last_mut().expect("a row") += 1,
            Event::Start(
                Tag::Paragraph
                | Tag::Table(_)
                | Tag::Strong
                | Tag::Emphasis
                | Tag::List(_)
                | Tag::Item
                | Tag::HtmlBlock,
            ) => {}
            Event::Start(other) => form.others.push(format!("{other:?}")),
            Event::Html(html) | Event::InlineHtml(html) => {
                let ours = ["<!-- -->", "<code>", "</code>", "<details>", "</details>"].contains(&html.trim())
                    || html.starts_with("<summary>");
                if !ours {
                    form.others.push(html.to_string());
                }
            }
            Event::InlineMath(math) | Event::DisplayMath(math) => form.others.push(math.to_string()),
            Event::Text(text) if in_heading => form.headings.last_mut().expect("a heading").push_str(&text),
            Event::Text(text) if !in_code => {
                // What GitHub makes of text by itself.
                let mention = text.split('@').skip(1).any(|after| after.starts_with(char::is_alphanumeric));
                let issue = text.split('#').skip(1).any(|after| after.starts_with(|next: char| next.is_ascii_digit()));
                if mention || issue {
                    form.others.push(text.to_string());
                }
            }
            _ => {}
        }
    }
    form
}
