//! What happens with a bundle: it arrives whole and once, whatever the server does; the command is run and bounded; and
//! nobody learns the URL.

mod support;

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use clap::Parser;
use litellm_capture::{
    cli::{self, Cli},
    notice::Loudness,
    plan::ResultForm,
    redact::{Raw, Redactor, Sources},
    watch::{
        after::{AfterPlan, CommandPlan, Deliveries, Limits, Office, Pace, UploadPlan},
        announcer::Announcer,
        metrics::Metrics,
    },
};
use serde_json::Value;
use support::{
    Capture, names_in, skip,
    storing::{Act, Storing},
    wait_for,
};
use tempfile::TempDir;

/// What signs a URL, in every one of these tests.
const SIGNATURE: &str = "X-Amz-Signature=0f1e2d3c4b5a6978";

/// Longer than any wait that is not asked for.
const LONGEST_RESPECTED_WAIT: Duration = Duration::from_millis(300);

/// The objects that were announced.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no thread failed").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Told {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no thread failed").clone()).expect("UTF-8")
    }

    fn events(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
    }

    /// The events of one kind.
    fn of(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == kind).collect()
    }

    #[track_caller]
    fn wait_for(&self, kind: &str) -> Value {
        wait_for(kind, || self.of(kind).pop())
    }
}

/// A folder with bundles and the state of a watch, and what one watch after the other says.
struct Place {
    dir: TempDir,
    told: Told,
    metrics: Arc<Metrics>,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder"), told: Told::default(), metrics: Arc::default() }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A bundle of a megabyte and a few bytes.
    fn bundle(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        let bytes: Vec<u8> =
            (0..1_000_007_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()).collect();
        fs::write(&path, &bytes[..1_000_007]).expect("a bundle");
        path
    }

    /// With waits of milliseconds.
    fn deliveries(&self, plan: &AfterPlan) -> Deliveries {
        self.deliveries_with(plan, |_| {})
    }

    /// The same with something changed.
    fn deliveries_with(&self, plan: &AfterPlan, change: impl FnOnce(&mut Office)) -> Deliveries {
        let sinks = (Box::new(self.told.clone()) as Box<_>, Box::new(io::sink()) as Box<_>);
        let variables = [(Raw::new("CHANNEL_TOKEN"), Raw::new("token-of-a-channel"))];
        let mut office = Office {
            announcer: Announcer::to(ResultForm::Json, Loudness::Normal, Arc::clone(&self.metrics), sinks),
            redactor: Redactor::new(&Sources { environs: vec![&variables], ..Sources::default() }),
            state: self.state(),
            limits: Limits {
                connect: Duration::from_secs(10),
                send: Duration::from_secs(10),
                answer: Duration::from_millis(200),
                longest_wait: LONGEST_RESPECTED_WAIT,
            },
            pace: Pace {
                first_wait: Duration::from_millis(10),
                longest_wait: Duration::from_millis(50),
                give_up_after: Duration::from_mins(5),
                grace: Duration::from_millis(300),
                patience: Duration::from_millis(100),
            },
        };
        change(&mut office);
        Deliveries::begin(plan, office).expect("a thread")
    }

    /// The secret is nowhere: not in what was said, and not on the disk.
    #[track_caller]
    fn assert_url_untold(&self) {
        assert!(!self.told.text().contains("0f1e2d3c"), "{}", self.told.text());
        for (name, bytes) in support::files_below(&self.state()) {
            assert!(!String::from_utf8_lossy(&bytes).contains("0f1e2d3c"), "{name}");
        }
    }
}

fn upload_to(url: &str) -> AfterPlan {
    let upload = UploadPlan::new(Raw::new(url), None).expect("a URL");
    AfterPlan { command: None, upload: Some(upload), metrics_listen: None }
}

fn store_at(store: &Storing) -> AfterPlan {
    upload_to(&format!("http://{}/spikes/{{name}}?{SIGNATURE}", store.address))
}

fn command(script: &str) -> AfterPlan {
    let command = CommandPlan { script: Raw::new(script), deadline: Duration::from_secs(20) };
    AfterPlan { command: Some(command), upload: None, metrics_listen: None }
}

