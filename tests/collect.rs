//! What is known of a target, and how what is not known is said.

#[path = "support/fixture_proc.rs"]
mod fixture_proc;

use std::path::Path;
use std::time::{Duration, Instant};

use fixture_proc::{Fixture, FixtureProc};
use litellm_capture::collect::fingerprint::{CgroupVersion, Fingerprint, Server, WorkerMode};
use litellm_capture::collect::{CgroupRoot, Cleaner, CollectOptions, Collected, collect};
use litellm_capture::discover::{Target, find};
use litellm_capture::os::proc::Procfs;
use litellm_capture::redact::Raw;

const VENV: &str = "/app/.venv/lib/python3.13/site-packages";
const OPTIONS: CollectOptions<'_> = CollectOptions { config: None, deadline: Duration::from_secs(30) };

/// Lets raw text through, so that tests can compare it.
struct Open;

impl Cleaner<Raw, String> for Open {
    fn text(&mut self, text: &Raw) -> String {
        text.expose().to_owned()
    }

    fn argv(&mut self, argv: &[Raw]) -> Vec<String> {
        argv.iter().map(|text| self.text(text)).collect()
    }
}

fn collected(fixture: &FixtureProc, options: &CollectOptions<'_>) -> Collected {
    let procfs = fixture.procfs();
    let proxies = find(&procfs, Target::Any).expect("a /proc that can be listed");
    assert_eq!(proxies.len(), 1, "{proxies:?}");
    collect(&procfs, &CgroupRoot::at(fixture.path("cgroup")), &proxies[0], options)
}

fn fingerprint(fixture: &FixtureProc) -> Fingerprint<String> {
    collected(fixture, &OPTIONS).fingerprint.map(&mut Open)
}

fn gaps(collected: &Collected) -> Vec<&str> {
    collected.gaps.iter().map(|gap| gap.what.as_str()).collect()
}

/// One uvicorn process that serves, as it runs in LiteLLM's image.
const SINGLE: Fixture<'_> = Fixture {
    pid: 7,
    parent: 1,
    comm: "litellm",
    state: 'S',
    start_ticks: 6000,
    argv: &["/app/.venv/bin/python3", "/app/.venv/bin/litellm", "--config", "/etc/litellm/config.yaml", "--port=4000"],
    environ: &[],
    exe: "/usr/bin/python3.13",
    cwd: "/app",
    maps: &["/app/.venv/lib/python3.13/site-packages/uvloop/loop.cpython-313-x86_64-linux-gnu.so"],
    cgroup: "0::/\n",
    tracer: 0,
};

const SPAWNED: &[&str] =
    &["/app/.venv/bin/python3", "-c", "from multiprocessing.spawn import spawn_main", "--multiprocessing-fork"];

fn package(fixture: &FixtureProc, folder: &str, metadata: &str) {
    fixture.write(&format!("root{VENV}/{folder}"), metadata);
}

