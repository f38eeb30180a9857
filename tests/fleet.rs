//! The bundles of several pods as one: `capture merge`, and what is made of a fleet bundle afterwards.
//!
//! A change of the ticket's looks is blessed with `CAPTURE_BLESS=1 cargo test --test fleet`, and then looked at.

mod support;

#[path = "support/golden.rs"]
mod golden;
#[path = "support/markdown.rs"]
mod markdown;
#[path = "support/pods.rs"]
mod pods;
#[path = "support/spike.rs"]
#[expect(dead_code, reason = "a verdict made by hand is for tickets")]
mod spike;
#[path = "support/svg.rs"]
mod svg;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use golden::assert_as_blessed;
use litellm_capture::{
    analyse::{Facts, analyse},
    bundle::{archive::Artifact, facts},
    collect::Gap,
    error::exit,
    fleet::{Member, assemble, manifest::FORMAT},
    notice::{Loudness, Notices},
    plan::Destination,
    render::ticket,
};
use markdown::form;
use pods::Pod;
use serde_json::{Value, json};
use support::{Capture, Output, bundle::Bundle, names_in, repository};
use svg::parsed;
use tempfile::TempDir;

const NAME: &str = "litellm-fleet-20261124T061500Z";

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn merge(bundles: &[PathBuf]) -> Capture {
    bundles.iter().fold(Capture::new().arg("merge"), Capture::arg)
}

/// One pod that has more traffic than it can bear, and two that have their share.
fn three(folder: &Path) -> Vec<PathBuf> {
    [("gateway-b", 0.15, 4.0), ("gateway-a", 0.9, 30.0), ("gateway-c", 0.2, 5.0)]
        .map(|(name, share, rps)| Pod::new(name, share, rps).write(folder))
        .to_vec()
}

fn member<'a>(manifest: &'a Value, name: &str) -> &'a Value {
    let members = manifest["members"].as_array().expect("members");
    members.iter().find(|member| member["name"] == name).unwrap_or_else(|| panic!("no {name} in {members:?}"))
}

/// What differs, as its name, its values with their pods, and whether it tells hot from calm.
fn differences(fleet: &Value) -> Vec<(String, String, bool)> {
    let told = |difference: &Value| {
        let values = difference["values"].as_array().expect("values").iter().map(|variant| {
            let pods: Vec<&str> = variant["pods"].as_array().expect("pods").iter().filter_map(Value::as_str).collect();
            format!("{} in {}", variant["value"].as_str().unwrap_or("nothing"), pods.join("+"))
        });
        let name = format!(
            "{} {}",
            difference["area"].as_str().expect("an area"),
            difference["what"].as_str().expect("a name")
        );
        (name, values.collect::<Vec<_>>().join(", "), difference["parting"] == "hot_from_calm")
    };
    fleet["differences"].as_array().expect("differences").iter().map(told).collect()
}

/// A fleet bundle's file that holds JSON.
fn fleet(output: &Output) -> Value {
    output.only_bundle().json("fleet.json")
}

