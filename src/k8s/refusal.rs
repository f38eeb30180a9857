//! Why a cluster did not do what it was asked, told by what kubectl said of it: the verb and the resource that are
//! missing, and what to do next.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no kubectl here, or no helm.
    NoTool(&'static str),
    /// The user lacks a right.
    Forbidden {
        /// Such as `create`.
        verb: String,
        /// Such as `pods/exec`, with the API group behind it where it has one: `deployments.apps`.
        resource: String,
        /// Where; none for the whole cluster.
        namespace: Option<String>,
    },
    /// Something that was named is not there.
    NotFound(String),
    /// There is no such program in the container.
    NoProgram,
    /// Nobody answers where the cluster should be.
    Unreachable(String),
    /// The server did not say in time what it was asked.
    Silent(String),
    /// The server answered something that is no answer.
    Garbled(String),
    /// We gave it up ourselves.
    Abandoned,
    /// Anything else, in kubectl's words.
    Broken(String),
}

impl Refusal {
    /// Reads kubectl's words.
    pub fn of(arguments: &[&str], stderr: &str) -> Self {
        static FORBIDDEN: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r#"cannot (\w+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?"#)
                .expect("a constant")
        });
        if let Some(found) = FORBIDDEN.captures(stderr) {
            let group = if found[3].is_empty() { String::new() } else { format!(".{}", &found[3]) };
            return Self::Forbidden {
                verb: found[1].to_owned(),
                resource: format!("{}{group}", &found[2]),
                namespace: found.get(4).map(|namespace| namespace.as_str().to_owned()),
            };
        }
        let last = last_words(stderr);
        let says = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
        if says(&["executable file not found", "no such file or directory: unknown", "exec format error"]) {
            Self::NoProgram
        } else if says(&["(NotFound)", "is not valid for pod", "container not found", "does not exist"]) {
            Self::NotFound(last)
        } else if says(&[
            "(Unauthorized)",
            "must be logged in",
            "Unable to connect",
            "was refused",
            "dial tcp",
            "no such host",
        ]) {
            Self::Unreachable(last)
        } else if says(&[
            "invalid character",
            "couldn't get current server API group list",
            "cannot unmarshal",
            "serializer for",
        ]) {
            Self::Garbled(last)
        } else if last.is_empty() {
            Self::Broken(format!("kubectl {} failed without a word", arguments.join(" ")))
        } else {
            Self::Broken(last)
        }
    }

    /// An answer that is not what was asked for.
    pub fn garbled(arguments: &[&str], error: &serde_json::Error) -> Self {
        Self::Garbled(format!("kubectl {} answered no such JSON: {error}", arguments.join(" ")))
    }

    /// No answer in time.
    pub fn silent(arguments: &[&str], deadline: Duration) -> Self {
        Self::Silent(format!("kubectl {} had no answer within {} s", arguments.join(" "), deadline.as_secs()))
    }

    /// What happened, in one line.
    pub fn why(&self) -> String {
        match self {
            Self::NoTool(tool) => format!("{tool} was not found on PATH"),
            Self::Forbidden { verb, resource, namespace } => {
                let place =
                    namespace.as_ref().map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
                format!("the cluster forbids you to {verb} {resource}{place}")
            }
            Self::NotFound(said) => format!("the cluster does not have it: {said}"),
            Self::NoProgram => "there is no such program in the container".to_owned(),
            Self::Unreachable(said) => format!("the cluster cannot be reached: {said}"),
            Self::Silent(said) | Self::Broken(said) => said.clone(),
            Self::Garbled(said) => format!("the API server did not answer as one does: {said}"),
            Self::Abandoned => "it was given up".to_owned(),
        }
    }

    /// What to do next.
    pub fn cure(&self) -> String {
        match self {
            Self::NoTool("kubectl") => "install kubectl, and see that `kubectl get pods` works".to_owned(),
            Self::NoTool(tool) => format!("install {tool}, or add by hand, without secrets, what it would have told"),
            Self::Forbidden { verb, resource, namespace } => {
                let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
                let role = if namespace.is_some() { "Role" } else { "ClusterRole" };
                format!(
                    "ask for this rule in a {role}: {{apiGroups: [\"{group}\"], resources: [\"{name}\"], verbs: \
                     [\"{verb}\"]}}; scripts/k8s/rbac.yaml holds all of them"
                )
            }
            Self::NotFound(_) => "see what there is: kubectl get pods --all-namespaces".to_owned(),
            Self::NoProgram => "bring the program in another way: --via memory, file or debug".to_owned(),
            Self::Unreachable(_) => {
                "see that `kubectl get pods` works, perhaps log in again, or name a --context".to_owned()
            }
            Self::Silent(_) | Self::Garbled(_) => {
                "see whether the API server is well: kubectl get --raw /readyz".to_owned()
            }
            Self::Abandoned => "capture again".to_owned(),
            Self::Broken(_) => "try the same command by hand".to_owned(),
        }
    }

    /// Whether it concerns the cluster as a whole, so that asking for the next pod is of no use.
    pub fn is_of_the_cluster(&self) -> bool {
        matches!(self, Self::NoTool(_) | Self::Unreachable(_))
    }
}

/// The last line that says something, without kubectl's prefix.
fn last_words(stderr: &str) -> String {
    let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with("command terminated"));
    let last = last.unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_told_by_verb_and_resource() {
        let said = "Error from server (Forbidden): pods \"x\" is forbidden: User \"dev\" cannot create resource \
                    \"pods/exec\" in API group \"\" in the namespace \"prod\"";
        let refusal = Refusal::of(&["exec"], said);
        assert_eq!(refusal.why(), "the cluster forbids you to create pods/exec in namespace prod");
        assert!(refusal.cure().contains(r#"resources: ["pods/exec"], verbs: ["create"]"#), "{}", refusal.cure());
        let said = "Error from server (Forbidden): nodes \"n\" is forbidden: User \"dev\" cannot get resource \"nodes\" \
                    in API group \"\" at the cluster scope";
        assert!(Refusal::of(&["get"], said).cure().contains("ClusterRole"));
        let said = "deployments.apps \"l\" is forbidden: User \"dev\" cannot get resource \"deployments\" in API group \
                    \"apps\" in the namespace \"prod\"";
        assert!(Refusal::of(&["get"], said).cure().contains(r#"apiGroups: ["apps"], resources: ["deployments"]"#));
    }

    #[test]
    fn kubectls_other_words_are_sorted() {
        for (said, expected) in [
            ("Error from server (NotFound): pods \"x\" not found", "the cluster does not have it"),
            ("error: unable to upgrade connection: container not found (\"c\")", "the cluster does not have it"),
            (
                "The connection to the server 127.0.0.1:1 was refused - did you specify the right host?",
                "cannot be reached",
            ),
            (
                "OCI runtime exec failed: exec: \"python3\": executable file not found in $PATH: unknown",
                "no such program",
            ),
            ("Error from server (InternalError): an error on the server (\"boom\")", "an error on the server"),
            ("", "failed without a word"),
        ] {
            let why = Refusal::of(&["get", "pods"], said).why();
            assert!(why.contains(expected), "{said}: {why}");
        }
    }
}