#[test]
fn a_container_of_litellms_image_is_known_as_a_whole() {
    let environ = [
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("HOSTNAME", "litellm-7d9f"),
        ("NODE_NAME", "node-a"),
        ("LITELLM_RELEASE_TAG", "v1.106.2"),
        ("USE_DDTRACE", "true"),
    ];
    let fixture = FixtureProc::with(&[Fixture { environ: &environ, tracer: 99, ..SINGLE }]);
    fixture.write("root/etc/os-release", "NAME=Wolfi\nPRETTY_NAME=\"Wolfi\"\n");
    fixture.write("root/etc/litellm/config.yaml", "model_list: []\n");
    fixture.write("root/var/run/secrets/kubernetes.io/serviceaccount/namespace", "ai-gateway");
    fixture.write("root/app/.venv/pyvenv.cfg", "home = /usr/bin\nversion_info = 3.13.5.final.0\n");
    package(&fixture, "litellm-1.106.2.dist-info/METADATA", "Metadata-Version: 2.4\nName: litellm\nVersion: 1.106.2\n");
    fixture.write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Fast CPU\n");
    fixture.write("proc/meminfo", "MemTotal:       2048 kB\n");
    fixture.write("proc/loadavg", "1.50 1 1 1/2 3\n");
    fixture.write("proc/sys/kernel/hostname", "litellm-7d9f\n");
    fixture.write("proc/sys/kernel/osrelease", "6.1.0\n");
    let collected = collected(&fixture, &OPTIONS);
    let found = collected.fingerprint.map(&mut Open);

    assert_eq!(found.host.os.as_deref(), Some("Wolfi"));
    assert_eq!(found.host.cpu_model.as_deref(), Some("Fast CPU"));
    assert_eq!((found.host.cpus_online, found.host.cpus_allowed), (Some(2), Some(2)));
    assert_eq!(found.host.memory_bytes, Some(2048 * 1024));
    assert_eq!(found.host.hostname.as_deref(), Some("litellm-7d9f"));

    let container = &found.container;
    assert_eq!(container.runtime.as_deref(), Some("kubernetes (KUBERNETES_SERVICE_HOST)"));
    assert_eq!(container.namespace.as_deref(), Some("ai-gateway"));
    assert_eq!(container.pod.as_deref(), Some("litellm-7d9f"));
    assert_eq!(container.image.as_deref(), Some("v1.106.2"));
    assert_eq!(container.other_pid_namespace, Some(false));

    assert_eq!(found.python.version.as_deref(), Some("3.13.5"));
    assert_eq!(found.python.build.as_deref(), Some("static"));
    assert_eq!(found.python.site_packages, [VENV]);

    assert_eq!(found.litellm.version.as_deref(), Some("1.106.2"));
    assert_eq!(found.litellm.server, Some(Server::Uvicorn));
    assert_eq!(found.litellm.worker_mode, Some(WorkerMode::Single));
    assert_eq!(found.litellm.event_loop.as_deref(), Some("uvloop"));
    assert_eq!((found.litellm.workers_configured, found.litellm.workers_running), (Some(1), 1));
    assert_eq!(found.litellm.port, Some(4000));
    let config = collected.config.as_ref().expect("a config file");
    assert_eq!(config.text.expose(), "model_list: []\n");
    assert_eq!(found.litellm.config_modified_utc, config.modified_utc);

    let process = &found.processes[0];
    assert_eq!(process.tracer_pid, Some(99));
    assert_eq!(process.profilers, ["ddtrace (USE_DDTRACE)"]);
    assert_eq!(process.native_extensions, ["uvloop/loop"]);
    assert_eq!(process.threads, Some(3));
    // The machine started at 1795500000, this process 60 seconds later.
    assert_eq!(process.started_utc.as_deref(), Some("2026-11-24T06:01:00Z"));
    assert_eq!(collected.environs[0].vars.len(), environ.len());
}

#[test]
fn what_is_missing_is_a_gap_and_never_a_zero() {
    let collected = collected(&FixtureProc::with(&[Fixture { exe: "", maps: &[], ..SINGLE }]), &OPTIONS);
    let found = &collected.fingerprint;
    assert!(found.host.memory_bytes.is_none() && found.host.load_1m.is_none());
    assert!(found.cgroup.throttled_periods.is_none() && found.litellm.event_loop.is_none());
    assert_eq!(found.cgroup.version, CgroupVersion::None);
    for what in [
        "the machine's memory",
        "CPU and memory limits of the workers' cgroup",
        "the Python version",
        "the interpreter's path",
        "where packages are installed",
        "LiteLLM's version",
        "the event loop",
        "the config file",
        "the resource limits of process 7",
    ] {
        assert!(gaps(&collected).contains(&what), "{what} not in {:?}", gaps(&collected));
    }
    assert!(collected.gaps.iter().all(|gap| !gap.why.is_empty() && !gap.cure.is_empty()));
}

#[test]
fn a_process_that_ended_leaves_gaps() {
    let fixture = FixtureProc::with(&[SINGLE]);
    let proxies = find(&fixture.procfs(), Target::Any).expect("a /proc");
    fixture.remove(7);
    let collected = collect(&fixture.procfs(), &CgroupRoot::at(fixture.path("cgroup")), &proxies[0], &OPTIONS);
    assert!(gaps(&collected).contains(&"process 7"));
    assert_eq!(collected.fingerprint.processes[0].rss_bytes, None);
}

#[test]
fn no_step_begins_after_the_deadline() {
    let options = CollectOptions { deadline: Duration::ZERO, ..OPTIONS };
    let collected = collected(&FixtureProc::with(&[SINGLE]), &options);
    assert!(collected.fingerprint.processes.is_empty());
    for what in ["the processes", "the host", "the packages", "the config file"] {
        assert!(gaps(&collected).contains(&what), "{what}");
    }
}

