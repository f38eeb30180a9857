//! Our own sampler: CPython's stacks read from outside, in batches, by `process_vm_readv` alone.

pub mod code;
pub mod codes;
mod dict;
pub mod layout;
pub mod lines;
pub mod names;
pub mod object;
pub mod text;
