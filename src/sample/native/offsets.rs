//! Where CPython 3.13 to 3.15 keep what is read, as they tell it themselves at the beginning of `_PyRuntime`.
//!
//! That table, `_Py_DebugOffsets`, is a row of 64-bit numbers without names, different in each minor version. The
//! process may be anybody's: no number is used that could not be an offset into such a structure.

use std::array;

use crate::sample::native::layout::{
    CodeLayout, FrameLayout, GilWay, Indirection, Instruction, Layout, ObjectLayout, Ownership, ThreadLayout, Version,
    Way,
};
use crate::sample::native::refusal::{NEWEST_MINOR, Refusal};
use crate::sample::native::tables::{CO_CONSTS, CO_NAMES, SHIM_OWNER};

/// `_Py_Debug_Cookie` of `pycore_runtime.h` and `pycore_debug_offsets.h`.
const COOKIE: &[u8; 8] = b"xdebugpy";
/// Bytes that all versions have: cookie, version, free-threaded.
pub const HEAD: usize = 24;
/// The first version with debug offsets.
const FIRST_MINOR: u8 = 13;
/// `PY_RELEASE_LEVEL_FINAL` of `patchlevel.h`.
const FINAL: u64 = 0xf;

/// Ends of offsets into `_PyRuntimeState` and `PyInterpreterState`, which have some 350,000 bytes in 3.15.
const MOST_STATE: usize = 1 << 20;
/// Ends of offsets into all else, of which the largest, `PyThreadState` of 3.15, has 888 bytes.
const MOST_OBJECT: usize = 4096;

/// `sizeof(PyObject)` of `object.h`: a reference count and a type.
const OBJECT_SIZE: usize = 16;

/// Structures and their fields, in the order of the table.
type Shape = &'static [(&'static str, &'static str)];

/// `_Py_DebugOffsets` of 3.13, from `pycore_runtime.h` of 3.13.0 and 3.13.18.
const SHAPE_3_13: Shape = &[
    ("runtime_state", "size finalizing interpreters_head"),
    (
        "interpreter_state",
        "size id next threads_head gc imports_modules sysdict builtins ceval_gil gil_runtime_state \
         gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder",
    ),
    ("thread_state", "size prev next interp current_frame thread_id native_thread_id datastack_chunk status"),
    ("interpreter_frame", "size previous executable instr_ptr localsplus owner"),
    (
        "code_object",
        "size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds co_code_adaptive",
    ),
    ("pyobject", "size ob_type"),
    ("type_object", "size tp_name tp_repr tp_flags"),
    ("tuple_object", "size ob_item ob_size"),
    ("list_object", "size ob_item ob_size"),
    ("dict_object", "size ma_keys ma_values"),
    ("float_object", "size ob_fval"),
    ("long_object", "size lv_tag ob_digit"),
    ("bytes_object", "size ob_size ob_sval"),
    ("unicode_object", "size state length asciiobject_size"),
    ("gc", "size collecting"),
];

/// Of 3.14, from `pycore_debug_offsets.h` of 3.14.10, as far as it is read.
const SHAPE_3_14: Shape = &[
    ("runtime_state", "size finalizing interpreters_head"),
    (
        "interpreter_state",
        "size id next threads_head threads_main gc imports_modules sysdict builtins ceval_gil gil_runtime_state \
         gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder code_object_generation \
         tlbc_generation",
    ),
    ("thread_state", "size prev next interp current_frame thread_id native_thread_id datastack_chunk status"),
    ("interpreter_frame", "size previous executable instr_ptr localsplus owner stackpointer tlbc_index"),
    (
        "code_object",
        "size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds co_code_adaptive \
         co_tlbc",
    ),
    ("pyobject", "size ob_type"),
    ("type_object", "size tp_name tp_repr tp_flags"),
    ("tuple_object", "size ob_item ob_size"),
    ("list_object", "size ob_item ob_size"),
    ("set_object", "size used table mask"),
    ("dict_object", "size ma_keys ma_values"),
    ("float_object", "size ob_fval"),
    ("long_object", "size lv_tag ob_digit"),
    ("bytes_object", "size ob_size ob_sval"),
    ("unicode_object", "size state length asciiobject_size"),
    ("gc", "size collecting"),
];

