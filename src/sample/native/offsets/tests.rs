use proptest::prelude::*;

use super::*;

/// A table of 3.13, 3.14 or 3.15 whose field number N has the value N * 8, but for the size of an object. Its place is
/// counted by hand in the three headers.
fn table(minor: u8) -> Vec<u8> {
    let hex = u64::from(u32::from_be_bytes([3, minor, 4, 0xf0]));
    let head = [u64::from_ne_bytes(*COOKIE), hex, 0];
    let numbers = (0..200).map(|index| index * 8);
    let mut table: Vec<u8> = head.into_iter().chain(numbers).flat_map(u64::to_ne_bytes).collect();
    let size = match minor {
        13 => 3 + 13 + 9 + 6 + 10,
        14 => 3 + 16 + 9 + 8 + 11,
        _ => 3 + 16 + 16 + 1 + 8 + 11,
    };
    set(&mut table, 3 + size, 16);
    table
}

fn head(table: &[u8]) -> &[u8; HEAD] {
    table.first_chunk().expect("a table has a head")
}

fn set(table: &mut [u8], index: usize, value: u64) {
    table[index * 8..][..8].copy_from_slice(&value.to_ne_bytes());
}

fn read(table: &[u8]) -> Option<Result<(Layout, Way), Refusal>> {
    Some(told(head(table))?.and_then(|told| told.read(&table[..told.size()])))
}

#[test]
fn a_field_is_the_number_at_its_place_in_the_structure_of_its_version() {
    // `thread_state.native_thread_id` counted by hand in the three headers.
    for (minor, place) in [(13, 16 + 6), (14, 19 + 6), (15, 19 + 9)] {
        let (layout, _) = read(&table(minor)).expect("it has the cookie").expect("all numbers are small");
        assert_eq!(layout.version, Version { minor, patch: 4 });
        assert_eq!(layout.thread.native_thread_id, Some(place * 8), "3.{minor}");
    }
}

#[test]
fn the_table_is_as_long_as_the_header_has_it_up_to_the_garbage_collector() {
    // `offsetof(_Py_DebugOffsets, gc.collecting) + 8`, by the headers of each version.
    for (minor, size) in [(13, 584), (14, 664), (15, 768)] {
        assert_eq!(told(head(&table(minor))).expect("a cookie").expect("known").size(), size, "3.{minor}");
    }
}

#[test]
fn what_is_not_a_table_of_a_release_with_a_gil_is_refused() {
    let mut free_threaded = table(14);
    set(&mut free_threaded, 2, 1);
    let refused = |table: &[u8]| read(table).expect("it has the cookie").expect_err("refused").to_string();
    assert_eq!(refused(&free_threaded), "CPython 3.14.4 is free-threaded");
    assert_eq!(refused(&table(16)), "CPython 3.16.4 is newer than what is read here (3.15)");
    let mut candidate = table(15);
    set(&mut candidate, 1, 0x030f_00c2);
    assert_eq!(refused(&candidate), "this is a prerelease of CPython 3.15.0, whose structures may still have changed");
    let mut shifted = table(14);
    shifted.splice(300..300, [0; 8]);
    assert_eq!(refused(&shifted), "the debug offsets of CPython 3.14.4 make no sense");
    let mut wild = table(13);
    set(&mut wild, 3 + 16 + 2, 1 << 40);
    assert_eq!(refused(&wild), "the debug offsets of CPython 3.13.4 make no sense");
    assert_eq!(read(&[0; HEAD]), None);
}

proptest! {
    #[test]
    fn any_numbers_are_refused_or_bounded(minor in 0_u8..20, numbers in prop::collection::vec(prop_oneof![0..5000_u64, any::<u64>()], 200), wild in 0..200_usize) {
        let mut bytes = table(minor);
        // A table of random numbers is refused at the first; one that has a single random number goes further.
        set(&mut bytes, 3 + wild, numbers[wild]);
        let mut all = bytes.clone();
        for (index, number) in numbers.iter().enumerate() {
            set(&mut all, 3 + index, *number);
        }
        for bytes in [bytes, all] {
            if let Some(Ok((layout, way))) = read(&bytes) {
                prop_assert!(layout.thread.size <= MOST_OBJECT && layout.frame.size <= MOST_OBJECT && layout.code.size <= MOST_OBJECT);
                prop_assert!(way.threads_head < MOST_STATE && way.interpreters_head < MOST_STATE);
            }
        }
    }

    #[test]
    fn any_head_is_judged(bytes in any::<[u8; HEAD]>()) {
        let mut bytes = bytes;
        bytes[..8].copy_from_slice(COOKIE);
        prop_assert!(told(&bytes).is_some());
    }
}
