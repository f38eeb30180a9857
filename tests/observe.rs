//! What the kernel tells once a second beside the sampling, from small trees laid out here and from real processes.

#[path = "support/fixture_proc.rs"]
mod fixture_proc;
mod support;

use std::fs;
use std::os::unix::fs::symlink;

use fixture_proc::{Fixture, FixtureProc};
use litellm_capture::collect::{CgroupRoot, Gap};
use litellm_capture::discover::{Member, Proxy, Role, Scope};
use litellm_capture::observe::readings::{Round, Tables};
use litellm_capture::os::proc::{ProcessId, Procfs};
use litellm_capture::series::{Series, column};

/// A proxy of these members, all of which began at [`START_TICKS`].
fn proxy(members: &[(i32, Role)]) -> Proxy {
    let member = |&(pid, role): &(i32, Role)| Member {
        id: ProcessId { pid, start_ticks: START_TICKS },
        parent_pid: 1,
        role,
        why: "for the test".to_owned(),
    };
    Proxy { members: members.iter().map(member).collect(), looks_like_litellm: true, scope: Scope::Whole }
}

mod listeners {
    use super::*;
    use litellm_capture::observe::listen::{listening, reachable, same_network};

    const HEADING: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// Gives a process sockets by their inodes, and the tables of its network namespace.
    fn network(fixture: &FixtureProc, pid: i32, sockets: &[u64], tables: [&[(&str, &str, u64)]; 2]) {
        fs::create_dir_all(fixture.path(&format!("proc/{pid}/fd"))).expect("a folder");
        for (fd, inode) in sockets.iter().enumerate() {
            let link = fixture.path(&format!("proc/{pid}/fd/{fd}"));
            symlink(format!("socket:[{inode}]"), link).expect("a link");
        }
        for (name, sockets) in ["tcp", "tcp6"].into_iter().zip(tables) {
            let line = |(address, state, inode): &(&str, &str, u64)| {
                format!(
                    "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0\n"
                )
            };
            let lines: Vec<String> = sockets.iter().map(line).collect();
            fixture.write(&format!("proc/{pid}/net/{name}"), &format!("{HEADING}{}", lines.concat()));
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_sockets_of_supervisor_and_workers_are_found_once_and_nobody_elses() {
        let fixture = FixtureProc::with(&[10, 11, 12].map(|pid| Fixture { pid, ..Fixture::default() }));
        let v4: &[_] = &[("00000000:0FA0", "0A", 100), ("0100007F:1F90", "0A", 200), ("0100007F:0FA0", "01", 300)];
        let v6: &[_] = &[("00000000000000000000000000000000:0FA1", "0A", 400)];
        network(&fixture, 10, &[100, 300], [v4, v6]);
        network(&fixture, 11, &[100, 400], [v4, v6]);
        // The query engine listens too, but is not what requests are sent to.
        network(&fixture, 12, &[200], [v4, v6]);
        let proxy = proxy(&[(10, Role::Supervisor), (11, Role::Worker), (12, Role::QueryEngine)]);
        let found = listening(&fixture.procfs(), &proxy);
        assert_eq!(found, ["0.0.0.0:4000".parse().unwrap(), "[::]:4001".parse().unwrap()]);
    }

    #[test]
    fn a_process_that_ended_or_is_closed_to_us_listens_nowhere() {
        let fixture = FixtureProc::with(&[11, 12].map(|pid| Fixture { pid, ..Fixture::default() }));
        network(&fixture, 11, &[100], [&[("00000000:0FA0", "0A", 100)], &[]]);
        // Process 12 has no folder of open files that we could see.
        let proxy = proxy(&[(11, Role::Worker), (12, Role::Worker)]);
        assert_eq!(listening(&fixture.procfs(), &proxy).len(), 1);
        fixture.remove(11);
        assert!(listening(&fixture.procfs(), &proxy).is_empty());
    }

    #[test]
    fn a_network_is_the_same_when_its_namespace_is() {
        let fixture = FixtureProc::with(&[11, 12, 13].map(|pid| Fixture { pid, ..Fixture::default() }));
        for (process, namespace) in [("self", 1), ("11", 1), ("12", 2)] {
            symlink(format!("net:[{namespace}]"), fixture.path(&format!("proc/{process}/ns/net"))).expect("a link");
        }
        assert_eq!([11, 12, 13].map(|pid| same_network(&fixture.procfs(), pid)), [true, false, false]);
    }

    #[test]
    fn a_real_listener_is_found_and_can_be_connected_to() {
        let listeners = ["127.0.0.1:0", "0.0.0.0:0"].map(|at| std::net::TcpListener::bind(at).expect("a free port"));
        let procfs = Procfs::default();
        let id = procfs.process(std::process::id().cast_signed()).id().expect("ourselves");
        let mut ourselves = proxy(&[(id.pid, Role::Worker)]);
        ourselves.members[0].id = id;
        let found = listening(&procfs, &ourselves);
        for listener in listeners {
            let address = listener.local_addr().expect("an address");
            assert!(found.contains(&address), "{address} not in {found:?}");
            std::net::TcpStream::connect(reachable(address)).expect("a connection");
        }
        assert!(same_network(&procfs, id.pid));
    }
}

/// The start time of a [`Fixture`] that says none.
const START_TICKS: u64 = 1000;
const WORKER: ProcessId = ProcessId { pid: 7, start_ticks: START_TICKS };
const SECOND_US: u64 = 1_000_000;

/// A machine that is laid out here and read once a second, or so it is told.
struct Machine {
    fixture: FixtureProc,
    tables: Tables,
    series: Vec<litellm_capture::series::Reading>,
    gaps: Vec<Gap>,
    rounds: u64,
}

impl Machine {
    /// One worker with two threads, in a cgroup that is told by this line, and these files.
    fn with(cgroup: &str, files: &[(&str, &str)]) -> Self {
        let fixture = FixtureProc::with(&[Fixture { pid: WORKER.pid, cgroup, ..Fixture::default() }]);
        for (path, text) in files {
            fixture.write(path, text);
        }
        let tables = Tables::new(fixture.procfs(), CgroupRoot::at(fixture.path("cgroup")));
        let machine = Self { fixture, tables, series: Vec::new(), gaps: Vec::new(), rounds: 0 };
        machine.thread(7, "1000 500 3", 4);
        machine.thread(8, "2000 700 3", 5);
        machine
    }

    /// Lays out a thread of the worker: its `schedstat` and its involuntary switches.
    fn thread(&self, tid: i32, schedstat: &str, switches: u64) {
        self.fixture.write(&format!("proc/7/task/{tid}/schedstat"), schedstat);
        let status = format!("Name:\tx\nvoluntary_ctxt_switches:\t99\nnonvoluntary_ctxt_switches:\t{switches}\n");
        self.fixture.write(&format!("proc/7/task/{tid}/status"), &status);
    }

    fn end_thread(&self, tid: i32) {
        fs::remove_dir_all(self.fixture.path(&format!("proc/7/task/{tid}"))).expect("a thread to end");
    }

    fn read(&mut self) -> &mut Self {
        self.read_for(&[WORKER])
    }

    fn read_for(&mut self, workers: &[ProcessId]) -> &mut Self {
        let Round { rows, gaps } = self.tables.read(workers, self.rounds * SECOND_US);
        self.rounds += 1;
        self.series.extend(rows);
        self.gaps.extend(gaps);
        self
    }

    /// One column of a table, row by row.
    fn column(&self, table: &str, column: &str) -> Vec<Option<f64>> {
        let series = Series::gather(self.series.clone());
        let Some(table) = series.table(table) else { return Vec::new() };
        let at = table.columns.iter().position(|name| name == column);
        at.map_or_else(Vec::new, |at| table.rows.iter().map(|row| row.values[at]).collect())
    }
}

/// Sets fields of a process's `stat`: those of `proc_pid_stat(5)`, counted from 1.
fn set_stat(fixture: &FixtureProc, pid: i32, fields: &[(usize, &str)]) {
    let path = format!("proc/{pid}/stat");
    let text = fs::read_to_string(fixture.path(&path)).expect("a stat");
    let mut words: Vec<&str> = text.split_whitespace().collect();
    for &(field, value) in fields {
        words[field - 1] = value;
    }
    fixture.write(&path, &words.join(" "));
}

mod workers {
    use super::*;

    fn worker(machine: &Machine, name: &str) -> Vec<Option<f64>> {
        machine.column("worker-7", name)
    }

    #[test]
    fn the_first_row_tells_what_is_and_the_others_what_came() {
        let mut machine = Machine::with("0::/\n", &[]);
        fs::create_dir_all(machine.fixture.path("proc/7/fd")).expect("a folder");
        machine.fixture.write("proc/7/fd/0", "");
        machine.read();
        // User and system time in ticks of 10 ms, threads, resident pages.
        set_stat(&machine.fixture, 7, &[(14, "60"), (15, "12"), (20, "2"), (24, "3")]);
        machine.thread(7, "5000 2500 9", 40);
        machine.read().read();
        let page = procfs::page_size() as f64;
        assert_eq!(worker(&machine, column::USER_S), [None, Some(0.5), Some(0.0)]);
        assert_eq!(worker(&machine, column::SYSTEM_S), [None, Some(0.07), Some(0.0)]);
        assert_eq!(worker(&machine, column::RUN_QUEUE_WAIT_S), [None, Some(2e-6), Some(0.0)]);
        assert_eq!(worker(&machine, column::INVOLUNTARY_SWITCHES), [None, Some(36.0), Some(0.0)]);
        assert_eq!(worker(&machine, column::RSS_BYTES), [250.0, 3.0, 3.0].map(|pages| Some(pages * page)));
        assert_eq!(worker(&machine, column::THREADS), [Some(3.0), Some(2.0), Some(2.0)]);
        assert_eq!(worker(&machine, column::OPEN_FILES)[0], Some(1.0));
    }

    #[test]
    fn a_thread_that_ended_takes_nothing_back_and_a_new_one_counts_from_its_beginning() {
        let mut machine = Machine::with("0::/\n", &[]);
        machine.read();
        machine.end_thread(8);
        machine.thread(9, "3000 1000 1", 2);
        machine.read();
        machine.thread(9, "3500 1500 1", 3);
        machine.read();
        assert_eq!(worker(&machine, column::RUN_QUEUE_WAIT_S), [None, Some(1e-6), Some(0.5e-6)]);
        assert_eq!(worker(&machine, column::INVOLUNTARY_SWITCHES), [None, Some(2.0), Some(1.0)]);
    }

    #[test]
    fn a_thread_that_was_overlooked_is_not_taken_for_a_new_one() {
        let mut machine = Machine::with("0::/\n", &[]);
        machine.read();
        // It waited for longer than a second, so it was there already.
        machine.thread(9, "7 1000000001 1", 1000);
        machine.read();
        machine.thread(9, "9 1000000501 1", 1001);
        machine.read();
        assert_eq!(worker(&machine, column::RUN_QUEUE_WAIT_S), [None, Some(0.0), Some(0.5e-6)]);
        assert_eq!(worker(&machine, column::INVOLUNTARY_SWITCHES), [None, Some(0.0), Some(1.0)]);
    }

    #[test]
    fn a_thread_that_could_not_be_read_at_first_is_no_newcomer_later() {
        let mut machine = Machine::with("0::/\n", &[]);
        machine.thread(9, "not a number", 1000);
        machine.read();
        machine.thread(9, "9 400 1", 1000);
        machine.read();
        machine.thread(9, "10 900 1", 1002);
        machine.read();
        assert_eq!(worker(&machine, column::RUN_QUEUE_WAIT_S), [None, Some(0.0), Some(0.5e-6)]);
        assert_eq!(worker(&machine, column::INVOLUNTARY_SWITCHES), [None, Some(0.0), Some(2.0)]);
    }

    #[test]
    fn the_status_of_a_thread_that_did_not_run_is_not_read() {
        let mut machine = Machine::with("0::/\n", &[]);
        machine.read();
        machine.thread(7, "1000 500 3", 400);
        machine.read();
        machine.thread(7, "1001 500 3", 400);
        machine.read();
        assert_eq!(worker(&machine, column::INVOLUNTARY_SWITCHES), [None, Some(0.0), Some(396.0)]);
    }

    #[test]
    fn without_schedstat_waits_are_unknown_and_switches_are_not() {
        let mut machine = Machine::with("0::/\n", &[]);
        machine.end_thread(8);
        fs::remove_file(machine.fixture.path("proc/7/task/7/schedstat")).expect("a file");
        let stat = fs::read_to_string(machine.fixture.path("proc/7/stat")).expect("a stat");
        machine.fixture.write("proc/7/task/7/stat", &stat);
        machine.read();
        machine.fixture.write("proc/7/task/7/status", "nonvoluntary_ctxt_switches:\t6\n");
        machine.read();
        assert_eq!(worker(&machine, column::RUN_QUEUE_WAIT_S), [None, None]);
        assert_eq!(worker(&machine, column::INVOLUNTARY_SWITCHES), [None, Some(2.0)]);
    }

    #[test]
    fn one_that_ended_has_no_more_rows_and_the_others_go_on() {
        let mut machine = Machine::with("0::/\n", &[]);
        let other = ProcessId { pid: 17, ..WORKER };
        machine.fixture.add(&Fixture { pid: 17, ..Fixture::default() });
        machine.read_for(&[WORKER, other]);
        set_stat(&machine.fixture, 17, &[(3, "Z")]);
        machine.read_for(&[WORKER, other]);
        machine.fixture.remove(17);
        machine.read_for(&[WORKER, other]).read_for(&[WORKER]);
        assert_eq!(machine.column("worker-17", column::USER_S).len(), 1);
        assert_eq!(worker(&machine, column::USER_S).len(), 4);
        assert_eq!(machine.column("host", column::LOAD_1M).len(), 4);
    }

    #[test]
    fn a_pid_that_is_used_again_is_another_worker() {
        let mut machine = Machine::with("0::/\n", &[]);
        machine.read();
        machine.fixture.add(&Fixture { pid: 7, start_ticks: 2000, ..Fixture::default() });
        set_stat(&machine.fixture, 7, &[(14, "9000")]);
        machine.read();
        let heir = ProcessId { start_ticks: 2000, ..WORKER };
        machine.read_for(&[heir]);
        set_stat(&machine.fixture, 7, &[(14, "9100")]);
        machine.read_for(&[heir]);
        // No row while the roster still names the former one; then a first row, then growth.
        assert_eq!(worker(&machine, column::USER_S), [None, None, Some(1.0)]);
    }
}

mod cgroups {
    use super::*;

    fn cgroup(machine: &Machine, name: &str) -> Vec<Option<f64>> {
        machine.column("cgroup", name)
    }

    const PRESSURE: &str = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.00 total=5\n";

    #[test]
    fn version_2_counts_in_microseconds_and_tells_pressure() {
        let mut machine = Machine::with(
            "0::/pod/c1\n",
            &[
                ("cgroup/cgroup.controllers", "cpu memory"),
                ("cgroup/pod/c1/cpu.max", "150000 100000\n"),
                ("cgroup/pod/c1/cpu.stat", "usage_usec 100\nnr_periods 10\nnr_throttled 4\nthrottled_usec 700\n"),
                ("cgroup/pod/c1/memory.current", "4096\n"),
                ("cgroup/pod/c1/cpu.pressure", PRESSURE),
                ("cgroup/pod/c1/memory.pressure", PRESSURE),
                ("proc/pressure/cpu", PRESSURE),
            ],
        );
        machine.read();
        machine.fixture.write(
            "cgroup/pod/c1/cpu.stat",
            "usage_usec 500100\nnr_periods 20\nnr_throttled 7\nthrottled_usec 250700\n",
        );
        machine.fixture.write("cgroup/pod/c1/cpu.pressure", &PRESSURE.replace("=1000000", "=1250000"));
        machine.read();
        assert_eq!(cgroup(&machine, column::CPU_S), [None, Some(0.5)]);
        assert_eq!(cgroup(&machine, column::PERIODS), [None, Some(10.0)]);
        assert_eq!(cgroup(&machine, column::THROTTLED_PERIODS), [None, Some(3.0)]);
        assert_eq!(cgroup(&machine, column::THROTTLED_S), [None, Some(0.25)]);
        assert_eq!(cgroup(&machine, column::MEMORY_BYTES), [Some(4096.0); 2]);
        assert_eq!(cgroup(&machine, column::CPU_PRESSURE_S), [None, Some(0.25)]);
        assert_eq!(cgroup(&machine, column::MEMORY_PRESSURE_S), [None, Some(0.0)]);
        assert_eq!(cgroup(&machine, column::IO_PRESSURE_S), [None, None]);
        // Told once, and where it is nearest to the workers.
        assert!(machine.column("host", column::CPU_PRESSURE_S).is_empty());
    }

    #[test]
    fn version_1_counts_in_nanoseconds_in_hierarchies_of_their_own_and_the_host_tells_pressure() {
        let mut machine = Machine::with(
            "3:memory:/docker/m\n2:cpuacct:/docker/a\n1:cpu:/docker/c\n",
            &[
                ("cgroup/cpu/docker/c/cpu.stat", "nr_periods 8\nnr_throttled 2\nthrottled_time 5\n"),
                ("cgroup/cpuacct/docker/a/cpuacct.usage", "7000000000\n"),
                ("cgroup/memory/docker/m/memory.usage_in_bytes", "123\n"),
                ("proc/pressure/cpu", PRESSURE),
            ],
        );
        machine.read();
        machine.fixture.write("cgroup/cpuacct/docker/a/cpuacct.usage", "7250000000\n");
        machine
            .fixture
            .write("cgroup/cpu/docker/c/cpu.stat", "nr_periods 9\nnr_throttled 3\nthrottled_time 2000000005\n");
        machine.fixture.write("proc/pressure/cpu", &PRESSURE.replace("=1000000", "=3000000"));
        machine.read();
        assert_eq!(cgroup(&machine, column::CPU_S), [None, Some(0.25)]);
        assert_eq!(cgroup(&machine, column::PERIODS), [None, Some(1.0)]);
        assert_eq!(cgroup(&machine, column::THROTTLED_S), [None, Some(2.0)]);
        assert_eq!(cgroup(&machine, column::MEMORY_BYTES), [Some(123.0); 2]);
        assert!(cgroup(&machine, column::CPU_PRESSURE_S).is_empty());
        assert_eq!(machine.column("host", column::CPU_PRESSURE_S), [None, Some(2.0)]);
    }

    #[test]
    fn under_both_versions_each_controller_counts_where_it_is_at_work() {
        let mut machine = Machine::with(
            "4:cpu,cpuacct:/c\n3:memory:/m\n0::/u\n",
            &[
                ("cgroup/cpu,cpuacct/c/cpuacct.usage", "1000000000"),
                ("cgroup/cpu,cpuacct/c/cpu.stat", "nr_periods 1\nnr_throttled 0\nthrottled_time 0\n"),
                ("cgroup/memory/m/memory.usage_in_bytes", "55\n"),
                ("cgroup/unified/cgroup.controllers", "\n"),
                ("cgroup/unified/u/cpu.stat", "usage_usec 9\n"),
                ("cgroup/unified/u/cpu.pressure", PRESSURE),
            ],
        );
        machine.read();
        machine.fixture.write("cgroup/cpu,cpuacct/c/cpuacct.usage", "4000000000");
        machine.fixture.write("cgroup/unified/u/cpu.pressure", &PRESSURE.replace("=1000000", "=1500000"));
        machine.read();
        assert_eq!(cgroup(&machine, column::CPU_S), [None, Some(3.0)]);
        assert_eq!(cgroup(&machine, column::THROTTLED_PERIODS), [None, Some(0.0)]);
        assert_eq!(cgroup(&machine, column::MEMORY_BYTES), [Some(55.0); 2]);
        assert_eq!(cgroup(&machine, column::CPU_PRESSURE_S), [None, Some(0.5)]);
    }

    #[test]
    fn throttling_counts_where_the_tightest_quota_is_and_cpu_time_at_the_workers() {
        let mut machine = Machine::with(
            "0::/pod/c1\n",
            &[
                ("cgroup/cgroup.controllers", "cpu"),
                ("cgroup/pod/cpu.max", "100000 100000"),
                ("cgroup/pod/cpu.stat", "usage_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n"),
                ("cgroup/pod/c1/cpu.max", "400000 100000"),
                ("cgroup/pod/c1/cpu.stat", "usage_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n"),
            ],
        );
        machine.read();
        let (pod, own) = ("cgroup/pod/cpu.stat", "cgroup/pod/c1/cpu.stat");
        machine.fixture.write(pod, "usage_usec 9000000\nnr_periods 9\nnr_throttled 8\nthrottled_usec 7\n");
        machine.fixture.write(own, "usage_usec 1000000\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
        machine.read();
        assert_eq!(cgroup(&machine, column::CPU_S), [None, Some(1.0)]);
        assert_eq!(cgroup(&machine, column::THROTTLED_PERIODS), [None, Some(8.0)]);
    }

    #[test]
    fn what_another_container_hides_is_one_gap_and_never_our_own_figure() {
        let mut machine = Machine::with(
            "0::/../c2\n",
            &[
                ("proc/self/cgroup", "0::/c1\n"),
                ("cgroup/cgroup.controllers", "cpu"),
                ("cgroup/cpu.stat", "usage_usec 9\nnr_periods 9\nnr_throttled 9\nthrottled_usec 9\n"),
            ],
        );
        machine.read().read();
        for name in [column::CPU_S, column::PERIODS, column::THROTTLED_S, column::MEMORY_BYTES] {
            assert_eq!(cgroup(&machine, name), [None, None], "{name}");
        }
        let told: Vec<_> = machine.gaps.iter().filter(|gap| gap.what.contains("cgroup")).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].what.contains("cpu_s, periods, throttled_periods, throttled_s, memory_bytes"), "{told:?}");
    }
}

mod machine {
    use super::*;

