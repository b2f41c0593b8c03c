//! Where Smile's own specification, documentation and examples disagree, or are loose, and what is made of it. The numbers
//! are those of a list of 86 such places; those that are not about decoding are in [`ELSEWHERE`].

use super::{Tree, content, proto_json};
use crate::event::schema::SCHEMA;

/// Number, type, data, the same as it is found again, and the issues.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

/// What is about the content of a type. Null is no value.
const CONTENT: &[Row] = &[
    // A type that says started, with the data of completed.
    (
        "1.4",
        "VERIFICATION_STARTED",
        r#"{"verificationId":"v","resultCode":"SUCCESS","result":{"finalMatches":true}}"#,
        r#"{"verificationId":"v"}"#,
        &["/data/resultCode UnknownField /string", "/data/result UnknownField /object"],
    ),
    // An example repeats a figure.
    (
        "1.11",
        "TASK_FINISHED",
        r#"{"payload":{"insight":{"features":{"liabilities_payment_amount_median":1.10,"identity_age":30,
            "liabilities_payment_amount_median":2.20}}}}"#,
        r#"{"payload":{"insight":{"features":{"liabilities_payment_amount_median":2.20,"identity_age":30}}}}"#,
        &["/data/payload/insight/features/liabilities_payment_amount_median DuplicateField /number"],
    ),
    // Numbers as strings, strings as numbers.
    (
        "1.12",
        "TASK_FINISHED",
        r#"{"errorCode":500,"payload":{"rating":{"currentRating":"4.50"},"transactions":[{"amount":"-25.5000"}]}}"#,
        r#"{"errorCode":"500","payload":{"rating":{"currentRating":4.50},
            "transactions":{"items":[{"amount":-25.5000}]}}}"#,
        &[
            "/data/errorCode UnexpectedValue string/number",
            "/data/payload/rating/currentRating UnexpectedValue number/string 4.50",
            "/data/payload/transactions/0/amount UnexpectedValue number/string -25.5000",
        ],
    ),
    // Null for what is not nullable.
    (
        "1.13",
        "TASK_FINISHED",
        r#"{"errorCode":null,"providers":[null,"p"],"payload":{"rating":null,"incomes":null,"transactions":null,
            "links":null,"insight":null,"documents":{"nextCursor":null,"items":[null,{"id":"d"}]},
            "identity":{"latestEmployerName":null,"emails":[null]}}}"#,
        r#"{"providers":["p"],"payload":{"documents":{"items":[{"id":"d"}]},"identity":{}}}"#,
        &[],
    ),
    // A source that is not listed.
    ("2.5", "TASK_FINISHED", r#"{"sourceType":"SIGNAL"}"#, r#"{"sourceType":"SIGNAL"}"#, &[]),
    // Providers: absent, null, bare, empty.
    ("3.1", "EINCOMES_ADDED", r#"{"userId":"u"}"#, r#"{"userId":"u"}"#, &[]),
    ("3.1", "EINCOMES_ADDED", r#"{"providers":null}"#, "{}", &[]),
    ("3.1", "EINCOMES_ADDED", r#"{"providers":"sss_ph"}"#, r#"{"providers":["sss_ph"]}"#, &[]),
    ("3.1", "EINCOMES_ADDED", r#"{"providers":[]}"#, r#"{"providers":[]}"#, &[]),
    // Counts that are numbers.
    ("3.2", "INCOMES_ADDED", r#"{"count":0}"#, r#"{"count":0}"#, &[]),
    ("3.2", "INCOMES_ADDED", r#"{"count":10.0}"#, r#"{"count":10}"#, &[]),
    ("3.2", "INCOMES_UPDATED", r#"{"count":"0"}"#, r#"{"count":0}"#, &["/data/count UnexpectedValue integer/string 0"]),
    ("3.2", "INCOMES_UPDATED", r#"{"count":null}"#, "{}", &[]),
    // Both ways to say what was updated, at either family.
    (
        "3.3",
        "DOCUMENTS_UPDATED",
        r#"{"updatedFrom":"2026-11-01T00:00:00Z","updatedTo":"2026-11-15T23:59:59Z","updatedAt":"2026-11-16T01:00:00Z"}"#,
        r#"{"updatedFrom":"2026-11-01T00:00:00Z","updatedTo":"2026-11-15T23:59:59Z","updatedAt":"2026-11-16T01:00:00Z"}"#,
        &[],
    ),
    ("3.3", "EINCOMES_UPDATED", r#"{"updatedIds":["e"]}"#, r#"{"updatedIds":["e"]}"#, &[]),
    // Ids are opaque.
    ("3.4", "USER_CREATED", r#"{"userId":"l17f7340df7fla-1"}"#, r#"{"userId":"l17f7340df7fla-1"}"#, &[]),
    ("3.5", "ARCHIVE_STARTED", r#"{"archiveId":"u-1"}"#, r#"{"archiveId":"u-1"}"#, &[]),
    ("3.5", "INVITE_LINKED", r#"{"inviteId":"inv-1"}"#, r#"{"inviteId":"inv-1"}"#, &[]),
    // Enumerations in any case, unknown, null.
    ("3.6", "TASK_STARTED", r#"{"sourceType":"Account"}"#, r#"{"sourceType":"Account"}"#, &[]),
    ("3.6", "TASK_STARTED", r#"{"sourceType":null}"#, "{}", &[]),
    ("3.7", "ACCOUNT_CONNECTED", r#"{"loginName":null}"#, "{}", &[]),
    ("3.7", "ACCOUNT_FAILED", r#"{"loginName":""}"#, r#"{"loginName":""}"#, &[]),
    ("3.8", "ACCOUNT_FAILED", r#"{"errorCode":"500"}"#, r#"{"errorCode":"500"}"#, &[]),
    (
        "3.9",
        "ARCHIVE_FAILED",
        r#"{"errorCode":"MISSING_MANDATARY_FIELD"}"#,
        r#"{"errorCode":"MISSING_MANDATARY_FIELD"}"#,
        &[],
    ),
    (
        "3.10",
        "LINK_ADDED",
        r#"{"ratingId":"r","userId":"u"}"#,
        r#"{"userId":"u"}"#,
        &["/data/ratingId UnknownField /string"],
    ),
    // Two spellings.
    ("4.1", "ACCOUNT_SYNC_TASK_FINISHED", r#"{"dataPoints":["INCOMES"]}"#, r#"{"datapoints":["INCOMES"]}"#, &[]),
    ("4.1", "TASK_FINISHED", r#"{"dataPoints":["INCOMES"]}"#, r#"{"datapoints":["INCOMES"]}"#, &[]),
    (
        "4.1",
        "TASK_FINISHED",
        r#"{"dataPoints":["INCOMES","LINK"],"datapoints":["LINK","RATINGS"]}"#,
        r#"{"datapoints":["INCOMES","LINK","RATINGS"]}"#,
        &["/data/datapoints DuplicateField /array"],
    ),
    // Fields that came to be over time, or are required and undefined.
    ("4.2", "TASK_FINISHED", r#"{"userId":"u"}"#, r#"{"userId":"u"}"#, &[]),
    ("4.3", "TASK_STARTED", "{}", "{}", &[]),
    ("4.4", "ACCOUNT_SYNC_TASK_FINISHED", r#"{"sourceId":"s"}"#, r#"{"sourceId":"s"}"#, &[]),
    ("4.5", "TASK_STARTED", r#"{"taskType":"NEW_ONE"}"#, r#"{"taskType":"NEW_ONE"}"#, &[]),
    ("4.6", "TASK_FINISHED", r#"{"status":"FAILURE"}"#, r#"{"status":"FAILURE"}"#, &[]),
    ("4.7", "TASK_FINISHED", r#"{"datapoints":["NEW_ONE"]}"#, r#"{"datapoints":["NEW_ONE"]}"#, &[]),
    (
        "4.8",
        "TASK_FINISHED",
        r#"{"datapoints":["INCOMES"],"payload":{"incomes":null,"documents":[{"id":"d"}]}}"#,
        r#"{"datapoints":["INCOMES"],"payload":{"documents":{"items":[{"id":"d"}]}}}"#,
        &[],
    ),
    // An empty payload: absent, null, an object.
    ("4.9", "TASK_FINISHED", "{}", "{}", &[]),
    ("4.9", "TASK_FINISHED", r#"{"payload":null}"#, "{}", &[]),
    ("4.9", "TASK_FINISHED", r#"{"payload":{}}"#, r#"{"payload":{}}"#, &[]),
    // Lists: null, empty, with a cursor, bare.
    (
        "4.10",
        "TASK_FINISHED",
        r#"{"payload":{"incomes":null,"documents":{},"links":{"nextCursor":"c","items":[{"id":"l"}]},
            "employments":[{"id":"e"}],"eincomes":[]}}"#,
        r#"{"payload":{"documents":{},"links":{"nextCursor":"c","items":[{"id":"l"}]},
            "employments":{"items":[{"id":"e"}]},"eincomes":{}}}"#,
        &[],
    ),
    (
        "4.11",
        "TASK_FINISHED",
        r#"{"payload":{"incomes":[{"id":"i","metadata":{"itemCreatedAt":"2026-11-16T01:00:00Z","sourceId":"s"}}],
            "identity":{"metadata":{"providerId":"p"}}}}"#,
        r#"{"payload":{"incomes":{"items":[{"id":"i","metadata":{"itemCreatedAt":"2026-11-16T01:00:00Z","sourceId":"s"}}]},
            "identity":{"metadata":{"providerId":"p"}}}}"#,
        &[],
    ),
    // Null for what is required.
    (
        "4.13",
        "TASK_FINISHED",
        r#"{"payload":{"identity":{"fullName":null},"employments":[{"startDate":null}],"liabilities":[{"endDate":null}],
            "documents":[{"documentType":null}],"eincomes":[{"amount":null}]}}"#,
        r#"{"payload":{"identity":{},"employments":{"items":[{}]},"liabilities":{"items":[{}]},"documents":{"items":[{}]},
            "eincomes":{"items":[{}]}}}"#,
        &[],
    ),
    // Fields that are new or going.
    (
        "4.14",
        "TASK_FINISHED",
        r#"{"payload":{"employments":[{"employerNumber":"1","reportedDate":"2026-10-31"}],
            "identity":{"latestEmployerName":"E","addresses":[{"tags":["Home"]}]}}}"#,
        r#"{"payload":{"employments":{"items":[{"employerNumber":"1","reportedDate":"2026-10-31"}]},
            "identity":{"latestEmployerName":"E","addresses":[{"tags":["Home"]}]}}}"#,
        &[],
    ),
    // Values that no list has, and null in a list.
    (
        "4.15",
        "TASK_FINISHED",
        r#"{"payload":{"identity":{"gender":"X","citizenship":"Non-resident Alien","addresses":[{"tags":["Home",null,"New"]}]},
            "documents":[{"status":"HIT"}]}}"#,
        r#"{"payload":{"identity":{"gender":"X","citizenship":"Non-resident Alien","addresses":[{"tags":["Home","New"]}]},
            "documents":{"items":[{"status":"HIT"}]}}}"#,
        &[],
    ),
    (
        "4.16",
        "TASK_FINISHED",
        r#"{"payload":{"identity":{"countryResidence":"NO"},"incomes":[{"currency":"VED"}]}}"#,
        r#"{"payload":{"identity":{"countryResidence":"NO"},"incomes":{"items":[{"currency":"VED"}]}}}"#,
        &[],
    ),
    // Money, to the last zero.
    (
        "4.17",
        "TASK_FINISHED",
        r#"{"payload":{"transactions":[{"amount":1375.0},{"amount":222.0000},{"amount":-25.5000},{"amount":16000},
            {"amount":12345678901234567890.123456789}]}}"#,
        r#"{"payload":{"transactions":{"items":[{"amount":1375.0},{"amount":222.0000},{"amount":-25.5000},{"amount":16000},
            {"amount":12345678901234567890.123456789}]}}}"#,
        &[],
    ),
    // Patterns and formats are nobody's business here.
    (
        "4.18",
        "TASK_FINISHED",
        r#"{"payload":{"identity":{"addresses":[{"latitude":"far","longitude":121.0198000}],"phones":[{"number":"0900"}],
            "emails":[{"address":"none"}]}}}"#,
        r#"{"payload":{"identity":{"addresses":[{"latitude":"far","longitude":"121.0198000"}],"phones":[{"number":"0900"}],
            "emails":[{"address":"none"}]}}}"#,
        &["/data/payload/identity/addresses/0/longitude UnexpectedValue string/number"],
    ),
    (
        "4.19",
        "TASK_FINISHED",
        r#"{"payload":{"eincomes":[{"month":"2026-10"}],"contributions":[{"date":"2026-02-31"}]}}"#,
        r#"{"payload":{"eincomes":{"items":[{"month":"2026-10"}]},"contributions":{"items":[{"date":"2026-02-31"}]}}}"#,
        &[],
    ),
    // Figures: names to come, sentinels, fractions where there should be none.
    (
        "4.20",
        "TASK_FINISHED",
        r#"{"payload":{"insight":{"features":{"incomes_count":25.0,"identity_age":-999,"incomes_amount_sum":-998,
            "link_day3_count":null,"incomes_new_one":1,"liabilities_payment_count":2.0,"link_day7_count":1.5}}}}"#,
        r#"{"payload":{"insight":{"features":{"incomes_count":25,"identity_age":-999,"incomes_amount_sum":-998,
            "liabilities_payment_count":2}}}}"#,
        &[
            "/data/payload/insight/features/incomes_new_one UnknownField /number",
            "/data/payload/insight/features/link_day7_count UnexpectedValue integer/number 1.5",
        ],
    ),
    (
        "4.21",
        "TASK_FINISHED",
        r#"{"payload":{"links":[{"id":"link-1","endDate":"2026-11-16T01:05:19Z","records":[{"count":0},
            {"count":1,"linkedAt":["2026-10-29T11:20:45Z"]}]}]}}"#,
        r#"{"payload":{"links":{"items":[{"id":"link-1","endDate":"2026-11-16T01:05:19Z","records":[{"count":0},
            {"count":1,"linkedAt":["2026-10-29T11:20:45Z"]}]}]}}}"#,
        &[],
    ),
    (
        "5.1",
        "VERIFICATION_COMPLETED",
        r#"{"result":{"additionalData":{"ids":[{"idSubType":"a"},{"idSubtype":"b"}]}}}"#,
        r#"{"result":{"additionalData":{"ids":[{"idSubtype":"a"},{"idSubtype":"b"}]}}}"#,
        &[],
    ),
    // Ids and phone numbers that are numbers keep their digits, which the issue does not repeat.
    (
        "5.2",
        "VERIFICATION_COMPLETED",
        r#"{"result":{"additionalData":{"ids":[{"idNumber":1234567890123456789012}],"phoneMatches":{"value":639123456789}}}}"#,
        r#"{"result":{"additionalData":{"ids":[{"idNumber":"1234567890123456789012"}],"phoneMatches":{"value":"639123456789"}}}}"#,
        &[
            "/data/result/additionalData/ids/0/idNumber UnexpectedValue string/number",
            "/data/result/additionalData/phoneMatches/value UnexpectedValue string/number",
        ],
    ),
    (
        "5.3",
        "VERIFICATION_COMPLETED",
        r#"{"result":{"finalMatches":null,"names":{"firstNameMatches":true,"lastNameMatches":false,"middleNameMatches":null},
            "additionalData":{"ids":null,"phoneMatches":null,"emailMatches":null}}}"#,
        r#"{"result":{"names":{"firstNameMatches":true,"lastNameMatches":false},"additionalData":{}}}"#,
        &[],
    ),
    ("5.3", "VERIFICATION_COMPLETED", r#"{"resultCode":"NO_DATA","result":null}"#, r#"{"resultCode":"NO_DATA"}"#, &[]),
    // Record types to come.
    ("5.4", "RECORD_CREATED", r#"{"recordId":"r","recordType":null}"#, r#"{"recordId":"r"}"#, &[]),
    (
        "5.4",
        "RECORD_COMPLETED",
        r#"{"recordType":"CREDIT_REPORT","payload":{"score":7.10,"nested":{"a":[]}}}"#,
        r#"{"recordType":"CREDIT_REPORT","payload":{"score":7.10,"nested":{"a":[]}}}"#,
        &[],
    ),
    // Two names of a name, fields that are not documented or were, a version that is a number.
    (
        "5.5",
        "RECORD_COMPLETED",
        r#"{"recordType":"SOCIAL_SECURITY","resultMessage":null,"payload":{"resultMessage":"other","result":{"name":"N",
            "gender":"Male","maritalStatus":"Single"},"requestMeta":{"mobileNumber":"+1234567890","consent":{"version":1}}}}"#,
        r#"{"recordType":"SOCIAL_SECURITY","payload":{"resultMessage":"other","result":{"fullName":"N","gender":"Male",
            "maritalStatus":"Single"},"requestMeta":{"mobileNumber":"+1234567890","consent":{"version":"1"}}}}"#,
        &["/data/payload/requestMeta/consent/version UnexpectedValue string/number"],
    ),
    (
        "5.6",
        "RECORD_COMPLETED",
        r#"{"status":"ERROR","payload":{"status":"PROCESSING","resultCode":"INVALID_PARAMETERS","result":null}}"#,
        r#"{"status":"ERROR","payload":{"status":"PROCESSING","resultCode":"INVALID_PARAMETERS"}}"#,
        &[],
    ),
    ("5.6", "RECORD_COMPLETED", r#"{"status":"ERROR"}"#, r#"{"status":"ERROR"}"#, &[]),
    (
        "5.7",
        "RECORD_COMPLETED",
        r#"{"payload":{"result":{"payMark":null,"nss":"1"},"requestMeta":{"nss":"1"}}}"#,
        r#"{"payload":{"result":{"nss":"1"},"requestMeta":{"nss":"1"}}}"#,
        &[],
    ),
    (
        "5.7",
        "RECORD_COMPLETED",
        r#"{"payload":{"result":{"payMark":false}}}"#,
        r#"{"payload":{"result":{"payMark":false}}}"#,
        &[],
    ),
    (
        "5.8",
        "RECORD_COMPLETED",
        r#"{"payload":{"requestMeta":{"consent":{"consentTemplateId":17}}}}"#,
        r#"{"payload":{"requestMeta":{"consent":{"consentTemplateId":"17"}}}}"#,
        &["/data/payload/requestMeta/consent/consentTemplateId UnexpectedValue string/number"],
    ),
    ("5.9", "USER_CREATED", r#"{"userId":"u"}"#, r#"{"userId":"u"}"#, &[]),
    (
        "5.10",
        "USER_SESSION_RESET",
        r#"{"session":{"channel":"FlipSite","channelId":null}}"#,
        r#"{"session":{"channel":"FlipSite"}}"#,
        &[],
    ),
    // Free objects, archives that carry something else, payloads that are empty.
    (
        "5.12",
        "USER_SESSION_COMPLETED",
        r#"{"payload":{"forms":[{"id":"f","data":{"a":{"b":1.0},"c":"d"}}],"accounts":[{"payload":{}}],
            "archives":[{"fileType":"payslip","payload":{"analysis":{"score":0.90},"identity":{"fullName":"N"}}},{"payload":{}}]}}"#,
        r#"{"payload":{"forms":[{"id":"f","data":{"a":{"b":1.0},"c":"d"}}],"accounts":[{"payload":{}}],
            "archives":[{"fileType":"payslip","payload":{"analysis":{"score":0.90},"identity":{"fullName":"N"}}},{"payload":{}}]}}"#,
        &[],
    ),
];

