//! The edge to Linux: `/proc`, children, signals, clocks. The only room with system calls and `unsafe`.

pub mod proc;
pub mod root;