    #[test]
    fn host_and_network_tell_growth_and_levels() {
        let snmp = |accepted: u32| format!("Tcp: ActiveOpens PassiveOpens\nTcp: 5 {accepted}\n");
        let mut machine = Machine::with(
            "0::/\n",
            &[
                ("proc/stat", "cpu  100 10 50 9000 800 3 7 40 0 0\ncpu0 1 1 1\n"),
                ("proc/loadavg", "1.50 1.00 0.50 1/2 3\n"),
                ("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    2 kB\n"),
                ("proc/7/net/snmp", &snmp(70)),
            ],
        );
        machine.read();
        machine.fixture.write("proc/stat", "cpu  200 10 60 9900 900 3 7 90 0 0\ncpu0 1 1 1\n");
        machine.fixture.write("proc/7/net/snmp", &snmp(75));
        machine.read();
        assert_eq!(machine.column("host", column::BUSY_S), [None, Some(1.1)]);
        assert_eq!(machine.column("host", column::STEAL_S), [None, Some(0.5)]);
        assert_eq!(machine.column("host", column::LOAD_1M), [Some(1.5); 2]);
        assert_eq!(machine.column("host", column::MEMORY_AVAILABLE_BYTES), [Some(2048.0); 2]);
        assert_eq!(machine.column("network", column::CONNECTIONS_ACCEPTED), [None, Some(5.0)]);
    }

