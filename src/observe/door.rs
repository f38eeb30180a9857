//! Where LiteLLM is asked, and whether the key may go there.
//!
//! The key opens everything that the proxy has, so it goes to one place alone: an address on which the captured process
//! itself listens, as the kernel says. Whatever else answers under a URL gets no key.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

use crate::collect::{Collected, Gap};
use crate::discover::Proxy;
use crate::observe::http::{self, Answer, Failure, Limits, Question};
use crate::observe::listen::{listening, reachable, same_network};
use crate::os::proc::Procfs;
use crate::plan::ObservePlan;
use crate::redact::Raw;

/// What is known of the ways to the proxy.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The addresses on which the captured processes listen, unspecified ones (`0.0.0.0`) as they are. Only those that
    /// mean the same here as for the process: none where it has another network namespace than this tool.
    pub listening: Vec<SocketAddr>,
    /// `--litellm-url`, which takes the place of those addresses.
    pub url: Option<String>,
    /// The environment variable that holds the key, by its name.
    pub key_name: String,
    /// That variable's value.
    pub key: Option<Raw>,
}

impl Access {
    /// Where the processes listen, and what the user gave. The key is in our own environment, which in a container is
    /// LiteLLM's, or in that of its workers.
    pub fn of(procfs: &Procfs, plan: &ObservePlan, proxy: &Proxy, collected: &Collected) -> Self {
        let name = &plan.litellm_key_env;
        let ours = || std::env::var_os(name).map(|value| Raw::from_bytes(value.as_encoded_bytes()));
        let here = proxy.workers().next().is_some_and(|worker| same_network(procfs, worker.id.pid));
        Self {
            listening: if here { listening(procfs, proxy) } else { Vec::new() },
            url: plan.litellm_url.clone(),
            key_name: name.clone(),
            key: ours().or_else(|| collected.variable(name).cloned()),
        }
    }
}

/// Why there is nowhere to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoDoor {
    why: &'static str,
    cure: &'static str,
}

impl NoDoor {
    /// The gap that it leaves.
    pub fn gap(&self, what: &str) -> Gap {
        Gap::new(what, self.why, self.cure)
    }
}

/// The one address at which LiteLLM is asked.
#[derive(Debug, Clone)]
pub struct Door {
    address: SocketAddr,
    /// The variable that holds the key.
    key_name: String,
    /// Path below which the proxy serves (`SERVER_ROOT_PATH`), without a slash at its end.
    prefix: String,
    /// The key.
    pub(super) key: Key,
}

/// The key, if it may be used.
#[derive(Debug, Clone)]
pub(super) enum Key {
    /// It may go to this address.
    Usable(Raw),
    /// The variable of this name is not set, or holds nothing that can stand in a header.
    Missing(String),
    /// The captured process does not listen at the address.
    Withheld,
}

/// How it stands with the key, without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState<'a> {
    /// The variable of this name holds one that may go to the address.
    Usable(&'a str),
    /// The variable of this name is not set, or holds nothing that can stand in a header.
    Missing(&'a str),
    /// The captured process does not listen at the address.
    Withheld,
}

/// Whether a request carries the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auth {
    /// It does, if there is one.
    Key,
    /// It does not.
    Nothing,
}

/// What to do where nothing else is known.
const URL_CURE: &str = "name the proxy's address with `--litellm-url http://HOST:PORT`";

impl Door {
    /// The door to ask at: the URL's, else the first address on which the process listens. A name in the URL is looked
    /// up, which takes as long as the machine's resolver does.
    ///
    /// # Errors
    /// Where there is none, with the reason.
    pub fn find(access: &Access) -> Result<Self, NoDoor> {
        let (address, prefix) = match &access.url {
            Some(url) => of_url(url)?,
            None => (of_listening(&access.listening)?, String::new()),
        };
        let fits_a_header = |key: &&Raw| !key.expose().is_empty() && key.expose().bytes().all(|b| b.is_ascii_graphic());
        let key = match access.key.as_ref().filter(fits_a_header) {
            None => Key::Missing(access.key_name.clone()),
            Some(_) if !access.listening.iter().any(|listening| covers(*listening, address)) => Key::Withheld,
            Some(key) => Key::Usable(key.clone()),
        };
        Ok(Self { address, key_name: access.key_name.clone(), prefix, key })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it stands with the key.
    pub fn key_state(&self) -> KeyState<'_> {
        match &self.key {
            Key::Usable(_) => KeyState::Usable(&self.key_name),
            Key::Missing(name) => KeyState::Missing(name),
            Key::Withheld => KeyState::Withheld,
        }
    }

    /// Asks for a path, which may have a query.
    pub(super) fn get(&self, path: &str, auth: Auth, limits: Limits) -> Result<Answer, Failure> {
        let key = match (&self.key, auth) {
            (Key::Usable(key), Auth::Key) => Some(key),
            _ => None,
        };
        http::get(&Question { address: self.address, path: &format!("{}{path}", self.prefix), key }, limits)
    }
}

fn of_listening(listening: &[SocketAddr]) -> Result<SocketAddr, NoDoor> {
    listening
        .first()
        .map(|address| reachable(*address))
        .ok_or(NoDoor { why: "no address is known on which the proxy listens", cure: URL_CURE })
}

