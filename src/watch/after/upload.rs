//! One attempt to upload a bundle: HTTP PUT of the file as it is, with its length, from the disk.
//!
//! The server is asked before the bundle is sent (`Expect: 100-continue`), so that a refusal is heard and not lost in a
//! connection that breaks in the middle. No redirect is followed: what signs a URL signs its host. A proxy that the
//! environment names is used, as by curl. Of the URL nothing is told.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Error, Proxy, SendBody, Timeout};

use super::plan::UploadPlan;

/// How long each part of an attempt may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To look its name up, and again to connect, TLS included.
    pub connect: Duration,
    /// To take the bundle.
    pub send: Duration,
    /// To answer when it has it.
    pub answer: Duration,
    /// A server's wish to be left alone is respected for so long at most.
    pub longest_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            // 25 MB at 50 kB a second.
            send: Duration::from_mins(10),
            answer: Duration::from_mins(1),
            longest_wait: Duration::from_mins(15),
        }
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is there, and had so many bytes.
    Arrived(u64),
    /// It may be tried again.
    Failed {
        /// Why it is not there.
        why: String,
        /// What the server asked for.
        wait: Option<Duration>,
    },
    /// Another attempt would end the same.
    Refused(String),
}

/// Tries it once. When `stop` becomes true, nothing more is sent.
pub fn put(plan: &UploadPlan, bundle: &Path, limits: &Limits, stop: &AtomicBool) -> Outcome {
    match attempt(plan, bundle, limits, stop) {
        Ok(outcome) => outcome,
        Err(Fault::Bundle(error)) => Outcome::Refused(format!("the bundle cannot be read: {error}")),
        Err(Fault::Authorities(why)) => failed(format!("the authorities to trust cannot be read: {why}")),
        Err(Fault::Exchange(_)) if stop.load(Ordering::Relaxed) => failed("the watch ended before it was sent"),
        Err(Fault::Exchange(error)) => failed(words(&error, limits)),
    }
}

enum Fault {
    Bundle(io::Error),
    Authorities(String),
    Exchange(Error),
}

fn attempt(plan: &UploadPlan, bundle: &Path, limits: &Limits, stop: &AtomicBool) -> Result<Outcome, Fault> {
    let file = File::open(bundle).map_err(Fault::Bundle)?;
    let bytes = file.metadata().map_err(Fault::Bundle)?.len();
    let trusted = plan.trusted().map_err(Fault::Authorities)?;
    let roots = trusted.map_or(RootCerts::WebPki, |certificates| RootCerts::new_with_certs(&certificates));
    let agent: Agent = Agent::config_builder()
        .proxy(Proxy::try_from_env())
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .user_agent(concat!("litellm-capture/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .timeout_resolve(Some(limits.connect))
        .timeout_connect(Some(limits.connect))
        .timeout_send_request(Some(limits.connect))
        .timeout_send_body(Some(limits.send))
        .timeout_recv_response(Some(limits.answer))
        .build()
        .into();
    let mut body = Body { file, left: bytes, stop };
    let response = agent
        .put(plan.url(bundle).expose())
        .header("Content-Type", "application/gzip")
        .header("Content-Length", bytes.to_string())
        .header("Expect", "100-continue")
        .header("Connection", "close")
        .send(SendBody::from_reader(&mut body))
        .map_err(Fault::Exchange)?;
    let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    Ok(judged(response.status().as_u16(), bytes, wait.and_then(|text| asked_to_wait(text, Timestamp::now())), limits))
}

fn judged(status: u16, bytes: u64, wait: Option<Duration>, limits: &Limits) -> Outcome {
    match status {
        200..=299 => Outcome::Arrived(bytes),
        300..=399 => Outcome::Refused(format!(
            "it answered {status}, a redirect, which is not followed: start the watch with the URL it leads to"
        )),
        401 | 403 => Outcome::Refused(format!(
            "it answered {status}: the URL has expired, or does not permit to PUT there; start the watch with a new one"
        )),
        408 | 429 | 500.. => Outcome::Failed {
            why: format!("it answered {status}"),
            wait: wait.map(|wait| wait.min(limits.longest_wait)),
        },
        _ => Outcome::Refused(format!("it answered {status}")),
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn asked_to_wait(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(moment.duration_since(now)).unwrap_or_default())
}

fn failed(why: impl Into<String>) -> Outcome {
    Outcome::Failed { why: why.into(), wait: None }
}

/// An error of the client's in words that hold nothing of the URL, which its own may.
fn words(error: &Error, limits: &Limits) -> String {
    match error {
        Error::Timeout(Timeout::SendBody) => {
            format!("it did not take the bundle within {} s", limits.send.as_secs_f64())
        }
        Error::Timeout(Timeout::RecvResponse) => format!("it did not answer within {} s", limits.answer.as_secs_f64()),
        Error::Timeout(_) => format!("it could not be reached within {} s", limits.connect.as_secs_f64()),
        Error::HostNotFound => "its name is not known here".to_owned(),
        Error::ConnectProxyFailed(_) | Error::InvalidProxyUrl => {
            "the proxy that the environment names did not connect".to_owned()
        }
        // What TLS says is about certificates and protocols.
        Error::Tls(why) => format!("no TLS with it: {why}"),
        Error::Rustls(why) => format!("no TLS with it: {why}"),
        Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => format!("no TLS with it: {error}"),
        Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => words(inner, limits),
            None => error.to_string(),
        },
        _ => "what it answered is not HTTP".to_owned(),
    }
}

/// The bundle on its way. It must be as long as was announced: the client would wait for the rest for ever.
struct Body<'a> {
    file: File,
    left: u64,
    stop: &'a AtomicBool,
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("told to stop"));
        }
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let length = self.file.read(&mut buffer[..room])?;
        if length == 0 && self.left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_it_may_be_tried_again() {
        let limits = Limits::default();
        let judge = |status| judged(status, 7, Some(Duration::from_hours(1)), &limits);
        for status in [200, 201, 204] {
            assert_eq!(judge(status), Outcome::Arrived(7));
        }
        for status in [408, 429, 500, 502, 503, 504] {
            let why = format!("it answered {status}");
            assert_eq!(judge(status), Outcome::Failed { why, wait: Some(limits.longest_wait) });
        }
        for status in [301, 307, 308, 400, 401, 403, 404, 405, 411, 413] {
            assert!(matches!(judge(status), Outcome::Refused(why) if why.contains(&status.to_string())), "{status}");
        }
    }

    #[test]
    fn a_server_may_ask_to_be_left_alone_by_seconds_or_a_date() {
        let now = "2026-11-24T13:51:44Z".parse().unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Tue, 24 Nov 2026 13:52:00 GMT", Some(16)),
            ("Tue, 24 Nov 2026 13:51:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(asked_to_wait(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