mod cgroups {
    use super::*;

    fn cgroup(line: &str, files: &[(&str, &str)]) -> litellm_capture::collect::fingerprint::Cgroup<String> {
        let fixture = FixtureProc::with(&[Fixture { cgroup: line, ..SINGLE }]);
        for (path, text) in files {
            fixture.write(path, text);
        }
        fingerprint(&fixture).cgroup
    }

    #[test]
    fn version_2_tells_quota_throttling_and_memory() {
        let found = cgroup(
            "0::/kubepods/pod1/c1\n",
            &[
                ("cgroup/cgroup.controllers", "cpu memory"),
                ("cgroup/kubepods/pod1/c1/cpu.max", "150000 100000\n"),
                (
                    "cgroup/kubepods/pod1/c1/cpu.stat",
                    "usage_usec 9\nnr_periods 10\nnr_throttled 4\nthrottled_usec 777\n",
                ),
                ("cgroup/kubepods/pod1/c1/memory.max", "max\n"),
                ("cgroup/kubepods/pod1/c1/memory.current", "4096\n"),
            ],
        );
        assert_eq!(found.version, CgroupVersion::V2);
        assert_eq!(found.path.as_deref(), Some("/kubepods/pod1/c1"));
        assert_eq!(found.cpu_quota_cores, Some(1.5));
        assert_eq!((found.periods, found.throttled_periods, found.throttled_usec), (Some(10), Some(4), Some(777)));
        assert_eq!((found.memory_limit_bytes, found.memory_used_bytes), (None, Some(4096)));
    }

    #[test]
    fn version_1_is_told_in_nanoseconds_and_by_a_huge_number() {
        let found = cgroup(
            "5:cpu,cpuacct:/docker/c1\n4:memory:/docker/c1\n0::/\n",
            &[
                ("cgroup/cpu,cpuacct/docker/c1/cpu.cfs_quota_us", "50000\n"),
                ("cgroup/cpu,cpuacct/docker/c1/cpu.cfs_period_us", "100000\n"),
                ("cgroup/cpu,cpuacct/docker/c1/cpu.stat", "nr_periods 8\nnr_throttled 2\nthrottled_time 5000000\n"),
                ("cgroup/memory/docker/c1/memory.limit_in_bytes", "9223372036854771712\n"),
                ("cgroup/memory/docker/c1/memory.usage_in_bytes", "123\n"),
            ],
        );
        assert_eq!(found.version, CgroupVersion::V1);
        assert_eq!(found.cpu_quota_cores, Some(0.5));
        assert_eq!(found.throttled_usec, Some(5000));
        assert_eq!((found.memory_limit_bytes, found.memory_used_bytes), (None, Some(123)));
    }

    #[test]
    fn under_both_versions_a_controller_is_where_its_line_says() {
        let found = cgroup(
            "4:memory:/m\n0::/u\n",
            &[
                ("cgroup/memory/m/memory.limit_in_bytes", "1000\n"),
                ("cgroup/unified/cgroup.controllers", "cpu\n"),
                ("cgroup/unified/u/cpu.max", "max 100000\n"),
                ("cgroup/unified/u/cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\n"),
            ],
        );
        assert_eq!(found.version, CgroupVersion::V2);
        assert_eq!((found.cpu_quota_cores, found.throttled_periods), (None, Some(0)));
        assert_eq!(found.memory_limit_bytes, Some(1000));
    }

    #[test]
    fn inside_a_container_the_mount_itself_stands_for_a_path_that_is_the_hosts() {
        let found = cgroup(
            "0::/kubepods/pod1/c1\n",
            &[
                ("proc/self/cgroup", "0::/kubepods/pod1/c1\n"),
                ("cgroup/cgroup.controllers", ""),
                ("cgroup/cpu.max", "200000 100000"),
                ("cgroup/memory.max", "77"),
            ],
        );
        assert_eq!(found.cpu_quota_cores, Some(2.0));
        assert_eq!(found.memory_limit_bytes, Some(77));
    }

