//! Properties that hold for any secret and any text.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A secret: at least eight characters of any kind that prints, not an ordinary word.
fn secret() -> impl Strategy<Value = String> {
    (r#"[a-zA-Z0-9"'%<>&\\/=:@#{}$éß漢🐤 +-]{6,30}"#, "[A-Z][0-9]z")
        .prop_map(|(body, end)| format!("{}{end}", body.trim_start_matches([' ', '-', '/', '{', '[', '$', '@'])))
        .prop_filter("long enough to be searched for", |secret| secret.len() >= 8)
}

/// Text as logs and frames have it.
fn harmless() -> impl Strategy<Value = String> {
    "[a-z ()/.:,é\n\"'&<-]{0,40}"
}

/// Each case builds an automaton, which is slow in a debug build: few by default, `PROPTEST_CASES` asks for more.
fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(64),
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_known_secret_never_leaves_in_a_text(secret in secret(), before in harmless(), after in harmless()) {
        let mut redactor = knowing(&[("SOME_SECRET", &secret)]);
        let out = text(&mut redactor, &format!("{before}{secret}{after}"));
        prop_assert!(!out.contains(&secret), "{out}");
        prop_assert_eq!(redactor.gate().scan(out.as_bytes()), None);
    }

    #[test]
    fn a_known_secret_never_leaves_in_a_config_or_a_command_line(secret in secret()) {
        let vars = pairs(&[("SOME_SECRET", &secret)]);
        let tree = json!({"model": secret, secret.clone(): 1, "list": [{"api_key": secret}], "callbacks": [format!("a{secret}b")]});
        let yaml = Raw::new(serde_saphyr::to_string(&tree).unwrap());
        let mut redactor = Redactor::new(&Sources { environs: vec![&vars], ..Sources::default() });
        let clean = redactor.config(FILE, &yaml).unwrap();
        let argv = raws(&["litellm", &secret, "--api_key", &secret, &format!("--model={secret}"), &format!("X={secret}")]);
        let clean_argv = redactor.argv(FILE, &argv);
        let out = format!("{clean}\n{}", serde_json::to_string(&clean_argv).unwrap());
        prop_assert!(!out.contains(&secret), "{out}");
        prop_assert_eq!(redactor.gate().scan(out.as_bytes()), None);
        prop_assert!(config::parse(&Raw::new(clean.as_str())).is_ok(), "{}", clean);
    }

    #[test]
    fn a_secret_is_learned_wherever_a_name_announces_it(secret in secret(), place in 0..7usize) {
        let tree = match place {
            0 => json!({"model_list": [{"litellm_params": {"api_key": secret}}]}),
            1 => json!({"litellm_params": {"extra_headers": {"X-Any": secret}}}),
            2 => json!({"settings": json!({"client_secret": secret}).to_string()}),
            3 => json!({"environment_variables": {"ANY_TOKEN": secret}}),
            4 => json!({"vertex_credentials": json!({"type": "service_account", "private_key": secret}).to_string()}),
            5 => json!({"mcp_servers": {"x": {"args": ["--auth-token", secret]}}}),
            _ => json!({"api_keys": ["first", [secret]]}),
        };
        let yaml = Raw::new(serde_saphyr::to_string(&tree).unwrap());
        let mut redactor = Redactor::new(&Sources { configs: vec![&yaml], ..Sources::default() });
        let out = text(&mut redactor, &format!("x{secret}y")) + redactor.config(FILE, &yaml).unwrap().as_str();
        prop_assert!(!out.contains(&secret), "{out}");

        let vars = pairs(&[("WORKER_CONFIG", &json!({"api_key": secret}).to_string())]);
        let mut redactor = Redactor::new(&Sources { environs: vec![&vars], ..Sources::default() });
        let out = text(&mut redactor, &format!("x{secret}y"));
        prop_assert!(!out.contains(&secret), "{out}");

        let argv = raws(&["litellm", "--api_key", &secret]);
        let mut redactor = Redactor::new(&Sources { argvs: vec![&argv], ..Sources::default() });
        let out = text(&mut redactor, &format!("x{secret}y"));
        prop_assert!(!out.contains(&secret), "{out}");
    }

    #[test]
    fn the_gate_finds_a_secret_in_every_encoding(secret in secret(), before in prop::collection::vec(any::<u8>(), 0..9), after in prop::collection::vec(any::<u8>(), 0..9)) {
        let gate = knowing(&[("SOME_SECRET", &secret)]).gate();
        let around = |middle: &[u8]| [before.as_slice(), middle, after.as_slice()].concat();
        let whole = around(secret.as_bytes());
        prop_assert!(gate.scan(&whole).is_some());
        prop_assert!(gate.scan(STANDARD.encode(&whole).as_bytes()).is_some());
        prop_assert!(gate.scan(URL_SAFE_NO_PAD.encode(&whole).as_bytes()).is_some());
        let json = serde_json::to_string(&secret).unwrap();
        prop_assert!(gate.scan(&around(json.as_bytes())).is_some());
        prop_assert!(gate.scan(&around(serde_json::to_string(&json).unwrap().as_bytes())).is_some());
        let xml = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&apos;");
        prop_assert!(gate.scan(&around(xml.as_bytes())).is_some());
        let percent = |upper: bool| -> String {
            secret.bytes().map(|b| match (b.is_ascii_alphanumeric(), upper) {
                (true, _) => char::from(b).to_string(),
                (false, true) => if b == b'-' { "-".to_owned() } else { format!("%{b:02X}") },
                (false, false) => if b == b'-' { "-".to_owned() } else { format!("%{b:02x}") },
            }).collect()
        };
        prop_assert!(gate.scan(&around(percent(true).as_bytes())).is_some());
        prop_assert!(gate.scan(&around(percent(false).as_bytes())).is_some());
    }

    #[test]
    fn redaction_of_a_redacted_text_changes_nothing(input in r#"(password|api_key|token|Bearer|Basic|sk-|://|@|[=: "'?&/.]|[a-zA-Z0-9]{1,12}|\*){0,20}"#) {
        let mut redactor = knowing(&[]);
        let once = text(&mut redactor, &input);
        let twice = text(&mut redactor, &once);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn text_without_secrets_is_unchanged(input in r"[a-z_]{1,12} \([a-z_/]{1,30}\.py:[0-9]{1,4}\)") {
        prop_assert_eq!(text(&mut knowing(&[("X_KEY", "some-secret-1")]), &input), input);
    }

    #[test]
    fn numbers_flags_and_structure_survive_a_config(rpm in any::<u32>(), cost in 0.0..1.0f64, flag in any::<bool>(), models in prop::collection::vec("[a-z]{2,8}/[a-z0-9.-]{2,12}", 1..5)) {
        let tree = json!({"model_list": models.iter().map(|model| json!({"model_name": model, "rpm": rpm, "cost": cost})).collect::<Vec<_>>(), "flag": flag});
        let (_, _, clean) = config_of(&serde_saphyr::to_string(&tree).unwrap());
        prop_assert_eq!(clean, tree);
    }

    #[test]
    fn arbitrary_bytes_never_break_anything(input in any::<String>()) {
        let raw = Raw::new(input.as_str());
        let mut redactor = Redactor::new(&Sources { configs: vec![&raw], ..Sources::default() });
        let _ = redactor.config(FILE, &raw);
        let _ = redactor.argv(FILE, &raws(&[&input, &input]));
        let _ = redactor.environ(FILE, &pairs(&[(&input, &input)]));
    }
}
