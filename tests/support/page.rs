//! A page's facts, read as its script reads them.

use litellm_capture::render::report::data::block::unpacked;
use serde_json::Value;

pub struct Page {
    pub head: Value,
    columns: Vec<u8>,
}

impl Page {
    #[track_caller]
    pub fn read(page: &str) -> Self {
        let bytes = unpacked(page.as_bytes()).expect("a block of data");
        assert_eq!(bytes[..4], *b"LCR1");
        let length = u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes")) as usize;
        let head = serde_json::from_slice(&bytes[8..8 + length]).expect("a head in JSON");
        Self { head, columns: bytes[8 + length..].to_vec() }
    }

    #[track_caller]
    pub fn at(&self, pointer: &str) -> &Value {
        self.head.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in the head"))
    }

    /// A column of whole numbers.
    #[track_caller]
    pub fn numbers(&self, pointer: &str) -> Vec<i64> {
        let figure = |name| self.at(pointer)[name].as_u64().expect("a number") as usize;
        let mut bytes = self.columns[figure("at")..].iter();
        let mut number = || {
            let mut number = 0_u64;
            for place in 0.. {
                let byte = *bytes.next().expect("a byte");
                number |= u64::from(byte & 0x7f) << (7 * place);
                if byte < 0x80 {
                    break;
                }
            }
            number
        };
        let is_signed = self.at(pointer)["coding"] == "zigzag";
        let decoded = |number: u64| {
            if is_signed { (number >> 1).cast_signed() ^ -(number & 1).cast_signed() } else { number.cast_signed() }
        };
        (0..figure("count")).map(|_| decoded(number())).collect()
    }

    /// A column of figures; what is missing is none.
    #[track_caller]
    pub fn figures(&self, pointer: &str) -> Vec<Option<f64>> {
        let figure = |name| self.at(pointer)[name].as_u64().expect("a number") as usize;
        let bytes = &self.columns[figure("at")..][..8 * figure("count")];
        let figures = bytes.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight bytes")));
        figures.map(|figure| Some(figure).filter(|figure| !figure.is_nan())).collect()
    }

    /// Whether some text of the head is just this.
    pub fn says(&self, text: &str) -> bool {
        says(&self.head, &|said| said == text)
    }

    /// Whether this is in some text of the head.
    pub fn mentions(&self, part: &str) -> bool {
        says(&self.head, &|said| said.contains(part))
    }
}

fn says(value: &Value, is_meant: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_meant(text),
        Value::Array(values) => values.iter().any(|value| says(value, is_meant)),
        Value::Object(fields) => fields.iter().any(|(name, value)| is_meant(name) || says(value, is_meant)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
