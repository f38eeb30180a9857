//! The stacks of all pods in one flamegraph: the pod is the first frame below the root, then worker, thread and
//! functions.
//!
//! Of every pod only so many stacks are kept as its share of a fixed number, those with most CPU; what the others used
//! stands under a name in brackets, so that widths and sums stay true.

use std::fmt::Write as _;

use crate::redact::Clean;
use crate::render::flamegraph::Palette;
use crate::render::folded::{Detail, fold};
use crate::sample::profile::Profile;

/// Stacks of all pods together. A stack of LiteLLM's is two to three kilobytes of text, and a flamegraph shows what
/// makes up at least a five-thousandth of its width.
const MOST_STACKS: usize = 10_000;
/// A pod is not seen with fewer than these, however many pods there are.
const LEAST_STACKS_OF_A_POD: usize = 50;
/// What the stacks used that were not kept.
pub const SMALLER: &str = "[stacks with less CPU]";

/// The stacks of all pods.
#[derive(Debug)]
pub struct Stacks {
    most_of_a_pod: usize,
    lines: Vec<String>,
    palette: Palette,
}

impl Stacks {
    /// Room for so many pods.
    pub fn of(pods: usize) -> Self {
        let most_of_a_pod = (MOST_STACKS / pods.max(1)).max(LEAST_STACKS_OF_A_POD);
        let mut palette = Palette::default();
        palette.add_no_code(SMALLER);
        Self { most_of_a_pod, lines: Vec::new(), palette }
    }

    /// One pod's.
    pub fn add(&mut self, pod: &str, profile: &Profile<Clean>) {
        self.palette.add(profile);
        self.palette.add_no_code(frame(pod));
        let folded = fold(profile, Detail::Functions);
        let mut stacks: Vec<(&str, u64)> = folded
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(stack, cpu_us)| (stack, cpu_us.parse().unwrap_or(0)))
            .collect();
        stacks.sort_by_key(|(_, cpu_us)| std::cmp::Reverse(*cpu_us));
        let smaller: u64 = stacks.iter().skip(self.most_of_a_pod).map(|(_, cpu_us)| cpu_us).sum();
        stacks.truncate(self.most_of_a_pod);
        if smaller > 0 {
            stacks.push((SMALLER, smaller));
        }
        self.lines.extend(stacks.into_iter().map(|(stack, cpu_us)| format!("{};{stack} {cpu_us}", frame(pod))));
    }

    /// Those of some pods, folded and sorted.
    pub fn folded<'a>(&self, pods: impl IntoIterator<Item = &'a str>) -> String {
        let frames: Vec<String> = pods.into_iter().map(|pod| frame(pod) + ";").collect();
        let mut lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        lines.retain(|line| frames.iter().any(|frame| line.starts_with(frame)));
        lines.sort_unstable();
        let mut folded = String::new();
        for line in lines {
            // Writing to a string cannot fail.
            let _ = writeln!(folded, "{line}");
        }
        folded
    }

    /// Colours for all of them.
    pub fn palette(&self) -> &Palette {
        &self.palette
    }
}

fn frame(pod: &str) -> String {
    format!("pod {pod}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::proc::ProcessId;
    use crate::sample::profile::{Frame, Place, Sample, Shape, StackNode, Thread};

    /// So many stacks of one frame; each uses a microsecond more than the one before.
    fn profile(stacks: u32) -> Profile<Clean> {
        let sample = |index: u32| Sample {
            at_us: 0,
            span_us: 0,
            thread: 0,
            place: Place::Stack(index),
            shape: Shape::Whole,
            cpu_ns: 1_000 * u64::from(index + 1),
            run_delay_ns: 0,
        };
        let process = ProcessId { pid: 7, start_ticks: 1 };
        Profile {
            frames: (0..stacks)
                .map(|line| Frame { function: Clean::from(u64::from(line)), file: Clean::ours("/a.py"), line })
                .collect(),
            stacks: (0..stacks).map(|frame| StackNode { parent: None, frame }).collect(),
            threads: vec![Thread { process, tid: 7, name: Clean::ours("MainThread") }],
            samples: (0..stacks).map(sample).collect(),
        }
    }

    #[test]
    fn of_many_pods_the_largest_stacks_are_kept_and_no_cpu_is_lost() {
        let mut stacks = Stacks::of(1_000);
        stacks.add("a", &profile(60));
        stacks.add("ab", &profile(1));
        let folded = stacks.folded(["a"]);
        assert_eq!(folded.lines().count(), LEAST_STACKS_OF_A_POD + 1);
        assert!(folded.contains("pod a;worker 7;MainThread;59 (a.py) 60\n"), "{folded}");
        let smaller: u64 = (1..=10).sum();
        assert!(folded.contains(&format!("pod a;{SMALLER} {smaller}\n")), "{folded}");
        assert_eq!(stacks.folded(["ab"]), "pod ab;worker 7;MainThread;0 (a.py) 1\n");
    }
}
