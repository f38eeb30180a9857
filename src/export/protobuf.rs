//! The part of protobuf's wire format that pprof's profiles are made of: whole numbers, bytes, messages in messages.
//! <https://protobuf.dev/programming-guides/encoding/>

/// Wire type of whole numbers.
const VARINT: u64 = 0;
/// Wire type of everything with a length in front.
const LENGTH_DELIMITED: u64 = 2;

/// A message in the making.
#[derive(Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// A whole number; 0 is what a reader takes a missing one for.
    pub fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, VARINT);
            varint(&mut self.0, value);
        }
    }

    /// Text, or anything else that is bytes.
    pub fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, LENGTH_DELIMITED);
        varint(&mut self.0, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A message within this one.
    pub fn message(&mut self, field: u32, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// Many whole numbers, packed.
    pub fn numbers(&mut self, field: u32, values: impl IntoIterator<Item = u64>) {
        let mut packed = Vec::new();
        values.into_iter().for_each(|value| varint(&mut packed, value));
        self.bytes(field, &packed);
    }

    /// The message as it is stored.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn tag(&mut self, field: u32, wire_type: u64) {
        varint(&mut self.0, u64::from(field) << 3 | wire_type);
    }
}

/// Seven bits in each byte, the lowest first; the highest bit says that more follow.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the format's own description.
    #[test]
    fn what_the_description_of_the_format_shows_comes_out() {
        let mut number = Message::default();
        number.number(1, 150);
        assert_eq!(number.0, [0x08, 0x96, 0x01]);

        let mut text = Message::default();
        text.bytes(2, b"testing");
        assert_eq!(text.0, [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);

        let mut within = Message::default();
        within.message(3, &number);
        assert_eq!(within.0, [0x1a, 0x03, 0x08, 0x96, 0x01]);

        let mut packed = Message::default();
        packed.numbers(6, [3, 270, 86_942]);
        assert_eq!(packed.0, [0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]);
    }

    #[test]
    fn the_largest_number_takes_ten_bytes() {
        let mut number = Message::default();
        number.number(1, u64::MAX);
        assert_eq!(number.0.len(), 11);
        assert_eq!(number.0.last(), Some(&1));
    }
}
