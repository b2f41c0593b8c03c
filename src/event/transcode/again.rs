//! What becomes of a field that comes more than once in an object: the last one counts, as readers of JSON have it. On
//! the wire equal fields would be merged, so what came earlier has to go.

use std::{collections::HashSet, ops::Range};

use prost::{
    Message as _,
    bytes::Buf,
    encoding::{decode_key, decode_varint},
};

use super::{Decoder, Seen};
use crate::event::{
    pb::StringList,
    schema::{Field, Kind, SCHEMA, Shape},
    wire,
};

impl Decoder<'_, '_> {
    /// Field `at` of the innermost message came, and its bytes are those from `start`; `earlier` is what came of it
    /// before. One list under two spellings counts as both lists together.
    pub(super) fn came(&mut self, base: usize, at: usize, start: usize, earlier: &Seen, field: &Field) {
        let mut bytes = start..self.out.len();
        if !earlier.bytes.is_empty() {
            let both = [earlier.bytes.clone(), bytes.clone()];
            let is_other_spelling = earlier.name != self.seen[base + at].name;
            if is_other_spelling && is_list(field) && !bytes.is_empty() {
                let united = self.united(both);
                self.out.truncate(start);
                wire::put_bytes(self.out, field.number, &united.encode_to_vec());
                bytes = start..self.out.len();
            }
            let len = earlier.bytes.len();
            if is_other_spelling && bytes.is_empty() {
                bytes = earlier.bytes.clone();
            } else {
                self.out.drain(earlier.bytes.clone());
                for seen in &mut self.seen[base..] {
                    if seen.bytes.start >= earlier.bytes.end {
                        seen.bytes = seen.bytes.start - len..seen.bytes.end - len;
                    }
                }
                bytes = bytes.start - len..bytes.end - len;
            }
        }
        self.seen[base + at].bytes = bytes;
    }

    /// The lists that two fields hold, as one, each value once.
    fn united(&self, fields: [Range<usize>; 2]) -> StringList {
        let mut known = HashSet::new();
        let mut united = StringList::default();
        for field in fields {
            let mut bytes = &self.out[field];
            let list = decode_key(&mut bytes)
                .and_then(|_| decode_varint(&mut bytes))
                .map(|len| bytes.take(usize::try_from(len).unwrap_or(usize::MAX)));
            let list = list.and_then(StringList::decode).expect("it was encoded here");
            united.values.extend(list.values.into_iter().filter(|value| known.insert(value.clone())));
        }
        united
    }
}

fn is_list(field: &Field) -> bool {
    matches!(field.kind, Kind::Message(message) if matches!(SCHEMA.messages[message].shape, Shape::List(_)))
}
