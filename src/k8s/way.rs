//! The ways into a pod, the most harmless first, and the choice among them by what a look into the pod told.

use super::payload::Payload;
use super::survey::Survey;

/// Reads the program from standard input, which is left open behind it, into memory, and becomes it.
const BRING: &str = include_str!("bring.py");

/// A kind of way, as it is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The container has the program already.
    Present,
    /// The container's Python takes it from standard input into memory: nothing is written anywhere.
    Memory,
    /// It is put into a folder and removed as soon as it runs.
    File,
    /// A container is added to the pod, which stays in the pod's spec until the pod is gone.
    Debug,
}

impl Via {
    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Memory => "memory",
            Self::File => "file",
            Self::Debug => "debug",
        }
    }
}

/// A way into one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// See [`Via::Present`].
    Present {
        /// Where it is.
        program: String,
    },
    /// See [`Via::Memory`].
    Memory {
        /// The container's Python.
        python: String,
    },
    /// See [`Via::File`].
    File {
        /// The folder.
        folder: String,
    },
}

/// Why there is no way, and what would open one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoWay {
    /// Why.
    pub why: String,
    /// What to do next.
    pub cure: String,
}

/// The most harmless way that the survey allows, or just the one that is wished.
pub fn choose(survey: &Survey, wished: Option<Via>, payload: Result<&Payload, &str>) -> Result<Way, NoWay> {
    let fits = |via: Via| wished.is_none() || wished == Some(via);
    if let (true, Some(program)) = (fits(Via::Present), &survey.program) {
        return Ok(Way::Present { program: program.clone() });
    }
    if wished == Some(Via::Present) {
        return Err(no_way("capture is not on the container's PATH", "leave --via out, and it is brought along"));
    }
    let payload = payload.map_err(|why| {
        no_way(
            &format!("the pod does not have capture, and this one cannot be sent: {why}"),
            "build one that runs everywhere and name it: scripts/build-portable, then --binary FILE",
        )
    })?;
    if payload.machine != survey.machine {
        return Err(no_way(
            &format!("the pod's machine is {}, and the program to send is for {}", survey.machine, payload.machine),
            "name one that was built for it: --binary FILE",
        ));
    }
    match (&survey.python, &survey.place) {
        (Some(python), _) if survey.memory && fits(Via::Memory) => Ok(Way::Memory { python: python.clone() }),
        (_, Some(folder)) if fits(Via::File) => Ok(Way::File { folder: folder.clone() }),
        _ => {
            let why = match wished {
                Some(Via::Memory) => "no Python was found in the container that can run a program from memory",
                Some(Via::File) => "no folder in the container lets a program be put there and run",
                _ => "the container has neither a Python to take the program into memory nor a folder to run it from",
            };
            Err(no_way(why, "add a container beside it: --via debug --image IMAGE"))
        }
    }
}

fn no_way(why: &str, cure: &str) -> NoWay {
    NoWay { why: why.to_owned(), cure: cure.to_owned() }
}

impl Way {
    /// Its kind.
    pub fn via(&self) -> Via {
        match self {
            Self::Present { .. } => Via::Present,
            Self::Memory { .. } => Via::Memory,
            Self::File { .. } => Via::File,
        }
    }

    /// The command that runs the program with these arguments, once it is where it has to be.
    pub fn command(&self, payload: Option<&Payload>, uploaded: &str, arguments: &[String]) -> Vec<String> {
        let first: Vec<String> = match self {
            Self::Present { program } => vec![program.clone()],
            Self::Memory { python } => {
                let size = payload.map_or(0, |payload| payload.gzip.len());
                vec![python.clone(), "-I".into(), "-S".into(), "-c".into(), BRING.into(), size.to_string()]
            }
            // It is removed before it does anything, so that no end of it can leave it behind.
            Self::File { .. } => {
                let script = r#"exec 3<"$0" && rm -f "$0" && exec /proc/self/fd/3 "$@""#;
                vec!["sh".into(), "-c".into(), script.into(), uploaded.into()]
            }
        };
        first.into_iter().chain(arguments.iter().cloned()).collect()
    }

    /// The command that puts the program, of so many bytes, from standard input into a file: a whole one or none.
    pub fn upload(file: &str, bytes: u64) -> Vec<String> {
        let script =
            r#"umask 077; cat >"$0" && [ "$(wc -c <"$0")" -eq "$1" ] && chmod 700 "$0" || { rm -f "$0"; exit 91; }"#;
        ["sh", "-c", script, file, &bytes.to_string()].map(str::to_owned).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey() -> Survey {
        Survey {
            uid: 1000,
            machine: "x86_64".to_owned(),
            program: None,
            memory: true,
            place: Some("/tmp".to_owned()),
            litellm: true,
            python: Some("python3".to_owned()),
        }
    }

    fn payload() -> Payload {
        Payload::for_tests("x86_64")
    }

    #[test]
    fn the_most_harmless_way_is_taken() {
        let has_it = Survey { program: Some("/bin/capture".to_owned()), ..survey() };
        let via = |survey: &Survey| choose(survey, None, Ok(&payload())).map(|way| way.via());
        assert_eq!(via(&has_it), Ok(Via::Present));
        assert_eq!(via(&survey()), Ok(Via::Memory));
        assert_eq!(via(&Survey { memory: false, ..survey() }), Ok(Via::File));
        assert_eq!(via(&Survey { python: None, ..survey() }), Ok(Via::File));
        let closed = Survey { python: None, place: None, ..survey() };
        assert!(via(&closed).unwrap_err().cure.contains("--via debug"));
    }

    #[test]
    fn a_wish_is_kept_or_refused() {
        let wish = |survey: &Survey, via| choose(survey, Some(via), Ok(&payload())).map(|way| way.via());
        assert_eq!(wish(&survey(), Via::File), Ok(Via::File));
        assert!(wish(&survey(), Via::Present).is_err());
        assert!(wish(&Survey { memory: false, ..survey() }, Via::Memory).unwrap_err().why.contains("memory"));
        assert!(wish(&Survey { place: None, ..survey() }, Via::File).unwrap_err().why.contains("folder"));
    }

    #[test]
    fn a_program_for_another_machine_is_not_sent() {
        let arm = Survey { machine: "aarch64".to_owned(), ..survey() };
        assert!(choose(&arm, None, Ok(&payload())).unwrap_err().why.contains("aarch64"));
        assert!(choose(&survey(), None, Err("it needs libraries")).unwrap_err().cure.contains("build-portable"));
        let has_it = Survey { program: Some("/bin/capture".to_owned()), ..survey() };
        assert!(choose(&has_it, None, Err("it needs libraries")).is_ok(), "then nothing is sent");
    }
}
