//! Parse, run, and turn the outcome into an exit code.

fn main() {}
