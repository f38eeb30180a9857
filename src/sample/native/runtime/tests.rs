use super::*;

#[test]
fn a_version_is_told_by_the_text_of_sys_version() {
    let told = |text: &str| text_of(text).map(|version| version.to_string());
    assert_eq!(told("3.10.13 (main, Aug 24 2023, 12:59:26) [GCC 12.2.0]").as_deref(), Some("3.10.13"));
    assert_eq!(told("3.9.18+ (heads/3.9:abc, May  9 2026) \n[Clang 17]").as_deref(), Some("3.9.18"));
    assert_eq!(told("3.10.0rc1 (default, Aug  3 2021) [GCC 10.2.1]"), None);
    assert_eq!(told("3.10.300 (main, Aug 24 2023) [GCC 12.2.0]"), None);
    assert_eq!(told("/usr/lib/python-3.10.13"), None);
}

/// Among other variables.
fn text_of(text: &str) -> Option<Version> {
    super::text(&[&[0, 7, 255], text.as_bytes(), &[0, 1]].concat())
}
