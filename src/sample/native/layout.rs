//! Where CPython keeps what a sampler reads, for one version: offsets in bytes, and the shapes that differ.
//!
//! From 3.13 on the interpreter tells its offsets itself; before that they are in tables made from its headers.

use std::fmt;

/// A version of CPython.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 3.`minor`.
    pub minor: u8,
    /// 3.minor.`patch`.
    pub patch: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "3.{}.{}", self.minor, self.patch)
    }
}

/// Everything that the reader needs to know of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Of which version.
    pub version: Version,
    /// `PyThreadState`.
    pub thread: ThreadLayout,
    /// `_PyInterpreterFrame`, or `PyFrameObject` in 3.10.
    pub frame: FrameLayout,
    /// `PyCodeObject`.
    pub code: CodeLayout,
    /// Objects that names are made of.
    pub object: ObjectLayout,
}

/// `PyThreadState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadLayout {
    /// Bytes from the beginning that hold all fields below.
    pub size: usize,
    /// `next`, the next thread of the interpreter.
    pub next: usize,
    /// `interp`.
    pub interpreter: usize,
    /// Pointer to the topmost frame: `frame` (3.10), `current_frame` (3.13 on); in 3.11 and 3.12 `cframe`, which points
    /// to the place that holds it.
    pub current_frame: usize,
    /// Whether `current_frame` holds the frame or is one step away.
    pub current_frame_is: Indirection,
    /// `datastack_top`, up to where the thread's stack of frames is used; none in 3.10, which has no such stack.
    pub stack_top: Option<usize>,
    /// `thread_id`, the pthread's.
    pub thread_id: usize,
    /// `native_thread_id`, the kernel's id in the target's own PID namespace; none in 3.10.
    pub native_thread_id: Option<usize>,
    /// `gil_requested`; none before 3.15.
    pub gil_requested: Option<usize>,
}

/// How a thread knows its topmost frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indirection {
    /// By a pointer to the frame.
    Direct,
    /// By a pointer to a `_PyCFrame` (3.11, 3.12), whose `current_frame` at this offset points to the frame.
    ThroughCFrame(usize),
}

/// A frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLayout {
    /// Bytes from the frame's beginning that hold all fields below.
    pub size: usize,
    /// `previous` (`f_back` in 3.10).
    pub previous: usize,
    /// `f_executable` (`f_code` up to 3.12).
    pub executable: usize,
    /// Low bits of `executable` that are a tag and not the address: 0 before 3.14.
    pub executable_tag: u64,
    /// The instruction.
    pub instruction: Instruction,
    /// Whose it is.
    pub owner: Ownership,
    /// The owner from which on a frame stands for a piece of C stack and not for a function: 3
    /// (`FRAME_OWNED_BY_CSTACK`, later `FRAME_OWNED_BY_INTERPRETER`); such frames exist from 3.12 on.
    pub shim_owner: u8,
}

impl FrameLayout {
    /// Whether each frame is an object by itself (3.10), which another call is given as soon as it ended.
    pub fn is_of_objects(&self) -> bool {
        matches!(self.owner, Ownership::Generator { .. })
    }
}

/// How a frame tells whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// By a pointer to its generator or coroutine at this offset, zero where it has none, and by one byte that is zero
    /// while it is executed (`f_gen`, `f_state`, `FRAME_EXECUTING`, 3.10). Each frame is an object by itself, which has
    /// no caller any more once it ended.
    Generator {
        /// `f_gen`.
        generator: usize,
        /// `f_state`.
        state: usize,
    },
    /// By one byte at this offset (`owner`, 3.11 on). Those that are of the thread lie on its stack of frames.
    Byte(usize),
}

/// The owner of a frame that lives in its generator or coroutine (`FRAME_OWNED_BY_GENERATOR`).
pub const OWNED_BY_GENERATOR: u8 = 1;

/// How a frame tells where it is in its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction {
    /// A 32-bit index of the last instruction in code units of two bytes, at this offset (`f_lasti`, 3.10).
    Index(usize),
    /// The address of the last instruction (`prev_instr`, 3.11 and 3.12) or of the one being executed (`instr_ptr`,
    /// 3.13 on), at this offset.
    Address(usize),
}

