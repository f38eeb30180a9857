//! The shapes of secrets, as a table: each rule with a text that it must change and one that it must not.
//!
//! How a rule is applied is in [`patterns`](super::patterns). A pattern may name groups: `s`, `q` or `e` is the part
//! to mask (else the whole match is), `keep` or `spare` marks a match to leave alone, and `name` is a name that
//! [`secrecy`](super::names::secrecy) must agree to. Word boundaries are ASCII, for speed.

/// One shape.
pub struct Rule {
    /// What the mask says, and the count in the report.
    pub name: &'static str,
    /// The shape.
    pub pattern: &'static str,
    /// A text that holds such a secret.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that runs over the table"))]
    pub must: &'static str,
    /// A text that looks alike and must stay as it is.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that runs over the table"))]
    pub must_not: &'static str,
}

/// Rules in the order they are applied: whole blocks first, then headers and URLs, which keep their surroundings,
/// then single tokens, and the vaguest last.
pub const RULES: &[Rule] = &[
    // Two dashes end the body: without that, a log full of beginnings would be searched to its end from each.
    Rule {
        name: "pem",
        pattern: r"-----BEGIN [A-Z0-9 ]+-----(?:(?:[^-]|-[^-])*?-----END [A-Z0-9 ]+-----|[A-Za-z0-9+/=\s\\]*)",
        must: "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabc+/=\n-----END RSA PRIVATE KEY-----",
        must_not: "----- BEGIN of the log -----",
    },
    Rule {
        name: "slack-webhook",
        pattern: r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<s>[\w/-]+)",
        must: "https://hooks.slack.com/services/T0000/B0000/abcdefXYZ",
        must_not: "https://slack.com/services/export",
    },
    Rule {
        name: "webhook",
        pattern: r"(?:discord(?:app)?\.com/api/webhooks|webhook\.office\.com)/(?P<s>[\w/@.-]+)",
        must: "https://discord.com/api/webhooks/123456/abcDEF-1",
        must_not: "https://discord.com/api/channels",
    },
    Rule {
        name: "url-password",
        pattern: r#"[A-Za-z][A-Za-z0-9+.-]*://[^\s/@:"'<>]*:(?P<s>[^\s/"'<>]+)@"#,
        must: "postgresql://llm:hunter2@db:5432/litellm",
        must_not: "http://localhost:4000/v1 for a@b",
    },
    Rule {
        name: "url-user",
        pattern: r#"[A-Za-z][A-Za-z0-9+.-]*://(?:(?P<keep>git@)|(?P<s>[^\s/@:"'<>]+)@)"#,
        must: "https://0123456789abcdef@sentry.example/42",
        must_not: "ssh://git@host/repository",
    },
    Rule {
        name: "query",
        pattern: r#"(?:[?&]|&amp;|%26)(?P<name>[\w.-]+)=(?P<s>[^&\s"'#<>]+)"#,
        must: "GET /v1/models?api_key=abc123&limit=5",
        must_not: "GET /v1/models?limit=5&max_tokens=100",
    },
    Rule {
        name: "authorization",
        pattern: r#"(?P<keep>(?-u:\b)basic\s+[a-z]{1,15}(?:[\s.,;:)"']|$))|(?i)\b(?:bearer|basic)(?:\s|%20|\+)+(?:(?P<spare>(?:token|auth|authentication|authorization|credentials?)(?:[\s.,;:)"']|$))|(?P<s>[^\s"'<>,;\\]{4,}))"#,
        must: "Authorization: Bearer abcdef.123",
        must_not: "Basic authentication, a Bearer token, or some basic configuration.",
    },
    Rule {
        name: "jwt",
        pattern: r"\beyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*)?",
        must: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        must_not: "eyJson.parse",
    },
    Rule {
        name: "langfuse-key",
        pattern: r"(?:\b|_)(?P<s>[ps]k-lf-[A-Za-z0-9-]{8,})",
        must: "pk-lf-01234567-89ab-cdef",
        must_not: "pk-lf-x",
    },
    Rule {
        name: "api-key",
        pattern: r"(?:\b|_)(?P<s>sk-(?:[A-Za-z0-9_-]{8,}|[0-9]{4,7}))",
        must: "sk-ant-api03-abcDEF123",
        must_not: "sk-learn, disk-utilization and task-scheduler",
    },
    Rule {
        name: "stripe-key",
        pattern: r"\b[rsp]k_(?:live|test)_[A-Za-z0-9]{10,}",
        must: "sk_live_0123456789abcdef",
        must_not: "mark_test_slow",
    },
    Rule {
        name: "aws-access-key",
        pattern: r"\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}\b",
        must: "AKIAIOSFODNN7EXAMPLE",
        must_not: "AKIAS",
    },
    Rule {
        name: "aws-account",
        pattern: r"\barn:aws[\w-]*:[\w-]*:[\w-]*:(?P<s>\d{12}):",
        must: "arn:aws:bedrock:us-east-1:123456789012:inference-profile/x",
        must_not: "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2",
    },
    Rule {
        name: "google-api-key",
        pattern: r"\bAIza[0-9A-Za-z_-]{30,}",
        must: "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        must_not: "AIzawa",
    },
    Rule {
        name: "google-token",
        pattern: r"\b(?:ya29\.|GOCSPX-)[0-9A-Za-z_.-]{8,}",
        must: "ya29.a0AfH6SMBx-y_z",
        must_not: "ya29",
    },
    Rule {
        name: "databricks-token",
        pattern: r"\bdapi[0-9a-f]{32}(?:-\d)?\b",
        must: "dapi0123456789abcdef0123456789abcdef",
        must_not: "dapi_client",
    },
    Rule {
        name: "groq-key",
        pattern: r"\bgsk_[A-Za-z0-9]{16,}",
        must: "gsk_abcdefghij0123456789",
        must_not: "gsk_render_node",
    },
    Rule {
        name: "huggingface-token",
        pattern: r"\b(?:hf|api_org)_[A-Za-z0-9]{16,}",
        must: "hf_abcdefghijABCDEFGHIJ0123456789abcd",
        must_not: "hf_chat_template_for_model",
    },
    Rule {
        name: "provider-key",
        pattern: r"\b(?:xai|pplx|nvapi|tvly|csk|glpat|xapp)-[A-Za-z0-9_-]{16,}",
        must: "pplx-0123456789abcdef0123",
        must_not: "xai-grok-beta",
    },
    Rule {
        name: "replicate-token",
        pattern: r"\br8_[A-Za-z0-9]{16,}",
        must: "r8_abcdefghij0123456789ABCDEFGHIJ",
        must_not: "r8_to_float",
    },
    Rule {
        name: "langsmith-key",
        pattern: r"\blsv2_[A-Za-z0-9_]{16,}",
        must: "lsv2_pt_0123456789abcdef_0123456789",
        must_not: "lsv2_client",
    },
    Rule {
        name: "github-token",
        pattern: r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,})",
        must: "ghp_0123456789abcdefABCDEF0123456789abcd",
        must_not: "ghp_import",
    },
    Rule {
        name: "slack-token",
        pattern: r"\bxox[abeoprs]-[A-Za-z0-9-]{8,}",
        must: "xoxb-123456789012-abcdef",
        must_not: "xoxo-hugs",
    },
    Rule {
        name: "vault-token",
        pattern: r"\b(?:hv[sbr]\.[A-Za-z0-9_-]{16,}|whsec_[A-Za-z0-9]{16,}|phc_[A-Za-z0-9]{16,})",
        must: "hvs.CAESIJ0123456789abcdef",
        must_not: "hvs.client",
    },
    Rule {
        name: "hashed-key",
        pattern: r#"(?P<keep>(?:model[_-]id|sha256|docker|containerd|crio|libpod|lxc|pod[0-9a-f_-]+)(?:\\*["'])?\s*[-=:/]\s*(?:\\*["'])?[0-9a-f]{64}\b)|\b(?P<s>[0-9a-f]{64})\b"#,
        must: "token e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 is over budget",
        must_not: r#"{"model_id": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#,
    },
    Rule {
        name: "cookie",
        pattern: r#"(?i)\b(?:set-)?cookie\\*["']?[ \t]*[:=][ \t]*(?:\\*["'])?(?P<s>[^\r\n"'\\]+)"#,
        must: "Cookie: session=abc; theme=dark",
        must_not: "the cookie is missing",
    },
    // Names before `=` or `:`. A quoted value ends at its quote (`q`; with escaped quotes, `e`), a bare one at a blank.
    Rule {
        name: "assignment",
        pattern: concat!(
            r#"(?P<name>[\w-]*(?i:passw(?:or)?d|passphrase|pwd|secrets?|api[_-]?keys?|(?:access|account|auth|encryption|license|master|private|shared|shared[_-]?access|signing|subscription|virtual)[_-]?key(?:[_-]?id)?|token|credentials?|authorization|dsn|_pass|salt)|[A-Z0-9_]+_KEY)"#,
            r#"(?:\\*["'])?[ \t]*(?:=>|[:=])[ \t]*"#,
            r#"(?:\\+["'](?P<e>[^"'\\\r\n]+)|"(?P<q>(?:[^"\\\r\n]|\\.)+)|'(?P<a>(?:[^'\\\r\n]|\\.)+)|(?P<s>[^\s"'&,;<>()\[\]{}\\]+))"#,
        ),
        must: r#"login failed: password="correct horse" for api_key: abc-def-123"#,
        must_not: "max_tokens=100, input_cost_per_token: 1e-06, token=None, get_api_key (utils.py:12), get_api_key:12",
    },
    // The same on a command line within a text, where a blank separates.
    Rule {
        name: "flag",
        pattern: r#"(?:^|[\s"'])--(?P<name>[A-Za-z][\w-]*(?i:key|token|secret|passw(?:or)?d|credentials?))[ \t]+(?:"(?P<q>[^"\r\n]+)|'(?P<a>[^'\r\n]+)|(?P<s>[^\s"'-][^\s"']*))"#,
        must: "exec litellm --api_key abc-def --port 4000",
        must_not: "exec litellm --use_token --max_tokens 100 --config key.yaml",
    },
    Rule {
        name: "email",
        pattern: r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b",
        must: "user jane.doe@example.com asked",
        must_not: "package@1.2.3 and a decorator @app.get",
    },
];

