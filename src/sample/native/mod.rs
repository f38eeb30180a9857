//! Our own sampler: CPython's stacks read from outside, in batches, by `process_vm_readv` alone.
//!
//! [`attach`] finds the interpreter in the target ([`runtime`], [`elf`]) and how it is laid out ([`offsets`],
//! [`tables`], [`layout`]). The [`engine`] reads one [`worker`] after the other at each tick. A worker has a clock for
//! each of its [`threads`], which it keeps [`watched`]; where one ran, a [`glimpse`] tells its topmost frame and the
//! state of the GIL, a [`walk`] reads its [`frame`]s in one [`batch`], and [`stacks`] makes functions and lines of them
//! ([`codes`], [`code`], [`lines`], [`mentions`], [`object`], [`text`], read [`ahead`]), numbered in a [`tree`].
//! [`record`] is what is kept of a slice. Afterwards [`join`] makes a profile of the records, in which [`weigh`] deals
//! out the CPU, [`gil`] tells who had the GIL, and a [`witness`] how far another engine agrees.

mod ahead;
pub mod attach;
mod batch;
pub mod code;
pub mod codes;
mod dict;
mod elf;
pub mod engine;
pub mod frame;
pub mod gil;
pub mod glimpse;
#[cfg(test)]
mod image;
pub mod join;
pub mod layout;
pub mod lines;
mod mentions;
pub mod names;
pub mod object;
mod offsets;
pub mod record;
pub mod refusal;
mod runtime;
pub mod stacks;
mod tables;
pub mod text;
pub mod threads;
pub mod tree;
pub mod walk;
mod watched;
pub mod weigh;
pub mod witness;
pub mod worker;
