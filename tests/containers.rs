//! The containers and the cluster that other tests are made with: they are what they are taken for.

mod support;

use std::{
    fs,
    io::{Read, Write},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use support::{
    containers::{Capabilities, Container, Containers, Image, Root, Setup, pod},
    lab::{Case, Config},
    skip, wait_for,
};

/// Containers and a kubectl, or nothing where there are none.
fn with_kubectl() -> Option<Containers> {
    Containers::require().and_then(|containers| containers.require_kubectl().map(|()| containers)).map_err(skip).ok()
}

fn capabilities(container: &Container, options: &[&str], which: &str) -> u64 {
    let mut exec = match options {
        [] => container.exec(["cat", "/proc/self/status"]),
        [user] => container.exec_with([user], ["cat", "/proc/self/status"]),
        _ => unreachable!("one option at most"),
    };
    let status = String::from_utf8(exec.output().expect("podman can be started").stdout).expect("text");
    let line =
        status.lines().find_map(|line| line.strip_prefix(which)).unwrap_or_else(|| panic!("no {which}: {status}"));
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).expect("a set of capabilities")
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn litellm_of_both_pythons_serves_in_a_restricted_container_and_leaves_nothing_in_it() {
    let Ok(containers) = Containers::require().map_err(skip) else { return };
    for (image, python, workers) in [(Image::LiteLlm311, "python3.11", 2), (Image::LiteLlm313, "python3.13", 1)] {
        if !image.is_there() {
            skip("the lab has no LiteLLM on this Python");
            continue;
        }
        let setup = Setup { cores: None, ..Setup::restricted() };
        let container = containers.litellm(image, workers, Config::Bare, &setup);

        assert_eq!(container.get("/health/liveliness"), 200);
        let result = container.load(Case::Plain, 4).result();
        assert_eq!((result.requests, result.errors), (4, 0));
        let lines = container.command_lines();
        let spawned = lines.iter().filter(|line| line.contains("--multiprocessing-fork")).count();
        assert_eq!(spawned, if workers > 1 { workers } else { 0 }, "{lines:#?}");
        assert!(fs::read_link(format!("/proc/{}/exe", container.pid())).expect("ours").ends_with(python));
        assert_eq!(container.files_left(), [].into(), "of {image:?}");
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn what_a_container_may_do_is_what_a_pod_may_do() {
    let Ok(containers) = Containers::require().map_err(skip) else { return };
    const SYS_PTRACE: u64 = 1 << 19;
    let user = Setup { uid: 1000, capabilities: Capabilities::WithPtrace, ..Setup::default() };
    let container = containers.start(Image::Python, &user);
    assert_eq!(capabilities(&container, &[], "CapEff"), 0, "a user who is not root is given none");
    assert_ne!(capabilities(&container, &[], "CapBnd") & SYS_PTRACE, 0, "but it is not out of reach for others");
    assert_ne!(capabilities(&container, &["--user=0"], "CapEff") & SYS_PTRACE, 0, "root has it");

    let dropped = Setup { root: Root::ReadOnly, ..Setup::restricted() };
    let container = containers.start(Image::Python, &dropped);
    assert_eq!(capabilities(&container, &[], "CapBnd"), 0);
    let write = container.exec(["sh", "-c", "echo > /tmp/x"]).output().expect("podman can be started");
    assert!(String::from_utf8_lossy(&write.stderr).contains("Read-only file system"), "{write:?}");
    container.output(["sh", "-c", "echo > /dev/shm/x"]);
    assert_eq!(container.files_left(), ["/dev/shm/x 1".to_owned()].into());
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn an_image_without_any_file_runs_what_is_static() {
    let Ok(containers) = Containers::require().map_err(skip) else { return };
    let target = containers.start(Image::Python, &Setup::default());
    let beside = Setup { beside: Some(target.name().to_owned()), ..Setup::default() };
    let refused = std::panic::catch_unwind(|| containers.start(Image::Bare, &beside.command(["/nothing"])));
    assert!(refused.is_err(), "there is nothing in it to start");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_container_ends_with_its_test_however_that_ends() {
    let Ok(containers) = Containers::require().map_err(skip) else { return };
    let container = containers.start(Image::Python, &Setup::default());
    let pids = container.pids();
    assert_eq!(pids.len(), 1);
    drop(container);
    assert!(!fs::exists(format!("/proc/{}", pids[0])).expect("/proc"));
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn kubectl_finds_the_pods_of_a_deployment_and_what_they_were_rolled_out_from() {
    let Some(containers) = with_kubectl() else { return };
    let container = containers.start(Image::Python, &Setup { memory_mib: Some(256), ..Setup::restricted() });
    let cluster = containers.cluster(&json!({
        "workload": { "revisions": [
            { "image": "ghcr.io/berriai/litellm:v1.104.9", "digest": "sha256:aa", "created": "2026-01-01T00:00:00Z" },
            { "image": "ghcr.io/berriai/litellm:v1.106.2", "digest": "sha256:bb", "created": "2026-02-01T00:00:00Z" },
        ] },
        "pods": [
            pod("litellm-0", &container),
            { "name": "litellm-1", "containers": [{
                "name": "litellm", "restarts": 7,
                "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 5m0s" },
                "last_state": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } },
            }] },
        ],
        "objects": [{ "kind": "Event", "metadata": { "name": "e" }, "reason": "Unhealthy", "message": "Readiness probe" }],
    }));

    let get = |what: &[&str]| -> Value {
        let mut kubectl = cluster.kubectl(["get", "--output", "json"]);
        let output = kubectl.args(what).output().expect("kubectl can be started");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let deployment = get(&["deploy/litellm"]);
    let labels = &deployment["spec"]["selector"]["matchLabels"];
    let pods = get(&["pods", "--selector", &format!("app={}", labels["app"].as_str().expect("a label"))]);
    assert_eq!(pods["items"].as_array().map(Vec::len), Some(2));
    let first = &pods["items"][0];
    assert_eq!(first["status"]["containerStatuses"][0]["imageID"], "ghcr.io/berriai/litellm@sha256:bb");
    assert_eq!(first["spec"]["containers"][0]["resources"]["limits"], json!({ "cpu": "500m", "memory": "256Mi" }));
    assert_eq!(first["status"]["qosClass"], "Guaranteed");
    assert_eq!(pods["items"][1]["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"], "OOMKilled");
    let sets = get(&["replicasets"]);
    assert_eq!(sets["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(first["metadata"]["ownerReferences"][0]["name"], sets["items"][1]["metadata"]["name"]);
    assert_eq!(get(&["events"])["items"][0]["reason"], "Unhealthy");
    assert_eq!(get(&["nodes"])["items"][0]["metadata"]["name"], first["spec"]["nodeName"]);
    assert!(cluster.output(["exec", "deploy/litellm", "--", "cat", "/proc/1/cmdline"]).contains("burn_in_container"));
    assert!(cluster.output(["top", "pod", "litellm-0"]).contains("litellm-0"));
    assert!(cluster.output(["logs", "litellm-0", "--timestamps", "--since=10m"]).ends_with("Z ready\n"));
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn kubectl_exec_carries_bytes_both_ways_and_the_exit_code() {
    let Some(containers) = with_kubectl() else { return };
    let container = containers.start(Image::Python, &Setup::restricted());
    let cluster = containers.cluster(&json!({ "pods": [pod("litellm-0", &container)] }));

    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let echo = ["exec", "-i", "litellm-0", "--", "sh", "-c", "cat; echo done >&2; exit 7"];
    let output = cluster.feed(echo, &bytes);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.stdout, bytes);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "done\ncommand terminated with exit code 7\n");

    let missing = cluster.kubectl(["exec", "litellm-0", "--", "curl"]).output().expect("kubectl can be started");
    let said = String::from_utf8_lossy(&missing.stderr);
    assert!(said.contains(r#"exec: "curl": executable file not found in $PATH"#), "{said}");
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn what_was_executed_lives_on_when_kubectl_dies_and_its_input_ends() {
    let Some(containers) = with_kubectl() else { return };
    let container = containers.start(Image::Python, &Setup::default());
    let cluster = containers.cluster(&json!({ "pods": [pod("litellm-0", &container)] }));

    let script = "echo begun; cat > /tmp/got; echo over; sleep 1000";
    let mut kubectl = cluster.kubectl(["exec", "-i", "litellm-0", "--", "sh", "-c", script]);
    let mut kubectl = kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("kubectl can be started");
    let mut begun = [0; 6];
    kubectl.stdout.as_mut().expect("a pipe").read_exact(&mut begun).expect("it begins");
    kubectl.stdin.as_mut().expect("a pipe").write_all(b"half").expect("it reads");
    wait_for("the first half", || (container.output(["cat", "/tmp/got"]) == "half").then_some(()));
    kubectl.kill().expect("it is ours");
    kubectl.wait().expect("it is ours");

    wait_for("the end of its input", || {
        container.command_lines().iter().any(|line| line == "sleep 1000").then_some(())
    });
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn kubectl_debug_runs_beside_a_container_with_what_its_profile_gives() {
    let Some(containers) = with_kubectl() else { return };
    let container = containers.start(Image::Python, &Setup::restricted());
    let cluster = containers.cluster(&json!({ "pods": [pod("litellm-0", &container)] }));

    for (profile, sees) in [("general", true), ("baseline", false)] {
        let name = format!("--container={profile}");
        let image = format!("--image={}", Image::Python.name());
        let kind = format!("--profile={profile}");
        let debug = ["debug", "litellm-0", &name, &image, &kind, "--target=litellm", "--", "sleep", "1000"];
        cluster.output(debug);
        wait_for("the debug container", || {
            let exec = ["exec", "litellm-0", &name, "--", "true"];
            cluster.kubectl(exec).stderr(Stdio::null()).status().expect("kubectl").success().then_some(())
        });
        let read = ["exec", "litellm-0", &name, "--", "sh", "-c", "head -c 1 /proc/1/environ | wc -c"];
        assert_eq!(cluster.output(read).trim() == "1", sees, "by {profile}");
    }
    let pod: Value = serde_json::from_str(&cluster.output(["get", "pod", "litellm-0", "-o", "json"])).expect("JSON");
    assert_eq!(pod["spec"]["ephemeralContainers"].as_array().map(Vec::len), Some(2));
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_cluster_refuses_breaks_and_simulates_as_it_is_told() {
    let Some(containers) = with_kubectl() else { return };
    let cluster = containers.cluster(&json!({
        "namespace": "llm",
        "pods": [
            { "name": "answers", "containers": [{ "name": "litellm", "exec": [
                { "when": "tar", "stdout": "half of it", "cut_after_bytes": 4 },
                { "stdout": "all of it", "stderr": "with words", "exit": 3, "delay_ms": 10 },
            ], "log": [{ "age_s": 3600, "text": "old" }, { "text": "new" }] }] },
            { "name": "silent", "containers": [{ "name": "litellm", "exec": [{ "hang": true }] }] },
        ],
        "forbidden": [{ "verb": "patch", "resource": "pods/ephemeralcontainers" }, { "verb": "list", "resource": "nodes" }],
        "broken": { "events": "garbage", "deployments": "error" },
        "absent": ["metrics.k8s.io"],
    }));
    let told = |arguments: &[&str]| {
        let output = cluster.kubectl([]).args(arguments).output().expect("kubectl can be started");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (status, stdout, stderr) = told(&["exec", "answers", "--", "anything"]);
    assert_eq!((status, stdout.as_str()), (Some(3), "all of it"));
    assert_eq!(stderr, "with wordscommand terminated with exit code 3\n");
    let (status, stdout, _) = told(&["exec", "answers", "--", "tar"]);
    assert_eq!((status, stdout.as_str()), (Some(1), "half"));
    assert_eq!(told(&["logs", "answers", "--since=60s"]).1, "new\n");
    assert_eq!(told(&["auth", "can-i", "create", "pods", "--subresource=exec"]).1, "yes\n");
    assert_eq!(told(&["auth", "can-i", "patch", "pods", "--subresource=ephemeralcontainers"]).1, "no\n");
    let refused = r#"nodes is forbidden: User "dev" cannot list resource "nodes" in API group "" at the cluster scope"#;
    assert_eq!(told(&["get", "nodes"]).2, format!("Error from server (Forbidden): {refused}\n"));
    let debug = told(&["debug", "answers", "--image=x", "--target=litellm", "--profile=general"]).2;
    let refused = r#"cannot patch resource "pods/ephemeralcontainers" in API group "" in the namespace "llm""#;
    assert!(debug.contains(refused), "{debug}");
    assert_eq!(told(&["get", "pod", "none"]).2, "Error from server (NotFound): pods \"none\" not found\n");
    assert_ne!(told(&["get", "events"]).0, Some(0));
    assert!(told(&["get", "deploy"]).2.contains("etcdserver: request timed out"));
    assert_eq!(told(&["top", "pod"]).2, "error: Metrics API not available\n");

    let mut silent = Command::new("timeout");
    silent.args(["1", "kubectl", "exec", "silent", "--", "true"]).envs(cluster.variables());
    assert_eq!(silent.status().expect("timeout can be started").code(), Some(124), "it waits for an answer");
    wait_for("the end of what hung", || {
        let asked = cluster.requests();
        asked.iter().any(|request| request.path.ends_with("/silent/exec") && request.status.is_none()).then_some(())
    });
}
