//! Code objects: what a frame's code says of itself, read once and kept.
//!
//! From outside, a code object is an address that a frame names. Whether the code is the one that was there before is
//! for [`codes`](super::codes) to find out, by the [`Identity`] that is kept with it.

use super::ahead::ReadAhead;
use super::layout::{Instruction, Layout};
use super::lines::LineTable;
use super::object::{Object, Unreadable};
use super::text::{bytes, bytes_length, text};
use crate::os::memory::Memory;
use crate::redact::Raw;

/// Longest name of a function that is kept, in bytes.
const LONGEST_NAME: usize = 1 << 10;

/// Longest name of a file that is kept, in bytes; Linux's longest path (`PATH_MAX`).
const LONGEST_FILE: usize = 4 << 10;

/// What is read of a function's name, its file's name and its line table together, in bytes, heads of some 50 bytes
/// included. What is longer takes a call of its own.
const NAME_AHEAD: usize = 128;
const FILE_AHEAD: usize = 192;
const LINES_AHEAD: usize = 1024;

/// Largest line table that is decoded, in bytes. The code of a larger one has no lines.
const LARGEST_LINETABLE: usize = 256 << 10;

/// Most instructions that a code object is believed to have, in code units.
const MOST_UNITS: u64 = 1 << 28;

/// Bytes of a code unit (`_Py_CODEUNIT` in `Include/cpython/code.h`, 3.10 included).
const UNIT: u64 = 2;

/// `ob_type` of `PyObject`, `Include/object.h`.
const OB_TYPE: usize = 8;

/// `ob_size` of `PyVarObject`, `Include/object.h`: from 3.11 on, how many code units follow the head.
const OB_SIZE: usize = 16;

/// `co_code` of `PyCodeObject` in 3.10, a bytes object (`Include/cpython/code.h`).
const CO_CODE_3_10: usize = 48;

/// How far `co_version` lies behind `co_firstlineno` from 3.12 on (`Include/cpython/code.h`). It is a number of its own
/// for nearly every code object that is made.
const FIRSTLINENO_TO_VERSION: usize = 24;

/// What a stack frame's code object says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// `co_qualname`, or `co_name` in 3.10, which has no other.
    pub function: Raw,
    /// `co_filename` as it is.
    pub file: Raw,
    /// `co_firstlineno`.
    pub first_line: u32,
    /// Address of the first instruction; 0 in 3.10, whose frames count.
    pub instructions: u64,
    /// A frame before this code unit is not yet complete; 0 in 3.10.
    pub first_traceable: u32,
    /// Code units there are.
    units: u32,
    lines: LineTable,
    identity: Identity,
}

impl Code {
    /// Reads the code object at an address, in whatever state that memory is: names are cut, and a table of lines that
    /// is none gives no lines.
    pub fn read(memory: &impl Memory, layout: &Layout, address: u64) -> Result<Self, Unreadable> {
        let at = &layout.code;
        let head = head(memory, layout, address)?;
        let (name, file) = (head.u64(at.qualname.unwrap_or(at.name))?, head.u64(at.filename)?);
        let table = head.u64(at.linetable)?;
        // The head comes once more, after its parts: if it is still the same by then, they were its parts.
        let wanted = [(name, NAME_AHEAD), (file, FILE_AHEAD), (table, LINES_AHEAD), (address, at.size)];
        let (memory, behind) = (&ReadAhead::new(memory, &wanted), memory);
        let first_line = head.u32(at.firstlineno)?.cast_signed().max(0).cast_unsigned();
        let function = text(memory, &layout.object, name, LONGEST_NAME)?;
        let file = text(memory, &layout.object, file, LONGEST_FILE)?;
        let code = Self {
            function,
            file,
            first_line,
            instructions: at.instructions.map_or(0, |offset| address.wrapping_add(offset as u64)),
            first_traceable: at.firsttraceable.map_or(Ok(0), |offset| head.u32(offset))?,
            units: units(memory, layout, &head)?,
            lines: lines(memory, layout, &head, first_line)?,
            identity: Identity::of(&head, layout)?,
        };
        let last = if memory.was_enough() {
            Identity::read(memory, layout, address)?
        } else {
            Identity::read(behind, layout, address)?
        };
        if last == code.identity { Ok(code) } else { Err(Unreadable::Changed) }
    }

