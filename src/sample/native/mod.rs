//! Our own sampler: CPython's stacks read from outside, in batches, by `process_vm_readv` alone.

pub mod layout;
