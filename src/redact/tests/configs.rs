//! A config keeps its settings and loses the rest.

use super::*;

const LAB: &str = r#"
model_list:
  - model_name: mock-gpt   # asked for by bob@example.com
    litellm_params:
      model: openai/gpt-4o-mini
      api_key: fake-key
      rpm: 600
      input_cost_per_token: 1.5e-7
      max_tokens: 4096
      mock_response: "Hello from the mock. This is a canned answer."
litellm_settings:
  callbacks: ["prometheus", custom_callbacks.burn_cpu]
  cache: true
  cache_params: {type: local, ttl: 60s, host: redis.internal.example, password: 12345678}
  drop_params: null
router_settings:
  routing_strategy: usage-based-routing-v2
  fallbacks: [{mock-gpt: [mock-long]}]
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  custom_auth: custom_auth.user_api_key_auth
environment_variables:
  LITELLM_LOG: DEBUG
  SOME_SERVICE: internal-name
  TIKTOKEN_CACHE_DIR: /tmp/tokens
"#;

#[test]
fn settings_stay_and_everything_else_is_masked() {
    let (_, _, clean) = config_of(LAB);
    let expected = json!({
        "model_list": [{
            "model_name": "mock-gpt",
            "litellm_params": {
                "model": "openai/gpt-4o-mini",
                "api_key": "***secret-field***",
                "rpm": 600,
                "input_cost_per_token": 1.5e-7,
                "max_tokens": 4096,
                "mock_response": "***withheld***",
            },
        }],
        "litellm_settings": {
            "callbacks": ["prometheus", "custom_callbacks.burn_cpu"],
            "cache": true,
            "cache_params": {
                "type": "local", "ttl": "60s", "host": "***withheld***", "password": "***secret-field***",
            },
            "drop_params": null,
        },
        "router_settings": {
            "routing_strategy": "usage-based-routing-v2",
            "fallbacks": [{"mock-gpt": ["mock-long"]}],
        },
        "general_settings": {
            "master_key": "os.environ/LITELLM_MASTER_KEY",
            "custom_auth": "custom_auth.user_api_key_auth",
        },
        "environment_variables": {
            "LITELLM_LOG": "DEBUG", "SOME_SERVICE": "***withheld***", "TIKTOKEN_CACHE_DIR": "/tmp/tokens",
        },
    });
    assert_eq!(clean, expected);
}

#[test]
fn order_is_kept_and_comments_are_not() {
    let (_, clean, _) = config_of(LAB);
    let at = |key: &str| clean.find(key).unwrap();
    assert!(at("model_list") < at("litellm_settings") && at("litellm_settings") < at("router_settings"));
    assert!(!clean.contains("bob") && !clean.contains('#'));
}

#[test]
fn a_redacted_config_redacts_to_itself() {
    let (mut redactor, clean, _) = config_of(LAB);
    assert_eq!(redactor.config(FILE, &Raw::new(clean.as_str())).unwrap().as_str(), clean);
}

#[test]
fn json_in_a_string_follows_the_same_rules() {
    let (redactor, _, clean) = config_of(
        r#"litellm_settings: {extra: '{"model": "gpt-4o", "api_key": "inner-secret-1", "n": 3, "note": "words"}'}"#,
    );
    let inner: Value = serde_json::from_str(clean["litellm_settings"]["extra"].as_str().unwrap()).unwrap();
    assert_eq!(inner, json!({"model": "gpt-4o", "api_key": "***secret-field***", "n": 3, "note": "***withheld***"}));
    assert!(redactor.gate().scan(b"..inner-secret-1..").is_some());
}

#[test]
fn everything_below_a_secret_key_is_secret() {
    let (redactor, _, clean) = config_of(
        "m:\n  static_headers: {X-Team: blue-team-77, Content-Type: application/json, n: 5}\n  api_keys: [first-key-1, second-key-2]\n",
    );
    let secret = "***secret-field***";
    assert_eq!(clean["m"]["static_headers"], json!({"X-Team": secret, "Content-Type": secret, "n": secret}));
    assert_eq!(clean["m"]["api_keys"], json!([secret, secret]));
    assert!(redactor.gate().scan(b"second-key-2").is_some());
    assert!(redactor.gate().scan(b"application/json").is_none());
}

#[test]
fn a_shown_list_does_not_show_the_mappings_in_it() {
    let (_, _, clean) = config_of(
        "guardrails: [{guardrail_name: pii, litellm_params: {guardrail: presidio, api_base: http://inside, text: words}}]\ncallbacks: [otel, {note: some words}]\nmodel_group_alias: {fast: {model: mini, hidden: true}}\n",
    );
    let params = json!({"guardrail": "presidio", "api_base": "***withheld***", "text": "***withheld***"});
    assert_eq!(clean["guardrails"], json!([{"guardrail_name": "pii", "litellm_params": params}]));
    assert_eq!(clean["callbacks"], json!(["otel", {"note": "***withheld***"}]));
    assert_eq!(clean["model_group_alias"], json!({"fast": {"model": "mini", "hidden": true}}));
}

#[test]
fn infinities_and_keys_that_are_no_text_are_read() {
    let (_, _, clean) = config_of("max_budget: .inf\n429: 1\ntrue: 2\n");
    assert_eq!(clean, json!({"max_budget": ".inf", "429": 1, "true": 2}));
}

#[test]
fn names_within_free_content_are_content() {
    let (_, _, clean) = config_of("prompts: [{model: tell me a story, type: chat, temperature: 0.5}]\n");
    let withheld = "***withheld***";
    assert_eq!(clean["prompts"][0], json!({"model": withheld, "type": withheld, "temperature": 0.5}));
}

#[test]
fn anchors_merges_numeric_keys_and_repeated_keys_are_read_as_python_reads_them() {
    let (redactor, _, clean) = config_of(
        "a: &a {rpm: 1, api_key: merged-secret}\nb: {<<: *a, rpm: 2}\nretry_policy: {429: 3}\nrpm: 1\nrpm: 9\npassword: first-secret\npassword: second-secret\n",
    );
    assert_eq!(clean["b"], json!({"rpm": 2, "api_key": "***secret-field***"}));
    assert_eq!(clean["retry_policy"]["429"], json!(3));
    assert_eq!(clean["rpm"], json!(9));
    assert!(redactor.gate().scan(b"first-secret").is_some(), "a value that another overrides is learned too");
}

#[test]
fn an_unreadable_config_is_refused_without_quoting_it_and_still_teaches() {
    let yaml = Raw::new("general_settings:\n  master_key: \"quoted-secret-9\"\n  broken: [sk-verysecret1, }\n");
    let mut redactor = Redactor::new(&Sources { configs: vec![&yaml], ..Sources::default() });
    let why = redactor.config(FILE, &yaml).unwrap_err().to_string();
    assert!(why.contains("line 3"), "{why}");
    assert!(!why.contains("secret"), "{why}");
    assert_eq!(text(&mut redactor, "saw quoted-secret-9"), "saw ***known-secret***");
}

#[test]
fn bombs_and_bottomless_nesting_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.extend([format!("a{level}: &a{level} [{items}]\n")]);
    }
    for yaml in [bomb, "[".repeat(100_000), "a: ".to_owned() + &"{a: ".repeat(500), "- ".repeat(10_000)] {
        assert!(config::parse(&Raw::new(yaml)).is_err());
    }
}
