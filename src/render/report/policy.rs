//! What the browser is told to allow: scripts and styles of which we know every byte, pictures within the page, and
//! nothing that is fetched.
//!
//! A flamegraph's document inherits the page's policy, so that its script and style are named there too.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// How inferno begins and ends its script and its style.
const SCRIPT: (&str, &str) = ("<script type=\"text/ecmascript\">", "]]></script>");
const STYLE: (&str, &str) = ("<style type=\"text/css\">", "</style>");
/// Its script is in two such sections, and what is run is the text of both.
const SECTION: [&str; 2] = ["<![CDATA[", "]]>"];
/// What has to be otherwise within a page: inferno's text, and the text in its place.
const OTHERWISE: [(&str, &str); 4] = [
    // It begins by an attribute, which a policy cannot allow for one script alone.
    (" onload=\"init(evt)\"", ""),
    // It keeps zoom and search in the address, and a document within another has none that could be changed.
    ("history.replaceState(null, null, parse_params(params));", ""),
    // It asks for what to search in a box of the browser's, which a sandbox may not show. The graph alone has it.
    (".hide { display:none; }", ".hide, #search { display:none; }"),
    ("if (e.keyCode === 114 || (e.ctrlKey && e.keyCode === 70)) {", "if (false) {"),
];
/// Its frames have a width in pixels that only a window's resizing changes, and paper is narrower than a window.
const BEGIN: &str = r#"
window.addEventListener("load", init);
window.addEventListener("beforeprint", () => { svg.setAttribute("width", "680"); dispatchEvent(new Event("resize")); });
window.addEventListener("afterprint", () => { svg.removeAttribute("width"); dispatchEvent(new Event("resize")); });
"#;

/// A flamegraph as it may stand within the page.
pub fn embedded(svg: &str) -> String {
    let svg = OTHERWISE.iter().fold(svg.to_owned(), |svg, (inferno, otherwise)| svg.replace(inferno, otherwise));
    match svg.split_once(SCRIPT.0).and_then(|(head, rest)| Some((head, rest.split_once(SCRIPT.1)?))) {
        Some((head, (script, rest))) => [head, SCRIPT.0, script, BEGIN, SCRIPT.1, rest].concat(),
        None => svg,
    }
}

/// The policy for a page with these scripts and styles, and with these embedded flamegraphs.
pub fn policy(script: &str, style: &str, flamegraphs: &[String]) -> String {
    let mut scripts = BTreeSet::from([hash(script)]);
    let mut styles = BTreeSet::from([hash(style)]);
    for svg in flamegraphs {
        scripts.extend(between(svg, SCRIPT).map(|script| hash(&without_sections(script))));
        styles.extend(between(svg, STYLE).map(hash));
    }
    let [scripts, styles] = [scripts, styles].map(|hashes| hashes.into_iter().collect::<Vec<_>>().join(" "));
    format!(
        "default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; frame-src blob:; \
         base-uri 'none'; form-action 'none'"
    )
}

/// The first such element's content. What comes from the target stands behind it and is escaped.
fn between<'a>(svg: &'a str, (begin, end): (&str, &str)) -> Option<&'a str> {
    Some(svg.split_once(begin)?.1.split_once(end)?.0)
}

fn without_sections(script: &str) -> String {
    SECTION.iter().fold(script.to_owned(), |script, part| script.replace(part, ""))
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use inferno::flamegraph::{Options, from_lines};

    fn inferno() -> String {
        let mut svg = Vec::new();
        from_lines(&mut Options::default(), ["]]></script><b> onload=\"init(evt)\" 1"], &mut svg).unwrap();
        String::from_utf8(svg).unwrap()
    }

    #[test]
    fn all_that_is_looked_for_in_infernos_svg_is_still_there() {
        let svg = inferno();
        for part in [SCRIPT.0, SCRIPT.1, STYLE.0, STYLE.1] {
            assert_eq!(svg.matches(part).count(), 1, "{part}");
        }
        for (part, _) in OTHERWISE {
            assert!(svg.contains(part), "{part}");
        }
        let embedded = embedded(&svg);
        assert!(!embedded.contains("history.") && !embedded.contains("onload=\""));
        assert!(embedded.contains("onload=&quot;init(evt)&quot;"), "a name stays as it is");
        assert!(between(&embedded, SCRIPT).unwrap().ends_with(BEGIN));
    }

    #[test]
    fn every_script_and_style_is_named_by_its_hash() {
        let policy = policy("a", "b", &[embedded(&inferno()), embedded(&inferno())]);
        assert_eq!(policy.matches("'sha256-").count(), 4, "{policy}");
        assert!(policy.contains("'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='"), "that of `a`: {policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
