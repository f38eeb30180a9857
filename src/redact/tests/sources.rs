//! Environments and command lines: what is shown of them, and what is learned from them.

use super::*;

mod environments {
    use super::*;

    #[test]
    fn settings_are_shown_and_the_rest_is_set() {
        let vars = pairs(&[
            ("LITELLM_LOG", "DEBUG"),
            ("LITELLM_MASTER_KEY", "sk-1234"),
            ("DATABASE_URL", "postgresql://llm:hunter2hunter2@db/litellm"),
            ("NUM_WORKERS", "4"),
            ("STORE_MODEL_IN_DB", "True"),
            ("SOME_PIN", "1234567890123"),
            ("FEATURE_KEY", "12345"),
            ("HOSTNAME", "litellm-7d9f-x2x"),
            ("TEAM", "secretive people"),
            ("GOOGLE_JSON", r#"{"type": "service_account", "private_key": "line-of-a-key", "n": 1}"#),
            (
                "WORKER_CONFIG",
                r#"{"model": null, "config": "/app/config.yaml", "detailed_debug": true, "headers": {"x": "y"}}"#,
            ),
        ]);
        let mut redactor = Redactor::new(&Sources { environs: vec![&vars], ..Sources::default() });
        let clean = redactor.environ("environment/env.json", &vars);
        assert!(clean.is_sorted_by(|a, b| a.name <= b.name));
        let table = EnvVar::table(&clean);
        for (name, shown) in [
            ("LITELLM_LOG", "DEBUG"),
            ("LITELLM_MASTER_KEY", "set"),
            ("DATABASE_URL", "set"),
            ("NUM_WORKERS", "4"),
            ("STORE_MODEL_IN_DB", "True"),
            ("SOME_PIN", "set"),
            ("FEATURE_KEY", "set"),
            ("HOSTNAME", "litellm-7d9f-x2x"),
            ("TEAM", "set"),
            ("GOOGLE_JSON", r#"{"type":"service_account","private_key":"***secret-field***","n":1}"#),
            (
                "WORKER_CONFIG",
                r#"{"model":null,"config":"/app/config.yaml","detailed_debug":true,"headers":{"x":"***secret-field***"}}"#,
            ),
        ] {
            assert_eq!(table[name], shown, "{name}");
        }
    }

    #[test]
    fn a_stored_environment_reads_back() {
        let mut redactor = knowing(&[]);
        let clean = redactor.environ(FILE, &pairs(&[("PORT", "4000"), ("X_TOKEN", "abcdefgh")]));
        let stored = serde_json::to_string(&clean).unwrap();
        assert_eq!(stored, r#"[{"name":"PORT","value":"4000"},{"name":"X_TOKEN","value":null}]"#);
        assert_eq!(serde_json::from_str::<Vec<EnvVar>>(&stored).unwrap(), clean);
    }

    #[test]
    fn a_name_can_hold_a_secret_too() {
        let clean = knowing(&[]).environ(FILE, &pairs(&[("sk-abcdef0123456789", "x")]));
        assert_eq!(clean[0].name.as_str(), "***api-key***");
    }
}

mod command_lines {
    use super::*;

    #[test]
    fn plain_arguments_stay_and_values_of_secret_flags_go() {
        let argv = raws(&[
            "python3",
            "-m",
            "litellm",
            "--config",
            "/app/config.yaml",
            "--port",
            "4000",
            "--num_workers=4",
            "--api_key",
            "zzzz-yyyy-1",
            "--api_key=xxxx-wwww-2",
            "--use_token",
            "--debug",
            "--headers",
            r#"{"Authorization": "q1w2e3r4"}"#,
            "DB_PASSWORD=short",
            "--url=https://u:pw@host/x?token=abc",
            r#"{"api_key": "inner-1234", "n": 2}"#,
            "--model",
            "openai/gpt-4o",
            "-c",
            "exec env MY_API_KEY=quite-secret litellm",
        ]);
        let mut redactor = Redactor::new(&Sources { argvs: vec![&argv], ..Sources::default() });
        let clean: Vec<String> = redactor.argv(FILE, &argv).iter().map(Clean::to_string).collect();
        let expected = [
            "python3",
            "-m",
            "litellm",
            "--config",
            "/app/config.yaml",
            "--port",
            "4000",
            "--num_workers=4",
            "--api_key",
            "***secret-field***",
            "--api_key=***secret-field***",
            "--use_token",
            "--debug",
            "--headers",
            "***secret-field***",
            "DB_PASSWORD=***secret-field***",
            "--url=https://u:***url-password***@host/x?token=***query***",
            r#"{"api_key":"***secret-field***","n":2}"#,
            "--model",
            "openai/gpt-4o",
            "-c",
            "exec env MY_API_KEY=***known-secret*** litellm",
        ];
        assert_eq!(clean, expected);
        for learned in ["zzzz-yyyy-1", "xxxx-wwww-2", "q1w2e3r4", "inner-1234", "quite-secret"] {
            assert!(redactor.gate().scan(learned.as_bytes()).is_some(), "{learned}");
        }
    }
}

mod upload_urls {
    use super::*;

    const PRESIGNED: &str = "https://spikes.s3.eu-central-1.amazonaws.com/litellm-captures/{name}?X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261124%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Expires=604800\
         &X-Amz-Signature=0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
    /// Where a part of the path is what lets people in.
    const CAPABILITY: &str = "https://drop.example/in/Zx93kQ7tYb21mN0pLs/{name}";

    #[test]
    fn an_upload_url_on_a_command_line_is_withheld_in_both_spellings() {
        for url in [PRESIGNED, CAPABILITY] {
            let argv = raws(&["capture", "watch", "--upload-url", url, &format!("--upload-url={url}"), "-o", "/data"]);
            let mut redactor = Redactor::new(&Sources { argvs: vec![&argv], ..Sources::default() });
            let clean: Vec<String> = redactor.argv(FILE, &argv).iter().map(Clean::to_string).collect();
            let expected = [
                "capture",
                "watch",
                "--upload-url",
                "***secret-field***",
                "--upload-url=***secret-field***",
                "-o",
                "/data",
            ];
            assert_eq!(clean, expected);
            assert!(redactor.gate().scan(url.as_bytes()).is_some());
        }
    }

    #[test]
    fn an_upload_url_in_the_environment_is_withheld_and_found_elsewhere() {
        for (url, part) in [
            (PRESIGNED, "X-Amz-Signature=0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"),
            (CAPABILITY, "Zx93kQ7tYb21mN0pLs"),
        ] {
            let vars = pairs(&[("CAPTURE_UPLOAD_URL", url)]);
            let mut redactor = Redactor::new(&Sources { environs: vec![&vars], ..Sources::default() });
            assert_eq!(EnvVar::table(&redactor.environ(FILE, &vars))["CAPTURE_UPLOAD_URL"], "set");
            let sent = url.replace("{name}", "litellm-cpu-vm-20261124T135144Z.tar.gz");
            let told = text(&mut redactor, &format!("PUT {sent} failed"));
            assert!(!told.contains(part), "{told}");
            assert_eq!(redactor.gate().scan(told.as_bytes()), None, "{told}");
        }
    }

    #[test]
    fn the_host_and_folders_of_an_upload_url_stay_ordinary_words() {
        let mut redactor = knowing(&[("CAPTURE_UPLOAD_URL", PRESIGNED)]);
        let plain = "litellm-captures on spikes.s3.eu-central-1.amazonaws.com";
        assert_eq!(text(&mut redactor, plain), plain);
    }
}

mod learning {
    use super::*;

    #[test]
    fn a_secret_may_begin_like_a_flag() {
        let argv = raws(&["litellm", "--api_key", "--Zx93_kQ-7t", "--token", "--port", "4000"]);
        let mut redactor = Redactor::new(&Sources { argvs: vec![&argv], ..Sources::default() });
        let clean: Vec<String> = redactor.argv(FILE, &argv).iter().map(Clean::to_string).collect();
        assert_eq!(clean, ["litellm", "--api_key", "***secret-field***", "--token", "--port", "4000"]);
        assert!(redactor.gate().scan(b"--Zx93_kQ-7t").is_some());
    }

    #[test]
    fn a_key_in_a_harmless_variable_is_learned_line_by_line() {
        let redactor = knowing(&[("CERT", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----")]);
        assert!(redactor.gate().scan(b"MIIEvQIBADANBgkq").is_some());
    }

    #[test]
    fn parts_of_a_secret_are_secrets() {
        let basic = STANDARD.encode("admin:basic-password");
        let redactor = knowing(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=otel-key-value,authorization=Bearer%20otel-bearer-value"),
            ("X_AUTHORIZATION", &format!("Basic {basic}")),
            ("DATABASE_URL", "postgresql://llm:p%40ss-of-db@db:5432/x?sslpassword=ssl-password-1"),
            ("RAW_URL", "redis://:sl/ash#pass@cache:6379/0"),
            ("SENTRY_URL", "https://0123456789abcdef@sentry.example/42"),
            ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/abcdefghijklmnopqrstuvwx"),
            (
                "TLS_PRIVATE_KEY",
                "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----",
            ),
            ("PLAIN_SETTING", "see sk-shape-of-a-key"),
        ]);
        let gate = redactor.gate();
        for part in [
            "otel-key-value",
            "otel-bearer-value",
            &basic,
            "basic-password",
            "p%40ss-of-db",
            "p@ss-of-db",
            "ssl-password-1",
            "sl/ash#pass",
            "0123456789abcdef",
            "abcdefghijklmnopqrstuvwx",
            "MIIEvQIBADANBgkq",
            "hkiG9w0BAQEFAASC",
            "sk-shape-of-a-key",
        ] {
            assert!(gate.scan(part.as_bytes()).is_some(), "{part}");
        }
    }

    #[test]
    fn a_server_within_a_config_has_secrets_in_its_arguments_and_variables() {
        let (redactor, _, _) = config_of(
            "mcp_servers: {x: {args: [run, --api-key, key-of-a-server], env: [{name: X_TOKEN, value: token-of-a-server}]}}",
        );
        assert!(redactor.gate().scan(b"key-of-a-server").is_some());
        assert!(redactor.gate().scan(b"token-of-a-server").is_some());
    }

    #[test]
    fn ordinary_words_are_not_searched_for() {
        let mut redactor = knowing(&[
            ("DB_PASSWORD", "postgres"),
            ("ADMIN_SECRET", "true"),
            ("SHORT_SECRET", "abc1234"),
            ("PIN_SECRET", "1234567890"),
            ("KEY_FILE_SECRET", "/var/run/secrets/tls.key"),
            ("REFERENCE_KEY", "os.environ/OTHER_KEY"),
            ("MASK_SECRET", "withheld"),
            ("STAR_SECRET", "**********"),
            ("AUTH_TOKEN_URL", "https://login.example/oauth/token"),
            ("NAMESPACE", "litellm-prod"),
            ("POSTGRES_PASSWORD", "litellm-prod"),
        ]);
        let plain = "postgres true abc1234 1234567890 /var/run/secrets/tls.key os.environ/OTHER_KEY withheld ********** \
                 https://login.example/oauth/token litellm-prod";
        assert_eq!(text(&mut redactor, plain), plain);
    }
}
