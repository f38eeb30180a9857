//! The words that LiteLLM's routes are made of.
//!
//! They are those of every path that LiteLLM 1.106 declares, of the providers' own APIs that it passes through
//! (`/vertex_ai/v1/projects/…`, `/bedrock/model/…/converse`), and of what any web server is asked for. A word that is
//! missing here costs a reader a part of a route; one too many could show what a client made up.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Whether a part of a path is such a word.
pub fn is_known(word: &str) -> bool {
    static KNOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| WORDS.split_ascii_whitespace().collect());
    KNOWN.contains(word)
}

/// Sorted.
const WORDS: &str = "
.well-known Groups ResourceTypes Schemas ServiceProviderConfig Users a2a access_group access_group_assignment
access_groups active activity adaptive_router add add_guardrail_settings agent agent-card.json agent-skills agent.json
agent_hub agents aggregated ai alerting aliases all-versions all_end_users all_tag_names allowed_ip allowed_ips
anthropic anthropic_beta_headers anthropic_beta_headers_reload api apply_guardrail approve apps archive assemblyai
assistants asyncio-tasks attachments audio audit auth-token authorize auto_router autorouter_presets availability
available available_providers available_roles available_users azure azure_ai azure_speech backlog batch batches bedrock
benchmarks bespoke billing-key block block_requests_for_models_without_pricing budget budgets build bulk bulk_delete
bulk_member_add bulk_update by_model by_name by_user cache cache_hits cache_leakage_keys calculate call callback
callbacks calls cancel capture_rate cases category_yaml change characters chat check claim claim_token classifier
claude-code claude_code_gateway cli client-ip client_secrets cloudzero cohere compact compare complete completions
complexity_router compliance comprehendmedical config config_overrides configs configure connect connection connections
containers content converse converse-stream coordination_redis cost cost_discount_config cost_map cost_margin_config
cost_optimization count-tokens count_tokens credentials cursor customer cyberark daily datasets dau debug decisions
deepgram default_prompt default_team_settings delete deployment deployments deprecations detail details
device_authorization disable disable_logging discover discovery distinct dotprompt_json_converter drain dry-run edits
email embeddings enable enabled end_user end_users endpoints engines enrich error estimate estimate-impact eu-ai-act
eu.assemblyai evals event_logging event_settings events exceptions exchange executions export extensions fal_ai fallback
favicon.ico features feedback field fields files filter findings fine_tuning flow flushall fuse_presets gateway gc gdpr
gemini generate generations get get_favicon get_image get_logo_url get_token gigachat github global google guardrails
hashicorp_vault health healthz heartbeat help history identities identity identity-map images import index.json indexes
info ingest ingestion-credentials init input_items input_tokens installed interactions internal internal_user_settings
introspect invitation invoke invoke-with-response-stream jobs jwks jwks.json jwt key keys kill_switch knowledgebases
langfuse latest latest_release_info laya lazy lens license list listen litellm litellm-cli-auth litellm-ui-config
litellm_blog_posts litellm_model_cost_map live liveliness liveness locations login logo logout logs major_airlines
make_public manage managed management mapping marketplace.json mau mcp mcp-rest mcp-session mcp_hub
mcp_semantic_filter_settings mcp_tool_search_settings me member member_add member_delete member_update members memory
memory-usage memory-usage-in-mem-cache memory-usage-in-mem-cache-items merge message messages meta metadata
metadata_schema metrics migrate-encryption milvus mistral model model-insights model_cost_map model_cost_map_reload
model_group model_hub model_info model_top_keys models moderations modes moyai name network new nvidia_nim oauth
oauth-authorization-server oauth-protected-resource oauth-user-credential ocr onboarding openai openai_passthrough
openapi-registry openid-configuration openrouter options organization organizations otel-spans overrides overview
pass_through_endpoint pass_through_endpoints password per-user-analytics permissions_bulk_update permissions_list
permissions_update pin ping placeholders plugin-proxy plugins policies policy poll predict predict-cache preview
progress project projects prompt prompt_caching prompts provider provider_specific_params providers proxy public
publishers query queue rag readiness realtime redis refresh regenerate register registry.json reject reload remix report
repositories requests rerank reset reset_budget reset_spend resolve resolved-guardrails responses result retrieve
retrieveAndGenerate reviews revisions revoke robots.txt roi-calculator router routes runs rust_control_plane saml sample
schedule scim scorer_defaults search search_tools send server service service-account services session sessions settings
setup shadow_eval shared-status signals skill_hub skills slow_responses source spans speech spend spend_logs sse sso
sso_settings start state status stop stream streaming_metrics submissions suggest summary supported_openai_params sync
systemone tag tags tasks team teams templates test test-pipeline test_connection test_custom_code
test_policies_and_guardrails test_routing threads tinyfish token token_counter tool tools toolset traces tracing
transcribe transcription_sessions transcriptions transform_request typesafe ui ui_settings ui_theme_settings unblock
unified_access_group update update_useful_links upload usage user user-agent user-credential user-credentials
user-env-vars user_banner users utils v1 v1alpha v1beta v1beta1 v2 v3 validate validate_blocked_words_file
validate_complexity_router_config vantage vector_store vector_stores versions vertex-ai vertex_ai videos vllm warm
watch-all watsonx wau websearch_interception_settings worker workers workflows yaml
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_hold_nothing_but_letters_marks_and_few_digits() {
        let words: Vec<&str> = WORDS.split_ascii_whitespace().collect();
        assert!(words.is_sorted_by(|one, other| one < other));
        let strange = words.iter().find(|word| !word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
        assert_eq!(strange, None);
    }
}