#[test]
fn one_hot_pod_is_told_from_the_calm_ones_on_the_terminal_and_in_the_ticket() {
    let given = folder();
    let output = merge(&three(given.path())).run().assert_status(0).assert_stdout(&format!("./{NAME}.tar.gz\n"));
    let told: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(
        told[..told.len() - 1],
        [
            "fleet     3 pods, captured from 2026-11-24T06:15:00Z on, complete",
            "heat      One hot pod of 3: gateway-a (0.960 cores, at its limit, far above the others); the median of \
             the others is",
            "          0.186 cores.",
            "hot       gateway-a: 0.960 cores, 96.0 % of its limit, 30.0 requests/s, 32.0 ms each, 84.4 % in",
            "          BurnCPU.expensive_pii_scrub",
            "calm      gateway-c: 0.213 cores, 21.3 % of its limit, 5.00 requests/s, 42.7 ms each, 84.4 % in",
            "          BurnCPU.expensive_pii_scrub",
            "          gateway-b: 0.160 cores, 16.0 % of its limit, 4.00 requests/s, 40.0 ms each, 84.4 % in",
            "          BurnCPU.expensive_pii_scrub",
            "functions BurnCPU.expensive_pii_scrub (app/custom_callbacks.py): 3.38 CPU-seconds, 84.4 %, in 3 pods",
            "          Logging.async_success_handler (litellm/litellm_core_utils/litellm_logging.py): 0.30 \
             CPU-seconds, 7.5 %, in 3",
            "          pods",
            "          token_counter (litellm/litellm_core_utils/token_counter.py): 0.23 CPU-seconds, 5.6 %, in 3 pods",
        ]
    );
    assert!(told[told.len() - 1].starts_with(&format!("bundle    ./{NAME}.tar.gz (")), "{}", output.stderr);
    let bundle = output.only_bundle();
    let (ours, hottest) = bundle.text("TICKET.md").split_once("\n---\n\n").expect("the hottest pod's own ticket");
    assert_as_blessed("fleet-ticket.md", ours);
    let own = litellm_capture::bundle::open::Bundle::open(
        &given.path().join("litellm-cpu-gateway-a-20261124T061500Z.tar.gz"),
    );
    let facts = facts::read(own.expect("a bundle").files()).expect("its facts");
    assert_eq!(hottest, ticket::ticket(&facts, &analyse(&facts)));
    let fleet = bundle.json("fleet.json");
    assert_eq!((&fleet["heat"]["pattern"], &fleet["heat"]["hottest"]), (&json!("one_hot"), &json!("gateway-a")));
    let pod = &fleet["pods"][0];
    assert_eq!((&pod["heat"], &pod["hot_by"]), (&json!("hot"), &json!(["limit", "others"])));
    assert_eq!((&pod["litellm_version"], &pod["python_version"]), (&json!("1.106.2"), &json!("3.13.1")));
    assert_eq!(pod["image"], "ghcr.io/berriai/litellm:v1.106.2");
    assert_eq!(pod["config_sha256"], fleet["pods"][1]["config_sha256"]);
}

#[test]
fn in_the_flamegraph_the_pods_are_the_first_frames_and_no_cpu_is_lost() {
    let given = folder();
    let bundle = merge(&three(given.path())).run().assert_status(0).only_bundle();
    let stacks = bundle.folded("profiles/all.folded");
    for (pod, seconds) in [("gateway-a", 2.88), ("gateway-b", 0.48), ("gateway-c", 0.64)] {
        let share = stacks.inclusive_share(&format!("pod {pod}"));
        let found = share * stacks.total() as f64 / 1e6;
        assert!((found - seconds).abs() < 0.001, "{pod}: {found}");
    }
    let all = bundle.text("flamegraphs/all.svg");
    let frames =
        |svg: &str| -> Vec<String> { parsed(svg).1.into_iter().filter(|text| text.starts_with("pod ")).collect() };
    for pod in ["gateway-a", "gateway-b", "gateway-c"] {
        assert!(
            frames(all).iter().any(|frame| frame.starts_with(&format!("pod {pod} ("))),
            "{pod} is not in {:?}",
            frames(all)
        );
    }
    let hot = frames(bundle.text("flamegraphs/hot.svg"));
    assert!(hot.iter().all(|frame| frame.starts_with("pod gateway-a")) && !hot.is_empty(), "{hot:?}");
}

