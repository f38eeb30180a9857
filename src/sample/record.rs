//! What is kept in the work folder while the capture runs, as it comes and with every known secret masked.
//!
//! A trace is masked before a record speaks of it, and a trace without a record is never read: so a capture that is
//! killed at any moment leaves nothing unmasked to be packed.

use std::mem::take;

use serde::Serialize;

use crate::bundle::work::{self, Work};
use crate::collect::Gap;
use crate::notice::Notices;
use crate::os::proc::ProcessId;
use crate::redact::Gate;
use crate::sample::clocks::ProcessRecord;
use crate::sample::native::record::NativeSlice;
use crate::sample::pyspy::Segment;
use crate::sample::{Event, Slice, What};

/// Keeps records, and remembers when that failed.
#[derive(Debug)]
pub struct Recorder<'a> {
    work: &'a Work,
    gate: Gate,
    /// Where a failure to keep something is told.
    pub notices: &'a Notices,
    fault: Option<String>,
}

impl<'a> Recorder<'a> {
    /// Keeps records in a work folder, masked by what the gate knows.
    pub fn new(work: &'a Work, gate: Gate, notices: &'a Notices) -> Self {
        Self { work, gate, notices, fault: None }
    }

    /// The folder.
    pub fn work(&self) -> &'a Work {
        self.work
    }

    /// Why something could not be kept, if so: the first failure.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Something that happened to a worker.
    pub fn event(&mut self, process: ProcessId, what: What, at_us: u64) {
        self.append(work::EVENTS, &Event { at_us, process, what });
    }

    /// An ended sampler, and its trace.
    pub fn segment(&mut self, mut segment: Segment) {
        if let Some(fault) = &mut segment.fault {
            self.mask(fault);
        }
        match self.work.rewrite(&segment.file, |trace| self.gate.masked(trace)) {
            Ok(()) => self.append(work::SEGMENTS, &segment),
            Err(error) => self.note_fault(&error),
        }
    }

    /// The threads' clocks.
    pub fn clocks(&mut self, records: Vec<ProcessRecord>) {
        for mut record in records {
            for thread in &mut record.threads {
                thread.comm = self.gate.masked_thread_name(&thread.comm).unwrap_or_else(|| take(&mut thread.comm));
            }
            self.append(work::CLOCKS, &record);
        }
    }

    /// What the native engine read of a worker.
    pub fn native(&mut self, mut record: NativeSlice) {
        for text in record.frames.iter_mut().flat_map(|frame| [&mut frame.function, &mut frame.file]) {
            self.mask(text);
        }
        for thread in &mut record.threads {
            thread.comm = self.gate.masked_thread_name(&thread.comm).unwrap_or_else(|| take(&mut thread.comm));
            if let Some(name) = &mut thread.name {
                self.mask(name);
            }
        }
        self.append(work::NATIVE, &record);
    }

    /// Something that cannot be had.
    pub fn gap(&mut self, mut gap: Gap) {
        self.mask(&mut gap.why);
        self.append(work::GAPS, &gap);
    }

    /// A slice that ended.
    pub fn slice(&mut self, slice: Slice) {
        self.append(work::SLICES, &slice);
    }

    fn mask(&self, text: &mut String) {
        if let Some(masked) = self.gate.masked(text) {
            *text = masked;
        }
    }

    fn append(&mut self, file: &str, record: &impl Serialize) {
        if let Err(error) = self.work.append(file, record) {
            self.note_fault(&error);
        }
    }

    fn note_fault(&mut self, error: &std::io::Error) {
        if self.fault.is_none() {
            self.notices.warn(format!("cannot write to {}: {error}", self.work.dir().display()));
            self.fault = Some(error.to_string());
        }
    }
}
