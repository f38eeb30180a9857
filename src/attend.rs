//! For a capture whose result somebody far away waits for: `kubectl exec -i` holds our standard input open for as long as
//! it lives. When it is lost the kubelet leaves us running, so that we ourselves have to see it and go.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::bundle::work::Work;
use crate::os::signals::{Interrupt, Interrupts};

/// From the end of standard input to the bundle's last byte on standard output. Whoever wrote a byte to say "finish now"
/// reads at once; whoever is gone reads nothing, and a pipe that nobody reads would hold us for ever.
const LAST_WORDS: Duration = Duration::from_secs(45);
/// What a capture may take beyond its duration, to attach, to draw and to send.
const GRACE: Duration = Duration::from_mins(3);

/// The watch for whoever waits. When it is dropped, nothing is left behind.
#[derive(Debug)]
pub struct Attendance {
    work: Arc<OnceLock<PathBuf>>,
}

impl Attendance {
    /// From now on a byte on standard input, or its end, ends the capture early. A capture that does not come to its end
    /// in time is ended without a bundle.
    pub fn begin(interrupts: &Interrupts, duration: Duration) -> io::Result<Self> {
        let work = Arc::new(OnceLock::new());
        let (ended, hears) = channel();
        let interrupts = interrupts.clone();
        thread::Builder::new().name("attend".to_owned()).spawn(move || await_end(&interrupts, &ended))?;
        let attendance = Self { work: Arc::clone(&work) };
        thread::Builder::new().name("deadline".to_owned()).spawn(move || {
            outlive(&hears, duration + GRACE);
            remove(&work);
            process::exit(i32::from(Interrupt::Unattended.exit_code()));
        })?;
        Ok(attendance)
    }

    /// The folder that nobody could come back for.
    pub fn clears(&self, work: &Work) {
        let _ = self.work.set(work.dir().to_owned());
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        remove(&self.work);
    }
}

fn await_end(interrupts: &Interrupts, ended: &Sender<()>) {
    let mut byte = [0];
    while matches!(io::stdin().read(&mut byte), Err(error) if error.kind() == io::ErrorKind::Interrupted) {}
    interrupts.unattended();
    let _ = ended.send(());
}

/// Returns when the time is over in which the capture should have ended.
fn outlive(ended: &Receiver<()>, longest: Duration) {
    match ended.recv_timeout(longest) {
        Err(RecvTimeoutError::Timeout) => {}
        Ok(()) | Err(RecvTimeoutError::Disconnected) => thread::sleep(LAST_WORDS),
    }
}

fn remove(work: &OnceLock<PathBuf>) {
    if let Some(dir) = work.get() {
        let _ = fs::remove_dir_all(dir);
    }
}
