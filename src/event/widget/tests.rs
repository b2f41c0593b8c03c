//! Callbacks in all the shapes that are known to come, and in those that nobody foresaw.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::event::{
    encode::{
        self,
        tests::{LOG, decoded, issues, record},
    },
    pb::{self, EventSource, event::Data},
    record::Reporter,
};

fn event(name: &str, arguments: &str) -> pb::Event {
    let body = format!(
        r#"{{"id":"0199-1","name":{},"arguments":{arguments},"occurredAt":"2026-11-23T21:34:25.123Z"}}"#,
        serde_json::Value::from(name)
    );
    reported(name, body)
}

fn reported(name: &str, body: impl Into<Bytes>) -> pb::Event {
    let record = Record {
        source: EventSource::Widget,
        signature: Bytes::new(),
        reporter: Reporter { origin: "null".into(), session: "s".into() },
        ..record(name, body)
    };
    decoded(&encode::whole(LOG, &record))
}

fn no_issue(name: &str, arguments: &str) -> Data {
    let event = event(name, arguments);
    assert_eq!(issues(&event), [""; 0], "{name} {arguments}");
    event.data.unwrap_or_else(|| panic!("{name} {arguments}: no data"))
}

fn created(account: &str, user: &str, provider: &str) -> Data {
    let of = |text: &str| text.to_owned();
    Data::WidgetAccountCreated(pb::WidgetAccountCreated {
        account_id: of(account),
        user_id: of(user),
        provider_id: of(provider),
    })
}

