//! Which processes are LiteLLM, what each is there for, and why we think so.

use serde::{Deserialize, Serialize};

use crate::os::proc::ProcessId;

/// What a process of the proxy is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Starts and watches the workers; serves nothing itself.
    Supervisor,
    /// Serves requests.
    Worker,
    /// Multiprocessing's own bookkeeper.
    ResourceTracker,
    /// Prisma's database engine, a child of a worker.
    QueryEngine,
    /// The dedicated Prometheus endpoint.
    MetricsServer,
    /// The spend collector.
    Collector,
    /// The separate health application.
    HealthApp,
    /// Any other child: an MCP server, a database pooler, a build step.
    Other,
}

/// One process of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Pid and start time.
    pub id: ProcessId,
    /// Parent's pid.
    pub parent_pid: i32,
    /// What it is there for.
    pub role: Role,
    /// Why it was taken for that.
    pub why: String,
}

/// One running LiteLLM: all its processes, the top one first. A plain Python process is a proxy of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The processes, ascending by pid after the top one.
    pub members: Vec<Member>,
    /// Whether any of them looks like LiteLLM.
    pub looks_like_litellm: bool,
}

impl Proxy {
    /// The processes that serve requests.
    pub fn workers(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.role == Role::Worker)
    }
}

