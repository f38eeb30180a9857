//! Files as they were when somebody last looked at them, line by line. `CAPTURE_BLESS=1` writes them anew.

use std::{env, fs, path::PathBuf};

#[track_caller]
pub fn assert_as_blessed(name: &str, content: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("CAPTURE_BLESS").is_some() {
        fs::write(&path, content).expect("a golden file");
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let how = "if it is meant to be so: CAPTURE_BLESS=1 cargo test, and look at what it gives";
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
