//! stub
use crate::analyse::{Facts, Verdict};
pub fn ticket(_: &Facts, _: &Verdict) -> String {
    String::new()
}
pub fn hand_over(_: &std::path::Path, _: &Facts, _: &Verdict) -> String {
    String::new()
}
