//! LiteLLM's `/metrics/`: one scrape, and what each of its failures means.
//!
//! The answer is made on the worker's event loop. So little is asked for, and not again where an answer was too slow or
//! too large; only a worker that says nothing at all gets another chance, since its loop may have been blocked.

use std::time::Duration;

use crate::collect::Gap;
use crate::observe::door::{Auth, Door, Key};
use crate::observe::exposition;
use crate::observe::http::{Answer, Failure, Limits};
use crate::observe::reduce::Sums;
use crate::observe::sample::Metric;

/// With the slash: without it LiteLLM redirects, and a redirect is not followed.
const PATH: &str = "/metrics/";

/// A scrape takes some milliseconds.
const LIMITS: Limits = Limits { deadline: Duration::from_secs(1), bytes: 20 * 1024 * 1024 };

/// `FastAPI` builds its routes when it first looks for one, and LiteLLM's `/metrics` is the last of some hundred: where
/// nobody has scraped a worker yet, that takes most of a second, and more on a slow machine.
const FIRST_LIMITS: Limits = Limits { deadline: Duration::from_secs(2), ..LIMITS };

/// A worker that says nothing is asked again so often, later.
const MOST_RETRIES: u32 = 2;

const CALLBACK_CURE: &str =
    "set `callbacks: [\"prometheus\"]` under `litellm_settings` in LiteLLM's config, and install `prometheus_client`";
const OPEN_CURE: &str = "or set `require_auth_for_metrics_endpoint: false` under `litellm_settings`";

/// How the metrics are asked for, as far as the answers taught it.
#[derive(Debug)]
pub struct Scraper {
    auth: Auth,
    asks_for: AsksFor,
    limits: Limits,
    missed: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AsksFor {
    /// What is read alone.
    Few,
    /// Everything: in multiprocess mode LiteLLM answers a selection with nothing.
    All,
}

/// What came of a scrape.
#[derive(Debug)]
pub enum Scraped {
    /// An answer.
    Sums(Sums),
    /// Nothing, but it may be had later.
    Missed,
    /// Nothing, and there is no use in asking again.
    Lost(Lost),
}

/// Why the metrics cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    why: String,
    cure: String,
    /// Whether capture could have had them.
    is_there: bool,
}

impl Lost {
    /// With its reason, where capture could have had them.
    pub fn new(why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { why: why.into(), cure: cure.into(), is_there: true }
    }

    /// The gap that it leaves.
    pub fn gap(self, what: String) -> Gap {
        if self.is_there { Gap::new(what, self.why, self.cure) } else { Gap::note(what, self.why, self.cure) }
    }
}

impl Scraper {
    /// One that asks without the key first.
    pub fn new() -> Self {
        Self { auth: Auth::Nothing, asks_for: AsksFor::Few, limits: FIRST_LIMITS, missed: 0 }
    }

    /// Asks once, and again where the answer says how to.
    pub fn scrape(&mut self, door: &Door) -> Scraped {
        let came = self.ask(door);
        self.limits = LIMITS;
        match came {
            Ok(sums) => {
                self.missed = 0;
                Scraped::Sums(sums)
            }
            Err(Trouble::Lost(lost)) => Scraped::Lost(lost),
            Err(Trouble::Silent) if self.missed < MOST_RETRIES => {
                self.missed += 1;
                Scraped::Missed
            }
            Err(Trouble::Silent) => Scraped::Lost(Lost::new(
                format!(
                    "{} scrapes in a row had no answer within 1 s: the event loop was blocked, or had too little CPU",
                    self.missed + 1
                ),
                "look at the liveliness figures; run several workers, whose metrics are read from files without asking",
            )),
        }
    }

    fn ask(&mut self, door: &Door) -> Result<Sums, Trouble> {
        let mut asked_before = false;
        loop {
            let answer = door.get(&self.path(), self.auth, self.limits).map_err(trouble)?;
            if answer.status != 200 {
                // Where `prisma` is missing LiteLLM fails instead of asking for a key.
                let wants_key = matches!(answer.status, 401 | 403 | 500);
                if wants_key && self.auth == Auth::Nothing && matches!(door.key, Key::Usable(_)) {
                    self.auth = Auth::Key;
                    asked_before = true;
                    continue;
                }
                return Err(Trouble::Lost(refusal(answer.status, &door.key)));
            }
            let mut sums = read(&answer)?;
            if !sums.is_empty() || sums.answers_for_itself() {
                if asked_before {
                    // The question before may be counted as one in flight yet.
                    sums.forget_in_flight();
                }
                return Ok(sums);
            }
            if self.asks_for == AsksFor::All {
                return Err(Trouble::Lost(Lost {
                    why: "`/metrics/` holds no metric of LiteLLM's".to_owned(),
                    cure: CALLBACK_CURE.to_owned(),
                    is_there: false,
                }));
            }
            self.asks_for = AsksFor::All;
            asked_before = true;
        }
    }

