//! What is to happen with a bundle: typed and checked.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, parse_pem};

use crate::cli::AfterArgs;
use crate::error::Failure;
use crate::plan::{time, usage};
use crate::redact::Raw;

/// What stands for the bundle's file name in a URL.
const NAME: &str = "{name}";
/// Names the authorities to trust, as for OpenSSL.
const AUTHORITIES: &str = "SSL_CERT_FILE";

/// What happens with a bundle, and who is told.
#[derive(Debug, Clone)]
pub struct AfterPlan {
    /// The command to run for it.
    pub command: Option<CommandPlan>,
    /// Where it is sent.
    pub upload: Option<UploadPlan>,
    /// Where Prometheus may ask.
    pub metrics_listen: Option<SocketAddr>,
}

/// A command to run for a bundle.
#[derive(Debug, Clone)]
pub struct CommandPlan {
    /// What the shell is given. People write keys into such lines.
    pub script: Raw,
    /// How long it may take.
    pub deadline: Duration,
}

/// Where bundles are sent.
#[derive(Debug, Clone)]
pub struct UploadPlan {
    /// A presigned URL lets anybody write who has it.
    template: Raw,
    /// Host, and port where one is named: all of the URL that may be told.
    pub host: String,
    /// A PEM file whose authorities are trusted in place of the ones built in.
    authorities: Option<PathBuf>,
}

impl TryFrom<&AfterArgs> for AfterPlan {
    type Error = Failure;

    fn try_from(args: &AfterArgs) -> Result<Self, Failure> {
        let deadline = time("--exec-deadline", &args.exec_deadline)?;
        let authorities = env::var_os(AUTHORITIES).filter(|file| !file.is_empty()).map(PathBuf::from);
        Ok(Self {
            command: args.exec.as_ref().map(|script| CommandPlan { script: Raw::new(script), deadline }),
            upload: args.upload_url.clone().map(|url| UploadPlan::new(url, authorities)).transpose()?,
            metrics_listen: args.metrics_listen,
        })
    }
}

impl UploadPlan {
    /// Checks a URL without telling anything of it but its host.
    ///
    /// # Errors
    /// Where nothing can be sent to it, or the authorities to trust cannot be read.
    pub fn new(template: Raw, authorities: Option<PathBuf>) -> Result<Self, Failure> {
        let refuse = |what: &str| {
            usage(
                format!("--upload-url: {what}"),
                "give a URL such as https://HOST/FOLDER/{name}; it is not repeated here",
            )
        };
        let filled = template.expose().replace(NAME, "x");
        if filled.contains(['{', '}']) {
            return Err(refuse("something other than {name} stands in braces"));
        }
        let uri: Uri = filled.parse().map_err(|_| refuse("it is no URL"))?;
        let scheme = uri.scheme_str().map(str::to_owned);
        if !matches!(scheme.as_deref(), Some("http" | "https")) {
            return Err(refuse("it begins with neither http:// nor https://"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refuse("it names no host"))?;
        let host = uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let authority = template.expose().split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next());
        if authority.is_some_and(|authority| authority.contains(NAME)) {
            return Err(refuse("{name} cannot be a part of the host"));
        }
        let plan = Self { template, host, authorities: authorities.filter(|_| scheme.as_deref() == Some("https")) };
        plan.trusted().map_err(|why| {
            usage(format!("{AUTHORITIES}: {why}"), "name a PEM file with the certificates of the authorities to trust")
        })?;
        Ok(plan)
    }

    /// Where a bundle goes.
    pub fn url(&self, bundle: &Path) -> Raw {
        let name = bundle.file_name().unwrap_or_default().as_encoded_bytes();
        Raw::new(self.template.expose().replace(NAME, &percent_encoded(name)))
    }

    /// The authorities to trust; none for the ones built in. Read anew each time, since a watch outlives them.
    pub fn trusted(&self) -> Result<Option<Vec<Certificate<'static>>>, String> {
        let Some(file) = &self.authorities else { return Ok(None) };
        let pem = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let certificates: Vec<_> = parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err(format!("{} holds no certificate", file.display()));
        }
        Ok(Some(certificates))
    }
}

