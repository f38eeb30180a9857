//! Tickets and comparisons, line by line as they were when somebody last looked at them; and whatever is in the facts,
//! they keep their form.
//!
//! A change is blessed with `CAPTURE_BLESS=1 cargo test --test tickets`, and then looked at.

#[path = "support/golden.rs"]
mod golden;
#[path = "support/markdown.rs"]
mod markdown;
#[path = "support/spike.rs"]
mod spike;

use std::{path::Path, process::Command};

use golden::assert_as_blessed;
use litellm_capture::{
    analyse::{Facts, Verdict, compare::Comparison, verdict::profiled},
    bundle::{facts, open::Bundle},
    collect::Gap,
    render::{
        diff,
        ticket::{form_link, hand_over, ticket},
    },
    sample::profile::{Place, Sample},
};
use markdown::form;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// Text that would be markup, a mention, a link, a cell or a command if it were not text. It ends as it began, so that
/// names stay apart.
fn hostile(text: &str) -> String {
    format!(
        "{text}|`a``\\|*b* _c_ <img src=x> </details> [d](http://e.f) @octocat #1 GH-2 $(touch pwned) `touch pwned` 'g' \"h\"\n\n# i\n- j\n```\n$k$ &amp; {text}"
    )
}

/// A bundle of the first format: no figures over time, no requests, no logs.
fn poor() -> (Facts, Verdict) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles/1.0.tar.gz");
    let bundle = Bundle::open(&path).expect("an old bundle opens for ever");
    let mut facts = facts::read(bundle.files()).expect("its facts can be read");
    // And it was taken where hardly anything could be read.
    facts.fingerprint = None;
    facts.variables = Vec::new();
    facts.config = None;
    let verdict = profiled(&facts.evidence, &facts.profile);
    (facts, verdict)
}

fn rich() -> (Facts, Verdict) {
    let facts = spike::facts(spike::plain);
    let verdict = spike::verdict(&facts, spike::plain);
    (facts, verdict)
}

#[test]
fn a_spike_of_which_everything_is_known() {
    let (facts, verdict) = rich();
    assert_as_blessed("ticket-rich.md", &ticket(&facts, &verdict));
}

#[test]
fn a_bundle_that_holds_nothing_but_a_profile() {
    let (facts, verdict) = poor();
    assert_as_blessed("ticket-poor.md", &ticket(&facts, &verdict));
}

#[test]
fn each_of_the_thirteen_things_is_answered_or_named_as_missing_once() {
    for (facts, verdict) in [rich(), poor()] {
        let text = ticket(&facts, &verdict);
        for number in 1..=13 {
            let lines: Vec<&str> = text
                .lines()
                .filter(|line| line.starts_with("- [") && line.contains(&format!("] ({number}) ")))
                .collect();
            assert_eq!(lines.len(), 1, "({number}): {lines:?}");
            let (ticked, missing) = (lines[0].starts_with("- [x]"), lines[0].to_lowercase().contains("**missing**"));
            assert!(ticked != missing, "{}", lines[0]);
        }
        assert!(!text.contains("] (14) "));
    }
}

#[test]
fn nothing_is_left_to_guess() {
    for (facts, verdict) in [rich(), poor()] {
        let text = ticket(&facts, &verdict);
        for bare in ["None ", "Some(", "NaN", "inf ", "n/a", "N/A", "null"] {
            let line = text.lines().find(|line| {
                line.contains(bare) && !line.starts_with("None: everything") && !line.contains("None is ticked")
            });
            assert_eq!(line, None, "{bare}");
        }
        assert!(!text.contains("\n\n\n"), "two empty lines");
    }
}

#[test]
fn whatever_the_target_is_called_the_ticket_keeps_its_form() {
    let (facts, verdict) = rich();
    let expected = form(&ticket(&facts, &verdict));
    let facts = spike::facts(hostile);
    let verdict = spike::verdict(&facts, hostile);
    let mut is = form(&ticket(&facts, &verdict));
    let title = is.headings.remove(0);
    assert!(title.contains("#1 GH-2"), "{title}");
    assert_eq!(is.headings, expected.headings[1..]);
    assert_eq!(is.rows, expected.rows);
    assert_eq!(is.others, Vec::<String>::new());
}