    #[test]
    fn our_own_limits_are_never_passed_off_as_another_containers() {
        for line in ["0::/kubepods/pod1/c2\n", "0::/../c2\n"] {
            let found = cgroup(
                line,
                &[
                    ("proc/self/cgroup", "0::/kubepods/pod1/c1\n"),
                    ("cgroup/cgroup.controllers", ""),
                    ("cgroup/cpu.max", "200000 100000"),
                ],
            );
            assert_eq!((found.version, found.cpu_quota_cores), (CgroupVersion::None, None), "{line}");
        }
    }

    #[test]
    fn for_a_target_in_another_container_its_own_view_counts() {
        let found = cgroup(
            "0::/../c2\n",
            &[
                ("cgroup/cgroup.controllers", ""),
                ("cgroup/cpu.max", "900000 100000"),
                ("root/sys/fs/cgroup/cgroup.controllers", ""),
                ("root/sys/fs/cgroup/cpu.max", "100000 100000"),
            ],
        );
        assert_eq!(found.cpu_quota_cores, Some(1.0));
    }

    #[test]
    fn the_tightest_limit_on_the_way_up_binds_and_its_throttling_counts() {
        let found = cgroup(
            "0::/pod/c1\n",
            &[
                ("cgroup/cgroup.controllers", ""),
                ("cgroup/pod/cpu.max", "100000 100000"),
                ("cgroup/pod/cpu.stat", "nr_periods 9\nnr_throttled 9\nthrottled_usec 9\n"),
                ("cgroup/pod/memory.max", "500"),
                ("cgroup/pod/c1/cpu.max", "400000 100000"),
                ("cgroup/pod/c1/cpu.stat", "nr_periods 9\nnr_throttled 0\nthrottled_usec 0\n"),
                ("cgroup/pod/c1/memory.max", "max"),
            ],
        );
        assert_eq!((found.cpu_quota_cores, found.throttled_periods), (Some(1.0), Some(9)));
        assert_eq!(found.memory_limit_bytes, Some(500));
    }
}

mod packages {
    use super::*;

    #[test]
    fn every_form_of_metadata_is_read() {
        let fixture = FixtureProc::with(&[SINGLE]);
        package(&fixture, "Foo_Bar-1.0.dist-info/METADATA", "Name: Foo.Bar\nVersion: 1.0\n\nVersion: not this one\n");
        package(&fixture, "bare-2.0.dist-info/RECORD", "");
        package(&fixture, "old-3.0-py3.13.egg-info/PKG-INFO", "Name: old\nVersion: 3.0\n");
        package(&fixture, "debian-4.0.egg-info", "Name: debian\nVersion: 4.0\n");
        package(&fixture, "mine.egg-link", "/src/mine\n.\n");
        fixture.write("root/src/mine/mine.egg-info/PKG-INFO", "Name: mine\nVersion: 5.0\n");
        package(&fixture, "foo/__init__.py", "");
        let packages = fingerprint(&fixture).python.packages;
        let found: Vec<_> = packages.iter().map(|found| (found.name.as_str(), found.version.as_str())).collect();
        assert_eq!(found, [("bare", "2.0"), ("debian", "4.0"), ("Foo.Bar", "1.0"), ("mine", "5.0"), ("old", "3.0")]);
        assert!(packages.iter().all(|package| package.installed_utc.is_some()));
    }

    #[test]
    fn two_hundred_packages_take_less_than_a_tenth_of_a_second() {
        let fixture = FixtureProc::with(&[SINGLE]);
        let description = "A line of the description, which nobody needs.\n".repeat(2000);
        for index in 0..200 {
            let text = format!("Name: p{index}\nVersion: {index}.0\n\n{description}");
            package(&fixture, &format!("p{index}-{index}.0.dist-info/METADATA"), &text);
        }
        // The best of a few, since the machine may be busy with other tests.
        let once = |_| {
            let began = Instant::now();
            assert_eq!(fingerprint(&fixture).python.packages.len(), 200);
            began.elapsed()
        };
        let took = (0..5).map(once).min().expect("five times");
        assert!(took < Duration::from_millis(100), "{took:?}");
    }
}

mod interpreters {
    use super::*;

