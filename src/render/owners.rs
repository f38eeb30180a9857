//! Owners and the kinds of their work, as far as their shares can be seen.

use crate::analyse::owners::OwnerShare;
use crate::analyse::work::OTHER_PYTHON;
use crate::render::figures::percent;

/// A smaller share is written as 0.0 %.
pub const LEAST_PERCENT: f64 = 0.05;
const MECHANISMS_SHOWN: usize = 3;

/// The kinds of work that have a name, each with its share of all CPU.
pub fn mechanisms(owner: &OwnerShare) -> Vec<String> {
    let named = owner.mechanisms.iter().filter(|part| part.mechanism != OTHER_PYTHON && part.percent >= LEAST_PERCENT);
    named.take(MECHANISMS_SHOWN).map(|part| format!("{} {}", part.mechanism, percent(part.percent))).collect()
}
