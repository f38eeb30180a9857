//! What the kernel tells once a second beside the sampling, from small trees laid out here and from real processes.

#[path = "support/fixture_proc.rs"]
mod fixture_proc;

use std::fs;
use std::os::unix::fs::symlink;

use fixture_proc::{Fixture, FixtureProc};
use litellm_capture::discover::{Member, Proxy, Role, Scope};
use litellm_capture::os::proc::{ProcessId, Procfs};

/// A proxy of these members, all with the start time of a [`Fixture`] that says none.
fn proxy(members: &[(i32, Role)]) -> Proxy {
    let member = |&(pid, role): &(i32, Role)| Member {
        id: ProcessId { pid, start_ticks: Fixture::default().start_ticks },
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
