//! Which kinds of decode issues an encoded event lists, found without decoding the rest of it.

use prost::{
    Message as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

use super::pb::{DecodeIssue, DecodeProblem};

/// `decode_issues` of `Event`.
const DECODE_ISSUES: u32 = 12;

/// All kinds that there are.
pub const ALL: [DecodeProblem; 7] = [
    DecodeProblem::UnexpectedValue,
    DecodeProblem::UnknownField,
    DecodeProblem::MissingField,
    DecodeProblem::NotJson,
    DecodeProblem::NotUtf8,
    DecodeProblem::DuplicateField,
    DecodeProblem::ContentEncoding,
];

/// The name of a kind in metrics, as in the proto: unexpected_value.
pub fn name(problem: DecodeProblem) -> String {
    problem.as_str_name().trim_start_matches("DECODE_PROBLEM_").to_lowercase()
}

/// The kinds that `event`, an encoded `Event`, lists; each once, in the order of [`ALL`].
pub fn of_event(mut event: &[u8]) -> impl Iterator<Item = DecodeProblem> {
    let mut listed = [false; ALL.len()];
    // We have encoded it ourselves: what is not well-formed is not there.
    while let Ok((field, wire_type)) = decode_key(&mut event) {
        if (field, wire_type) == (DECODE_ISSUES, WireType::LengthDelimited) {
            let length = decode_varint(&mut event).ok().and_then(|length| usize::try_from(length).ok());
            let Some((issue, rest)) = length.and_then(|length| event.split_at_checked(length)) else { break };
            event = rest;
            let problem = DecodeIssue::decode(issue).map(|issue| issue.problem());
            if let Some(at) = problem.ok().and_then(|problem| ALL.iter().position(|known| *known == problem)) {
                listed[at] = true;
            }
        } else if skip_field(wire_type, field, &mut event, DecodeContext::default()).is_err() {
            break;
        }
    }
    ALL.into_iter().zip(listed).filter_map(|(problem, listed)| listed.then_some(problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::pb::Event;

    #[test]
    fn each_kind_is_found_once_wherever_it_stands() {
        let issue = |problem: DecodeProblem| DecodeIssue { problem: problem.into(), ..DecodeIssue::default() };
        let kinds = [DecodeProblem::NotUtf8, DecodeProblem::UnknownField, DecodeProblem::UnknownField];
        let event = Event {
            id: "et-1".into(),
            sequence: 7,
            decode_issues: kinds.map(issue).to_vec(),
            user_id: "u-1".into(),
            ..Event::default()
        };
        let mut found: Vec<_> = of_event(&event.encode_to_vec()).collect();
        assert_eq!(found, [DecodeProblem::UnknownField, DecodeProblem::NotUtf8]);
        found = of_event(&Event::default().encode_to_vec()).collect();
        assert!(found.is_empty());
        found = of_event(b"\xff\xff").collect();
        assert!(found.is_empty());
    }

    #[test]
    fn all_kinds_have_names() {
        assert_eq!(name(DecodeProblem::NotJson), "not_json");
        for number in 1..50 {
            if let Ok(problem) = DecodeProblem::try_from(number) {
                assert!(ALL.contains(&problem), "{problem:?}");
            }
        }
    }
}
