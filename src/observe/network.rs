//! What the kernel counts in the workers' network namespace: connections accepted, by whoever listens there.

use crate::observe::ledger::{Figures, counter};
use crate::os::proc::Process;
use crate::series::column;

/// The figures of the network namespace of a process.
///
/// The file is opened anew each time: kept open, it would keep the network of a container that has ended.
pub fn figures(worker: &Process) -> Figures {
    let snmp = std::fs::read_to_string(worker.dir().join("net/snmp")).ok();
    vec![(column::CONNECTIONS_ACCEPTED, counter(snmp.as_deref().and_then(passive_opens), 1))]
}

/// `PassiveOpens` of the protocol `Tcp`, which has a line of names and below it one of numbers (RFC 4022).
fn passive_opens(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let at = names.split_ascii_whitespace().position(|name| name == "PassiveOpens")?;
    numbers.split_ascii_whitespace().nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_number_is_found_below_its_name() {
        let snmp = "Ip: PassiveOpens\nIp: 1\nTcp: RtoMin MaxConn ActiveOpens PassiveOpens\nTcp: 200 -1 7 4375\nUdp: A\nUdp: 1\n";
        assert_eq!(passive_opens(snmp), Some(4375));
        assert_eq!(passive_opens("Tcp: ActiveOpens\nTcp: 7\n"), None);
        assert_eq!(passive_opens("Tcp: ActiveOpens PassiveOpens\nTcp: 7\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(Tcp: |PassiveOpens|[ \n0-9a-zA-Z.-]){0,40}") {
            let _ = passive_opens(&text);
        }
    }
}
