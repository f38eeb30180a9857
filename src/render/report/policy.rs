//! What the browser is told to allow: scripts and styles of which we know every byte, pictures within the page, and
//! nothing that is fetched.
//!
//! A flamegraph's document inherits the page's policy, so that its script and style are named there too.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// How inferno begins and ends its script and its style.
const SCRIPT: (&str, &str) = ("<script type=\"text/ecmascript\"><![CDATA[", "]]></script>");
const STYLE: (&str, &str) = ("<style type=\"text/css\">", "</style>");
/// Inferno begins by an attribute, which a policy cannot allow for one script alone.
const ONLOAD: &str = " onload=\"init(evt)\"";
const BEGIN: &str = "\nwindow.addEventListener(\"load\", init);\n";
/// It keeps zoom and search in the address, and a document within another has none that could be changed.
const ADDRESS: &str = "history.replaceState(null, null, parse_params(params));";

/// A flamegraph as it may stand within the page.
pub fn embedded(svg: &str) -> String {
    let svg = svg.replacen(ONLOAD, "", 1).replace(ADDRESS, "");
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
        scripts.extend(between(svg, SCRIPT).map(hash));
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

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use inferno::flamegraph::{Options, from_lines};

    fn inferno() -> String {
        let mut svg = Vec::new();
        from_lines(&mut Options::default(), ["]]></script><b> 1"], &mut svg).unwrap();
        String::from_utf8(svg).unwrap()
    }

    #[test]
    fn all_that_is_looked_for_in_infernos_svg_is_still_there() {
        let svg = inferno();
        for part in [SCRIPT.0, STYLE.0, ONLOAD] {
            assert_eq!(svg.matches(part).count(), 1, "{part}");
        }
        assert!(svg.contains(ADDRESS));
        let embedded = embedded(&svg);
        assert!(!embedded.contains("history.") && !embedded.contains("onload="));
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
