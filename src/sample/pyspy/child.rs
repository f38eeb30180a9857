//! One py-spy at work on one worker, from start to trace file.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::os::child::{Ending, Supervised};
use crate::os::clock::{born_us, monotonic_us};
use crate::os::proc::ProcessId;
use crate::sample::pyspy::PySpy;

/// Attaching reads the interpreter's symbols; seconds under throttling, never this long.
const ATTACH_DEADLINE_US: u64 = 15_000_000;
/// How long py-spy may take to write its file after SIGINT, then to die of SIGTERM, before the next signal follows.
const GRACE_US: [(Signal, u64); 2] = [(Signal::SIGTERM, 5_000_000), (Signal::SIGKILL, 6_000_000)];

/// In fewer of its intervals a sampler may well see no stack: py-spy draws the time until its next look by chance
/// (`src/timer.rs`), and gives up those that it finds torn.
const FEWEST_INTERVALS: u64 = 10;

/// How samples are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// The worker runs on while its memory is read; a stack can be torn.
    Nonblocking,
    /// The worker is stopped by ptrace for each sample.
    Blocking,
}

/// What a child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading the interpreter's layout.
    Attaching,
    /// Taking samples.
    Sampling,
    /// Asked to stop; writing its file.
    Stopping,
    /// Gone.
    Ended,
}

/// One child's record: what it was told, what it said, where its trace is. Kept in the work folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The worker.
    pub process: ProcessId,
    /// Samples a second asked for.
    pub rate_hz: u32,
    /// The trace's file name in the work folder.
    pub file: String,
    /// When the child was started, in microseconds since the capture began.
    pub spawned_us: u64,
    /// When it said that it samples.
    pub sampling_us: Option<u64>,
    /// When it said that it stopped, just before it wrote its last event; as late as we heard of it.
    pub stopped_us: Option<u64>,
    /// When its trace file was made, just after that, by the file system's own clock.
    pub written_us: Option<u64>,
    /// Thread stacks it kept.
    pub stacks: Option<u64>,
    /// Samples it lost to an error.
    pub errors: Option<u64>,
    /// How often it complained of being behind.
    pub behind: u32,
    /// CPU time of the child.
    pub cpu_us: u64,
    /// Why it is of no or little use, in one line; none when it ended as asked.
    pub fault: Option<String>,
}

impl Segment {
    /// Whether it ended because the kernel did not let it attach.
    pub fn refused(&self) -> bool {
        let fault = self.fault.as_deref().unwrap_or_default().to_lowercase();
        self.sampling_us.is_none()
            && ["permission denied", "operation not permitted"].iter().any(|words| fault.contains(words))
    }
}

/// A running py-spy.
#[derive(Debug)]
pub struct PySpyChild {
    child: Supervised,
    segment: Segment,
    output: PathBuf,
    epoch_us: u64,
    stop_asked_us: Option<u64>,
    is_called_off: bool,
    signals_sent: usize,
    said_process_exited: bool,
}

impl PySpyChild {
    /// Starts py-spy on a worker; its trace will be written to `folder/file` when it ends.
    pub fn start(py_spy: &PySpy, order: &SegmentOrder<'_>) -> io::Result<Self> {
        let output: PathBuf = order.folder.join(&order.file);
        let mut arguments: Vec<String> =
            ["record", "--format", "chrometrace", "--idle", "--threads", "--full-filenames"]
                .map(str::to_owned)
                .to_vec();
        if order.sampling == Sampling::Nonblocking {
            arguments.push("--nonblocking".to_owned());
        }
        // We stop it at our own deadline: its own counts samples, and so stretches when it falls behind.
        arguments.extend(["--duration".to_owned(), "unlimited".to_owned()]);
        arguments.extend(["--rate".to_owned(), order.rate_hz.to_string()]);
        arguments.extend(["--pid".to_owned(), order.process.pid.to_string()]);
        arguments.extend(["--output".to_owned(), output.display().to_string()]);
        let child = Supervised::spawn(&py_spy.path, &arguments)?;
        let segment = Segment {
            process: order.process,
            rate_hz: order.rate_hz,
            file: order.file.clone(),
            spawned_us: child.spawned_us.saturating_sub(order.epoch_us),
            sampling_us: None,
            stopped_us: None,
            written_us: None,
            stacks: None,
            errors: None,
            behind: 0,
            cpu_us: 0,
            fault: None,
        };
        let epoch_us = order.epoch_us;
        Ok(Self {
            child,
            segment,
            output,
            epoch_us,
            stop_asked_us: None,
            is_called_off: false,
            signals_sent: 0,
            said_process_exited: false,
        })
    }

    /// The worker it samples.
    pub fn process(&self) -> ProcessId {
        self.segment.process
    }

    /// Samples a second asked for.
    pub fn rate_hz(&self) -> u32 {
        self.segment.rate_hz
    }

    /// The child itself, to poll its pipes and read its cost.
    pub fn child(&self) -> &Supervised {
        &self.child
    }