#[test]
fn what_differs_is_told_with_who_has_what_and_whether_it_tells_hot_from_calm() {
    let given = folder();
    let upgraded = |facts: &mut Facts| {
        let print = facts.fingerprint.as_mut().expect("a fingerprint");
        print.litellm.version = Some(spike::clean("1.107.0"));
        print.python.packages.retain(|package| package.name.as_str() != "httpx");
    };
    let one_more = |facts: &mut Facts| {
        facts.config = facts.config.take().map(|config| config + "router_settings:\n  num_retries: 7\n");
        facts.variables[0].variables.insert("LITELLM_LOG".to_owned(), "DEBUG".to_owned());
    };
    let unread = |facts: &mut Facts| facts.variables.clear();
    let bundles = [
        Pod::new("a", 0.9, 9.0).but(upgraded).write(given.path()),
        Pod::new("b", 0.1, 9.0).but(one_more).write(given.path()),
        Pod::new("c", 0.1, 9.0).but(unread).write(given.path()),
    ];
    let output = merge(&bundles).run().assert_status(0);
    let expected = [
        ("lite_llm LiteLLM", "1.106.2 in b+c, 1.107.0 in a", true),
        ("package httpx", "0.28.1 in b+c, nothing in a", true),
        ("config router_settings.num_retries", "nothing in a+c, 7 in b", false),
        // What could not be read in one pod is no difference; what names the pod is none either.
        ("environment LITELLM_LOG", "DEBUG | INFO in b, INFO in a", false),
    ];
    let expected = expected.map(|(what, values, parting)| (what.to_owned(), values.to_owned(), parting));
    assert_eq!(differences(&fleet(&output)), expected);
}

#[test]
fn the_same_bundles_give_the_same_bytes_and_are_in_it_unchanged() {
    let given = folder();
    let bundles = three(given.path());
    let [one, two] = [(); 2].map(|()| merge(&bundles).run().assert_status(0));
    assert_eq!(fs::read(one.bundle_path()).expect("a file"), fs::read(two.bundle_path()).expect("a file"));
    assert_eq!(fs::metadata(one.bundle_path()).expect("a file").permissions().mode() & 0o777, 0o600);
    let bundle = one.only_bundle();
    let manifest = bundle.json("manifest.json");
    assert_eq!((&manifest["kind"], &manifest["format"]), (&json!("fleet"), &json!({"major": 1, "minor": 0})));
    for (pod, path) in ["gateway-b", "gateway-a", "gateway-c"].iter().zip(&bundles) {
        let member = member(&manifest, pod);
        let file = format!("bundles/{pod}.tar.gz");
        assert_eq!((&member["bundle"], &member["status"]), (&json!(file), &json!("complete")));
        assert_eq!(member["given"], path.file_name().and_then(|name| name.to_str()).expect("a name"));
        let inside = bundle.files().find(|(name, _)| *name == file).expect("it is in").1;
        assert_eq!(inside, fs::read(path).expect("a file"), "{pod}");
    }
    // And once more where the first one stands.
    let again = merge(&bundles).arg("-o").arg(format!("{}/", one.dir().display())).run().assert_status(0);
    again.assert_stdout(&format!("{}/{NAME}-2.tar.gz\n", one.dir().display()));
}

