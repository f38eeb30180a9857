//! Our own sampler: CPython's stacks read from outside, in batches, by `process_vm_readv` alone.

mod batch;
mod frame;
#[cfg(test)]
mod image;
pub mod layout;
mod tree;
mod walk;