    /// When it began to sample, in microseconds since the capture began.
    pub fn sampling_us(&self) -> Option<u64> {
        self.segment.sampling_us
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        if self.child.ending().is_some() {
            Phase::Ended
        } else if self.stop_asked_us.is_some() {
            Phase::Stopping
        } else if self.segment.sampling_us.is_some() {
            Phase::Sampling
        } else {
            Phase::Attaching
        }
    }

    /// Asks it to stop and write its file.
    pub fn stop(&mut self) -> io::Result<()> {
        if self.stop_asked_us.is_none() {
            self.stop_asked_us = Some(monotonic_us());
            // Before it samples, its handler for SIGINT is not installed; the signal then ends it without a file.
            self.child.signal(Signal::SIGINT)?;
        }
        Ok(())
    }

    /// Asks it to stop since another one samples the worker: whatever it has not done by now is no fault.
    pub fn call_off(&mut self) -> io::Result<()> {
        self.is_called_off = true;
        self.stop()
    }

    /// Takes in its output and presses on with the signals when it does not obey.
    pub fn pump(&mut self) -> io::Result<()> {
        self.child.pump()?;
        for line in self.child.take_stdout() {
            self.read_line(&line.text, line.at_us.saturating_sub(self.epoch_us));
        }
        let now_us = monotonic_us();
        match self.stop_asked_us {
            Some(asked_us) => {
                if let Some(&(signal, after_us)) = GRACE_US.get(self.signals_sent)
                    && now_us > asked_us + after_us
                {
                    self.segment.fault = Some("did not stop when asked and was ended by force".to_owned());
                    self.signals_sent += 1;
                    self.child.signal(signal)?;
                }
            }
            None => {
                if self.phase() == Phase::Attaching && now_us > self.child.spawned_us + ATTACH_DEADLINE_US {
                    self.segment.fault = Some(format!("did not attach within {} s", ATTACH_DEADLINE_US / 1_000_000));
                    self.stop_asked_us = Some(now_us);
                    self.child.signal(Signal::SIGKILL)?;
                }
            }
        }
        Ok(())
    }

    /// The record of an ended child.
    pub fn into_segment(mut self) -> Segment {
        self.segment.cpu_us = self.child.cpu_us();
        self.segment.written_us = born_us(&self.output).map(|born_us| born_us.saturating_sub(self.epoch_us));
        if self.segment.fault.is_none() && !self.is_called_off {
            self.segment.fault = self.fault();
        }
        self.segment
    }

    fn fault(&self) -> Option<String> {
        // A run that wrote its file did its work, whatever the worker did meanwhile.
        let said = self.child.stderr().iter().map(|line| line.text.trim()).filter(|text| !text.is_empty());
        // Its causes are of use, the addresses of its own functions are not.
        let said = said.take_while(|text| *text != "Stack backtrace:").take(4).collect::<Vec<_>>().join(" ");
        match self.child.ending() {
            Some(Ending::Code(0))
                if self.segment.stacks == Some(0) && !self.said_process_exited && self.had_time_to_look() =>
            {
                Some("ended well but saw no stack".to_owned())
            }
            Some(Ending::Code(0)) | None => None,
            Some(Ending::Code(code)) if said.is_empty() => Some(format!("exit code {code}")),
            Some(Ending::Code(code)) => Some(format!("exit code {code}: {said}")),
            // Stopped by us before it had attached: nothing was asked of it yet.
            Some(Ending::Signal(signal)) if signal == Signal::SIGINT as i32 && self.stop_asked_us.is_some() => {
                Some("was stopped before it had attached".to_owned())
            }
            Some(Ending::Signal(signal)) => Some(format!("was ended by signal {signal}")),
        }
    }

    fn had_time_to_look(&self) -> bool {
        let (Some(since_us), Some(asked_us)) = (self.segment.sampling_us, self.stop_asked_us) else { return true };
        let sampled_us = asked_us.saturating_sub(self.epoch_us + since_us);
        sampled_us * u64::from(self.segment.rate_hz) >= FEWEST_INTERVALS * 1_000_000
    }

    /// The lines py-spy prints while recording (`record_samples` in its `src/main.rs`).
    fn read_line(&mut self, line: &str, at_us: u64) {
        let line = line.trim_start_matches("py-spy> ");
        if line.contains("Sampling process ") {
            self.segment.sampling_us.get_or_insert(at_us);
        } else if line.contains("Stopped sampling") {
            self.segment.stopped_us = Some(at_us);
            self.said_process_exited |= line.contains("process exited");
        } else if line.contains(" behind in sampling") {
            self.segment.behind += 1;
        } else if let Some((_, counts)) = line.split_once("Samples: ") {
            let mut numbers = counts.split(" Errors: ").map(|number| number.trim().parse().ok());
            self.segment.stacks = numbers.next().flatten();
            self.segment.errors = numbers.next().flatten();
        }
    }
}

/// What a child is to do.
#[derive(Debug)]
pub struct SegmentOrder<'a> {
    /// The worker.
    pub process: ProcessId,
    /// Samples a second.
    pub rate_hz: u32,
    /// Whether to stop the worker for each sample.
    pub sampling: Sampling,
    /// The work folder.
    pub folder: &'a Path,
    /// The trace's file name there.
    pub file: String,
    /// `CLOCK_MONOTONIC` at the capture's beginning.
    pub epoch_us: u64,
}