#[test]
fn a_fleet_bundle_can_be_inspected_verified_and_told_as_a_ticket() {
    let given = folder();
    let merged = merge(&three(given.path())).run().assert_status(0);
    let path = merged.bundle_path();
    let inspected = Capture::new().arg("inspect").arg(&path).run().assert_status(0).assert_stderr("");
    let lines: Vec<&str> = merged.stderr.lines().collect();
    let expected = format!("{NAME} (2026-11-24T06:15:00Z)\n{}\n", lines[..lines.len() - 1].join("\n"));
    let inspected = inspected.assert_stdout(&expected);
    let verified = Capture::new().args(["inspect", "--verify"]).arg(&path).run().assert_status(0);
    verified.assert_stdout(&(inspected.said() + "verified  8 files are what the manifest says\n"));

    let told = Capture::new().args(["inspect", "--json"]).arg(&path).run().assert_status(0);
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!((&told["manifest"]["name"], &told["summary"]), (&json!(NAME), &fleet(&merged)));

    let ticket = Capture::new().arg("ticket").arg(&path).run().assert_status(0).assert_stderr("");
    assert!(ticket.said().starts_with(merged.only_bundle().text("TICKET.md")), "{}", ticket.said());
    ticket.assert_stdout_has(&format!("capture ticket {NAME}/bundles/gateway-a.tar.gz"));

    let tampered = given.path().join("tampered.tar.gz");
    Bundle::write_changed(&path, &tampered, "TICKET.md", |text| text.replace("One hot pod", "No hot pod"));
    let refused = Capture::new().args(["inspect", "--verify"]).arg(&tampered).run().assert_status(3).assert_stdout("");
    let path = tampered.display();
    refused.assert_stderr(&format!(
        "capture: {path} is damaged:\nTICKET.md was changed\n  ask its sender for another copy\n"
    ));

    let newer = given.path().join("newer.tar.gz");
    Bundle::write_changed(&merged.bundle_path(), &newer, "manifest.json", |_| {
        r#"{"format": {"major": 2, "minor": 0}, "kind": "fleet"}"#.to_owned()
    });
    let refused = Capture::new().arg("inspect").arg(&newer).run().assert_status(2).assert_stdout("");
    refused.assert_stderr_has(
        "it has format 2.0, and this program knows 1.0 at most\n  take the newest release of capture\n",
    );
}

/// As old bundles do in `tests/bundles`: a new format adds one, and none is ever taken away.
#[test]
fn fleet_bundles_of_every_format_open_and_are_whole() {
    let stored = repository().join("tests/fleets");
    let current = format!("{FORMAT}.tar.gz");
    assert!(names_in(&stored).contains(&current), "add tests/fleets/{current}");
    for name in names_in(&stored) {
        let inspected = Capture::new().args(["inspect", "--verify"]).arg(stored.join(name)).run().assert_status(0);
        inspected
            .assert_stdout_has("heat      One hot pod of 3: gateway-a (")
            .assert_stdout_has("files are what the manifest says");
    }
}

#[test]
fn what_is_for_one_capture_says_to_name_one_of_the_bundles_inside() {
    let given = folder();
    let merged = merge(&three(given.path())).run().assert_status(0);
    let path = merged.bundle_path();
    let refused = format!(
        "capture: cannot read {}: it is a fleet bundle, which holds the bundles of several pods\n  \
         unpack it (tar -xzf) and name one of the bundles in its folder bundles/\n",
        path.display()
    );
    let pid = std::process::id().to_string();
    for capture in [
        Capture::new().arg("report").arg(&path),
        Capture::new().arg("diff").arg(&path).arg(&path),
        Capture::new().args(["--pid", &pid, "--baseline"]).arg(&path),
        merge(std::slice::from_ref(&path)),
    ] {
        capture.run().assert_status(2).assert_stdout("").assert_stderr(&refused).assert_left_nothing();
    }
}

