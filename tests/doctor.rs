//! `capture doctor`: every rule that can keep it from a worker is told with the next command, from wherever one is; and
//! `--without-stacks`: what there is all the same.

#[path = "support/fixture_proc.rs"]
mod fixture_proc;
mod support;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
};

use fixture_proc::{Fixture, FixtureProc};
use litellm_capture::{
    collect::CgroupRoot,
    doctor::{Diagnosis, Machine, MayCapture, Outcome, Probe, examine},
    environment::Own,
    logs::LogSource,
    permission::{Denied, cure::cure, diagnose, facts::Facts, rule::Rule, surroundings::Surroundings},
    plan::{Destination, DoctorPlan, ObservePlan, ResultForm, TargetPlan},
};
use nix::unistd::geteuid;
use serde_json::Value;
use support::{
    Capture, Output,
    lab::{Config, Lab, Server},
    skip,
    target::Target,
};

const NOBODY: u32 = 65534;
/// More than any kernel gives (`PID_MAX_LIMIT` in `include/linux/threads.h`), so that a call on it meets nobody.
const PID: i32 = 2_000_000_007;
/// What container engines give to root: 14 capabilities, without `CAP_SYS_PTRACE`.
const DEFAULT: u64 = 0xa804_25fb;
const PTRACE: u64 = 1 << 19;

/// A process of LiteLLM's.
const LITELLM: Fixture<'_> = Fixture {
    pid: PID,
    parent: 1,
    comm: "litellm",
    state: 'S',
    start_ticks: 6000,
    argv: &["/app/.venv/bin/python3", "/app/.venv/bin/litellm", "--port=4000"],
    environ: &[],
    exe: "/usr/bin/python3.13",
    cwd: "/app",
    maps: &["/usr/bin/python3.13"],
    cgroup: "0::/\n",
    tracer: 0,
};

/// Two processes on a machine, ours and LiteLLM's, which are alike until one of them is told apart.
struct Pair(FixtureProc);

/// What a process is to the kernel.
#[derive(Clone, Copy)]
struct Who {
    uid: u32,
    gid: u32,
    permitted: u64,
    bounding: u64,
}

/// The user that owns the files of this test.
fn me() -> Who {
    Who { uid: geteuid().as_raw(), gid: 100, permitted: 0, bounding: DEFAULT }
}

/// Somebody else.
fn other() -> Who {
    Who { uid: me().uid + 1000, ..me() }
}

impl Pair {
    fn of(ours: Who, theirs: Who) -> Self {
        let pair = Self(FixtureProc::with(&[LITELLM]));
        pair.0.write("proc/sys/kernel/cap_last_cap", "40\n");
        pair.0.write("proc/sys/kernel/hostname", "gateway-0\n");
        pair.0.write("proc/self/cgroup", "0::/\n");
        pair.status("self", ours, "");
        pair.status(&PID.to_string(), theirs, "");
        pair
    }

    fn status(&self, of: &str, who: Who, more: &str) {
        let Who { uid, gid, permitted, bounding } = who;
        let text = format!(
            "Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{gid}\t{gid}\t{gid}\t{gid}\nCapPrm:\t{permitted:016x}\n\
             CapEff:\t{permitted:016x}\nCapBnd:\t{bounding:016x}\n{more}"
        );
        self.0.write(&format!("proc/{of}/status"), &text);
    }

    fn with(self, file: &str, text: &str) -> Self {
        self.0.write(&format!("proc/{file}"), text);
        self
    }

    fn denied(&self) -> Denied {
        diagnose(&self.0.procfs(), PID)
    }

    /// Only root can give files away, and so lay out a process of another user's that is dumpable.
    fn cure_if_dumpable(&self) -> String {
        let facts = Facts::gather(&self.0.procfs(), PID);
        let owner = facts.theirs.map(|theirs| theirs.uids[0]);
        let facts = Facts { files_owner: owner, ..facts };
        cure(&Rule::of(&facts), &facts, &Surroundings::look(&self.0.procfs(), PID))
    }