/// `PyCodeObject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeLayout {
    /// Bytes from the beginning that hold all fields below.
    pub size: usize,
    /// `co_filename`.
    pub filename: usize,
    /// `co_name`.
    pub name: usize,
    /// `co_qualname`; none in 3.10.
    pub qualname: Option<usize>,
    /// `co_linetable`, a bytes object.
    pub linetable: usize,
    /// `co_consts`, a tuple.
    pub consts: usize,
    /// `co_names`, a tuple.
    pub names: usize,
    /// `co_firstlineno`, 32 bits.
    pub firstlineno: usize,
    /// `co_code_adaptive`, where the instructions begin; none in 3.10.
    pub instructions: Option<usize>,
    /// `_co_firsttraceable`, 32 bits: a frame before that instruction is not yet complete; none in 3.10.
    pub firsttraceable: Option<usize>,
}

/// Objects of the interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLayout {
    /// `ob_type`.
    pub ob_type: usize,
    /// `ob_size` of `PyBytesObject`.
    pub bytes_size: usize,
    /// `ob_sval` of `PyBytesObject`.
    pub bytes_data: usize,
    /// `ob_size` of `PyTupleObject`.
    pub tuple_size: usize,
    /// `ob_item` of `PyTupleObject`.
    pub tuple_items: usize,
    /// `length` of `PyASCIIObject`.
    pub text_length: usize,
    /// `state` of `PyASCIIObject`, whose bits differ between versions.
    pub text_state: usize,
    /// Size of `PyASCIIObject`, after which ASCII text follows.
    pub text_ascii: usize,
    /// Size of `PyCompactUnicodeObject`, after which other text follows.
    pub text_compact: usize,
}

/// The main interpreter of a process, found and checked: absolute addresses in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Where its fields are.
    pub layout: Layout,
    /// `PyInterpreterState`.
    pub address: u64,
    /// The pointer to the first thread, `threads.head`.
    pub threads_head: u64,
    /// Who has the GIL.
    pub gil: Gil,
    /// `gc.collecting`, 32 bits.
    pub gc_collecting: u64,
    /// The pointer to `sys.modules`, a dict.
    pub modules: u64,
    /// `_code_object_generation`, 64 bits that change whenever a code object is destroyed; none before 3.14.
    pub code_generation: Option<u64>,
    /// How many further interpreters there are, whose threads are not read.
    pub subinterpreters: u32,
}

/// Where it says who holds the GIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gil {
    /// `_PyRuntime.gilstate.tstate_current` (3.10, 3.11): the thread that holds it, or zero.
    Current(u64),
    /// `locked`, 32 bits, and `last_holder` of `struct _gil_runtime_state` (3.12 on).
    Lock {
        /// Address of `locked`.
        locked: u64,
        /// Address of `last_holder`.
        holder: u64,
    },
}

/// The way from `_PyRuntime` to what [`Interpreter`] holds: offsets, only needed to attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// `interpreters.head` of `_PyRuntimeState`, the newest interpreter.
    pub interpreters_head: usize,
    /// `next` of `PyInterpreterState`, an older interpreter.
    pub next: usize,
    /// `id` of `PyInterpreterState`, 64 bits: 0 in the main one.
    pub id: usize,
    /// `threads.head` of `PyInterpreterState` (`tstate_head` in 3.10).
    pub threads_head: usize,
    /// `gc.collecting` of `PyInterpreterState`.
    pub gc_collecting: usize,
    /// `imports.modules` of `PyInterpreterState` (`modules` up to 3.11).
    pub modules: usize,
    /// `_code_object_generation` of `PyInterpreterState`; none before 3.14.
    pub code_generation: Option<usize>,
    /// To who holds the GIL.
    pub gil: GilWay,
}

/// The way to who holds the GIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GilWay {
    /// Places of `gilstate.tstate_current` in `_PyRuntimeState` (3.10, 3.11), one for each size of a mutex before it.
    Current(&'static [usize]),
    /// Through a pointer to a `struct _gil_runtime_state` (3.12 on).
    Lock {
        /// `ceval.gil` of `PyInterpreterState`.
        gil: usize,
        /// `locked` of `struct _gil_runtime_state`.
        locked: usize,
        /// `last_holder` of it.
        holder: usize,
    },
}
