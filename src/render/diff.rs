//! stub
use crate::analyse::{Facts, compare::*};
pub fn text(_: &Facts, _: &Facts, _: &Comparison) -> String {
    String::new()
}
pub fn flamegraph(_: &Facts, _: &Facts, _: Per) -> anyhow::Result<String> {
    Ok(String::new())
}