#[test]
fn a_bundle_that_cannot_be_read_is_a_gap_and_its_bytes_go_nowhere() {
    const CANARY: &str = "the board decided on layoffs";
    let given = folder();
    let mut bundles = three(given.path());
    let whole = fs::read(&bundles[0]).expect("a file");
    let place = |name: &str| given.path().join(name);
    fs::write(place("text.tar.gz"), CANARY).expect("a file");
    fs::write(place("short.tar.gz"), &whole[..whole.len() / 2]).expect("a file");
    // Whoever changed it did not redact it.
    Bundle::write_changed(&bundles[0], &place("changed.tar.gz"), "config.redacted.yaml", |text| text + CANARY);
    Bundle::write_changed(&bundles[0], &place("newer.tar.gz"), "manifest.json", |_| {
        r#"{"format": {"major": 9, "minor": 0}}"#.to_owned()
    });
    let fleet = merge(&three(given.path())).args(["-o", "fleet.tar.gz"]).run();
    fs::copy(fleet.bundle_path(), place("fleet.tar.gz")).expect("a copy");
    let broken = ["text", "short", "changed", "newer", "fleet", "nowhere"];
    bundles.extend(broken.map(|name| place(&format!("{name}.tar.gz"))));

    let output = merge(&bundles).run().assert_status(3);
    let output = output.assert_stderr_has("fleet     3 pods of 9, captured from 2026-11-24T06:15:00Z on, partial\n");
    let bundle = output.only_bundle();
    let manifest = bundle.json("manifest.json");
    assert_eq!(manifest["status"], "partial");
    let bundle_cure = "name a bundle: litellm-cpu-HOST-TIME.tar.gz";
    for (name, why, cure) in [
        ("text", "it is no whole bundle: invalid gzip header", bundle_cure),
        ("short", "it is no whole bundle: incomplete deflate stream", bundle_cure),
        ("changed", "it is damaged: environment/config.redacted.yaml was changed", "ask its sender for another copy"),
        ("newer", "it has format 9.0, and this program knows 1.4 at most", "take the newest release of capture"),
        (
            "fleet",
            "it is a fleet bundle, which holds the bundles of several pods",
            "unpack it (tar -xzf) and name one of the bundles in its folder bundles/",
        ),
        ("nowhere", "No such file or directory (os error 2)", bundle_cure),
    ] {
        let member = member(&manifest, name);
        assert_eq!((&member["status"], &member["bundle"]), (&json!("missing"), &Value::Null), "{name}");
        let gap = &member["gaps"][0];
        assert_eq!((&gap["why"], &gap["cure"]), (&json!(why), &json!(cure)), "{name}");
        assert!(bundle.text("TICKET.md").contains(&format!("| `{name}` | gave no bundle |")), "{name}");
        assert!(output.stderr.contains(&format!("missing   {name}.tar.gz: {why}")), "{name}: {}", output.stderr);
    }
    for (name, bytes) in bundle.files() {
        assert!(!String::from_utf8_lossy(bytes).contains(CANARY), "{name}");
    }
    assert_eq!(bundle.names().filter(|name| name.starts_with("bundles/")).count(), 3);
    assert!(
        !bundle.text("TICKET.md").contains(given.path().to_str().expect("UTF-8")),
        "where it lay is nobody's business"
    );
}

#[test]
fn where_no_bundle_can_be_read_there_is_no_fleet_bundle() {
    let given = folder();
    let paths = ["a.tar.gz", "b.tar.gz"].map(|name| given.path().join(name));
    fs::write(&paths[0], "no tarball").expect("a file");
    let alone = format!(
        "capture: cannot read {}: it is no whole bundle: invalid gzip header\n  \
         name a bundle: litellm-cpu-HOST-TIME.tar.gz\n",
        paths[0].display()
    );
    merge(&paths[..1]).run().assert_status(2).assert_stdout("").assert_stderr(&alone).assert_left_nothing();
    let both = "capture: none of the 2 bundles can be read:\n\
                a.tar.gz: it is no whole bundle: invalid gzip header\n\
                b.tar.gz: No such file or directory (os error 2)\n  \
                name the bundles that capture wrote, one of each pod: litellm-cpu-HOST-TIME.tar.gz\n";
    merge(&paths).run().assert_status(2).assert_stdout("").assert_stderr(both).assert_left_nothing();
    let none = Capture::new().arg("merge").run().assert_status(2).assert_stdout("");
    none.assert_stderr_has("the following required arguments were not provided:\n  <BUNDLE>...").assert_left_nothing();
}

