//! An object store on this machine, which takes what is PUT to it as well or as badly as it is told.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

/// What is done with a request.
#[derive(Clone, Copy)]
pub enum Act {
    /// The object is taken.
    Store,
    /// The same by a server that does not know that it could be asked before.
    StoreUnasked,
    /// It is not asked for; this status is the answer, with these headers, each with its line's end.
    Answer(u16, &'static str),
    /// It is taken, and then nothing is said.
    Silence,
    /// A thousand bytes are taken, and the connection ends.
    Break,
}

/// A request.
#[derive(Clone)]
pub struct Put {
    pub head: String,
    /// As much as was taken.
    pub body: Vec<u8>,
    pub at: Instant,
}

pub struct Storing {
    pub address: SocketAddr,
    puts: Arc<Mutex<Vec<Put>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Storing {
    /// Does with each request what its number, counted from 0, has it do.
    pub fn new(act: impl Fn(usize) -> Act + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (puts, ended) = (Arc::<Mutex<Vec<Put>>>::default(), Arc::<AtomicBool>::default());
        let (taken, over) = (Arc::clone(&puts), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            for (nth, stream) in listener.incoming().enumerate() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (mut stream, taken, act) = (stream.expect("a connection"), Arc::clone(&taken), act(nth));
                thread::spawn(move || {
                    // The other side may leave at any time, which is what is tested.
                    let _ = serve(&mut stream, act, &taken);
                });
            }
        });
        Self { address, puts, ended, thread: Some(thread) }
    }

    /// All requests so far.
    pub fn puts(&self) -> Vec<Put> {
        self.puts.lock().expect("no thread failed").clone()
    }
}

impl Drop for Storing {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let joined = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || joined.is_some_and(|joined| joined.is_ok()), "the store failed");
    }
}

fn serve(stream: &mut TcpStream, act: Act, puts: &Mutex<Vec<Put>>) -> std::io::Result<()> {
    let at = Instant::now();
    let head = head(stream)?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let length: usize = length.expect("a length");
    let take = match act {
        Act::Store | Act::StoreUnasked | Act::Silence => length,
        Act::Break => 1_000,
        Act::Answer(..) => 0,
    };
    if !matches!(act, Act::Answer(..) | Act::StoreUnasked) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = vec![0; take];
    stream.read_exact(&mut body)?;
    puts.lock().expect("no thread failed").push(Put { head, body, at });
    match act {
        Act::Store | Act::StoreUnasked => stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
        Act::Answer(status, headers) => {
            stream.write_all(format!("HTTP/1.1 {status} Some Words\r\n{headers}Content-Length: 0\r\n\r\n").as_bytes())
        }
        Act::Silence => stream.read_to_end(&mut Vec::new()).map(drop),
        Act::Break => Ok(()),
    }
}

fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    Ok(String::from_utf8(bytes).expect("a request in ASCII"))
}
