use proptest::prelude::*;

use super::*;
use crate::event::{filter::Traits, redaction::Redaction};

fn parse(text: &str) -> Result<IdentityFile, String> {
    IdentityFile::parse(Path::new("identities.toml"), text).map_err(|error| error.to_string())
}

fn event(endpoint: &str, type_name: &str, source: EventSource) -> Traits {
    Traits {
        type_number: 0,
        type_name: type_name.into(),
        user_id: "".into(),
        endpoint: endpoint.into(),
        source,
        received_at: 0,
    }
}

#[test]
fn what_is_not_granted_is_not_allowed() {
    let file = parse("[identities.a]\ntokens = [\"a\"]\n").unwrap();
    let Grants { scope, raw_bodies, callback_tokens, administer, redaction, max_streams } =
        &file.identities["a"].grants;
    assert!(!raw_bodies && !callback_tokens && !administer && redaction.is_none() && max_streams.is_none());
    assert!(scope.has(&event("any", "ANY", EventSource::Webhook)), "all endpoints and types");
    assert!(!scope.has(&event("callbacks", "onClose", EventSource::Widget)), "no browsers");
}

#[test]
fn everything_that_can_be_said_is_read() {
    let file = parse(
        r#"
[issuers.cluster]
issuer = "https://kubernetes.default.svc"
audiences = ["smile-relay"]
jwks-url = "https://kubernetes.default.svc/openid/v1/jwks"
ca-file = "ca.crt"
token-file = "token"
refresh = "1m"

[issuers.local]
issuer = "https://login.example.com"
audiences = ["a", "b"]
jwks-file = "jwks.json"

[identities.payroll]
certificates = ["spiffe://cluster.local/ns/payroll/sa/*", "*.payroll.example.com"]
tokens = ["payroll", "payroll-next"]
jwt = [{ issuer = "cluster", subjects = ["system:serviceaccount:payroll:*"] }]
endpoints = ["smile"]
event-types = ["USER_CREATED"]
sources = ["webhook"]
raw-bodies = true
callback-tokens = true
administer = true
max-streams = 4

[identities.statistics]
tokens = ["statistics"]
redact = ["payload.identity"]
"#,
    )
    .unwrap();
    let KeySource::Url { url, refresh, .. } = &file.issuers["cluster"].keys else { panic!("{:?}", file.issuers) };
    assert_eq!((url.path(), *refresh), ("/openid/v1/jwks", Duration::from_mins(1)));
    assert_eq!(file.issuers["local"].keys, KeySource::File("jwks.json".into()));
    let payroll = &file.identities["payroll"];
    assert_eq!(payroll.certificates.iter().map(Pattern::kind).collect::<Vec<_>>(), [Kind::Uri, Kind::Host]);
    assert_eq!((payroll.line, payroll.jwts[0].issuer.as_str()), (15, "cluster"));
    let grants = &payroll.grants;
    assert!(grants.raw_bodies && grants.callback_tokens && grants.administer && grants.max_streams == Some(4));
    assert!(grants.scope.has(&event("smile", "USER_CREATED", EventSource::Webhook)));
    assert!(!grants.scope.has(&event("smile", "USER_DELETED", EventSource::Webhook)));
    assert!(!grants.scope.has(&event("other", "USER_CREATED", EventSource::Webhook)));
    let redaction = Redaction::new(&["payload.identity".to_owned()]).unwrap();
    assert_eq!(file.identities["statistics"].grants.redaction, redaction);
}

#[test]
fn every_way_to_write_a_table_says_the_same() {
    let issuer = "[issuers.c]\nissuer = \"i\"\naudiences = [\"a\"]\njwks-file = \"f\"\n";
    let as_usual = format!("{issuer}[identities.a]\njwt = [{{ issuer = \"c\", subjects = [\"s\"] }}]\n");
    let jwts = |text: &str| parse(text).unwrap().identities["a"].jwts.clone();
    for other in [
        format!("{issuer}[[identities.a.jwt]]\nissuer = \"c\"\nsubjects = [\"s\"]\n"),
        format!(
            "[identities]\n  [identities.a]\n    [[identities.a.jwt]]\n      issuer = \"c\"\n      subjects = [\"s\"]\n{issuer}"
        ),
        format!("identities.a.jwt = [{{ issuer = \"c\", subjects = [\"s\"] }}]\n{issuer}"),
        format!("identities = {{ a = {{ jwt = [{{ issuer = \"c\", subjects = [\"s\"] }}] }} }}\n{issuer}"),
    ] {
        assert_eq!(jwts(&other), jwts(&as_usual), "{other}");
    }
}