#[test]
fn the_same_bundle_twice_counts_once_and_two_of_one_pod_are_told() {
    let given = folder();
    let first = Pod::new("a", 0.1, 9.0).write(given.path());
    let copy = given.path().join("copy.tar.gz");
    fs::copy(&first, &copy).expect("a copy");
    let later = Pod::new("a", 0.3, 9.0).but(|facts| facts.manifest.name += "-2").write(given.path());
    let output = merge(&[first, copy, later]).run().assert_status(0);
    let manifest = output.only_bundle().json("manifest.json");
    let names: Vec<&Value> =
        manifest["members"].as_array().expect("members").iter().map(|member| &member["name"]).collect();
    assert_eq!(names, ["a", "a-2"]);
    let gaps: Vec<String> = manifest["gaps"]
        .as_array()
        .expect("gaps")
        .iter()
        .map(|gap| format!("{}: {}", gap["what"].as_str().expect("what"), gap["why"].as_str().expect("why")))
        .collect();
    assert_eq!(
        gaps,
        [
            "a second bundle in `copy.tar.gz`: it is the very bundle of `a`, which counts once",
            "whether `a-2` is another pod than `a`: both bundles tell the same name",
        ]
    );
}

#[test]
fn one_bundle_is_a_fleet_of_one_and_claims_no_comparison() {
    let given = folder();
    let output = merge(&[Pod::new("a", 0.9, 9.0).write(given.path())]).run().assert_status(0);
    let bundle = output.only_bundle();
    let heat = &bundle.json("fleet.json")["heat"];
    assert_eq!(heat["pattern"], "single");
    assert_eq!(
        heat["sentence"],
        "One pod was captured, so that there is no other to hold it against: `a` (0.960 cores, at its limit)."
    );
    assert!(bundle.text("TICKET.md").contains("There are no two pods to hold against each other."));
    assert!(!bundle.names().any(|name| name == "flamegraphs/hot.svg"));
}

#[test]
fn bundles_of_every_format_are_merged_and_captures_of_other_days_are_said_to_be() {
    let stored = ["1.0", "1.1", "1.2"].map(|format| repository().join(format!("tests/bundles/{format}.tar.gz")));
    let bundle = merge(&stored).run().assert_status(0).only_bundle();
    let ticket = bundle.text("TICKET.md");
    assert!(
        ticket.contains(
            "| all pods at the same time | `vm-3`, `vm` were captured more than a minute apart from `vm-2` |"
        ),
        "{ticket}"
    );
    assert!(ticket.contains("a bundle of format 1.0 holds no figures over time"), "{ticket}");
}

#[test]
fn what_a_pods_own_bundle_misses_makes_the_fleet_bundle_partial() {
    let given = folder();
    let lost = Gap::new("stacks of worker 101 from 2.0 s on", "it was too slow", "capture again");
    let bundles = [
        Pod::new("a", 0.1, 9.0).but(|facts| facts.manifest.gaps.push(lost)).write(given.path()),
        // What was shed to keep it small.
        Pod::new("b", 0.1, 9.0).write_without(given.path(), &["profiles/samples.json.gz"]),
        Pod::new("c", 0.1, 9.0).write(given.path()),
    ];
    let output = merge(&bundles).run().assert_status(3);
    let bundle = output.only_bundle();
    let manifest = bundle.json("manifest.json");
    let statuses = ["a", "b", "c"].map(|name| member(&manifest, name)["status"].clone());
    assert_eq!(statuses, ["partial", "partial", "complete"]);
    let ticket = bundle.text("TICKET.md");
    assert!(
        ticket.contains("| stacks of worker 101 from 2.0 s on (`a`) | it was too slow | capture again | partial |"),
        "{ticket}"
    );
    assert!(ticket.contains("| figures and stacks (`b`) | it holds no profiles/samples.json.gz |"), "{ticket}");
    assert_eq!(bundle.names().filter(|name| name.starts_with("bundles/")).count(), 3, "all of them can be opened");
}