/// Of 3.15, from `pycore_debug_offsets.h` of 3.15.2, as far as it is read.
const SHAPE_3_15: Shape = &[
    ("runtime_state", "size finalizing interpreters_head"),
    (
        "interpreter_state",
        "size id next threads_head threads_main gc imports_modules sysdict builtins ceval_gil gil_runtime_state \
         gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder code_object_generation \
         tlbc_generation",
    ),
    (
        "thread_state",
        "size prev next interp current_frame base_frame last_profiled_frame last_profiled_frame_seq thread_id \
         native_thread_id datastack_chunk status holds_gil gil_requested current_exception exc_state",
    ),
    ("err_stackitem", "exc_value"),
    ("interpreter_frame", "size previous executable instr_ptr localsplus owner stackpointer tlbc_index"),
    (
        "code_object",
        "size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds co_code_adaptive \
         co_tlbc",
    ),
    ("pyobject", "size ob_type"),
    ("type_object", "size tp_name tp_repr tp_flags tp_basicsize tp_dictoffset"),
    ("heap_type_object", "size ht_cached_keys"),
    ("tuple_object", "size ob_item ob_size"),
    ("list_object", "size ob_item ob_size"),
    ("set_object", "size used table mask"),
    ("dict_object", "size ma_keys ma_values"),
    ("float_object", "size ob_fval"),
    ("long_object", "size lv_tag ob_digit"),
    ("bytes_object", "size ob_size ob_sval"),
    ("unicode_object", "size state length asciiobject_size compactunicodeobject_size"),
    ("gc", "size collecting"),
];

/// A version whose debug offsets can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    version: Version,
    shape: Shape,
}

/// What the beginning of `_PyRuntime` tells: None before 3.13.
pub fn told(head: &[u8; HEAD]) -> Option<Result<Told, Refusal>> {
    let [cookie, hex, free_threaded] = words(head);
    if cookie.to_ne_bytes() != *COOKIE {
        return None;
    }
    Some(release(hex).and_then(|version| {
        let shape = match version.minor {
            _ if free_threaded != 0 => return Err(Refusal::FreeThreaded(version)),
            ..FIRST_MINOR => return Err(Refusal::Offsets(version)),
            13 => SHAPE_3_13,
            14 => SHAPE_3_14,
            15 => SHAPE_3_15,
            _ => return Err(Refusal::TooNew(version)),
        };
        Ok(Told { version, shape })
    }))
}

/// The version in a `PY_VERSION_HEX`: a byte each for major, minor and patch, four bits each for level and serial.
pub fn release(hex: u64) -> Result<Version, Refusal> {
    let [.., major, minor, patch, level] = hex.to_be_bytes();
    let version = Version { minor, patch };
    match (hex >> 32, major, minor) {
        (0, 3, _) if minor > NEWEST_MINOR => Err(Refusal::TooNew(version)),
        (0, 3, _) if u64::from(level >> 4) != FINAL => Err(Refusal::Prerelease(version)),
        (0, 3, _) => Ok(version),
        _ => Err(Refusal::Offsets(version)),
    }
}

impl Told {
    /// Of which version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Bytes of `_PyRuntime` that [`Told::read`] wants.
    pub fn size(&self) -> usize {
        HEAD + 8 * self.shape.iter().map(|(_, fields)| fields.split(' ').count()).sum::<usize>()
    }

    /// Layout and way, from the beginning of `_PyRuntime`.
    pub fn read(&self, table: &[u8]) -> Result<(Layout, Way), Refusal> {
        let words: Vec<u64> = table.chunks_exact(8).skip(HEAD / 8).map(|word| words::<1>(word)[0]).collect();
        Table { shape: self.shape, words }.read(self.version).ok_or(Refusal::Offsets(self.version))
    }
}

/// The numbers after the head.
struct Table {
    shape: Shape,
    words: Vec<u64>,
}

impl Table {
    fn read(&self, version: Version) -> Option<(Layout, Way)> {
        let state = |name| self.bounded("interpreter_state", name, MOST_STATE);
        let gil = |name| state(name)?.checked_sub(state("gil_runtime_state")?);
        let way = Way {
            interpreters_head: self.bounded("runtime_state", "interpreters_head", MOST_STATE)?,
            next: state("next")?,
            id: state("id")?,
            threads_head: state("threads_head")?,
            gc_collecting: state("gc")? + self.object("gc", "collecting")?,
            modules: state("imports_modules")?,
            code_generation: state("code_object_generation"),
            gil: GilWay::Lock {
                gil: state("ceval_gil")?,
                locked: gil("gil_runtime_state_locked")?,
                holder: gil("gil_runtime_state_holder")?,
            },
        };
        let layout = Layout {
            version,
            thread: self.thread(version)?,
            frame: self.frame(version)?,
            code: self.code()?,
            object: self.objects()?,
        };
        Some((layout, way))
    }