    #[test]
    fn the_one_that_runs_counts_more_than_the_one_the_environment_was_made_with() {
        let library = "/usr/lib/libpython3.13.so.1.0";
        let maps = ["/usr/lib/libpython3.so", library];
        let fixture = FixtureProc::with(&[Fixture { maps: &maps, ..SINGLE }]);
        fixture.write("root/app/.venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.13.1\n");
        fixture.write(&format!("root{library}"), "ELF\0\x003.13.4\0");
        let python = fingerprint(&fixture).python;
        assert_eq!(python.version.as_deref(), Some("3.13.4"));
        assert_eq!(python.build.as_deref(), Some("shared (/usr/lib/libpython3.13.so.1.0)"));
    }

    #[test]
    fn a_free_threaded_build_is_said_to_be_one() {
        let fixture = FixtureProc::with(&[Fixture { exe: "/usr/bin/python3.13t", maps: &[], ..SINGLE }]);
        let python = fingerprint(&fixture).python;
        assert_eq!(python.build.as_deref(), Some("static, free-threaded"));
        // Without a file to read there is still the name.
        assert_eq!(python.version.as_deref(), Some("3.13"));
    }

    #[test]
    fn an_environment_hides_what_its_base_has_unless_it_says_otherwise() {
        let fixture = FixtureProc::with(&[SINGLE]);
        package(&fixture, "one/__init__.py", "");
        fixture.write("root/usr/lib/python3.13/site-packages/two/__init__.py", "");
        fixture.write("root/app/.venv/pyvenv.cfg", "include-system-site-packages = false\n");
        assert_eq!(fingerprint(&fixture).python.site_packages, [VENV]);
        fixture.write("root/app/.venv/pyvenv.cfg", "include-system-site-packages = true\n");
        let both = [VENV, "/usr/lib/python3.13/site-packages"];
        assert_eq!(fingerprint(&fixture).python.site_packages, both);
    }
}

mod settings {
    use super::*;

    type Texts<'a> = &'a [&'a str];
    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn top<'a>(argv: &'a [&'a str], environ: &'a [(&'a str, &'a str)]) -> Fixture<'a> {
        Fixture { pid: 10, argv, environ, maps: &[], ..SINGLE }
    }

