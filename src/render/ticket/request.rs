//! A request that looks like most of those that were seen, ready to send: no content, only its size.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::analyse::{Facts, Verdict};
use crate::redact::Clean;
use crate::render::figures::count;
use crate::render::shell::{in_here_document, quoted};
use crate::workload::{Shape, When};

/// LiteLLM's own default.
const PORT: u16 = 4000;
/// What a prompt is given where its size is not known.
const PROMPT_TOKENS: f64 = 100.0;
/// So many messages are written out at most.
const MOST_MESSAGES: u64 = 50;
/// A prompt larger than any model takes was counted wrongly.
const MOST_TOKENS: f64 = 2_000_000.0;
/// What stands for the prompt until the shell puts it there; JSON and shell leave it as it is.
const PROMPT: &str = "THE_PROMPT";

/// The request that was seen most, with what other sources tell of the same route and model.
struct Typical {
    route: String,
    model: Option<String>,
    stream: Option<bool>,
    prompt_tokens: Option<f64>,
    completion_tokens: Option<f64>,
    messages: Option<f64>,
}

/// A `curl` command line of the most typical request; a plain one where no request was seen.
pub fn curl(facts: &Facts, verdict: &Verdict) -> String {
    let typical = typical(facts, verdict);
    let port = facts.fingerprint.as_ref().and_then(|fingerprint| fingerprint.litellm.port);
    let url = quoted(&format!("http://127.0.0.1:{}{}", port.unwrap_or(PORT), path(&typical.route)));
    let mut script = String::new();
    for note in notes(&typical, port) {
        // Writing to a string cannot fail.
        let _ = writeln!(script, "# {note}");
    }
    script += "KEY='sk-...'  # a key of your own proxy\n";
    let Some(body) = body(&typical) else {
        let _ = write!(script, "curl -sS {url} -H \"Authorization: Bearer $KEY\"");
        return script;
    };
    let words = typical.prompt_tokens.unwrap_or(PROMPT_TOKENS).clamp(1.0, MOST_TOKENS) / body.messages as f64;
    let json = in_here_document(&body.json.to_string()).replace(PROMPT, "$PROMPT");
    let _ = write!(
        script,
        "PROMPT=$(yes word | head -n {:.0} | tr '\\n' ' ')  # one token a word, about\n\
         curl -sS {url} \\\n  \
         -H \"Authorization: Bearer $KEY\" \\\n  \
         -H 'Content-Type: application/json' \\\n  \
         --data-binary @- <<JSON\n\
         {json}\nJSON",
        words.ceil(),
    );
    script
}

/// A route as a URL may have it, on one line: what is no character of a URL as its bytes in hexadecimal.
fn path(route: &str) -> String {
    let mut path = String::with_capacity(route.len());
    for byte in route.bytes() {
        if byte.is_ascii_graphic() {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

/// A request's body, and how many messages share the prompt's tokens.
struct Body {
    json: Value,
    messages: u64,
}

/// None for routes that are asked without one.
fn body(typical: &Typical) -> Option<Body> {
    let model = typical.model.as_deref().unwrap_or("MODEL");
    let one = |json: Value| Some(Body { json, messages: 1 });
    let ends = |end: &str| typical.route.ends_with(end);
    let mut body = if ends("/chat/completions") || ends("/messages") {
        let count = (typical.messages.unwrap_or(1.0).round() as u64).clamp(1, MOST_MESSAGES);
        let message = json!({"role": "user", "content": PROMPT});
        let messages = vec![message; count as usize];
        Body { json: json!({"model": model, "messages": messages}), messages: count }
    } else if ends("/completions") {
        one(json!({"model": model, "prompt": PROMPT}))?
    } else if ends("/embeddings") {
        return one(json!({"model": model, "input": PROMPT}));
    } else if ends("/responses") {
        one(json!({"model": model, "input": PROMPT}))?
    } else {
        return None;
    };
    if let Some(stream) = typical.stream {
        body.json["stream"] = json!(stream);
    }
    if let Some(tokens) = typical.completion_tokens.filter(|tokens| *tokens >= 1.0) {
        let name = if ends("/responses") { "max_output_tokens" } else { "max_tokens" };
        body.json[name] = json!(tokens.min(MOST_TOKENS).round() as u64);
    }
    Some(body)
}

fn notes(typical: &Typical, port: Option<u16>) -> Vec<String> {
    let mut notes = Vec::new();
    let mut unknown = Vec::new();
    if port.is_none() {
        unknown.push("the port (4000 is LiteLLM's default)");
    }
    if typical.model.is_none() {
        unknown.push("the model");
    }
    if typical.stream.is_none() {
        unknown.push("whether the answer is streamed");
    }
    if typical.prompt_tokens.is_none() {
        unknown.push("the prompt's size (100 tokens are a guess)");
    }
    if let Some(tokens) = typical.prompt_tokens {
        notes.push(format!(
            "the prompt has about {} tokens, as the real ones have; its content is made up",
            count(tokens.round())
        ));
    }
    notes.extend(unknown.iter().map(|what| format!("not known, so check: {what}")));
    notes
}

fn typical(facts: &Facts, verdict: &Verdict) -> Typical {
    let mut shapes: Vec<&Shape<Clean>> = facts.shapes.iter().filter(|shape| shape.route.is_some()).collect();
    let rank = |when: When| match when {
        When::During => 0,
        When::Unknown => 1,
        When::Before => 2,
    };
    shapes.sort_by(|a, b| rank(a.when).cmp(&rank(b.when)).then(b.requests.total_cmp(&a.requests)));
    let Some(first) = shapes.first() else {
        return Typical {
            route: "/v1/chat/completions".to_owned(),
            model: None,
            stream: None,
            prompt_tokens: verdict.loads.during.prompt_tokens_per_request,
            completion_tokens: verdict.loads.during.completion_tokens_per_request,
            messages: None,
        };
    };
    let alike = |shape: &&&Shape<Clean>| {
        shape.route == first.route && (first.model.is_none() || shape.model.is_none() || shape.model == first.model)
    };
    let alike: Vec<&Shape<Clean>> = shapes.iter().filter(alike).copied().collect();
    let told = |figure: fn(&Shape<Clean>) -> Option<f64>| alike.iter().find_map(|shape| figure(shape));
    let load = &verdict.loads.during;
    Typical {
        route: first.route.as_ref().map(ToString::to_string).unwrap_or_default(),
        model: alike.iter().find_map(|shape| shape.model.as_ref()).map(ToString::to_string),
        stream: alike.iter().find_map(|shape| shape.stream),
        prompt_tokens: told(|shape| shape.prompt_tokens).or(load.prompt_tokens_per_request),
        completion_tokens: told(|shape| shape.completion_tokens).or(load.completion_tokens_per_request),
        messages: told(|shape| shape.messages),
    }
}