    #[test]
    fn what_is_missing_is_empty_and_named_once() {
        let mut machine = Machine::with("0::/\n", &[]);
        fs::remove_dir_all(machine.fixture.path("proc/7/task")).expect("a folder");
        fs::remove_file(machine.fixture.path("proc/stat")).expect("a file");
        machine.tables = Tables::new(machine.fixture.procfs(), CgroupRoot::at(machine.fixture.path("cgroup")));
        machine.read().read();
        for (table, name) in [
            ("worker-7", column::RUN_QUEUE_WAIT_S),
            ("worker-7", column::INVOLUNTARY_SWITCHES),
            ("worker-7", column::OPEN_FILES),
            ("cgroup", column::CPU_S),
            ("host", column::LOAD_1M),
            ("host", column::BUSY_S),
            ("host", column::STEAL_S),
            ("host", column::IO_PRESSURE_S),
            ("network", column::CONNECTIONS_ACCEPTED),
        ] {
            assert_eq!(machine.column(table, name), [None, None], "{table} {name}");
            assert_eq!(machine.gaps.iter().filter(|gap| gap.what.contains(name)).count(), 1, "{name}");
        }
        assert_eq!(machine.gaps.len(), 4, "{:?}", machine.gaps);
    }

    #[test]
    fn without_a_worker_only_the_machine_is_told_of() {
        let mut machine = Machine::with("0::/\n", &[]);
        machine.read_for(&[]).read();
        assert_eq!(machine.column("host", column::LOAD_1M).len(), 2);
        assert_eq!(machine.column("cgroup", column::CPU_S).len(), 1);
        assert_eq!(machine.column("network", column::CONNECTIONS_ACCEPTED).len(), 1);
    }
}

mod lifetimes {
    use super::*;
    use litellm_capture::observe::{Epoch, lifetime};
    use litellm_capture::os::clock::boot_seconds;

