//! The way of a fingerprint from raw to clean: every text goes through a [`Cleaner`], every figure as it is.

use crate::collect::fingerprint::{Cgroup, Container, Fingerprint, Host, LiteLlm, Package, ProcessFacts, Python};

/// What turns text of one kind into text of another; redaction is the one that matters.
pub trait Cleaner<From, To> {
    /// One text by itself.
    fn text(&mut self, text: &From) -> To;
    /// A command line, whose arguments explain each other.
    fn argv(&mut self, argv: &[From]) -> Vec<To>;
}

/// Cleans text where there is some.
fn some<T, U>(cleaner: &mut impl Cleaner<T, U>, text: Option<&T>) -> Option<U> {
    text.map(|text| cleaner.text(text))
}

/// Cleans one text after the other.
fn each<T, U>(cleaner: &mut impl Cleaner<T, U>, texts: &[T]) -> Vec<U> {
    texts.iter().map(|text| cleaner.text(text)).collect()
}

impl<T> Fingerprint<T> {
    /// The same fingerprint with every text cleaned.
    pub fn map<U>(&self, cleaner: &mut impl Cleaner<T, U>) -> Fingerprint<U> {
        Fingerprint {
            host: self.host.map(cleaner),
            cgroup: self.cgroup.map(cleaner),
            container: self.container.map(cleaner),
            python: self.python.map(cleaner),
            litellm: self.litellm.map(cleaner),
            processes: self.processes.iter().map(|process| process.map(cleaner)).collect(),
        }
    }
}

impl<T> Host<T> {
    fn map<U>(&self, cleaner: &mut impl Cleaner<T, U>) -> Host<U> {
        Host {
            hostname: some(cleaner, self.hostname.as_ref()),
            os: some(cleaner, self.os.as_ref()),
            kernel: some(cleaner, self.kernel.as_ref()),
            arch: some(cleaner, self.arch.as_ref()),
            cpu_model: some(cleaner, self.cpu_model.as_ref()),
            cpus_online: self.cpus_online,
            cpus_allowed: self.cpus_allowed,
            memory_bytes: self.memory_bytes,
            load_1m: self.load_1m,
        }
    }
}

impl<T> Cgroup<T> {
    fn map<U>(&self, cleaner: &mut impl Cleaner<T, U>) -> Cgroup<U> {
        Cgroup {
            version: self.version,
            path: some(cleaner, self.path.as_ref()),
            cpu_quota_cores: self.cpu_quota_cores,
            periods: self.periods,
            throttled_periods: self.throttled_periods,
            throttled_usec: self.throttled_usec,
            memory_limit_bytes: self.memory_limit_bytes,
            memory_used_bytes: self.memory_used_bytes,
        }
    }
}

impl<T> Container<T> {
    fn map<U>(&self, cleaner: &mut impl Cleaner<T, U>) -> Container<U> {
        Container {
            runtime: some(cleaner, self.runtime.as_ref()),
            namespace: some(cleaner, self.namespace.as_ref()),
            pod: some(cleaner, self.pod.as_ref()),
            node: some(cleaner, self.node.as_ref()),
            image: some(cleaner, self.image.as_ref()),
            other_pid_namespace: self.other_pid_namespace,
        }
    }
}

impl<T> Python<T> {
    fn map<U>(&self, cleaner: &mut impl Cleaner<T, U>) -> Python<U> {
        let package = |cleaner: &mut _, package: &Package<T>| Package {
            name: Cleaner::text(cleaner, &package.name),
            version: Cleaner::text(cleaner, &package.version),
            installed_utc: package.installed_utc.clone(),
        };
        Python {
            version: some(cleaner, self.version.as_ref()),
            build: some(cleaner, self.build.as_ref()),
            executable: some(cleaner, self.executable.as_ref()),
            site_packages: each(cleaner, &self.site_packages),
            packages: self.packages.iter().map(|found| package(cleaner, found)).collect(),
        }
    }
}

impl<T> LiteLlm<T> {
    fn map<U>(&self, cleaner: &mut impl Cleaner<T, U>) -> LiteLlm<U> {
        LiteLlm {
            version: some(cleaner, self.version.as_ref()),
            server: self.server,
            worker_mode: self.worker_mode,
            event_loop: some(cleaner, self.event_loop.as_ref()),
            workers_configured: self.workers_configured,
            workers_running: self.workers_running,
            port: self.port,
            config_path: some(cleaner, self.config_path.as_ref()),
            config_modified_utc: self.config_modified_utc.clone(),
        }
    }
}

impl<T> ProcessFacts<T> {
    fn map<U>(&self, cleaner: &mut impl Cleaner<T, U>) -> ProcessFacts<U> {
        ProcessFacts {
            id: self.id,
            parent_pid: self.parent_pid,
            role: self.role,
            why: self.why.clone(),
            argv: cleaner.argv(&self.argv),
            started_utc: self.started_utc.clone(),
            age_seconds: self.age_seconds,
            threads: self.threads,
            rss_bytes: self.rss_bytes,
            ulimits: self.ulimits.clone(),
            tracer_pid: self.tracer_pid,
            profilers: each(cleaner, &self.profilers),
            native_extensions: each(cleaner, &self.native_extensions),
        }
    }
}
