//! One small read before a stack: is the thread still the one that was meant, what is its topmost frame, who holds the
//! GIL, does the collector run.

use crate::os::memory::{Fault, Memory};
use crate::sample::native::batch::Batch;
use crate::sample::native::frame::array;
use crate::sample::native::layout::{Gil, Interpreter};
use crate::sample::native::threads::PythonThread;
use crate::sample::native::walk::Top;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glimpse {
    /// The topmost frame, zero where the thread has none; none where it could not be read.
    pub top: Option<Top>,
    /// The thread that holds the GIL; zero where nobody does.
    pub gil_holder: u64,
    /// Whether the garbage collector runs.
    pub is_collecting: bool,
    /// Whether the thread has asked for the GIL; none where the interpreter does not tell.
    pub asks_for_gil: Option<bool>,
}

/// Looks; its buffers are kept.
#[derive(Debug, Default)]
pub struct Glimpser {
    batch: Batch,
}

impl Glimpser {
    /// Looks at a thread; none when it is not that thread any longer.
    pub fn look(
        &mut self,
        memory: &impl Memory,
        interpreter: &Interpreter,
        thread: &PythonThread,
    ) -> Result<Option<Glimpse>, Fault> {
        let layout = &interpreter.layout.thread;
        self.batch.clear();
        match interpreter.gil {
            Gil::Current(current) => self.batch.add(current, 8),
            Gil::Lock { locked, holder } => {
                // Both are fields of one structure.
                self.batch.add(locked, 4) && self.batch.add(holder, 8)
            }
        };
        self.batch.add(interpreter.gc_collecting, 4);
        self.batch.add(thread.address, layout.size);
        self.batch.read(memory)?;
        let last = self.batch.count() - 1;
        // A thread that is gone can take its memory along.
        let Some(state) = self.batch.stretch(last) else { return Ok(None) };
        let word = |offset: usize| array(state, offset).map(u64::from_ne_bytes);
        if word(layout.thread_id) != Some(thread.ident) || word(layout.interpreter) != Some(interpreter.address) {
            return Ok(None);
        }
        let collecting = self.batch.stretch(last - 1).and_then(|bytes| array(bytes, 0)).map(u32::from_ne_bytes);
        let asks = layout.gil_requested.and_then(|offset| array(state, offset)).map(u32::from_ne_bytes);
        let place = thread.address.wrapping_add(layout.current_frame as u64);
        let top = word(layout.current_frame).map(|seen| Top { place, is: layout.current_frame_is, seen });
        Ok(Some(Glimpse {
            top,
            gil_holder: self.gil_holder(interpreter.gil).unwrap_or(0),
            is_collecting: collecting.is_some_and(|collecting| collecting != 0),
            asks_for_gil: asks.map(|asks| asks != 0),
        }))
    }

    fn gil_holder(&self, gil: Gil) -> Option<u64> {
        match gil {
            Gil::Current(_) => Some(u64::from_ne_bytes(array(self.batch.stretch(0)?, 0)?)),
            Gil::Lock { .. } => {
                let locked = i32::from_ne_bytes(array(self.batch.stretch(0)?, 0)?);
                // -1 stands for a lock that was not made yet.
                if locked > 0 { Some(u64::from_ne_bytes(array(self.batch.stretch(1)?, 0)?)) } else { Some(0) }
            }
        }
    }
}
