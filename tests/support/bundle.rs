//! A bundle, unpacked into memory.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read,
    path::Path,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use litellm_capture::render::report::data::block;
use serde_json::Value;
use tar::Archive;

use super::page::Page;

pub struct Bundle {
    files: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    #[track_caller]
    pub fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let mut files = BTreeMap::new();
        for entry in Archive::new(GzDecoder::new(file)).entries().expect("a tarball") {
            let mut entry = entry.expect("an entry");
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry.path().expect("an entry's path").into_owned();
            let name = path.components().skip(1).collect::<std::path::PathBuf>();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("an entry's bytes");
            files.insert(name.to_str().expect("a name in UTF-8").to_owned(), bytes);
        }
        Self { files }
    }

    /// Writes it again with one file's bytes changed.
    pub fn write_changed(path: &Path, to: &Path, name: &str, change: impl Fn(String) -> String) {
        let mut packed = Archive::new(GzDecoder::new(File::open(path).expect("a bundle")));
        let mut changed = tar::Builder::new(GzEncoder::new(File::create(to).expect("a file"), Compression::fast()));
        for entry in packed.entries().expect("a tarball") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("an entry's path").into_owned();
            let mut header = entry.header().clone();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("an entry's bytes");
            if path.ends_with(name) {
                bytes = change(String::from_utf8(bytes).expect("a text file")).into_bytes();
                header.set_size(bytes.len() as u64);
            }
            changed.append_data(&mut header, path, bytes.as_slice()).expect("an entry");
        }
        changed.into_inner().and_then(GzEncoder::finish).expect("a bundle");
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The facts of its page.
    #[track_caller]
    pub fn page(&self) -> Page {
        Page::read(self.text("report.html"))
    }

    /// Its files as they are read: those that are compressed, unpacked, and what is packed in the page beside it.
    pub fn unpacked(&self) -> Vec<super::File> {
        let plain = |(name, bytes): (&String, &Vec<u8>)| {
            let mut plain = bytes.clone();
            if Path::new(name).extension().is_some_and(|extension| extension == "gz") {
                plain.clear();
                GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).expect("a compressed file");
            }
            (name.clone(), plain)
        };
        let facts = self.files.get("report.html").and_then(|page| block::unpacked(page));
        let facts = facts.map(|facts| ("report.html, its data".to_owned(), facts));
        self.files.iter().map(plain).chain(facts).collect()
    }

    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        let bytes = self.files.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.files.keys()));
        str::from_utf8(bytes).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    #[track_caller]
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.text(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    /// A figure of `summary.json`.
    #[track_caller]
    pub fn figure(&self, pointer: &str) -> f64 {
        let summary = self.json("summary.json");
        summary.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {pointer} in {summary:#}"))
    }

    #[track_caller]
    pub fn folded(&self, name: &str) -> Stacks {
        Stacks::parse(self.text(name))
    }
}

/// Folded stacks: in the bundle weighted with microseconds of CPU, from py-spy with samples.
pub struct Stacks(Vec<(Vec<String>, u64)>);

impl Stacks {
    #[track_caller]
    pub fn parse(folded: &str) -> Self {
        Self(folded.lines().map(parse_line).collect())
    }

    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, weight)| weight).sum()
    }

    /// The share of the whole that a function of this name was itself running.
    pub fn self_share(&self, name: &str) -> f64 {
        self.share(|frames| frames.last().is_some_and(|frame| function(frame).contains(name)))
    }

    /// The share of the whole that a function of this name was on the stack.
    pub fn inclusive_share(&self, name: &str) -> f64 {
        self.share(|frames| frames.iter().any(|frame| function(frame).contains(name)))
    }

    fn share(&self, belongs: impl Fn(&[String]) -> bool) -> f64 {
        let weight: u64 = self.0.iter().filter(|(frames, _)| belongs(frames)).map(|(_, weight)| weight).sum();
        weight as f64 / self.total().max(1) as f64
    }

    /// The functions that were themselves running most, the first one first.
    pub fn top(&self, count: usize) -> Vec<&str> {
        let mut own = HashMap::<&str, u64>::new();
        for (frames, weight) in &self.0 {
            if let Some(frame) = frames.last() {
                *own.entry(function(frame)).or_default() += weight;
            }
        }
        let mut functions: Vec<_> = own.into_iter().collect();
        functions.sort_by_key(|&(name, weight)| (std::cmp::Reverse(weight), name));
        functions.into_iter().take(count).map(|(name, _)| name).collect()
    }
}

fn parse_line(line: &str) -> (Vec<String>, u64) {
    let (frames, weight) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no weight in `{line}`"));
    let weight = weight.parse().unwrap_or_else(|_| panic!("no whole number at the end of `{line}`"));
    (frames.split(';').map(str::to_owned).collect(), weight)
}

/// `BurnCPU.expensive_pii_scrub (custom_callbacks.py:19)` without the place.
fn function(frame: &str) -> &str {
    frame.split_once(" (").map_or(frame, |(name, _)| name)
}
