//! A server on this machine that answers as no LiteLLM should.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How a request is answered.
#[derive(Clone)]
pub enum Reply {
    /// These bytes, and the end of the connection.
    Whole(Vec<u8>),
    /// A head, then the same again and again.
    Endless { head: &'static str, chunk: &'static [u8], pause: Duration },
    /// Nothing, as long as the other side waits.
    Silence,
}

impl Reply {
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Whole(bytes.into())
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self::raw(format!("HTTP/1.1 {status} Some Words\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }
}

/// Answers as it is told, each connection on a thread of its own, and remembers what it was asked.
pub struct Serving {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    pub fn new(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (requests, ended) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (heard, over, reply) = (Arc::clone(&requests), Arc::clone(&ended), Arc::new(reply));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (heard, reply) = (Arc::clone(&heard), Arc::clone(&reply));
                thread::spawn(move || {
                    let request = head(&mut stream);
                    heard.lock().expect("no thread failed").push(request.clone());
                    // The other side may leave at any time, which is what is tested.
                    let _ = answer(&mut stream, reply(&request));
                });
            }
        });
        Self { address, requests, ended, thread: Some(thread) }
    }

    /// The heads of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no thread failed").clone()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let joined = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || joined.is_some_and(|joined| joined.is_ok()), "the server failed");
    }
}

fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend(&buffer[..read]),
            _ => break,
        }
    }
    String::from_utf8(bytes).expect("a request in ASCII")
}

fn answer(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Whole(bytes) => stream.write_all(&bytes),
        Reply::Endless { head, chunk, pause } => {
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(chunk)?;
                thread::sleep(pause);
            }
        }
        Reply::Silence => stream.read_to_end(&mut Vec::new()).map(drop),
    }
}
