//! Lines that matter, counted by what they mean and what they are about.

use std::collections::BTreeMap;

use crate::logs::cleaner::Hit;
use crate::logs::{Finding, Kind};
use crate::redact::{Clean, Raw, Redactor};

/// So many findings are kept.
const MOST_FINDINGS: usize = 30;

/// On which side of the capture's beginning a line came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before.
    Before,
    /// During.
    During,
}

/// Counts lines that matter.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<(Kind, Option<String>), Found>);

#[derive(Debug, Default)]
struct Found {
    before: u64,
    during: u64,
    example: String,
    worst_seconds: Option<f64>,
}

impl Findings {
    /// Counts lines of one side.
    pub fn add(&mut self, side: Side, hits: Vec<Hit>) {
        for hit in hits {
            let found = self.0.entry((hit.kind, hit.about)).or_default();
            match side {
                Side::Before => found.before += 1,
                Side::During => found.during += 1,
            }
            found.example = hit.example;
            found.worst_seconds = found.worst_seconds.into_iter().chain(hit.seconds).reduce(f64::max);
        }
    }

    /// By kind, in each the most frequent first.
    pub fn list(self, redactor: &mut Redactor, file: &'static str) -> Vec<Finding<Clean>> {
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_by_key(|((kind, _), found)| (*kind, u64::MAX - found.before - found.during));
        all.truncate(MOST_FINDINGS);
        let mut clean = |text: String| redactor.text(file, &Raw::new(text));
        let finding = |((kind, about), found): ((Kind, Option<String>), Found)| {
            let delay = found.worst_seconds.map(|seconds| format!(", by up to {seconds:.1} s"));
            let about = about.map(|about| clean(about + &delay.unwrap_or_default()));
            Finding { kind, about, before: found.before, during: found.during, example: clean(found.example) }
        };
        all.into_iter().map(finding).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Sources;

    fn hit(kind: Kind, about: &str, seconds: Option<f64>) -> Hit {
        Hit { kind, about: Some(about.to_owned()), example: format!("about {about}"), seconds }
    }

    #[test]
    fn both_sides_are_counted_and_the_worst_delay_is_kept() {
        let mut findings = Findings::default();
        findings.add(Side::Before, vec![hit(Kind::JobMissed, "job", Some(2.0))]);
        findings
            .add(Side::During, vec![hit(Kind::JobMissed, "job", Some(9.25)), hit(Kind::JobMissed, "job", Some(1.0))]);
        let listed = findings.list(&mut Redactor::new(&Sources::default()), "evidence.json");
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].before, listed[0].during), (1, 2));
        assert_eq!(listed[0].about.as_ref().unwrap().as_str(), "job, by up to 9.2 s");
    }

    #[test]
    fn of_many_the_most_frequent_stay() {
        let mut findings = Findings::default();
        for n in 0..50 {
            findings.add(Side::During, (0..=n).map(|_| hit(Kind::Error, &format!("place{n}"), None)).collect());
        }
        findings.add(Side::During, vec![hit(Kind::WorkerDied, "w", None)]);
        let listed = findings.list(&mut Redactor::new(&Sources::default()), "evidence.json");
        assert_eq!((listed.len(), listed[0].kind, listed[1].during), (30, Kind::WorkerDied, 50));
    }
}
