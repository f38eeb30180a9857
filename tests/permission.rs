//! Who may capture whom in containers: doctor foretells each case, its cure opens what was closed, and where it is allowed
//! the profile is true.

mod support;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;
use support::{
    bundle::Bundle,
    containers::{Capabilities, Container, Containers, Image, Seccomp, Setup, config, image_of_program, succeed},
    portable, repository, skip, wait_for,
};

/// Where the program is in all containers here: on the `PATH`.
const PROGRAM: &str = "/usr/local/bin/capture";
/// What is burnt in `Image::Python`.
const BURNS: &str = "burn_in_container";

/// Who runs in the container.
#[derive(Clone, Copy, Debug)]
struct Target {
    uid: u32,
    capabilities: Capabilities,
}

/// Who captures it.
#[derive(Clone, Copy, Debug)]
enum Captor {
    /// By exec in the same container, as this user.
    Within(u32),
    /// From a container that shares the processes.
    Beside(u32, Capabilities),
}

const ROOT: Target = Target { uid: 0, capabilities: Capabilities::Default };
const BARE_ROOT: Target = Target { uid: 0, capabilities: Capabilities::Dropped };
const USER: Target = Target { uid: 1000, capabilities: Capabilities::Dropped };
const POWERFUL_USER: Target = Target { uid: 1000, capabilities: Capabilities::WithPtrace };

