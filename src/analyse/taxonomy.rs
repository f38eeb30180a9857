//! Which frames tell whose work a stack is, and of what kind: tables of files and functions, each row with an example.
//! How a stack is read by them is in [`work`](super::work).
//!
//! A file is named by its path below the folder that it is installed in; a pattern that ends with `/` or `*` stands for
//! everything that begins so. A function is named without its class; no name stands for all.
//! The file is as long as its tables are.

use crate::analyse::frames::{Kind, short_path};
use crate::redact::Clean;
use crate::sample::profile::{AWAITING_GIL, COLLECTING, Frame};

/// Whose work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// By this name.
    Named(&'static str),
    /// That of the integration, by the name of its file or folder: `callback langfuse`.
    Integration,
}

/// When a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Wherever its frame is the nearest to the leaf.
    Always,
    /// Only where no frame of the stack has a row that always counts.
    Otherwise,
}

/// A row: frames that tell an owner.
pub struct OwnerRow {
    /// Whose work it is.
    pub owner: Owner,
    /// When it counts.
    pub reach: Reach,
    files: &'static [&'static str],
    functions: &'static [&'static str],
    /// A file and a function that must be found by this row.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that runs over the table"))]
    example: (&'static str, &'static str),
}

/// A row: frames that tell a kind of work.
pub struct MechanismRow {
    /// What kind of work it is.
    pub name: &'static str,
    files: &'static [&'static str],
    functions: &'static [&'static str],
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that runs over the table"))]
    example: (&'static str, &'static str),
}

/// The kind of work that is none: it counts at the leaf alone, since the loop's own frames are below all others.
pub const IDLE: &str = "waiting";
/// A module's own code runs when it is imported: it is the importer's work.
pub const MODULE: &str = "<module>";
const fn always(
    name: &'static str,
    files: &'static [&'static str],
    functions: &'static [&'static str],
    example: (&'static str, &'static str),
) -> OwnerRow {
    OwnerRow { owner: Owner::Named(name), reach: Reach::Always, files, functions, example }
}

const fn otherwise(
    name: &'static str,
    files: &'static [&'static str],
    example: (&'static str, &'static str),
) -> OwnerRow {
    OwnerRow { owner: Owner::Named(name), reach: Reach::Otherwise, files, functions: &[], example }
}

