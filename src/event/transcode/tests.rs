//! The content of each type, decoded by a generated client's types and compared with what was sent.

use prost_types::Timestamp;

use crate::event::{
    encode::{
        Encoded,
        tests::{decoded, encoded, issues},
    },
    pb::{DecodeProblem, StringList, TaskFinished, UserSession, event::Data},
};

/// The content of a body of type `name` with `data`, and the issues as "pointer problem expected/found text".
fn content(name: &str, data: &str) -> (Option<Data>, Vec<String>) {
    let body =
        format!(r#"{{"id":"et-1","version":1,"type":"{name}","createdAt":"2026-11-16T01:02:09Z","data":{data}}}"#);
    let event = decoded(&encoded(name, body));
    (event.data.clone(), issues(&event))
}

/// As `content`, where all is expected to fit.
fn clean(name: &str, data: &str) -> Data {
    let (data, issues) = content(name, data);
    assert_eq!(issues, [""; 0], "{name}");
    data.expect("it is typed")
}

fn list(values: &[&str]) -> Option<StringList> {
    Some(StringList { values: values.iter().map(|&value| value.to_owned()).collect() })
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn session() -> Option<UserSession> {
    Some(UserSession { user_id: text("u"), channel: text("WinkSite"), channel_id: text("c"), status: text("s") })
}

const SESSION: &str = r#"{"userId":"u","channel":"WinkSite","channelId":"c","status":"s"}"#;

#[test]
fn every_field_of_every_type_is_decoded() {
    use crate::event::pb::*;
    let cases = [
        (
            "USER_CREATED",
            format!(r#"{{"userId":"u","session":{SESSION}}}"#),
            Data::UserCreated(UserCreated { user_id: text("u"), session: session() }),
        ),
        (
            "ACCOUNT_CREATED",
            r#"{"userId":"u","accountId":"a","providers":["p","q"]}"#.into(),
            Data::AccountCreated(AccountCreated {
                user_id: text("u"),
                account_id: text("a"),
                providers: list(&["p", "q"]),
            }),
        ),
        (
            "ACCOUNT_CONNECTED",
            r#"{"userId":"u","accountId":"a","loginName":"l","providers":["p"]}"#.into(),
            Data::AccountConnected(AccountConnected {
                user_id: text("u"),
                account_id: text("a"),
                login_name: text("l"),
                providers: list(&["p"]),
            }),
        ),
        (
            "ACCOUNT_DISCONNECTED",
            r#"{"userId":"u","accountId":"a","providers":[]}"#.into(),
            Data::AccountDisconnected(AccountDisconnected {
                user_id: text("u"),
                account_id: text("a"),
                providers: list(&[]),
            }),
        ),
        (
            "ACCOUNT_FAILED",
            r#"{"userId":"u","accountId":"a","loginName":"l","errorCode":"e","errorMessage":"m","providers":["p"]}"#
                .into(),
            Data::AccountFailed(AccountFailed {
                user_id: text("u"),
                account_id: text("a"),
                login_name: text("l"),
                error_code: text("e"),
                error_message: text("m"),
                providers: list(&["p"]),
            }),
        ),
        (
            "TASK_STARTED",
            r#"{"userId":"u","sourceId":"s","sourceType":"t","taskType":"k","providers":["p"]}"#.into(),
            Data::TaskStarted(TaskStarted {
                user_id: text("u"),
                source_id: text("s"),
                source_type: text("t"),
                task_type: text("k"),
                providers: list(&["p"]),
            }),
        ),
        (
            "TASK_FINISHED",
            r#"{"userId":"u","sourceId":"s","sourceType":"t","taskType":"k","status":"ok","errorCode":"e",
                "providers":["p"],"datapoints":["INCOMES","LINK"]}"#
                .into(),
            Data::TaskFinished(TaskFinished {
                user_id: text("u"),
                source_id: text("s"),
                source_type: text("t"),
                task_type: text("k"),
                status: text("ok"),
                error_code: text("e"),
                providers: list(&["p"]),
                datapoints: list(&["INCOMES", "LINK"]),
                payload: None,
            }),
        ),
        (
            "ACCOUNT_SYNC_TASK_FINISHED",
            r#"{"userId":"u","sourceId":"s","sourceType":"t","providers":["p"],"status":"ok","monitorStatus":"m",
                "dataPoints":["INCOMES"]}"#
                .into(),
            Data::AccountSyncTaskFinished(AccountSyncTaskFinished {
                user_id: text("u"),
                source_id: text("s"),
                source_type: text("t"),
                providers: list(&["p"]),
                status: text("ok"),
                monitor_status: text("m"),
                datapoints: list(&["INCOMES"]),
                payload: None,
            }),
        ),
        (
            "USER_SESSION_COMPLETED",
            format!(r#"{{"session":{SESSION}}}"#),
            Data::UserSessionCompleted(UserSessionCompleted { session: session(), payload: None }),
        ),
        (
            "USER_SESSION_RESET",
            format!(r#"{{"session":{SESSION}}}"#),
            Data::UserSessionReset(UserSessionReset { session: session() }),
        ),
    ];
    for (name, data, expected) in cases {
        assert_eq!(clean(name, &data), expected, "{name}");
    }
}

#[test]
fn null_and_absence_leave_a_field_unset() {
    let nothing = Data::TaskFinished(TaskFinished::default());
    assert_eq!(clean("TASK_FINISHED", "{}"), nothing);
    let nulls = r#"{"userId":null,"sourceId":null,"status":null,"providers":null,"datapoints":null,"dataPoints":null}"#;
    assert_eq!(content("TASK_FINISHED", nulls).0, Some(nothing));
    assert_eq!(content("TASK_FINISHED", "null"), (None, vec![]));
    assert_ne!(
        clean("TASK_FINISHED", r#"{"userId":""}"#),
        Data::TaskFinished(TaskFinished::default()),
        "empty is sent"
    );
}

#[test]
fn scalars_of_another_kind_are_taken_by_their_text_and_said() {
    let (data, issues) = content(
        "TASK_FINISHED",
        r#"{"userId":12345678901234567890123,"status":true,"errorCode":-0.10e+5,"taskType":{"a":1},"sourceId":["x"]}"#,
    );
    let expected = TaskFinished {
        user_id: text("12345678901234567890123"),
        status: text("true"),
        error_code: text("-0.10e+5"),
        ..TaskFinished::default()
    };
    assert_eq!(data, Some(Data::TaskFinished(expected)));
    assert_eq!(
        issues,
        [
            "/data/userId UnexpectedValue string/number 12345678901234567890123",
            "/data/sourceId UnexpectedValue string/array",
            "/data/taskType UnexpectedValue string/object",
            "/data/status UnexpectedValue string/boolean true",
            "/data/errorCode UnexpectedValue string/number -0.10e+5",
        ]
    );
}

#[test]
fn the_last_of_several_equal_names_counts() {
    let (data, issues) = content("TASK_FINISHED", r#"{"userId":"a","userId":"b","providers":["p"],"userId":"c"}"#);
    let expected = TaskFinished { user_id: text("c"), providers: list(&["p"]), ..TaskFinished::default() };
    assert_eq!(data, Some(Data::TaskFinished(expected)));
    assert_eq!(issues, ["/data/userId DuplicateField /string"; 2]);
}

#[test]
fn what_is_unknown_is_said_and_costs_nothing_else() {
    let (data, issues) = content(
        "TASK_FINISHED",
        r#"{"userid":"x","a/b~c":[1],"":{},"values":[],"user_id":null,"data":{"identity":{}},"userId":"u"}"#,
    );
    assert_eq!(data, Some(Data::TaskFinished(TaskFinished { user_id: text("u"), ..TaskFinished::default() })));
    assert_eq!(
        issues,
        [
            "/data/userid UnknownField /string",
            "/data/a~1b~0c UnknownField /array",
            "/data/ UnknownField /object",
            "/data/values UnknownField /array",
            "/data/user_id UnknownField /null",
            "/data/data UnknownField /object",
        ]
    );
    let (_, issues) = content("USER_CREATED", r#"{"session":{"more":1}}"#);
    assert_eq!(issues, ["/data/session/more UnknownField /number"]);
}

#[test]
fn a_list_may_come_as_what_stands_for_one() {
    let providers = |sent: &str| {
        let (data, issues) = content("TASK_FINISHED", &format!(r#"{{"providers":{sent}}}"#));
        let Some(Data::TaskFinished(task)) = data else { panic!("{sent}: {data:?}") };
        (task.providers, issues)
    };
    assert_eq!(providers(r#"["a","",""]"#), (list(&["a", "", ""]), vec![]));
    assert_eq!(providers(r#""bare""#), (list(&["bare"]), vec![]));
    let number = vec!["/data/providers UnexpectedValue string/number 7".to_owned()];
    assert_eq!(providers("7"), (list(&["7"]), number));
    let mixed =
        ["1 UnexpectedValue string/null", "2 UnexpectedValue string/number 7", "3 UnexpectedValue string/array"];
    let mixed = mixed.map(|rest| format!("/data/providers/{rest}")).to_vec();
    assert_eq!(providers(r#"["a",null,7,["b"],"c"]"#), (list(&["a", "7", "c"]), mixed));
}

#[test]
fn an_object_is_no_list() {
    for sent in [r#"{"values":["a"]}"#, "{}", r#"{"id":"a"}"#] {
        let (data, issues) = content("TASK_FINISHED", &format!(r#"{{"providers":{sent},"userId":"u"}}"#));
        assert_eq!(data, Some(Data::TaskFinished(TaskFinished { user_id: text("u"), ..TaskFinished::default() })));
        assert_eq!(issues, ["/data/providers UnexpectedValue array/object"], "{sent}");
    }
}

#[test]
fn both_spellings_of_datapoints_are_one_field() {
    for name in ["TASK_FINISHED", "ACCOUNT_SYNC_TASK_FINISHED"] {
        let datapoints = |sent: &str| {
            let (data, issues) = content(name, sent);
            match data {
                Some(Data::TaskFinished(task)) => (task.datapoints, issues),
                Some(Data::AccountSyncTaskFinished(task)) => (task.datapoints, issues),
                other => panic!("{name}: {other:?}"),
            }
        };
        assert_eq!(datapoints(r#"{"datapoints":["A"]}"#), (list(&["A"]), vec![]));
        assert_eq!(datapoints(r#"{"dataPoints":["A"]}"#), (list(&["A"]), vec![]));
        let both = vec!["/data/dataPoints DuplicateField /array".to_owned()];
        assert_eq!(datapoints(r#"{"datapoints":["A"],"dataPoints":["B"]}"#), (list(&["B"]), both));
    }
}

#[test]
fn a_null_under_one_spelling_does_not_hide_the_other() {
    for sent in [r#"{"datapoints":["A"],"dataPoints":null}"#, r#"{"dataPoints":null,"datapoints":["A"]}"#] {
        let (data, _) = content("TASK_FINISHED", sent);
        assert_eq!(
            data,
            Some(Data::TaskFinished(TaskFinished { datapoints: list(&["A"]), ..TaskFinished::default() }))
        );
    }
}

#[test]
fn an_issue_points_to_the_name_that_was_sent() {
    let (_, issues) = content("TASK_FINISHED", r#"{"dataPoints":{"a":1}}"#);
    assert_eq!(issues, ["/data/dataPoints UnexpectedValue array/object"]);
}

#[test]
fn content_that_is_no_object_is_left_out_and_said() {
    for (sent, found) in [("[]", "array"), ("\"x\"", "string"), ("7", "number 7"), ("false", "boolean false")] {
        let expected = vec![format!("/data UnexpectedValue object/{found}")];
        assert_eq!(content("TASK_FINISHED", sent), (None, expected), "{sent}");
    }
    assert_eq!(content("USER_CREATED", r#"{"session":"x"}"#).1, ["/data/session UnexpectedValue object/string"]);
}

#[test]
fn texts_come_as_they_were_meant() {
    let user = |sent: &str| match clean("TASK_FINISHED", &format!(r#"{{"userId":"{sent}"}}"#)) {
        Data::TaskFinished(task) => task.user_id.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(user(r"\u00e9\n\t\/\\\ud83d\ude00\u0000"), "é\n\t/\\😀\0");
    assert_eq!(user(r"a\ud800b"), "a\u{fffd}\u{fffd}\u{fffd}b", "a lone surrogate");
    assert_eq!(user("é😀"), "é😀");
    let (data, issues) = content("TASK_FINISHED", "{\"user\\u0049d\" \t: \"u\"\n\r}");
    assert_eq!(data, Some(Data::TaskFinished(TaskFinished { user_id: text("u"), ..TaskFinished::default() })));
    assert_eq!(issues, [""; 0], "a name may be escaped as well");
    let (_, issues) = content("TASK_FINISHED", r#"{"\ud800":1,"\udc00\ud800\u0041":2,"\u0000":3}"#);
    let odd = ["\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}A", "\0"];
    assert_eq!(issues, odd.map(|name| format!("/data/{name} UnknownField /number")));
}

#[test]
fn depth_costs_no_stack() {
    const DEEP: usize = 100_000;
    let arrays = format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(DEEP), "}".repeat(DEEP));
    for deep in [arrays, objects] {
        let (data, issues) =
            content("TASK_FINISHED", &format!(r#"{{"data":{deep},"providers":[{deep}],"userId":"u"}}"#));
        let Some(Data::TaskFinished(task)) = data else { panic!("not decoded") };
        assert_eq!((task.user_id, task.providers), (text("u"), list(&[])));
        assert_eq!(issues.len(), 2, "{issues:?}");
    }
}

#[test]
fn times_are_read_as_utc_where_they_name_no_zone() {
    let at = |sent: &str| {
        let body = format!(r#"{{"id":"x","type":"USER_CREATED","createdAt":{sent}}}"#);
        let event = decoded(&encoded("USER_CREATED", body));
        (event.created_at, issues(&event))
    };
    let seconds = |seconds, nanos| Some(Timestamp { seconds, nanos });
    for (sent, expected) in [
        ("2026-11-16T01:02:09Z", seconds(1_794_790_929, 0)),
        ("2026-11-16T01:02:09", seconds(1_794_790_929, 0)),
        ("2026-11-16T09:02:09+08:00", seconds(1_794_790_929, 0)),
        ("2026-11-16 01:02:09.123456789Z", seconds(1_794_790_929, 123_456_789)),
        (" 2026-11-16T01:02:09.5Z ", seconds(1_794_790_929, 500_000_000)),
        ("2026-11-16", seconds(1_794_787_200, 0)),
        ("1969-12-31T23:59:59.25Z", seconds(-1, 250_000_000)),
        ("0001-01-01T00:00:00Z", seconds(-62_135_596_800, 0)),
        ("9999-12-31T23:59:59Z", seconds(253_402_300_799, 0)),
    ] {
        assert_eq!(at(&format!("\"{sent}\"")), (expected, vec![]), "{sent}");
    }
    for sent in
        ["", "now", "2026-13-01T00:00:00Z", "2026-02-30", "16/11/2026", "é", "2026-11-16T25:00:00Z", "1794787329"]
    {
        let (found, issues) = at(&format!("\"{sent}\""));
        assert_eq!(found, None, "{sent:?}");
        assert_eq!(issues, [format!("/createdAt UnexpectedValue RFC 3339 time/string {sent}").trim_end()], "{sent:?}");
    }
    assert_eq!(at("1794787329").1, ["/createdAt UnexpectedValue RFC 3339 time/number 1794787329"]);
    assert_eq!(at("null"), (None, vec![]));
}

/// protobuf's Timestamp ends at both ends of four-digit years: clients in other languages refuse others, or fail.
#[test]
fn a_time_that_protobuf_does_not_allow_is_left_out_and_said() {
    for sent in ["+10000-01-01T00:00:00Z", "0000-12-31T23:59:59Z", "-0001-01-01", "+292277026596-12-04T15:30:07Z"] {
        let event = decoded(&encoded("X", format!(r#"{{"id":"x","type":"X","createdAt":"{sent}"}}"#)));
        assert_eq!(event.created_at, None, "{sent}");
        assert_eq!(event.decode_issues[0].problem(), DecodeProblem::UnexpectedValue, "{sent}");
    }
}

#[test]
fn a_million_duplicates_and_unknown_names_are_bounded() {
    let names: String = (0..200_000).map(|n| format!(r#""userId":"{n}","x{n}":0,"#)).collect();
    let Encoded { plain, .. } =
        encoded("TASK_FINISHED", format!(r#"{{"id":"x","type":"TASK_FINISHED","data":{{{names}"status":"s"}}}}"#));
    assert!(plain.len() < 20_000, "{} bytes", plain.len());
    let event = decoded(&Encoded { plain, raw: bytes::Bytes::new() });
    let expected = TaskFinished { user_id: text("199999"), status: text("s"), ..TaskFinished::default() };
    assert_eq!(event.data, Some(Data::TaskFinished(expected)));
    assert_eq!(event.decode_issues.len(), 64);
}