    /// The line of the instruction at a code unit; 0 where none is known.
    pub fn line(&self, unit: u32) -> u32 {
        self.lines.line(unit)
    }

    /// Whether it was made at run time, as by `exec`, and may be gone as soon as it has run: such code has no file but a
    /// word in brackets. What is frozen into the interpreter has that too, and stays.
    pub(super) fn is_passing(&self) -> bool {
        let file = self.file.expose();
        file.starts_with('<') && !file.starts_with("<frozen ")
    }

    /// What tells this code object from another one at the same address.
    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// About how many bytes keeping this takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.function.expose().len() + self.file.expose().len() + self.lines.bytes()
    }
}

/// The code unit that a frame is at, from what stands at its [`Instruction`]; `None` where that lies outside of the code,
/// so that frame and code do not belong together. A frame that has not begun is at its first unit.
pub fn unit_of(instruction: Instruction, raw: u64, code: &Code) -> Option<u32> {
    let unit = match instruction {
        // 32 bits with a sign; `f_lasti` is -1 before the first instruction.
        Instruction::Index(_) => u64::try_from((raw as u32).cast_signed().max(0)).ok()?,
        // `prev_instr` is the one before the first (3.11, 3.12) at that time.
        Instruction::Address(_) if raw == code.instructions.wrapping_sub(UNIT) => 0,
        Instruction::Address(_) => {
            let distance = raw.checked_sub(code.instructions)?;
            distance.is_multiple_of(UNIT).then_some(distance / UNIT)?
        }
    };
    u32::try_from(unit).ok().filter(|&unit| unit < code.units)
}

/// Fields of a code object that stay as they are while it lives. Another object at its address has others, unless it is
/// one of the same shape, and with the very same strings and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity([u64; 7]);

/// Which of an identity's numbers is the name.
const NAME: usize = 3;

impl Identity {
    /// Reads it anew.
    pub(super) fn read(memory: &impl Memory, layout: &Layout, address: u64) -> Result<Self, Unreadable> {
        Self::of(&head(memory, layout, address)?, layout)
    }

    /// `co_name`, the object.
    pub(super) fn name(&self) -> u64 {
        self.0[NAME]
    }

    /// Takes it from a head.
    pub(super) fn of(head: &Object, layout: &Layout) -> Result<Self, Unreadable> {
        let at = &layout.code;
        let version = if layout.version.minor < 12 { 0 } else { head.u32(at.firstlineno + FIRSTLINENO_TO_VERSION)? };
        let instructions = if at.instructions.is_some() { OB_SIZE } else { CO_CODE_3_10 };
        Ok(Self([
            head.u64(OB_TYPE)?,
            head.u64(instructions)?,
            head.u64(at.filename)?,
            head.u64(at.name)?,
            head.u64(at.qualname.unwrap_or(at.name))?,
            head.u64(at.linetable)?,
            u64::from(head.u32(at.firstlineno)?) << 32 | u64::from(version),
        ]))
    }
}

pub(super) fn head(memory: &impl Memory, layout: &Layout, address: u64) -> Result<Object, Unreadable> {
    Object::read(memory, address, layout.code.size)
}

fn units(memory: &impl Memory, layout: &Layout, head: &Object) -> Result<u32, Unreadable> {
    let units = match layout.code.instructions {
        Some(_) => head.u64(OB_SIZE)?,
        None => bytes_length(memory, &layout.object, head.u64(CO_CODE_3_10)?)? as u64 / UNIT,
    };
    if (1..=MOST_UNITS).contains(&units) { Ok(units as u32) } else { Err(Unreadable::Odd("code has no sane length")) }
}

fn lines(memory: &impl Memory, layout: &Layout, head: &Object, first_line: u32) -> Result<LineTable, Unreadable> {
    let table = head.u64(layout.code.linetable)?;
    if bytes_length(memory, &layout.object, table)? > LARGEST_LINETABLE {
        return Ok(LineTable::default());
    }
    Ok(LineTable::decode(layout.version, &bytes(memory, &layout.object, table, LARGEST_LINETABLE)?, first_line))
}
