//! The one place that calls kubectl: it knows how to log in to any cluster, so nobody else has to.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use crate::os::child::Ending;
use crate::os::piped::{Input, Outcome, Wish, run};

/// An answer of the API server is there within a second, or the server is in trouble.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);
/// A list of a thousand pods has ten megabytes.
const LARGEST_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// kubectl, and whom it talks to.
#[derive(Debug)]
pub struct Kubectl {
    /// Answers that are the same for all pods of a workload, by what was asked.
    kept: Mutex<HashMap<String, Vec<u8>>>,
    context: Option<String>,
    namespace: Option<String>,
}

/// Where a command runs.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The pod.
    pub pod: &'a str,
    /// The container in it.
    pub container: &'a str,
}

/// How a command in a pod went.
#[derive(Debug)]
pub struct Exit {
    /// Its exit code; 137 where it was killed.
    pub code: i32,
    /// The end of its standard error, and of what kubectl said of it.
    pub stderr: String,
}

impl Kubectl {
    /// A kubectl that was not called yet; without a namespace it is that of the context.
    pub fn new(context: Option<&str>, namespace: Option<&str>) -> Self {
        let [context, namespace] = [context, namespace].map(|name| name.map(str::to_owned));
        Self { kept: Mutex::default(), context, namespace }
    }

    /// An answer in JSON.
    pub fn json<T: DeserializeOwned>(&self, arguments: &[&str], wish: &mut dyn FnMut() -> Wish) -> Result<T, Refusal> {
        let answer = self.answer(Tool::Kubectl, &as_json(arguments), Bounded::whole(), wish)?;
        parsed(arguments, &answer)
    }

    /// The same of something that many pods share; it is asked for once.
    pub fn json_of_all<T: DeserializeOwned>(
        &self,
        arguments: &[&str],
        wish: &mut dyn FnMut() -> Wish,
    ) -> Result<T, Refusal> {
        parsed(arguments, &self.bytes_of_all(&as_json(arguments), wish)?)
    }

