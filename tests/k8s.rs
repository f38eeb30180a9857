//! `capture k8s`: from outside a cluster to the bundles of its pods, with a real kubectl and real containers behind an API
//! server of our own.

mod support;

use std::{collections::BTreeSet, env, path::PathBuf, thread, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use support::{
    Capture, Output,
    bundle::Bundle,
    children,
    cluster::{Cluster, Kubectl, pod},
    containers::{Container, Containers, Image, Root, Setup},
    lab::{Case, Config},
    names_in, portable, repository, skip, wait_for,
};

/// What is burnt in `Image::Python`.
const BURNS: &str = "burn_in_container";

/// Containers, a kubectl, and the program that is sent into pods.
struct Equipment {
    containers: Containers,
    kubectl: Kubectl,
}

impl Equipment {
    /// All of it, or nothing where a part of it is missing.
    fn require() -> Option<Self> {
        let all = Containers::require().and_then(|containers| Ok(Self { containers, kubectl: Kubectl::require()? }));
        let all = all.map_err(skip).ok()?;
        if portable().is_file() {
            return Some(all);
        }
        skip("there is no portable program: run scripts/build-portable");
        None
    }

    /// A worker that starts at once.
    fn burner(&self, setup: &Setup) -> Container {
        self.containers.start(Image::Python, setup)
    }

    #[track_caller]
    fn cluster(&self, told: &Value) -> Cluster {
        self.kubectl.cluster(told)
    }
}

/// `capture k8s` in this cluster, for a few seconds unless the test says otherwise.
fn k8s<const N: usize>(cluster: &Cluster, arguments: [&str; N]) -> Capture {
    let capture = at(cluster).arg("--binary").arg(portable());
    let capture = if arguments.contains(&"--duration") { capture } else { capture.args(["--duration", "3s"]) };
    capture.args(arguments)
}

/// The same for a worker that only looks like one by its number.
fn of_first_process<const N: usize>(cluster: &Cluster, arguments: [&str; N]) -> Capture {
    let capture = k8s(cluster, arguments);
    if arguments.contains(&"--") { capture } else { capture.arg("--") }.args(["--pid", "1"])
}

/// The same without the program to be sent.
fn at(cluster: &Cluster) -> Capture {
    on(Capture::new(), cluster)
}

fn on(capture: Capture, cluster: &Cluster) -> Capture {
    cluster.variables().into_iter().fold(capture.arg("k8s"), |capture, (name, value)| capture.env(name, value))
}

/// Hardened as pods are, but for the limit of CPU.
fn restricted() -> Setup {
    Setup { cores: None, ..Setup::restricted() }
}

/// What is to be the same in a container before and after: its files and its processes.
fn inside(container: &Container) -> (BTreeSet<String>, Vec<String>) {
    (container.files_left(), container.command_lines())
}

#[track_caller]
fn assert_blames(bundle: &Bundle, function: &str) {
    let hot = &bundle.json("summary.json")["functions"];
    let first = hot.pointer("/0/name").and_then(Value::as_str).unwrap_or_default();
    assert!(first.contains(function), "the first is `{first}` in {hot:#}");
    assert!(bundle.text("flamegraphs/all.svg").contains(function));
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn every_way_in_brings_a_true_profile_home_and_leaves_nothing_behind() {
    let Some(lab) = Equipment::require() else { return };
    let container = lab.burner(&restricted());
    let cluster = lab.cluster(&json!({ "pods": [pod("litellm-0", &container)] }));
    container.output(["sh", "-c", "echo > /tmp/of-its-own"]);
    let before = inside(&container);

    for via in ["memory", "file"] {
        let output = of_first_process(&cluster, ["litellm-0", "--via", via]).run();
        assert!(output.stderr.contains(&format!("by way of {via}")), "{}", output.stderr);
        assert_blames(&output.bundle(), BURNS);
        assert_eq!(inside(&container), before, "after {via}");
    }

    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/tmp".to_owned();
    let equipped = Setup { variables: vec![("PATH".to_owned(), path)], ..restricted() };
    let container = lab.burner(&equipped);
    container.bring(&portable(), "/tmp/capture");
    let with_it = inside(&container);
    let cluster = lab.cluster(&json!({ "pods": [pod("litellm-0", &container)] }));
    let output = at(&cluster).args(["litellm-0", "--duration", "3s", "--", "--pid", "1"]).run();
    assert!(output.stderr.contains("by way of present"), "{}", output.stderr);
    assert_blames(&output.bundle(), BURNS);
    assert_eq!(inside(&container), with_it, "after present");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_debug_container_is_the_way_in_where_exec_lacks_the_right_and_what_stays_is_told() {
    let Some(lab) = Equipment::require() else { return };
    let container = lab.burner(&restricted());
    let before = inside(&container);
    let cluster = lab.cluster(&json!({ "pods": [{ "name": "litellm-0", "containers": [{
        "name": "litellm", "container": container.name(), "spec": { "securityContext": { "runAsUser": 1000 } },
    }] }] }));
    let image = Image::Python.name();
    let output = of_first_process(&cluster, ["litellm-0", "--via", "debug", "--image", image]).run();
    assert!(output.stderr.contains("stays in the spec of pod litellm-0 until the pod is deleted"), "{}", output.stderr);
    assert_blames(&output.bundle(), BURNS);
    wait_for("the end of the debug container", || (inside(&container) == before).then_some(()));
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_hardened_pod_with_half_a_core_tells_who_burns_it_and_that_it_is_throttled() {
    let Some(lab) = Equipment::require() else { return };
    // LiteLLM itself does not start without a folder for temporary files.
    let variables =
        [("LAB_CPU_SECONDS", "0.05"), ("TMPDIR", "/dev/shm")].map(|(name, value)| (name.into(), value.into()));
    let variables = variables.to_vec();
    let setup = Setup { uid: 65534, root: Root::ReadOnly, variables, ..Setup::restricted() };
    let container = lab.containers.litellm(Image::LiteLlm313, 1, Config::Burn, &setup);
    let cluster = lab.cluster(&json!({
        "workload": { "revisions": [
            { "image": "ghcr.io/berriai/litellm:v1.104.9", "digest": "sha256:aa", "created": "2026-01-01T00:00:00Z" },
            { "image": "ghcr.io/berriai/litellm:v1.106.2", "digest": "sha256:bb", "created": "2026-02-01T00:00:00Z" },
        ] },
        "pods": [{ "name": "litellm-0", "containers": [{
            "name": "litellm", "container": container.name(), "restarts": 3,
            "last_state": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } },
            "spec": { "resources": { "limits": { "cpu": "500m" } } },
        }] }],
        "objects": [{ "kind": "Event", "metadata": { "name": "e" }, "type": "Warning", "reason": "Unhealthy",
            "message": "Readiness probe failed: HTTP probe failed with statuscode: 503",
            "involvedObject": { "kind": "Pod", "name": "litellm-0" } }],
    }));
    let before = inside(&container);
    let load = container.load(Case::Burn, 150);
    let output = k8s(&cluster, ["deploy/litellm", "--duration", "10s"]).run();
    load.result();
    assert_eq!(inside(&container), before);

    let bundle = output.bundle();
    assert_blames(&bundle, "expensive_pii_scrub");
    let sizing = bundle.json("summary.json")["sizing"].clone();
    assert_eq!(sizing["size"], "throttled", "{sizing:#}");
    assert_eq!(sizing["quota_cores"], 0.5, "{sizing:#}");
    let chart = bundle.text("charts/cpu.svg");
    assert!(chart.contains("periods throttled") && chart.contains(">quota"), "{chart:.2000}");
    let ticket = bundle.text("TICKET.md");
    for told in ["OOMKilled", "503", "v1.104.9", "500m", "Deployment/litellm"] {
        assert!(ticket.contains(told), "`{told}` is not in the ticket");
    }
    let log = bundle.text("logs/during.log");
    assert!(log.contains("POST /v1/chat/completions"), "{log}");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn whatever_ends_it_early_nothing_runs_on_in_the_pod_and_what_was_finished_is_kept() {
    let Some(lab) = Equipment::require() else { return };
    let container = lab.burner(&restricted());
    let cluster = lab.cluster(&json!({ "pods": [pod("litellm-0", &container)] }));
    let before = inside(&container);
    let samples = || container.command_lines().iter().any(|line| line.contains("/fd/"));
    let begin = || {
        let running = of_first_process(&cluster, ["litellm-0", "--duration", "10m", "--", "--slice", "1s"]).start();
        wait_for("a sampler in the pod", || samples().then_some(()));
        // A slice or two, so that there is something to be kept.
        thread::sleep(Duration::from_secs(3));
        running
    };
    let nothing_runs_on = |what: &str| wait_for(what, || (inside(&container) == before).then_some(()));

    let running = begin();
    running.signal(Signal::SIGINT);
    let output = running.finish().assert_status(130);
    let bundle = output.only_bundle();
    assert_blames(&bundle, BURNS);
    assert_eq!(bundle.json("manifest.json")["interrupted_by"], "the end of standard input");
    nothing_runs_on("the end of all in the pod after Ctrl-C");

    let running = begin();
    for kubectl in children(running.pid()) {
        kill(Pid::from_raw(kubectl), Signal::SIGKILL).expect("kubectl runs");
    }
    running.finish().assert_status(5).assert_stderr_has("no bundle of pod litellm-0").assert_left_nothing();
    nothing_runs_on("the end of all in the pod after kubectl's");

    let mut running = begin();
    running.kill();
    nothing_runs_on("the end of all in the pod after our own");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_container_that_dies_takes_its_own_bundle_alone() {
    let Some(lab) = Equipment::require() else { return };
    let [dies, lives] = [lab.burner(&restricted()), lab.burner(&restricted())];
    let cluster = lab.cluster(&json!({ "pods": [pod("litellm-0", &dies), pod("litellm-1", &lives)] }));
    let running = of_first_process(&cluster, ["--duration", "8s"]).start();
    wait_for("a sampler in the pod", || dies.command_lines().iter().any(|line| line.contains("/fd/")).then_some(()));
    drop(dies);
    let output = running.finish().assert_status(3);
    assert!(output.stderr.contains("missing   litellm-0: "), "{}", output.stderr);
    assert!(output.stderr.contains("litellm-1"), "{}", output.stderr);
    assert_eq!(bundles(&output).len(), 1, "{:?}", names_in(output.dir()));
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn of_several_pods_the_hot_one_is_named_and_a_stuck_one_blocks_nobody() {
    let Some(lab) = Equipment::require() else { return };
    let idles = "import time\nwhile True: sum(range(20_000)); time.sleep(0.2)";
    let [hot, calm] = [lab.burner(&restricted()), lab.burner(&restricted().command(["python3", "-c", idles]))];
    let cluster = lab.cluster(&json!({ "workload": { "revisions": [{ "image": "litellm:1" }] }, "pods": [
        pod("litellm-0", &calm),
        pod("litellm-1", &hot),
        { "name": "litellm-2", "containers": [{ "name": "litellm", "exec": [{ "hang": true }] }] },
        { "name": "litellm-3", "not_ready": true, "containers": [{ "name": "litellm" }] },
    ] }));
    let output = of_first_process(&cluster, ["deploy/litellm", "--deadline", "15s"]).run().assert_status(3);
    assert!(output.stderr.contains("litellm-3 is left out: it is not ready"), "{}", output.stderr);
    assert_eq!(bundles(&output).len(), 2, "{:?}", names_in(output.dir()));

    let path = output.said().lines().next().map(|line| output.dir().join(line)).expect("the path of the fleet bundle");
    let fleet = Bundle::open(&path);
    let summary = fleet.json("fleet.json");
    let heat = |pod: &Value| [&pod["name"], &pod["heat"]].map(|text| text.as_str().unwrap_or_default().to_owned());
    let pods: Vec<_> = summary["pods"].as_array().expect("pods").iter().map(heat).collect();
    assert_eq!(pods, [["litellm-1", "hot"], ["litellm-0", "calm"]], "{summary:#}");
    let ticket = fleet.text("TICKET.md");
    assert!(ticket.contains("litellm-1") && ticket.contains("did not come to an end within 15 s"), "{ticket}");
    assert!(fleet.text("flamegraphs/all.svg").contains(BURNS));
    let gaps = fleet.json("manifest.json")["gaps"].to_string();
    assert!(gaps.contains("litellm-2"), "{gaps}");
}

/// The pods' own bundles.
fn bundles(output: &Output) -> Vec<PathBuf> {
    let names = names_in(output.dir()).into_iter().filter(|name| name.starts_with("litellm-cpu-"));
    names.map(|name| output.dir().join(name)).collect()
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn each_refusal_names_what_is_missing() {
    let Some(lab) = Equipment::require() else { return };
    let container = lab.burner(&restricted());
    let told = |more: Value| {
        let mut told = json!({ "namespace": "llm", "pods": [pod("litellm-0", &container)] });
        told.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        lab.cluster(&told)
    };
    let well = told(json!({}));
    let refused = |cluster: &Cluster, arguments: &[&str], status, parts: &[&str]| {
        let capture = arguments.iter().fold(k8s(cluster, []), Capture::arg);
        let output =
            parts.iter().fold(capture.run().assert_status(status), |output, part| output.assert_stderr_has(part));
        output.assert_left_nothing();
    };
    let exec = json!({ "forbidden": [{ "verb": "create", "resource": "pods/exec" }] });
    refused(
        &told(exec),
        &["litellm-0"],
        5,
        &["forbids you to create pods/exec in namespace llm", r#"verbs: ["create"]"#],
    );
    let pods = json!({ "forbidden": [{ "verb": "get", "resource": "pods" }] });
    refused(&told(pods), &["litellm-0"], 5, &["forbids you to get pods", r#"resources: ["pods"]"#]);
    refused(&well, &["litellm-9"], 4, &[r#"pods "litellm-9" not found"#, "kubectl get pods"]);
    refused(&well, &["deploy/none"], 4, &["not found"]);
    refused(&well, &["-n", "other", "litellm-0"], 4, &["not found"]);
    refused(&well, &["-n", "other"], 4, &["no pod in namespace other"]);
    refused(&well, &["litellm-0", "-c", "none"], 4, &["it has no container none", "-c litellm"]);
    refused(&well, &["litellm-0", "--via", "present"], 5, &["capture is not on the container's PATH"]);
    refused(&well, &["litellm-0", "--via", "debug"], 2, &["--image"]);
    refused(&well, &["litellm-0", "--", "-o", "x"], 2, &["-o is not passed on"]);
    refused(&told(json!({ "broken": { "pods": "error" } })), &["litellm-0"], 5, &["etcdserver"]);
    refused(&told(json!({ "broken": { "pods": "garbage" } })), &["litellm-0"], 5, &["API server"]);
    refused(&told(json!({ "broken": { "pods": "unauthorized" } })), &["litellm-0"], 5, &["cannot be reached"]);

    let gone = lab.cluster(&json!({}));
    let kubeconfig = well.kubeconfig().to_owned();
    drop(well);
    let capture = k8s(&gone, ["litellm-0"]).env("KUBECONFIG", kubeconfig);
    capture.run().assert_status(5).assert_stderr_has("the cluster cannot be reached");
    let nowhere = tempfile::tempdir().expect("a folder");
    let capture = k8s(&gone, ["litellm-0"]).env("PATH", nowhere.path());
    capture.run().assert_status(5).assert_stderr_has("kubectl was not found on PATH").assert_left_nothing();
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn what_the_cluster_does_not_tell_is_a_gap_with_the_missing_right() {
    let Some(lab) = Equipment::require() else { return };
    let container = lab.burner(&restricted());
    let cluster = lab.cluster(&json!({
        "namespace": "llm", "workload": { "revisions": [{ "image": "litellm:1" }] },
        "pods": [pod("litellm-0", &container)],
        "forbidden": [
            { "verb": "list", "resource": "events" }, { "verb": "get", "resource": "pods/log" },
            { "verb": "get", "resource": "nodes" }, { "verb": "list", "resource": "replicasets" },
        ],
        "absent": ["metrics.k8s.io"],
    }));
    let bundle = of_first_process(&cluster, ["deploy/litellm"]).run().bundle();
    let gaps = bundle.json("manifest.json")["gaps"].clone();
    let missing = |what: &str| gaps.as_array().expect("gaps").iter().find(|gap| gap["what"] == what).cloned();
    for (what, verb, resource) in [
        ("the events", "list", "events"),
        ("the log of the container", "get", "pods/log"),
        ("the node", "get", "nodes"),
        ("the rollout history", "list", "replicasets"),
    ] {
        let gap = missing(what).unwrap_or_else(|| panic!("no gap for {what} in {gaps:#}"));
        let rule = format!(r#"resources: ["{resource}"], verbs: ["{verb}"]"#);
        assert!(gap["cure"].as_str().is_some_and(|cure| cure.contains(&rule)), "{gap:#}");
    }
    assert!(missing("the use of CPU and memory by the cluster's metrics").is_some(), "{gaps:#}");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_rehearsal_tells_what_would_be_done_and_does_nothing() {
    let Some(lab) = Equipment::require() else { return };
    let container = lab.burner(&restricted());
    let cluster = lab.cluster(&json!({
        "pods": [pod("litellm-0", &container)],
        "forbidden": [{ "verb": "list", "resource": "events" }],
    }));
    let output = k8s(&cluster, ["litellm-0", "--dry-run", "--image", "busybox"]).run().assert_status(0);
    for told in [
        "litellm-0: container litellm, 3 s",
        "way in: present, else memory, else file, else debug",
        "stays behind: ",
        "may you create pods/exec? yes",
        "may you list events? no: without it the events will be missing",
    ] {
        assert!(output.said().contains(told), "`{told}` is not in:\n{}", output.said());
    }
    let path = format!("{}:{}", repository().join("scripts").display(), env::var("PATH").expect("a PATH"));
    let mut plugin = cluster.kubectl(["capture", "litellm-0", "--dry-run"]);
    let plugin = plugin.env("PATH", path).env("CAPTURE_PROGRAM", portable()).output().expect("kubectl can be started");
    assert!(String::from_utf8_lossy(&plugin.stdout).starts_with("litellm-0: container litellm, 30 s\n"), "{plugin:?}");
    let executed = cluster.requests().iter().any(|request| request.path.ends_with("/exec"));
    assert!(!executed, "nothing runs in a pod");
    output.assert_stderr("");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn no_secret_of_the_clusters_is_in_the_bundles() {
    let Some(lab) = Equipment::require() else { return };
    let secrets: Vec<String> = ["env", "arg", "annotation", "label", "event", "log", "previous", "helm", "probe"]
        .iter()
        .map(|place| format!("{place}-Zq7Xw9Lk2Vb5Nm8Rt4Yp1"))
        .collect();
    let [env, arg, annotation, label, event, log, previous, helm, probe] = secrets.as_slice() else { unreachable!() };
    let container = lab.burner(&restricted());
    let cluster = lab.cluster(&json!({
        "workload": { "revisions": [{ "image": "litellm:1" }] },
        "pods": [{
            "name": "litellm-0",
            "object": { "metadata": {
                "annotations": { "example.com/api-token": annotation, "meta.helm.sh/release-name": "litellm",
                    "kubectl.kubernetes.io/last-applied-configuration": json!({"env": env}).to_string() },
                "labels": { "app.kubernetes.io/managed-by": "Helm", "db-password": label },
            } },
            "containers": [{
                "name": "litellm", "container": container.name(), "restarts": 1,
                "spec": {
                    "env": [{ "name": "AZURE_API_KEY", "value": env }],
                    "args": ["--api-key", arg],
                    "livenessProbe": { "httpGet": { "path": format!("/health/liveliness?key={probe}"), "port": 4000 } },
                },
                "log": [
                    { "age_s": 5, "text": format!("INFO: api_key={log} and {env}") },
                    { "age_s": 1, "text": format!("INFO: Authorization: Bearer {log}") },
                ],
                "previous_log": [{ "age_s": 90, "text": format!("ERROR: token={previous} {annotation}") }],
            }],
        }, { "name": "litellm-1", "not_ready": true, "containers": [{ "name": "litellm" }] }],
        "objects": [{ "kind": "Event", "metadata": { "name": "e" }, "reason": "Failed",
            "message": format!("probe said password={event} and {label}"),
            "involvedObject": { "kind": "Pod", "name": "litellm-0" } }],
    }));
    let tools = tempfile::tempdir().expect("a folder");
    // helm itself cannot be had here; what matters is what is made of its answer.
    let answer = format!("#!/bin/sh\nprintf 'masterkey: {helm}\\nreplicaCount: 2\\n'\n");
    support::write_program(&tools.path().join("helm"), &answer);
    let path = format!("{}:{}", tools.path().display(), env::var("PATH").expect("a PATH"));
    let output = of_first_process(&cluster, ["deploy/litellm"]).env("PATH", path).run().assert_status(3);
    let bundle = Bundle::open(&bundles(&output)[0]);
    let fleet = Bundle::open(&output.dir().join(output.said().lines().next().expect("the path of the fleet bundle")));
    assert!(bundle.text("environment/helm-values.redacted.yaml").contains("replicaCount: 2"));
    assert!(bundle.names().any(|name| name == "logs/previous.log"));
    for secret in &secrets {
        assert!(!output.stderr.contains(secret.as_str()), "{secret} is told");
        for (name, bytes) in bundle.unpacked().into_iter().chain(fleet.unpacked()) {
            assert!(!String::from_utf8_lossy(&bytes).contains(secret.as_str()), "{secret} is in {name}");
        }
    }
    let cluster = bundle.json("environment/kubernetes.json");
    assert_eq!(cluster["containers"][0]["env"]["AZURE_API_KEY"], "set");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_hundred_pods_go_at_once_in_bounded_memory() {
    let Some(lab) = Equipment::require() else { return };
    let container = lab.burner(&restricted());
    let cluster = lab.cluster(&json!({ "pods": [pod("litellm-0", &container)] }));
    let one = of_first_process(&cluster, ["litellm-0"]).run();
    let given = one.bundle_path();

    let survey = json!({
        "uid": 1000, "machine": env::consts::ARCH, "program": "/bin/capture", "memory": true, "litellm": true,
    });
    let simulated = |number: usize| {
        json!({ "name": format!("litellm-{number}"), "containers": [{ "name": "litellm", "exec": [
            { "when": "memfd_noexec", "stdout": survey.to_string() },
            { "when": "--attended", "stdout_file": given, "ignores_input": true, "delay_ms": 2_000 },
        ] }] })
    };
    let pods: Vec<Value> = (0..100).map(simulated).collect();
    let cluster = lab.cluster(&json!({ "pods": pods }));
    // The program as it is handed out: one with all that is for debugging is larger by itself.
    let capture = on(Capture::built(&portable()), &cluster).args(["--duration", "3s"]);
    let running = capture.start();
    let most_kib = most_memory_kib(running.pid());
    let output = running.finish();
    assert_eq!(bundles(&output).len(), 100, "{}", output.stderr);
    assert!(most_kib < 100_000, "{most_kib} kiB");
    let captures = cluster.requests().into_iter().filter(|request| {
        request.path.ends_with("/exec") && request.query.iter().any(|(_, value)| value == "--attended")
    });
    let spans: Vec<(f64, f64)> = captures.map(|request| (request.begin_s, request.end_s)).collect();
    assert_eq!(spans.len(), 100);
    let last_begin = spans.iter().map(|span| span.0).fold(0.0, f64::max);
    let first_end = spans.iter().map(|span| span.1).fold(f64::MAX, f64::min);
    println!("began within {:.1} s, ended within {:.1} s", last_begin - spans[0].0, spans[99].1 - first_end);
}

/// The most memory that a process had, looked at until it ends.
fn most_memory_kib(pid: i32) -> u64 {
    let mut most = 0;
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(line) = line else { break };
        most = line.trim().trim_end_matches(" kB").parse().unwrap_or(most);
        thread::sleep(Duration::from_millis(20));
    }
    most
}