#[test]
fn the_bundles_of_calm_pods_are_left_out_first_where_an_attachment_would_be_too_large() {
    let given = folder();
    let noise = |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        std::iter::repeat_with(|| random.u8(..)).take(11_000_000).collect::<Vec<u8>>()
    };
    let bundles = [("calm", 0.1), ("hot", 0.9), ("warm", 0.4)]
        .iter()
        .zip(0..)
        .map(|((name, share), seed)| {
            Pod::new(name, *share, 9.0).with_file("baseline/noise", noise(seed)).write(given.path())
        })
        .collect::<Vec<_>>();
    let output = merge(&bundles).run().assert_status(3);
    assert!(fs::metadata(output.bundle_path()).expect("a file").len() <= 25_000_000);
    let bundle = output.only_bundle();
    let inside: Vec<&str> = bundle.names().filter(|name| name.starts_with("bundles/")).collect();
    assert_eq!(inside, ["bundles/hot.tar.gz", "bundles/warm.tar.gz"]);
    let manifest = bundle.json("manifest.json");
    assert_eq!(member(&manifest, "calm")["bundle"], Value::Null);
    assert_eq!(member(&manifest, "calm")["status"], "complete", "it was read, and its figures are there");
    assert_eq!(manifest["gaps"][0]["what"], "the bundles of `calm`, whose figures are here");
    assert_eq!(bundle.json("fleet.json")["pods"].as_array().map(Vec::len), Some(3));
}

#[test]
fn memory_does_not_grow_as_the_bundles_do() {
    let given = folder();
    // Each is 8 MB as it is read, so that all of them together would need twice of what is given.
    let bundles: Vec<PathBuf> = (0..60)
        .map(|index| {
            let pod = Pod::new(&format!("pod-{index:02}"), if index % 20 == 7 { 0.9 } else { 0.1 }, 9.0);
            pod.with_file("baseline/zeros", vec![0; 8_000_000]).write(given.path())
        })
        .collect();
    let limited = Capture::within("sh", ["-c", "ulimit -v 240000 && exec \"$0\" \"$@\""]);
    let output = bundles.iter().fold(limited.arg("merge"), Capture::arg).run().assert_status(0);
    let fleet = fleet(&output);
    assert_eq!(fleet["heat"]["pattern"], "several_hot");
    assert_eq!(fleet["pods"].as_array().map(Vec::len), Some(60));
    let ticket = output.only_bundle().text("TICKET.md").to_owned();
    assert!(ticket.contains("3 hot pods of 60") && ticket.contains("… and 20 more in `fleet.json`"), "{ticket}");
}

#[test]
fn whatever_the_bundles_say_the_ticket_keeps_its_form() {
    let given = folder();
    let hostile = |text: &str| format!("{text}|`a``\\|*b* <img src=x> </details> @octocat #1 GH-2\n\n# i\n```\n{text}");
    let written = |words: spike::Words| {
        let bundles = [("a", 0.9), ("b", 0.1)].map(|(name, share)| {
            let other = words("0.29.0");
            let change = |facts: &mut Facts| {
                let package = &mut facts.fingerprint.as_mut().expect("a fingerprint").python.packages[1];
                package.version = spike::clean(&other);
            };
            let pod = Pod::with_words(words, name, share, 9.0);
            if name == "a" { pod.but(change) } else { pod }.write(given.path())
        });
        merge(&bundles).run().assert_status(0).only_bundle().text("TICKET.md").to_owned()
    };
    let ours = |ticket: &str| ticket.split("\n---\n").next().expect("a part").to_owned();
    assert_eq!(form(&ours(&written(hostile))), form(&ours(&written(spike::plain))));
}

#[test]
fn a_name_that_is_no_files_name_becomes_one() {
    let given = folder();
    let bundle = Pod::new("a", 0.1, 9.0).write(given.path());
    let merged = |name: &str| {
        let member = Member { name: Some(name.to_owned()), ..Member::of(bundle.clone()) };
        let target = given.path().join(format!("{}.tar.gz", fastrand::u64(..)));
        let report = assemble(vec![member], &Destination::File(target), &Notices::new(Loudness::Quiet));
        report.expect("a fleet bundle").manifest.members[0].name.clone()
    };
    assert_eq!(["../../etc/x", "a;b c", "..", "é"].map(merged), ["etcx", "abc", "pod", "pod"]);
}