/// The first row that names a frame counts, so that single functions stand before the files that they are in.
static OWNERS: &[OwnerRow] = &[
    always(
        "model listing",
        &["litellm/proxy/proxy_server.py", "litellm/proxy/utils.py", "litellm/router.py"],
        &[
            "model_list",
            "model_info_v*",
            "model_group_info",
            "create_model_info_response",
            "_safe_get_model_info",
            "get_model_group_info",
            "_set_model_group_info",
        ],
        ("litellm/router.py", "Router.get_model_group_info"),
    ),
    always(
        "token counting",
        &[
            "litellm/litellm_core_utils/token_counter.py",
            "litellm/litellm_core_utils/tokenizer*",
            "litellm/rust_bridge/token*",
            "tiktoken/",
            "tokenizers/",
        ],
        &[],
        ("tiktoken/core.py", "Encoding.encode"),
    ),
    always(
        "token counting",
        &["litellm/"],
        &["token_counter", "count_tokens", "acount_tokens", "_count_pre_call_check_tokens", "count_reasoning_tokens"],
        ("litellm/router.py", "Router._count_pre_call_check_tokens"),
    ),
    always(
        "streaming",
        &[
            "litellm/litellm_core_utils/streaming_*",
            "litellm/responses/streaming_iterator.py",
            "litellm/responses/litellm_completion_transformation/streaming_iterator.py",
            "litellm/llms/base_llm/base_model_iterator.py",
        ],
        &[],
        ("litellm/litellm_core_utils/streaming_handler.py", "CustomStreamWrapper.__anext__"),
    ),
    always(
        "streaming",
        &[
            "litellm/main.py",
            "litellm/proxy/proxy_server.py",
            "litellm/proxy/utils.py",
            "litellm/proxy/common_request_processing.py",
        ],
        &[
            "stream_chunk_builder",
            "async_data_generator",
            "_iter_with_keepalive",
            "_apply_streaming_chunk_hooks",
            "_restamp_streaming_chunk_model",
            "_serialize_streaming_chunk",
            "async_post_call_streaming_*",
            "_wrap_streaming_iterator*",
            "create_streaming_response",
        ],
        ("litellm/proxy/proxy_server.py", "async_data_generator"),
    ),
    always(
        "Prometheus scrape",
        &[
            "litellm/integrations/prometheus_metrics_endpoint.py",
            "prometheus_client/exposition.py",
            "prometheus_client/openmetrics/",
            "prometheus_client/multiprocess.py",
            "prometheus_client/registry.py",
            "prometheus_client/asgi.py",
        ],
        &[],
        ("prometheus_client/multiprocess.py", "MultiProcessCollector.collect"),
    ),
    always(
        "Prometheus metrics",
        &["litellm/integrations/prometheus*", "prometheus_client/"],
        &[],
        ("litellm/integrations/prometheus.py", "PrometheusLogger.async_log_success_event"),
    ),
    always(
        "guardrails",
        &[
            "litellm/proxy/guardrails/",
            "litellm/integrations/custom_guardrail.py",
            "litellm/llms/base_llm/guardrail_translation/",
            "presidio_analyzer/",
            "presidio_anonymizer/",
            "detect_secrets/",
        ],
        &[],
        ("litellm/proxy/guardrails/guardrail_hooks/presidio.py", "_OPTIONAL_PresidioPIIMasking.check_pii"),
    ),
    always(
        "background jobs",
        &[
            "litellm/integrations/SlackAlerting/",
            "litellm/proxy/health_check.py",
            "litellm/proxy/health_check_utils/",
            "litellm/proxy/pass_through_endpoints/",
            "apscheduler/",
        ],
        &[],
        (
            "litellm/proxy/pass_through_endpoints/pass_through_endpoints.py",
            "InitPassThroughEndpointHelpers.remove_endpoint_routes",
        ),
    ),
    always(
        "background jobs",
        &["litellm/proxy/proxy_server.py"],
        &[
            "add_deployment",
            "get_credentials",
            "_update_general_settings",
            "_update_llm_router",
            "_delete_deployment",
            "_add_deployment",
            "_check_and_reload_model_cost_map",
        ],
        ("litellm/proxy/proxy_server.py", "ProxyConfig.add_deployment"),
    ),
    always(
        "logging callbacks",
        &[
            "litellm/litellm_core_utils/litellm_logging.py",
            "litellm/litellm_core_utils/logging_*",
            "litellm/integrations/custom_logger.py",
            "litellm/integrations/custom_batch_logger.py",
            "litellm/integrations/additional_logging_utils.py",
            "litellm/litellm_core_utils/redact_messages.py",
        ],
        &[],
        ("litellm/litellm_core_utils/litellm_logging.py", "Logging.async_success_handler"),
    ),
    OwnerRow {
        owner: Owner::Integration,
        reach: Reach::Always,
        files: &["litellm/integrations/"],
        functions: &[],
        example: ("litellm/integrations/langfuse/langfuse.py", "LangFuseLogger.log_event_on_langfuse"),
    },
    always(
        "text logging and its redaction",
        &[
            "litellm/_logging.py",
            "litellm/litellm_core_utils/secret_redaction.py",
            "litellm/rust_bridge/diagnostics.py",
            "litellm/litellm_core_utils/sensitive_data_masker.py",
            "litellm/litellm_core_utils/safe_json_dumps.py",
            "logging/",
        ],
        &[],
        ("litellm/litellm_core_utils/secret_redaction.py", "redact_string"),
    ),
    always(
        "cost and model map",
        &[
            "litellm/cost_calculator.py",
            "litellm/litellm_core_utils/llm_cost_calc/",
            "litellm/litellm_core_utils/get_llm_provider_logic.py",
            "litellm/litellm_core_utils/get_model_cost_map.py",
        ],
        &[],
        ("litellm/cost_calculator.py", "completion_cost"),
    ),
    always(
        "cost and model map",
        &["litellm/utils.py"],
        &[
            "get_model_info",
            "_get_model_info_helper",
            "_cached_get_model_info*",
            "_invalidate_model_cost_lowercase_map",
            "register_model",
            "get_provider_chat_config",
        ],
        ("litellm/utils.py", "_get_model_info_helper"),
    ),
    always(
        "auth and rate limits",
        &[
            "litellm/proxy/auth/",
            "litellm/proxy/hooks/parallel_request_limiter*",
            "litellm/proxy/hooks/max_budget*",
            "litellm/proxy/hooks/dynamic_rate_limiter*",
            "litellm/proxy/hooks/max_iterations*",
            "litellm/proxy/common_utils/user_api_key_cache.py",
            "jwt/",
        ],
        &[],
        ("litellm/proxy/auth/user_api_key_auth.py", "user_api_key_auth"),
    ),
    always(
        "spend and database",
        &[
            "litellm/proxy/db/",
            "litellm/proxy/spend_tracking/",
            "litellm/proxy/hooks/proxy_track_cost_callback.py",
            "litellm/proxy/collector.py",
            "prisma/",
        ],
        &[],
        ("litellm/proxy/db/db_spend_update_writer.py", "DBSpendUpdateWriter.update_database"),
    ),
    always(
        "spend and database",
        &["litellm/proxy/utils.py"],
        &["update_spend", "update_spend_logs", "update_daily_tag_spend", "hash_token"],
        ("litellm/proxy/utils.py", "update_spend"),
    ),
    always(
        "cache and Redis",
        &["litellm/caching/", "litellm/_redis*", "redis/", "hiredis/"],
        &[],
        ("litellm/caching/in_memory_cache.py", "InMemoryCache.evict_cache"),
    ),
    always(
        "router",
        &["litellm/router.py", "litellm/router_strategy/", "litellm/router_utils/"],
        &[],
        ("litellm/router_strategy/lowest_latency.py", "LowestLatencyLoggingHandler._get_available_deployments"),
    ),
    always(
        "request parsing and pre-call",
        &[
            "litellm/proxy/common_utils/http_parsing_utils.py",
            "litellm/proxy/litellm_pre_call_utils.py",
            "litellm/proxy/common_request_processing.py",
            "litellm/proxy/hooks/",
        ],
        &[],
        ("litellm/proxy/litellm_pre_call_utils.py", "add_litellm_data_to_request"),
    ),
    always(
        "provider calls",
        &["litellm/llms/", "litellm/litellm_core_utils/prompt_templates/"],
        &[],
        ("litellm/llms/custom_httpx/http_handler.py", "get_ssl_configuration"),
    ),
    always(
        "completion call",
        &["litellm/main.py", "litellm/utils.py", "litellm/litellm_core_utils/llm_response_utils/"],
        &[],
        ("litellm/utils.py", "client.<locals>.wrapper_async"),
    ),
    always(
        "server HTTP",
        &["uvicorn/protocols/"],
        &["send", "receive", "handle_events", "data_received", "on_response_complete", "eof_received"],
        ("uvicorn/protocols/http/h11_impl.py", "H11Protocol.handle_events"),
    ),
    always("imports", &["<frozen importlib*"], &[], ("<frozen importlib._bootstrap>", "_find_and_load")),
    otherwise(
        "provider calls",
        &[
            "aiohttp/",
            "httpx/",
            "httpcore/",
            "h11/",
            "ssl.py",
            "openai/",
            "anthropic/",
            "botocore/",
            "boto3/",
            "google/",
        ],
        ("httpx/_client.py", "AsyncClient.send"),
    ),
    otherwise(
        "server and middleware",
        &[
            "litellm/proxy/middleware/",
            "litellm/proxy/_lazy_features.py",
            "starlette/",
            "fastapi/",
            "uvicorn/",
            "gunicorn/",
            "granian/",
            "hypercorn/",
            "anyio/",
        ],
        ("starlette/middleware/base.py", "BaseHTTPMiddleware.__call__"),
    ),
    otherwise(
        "event loop and threads",
        &["asyncio/", "uvloop/", "concurrent/futures/", "threading.py", "selectors.py", "queue.py"],
        ("asyncio/runners.py", "Runner.run"),
    ),
];

