//! `profiles/samples.json.gz`: every sample with its time, thread, stack and CPU, in columns.

use std::io::{self, Read, Write};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};

use crate::bundle::manifest::{FORMAT, Format};
use crate::redact::Clean;
use crate::sample::profile::{Frame, Place, Profile, Sample, Shape, StackNode, Thread};

/// In the `stack` column: a thread without Python.
const NATIVE: i64 = -1;
/// In the `stack` column: no sampler was attached.
const NOT_SAMPLED: i64 = -2;

/// The stored form.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    format: Format,
    frames: Vec<Frame<Clean>>,
    /// Each stack is a frame on top of another stack; a parent stands before its children.
    stacks: Vec<StackNode>,
    threads: Vec<Thread<Clean>>,
    samples: Columns,
}

/// One entry a sample in each column.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Columns {
    at_us: Vec<u64>,
    span_us: Vec<u64>,
    thread: Vec<u32>,
    stack: Vec<i64>,
    cpu_ns: Vec<u64>,
    run_delay_ns: Vec<u64>,
    /// 1 where the stack was torn and was mended, 2 where it was torn and stands as it was read; else 0.
    mended: Vec<u8>,
}

/// Writes a profile.
pub fn write(profile: &Profile<Clean>) -> io::Result<Vec<u8>> {
    let mut columns = Columns::default();
    for sample in &profile.samples {
        columns.at_us.push(sample.at_us);
        columns.span_us.push(sample.span_us);
        columns.thread.push(sample.thread);
        columns.stack.push(match sample.place {
            Place::Stack(stack) => i64::from(stack),
            Place::Native => NATIVE,
            Place::NotSampled => NOT_SAMPLED,
        });
        columns.cpu_ns.push(sample.cpu_ns);
        columns.run_delay_ns.push(sample.run_delay_ns);
        columns.mended.push(match sample.shape {
            Shape::Whole => 0,
            Shape::Mended => 1,
            Shape::Torn => 2,
        });
    }
    let stored = Stored {
        format: FORMAT,
        frames: profile.frames.clone(),
        stacks: profile.stacks.clone(),
        threads: profile.threads.clone(),
        samples: columns,
    };
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    gzip.write_all(&serde_json::to_vec(&stored)?)?;
    gzip.finish()
}

/// Reads a profile; an index that points nowhere is an error, not a panic later.
pub fn read(bytes: &[u8]) -> io::Result<Profile<Clean>> {
    let mut json = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut json)?;
    let stored: Stored = serde_json::from_slice(&json)?;
    let columns = stored.samples;
    let samples: Vec<Sample> = columns
        .at_us
        .iter()
        .zip(columns.span_us)
        .zip(columns.thread)
        .zip(columns.stack)
        .zip(columns.cpu_ns)
        .zip(columns.run_delay_ns)
        .zip(columns.mended)
        .map(|((((((&at_us, span_us), thread), stack), cpu_ns), run_delay_ns), mended)| {
            let place = match stack {
                NATIVE => Place::Native,
                stack => u32::try_from(stack).map_or(Place::NotSampled, Place::Stack),
            };
            let shape = match mended {
                1 => Shape::Mended,
                2 => Shape::Torn,
                _ => Shape::Whole,
            };
            Sample { at_us, span_us, thread, place, shape, cpu_ns, run_delay_ns }
        })
        .collect();
    let stacks_hold = stored.stacks.iter().enumerate().all(|(index, node)| {
        (node.frame as usize) < stored.frames.len() && node.parent.is_none_or(|parent| (parent as usize) < index)
    });
    let samples_hold = samples.iter().all(|sample| {
        (sample.thread as usize) < stored.threads.len()
            && !matches!(sample.place, Place::Stack(stack) if stack as usize >= stored.stacks.len())
    });
    if !stacks_hold || !samples_hold || samples.len() != columns.at_us.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the profile's tables do not fit together"));
    }
    Ok(Profile { frames: stored.frames, stacks: stored.stacks, threads: stored.threads, samples })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::proc::ProcessId;

    fn profile() -> Profile<Clean> {
        Profile {
            frames: vec![Frame { function: Clean::ours("f"), file: Clean::ours("/a.py"), line: 3 }],
            stacks: vec![StackNode { parent: None, frame: 0 }],
            threads: vec![Thread {
                process: ProcessId { pid: 1, start_ticks: 2 },
                tid: 1,
                name: Clean::ours("MainThread"),
            }],
            samples: [
                (Place::Stack(0), Shape::Torn),
                (Place::Native, Shape::Whole),
                (Place::NotSampled, Shape::Mended),
            ]
            .map(|(place, shape)| Sample { at_us: 1, span_us: 2, thread: 0, place, shape, cpu_ns: 3, run_delay_ns: 4 })
            .to_vec(),
        }
    }

    #[test]
    fn a_profile_comes_back_as_it_was() {
        let back = read(&write(&profile()).unwrap()).unwrap();
        assert_eq!((back.frames, back.samples), (profile().frames, profile().samples));
    }

    #[test]
    fn an_index_that_points_nowhere_is_refused() {
        let broken = Profile { stacks: vec![], ..profile() };
        assert!(read(&write(&broken).unwrap()).is_err());
    }
}
