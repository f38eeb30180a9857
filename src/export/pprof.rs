//! pprof's profile, as `go tool pprof`, Grafana and Parca read it.
//! <https://github.com/google/pprof/blob/main/proto/profile.proto>
//!
//! Stacks are summed over time for each thread. Whose work a stack is stands beside it as labels, so that a reader can
//! group and filter by owner, thread and worker.

use std::collections::BTreeMap;

use crate::analyse::Facts;
use crate::analyse::owners::work_at;
use crate::export::protobuf::Message;
use crate::export::without_stack;
use crate::redact::Clean;
use crate::sample::profile::{Interner, Place, Profile, Thread};

/// The fields of profile.proto by their numbers.
mod field {
    pub mod profile {
        pub const SAMPLE_TYPE: u32 = 1;
        pub const SAMPLE: u32 = 2;
        pub const MAPPING: u32 = 3;
        pub const LOCATION: u32 = 4;
        pub const FUNCTION: u32 = 5;
        pub const STRING_TABLE: u32 = 6;
        pub const TIME_NANOS: u32 = 9;
        pub const DURATION_NANOS: u32 = 10;
        pub const PERIOD_TYPE: u32 = 11;
        pub const PERIOD: u32 = 12;
        pub const COMMENT: u32 = 13;
        pub const DEFAULT_SAMPLE_TYPE: u32 = 14;
    }
    pub mod value_type {
        pub const TYPE: u32 = 1;
        pub const UNIT: u32 = 2;
    }
    pub mod sample {
        pub const LOCATION_ID: u32 = 1;
        pub const VALUE: u32 = 2;
        pub const LABEL: u32 = 3;
    }
    pub mod label {
        pub const KEY: u32 = 1;
        pub const STR: u32 = 2;
        pub const NUM: u32 = 3;
    }
    pub mod mapping {
        pub const ID: u32 = 1;
        pub const FILENAME: u32 = 5;
        pub const HAS_FUNCTIONS: u32 = 7;
        pub const HAS_FILENAMES: u32 = 8;
        pub const HAS_LINE_NUMBERS: u32 = 9;
    }
    pub mod location {
        pub const ID: u32 = 1;
        pub const MAPPING_ID: u32 = 2;
        pub const LINE: u32 = 4;
    }
    pub mod line {
        pub const FUNCTION_ID: u32 = 1;
        pub const LINE: u32 = 2;
    }
    pub mod function {
        pub const ID: u32 = 1;
        pub const NAME: u32 = 2;
        pub const SYSTEM_NAME: u32 = 3;
        pub const FILENAME: u32 = 4;
    }
}

/// The one mapping: the interpreter.
const MAPPING_ID: u64 = 1;

/// What is summed for each thread and stack.
#[derive(Default)]
struct Sum {
    samples: u64,
    cpu_ns: u64,
    run_delay_ns: u64,
}

/// The profile, not yet compressed.
pub fn profile(facts: &Facts) -> Vec<u8> {
    let mut writer = Writer::default();
    // Readers want nothing as the first string.
    writer.string("");
    for (name, unit) in [("samples", "count"), ("cpu", "nanoseconds"), ("wait", "nanoseconds")] {
        let value_type = writer.value_type(name, unit);
        writer.profile.message(field::profile::SAMPLE_TYPE, &value_type);
    }
    let python = facts.fingerprint.as_ref().and_then(|print| print.python.executable.as_ref());
    writer.mapping(python.map_or("python", Clean::as_str));
    for (index, frame) in facts.profile.frames.iter().enumerate() {
        let function = writer.function(frame.function.as_str(), frame.file.as_str());
        writer.location(index as u64 + 1, function, frame.line);
    }
    for ((thread, place), sum) in sums(&facts.profile) {
        writer.sample(&facts.profile, (thread, place), &sum);
    }
    writer.about(facts);
    writer.into_bytes()
}

fn sums(profile: &Profile<Clean>) -> BTreeMap<(u32, Place), Sum> {
    let mut sums: BTreeMap<(u32, Place), Sum> = BTreeMap::new();
    for sample in profile.samples.iter().filter(|sample| sample.cpu_ns > 0 || sample.run_delay_ns > 0) {
        let sum = sums.entry((sample.thread, sample.place)).or_default();
        sum.samples += u64::from(sample.cpu_ns > 0);
        sum.cpu_ns += sample.cpu_ns;
        sum.run_delay_ns += sample.run_delay_ns;
    }
    sums
}

#[derive(Default)]
struct Writer {
    profile: Message,
    strings: Interner<String>,
    /// Name and file as strings; a function's id is one more than its place here.
    functions: Interner<(u64, u64)>,
    /// Locations of time without a stack.
    named: BTreeMap<&'static str, u64>,
}

impl Writer {
    fn string(&mut self, text: &str) -> u64 {
        u64::from(self.strings.id(text.to_owned()))
    }