#[test]
fn a_ticket_fits_into_an_issue_however_much_there_is_to_tell() {
    const LARGEST_ISSUE: usize = 65_536;
    let mut facts = spike::facts(spike::plain);
    let verdict = spike::verdict(&facts, spike::plain);
    let long = "a: very_long_line_of_a_config_that_nobody_reads\n".repeat(5_000);
    facts.config = Some(long.clone());
    facts.logs.during = Some(long.clone() + &"x".repeat(100_000));
    let gap =
        Gap::note("stacks of worker 1 for one sampler's time", "py-spy ended with a complaint", "see what it says");
    facts.manifest.gaps = vec![gap; 3_000];
    facts.shapes = facts.shapes.iter().cycle().take(500).cloned().collect();
    facts.evidence.events = facts.evidence.events.iter().cycle().take(5_000).cloned().collect();
    facts.evidence.findings = facts.evidence.findings.iter().cycle().take(500).cloned().collect();
    let length = ticket(&facts, &verdict).len();
    assert!(length < LARGEST_ISSUE, "{length}");
}

#[test]
fn the_request_is_a_command_that_sends_what_was_seen_and_does_nothing_else() {
    for words in [spike::plain as spike::Words, hostile] {
        let facts = spike::facts(words);
        let verdict = spike::verdict(&facts, words);
        let markdown = ticket(&facts, &verdict);
        let script = blocks(&markdown).into_iter().find(|block| block.contains("--data-binary")).expect("a request");
        // None of the ticket's other commands is ever run here.
        let ours = ["#", " ", "{", "KEY=", "PROMPT=", "curl ", "JSON"];
        assert!(script.lines().all(|line| ours.iter().any(|begin| line.starts_with(begin))), "{script}");
        let folder = tempfile::tempdir().expect("a folder");
        // In place of curl, a function that says how it was called.
        let script = format!("curl() {{ for argument; do echo \"argument: $argument\"; done; cat; }}\n{script}");
        let output = Command::new("sh").args(["-c", &script]).current_dir(&folder).output().expect("a shell");
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(
            output.stderr.is_empty() && output.status.success(),
            "{}\n{script}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 0, "it touched a file");
        if words("").is_empty() {
            assert!(said.contains("argument: http://127.0.0.1:4000/v1/chat/completions\n"), "{said}");
            let body: serde_json::Value = serde_json::from_str(said.lines().last().expect("a body")).expect("JSON");
            assert_eq!(
                (&body["model"], &body["stream"], &body["max_tokens"]),
                (&"mock-gpt".into(), &true.into(), &180.into())
            );
            let messages = body["messages"].as_array().expect("messages");
            let words: usize =
                messages.iter().map(|message| message["content"].as_str().expect("text").split(' ').count()).sum();
            assert!(messages.len() == 3 && (1_250..1_260).contains(&words), "{} {words}", messages.len());
        }
    }
}

/// The blocks of code of a document.
fn blocks(markdown: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut in_block = false;
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => {
                in_block = true;
                blocks.push(String::new());
            }
            Event::End(TagEnd::CodeBlock) => in_block = false,
            Event::Text(text) if in_block => blocks.last_mut().expect("a block").push_str(&text),
            _ => {}
        }
    }
    blocks
}

#[test]
fn a_title_names_who_has_most_of_the_cpu() {
    let (facts, mut verdict) = rich();
    let title = |verdict: &Verdict| ticket(&facts, verdict).lines().next().unwrap_or_default().to_owned();
    let after = "# LiteLLM CPU ticket: CPU increases after a LiteLLM upgrade";
    assert_eq!(title(&verdict), format!("{after}, 84.4 % in BurnCPU.expensive_pii_scrub"));
    // A function with less than half of what its owner has is not to blame for it.
    verdict.functions[0].self_percent = 42.1;
    assert_eq!(title(&verdict), format!("{after}, 84.4 % in logging callback custom_callbacks"));
    verdict.classification = None;
    verdict.owners.clear();
    assert_eq!(title(&verdict), "# LiteLLM CPU ticket: CPU at 1.07 cores, 42.1 % in BurnCPU.expensive_pii_scrub");
}

#[test]
fn the_logs_excerpt_leaves_out_who_asks_whether_it_is_well() {
    let (facts, verdict) = rich();
    assert!(facts.logs.during.as_ref().is_some_and(|log| log.contains("GET /health/liveliness")));
    assert!(!ticket(&facts, &verdict).contains("GET /health/liveliness"));
    assert!(!form_link(&facts, &verdict).url.contains("GET%20%2Fhealth%2Fliveliness"));
}

