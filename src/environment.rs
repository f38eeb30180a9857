//! What was collected, redacted and laid into the work folder as the bundle's `environment/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use serde::Serialize;

use crate::analyse::facts::SharedEnviron;
use crate::bundle::facts::{CONFIG, FINGERPRINT, VARIABLES};
use crate::bundle::work::{CLEAN, Work};
use crate::collect::fingerprint::Fingerprint;
use crate::collect::{Cleaner, Collected, Gap};
use crate::redact::{Clean, EnvVar, Raw, Redactor, Sources};

/// For people; the packages stand in the fingerprint as well.
const PACKAGES: &str = "environment/packages.txt";

/// What this program was itself started with. In a container that is what LiteLLM was started with.
#[derive(Debug, Default)]
pub struct Own {
    /// The command line.
    pub arguments: Vec<Raw>,
    /// The environment.
    pub variables: Vec<(Raw, Raw)>,
}

/// A redactor that knows every secret the collected facts hold, those of this program's own, and the key to LiteLLM,
/// whatever the variable is called that it came from.
pub fn redactor_for(collected: &Collected, own: &Own, key: Option<&Raw>) -> Redactor {
    let key: Vec<(Raw, Raw)> = key.map(|key| (Raw::new("LITELLM_MASTER_KEY"), key.clone())).into_iter().collect();
    let mut sources = own.sources();
    sources.environs.push(&key);
    sources.environs.extend(collected.environs.iter().map(|environ| environ.vars.as_slice()));
    sources.argvs.extend(collected.fingerprint.processes.iter().map(|process| process.argv.as_slice()));
    sources.configs.extend(collected.config.iter().map(|config| &config.text));
    Redactor::new(&sources)
}

/// A redactor for a work folder whose capture was killed. What that one knew was masked when it was kept.
pub fn redactor_for_kept(own: &Own) -> Redactor {
    Redactor::new(&own.sources())
}

impl Own {
    fn sources(&self) -> Sources<'_> {
        Sources { environs: vec![&self.variables], argvs: vec![&self.arguments], configs: Vec::new() }
    }
}

/// Writes the files; what cannot be shown becomes a gap.
pub fn store(work: &Work, redactor: &mut Redactor, collected: &Collected, gaps: &mut Vec<Gap>) -> io::Result<()> {
    let fingerprint = collected.fingerprint.map(&mut ForFile { redactor, file: FINGERPRINT });
    write(work, FINGERPRINT, &pretty(&fingerprint)?)?;
    write(work, PACKAGES, packages(&fingerprint).as_bytes())?;
    write(work, VARIABLES, &pretty(&environments(redactor, collected))?)?;
    if let Some(config) = &collected.config {
        match redactor.config(CONFIG, &config.text) {
            Ok(yaml) => write(work, CONFIG, yaml.as_str().as_bytes())?,
            Err(unreadable) => gaps.push(Gap::new(
                "the config file",
                format!("it is not YAML that can be redacted: {}", unreadable.why),
                "mend the file, or add its relevant parts to the ticket by hand",
            )),
        }
    }
    Ok(())
}

fn write(work: &Work, name: &str, bytes: &[u8]) -> io::Result<()> {
    work.write(&format!("{CLEAN}/{name}"), bytes)
}

fn packages(fingerprint: &Fingerprint<Clean>) -> String {
    let mut text = String::new();
    for package in &fingerprint.python.packages {
        let _ = writeln!(text, "{}=={}", package.name, package.version);
    }
    text
}

fn environments(redactor: &mut Redactor, collected: &Collected) -> Vec<SharedEnviron> {
    let mut shared: Vec<SharedEnviron> = Vec::new();
    for environ in &collected.environs {
        let clean: Vec<EnvVar> = redactor.environ(VARIABLES, &environ.vars);
        let variables: BTreeMap<String, String> =
            EnvVar::table(&clean).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        match shared.iter_mut().find(|entry| entry.variables == variables) {
            Some(entry) => entry.pids.push(environ.pid),
            None => shared.push(SharedEnviron { pids: vec![environ.pid], variables }),
        }
    }
    shared
}

fn pretty(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The redactor, with the file its counts are for.
struct ForFile<'a> {
    redactor: &'a mut Redactor,
    file: &'static str,
}

impl Cleaner<Raw, Clean> for ForFile<'_> {
    fn text(&mut self, text: &Raw) -> Clean {
        self.redactor.text(self.file, text)
    }

    fn argv(&mut self, argv: &[Raw]) -> Vec<Clean> {
        self.redactor.argv(self.file, argv)
    }
}
