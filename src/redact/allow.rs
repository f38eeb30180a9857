//! What may be shown: names whose values are plain settings, and values that are known words.
//!
//! Everything else in a config or an environment is withheld, so a name missing here costs a reader some detail and
//! never costs the owner a secret. Values that are shown still go through known secrets and patterns.

/// Environment variables whose text is shown. Booleans, numbers and known words are shown under any harmless name,
/// so only names with telling text stand here. Sorted, for the binary search.
const ENVIRONMENT: &[&str] = &[
    "CONDA_DEFAULT_ENV",
    "CONFIG_FILE_PATH",
    "DD_ENV",
    "DD_SERVICE",
    "DD_VERSION",
    "ENV",
    "ENVIRONMENT",
    "GUNICORN_CMD_ARGS",
    "HOME",
    "HOSTNAME",
    "KUBERNETES_PORT",
    "KUBERNETES_SERVICE_HOST",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LITELLM_CONFIG_BUCKET_TYPE",
    "LITELLM_ENVIRONMENT",
    "LITELLM_HOSTED_UI",
    "LITELLM_LOCAL_MODEL_COST_MAP",
    "LITELLM_LOG",
    "LITELLM_LOG_LEVEL",
    "LITELLM_MIGRATION_DIR",
    "LITELLM_MODE",
    "LITELLM_NON_ROOT",
    "LITELLM_RELEASE",
    "LITELLM_VERSION",
    "LOG_LEVEL",
    "MALLOC_CONF",
    "NAMESPACE",
    "NODE_NAME",
    "OLDPWD",
    "OTEL_EXPORTER",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
    "PATH",
    "POD_NAME",
    "POD_NAMESPACE",
    "PROMETHEUS_MULTIPROC_DIR",
    "PWD",
    "PYROSCOPE_APP_NAME",
    "PYTHONASYNCIODEBUG",
    "PYTHONHASHSEED",
    "PYTHONHOME",
    "PYTHONMALLOC",
    "PYTHONPATH",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONSTARTUP",
    "PYTHONWARNINGS",
    "PYTHON_GC_THRESHOLD",
    "PYTHON_VERSION",
    "SERVER_ROOT_PATH",
    "SHELL",
    "TERM",
    "TIKTOKEN_CACHE_DIR",
    "TMPDIR",
    "TZ",
    "UV_PYTHON",
    "UVICORN_LOG_LEVEL",
    "UVICORN_LOOP",
    "VIRTUAL_ENV",
    "WEB_CONCURRENCY",
    "WORKER_CONFIG",
];

/// Config keys whose text is shown, alone or in a list: names of models and providers, callbacks, routing, regions,
/// durations. What is in a mapping below them is judged by its own keys.
const CONFIG: &[&str] = &[
    "access_groups",
    "alerting",
    "alert_types",
    "allowed_fails_policy",
    "api_version",
    "audit_log_callbacks",
    "aws_region_name",
    "background_health_check_model",
    "base_model",
    "budget_duration",
    "cache_mode",
    "callback",
    "callbacks",
    "completion_model",
    "config",
    "custom_auth",
    "custom_handler",
    "custom_llm_provider",
    "custom_key_generate",
    "custom_sso",
    "default_fallbacks",
    "default_model",
    "embedding_model",
    "failure_callback",
    "guardrail",
    "guardrail_name",
    "guardrails",
    "health_check_model",
    "include",
    "key_management_system",
    "litellm_provider",
    "mode",
    "model",
    "model_group",
    "model_group_retry_policy",
    "model_name",
    "models",
    "optional_pre_call_checks",
    "post_call_rules",
    "pre_call_rules",
    "provider",
    "region_name",
    "retry_policy",
    "routing_strategy",
    "s3_region_name",
    "semantic_cache_embedding_model",
    "service_callback",
    "supported_call_types",
    "success_callback",
    "transport",
    "type",
    "ui_access_mode",
    "vertex_ai_location",
    "vertex_location",
];

/// Config keys whose mappings are made of model names, on both sides.
const CONFIG_NAMES: &[&str] =
    &["content_policy_fallbacks", "context_window_fallbacks", "fallbacks", "model_group_alias"];

/// Config keys with free content below them: prompts, answers, headers, words to block. Names that announce a secret
/// are not repeated here.
const CONTENT: &[&str] = &[
    "agent_list",
    "agents",
    "args",
    "assistant_settings",
    "banned_keywords",
    "blocked_words",
    "command",
    "content",
    "custom_code",
    "description",
    "extra_body",
    "input",
    "instructions",
    "litellm_metadata",
    "messages",
    "metadata",
    "mock_response",
    "mock_tool_calls",
    "policies",
    "prompt",
    "prompts",
    "request_body",
    "system_message",
    "template",
    "user_config",
];

/// Config keys that hold environment variables.
const CONFIG_ENVIRONMENT: &[&str] = &["env", "env_vars", "environment_variables"];

