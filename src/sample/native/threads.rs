//! The interpreter's threads, and which of the kernel's threads each of them is.

use std::collections::{BTreeMap, BTreeSet};

use crate::os::memory::{Fault, Memory};
use crate::sample::native::frame::array;
use crate::sample::native::layout::Interpreter;

/// More threads than a worker ever has; a list that is longer is no list.
const MOST_THREADS: usize = 4_096;
/// The part of libc's own record of a thread in which its kernel id stands (glibc on `x86_64`: at 720; on aarch64: at 208;
/// musl: below 64).
const PTHREAD_BYTES: usize = 1_024;

/// A thread as Python knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonThread {
    /// Its `PyThreadState`.
    pub address: u64,
    /// `threading.get_ident()`: the address of libc's record of it.
    pub ident: u64,
}

/// The interpreter's threads by their kernel ids in the target's own PID namespace, `known` being all such ids.
pub fn python_threads(
    memory: &impl Memory,
    interpreter: &Interpreter,
    known: &BTreeSet<i32>,
) -> Result<BTreeMap<i32, PythonThread>, Fault> {
    let layout = &interpreter.layout.thread;
    let mut listed = Vec::new();
    let mut bytes = vec![0; layout.size];
    let mut next = memory.read_u64(interpreter.threads_head)?;
    while next != 0 && listed.len() < MOST_THREADS {
        memory.read_exact(next, &mut bytes)?;
        let word = |offset| array(&bytes, offset).map(u64::from_ne_bytes).ok_or(Fault::Unmapped);
        let native = layout.native_thread_id.map(word).transpose()?;
        listed.push((PythonThread { address: next, ident: word(layout.thread_id)? }, native));
        next = word(layout.next)?;
    }
    if listed.iter().all(|(_, native)| native.is_some()) {
        let pairs = listed.into_iter().filter_map(|(thread, native)| Some((i32::try_from(native?).ok()?, thread)));
        return Ok(pairs.collect());
    }
    let threads: Vec<PythonThread> = listed.into_iter().map(|(thread, _)| thread).collect();
    Ok(by_libc(memory, &threads, known))
}

/// Up to 3.10 Python does not know the kernel's ids, but libc does: in its record of each thread there is one place
/// where all threads have an id of their own.
fn by_libc(memory: &impl Memory, threads: &[PythonThread], known: &BTreeSet<i32>) -> BTreeMap<i32, PythonThread> {
    let record = |thread: &PythonThread| {
        let mut bytes = vec![0; PTHREAD_BYTES];
        memory.read_exact(thread.ident, &mut bytes).ok().map(|()| (*thread, bytes))
    };
    let records: Vec<(PythonThread, Vec<u8>)> = threads.iter().filter_map(record).collect();
    let ids_at = |offset: usize| -> Option<BTreeMap<i32, PythonThread>> {
        let id = |bytes: &[u8]| array(bytes, offset).map(i32::from_ne_bytes).filter(|id| known.contains(id));
        let ids: BTreeMap<i32, PythonThread> =
            records.iter().map(|(thread, bytes)| Some((id(bytes)?, *thread))).collect::<Option<_>>()?;
        (ids.len() == records.len()).then_some(ids)
    };
    (0..PTHREAD_BYTES).step_by(4).find_map(ids_at).unwrap_or_default()
}