#[test]
fn the_link_holds_the_most_important_and_says_what_it_lacks() {
    let (facts, verdict) = rich();
    let link = form_link(&facts, &verdict);
    assert!(link.url.len() <= 8_000, "{}", link.url.len());
    for part in [
        "https://github.com/BerriAI/litellm/issues/new?template=bug_report.yml&title=%5BBug%5D%3A%20CPU%20increases%20after",
        "&version=1.106.2&component=Proxy&what-happened=CPU%20per%20request%20is",
        "&steps-to-reproduce=1.%20Start",
    ] {
        assert!(link.url.contains(part), "{part} is not in {}", link.url);
    }
    let (facts, verdict) = poor();
    assert!(form_link(&facts, &verdict).url.contains("&version=unknown&"));
}

#[test]
fn who_files_it_is_told_how() {
    let (facts, verdict) = rich();
    let told = hand_over(Path::new("/tmp/my bundles/litellm-cpu-gateway.tar.gz"), &facts, &verdict);
    assert!(told.starts_with(&ticket(&facts, &verdict)));
    for part in [
        form_link(&facts, &verdict).url.as_str(),
        "litellm-cpu-gateway.tar.gz",
        "tar -xzf '/tmp/my bundles/litellm-cpu-gateway.tar.gz'",
        "25 MB",
        "charts/cpu.png",
        "charts/memory.png",
        "charts/traffic.png",
        "charts/latency.png",
    ] {
        assert!(told.contains(part), "{part}");
    }
}

#[test]
fn two_captures_side_by_side() {
    let (facts, verdict) = rich();
    let (before, comparison) =
        (facts.baseline.as_ref().expect("a baseline"), verdict.comparison.as_ref().expect("a comparison"));
    assert_as_blessed("diff.md", &diff::text(before, &facts, comparison));
    assert_as_blessed("diff.svg", &diff::flamegraph(before, &facts, comparison).expect("a picture"));
}

#[test]
fn in_a_difference_red_grew_and_equal_stacks_of_all_workers_are_one() {
    let (facts, verdict) = rich();
    let (before, comparison) =
        (facts.baseline.as_ref().expect("a baseline"), verdict.comparison.as_ref().expect("one"));
    let svg = diff::flamegraph(before, &facts, comparison).expect("a picture");
    let frame = |name: &str| -> Vec<&str> {
        svg.split("<g>").filter(|group| group.contains(&format!("<title>{name}"))).collect()
    };
    let [grown] = frame("BurnCPU.expensive_pii_scrub")[..] else { panic!("one frame for both workers") };
    // 2.7 of 3.2 CPU-seconds, and 33 ms for each request; before, 0.18 of 0.68 and 7.08 ms.
    assert!(grown.contains("27,843,750 CPU-ns per request, 84.38%; +78.70%"), "{grown}");
    assert!(grown.contains("fill=\"rgb(255,100,100)\""), "{grown}");
    assert!(!svg.contains("worker 10") && !svg.contains("MainThread"));
    let turned = diff::flamegraph(
        &facts,
        before,
        &Comparison { before: comparison.after.clone(), after: comparison.before.clone(), ..comparison.clone() },
    );
    let turned = turned.expect("a picture");
    assert!(turned.contains("fill=\"rgb(100,100,255)\"") && !turned.contains("fill=\"rgb(255,100,100)\"><title>"));
}

#[test]
fn what_is_gone_has_no_width_but_is_told() {
    let (mut facts, verdict) = rich();
    let before = facts.baseline.take().expect("a baseline");
    let gone =
        |sample: &Sample| matches!(sample.place, Place::Stack(stack) if facts.profile.leaf_to_root(stack).count() == 4);
    facts.profile.samples = facts.profile.samples.iter().filter(|sample| !gone(sample)).copied().collect();
    let svg = diff::flamegraph(&before, &facts, verdict.comparison.as_ref().expect("one")).expect("a picture");
    assert!(
        svg.contains("no width has what is gone: 1.87 ms"),
        "{}",
        svg.lines().find(|line| line.contains("Widths")).unwrap_or_default()
    );
    facts.profile.samples.clear();
    let nothing = diff::flamegraph(&before, &facts, verdict.comparison.as_ref().expect("one")).expect("a picture");
    assert!(nothing.contains("there is nothing to draw"));
}

#[test]
fn a_comparison_keeps_its_form_too() {
    let (facts, verdict) = rich();
    let text = |facts: &Facts, verdict: &Verdict| {
        diff::text(
            facts.baseline.as_ref().expect("a baseline"),
            facts,
            verdict.comparison.as_ref().expect("a comparison"),
        )
    };
    let expected = form(&text(&facts, &verdict));
    let facts = spike::facts(hostile);
    let verdict = spike::verdict(&facts, hostile);
    assert_eq!(form(&text(&facts, &verdict)), expected);
}