#[test]
fn a_bundle_arrives_whole_and_once_whatever_happened_before() {
    let store = Storing::new(|nth| match nth {
        0 | 1 => Act::Answer(500, ""),
        2 => Act::Silence,
        3 => Act::Break,
        _ => Act::Store,
    });
    let place = Place::new();
    let bundle = place.bundle("litellm-cpu-vm 1.tar.gz");
    let deliveries = place.deliveries(&store_at(&store));
    deliveries.hand_on(&bundle);
    let uploaded = place.told.wait_for("uploaded");
    assert_eq!(
        (&uploaded["path"], &uploaded["host"], &uploaded["attempts"], &uploaded["bytes"]),
        (
            &Value::from(bundle.to_str().expect("UTF-8")),
            &Value::from(store.address.to_string()),
            &Value::from(5),
            &Value::from(1_000_007)
        )
    );
    let puts = store.puts();
    let whole: Vec<_> = puts.iter().filter(|put| put.body == fs::read(&bundle).expect("it is kept")).collect();
    // The one that was taken in silence, and the one that was acknowledged.
    assert_eq!((puts.len(), whole.len()), (5, 2));
    let head = puts[4].head.to_ascii_lowercase();
    let line = format!("put /spikes/litellm-cpu-vm%201.tar.gz?{} http/1.1\r\n", SIGNATURE.to_ascii_lowercase());
    assert!(head.starts_with(&line), "{head}");
    assert!(head.contains("\r\ncontent-length: 1000007\r\n") && !head.contains("chunked"), "{head}");
    assert!(head.contains("\r\ncontent-type: application/gzip\r\n"), "{head}");
    let failed = place.told.of("upload_failed");
    let whys: Vec<&str> = failed.iter().map(|event| event["why"].as_str().expect("words")).collect();
    assert_eq!(whys[..3], ["it answered 500", "it answered 500", "it did not answer within 0.2 s"]);
    assert!(whys[3].ends_with("(os error 104)") || whys[3].ends_with("(os error 32)"), "{whys:?}");
    assert!(!deliveries.is_pending(&bundle));
    deliveries.finish();
    assert_eq!(names_in(&place.state().join("uploads")), [""; 0]);
    let numbers = place.metrics.text();
    assert!(numbers.contains("capture_watch_uploads_total{outcome=\"retried\"} 4\n"), "{numbers}");
    assert!(numbers.contains("capture_watch_uploads_total{outcome=\"uploaded\"} 1\n"), "{numbers}");
    place.assert_url_untold();
}

#[test]
fn a_server_that_cannot_be_asked_before_gets_the_bundle_all_the_same() {
    let store = Storing::new(|_| Act::StoreUnasked);
    let place = Place::new();
    let bundle = place.bundle("a.tar.gz");
    let deliveries = place.deliveries(&store_at(&store));
    deliveries.hand_on(&bundle);
    assert_eq!(place.told.wait_for("uploaded")["attempts"], 1);
    deliveries.finish();
    assert_eq!(store.puts()[0].body, fs::read(&bundle).expect("it is kept"));
}

#[test]
fn a_refusal_is_told_with_its_reason_and_not_repeated() {
    for (act, why) in [
        (
            Act::Answer(403, ""),
            "it answered 403: the URL has expired, or does not permit to PUT there; start the watch with a new one",
        ),
        (
            Act::Answer(307, "Location: http://127.0.0.1:9/other?X-Amz-Signature=0f1e2d3c\r\n"),
            "it answered 307, a redirect, which is not followed: start the watch with the URL it leads to",
        ),
        (Act::Answer(411, ""), "it answered 411"),
    ] {
        let store = Storing::new(move |_| act);
        let place = Place::new();
        let bundle = place.bundle("a.tar.gz");
        let deliveries = place.deliveries(&store_at(&store));
        deliveries.hand_on(&bundle);
        let failed = place.told.wait_for("upload_failed");
        assert_eq!((&failed["why"], &failed["again_in_seconds"]), (&Value::from(why), &Value::Null));
        // The next watch has another URL, perhaps, and tries again.
        assert!(deliveries.is_pending(&bundle) && bundle.exists());
        deliveries.finish();
        assert_eq!(store.puts().len(), 1);
        place.assert_url_untold();
    }
}

#[test]
fn a_server_that_asks_to_be_left_alone_is_though_not_for_ever() {
    let store = Storing::new(|nth| match nth {
        0 => Act::Answer(429, "Retry-After: 86400\r\n"),
        1 => Act::Answer(503, "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n"),
        _ => Act::Store,
    });
    let place = Place::new();
    let deliveries = place.deliveries(&store_at(&store));
    deliveries.hand_on(&place.bundle("a.tar.gz"));
    place.told.wait_for("uploaded");
    deliveries.finish();
    let puts = store.puts();
    let pauses: Vec<Duration> = puts.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(pauses.iter().all(|pause| *pause >= LONGEST_RESPECTED_WAIT), "{pauses:?}");
}