fn of_url(url: &str) -> Result<(SocketAddr, String), NoDoor> {
    let no = |why| Err(NoDoor { why, cure: URL_CURE });
    if url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
        return Err(NoDoor {
            why: "`--litellm-url` is https, and capture speaks plain http only",
            cure: "name the address on which the proxy itself listens, such as `--litellm-url http://127.0.0.1:4000`",
        });
    }
    let Some(rest) = url.get(7..).filter(|_| url[..7].eq_ignore_ascii_case("http://")) else {
        return no("`--litellm-url` is no http URL");
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        return no("`--litellm-url` holds a user's name, which capture does not send");
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte)) {
        return no("the path of `--litellm-url` is not one to which another can be added");
    }
    let prefix = path.trim_end_matches('/').to_owned();
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let host_and_port = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let address = host_and_port.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    let Some(address) = address else {
        return no("the host of `--litellm-url` is not known on this machine");
    };
    Ok((address, prefix))
}

/// Whether who listens there is reached at the address.
fn covers(listening: SocketAddr, address: SocketAddr) -> bool {
    let (wanted, given) = (listening.ip().to_canonical(), address.ip().to_canonical());
    // `::` takes IPv4 too, unless it is told not to; nobody else then has the same port on `0.0.0.0`'s loopback
    // without being in the list.
    let every_address = wanted.is_unspecified() && (wanted.is_ipv6() || given.is_ipv4());
    listening.port() == address.port() && (wanted == given || (every_address && is_own(given)))
}

/// Whether an address is one of this machine: then the kernel, asked for the source of a packet there, names that
/// address itself. Nothing is sent.
fn is_own(ip: IpAddr) -> bool {
    let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = || {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((ip, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    ip.is_loopback() || source() == Some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(listening: &[&str], url: Option<&str>) -> Access {
        Access {
            listening: listening.iter().map(|address| address.parse().unwrap()).collect(),
            url: url.map(str::to_owned),
            key_name: "LITELLM_MASTER_KEY".to_owned(),
            key: Some(Raw::new("sk-lab-0123456789")),
        }
    }

    fn key_goes_to(listening: &[&str], url: Option<&str>) -> bool {
        matches!(Door::find(&access(listening, url)).unwrap().key, Key::Usable(_))
    }

    #[test]
    fn the_key_goes_only_where_the_captured_process_listens() {
        assert!(key_goes_to(&["127.0.0.1:4000"], None));
        assert!(key_goes_to(&["0.0.0.0:4000"], None));
        assert!(key_goes_to(&["0.0.0.0:4000"], Some("http://localhost:4000")));
        assert!(key_goes_to(&["[::]:4000"], Some("http://127.0.0.1:4000/")));
        assert!(!key_goes_to(&["0.0.0.0:4000"], Some("http://127.0.0.1:4001")));
        assert!(!key_goes_to(&["127.0.0.1:4000"], Some("http://127.0.0.2:4000")));
        assert!(!key_goes_to(&["0.0.0.0:4000"], Some("http://192.0.2.1:4000")), "an address of documentation");
        assert!(!key_goes_to(&[], Some("http://127.0.0.1:4000")));
    }

    #[test]
    fn a_key_that_could_end_a_header_is_none() {
        for key in ["", "sk-1\r\nHost: elsewhere", "sk-\u{e9}", "two words"] {
            let door = Door::find(&Access { key: Some(Raw::new(key)), ..access(&["127.0.0.1:1"], None) }).unwrap();
            assert!(matches!(door.key, Key::Missing(_)), "{key:?}");
        }
    }

    #[test]
    fn a_url_gives_an_address_and_a_path_to_add_to() {
        for (url, address, prefix) in [
            ("http://127.0.0.1:4000", "127.0.0.1:4000", ""),
            ("HTTP://127.0.0.1", "127.0.0.1:80", ""),
            ("http://[::1]:4000/llm/", "[::1]:4000", "/llm"),
            ("http://[::1]/", "[::1]:80", ""),
        ] {
            let door = Door::find(&access(&[], Some(url))).unwrap();
            assert_eq!((door.address, door.prefix.as_str()), (address.parse().unwrap(), prefix), "{url}");
        }
    }

    #[test]
    fn every_url_that_cannot_be_asked_has_its_reason() {
        for (url, reason) in [
            ("https://127.0.0.1:4000", "is https"),
            ("127.0.0.1:4000", "no http URL"),
            ("http://user:word@127.0.0.1:4000", "a user's name"),
            ("http://127.0.0.1:4000/?a=b", "not one to which another can be added"),
            ("http://127.0.0.1:99999", "not known on this machine"),
            ("http://", "not known on this machine"),
            ("é", "no http URL"),
        ] {
            let gap = Door::find(&access(&[], Some(url))).unwrap_err().gap("metrics");
            assert!(gap.why.contains(reason), "{url}: {}", gap.why);
            assert!(gap.cure.contains("--litellm-url"), "{url}: {}", gap.cure);
        }
        let gap = Door::find(&access(&[], None)).unwrap_err().gap("metrics");
        assert!(gap.why.contains("no address is known"), "{}", gap.why);
    }
}
