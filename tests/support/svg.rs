//! SVG taken apart.

use quick_xml::{Reader, events::Event};

/// Every element and every text of a picture, once it is seen to be well-formed XML.
#[track_caller]
pub fn parsed(svg: &str) -> (Vec<String>, Vec<String>) {
    let mut reader = Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    let (mut elements, mut texts, mut text) = (Vec::new(), Vec::new(), String::new());
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Start(tag) | Event::Empty(tag) => {
                for attribute in tag.attributes() {
                    attribute.expect("a well-formed attribute");
                }
                elements.push(tag.name().as_ref().iter().copied().map(char::from).collect());
            }
            Event::Text(part) => text.push_str(&part.decode().expect("text")),
            Event::GeneralRef(name) => {
                let name = name.decode().expect("a name");
                text += &quick_xml::escape::unescape(&format!("&{name};")).expect("a known name");
            }
            Event::End(_) => texts.push(std::mem::take(&mut text).trim_start().to_owned()),
            Event::Eof => return (elements, texts),
            _ => {}
        }
    }
}