#[test]
fn what_was_not_uploaded_is_by_the_next_watch() {
    let place = Place::new();
    let (kept, gone) = (place.bundle("a.tar.gz"), place.bundle("b.tar.gz"));
    let full = Storing::new(|_| Act::Answer(503, ""));
    let deliveries = place.deliveries(&store_at(&full));
    deliveries.hand_on(&kept);
    deliveries.hand_on(&gone);
    wait_for("both to fail", || (full.puts().len() >= 2).then_some(()));
    deliveries.finish();
    assert_eq!(names_in(&place.state().join("uploads")), ["a.tar.gz.pending", "b.tar.gz.pending"]);
    place.assert_url_untold();

    fs::remove_file(&gone).expect("a file");
    let store = Storing::new(|_| Act::Store);
    let next = place.deliveries(&store_at(&store));
    assert_eq!(place.told.wait_for("uploaded")["path"], kept.to_str().expect("UTF-8"));
    let error = place.told.wait_for("error");
    assert_eq!(error["what"], format!("{} is gone, and was never uploaded", gone.display()));
    next.finish();
    assert_eq!(store.puts().len(), 1);
    assert_eq!(names_in(&place.state().join("uploads")), [""; 0]);
}

#[test]
fn the_end_of_the_watch_waits_for_no_server() {
    let place = Place::new();
    let store = Storing::new(|_| Act::Silence);
    let deliveries = place.deliveries_with(&store_at(&store), |office| office.limits.answer = Duration::from_hours(1));
    deliveries.hand_on(&place.bundle("a.tar.gz"));
    wait_for("the request", || (!store.puts().is_empty()).then_some(()));
    let began = Instant::now();
    deliveries.finish();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(names_in(&place.state().join("uploads")), ["a.tar.gz.pending"]);
}

#[test]
fn the_end_of_the_watch_waits_for_no_command() {
    let place = Place::new();
    let deliveries = place.deliveries(&command("echo begun; touch \"$1.seen\"; sleep 60"));
    deliveries.hand_on(&place.bundle("a.tar.gz"));
    wait_for("the command", || place.dir.path().join("a.tar.gz.seen").exists().then_some(()));
    let began = Instant::now();
    deliveries.finish();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let executed = place.told.wait_for("executed");
    assert_eq!(
        (&executed["end"], &executed["status"], &executed["output"]),
        (&Value::from("with_the_watch"), &Value::from(143), &Value::from("begun\n"))
    );
}

#[test]
fn a_bundle_that_is_handed_on_last_still_goes_out() {
    let place = Place::new();
    let store = Storing::new(|_| Act::Store);
    let mut plan = store_at(&store);
    plan.command = command("echo sent").command;
    let deliveries = place.deliveries_with(&plan, |office| office.pace.grace = Duration::from_mins(1));
    deliveries.hand_on(&place.bundle("a.tar.gz"));
    deliveries.finish();
    assert_eq!((place.told.of("uploaded").len(), place.told.of("executed").len()), (1, 1));
}

#[test]
fn nobody_who_listens_and_no_such_name_are_told_in_words() {
    // Nobody has used the first port for forty years, and no name ends like this (RFC 6761).
    for (host, why) in
        [("127.0.0.1:1", "nobody listens there"), ("store.invalid", "failed to lookup address information: ")]
    {
        let place = Place::new();
        let deliveries = place.deliveries(&upload_to(&format!("http://{host}/{{name}}?{SIGNATURE}")));
        deliveries.hand_on(&place.bundle("a.tar.gz"));
        let failed = place.told.wait_for("upload_failed");
        assert_eq!(failed["host"], host);
        assert!(failed["why"].as_str().is_some_and(|told| told.starts_with(why)), "{failed}");
        deliveries.finish();
        place.assert_url_untold();
    }
}

#[test]
fn the_command_gets_the_path_the_environment_and_not_the_url() {
    let place = Place::new();
    let bundle = place.bundle("it's \"$HOME\" `x`.tar.gz");
    let script =
        "echo \"$0|$1|$#|${CAPTURE_UPLOAD_URL-none}|${CARGO_PKG_NAME-none}\"; echo token-of-a-channel >&2; exit 3";
    let deliveries = place.deliveries(&command(script));
    deliveries.hand_on(&bundle);
    let executed = place.told.wait_for("executed");
    deliveries.finish();
    assert_eq!((&executed["status"], &executed["end"]), (&Value::from(3), &Value::from("by_itself")));
    let output = format!("capture|{}|1|none|litellm-capture\n***known-secret***\n", bundle.display());
    assert_eq!(executed["output"], output);
}

