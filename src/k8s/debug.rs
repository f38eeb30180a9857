//! The last way in: a container beside LiteLLM's, in the same process namespace. It ends by itself, but it stays in the
//! pod's spec until the pod is gone, which nothing can change.

use std::time::Duration;

use super::kubectl::{Kubectl, Place};
use super::object::{Pod, State};
use super::refusal::Refusal;
use crate::os::clock::pause;
use crate::os::piped::{Input, Wish};

/// An image has to be pulled first.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Waits until it is told that all is done, or for so many seconds.
const WAIT: &str =
    r#"i=0; while [ "$i" -lt "$0" ] && [ ! -e "${TMPDIR:-/tmp}/.capture-done" ]; do sleep 1; i=$((i + 1)); done"#;
/// Tells it.
const DONE: &str = r#": >"${TMPDIR:-/tmp}/.capture-done""#;

/// How the container is to be.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The image, in which there is a shell.
    pub image: &'a str,
    /// kubectl's profile; without one it is the least that suffices.
    pub profile: Option<&'a str>,
    /// How long it stays at most.
    pub longest: Duration,
}

/// A container that was added.
#[derive(Debug, Clone)]
pub struct Added {
    /// Its name.
    pub name: String,
}

/// Who a container runs as, by its spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: Option<u32>,
}

impl User {
    /// None where the spec leaves it to the image.
    fn of(pod: &Pod, container: &str) -> Option<Self> {
        let container = pod.spec.containers.iter().find(|known| known.name == container);
        let own = container.map(|container| &container.security_context);
        let of_pod = &pod.spec.security_context;
        let uid = own.and_then(|own| own.run_as_user).or(of_pod.run_as_user)?;
        Some(Self { uid, gid: own.and_then(|own| own.run_as_group).or(of_pod.run_as_group) })
    }

    /// What `kubectl debug --custom` takes. The kernel compares the groups too.
    fn as_custom(self) -> String {
        let group = self.gid.map_or_else(String::new, |gid| format!(r#""runAsGroup": {gid}, "#));
        format!(r#"{{"securityContext": {{"runAsUser": {}, {group}"runAsNonRoot": true}}}}"#, self.uid)
    }
}

/// The profile and the user: the target's own user needs no capability at all, and is allowed in namespaces with the
/// strictest pod security. As root it is `SYS_PTRACE` that opens a process of another container's.
fn profile(wanted: &Wanted<'_>, user: Option<User>) -> (String, Option<User>) {
    match (wanted.profile, user.filter(|user| user.uid != 0)) {
        (Some(profile), user) => (profile.to_owned(), user.filter(|_| profile == "restricted")),
        (None, Some(user)) => ("restricted".to_owned(), Some(user)),
        (None, None) => ("general".to_owned(), None),
    }
}

impl Added {
    /// Adds it. From here on it is in the pod's spec, whether it ever runs or not.
    pub fn to(
        kubectl: &Kubectl,
        pod: &Pod,
        target: &str,
        wanted: &Wanted<'_>,
        wish: &mut dyn FnMut() -> Wish,
    ) -> Result<Self, Refusal> {
        let name = format!("capture-{:06x}", fastrand::u32(..) >> 8);
        let (profile, user) = profile(wanted, User::of(pod, target));
        let custom = user.map(User::as_custom);
        let [image, target, container, profile] = [
            format!("--image={}", wanted.image),
            format!("--target={target}"),
            format!("--container={name}"),
            format!("--profile={profile}"),
        ];
        let mut arguments = vec!["debug", &pod.metadata.name, "--quiet", &image, &target, &container, &profile];
        arguments.extend(custom.as_ref().map(|_| "--custom=/dev/stdin"));
        let seconds = wanted.longest.as_secs().to_string();
        arguments.extend(["--", "sh", "-c", WAIT, &seconds]);
        let input = custom.as_ref().map_or(Input::Closed, |custom| Input::Whole(custom.as_bytes()));
        kubectl.carry_out(&arguments, input, wish)?;
        Ok(Self { name })
    }

    /// Waits until it runs.
    pub fn await_start(&self, kubectl: &Kubectl, pod: &Pod, wish: &mut dyn FnMut() -> Wish) -> Result<(), Refusal> {
        loop {
            let now: Pod = kubectl.json(&["get", "pod", &pod.metadata.name], wish)?;
            let status = now.status.ephemeral_container_statuses.into_iter().find(|status| status.name == self.name);
            match status.map(|status| status.state) {
                Some(State { running: Some(_), .. }) => return Ok(()),
                Some(State { terminated: Some(end), .. }) => {
                    let why = format!("the debug container ended at once: {}, exit code {}", end.reason, end.exit_code);
                    return Err(Refusal::Broken(why));
                }
                Some(State { waiting: Some(waiting), .. })
                    if waiting.reason.contains("Err") || waiting.reason.contains("BackOff") =>
                {
                    return Err(Refusal::Broken(format!("the debug container does not start: {}", waiting.reason)));
                }
                _ => {}
            }
            if wish() != Wish::GoOn {
                return Err(Refusal::Abandoned);
            }
            pause(LOOK_EVERY);
        }
    }

    /// Ends it.
    pub fn end(&self, kubectl: &Kubectl, pod: &str, wish: &mut dyn FnMut() -> Wish) -> Result<(), Refusal> {
        let place = Place { pod, container: &self.name };
        let command = ["sh", "-c", DONE].map(str::to_owned);
        kubectl.exec(place, &command, Input::Closed, &mut std::io::sink(), wish).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_least_that_suffices_is_taken() {
        let wanted = |profile| Wanted { image: "busybox", profile, longest: Duration::from_mins(1) };
        let user = |uid| Some(User { uid, gid: Some(1000) });
        assert_eq!(profile(&wanted(None), user(1000)), ("restricted".to_owned(), user(1000)));
        assert_eq!(profile(&wanted(None), user(0)), ("general".to_owned(), None));
        assert_eq!(profile(&wanted(None), None), ("general".to_owned(), None));
        assert_eq!(profile(&wanted(Some("sysadmin")), user(1000)), ("sysadmin".to_owned(), None));
        assert_eq!(profile(&wanted(Some("restricted")), user(1000)), ("restricted".to_owned(), user(1000)));
    }

    #[test]
    fn the_targets_user_and_group_are_those_of_its_container_or_of_its_pod() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "spec": {
                "securityContext": {"runAsUser": 1000, "runAsGroup": 2000},
                "containers": [{"name": "a", "securityContext": {"runAsUser": 7}}, {"name": "b"}],
            },
        }))
        .unwrap();
        let custom = |name| User::of(&pod, name).unwrap().as_custom();
        assert_eq!(custom("a"), r#"{"securityContext": {"runAsUser": 7, "runAsGroup": 2000, "runAsNonRoot": true}}"#);
        assert_eq!(
            custom("b"),
            r#"{"securityContext": {"runAsUser": 1000, "runAsGroup": 2000, "runAsNonRoot": true}}"#
        );
    }
}
