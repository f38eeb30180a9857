//! Parse, run, and turn the outcome into an exit code.

use std::env;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use litellm_capture::cli::Cli;
use litellm_capture::notice::visible;
use litellm_capture::run::run;

fn main() -> ExitCode {
    match run(Cli::parse(), env::args_os().collect()) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            // A closed standard error takes nothing from the exit code.
            let mut stderr = std::io::stderr();
            let _ = writeln!(stderr, "capture: {}", visible(&failure.to_string()));
            for line in failure.cure().into_iter().chain(failure.instead().map(str::to_owned)) {
                let _ = writeln!(stderr, "  {}", visible(&line));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