    #[track_caller]
    fn assert_rule(&self, expected: &str) -> String {
        let Denied { rule, cure } = self.denied();
        assert_eq!(rule, expected);
        cure
    }
}

/// What a host's user types, who is not root there.
fn sudo() -> String {
    format!("run as root: sudo {} --pid {PID}", env::current_exe().expect("this test's path").display())
}

const OTHER_USER: &str = "the kernel lets only the same user or that capability read it";

#[test]
fn another_user_is_told_by_both_uids() {
    let ours = Who { uid: 4242, ..other() };
    let (theirs, uid) = (other(), other().uid);
    let cure = Pair::of(ours, theirs).assert_rule(&format!(
        "it runs as uid {uid} and this program as uid 4242 without CAP_SYS_PTRACE; {OTHER_USER}"
    ));
    assert_eq!(cure, sudo());
    let cure = Pair::of(Who { gid: 7, ..me() }, me()).assert_rule(
        "it runs as gid 100 and this program as gid 7 without CAP_SYS_PTRACE; the kernel lets only the same user and \
         group or that capability read it",
    );
    assert!(cure.ends_with(&format!(" --pid {PID}")), "{cure}");
}

#[test]
fn a_capability_in_the_bounding_set_alone_is_called_inert() {
    const INERT: &str = "; CAP_SYS_PTRACE is in the bounding set alone, where it is inert for a user other than root";
    let uid = other().uid;
    let given = Who { uid: 4242, bounding: DEFAULT | PTRACE, ..me() };
    Pair::of(given, other()).assert_rule(&format!(
        "it runs as uid {uid} and this program as uid 4242 without CAP_SYS_PTRACE; {OTHER_USER}{INERT}"
    ));
    // Outside of containers the set is full for everybody, and nobody gave it.
    let full = Who { bounding: (1 << 41) - 1, ..given };
    assert!(!Pair::of(full, other()).denied().rule.contains(INERT));
}

#[test]
fn a_process_whose_files_in_proc_are_not_its_own_is_not_dumpable() {
    let cure = Pair::of(other(), other()).assert_rule(
        "it is not dumpable (it changed its user or cleared PR_SET_DUMPABLE), so only CAP_SYS_PTRACE may read it",
    );
    assert_eq!(cure, sudo());
}

#[test]
fn a_process_with_more_capabilities_is_closed_even_to_its_own_user() {
    Pair::of(me(), Who { permitted: DEFAULT, ..me() }).assert_rule(
        "it holds 14 capabilities that this program lacks; the kernel lets only a process with all of them or \
         CAP_SYS_PTRACE read it",
    );
    // With CAP_SYS_PTRACE none of this matters.
    let privileged = Who { permitted: PTRACE, ..me() };
    assert!(Pair::of(privileged, Who { permitted: DEFAULT, ..other() }).denied().rule.contains("a security module"));
}

#[test]
fn each_scope_of_yama_is_told() {
    const SCOPE: &str = "sys/kernel/yama/ptrace_scope";
    for scope in [1, 2] {
        let cure = Pair::of(me(), me()).with(SCOPE, &format!("{scope}\n")).assert_rule(&format!(
            "kernel.yama.ptrace_scope is {scope}: only CAP_SYS_PTRACE may read a process that is not one's own child"
        ));
        assert!(cure.ends_with("   or, for all users of the host: sudo sysctl kernel.yama.ptrace_scope=0"), "{cure}");
    }
    // Not even with the capability.
    let cure = Pair::of(Who { permitted: PTRACE, ..me() }, me())
        .with(SCOPE, "3\n")
        .assert_rule("kernel.yama.ptrace_scope is 3: no process may be read until the next boot");
    assert_eq!(cure, "set kernel.yama.ptrace_scope=1 in /etc/sysctl.d of the host and boot it again");
    assert!(Pair::of(me(), me()).with(SCOPE, "0\n").denied().rule.contains("a security module"));
}

