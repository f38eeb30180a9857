use super::*;

#[test]
fn the_minor_version_is_in_the_name_of_executable_and_library() {
    assert_eq!(minor_of(b"python3.10"), Some(10));
    assert_eq!(minor_of(b"libpython3.9.so.1.0"), Some(9));
    assert_eq!(minor_of(b"python3"), None);
    assert_eq!(minor_of(b"uwsgi"), None);
}

#[test]
fn a_version_is_a_whole_text_between_zeros() {
    let block = b"3.10.1\x003.10.13\x003.10\x00v3.9.1\x003.8.2+\x003.10.300\x003.10.1";
    let versions: Vec<_> = texts(block).map(|version| version.to_string()).collect();
    assert_eq!(versions, ["3.10.13", "3.8.2"]);
    assert_eq!(texts(b"3.10.1").count(), 0);
}