    /// An answer as it is, of something that many pods share; it is asked for once.
    pub fn bytes_of_all(&self, arguments: &[&str], wish: &mut dyn FnMut() -> Wish) -> Result<Vec<u8>, Refusal> {
        let asked = arguments.join(" ");
        // Held while it is asked, so that the others wait for the answer instead of asking too.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = kept.get(&asked) {
            return Ok(answer.clone());
        }
        let answer = self.bytes(arguments, wish)?;
        kept.insert(asked, answer.clone());
        Ok(answer)
    }

    /// An answer as it is.
    pub fn bytes(&self, arguments: &[&str], wish: &mut dyn FnMut() -> Wish) -> Result<Vec<u8>, Refusal> {
        self.answer(Tool::Kubectl, arguments, Bounded::whole(), wish)
    }

    /// The last so many bytes of an answer: of a log, what came last matters most.
    pub fn last_bytes(
        &self,
        arguments: &[&str],
        most: usize,
        wish: &mut dyn FnMut() -> Wish,
    ) -> Result<Vec<u8>, Refusal> {
        self.answer(Tool::Kubectl, arguments, Bounded { bytes: Vec::new(), most, surplus: Surplus::Forgotten }, wish)
    }

    /// An answer of helm's, which logs in as kubectl does.
    pub fn helm(&self, arguments: &[&str], wish: &mut dyn FnMut() -> Wish) -> Result<Vec<u8>, Refusal> {
        self.answer(Tool::Helm, arguments, Bounded::whole(), wish)
    }

    fn answer(
        &self,
        tool: Tool,
        arguments: &[&str],
        mut answer: Bounded,
        wish: &mut dyn FnMut() -> Wish,
    ) -> Result<Vec<u8>, Refusal> {
        let deadline = Instant::now() + ANSWER_DEADLINE;
        let mut timely = || if Instant::now() > deadline { Wish::Abandon } else { wish() };
        let outcome = self.call(tool, Call { arguments, input: Input::Closed }, &mut answer, &mut timely)?;
        match outcome.ending {
            Some(Ending::Code(0)) => Ok(answer.bytes),
            Some(_) => Err(Refusal::of(arguments, &outcome.stderr)),
            None if Instant::now() > deadline => Err(Refusal::silent(arguments, ANSWER_DEADLINE)),
            None => Err(Refusal::Abandoned),
        }
    }

    /// A change to the cluster, whose answer nobody needs.
    pub fn carry_out(
        &self,
        arguments: &[&str],
        input: Input<'_>,
        wish: &mut dyn FnMut() -> Wish,
    ) -> Result<(), Refusal> {
        let outcome = self.call(Tool::Kubectl, Call { arguments, input }, &mut io::sink(), wish)?;
        match outcome.ending {
            Some(Ending::Code(0)) => Ok(()),
            Some(_) => Err(Refusal::of(arguments, &outcome.stderr)),
            None => Err(Refusal::Abandoned),
        }
    }

    /// Runs a command in a pod. Whoever gives input waits for it as long as the wish is to go on.
    pub fn exec(
        &self,
        place: Place<'_>,
        command: &[String],
        input: Input<'_>,
        output: &mut dyn Write,
        wish: &mut dyn FnMut() -> Wish,
    ) -> Result<Exit, Refusal> {
        let mut arguments = vec!["exec", place.pod, "-c", place.container];
        if !matches!(input, Input::Closed) {
            arguments.push("-i");
        }
        arguments.push("--");
        arguments.extend(command.iter().map(String::as_str));
        let outcome = self.call(Tool::Kubectl, Call { arguments: &arguments, input }, output, wish)?;
        match outcome.ending {
            Some(Ending::Code(0)) => Ok(Exit { code: 0, stderr: outcome.stderr }),
            // kubectl passes the code of the command on and says so; its own failures end with 1.
            Some(Ending::Code(code)) if Self::came_from_command(&outcome.stderr) => {
                Ok(Exit { code, stderr: outcome.stderr })
            }
            Some(_) => Err(Refusal::of(&["exec", place.pod, "-c", place.container], &outcome.stderr)),
            None => Err(Refusal::Abandoned),
        }
    }

    fn came_from_command(stderr: &str) -> bool {
        stderr.contains("command terminated with exit code")
    }

    fn call(
        &self,
        tool: Tool,
        call: Call<'_>,
        output: &mut dyn Write,
        wish: &mut dyn FnMut() -> Wish,
    ) -> Result<Outcome, Refusal> {
        let (program, context_flag) = match tool {
            Tool::Kubectl => ("kubectl", "--context"),
            Tool::Helm => ("helm", "--kube-context"),
        };
        let mut all: Vec<String> = Vec::new();
        all.extend(self.context.iter().map(|context| format!("{context_flag}={context}")));
        all.extend(self.namespace.iter().map(|namespace| format!("--namespace={namespace}")));
        all.extend(call.arguments.iter().map(|&argument| argument.to_owned()));
        run(Path::new(program), &all, call.input, output, wish).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Refusal::NoTool(program),
            _ => Refusal::Broken(format!("{program} {}: {error}", call.arguments.join(" "))),
        })
    }
}

/// The programs that know how to talk to a cluster.
#[derive(Debug, Clone, Copy)]
enum Tool {
    Kubectl,
    Helm,
}

/// What a tool is asked, and what it gets on standard input.
#[derive(Clone, Copy)]
struct Call<'a> {
    arguments: &'a [&'a str],
    input: Input<'a>,
}

fn as_json<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(["-o", "json"]).collect()
}

fn parsed<T: DeserializeOwned>(arguments: &[&str], answer: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(answer).map_err(|error| Refusal::garbled(arguments, &error))
}

/// Memory that takes so much.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    surplus: Surplus,
}

/// What becomes of more than fits.
enum Surplus {
    /// It is a failure.
    Refused,
    /// What came first is forgotten.
    Forgotten,
}

impl Bounded {
    /// For an answer of which a part is of no use.
    const fn whole() -> Self {
        Self { bytes: Vec::new(), most: LARGEST_ANSWER_BYTES, surplus: Surplus::Refused }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        match self.surplus {
            Surplus::Refused if self.bytes.len() > self.most => {
                return Err(io::Error::other(format!("the answer has more than {} bytes", self.most)));
            }
            // Not with each piece, which would move all of it each time.
            Surplus::Forgotten if self.bytes.len() > 2 * self.most => {
                self.bytes.drain(..self.bytes.len() - self.most);
            }
            _ => {}
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