#[test]
fn a_user_namespace_is_told_by_its_map() {
    let maps = |theirs: &str| {
        Pair::of(Who { permitted: PTRACE, ..me() }, me())
            .with("self/uid_map", "         0          0 4294967295\n")
            .with(&format!("{PID}/uid_map"), theirs)
    };
    maps("         0     100000      65536\n")
        .assert_rule("it runs in another user namespace, in which the capabilities of this program do not count");
    assert!(maps("         0          0 4294967295\n").denied().rule.contains("a security module"));
}

#[test]
fn a_label_that_keeps_apart_is_told_with_both_names() {
    let labelled = |theirs: &str| {
        Pair::of(Who { permitted: PTRACE, ..me() }, me())
            .with("self/attr/current", "docker-default (enforce)\n")
            .with(&format!("{PID}/attr/current"), theirs)
    };
    let cure = labelled("litellm (enforce)\n").assert_rule(
        "a security module confines this program as docker-default (enforce), the process is litellm (enforce), and no \
         other rule forbids it",
    );
    assert!(cure.starts_with("look for the denial with dmesg on the host; "), "{cure}");
    // The profiles of containers let their own in.
    assert!(labelled("docker-default (enforce)\n").denied().rule.starts_with("the kernel refused"));
}

#[test]
fn a_proc_that_hides_is_told_by_its_option() {
    let pair = Pair::of(me(), other()).with("mounts", "proc /proc proc rw,nosuid,hidepid=invisible 0 0\n");
    fs::remove_file(pair.0.path(&format!("proc/{PID}/status"))).expect("a file");
    pair.assert_rule("/proc is mounted with hidepid=invisible, which hides the processes of other users");

    pair.0.remove(PID);
    let diagnosis = examined(&pair.0);
    assert_eq!((diagnosis.exit_code, diagnosis.may_capture), (4, MayCapture::No));
    assert_probe(
        &diagnosis,
        "LiteLLM",
        Outcome::Refused,
        "no LiteLLM was found among the processes here",
        Some(
            "/proc is mounted with hidepid=invisible and may hide it: run as the user that LiteLLM runs as, or as root",
        ),
    );
    assert!(diagnosis.probes[1..].iter().all(|probe| probe.result == Outcome::NotTried));
}