#[test]
fn a_member_without_a_bundle_keeps_what_else_is_known_of_it() {
    let given = folder();
    let why = || Gap::new("the bundle of `gone`", "the pod ended during the capture", "capture again");
    let extra = || vec![Artifact::new("describe.txt", "Last State: Terminated\n")];
    let members = vec![
        Member {
            name: Some("here".to_owned()),
            extra: extra(),
            ..Member::of(Pod::new("x", 0.1, 9.0).write(given.path()))
        },
        Member { name: Some("gone".to_owned()), bundle: Err(why()), extra: extra() },
    ];
    let notices = Notices::new(Loudness::Quiet);
    let report = assemble(members, &Destination::Folder(given.path().join("made")), &notices).expect("a fleet bundle");
    assert_eq!(report.exit_code(), exit::PARTIAL);
    let bundle = Bundle::open(report.path.as_deref().expect("a file"));
    for pod in ["here", "gone"] {
        assert_eq!(bundle.text(&format!("pods/{pod}/describe.txt")), "Last State: Terminated\n");
    }
    let manifest = bundle.json("manifest.json");
    assert_eq!(member(&manifest, "here")["host"], "x");
    assert_eq!(member(&manifest, "gone")["gaps"][0]["why"], "the pod ended during the capture");

    let alone = vec![Member { name: Some("gone".to_owned()), bundle: Err(why()), extra: Vec::new() }];
    let refused =
        assemble(alone, &Destination::Folder(given.path().join("none")), &notices).expect_err("nothing to merge");
    assert!(refused.to_string().contains("the pod ended during the capture"), "{refused}");
    assert!(!given.path().join("none").exists());
}

#[test]
fn the_result_is_a_path_or_json_or_the_tarball_and_nothing_is_overwritten() {
    let given = folder();
    let bundles = three(given.path());
    let json = merge(&bundles).args(["--json", "--quiet", "-o", "x.tar.gz"]).run().assert_status(0).assert_stderr("");
    let said: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&said["path"], &said["exit_code"]), (&json!("x.tar.gz"), &json!(0)));
    assert_eq!(
        (&said["manifest"]["status"], &said["summary"]["heat"]["pattern"]),
        (&json!("complete"), &json!("one_hot"))
    );

    let piped =
        merge(&bundles).args(["--quiet", "-o", "-"]).run().assert_status(0).assert_stderr("").assert_left_nothing();
    assert_eq!(piped.stdout, fs::read(json.dir().join("x.tar.gz")).expect("a file"));

    let taken = merge(&bundles).args(["-o", "x.tar.gz"]);
    fs::write(taken.dir().join("x.tar.gz"), "mine").expect("a file");
    let taken = taken.run().assert_status(7).assert_stdout("").assert_stderr(
        "capture: cannot write x.tar.gz: it exists already and is not overwritten\n  \
         choose another place with -o PATH\n",
    );
    assert_eq!(fs::read(taken.dir().join("x.tar.gz")).expect("a file"), b"mine");
    assert_eq!(names_in(taken.dir()), ["x.tar.gz"]);
}

#[test]
fn content_of_requests_that_a_pods_reporter_asked_for_is_warned_of() {
    let given = folder();
    let bundle =
        Pod::new("a", 0.1, 9.0).but(|facts| facts.evidence.reporter.prompts_included = true).write(given.path());
    merge(&[bundle]).arg("--quiet").run().assert_status(0).assert_stderr(
        "warning: the bundle of a holds the content of requests, as --include-prompts asked for, and everyone who gets \
         the fleet bundle can read it\n",
    );
}
