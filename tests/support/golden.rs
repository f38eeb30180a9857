//! Pictures as they were when somebody last looked at them, and pictures taken apart.

use std::{env, fs, path::PathBuf};

use quick_xml::{Reader, events::Event};

/// Compares with a file of `tests/golden`, line by line; with `CAPTURE_BLESS` it is written instead.
#[track_caller]
pub fn assert_as_blessed(name: &str, content: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("CAPTURE_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the golden files' folder");
        fs::write(&path, content).expect("a golden file");
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let how = concat!(
        "if it is meant to be so: CAPTURE_BLESS=1 cargo test --test ",
        env!("CARGO_CRATE_NAME"),
        ", and look at the picture"
    );
    for (index, (line, blessed)) in content.lines().zip(golden.lines()).enumerate() {
        // Frames all stand in one line: the first differing part tells more than the line.
        let apart = line.char_indices().zip(blessed.chars()).find(|((_, one), other)| one != other);
        let part = |text: &str, at: usize| text.chars().skip(at.saturating_sub(80)).take(200).collect::<String>();
        let at = apart.map_or(line.len().min(blessed.len()), |((at, _), _)| line[..at].chars().count());
        assert!(
            line == blessed,
            "{name}:{}:{at}\n    is: {}\nblessed: {}\n{how}",
            index + 1,
            part(line, at),
            part(blessed, at)
        );
    }
    assert_eq!(content.lines().count(), golden.lines().count(), "{name} has other lines; {how}");
}

/// Every element and every text of the picture, once it is seen to be well-formed XML.
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
                let character = quick_xml::escape::unescape(&format!("&{name};")).expect("a known name").into_owned();
                text.push_str(&character);
            }
            Event::End(_) => texts.push(std::mem::take(&mut text).trim_start().to_owned()),
            Event::Eof => return (elements, texts),
            _ => {}
        }
    }
}