#[test]
fn the_cure_is_the_next_command_from_where_one_is() {
    let (ours, theirs) = (Who { uid: 4242, ..me() }, Who { uid: 1000, gid: 1001, ..me() });
    let root = Who { uid: 0, gid: 0, permitted: DEFAULT, ..me() };
    let docker = |theirs| Pair::of(ours, theirs).with("self/root/.dockerenv", "");
    let own = format!("{PID}/cgroup");
    for (pair, cure) in [
        (docker(theirs), format!("on the host: docker exec -u 1000:1001 CONTAINER capture --pid {PID}")),
        (docker(root), format!("on the host: docker exec -u 0:0 CONTAINER capture --pid {PID}")),
        (
            docker(theirs).with(&own, "0::/../other\n"),
            format!("on the host: docker run --rm -it --pid=container:TARGET -u 1000:1001 IMAGE capture --pid {PID}"),
        ),
        (
            docker(root).with(&own, "0::/../other\n").with("self/root/run/.containerenv", ""),
            format!(
                "on the host: podman run --rm -it --pid=container:TARGET -u 0:0 --cap-add=SYS_PTRACE IMAGE capture \
                 --pid {PID}"
            ),
        ),
    ] {
        assert_eq!(pair.cure_if_dumpable(), cure);
    }
    // Where the same user would be refused by the next rule, only the capability helps.
    let yama = docker(theirs).with("sys/kernel/yama/ptrace_scope", "1\n");
    let privileged = format!("on the host: docker exec --privileged -u 0:0 CONTAINER capture --pid {PID}");
    assert_eq!(yama.cure_if_dumpable(), privileged);

    let pod = |theirs| {
        Pair::of(ours, theirs)
            .with("self/cgroup", "0::/kubepods.slice/pod1/abc\n")
            .with("self/root/var/run/secrets/kubernetes.io/serviceaccount/namespace", "llm")
    };
    for (theirs, profile, who) in [
        (theirs, "restricted", r#""runAsUser":1000,"runAsGroup":1001,"runAsNonRoot":true"#),
        (root, "general", r#""runAsUser":0,"runAsGroup":0,"runAsNonRoot":false"#),
    ] {
        let expected = format!(
            "echo '{{\"securityContext\":{{{who}}}}}' > who.json && kubectl debug -n llm gateway-0 -it --image=IMAGE \
             --target=CONTAINER --profile={profile} --custom=who.json -- capture --pid {PID}"
        );
        assert_eq!(pod(theirs).cure_if_dumpable(), expected);
    }
}

#[test]
fn a_process_that_shows_nothing_of_itself_is_told_by_the_rule_that_hides_it() {
    let ours = Who { uid: 4242, ..me() };
    let pair = Pair::of(ours, other()).with("mounts", "proc /proc proc rw,hidepid=noaccess 0 0\n");
    pair.0.add(&Fixture { pid: PID, parent: 1, ..Fixture::default() });
    for file in ["status", "maps"] {
        fs::remove_file(pair.0.path(&format!("proc/{PID}/{file}"))).expect("a file");
    }
    fs::remove_file(pair.0.path(&format!("proc/{PID}/exe"))).expect("a link");
    let diagnosis = examined_of(&pair.0, &[PID]);
    assert_eq!((diagnosis.exit_code, diagnosis.may_capture), (5, MayCapture::No));
    let proof = format!(
        "process {PID} shows nothing of itself to us: /proc is mounted with hidepid=noaccess, which hides the processes of \
         other users"
    );
    assert_probe(&diagnosis, "LiteLLM", Outcome::Refused, &proof, Some(&sudo()));
}

#[test]
fn of_two_proxies_one_must_be_named_and_nothing_is_tried() {
    let pair = Pair::of(me(), me());
    pair.0.add(&Fixture { pid: PID + 1, ..LITELLM });
    let diagnosis = examined(&pair.0);
    assert_eq!((diagnosis.exit_code, diagnosis.may_capture, diagnosis.target), (2, MayCapture::No, None));
    let (found, others) = diagnosis.probes.split_first().expect("probes");
    assert!(found.proof.starts_with("2 LiteLLM proxies run here, and one must be named:"), "{found:?}");
    assert_eq!(found.cure, Some(format!("for example: capture --pid {PID}")));
    assert!(others.iter().all(|probe| probe.result == Outcome::NotTried), "{others:?}");
}

/// A diagnosis of a machine that was laid out.
fn examined(fixture: &FixtureProc) -> Diagnosis {
    examined_of(fixture, &[])
}

fn examined_of(fixture: &FixtureProc, pids: &[i32]) -> Diagnosis {
    let place = tempfile::tempdir().expect("a folder");
    let machine = Machine { procfs: fixture.procfs(), cgroups: CgroupRoot::at(fixture.path("cgroup")) };
    let plan = DoctorPlan {
        target: TargetPlan { pids: pids.to_vec(), only: false },
        engine: None,
        py_spy: None,
        config: None,
        observe: ObservePlan { litellm_url: None, litellm_key_env: "NO_SUCH_KEY".to_owned(), log: LogSource::Found },
        destination: Destination::Folder(place.path().to_owned()),
        result: ResultForm::Json,
    };
    examine(&machine, &plan, &Own::default())
}

fn probe<'a>(diagnosis: &'a Diagnosis, what: &str) -> &'a Probe {
    diagnosis.probes.iter().find(|probe| probe.what == what).unwrap_or_else(|| panic!("{what}: {diagnosis:?}"))
}

#[track_caller]
fn assert_probe(diagnosis: &Diagnosis, what: &str, result: Outcome, proof: &str, cure: Option<&str>) {
    let probe = probe(diagnosis, what);
    assert_eq!((probe.result, probe.proof.as_str(), probe.cure.as_deref()), (result, proof, cure));
}