#[test]
fn the_command_runs_after_the_first_attempt_to_upload_whatever_came_of_it() {
    for (act, first) in [(Act::Store, "uploaded"), (Act::Answer(500, ""), "upload_failed")] {
        let store = Storing::new(move |_| act);
        let place = Place::new();
        let mut plan = store_at(&store);
        plan.command = command("true").command;
        let deliveries = place.deliveries(&plan);
        deliveries.hand_on(&place.bundle("a.tar.gz"));
        place.told.wait_for("executed");
        deliveries.finish();
        let order: Vec<Value> = place.told.events().iter().map(|event| event["event"].clone()).take(2).collect();
        assert_eq!(order, [first, "executed"]);
    }
}

#[test]
fn a_command_that_hangs_is_ended_at_its_deadline_and_the_next_bundle_has_its_turn() {
    let place = Place::new();
    let mut plan = command("case $1 in *a.tar.gz) sleep 60;; esac; echo done");
    plan.command.as_mut().expect("a command").deadline = Duration::from_millis(300);
    let deliveries = place.deliveries(&plan);
    deliveries.hand_on(&place.bundle("a.tar.gz"));
    deliveries.hand_on(&place.bundle("b.tar.gz"));
    let executed = wait_for("both", || Some(place.told.of("executed")).filter(|events| events.len() == 2));
    deliveries.finish();
    assert_eq!((&executed[0]["end"], &executed[0]["status"]), (&Value::from("at_deadline"), &Value::from(143)));
    assert_eq!((&executed[1]["end"], &executed[1]["output"]), (&Value::from("by_itself"), &Value::from("done\n")));
}

#[test]
fn where_nothing_is_done_with_a_bundle_nothing_runs() {
    let place = Place::new();
    let deliveries = place.deliveries(&AfterPlan { command: None, upload: None, metrics_listen: None });
    deliveries.hand_on(&place.bundle("a.tar.gz"));
    deliveries.finish();
    assert_eq!((place.told.text().as_str(), place.state().exists()), ("", false));
}

#[test]
fn a_state_folder_that_cannot_be_written_is_told_and_the_bundle_goes_all_the_same() {
    let store = Storing::new(|_| Act::Store);
    let place = Place::new();
    fs::write(place.state(), "a file").expect("a file");
    let deliveries = place.deliveries(&store_at(&store));
    deliveries.hand_on(&place.bundle("a.tar.gz"));
    place.told.wait_for("uploaded");
    deliveries.finish();
    let what = place.told.of("error")[0]["what"].as_str().expect("words").to_owned();
    assert!(what.starts_with("it cannot be remembered that ") && what.contains("a.tar.gz"), "{what}");
}

#[test]
fn what_was_typed_comes_to_a_plan_and_shows_no_secret() {
    let url = format!("https://s3.example/{{name}}?{SIGNATURE}");
    let line = ["capture", "watch", "--upload-url", &url, "--exec", "notify", "--exec-deadline", "90s"];
    let Some(cli::Command::Watch(args)) = Cli::parse_from(line).command else { panic!("a watch") };
    let plan = AfterPlan::try_from(&args.after).expect("a plan");
    assert_eq!(plan.upload.as_ref().expect("an upload").host, "s3.example");
    assert_eq!(plan.command.as_ref().expect("a command").deadline, Duration::from_secs(90));
    let shown = format!("{args:?}{plan:?}");
    assert!(!shown.contains("0f1e2d3c"), "{shown}");

    let line = ["capture", "watch", "--upload-url", &format!("s3://bucket/?{SIGNATURE}")];
    let Some(cli::Command::Watch(args)) = Cli::parse_from(line).command else { panic!("a watch") };
    let failure = AfterPlan::try_from(&args.after).expect_err("no HTTP");
    assert_eq!(failure.to_string(), "--upload-url: it begins with neither http:// nor https://");
    assert_eq!(failure.exit_code(), 2);
}

/// An HTTPS server of Python's, for `localhost`, whose certificate an authority of the test's own signed.
struct Secure {
    dir: TempDir,
    child: Child,
    port: u16,
}

const SERVER: &str = r#"
import http.server, ssl, sys

