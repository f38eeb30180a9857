//! Finds the interpreter of a process and checks that it is what its version promises.
//!
//! Offsets alone are a belief. An interpreter is accepted only when its own pointers bear them out: the main interpreter
//! is in the list, every thread of it points back to it, at least one is a thread that the kernel knows, and who holds
//! the GIL can be read. Everything else is refused, with the reason.

use std::collections::HashSet;
use std::io;

use crate::os::maps::{self, Module};
use crate::os::memory::{Fault, Memory};
use crate::os::proc::Process;
use crate::sample::native::layout::{Gil, GilWay, Interpreter};
use crate::sample::native::refusal::Refusal;
use crate::sample::native::runtime::{self, Runtime};

/// Most modules that are looked into; there is one, or an executable and its library.
const MOST_MODULES: usize = 16;
/// Most interpreters and threads that are followed: a list that is longer is taken for a circle.
const MOST_INTERPRETERS: u32 = 1000;
const MOST_THREADS: usize = 10_000;
/// How often a check is made before its failure counts: threads begin and end while their list is read.
const TRIES: u32 = 5;

/// Finds and checks the interpreter of a process.
pub fn attach(process: &Process, memory: &impl Memory) -> Result<Interpreter, Refusal> {
    let executable = maps::executable(process).map_err(|error| closed(&error))?;
    let mut modules = maps::modules(process).map_err(|error| closed(&error))?;
    modules.retain(|module| module.path == executable || is_named_python(module));
    let mut refusal = Refusal::NoRuntime(executable);
    for module in modules.iter().take(MOST_MODULES) {
        match look_into(process, memory, module) {
            Ok(interpreter) => return Ok(interpreter),
            Err(reason @ (Refusal::Gone | Refusal::Denied)) => return Err(reason),
            // The most telling one: an executable that leaves all to its library says nothing about the library.
            Err(reason) if telling(&reason) > telling(&refusal) => refusal = reason,
            Err(_) => {}
        }
    }
    Err(refusal)
}

fn look_into(process: &Process, memory: &impl Memory, module: &Module) -> Result<Interpreter, Refusal> {
    let runtime = runtime::find(process, memory, module)?;
    let check = Check { process, memory, runtime: &runtime };
    let mut result = check.interpreter();
    for _ in 1..TRIES {
        if !matches!(result, Err(Refusal::Unexpected(..))) {
            break;
        }
        result = check.interpreter();
    }
    result
}

/// How much of a runtime was found before it was refused.
fn telling(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::NoRuntime(_) => 0,
        Refusal::FileReplaced(_) => 1,
        Refusal::UnknownVersion(_) => 2,
        _ => 3,
    }
}

/// `python3.11`, `libpython3.11.so.1.0`.
fn is_named_python(module: &Module) -> bool {
    let name = module.name();
    name.strip_prefix(b"lib").unwrap_or(name).starts_with(b"python")
}

/// What it means that a file of `/proc` cannot be read.
fn closed(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Refusal::Denied,
        _ => Refusal::Gone,
    }
}

/// The checks of one runtime.
struct Check<'a, M> {
    process: &'a Process,
    memory: &'a M,
    runtime: &'a Runtime,
}

