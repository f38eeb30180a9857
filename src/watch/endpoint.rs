//! A Prometheus endpoint of the watch's own: `GET /metrics`, and nothing else.
//!
//! One thread serves all who come. Each has so long to ask and to listen, and a request so many bytes; so many are
//! served at once, and of more the oldest has to go. So neither a slow client nor a port scan holds anything up.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::metrics::Metrics;
use crate::error::Failure;
use crate::os::readiness::{self, For};
use crate::plan::usage;

/// A scrape asks in one packet; Prometheus itself waits for ten seconds at most.
const DEADLINE: Duration = Duration::from_secs(5);
/// Room for every header that a scraper sends.
const REQUEST_BYTES: usize = 8 * 1024;
/// Two scrapers, and a dozen who mean no good.
const CLIENTS: usize = 16;
/// Where accepting fails, as for want of file descriptors, it fails again at once.
const REST: Duration = Duration::from_millis(200);

/// The endpoint, until it is dropped.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    /// Its end is what the thread sees.
    alive: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Listens there from now on.
    ///
    /// # Errors
    /// When the address cannot be had, or no thread be started.
    pub fn listen(address: SocketAddr, metrics: Arc<Metrics>) -> Result<Self, Failure> {
        Self::with_deadline(address, metrics, DEADLINE)
    }

    /// The same, with another deadline for each client.
    ///
    /// # Errors
    /// When the address cannot be had, or no thread be started.
    pub fn with_deadline(address: SocketAddr, metrics: Arc<Metrics>, deadline: Duration) -> Result<Self, Failure> {
        let refuse = |error: &io::Error| {
            let cure = match error.kind() {
                ErrorKind::AddrInUse => "choose another port, or end what listens there",
                ErrorKind::PermissionDenied => "choose a port from 1024 on",
                _ => "name an address of this machine, such as 127.0.0.1:9464",
            };
            usage(format!("--metrics-listen {address}: {error}"), cure)
        };
        let listener = TcpListener::bind(address).map_err(|error| refuse(&error))?;
        listener.set_nonblocking(true).map_err(|error| refuse(&error))?;
        let address = listener.local_addr().map_err(|error| refuse(&error))?;
        let (alive, end) = UnixStream::pair().map_err(anyhow::Error::from)?;
        let service = Service { listener, end, metrics, deadline, clients: VecDeque::new() };
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(move || service.run());
        Ok(Self { address, alive: Some(alive), thread: Some(thread.map_err(anyhow::Error::from)?) })
    }

    /// Where it listens: the port that was chosen, where port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Service {
    listener: TcpListener,
    end: UnixStream,
    metrics: Arc<Metrics>,
    deadline: Duration,
    /// The oldest first.
    clients: VecDeque<Client>,
}

impl Service {
    fn run(mut self) {
        // Nothing but a fault of this program makes waiting fail.
        while let Ok(goes_on) = self.turn() {
            if !goes_on {
                break;
            }
        }
    }

    /// Waits until something happens and does what there is to do; false at the end.
    fn turn(&mut self) -> io::Result<bool> {
        let own = [(self.end.as_fd(), For::Reading), (self.listener.as_fd(), For::Reading)];
        let theirs = self.clients.iter().map(|client| (client.stream.as_fd(), client.stage.waits_for()));
        let next_due = self.clients.iter().map(|client| client.due.saturating_duration_since(Instant::now())).min();
        let ready = readiness::wait(own.into_iter().chain(theirs), next_due)?;
        if ready[0] {
            return Ok(false);
        }
        let now = Instant::now();
        let mut asked = ready[2..].iter();
        let metrics = &self.metrics;
        self.clients.retain_mut(|client| {
            let ready = asked.next().is_some_and(|ready| *ready);
            client.due > now && (!ready || client.proceed(metrics))
        });
        if ready[1] {
            self.accept(now);
        }
        Ok(true)
    }

    fn accept(&mut self, now: Instant) {
        match self.listener.accept() {
            Ok((stream, _)) => {
                if stream.set_nonblocking(true).is_ok() {
                    if self.clients.len() == CLIENTS {
                        self.clients.pop_front();
                    }
                    self.clients.push_back(Client {
                        stream,
                        due: now + self.deadline,
                        stage: Stage::Asking(Vec::new()),
                    });
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => thread::sleep(REST),
        }
    }
}

/// Somebody who came.
struct Client {
    stream: TcpStream,
    /// When it has to be gone.
    due: Instant,
    stage: Stage,
}

/// How far an exchange has come.
enum Stage {
    /// What was asked so far.
    Asking(Vec<u8>),
    /// The answer, and how much of it is sent.
    Answering(Vec<u8>, usize),
    /// All is said. A connection that is closed with something unread takes the answer from the other side.
    Parting,
}

impl Stage {
    fn waits_for(&self) -> For {
        match self {
            Self::Asking(_) | Self::Parting => For::Reading,
            Self::Answering(..) => For::Writing,
        }
    }
}

impl Client {
    /// Goes on as far as it comes without waiting; false when this client is done with.
    fn proceed(&mut self, metrics: &Metrics) -> bool {
        match self.step(metrics) {
            Ok(goes_on) => goes_on,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn step(&mut self, metrics: &Metrics) -> io::Result<bool> {
        let mut chunk = [0; 1024];
        match &mut self.stage {
            Stage::Asking(request) => {
                let length = self.stream.read(&mut chunk)?;
                request.extend_from_slice(&chunk[..length]);
                if request.windows(4).any(|end| end == b"\r\n\r\n") || request.len() > REQUEST_BYTES {
                    self.stage = Stage::Answering(answer(request, metrics), 0);
                }
                Ok(length > 0)
            }
            Stage::Answering(answer, sent) => {
                *sent += self.stream.write(&answer[*sent..])?;
                if *sent == answer.len() {
                    self.stream.shutdown(Shutdown::Write)?;
                    self.stage = Stage::Parting;
                }
                Ok(true)
            }
            Stage::Parting => Ok(self.stream.read(&mut chunk)? > 0),
        }
    }
}

fn answer(request: &[u8], metrics: &Metrics) -> Vec<u8> {
    let (status, kind, body) = if asks_for_metrics(request) {
        ("200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics.text())
    } else {
        ("404 Not Found", "text/plain; charset=utf-8", "GET /metrics is all there is\n".to_owned())
    };
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// The first line is `GET /metrics HTTP/1.x`, perhaps with a query.
fn asks_for_metrics(request: &[u8]) -> bool {
    let line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let path = |target: &[u8]| target.split(|&byte| byte == b'?').next() == Some(b"/metrics");
    request.len() <= REQUEST_BYTES
        && words.next() == Some(b"GET")
        && words.next().is_some_and(path)
        && words.next().is_some_and(|version| version.starts_with(b"HTTP/1."))
        && words.next().is_none()
}