#[test]
fn mistakes_are_named_by_their_line_and_the_way_out() {
    let a = "[identities.a]\ntokens = [\"a\"]\n";
    for (text, line, named) in [
        (String::new(), 1, "no identity"),
        (format!("{a}raw-body = true\n"), 3, "unknown field `raw-body`"),
        (format!("{a}raw-bodies = \"yes\"\n"), 3, "expected a boolean"),
        (format!("{a}[identity.b]\n"), 3, "unknown field `identity`"),
        (format!("{a}sources = [\"browser\"]\n"), 3, "unknown variant `browser`"),
        (format!("{a}sources = []\n"), 1, "`sources` is empty"),
        (format!("{a}sources = [\"widget\"]\nendpoints = [\"smile\"]\n"), 1, "\"callbacks\""),
        (format!("{a}max-streams = 0\n"), 1, "`max-streams`"),
        (format!("{a}raw-bodies = true\nredact = [\"payload.identity\"]\n"), 1, "`raw-bodies` would show"),
        (format!("{a}redact = [\"payload.identitty\"]\n"), 1, "redact: "),
        (format!("{a}\n[identities.b]\n"), 4, "how it is recognised"),
        (format!("{a}\n[identities.b]\ntokens = [\"a\"]\n"), 4, "of [identities.a] already"),
        (format!("{a}\n[identities.\"b c\"]\ntokens = [\"b\"]\n"), 4, "write its name"),
        (format!("{a}certificates = [\"a b\"]\n"), 1, "certificates: "),
        (format!("{a}jwt = [{{ issuer = \"x\", subjects = [\"s\"] }}]\n"), 1, "there is no [issuers.x]"),
        (format!("{a}jwt = [{{ issuer = \"x\" }}]\n"), 3, "missing field `subjects`"),
        (format!("{a}[issuers.x]\nissuer = \"x\"\naudiences = []\njwks-file = \"f\"\n"), 3, "neither can be empty"),
        (format!("{a}[issuers.x]\nissuer = \"x\"\naudiences = [\"a\"]\n"), 3, "`jwks-url` or `jwks-file`"),
        (
            format!("{a}[issuers.x]\nissuer = \"x\"\naudiences = [\"a\"]\njwks-url = \"http://x/k\"\n"),
            3,
            "begins with https://",
        ),
        (
            format!("{a}[issuers.x]\nissuer = \"x\"\naudiences = [\"a\"]\njwks-file = \"f\"\nrefresh = \"1m\"\n"),
            3,
            "`jwks-url` alone",
        ),
        (
            format!(
                "{a}[issuers.x]\nissuer = \"x\"\naudiences = [\"a\"]\njwks-file = \"f\"\n\
                 [issuers.y]\nissuer = \"x\"\naudiences = [\"a\"]\njwks-file = \"f\"\n"
            ),
            7,
            "the same `issuer`",
        ),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.starts_with(&format!("identities.toml: line {line}: ")), "{text}: {error}");
        assert!(error.contains(named), "{text}: {error}");
    }
}

#[test]
fn there_are_no_more_redactions_than_forms_of_events() {
    let fields =
        ["dob", "fullName", "firstName", "lastName", "suffix", "gender", "citizenship", "photoUrl", "profileUrl"];
    let identity =
        |(at, field): (usize, &&str)| format!("[identities.i{at}]\ntokens = [\"t{at}\"]\nredact = [\"{field}\"]\n");
    let eight: String = fields[..8].iter().enumerate().map(identity).collect();
    // The same one counts once.
    assert_eq!(parse(&(eight.clone() + &identity((8, &fields[0])))).unwrap().identities.len(), 9);
    let error = parse(&(eight + &identity((8, &fields[8])))).unwrap_err();
    assert!(error.starts_with("identities.toml: line 25: [identities.i8]: its `redact`"), "{error}");
}

proptest! {
    #[test]
    fn never_panics(lines in prop::collection::vec(
        prop::sample::select(vec![
            "[identities.a]", "[issuers.a]", "tokens = [\"a\"]", "certificates = [\"*\"]", "jwt = [{}]", "é = 1",
            "issuer = \"a\"", "audiences = [\"a\"]", "redact = [\"\"]", "endpoints = []", "max-streams = -1", "\"",
        ]),
        0..8,
    )) {
        let _ = parse(&lines.join("\n"));
    }
}
