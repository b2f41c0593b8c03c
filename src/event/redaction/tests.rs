use super::*;

fn refused(path: &str) -> String {
    Redaction::new(&["payload.identity".into(), path.into()]).unwrap_err().to_string()
}

#[test]
fn a_path_names_a_field_wherever_it_is() {
    for path in [
        "payload.identity",
        "payload",
        "identity",
        "fullName",
        "identity.emails.address",
        "payload.incomes.employer",
        "payload.incomes.items.employer",
        "payload.accounts.payload.identity",
        "insight.features.identity_age",
        "result.additionalData.ids.idNumber",
        "providers",
        "providers.values",
        // Both of Smile's spellings.
        "datapoints",
        "dataPoints",
        // Of a callback.
        "account.accountId",
    ] {
        let redaction = Redaction::new(&[path.to_owned()]).unwrap();
        assert_eq!(redaction.paths(), [path]);
        assert!(!redaction.is_none());
    }
}

#[test]
fn what_names_nothing_is_refused_with_the_way_out() {
    for (path, named) in [
        ("", "is no path"),
        ("payload..identity", "is no path"),
        (".identity", "is no path"),
        ("payload identity", "is no path"),
        ("payload.identiy", "payload has no field \"identiy\"; did you mean \"identity\"?"),
        ("identity.full_name", "did you mean \"fullName\"?"),
        ("Payload.identity", "an event has no field \"Payload\"; did you mean \"payload\"?"),
        ("email", "did you mean \"emails\"?"),
        ("xyz", "there are accountId, "),
        ("identity.emails.qqq", "identity.emails has no field \"qqq\"; there are address, type"),
        ("fullName.first", "fullName is a value by itself"),
        ("accounts.identity", "accounts has no field \"identity\""),
        // What every redaction removes has no name in JSON.
        ("otherPayload", "has no field \"otherPayload\""),
        ("userId", "userId can't be removed"),
        ("session.userId", "userId can't be removed"),
    ] {
        let message = refused(path);
        assert!(message.contains(named), "{path}: {message}");
    }
}

#[test]
fn redactions_that_name_the_same_are_one() {
    let of = |paths: &[&str]| Redaction::new(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()).unwrap();
    assert_eq!(of(&["fullName", "dob"]), of(&["dob", "fullName", "dob"]));
    assert_ne!(of(&["fullName"]), of(&["dob"]));
    assert_eq!(of(&[]), Redaction::default());
    assert!(of(&[]).is_none());
}

/// A field that is added to `Event` has to be decided about.
#[test]
fn every_field_of_an_event_stays_or_goes_by_decision() {
    let pool = prost_reflect::DescriptorPool::decode(crate::event::pb::FILE_DESCRIPTOR_SET).unwrap();
    let event = pool.get_message_by_name("smilerelay.v1.Event").unwrap();
    let gone = ["decode_issues", "raw_body", "signature"];
    let plan = Plan::new(&["fullName".into()]);
    for field in event.fields() {
        let is_content = field.containing_oneof().is_some();
        let stays = remove::KEPT.contains(&field.number());
        assert_eq!(plan.content(field.number()).is_some(), is_content, "{}", field.name());
        assert_eq!(stays, !is_content && !gone.contains(&field.name()), "{}", field.name());
    }
}

#[test]
fn what_a_redaction_does_not_touch_is_not_looked_into() {
    let plan = Plan::new(&["identity.fullName".into()]);
    let fate = |name: &str| plan.content(crate::event::schema::SCHEMA.types[name].field).unwrap();
    assert_eq!(fate("USER_CREATED"), plan::Fate::Stays);
    assert!(matches!(fate("TASK_FINISHED"), plan::Fate::Within(_)));
    // For the answers of its forms.
    assert!(matches!(fate("USER_SESSION_COMPLETED"), plan::Fate::Within(_)));
}

/// What was not encoded here is cut off where it can't be read, and never a panic.
#[test]
fn bytes_that_are_no_event_are_cut_off() {
    let redaction = Redaction::new(&["fullName".into()]).unwrap();
    for bytes in [&[0x0A, 0xFF][..], &[0x0A, 5, 1], &[0xFF; 12], &[0x0B], &[0x09, 1, 2], &[0]] {
        let mut out = Vec::new();
        redaction.put(&mut out, bytes);
        assert!(out.is_empty(), "{bytes:?}");
    }
}