/// Only what no URL gives a meaning to is left as it is (RFC 3986, section 2.3).
fn percent_encoded(name: &[u8]) -> String {
    let mut encoded = String::with_capacity(name.len());
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "X-Amz-Signature=0f1e2d3c";

    fn plan(url: &str) -> Result<UploadPlan, Failure> {
        UploadPlan::new(Raw::new(url), None)
    }

    #[test]
    fn the_name_is_filled_in_percent_encoded() {
        let plan = plan(&format!("https://s3.example:9000/spikes/{{name}}?a={{name}}&{SECRET}")).unwrap();
        assert_eq!(plan.host, "s3.example:9000");
        let url = plan.url(Path::new("/data/litellm-cpu-a b&c-20261124T135144Z.tar.gz"));
        let name = "litellm-cpu-a%20b%26c-20261124T135144Z.tar.gz";
        assert_eq!(url.expose(), format!("https://s3.example:9000/spikes/{name}?a={name}&{SECRET}"));
        assert_eq!(plan.url(Path::new("/x/é.tar.gz")).expose().matches("%C3%A9.tar.gz").count(), 2);
    }

    #[test]
    fn a_url_without_the_name_is_used_as_it_is() {
        let url = format!("http://user:pass@[::1]:8080/one?{SECRET}");
        let plan = plan(&url).unwrap();
        assert_eq!((plan.host.as_str(), plan.url(Path::new("a.tar.gz")).expose()), ("[::1]:8080", url.as_str()));
    }

    #[test]
    fn what_cannot_be_sent_to_is_refused_without_being_told() {
        for (url, why) in [
            ("ftp://host/x?", "it begins with neither http:// nor https://"),
            ("/data/x?", "it begins with neither http:// nor https://"),
            ("https:///x?", "it is no URL"),
            ("https://ho st/x?", "it is no URL"),
            ("", "it is no URL"),
            ("https://host/{file}?", "something other than {name} stands in braces"),
            ("https://{name}.example/?", "{name} cannot be a part of the host"),
        ] {
            let url = if url.is_empty() { String::new() } else { format!("{url}{SECRET}") };
            let failure = plan(&url).unwrap_err();
            assert_eq!(failure.to_string(), format!("--upload-url: {why}"), "{url}");
            let told = format!("{failure:?}{:?}", failure.cure());
            assert!(!told.contains("0f1e2d3c"), "{told}");
        }
    }

    #[test]
    fn what_is_secret_is_not_shown_when_the_plan_is() {
        let plan = AfterPlan {
            command: Some(CommandPlan { script: Raw::new("curl -H token"), deadline: Duration::from_secs(1) }),
            upload: Some(plan(&format!("https://host/?{SECRET}")).unwrap()),
            metrics_listen: None,
        };
        let shown = format!("{plan:?}");
        assert!(!shown.contains("0f1e2d3c") && !shown.contains("curl"), "{shown}");
    }

    #[test]
    fn authorities_that_cannot_be_read_are_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("ca.pem");
        fs::write(&empty, "nothing\n").unwrap();
        let refused = |url: &str, file: &Path| UploadPlan::new(Raw::new(url), Some(file.to_owned())).map(|_| ());
        assert_eq!(
            refused("https://host/x", &empty).unwrap_err().to_string(),
            format!("SSL_CERT_FILE: {} holds no certificate", empty.display())
        );
        let missing = refused("https://host/x", Path::new("/nowhere/ca.pem")).unwrap_err().to_string();
        assert_eq!(missing, "SSL_CERT_FILE: /nowhere/ca.pem: No such file or directory (os error 2)");
        assert!(refused("http://host/x", &empty).is_ok(), "without TLS nobody is trusted");
    }
}
