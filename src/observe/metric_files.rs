//! The files through which several workers share their metrics: Prometheus' multiprocess mode.
//!
//! Each worker writes files of its own into one folder, mapped into its memory; what `/metrics/` answers is the sum of
//! all of them, those of ended workers included. To read them asks nothing of any worker: it works without a key, costs
//! the proxy nothing, and goes on while the event loop is blocked.
//!
//! The layout is that of `mmap_dict.py` in `prometheus_client`: how many bytes are used (4 bytes, then 4 of padding),
//! then entries of a key's length (4 bytes), the key in JSON, blanks up to a multiple of 8 bytes, the value and a
//! timestamp (8 bytes each). Numbers have the machine's own byte order.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::observe::reduce::Sums;
use crate::observe::sample::{Labels, Metric, Sample};
use crate::os::proc::{ProcessId, Procfs};
use crate::os::root::TargetRoot;

/// All files of one reading together. A file holds some kilobytes for each worker.
pub const LIMIT_BYTES: u64 = 20 * 1024 * 1024;

/// The bytes before the first entry.
const HEAD: usize = 8;

/// The folder's name in the environment; LiteLLM sets it itself where there are several workers.
const VARIABLES: [&str; 2] = ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"];

/// The folder with the files.
#[derive(Debug, Clone)]
pub struct MetricFiles {
    /// As the workers see it.
    dir: PathBuf,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Contents {
    /// Of all workers.
    pub sums: Sums,
    /// Whether another proxy, still alive, counts into the same folder. Its files are left out.
    pub shared: bool,
}

/// Why the files cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// They could not be opened.
    Unreadable(io::ErrorKind),
    /// None of them is a worker's of this proxy.
    NotOurs,
    /// They are larger than the limit.
    TooLarge,
    /// One is not of the layout.
    Malformed,
}

/// What a file counts, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// What only grows; it counts on after its worker's end.
    ForEver,
    /// What is summed over the workers that live.
    WhileAlive,
}

impl MetricFiles {
    /// The folder that the workers use, by their environment or by what they have mapped; none where they share none.
    pub fn find(procfs: &Procfs, workers: &[ProcessId]) -> Option<Self> {
        workers.iter().filter_map(|worker| procfs.same(*worker)).find_map(|process| {
            let variables = process.environ().unwrap_or_default();
            let named = variables.iter().find(|(name, _)| VARIABLES.contains(&name.expose()));
            let named = named.map(|(_, folder)| PathBuf::from(folder.expose())).filter(|folder| folder.is_absolute());
            let mapped = || {
                let files = process.mapped_files().unwrap_or_default();
                let ours = |file: &PathBuf| file.file_name().and_then(|name| parts(name.to_str()?)).is_some();
                Some(files.into_iter().find(ours)?.parent()?.to_owned())
            };
            Some(Self { dir: named.or_else(mapped)? })
        })
    }

    /// Reads all of them, through the root of a worker that still runs.
    pub fn read(&self, procfs: &Procfs, workers: &[ProcessId]) -> Result<Contents, Unusable> {
        let processes: Vec<_> = workers.iter().filter_map(|worker| procfs.same(*worker)).collect();
        // Files are named by the pid that the worker itself knows.
        let ours: Vec<i32> =
            processes.iter().map(|process| process.inner_tid(process.pid).unwrap_or(process.pid)).collect();
        let process = processes.first().ok_or(Unusable::Unreadable(io::ErrorKind::NotFound))?;
        let root = process.root().map_err(|error| Unusable::Unreadable(error.kind()))?;
        let names = root.list(&self.dir).map_err(|error| Unusable::Unreadable(error.kind()))?;
        let known = |name| parts(name).map(|(counts, pid)| (name, counts, pid));
        let files: Vec<(&str, Counts, i32)> = names.iter().filter_map(|name| known(name.to_str()?)).collect();
        if !files.iter().any(|(_, _, pid)| ours.contains(pid)) {
            return Err(Unusable::NotOurs);
        }

        let mut contents = Contents::default();
        let mut left = LIMIT_BYTES;
        for (name, counts, pid) in files {
            let is_ours = ours.contains(&pid);
            let lives_elsewhere = || root.metadata(Path::new(&format!("/proc/{pid}"))).is_ok();
            if !is_ours && counts == Counts::WhileAlive {
                continue;
            }
            let bytes = match used(&root, &self.dir.join(name), left) {
                // LiteLLM removes files of workers that ended.
                Err(Unusable::Unreadable(io::ErrorKind::NotFound)) => continue,
                bytes => bytes?,
            };
            left -= bytes.len() as u64;
            if is_ours || !lives_elsewhere() {
                samples(&bytes, |sample| contents.sums.add(sample))?;
            } else {
                let mut theirs = Sums::default();
                samples(&bytes, |sample| theirs.add(sample))?;
                contents.shared |= theirs.has_requests();
            }
        }
        Ok(contents)
    }
}

/// What a file counts and the pid that it belongs to; none for a file of no interest.
fn parts(name: &str) -> Option<(Counts, i32)> {
    let (kind, pid) = name.strip_suffix(".db")?.rsplit_once('_')?;
    let counts = match kind {
        "counter" | "histogram" => Counts::ForEver,
        "gauge_livesum" => Counts::WhileAlive,
        _ => return None,
    };
    Some((counts, pid.parse().ok()?))
}

