//! Pictures, line by line as they were when somebody last looked at them.
//!
//! A change of the looks is blessed with `CAPTURE_BLESS=1 cargo test --test flamegraphs`, and then looked at.

#[path = "support/golden.rs"]
mod golden;
#[path = "support/svg.rs"]
mod svg;

use golden::assert_as_blessed;
use litellm_capture::{
    bundle::archive::{Artifact, pack},
    os::proc::ProcessId,
    redact::{Clean, Raw, Redactor, Sources},
    render::{
        flamegraph::{Heading, Palette, draw},
        folded::{Detail, fold},
    },
    sample::profile::{Frame, Place, Profile, Sample, Shape, StackNode, Thread},
};
use svg::parsed;

const MS: u64 = 1_000_000;
const LITELLM: &str = "/app/.venv/lib/python3.13/site-packages/litellm/proxy/proxy_server.py";
const PACKAGE: &str = "/app/.venv/lib/python3.13/site-packages/uvicorn/server.py";
const STDLIB: &str = "/usr/lib/python3.13/asyncio/runners.py";
const USER: &str = "/app/custom_callbacks.py";

/// A profile made by hand: each stack from the root, as function and file.
#[derive(Default)]
struct Made {
    frames: Vec<Frame<Clean>>,
    stacks: Vec<StackNode>,
    threads: Vec<Thread<Clean>>,
    samples: Vec<Sample>,
}

impl Made {
    fn thread(&mut self, pid: i32, name: &str) -> u32 {
        self.threads.push(Thread { process: ProcessId { pid, start_ticks: 1 }, tid: pid, name: clean(name) });
        self.threads.len() as u32 - 1
    }

    fn stack(&mut self, thread: u32, frames: &[(&str, &str)], cpu_ms: u64) {
        let mut parent = None;
        for (function, file) in frames {
            self.frames.push(Frame { function: clean(function), file: clean(file), line: 7 });
            self.stacks.push(StackNode { parent, frame: self.frames.len() as u32 - 1 });
            parent = Some(self.stacks.len() as u32 - 1);
        }
        self.sample(thread, Place::Stack(parent.expect("a frame")), cpu_ms);
    }

    fn sample(&mut self, thread: u32, place: Place, cpu_ms: u64) {
        let at_us = self.samples.len() as u64 * 10_000;
        self.samples.push(Sample {
            at_us,
            span_us: 10_000,
            thread,
            place,
            shape: Shape::Whole,
            cpu_ns: cpu_ms * MS,
            run_delay_ns: 0,
        });
    }

    fn done(self) -> Profile<Clean> {
        Profile { frames: self.frames, stacks: self.stacks, threads: self.threads, samples: self.samples }
    }
}

fn clean(text: &str) -> Clean {
    Redactor::new(&Sources::default()).text("test", &Raw::new(text))
}

/// Two workers with frames of every kind.
fn two_workers() -> Profile<Clean> {
    let mut made = Made::default();
    for (pid, share) in [(101, 1), (102, 3)] {
        let main = made.thread(pid, "MainThread");
        let serve = [("run", STDLIB), ("Server.serve", PACKAGE), ("chat_completion", LITELLM)];
        made.stack(main, &[&serve[..], &[("Scrub.expensive_pii_scrub", USER)]].concat(), 400 * share);
        made.stack(main, &serve, 150 * share);
        made.stack(main, &serve[..2], 20 * share);
        let pool = made.thread(pid, "ThreadPoolExecutor-0_0");
        made.stack(pool, &[("Thread._bootstrap", "/usr/lib/python3.13/threading.py"), ("token_counter", LITELLM)], 60);
        made.stack(pool, &[("sha256", "")], 30);
        made.sample(pool, Place::NotSampled, 15);
        let native = made.thread(pid, "tokio-runtime-w");
        made.sample(native, Place::Native, 45);
    }
    made.done()
}

/// Names that would be markup, separators or line ends if they were not text.
fn hostile_names() -> Profile<Clean> {
    let mut made = Made::default();
    let thread = made.thread(7, "a;b\nc & <d> \"e\" 'f' ]]>");
    made.stack(
        thread,
        &[
            ("<script>alert(1)</script>", USER),
            ("a & b &amp; c", "/srv/x&y/z.py"),
            ("semi;colon 12", "/srv/a;b/c d.py"),
            ("quoted \"double\" 'single'", USER),
            ("two\nlines\r\u{7}\u{0}", USER),
            ("]]><!-- comment -->", "<string>"),
            ("ünï 漢字 🐤 \u{202e}drawkcab", USER),
            ("", USER),
        ],
        100,
    );
    made.done()
}

fn picture(profile: &Profile<Clean>, title: &str) -> String {
    let heading = Heading { title: title.to_owned(), subtitle: "1.00 CPU-s in 2.0 s, quality good".to_owned() };
    draw(&fold(profile, Detail::Functions), &heading, &Palette::of(profile)).expect("a picture")
}

#[test]
fn two_workers_with_all_kinds_of_frames() {
    let svg = picture(&two_workers(), "CPU time of all 2 workers");
    parsed(&svg);
    assert_as_blessed("two-workers.svg", &svg);
}

#[test]
fn without_cpu_it_says_so() {
    let svg = picture(&Made::default().done(), "CPU time of <nobody> & nothing");
    let (_, texts) = parsed(&svg);
    assert!(texts.iter().any(|text| text == "CPU time of <nobody> & nothing"), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("No CPU was used")), "{texts:?}");
    assert_as_blessed("nothing.svg", &svg);
}

#[test]
fn names_are_text_and_never_markup() {
    let svg = picture(&hostile_names(), "CPU time of worker 7");
    let (elements, texts) = parsed(&svg);
    assert_eq!(elements.iter().filter(|element| *element == "script").count(), 1, "inferno's own");
    let has = |part: &str| assert!(texts.iter().any(|text| text.starts_with(part)), "{part:?} is not in {texts:?}");
    has("<script>alert(1)</script> (app/custom_callbacks.py)");
    has("a & b &amp: c (x&y/z.py)");
    has("semi:colon 12 (a:b/c d.py)");
    has("quoted \"double\" 'single' (app/custom_callbacks.py)");
    has("two lines    (app/custom_callbacks.py)");
    has("ünï 漢字 🐤  drawkcab (app/custom_callbacks.py)");
    has("]]><!-- comment --> (<string>)");
    has("a:b:c & <d> \"e\" 'f' ]]>");
    assert_as_blessed("hostile-names.svg", &svg);
}

#[test]
fn weights_are_the_cpu_of_the_profile() {
    let profile = two_workers();
    let folded = fold(&profile, Detail::Lines);
    let total: u64 = folded.lines().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum();
    assert_eq!(total * 1_000, profile.samples.iter().map(|sample| sample.cpu_ns).sum::<u64>());
    assert_as_blessed("two-workers.folded", &folded);
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    let tarball = || {
        let mut files: Vec<Artifact> = [two_workers(), hostile_names(), Made::default().done()]
            .iter()
            .enumerate()
            .flat_map(|(index, profile)| {
                let samples = litellm_capture::bundle::samples::write(profile).expect("samples");
                [
                    Artifact::new(format!("flamegraphs/{index}.svg"), picture(profile, "the same")),
                    Artifact::new(format!("profiles/{index}.folded"), fold(profile, Detail::Lines)),
                    Artifact::new(format!("profiles/{index}.json.gz"), samples),
                ]
            })
            .collect();
        pack("bundle", &mut files, 7).expect("a tarball")
    };
    // Hash maps of one process differ in their order already.
    assert!((0..5).all(|_| tarball() == tarball()));
}
