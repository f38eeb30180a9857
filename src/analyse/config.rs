//! A redacted config as a list of settings, so that two of them can be held against each other.

use std::collections::BTreeMap;

use serde_json::Value;

/// Dotted path to value, such as `litellm_settings.callbacks` to `[prometheus]`.
pub type Settings = BTreeMap<String, String>;

/// Keys by which LiteLLM names the entries of its lists.
const NAMES: &[&str] = &["model_name", "guardrail_name", "credential_name", "policy_name", "prompt_id", "name", "path"];

/// The settings of a config; none where it is no YAML. An entry of a list goes by its name where it has one, so that a
/// new entry does not make every later one differ.
pub fn settings(yaml: &str) -> Option<Settings> {
    let tree: Value = serde_saphyr::from_str(yaml).ok()?;
    let mut settings = Settings::new();
    gather(&tree, String::new(), &mut settings);
    Some(settings)
}

fn gather(value: &Value, path: String, settings: &mut Settings) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                gather(value, below, settings);
            }
        }
        Value::Array(entries) if entries.iter().any(|entry| entry.is_object() || entry.is_array()) => {
            let mut seen: BTreeMap<String, u32> = BTreeMap::new();
            for (index, entry) in entries.iter().enumerate() {
                let name = NAMES.iter().find_map(|key| entry.get(key)?.as_str()).map(str::to_owned);
                let name = name.unwrap_or_else(|| index.to_string());
                let times = seen.entry(name.clone()).or_default();
                *times += 1;
                let label = if *times == 1 { name } else { format!("{name}#{times}") };
                gather(entry, format!("{path}[{label}]"), settings);
            }
        }
        Value::Array(entries) => {
            let written: Vec<String> = entries.iter().map(written).collect();
            settings.insert(path, format!("[{}]", written.join(", ")));
        }
        single => {
            settings.insert(path, written(single));
        }
    }
}

fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_setting_has_a_path_and_entries_go_by_their_names() {
        let yaml = "model_list:\n- model_name: a\n  litellm_params: {model: openai/x, rpm: 5}\n- model_name: a\n  \
                    litellm_params: {}\nlitellm_settings: {callbacks: [prometheus, mine.burn], json_logs: true}\n\
                    general_settings:\n  pass_through_endpoints:\n  - {headers: null}\n";
        let expected = [
            ("general_settings.pass_through_endpoints[0].headers", "null"),
            ("litellm_settings.callbacks", "[prometheus, mine.burn]"),
            ("litellm_settings.json_logs", "true"),
            ("model_list[a#2].litellm_params", "{}"),
            ("model_list[a#2].model_name", "a"),
            ("model_list[a].litellm_params.model", "openai/x"),
            ("model_list[a].litellm_params.rpm", "5"),
            ("model_list[a].model_name", "a"),
        ];
        let settings = settings(yaml).unwrap();
        assert_eq!(settings, expected.map(|(path, value)| (path.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn what_is_no_yaml_has_no_settings() {
        assert_eq!(settings("a: [unclosed"), None);
    }

    proptest! {
        #[test]
        fn no_config_is_too_strange(text in "[-a-z:{}\\[\\], \n&*#\"']{0,60}") {
            let _ = settings(&text);
        }
    }
}