    #[test]
    fn workers_count_with_what_they_used_and_the_supervisor_with_what_it_waited_for() {
        let fixture = FixtureProc::with(&[10, 11, 12, 13, 14].map(|pid| Fixture { pid, ..Fixture::default() }));
        // User and system time, and the same of children that were waited for.
        for pid in [10, 11, 12, 13, 14] {
            set_stat(&fixture, pid, &[(14, "100"), (15, "20"), (16, "3000"), (17, "400")]);
        }
        let roles =
            [Role::Supervisor, Role::Worker, Role::Worker, Role::ResourceTracker, Role::Worker, Role::QueryEngine];
        let members: Vec<_> = (10..).zip(roles).collect();
        // The last worker has ended; the query engine was never there.
        fixture.remove(14);
        let before = boot_seconds().expect("a clock");
        let told = lifetime(&fixture.procfs(), &proxy(&members), Epoch::now()).expect("two workers");
        let after = boot_seconds().expect("a clock");
        assert_eq!((told.workers, told.cpu_seconds), (2, 2.0 * 1.2 + 34.0));
        // Start times are ticks of 10 ms since boot.
        assert!((before - 10.0..=after - 10.0).contains(&told.age_seconds), "{told:?}");
    }

    #[test]
    fn a_worker_alone_does_not_count_what_it_waited_for() {
        let fixture = FixtureProc::with(&[Fixture { pid: 11, ..Fixture::default() }]);
        set_stat(&fixture, 11, &[(14, "100"), (15, "20"), (16, "3000"), (17, "400")]);
        let told = lifetime(&fixture.procfs(), &proxy(&[(11, Role::Worker)]), Epoch::now()).expect("a worker");
        assert_eq!((told.workers, told.cpu_seconds), (1, 1.2));
    }

