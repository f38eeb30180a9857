//! Foreign text in commands that a reader will paste: it stays an argument, whatever is in it.

/// An argument as a POSIX shell reads it back.
pub fn quoted(argument: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:=@%+,-".contains(&byte);
    if !argument.is_empty() && argument.bytes().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// A command line.
pub fn line<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    arguments.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Text in a here-document whose variables are filled in.
pub fn in_here_document(text: &str) -> String {
    text.replace('\\', r"\\").replace('$', r"\$").replace('`', r"\`")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What a shell makes of a script.
    fn shell(script: &str) -> String {
        let output = Command::new("sh").args(["-c", script]).output().expect("a shell");
        String::from_utf8(output.stdout).expect("text")
    }

    #[test]
    fn plain_arguments_stay_as_they_are() {
        assert_eq!(
            line(["litellm", "--config", "/app/config.yaml", "a b", ""]),
            "litellm --config /app/config.yaml 'a b' ''"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_shell_reads_back_what_was_written(argument in r"[ -~\n]{0,30}") {
            prop_assert_eq!(shell(&format!("printf %s {}", quoted(&argument))), argument.clone());
            let document = format!("cat <<END_OF_IT\n{}\nEND_OF_IT", in_here_document(&argument));
            prop_assert_eq!(shell(&document), argument + "\n");
        }
    }
}
