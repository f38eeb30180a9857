//! Who last called a function whose frame was at a place: what a walk reads along.
//!
//! Each place has one slot, which it shares with others and loses to the last of them. Some dozen slots are looked up in
//! a walk, long after they were last: each is a wait for memory, so a slot is one, where an entry of a hash map is two.

use crate::sample::native::frame::Frame;

/// So many slots, of 32 bytes: some times as many as a busy worker's coroutines have places.
const SLOTS: usize = 1 << 14;
/// An odd number without a pattern (2^64 divided by the golden ratio): what it is multiplied with is spread over the
/// upper bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Which function's frame is where.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: u64,
    pub(super) executable: u64,
}

impl Place {
    pub(super) fn of(frame: &Frame) -> Self {
        Self { address: frame.address, executable: frame.executable }
    }

    fn slot(self) -> usize {
        let mixed = (self.address ^ self.executable.rotate_left(32)).wrapping_mul(SPREAD);
        (mixed >> (u64::BITS - SLOTS.ilog2())) as usize
    }
}

/// What is remembered of one process.
#[derive(Debug)]
pub(super) struct Callers {
    slots: Box<[Slot]>,
}

/// All of it in one cache line.
#[derive(Debug, Default, Clone, Copy)]
#[repr(align(32))]
struct Slot {
    place: Place,
    caller: Place,
}

impl Default for Callers {
    fn default() -> Self {
        Self { slots: vec![Slot::default(); SLOTS].into_boxed_slice() }
    }
}

impl Callers {
    /// What last called it; none where that is not known, or not any more.
    pub(super) fn get(&self, place: Place) -> Option<Place> {
        let slot = self.slots[place.slot()];
        (slot.place == place && slot.caller != Place::default()).then_some(slot.caller)
    }

    /// Notes what called it.
    pub(super) fn note(&mut self, place: Place, caller: Place) {
        self.slots[place.slot()] = Slot { place, caller };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place() -> impl Strategy<Value = Place> {
        (1_u64..1 << 20, 1_u64..1 << 20)
            .prop_map(|(address, code)| Place { address: address * 16, executable: code * 8 })
    }

    proptest! {
        #[test]
        fn a_place_has_the_caller_that_was_noted_last_or_none(calls in prop::collection::vec((place(), place()), 1..200)) {
            let mut callers = Callers::default();
            for &(place, caller) in &calls {
                callers.note(place, caller);
                prop_assert_eq!(callers.get(place), Some(caller));
            }
            for &(place, _) in &calls {
                let last = calls.iter().rfind(|call| call.0 == place).map(|call| call.1);
                prop_assert!(callers.get(place).is_none_or(|caller| Some(caller) == last));
            }
        }
    }

    #[test]
    fn frames_of_one_page_do_not_lose_their_callers_to_each_other() {
        let mut callers = Callers::default();
        let places: Vec<Place> =
            (0..40).map(|slot| Place { address: 0x7f00_0000_0000 + slot * 96, executable: 0x5500_0000_1000 }).collect();
        for &place in &places {
            callers.note(place, Place { address: 8, executable: 8 });
        }
        let kept = places.iter().filter(|&&place| callers.get(place).is_some()).count();
        assert!(kept > 35, "{kept}");
    }

    #[test]
    fn nothing_is_known_of_a_place_that_was_never_noted() {
        assert_eq!(Callers::default().get(Place::default()), None);
    }
}
