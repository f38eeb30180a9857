//! One frame, as its bytes in the target tell it.

use crate::sample::native::layout::{FrameLayout, Instruction, OWNED_BY_GENERATOR, Ownership};

/// `FRAME_CREATED` of `PyFrameState` in 3.10 (`Include/cpython/frameobject.h`), as a byte.
const FRAME_CREATED: u8 = (-2_i8).cast_unsigned();

/// What a sampler wants of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Where it is.
    pub address: u64,
    /// The caller's frame; zero at the root.
    pub previous: u64,
    /// Its code object.
    pub executable: u64,
    /// The instruction, as its version writes it.
    pub instruction: u64,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose memory a frame is in, and with it what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The thread's stack of frames (before 3.11 any frame): a function.
    Thread,
    /// A generator or coroutine.
    Generator,
    /// A piece of C stack between two runs of the interpreter: no function.
    Shim,
    /// It is about to begin: a function.
    Beginning,
    /// It ended or was suspended: a function.
    Nobody,
}

impl Frame {
    /// The frame at `address` in these bytes, which are as many as its layout says.
    pub fn parse(layout: &FrameLayout, address: u64, bytes: &[u8]) -> Option<Self> {
        let owner = match layout.owner {
            Ownership::Generator { state, .. } if *bytes.get(state)? == FRAME_CREATED => Owner::Beginning,
            Ownership::Generator { state, .. } if *bytes.get(state)? != 0 => Owner::Nobody,
            Ownership::Generator { generator, .. } if u64::from_ne_bytes(array(bytes, generator)?) == 0 => {
                Owner::Thread
            }
            Ownership::Generator { .. } => Owner::Generator,
            Ownership::Byte(offset) => match *bytes.get(offset)? {
                OWNED_BY_GENERATOR => Owner::Generator,
                owner if owner >= layout.shim_owner => Owner::Shim,
                _ => Owner::Thread,
            },
        };
        let instruction = match layout.instruction {
            Instruction::Index(offset) => u64::from(u32::from_ne_bytes(array(bytes, offset)?)),
            Instruction::Address(offset) => u64::from_ne_bytes(array(bytes, offset)?),
        };
        Some(Self {
            address,
            previous: u64::from_ne_bytes(array(bytes, layout.previous)?),
            executable: u64::from_ne_bytes(array(bytes, layout.executable)?) & !layout.executable_tag,
            instruction,
            owner,
        })
    }

    /// Whether this can be a frame at all: objects and frames lie at multiples of eight, and nothing calls itself from
    /// one frame.
    pub fn is_plausible(&self) -> bool {
        self.executable != 0 && (self.executable | self.previous).is_multiple_of(8) && self.previous != self.address
    }

    /// Whether it is executed, as far as it tells.
    pub fn is_executed(&self) -> bool {
        !matches!(self.owner, Owner::Beginning | Owner::Nobody)
    }

    /// Whether it is executed as the other was, as far as it tells.
    pub fn goes_on(&self, other: &Self) -> bool {
        self.is_run_of(other) && self.is_executed()
    }

    /// Whether both are the same function, called from the same frame, wherever it is by now.
    pub fn is_run_of(&self, other: &Self) -> bool {
        (self.address, self.executable, self.previous) == (other.address, other.executable, other.previous)
    }
}

/// `N` bytes from an offset on.
pub fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}
