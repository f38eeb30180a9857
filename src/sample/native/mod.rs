//! Our own sampler: CPython's stacks read from outside, in batches, by `process_vm_readv` alone.

pub mod attach;
mod elf;
pub mod layout;
mod offsets;
pub mod refusal;
mod runtime;
mod tables;
