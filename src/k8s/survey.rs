//! A look into a container, before anything is brought there: what is in it, and what can be run.
//!
//! LiteLLM's container always has a Python, which tells it in one call; where none is found the shell tells less.

use serde::Deserialize;

use super::kubectl::{Kubectl, Place};
use super::refusal::Refusal;
use crate::os::piped::{Input, Wish};

/// Prints [`Survey`] as a line of JSON.
const SCRIPT: &str = include_str!("survey.py");
/// Where Pythons are: on the `PATH`, and where LiteLLM's own images have theirs.
const PYTHONS: [&str; 4] = ["python3", "python", "/app/.venv/bin/python3", "/usr/local/bin/python3"];
/// The same, as far as a shell can tell: it does not know what a place is mounted with, so one is tried.
const SHELL_SCRIPT: &str = r#"
p=
for d in "$TMPDIR" /tmp /var/tmp /dev/shm "$HOME"; do
    f="$d/.capture-$$"
    if [ -n "$d" ] && { echo 'exit 0' >"$f" && chmod 700 "$f"; } 2>/dev/null; then
        "$f" 2>/dev/null && p=$d
        rm -f "$f"
        [ -z "$p" ] || break
    fi
done
echo "{\"uid\": $(id -u), \"machine\": \"$(uname -m)\", \"program\": \"$(command -v capture)\", \"place\": \"$p\"}"
"#;

/// What a container has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Survey {
    /// Who we are in it.
    pub uid: u32,
    /// The machine, as `uname -m` calls it.
    pub machine: String,
    /// Where capture is already.
    #[serde(deserialize_with = "some")]
    pub program: Option<String>,
    /// Whether a program can run from memory there.
    pub memory: bool,
    /// A folder in which a program can be put and run.
    #[serde(deserialize_with = "some")]
    pub place: Option<String>,
    /// Whether a process there is called LiteLLM's.
    pub litellm: bool,
    /// The Python that told it.
    #[serde(skip)]
    pub python: Option<String>,
}

/// Looks.
///
/// # Errors
/// When commands cannot be run in the pod; a container without Python and shell is [`Refusal::NoProgram`].
pub fn look(kubectl: &Kubectl, place: Place<'_>, wish: &mut dyn FnMut() -> Wish) -> Result<Survey, Refusal> {
    for python in PYTHONS {
        let command = [python, "-I", "-S", "-c", SCRIPT].map(str::to_owned);
        match ask(kubectl, place, &command, wish) {
            Ok(survey) => return Ok(Survey { python: Some(python.to_owned()), ..survey }),
            Err(Refusal::NoProgram) => {}
            Err(other) => return Err(other),
        }
    }
    ask(kubectl, place, &["sh", "-c", SHELL_SCRIPT].map(str::to_owned), wish)
}

fn ask(
    kubectl: &Kubectl,
    place: Place<'_>,
    command: &[String],
    wish: &mut dyn FnMut() -> Wish,
) -> Result<Survey, Refusal> {
    let mut answer = Vec::new();
    let exit = kubectl.exec(place, command, Input::Closed, &mut answer, wish)?;
    // A runtime says 126 or 127 where the program is missing, and its reason on either stream.
    let said = String::from_utf8_lossy(&answer);
    if exit.code == 126 || exit.code == 127 {
        return Err(Refusal::NoProgram);
    }
    serde_json::from_str(said.lines().next_back().unwrap_or_default())
        .map_err(|_| Refusal::of(&["exec", place.pod], &exit.stderr))
}

fn some<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(from).map(|text| text.filter(|text| !text.is_empty()))
}