/// The part of a file that is in use.
fn used(root: &TargetRoot, path: &Path, limit: u64) -> Result<Vec<u8>, Unusable> {
    let read = |file: File| -> io::Result<Option<Vec<u8>>> {
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = Vec::new();
        (&file).take(HEAD as u64).read_to_end(&mut bytes)?;
        let used = number(&bytes, 0).unwrap_or(0) as u64;
        if used > limit {
            return Ok(None);
        }
        (&file).take(used.saturating_sub(bytes.len() as u64)).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    };
    let bytes = root.file(path).and_then(read).map_err(|error| Unusable::Unreadable(error.kind()))?;
    bytes.ok_or(Unusable::TooLarge)
}

/// A count of bytes; none where there is none or it is negative.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(i32::from_ne_bytes(field.try_into().ok()?)).ok()
}

/// Gives every sample of the metrics that are read.
fn samples(bytes: &[u8], mut each: impl FnMut(Sample)) -> Result<(), Unusable> {
    // A file that was just made is empty, or says that nothing is used.
    let used = match number(bytes, 0) {
        None if bytes.is_empty() => return Ok(()),
        Some(0) => return Ok(()),
        used => used.filter(|used| (HEAD..=bytes.len()).contains(used)).ok_or(Unusable::Malformed)?,
    };
    let mut at = HEAD;
    while at < used {
        let (key, value, next) = entry(&bytes[..used], at).ok_or(Unusable::Malformed)?;
        if let Some(sample) = sample(key, value) {
            each(sample);
        }
        at = next;
    }
    Ok(())
}

/// Key and value of an entry, and where the next one begins.
fn entry(bytes: &[u8], at: usize) -> Option<(&[u8], f64, usize)> {
    let length = number(bytes, at)?;
    let begin = at + 4;
    let padding = 8 - (length + 4) % 8;
    let value_at = begin.checked_add(length)?.checked_add(padding)?;
    let key = bytes.get(begin..begin + length)?;
    let value = f64::from_ne_bytes(bytes.get(value_at..value_at + 8)?.try_into().ok()?);
    let next = value_at + 16;
    (next <= bytes.len()).then_some((key, value, next))
}

/// A key is the metric's name, the sample's name, the labels and the help text.
#[derive(Deserialize)]
struct Key<'a>(IgnoredAny, &'a str, Labels, IgnoredAny);

fn sample(key: &[u8], value: f64) -> Option<Sample> {
    let Key(_, name, labels, _) = serde_json::from_slice(key).ok()?;
    Some(Sample { metric: Metric::named(name)?, labels, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As `prometheus_client` writes it.
    fn file(entries: &[(&str, f64)]) -> Vec<u8> {
        let mut bytes = vec![0; HEAD];
        for (key, value) in entries {
            bytes.extend((key.len() as u32).to_ne_bytes());
            bytes.extend(key.as_bytes());
            bytes.extend(vec![b' '; 8 - (key.len() + 4) % 8]);
            bytes.extend(value.to_ne_bytes());
            bytes.extend(0_f64.to_ne_bytes());
        }
        let used = bytes.len() as u32;
        bytes[..4].copy_from_slice(&used.to_ne_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Sample>, Unusable> {
        let mut all = Vec::new();
        samples(bytes, |sample| all.push(sample)).map(|()| all)
    }

    const REQUESTS: &str = r#"["litellm_proxy_total_requests_metric", "litellm_proxy_total_requests_metric_total", {"end_user": "None", "requested_model": "gp\u0074", "route": "/v1/x", "status_code": "200", "user_email": "a@b.example"}, "Total"]"#;

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let other = r#"["litellm_spend", "litellm_spend_total", {"user": "x"}, "Spend"]"#;
        let samples = read(&file(&[(REQUESTS, 5.0), (other, 1.0), (REQUESTS, 2.0)])).unwrap();
        assert_eq!(samples.iter().map(|sample| sample.value).collect::<Vec<_>>(), [5.0, 2.0]);
        assert_eq!(samples[0].labels.requested_model.as_deref(), Some("gpt"));
        assert_eq!(samples[0].metric, Metric::Requests);
    }

    #[test]
    fn a_file_just_made_has_nothing_in_it() {
        assert_eq!(read(&[]), Ok(vec![]));
        assert_eq!(read(&[0; 4096]), Ok(vec![]));
    }

    #[test]
    fn a_file_cut_short_or_with_absurd_lengths_is_refused() {
        let whole = file(&[(REQUESTS, 5.0)]);
        for end in 1..whole.len() {
            assert_eq!(read(&whole[..end]), Err(Unusable::Malformed), "cut at {end}");
        }
        for length in [-1_i32, i32::MIN, i32::MAX, 1 << 20] {
            for at in [0, HEAD] {
                let mut bytes = whole.clone();
                bytes[at..at + 4].copy_from_slice(&length.to_ne_bytes());
                assert_eq!(read(&bytes), Err(Unusable::Malformed), "{length} at {at}");
            }
        }
    }

    #[test]
    fn names_tell_what_a_file_counts_and_whose_it_is() {
        assert_eq!(parts("counter_7.db"), Some((Counts::ForEver, 7)));
        assert_eq!(parts("histogram_13111.db"), Some((Counts::ForEver, 13111)));
        assert_eq!(parts("gauge_livesum_7.db"), Some((Counts::WhileAlive, 7)));
        for name in ["gauge_all_7.db", "counter_x.db", "counter.db", "counter_7", "counter_99999999999.db"] {
            assert_eq!(parts(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn almost_a_file_is_read_or_refused(key in any::<String>(), at in 0_usize..400, byte in any::<u8>()) {
            let mut bytes = file(&[(REQUESTS, 1.0), (&key, 2.0)]);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = read(&bytes);
        }
    }
}