/// What is about the whole body: number, body, members of the event's proto JSON, and the issues.
#[allow(clippy::type_complexity, reason = "a table, whose columns the comment names")]
const ENVELOPE: &[(&str, &str, &[(&str, &str)], &[&str])] = &[
    ("1.1", r#"{"id":"einc-0g","type":"T"}"#, &[("id", r#""einc-0g""#)], &[]),
    (
        "1.1",
        r#"{"id":7,"type":"T"}"#,
        &[("typeName", r#""T""#)],
        &["/id UnexpectedValue string of 1 to 512 bytes/number"],
    ),
    ("1.2", r#"{"id":"i","type":"T","version":1.0}"#, &[("version", r#""1.0""#)], &[]),
    ("1.2", r#"{"id":"i","type":"T","version":"1"}"#, &[("version", r#""1""#)], &[]),
    ("1.2", r#"{"id":"i","type":"T","version":null}"#, &[("version", "null")], &[]),
    (
        "1.3",
        r#"{"id":"i","type":"SOMETHING_NEW","data":{"userId":"u","more":1}}"#,
        &[("type", "null"), ("typeName", r#""SOMETHING_NEW""#), ("userId", r#""u""#)],
        &[],
    ),
    ("1.5", r#"{"id":"i","type":"ALL_EVENTS","data":{}}"#, &[("type", "null"), ("typeName", r#""ALL_EVENTS""#)], &[]),
    ("1.6", r#"{"id":"i","type":"LINK_ADDED"}"#, &[("type", r#""EVENT_TYPE_LINK_ADDED""#), ("linkAdded", "null")], &[]),
    ("1.6", r#"{"id":"i","type":"LINK_ADDED","data":null}"#, &[("linkAdded", "null")], &[]),
    ("1.6", r#"{"id":"i","type":"LINK_ADDED","data":{}}"#, &[("linkAdded", "{}")], &[]),
    (
        "1.7",
        r#"{"id":"i","type":"T","createdAt":"2026-11-16T09:02:09.5+08:00"}"#,
        &[("createdAt", r#""2026-11-16T01:02:09.500Z""#)],
        &[],
    ),
    (
        "1.7",
        r#"{"id":"i","type":"T","createdAt":"2026-11-16T01:02:09"}"#,
        &[("createdAt", r#""2026-11-16T01:02:09Z""#)],
        &[],
    ),
    (
        "1.7",
        r#"{"id":"i","type":"T","createdAt":1794790929}"#,
        &[("createdAt", r#""2026-11-16T01:02:09Z""#)],
        &["/createdAt UnexpectedValue RFC 3339 time/number 1794790929"],
    ),
    (
        "1.7",
        r#"{"id":"i","type":"T","createdAt":"16 Nov"}"#,
        &[("createdAt", "null"), ("id", r#""i""#)],
        &["/createdAt UnexpectedValue RFC 3339 time/string 16 Nov"],
    ),
    ("1.8", r#"{"id":"i","type":"T","tenant":"t"}"#, &[("id", r#""i""#)], &["/tenant UnknownField /string"]),
    // A missing comma, a trailing comma: as two pages print it.
    ("1.10", "{\"id\":\"i\"\n\"type\":\"T\"}", &[("typeName", "null")], &[" NotJson object/invalid JSON"]),
    (
        "1.10",
        r#"{"id":"i","type":"T","data":{"status":"S",}}"#,
        &[("typeName", "null")],
        &[" NotJson object/invalid JSON"],
    ),
    // Types that went.
    ("2.2", r#"{"id":"i","type":"BUCKET_ADDED","data":{"id":"bucket-1"}}"#, &[("typeName", r#""BUCKET_ADDED""#)], &[]),
    ("2.2", r#"{"id":"i","type":"RECORD_STARTED"}"#, &[("type", "null"), ("typeName", r#""RECORD_STARTED""#)], &[]),
    (
        "5.11",
        r#"{"id":"i","type":"USER_SESSION_RESET","data":{"session":{"userId":"u"}}}"#,
        &[("userId", r#""u""#), ("userSessionReset", r#"{"session":{"userId":"u"}}"#)],
        &[],
    ),
    ("5.4", r#"{"id":"i","type":"RECORD_CREATED","data":{"recordId":"r"}}"#, &[("userId", "null")], &[]),
];

/// Rows that lose or garble events, and that others keep from doing so.
const ELSEWHERE: &[(&str, &str)] = &[
    ("2.1", "every_type_of_the_proto_has_its_content"),
    ("4.12", "tests/payload.rs"),
    ("6.1", "tests/ingest.rs"),
    ("6.2", "tests/ingest.rs"),
    ("6.4", "tests/durability.rs"),
    ("8", "callbacks are not received in this version"),
];

/// All rows that lose or garble events.
const ROWS: &str = "1.1 1.2 1.3 1.4 1.5 1.6 1.7 1.8 1.10 1.11 1.12 1.13 2.1 2.2 2.5 3.1 3.2 3.3 3.4 3.5 3.6 3.7 3.8 3.9 4.1 4.2 \
                    4.3 4.4 4.5 4.6 4.7 4.8 4.9 4.10 4.11 4.12 4.13 4.14 4.15 4.16 4.17 4.18 4.19 4.20 4.21 5.1 5.2 5.3 5.4 \
                    5.5 5.6 5.7 5.8 5.9 5.10 5.11 5.12 6.1 6.2 6.4 8";

#[test]
fn every_row_has_its_case() {
    let content = CONTENT.iter().map(|row| row.0);
    let cases: Vec<&str> =
        content.chain(ENVELOPE.iter().map(|row| row.0)).chain(ELSEWHERE.iter().map(|row| row.0)).collect();
    let missing = ROWS.split_whitespace().find(|row| !cases.contains(row));
    assert_eq!(missing, None);
}

#[test]
fn odd_content_is_understood() {
    for (number, name, data, expected, expected_issues) in CONTENT {
        let (found, issues) = content(name, data);
        assert_eq!(found, Tree::parse(expected), "{number}");
        assert_eq!(issues, *expected_issues, "{number}");
    }
}

#[test]
fn odd_envelopes_are_understood() {
    for (number, body, expected, expected_issues) in ENVELOPE {
        let (event, issues) = proto_json(body);
        for (member, value) in *expected {
            assert_eq!(event.member(member), Tree::parse(value), "{number} {member}");
        }
        assert_eq!(issues, *expected_issues, "{number}");
    }
}

#[test]
fn no_type_needs_any_data() {
    for name in SCHEMA.types.keys() {
        assert_eq!(content(name, "null"), (Tree::Null, vec![]), "{name}");
        assert_eq!(content(name, "{}"), (Tree::Object([].into()), vec![]), "{name}");
    }
}