/// The whole table, and whether it is allowed.
const TABLE: [(Target, Captor, bool); 14] = [
    (ROOT, Captor::Within(0), true),
    (BARE_ROOT, Captor::Within(0), true),
    (ROOT, Captor::Within(1000), false),
    (USER, Captor::Within(1000), true),
    (USER, Captor::Within(0), false),
    (POWERFUL_USER, Captor::Within(0), true),
    (POWERFUL_USER, Captor::Within(1000), true),
    (USER, Captor::Beside(1000, Capabilities::Dropped), true),
    (USER, Captor::Beside(0, Capabilities::Default), false),
    (USER, Captor::Beside(0, Capabilities::WithPtrace), true),
    (ROOT, Captor::Beside(0, Capabilities::Default), true),
    (ROOT, Captor::Beside(0, Capabilities::Dropped), false),
    (ROOT, Captor::Beside(1000, Capabilities::Default), false),
    (ROOT, Captor::Beside(1000, Capabilities::PtraceAlone), false),
];

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn doctor_foretells_who_may_capture_and_its_cure_works() {
    let Some(containers) = equipped() else { return };
    // The runtime's profile leaves these calls alone, so that a few rows without it show the same.
    let unconfined = [(USER, Captor::Within(1000), true), (USER, Captor::Beside(0, Capabilities::Default), false)];
    for (seccomp, rows) in [(Seccomp::RuntimeDefault, &TABLE[..]), (Seccomp::Unconfined, &unconfined[..])] {
        for &(target, captor, allowed) in rows {
            let row = format!("{target:?}, {captor:?}, {seccomp:?}");
            let setup = Setup { uid: target.uid, capabilities: target.capabilities, seccomp, ..with_program() };
            let target = containers.start(Image::Python, &setup);
            wait_for("its program", || target.log().contains("ready").then_some(()));
            let (beside, options) = match captor {
                Captor::Within(uid) => (None, format!("--user={uid}:{uid}")),
                Captor::Beside(uid, capabilities) => {
                    let beside = Some(target.name().to_owned());
                    let setup = Setup { uid, capabilities, seccomp, beside, ..with_program() };
                    let beside = containers.start(Image::Python, &setup.command(["sleep", "1000"]));
                    (Some(beside), format!("--user={uid}:{uid}"))
                }
            };
            let from = beside.as_ref().unwrap_or(&target);
            let told = doctor(from, &options);
            let may = told["may_capture"] == "yes";
            assert_eq!(may, allowed, "{row}: doctor said {told:#}");

            let (code, bundle) = capture(from, &options);
            assert_eq!(bundle.is_some(), allowed, "{row}: the capture ended with {code}");
            if let Some(bundle) = bundle {
                assert!(bundle.text("flamegraphs/all.svg").contains(BURNS), "{row}");
            } else {
                assert_eq!(code, 5, "{row}");
                follow(&cure(&told), &target, &row);
            }
        }
    }
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_portable_program_needs_nothing_of_an_image() {
    let Some(containers) = equipped() else { return };
    let loader = Command::new("ldd").arg(portable()).output().expect("ldd can be started");
    let said = [loader.stdout, loader.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(said.contains("statically linked") || said.contains("not a dynamic"), "{said}");
    assert!(portable().metadata().expect("a file").len() < 16_000_000);

    let setup = Setup { files: vec![(portable(), "/capture")], ..Setup::default() };
    let bare = containers.start(Image::Bare, &setup.command(["/capture", "--version"]));
    wait_for("its version", || bare.log().contains("It carries py-spy").then_some(()));
    if !Image::OldGlibc.is_there() {
        return skip("an image with an older C library cannot be made here");
    }
    let old = containers.start(Image::OldGlibc, &with_program());
    assert!(old.output([PROGRAM, "-V"]).starts_with("capture "));
}

fn equipped() -> Option<Containers> {
    let containers = Containers::require().map_err(skip).ok()?;
    if !portable().is_file() {
        skip("there is no portable program: run scripts/build-portable");
        return None;
    }
    Some(containers)
}

fn with_program() -> Setup {
    Setup { files: vec![(portable(), PROGRAM)], ..Setup::default() }
}

fn doctor(from: &Container, user: &str) -> Value {
    let mut doctor = from.exec_with([user], ["capture", "doctor", "--pid", "1", "--json", "-o", "/tmp/"]);
    let output = doctor.output().expect("podman can be started");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}"))
}

/// The exit code, and the bundle if there is one.
fn capture(from: &Container, user: &str) -> (i32, Option<Bundle>) {
    let mut capture = from.exec_with([user], ["capture", "--pid", "1", "--duration", "1s", "-q", "-o", "-"]);
    let output = capture.output().expect("podman can be started");
    let dir = tempfile::tempdir().expect("a folder");
    let path: PathBuf = dir.path().join("bundle.tar.gz");
    fs::write(&path, &output.stdout).expect("a file");
    let bundle = (!output.stdout.is_empty()).then(|| Bundle::open(&path));
    (output.status.code().expect("it ends by itself"), bundle)
}

/// What doctor says to do where a worker cannot be read.
#[track_caller]
fn cure(told: &Value) -> String {
    let probes = told["probes"].as_array().expect("probes");
    let refused = probes.iter().find(|probe| probe["result"] == "refused");
    let refused = refused.unwrap_or_else(|| panic!("none is refused in {told:#}"));
    refused["cure"].as_str().unwrap_or_else(|| panic!("no cure in {refused:#}")).to_owned()
}

/// Types it as it stands, with the names filled in that only who types can know.
#[track_caller]
fn follow(cure: &str, target: &Container, row: &str) {
    let image = image_of_program();
    let command = cure
        .rsplit("on the host: ")
        .next()
        .unwrap_or_default()
        .replace("CONTAINER", target.name())
        .replace("TARGET", target.name())
        .replace("IMAGE", &format!("--pull=never --network=none {image}"));
    let command = format!("{command} --duration 1s -o /tmp/");
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).env("CONTAINERS_CONF", config());
    let output = shell.output().expect("sh can be started");
    assert!(matches!(output.status.code(), Some(0 | 3)), "{row}: `{command}` ended with {output:?}");
}

/// A pod of `scripts/k8s`, gone with the test.
struct Played;

impl Drop for Played {
    fn drop(&mut self) {
        let mut remove = Command::new("podman");
        let _ = remove.args(["pod", "rm", "--force", "--time", "0", POD]).stdout(Stdio::null()).status();
    }
}