    #[test]
    fn without_a_worker_nothing_is_known() {
        let fixture = FixtureProc::with(&[Fixture { pid: 10, ..Fixture::default() }]);
        let members = [(10, Role::Supervisor), (11, Role::Worker)];
        assert_eq!(lifetime(&fixture.procfs(), &proxy(&members), Epoch::now()), None);
    }
}

mod real {
    use super::*;
    use std::sync::Arc;
    use std::{thread, time::Duration};

    use litellm_capture::bundle::work::{self, Work};
    use litellm_capture::observe::{Epoch, Keeper, Readings, Roster, Stop};
    use litellm_capture::redact::{Redactor, Sources};
    use litellm_capture::series::Reading;
    use support::target::Target;
    use support::{cpu_ticks, start_ticks, wait_for};

    fn id(pid: i32) -> ProcessId {
        ProcessId { pid, start_ticks: start_ticks(pid) }
    }

    #[test]
    fn the_rows_of_a_worker_sum_to_what_the_kernel_counted() {
        let target = Target::alone();
        let pid = target.pid();
        let mut tables = Tables::new(Procfs::default(), CgroupRoot::default());
        let mut rows = Vec::new();
        let mut read = |at_us| {
            let before = cpu_ticks(pid);
            rows.extend(tables.read(&[id(pid)], at_us).rows);
            before..=cpu_ticks(pid)
        };
        let first = read(0);
        let mut last = first.clone();
        for at in 1.. {
            thread::sleep(Duration::from_millis(50));
            last = read(at * 50_000);
            if last.start() - first.end() >= 50 {
                break;
            }
        }
        let series = Series::gather(rows);
        let worker = series.table(&format!("worker-{pid}")).expect("its table");
        let grown = |name| worker.growth(name, 0, u64::MAX).expect("rows");
        let told_ticks = (grown(column::USER_S) + grown(column::SYSTEM_S)) * procfs::ticks_per_second() as f64;
        // Each reading was made between two looks of our own, so that nothing depends on how busy the machine is.
        let lower = (last.start() - first.end()) as f64 - 1.0;
        let upper = (last.end() - first.start()) as f64 + 1.0;
        assert!((lower..=upper).contains(&told_ticks), "{told_ticks} is not between {lower} and {upper}");
        assert!(worker.column(column::RSS_BYTES).all(|(_, bytes)| bytes > 1e6));
        assert!(worker.column(column::THREADS).all(|(_, threads)| threads >= 1.0));
        // It closed its standard input, and has two more.
        assert!(worker.column(column::OPEN_FILES).all(|(_, files)| files >= 2.0));
        assert!(series.table("host").expect("a table").growth(column::BUSY_S, 0, u64::MAX) > Some(0.0));
    }