class Store(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_PUT(self):
        with open("stored", "wb") as file:
            file.write(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Store)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
with open("port.new", "w") as file:
    file.write(str(server.server_address[1]))
import os
os.rename("port.new", "port")
while True:
    server.handle_request()
"#;

const CERTIFICATES: &str = r#"
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=authority of a test" \
    -addext "basicConstraints=critical,CA:TRUE" -keyout authority.key -out authority.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=localhost" -keyout server.key \
    -out server.csr
printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' > extensions
openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -extfile extensions \
    -out server.pem
"#;

impl Secure {
    /// None where openssl or Python is missing.
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let run = |program: &str, arguments: [&str; 2]| {
            let mut command = Command::new(program);
            command.args(arguments).current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null());
            command.stderr(Stdio::null());
            command
        };
        if !run("sh", ["-c", CERTIFICATES]).status().is_ok_and(|status| status.success()) {
            return None;
        }
        let child = run("python3", ["-c", SERVER]).spawn().ok()?;
        let port = wait_for("the server", || fs::read_to_string(dir.path().join("port")).ok()?.parse().ok());
        Some(Self { dir, child, port })
    }

    fn authority(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }

    fn stored(&self) -> Option<Vec<u8>> {
        fs::read(self.dir.path().join("stored")).ok()
    }

    fn plan(&self, host: &str, authority: Option<&Path>) -> AfterPlan {
        let url = Raw::new(format!("https://{host}:{}/{{name}}?{SIGNATURE}", self.port));
        let upload = UploadPlan::new(url, authority.map(Path::to_owned)).expect("a URL");
        AfterPlan { command: None, upload: Some(upload), metrics_listen: None }
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn over_tls_a_bundle_goes_to_whom_an_authority_vouches_for_and_to_nobody_else() {
    let Some(server) = Secure::new() else { return skip("openssl or python3 is missing") };
    let place = Place::new();
    let bundle = place.bundle("a.tar.gz");
    for (host, authority, why) in [
        ("localhost", None, "no TLS with it: invalid peer certificate: UnknownIssuer"),
        (
            "127.0.0.1",
            Some(server.authority()),
            "no TLS with it: invalid peer certificate: certificate not valid for name",
        ),
    ] {
        let deliveries = place.deliveries(&server.plan(host, authority.as_deref()));
        deliveries.hand_on(&bundle);
        wait_for("a refusal", || {
            let failed = place.told.of("upload_failed");
            failed.iter().any(|event| event["why"].as_str().is_some_and(|told| told.starts_with(why))).then_some(())
        });
        deliveries.finish();
        assert_eq!(server.stored(), None);
    }
    let deliveries = place.deliveries(&server.plan("localhost", Some(&server.authority())));
    place.told.wait_for("uploaded");
    deliveries.finish();
    assert_eq!(server.stored(), Some(fs::read(&bundle).expect("it is kept")));
    place.assert_url_untold();
}

#[test]
fn a_bundle_that_cannot_be_read_is_told_and_forgotten_when_it_is_gone() {
    let store = Storing::new(|_| Act::Store);
    let place = Place::new();
    let deliveries = place.deliveries(&store_at(&store));
    let missing = place.dir.path().join("never.tar.gz");
    deliveries.hand_on(&missing);
    let failed = place.told.wait_for("upload_failed");
    assert_eq!(failed["why"], "the bundle cannot be read: No such file or directory (os error 2)");
    assert!(!deliveries.is_pending(&missing));
    deliveries.finish();
}

/// Anything with a command line and an environment.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_bundle_holds_nothing_of_the_url_wherever_it_stood() {
    let url = format!("https://s3.example/{{name}}?{SIGNATURE}");
    let mut sleeper = Command::new("python3")
        .args(["-c", "import time; print('here', flush=True); time.sleep(60)", "--upload-url", &url])
        .env("CAPTURE_UPLOAD_URL", &url)
        .stdout(Stdio::piped())
        .spawn()
        .map(Sleeper)
        .expect("python3 can be started");
    sleeper.0.stdout.take().expect("a pipe").read_exact(&mut [0; 5]).expect("it is there");
    let output = Capture::new()
        .env("CAPTURE_UPLOAD_URL", &url)
        .args(["--without-stacks", "--duration", "1s", "--only", "--pid", &sleeper.0.id().to_string()])
        .run()
        .assert_status(3);
    let bundle = output.bundle();
    for (name, bytes) in bundle.unpacked() {
        assert!(!String::from_utf8_lossy(&bytes).contains("0f1e2d3c"), "{name}");
    }
    // Where it stood is there.
    assert!(bundle.text("environment/env.json").contains("\"CAPTURE_UPLOAD_URL\": \"set\""));
    assert!(bundle.text("environment/fingerprint.json").contains("--upload-url"));
}