    #[test]
    fn spawned_workers_show_what_litellm_set_and_their_supervisor_does_not() {
        let argv = ["/app/.venv/bin/python3", "/app/.venv/bin/litellm"];
        let set = [
            ("NUM_WORKERS", "2"),
            ("WORKER_CONFIG", r#"{"model": null, "headers": "secret", "config": "conf/multi.yaml"}"#),
        ];
        let worker = Fixture { pid: 11, parent: 10, argv: SPAWNED, environ: &set, ..SINGLE };
        let fixture = FixtureProc::with(&[top(&argv, &[]), worker]);
        fixture.write("root/app/conf/multi.yaml", "x: 1\n");
        let collected = collected(&fixture, &OPTIONS);
        let litellm = collected.fingerprint.map(&mut Open).litellm;
        assert_eq!(litellm.worker_mode, Some(WorkerMode::Spawned));
        assert_eq!((litellm.workers_configured, litellm.workers_running), (Some(2), 1));
        assert_eq!(litellm.config_path.as_deref(), Some("conf/multi.yaml"));
        assert_eq!(collected.config.expect("relative to the working directory").text.expose(), "x: 1\n");
    }

    #[test]
    fn servers_are_told_by_flags_commands_and_maps() {
        let granian = format!("{VENV}/granian/_granian.cpython-313-x86_64-linux-gnu.so");
        let cases: [(Texts<'_>, Texts<'_>, Server, Option<u32>); 5] = [
            (&["python3", "/v/litellm", "--run_gunicorn", "--num_workers=3"], &[], Server::Gunicorn, Some(3)),
            (&["python3", "/v/litellm", "--run_granian", "--num_workers", "2"], &[], Server::Granian, Some(2)),
            (&["python3", "-m", "gateway.launch"], &[&granian], Server::Granian, Some(1)),
            (&["python3", "/v/gunicorn", "-w", "4", "litellm.proxy.proxy_server:app"], &[], Server::Gunicorn, Some(4)),
            (
                &["python3", "/v/uvicorn", "litellm.proxy.proxy_server:app", "--workers", "5"],
                &[],
                Server::Uvicorn,
                Some(5),
            ),
        ];
        for (argv, maps, server, workers) in cases {
            let fixture = FixtureProc::with(&[Fixture { maps, ..top(argv, &[]) }]);
            let litellm = fingerprint(&fixture).litellm;
            assert_eq!((litellm.server, litellm.workers_configured), (Some(server), workers), "{argv:?}");
        }
    }

    #[test]
    fn the_config_file_is_named_in_many_ways() {
        let cases: [(Texts<'_>, Variables<'_>, Option<&str>); 6] = [
            (&["python3", "-c", "x"], &[("CONFIG_FILE_PATH", "/no")], None),
            (&["python3", "/v/litellm", "--config=a b.yaml"], &[], Some("a b.yaml")),
            (&["python3", "-X", "dev", "/v/litellm", "-c", "c.yaml"], &[("CONFIG_FILE_PATH", "/d")], Some("c.yaml")),
            (&["python3", "/v/litellm"], &[("CONFIG_FILE_PATH", "/d.yaml")], Some("/d.yaml")),
            (&["python3", "/v/gunicorn", "-c", "g.py", "litellm.proxy.proxy_server:app"], &[], None),
            (&["python3", "/v/litellm"], &[], None),
        ];
        for (argv, environ, expected) in cases {
            let fixture = FixtureProc::with(&[top(argv, environ)]);
            let proxies = find(&fixture.procfs(), Target::Pids(&[10])).expect("Python");
            let collected = collect(&fixture.procfs(), &CgroupRoot::at("/nowhere"), &proxies[0], &OPTIONS);
            let path = collected.fingerprint.litellm.config_path.as_ref().map(Raw::expose);
            assert_eq!(path, expected, "{argv:?}");
            assert!(collected.config.is_none());
            assert_eq!(gaps(&collected).contains(&"the config file"), expected.is_some(), "{argv:?}");
        }
    }

    #[test]
    fn a_configuration_that_is_in_no_file_is_a_gap() {
        let environ = [("STORE_MODEL_IN_DB", "True"), ("LITELLM_CONFIG_BUCKET_NAME", "b")];
        let collected = collected(&FixtureProc::with(&[Fixture { environ: &environ, ..SINGLE }]), &OPTIONS);
        for what in ["the configuration in the database", "the configuration in the bucket"] {
            assert!(gaps(&collected).contains(&what), "{what}");
        }
    }

    #[test]
    fn a_config_file_that_the_user_names_takes_precedence() {
        let fixture = FixtureProc::with(&[SINGLE]);
        fixture.write("root/etc/litellm/config.yaml", "theirs: 1\n");
        fixture.write("mine.yaml", "mine: 1\n");
        let mine = fixture.path("mine.yaml");
        let collected = collected(&fixture, &CollectOptions { config: Some(&mine), ..OPTIONS });
        assert_eq!(collected.config.expect("the file").text.expose(), "mine: 1\n");

        let options = CollectOptions { config: Some(Path::new("/no/such/file")), ..OPTIONS };
        assert!(gaps(&super::collected(&fixture, &options)).contains(&"the config file"));
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
fn a_real_interpreter_tells_its_exact_version_without_being_asked() {
    let code =
        "import sys, json; print('.'.join(map(str, sys.version_info[:3])), flush=True); import time; time.sleep(60)";
    let mut command = std::process::Command::new("python3");
    command.args(["-c", code]).stdout(std::process::Stdio::piped());
    let mut child = Child(command.spawn().expect("python3 on the PATH"));
    let mut said = String::new();
    let stdout = child.0.stdout.as_mut().expect("a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut said).expect("a line");

    let pid = child.0.id().cast_signed();
    let procfs = Procfs::default();
    let proxies = find(&procfs, Target::Pids(&[pid])).expect("Python");
    let found = collect(&procfs, &CgroupRoot::default(), &proxies[0], &OPTIONS).fingerprint.map(&mut Open);
    assert_eq!(found.python.version.as_deref(), Some(said.trim()));
    assert!(found.python.executable.is_some_and(|path| path.contains("python")));
    let process = &found.processes[0];
    assert!(process.rss_bytes.is_some_and(|bytes| bytes > 1_000_000));
    assert!(process.ulimits.iter().any(|limit| limit.name == "open files"));
    assert!(process.age_seconds.is_some_and(|age| age < 600));
    assert!(found.host.kernel.is_some() && found.host.memory_bytes.is_some());
}
