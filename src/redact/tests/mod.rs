//! The room as a whole: what is planted anywhere comes out nowhere, and what a reader needs stays.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Clean, EnvVar, Raw, Redactor, Sources, config, patterns};

mod configs;
mod properties;
mod sources;

const FILE: &str = "file.txt";

fn pairs(vars: &[(&str, &str)]) -> Vec<(Raw, Raw)> {
    vars.iter().map(|(name, value)| (Raw::new(*name), Raw::new(*value))).collect()
}

fn raws(args: &[&str]) -> Vec<Raw> {
    args.iter().copied().map(Raw::new).collect()
}

/// A redactor that saw this environment and nothing else.
fn knowing(vars: &[(&str, &str)]) -> Redactor {
    Redactor::new(&Sources { environs: vec![&pairs(vars)], ..Sources::default() })
}

fn text(redactor: &mut Redactor, text: &str) -> String {
    redactor.text(FILE, &Raw::new(text)).as_str().to_owned()
}

fn config_of(yaml: &str) -> (Redactor, String, Value) {
    let yaml = Raw::new(yaml);
    let mut redactor = Redactor::new(&Sources { configs: vec![&yaml], ..Sources::default() });
    let clean = redactor.config(FILE, &yaml).unwrap();
    let tree = config::parse(&Raw::new(clean.as_str())).unwrap();
    (redactor, clean.as_str().to_owned(), tree)
}

#[test]
fn forty_canaries_leave_no_trace() {
    let canaries: Vec<String> = [
        "sk-canary0{}abcdefgh",
        "sk-ant-api03-canary{}xx",
        "sk-proj-canary{}abcdef",
        "sk-or-v1-canary{}abcdef",
        "sk-lf-canary{}-abcdef",
        "pk-lf-canary{}-abcdef",
        "gsk_canary{}abcdefghij",
        "hf_canary{}abcdefghijklmnop",
        "xai-canary{}abcdefghijklm",
        "pplx-canary{}abcdefghijkl",
        "r8_canary{}abcdefghijklmnop",
        "lsv2_pt_canary{}abcdefghij",
        "glpat-canary{}abcdefghij",
        "ghp_canary{}abcdefghijklmnop",
        "github_pat_canary{}abcdefghij",
        "xoxb-12345678-canary{}",
        "ya29.canary{}-abc_def",
        "eyJjYW5hcnki{}.eyJjYW5hcnki.c2ln",
        "plain canary {} words",
        "canary{}\"quoted\"",
        "canary{}'single'",
        "canary{}<tag>&amp",
        "canary{}%41%zz",
        "canary{}\\back\\slash",
        "canary{}: yaml # like",
        "канарейка{}ünïcødé",
        "{{canary{}}",
        "[canary{}",
        "canary{}@host.example",
        "canary{}=equals==",
        "-canary{}-dash",
        "canary{}\ttab",
        "/canary{}AbCdEfGh0123456789/+x",
        "canary{}\nsecond-line-of-it-all",
        "ALLCAPSCANARY{}",
        "canary,{},comma,separated",
        "canary;{};semicolon",
        "Bearer canary{}abcdef",
        "Basic Y2FuYXJ5{}Y2FuYXJ5",
        "canary{}🐤🐤🐤",
    ]
    .iter()
    .enumerate()
    .map(|(at, shape)| shape.replacen("{}", &at.to_string(), 1))
    .collect();
    assert_eq!(canaries.len(), 40);

    for canary in &canaries {
        let vars = pairs(&[("CANARY_API_KEY", canary), ("HOSTNAME", canary), ("PLAIN", canary)]);
        let argv = raws(&["litellm", "--password", canary, &format!("--token={canary}"), &format!("x{canary}y")]);
        let tree = json!({"litellm_params": {"api_key": canary, "model": canary, "x": canary, "extra_headers": {"a": canary}},
            "inner": json!({"password": canary}).to_string(), "callbacks": [canary]});
        let yaml = Raw::new(serde_saphyr::to_string(&tree).unwrap());
        let mut redactor = Redactor::new(&Sources { environs: vec![&vars], argvs: vec![&argv], configs: vec![&yaml] });

        let mut out = serde_json::to_string(&redactor.environ(FILE, &vars)).unwrap();
        out.push_str(&serde_json::to_string(&redactor.argv(FILE, &argv)).unwrap());
        out.push_str(redactor.config(FILE, &yaml).unwrap().as_str());
        out.push_str(&text(&mut redactor, &format!("log line with {canary} in it, or {canary:?}")));
        out.push_str(&serde_json::to_string(&redactor.report()).unwrap());
        let stem = out.find("canary").or_else(|| out.find("CANARY{"));
        assert!(!out.contains(canary.as_str()), "{canary}: {out}");
        assert_eq!(redactor.gate().scan(out.as_bytes()), None, "{canary}: {out} ({stem:?})");
    }
}

#[test]
fn the_report_counts_by_rule_and_file_and_holds_no_value() {
    let mut redactor = knowing(&[("MY_TOKEN", "known-secret-value")]);
    for _ in 0..2 {
        redactor.text("logs/during.log", &Raw::new("known-secret-value and sk-abcdefgh1234"));
    }
    redactor.text("logs/before.log", &Raw::new("sk-abcdefgh1234 and nothing else"));
    assert_eq!(
        serde_json::to_value(redactor.report()).unwrap(),
        json!([
            {"rule": "api-key", "file": "logs/before.log", "count": 1},
            {"rule": "api-key", "file": "logs/during.log", "count": 2},
            {"rule": "known-secret", "file": "logs/during.log", "count": 2},
        ])
    );
}

#[test]
fn masks_are_recognised_as_masks() {
    assert!(patterns::is_mask(&patterns::mask("api-key")));
    assert!(!patterns::is_mask("***") && !patterns::is_mask("***a b***"));
}
