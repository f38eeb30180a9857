//! How a frame is named and whose code it is.

use serde::{Deserialize, Serialize};

use crate::redact::Clean;
use crate::sample::profile::{AWAITING_GIL, COLLECTING, Frame};

/// Whose code a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// LiteLLM's package.
    LiteLlm,
    /// Code that is neither installed nor part of Python: callbacks, hooks, custom providers.
    User,
    /// Any other installed package.
    Package,
    /// Python's standard library.
    Stdlib,
    /// No Python code.
    Native,
    /// What the interpreter does in a function's name: it collects garbage, or waits for the GIL.
    Interpreter,
}

impl Kind {
    /// All kinds, in the order of the legend.
    pub const ALL: [Self; 6] =
        [Self::LiteLlm, Self::User, Self::Package, Self::Stdlib, Self::Native, Self::Interpreter];

    /// The kind of a frame.
    pub fn of(frame: &Frame<Clean>) -> Self {
        Self::of_function(frame.function.as_str(), frame.file.as_str())
    }

    /// The kind of a function in a file, by its full path.
    pub fn of_function(function: &str, file: &str) -> Self {
        match function {
            COLLECTING | AWAITING_GIL if file.is_empty() => Self::Interpreter,
            _ => Self::of_file(file),
        }
    }

    /// The kind of the code in a file, by its full path.
    pub fn of_file(file: &str) -> Self {
        if file.is_empty() {
            return Self::Native;
        }
        // Python's own modules, and what it compiled from text: methods of data classes, `python -c`.
        if file.starts_with('<') {
            return Self::Stdlib;
        }
        match installed(file) {
            Some(path) if path.starts_with("litellm/") => Self::LiteLlm,
            Some(_) => Self::Package,
            // An editable install or a checkout: the package's own folder tells.
            None if file.contains("/litellm/proxy/") || file.contains("/litellm/litellm/") => Self::LiteLlm,
            None if file.ends_with("/bin/litellm") => Self::LiteLlm,
            // The scripts that installers make for a package's commands have no ending.
            None if console_script(file) => Self::Package,
            None if stdlib(file).is_some() => Self::Stdlib,
            None => Self::User,
        }
    }

    /// Words for the legend.
    pub fn label(self) -> &'static str {
        match self {
            Self::LiteLlm => "LiteLLM",
            Self::User => "user code",
            Self::Package => "packages",
            Self::Stdlib => "standard library",
            Self::Native => "native",
            Self::Interpreter => "GC and GIL",
        }
    }
}

/// `function (short/path.py)`, without the line: how a frame is drawn.
pub fn drawn(frame: &Frame<Clean>) -> String {
    if frame.file.as_str().is_empty() {
        return one_line(frame.function.as_str());
    }
    one_line(&format!("{} ({})", frame.function, short_path(frame.file.as_str())))
}

/// `function (short/path.py:42)`: how a frame is written where lines matter.
pub fn written(frame: &Frame<Clean>) -> String {
    if frame.line == 0 {
        return drawn(frame);
    }
    one_line(&format!("{} ({}:{})", frame.function, short_path(frame.file.as_str()), frame.line))
}

/// The path below the folder it is installed in; for user code its file and the folder that holds it.
pub fn short_path(file: &str) -> &str {
    if let Some(path) = installed(file).or_else(|| stdlib(file)) {
        return path;
    }
    let mut slashes = file.rmatch_indices('/').map(|(at, _)| at);
    match (slashes.next(), slashes.next()) {
        (Some(_), Some(second)) => &file[second + 1..],
        _ => file.trim_start_matches('/'),
    }
}

fn console_script(file: &str) -> bool {
    file.rsplit_once("/bin/").is_some_and(|(_, name)| !name.contains(['/', '.']))
}

fn installed(file: &str) -> Option<&str> {
    ["/site-packages/", "/dist-packages/"].iter().find_map(|folder| file.rsplit_once(folder)).map(|(_, path)| path)
}

/// `/usr/lib/python3.11/asyncio/runners.py` gives `asyncio/runners.py`.
fn stdlib(file: &str) -> Option<&str> {
    let (_, below) = file.split_once("/lib/python3").or_else(|| file.split_once("/lib64/python3"))?;
    below.split_once('/').map(|(_, path)| path)
}

/// The folded format ends a frame with a semicolon and a stack with a newline; and a name must not turn the text after
/// it around.
fn one_line(name: &str) -> String {
    let turns = |character: char| matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    name.replace(';', ":").replace(|character: char| character.is_control() || turns(character), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_path_finds_its_owner_and_its_short_name() {
        let cases = [
            ("/app/.venv/lib/python3.13/site-packages/litellm/proxy/utils.py", Kind::LiteLlm, "litellm/proxy/utils.py"),
            ("/usr/lib/python3/dist-packages/yaml/loader.py", Kind::Package, "yaml/loader.py"),
            ("/usr/lib/python3.11/asyncio/runners.py", Kind::Stdlib, "asyncio/runners.py"),
            ("<frozen importlib._bootstrap>", Kind::Stdlib, "<frozen importlib._bootstrap>"),
            ("<string>", Kind::Stdlib, "<string>"),
            ("/app/custom_callbacks.py", Kind::User, "app/custom_callbacks.py"),
            ("/srv/proxy/hooks/scrub.py", Kind::User, "hooks/scrub.py"),
            ("/src/litellm/litellm/router.py", Kind::LiteLlm, "litellm/router.py"),
            ("/app/.venv/bin/litellm", Kind::LiteLlm, "bin/litellm"),
            ("/usr/local/bin/gunicorn", Kind::Package, "bin/gunicorn"),
            ("/app/bin/serve.py", Kind::User, "bin/serve.py"),
            ("main.py", Kind::User, "main.py"),
            ("", Kind::Native, ""),
        ];
        for (file, kind, short) in cases {
            assert_eq!((Kind::of_file(file), short_path(file)), (kind, short), "{file}");
        }
    }

    #[test]
    fn what_the_interpreter_does_is_a_kind_of_its_own_and_a_function_of_that_name_is_not() {
        assert_eq!(Kind::of_function("<GC>", ""), Kind::Interpreter);
        assert_eq!(Kind::of_function("<waiting for GIL>", ""), Kind::Interpreter);
        assert_eq!(Kind::of_function("<GC>", "/app/a.py"), Kind::User);
    }
}
