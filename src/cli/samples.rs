//! One realistic webhook of each type that this version knows, built into the program.

/// Type names with a body of that type, in the order of `EventType`.
macro_rules! samples {
    ($($name:ident)*) => {
        &[$((stringify!($name), include_str!(concat!("../../samples/", stringify!($name), ".json")))),*]
    };
}

pub const SAMPLES: &[(&str, &str)] = samples! {
    USER_CREATED
    ACCOUNT_CREATED
    ACCOUNT_CONNECTED
    ACCOUNT_DISCONNECTED
    ACCOUNT_FAILED
    TASK_STARTED
    TASK_FINISHED
    ACCOUNT_SYNC_TASK_FINISHED
    ARCHIVE_STARTED
    ARCHIVE_ANALYZED
    ARCHIVE_REVOKED
    ARCHIVE_FAILED
    INVITE_INVITED
    INVITE_LINKED
    IDENTITY_ADDED
    RATING_ADDED
    TRANSACTIONS_ADDED
    DOCUMENTS_ADDED
    DOCUMENTS_UPDATED
    EMPLOYMENTS_ADDED
    EMPLOYMENTS_UPDATED
    INCOMES_ADDED
    INCOMES_UPDATED
    CONTRIBUTIONS_ADDED
    CONTRIBUTIONS_UPDATED
    EINCOMES_ADDED
    EINCOMES_UPDATED
    LIABILITIES_ADDED
    LIABILITIES_UPDATED
    INSIGHT_ADDED
    LINK_ADDED
    VERIFICATION_STARTED
    VERIFICATION_COMPLETED
    RECORD_CREATED
    RECORD_COMPLETED
    USER_SESSION_COMPLETED
    USER_SESSION_RESET
};

/// The sample of a type, by its exact name.
#[must_use]
pub fn of(name: &str) -> Option<&'static str> {
    SAMPLES.iter().find(|(known, _)| *known == name).map(|(_, body)| *body)
}

/// "; did you mean X?", or nothing where nothing is near.
#[must_use]
pub fn did_you_mean(name: &str) -> String {
    let name = name.to_uppercase();
    let nearest = SAMPLES.iter().map(|(known, _)| (distance(&name, known), *known)).min();
    match nearest {
        Some((distance, known)) if distance <= 1 + known.len() / 4 => format!("; did you mean {known}?"),
        _ => String::new(),
    }
}

/// How many letters must be put in, taken out or changed to get from `a` to `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;

    use super::*;
    use crate::event::{
        cursor::LogId,
        encode,
        envelope::Envelope,
        pb::{DecodeProblem, Event, EventSource, EventType},
        record::{Record, Reporter},
    };

    #[test]
    fn every_type_of_the_proto_has_a_sample_and_in_its_order() {
        let names: Vec<&str> = (1..).map_while(|n| EventType::try_from(n).ok()).map(|t| t.as_str_name()).collect();
        let samples: Vec<String> = SAMPLES.iter().map(|(name, _)| format!("EVENT_TYPE_{name}")).collect();
        assert_eq!(samples, names);
        assert_eq!(samples.len(), 37);
    }

    #[test]
    fn every_sample_is_of_its_type_and_decodes() {
        for (number, (name, body)) in (1..).zip(SAMPLES) {
            let envelope = Envelope::of(body.as_bytes(), "");
            assert_eq!(envelope.type_name, *name);
            assert!(envelope.id.starts_with("et-"), "{name}");
            let record = Record {
                sequence: 1,
                received_at: 0,
                check: 0,
                conflicts_with: 0,
                source: EventSource::Webhook,
                endpoint: "smile".into(),
                id: envelope.id,
                type_name: envelope.type_name,
                user_id: envelope.user_id,
                signature: Bytes::new(),
                traceparent: String::new(),
                content_encoding: String::new(),
                reporter: Reporter::default(),
                is_erased: false,
                body: Bytes::from_static(body.as_bytes()),
                body_bytes: body.len() as u64,
            };
            let event = Event::decode(encode::whole(LogId([0; 16]), &record).plain).unwrap();
            assert_eq!(event.r#type, number, "{name}");
            assert!(event.created_at.is_some(), "{name}");
            let readable = |problem| problem != DecodeProblem::NotJson && problem != DecodeProblem::NotUtf8;
            assert!(event.decode_issues.iter().all(|issue| readable(issue.problem())), "{name}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_answered_with_the_nearest_type() {
        assert_eq!(did_you_mean("user_craeted"), "; did you mean USER_CREATED?");
        assert_eq!(did_you_mean("TASK_FINISH"), "; did you mean TASK_FINISHED?");
        assert_eq!(did_you_mean("something else altogether"), "");
    }
}
