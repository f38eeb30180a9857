//! The edge to Linux: `/proc`, children, signals, clocks. The only room with system calls and `unsafe`.

pub mod attach;
pub mod cgroup;
pub mod child;
pub mod clock;
pub mod command;
pub mod lock;
pub mod maps;
pub mod memory;
pub mod memory_file;
pub mod piped;
pub mod proc;
pub mod readiness;
pub mod root;
pub mod signals;
pub mod space;
pub mod threads;
pub mod usage;