#[test]
fn a_tracer_and_a_pid_namespace_are_warnings() {
    let pair = Pair::of(me(), me());
    pair.0.add(&Fixture { pid: 99, comm: "strace", ..Fixture::default() });
    pair.0.write("proc/99/task/99/comm", "strace\n");
    pair.status(&PID.to_string(), me(), &format!("TracerPid:\t99\nNSpid:\t{PID}\t1\n"));
    let diagnosis = examined(&pair.0);
    assert_probe(
        &diagnosis,
        "other tracers",
        Outcome::Warning,
        &format!(
            "worker {PID} is traced by process 99 (strace); samples are taken without tracing, but --blocking cannot \
             be used"
        ),
        Some("end it for exact stacks by --blocking, else leave it"),
    );
    assert_probe(
        &diagnosis,
        "PID namespace",
        Outcome::Warning,
        &format!(
            "worker {PID} is pid 1 in a PID namespace of its own; from outside of it py-spy takes sleeping threads for \
             active"
        ),
        Some("run capture inside of its container, or use --engine native"),
    );
}

#[test]
fn headroom_is_what_the_quota_leaves_under_both_versions_of_cgroups() {
    // Version 2, wide; version 1, so narrow that whatever a capture takes is taken from the workers.
    let wide = Pair::of(me(), me());
    for (file, text) in [
        ("cgroup.controllers", "cpu memory\n"),
        ("cpu.max", "150000 100000\n"),
        ("cpu.stat", "usage_usec 5\nnr_periods 10\nnr_throttled 0\nthrottled_usec 0\n"),
        ("memory.max", "1000000000\n"),
        ("memory.current", "990000000\n"),
        ("memory.stat", "anon 1\ninactive_file 400000000\n"),
    ] {
        wide.0.write(&format!("cgroup/{file}"), text);
    }
    let diagnosis = examined(&wide.0);
    let cost = "a capture takes about 0.02 cores by the native engine, 0.11 by py-spy until its budget slows it down";
    let proof = format!("of a quota of 1.50 cores 0.00 were in use for 500 ms; {cost}");
    assert_probe(&diagnosis, "CPU headroom", Outcome::Ok, &proof, None);
    let memory = "590 of 1000 MB are in use, file cache left out; a capture takes about 64 MB";
    assert_probe(&diagnosis, "memory headroom", Outcome::Ok, memory, None);

    let cgroup = "4:cpu,cpuacct:/\n5:memory:/\n";
    let narrow = Pair::of(me(), me()).with(&format!("{PID}/cgroup"), cgroup);
    for (file, text) in [
        ("cpu,cpuacct/cpu.cfs_quota_us", "1000\n"),
        ("cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ("cpu,cpuacct/cpu.stat", "nr_periods 10\nnr_throttled 10\nthrottled_time 7\n"),
        ("cpu,cpuacct/cpuacct.usage", "7\n"),
        ("memory/memory.limit_in_bytes", "1000000000\n"),
        ("memory/memory.usage_in_bytes", "990000000\n"),
    ] {
        narrow.0.write(&format!("cgroup/{file}"), text);
    }
    let diagnosis = examined(&narrow.0);
    let cure =
        "what a capture takes is taken from the workers: use --engine native and --rate 25, or raise the limit first";
    let proof = format!("of a quota of 0.01 cores 0.00 were in use for 500 ms; {cost}");
    assert_probe(&diagnosis, "CPU headroom", Outcome::Warning, &proof, Some(cure));
    assert_eq!(probe(&diagnosis, "memory headroom").result, Outcome::Warning);
}

// Real processes.

/// A Python program that says `ready` and waits; it ends with its standard input.
struct Program(Child);

impl Program {
    fn start(code: &str, uid: u32) -> Self {
        let code = format!("{code}\nprint('ready', flush=True)\nimport sys\nsys.stdin.read()");
        let mut command = Command::new("python3");
        command.args(["-c", &code]).stdin(Stdio::piped()).stdout(Stdio::piped()).uid(uid);
        let mut child = command.spawn().expect("python3 can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Whether root can become somebody else here who can start the program; else the test is skipped.
fn nobody_can_start_it() -> bool {
    let open = |path: &Path| fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o005 == 0o005);
    if !geteuid().is_root() {
        skip("only root can become another user");
    } else if !Path::new(env!("CARGO_BIN_EXE_capture")).ancestors().all(open) {
        skip("the program stands where another user cannot start it");
    } else {
        return true;
    }
    false
}

fn doctor(capture: Capture, pid: i32) -> Capture {
    capture
        .args(["doctor", "--pid", &pid.to_string(), "--json"])
        .arg("--py-spy")
        .arg(fake_py_spy())
        .env("FAKE_PY_SPY", "works")
}

fn fake_py_spy() -> std::path::PathBuf {
    support::repository().join("tests/support/fake-py-spy")
}

fn said(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Result and proof of a probe.
fn told(said: &Value, what: &str) -> (String, String) {
    let probes = said["probes"].as_array().expect("probes");
    let probe = probes.iter().find(|probe| probe["what"] == what).unwrap_or_else(|| panic!("{what}: {said}"));
    let text = |key: &str| probe[key].as_str().unwrap_or_default().to_owned();
    (text("result"), text("proof"))
}

#[test]
fn what_may_be_captured_is_tried_and_nothing_is_left_behind() {
    let target = Target::alone();
    let output = Capture::new()
        .args(["doctor", "--pid", &target.pid().to_string()])
        .arg("--py-spy")
        .arg(fake_py_spy())
        .env("FAKE_PY_SPY", "works")
        .run();
    let pid = target.pid();
    let output = output
        .assert_stderr("")
        .assert_stdout_has(&format!(
            "ok        reading worker {pid}: process_vm_readv, maps, root, exe and task are open\n"
        ))
        .assert_stdout_has("ok        output: ./ can be written to, ")
        .assert_left_nothing();
    target.assert_runs();

    let json = doctor(Capture::new(), pid).run();
    let said = said(&json);
    assert_eq!(said["target"], serde_json::json!({"pid": pid, "workers": [pid], "looks_like_litellm": false}));
    assert_eq!(said["may_capture"], "yes");
    drop(output);
}

#[test]
fn what_cannot_be_written_is_a_gap() {
    let target = Target::alone();
    let in_proc = doctor(Capture::new(), target.pid()).args(["-o", "/proc/"]).run().assert_status(7);
    assert_eq!(said(&in_proc)["may_capture"], "no");
    let (result, proof) = told(&said(&in_proc), "output");
    assert_eq!((result.as_str(), proof.starts_with("no bundle can be written: /proc/: ")), ("gap", true), "{proof}");
    // For standard output any place will do.
    let piped = doctor(Capture::new(), target.pid()).args(["-o", "-"]).env("TMPDIR", "/proc").run();
    let (result, proof) = told(&said(&piped), "output");
    assert_eq!(result, "ok", "{proof}");
    assert!(proof.contains("(not /proc: "), "{proof}");
}

#[test]
fn a_tarball_for_standard_output_is_made_wherever_there_is_room() {
    let target = Target::alone();
    let output = Capture::new()
        .fake_py_spy("works")
        .pid(target.pid())
        .args(["--duration", "1s", "-o", "-"])
        .env("TMPDIR", "/proc")
        .run()
        .assert_status(0)
        .assert_left_nothing();
    assert_eq!(output.stdout[..2], [0x1f, 0x8b]);
}

#[test]
fn somebody_elses_worker_is_refused() {
    if !nobody_can_start_it() {
        return;
    }
    let target = Target::alone();
    let output = doctor(Capture::new(), target.pid()).user(NOBODY).run().assert_status(5);
    let said = said(&output);
    assert_eq!((&said["may_capture"], &said["exit_code"]), (&"without_stacks".into(), &5.into()));
    let (result, proof) = told(&said, &format!("reading worker {}", target.pid()));
    assert_eq!(result, "refused");
    assert!(proof.starts_with(&format!("it runs as uid 0 and this program as uid {NOBODY} without")), "{proof}");
    assert_eq!(told(&said, "native engine").0, "not_tried");
}

#[test]
fn a_worker_that_is_not_dumpable_is_refused_to_its_own_user() {
    if !nobody_can_start_it() {
        return;
    }
    let program = Program::start("import ctypes\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)", NOBODY);
    let output = doctor(Capture::new(), program.pid()).user(NOBODY).run().assert_status(5);
    let (result, proof) = told(&said(&output), &format!("reading worker {}", program.pid()));
    assert_eq!(result, "refused");
    assert!(proof.starts_with("it is not dumpable"), "{proof}");
}

#[test]
fn root_without_its_capabilities_is_refused_by_root_that_has_them() {
    if !geteuid().is_root() || !Command::new("setpriv").arg("--version").output().is_ok_and(|out| out.status.success())
    {
        return skip("only root can drop its capabilities, and setpriv does it");
    }
    let target = Target::alone();
    let dropped = Capture::within("setpriv", ["--bounding-set=-all", "--inh-caps=-all"]);
    let output = doctor(dropped, target.pid()).run().assert_status(5);
    let (result, proof) = told(&said(&output), &format!("reading worker {}", target.pid()));
    assert_eq!(result, "refused");
    assert!(proof.contains(" capabilities that this program lacks"), "{proof}");
}

#[test]
fn a_tracer_is_told_by_pid_and_name() {
    let target = Target::alone();
    // PTRACE_SEIZE stops nothing.
    let code = format!("import ctypes\nassert ctypes.CDLL(None).ptrace(0x4206, {}, None, None) == 0", target.pid());
    let tracer = Program::start(&code, geteuid().as_raw());
    let output = doctor(Capture::new(), target.pid()).run();
    let (result, proof) = told(&said(&output), "other tracers");
    assert_eq!(result, "warning");
    let (pid, by) = (target.pid(), tracer.pid());
    assert!(proof.starts_with(&format!("worker {pid} is traced by process {by} (python3")), "{proof}");

    // Only a sampler that stops it comes into its way.
    let capture =
        || Capture::new().args(["--quiet", "--duration", "1s", "--pid", &pid.to_string()]).fake_py_spy("works");
    capture().run().assert_status(0);
    capture().arg("--blocking").run().assert_status(5).assert_stdout("").assert_left_nothing().assert_stderr(&format!(
        "capture: not permitted to read process {pid}: process {by} traces it already, and --blocking would have to \
         trace it too\n  leave --blocking out, or end process {by} first\n  or have everything but the stacks: capture \
         --without-stacks\n"
    ));
}

// Without stacks.

#[track_caller]
fn assert_says_why(output: &Output, why: &str) {
    let bundle = output.only_bundle();
    let manifest = bundle.json("manifest.json");
    assert_eq!((&manifest["status"], &manifest["engine"]["name"]), (&"partial".into(), &"none".into()));
    let gap = &manifest["gaps"][0];
    assert_eq!(gap["what"], "stacks, and with them flamegraphs and functions");
    assert_eq!(gap["weight"], "partial");
    assert!(gap["why"].as_str().is_some_and(|text| text.starts_with(why)), "{gap}");

    let summary = bundle.json("summary.json");
    assert!(summary["stacks"]["left_out"]["because"].as_str().is_some_and(|text| text.starts_with(why)));
    assert!(bundle.figure("/cpu/sampled_seconds") > 0.1, "{}", summary["cpu"]);
    assert!(summary["workers"][0]["core_percent"].as_f64().is_some_and(|percent| percent > 5.0));
    for empty in ["kinds", "owners", "functions"] {
        assert_eq!(summary[empty], serde_json::json!([]), "{empty}");
    }
    let names: Vec<&str> = bundle.names().collect();
    assert!(!names.iter().any(|name| name.starts_with("flamegraphs/") || name.ends_with(".folded")), "{names:?}");
    assert!(names.contains(&"charts/cpu.png"), "{names:?}");
    let ticket = bundle.text("TICKET.md");
    assert!(ticket.contains("Not known: there are no stacks, because "), "{ticket}");
    assert!(!ticket.contains("flamegraphs/all.svg"), "{ticket}");
    let chart = bundle.text("charts/cpu.svg");
    assert!(chart.contains("captured without stacks") && !chart.contains("sampled"), "{chart}");
    assert!(bundle.page().mentions("There are no stacks, because "));
}

#[test]
fn without_stacks_there_is_all_the_rest_and_the_gap_is_named() {
    let target = Target::alone();
    // No py-spy anywhere.
    let output = Capture::new()
        .args(["--without-stacks", "--duration", "1s", "--pid", &target.pid().to_string()])
        .env("PATH", "")
        .run()
        .assert_status(3)
        .assert_stderr_has(&format!("without stacks: watching worker {} for 1 s\n", target.pid()))
        .assert_stderr_has("stacks    none, because they were left out by --without-stacks\n");
    assert_says_why(&output, "they were left out by --without-stacks");
    target.assert_runs();

    // The same is made of its facts again, and against it no function has grown from nothing.
    let bundle = output.bundle_path();
    let again = Capture::new().arg("report").arg(&bundle).arg("-o").arg(output.dir()).run().assert_status(0);
    again.assert_stderr("TICKET.md and summary.json come out as they are in the bundle, byte for byte\n");
    let capture = Capture::new().fake_py_spy("works").pid(target.pid()).args(["--quiet", "--duration", "1s"]);
    let with = capture.arg("--baseline").arg(&bundle).run().assert_status(0);
    let compared = &with.only_bundle().json("summary.json")["comparison"];
    assert_eq!((&compared["functions"], &compared["owners"]), (&serde_json::json!([]), &serde_json::json!([])));
    let diff = Capture::new().arg("diff").arg(&bundle).arg(with.bundle_path()).run().assert_status(0);
    diff.assert_stdout_has(
        "**Functions are not compared: one of the two captures has no stacks, because they were left out",
    );
}

#[test]
fn what_is_refused_can_be_had_without_stacks() {
    if !nobody_can_start_it() {
        return;
    }
    let target = Target::alone();
    let capture = || {
        Capture::new().args(["--duration", "1s", "--pid", &target.pid().to_string()]).fake_py_spy("works").user(NOBODY)
    };
    let instead = "\n  or have everything but the stacks: capture --without-stacks\n";
    capture().run().assert_status(5).assert_stderr_has(instead).assert_left_nothing();
    let output = capture().arg("--without-stacks").run().assert_status(3);
    assert_says_why(
        &output,
        "they were left out by --without-stacks, and a worker could not have been read: it runs as uid 0 and this program as",
    );
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_litellm_that_is_well_is_told_so() {
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 2, Config::Plain);
    let output = Capture::new()
        .args(["doctor", "--json", "--pid", &litellm.pid().to_string()])
        .arg("--py-spy")
        .arg(lab.py_spy())
        .env("LITELLM_MASTER_KEY", litellm.key())
        .run()
        .assert_status(0)
        .assert_stderr("")
        .assert_left_nothing();
    let said = said(&output);
    assert_eq!(said["may_capture"], "yes");
    assert_eq!(said["target"]["workers"], serde_json::json!(litellm.workers()));
    for what in ["LiteLLM", "py-spy", "native engine", "facts", "metrics", "key", "output"] {
        assert_eq!(told(&said, what).0, "ok", "{said}");
    }
    // How soon is a matter of what else this machine does.
    assert!(told(&said, "liveliness").1.contains(" answered "), "{said}");
    for pid in litellm.workers() {
        assert_eq!(told(&said, &format!("reading worker {pid}")).0, "ok", "{said}");
    }
}