#[cfg(test)]
mod tests {
    use super::super::patterns::Patterns;
    use super::*;

    /// What the rules together make of a text, and which of them did.
    fn scrubbed(text: &str) -> (String, Vec<&'static str>) {
        let mut fired = Vec::new();
        let clean = Patterns::get().scrub(text, |rule, _| fired.push(rule));
        (clean.unwrap_or_else(|| text.to_owned()), fired)
    }

    #[test]
    fn every_rule_masks_its_example_and_spares_its_lookalike() {
        for rule in RULES {
            let (clean, fired) = scrubbed(rule.must);
            assert!(fired.contains(&rule.name), "{}: {} -> {clean}, by {fired:?}", rule.name, rule.must);
            assert!(clean.contains(&format!("***{}***", rule.name)), "{}: {clean}", rule.name);
            assert_eq!(scrubbed(rule.must_not), (rule.must_not.to_owned(), vec![]), "{}", rule.name);
        }
    }

    #[test]
    fn what_surrounds_a_secret_stays_readable() {
        for (text, clean) in [
            ("postgresql://llm:p@ss:w@db:5432/x", "postgresql://llm:***url-password***@db:5432/x"),
            ("redis://:hunter2@cache:6379", "redis://:***url-password***@cache:6379"),
            ("?key=abc&limit=5", "?key=***query***&limit=5"),
            ("?next=/a?b=/c?key=abc&limit=5", "?next=/a?b=/c?key=***query***&limit=5"),
            (r#"{"password": "a\"b", "n": 1}"#, r#"{"password": "***assignment***", "n": 1}"#),
            (r#"{\"client_secret\": \"abc\", \"n\": 1}"#, r#"{\"client_secret\": \"***assignment***\", \"n\": 1}"#),
            ("host=db password=hunter2 port=5432", "host=db password=***assignment*** port=5432"),
            ("AccountName=x;AccountKey=ab/c+d==;Suffix=y", "AccountName=x;AccountKey=***assignment***;Suffix=y"),
            ("FOO_KEY=bar litellm --port 4000", "FOO_KEY=***assignment*** litellm --port 4000"),
            ("a -----BEGIN X KEY-----\nProc-Type: 4\nab-c\n-----END X KEY----- b", "a ***pem*** b"),
            ("a -----BEGIN X KEY-----\nabcd", "a ***pem***"),
            (r#""Authorization": "Bearer abcd1234""#, r#""Authorization": "***assignment***""#),
        ] {
            assert_eq!(scrubbed(text).0, clean);
        }
    }

    #[test]
    fn frames_paths_and_versions_are_left_alone() {
        for text in [
            "post_call (litellm/proxy/utils.py:12)",
            "expensive_pii_scrub (custom_callbacks.py)",
            "user_api_key_auth (litellm/proxy/auth/user_api_key_auth.py:210)",
            "token_counter (litellm/litellm_core_utils/token_counter.py:355)",
            "litellm/secret_managers/main.py:41",
            "get_api_key",
            "sk-learn",
            "/usr/lib/python3.11/site-packages/litellm/llms/openai/openai.py",
            "3c1f5a0b9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a",
            "1.106.2+cpu.abi3",
            "    api_key=api_key, token: Optional[str] = None,",
            "0::/kubepods/burstable/pod0a1b-2c/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "f32ab195-0a51-4c9c-8d2e-9f1d9f1a2b3c",
            "Task-1 (<module> in site-packages/uvloop/loop.pyx)",
            "05:57:02 - LiteLLM Proxy:ERROR: common_request_processing.py:1687 - litellm.RateLimitError: tpm=100",
            r#"INFO:     127.0.0.1:50374 - "POST /v1/chat/completions HTTP/1.1" 200 OK"#,
        ] {
            assert_eq!(scrubbed(text), (text.to_owned(), vec![]));
        }
    }
}