    fn value_type(&mut self, name: &str, unit: &str) -> Message {
        let mut value_type = Message::default();
        value_type.number(field::value_type::TYPE, self.string(name));
        value_type.number(field::value_type::UNIT, self.string(unit));
        value_type
    }

    /// Without the flags readers would look for symbols in a file that is not there.
    fn mapping(&mut self, file: &str) {
        let mut mapping = Message::default();
        mapping.number(field::mapping::ID, MAPPING_ID);
        mapping.number(field::mapping::FILENAME, self.string(file));
        for flag in [field::mapping::HAS_FUNCTIONS, field::mapping::HAS_FILENAMES, field::mapping::HAS_LINE_NUMBERS] {
            mapping.number(flag, 1);
        }
        self.profile.message(field::profile::MAPPING, &mapping);
    }

    fn function(&mut self, name: &str, file: &str) -> u64 {
        let (name, file) = (self.string(name), self.string(file));
        let known = self.functions.items().len();
        let id = u64::from(self.functions.id((name, file))) + 1;
        if id > known as u64 {
            let mut function = Message::default();
            function.number(field::function::ID, id);
            function.number(field::function::NAME, name);
            function.number(field::function::SYSTEM_NAME, name);
            function.number(field::function::FILENAME, file);
            self.profile.message(field::profile::FUNCTION, &function);
        }
        id
    }

    fn location(&mut self, id: u64, function: u64, line_number: u32) {
        let mut line = Message::default();
        line.number(field::line::FUNCTION_ID, function);
        line.number(field::line::LINE, u64::from(line_number));
        let mut location = Message::default();
        location.number(field::location::ID, id);
        location.number(field::location::MAPPING_ID, MAPPING_ID);
        location.message(field::location::LINE, &line);
        self.profile.message(field::profile::LOCATION, &location);
    }

    fn sample(&mut self, profile: &Profile<Clean>, (thread, place): (u32, Place), sum: &Sum) {
        let locations = self.locations(profile, place);
        let mut sample = Message::default();
        sample.numbers(field::sample::LOCATION_ID, locations);
        sample.numbers(field::sample::VALUE, [sum.samples, sum.cpu_ns, sum.run_delay_ns]);
        let work = work_at(profile, place);
        let Thread { process, tid, name } = &profile.threads[thread as usize];
        for (key, number) in [("pid", process.pid), ("thread_id", *tid)] {
            let mut label = Message::default();
            label.number(field::label::KEY, self.string(key));
            label.number(field::label::NUM, u64::from(number.cast_unsigned()));
            sample.message(field::sample::LABEL, &label);
        }
        for (key, text) in [("thread", name.as_str()), ("owner", &work.owner), ("mechanism", work.mechanism)] {
            let mut label = Message::default();
            label.number(field::label::KEY, self.string(key));
            label.number(field::label::STR, self.string(text));
            sample.message(field::sample::LABEL, &label);
        }
        self.profile.message(field::profile::SAMPLE, &sample);
    }

    /// From the leaf to the root. A frame's location has the number of the frame plus one, as 0 is none.
    fn locations(&mut self, profile: &Profile<Clean>, place: Place) -> Vec<u64> {
        if let Place::Stack(stack) = place {
            return profile.indices_leaf_to_root(stack).map(|frame| u64::from(frame) + 1).collect();
        }
        without_stack(place).map(|name| self.named(profile, name)).into_iter().collect()
    }

    fn named(&mut self, profile: &Profile<Clean>, name: &'static str) -> u64 {
        let id = (profile.frames.len() + self.named.len()) as u64 + 1;
        if let Some(known) = self.named.get(name) {
            return *known;
        }
        self.named.insert(name, id);
        let function = self.function(name, "");
        self.location(id, function, 0);
        id
    }

    fn about(&mut self, facts: &Facts) {
        let (from_us, to_us) = facts.sampled_us();
        let begin_us = facts.epoch().as_microsecond().saturating_add_unsigned(from_us);
        let period_type = self.value_type("cpu", "nanoseconds");
        let (comment, default) = (self.string(&facts.manifest.name), self.string("cpu"));
        let profile = &mut self.profile;
        profile.number(field::profile::TIME_NANOS, begin_us.unsigned_abs().saturating_mul(1_000));
        profile.number(field::profile::DURATION_NANOS, to_us.saturating_sub(from_us).saturating_mul(1_000));
        profile.message(field::profile::PERIOD_TYPE, &period_type);
        let rate_hz = u64::from(facts.manifest.settings.rate_hz.max(1));
        profile.number(field::profile::PERIOD, 1_000_000_000 / rate_hz);
        profile.numbers(field::profile::COMMENT, [comment]);
        profile.number(field::profile::DEFAULT_SAMPLE_TYPE, default);
    }

    /// The strings come last, as the rest adds to them.
    fn into_bytes(mut self) -> Vec<u8> {
        for text in self.strings.items() {
            self.profile.bytes(field::profile::STRING_TABLE, text.as_bytes());
        }
        self.profile.into_bytes()
    }
}
