//! Our own sampler: CPython's stacks read from outside, in batches, by `process_vm_readv` alone.
//!
//! The [`engine`] reads one [`worker`] after the other at each tick and keeps a [`record`] of each slice. Afterwards
//! [`join`] makes a profile of the records, in which [`weigh`] deals out the CPU, [`gil`] tells who had the GIL, and
//! a [`witness`] how far another engine agrees.

pub mod engine;
pub mod gil;
pub mod join;
pub mod layout;
pub mod record;
pub mod weigh;
pub mod witness;
pub mod worker;
