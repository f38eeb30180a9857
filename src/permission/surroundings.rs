//! Where this program stands: on a host, in a container, in a pod. It decides how the next command looks.

use std::env;
use std::fs;

use crate::os::proc::Procfs;

/// Kubernetes mounts the pod's namespace here unless it is told not to.
const NAMESPACE_FILE: &str = "self/root/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The kinds of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surroundings {
    /// No sign of a container.
    Host {
        /// This very program, by its path: `sudo` looks for names in places of its own.
        program: String,
    },
    /// A container.
    Container {
        /// The command line of its engine: `docker`, `podman` or `nerdctl`.
        engine: &'static str,
        /// Where the target is.
        target: Neighbour,
    },
    /// A pod.
    Kubernetes {
        /// Its name.
        pod: String,
        /// Its namespace, where it can be told.
        namespace: Option<String>,
    },
}

/// Where a target is, as seen from a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// In the same one.
    Here,
    /// In another one, whose PID namespace ours shares.
    Next,
}

impl Surroundings {
    /// Looks around. The signs are seen through `/proc`, so that a test can lay them out.
    pub fn look(procfs: &Procfs, pid: i32) -> Self {
        let cgroup = procfs.own().cgroup().unwrap_or_default();
        if env::var_os("KUBERNETES_SERVICE_HOST").is_some() || cgroup.contains("kubepods") {
            let pod = procfs.read("sys/kernel/hostname").map(|name| name.trim().to_owned());
            let namespace = fs::read_to_string(procfs.path(NAMESPACE_FILE)).ok().map(|name| name.trim().to_owned());
            return Self::Kubernetes { pod: pod.unwrap_or_else(|_| "POD".to_owned()), namespace };
        }
        let there = |path: &str| procfs.path("self/root").join(path).exists();
        let signs = [
            (there("run/.containerenv"), "podman"),
            (there(".dockerenv"), "docker"),
            (cgroup.contains("libpod"), "podman"),
            (cgroup.contains("/docker"), "docker"),
            (cgroup.contains("containerd"), "nerdctl"),
        ];
        match signs.into_iter().find(|(sign, _)| *sign) {
            Some((_, engine)) => {
                // Each container has a cgroup of its own.
                let theirs = procfs.process(pid).cgroup().unwrap_or_default();
                Self::Container { engine, target: if theirs == cgroup { Neighbour::Here } else { Neighbour::Next } }
            }
            None => Self::Host {
                program: env::current_exe().map_or_else(|_| "capture".to_owned(), |path| path.display().to_string()),
            },
        }
    }
}
