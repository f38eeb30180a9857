//! What is read along with a stack: is the thread still the one that was meant, what is its topmost frame, who holds the
//! GIL, does the collector run.

use crate::os::memory::{Fault, Memory};
use crate::sample::native::batch::Batch;
use crate::sample::native::frame::array;
use crate::sample::native::layout::{Gil, Interpreter};
use crate::sample::native::threads::PythonThread;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glimpse {
    /// The pointer to its topmost frame, or to the `_PyCFrame` that knows it; none where it could not be read.
    pub pointer: Option<u64>,
    /// The thread that holds the GIL; zero where nobody does.
    pub gil_holder: u64,
    /// Whether the garbage collector runs.
    pub is_collecting: bool,
    /// Whether the thread has asked for the GIL; none where the interpreter does not tell.
    pub asks_for_gil: Option<bool>,
}

impl Glimpse {
    /// Looks at a thread; none when it is not that thread any longer. The batch is used for it.
    ///
    /// # Errors
    /// When nothing of the process can be read any more.
    pub fn take(
        batch: &mut Batch,
        memory: &impl Memory,
        interpreter: &Interpreter,
        thread: &PythonThread,
    ) -> Result<Option<Self>, Fault> {
        batch.clear();
        let asked = (Self::ask_around(batch, interpreter), Self::ask_thread(batch, interpreter, thread));
        batch.read(memory)?;
        Ok(Self::tell(batch, asked, interpreter, thread))
    }

    /// Asks for what is not of this thread alone; gives the number of the first stretch.
    pub fn ask_around(batch: &mut Batch, interpreter: &Interpreter) -> usize {
        let first = batch.count();
        match interpreter.gil {
            Gil::Current(current) => batch.add(current, 8),
            Gil::Lock { locked, holder } => batch.add(locked, 4) && batch.add(holder, 8),
        };
        batch.add(interpreter.gc_collecting, 4);
        first
    }

    /// Asks for what the thread says of itself; gives the number of the stretch.
    pub fn ask_thread(batch: &mut Batch, interpreter: &Interpreter, thread: &PythonThread) -> usize {
        batch.add(thread.address, interpreter.layout.thread.size);
        batch.count() - 1
    }

    /// What it is, once both were read; none when the thread is another one by now.
    pub fn tell(
        batch: &Batch,
        asked: (usize, usize),
        interpreter: &Interpreter,
        thread: &PythonThread,
    ) -> Option<Self> {
        let layout = &interpreter.layout.thread;
        let (around, state) = asked;
        let collecting = match interpreter.gil {
            Gil::Current(_) => around + 1,
            Gil::Lock { .. } => around + 2,
        };
        // A thread that is gone can take its memory along.
        let state = batch.stretch(state)?;
        let word = |offset: usize| array(state, offset).map(u64::from_ne_bytes);
        if word(layout.thread_id) != Some(thread.ident) || word(layout.interpreter) != Some(interpreter.address) {
            return None;
        }
        let is_collecting = batch.stretch(collecting).and_then(|bytes| array(bytes, 0)).map(u32::from_ne_bytes);
        let asks = layout.gil_requested.and_then(|offset| array(state, offset)).map(u32::from_ne_bytes);
        Some(Self {
            pointer: word(layout.current_frame),
            gil_holder: gil_holder(batch, around, interpreter.gil).unwrap_or(0),
            is_collecting: is_collecting.is_some_and(|collecting| collecting != 0),
            asks_for_gil: asks.map(|asks| asks != 0),
        })
    }
}

fn gil_holder(batch: &Batch, asked: usize, gil: Gil) -> Option<u64> {
    let first = batch.stretch(asked)?;
    match gil {
        Gil::Current(_) => Some(u64::from_ne_bytes(array(first, 0)?)),
        Gil::Lock { .. } => {
            let locked = i32::from_ne_bytes(array(first, 0)?);
            // -1 stands for a lock that was not made yet.
            if locked > 0 { Some(u64::from_ne_bytes(array(batch.stretch(asked + 1)?, 0)?)) } else { Some(0) }
        }
    }
}