/// Words that LiteLLM, its servers and HTTP give a meaning to. They are shown under any harmless key, and never
/// learned as a secret: searching for `application/json` would riddle a log.
const WORDS: &[&str] = &[
    "*/*",
    "-.inf",
    ".inf",
    ".nan",
    "acompletion",
    "aembedding",
    "aiohttp",
    "all",
    "always",
    "application/json",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "asyncio",
    "atext_completion",
    "audio_speech",
    "audio_transcription",
    "auto",
    "aws_kms",
    "aws_secret_manager",
    "azure",
    "azure_ai",
    "azure_key_vault",
    "basic",
    "batch",
    "bedrock",
    "bearer",
    "charset=utf-8",
    "chat",
    "completion",
    "cost-based-routing",
    "critical",
    "datadog",
    "debug",
    "default",
    "default_off",
    "default_on",
    "dev",
    "development",
    "disabled",
    "disk",
    "during_call",
    "email",
    "embedding",
    "enabled",
    "error",
    "false",
    "gcs",
    "google_kms",
    "google_secret_manager",
    "grpc",
    "gunicorn",
    "gzip",
    "hashicorp_vault",
    "http",
    "http/protobuf",
    "https",
    "image_generation",
    "info",
    "keep-alive",
    "langfuse",
    "langsmith",
    "latency-based-routing",
    "least-busy",
    "llm_api_check",
    "local",
    "logging_only",
    "management_routes",
    "moderation",
    "never",
    "no",
    "no-cache",
    "none",
    "null",
    "off",
    "on",
    "openai",
    "otel",
    "otlp_grpc",
    "otlp_http",
    "per_model",
    "post_call",
    "pre_call",
    "presidio",
    "proactive",
    "prod",
    "production",
    "prometheus",
    "qdrant-semantic",
    "read_only",
    "redis",
    "redis-semantic",
    "rerank",
    "responses",
    "s3",
    "service_account",
    "simple-shuffle",
    "slack",
    "sse",
    "staging",
    "stdio",
    "streamable_http",
    "test",
    "text/event-stream",
    "text/plain",
    "trace",
    "true",
    "usage-based-routing",
    "usage-based-routing-v2",
    "uvicorn",
    "uvloop",
    "vertex_ai",
    "warn",
    "warning",
    "yes",
];

/// Longest text shown under an allow-listed config key. Names are short; what is longer is content.
const LONGEST_NAME: usize = 200;

/// Whether the text of this environment variable is shown.
pub fn shows_variable(name: &str) -> bool {
    ENVIRONMENT.contains(&name)
}

/// Whether text under this config key is shown.
pub fn shows_key(key: &str) -> bool {
    CONFIG.contains(&key)
}

/// Whether only model names are below this config key.
pub fn holds_names(key: &str) -> bool {
    CONFIG_NAMES.contains(&key)
}

/// Whether free content is below this config key.
pub fn holds_content(key: &str) -> bool {
    CONTENT.contains(&key)
}

/// Whether environment variables are below this config key.
pub fn holds_variables(key: &str) -> bool {
    CONFIG_ENVIRONMENT.contains(&key)
}

/// Whether this is a word with a public meaning, in any case.
pub fn is_word(value: &str) -> bool {
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(value))
}

/// Whether this is a reference to the environment, as LiteLLM writes it: `os.environ/NAME`.
pub fn is_reference(value: &str) -> bool {
    value.strip_prefix("os.environ/").is_some_and(|name| {
        !name.is_empty() && name.len() <= 80 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Whether this is a quantity: `30`, `0.5`, `1e-6`, `30s`, `500ms`, `80%`, `1mo`. Up to twelve digits, for what is
/// longer could be an account.
pub fn is_measure(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let number = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let unit = &value[number.len()..];
    (1..=12).contains(&digits)
        && ["", "%", "ms", "s", "sec", "m", "min", "h", "d", "w", "mo", "KB", "MB", "GB", "Ki", "Mi", "Gi"]
            .contains(&unit)
        && number.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | 'e' | '+'))
        && number.parse::<f64>().is_ok()
}

/// Whether a text under an allow-listed key can be a name at all.
pub fn is_name(value: &str) -> bool {
    value.len() <= LONGEST_NAME && !value.contains(['\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_told_from_identifiers() {
        for quantity in ["30", "0.5", "1e-6", "-1", "30s", "500ms", "80%", "1mo", "7d", "512Mi"] {
            assert!(is_measure(quantity), "{quantity}");
        }
        for other in ["", "s", "1234567890123", "10.0.0.1", "e", "12ab", "2026-11-24", "1.2.3"] {
            assert!(!is_measure(other), "{other}");
        }
    }

    #[test]
    fn a_reference_is_a_variable_name_and_nothing_more() {
        assert!(is_reference("os.environ/LITELLM_MASTER_KEY"));
        for other in ["os.environ/", "os.environ/X y", "sk-os.environ/X", "os.environ/a=b"] {
            assert!(!is_reference(other), "{other}");
        }
    }
}
