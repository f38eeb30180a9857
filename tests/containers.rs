//! The containers and the cluster that other tests are made with: they are what they are taken for.

mod support;

use std::{
    fs,
    io::{Read, Write},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use support::{
    cluster::{Kubectl, pod},
    containers::{Capabilities, Container, Containers, Image, Root, Setup},
    lab::{self, Case, Config},
    skip, wait_for,
};

/// `CAP_SYS_PTRACE` in a set of capabilities (linux/capability.h).
const SYS_PTRACE: u64 = 1 << 19;

/// Both, or nothing where one of them is lacking.
fn with_kubectl() -> Option<(Containers, Kubectl)> {
    Kubectl::require().and_then(|kubectl| Ok((Containers::require()?, kubectl))).map_err(skip).ok()
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
fn who_may_attach_in_a_container_is_who_may_in_a_pod() {
    let Ok(containers) = Containers::require().map_err(skip) else { return };
    let rows = [
        (0, Capabilities::Default, "0", true),
        (0, Capabilities::Dropped, "0", true),
        (0, Capabilities::Default, "1000", false),
        (0, Capabilities::WithPtrace, "1000", false), // inert for a user who is not root
        (1000, Capabilities::Dropped, "1000", true),
        (1000, Capabilities::Default, "0", false),
        (1000, Capabilities::WithPtrace, "0", true),
    ];
    for (uid, capabilities, user, may) in rows {
        let files = vec![(lab::py_spy(), "/py-spy")];
        let container = containers.start(Image::Python, &Setup { uid, capabilities, files, ..Setup::default() });
        wait_for("its program", || container.log().contains("ready").then_some(()));
        let user = format!("--user={user}");
        let mut dump = container.exec_with([&user], ["/py-spy", "dump", "--nonblocking", "--pid", "1"]);
        let dump = dump.output().expect("podman can be started");
        let row = format!("a target of {uid} with {capabilities:?}, exec with {user}: {dump:?}");
        assert_eq!(String::from_utf8_lossy(&dump.stdout).contains("burn_in_container"), may, "{row}");
        assert_eq!(dump.status.success(), may, "{row}");
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn an_image_without_any_file_runs_a_static_program_that_sees_the_processes_beside_it() {
    let Ok(containers) = Containers::require().map_err(skip) else { return };
    let target = containers.start(Image::Python, &Setup::default());
    let setup = Setup {
        beside: Some(target.name().to_owned()),
        files: vec![("/bin/busybox".into(), "/busybox")],
        ..Setup::default()
    };
    let bare = containers.start(Image::Bare, &setup.command(["/busybox", "cat", "/proc/1/cmdline"]));
    wait_for("what it prints", || bare.log().contains("burn_in_container.py").then_some(()));
    wait_for("its end", || (!bare.is_running()).then_some(()));
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_old_c_library_is_older_than_the_one_here() {
    let Ok(containers) = Containers::require().map_err(skip) else { return };
    if !Image::OldGlibc.is_there() {
        return skip("Debian 11 cannot be had here");
    }
    let container = containers.start(Image::OldGlibc, &Setup::default());
    let question = "import os; print(os.confstr('CS_GNU_LIBC_VERSION'))";
    let version = |told: &str| told.trim().rsplit_once('.').and_then(|(_, minor)| minor.parse::<u32>().ok());
    let old = version(&container.output(["python3", "-c", question]));
    let here = version(&support::containers::succeed(Command::new("python3").args(["-c", question])));
    assert!(old.is_some() && old < here, "{old:?} in it, {here:?} here");
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
    let Some((containers, kubectl)) = with_kubectl() else { return };
    let container = containers.start(Image::Python, &Setup { memory_mib: Some(256), ..Setup::restricted() });
    let cluster = kubectl.cluster(&json!({
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
        "objects": [{ "kind": "Event", "metadata": { "name": "e" }, "reason": "Unhealthy" }],
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
    let Some((containers, kubectl)) = with_kubectl() else { return };
    let container = containers.start(Image::Python, &Setup::restricted());
    let cluster = kubectl.cluster(&json!({ "pods": [pod("litellm-0", &container)] }));

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
    let Some((containers, kubectl)) = with_kubectl() else { return };
    let container = containers.start(Image::Python, &Setup::default());
    let cluster = kubectl.cluster(&json!({ "pods": [pod("litellm-0", &container)] }));

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
    let Some((containers, kubectl)) = with_kubectl() else { return };
    let container = containers.start(Image::Python, &Setup::restricted());
    let cluster = kubectl.cluster(&json!({ "pods": [pod("litellm-0", &container)] }));

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
fn where_pods_are_restricted_a_debug_container_gives_up_everything_and_ends_with_its_cluster() {
    let Some((containers, kubectl)) = with_kubectl() else { return };
    let container = containers.start(Image::Python, &Setup::restricted());
    let cluster = kubectl.cluster(&json!({ "pod_security": "restricted", "pods": [pod("litellm-0", &container)] }));
    let dir = tempfile::tempdir().expect("a folder");
    let custom = dir.path().join("custom.json");
    fs::write(&custom, json!({ "securityContext": { "runAsUser": 1000 } }).to_string()).expect("a file");
    let image = format!("--image={}", Image::Python.name());
    let debug = ["debug", "litellm-0", &image, "--target=litellm"];

    let general = cluster.kubectl(debug).args(["--profile=general", "--", "true"]).output().expect("kubectl");
    let said = String::from_utf8_lossy(&general.stderr);
    assert!(said.contains(r#"pods "litellm-0" is forbidden: violates PodSecurity "restricted:latest": "#), "{said}");
    let mut restricted = cluster.kubectl(debug);
    restricted.args(["--profile=restricted", "--stdin", "--quiet", "--custom"]).arg(&custom);
    restricted.args(["--", "sh", "-c", "id -u; head -c 1 /proc/1/environ | wc -c; exec sleep 1000"]);
    let mut attached = restricted.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("kubectl can be started");
    let mut said = [0; 7];
    attached.stdout.as_mut().expect("a pipe").read_exact(&mut said).expect("it says so much");
    assert_eq!(String::from_utf8_lossy(&said), "1000\n1\n");

    assert_eq!(container.pids().len(), 2, "it shares the processes of its target");
    drop(cluster);
    attached.wait().expect("it is ours");
    assert_eq!(container.pids().len(), 1);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn of_several_containers_the_one_that_is_named_is_asked() {
    let Ok(kubectl) = Kubectl::require().map_err(skip) else { return };
    let cluster = kubectl.cluster(&json!({ "workload": { "kind": "StatefulSet" }, "pods": [{
        "name": "litellm-0",
        "containers": [
            { "name": "litellm", "exec": [{ "run": ["echo", "here:"] }], "previous_log": [{ "text": "Killed" }] },
            { "name": "proxy", "exec": [{ "stdout": "of the sidecar" }], "log": [{ "text": "of the sidecar" }] },
        ],
    }] }));
    assert_eq!(cluster.output(["exec", "sts/litellm", "-c", "litellm", "--", "id", "-u"]), "here: id -u\n");
    assert_eq!(cluster.output(["exec", "litellm-0", "-c", "proxy", "--", "id"]), "of the sidecar");
    assert_eq!(cluster.output(["logs", "litellm-0", "-c", "proxy"]), "of the sidecar\n");
    assert_eq!(cluster.output(["logs", "litellm-0", "-c", "litellm", "--previous"]), "Killed\n");
    let wrong = cluster.kubectl(["exec", "litellm-0", "-c", "none", "--", "id"]).output().expect("kubectl");
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(said, "Error from server (BadRequest): container none is not valid for pod litellm-0\n");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn who_may_not_execute_is_told_so_in_the_words_of_the_api_server() {
    let Ok(kubectl) = Kubectl::require().map_err(skip) else { return };
    let cluster = kubectl.cluster(&json!({
        "pods": [{ "name": "litellm-0", "containers": [{ "name": "litellm", "exec": [{ "stdout": "" }] }] }],
        "forbidden": [{ "verb": "create", "resource": "pods/exec" }],
    }));
    let refused = cluster.kubectl(["exec", "litellm-0", "--", "id"]).output().expect("kubectl can be started");
    let why = r#"User "dev" cannot create resource "pods/exec" in API group "" in the namespace "llm""#;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(said, format!("Error from server (Forbidden): pods \"litellm-0\" is forbidden: {why}\n"));
    assert_eq!(refused.status.code(), Some(1));
    let may = cluster.kubectl(["auth", "can-i", "create", "pods", "--subresource=exec"]).output().expect("kubectl");
    assert_eq!(may.stdout, b"no\n");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_cluster_refuses_breaks_and_simulates_as_it_is_told() {
    let Ok(kubectl) = Kubectl::require().map_err(skip) else { return };
    let cluster = kubectl.cluster(&json!({
        "namespace": "llm",
        "pods": [
            { "name": "answers", "containers": [{ "name": "litellm", "exec": [
                { "when": "tar", "stdout": "half of it", "cut_after_bytes": 4 },
                { "stdout": "all of it", "stderr": "with words", "exit": 3, "delay_ms": 10 },
            ], "log": [{ "age_s": 3600, "text": "old" }, { "text": "new" }] }] },
            { "name": "silent", "containers": [{ "name": "litellm", "exec": [{ "hang": true }] }] },
        ],
        "forbidden": [
            { "verb": "patch", "resource": "pods/ephemeralcontainers" },
            { "verb": "list", "resource": "nodes" },
        ],
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
    // Whether kubectl passes on what came with the break is chance.
    assert!(status == Some(1) && "half".starts_with(&stdout), "{status:?} {stdout}");
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
