//! Where the proxy listens: the sockets that its processes hold, looked up in their network namespace.
//!
//! `/proc/PID/fd` names a socket by its inode and `/proc/PID/net/tcp` tells its addresses by the same number. An
//! address counts in the namespace of the process alone: [`same_network`] tells whether it can be reached from here.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::discover::{Proxy, Role};
use crate::os::proc::{Process, Procfs};

/// `TCP_LISTEN` of the kernel's `include/net/tcp_states.h`, in hexadecimal as the table has it.
const LISTENS: &str = "0A";
/// Room for some thirty thousand sockets. The kernel lists those that listen first, so that none of them is lost in
/// the crowd of a busy machine.
const TABLE_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// The TCP addresses on which the proxy's supervisor and workers listen, each once, in order. What cannot be read, for
/// lack of permission or since a process ended, adds none.
pub fn listening(procfs: &Procfs, proxy: &Proxy) -> Vec<SocketAddr> {
    let serving = proxy.members.iter().filter(|member| matches!(member.role, Role::Supervisor | Role::Worker));
    let found: BTreeSet<SocketAddr> =
        serving.filter_map(|member| procfs.same(member.id)).flat_map(|process| of_process(&process)).collect();
    found.into_iter().collect()
}

/// The address to connect to for a socket that listens on this one: where it listens on every interface, the loopback
/// of its family.
pub fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

/// Whether a process shares our network namespace, so that its addresses are ours too; false where it cannot be told.
pub fn same_network(procfs: &Procfs, pid: i32) -> bool {
    let ours = procfs.own_network_namespace();
    ours.is_ok_and(|ours| procfs.process(pid).network_namespace().is_ok_and(|theirs| ours == theirs))
}

fn of_process(process: &Process) -> Vec<SocketAddr> {
    let Ok(held) = sockets(process) else { return Vec::new() };
    // A kernel without IPv6 has no `tcp6`.
    let tables = ["net/tcp", "net/tcp6"].map(|name| table(process, name).unwrap_or_default());
    let listed = tables.iter().flat_map(|table| table.lines().filter_map(listener));
    listed.filter(|(_, inode)| held.contains(inode)).map(|(address, _)| address).collect()
}

/// Inodes of the sockets that a process has open.
fn sockets(process: &Process) -> io::Result<BTreeSet<u64>> {
    let links = fs::read_dir(process.dir().join("fd"))?.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inode = |link: PathBuf| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok();
    Ok(links.filter_map(inode).collect())
}

fn table(process: &Process, name: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(process.dir().join(name))?.take(TABLE_LIMIT_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Address and inode of a socket that listens, by its line in the table: fields 2, 4 and 10 of `proc_pid_net(5)`.
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    (state == LISTENS).then_some((address(local)?, inode))
}

/// `ADDRESS:PORT` in hexadecimal: the address in words of 32 bits, each the bytes in network order read as a number of
/// this machine; the port as a plain number. An IPv4 address in IPv6 clothes is given as what it is.
fn address(text: &str) -> Option<SocketAddr> {
    let (words, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(words.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match words.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let mut octets = [0; 16];
            for (at, four) in octets.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?);
            }
            Ipv6Addr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An address as the kernel prints it.
    fn printed(address: SocketAddr) -> String {
        let octets = match address.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let words = octets.chunks_exact(4).map(|four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]));
        let words: Vec<String> = words.map(|word| format!("{word:08X}")).collect();
        format!("{}:{:04X}", words.concat(), address.port())
    }

    #[test]
    fn every_interface_is_reached_through_the_loopback_of_its_family() {
        for (listens, expected) in
            [("0.0.0.0:4000", "127.0.0.1:4000"), ("[::]:4000", "[::1]:4000"), ("10.1.2.3:80", "10.1.2.3:80")]
        {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn the_heading_and_sockets_that_do_not_listen_are_left_out() {
        let heading =
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        let line =
            |state: &str| format!("   0: {} {} {state} 0:0 00:0 0 0 0 4711 1 0", "0100007F:0FA0", "00000000:0000");
        assert_eq!(listener(heading), None);
        assert_eq!(listener(&line("01")), None);
        assert_eq!(listener(&line("0A")).map(|found| found.1), Some(4711));
    }

    proptest! {
        #[test]
        fn an_address_is_read_as_the_kernel_prints_it(octets: [u8; 16], port: u16, short: bool) {
            let v4 = Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]);
            let ip = if short { v4.into() } else { IpAddr::from(octets) };
            let written = SocketAddr::new(ip, port);
            prop_assert_eq!(address(&printed(written)), Some(SocketAddr::new(ip.to_canonical(), port)));
        }

        #[test]
        fn an_ipv4_address_in_ipv6_clothes_is_itself(octets: [u8; 4], port: u16) {
            let ip = Ipv4Addr::from(octets);
            let mapped = SocketAddr::new(ip.to_ipv6_mapped().into(), port);
            prop_assert_eq!(address(&printed(mapped)), Some(SocketAddr::new(ip.into(), port)));
        }

        #[test]
        fn no_line_is_too_strange(line in ".{0,200}") {
            let _ = listener(&line);
            let _ = address(&line);
        }
    }
}