    fn path(&self) -> String {
        match self.asks_for {
            AsksFor::All => PATH.to_owned(),
            AsksFor::Few => {
                let names: Vec<String> = Metric::names().map(|name| format!("name%5B%5D={name}")).collect();
                format!("{PATH}?{}", names.join("&"))
            }
        }
    }
}

/// Why one scrape gave nothing.
enum Trouble {
    /// The worker may answer later.
    Silent,
    /// It will not.
    Lost(Lost),
}

fn read(answer: &Answer) -> Result<Sums, Trouble> {
    let mut sums = Sums::default();
    exposition::read(&answer.body, |sample| sums.add(sample)).map_err(|bad| {
        Trouble::Lost(Lost::new(
            format!("`/metrics/` answered something else than Prometheus' text format (line {})", bad.line),
            "name the proxy's own address with `--litellm-url http://HOST:PORT`; something else may have answered",
        ))
    })?;
    Ok(sums)
}

fn trouble(failure: Failure) -> Trouble {
    let lost = |why: &str, cure: &str| Trouble::Lost(Lost::new(why, cure));
    let address = "name the address on which the proxy listens with `--litellm-url http://HOST:PORT`";
    match failure {
        Failure::Silent | Failure::Broken => Trouble::Silent,
        Failure::Slow => lost(
            "`/metrics/` began to answer and was not done within 1 s; asking again would cost the proxy as much",
            "reduce the labels of LiteLLM's metrics, or run several workers, whose metrics are read from files",
        ),
        Failure::TooLarge => lost(
            "`/metrics/` answers more than 20 MB; asking again would cost the proxy as much",
            "reduce the labels of LiteLLM's metrics (end users and keys multiply them)",
        ),
        Failure::Refused => lost("nobody listens at the proxy's address", address),
        Failure::Unreachable => lost("the proxy's address cannot be reached from here", address),
        Failure::NotHttp => lost("what answers at the proxy's address does not speak HTTP", address),
    }
}

fn refusal(status: u16, key: &Key) -> Lost {
    match (status, key) {
        (401 | 403, Key::Missing(name)) => Lost::new(
            format!("`/metrics/` wants a key (status {status}), and the variable {name} holds none"),
            format!("set {name}, or name the variable that has a key with `--litellm-key-env NAME`; {OPEN_CURE}"),
        ),
        (401 | 403, Key::Withheld) => Lost::new(
            format!(
                "`/metrics/` wants a key (status {status}), which is sent only to an address on which the captured process listens"
            ),
            format!("leave `--litellm-url` out, or name such an address; {OPEN_CURE}"),
        ),
        (401 | 403, Key::Usable(_)) => Lost::new(
            format!("`/metrics/` refused the key (status {status})"),
            format!("name the variable that has the proxy's key with `--litellm-key-env NAME`; {OPEN_CURE}"),
        ),
        (404, _) => Lost {
            why: "LiteLLM has no `/metrics/` (status 404): its prometheus callback is not on".to_owned(),
            cure: CALLBACK_CURE.to_owned(),
            is_there: false,
        },
        (300..=399, _) => Lost::new(
            format!("`/metrics/` answered a redirect (status {status}), which is not followed"),
            "name the proxy's own address with `--litellm-url http://HOST:PORT`, with its root path if it has one",
        ),
        _ => Lost::new(
            format!("`/metrics/` answered with status {status}"),
            format!(
                "look at LiteLLM's log for the reason, and give the key with `--litellm-key-env NAME`; {OPEN_CURE}"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::observe::door::Access;

    #[test]
    fn a_worker_that_says_nothing_is_asked_again_twice() {
        // The kernel takes the connections, and nobody reads them: so does a blocked event loop.
        let blocked = TcpListener::bind("127.0.0.1:0").unwrap();
        let access = Access { listening: vec![blocked.local_addr().unwrap()], ..Access::default() };
        let door = Door::find(&access).unwrap();
        let mut scraper = Scraper::new();
        assert!(matches!(scraper.scrape(&door), Scraped::Missed));
        assert!(matches!(scraper.scrape(&door), Scraped::Missed));
        let Scraped::Lost(lost) = scraper.scrape(&door) else { panic!("it was asked a third time in vain") };
        assert!(lost.why.starts_with("3 scrapes in a row had no answer"), "{}", lost.why);
    }
}