#[test]
fn an_account_comes_in_all_shapes() {
    let whole = created("a-1", "u-1", "p-1");
    for arguments in [
        r#"[{"accountId":"a-1","userId":"u-1","providerId":"p-1"}]"#,
        r#"{"accountId":"a-1","userId":"u-1","providerId":"p-1"}"#,
        r#"["a-1","u-1","p-1"]"#,
        r#"["{\"accountId\":\"a-1\",\"userId\":\"u-1\",\"providerId\":\"p-1\"}"]"#,
        r#""{\"accountId\":\"a-1\",\"userId\":\"u-1\",\"providerId\":\"p-1\"}""#,
        r#"[{"Account created":"a-1","User ID":"u-1","Provider ID":"p-1"}]"#,
    ] {
        assert_eq!(no_issue("onAccountCreated", arguments), whole, "{arguments}");
    }
    assert_eq!(no_issue("onAccountCreated", r#"["a-1","undefined",null]"#), created("a-1", "", ""));
    assert_eq!(no_issue("onAccountCreated", "[]"), created("", "", ""));
    assert_eq!(no_issue("onAccountCreated", "[{}]"), created("", "", ""));
    let error =
        pb::WidgetAccountError { error_code: "INVALID_AUTH".into(), account_id: "a".into(), ..Default::default() };
    assert_eq!(no_issue("onAccountError", r#"["a",null,null,"INVALID_AUTH"]"#), Data::WidgetAccountError(error));
}

#[test]
fn prose_is_no_field_and_is_said() {
    let event = event("onAccountCreated", r#"["Account created: a-1, user u-1"]"#);
    assert_eq!(event.data, Some(created("", "", "")));
    assert_eq!(issues(&event), ["/arguments UnexpectedValue object/string"]);
}

#[test]
fn closing_has_a_reason_or_none() {
    let close = |reason: &str| Data::WidgetClose(pb::WidgetClose { reason: reason.to_owned() });
    for (arguments, reason) in [
        ("[]", ""),
        ("null", ""),
        ("[null]", ""),
        (r#"["undefined"]"#, ""),
        (r#"["exit"]"#, "exit"),
        (r#""close""#, "close"),
        (r#"[{"reason":"error"}]"#, "error"),
        (r#"["{\"reason\":\"error\"}"]"#, "error"),
    ] {
        assert_eq!(no_issue("onClose", arguments), close(reason), "{arguments}");
    }
    assert_eq!(no_issue("onTokenExpired", "[null]"), Data::WidgetTokenExpired(pb::WidgetTokenExpired {}));
    assert_eq!(no_issue("onTokenExpired", r#"[{}]"#), Data::WidgetTokenExpired(pb::WidgetTokenExpired {}));
}

#[test]
fn uploads_are_kept_verbatim() {
    for (arguments, uploads, user) in [
        (r#"[{"uploads":[ {"id":"u-1"}, 1.50 ],"userId":"u"}]"#, Some(r#"[ {"id":"u-1"}, 1.50 ]"#), "u"),
        (r#"[{"uploads":{"a":1},"userId":"u"}]"#, Some(r#"{"a":1}"#), "u"),
        (r#"[[{"id":"u-1"}],"u"]"#, Some(r#"[{"id":"u-1"}]"#), "u"),
        (r#"["[{\"id\":\"u-1\"}]","u"]"#, Some(r#""[{\"id\":\"u-1\"}]""#), "u"),
        (r#"["undefined","u"]"#, None, "u"),
        (r#"[null,"u"]"#, None, "u"),
        (r#"[{"Uploads":"x","User ID":"u"}]"#, Some(r#""x""#), "u"),
        (r#"["{\"id\":\"a-1\",\"userId\":\"v\"}","u"]"#, Some(r#""{\"id\":\"a-1\",\"userId\":\"v\"}""#), "u"),
        (r#"[{"userId":"u"}]"#, None, "u"),
        (r#"[{"id":"an upload by itself"}]"#, Some(r#"{"id":"an upload by itself"}"#), ""),
        ("[]", None, ""),
    ] {
        let uploads = uploads.map(|text| pb::JsonText { text: text.to_owned() });
        let data = pb::WidgetUploadsCreated { uploads, user_id: user.to_owned() };
        assert_eq!(no_issue("onUploadsCreated", arguments), Data::WidgetUploadsCreated(data), "{arguments}");
    }
}

#[test]
fn a_page_of_the_widget_says_what_it_is_about() {
    let whole = pb::WidgetUiEvent {
        event_name: "LoginPageOpened".into(),
        event_time: "2026".into(),
        mode: "SANDBOX".into(),
        user_id: "u".into(),
        account: Some(pb::WidgetUiEventAccount { provider_id: "p".into(), account_id: String::new() }),
        archive: None,
    };
    for arguments in [
        r#"[{"eventName":"LoginPageOpened","eventTime":"2026","mode":"SANDBOX","userId":"u","account":{"providerId":"p"},"archive":null}]"#,
        r#"["LoginPageOpened","2026","SANDBOX","u","{\"providerId\":\"p\"}","undefined"]"#,
        r#"["LoginPageOpened","2026","SANDBOX","u","{\"providerId\":\"p\"}",null]"#,
    ] {
        assert_eq!(no_issue("onUIEvent", arguments), Data::WidgetUiEvent(whole.clone()), "{arguments}");
    }
}

#[test]
fn what_is_not_known_comes_with_its_arguments() {
    let event = event("onSomethingNew", r#"[ {"a": 1.0} , "b"]"#);
    let arguments = Some(pb::JsonText { text: r#"[ {"a": 1.0} , "b"]"#.into() });
    assert_eq!(event.data, Some(Data::WidgetOther(pb::WidgetOther { arguments })));
    assert_eq!((event.r#type, event.type_name.as_str()), (0, "onSomethingNew"));
    // A callback is never taken for a webhook, nor the other way round.
    let named_as_webhook = reported("USER_CREATED", r#"{"id":"1","name":"USER_CREATED"}"#);
    assert_eq!(named_as_webhook.data, Some(Data::WidgetOther(pb::WidgetOther::default())));
    let webhook = decoded(&encode::whole(LOG, &record("onClose", r#"{"id":"1","type":"onClose","data":{}}"#)));
    assert_eq!((webhook.r#type, webhook.data), (0, None));
}

#[test]
fn a_report_says_how_it_came() {
    let event = event("onClose", "[]");
    assert_eq!(event.r#type(), pb::EventType::WidgetClose);
    assert_eq!(event.source(), EventSource::Widget);
    assert_eq!(event.created_at, None);
    let report = event.report.unwrap();
    assert_eq!((report.id.as_str(), report.origin.as_str(), report.session_label.as_str()), ("0199-1", "null", "s"));
    assert_eq!(report.occurred_at.unwrap().to_string(), "2026-11-23T21:34:25.123Z");
    assert!(!report.arguments_omitted);
    let omitted = reported("onClose", r#"{"id":"1","name":"onClose","argumentsOmitted":true,"occurredAt":"?","x":1}"#);
    assert!(omitted.report.as_ref().unwrap().arguments_omitted);
    assert_eq!(issues(&omitted), ["/occurredAt UnexpectedValue RFC 3339 time/string ?", "/x UnknownField /number"]);
}

#[test]
fn the_user_that_is_claimed_is_found_in_all_shapes() {
    let claimed = |name: &str, arguments: &str| {
        let body = format!(r#"{{"name":"{name}","arguments":{arguments}}}"#);
        Report::read(&body).unwrap().claimed_user()
    };
    for (name, arguments) in [
        ("onAccountCreated", r#"[{"userId":"u"}]"#),
        ("onAccountCreated", r#"["a","u","p"]"#),
        ("onAccountCreated", r#"[{"User ID":"u"}]"#),
        ("onAccountCreated", r#"["{\"userId\":\"u\"}"]"#),
        ("onAccountCreated", r#"[{"userId":"other","userId":"u"}]"#),
        ("onUploadsRemoved", r#"[[],"u"]"#),
        ("onUIEvent", r#"["n","t","m","u"]"#),
        ("onSomethingNew", r#"[{"userId":"u"}]"#),
    ] {
        assert_eq!(claimed(name, arguments).as_deref(), Some("u"), "{name} {arguments}");
    }
    for (name, arguments) in [
        ("onAccountCreated", "[]"),
        ("onAccountCreated", r#"[{"userId":null}]"#),
        ("onAccountCreated", r#"[{"userId":"undefined"}]"#),
        ("onClose", r#"["u"]"#),
        ("onSomethingNew", r#"["u"]"#),
    ] {
        assert_eq!(claimed(name, arguments), None, "{name} {arguments}");
    }
    assert_eq!(claimed("onAccountCreated", r#"[{"userId":["u"]}]"#).as_deref(), Some(r#"["u"]"#));
}

proptest! {
    #[test]
    fn any_arguments_are_encoded(
        name in prop::sample::select(CALLBACKS.iter().map(|callback| callback.name).chain(["x"]).collect::<Vec<_>>()),
        arguments in r#"([\[\]{}",:0-9a-z\\ ]|"userId"|"uploads"|null|"\{\}"){0,12}"#,
    ) {
        let event = event(name, &arguments);
        prop_assert_eq!(event.source(), EventSource::Widget);
    }
}