/// In the order in which they are tried for each frame.
static MECHANISMS: &[MechanismRow] = &[
    MechanismRow {
        name: IDLE,
        files: &["concurrent/futures/thread.py", "threading.py", "asyncio/runners.py", "selectors.py", "queue.py"],
        functions: &["_worker", "wait", "run", "select", "get"],
        example: ("concurrent/futures/thread.py", "_worker"),
    },
    MechanismRow { name: "garbage collection", files: &[""], functions: &[COLLECTING], example: ("", COLLECTING) },
    MechanismRow { name: "waiting for the GIL", files: &[""], functions: &[AWAITING_GIL], example: ("", AWAITING_GIL) },
    mechanism("deepcopy", &["copy.py"], ("copy.py", "_deepcopy_dict")),
    mechanism(
        "json",
        &["json/", "orjson/", "litellm/litellm_core_utils/safe_json_*"],
        ("json/encoder.py", "JSONEncoder.iterencode"),
    ),
    mechanism("regex", &["re.py", "re/", "sre_*", "regex/"], ("re/__init__.py", "sub")),
    mechanism("pydantic", &["pydantic/", "pydantic_core/"], ("pydantic/main.py", "BaseModel.model_dump")),
    mechanism("tokenizer", &["tiktoken/", "tokenizers/"], ("tiktoken/core.py", "Encoding.encode")),
    mechanism("TLS", &["ssl.py", "asyncio/sslproto.py"], ("ssl.py", "create_default_context")),
    mechanism("imports", &["<frozen importlib*"], ("<frozen importlib._bootstrap>", "_find_and_load")),
];

const fn mechanism(
    name: &'static str,
    files: &'static [&'static str],
    example: (&'static str, &'static str),
) -> MechanismRow {
    MechanismRow { name, files, functions: &[], example }
}