    fn thread(&self, version: Version) -> Option<ThreadLayout> {
        let field = |name| self.object("thread_state", name);
        let gil_requested = if version.minor >= 15 { Some(field("gil_requested")?) } else { None };
        let (next, interpreter, current_frame) = (field("next")?, field("interp")?, field("current_frame")?);
        let (thread_id, native_thread_id) = (field("thread_id")?, field("native_thread_id")?);
        // It follows `datastack_chunk` in `cpython/pystate.h` and is not in the table itself.
        let stack_top = field("datastack_chunk")? + 8;
        let fields =
            [next, interpreter, current_frame, thread_id, native_thread_id, stack_top, gil_requested.unwrap_or(0)];
        Some(ThreadLayout {
            size: end(&fields),
            next,
            interpreter,
            current_frame,
            current_frame_is: Indirection::Direct,
            stack_top: Some(stack_top),
            thread_id,
            native_thread_id: Some(native_thread_id),
            gil_requested,
        })
    }

    fn frame(&self, version: Version) -> Option<FrameLayout> {
        let field = |name| self.object("interpreter_frame", name);
        let (previous, executable) = (field("previous")?, field("executable")?);
        let (instruction, owner) = (field("instr_ptr")?, field("owner")?);
        Some(FrameLayout {
            size: end(&[previous, executable, instruction, owner]),
            previous,
            executable,
            // `Py_TAG_BITS` of `pycore_stackref.h`; in 3.13 the field is a plain pointer.
            executable_tag: if version.minor >= 14 { 3 } else { 0 },
            instruction: Instruction::Address(instruction),
            owner: Ownership::Byte(owner),
            shim_owner: SHIM_OWNER,
        })
    }

    fn code(&self) -> Option<CodeLayout> {
        let field = |name| self.object("code_object", name);
        let (filename, name, qualname) = (field("filename")?, field("name")?, field("qualname")?);
        let (linetable, firstlineno) = (field("linetable")?, field("firstlineno")?);
        let instructions = field("co_code_adaptive")?;
        // Not told. `_PyCode_DEF` of `cpython/code.h`: `_co_firsttraceable` and `co_extra`, eight bytes each with
        // padding, are the last ones before `co_code_adaptive` in 3.11 to 3.15.
        let firsttraceable = instructions.checked_sub(16)?;
        Some(CodeLayout {
            size: end(&[filename, name, qualname, linetable, firstlineno, firsttraceable, CO_NAMES]),
            filename,
            name,
            qualname: Some(qualname),
            linetable,
            consts: CO_CONSTS,
            names: CO_NAMES,
            firstlineno,
            instructions: Some(instructions),
            firsttraceable: Some(firsttraceable),
        })
    }

    fn objects(&self) -> Option<ObjectLayout> {
        // The same with every release that has a GIL; were the table of another shape, something else would be here.
        if self.object("pyobject", "size")? != OBJECT_SIZE {
            return None;
        }
        let text_ascii = self.object("unicode_object", "asciiobject_size")?;
        // Told from 3.15 on. `PyCompactUnicodeObject` of `cpython/unicodeobject.h` adds `utf8_length` and `utf8`.
        let text_compact = match self.index("unicode_object", "compactunicodeobject_size") {
            Some(_) => self.object("unicode_object", "compactunicodeobject_size")?,
            None => text_ascii + 16,
        };
        Some(ObjectLayout {
            ob_type: self.object("pyobject", "ob_type")?,
            bytes_size: self.object("bytes_object", "ob_size")?,
            bytes_data: self.object("bytes_object", "ob_sval")?,
            tuple_size: self.object("tuple_object", "ob_size")?,
            tuple_items: self.object("tuple_object", "ob_item")?,
            text_length: self.object("unicode_object", "length")?,
            text_state: self.object("unicode_object", "state")?,
            text_ascii,
            text_compact,
        })
    }

    fn object(&self, structure: &str, field: &str) -> Option<usize> {
        self.bounded(structure, field, MOST_OBJECT)
    }

    /// An offset; with the eight bytes that may be there it ends before `most`.
    fn bounded(&self, structure: &str, field: &str, most: usize) -> Option<usize> {
        let value = *self.words.get(self.index(structure, field)?)?;
        usize::try_from(value).ok().filter(|&value| value <= most - 8)
    }

    fn index(&self, structure: &str, field: &str) -> Option<usize> {
        let mut fields = self.shape.iter().flat_map(|(of, names)| names.split(' ').map(move |name| (*of, name)));
        fields.position(|named| named == (structure, field))
    }
}

/// Where the last of these fields ends: none has more than eight bytes.
fn end(fields: &[usize]) -> usize {
    fields.iter().fold(0, |end, field| end.max(field + 8))
}

/// The first words of at least as many bytes.
fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    array::from_fn(|index| bytes.as_chunks().0.get(index).map_or(0, |word| u64::from_ne_bytes(*word)))
}

#[cfg(test)]
mod tests;
