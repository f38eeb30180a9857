//! One question over HTTP: to one address, with a deadline for the whole exchange and a limit to the answer.
//!
//! Plain HTTP and nothing more: a proxy is asked on the machine that it runs on, where TLS ends before it. No redirect is
//! followed, no proxy of the environment is used, no name is looked up, and no connection outlives its exchange.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ureq::{Agent, Error};

use crate::redact::Raw;

/// What is asked, and where.
#[derive(Debug)]
pub struct Question<'a> {
    /// Of whom.
    pub address: SocketAddr,
    /// For what: an absolute path, perhaps with a query.
    pub path: &'a str,
    /// Sent as a bearer token.
    pub key: Option<&'a Raw>,
}

/// How much of time and memory an exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the connection to the answer's last byte.
    pub deadline: Duration,
    /// Of the answer's body.
    pub bytes: u64,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens there.
    Refused,
    /// The address could not be reached.
    Unreachable,
    /// The answer did not begin before the deadline.
    Silent,
    /// It began, and was not whole by the deadline.
    Slow,
    /// It is larger than its limit.
    TooLarge,
    /// The connection ended within the answer.
    Broken,
    /// What came is not HTTP.
    NotHttp,
}

/// Asks.
pub fn get(question: &Question<'_>, limits: Limits) -> Result<Answer, Failure> {
    let config = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .user_agent(concat!("litellm-capture/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(limits.deadline))
        .build();
    let mut request = config
        .new_agent()
        .get(format!("http://{}{}", question.address, question.path))
        .header("Accept", "*/*")
        .header("Connection", "close");
    if let Some(key) = question.key {
        request = request.header("Authorization", format!("Bearer {}", key.expose()));
    }
    let mut response = request.call().map_err(|error| failure(error, Failure::Silent))?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(limits.bytes).read_to_vec();
    Ok(Answer { status, body: body.map_err(|error| failure(error, Failure::Slow))? })
}

/// What an error of the client's comes to; `late` is what a deadline means at that point.
fn failure(error: Error, late: Failure) -> Failure {
    match error {
        Error::Timeout(_) => late,
        Error::BodyExceedsLimit(_) => Failure::TooLarge,
        // The body's reader passes its errors through `io::Error`.
        Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Failure::Refused,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => late,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Failure::Broken,
            _ => match error.downcast::<Error>() {
                Ok(inner) => failure(inner, late),
                Err(_) => Failure::Unreachable,
            },
        },
        Error::ConnectionFailed => Failure::Unreachable,
        _ => Failure::NotHttp,
    }
}
