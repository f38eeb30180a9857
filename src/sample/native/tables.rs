//! Where CPython 3.10, 3.11 and 3.12 keep what is read.
//!
//! These numbers are `offsetof` of the headers with `Py_BUILD_CORE` for 64 bits, from 3.10.13, 3.11.2, 3.11.7 and
//! 3.12.1. Structures do not change after the first release of a minor version; whether they are as expected is
//! checked in the running process all the same.

use crate::sample::native::layout::{
    CodeLayout, FrameLayout, GilWay, Indirection, Instruction, Layout, ObjectLayout, Ownership, ThreadLayout, Version,
    Way,
};

/// The oldest CPython that is read: 3.10.
pub const OLDEST_MINOR: u8 = 10;

/// `FRAME_OWNED_BY_CSTACK` of `pycore_frame.h`, in 3.14 and later `FRAME_OWNED_BY_INTERPRETER` of
/// `pycore_interpframe_structs.h`.
pub const SHIM_OWNER: u8 = 3;

/// `co_consts` and `co_names` of `PyCodeObject` from 3.11 to 3.15 (`cpython/code.h`): the first fields after its
/// `PyVarObject`.
pub const CO_CONSTS: usize = 24;
/// See [`CO_CONSTS`].
pub const CO_NAMES: usize = 32;

/// Layout and way of a version that does not tell them itself.
pub fn known(version: Version) -> Option<(Layout, Way)> {
    let (thread, frame, code, object, way) = match version.minor {
        10 => (THREAD_3_10, FRAME_3_10, CODE_3_10, OBJECT_3_10, WAY_3_10),
        11 => (THREAD_3_11, FRAME_3_11, CODE_3_11, OBJECT_3_10, WAY_3_11),
        12 => (THREAD_3_12, FRAME_3_12, CODE_3_12, OBJECT_3_12, WAY_3_12),
        _ => return None,
    };
    Some((Layout { version, thread, frame, code, object }, way))
}

/// `pycore_runtime.h`, `pycore_interp.h`, `pycore_gc.h`. Before `tstate_current` there are two `pthread_mutex_t` (in
/// `struct _gil_runtime_state`) of 40 bytes, or of 48 with glibc on aarch64.
const WAY_3_10: Way = Way {
    interpreters_head: 32,
    next: 0,
    id: 24,
    threads_head: 8,
    gc_collecting: 816,
    modules: 856,
    code_generation: None,
    gil: GilWay::Current(&[568, 584]),
};

const WAY_3_11: Way = Way {
    interpreters_head: 40,
    next: 0,
    id: 48,
    threads_head: 16,
    gc_collecting: 848,
    modules: 888,
    code_generation: None,
    gil: GilWay::Current(&[576, 592]),
};

const WAY_3_12: Way = Way {
    interpreters_head: 40,
    next: 0,
    id: 8,
    threads_head: 72,
    gc_collecting: 312,
    modules: 944,
    code_generation: None,
    gil: GilWay::Lock { gil: 384, locked: 16, holder: 8 },
};

/// `cpython/pystate.h`.
const THREAD_3_10: ThreadLayout = ThreadLayout {
    size: 184,
    next: 8,
    interpreter: 16,
    current_frame: 24,
    current_frame_is: Indirection::Direct,
    stack_top: None,
    thread_id: 176,
    native_thread_id: None,
    gil_requested: None,
};

const THREAD_3_11: ThreadLayout = ThreadLayout {
    size: 312,
    next: 8,
    interpreter: 16,
    current_frame: 56,
    current_frame_is: Indirection::ThroughCFrame(8),
    stack_top: Some(304),
    thread_id: 152,
    native_thread_id: Some(160),
    gil_requested: None,
};

const THREAD_3_12: ThreadLayout = ThreadLayout {
    size: 248,
    next: 8,
    interpreter: 16,
    current_frame: 56,
    current_frame_is: Indirection::ThroughCFrame(0),
    stack_top: Some(240),
    thread_id: 136,
    native_thread_id: Some(144),
    gil_requested: None,
};

/// `cpython/frameobject.h`.
const FRAME_3_10: FrameLayout = FrameLayout {
    size: 112,
    previous: 24,
    executable: 32,
    executable_tag: 0,
    instruction: Instruction::Index(96),
    owner: Ownership::Generator { generator: 88, state: 108 },
    shim_owner: SHIM_OWNER,
};

/// `pycore_frame.h`.
const FRAME_3_11: FrameLayout = FrameLayout {
    size: 72,
    previous: 48,
    executable: 32,
    executable_tag: 0,
    instruction: Instruction::Address(56),
    owner: Ownership::Byte(69),
    shim_owner: SHIM_OWNER,
};

const FRAME_3_12: FrameLayout = FrameLayout {
    size: 72,
    previous: 8,
    executable: 0,
    executable_tag: 0,
    instruction: Instruction::Address(56),
    owner: Ownership::Byte(70),
    shim_owner: SHIM_OWNER,
};

/// `cpython/code.h`.
const CODE_3_10: CodeLayout = CodeLayout {
    size: 128,
    filename: 104,
    name: 112,
    qualname: None,
    linetable: 120,
    consts: 56,
    names: 64,
    firstlineno: 40,
    instructions: None,
    firsttraceable: None,
};

const CODE_3_11: CodeLayout = CodeLayout {
    size: 172,
    filename: 112,
    name: 120,
    qualname: Some(128),
    linetable: 136,
    consts: CO_CONSTS,
    names: CO_NAMES,
    firstlineno: 72,
    instructions: Some(184),
    firsttraceable: Some(168),
};

const CODE_3_12: CodeLayout = CodeLayout {
    size: 180,
    filename: 112,
    name: 120,
    qualname: Some(128),
    linetable: 136,
    consts: CO_CONSTS,
    names: CO_NAMES,
    firstlineno: 68,
    instructions: Some(192),
    firsttraceable: Some(176),
};

/// `object.h`, `cpython/bytesobject.h`, `cpython/unicodeobject.h`: the same in 3.11.
const OBJECT_3_10: ObjectLayout = ObjectLayout {
    ob_type: 8,
    bytes_size: 16,
    bytes_data: 32,
    tuple_size: 16,
    tuple_items: 24,
    text_length: 16,
    text_state: 32,
    text_ascii: 48,
    text_compact: 72,
};

/// 3.12 dropped `wstr` and `wstr_length`.
const OBJECT_3_12: ObjectLayout = ObjectLayout { text_ascii: 40, text_compact: 56, ..OBJECT_3_10 };