/// The name that the YAML gives it.
const POD: &str = "litellm";

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_sidecar_as_it_is_documented_watches_and_captures_the_container_beside_it() {
    let Some(_containers) = equipped() else { return };
    let image = image_of_program();
    let yaml = fs::read_to_string(repository().join("scripts/k8s/sidecar.yaml")).expect("a file");
    assert!(yaml.contains(image), "the image is called so there");
    // podman wants a secret in a form of its own; all else is played as it stands.
    let (before, rest) = yaml.split_once("          valueFrom:").expect("a secret");
    let (_, after) = rest.split_once("      resources:").expect("what follows it");
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("sidecar.yaml");
    // A rule that every answer breaks, so that nobody has to wait for a spike.
    let variable =
        |(name, value): (&str, &str)| format!("        - name: CAPTURE_{name}\n          value: \"{value}\"\n");
    let rules = [("CPU", "off"), ("LIVELINESS", "1ms"), ("FOR", "1s"), ("MAX_DURATION", "3s"), ("SLICE", "1s")];
    let first = "        - name: CAPTURE_KEEP_BYTES";
    assert!(after.contains(first), "it has variables already");
    // On a busy machine uvicorn takes a worker that starts for dead.
    let workers = "\"--num_workers\", \"2\"";
    assert!(before.contains(workers));
    let before = before.replace(workers, &format!("{workers}, \"--timeout_worker_healthcheck\", \"60\""));
    let after = after.replace(first, &(rules.map(variable).concat() + first));
    fs::write(&file, format!("{before}          value: sk-lab-7c1e5f0b9a2d4c68\n      resources:{after}"))
        .expect("a file");
    let _played = Played;
    // The machine of a test may not raise a limit, which podman does for the pod's first container.
    let play = "ulimit -n 20000; ulimit -u 30000; exec podman kube play --network none \"$0\"";
    let file = file.to_str().expect("UTF-8");
    succeed(Command::new("sh").args(["-c", play, file]).env("CONTAINERS_CONF", config()));
    let podman = |arguments: &[&str]| {
        let mut podman = Command::new("podman");
        podman.env("CONTAINERS_CONF", config()).args(arguments);
        podman.stdin(Stdio::null()).output().expect("podman can be started")
    };
    let exec = |arguments: &[&str]| podman(&[&["exec", "--interactive", "litellm-capture"], arguments].concat());
    let open = |tarball: &[u8]| {
        let path = dir.path().join("bundle.tar.gz");
        fs::write(&path, tarball).expect("a file");
        Bundle::open(&path)
    };

    wait_for("two workers", || {
        let told: Value = serde_json::from_slice(&exec(&["capture", "doctor", "--json"]).stdout).ok()?;
        (told["target"]["workers"].as_array()?.len() == 2).then_some(())
    });
    let by_hand = open(&exec(&["capture", "-o", "-", "--duration", "3s"]).stdout);
    let processes = by_hand.json("manifest.json")["processes"].as_array().map_or(0, Vec::len);
    assert_eq!(processes, 4, "supervisor, tracker, workers");
    assert_eq!(by_hand.json("environment/fingerprint.json")["cgroup"]["cpu_quota_cores"], 1.0);

    wait_for("LiteLLM to serve", || {
        let log = podman(&["logs", "litellm-litellm"]);
        let told = [log.stdout, log.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        told.contains("Application startup complete").then_some(())
    });
    let captured = wait_for("a bundle of the watch", || {
        let log = podman(&["logs", "litellm-capture"]);
        let told = String::from_utf8_lossy(&log.stdout);
        told.lines().find(|line| line.starts_with("/bundles/litellm-cpu-")).map(str::to_owned)
    });
    let by_itself = open(&exec(&["busybox", "cat", &captured]).stdout);
    assert_eq!(by_itself.json("evidence.json")["trigger"]["condition"], "liveliness");
    assert!(by_itself.names().any(|name| name.starts_with("series/worker-")));
    assert_eq!(by_itself.json("environment/fingerprint.json")["cgroup"]["cpu_quota_cores"], 1.0);
}
