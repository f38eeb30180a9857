//! `capture`: the CPU spike of a LiteLLM proxy, in one tarball that gets the ticket solved.
//!
//! Data flows one way, and imports follow it:
//!
//! ```text
//! cli -> plan -> discover -> sample + collect + observe + logs -> redact -> analyse -> render -> bundle
//! ```
//!
//! | room | what is in it |
//! |---|---|
//! | [`cli`], [`plan`] | what can be typed, and what it comes to |
//! | [`run`] | the order of all stages, on one screen |
//! | [`os`] | the edge to Linux: `/proc` under a root path, children, signals, clocks |
//! | [`permission`] | may a process be read: tried, else the rule that forbids it and the next command |
//! | [`target`] | the one proxy that is meant, the right to read it, the py-spy to do it with |
//! | [`doctor`] | can it attach, read and write here: everything tried beforehand |
//! | [`engines`] | which engine samples it, and why that one |
//! | [`discover`] | which processes are LiteLLM, their role, and why we think so |
//! | [`sample`] | stacks through py-spy or read by ourselves, CPU clocks from the kernel, both joined into a profile |
//! | [`collect`] | facts about machine, container, interpreter and LiteLLM, or gaps |
//! | [`observe`] | what is read again and again while stacks are sampled: kernel, metrics, liveliness, spend logs |
//! | [`logs`] | LiteLLM's log before and during: found, followed, cleaned to known forms, counted |
//! | [`series`], [`traffic`], [`workload`] | what observing gives: tables over time, counts and latencies, shapes of requests |
//! | [`redact`] | from raw text to clean text, and the last gate |
//! | [`attend`] | who far away waits for the result, and what happens when they are gone |
//! | [`begin`], [`environment`] | the work folder before the first sample: manifest, and what was collected, redacted |
//! | [`baseline`] | the bundle that a capture is held against |
//! | [`ending`] | what is known when the last sample is taken, and what is missing |
//! | [`assemble`] | from a work folder to the files of a bundle |
//! | [`publish`] | from those files to the bundle in its place, and what is told of it |
//! | [`analyse`] | from evidence to a verdict; pure |
//! | [`render`] | ticket and its link, page, charts, flamegraphs, folded stacks, comparison, the lines of the summary |
//! | [`products`] | everything that is rendered from facts, as files |
//! | [`pack`] | a killed capture's work folder becomes a bundle |
//! | [`watch`] | wait for a spike, remember what was before, capture it, hold to limits, go on |
//! | [`review`] | bundles looked at again: `report`, `ticket`, `diff` |
//! | [`export`] | a bundle's profile for other tools: Firefox Profiler, speedscope, pprof, folded stacks |
//! | [`k8s`] | pods captured from outside, through kubectl: who is meant, the way in, what only the cluster knows |
//! | [`fleet`] | the bundles of several pods as one: which are hot, what differs, one flamegraph, one ticket |
//! | [`bundle`] | work folder, manifest, archive, reading it back |
//! | [`error`], [`notice`] | failures with their cure and exit code; everything said to the terminal |

pub mod analyse;
pub mod assemble;
pub mod attend;
pub mod baseline;
pub mod begin;
pub mod bundle;
pub mod cli;
pub mod collect;
pub mod discover;
pub mod doctor;
pub mod ending;
pub mod engines;
pub mod environment;
pub mod error;
pub mod export;
pub mod fleet;
pub mod k8s;
pub mod logs;
pub mod notice;
pub mod observe;
pub mod os;
pub mod pack;
pub mod permission;
pub mod plan;
pub mod products;
pub mod publish;
pub mod redact;
pub mod render;
pub mod review;
pub mod run;
pub mod sample;
pub mod series;
pub mod target;
pub mod traffic;
pub mod watch;
pub mod workload;
