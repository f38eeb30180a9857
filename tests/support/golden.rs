//! Files as they were when somebody last looked at them, and SVG taken apart.

use std::{env, fs, path::PathBuf};

use quick_xml::{Reader, events::Event};

/// Compares with a file of `tests/golden`; with `CAPTURE_BLESS` it is written instead.
#[track_caller]
pub fn assert_as_blessed(name: &str, content: &str, how: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("CAPTURE_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the golden files' folder");
        fs::write(&path, content).expect("a golden file");
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    for (index, (line, blessed)) in content.lines().zip(golden.lines()).enumerate() {
        assert!(line == blessed, "{name}:{}\n    is: {line}\nblessed: {blessed}\nif it is meant so: {how}", index + 1);
    }
    assert_eq!(content.lines().count(), golden.lines().count(), "{name} has other lines; if it is meant so: {how}");
}

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
