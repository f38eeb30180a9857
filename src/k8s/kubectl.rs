//! The one place that calls kubectl: it knows how to log in to any cluster, so nobody else has to.

use std::io::{self, Write};
use std::path::Path;
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
#[derive(Debug, Clone)]
pub struct Kubectl {
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
        Self { context: context.map(str::to_owned), namespace: namespace.map(str::to_owned) }
    }

    /// An answer in JSON.
    pub fn json<T: DeserializeOwned>(&self, arguments: &[&str], wish: &mut dyn FnMut() -> Wish) -> Result<T, Refusal> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        let answer = self.bytes(&arguments, LARGEST_ANSWER_BYTES, wish)?;
        serde_json::from_slice(&answer).map_err(|error| Refusal::garbled(&arguments, &error))
    }

    /// An answer as it is, up to so many bytes.
    pub fn bytes(
        &self,
        arguments: &[&str],
        largest: usize,
        wish: &mut dyn FnMut() -> Wish,
    ) -> Result<Vec<u8>, Refusal> {
        self.answer(Tool::Kubectl, arguments, largest, wish)
    }

    /// The same of helm, which logs in as kubectl does.
    pub fn helm(&self, arguments: &[&str], largest: usize, wish: &mut dyn FnMut() -> Wish) -> Result<Vec<u8>, Refusal> {
        self.answer(Tool::Helm, arguments, largest, wish)
    }

    fn answer(
        &self,
        tool: Tool,
        arguments: &[&str],
        largest: usize,
        wish: &mut dyn FnMut() -> Wish,
    ) -> Result<Vec<u8>, Refusal> {
        let mut answer = Bounded { bytes: Vec::new(), largest };
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

/// Memory that takes so much and then fails.
struct Bounded {
    bytes: Vec<u8>,
    largest: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.largest {
            return Err(io::Error::other(format!("the answer has more than {} bytes", self.largest)));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
