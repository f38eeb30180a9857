//! A bundle's samples, read and summed without any code of the program's: what its page says is held against them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::support::bundle::Bundle;

/// `profiles/samples.json.gz`, as far as it is summed here.
#[derive(Deserialize)]
pub struct Samples {
    frames: Vec<Frame>,
    stacks: Vec<Stack>,
    pub threads: Vec<Thread>,
    #[serde(rename = "samples")]
    columns: Columns,
}

#[derive(Deserialize)]
struct Frame {
    function: String,
    file: String,
}

#[derive(Deserialize)]
struct Stack {
    frame: usize,
}

#[derive(Deserialize)]
pub struct Thread {
    pub name: String,
    pub process: Process,
}

#[derive(Deserialize)]
pub struct Process {
    pub pid: i32,
}

#[derive(Deserialize)]
struct Columns {
    at_us: Vec<u64>,
    thread: Vec<usize>,
    /// Below zero where there was none.
    stack: Vec<i64>,
    cpu_ns: Vec<u64>,
}

/// One of the samples.
#[derive(Clone, Copy)]
pub struct Sample {
    pub at_us: u64,
    /// Index of its thread.
    pub thread: usize,
    /// Index of its stack, where there was one.
    pub stack: Option<usize>,
    cpu_ns: u64,
}

/// The function with most CPU of its own, and what all used.
pub struct Top<'a> {
    pub function: &'a str,
    pub self_percent: f64,
    pub total_s: f64,
}

impl Samples {
    pub fn of(bundle: &Bundle) -> Self {
        let files = bundle.unpacked();
        let (_, samples) = files.iter().find(|(name, _)| name == "profiles/samples.json.gz").expect("a profile");
        serde_json::from_slice(samples).expect("samples")
    }

    /// Of those samples that are meant.
    pub fn top(&self, is_meant: impl Fn(Sample) -> bool) -> Top<'_> {
        let mut functions: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        let mut all_ns = 0;
        for sample in self.each().filter(|sample| is_meant(*sample)) {
            all_ns += sample.cpu_ns;
            if let Some(stack) = sample.stack {
                let Frame { function, file } = &self.frames[self.stacks[stack].frame];
                *functions.entry((function, file)).or_default() += sample.cpu_ns;
            }
        }
        let (&(function, _), self_ns) = functions.iter().max_by_key(|(_, ns)| **ns).expect("a function that ran");
        let self_percent = 100.0 * *self_ns as f64 / all_ns as f64;
        Top { function, self_percent, total_s: all_ns as f64 / 1e9 }
    }

    /// CPU of those samples that are meant, in seconds.
    pub fn cpu_s(&self, is_meant: impl Fn(Sample) -> bool) -> f64 {
        self.each().filter(|sample| is_meant(*sample)).map(|sample| sample.cpu_ns as f64 / 1e9).sum()
    }

    fn each(&self) -> impl Iterator<Item = Sample> {
        let Columns { at_us, thread, stack, cpu_ns } = &self.columns;
        (0..at_us.len()).map(|index| Sample {
            at_us: at_us[index],
            thread: thread[index],
            stack: usize::try_from(stack[index]).ok(),
            cpu_ns: cpu_ns[index],
        })
    }
}