/// What is above every request, and tells nothing of it.
const BOILERPLATE: &[&str] = &[
    "litellm/proxy/middleware/",
    "litellm/proxy/_lazy_features.py",
    "litellm/proxy/proxy_cli.py",
    "litellm/proxy/native_compaction.py",
    "litellm/_internal_context.py",
    "litellm/rust_bridge/dispatch.py",
    "litellm/chat_completions/dispatch.py",
    "starlette/",
    "fastapi/",
    "uvicorn/",
    "gunicorn/",
    "granian/",
    "hypercorn/",
    "anyio/",
    "click/",
    "bin/",
    "asyncio/",
    "uvloop/",
    "multiprocessing/",
    "concurrent/futures/",
    "threading.py",
    "contextlib.py",
    "<string>",
    "<frozen runpy>",
];

/// Whether a frame is of the server's own machinery, or unknown.
pub fn is_boilerplate(frame: &Frame<Clean>) -> bool {
    let file = below(frame.file.as_str());
    file.is_empty() || frame.function.as_str() == MODULE || BOILERPLATE.iter().any(|pattern| covers(pattern, file))
}

/// The row that names a frame as an owner's.
pub fn owner_row(frame: &Frame<Clean>) -> Option<&'static OwnerRow> {
    let (file, function) = (below(frame.file.as_str()), plain(frame.function.as_str()));
    let tells = |row: &&OwnerRow| matches(row.files, row.functions, file, function);
    OWNERS.iter().find(tells).filter(|_| function != MODULE)
}

/// The row that names a frame as of a kind of work.
pub fn mechanism_row(frame: &Frame<Clean>) -> Option<&'static MechanismRow> {
    let (file, function) = (below(frame.file.as_str()), plain(frame.function.as_str()));
    MECHANISMS.iter().find(|row| matches(row.files, row.functions, file, function))
}

fn matches(files: &[&str], functions: &[&str], file: &str, function: &str) -> bool {
    files.iter().any(|pattern| covers(pattern, file))
        && (functions.is_empty() || functions.iter().any(|pattern| covers(pattern, function)))
}

/// Whether a pattern stands for a file or a function.
pub fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None if pattern.ends_with('/') => name.starts_with(pattern),
        None => name == pattern,
    }
}

/// The path below the folder of installation; of a LiteLLM that runs from a checkout, below the checkout.
pub fn below(file: &str) -> &str {
    let short = short_path(file);
    if short.starts_with("litellm/") || Kind::of_file(file) != Kind::LiteLlm {
        return short;
    }
    file.rfind("/litellm/").map_or(short, |at| &file[at + 1..])
}

/// A function's name without its class and its enclosing function.
fn plain(function: &str) -> &str {
    function.rsplit('.').next().unwrap_or(function)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::analyse) fn frame(file: &str, function: &str) -> Frame<Clean> {
        serde_json::from_value(serde_json::json!({ "function": function, "file": installed(file), "line": 1 })).unwrap()
    }

    /// Short names stand for a package's or Python's own file, as in the tables.
    fn installed(file: &str) -> String {
        let stdlib = [
            "asyncio/",
            "concurrent/",
            "threading.py",
            "selectors.py",
            "queue.py",
            "copy.py",
            "json/",
            "re/",
            "ssl.py",
        ];
        match file {
            _ if file.starts_with(['/', '<', '[']) || file.is_empty() => file.to_owned(),
            _ if stdlib.iter().any(|own| file.starts_with(own)) => format!("/usr/lib/python3.13/{file}"),
            _ => format!("/app/.venv/lib/python3.13/site-packages/{file}"),
        }
    }

    #[test]
    fn every_row_is_the_one_that_its_example_finds() {
        for row in OWNERS {
            let found = owner_row(&frame(row.example.0, row.example.1)).expect("a row");
            assert!(std::ptr::eq(found, row), "{:?} finds {:?}", row.example, found.owner);
        }
        for row in MECHANISMS {
            let found = mechanism_row(&frame(row.example.0, row.example.1)).expect("a row");
            assert!(std::ptr::eq(found, row), "{:?} finds {}", row.example, found.name);
        }
    }

    #[test]
    fn every_pattern_can_be_matched_by_a_file() {
        let all = OWNERS.iter().flat_map(|row| row.files).chain(MECHANISMS.iter().flat_map(|row| row.files));
        for pattern in all.chain(BOILERPLATE) {
            let made = pattern.replace('*', "x.py");
            let path = if pattern.ends_with('/') { format!("{made}x.py") } else { made };
            assert!(covers(pattern, below(&installed(&path))), "{pattern}");
        }
    }
}
