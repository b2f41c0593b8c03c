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
            "/data/userId UnexpectedValue string/number",
            "/data/status UnexpectedValue string/boolean",
            "/data/errorCode UnexpectedValue string/number",
            "/data/taskType UnexpectedValue string/object",
            "/data/sourceId UnexpectedValue string/array",
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
    let number = vec!["/data/providers UnexpectedValue string/number".to_owned()];
    assert_eq!(providers("7"), (list(&["7"]), number));
    let mixed = ["2 UnexpectedValue string/number", "3 UnexpectedValue string/array"];
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
        let both = |name: &str| vec![format!("/data/{name} DuplicateField /array")];
        let sent = r#"{"datapoints":["A","B"],"dataPoints":["B","C",null]}"#;
        assert_eq!(datapoints(sent), (list(&["A", "B", "C"]), both("dataPoints")));
        let sent = r#"{"dataPoints":["A"],"userId":"u","datapoints":[],"status":"s"}"#;
        assert_eq!(datapoints(sent), (list(&["A"]), both("datapoints")));
        let sent = r#"{"datapoints":["A"],"datapoints":["B"]}"#;
        assert_eq!(datapoints(sent), (list(&["B"]), both("datapoints")), "one name again replaces what it said");
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
    for (sent, found) in [("[]", "array"), ("\"x\"", "string"), ("7", "number"), ("false", "boolean")] {
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
            content("TASK_FINISHED", &format!(r#"{{"payload":{deep},"providers":[{deep}],"userId":"u"}}"#));
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
    for (sent, expected) in [
        ("1794787329", seconds(1_794_787_329, 0)),
        ("1794787329.25", seconds(1_794_787_329, 250_000_000)),
        ("1794787329001", seconds(1_794_787_329, 1_000_000)),
        ("0", seconds(0, 0)),
        ("-1", seconds(-1, 0)),
        ("1e9", None),
        ("99999999999999999999", None),
        ("9999999999999999", None),
    ] {
        let said = vec![format!("/createdAt UnexpectedValue RFC 3339 time/number {sent}")];
        assert_eq!(at(sent), (expected, said), "a number counts from 1970, which is a guess");
    }
    assert_eq!(at("true").1, ["/createdAt UnexpectedValue RFC 3339 time/boolean true"]);
    assert_eq!(at("null"), (None, vec![]));
}

/// What a field of `Income` or `Rating` comes as, and its issue without the pointer.
fn number(of: &str, sent: &str) -> (Option<String>, Option<String>) {
    let payload = format!(r#"{{"payload":{{"rating":{{"{of}":{sent}}}}}}}"#);
    let (data, issues) = content("TASK_FINISHED", &payload);
    let Some(Data::TaskFinished(task)) = data else { panic!("{sent}: {data:?}") };
    let rating = task.payload.unwrap().rating.unwrap();
    let found = match of {
        "reviewsReceived" => rating.reviews_received.map(|count| count.to_string()),
        _ => rating.current_rating.map(|decimal| decimal.value),
    };
    let pointer = format!("/data/payload/rating/{of} UnexpectedValue ");
    (found, issues.first().map(|issue| issue.strip_prefix(&pointer).expect(issue).to_owned()))
}

#[test]
fn decimals_keep_every_digit() {
    for sent in ["4.8700", "-25.5000", "0", "-0", "1e400", "0.10E-5", "123456789012345678901234567890.1234567890"] {
        assert_eq!(number("currentRating", sent), (text(sent), None));
    }
    let digits = "9".repeat(100_000);
    assert_eq!(number("currentRating", &digits), (text(&digits), None));
    for (sent, expected, said) in [
        (r#"" -25.5000 ""#, text("-25.5000"), "number/string  -25.5000"),
        (r#""1e3""#, text("1e3"), "number/string 1e3"),
        (r#""1,000""#, None, "number/string 1,000"),
        (r#""NaN""#, None, "number/string NaN"),
        (r#""""#, None, "number/string"),
        ("true", None, "number/boolean true"),
        ("[1]", None, "number/array"),
        (r#"{"value":"1"}"#, None, "number/object"),
    ] {
        assert_eq!(number("currentRating", sent), (expected, text(said)), "{sent}");
    }
    assert_eq!(number("currentRating", "null"), (None, None));
}

#[test]
fn counts_are_read_however_they_are_written() {
    for (sent, expected) in [("0", "0"), ("0.0", "0"), ("212.000", "212"), ("2e2", "200"), ("-999", "-999")] {
        assert_eq!(number("reviewsReceived", sent), (text(expected), None));
    }
    for (sent, expected, said) in [
        (r#""0""#, text("0"), "integer/string 0"),
        (r#""12.0""#, text("12"), "integer/string 12.0"),
        ("0.5", None, "integer/number 0.5"),
        ("2147483648", None, "integer/number 2147483648"),
        (r#""many""#, None, "integer/string many"),
        ("false", None, "integer/boolean false"),
    ] {
        assert_eq!(number("reviewsReceived", sent), (expected, text(said)), "{sent}");
    }
    assert_eq!(number("reviewsReceived", "null"), (None, None));
}

#[test]
fn booleans_have_three_states() {
    let final_matches = |sent: &str| {
        let (data, issues) = content("VERIFICATION_COMPLETED", &format!(r#"{{"result":{{"finalMatches":{sent}}}}}"#));
        let Some(Data::VerificationCompleted(verification)) = data else { panic!("{sent}: {data:?}") };
        (verification.result.unwrap().final_matches, issues.len())
    };
    for (sent, expected, said) in [
        ("true", Some(true), 0),
        ("false", Some(false), 0),
        ("null", None, 0),
        (r#""true""#, Some(true), 1),
        (r#""FALSE""#, Some(false), 1),
        ("1", Some(true), 1),
        ("0", Some(false), 1),
        ("2", None, 1),
        (r#""yes""#, None, 1),
        ("[]", None, 1),
    ] {
        assert_eq!(final_matches(sent), (expected, said), "{sent}");
    }
}

#[test]
fn a_page_may_come_as_the_bare_list_of_its_items() {
    use crate::event::pb::{Document, DocumentList};
    let documents = |sent: &str| {
        let (data, issues) = content("TASK_FINISHED", &format!(r#"{{"payload":{{"documents":{sent}}}}}"#));
        let Some(Data::TaskFinished(task)) = data else { panic!("{sent}: {data:?}") };
        (task.payload.unwrap().documents, issues)
    };
    let document = |id: &str| Document { id: text(id), ..Document::default() };
    let page = |cursor: Option<&str>, items: &[&str]| {
        let items = items.iter().map(|id| document(id)).collect();
        Some(DocumentList { next_cursor: cursor.map(str::to_owned), items })
    };
    for (sent, expected) in [
        ("null", None),
        ("{}", page(None, &[])),
        ("[]", page(None, &[])),
        (r#"{"nextCursor":null,"items":null}"#, page(None, &[])),
        (r#"{"nextCursor":"c","items":[{"id":"d"},null,{"id":"e"}]}"#, page(Some("c"), &["d", "e"])),
        (r#"[{"id":"d"},null]"#, page(None, &["d"])),
        (r#"{"items":{"id":"d"}}"#, page(None, &["d"])),
    ] {
        assert_eq!(documents(sent), (expected, vec![]), "{sent}");
    }
    assert_eq!(
        documents("7"),
        (None, vec!["/data/payload/documents UnexpectedValue object or array/number".to_owned()])
    );
    let (found, issues) = documents(r#"[{"id":"d"},7,"x",[],{"id":"e","new":1}]"#);
    assert_eq!(found, page(None, &["d", "e"]));
    assert_eq!(
        issues,
        [
            "1 UnexpectedValue object/number",
            "2 UnexpectedValue object/string",
            "3 UnexpectedValue object/array",
            "4/new UnknownField /number"
        ]
        .map(|rest| format!("/data/payload/documents/{rest}"))
    );
    assert_eq!(documents(r#"{"items":"x"}"#).1, ["/data/payload/documents/items UnexpectedValue array/string"]);
}

#[test]
fn what_comes_again_replaces_messages_and_lists_whole() {
    let (data, _) = content(
        "TASK_FINISHED",
        r#"{"payload":{"identity":{"fullName":"a","emails":[{"type":"x"}]},"rating":{"id":"r"},
            "identity":{"suffix":"b"},"documents":[{"id":"1"}],"documents":{"items":[{"id":"2"}],"items":[{"id":"3"}]},
            "rating":null},"providers":["p"],"userId":"u","providers":["q"]}"#,
    );
    let Some(Data::TaskFinished(task)) = data else { panic!("not decoded") };
    assert_eq!((task.providers, task.user_id), (list(&["q"]), text("u")));
    let payload = task.payload.unwrap();
    let identity = payload.identity.unwrap();
    assert_eq!((identity.full_name, identity.suffix, identity.emails.len()), (None, text("b"), 0));
    assert_eq!(payload.rating, None);
    let documents = payload.documents.unwrap().items;
    assert_eq!(documents.iter().map(|document| document.id()).collect::<Vec<_>>(), ["3"]);
}

#[test]
fn free_values_come_as_they_were_sent() {
    let form = |sent: &str| {
        let data = format!(r#"{{"payload":{{"forms":[{{"data":{sent}}}]}}}}"#);
        match clean("USER_SESSION_COMPLETED", &data) {
            Data::UserSessionCompleted(session) => session.payload.unwrap().forms.remove(0).data.map(|json| json.text),
            other => panic!("{other:?}"),
        }
    };
    for sent in [r#"{ "b" : 1.50,"a":"\u00e9","b":[ ] }"#, "[]", "7.00", r#""""#, "false"] {
        assert_eq!(form(sent), text(sent));
    }
    assert_eq!(form("null"), None);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(form(&deep), text(&deep));
}

#[test]
fn a_record_of_another_type_is_kept_as_it_is() {
    let payload = r#"{"id":"r","result":{ "nss":7 }}"#;
    for (record_type, is_typed) in [
        (r#""recordType":"SOCIAL_SECURITY","#, true),
        (r#""recordType":null,"#, true),
        ("", true),
        (r#""recordType":"CREDIT_REPORT","#, false),
        (r#""recordType":7,"#, false),
        (r#""recordType":"CREDIT_REPORT","recordType":"SOCIAL_SECURITY","#, true),
    ] {
        let record_type = record_type.trim_end_matches(',');
        let after = [format!(r#""payload":{payload}"#), record_type.to_owned()];
        let before = [record_type.to_owned(), format!(r#""payload":{payload}"#)];
        for members in [after, before] {
            let members = members.join(",");
            let (data, issues) = content("RECORD_COMPLETED", &format!("{{{}}}", members.trim_matches(',')));
            let Some(Data::RecordCompleted(record)) = data else { panic!("{data:?}") };
            assert_eq!(record.payload.is_some(), is_typed, "{members}");
            assert_eq!(record.other_payload.map(|json| json.text), (!is_typed).then(|| payload.to_owned()));
            let number = issues.iter().filter(|issue| issue.contains("/payload/result/nss")).count();
            assert_eq!(number, usize::from(is_typed), "{issues:?}");
        }
    }
    let (data, issues) = content("RECORD_COMPLETED", r#"{"recordType":"X","otherPayload":1,"payload":null}"#);
    let Some(Data::RecordCompleted(record)) = data else { panic!("{data:?}") };
    assert_eq!((record.payload, record.other_payload), (None, None));
    assert_eq!(issues, ["/data/otherPayload UnknownField /number"], "a name of ours is none of Smile's");
}

#[test]
fn an_archive_that_holds_more_than_datapoints_is_kept_as_it_is_as_well() {
    let archive = |sent: &str| {
        let data = format!(r#"{{"payload":{{"archives":[{{"payload":{sent},"id":"a"}}]}}}}"#);
        let (data, issues) = content("USER_SESSION_COMPLETED", &data);
        let Some(Data::UserSessionCompleted(session)) = data else { panic!("{data:?}") };
        let archive = session.payload.unwrap().archives.remove(0);
        assert_eq!(archive.id(), "a");
        (archive.payload.map(|payload| payload.rating.is_some()), archive.other_payload.map(|json| json.text), issues)
    };
    assert_eq!(archive("{}"), (Some(false), None, vec![]));
    assert_eq!(archive(r#"{"rating":{}}"#), (Some(true), None, vec![]));
    let more = r#"{"analysis":{"a":1},"rating":{}}"#;
    assert_eq!(archive(more), (Some(true), text(more), vec![]));
    assert_eq!(archive("[1]"), (None, text("[1]"), vec![]));
    assert_eq!(archive("null"), (None, None, vec![]));
    let deeper = archive(r#"{"rating":{"new":1}}"#);
    assert_eq!(
        deeper,
        (Some(true), None, vec!["/data/payload/archives/0/payload/rating/new UnknownField /number".to_owned()])
    );
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
    let event = decoded(&Encoded { plain, ..Encoded::default() });
    let expected = TaskFinished { user_id: text("199999"), status: text("s"), ..TaskFinished::default() };
    assert_eq!(event.data, Some(Data::TaskFinished(expected)));
    assert_eq!(event.decode_issues.len(), 64);
}