impl<M: Memory> Check<'_, M> {
    fn interpreter(&self) -> Result<Interpreter, Refusal> {
        let way = &self.runtime.way;
        let (address, subinterpreters) = self.main()?;
        let threads_head = address.wrapping_add(way.threads_head as u64);
        let threads = self.threads(address, threads_head)?;
        self.known_to_the_kernel(&threads)?;
        let gc_collecting = address.wrapping_add(way.gc_collecting as u64);
        self.expect("gc.collecting is neither 0 nor 1", matches!(self.i32(gc_collecting)?, 0 | 1))?;
        Ok(Interpreter {
            layout: self.runtime.layout.clone(),
            address,
            threads_head,
            gil: self.gil(address)?,
            gc_collecting,
            modules: address.wrapping_add(way.modules as u64),
            code_generation: way.code_generation.map(|offset| address.wrapping_add(offset as u64)),
            subinterpreters,
        })
    }

    /// The main interpreter, the one with id 0 and the oldest, and how many others there are.
    fn main(&self) -> Result<(u64, u32), Refusal> {
        let way = &self.runtime.way;
        let mut address = self.pointer(self.runtime.address, way.interpreters_head)?;
        if address == 0 {
            return Err(Refusal::NotRunning(self.runtime.layout.version));
        }
        let (mut main, mut count) = (None, 0);
        while address != 0 {
            self.expect("the list of interpreters does not end", count < MOST_INTERPRETERS)?;
            if self.pointer(address, way.id)? == 0 {
                self.expect("two interpreters are the main one", main.replace(address).is_none())?;
            }
            count += 1;
            address = self.pointer(address, way.next)?;
        }
        let main = main.ok_or(Refusal::Unexpected(self.runtime.layout.version, "there is no main interpreter"))?;
        Ok((main, count - 1))
    }

    /// The threads of the interpreter, each as the bytes of its `PyThreadState`.
    fn threads(&self, interpreter: u64, head: u64) -> Result<Vec<Vec<u8>>, Refusal> {
        let layout = &self.runtime.layout.thread;
        let mut threads = Vec::new();
        let mut address = self.pointer(head, 0)?;
        if address == 0 {
            return Err(Refusal::NotRunning(self.runtime.layout.version));
        }
        while address != 0 {
            self.expect("the list of threads does not end", threads.len() < MOST_THREADS)?;
            let mut thread = vec![0; layout.size];
            self.memory.read_exact(address, &mut thread).map_err(|fault| self.misread(fault))?;
            self.expect("a thread belongs to another interpreter", word(&thread, layout.interpreter) == interpreter)?;
            address = word(&thread, layout.next);
            threads.push(thread);
        }
        Ok(threads)
    }

    /// At least one thread is one of the process. Not all: an id may be that of a thread about to begin or already gone.
    fn known_to_the_kernel(&self, threads: &[Vec<u8>]) -> Result<(), Refusal> {
        let layout = &self.runtime.layout.thread;
        let Some(native) = layout.native_thread_id else {
            let named = threads.iter().any(|thread| word(thread, layout.thread_id) != 0);
            return self.expect("no thread has an id", named);
        };
        let ids: HashSet<u64> = threads.iter().map(|thread| word(thread, native)).collect();
        let tasks = self.process.threads().map_err(|error| closed(&error))?;
        let mut inner = tasks.into_iter().filter_map(|tid| u64::try_from(self.process.inner_tid(tid).ok()?).ok());
        self.expect("no thread is known to the kernel", inner.any(|tid| ids.contains(&tid)))
    }

    fn gil(&self, interpreter: u64) -> Result<Gil, Refusal> {
        match self.runtime.way.gil {
            GilWay::Current(places) => {
                for &place in places {
                    let current = self.runtime.address.wrapping_add(place as u64);
                    // `autoInterpreterState` follows `tstate_current` and is the main interpreter.
                    if self.pointer(current, 8)? == interpreter {
                        return Ok(Gil::Current(current));
                    }
                }
                Err(Refusal::Unexpected(self.runtime.layout.version, "_PyRuntime.gilstate is elsewhere"))
            }
            GilWay::Lock { gil, locked, holder } => {
                let gil = self.pointer(interpreter, gil)?;
                let (locked, holder) = (gil.wrapping_add(locked as u64), gil.wrapping_add(holder as u64));
                self.expect("the GIL is neither free nor taken", matches!(self.i32(locked)?, 0 | 1))?;
                self.pointer(holder, 0)?;
                Ok(Gil::Lock { locked, holder })
            }
        }
    }

    fn pointer(&self, base: u64, offset: usize) -> Result<u64, Refusal> {
        self.memory.read_u64(base.wrapping_add(offset as u64)).map_err(|fault| self.misread(fault))
    }

    fn i32(&self, address: u64) -> Result<i32, Refusal> {
        let mut bytes = [0; 4];
        self.memory.read_exact(address, &mut bytes).map_err(|fault| self.misread(fault))?;
        Ok(i32::from_ne_bytes(bytes))
    }

    fn misread(&self, fault: Fault) -> Refusal {
        Refusal::from_fault(fault, self.runtime.layout.version)
    }

    fn expect(&self, otherwise: &'static str, is_so: bool) -> Result<(), Refusal> {
        if is_so { Ok(()) } else { Err(Refusal::Unexpected(self.runtime.layout.version, otherwise)) }
    }
}

/// Eight bytes of a structure; zero beyond its end.
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_ne_bytes(*word))
}
