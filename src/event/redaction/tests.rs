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
