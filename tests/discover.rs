//! Which processes are taken for LiteLLM, and for what: every layout that is met in the field.

#[path = "support/fixture_proc.rs"]
mod fixture_proc;

use fixture_proc::{Fixture, FixtureProc};
use litellm_capture::discover::{DiscoverError, Member, Proxy, Role, Scope, Target, find, refresh};
use litellm_capture::os::proc::Procfs;
use proptest::prelude::*;

const SPAWN: [&str; 5] = [
    "/app/.venv/bin/python3",
    "-B",
    "-c",
    "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=7, pipe_handle=14)",
    "--multiprocessing-fork",
];
const TRACKER: [&str; 4] =
    ["/app/.venv/bin/python3", "-B", "-c", "from multiprocessing.resource_tracker import main;main(6)"];

fn process<'a>(pid: i32, parent: i32, argv: &'a [&'a str]) -> Fixture<'a> {
    Fixture { pid, parent, argv, ..Fixture::default() }
}

fn roles(proxy: &Proxy) -> Vec<(i32, Role)> {
    proxy.members.iter().map(|member| (member.id.pid, member.role)).collect()
}

fn any(procfs: &Procfs) -> Vec<Proxy> {
    find(procfs, Target::Any).expect("a /proc that can be listed")
}

/// The only proxy, which every one of its members must lead to.
fn the_proxy(fixture: &FixtureProc) -> Proxy {
    let procfs = fixture.procfs();
    let mut proxies = any(&procfs);
    assert_eq!(proxies.len(), 1, "{proxies:?}");
    let proxy = proxies.remove(0);
    assert!(proxy.looks_like_litellm);
    assert_eq!(proxy.scope, Scope::Whole);
    for member in &proxy.members {
        let by_pid = find(&procfs, Target::Pids(&[member.id.pid])).expect("a member");
        assert_eq!(by_pid, std::slice::from_ref(&proxy), "by pid {}", member.id.pid);
    }
    proxy
}

fn why(members: &[Member], pid: i32) -> &str {
    &members.iter().find(|member| member.id.pid == pid).expect("a member").why
}

#[test]
fn one_uvicorn_process_is_supervisor_and_worker_in_one() {
    for argv in [
        &["/app/.venv/bin/python3", "/app/.venv/bin/litellm", "--port", "4000"][..],
        &["python", "-m", "litellm.proxy.proxy_cli", "--host", "0.0.0.0", "--port=4000"],
        &["/usr/bin/python3.12", "/usr/local/bin/uvicorn", "litellm.proxy.proxy_server:app"],
        &["python", "-m", "gateway.launch"],
        &["/opt/my venv/bin/python3", "/opt/my venv/bin/litellm"],
        &["python3", "/app/.venv/bin/ddtrace-run", "litellm", "--port", "4000"],
    ] {
        let proxy = the_proxy(&FixtureProc::with(&[process(7, 1, argv)]));
        assert_eq!(roles(&proxy), [(7, Role::Worker)], "{argv:?}");
        assert_eq!(why(&proxy.members, 7), "the only process: supervisor and worker in one");
    }
}

#[test]
fn uvicorn_spawns_workers_whose_command_line_says_nothing() {
    for argv in [
        &["/app/.venv/bin/python3", "/app/.venv/bin/litellm", "--num_workers", "2"][..],
        &["/app/.venv/bin/python3", "/app/.venv/bin/uvicorn", "litellm.proxy.proxy_server:app", "--workers", "2"],
        &["/app/.venv/bin/python3", "/app/.venv/bin/litellm", "--reload", "--num_workers", "1"],
        // The number may come from the environment.
        &["/app/.venv/bin/python3", "/app/.venv/bin/litellm"],
    ] {
        let proxy = the_proxy(&FixtureProc::with(&[
            process(100, 1, argv),
            process(101, 100, &TRACKER),
            process(102, 100, &SPAWN),
            process(103, 100, &SPAWN),
        ]));
        let expected =
            [(100, Role::Supervisor), (101, Role::ResourceTracker), (102, Role::Worker), (103, Role::Worker)];
        assert_eq!(roles(&proxy), expected);
        assert_eq!(why(&proxy.members, 102), "spawned by 100 (multiprocessing) to serve");
        assert_eq!(proxy.workers().count(), 2);
    }
}

#[test]
fn gunicorn_and_granian_fork_workers_with_the_same_command_line() {
    for argv in [
        &["python3", "/venv/bin/litellm", "--num_workers", "2", "--run_gunicorn"][..],
        &["python3", "/venv/bin/litellm", "--num_workers", "2", "--run_granian"],
        &["python3", "/venv/bin/gunicorn", "litellm.proxy.proxy_server:app", "-w", "2"],
    ] {
        let proxy =
            the_proxy(&FixtureProc::with(&[process(100, 1, argv), process(102, 100, argv), process(103, 100, argv)]));
        assert_eq!(roles(&proxy), [(100, Role::Supervisor), (102, Role::Worker), (103, Role::Worker)]);
        assert_eq!(why(&proxy.members, 103), "forked by 100 with the same command line");
    }
}

#[test]
fn gunicorn_is_known_by_the_titles_it_gives_itself() {
    let exe = "/usr/bin/python3.13";
    let master = Fixture { exe, ..process(10, 1, &["gunicorn: master [litellm.proxy.proxy_server:app]"]) };
    let worker = Fixture { exe, ..process(11, 10, &["gunicorn: worker [litellm.proxy.proxy_server:app]"]) };
    let proxy = the_proxy(&FixtureProc::with(&[master, worker]));
    assert_eq!(roles(&proxy), [(10, Role::Supervisor), (11, Role::Worker)]);
}

#[test]
fn a_fork_that_is_about_to_become_another_program_is_no_worker() {
    let argv = ["python3", "/venv/bin/litellm"];
    let young = Fixture { start_ticks: 90_000, ..process(12, 10, &argv) };
    let proxy = the_proxy(&FixtureProc::with(&[process(10, 1, &argv), young]));
    assert_eq!(roles(&proxy), [(10, Role::Worker), (12, Role::Other)]);

    // One that stays is a worker after all, whatever the server is.
    let fixture =
        FixtureProc::with(&[process(10, 1, &argv), Fixture { start_ticks: 90_000, ..process(12, 10, &argv) }]);
    fixture.write("proc/uptime", "905.00 1700.00\n");
    assert_eq!(roles(&the_proxy(&fixture)), [(10, Role::Supervisor), (12, Role::Worker)]);
}

#[test]
fn what_a_worker_forks_is_no_worker() {
    let argv = ["python3", "/venv/bin/litellm", "--run_gunicorn", "--num_workers", "1"];
    let proxy = the_proxy(&FixtureProc::with(&[process(10, 1, &argv), process(11, 10, &argv), process(12, 11, &argv)]));
    assert_eq!(roles(&proxy), [(10, Role::Supervisor), (11, Role::Worker), (12, Role::Other)]);
}

#[test]
fn a_pool_of_a_single_process_is_not_its_workers() {
    let argv = ["python3", "/venv/bin/litellm", "--num_workers", "1"];
    let proxy = the_proxy(&FixtureProc::with(&[process(10, 1, &argv), process(11, 10, &SPAWN)]));
    assert_eq!(roles(&proxy), [(10, Role::Worker), (11, Role::Other)]);
    assert_eq!(why(&proxy.members, 10), "the only process that serves: supervisor and worker in one");

    // Where the command line is silent, what is mapped tells.
    let maps = ["/venv/lib/python3.13/site-packages/uvloop/loop.cpython-313-x86_64-linux-gnu.so"];
    let top = Fixture { maps: &maps, ..process(10, 1, &["python3", "/venv/bin/litellm"]) };
    let proxy = the_proxy(&FixtureProc::with(&[top, process(11, 10, &SPAWN)]));
    assert_eq!(roles(&proxy), [(10, Role::Worker), (11, Role::Other)]);
}

#[test]
fn a_supervisor_between_two_generations_of_workers_stays_one() {
    for argv in [
        ["python3", "/venv/bin/litellm", "--num_workers=4", "--port=1"],
        ["python3", "/venv/bin/litellm", "--run_gunicorn", "--port=1"],
    ] {
        let proxy = the_proxy(&FixtureProc::with(&[process(10, 1, &argv)]));
        assert_eq!(roles(&proxy), [(10, Role::Supervisor)]);
    }
}

#[test]
fn companions_have_names_of_their_own() {
    let metrics = ["python3", "-m", "litellm.proxy.prometheus_metrics_server", "--port", "4001"];
    let proxy = the_proxy(&FixtureProc::with(&[
        process(10, 1, &["python3", "/venv/bin/litellm", "--num_workers", "2"]),
        process(11, 10, &SPAWN),
        process(12, 10, &SPAWN),
        Fixture { comm: "query-engine-de", ..process(20, 11, &["/opt/prisma/binaries/query-engine-debian"]) },
        process(21, 10, &metrics),
        process(22, 10, &["python3", "-m", "litellm.proxy.collector"]),
        process(23, 10, &["pgbouncer", "/tmp/litellm-pgbouncer-1/pgbouncer.ini"]),
        process(24, 12, &["node", "/srv/mcp.js"]),
    ]));
    let expected = [
        (10, Role::Supervisor),
        (11, Role::Worker),
        (12, Role::Worker),
        (20, Role::QueryEngine),
        (21, Role::MetricsServer),
        (22, Role::Collector),
        (23, Role::Other),
        (24, Role::Other),
    ];
    assert_eq!(roles(&proxy), expected);
}

#[test]
fn under_supervisord_the_health_app_belongs_to_the_proxy_beside_it() {
    let health = [
        "python3",
        "/venv/bin/uvicorn",
        "litellm.proxy.health_endpoints.health_app_factory:build_health_app",
        "--factory",
    ];
    let proxy = the_proxy(&FixtureProc::with(&[
        process(1, 0, &["/usr/bin/python3", "/usr/bin/supervisord", "-c", "/etc/supervisord.conf"]),
        process(8, 1, &health),
        process(9, 1, &["python", "-m", "litellm.proxy.proxy_cli", "--port=4000"]),
    ]));
    assert_eq!(roles(&proxy), [(9, Role::Worker), (8, Role::HealthApp)]);
}

#[test]
fn wrappers_above_are_no_members() {
    let fixture = FixtureProc::with(&[
        process(1, 0, &["/usr/bin/tini", "--", "sh", "-c", "litellm --port 4000"]),
        process(2, 1, &["sh", "-c", "litellm --port 4000"]),
        process(3, 2, &["python3", "/venv/bin/litellm", "--port", "4000"]),
    ]);
    assert_eq!(roles(&the_proxy(&fixture)), [(3, Role::Worker)]);

    let error = find(&fixture.procfs(), Target::Pids(&[2])).expect_err("a shell is no proxy");
    assert_eq!(error.to_string(), "process 2 is not a Python interpreter; LiteLLM runs below it: use --pid 3");
}

#[test]
fn naming_litellm_is_not_being_it() {
    let fixture = FixtureProc::with(&[
        process(2, 1, &["vim", "litellm.py"]),
        process(3, 1, &["grep", "-r", "litellm", "/venv/bin/litellm"]),
        process(4, 1, &["tail", "-f", "litellm.log"]),
        process(5, 1, &["python3", "/venv/bin/pip", "install", "litellm"]),
        process(6, 1, &["capture", "--pid", "1", "litellm"]),
        process(7, 1, &["sh", "-c", "litellm --config x"]),
        process(8, 1, &["python3", "/usr/bin/editor", "litellm"]),
        Fixture { state: 'Z', ..process(9, 1, &["python3", "/venv/bin/litellm"]) },
    ]);
    assert_eq!(any(&fixture.procfs()), []);
    let error = find(&fixture.procfs(), Target::Pids(&[2])).expect_err("an editor is no proxy");
    assert!(matches!(error, DiscoverError::NotPython { pid: 2, .. }));
    assert!(error.to_string().ends_with("leave --pid out to have LiteLLM found"), "{error}");
    let error = find(&fixture.procfs(), Target::Pids(&[9])).expect_err("a zombie is gone");
    assert!(matches!(error, DiscoverError::NoSuchProcess { pid: 9 }));
}

#[test]
fn an_interpreter_is_also_known_by_its_executable_and_its_library() {
    let renamed = Fixture { exe: "/usr/bin/python3.11", ..process(5, 1, &["my-service"]) };
    let embedded = Fixture { maps: &["/usr/lib/libpython3.12.so.1.0"], ..process(6, 1, &["uwsgi"]) };
    let fixture = FixtureProc::with(&[renamed, embedded]);
    for pid in [5, 6] {
        let proxies = find(&fixture.procfs(), Target::Pids(&[pid])).expect("Python");
        assert!(!proxies[0].looks_like_litellm);
    }
}

#[test]
fn a_plain_python_process_is_a_proxy_of_itself() {
    let fixture = FixtureProc::with(&[process(5, 1, &["python3", "app.py"]), process(6, 5, &SPAWN)]);
    let proxies = find(&fixture.procfs(), Target::Pids(&[5])).expect("Python");
    assert_eq!(roles(&proxies[0]), [(5, Role::Worker)]);
    assert!(!proxies[0].looks_like_litellm);
    assert_eq!(refresh(&fixture.procfs(), &proxies[0]), proxies[0].members);
}

#[test]
fn a_pid_that_does_not_exist_is_named() {
    let error = find(&FixtureProc::with(&[]).procfs(), Target::Pids(&[77])).expect_err("nothing there");
    assert!(error.to_string().starts_with("no process 77 is running here"), "{error}");
}

#[test]
fn a_process_that_shows_nothing_of_itself_needs_its_owner() {
    let fixture = FixtureProc::with(&[process(5, 1, &[])]);
    std::fs::remove_file(fixture.path("proc/5/maps")).expect("maps to remove");
    let error = find(&fixture.procfs(), Target::Pids(&[5])).expect_err("nothing to judge by");
    assert!(matches!(error, DiscoverError::NotOurs { pid: 5, .. }), "{error}");
}

#[test]
fn two_instances_are_two_proxies_and_pids_of_one_are_one() {
    let argv = ["python3", "/venv/bin/litellm", "--run_gunicorn"];
    let fixture = FixtureProc::with(&[
        process(10, 1, &argv),
        process(11, 10, &argv),
        process(12, 10, &argv),
        process(20, 1, &["python3", "/venv/bin/litellm", "--port", "4001"]),
    ]);
    let procfs = fixture.procfs();
    assert_eq!(any(&procfs).len(), 2);
    assert_eq!(find(&procfs, Target::Pids(&[11, 12, 10])).expect("members").len(), 1);
    assert_eq!(find(&procfs, Target::Pids(&[11, 20])).expect("members").len(), 2);
}

#[test]
fn only_means_just_the_named_pids() {
    let argv = ["python3", "/venv/bin/litellm", "--run_gunicorn"];
    let fixture = FixtureProc::with(&[process(10, 1, &argv), process(11, 10, &argv), process(12, 10, &argv)]);
    let procfs = fixture.procfs();
    let only = |pids: &[i32]| find(&procfs, Target::Only(pids)).expect("members");

    assert_eq!(only(&[11])[0].members.len(), 1);
    assert_eq!(roles(&only(&[12, 11, 12])[0]), [(12, Role::Worker), (11, Role::Worker)]);
    // A supervisor that is named alone is what the capture is about.
    let supervisor = only(&[10]);
    assert_eq!(roles(&supervisor[0]), [(10, Role::Worker)]);
    assert_eq!(why(&supervisor[0].members, 10), "named by its pid alone; in its proxy it is the supervisor");
    assert!(supervisor[0].looks_like_litellm);

    fixture.add(&process(13, 10, &argv));
    assert_eq!(refresh(&procfs, &only(&[11])[0]).len(), 1);
}

#[test]
fn recycled_workers_appear_and_dead_ones_vanish() {
    let fixture = FixtureProc::with(&[
        process(10, 1, &["python3", "/venv/bin/litellm", "--num_workers", "2"]),
        process(11, 10, &SPAWN),
        process(12, 10, &SPAWN),
    ]);
    let proxy = the_proxy(&fixture);
    assert_eq!(refresh(&fixture.procfs(), &proxy), proxy.members);

    fixture.remove(11);
    // The pid of the other one is taken over at once: by its start time it is another process.
    fixture.add(&Fixture { start_ticks: 5000, ..process(12, 10, &SPAWN) });
    fixture.add(&process(13, 10, &SPAWN));
    let now = refresh(&fixture.procfs(), &proxy);
    let workers: Vec<_> = now.iter().filter(|member| member.role == Role::Worker).map(|member| member.id).collect();
    assert_eq!(workers.iter().map(|id| (id.pid, id.start_ticks)).collect::<Vec<_>>(), [(12, 5000), (13, 1000)]);

    fixture.remove(10);
    fixture.remove(12);
    fixture.remove(13);
    assert_eq!(refresh(&fixture.procfs(), &proxy), []);
}

#[test]
fn workers_outlive_their_supervisor() {
    let fixture = FixtureProc::with(&[
        process(10, 1, &["python3", "/venv/bin/litellm", "--num_workers", "2"]),
        process(11, 10, &SPAWN),
    ]);
    let proxy = the_proxy(&fixture);
    fixture.remove(10);
    fixture.add(&process(11, 1, &SPAWN));
    let now = refresh(&fixture.procfs(), &proxy);
    assert_eq!(now.iter().map(|member| (member.id.pid, member.role)).collect::<Vec<_>>(), [(11, Role::Worker)]);
}

#[test]
fn a_ring_of_parents_in_a_torn_snapshot_does_not_hang() {
    let argv = ["python3", "/venv/bin/litellm"];
    let fixture = FixtureProc::with(&[process(10, 12, &argv), process(12, 10, &["sh"])]);
    assert!(any(&fixture.procfs()).len() <= 1);
}

#[test]
fn no_reason_repeats_what_the_target_says() {
    let secret = "sk-very-secret-0123456789";
    let argv = ["python3", "/venv/bin/litellm", "--api_key", secret, "--num_workers", "2"];
    let proxy = the_proxy(&FixtureProc::with(&[
        process(10, 1, &argv),
        process(11, 10, &SPAWN),
        Fixture { comm: secret, ..process(12, 11, &[secret, secret]) },
    ]));
    assert!(proxy.members.iter().all(|member| !member.why.contains(secret)));
}

proptest! {
    // Every case lays out files.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_tree_looks_like_no_process_is_in_two_proxies(
        table in proptest::collection::vec((1..16_i32, 0..16_i32, 0..7_usize), 0..16),
    ) {
        let kinds: [&[&str]; 7] = [
            &["python3", "/venv/bin/litellm"],
            &["python3", "/venv/bin/litellm", "--run_gunicorn"],
            &SPAWN,
            &TRACKER,
            &["sh", "-c", "litellm"],
            &["python3", "/venv/bin/uvicorn", "litellm.proxy.health_endpoints.health_app_factory:build", "--factory"],
            &[],
        ];
        let processes: Vec<_> = table.iter().map(|&(pid, parent, kind)| process(pid, parent, kinds[kind])).collect();
        let procfs = FixtureProc::with(&processes);
        let proxies = any(&procfs.procfs());
        let mut pids: Vec<i32> = proxies.iter().flat_map(|proxy| &proxy.members).map(|member| member.id.pid).collect();
        let all = pids.len();
        pids.sort_unstable();
        pids.dedup();
        prop_assert_eq!(pids.len(), all);
    }
}

/// A child of this test that is ended with it.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_real_interpreter_that_runs_a_script_called_litellm_is_found() {
    let dir = tempfile::TempDir::new().expect("a temporary folder");
    let script = dir.path().join("litellm");
    std::fs::write(&script, "print('up', flush=True)\nimport time\ntime.sleep(60)\n").expect("a script");
    let mut command = std::process::Command::new("python3");
    command.arg(&script).stdout(std::process::Stdio::piped());
    let mut child = Child(command.spawn().expect("python3 on the PATH"));
    let mut said = [0; 3];
    let stdout = child.0.stdout.as_mut().expect("a pipe");
    std::io::Read::read_exact(stdout, &mut said).expect("the script to start");

    let pid = child.0.id().cast_signed();
    let proxies = find(&Procfs::default(), Target::Pids(&[pid])).expect("a proxy");
    assert_eq!(roles(&proxies[0]), [(pid, Role::Worker)]);
    assert!(proxies[0].looks_like_litellm);
    assert_eq!(refresh(&Procfs::default(), &proxies[0]), proxies[0].members);
    drop(child);
    assert_eq!(refresh(&Procfs::default(), &proxies[0]), []);
}