    #[test]
    fn it_reads_at_once_and_a_last_time_when_it_is_stopped() {
        let target = Target::several(2);
        let parent = tempfile::tempdir().expect("a folder");
        let (work, _) = Work::create(parent.path(), "x").expect("a work folder");
        let roster = Roster::default();
        roster.set(target.pids().iter().copied().map(id).collect());
        let gate = Redactor::new(&Sources::default()).gate();
        let observer = Readings {
            procfs: Procfs::default(),
            cgroups: CgroupRoot::default(),
            roster,
            epoch: Epoch::now(),
            keeper: Arc::new(Keeper::new(work.dir(), gate)),
        };
        let rows = |table: &str| {
            let kept: Vec<Reading> = work.records(work::READINGS).expect("records");
            kept.into_iter().filter(|row| row.table == table).collect::<Vec<_>>()
        };
        let stop = Stop::default();
        let running = thread::spawn({
            let stop = stop.clone();
            move || observer.run(&stop)
        });
        wait_for("a first round", || rows("host").first().cloned());
        let read_before = rows("host").len();
        stop.set();
        running.join().expect("it ends");
        for table in target.pids().iter().map(|pid| format!("worker-{pid}")).chain(["host".to_owned()]) {
            let rows = rows(&table);
            assert!(rows.len() > read_before, "{table}: {rows:?}");
            assert!(rows.is_sorted_by(|one, other| one.at_us < other.at_us), "{table}: {rows:?}");
        }
    }
}
